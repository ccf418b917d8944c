"""Looks through a database that was too large to be looked through before the start, once, while the daemon runs.

The look never holds up a write, and gives way to the write-ahead log, which cannot be shortened while somebody reads.
"""

from __future__ import annotations

import asyncio

import structlog

from rheod.domain.errors import RheodError
from rheod.store.database import HINT, Database
from rheod.store.soundness import SOUND, Look

_log = structlog.get_logger(__name__)


class Surveyor:
    """Gives a look up when the log becomes long, and tries again `rest_s` later."""

    def __init__(self, *, database: Database, every_s: float = 1.0, rest_s: float = 600.0) -> None:
        self._database = database
        self._every_s = every_s
        self._rest_s = rest_s

    async def run(self) -> None:
        """Return when the file is known to be sound. RheodError when it is damaged: that must end the process."""
        if not self._database.unchecked:
            return
        while (found := await self._look()) is None:
            _log.warning(
                "the look through the database waits: too much is being written", seconds=self._rest_s
            )
            await asyncio.sleep(self._rest_s)
        if found != SOUND:
            raise RheodError(f"The database {self._database.file} is damaged: {found}. {HINT}")
        self._database.unchecked = False
        _log.info("the whole database was looked through and is sound")

    async def _look(self) -> str | None:
        look = Look(self._database.file)
        async with asyncio.TaskGroup() as group:
            looking = group.create_task(asyncio.to_thread(look.run), name="look")
            try:
                await self._stand_by(look, looking)
            finally:
                look.give_up()
        return looking.result()

    async def _stand_by(self, look: Look, looking: asyncio.Task[str | None]) -> None:
        while not looking.done():
            await asyncio.wait([looking], timeout=self._every_s)
            if self._database.log_is_long:
                look.give_up()
