"""What is kept of ads beside their listing's row: what holds one back, when it ends, its bids, its return, and ads of others.

The ads that rheod did not make are an owner's, or ads of ours that were started again at Tradera. Each is looked at once;
those from before the account's first commit cannot be of ours and are left out.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from rheod.domain.answers import SellerAd
from rheod.domain.calendar import EndPlace
from rheod.domain.model import Ladder, Listing
from rheod.store import key_value
from rheod.store.columns import end_place_of, ladder_of, ladder_text, restored
from rheod.store.items import listing_of

_HELD = "held IS NOT NULL AND state = 'queued'"
"""Spelt as in the schema, so that SQLite finds its index."""


def held(db: sqlite3.Connection, account_id: str, *, after: str = "", limit: int) -> list[Listing]:
    """Listings of the account that wait for the owner's word, by id, those after this one."""
    rows = db.execute(
        f"SELECT * FROM listings INDEXED BY listings_held WHERE {_HELD} AND account_id = ? AND id > ?"
        " ORDER BY id LIMIT ?",
        (account_id, after, limit),
    )
    return [listing_of(row) for row in rows.fetchall()]


def held_by_domain(db: sqlite3.Connection, account_id: str) -> dict[str, int]:
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


def held_longest(db: sqlite3.Connection) -> HeldItems | None:
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
    found = []
    for row in rows.fetchall():
        place, is_up = end_place_of(row["end_place"]), row["state"] == "live"
        end_at = row["ends_at"] if is_up else place and place.end_at
        if not end_at or not since <= end_at < until:
            continue
        one = ScheduledEnd(
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
        found.append(one)
    return sorted(found, key=lambda each: (each.end_at, each.listing_id))


def newest_placed(db: sqlite3.Connection, account_id: str, *, since: int) -> str | None:
    """The listing of the account's newest ad that went up after `since` (ms) and has a place in the plan."""
    row = db.execute(
        "SELECT id FROM listings WHERE account_id = ? AND state = 'live' AND live_at > ? AND surplus = 0"
        " AND json_extract(end_place, '$.end_at') > 0 ORDER BY live_at DESC LIMIT 1",
        (account_id, since),
    ).fetchone()
    return None if row is None else str(row["id"])


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


_RETURNS = (
    "SELECT relists.*, external_id, title,"
    " (SELECT count(*) FROM pictures WHERE pictures.item_id = relists.item_id AND state = 'ready') AS pictures"
    " FROM relists JOIN items ON items.id = relists.item_id"
)


def plan_return(db: sqlite3.Connection, planned: PlannedReturn) -> None:
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


def return_of_item(db: sqlite3.Connection, item_id: str) -> PlannedReturn | None:
    """The item's planned return."""
    row = db.execute(f"{_RETURNS} WHERE relists.item_id = ?", (item_id,)).fetchone()
    return row and _planned(row)


def return_of_listing(db: sqlite3.Connection, listing_id: str) -> PlannedReturn | None:
    """The return planned after this listing."""
    row = db.execute(f"{_RETURNS} WHERE listing_id = ?", (listing_id,)).fetchone()
    return row and _planned(row)


def returns_until(
    db: sqlite3.Connection, account_ids: Sequence[str], latest: int, *, limit: int = 1000
) -> list[PlannedReturn]:
    """What comes back until `latest` (ms UTC), the next first; of these accounts."""
    marks = ", ".join("?" for _ in account_ids)
    rows = db.execute(
        f"{_RETURNS} WHERE relists.account_id IN ({marks}) AND at <= ? ORDER BY at, relists.item_id LIMIT ?",
        (*account_ids, latest, limit),
    )
    return [_planned(row) for row in rows.fetchall()]


def every_return(db: sqlite3.Connection) -> list[PlannedReturn]:
    """All that are planned, in every account."""
    return [_planned(row) for row in db.execute(f"{_RETURNS} ORDER BY at, relists.item_id").fetchall()]


def late_returns(db: sqlite3.Connection, *, before: int) -> list[PlannedReturn]:
    """What should have come back before this time (ms) and is not held, the first first."""
    return [each for each in every_return(db) if each.at < before and not each.held]


def drop_return(db: sqlite3.Connection, item_id: str) -> None:
    """Nothing is planned for the item any more."""
    db.execute("DELETE FROM relists WHERE item_id = ?", (item_id,))


def returns_paused(db: sqlite3.Connection) -> bool:
    """Whether the owner has stopped every return until further notice."""
    return key_value.get(db, _PAUSED) is not None


def pause_returns(db: sqlite3.Connection, *, paused: bool) -> None:
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


@dataclass(frozen=True, slots=True)
class Bids:
    """How many bids an ad had, the highest in kronor, and when Tradera showed them (ms UTC)."""

    count: int
    highest_kr: int | None
    seen_at: int

    @classmethod
    def of(cls, ad: SellerAd, seen_at: int) -> Bids:
        """Those of an ad as Tradera shows it; a fixed price without bids may be shown as the highest."""
        return cls(ad.total_bids, ad.max_bid_kr if ad.total_bids else None, seen_at)


@dataclass(frozen=True, slots=True)
class AdsWithBids:
    """How many of the ads that are up had bids when they were looked at, and since when that is known of all of these (ms UTC)."""

    count: int
    seen_at: int


def bids_seen(db: sqlite3.Connection, listing_id: str) -> Bids | None:
    """What was last seen of a listing; None when nobody has looked."""
    return bids_of(db, [listing_id]).get(listing_id)


def bids_of(db: sqlite3.Connection, listing_ids: Sequence[str]) -> dict[str, Bids]:
    """What was last seen of each of these listings that anybody has looked at."""
    rows = db.execute(
        "SELECT listing_id, count, highest_kr, seen_at FROM bids WHERE listing_id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(listing_ids)),),
    )
    return {row[0]: Bids(*row[1:]) for row in rows.fetchall()}


def ads_with_bids(db: sqlite3.Connection, account_id: str) -> AdsWithBids | None:
    """The ads that are up and have bids, as far as anybody has looked; None when nobody has looked at any."""
    count, first, of_all = db.execute(
        "SELECT count(*) FILTER (WHERE count > 0), min(seen_at) FILTER (WHERE count > 0), min(seen_at)"
        " FROM listings INDEXED BY listings_ending CROSS JOIN bids ON listing_id = listings.id"
        " WHERE account_id = ? AND state = 'live' AND surplus = 0",
        (account_id,),
    ).fetchone()
    return None if of_all is None else AdsWithBids(count, first or of_all)


def see_bids(db: sqlite3.Connection, listing_id: str, bids: Bids) -> None:
    """Keep what Tradera shows now."""
    db.execute(
        "INSERT OR REPLACE INTO bids (listing_id, count, highest_kr, seen_at) VALUES (?, ?, ?, ?)",
        (listing_id, bids.count, bids.highest_kr, bids.seen_at),
    )


def see_bids_of_ads(db: sqlite3.Connection, account_id: str, found: Iterable[tuple[int, Bids]]) -> None:
    """Keep what Tradera shows of ads by their numbers: of the account's own that are up, and nothing older than is known."""
    db.executemany(
        "INSERT INTO bids (listing_id, count, highest_kr, seen_at) SELECT id, ?, ?, ? FROM listings"
        " WHERE tradera_item_id = ? AND account_id = ? AND state = 'live'"
        " ON CONFLICT (listing_id) DO UPDATE SET count = excluded.count, highest_kr = excluded.highest_kr,"
        " seen_at = excluded.seen_at WHERE excluded.seen_at >= seen_at",
        [(each.count, each.highest_kr, each.seen_at, number, account_id) for number, each in found],
    )


def ends_ahead(db: sqlite3.Connection, account_id: str, *, now: int) -> list[int]:
    """When the account's ads that are up end (ms), the next first."""
    rows = db.execute(
        "SELECT ends_at FROM listings INDEXED BY listings_ending WHERE account_id = ? AND state = 'live' AND ends_at > ?"
        " ORDER BY ends_at",
        (account_id, now),
    )
    return [row[0] for row in rows.fetchall()]


_OTHERS_KEPT_MS = 400 * 24 * 3600 * 1000
"""No ad runs for longer."""


def note_others(db: sqlite3.Connection, account_id: str, changed: Collection[int], *, now: int) -> None:
    """Remember those of these ads that no listing has and nobody has looked at."""
    new = db.execute(
        "INSERT OR IGNORE INTO other_ads (account_id, ad) SELECT ?, value FROM json_each(?)"
        " WHERE NOT EXISTS (SELECT 1 FROM listings WHERE tradera_item_id = value)"
        " AND value > (SELECT tradera_item_id FROM listings WHERE account_id = ? AND commit_sent_at IS NOT NULL"
        " ORDER BY commit_sent_at LIMIT 1)",
        (account_id, json.dumps(sorted(changed)), account_id),
    ).rowcount
    if new:
        db.execute(
            "DELETE FROM other_ads WHERE account_id = ? AND looked_at < ?",
            (account_id, now - _OTHERS_KEPT_MS),
        )


def others_to_look_at(db: sqlite3.Connection, account_id: str, *, limit: int) -> list[int]:
    """The first few that nobody has looked at."""
    rows = db.execute(
        "SELECT ad FROM other_ads INDEXED BY other_ads_unseen WHERE account_id = ? AND looked_at IS NULL"
        " ORDER BY ad LIMIT ?",
        (account_id, limit),
    )
    return [row["ad"] for row in rows.fetchall()]


def looked_at_other(db: sqlite3.Connection, account_id: str, ad: int, *, now: int) -> None:
    """It is known whose this ad is."""
    db.execute("UPDATE other_ads SET looked_at = ? WHERE account_id = ? AND ad = ?", (now, account_id, ad))


def forget_other(db: sqlite3.Connection, account_id: str, ad: int) -> None:
    """Tradera does not show it: if it changes again it is looked at again."""
    db.execute("DELETE FROM other_ads WHERE account_id = ? AND ad = ?", (account_id, ad))
