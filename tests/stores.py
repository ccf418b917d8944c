"""A real store with its writer running, a clock that moves when told, and rows read straight from the tables."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rheod.store.engine.connection import prepare
from rheod.store.engine.database import Database
from rheod.store.migrations import migrate

NOW_MS = 1_779_789_600_000
"""2026-05-26T10:00:00Z."""


@dataclass
class Clock:
    """Milliseconds UTC that pass only when a test says so."""

    ms: int = NOW_MS

    def __call__(self) -> int:
        return self.ms

    def ahead(self) -> int:
        """The machine's clock agrees."""
        return 0

    def adjust(self, by: int) -> None:
        """Take over a jump."""
        self.ms += by

    def forward(self, ms: int) -> int:
        """Let time pass; returns the new time."""
        self.ms += ms
        return self.ms


@cache
def _new_database() -> bytes:
    """The file that opening an empty folder leaves, without a key: what makes it takes longer than most tests."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "rheod.db"
        with closing(sqlite3.connect(file, isolation_level=None)) as db:
            prepare(db, read_only=False)
            migrate(db, file=file)
        return file.read_bytes()


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Database]:
    """A store with its writer task running; stopped in the daemon's order. A new one is a copy, made once by the migrations."""
    folder.mkdir(parents=True, exist_ok=True)
    if not any(folder.glob("rheod.db*")):
        file = folder / "rheod.db"
        file.touch(0o600)
        file.write_bytes(_new_database())
    database = await Database.open(folder)
    writer = asyncio.create_task(database.run())
    try:
        yield database
    finally:
        database.stop()
        await writer
        await database.close()


async def rows(database: Database, query: str, *values: Any) -> list[dict[str, Any]]:
    """What a query finds in what is committed."""
    return await database.read(lambda db: [dict(row) for row in db.execute(query, values).fetchall()])


async def everything(database: Database, *tables: str) -> list[list[dict[str, Any]]]:
    """Every row of these tables."""
    return [
        await rows(database, f"SELECT * FROM {table}")  # noqa: S608 - names that a test has written
        for table in tables
    ]


async def fill_disk(database: Database) -> None:
    """Leave the database not a page to grow: what a full disk does to whatever is long."""

    def fill(db: sqlite3.Connection) -> None:
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        db.execute(f"PRAGMA max_page_count={pages}")

    await database.write(fill)


async def make_room(database: Database) -> None:
    """Let it grow again."""
    await database.write(lambda db: db.execute("PRAGMA max_page_count=1000000").fetchone())
