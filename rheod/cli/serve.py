"""What makes this process a rheod: `rheod serve`, the simulators, and a command's one question where no daemon runs.

`rheod serve` makes settings, log and systemd's socket ready, then runs the daemon (`rheod.daemon`). `rheod demo` and
`rheod sandbox` need the extra packages of `[sandbox]` in pyproject.toml. A command without a daemon takes the lock, opens the
store and calls the admin handler itself: so it works on the file exactly as it works on the daemon, and nothing is
served. No loop runs then: what was ordered waits for the daemon.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import Any, TextIO

import click
import structlog
from aiohttp import StreamReader, hdrs, web
from aiohttp.http import HttpVersion11, RawRequestMessage, StreamWriter
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from rheod import daemon, logs
from rheod.cli import FAILED, OK, WRONG_USAGE, CommandFailed
from rheod.cli.main import Command, Options, give_to_owner, note, pass_options, settings_of, with_json
from rheod.compose.build import build, open_database
from rheod.compose.remotes import Remotes
from rheod.config.loading import secret_values
from rheod.config.settings import Settings
from rheod.domain.errors import RheodError
from rheod.health.machine import SdNotify
from rheod.jobs.housekeeping import SteadyClock
from rheod.logs import redact_values
from rheod.sandbox.demo_daemon import enter_clean_environment
from rheod.store.engine.database import Database
from rheod.store.engine.folder import explained

YOUNG_OBJECTS = 20_000
"""Objects made between two runs of the collector of cycles. At Python's 700 a tenth of a busy daemon's time went there,
most of it for objects that are there when it is ready; those are frozen."""

_log = structlog.get_logger(__name__)


@click.command(cls=Command)
@pass_options
def serve(options: Options) -> int:
    """Run the daemon in the foreground.

    It stops in order at SIGTERM or SIGINT. It ends with a sentence and status 1 when it cannot start or a loop ended.
    """
    settings = settings_of(options)
    journald = _writes_to_journal(os.environ, sys.stdout)
    output = logs.configure(
        format=settings.log.format, level=settings.log.level, stream=sys.stdout, journald=journald
    )
    redact_values(secret_values(settings))
    # taken out, so that no child can speak for the daemon
    notifier = SdNotify(os.environ.pop("NOTIFY_SOCKET", None))
    proxies = {"http_proxy", "https_proxy", "all_proxy"}
    if found := sorted(name for name, value in os.environ.items() if name.lower() in proxies and value):
        # one would carry requests past the guard against inner networks
        _log.warning("proxy variables are ignored: rheod connects directly", variables=", ".join(found))
    try:
        gc.set_threshold(YOUNG_OBJECTS)
        asyncio.run(
            daemon.serve(settings, remotes=Remotes(systemd=notifier), started=lambda _port: gc.freeze())
        )
    except RheodError:
        raise
    except Exception:  # noqa: BLE001 - the last place that can say what ended the daemon
        _log.critical("rheod ends after an error of its own", exc_info=True)
        return FAILED
    finally:
        output.close()
    return OK


def _writes_to_journal(environ: Mapping[str, str], stream: TextIO) -> bool:
    """Whether this very stream goes to the journal: systemd names its device and inode (systemd.exec(5))."""
    try:
        where = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{where.st_dev}:{where.st_ino}"


_EXTRA = ("moto", "flask", "openapi_schema_validator")


@click.command(cls=Command, uses_settings=False)
@click.option("--once", is_flag=True, help="End when the loop has closed.")
@click.option(
    "--keep",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Keep the data and the log in this empty folder.",
)
@with_json
def demo(*, once: bool, keep: Path | None, as_json: bool) -> int:
    """Show the whole loop on this machine, without accounts.

    Simulators stand for Tradera, its queue and a shop; the daemon between them is the real one. It stays up until
    Ctrl-C. With --once the exit status is 0 when the loop closed, and 1 names the step that did not.
    """
    _require_extra()
    from rheod.sandbox.demo import run_demo  # noqa: PLC0415 - after the check, so that the hint comes first

    if keep is not None and keep.exists() and not (keep.is_dir() and not any(keep.iterdir())):
        raise CommandFailed(
            f"--keep {keep} is there and not an empty folder: name a new one", status=WRONG_USAGE
        )
    enter_clean_environment()
    return asyncio.run(run_demo(once=once, as_json=as_json, keep=keep))


@click.command(cls=Command, uses_settings=False)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8090,
    help="The simulated Tradera's port, the shop and the queue on the next two (default 8090; 0: any).",
)
def sandbox(*, port: int) -> int:
    """Run only the simulators, to develop against.

    It prints the settings that point a rheod at them, the same at every start, and runs until Ctrl-C.
    """
    _require_extra()
    from rheod.sandbox.sandbox import run_sandbox  # noqa: PLC0415 - as above

    enter_clean_environment()
    return asyncio.run(run_sandbox(port))


def _require_extra() -> None:
    if missing := [name for name in _EXTRA if find_spec(name) is None]:
        raise CommandFailed(
            f"The simulators need {', '.join(missing)}: run `{sys.executable} -m pip install -r requirements.lock` in"
            " your clone of rheod"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a command asks, as it would be sent to the admin socket."""

    method: str
    target: str
    headers: Mapping[str, bytes]
    body: dict[str, Any] | None = None


def ask_store(settings: Settings, asked: Question, *, silent: Path) -> tuple[int, bytes]:
    """Status and body of the answer from the data folder itself; `silent` is the socket where no daemon answered.

    Raises CommandFailed, also when a daemon has the folder after all or it may not be opened.
    """
    folder = settings.storage.path
    fresh = False
    output = logs.configure(format="text", level="warning", stream=sys.stderr, journald=False)
    try:
        fresh = not (folder / "rheod.db").exists()
        answer = asyncio.run(_answer(settings, asked))
    except CommandFailed:
        raise
    except (OSError, RheodError) as error:
        reason = str(explained(error, folder)) if isinstance(error, OSError) else str(error)
        raise CommandFailed(
            f"rheod does not answer at {silent} and {folder} cannot be opened: {reason}"
        ) from error
    finally:
        output.close()
        with suppress(OSError):
            give_to_owner(folder, [file for file in folder.iterdir() if file.lstat().st_uid == 0])
    if fresh:
        note(f"rheod is not running; a new database was made in {folder}")
    return answer


async def _answer(settings: Settings, asked: Question) -> tuple[int, bytes]:
    database = await open_database(settings)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(database.run(), name="writer")
            try:
                return await _built_and_asked(settings, database, asked)
            finally:
                database.stop()
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from errors
    finally:
        await database.close()


async def _built_and_asked(settings: Settings, database: Database, asked: Question) -> tuple[int, bytes]:
    rng = Random()  # noqa: S311 - ids must be unique, not secret
    rheod = await build(settings, database, clock=SteadyClock(), rng=rng, remotes=Remotes())
    async with rheod.clients:
        return await _handled(rheod.handlers.admin(), asked)


async def _handled(app: web.Application, asked: Question) -> tuple[int, bytes]:
    """Status and body of the application's own answer to a request that no connection has brought."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()  # routes are final now; nothing listens
    server, loop = runner.server, asyncio.get_running_loop()
    assert server is not None
    headers = CIMultiDict({hdrs.HOST: "rheod"})
    for name, value in asked.headers.items():
        headers[name] = value.decode("utf-8", "surrogateescape")
    protocol = server()
    content = StreamReader(protocol, 2**16, loop=loop)
    if asked.body is not None:
        raw = json.dumps(asked.body).encode()
        headers[hdrs.CONTENT_LENGTH] = str(len(raw))
        content.feed_data(raw)
    content.feed_eof()
    message = RawRequestMessage(
        method=asked.method,
        path=asked.target,
        version=HttpVersion11,
        headers=CIMultiDictProxy(headers),
        raw_headers=tuple(
            (name.encode(), value.encode("utf-8", "surrogateescape")) for name, value in headers.items()
        ),
        should_close=True,
        compression=None,
        upgrade=False,
        chunked=False,
        url=URL(asked.target, encoded=True),
    )
    task = asyncio.current_task()
    assert task is not None
    request = server.request_factory(message, content, protocol, StreamWriter(protocol, loop), task)
    try:
        response = await server.request_handler(request)
    finally:
        await runner.cleanup()
    assert isinstance(response, web.Response)
    body = response.body
    assert body is None or isinstance(body, bytes | bytearray)
    return response.status, bytes(body or b"")
