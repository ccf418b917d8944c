"""Rows of the first page: what was sold, what ends, how many ads are up, and the picture of each."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

PICTURE = "(SELECT file FROM pictures WHERE item_id = items.id AND state = 'ready' ORDER BY position LIMIT 1)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """A thing as a row of the first page shows it: `at` (ms) is when it was sold or ends, `ore` what for."""

    external_id: str
    title: str
    picture: str | None
    at: int
    ore: int | None
    is_paid: bool = False


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
        f"SELECT items.external_id, items.title, {PICTURE} AS picture, ends_at AS at, price_kr * 100 AS ore"
        " FROM listings INDEXED BY listings_ending JOIN items ON items.id = listings.item_id"
        " WHERE listings.account_id = ? AND state = 'live' AND ends_at < ? ORDER BY ends_at LIMIT ?",
        (account_id, before, limit),
    )
    return [Thing(**dict(row)) for row in rows.fetchall()]


def count_live(db: sqlite3.Connection, account_id: str) -> int:
    """How many ads of the account are up."""
    row = db.execute(
        "SELECT count(*) FROM listings INDEXED BY listings_ending WHERE account_id = ? AND state = 'live'",
        (account_id,),
    ).fetchone()
    found: int = row[0]
    return found


def pictures_of(db: sqlite3.Connection, item_ids: Sequence[str]) -> dict[str, str | None]:
    """The first picture of each of these items."""
    rows = db.execute(
        f"SELECT items.id, {PICTURE} AS picture FROM json_each(?) AS wanted JOIN items ON items.id = wanted.value",
        (json.dumps(list(item_ids)),),
    )
    return {row["id"]: row["picture"] for row in rows.fetchall()}
