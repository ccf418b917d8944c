"""What the owner's pages show of the shop: the list of items by where each stands, the first page's rows, the sums of the figures.

The list is found by words and numbers, in an order, a page at a time. Each item stands in one group, told by one expression: what
a group counts is what its list shows. Both walk one covering index of the account's items, never their rows; the rows of a page are
read at the end. Of the words of titles and marks the `MOST_FOUND` newest items count. The sums are kept by the schema's triggers as
things change, never added up from all there is.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from rheod.domain.model import ItemType, Json, Ladder, Listing, ListingState, RheoStatus, TraderaStatus
from rheod.store import ads, jobs, key_value
from rheod.store.ads import Bids
from rheod.store.columns import ladder_of, restored
from rheod.store.engine.copies import GOOD_MARK
from rheod.store.items import listing_of
from rheod.store.search import STANDS_FOR_ITEM, asked

MOST_FOUND = 20_000


class Group(StrEnum):
    """Where an item stands, as the owner asks for it. An item is in one of them; ALL has what is archived and the containers too."""

    ALL = "all"
    LIVE = "live"
    WAITS = "waits"
    FAILED = "failed"
    DOUBT = "doubt"
    HELD = "held"
    UNSOLD = "unsold"
    SOLD = "sold"
    UNLISTED = "unlisted"


class Order(StrEnum):
    """What comes first: the ad that ends next, what was taken in last, what costs most."""

    ENDS = "ends"
    NEW = "new"
    PRICE = "price"


@dataclass(frozen=True, slots=True, kw_only=True)
class StockQuery:
    """What the owner looks for. `text` begins the external id, is the number of an ad or an order, or its words stand in title or marks."""

    text: str = ""
    group: Group = Group.ALL
    order: Order = Order.NEW


class StockRow(NamedTuple):
    """An item as the owner's list shows it; `picture` is the file of the first one that is ready.

    `listing` is the one that stands for it, `place` its place in the queue. `back_at` is when it comes back (ms), by `back`;
    `sold_at` when it was sold, for `sold_ore`. `unready` pictures are still to be fetched.
    `bids` is what was last seen of them on an ad that is up.
    """

    number: int
    id: str
    external_id: str
    type: ItemType
    title: str
    rheo_status: RheoStatus
    tradera_status: TraderaStatus | None
    price_ore: int | None
    delete_requested: bool
    last_error: str | None
    created_at: int
    updated_at: int
    metadata: Json
    picture: str | None
    group: Group
    listing: Listing | None = None
    place: jobs.QueuePosition | None = None
    back_at: int | None = None
    back: Ladder | None = None
    back_held: bool = False
    sold_at: int | None = None
    sold_ore: int | None = None
    unready: int = 0
    bids: Bids | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StockPage:
    """A page from `start` on; `counts` are of every group, within what was looked for."""

    rows: tuple[StockRow, ...]
    start: int
    counts: Mapping[Group, int] = field(default_factory=dict)


_HELD = (
    "SELECT number FROM listings INDEXED BY listings_held CROSS JOIN items ON items.id = item_id"
    " WHERE held IS NOT NULL AND state = 'queued' AND listings.account_id = :account"
)
_DOUBTFUL = (
    "SELECT number FROM listings INDEXED BY listings_waiting CROSS JOIN items ON items.id = item_id"
    " WHERE listings.account_id = :account AND ask_at IS NULL AND state IN ('committing', 'committed') AND error IS NOT NULL"
)
_BY_STATES = (
    "CASE WHEN rheo_status = 'archived' THEN 'all' WHEN rheo_status = 'sold' THEN 'sold' WHEN tradera_status = 'active' THEN 'live'"
    " WHEN rheo_status = 'not_listed' THEN 'unlisted' WHEN tradera_status = 'pending_sync' THEN 'waits'"
    " WHEN tradera_status = 'sync_error' THEN 'failed' WHEN tradera_status = 'ended' THEN 'unsold' ELSE 'unlisted' END"
)
_GROUP = (
    f"CASE WHEN type = 'container' THEN 'all' WHEN rheo_status IN ('archived', 'sold') THEN {_BY_STATES}"
    f" WHEN number IN ({_DOUBTFUL}) THEN 'doubt' WHEN tradera_status = 'active' THEN 'live' WHEN number IN ({_HELD}) THEN 'held'"
    f" ELSE {_BY_STATES} END"
)
"""Where an item stands: by its states, unless it is a container, in doubt or held."""
_LISTED = "FROM items INDEXED BY items_listed WHERE account_id = :account AND removed_at IS NULL"
_COUNTED = (
    f"SELECT {_BY_STATES}, count(*) FROM items INDEXED BY items_by_tradera WHERE account_id = :account AND removed_at IS NULL"
    " GROUP BY tradera_status, rheo_status"
    f" UNION ALL SELECT {_BY_STATES}, -many FROM (SELECT rheo_status, NULL AS tradera_status, sum(count) AS many FROM item_counts"
    " WHERE account_id = :account AND type = 'container' GROUP BY rheo_status)"
    " UNION ALL SELECT 'all', sum(count) FROM item_counts WHERE account_id = :account AND type = 'container'"
)
_MOVED = (
    f"SELECT {_BY_STATES} AS states, {_GROUP} AS place, count(*) AS many FROM items WHERE account_id = :account AND removed_at IS NULL"
    f" AND number IN ({_DOUBTFUL} UNION {_HELD}) GROUP BY states, place"
)
_FOUND = {
    "id": "SELECT number FROM items INDEXED BY items_by_external_id WHERE account_id = :account AND external_id >= :text"
    " AND external_id < :text || :last",
    "words": "SELECT number FROM (SELECT rowid AS number FROM item_words WHERE item_words MATCH :words ORDER BY rowid DESC"
    f" LIMIT {MOST_FOUND})",
    "ad": "SELECT number FROM listings CROSS JOIN items ON items.id = item_id WHERE tradera_item_id = :digits",
    "order": "SELECT number FROM order_lines CROSS JOIN items ON items.id = item_id WHERE order_id = :digits",
}
_LIVE = (
    "FROM listings INDEXED BY listings_ending CROSS JOIN items ON items.id = item_id WHERE listings.account_id = :account"
    " AND state = 'live' AND ends_at IS NOT NULL AND surplus = 0"
)
_DIGITS = 18
"""More digits than any number of Tradera's, and no more than SQLite takes."""


def page(
    db: sqlite3.Connection, account_id: str, sought: StockQuery, *, limit: int, start: int = 0
) -> StockPage:
    """The items from this place on; the last page where `start` is beyond it."""
    among, values = _among(account_id, sought.text)
    counts = _counted(db, among, values)
    start = min(start, max(0, counts[sought.group] - 1) // limit * limit)
    if not counts[sought.group]:
        return StockPage(rows=(), start=0, counts=counts)
    narrowed = among if sought.group is Group.ALL else f"{among} AND {_GROUP} = :group"
    values |= {"group": sought.group, "limit": limit, "start": start}
    listed = f"SELECT number, {_GROUP} AS place {_LISTED}{narrowed}"
    match sought.order:
        case Order.NEW:
            rows = db.execute(f"{listed} ORDER BY number DESC LIMIT :limit OFFSET :start", values).fetchall()
        case Order.PRICE:
            query = f"{listed} ORDER BY price_ore DESC, number DESC LIMIT :limit OFFSET :start"
            rows = db.execute(query, values).fetchall()
        case _:
            rows = _by_end(db, listed, narrowed, values)
    return StockPage(rows=_rows(db, {row[0]: Group(row[1]) for row in rows}), start=start, counts=counts)


def _by_end(
    db: sqlite3.Connection, listed: str, narrowed: str, values: Mapping[str, Any]
) -> list[sqlite3.Row]:
    """First what is up, along the index of ends; behind it everything else, the newest first."""
    live = f"{_LIVE} AND removed_at IS NULL{narrowed}"
    ending = f"SELECT number, {_GROUP} AS place {live} ORDER BY ends_at LIMIT :limit OFFSET :start"
    rows = db.execute(ending, values).fetchall()
    if len(rows) < values["limit"]:
        (ends,) = db.execute(f"SELECT count(*) {live}", values).fetchone()
        more = {"limit": values["limit"] - len(rows), "start": max(0, values["start"] - ends)}
        rest = f"{listed} AND number NOT IN (SELECT number {_LIVE}) ORDER BY number DESC LIMIT :limit OFFSET :start"
        rows += db.execute(rest, {**values, **more}).fetchall()
    return rows


def _counted(db: sqlite3.Connection, among: str, values: Mapping[str, Any]) -> dict[Group, int]:
    """How many stand in each group; all of an account are counted by their states, which an index has in order."""
    counts = dict.fromkeys(Group, 0)
    if among:
        found = db.execute(f"SELECT {_GROUP} AS place, count(*) {_LISTED}{among} GROUP BY place", values)
    else:
        found = db.execute(_COUNTED, values)
        for states, place, many in db.execute(_MOVED, values).fetchall():
            counts[Group(states)] -= many
            counts[Group(place)] += many
    for place, many in found.fetchall():
        counts[Group(place)] += many or 0
    counts[Group.ALL] = sum(counts.values())
    return counts


def of_numbers(db: sqlite3.Connection, account_id: str, numbers: Sequence[int]) -> tuple[StockRow, ...]:
    """Those of these items that the account has, in this order."""
    rows = db.execute(
        f"SELECT number, {_GROUP} AS place FROM items WHERE account_id = :account AND removed_at IS NULL"
        " AND number IN (SELECT value FROM json_each(:numbers))",
        {"account": account_id, "numbers": json.dumps(numbers)},
    ).fetchall()
    groups = {row[0]: Group(row[1]) for row in rows}
    return _rows(db, {number: groups[number] for number in numbers if number in groups})


def _among(account_id: str, text: str) -> tuple[str, dict[str, Any]]:
    """Which items the text finds, as a term ("" for any), and the values of the whole query."""
    values: dict[str, Any] = {"account": account_id}
    if not text:
        return "", values
    digits = text.removeprefix("#")
    values |= {"text": text, "last": "\U0010ffff", "words": asked(text)}
    arms = ["id"] + ["words"] * (values["words"] is not None)
    if digits.isascii() and digits.isdecimal() and len(digits) <= _DIGITS:
        values["digits"] = int(digits)
        arms += ["ad", "order"]
    return f" AND number IN ({' UNION '.join(_FOUND[arm] for arm in arms)})", values


def _rows(db: sqlite3.Connection, groups: Mapping[int, Group]) -> tuple[StockRow, ...]:
    """What the list shows of these items, in their order."""
    rows = db.execute(
        "SELECT number, items.id, external_id, items.type, title, rheo_status, tradera_status, price_ore, delete_requested, last_error,"
        f" items.created_at, items.updated_at, json_extract(spec, '$.metadata') AS metadata, {PICTURE} AS picture,"
        " (SELECT count(*) FROM pictures WHERE item_id = items.id AND state = 'pending') AS unready,"
        f" (SELECT id FROM listings WHERE item_id = items.id {STANDS_FOR_ITEM}) AS listing,"
        " relists.at AS back_at, relists.ladder AS back, coalesce(relists.held, 0) AS back_held"
        " FROM json_each(:numbers) wanted CROSS JOIN items ON number = wanted.value"
        " LEFT JOIN relists ON relists.item_id = items.id ORDER BY wanted.key",
        {"numbers": json.dumps(list(groups))},
    ).fetchall()
    ids = json.dumps([row["listing"] for row in rows if row["listing"]])
    found = db.execute(
        "SELECT * FROM listings WHERE id IN (SELECT value FROM json_each(?))", (ids,)
    ).fetchall()
    listings = {each.id: each for each in map(listing_of, found)}
    up = [each.id for each in listings.values() if each.state is ListingState.LIVE]
    seen = ads.bids_of(db, up) if up else {}
    return tuple(
        _row(db, row, listings.get(row["listing"]), groups[row["number"]])._replace(
            bids=seen.get(row["listing"])
        )
        for row in rows
    )


def _row(db: sqlite3.Connection, row: sqlite3.Row, listing: Listing | None, group: Group) -> StockRow:
    sale = None
    if group is Group.SOLD:
        sale = db.execute(
            "SELECT orders.created_at, quantity * unit_price_ore FROM order_lines JOIN orders USING (order_id)"
            " WHERE item_id = ? AND order_lines.reversed_at IS NULL ORDER BY orders.created_at DESC LIMIT 1",
            (row["id"],),
        ).fetchone()
    waits = listing is not None and group is Group.WAITS
    return StockRow(
        **{
            **dict(row),
            "type": ItemType(row["type"]),
            "rheo_status": RheoStatus(row["rheo_status"]),
            "tradera_status": row["tradera_status"] and TraderaStatus(row["tradera_status"]),
            "delete_requested": bool(row["delete_requested"]),
            "last_error": restored(row["last_error"]),
            "metadata": json.loads(row["metadata"] or "{}"),
            "back": ladder_of(row["back"]) if row["back"] else None,
            "back_held": bool(row["back_held"]),
            "group": group,
            "listing": listing,
            "place": jobs.place_of_publish(db, listing.id) if waits and listing is not None else None,
            "sold_at": sale and sale[0],
            "sold_ore": sale and sale[1],
        }
    )


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


def picture_of_item(db: sqlite3.Connection, account_id: str, external_id: str) -> str | None:
    """The first picture of an item that stands; None without one."""
    row = db.execute(
        f"SELECT {PICTURE} FROM items WHERE account_id = ? AND external_id = ? AND removed_at IS NULL",
        (account_id, external_id),
    ).fetchone()
    return None if row is None else row[0]


def pictures_of(db: sqlite3.Connection, item_ids: Sequence[str]) -> dict[str, str | None]:
    """The first picture of each of these items."""
    rows = db.execute(
        f"SELECT items.id, {PICTURE} AS picture FROM json_each(?) AS wanted JOIN items ON items.id = wanted.value",
        (json.dumps(list(item_ids)),),
    )
    return {row["id"]: row["picture"] for row in rows.fetchall()}


INVENTORY = "SELECT domain, rheo_status, count FROM item_counts WHERE account_id = ? AND type = 'item'"
MONTHS = "SELECT month, orders, ore, pending_ore FROM month_sums WHERE account_id = ? AND month >= ? AND orders > 0"
DOMAINS = (
    "SELECT domain, sum(ore) AS ore FROM domain_sums WHERE account_id = ? AND month >= ? GROUP BY domain"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """The orders of a month and what they come to (öre), all of them and those not paid."""

    orders: int = 0
    ore: int = 0
    pending_ore: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Items by (domain, status), sales by month and by domain (öre). Sales of unknown items are in none of them."""

    inventory: dict[tuple[str, str], int]
    months: dict[str, Month]
    domains: dict[str, int]


def sums(db: sqlite3.Connection, account_id: str, *, since: str) -> Sums:
    """All sums of an account; sales from the month `since` on."""
    rows = db.execute(INVENTORY, (account_id,)).fetchall()
    domains = db.execute(DOMAINS, (account_id, since)).fetchall()
    return Sums(
        inventory={(row["domain"], row["rheo_status"]): row["count"] for row in rows},
        months=sums_by_month(db, account_id, since=since),
        domains={row["domain"]: row["ore"] for row in domains},
    )


def sums_by_month(db: sqlite3.Connection, account_id: str, *, since: str) -> dict[str, Month]:
    """Sales from the month `since` on."""
    return {
        row["month"]: Month(orders=row["orders"], ore=row["ore"], pending_ore=row["pending_ore"])
        for row in db.execute(MONTHS, (account_id, since)).fetchall()
    }
