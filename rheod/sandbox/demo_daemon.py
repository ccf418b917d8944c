"""The real daemon as the demo's child process: started, asked, watched, stopped; it leaves no process behind.

It knows rheod only from outside: the command line, the environment, HTTP, the admin socket and the log.

Tells the demo's steps as they happen, to people or as JSON lines, and knows which step is under way.

It decides nothing about the loop; a step that does not happen in time becomes a DemoFailed that names it.

The environment the sandbox runs in: nothing that could lead to real accounts, a proxy, or the owner's own rheod.

Only names of variables are known here; what the simulators need is not.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeVar

import aiohttp

T = TypeVar("T")

STEP_S = 20.0
"""The deadline of one step; on an idle machine the slowest takes about two seconds."""


class DemoFailed(Exception):
    """A step of the demo did not happen, or not as it should; the sentence says which way."""


class DemoStory:
    """Writes one line per step to standard output; `step` is what is under way. Times count from its making."""

    def __init__(
        self, *, as_json: bool, step_s: float = STEP_S, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._as_json = as_json
        self._step_s = step_s
        self.step = "start"
        self._monotonic = monotonic
        self._began = monotonic()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the beginning."""
        return self._monotonic() - self._began

    async def within(self, step: str, doing: Awaitable[T]) -> T:
        """Wait for a step, at most `step_s` seconds; DemoFailed after that."""
        self.step = step
        try:
            async with asyncio.timeout(self._step_s):
                return await doing
        except TimeoutError as error:
            raise DemoFailed(f"it did not happen within {self._step_s:g} s") from error

    def tell(self, step: str, sentence: str, **facts: Any) -> None:
        """A step has happened; `facts` are for the JSON line only."""
        if self._as_json:
            self._write({"step": step, "elapsedMs": round(self.elapsed_s * 1000), "text": sentence, **facts})
        else:
            self._line(f"{self.elapsed_s:7.2f} s  {step:<16} {sentence}")

    def heading(self, sentence: str) -> None:
        """A line for people only."""
        if not self._as_json:
            self._line(sentence)

    def failed(self, reason: str, log: list[str]) -> None:
        """The loop did not close: one line on standard error that names the step, and the daemon's last lines."""
        if self._as_json:
            self._write({"step": "failed", "failedStep": self.step, "reason": reason, "log": log})
        elif log:
            self._line("the daemon's last lines:")
            for line in log:
                self._line(f"  {line}")
        sys.stderr.write(f"rheod demo: the step {self.step!r} failed: {reason}\n")

    def _write(self, value: dict[str, Any]) -> None:
        self._line(json.dumps(value, ensure_ascii=False))

    def _line(self, text: str) -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


_HIDDEN_PREFIXES = ("RHEOD_", "AWS_", "LISTEN_", "WATCHDOG_")
_HIDDEN = {
    *("NOTIFY_SOCKET", "JOURNAL_STREAM", "CREDENTIALS_DIRECTORY", "STATE_DIRECTORY", "INVOCATION_ID"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
}
_NO_AWS_FILES = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


def clean_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without any of that, and with no AWS files."""
    kept = {
        name: value
        for name, value in environ.items()
        if not name.startswith(_HIDDEN_PREFIXES) and name.upper() not in _HIDDEN
    }
    return kept | _NO_AWS_FILES


def enter_clean_environment() -> None:
    """Make it this process's environment, and so its children's; for a command, which has no other use for it."""
    clean = clean_environment(os.environ)
    for name in set(os.environ) - set(clean):
        del os.environ[name]
    os.environ.update(clean)


_CALL_TIMEOUT = aiohttp.ClientTimeout(total=10)
_STOP_S = 8.0
_LOOK_S = 0.02


class Process(Protocol):
    """What is used of a child process, as `asyncio.subprocess` has it."""

    @property
    def pid(self) -> int:
        """Its number."""

    @property
    def returncode(self) -> int | None:
        """None while it runs; a signal is a negative number."""

    async def wait(self) -> int:
        """Its exit status, once it has ended."""

    def terminate(self) -> None:
        """Ask it to stop in order."""


async def start_python(environ: Mapping[str, str], log: BinaryIO) -> Process:
    """`rheod serve` in this environment alone, writing to `log`, in a session of its own."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "rheod", "serve"),
        stdin=DEVNULL,
        stdout=log,
        stderr=log,
        env=environ,
        start_new_session=True,  # Ctrl-C is the demo's: it stops its daemon in order
    )


class DemoDaemon:
    """`rheod serve` with its data in `folder`; `settings` are `RHEOD_*` variables.

    `crash_at` kills its first life at that crash point (`debug.crash_at`); it is then started again without.
    `lives` counts the starts; `start` makes the process of each.
    """

    def __init__(
        self,
        *,
        folder: Path,
        settings: Mapping[str, str],
        crash_at: str | None = None,
        start: Callable[[Mapping[str, str], BinaryIO], Awaitable[Process]] = start_python,
    ) -> None:
        self.lives = 0
        self._start_process = start
        self.pid: int | None = None
        self.headers: dict[str, str] = {}
        self.log_file = folder / "rheod.log"
        self._socket = folder / "admin.sock"
        # The same for every demo: nothing is read from outside its folder, and it stops quickly
        settings_file = folder / "rheod.toml"
        settings_file.touch()
        self._environ = {
            **clean_environment(os.environ),
            "RHEOD_CONFIG": str(settings_file),
            "RHEOD_STORAGE__PATH": str(folder),
            "RHEOD_SERVER__PORT": "0",
            "RHEOD_SERVER__SHUTDOWN_GRACE_S": "3",
            "RHEOD_LOG__FORMAT": "json",
            "RHEOD_TRADERA__RESULT_DELAYS_S": "[1]",
            "RHEOD_PUSH__WAIT_S": "1",
            **settings,
        }
        self._crash_at = crash_at
        self._address: str | None = None
        self._log_read = self._log_size()  # what an earlier daemon of this folder said is not about this one

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep it running inside the block and end it after; DemoFailed there as soon as it dies by itself."""
        try:
            async with asyncio.TaskGroup() as group:
                watching = group.create_task(self._live(), name="demo daemon")
                yield
                watching.cancel()
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from errors

    @property
    def in_last_life(self) -> bool:
        """Whether it is not going to be killed by its crash point any more."""
        return self._crash_at is None or self.lives > 1

    async def _live(self) -> None:
        crash_at = self._crash_at
        while True:
            status = await self._one_life(crash_at)
            if status != -signal.SIGKILL or crash_at is None:
                reasons = [line for line in self.last_lines(1) if line.startswith("rheod: ")]
                raise DemoFailed(f"rheod ended by itself with status {status}. {' '.join(reasons)}".rstrip())
            crash_at = None

    async def _one_life(self, crash_at: str | None) -> int:
        environ = self._environ | ({"RHEOD_DEBUG__CRASH_AT": crash_at} if crash_at else {})
        self._log_read = self._log_size()
        with self.log_file.open("ab") as log:
            process = await self._start_process(environ, log)
        self.pid = process.pid
        self.lives += 1
        try:
            return await process.wait()
        finally:
            self._address = None
            await _end(process)

    def _log_size(self) -> int:
        return self.log_file.stat().st_size if self.log_file.exists() else 0

    async def address(self) -> str:
        """Its HTTP address, as soon as it says that it is ready."""
        while self._address is None:
            self._read_log()
            await asyncio.sleep(_LOOK_S)
        return self._address

    def _read_log(self) -> None:
        if not self.log_file.exists():
            return
        with self.log_file.open("rb") as log:
            log.seek(self._log_read)
            lines = log.read().splitlines(keepends=True)
        for line in lines:
            if not line.endswith(b"\n"):
                return
            self._log_read += len(line)
            if b'"event": "ready"' in line:
                self._address = json.loads(line)["address"]

    def last_lines(self, count: int = 15) -> list[str]:
        """The end of its log."""
        if not self.log_file.exists():
            return []
        return self.log_file.read_text("utf-8", "replace").splitlines()[-count:]

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """Ask over HTTP with `headers`, again while it is down or unable; DemoFailed when it refuses."""
        while True:
            address = await self.address()
            async with aiohttp.ClientSession(headers=self.headers, timeout=_CALL_TIMEOUT) as session:
                answered, answer = await _ask(session, method, address + path, body)
            if answered:
                return answer
            await asyncio.sleep(_LOOK_S)

    async def ask_admin(self, method: str, path: str, body: Any = None) -> Any:
        """Ask at the admin socket, as the commands do."""
        while True:
            await self.address()
            connector = aiohttp.UnixConnector(str(self._socket))
            async with aiohttp.ClientSession(connector=connector, timeout=_CALL_TIMEOUT) as session:
                answered, answer = await _ask(session, method, f"http://rheod{path}", body)
            if answered:
                return answer
            await asyncio.sleep(_LOOK_S)


async def _ask(session: aiohttp.ClientSession, method: str, url: str, body: Any) -> tuple[bool, Any]:
    """Whether it answered for good, and what: a daemon that was killed or cannot now is asked again."""
    try:
        async with session.request(method, url, json=body) as response:
            answer = await response.json() if response.content_type == "application/json" else None
            status = response.status
    except (aiohttp.ClientError, TimeoutError):
        return False, None
    if status < 400:
        return True, answer
    if status < 500:
        raise DemoFailed(f"rheod answered {status} to {method} {url}: {answer}")
    return False, None


async def _end(process: Process) -> None:
    """Ask it to stop, then kill its whole session; harmless when it has ended."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(_STOP_S):
            await process.wait()
    except TimeoutError:
        os.killpg(process.pid, signal.SIGKILL)  # it leads a session of its own and has not been reaped
        await process.wait()
