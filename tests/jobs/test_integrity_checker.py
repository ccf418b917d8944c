"""The look through a large database: it ends the daemon when it finds damage, and happens once when it does not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from rheod.domain.errors import RheodError
from rheod.jobs.housekeeping import IntegrityChecker
from rheod.store.engine.database import Database
from tests.store.damaging import damage
from tests.stores import opened


@asynccontextmanager
async def _large(folder: Path, *, damaged: str | None = None) -> AsyncIterator[Database]:
    """A database that counts as too large to be looked through at the start."""
    async with opened(folder) as new:
        file = new.file
    if damaged is not None:
        damage(file, damaged)
    database = await Database.open(folder, at_once_bytes=0)
    try:
        yield database
    finally:
        await database.close()


async def test_damage_ends_it_with_the_way_out(tmp_path: Path) -> None:
    """The error takes the process down and says what to do."""
    async with _large(tmp_path, damaged="shipments") as database:
        with pytest.raises(RheodError, match=r"is damaged: .*Restore the newest backup"):
            await IntegrityChecker(database=database).run()


async def test_a_sound_database_is_looked_through_once(tmp_path: Path) -> None:
    """Afterwards nothing is left to do."""
    async with _large(tmp_path) as database:
        assert database.unchecked
        await IntegrityChecker(database=database).run()
        assert not database.unchecked
