"""Rows of bids: what was last seen of them on an ad that is up."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bids:
    """How many bids an ad had, the highest in kronor, and when Tradera showed them (ms UTC)."""

    count: int
    highest_kr: int | None
    seen_at: int


def seen(db: sqlite3.Connection, listing_id: str) -> Bids | None:
    """What was last seen of a listing; None when nobody has looked."""
    row = db.execute(
        "SELECT count, highest_kr, seen_at FROM bids WHERE listing_id = ?", (listing_id,)
    ).fetchone()
    return None if row is None else Bids(*row)


def see(db: sqlite3.Connection, listing_id: str, bids: Bids) -> None:
    """Keep what Tradera shows now."""
    db.execute(
        "INSERT OR REPLACE INTO bids (listing_id, count, highest_kr, seen_at) VALUES (?, ?, ?, ?)",
        (listing_id, bids.count, bids.highest_kr, bids.seen_at),
    )
