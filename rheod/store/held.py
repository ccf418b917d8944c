"""Listings that are held: queued, and nothing of them is sent until the owner has settled their category or attributes."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from rheod.domain.model import Listing
from rheod.store.columns import restored
from rheod.store.items import listing_of

_HELD = "held IS NOT NULL AND state = 'queued'"
"""Spelt as in the schema, so that SQLite finds its index."""


def listings(db: sqlite3.Connection, account_id: str, *, after: str = "", limit: int) -> list[Listing]:
    """Listings that of the account that wait for the owner's word, by id, those after this one."""
    rows = db.execute(
        f"SELECT * FROM listings INDEXED BY listings_held WHERE {_HELD} AND account_id = ? AND id > ?"
        " ORDER BY id LIMIT ?",
        (account_id, after, limit),
    )
    return [listing_of(row) for row in rows.fetchall()]


def by_domain(db: sqlite3.Connection, account_id: str) -> dict[str, int]:
    """How many items of the account are held, by domain."""
    rows = db.execute(
        "SELECT domain, count(*) FROM (SELECT item_id FROM listings INDEXED BY listings_held"
        f" WHERE {_HELD} AND account_id = ?) CROSS JOIN items ON items.id = item_id GROUP BY domain",
        (account_id,),
    )
    return {row[0]: row[1] for row in rows.fetchall()}


@dataclass(frozen=True, slots=True)
class HeldItems:
    """Items of which nothing is sent: how many, and of the one that waits longest its id, why, since when (ms) and its account's reference."""

    count: int
    external_id: str
    reason: str
    since: int
    owner: str = ""


def waiting_longest(db: sqlite3.Connection) -> HeldItems | None:
    """The items that are held, of all accounts; None when none is."""
    row = db.execute(
        "SELECT count(*) OVER () AS count, (SELECT external_id FROM items WHERE items.id = item_id) AS external_id,"
        " (SELECT reference FROM accounts WHERE accounts.id = listings.account_id) AS owner,"
        f" held, held_since FROM listings INDEXED BY listings_held WHERE {_HELD} ORDER BY held_since, id LIMIT 1"
    ).fetchone()
    if row is None:
        return None
    return HeldItems(
        row["count"], row["external_id"], restored(row["held"]) or "", row["held_since"], row["owner"]
    )
