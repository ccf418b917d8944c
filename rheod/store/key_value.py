"""Small things kept by name: values that outlive a restart (table `marks`), the owner's choices, and the forms begun (`drafts`).

A mark is such as how far an account's orders have been read. A choice has the name of the setting that wins over it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


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


def choice(db: sqlite3.Connection, name: str) -> Any:
    """The value of this name as it was put; None when the owner has decided nothing."""
    row = db.execute("SELECT value FROM choices WHERE name = ?", (name,)).fetchone()
    return None if row is None else json.loads(row["value"])


def choose(db: sqlite3.Connection, name: str, value: Any, *, now: int) -> None:
    """Keep this value, which JSON can hold; None takes the decision back."""
    if value is None:
        db.execute("DELETE FROM choices WHERE name = ?", (name,))
    else:
        db.execute(
            "INSERT OR REPLACE INTO choices (name, value, changed_at) VALUES (?, ?, ?)",
            (name, json.dumps(value, ensure_ascii=False), now),
        )


def choices_stand(db: sqlite3.Connection, *names: str) -> tuple[tuple[str, str], ...]:
    """The stored texts of these names: what was read before still holds while this is the same."""
    marks = ",".join("?" * len(names))
    rows = db.execute(f"SELECT name, value FROM choices WHERE name IN ({marks}) ORDER BY name", names)
    return tuple((row["name"], row["value"]) for row in rows.fetchall())


DRAFT_KEPT_MS = 30 * 86_400_000
MOST_DRAFTS = 50
"""So many drafts an account keeps; the oldest go first."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A form as it was last kept; `made` is the number of the item that it has become."""

    id: str
    fields: Mapping[str, str]
    made: str | None
    kept_at: int


def draft(db: sqlite3.Connection, account_id: str, draft_id: str) -> Draft | None:
    """The account's draft of this id."""
    row = db.execute(
        "SELECT * FROM drafts WHERE id = ? AND account_id = ?", (draft_id, account_id)
    ).fetchone()
    return None if row is None else _draft(row)


def open_drafts(db: sqlite3.Connection, account_id: str, *, but: str, limit: int) -> list[Draft]:
    """Drafts that have become no item, the latest first, without those whose id begins with `but`."""
    rows = db.execute(
        "SELECT * FROM drafts WHERE account_id = ? AND made IS NULL AND substr(id, 1, length(?)) <> ?"
        " ORDER BY kept_at DESC, id LIMIT ?",
        (account_id, but, but, limit),
    )
    return [_draft(row) for row in rows.fetchall()]


def keep_draft(
    db: sqlite3.Connection, account_id: str, draft_id: str, fields: Mapping[str, str], *, now: int
) -> None:
    """Keep what stands in a form; what has become an item stays as it is. Old drafts go."""
    db.execute(
        "INSERT INTO drafts (id, account_id, fields, kept_at) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE"
        " SET fields = excluded.fields, kept_at = excluded.kept_at WHERE made IS NULL AND account_id = excluded.account_id",
        (draft_id, account_id, json.dumps(fields, ensure_ascii=False), now),
    )
    db.execute(
        "DELETE FROM drafts WHERE account_id = ? AND (kept_at < ? OR id NOT IN"
        " (SELECT id FROM drafts WHERE account_id = ? ORDER BY kept_at DESC, id LIMIT ?))",
        (account_id, now - DRAFT_KEPT_MS, account_id, MOST_DRAFTS),
    )


def draft_became(db: sqlite3.Connection, account_id: str, draft_id: str, made: str, *, now: int) -> None:
    """The draft has become this item; what stood in it is forgotten."""
    db.execute(
        "INSERT INTO drafts (id, account_id, fields, made, kept_at) VALUES (?, ?, '{}', ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET fields = '{}', made = excluded.made, kept_at = excluded.kept_at",
        (draft_id, account_id, made, now),
    )


def drop_draft(db: sqlite3.Connection, account_id: str, draft_id: str) -> None:
    """Forget a draft that has become no item."""
    db.execute("DELETE FROM drafts WHERE id = ? AND account_id = ? AND made IS NULL", (draft_id, account_id))


def _draft(row: sqlite3.Row) -> Draft:
    return Draft(row["id"], json.loads(row["fields"]), row["made"], row["kept_at"])
