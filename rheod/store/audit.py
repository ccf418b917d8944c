"""The audit log: what the owner did, when and from where. Rows are added and read, never changed.

Rows of alerts: what troubles the owner now, and whether he has been told.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import astuple, dataclass

from rheod.store.engine.database import Database
from rheod.store.texts import restored


@dataclass(frozen=True, slots=True)
class AuditEntry:
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
        deed = AuditEntry(self._now(), origin, action, subject, told)
        await self._database.write(lambda db: _insert(db, deed))

    async def latest(self, *, limit: int) -> list[AuditEntry]:
        """The newest deeds first."""
        return await self._database.read(lambda db: _latest(db, limit))


def _insert(db: sqlite3.Connection, deed: AuditEntry) -> None:
    db.execute(
        "INSERT INTO audit (at, origin, action, subject, told) VALUES (?, ?, ?, ?, ?)",
        (deed.at, deed.origin, deed.action, deed.subject, deed.told),
    )


def _latest(db: sqlite3.Connection, limit: int) -> list[AuditEntry]:
    rows = db.execute(
        "SELECT at, origin, action, subject, told FROM audit ORDER BY id DESC LIMIT ?", (limit,)
    )
    return [AuditEntry(**{**dict(row), "told": restored(row["told"])}) for row in rows.fetchall()]


@dataclass(frozen=True, slots=True)
class Alert:
    """One trouble (`findings.Finding.key`) with its sentence; `told_at` and `gone_since` None: not yet (ms)."""

    key: str
    text: str
    since: int
    told_at: int | None = None
    gone_since: int | None = None


def read_all(db: sqlite3.Connection) -> dict[str, Alert]:
    """Every alert on record, by key."""
    rows = db.execute("SELECT key, text, since, told_at, gone_since FROM alerts")
    return {row["key"]: Alert(**{**dict(row), "text": restored(row["text"])}) for row in rows.fetchall()}


def save(db: sqlite3.Connection, alert: Alert) -> None:
    """Write an alert."""
    db.execute("INSERT OR REPLACE INTO alerts VALUES (?, ?, ?, ?, ?)", astuple(alert))


def drop(db: sqlite3.Connection, key: str) -> None:
    """Forget an alert: it is over, and the owner knows."""
    db.execute("DELETE FROM alerts WHERE key = ?", (key,))
