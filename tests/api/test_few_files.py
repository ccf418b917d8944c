"""Too few file descriptors slow the API down and do not end it."""

from __future__ import annotations

import asyncio
import resource
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rheod.api.connections import affordable
from tests.api.malformed import BODY, LENGTH, PUT

LIMIT = 64
"""Descriptors the process may have; two dozen are used before the first connection."""


@dataclass
class Starved:
    """The process, its port and a live key."""

    process: asyncio.subprocess.Process
    port: int
    key: bytes

    async def tell(self, command: str) -> bytes:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{command}\n".encode())
        return await self.answer()

    async def answer(self) -> bytes:
        """The next line that is no log line."""
        assert self.process.stdout is not None
        async with asyncio.timeout(10):
            while line := await self.process.stdout.readline():
                if b"[" not in line:
                    return line.strip()
        raise AssertionError("the process has ended")


@pytest.fixture
async def starved(tmp_path: Path) -> AsyncIterator[Starved]:
    """A started API with 64 descriptors; at the end it must stop in order, and have complained in few lines."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.api.starved",
        str(tmp_path),
        str(LIMIT),
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
    )
    running = Starved(process, 0, b"")
    try:
        port, running.key = (await running.answer()).split()
        running.port = int(port)
        yield running
        assert process.stdin is not None
        process.stdin.close()
        async with asyncio.timeout(10):
            _, complaints = await process.communicate()
        assert process.returncode == 0
        assert complaints.count(b"out of system resource") < 100, complaints[-2000:]
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def open_lines(starved: Starved, count: int) -> list[asyncio.StreamWriter]:
    """Connections that say nothing, each from an address of its own."""
    opened = [
        await asyncio.open_connection("127.0.0.1", starved.port, local_addr=(f"127.2.0.{number + 1}", 0))
        for number in range(count)
    ]
    return [writer for _, writer in opened]


async def put(starved: Starved) -> int:
    """Status of an honest PUT from an address of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", starved.port, local_addr=("127.3.0.1", 0))
    writer.write((PUT + LENGTH + b"\r\n" + BODY).replace(b"KEY", starved.key))
    try:
        async with asyncio.timeout(10):
            return int((await reader.readline())[9:12] or 0)
    except ConnectionResetError:
        return 0
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("descriptors", "most"), [(8192, 512), (1024, 512), (64, 32), (1, 1), (resource.RLIM_INFINITY, 512)]
)
def test_half_of_the_descriptors_are_for_connections(descriptors: int, most: int) -> None:
    """Of few descriptors half are left for the rest of the daemon; of many, or without a limit, the setting counts."""
    assert affordable(512, descriptors) == most


async def test_connections_leave_descriptors_for_the_rest(starved: Starved) -> None:
    """A hundred idle connections at 64 descriptors: an honest PUT is taken, and there are descriptors left over."""
    lines = await open_lines(starved, 100)
    assert await put(starved) == 202
    assert int(await starved.tell("files")) <= LIMIT - 4
    for writer in lines:
        writer.close()
    assert await put(starved) == 202


async def test_out_of_descriptors_it_waits_and_comes_back(starved: Starved) -> None:
    """With none left nothing new is accepted, and when there are some again, everything is as before."""
    before = int(await starved.tell("files"))
    await starved.tell("hold")
    lines = await open_lines(starved, 20)
    waiting = asyncio.ensure_future(put(starved))
    await asyncio.wait([waiting], timeout=0.5)
    assert not waiting.done()
    await starved.tell("free")
    assert await waiting == 202
    for writer in lines:
        writer.close()
    async with asyncio.timeout(10):
        while int(await starved.tell("files")) > before:
            pass
    assert await put(starved) == 202
