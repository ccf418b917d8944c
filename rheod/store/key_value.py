"""Small values that outlive a restart: reconciliation cursors and the like."""

from __future__ import annotations

import sqlite3


def get(db: sqlite3.Connection, name: str) -> str | None:
    """The mark's value, or None."""
    row = db.execute("SELECT value FROM marks WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row["value"])


def put(db: sqlite3.Connection, name: str, value: str) -> None:
    """Set the mark."""
    db.execute("INSERT OR REPLACE INTO marks (name, value) VALUES (?, ?)", (name, value))


def drop(db: sqlite3.Connection, name: str) -> None:
    """Forget the mark."""
    db.execute("DELETE FROM marks WHERE name = ?", (name,))
