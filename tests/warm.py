"""Runs the command `rheod` for tests without the second or two that loading all of it takes each time.

A process that has loaded the daemon's libraries forks for each command. Each is a process of its own all the same, with
its own environment, streams, exit status and death by a signal; the module of its group is loaded in it. What a cold start
must be like is shown by tests that start Python themselves (`tests/cli/test_cli.py`, `tests/cli/test_command_line.py`).
"""

from __future__ import annotations

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
from functools import cache
from typing import Any

TIMEOUT_S = 60
_MOST_BYTES = 2**17


def run(
    *arguments: str, environ: Mapping[str, str], typed: str = "", timeout_s: float = TIMEOUT_S
) -> subprocess.CompletedProcess[str]:
    """`rheod` with these arguments and this environment alone, to its end; `typed` is on its standard input."""
    request = json.dumps({"arguments": arguments, "environ": dict(environ)}).encode()
    with (
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
        socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asked,
    ):
        given.write(typed.encode())
        given.seek(0)
        asked.settimeout(timeout_s)
        asked.connect(_server())
        socket.send_fds(asked, [request], [given.fileno(), out.fileno(), err.fileno()])
        status = int(asked.recv(32))
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(
            ["rheod", *arguments], status, out.read().decode(), err.read().decode()
        )


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
    from rheod.cli import offline  # noqa: F401, PLC0415 - it loads what all commands share, here and nowhere else

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
        _live(asked["arguments"], asked["environ"], streams)
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
