"""The store in one thread: the real schema, SQL and savepoints over one SQLite database that outlives the daemon's lives."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from rheod.domain.errors import StoreUnavailable, Text
from rheod.store.engine.connection import QueuedWrite, WriteFunction, answer, attempt
from rheod.store.engine.database import Database
from rheod.store.engine.encryption import SecretBox
from rheod.store.migrations import migrate
from tests.simulation.faults import Faults
from tests.simulation.life import Life

T = TypeVar("T")


def open_in_memory() -> sqlite3.Connection:
    """A migrated database without a file: what is tested is logic, and a kill loses no more than the open transaction."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.row_factory = sqlite3.Row
    for pragma in ("foreign_keys=ON", "trusted_schema=OFF"):
        db.execute(f"PRAGMA {pragma}")
    migrate(db, file=Path(":memory:"))
    SecretBox("test-key").attach(db)
    return db


class SimulatedStore(Database):
    """What one life of the daemon sees of the file: transactions wait for each other and may meet a kill or a full disk."""

    def __init__(self, *, db: sqlite3.Connection, faults: Faults, life: Life) -> None:
        self._db = db
        self._faults = faults
        self._life = life
        self._group: list[QueuedWrite] = []

    async def write(self, work: WriteFunction[T], *, then: Callable[[], None] | None = None) -> T:
        """See `Database.write`."""
        self._life.check()
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[T] = loop.create_future()
        if not self._group:
            loop.call_later(self._faults.between(0, 0.01), self._commit_group)
        self._group.append(QueuedWrite(work, then, answered))
        return await answered

    def _commit_group(self) -> None:
        group, self._group = self._group, []
        if self._life.dead:
            return
        crash = self._faults.crash()
        if crash == "before":
            self._life.kill("before a commit")
            return
        for waiting, outcome in zip(group, self._outcomes(group), strict=True):
            if crash == "after":
                self._life.kill("after a commit")
                return
            answer(waiting, outcome)

    def _outcomes(self, group: list[QueuedWrite]) -> list[Any]:
        full = self._faults.is_weather("disk_full") or self._faults.chance(self._faults.climate.store)
        self._db.execute("BEGIN IMMEDIATE")
        outcomes = [attempt(waiting.work, self._db) for waiting in group]
        if full:
            self._db.execute("ROLLBACK")
            return [
                StoreUnavailable(Text("The store cannot write now: database or disk is full")) for _ in group
            ]
        self._db.execute("COMMIT")
        return outcomes

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """See `Database.read`; what it saw may be old when the caller gets it."""
        self._life.check()
        found = query(self._db)  # one thread and no transaction open: one moment, as in the real one
        if self._faults.chance(0.1):
            await asyncio.sleep(self._faults.between(0, 0.01))
            self._life.check()
        return found
