"""Rows of the first page: what was sold, what ends, how many ads are up, and the picture of each."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from rheod.store import ads, key_value
from rheod.store.ads import Bids
from rheod.store.engine.copies import GOOD_MARK

PICTURE = "(SELECT file FROM pictures WHERE item_id = items.id AND state = 'ready' ORDER BY position LIMIT 1)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """A thing as a row of the first page shows it: `at` (ms) is when it was sold or ends, `ore` what for.

    `bids` is what was last seen of them on an ad that is up.
    """

    external_id: str
    title: str
    picture: str | None
    at: int
    ore: int | None
    is_paid: bool = False
    bids: Bids | None = None


def sales_since(db: sqlite3.Connection, account_id: str, since: int) -> list[tuple[int, int, int]]:
    """When each order since then (ms) was made, how many of our things it has and what they come to (öre), as the months count them.

    One rule holds everywhere for what is sold: a line of one of our items in an order, until its sale is taken back.
    """
    rows = db.execute(
        "SELECT created_at, (SELECT sum(quantity) FROM order_lines WHERE order_id = orders.order_id AND item_id IS NOT NULL"
        " AND reversed_at IS NULL) AS things, known_ore FROM orders WHERE account_id = ? AND created_at >= ?"
        " AND known_ore IS NOT NULL ORDER BY created_at",
        (account_id, since),
    )
    return [(row["created_at"], row["things"] or 0, row["known_ore"]) for row in rows.fetchall()]


def sold_things(db: sqlite3.Connection, account_id: str, since: int, *, limit: int) -> list[Thing]:
    """What was sold since then (ms), the latest first: what the sums count, line by line."""
    rows = db.execute(
        f"SELECT items.external_id, items.title, {PICTURE} AS picture, orders.created_at AS at,"
        " quantity * unit_price_ore AS ore, paid_at IS NOT NULL AS is_paid FROM orders"
        " JOIN order_lines USING (order_id) JOIN items ON items.id = order_lines.item_id"
        " WHERE orders.account_id = ? AND orders.created_at >= ? AND known_ore IS NOT NULL"
        " AND order_lines.reversed_at IS NULL ORDER BY orders.created_at DESC, order_id DESC LIMIT ?",
        (account_id, since, limit),
    )
    return [Thing(**{**dict(row), "is_paid": bool(row["is_paid"])}) for row in rows.fetchall()]


def ending_things(db: sqlite3.Connection, account_id: str, before: int, *, limit: int) -> list[Thing]:
    """Ads that end before then (ms), the next first, with the price in the ad."""
    rows = db.execute(
        f"SELECT listings.id, items.external_id, items.title, {PICTURE} AS picture, ends_at AS at, price_kr * 100 AS ore"
        " FROM listings INDEXED BY listings_ending JOIN items ON items.id = listings.item_id"
        " WHERE listings.account_id = ? AND state = 'live' AND ends_at < ? ORDER BY ends_at LIMIT ?",
        (account_id, before, limit),
    ).fetchall()
    seen = ads.bids_of(db, [row["id"] for row in rows])
    return [
        Thing(**{name: row[name] for name in row.keys() if name != "id"}, bids=seen.get(row["id"]))  # noqa: SIM118 - a row's own names
        for row in rows
    ]


def count_live(db: sqlite3.Connection, account_id: str, before: int) -> tuple[int, int]:
    """How many ads of the account are up, and how many of them end before then (ms)."""
    row = db.execute(
        "SELECT count(*), count(*) FILTER (WHERE ends_at < ?) FROM listings INDEXED BY listings_ending"
        " WHERE account_id = ? AND state = 'live'",
        (before, account_id),
    ).fetchone()
    return row[0], row[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginnings:
    """What a new shop has come to: whether it has an item, whether one was ever up, and when the last backup was made (ms)."""

    has_item: bool
    was_live: bool
    backup_at: int | None


def beginnings(db: sqlite3.Connection, account_id: str) -> Beginnings:
    """How far the account has come."""
    row = db.execute(
        "SELECT EXISTS (SELECT 1 FROM items WHERE account_id = :account AND removed_at IS NULL),"
        " EXISTS (SELECT 1 FROM listings INDEXED BY listings_committed WHERE account_id = :account"
        " AND commit_sent_at IS NOT NULL AND live_at IS NOT NULL)",
        {"account": account_id},
    ).fetchone()
    backup = key_value.get(db, GOOD_MARK)
    return Beginnings(
        has_item=bool(row[0]), was_live=bool(row[1]), backup_at=None if backup is None else int(backup)
    )


def pictures_of(db: sqlite3.Connection, item_ids: Sequence[str]) -> dict[str, str | None]:
    """The first picture of each of these items."""
    rows = db.execute(
        f"SELECT items.id, {PICTURE} AS picture FROM json_each(?) AS wanted JOIN items ON items.id = wanted.value",
        (json.dumps(list(item_ids)),),
    )
    return {row["id"]: row["picture"] for row in rows.fetchall()}
