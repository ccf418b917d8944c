"""Rows of accounts: the default one and, by reference, those of a reseller's members."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Sequence


def ensure(db: sqlite3.Connection, references: Sequence[str], *, now: int) -> dict[str, str]:
    """Make sure the accounts of these references exist ('' is the default one); returns reference -> id."""
    for reference in references:
        db.execute(
            "INSERT INTO accounts (id, reference, created_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (str(uuid.uuid4()), reference, now),
        )
    return {
        row["reference"]: row["id"] for row in db.execute("SELECT reference, id FROM accounts").fetchall()
    }
