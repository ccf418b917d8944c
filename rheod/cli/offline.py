"""Answers a command's request when no daemon runs: takes the lock, opens the store and calls the admin handler itself.

So every command works on the file exactly as it works on the daemon, and nothing is served. No loop runs: what was
ordered waits for the daemon.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from aiohttp import StreamReader, hdrs, web
from aiohttp.http import HttpVersion11, RawRequestMessage, StreamWriter
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from rheod.cli import CommandFailed
from rheod.cli.printing import note
from rheod.compose.build import build, open_database
from rheod.compose.remotes import Remotes
from rheod.config.settings import Settings
from rheod.domain.errors import RheodError
from rheod.jobs.clock import SteadyClock
from rheod.logs import setup
from rheod.store.engine.access import explained
from rheod.store.engine.database import Database


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
    output = setup.configure(format="text", level="warning", stream=sys.stderr, journald=False)
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
        _give_to_owner(folder)
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


def _give_to_owner(folder: Path) -> None:
    """What root made in a folder of rheod's own user must be that user's, else the daemon could not open it."""
    with suppress(OSError):
        owner = folder.stat()
        if os.geteuid() != 0 or owner.st_uid == 0:
            return
        for file in folder.iterdir():
            if file.lstat().st_uid == 0:
                os.chown(file, owner.st_uid, owner.st_gid, follow_symlinks=False)
