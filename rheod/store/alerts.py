"""Rows of alerts: what troubles the owner now, and whether he has been told."""

from __future__ import annotations

import sqlite3
from dataclasses import astuple, dataclass


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
    return {row["key"]: Alert(**dict(row)) for row in rows.fetchall()}


def save(db: sqlite3.Connection, alert: Alert) -> None:
    """Write an alert."""
    db.execute("INSERT OR REPLACE INTO alerts VALUES (?, ?, ?, ?, ?)", astuple(alert))


def drop(db: sqlite3.Connection, key: str) -> None:
    """Forget an alert: it is over, and the owner knows."""
    db.execute("DELETE FROM alerts WHERE key = ?", (key,))
