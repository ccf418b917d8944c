"""What ends when: the places that listings have in the plan, and the ends of the ads that are up."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from rheod.domain.ends import EndPlace
from rheod.store.columns import end_place_of

_OPEN = "state IN ('queued', 'adding', 'added', 'committing', 'committed', 'live') AND surplus = 0"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledEnd:
    """One listing with its end (ms UTC): planned, or with `is_up` that of its ad."""

    listing_id: str
    account_id: str
    external_id: str
    title: str
    end_at: int
    is_up: bool
    tradera_item_id: int | None
    category_id: int | None
    place: EndPlace | None


def ends(db: sqlite3.Connection, account_ids: Sequence[str], since: int, until: int) -> list[ScheduledEnd]:
    """What ends in this time (ms UTC), the next first."""
    marks = ", ".join("?" for _ in account_ids)
    rows = db.execute(
        "SELECT listings.id, listings.account_id, external_id, title, state, end_place, ends_at, tradera_item_id,"
        " listings.category_id FROM listings JOIN items ON items.id = listings.item_id"
        f" WHERE listings.account_id IN ({marks}) AND {_OPEN} AND (state = 'live' OR end_place IS NOT NULL)",
        tuple(account_ids),
    )
    found = (_scheduled(row) for row in rows.fetchall())
    within = (each for each in found if each is not None and since <= each.end_at < until)
    return sorted(within, key=lambda each: (each.end_at, each.listing_id))


def newest_placed(db: sqlite3.Connection, account_id: str, *, since: int) -> str | None:
    """The listing of the account's newest ad that went up after `since` (ms) and has a place in the plan."""
    row = db.execute(
        "SELECT id FROM listings WHERE account_id = ? AND state = 'live' AND live_at > ? AND surplus = 0"
        " AND json_extract(end_place, '$.end_at') > 0 ORDER BY live_at DESC LIMIT 1",
        (account_id, since),
    ).fetchone()
    return None if row is None else str(row["id"])


def _scheduled(row: sqlite3.Row) -> ScheduledEnd | None:
    place = end_place_of(row["end_place"])
    is_up = row["state"] == "live"
    end_at = row["ends_at"] if is_up else place and place.end_at
    if not end_at:
        return None
    return ScheduledEnd(
        listing_id=row["id"],
        account_id=row["account_id"],
        external_id=row["external_id"],
        title=row["title"],
        end_at=end_at,
        is_up=is_up,
        tradera_item_id=row["tradera_item_id"],
        category_id=row["category_id"],
        place=place,
    )
