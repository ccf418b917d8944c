"""The API in a process of its own that may have few file descriptors: started by test_few_files.py.

`python -m tests.api.starved FOLDER LIMIT` prints its port and a key, then obeys lines on its standard input: `hold`
takes all descriptors but three away, `free` gives them back, `files` prints how many are open, no more lines end it.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
from pathlib import Path

from rheod.api.connections import ConnectionLimits
from rheod.api.server import build_app, start
from tests.api.running import Clock, made_parts
from tests.stores import opened


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def hold() -> list[int]:
    """Open files until there are none left, then give three back."""
    held: list[int] = []
    try:
        while True:
            held.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        for _ in range(3):
            os.close(held.pop())
    return held


async def obey(commands: asyncio.StreamReader) -> None:
    held: list[int] = []
    while command := (await commands.readline()).strip():
        if command == b"hold":
            held = hold()
        elif command == b"free":
            while held:
                os.close(held.pop())
        say(str(len(list(Path("/proc/self/fd").iterdir()))) if command == b"files" else "done")


async def main(folder: Path, limit: int) -> None:
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(commands), sys.stdin
    )
    async with opened(folder) as database:
        parts, _ = await made_parts(database, folder, Clock())
        _, key = await parts.keys.create(parts.default_account, "test")
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        limits = ConnectionLimits(keepalive_s=1)
        runner, port = await start(build_app(parts), host="127.0.0.1", port=0, limits=limits)
        say(f"{port} {key}")
        await obey(commands)
        await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
