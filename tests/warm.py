"""Runs the command `rheod`, and the daemon, for tests without the second or two that loading all of it takes each time.

A process that has loaded the daemon's libraries forks for each command. Each is a process of its own all the same, in a
session of its own, with its own environment, streams, exit status and death by a signal; the module of its group is loaded
in it. What a cold start must be like is shown by tests that start Python themselves (`tests/cli/test_cli.py`,
`tests/cli/test_command_line.py`, `tests/sandbox/test_demo.py`).
"""

from __future__ import annotations

import asyncio
import atexit
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module
from typing import IO, Any, BinaryIO

from rheod.sandbox.demo_daemon import DemoDaemon

TIMEOUT_S = 60
_MOST_BYTES = 2**17
_LOADED = (
    "rheod.cli.serve",
    "aiobotocore.session",
    "aiobotocore.config",
    "rheod.push.botocore_limits",
)
_NUMBER = 32  # bytes enough for one, as text


def run(
    *arguments: str, environ: Mapping[str, str], typed: str = "", timeout_s: float = TIMEOUT_S
) -> subprocess.CompletedProcess[str]:
    """`rheod` with these arguments and this environment alone, to its end; `typed` is on its standard input."""
    with (
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
    ):
        given.write(typed.encode())
        given.seek(0)
        with _ask(arguments, environ, (given, out, err)) as asked:
            asked.settimeout(timeout_s)
            asked.recv(_NUMBER)  # its process id
            status = int(asked.recv(_NUMBER))
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(
            ["rheod", *arguments], status, out.read().decode(), err.read().decode()
        )


@dataclass
class _Daemon:
    """A daemon that was forked: what is used of a child process."""

    asked: socket.socket
    pid: int
    returncode: int | None = None

    async def wait(self) -> int:
        """Its exit status once it has ended, as `subprocess` has it."""
        while self.returncode is None:
            self.returncode = int(await asyncio.get_running_loop().sock_recv(self.asked, _NUMBER))
            self.asked.close()
        return self.returncode

    def terminate(self) -> None:
        """Ask it to stop."""
        os.kill(self.pid, signal.SIGTERM)


async def _start(environ: Mapping[str, str], log: BinaryIO) -> _Daemon:
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123 - no file
        asked = _ask(["serve"], environ, (nothing, log, log))
    asked.setblocking(False)
    return _Daemon(asked, int(await asyncio.get_running_loop().sock_recv(asked, _NUMBER)))


daemon = partial(DemoDaemon, start=_start)
"""The daemon, forked."""


def _ask(arguments: Sequence[str], environ: Mapping[str, str], streams: Sequence[IO[bytes]]) -> socket.socket:
    """Have a process forked with these three streams; the socket tells its number, and its exit status at its end."""
    asked = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    asked.connect(_server())
    request = json.dumps({"arguments": arguments, "environ": dict(environ)}).encode()
    socket.send_fds(asked, [request], [stream.fileno() for stream in streams])
    return asked


@cache
def _server() -> bytes:
    """The address of the warm process of this test process; it is started at the first use, and ends with it."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind("")  # Linux finds a name that is not in the file system
    listener.listen(64)
    with listener:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.warm", str(listener.fileno())],
            stdin=subprocess.PIPE,
            pass_fds=(listener.fileno(),),
        )
        address: bytes = listener.getsockname()
    atexit.register(_end, process)
    return address


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()


def main() -> None:
    """Fork for whoever asks, until standard input closes."""
    for module in _LOADED:  # here and nowhere else: a test process has no use for them
        import_module(module)

    gc.freeze()  # else each child copies what it only counts
    listener = socket.socket(fileno=int(sys.argv[1]))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        if sys.stdin in ready:
            return
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            _answer(connection)
            os._exit(0)
        connection.close()


def _answer(connection: socket.socket) -> None:
    """Run one command in a child, and tell how it ended as `subprocess` does: a signal is a negative number."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    request, streams, _, _ = socket.recv_fds(connection, _MOST_BYTES, 3)
    asked = json.loads(request)
    child = os.fork()
    if child == 0:
        connection.close()
        os.setsid()
        _live(asked["arguments"], asked["environ"], streams)
    for stream in streams:
        os.close(stream)
    connection.send(str(child).encode())
    _, status = os.waitpid(child, 0)
    connection.send(str(os.waitstatus_to_exitcode(status)).encode())


def _live(arguments: Sequence[str], environ: Mapping[str, Any], streams: Sequence[int]) -> None:
    """Be that command."""
    from rheod.cli.main import main as command  # noqa: PLC0415 - loaded long ago

    for place, stream in enumerate(streams):
        os.dup2(stream, place)
    os.environ.clear()
    os.environ.update(environ)
    sys.argv = ["rheod", *arguments]
    status = 1
    try:
        status = command(arguments)
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 1
    except BaseException:  # noqa: BLE001 - as Python itself ends
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main()
