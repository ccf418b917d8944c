"""What the owner has decided on pages or by commands, by the name of the setting that wins over it (table `choices`)."""

from __future__ import annotations

import json
import sqlite3
from typing import Any


def get(db: sqlite3.Connection, name: str) -> Any:
    """The value of this name as it was put; None when the owner has decided nothing."""
    row = db.execute("SELECT value FROM choices WHERE name = ?", (name,)).fetchone()
    return None if row is None else json.loads(row["value"])


def put(db: sqlite3.Connection, name: str, value: Any, *, now: int) -> None:
    """Keep this value, which JSON can hold; None takes the decision back."""
    if value is None:
        db.execute("DELETE FROM choices WHERE name = ?", (name,))
    else:
        db.execute(
            "INSERT OR REPLACE INTO choices (name, value, changed_at) VALUES (?, ?, ?)",
            (name, json.dumps(value, ensure_ascii=False), now),
        )


def state(db: sqlite3.Connection, *names: str) -> tuple[tuple[str, str], ...]:
    """The stored texts of these names: what was read before still holds while this is the same."""
    marks = ",".join("?" * len(names))
    rows = db.execute(f"SELECT name, value FROM choices WHERE name IN ({marks}) ORDER BY name", names)
    return tuple((row["name"], row["value"]) for row in rows.fetchall())
