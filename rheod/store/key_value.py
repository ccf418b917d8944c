"""Small values by name that outlive a restart, such as how far an account's orders have been read (table `marks`)."""

from __future__ import annotations

import sqlite3


def get(db: sqlite3.Connection, name: str) -> str | None:
    """The value of this name, None when there is none."""
    row = db.execute("SELECT value FROM marks WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row["value"])


def put(db: sqlite3.Connection, name: str, value: str) -> None:
    """Set the value of this name."""
    db.execute("INSERT OR REPLACE INTO marks (name, value) VALUES (?, ?)", (name, value))


def drop(db: sqlite3.Connection, name: str) -> None:
    """Forget the value of this name."""
    db.execute("DELETE FROM marks WHERE name = ?", (name,))
