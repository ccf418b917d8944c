"""Answers a command's question when no daemon runs: takes the lock, opens the file, serves the admin calls to itself.

So every command works on the file exactly as it works on the daemon. No worker runs: what was ordered waits for the
daemon.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

from rheod.api.admin import build_admin, start_admin
from rheod.api.context import AdminContext
from rheod.api.operators import inspection_routes
from rheod.api.webhooks import ConnectionCalls
from rheod.cli import CommandFailed
from rheod.cli.printing import note
from rheod.compose.core import Core, build_backups, build_core, open_database, open_gates
from rheod.compose.loops import doctor, tradera_client, tradera_login
from rheod.config.settings import Settings
from rheod.daemon import Life, api_parts, load_sign_in
from rheod.domain.errors import Refused, RheodError
from rheod.logs import setup

Question = Callable[[Path], Any]
"""Asks one question at the admin socket of this path."""


def ask_file(settings: Settings, question: Question, silent: Path) -> Any:
    """The answer from the data folder itself; `silent` is the socket where no daemon answered.

    Raises CommandFailed, also when a daemon has the folder after all or it may not be opened.
    """
    folder = settings.storage.path
    fresh = not (folder / "rheod.db").exists()
    output = setup.configure(format="text", level="warning", stream=sys.stderr, journald=False)
    try:
        answer = asyncio.run(_answer(settings, question))
    except CommandFailed:
        raise
    except (OSError, RheodError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise CommandFailed(
            f"rheod does not answer at {silent} and {folder} cannot be opened: {reason}"
        ) from error
    finally:
        output.close()
        _give_to_owner(folder)
    if fresh:
        note(f"rheod is not running; a new database was made in {folder}")
    return answer


async def _answer(settings: Settings, question: Question) -> Any:
    database = await open_database(settings)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(database.run(), name="writer")
            try:
                return await _serve_one(await build_core(settings, database), question)
            finally:
                database.stop()
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from errors
    finally:
        await database.close()


async def _serve_one(core: Core, question: Question) -> Any:
    async with AsyncExitStack() as clients:
        return await _answer_one(core, question, clients)


async def _answer_one(core: Core, question: Question, clients: AsyncExitStack) -> Any:
    client = tradera_client(core.settings, clients)
    sign_in = await load_sign_in(core)
    parts = api_parts(core, Life(ready=True))
    connections = ConnectionCalls(connector=tradera_login(core, client=None), api=parts)
    admin = build_admin(
        AdminContext(
            api=parts,
            status=_no_status,
            examine=lambda online: doctor(core, None, client).report(online=online),
            backups=build_backups(core, stopping=lambda: False),
            compared=lambda: open_gates(core),
        ),
        more=[
            *sign_in.admin_routes(),
            *inspection_routes(core.settings.storage.path / "rheod.db"),
            *connections.routes(),
        ],
    )
    with tempfile.TemporaryDirectory(prefix="rheod-") as private:
        path = Path(private, "admin.sock")
        runner = await start_admin(admin, path)
        try:
            return await asyncio.to_thread(question, path)
        finally:
            await runner.cleanup()


async def _no_status() -> Mapping[str, object]:
    raise Refused("UNAVAILABLE", "rheod is not running")


def _give_to_owner(folder: Path) -> None:
    """What root made in a folder of rheod's own user must be that user's, else the daemon could not open it."""
    with suppress(OSError):
        owner = folder.stat()
        if os.geteuid() != 0 or owner.st_uid == 0:
            return
        for file in folder.iterdir():
            if file.lstat().st_uid == 0:
                os.chown(file, owner.st_uid, owner.st_gid, follow_symlinks=False)
