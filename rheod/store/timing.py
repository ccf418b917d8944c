"""Due times across all tables when the machine's clock was wrong: moved with a jump, and never absurdly far away.

It touches nothing but times of what is still to come.
"""

from __future__ import annotations

import sqlite3

FARTHEST_MS = 3 * 24 * 3600 * 1000
"""No gap of any schedule is longer; what is due later (but an item's own start) was written by a wrong clock."""

_DUE = (("jobs", "due_at"), ("listings", "ask_at"), ("endpoints", "probe_at"), ("pauses", "until"))


def move(db: sqlite3.Connection, *, now: int, by: int) -> None:
    """The clock jumps `by` ms at `now` (the time before it): what was to come later moves with it (F24)."""
    for table, column in _DUE:
        db.execute(f"UPDATE {table} SET {column} = {column} + ? WHERE {column} > ?", (by, now))


def clamp(db: sqlite3.Connection, *, now: int) -> int:
    """Make due now what waits absurdly long, and let no call have been made in the future; returns how many rows.

    An item that starts at a time of its own is merely looked at once and waits on.
    """
    changed = 0
    for table, column in _DUE:
        changed += db.execute(
            f"UPDATE {table} SET {column} = :now WHERE {column} > :latest",
            {"now": now, "latest": now + FARTHEST_MS},
        ).rowcount
    return changed + db.execute("UPDATE calls SET at = :now WHERE at > :now", {"now": now}).rowcount
