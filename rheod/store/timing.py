"""Times across all tables when the machine's clock was wrong.

Due times move with a jump and are never absurdly far away; what has been looked through never reaches too far.
"""

from __future__ import annotations

import sqlite3

from rheod.domain.model import LaneName

FARTHEST_MS = 3 * 24 * 3600 * 1000
"""No gap of any schedule is longer; what is due later (but an item's own start) was written by a wrong clock."""

_WAITING = "state IN ('committing', 'committed')"
_LANES = ", ".join(f"'{lane.value}'" for lane in LaneName)
_ANY_JOB = f"lane IN ({_LANES}) AND state IN ('due', 'held')"
_DUE = (  # spelt so that SQLite finds the indexes of what waits, however much there is
    ("jobs", "due_at", _ANY_JOB),
    ("listings", "ask_at", _WAITING),
    ("endpoints", "probe_at", "1"),
    ("pauses", "until", "1"),
)
"""Tables with a time that is to come, and which of their rows it still matters in."""

_PASSES = "(name GLOB 'reconciled_until:*' OR name GLOB 'parcels_looked_at:*')"
"""Marks that say until when Tradera has been looked through, by this machine's clock."""

_CURSORS = "name GLOB 'row_version:*'"
"""Marks of the last change that such a pass was told of: it may have looked for it in the wrong days."""


def move(db: sqlite3.Connection, *, now: int, by: int) -> None:
    """The clock jumps `by` ms at `now` (the time before it): what was to come later moves with it (F24).

    So does since when Tradera's answer is waited for: that decides when a human must look (F48).
    """
    for table, column, still in _DUE:
        db.execute(f"UPDATE {table} SET {column} = {column} + ? WHERE {still} AND {column} > ?", (by, now))
    db.execute(f"UPDATE listings SET waits_since = waits_since + ? WHERE {_WAITING}", (by,))
    db.execute(f"DELETE FROM marks WHERE {_CURSORS}")
    if by < 0:  # the clock was ahead, nobody knows since when: the next pass looks two weeks back
        db.execute(f"DELETE FROM marks WHERE {_PASSES}")


def clamp(db: sqlite3.Connection, *, now: int) -> int:
    """Make due now what waits absurdly long, and let no call have been made in the future; returns how many rows.

    An item that starts at a time of its own is merely looked at once and waits on.
    """
    changed = db.execute(
        f"DELETE FROM marks WHERE ({_PASSES} OR {_CURSORS}) AND EXISTS"
        f" (SELECT 1 FROM marks WHERE {_PASSES} AND CAST(value AS INTEGER) > ?)",
        (now,),
    ).rowcount
    for table, column, still in _DUE:
        changed += db.execute(
            f"UPDATE {table} SET {column} = :now WHERE {still} AND {column} > :latest",
            {"now": now, "latest": now + FARTHEST_MS},
        ).rowcount
    return changed + db.execute("UPDATE calls SET at = :now WHERE at > :now", {"now": now}).rowcount
