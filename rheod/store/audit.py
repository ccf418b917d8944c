"""The audit log (what the owner did, when and from where) and the alerts (findings that are sent to the owner).

Rows of the audit log are added and read, never changed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import astuple, dataclass

from rheod.store.engine.database import Database
from rheod.store.texts import restored


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One action: `origin` is the address it came from, `subject` what it was done to, `told` what the owner was answered."""

    at: int
    origin: str
    action: str
    subject: str
    told: str


class Audit:
    """Writes and reads the audit log, by transactions of its own."""

    def __init__(self, *, database: Database, now: Callable[[], int]) -> None:
        self._database = database
        self._now = now

    async def record(self, *, origin: str, action: str, subject: str, told: str) -> None:
        """Add an entry; it is durable on return."""
        values = (self._now(), origin, action, subject, told)
        insert = "INSERT INTO audit (at, origin, action, subject, told) VALUES (?, ?, ?, ?, ?)"
        await self._database.write(lambda db: db.execute(insert, values).rowcount)

    async def latest(self, *, limit: int) -> list[AuditEntry]:
        """The newest entries first."""
        query = "SELECT at, origin, action, subject, told FROM audit ORDER BY id DESC LIMIT ?"
        rows = await self._database.read(lambda db: db.execute(query, (limit,)).fetchall())
        return [AuditEntry(**{**dict(row), "told": restored(row["told"])}) for row in rows]


@dataclass(frozen=True, slots=True)
class Alert:
    """A finding by its key, with its sentence; when it was sent and since when it is gone (ms), None: not yet."""

    key: str
    text: str
    since: int
    told_at: int | None = None
    gone_since: int | None = None


def read_all(db: sqlite3.Connection) -> dict[str, Alert]:
    """Every alert, by the key of its finding."""
    rows = db.execute("SELECT key, text, since, told_at, gone_since FROM alerts")
    return {row["key"]: Alert(**{**dict(row), "text": restored(row["text"])}) for row in rows.fetchall()}


def save(db: sqlite3.Connection, alert: Alert) -> None:
    """Insert or replace an alert."""
    db.execute("INSERT OR REPLACE INTO alerts VALUES (?, ?, ?, ?, ?)", astuple(alert))


def drop(db: sqlite3.Connection, key: str) -> None:
    """Forget an alert that is over, once the owner has been sent so."""
    db.execute("DELETE FROM alerts WHERE key = ?", (key,))
