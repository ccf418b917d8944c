"""Messages of the push queue that could not be understood: shown to the owner, and put away when he has looked.

Reads and marks rows of the inbox; what a message says is never acted on from here.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

SHOWN_CHARS = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Strange:
    """A message as it came, its beginning; '' once erased. `reason` is what is wrong with it."""

    id: int
    body: str
    reason: str | None
    received_at: int


def strange(db: sqlite3.Connection, *, limit: int) -> list[Strange]:
    """The newest messages that nobody has looked at; whose they are is often what cannot be read."""
    rows = db.execute(
        "SELECT id, substr(body, 1, ?) AS body, reason, received_at FROM inbox WHERE state = 'quarantined'"
        " ORDER BY id DESC LIMIT ?",
        (SHOWN_CHARS, limit),
    )
    return [Strange(**dict(row)) for row in rows.fetchall()]


def put_away(db: sqlite3.Connection, message_id: int, *, now: int) -> bool:
    """The owner has looked at it; False when it waits for nobody."""
    changed = db.execute(
        "UPDATE inbox SET state = 'ignored', settled_at = ? WHERE id = ? AND state = 'quarantined'",
        (now, message_id),
    ).rowcount
    return changed > 0
