"""Rows of planned returns: an ad that ended unsold comes back at a time and price that stand here until it does."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from rheod.domain.ladder import Ladder
from rheod.store import key_value
from rheod.store.columns import ladder_of, ladder_text

_PAUSED = "relist.paused"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedReturn:
    """The return of an item after `listing_id` ended: at the earliest at `at` (ms UTC), on this step of its ladder."""

    listing_id: str
    item_id: str
    account_id: str
    at: int
    ladder: Ladder
    held: bool = False
    external_id: str = ""
    title: str = ""
    pictures: int = 0


_OF = (
    "SELECT relists.*, external_id, title,"
    " (SELECT count(*) FROM pictures WHERE pictures.item_id = relists.item_id AND state = 'ready') AS pictures"
    " FROM relists JOIN items ON items.id = relists.item_id"
)


def save(db: sqlite3.Connection, planned: PlannedReturn) -> None:
    """Plan this return instead of any other of the item."""
    db.execute(
        "INSERT OR REPLACE INTO relists (item_id, listing_id, account_id, at, ladder, held)"
        " VALUES (:item_id, :listing_id, :account_id, :at, :ladder, :held)",
        {
            "item_id": planned.item_id,
            "listing_id": planned.listing_id,
            "account_id": planned.account_id,
            "at": planned.at,
            "ladder": ladder_text(planned.ladder),
            "held": planned.held,
        },
    )


def of_item(db: sqlite3.Connection, item_id: str) -> PlannedReturn | None:
    """The item's planned return."""
    row = db.execute(f"{_OF} WHERE relists.item_id = ?", (item_id,)).fetchone()
    return row and _planned(row)


def of_listing(db: sqlite3.Connection, listing_id: str) -> PlannedReturn | None:
    """The return planned after this listing."""
    row = db.execute(f"{_OF} WHERE listing_id = ?", (listing_id,)).fetchone()
    return row and _planned(row)


def until(
    db: sqlite3.Connection, account_ids: Sequence[str], latest: int, *, limit: int = 1000
) -> list[PlannedReturn]:
    """What comes back until `latest` (ms UTC), the next first; of these accounts."""
    marks = ", ".join("?" for _ in account_ids)
    rows = db.execute(
        f"{_OF} WHERE relists.account_id IN ({marks}) AND at <= ? ORDER BY at, relists.item_id LIMIT ?",
        (*account_ids, latest, limit),
    )
    return [_planned(row) for row in rows.fetchall()]


def every(db: sqlite3.Connection) -> list[PlannedReturn]:
    """All that are planned, in every account."""
    return [_planned(row) for row in db.execute(f"{_OF} ORDER BY at, relists.item_id").fetchall()]


def late(db: sqlite3.Connection, *, before: int) -> list[PlannedReturn]:
    """What should have come back before this time (ms) and is not held, the first first."""
    return [each for each in every(db) if each.at < before and not each.held]


def drop(db: sqlite3.Connection, item_id: str) -> None:
    """Nothing is planned for the item any more."""
    db.execute("DELETE FROM relists WHERE item_id = ?", (item_id,))


def is_paused(db: sqlite3.Connection) -> bool:
    """Whether the owner has stopped every return until further notice."""
    return key_value.get(db, _PAUSED) is not None


def pause(db: sqlite3.Connection, *, paused: bool) -> None:
    """Stop every return, or let them go on."""
    if paused:
        key_value.put(db, _PAUSED, "1")
    else:
        key_value.drop(db, _PAUSED)


def count_alike(db: sqlite3.Connection, account_id: str, item_id: str) -> int:
    """How many other items of the account are up, or on their way, with the same title, text and price."""
    row = db.execute(
        "SELECT count(*) FROM items AS this JOIN items AS other INDEXED BY items_up_by_title"
        " ON other.account_id = this.account_id AND other.title = this.title"
        " AND other.tradera_status IN ('active', 'pending_sync')"
        " WHERE this.id = ? AND this.account_id = ? AND other.id <> this.id AND other.price_ore IS this.price_ore"
        " AND json_extract(other.spec, '$.description') IS json_extract(this.spec, '$.description')"
        " AND NOT EXISTS (SELECT 1 FROM listings WHERE item_id = other.id AND state = 'queued' AND held IS NOT NULL)",
        (item_id, account_id),
    ).fetchone()
    count: int = row[0]
    return count


def unsold_for_good(db: sqlite3.Connection, *, limit: int) -> list[tuple[str, int, str]]:
    """External ids of items whose ladder is at its end and of which the owner is to decide, since when (ms), and their accounts' references."""
    rows = db.execute(
        "SELECT external_id, updated_at, (SELECT reference FROM accounts WHERE id = items.account_id) FROM items WHERE tradera_status = 'ended' AND last_error IS NOT NULL"
        " AND rheo_status = 'active' AND removed_at IS NULL ORDER BY updated_at LIMIT ?",
        (limit,),
    )
    return [(row[0], row[1], row[2]) for row in rows.fetchall()]


def _planned(row: sqlite3.Row) -> PlannedReturn:
    return PlannedReturn(
        listing_id=row["listing_id"],
        item_id=row["item_id"],
        account_id=row["account_id"],
        at=row["at"],
        ladder=ladder_of(row["ladder"]),
        held=bool(row["held"]),
        external_id=row["external_id"],
        title=row["title"],
        pictures=row["pictures"],
    )
