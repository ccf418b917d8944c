"""Answers a command's question when no daemon runs: takes the lock, opens the file, serves the admin calls to itself.

So every command works on the file exactly as it works on the daemon. No worker runs: what was ordered waits for the
daemon.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

from rheod.api.admin import start_admin
from rheod.cli import CommandFailed
from rheod.cli.printing import note
from rheod.compose.build import Rheod, build, open_database
from rheod.compose.remotes import Remotes
from rheod.config.settings import Settings
from rheod.domain.errors import RheodError
from rheod.jobs.clock import SteadyClock
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
                rng = Random()  # noqa: S311 - ids must be unique, not secret
                rheod = await build(settings, database, clock=SteadyClock(), rng=rng, remotes=Remotes())
                async with rheod.clients:
                    return await _serve_one(rheod, question)
            finally:
                database.stop()
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from errors
    finally:
        await database.close()


async def _serve_one(rheod: Rheod, question: Question) -> Any:
    with tempfile.TemporaryDirectory(prefix="rheod-") as private:
        path = Path(private, "admin.sock")
        runner = await start_admin(rheod.handlers.admin(), path)
        try:
            return await asyncio.to_thread(question, path)
        finally:
            await runner.cleanup()


def _give_to_owner(folder: Path) -> None:
    """What root made in a folder of rheod's own user must be that user's, else the daemon could not open it."""
    with suppress(OSError):
        owner = folder.stat()
        if os.geteuid() != 0 or owner.st_uid == 0:
            return
        for file in folder.iterdir():
            if file.lstat().st_uid == 0:
                os.chown(file, owner.st_uid, owner.st_gid, follow_symlinks=False)
