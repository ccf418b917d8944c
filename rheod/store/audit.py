"""The audit log: what the owner did, when and from where. Rows are added and read, never changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from rheod.store.database import Database


@dataclass(frozen=True, slots=True)
class Deed:
    """One action: `origin` is the address it came from, `subject` what it was done to, `told` the answer's sentence."""

    at: int
    origin: str
    action: str
    subject: str
    told: str


class Audit:
    """Writes and reads deeds."""

    def __init__(self, *, database: Database, now: Callable[[], int]) -> None:
        self._database = database
        self._now = now

    async def record(self, *, origin: str, action: str, subject: str, told: str) -> None:
        """Add a deed, at once durable."""
        deed = Deed(self._now(), origin, action, subject, told)
        await self._database.write(lambda db: _insert(db, deed))

    async def latest(self, *, limit: int) -> list[Deed]:
        """The newest deeds first."""
        return await self._database.read(lambda db: _latest(db, limit))


def _insert(db: sqlite3.Connection, deed: Deed) -> None:
    db.execute(
        "INSERT INTO audit (at, origin, action, subject, told) VALUES (?, ?, ?, ?, ?)",
        (deed.at, deed.origin, deed.action, deed.subject, deed.told),
    )


def _latest(db: sqlite3.Connection, limit: int) -> list[Deed]:
    rows = db.execute(
        "SELECT at, origin, action, subject, told FROM audit ORDER BY id DESC LIMIT ?", (limit,)
    )
    return [Deed(**dict(row)) for row in rows.fetchall()]
