"""Rows of items, pictures and listings; only the use cases write through here.

An item's row, its catalogue codes and the words of its title are written together. Only what has changed is named in an
UPDATE: SQLite rewrites every index of a named column, and with a million items each of those lies in a page of its own.
"""

from __future__ import annotations

import json
import sqlite3
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, fields
from typing import Any

from rheod.domain.categories import OTHER
from rheod.domain.model import (
    EndWish,
    Item,
    Listing,
    ListingState,
    Picture,
    PictureState,
    RheoStatus,
    TraderaStatus,
)
from rheod.domain.owner_text import INVISIBLE_RANGES, SPACE_RANGES, same_looking
from rheod.store import columns, search

_LISTING_FIELDS = tuple(field.name for field in fields(Listing))
_MOST_ODD = 5000
"""Odd ids that are compared at one look."""
_STANDING = "removed_at IS NULL AND rheo_status <> 'archived'"


def item_of(row: sqlite3.Row) -> Item:
    """An item from its row."""
    return Item(
        id=row["id"],
        account_id=row["account_id"],
        external_id=row["external_id"],
        spec=columns.spec_of(row),
        rheo_status=RheoStatus(row["rheo_status"]),
        tradera_status=row["tradera_status"] and TraderaStatus(row["tradera_status"]),
        version=row["version"],
        last_error=columns.restored(row["last_error"]),
        delete_requested=bool(row["delete_requested"]),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def find(db: sqlite3.Connection, account_id: str, external_id: str) -> Item | None:
    """The standing item of this external id, else its newest archived one; removed ones are not found."""
    row = db.execute(
        "SELECT * FROM items WHERE account_id = ? AND external_id = ? AND removed_at IS NULL"
        " ORDER BY rheo_status = 'archived', created_at DESC LIMIT 1",
        (account_id, external_id),
    ).fetchone()
    return row and item_of(row)


def standing(db: sqlite3.Connection, account_id: str, external_id: str) -> Item | None:
    """The item a PUT of this external id updates, if there is one."""
    row = db.execute(
        f"SELECT * FROM items WHERE account_id = ? AND external_id = ? AND {_STANDING}",
        (account_id, external_id),
    ).fetchone()
    return row and item_of(row)


_UNSEEN_CODES = ", ".join(
    str(first) if first == last else f"{first}, 45, {last}"
    for first, last in sorted([*INVISIBLE_RANGES, *SPACE_RANGES])
)
_UNSEEN = (
    f"external_id GLOB '*[' || char({_UNSEEN_CODES}) || ']*'"
    " OR external_id GLOB ' *' OR external_id GLOB '* '"
)
_MARKED = "external_id GLOB '*[' || char(768, 45, 879) || ']*'"


def ids_with_unseen(db: sqlite3.Connection, account_id: str) -> tuple[str, ...]:
    """The account's ids that hold what cannot be seen: an earlier rheod took them, and no more come."""
    rows = db.execute(
        "SELECT external_id FROM items INDEXED BY items_with_unseen"
        f" WHERE account_id = ? AND ({_UNSEEN}) AND {_STANDING}",
        (account_id,),
    )
    return tuple(each for (each,) in rows)


def looks_like_another(
    db: sqlite3.Connection, account_id: str, external_id: str, with_unseen: Iterable[str]
) -> bool:
    """Whether an item has an id that differs from this one only by what cannot be seen, or by how it is composed.

    `with_unseen` are the account's `ids_with_unseen`.
    """
    shown = same_looking(external_id)
    spellings = {shown, unicodedata.normalize("NFD", shown)} - {external_id}
    if any(standing(db, account_id, each) is not None for each in spellings):
        return True
    return any(each != external_id and same_looking(each) == shown for each in with_unseen)


def look_alikes(db: sqlite3.Connection, account_id: str, *, limit: int) -> list[tuple[str, str]]:
    """Pairs of ids of different items that cannot be told apart by eye: of one thing, perhaps, and each with an ad."""
    odd = [
        each
        for index, condition in (("items_with_unseen", _UNSEEN), ("items_with_marks", _MARKED))
        for (each,) in db.execute(
            f"SELECT external_id FROM items INDEXED BY {index}"
            f" WHERE account_id = ? AND ({condition}) AND {_STANDING} LIMIT ?",
            (account_id, _MOST_ODD),
        )
    ]
    first_of: dict[str, str] = {}
    pairs: set[tuple[str, str]] = set()
    for each in odd:
        shown = same_looking(each)
        other = first_of.setdefault(shown, each)
        if other == each and each != shown and standing(db, account_id, shown) is not None:
            other = first_of[shown] = shown
        if other != each:
            pairs.add((other, each))
    return sorted(pairs)[:limit]


def ancestors(db: sqlite3.Connection, account_id: str, external_id: str) -> set[str]:
    """The external ids of the containers around this one, itself included."""
    found: set[str] = set()
    around: str | None = external_id
    while around is not None and around not in found:
        found.add(around)
        row = db.execute(
            f"SELECT parent_external_id FROM items WHERE account_id = ? AND external_id = ? AND {_STANDING}",
            (account_id, around),
        ).fetchone()
        around = row and row["parent_external_id"]
    return found


def by_id(db: sqlite3.Connection, item_id: str) -> Item:
    """The item of this id, removed or not; it exists."""
    return item_of(db.execute("SELECT * FROM items WHERE id = ?", (item_id,)).fetchone())


def find_by_id(db: sqlite3.Connection, account_id: str, item_id: str) -> Item | None:
    """The account's item of this id, removed or not."""
    row = db.execute("SELECT * FROM items WHERE id = ? AND account_id = ?", (item_id, account_id)).fetchone()
    return row and item_of(row)


def for_sale(
    db: sqlite3.Connection, account_id: str | None, *, after: int, limit: int
) -> list[tuple[int, Item]]:
    """Items that may still be put up, of one account or of all, by the number of their row: those after this one."""
    rows = db.execute(
        "SELECT * FROM items WHERE number > :after AND removed_at IS NULL AND type = 'item'"
        " AND rheo_status IN ('draft', 'active', 'not_listed') AND coalesce(tradera_status, '') <> 'active'"
        " AND (:account IS NULL OR account_id = :account) ORDER BY number LIMIT :limit",
        {"after": after, "account": account_id, "limit": limit},
    )
    return [(row["number"], item_of(row)) for row in rows.fetchall()]


def is_removed(db: sqlite3.Connection, item_id: str) -> bool:
    """Whether the owner has deleted the item."""
    row = db.execute("SELECT removed_at FROM items WHERE id = ?", (item_id,)).fetchone()
    return row["removed_at"] is not None


def count_children(db: sqlite3.Connection, account_id: str, parent_external_id: str) -> int:
    """How many standing items name this parent; those whose deletion is under way count no more."""
    row = db.execute(
        "SELECT count(*) FROM items WHERE account_id = ? AND parent_external_id = ? AND delete_requested = 0"
        f" AND {_STANDING}",
        (account_id, parent_external_id),
    ).fetchone()
    count: int = row[0]
    return count


def add(db: sqlite3.Connection, item: Item) -> None:
    """Insert an item that is new."""
    number = db.execute(
        "INSERT INTO items (id, account_id, external_id, type, title, price_ore, domain, category_id,"
        " parent_external_id, rheo_status, tradera_status, version, spec, last_error, delete_requested, created_at, updated_at)"
        " VALUES (:id, :account_id, :external_id, :type, :title, :price_ore, :domain, :category_id, :parent_external_id,"
        " :rheo_status, :tradera_status, :version, :spec, :last_error, :delete_requested, :created_at, :updated_at)",
        {
            "id": item.id,
            "account_id": item.account_id,
            "external_id": item.external_id,
            "created_at": item.created_at,
            **_changing(item),
        },
    ).lastrowid
    assert number is not None  # of an INSERT
    search.change_names(db, number, None, item)


def save(db: sqlite3.Connection, before: Item, item: Item, *, removed_at: int | None = None) -> None:
    """Write what has changed of an item since `before`, which is what is stored; once removed it stays removed."""
    old, new = _changing(before), _changing(item)
    slots = [f"{name} = :{name}" for name, value in new.items() if value != old[name]]
    if removed_at is not None:
        slots.append("removed_at = coalesce(removed_at, :removed_at)")
    if not slots:
        return
    values = {**new, "removed_at": removed_at, "id": item.id}
    update = f"UPDATE items SET {', '.join(slots)} WHERE id = :id RETURNING number, removed_at"
    [(number, gone_at)] = db.execute(update, values).fetchall()
    if removed_at is not None:
        search.change_names(db, number, before, None)
    elif gone_at is None:
        search.change_names(db, number, before, item)


def _changing(item: Item) -> dict[str, Any]:
    """The columns of an item that may change, but for its removal."""
    return {
        "type": item.spec.type,
        "title": item.spec.title,
        "price_ore": item.spec.price_ore,
        "domain": item.spec.domain or OTHER,
        "category_id": item.spec.tradera and item.spec.tradera.category_id,
        "parent_external_id": item.spec.parent_external_id,
        "rheo_status": item.rheo_status,
        "tradera_status": item.tradera_status,
        "version": item.version,
        "spec": columns.spec_text(item.spec),
        "last_error": item.last_error,
        "delete_requested": item.delete_requested,
        "updated_at": item.updated_at,
    }


def pictures(db: sqlite3.Connection, item_id: str) -> list[Picture]:
    """The item's pictures in the order shown."""
    rows = db.execute("SELECT * FROM pictures WHERE item_id = ? ORDER BY position", (item_id,))
    return [picture_of(row) for row in rows.fetchall()]


def picture(db: sqlite3.Connection, picture_id: str) -> Picture | None:
    """The picture of this id, unless a later PUT has replaced it."""
    row = db.execute("SELECT * FROM pictures WHERE id = ?", (picture_id,)).fetchone()
    return row and picture_of(row)


def picture_of(row: sqlite3.Row) -> Picture:
    """A picture from its row."""
    values = {**dict(row), "state": PictureState(row["state"]), "told": bool(row["told"])}
    return Picture(
        **{**values, "error": columns.restored(row["error"]), "note": columns.restored(row["note"])}
    )


def pictures_around(db: sqlite3.Connection, picture_id: str) -> list[Picture]:
    """The pictures of the item that has this one, in the order shown; none when a later PUT has replaced it."""
    rows = db.execute(
        "SELECT * FROM pictures WHERE item_id = (SELECT item_id FROM pictures WHERE id = ?) ORDER BY position",
        (picture_id,),
    )
    return [picture_of(row) for row in rows.fetchall()]


def replace_pictures(db: sqlite3.Connection, kept: Sequence[Picture], wanted: Sequence[Picture]) -> None:
    """Put pictures in the place of all that an item has (`kept`)."""
    if kept:
        db.execute("DELETE FROM pictures WHERE item_id = ?", (kept[0].item_id,))
    db.executemany(
        "INSERT INTO pictures (id, item_id, position, url, state, file, size_bytes, error, note, told)"
        " VALUES (:id, :item_id, :position, :url, :state, :file, :size_bytes, :error, :note, :told)",
        [asdict(picture) for picture in wanted],
    )


def save_picture(db: sqlite3.Connection, picture: Picture) -> None:
    """Store what became of a picture."""
    db.execute(
        "UPDATE pictures SET state = :state, file = :file, size_bytes = :size_bytes, error = :error, note = :note,"
        " told = :told WHERE id = :id",
        asdict(picture),
    )


def listing_of(row: sqlite3.Row) -> Listing:
    """A listing from its row."""
    values: dict[str, Any] = {name: row[name] for name in _LISTING_FIELDS}
    values["state"] = ListingState(values["state"])
    for name in ("error", "warning", "held", "put_off"):
        values[name] = columns.restored(values[name])
    values["held_missing"] = tuple(json.loads(values["held_missing"]))
    values["picture_in_doubt"] = bool(values["picture_in_doubt"])
    values["surplus"] = bool(values["surplus"])
    values["ladder"] = values["ladder"] and columns.ladder_of(values["ladder"])
    values["end_place"] = columns.end_place_of(values["end_place"])
    values["end_wish"] = values["end_wish"] and EndWish(values["end_wish"])
    return Listing(**values)


def listing(db: sqlite3.Connection, listing_id: str) -> Listing:
    """The listing of this id; it exists."""
    return listing_of(db.execute("SELECT * FROM listings WHERE id = ?", (listing_id,)).fetchone())


def latest_listing(db: sqlite3.Connection, item_id: str) -> Listing | None:
    """The item's open listing, else its newest one. Of two that are up it is the one that is not to be ended."""
    row = db.execute(
        f"SELECT * FROM listings WHERE item_id = ? {search.STANDS_FOR_ITEM}", (item_id,)
    ).fetchone()
    return row and listing_of(row)


def surplus_listing(db: sqlite3.Connection, item_id: str) -> Listing | None:
    """The item's other ad, which is or may be up and is to be ended."""
    row = db.execute(
        f"SELECT * FROM listings WHERE item_id = ? AND surplus = 1 AND {_MAY_BE_UP}", (item_id,)
    ).fetchone()
    return row and listing_of(row)


def earlier_ad(db: sqlite3.Connection, listing: Listing) -> Listing | None:
    """The last listing of the same item before this one that was up."""
    if listing.generation == 1:
        return None
    row = db.execute(
        "SELECT * FROM listings WHERE item_id = ? AND generation < ? AND live_at IS NOT NULL"
        " AND tradera_item_id IS NOT NULL ORDER BY generation DESC LIMIT 1",
        (listing.item_id, listing.generation),
    ).fetchone()
    return row and listing_of(row)


def last_generation(db: sqlite3.Connection, item_id: str) -> int:
    """The number of the item's newest listing, 0 without one."""
    row = db.execute("SELECT max(generation) FROM listings WHERE item_id = ?", (item_id,)).fetchone()
    return row[0] or 0


def listing_of_ad(db: sqlite3.Connection, account_id: str, tradera_item_id: int) -> Listing | None:
    """The listing of an ad at Tradera, within this account."""
    row = db.execute(
        "SELECT * FROM listings WHERE tradera_item_id = ? AND account_id = ?", (tradera_item_id, account_id)
    ).fetchone()
    return row and listing_of(row)


def listing_of_number(db: sqlite3.Connection, tradera_item_id: int) -> Listing | None:
    """Find a listing by ad id, in any account."""
    row = db.execute("SELECT * FROM listings WHERE tradera_item_id = ?", (tradera_item_id,)).fetchone()
    return row and listing_of(row)


def numbers_taken(db: sqlite3.Connection, request_id: int, tradera_item_id: int) -> bool:
    """Whether some listing already has this request or this ad."""
    row = db.execute(
        "SELECT 1 FROM listings WHERE request_id = ? UNION ALL SELECT 1 FROM listings WHERE tradera_item_id = ? LIMIT 1",
        (request_id, tradera_item_id),
    ).fetchone()
    return row is not None


def listing_of_reference(
    db: sqlite3.Connection, account_id: str, item_id: str, generation: int
) -> Listing | None:
    """The listing an own reference names, if it is one of this account."""
    row = db.execute(
        "SELECT * FROM listings WHERE item_id = ? AND generation = ? AND account_id = ?",
        (item_id, generation, account_id),
    ).fetchone()
    return row and listing_of(row)


def waiting_listings(db: sqlite3.Connection, account_id: str, *, limit: int) -> list[Listing]:
    """Listings whose commit Tradera has not answered for yet, the longest waiting first, at most so many."""
    rows = db.execute(
        "SELECT * FROM listings WHERE account_id = ? AND state IN ('committing', 'committed')"
        " AND ask_at IS NOT NULL ORDER BY ask_at LIMIT ?",
        (account_id, limit),
    )
    return [listing_of(row) for row in rows.fetchall()]


def commits_put_off(db: sqlite3.Connection, *, but: str) -> int:
    """How many commits of all accounts no call was left for; of this listing none is counted."""
    sql = "SELECT count(*) FROM listings WHERE put_off IS NOT NULL AND state IN ('committing', 'committed') AND id <> ?"
    return int(db.execute(sql, (but,)).fetchone()[0])


_MAY_BE_UP = "state IN ('committing', 'committed', 'live')"


def may_any_be_up(db: sqlite3.Connection, account_id: str) -> bool:
    """Whether an ad of the account is or may be visible at Tradera."""
    row = db.execute(
        f"SELECT 1 FROM listings WHERE account_id = ? AND {_MAY_BE_UP} LIMIT 1", (account_id,)
    ).fetchone()
    return row is not None


def listings_of_ads(db: sqlite3.Connection, account_id: str, ads: Collection[int]) -> list[Listing]:
    """Those of our listings behind these ads of the account that are or may be visible at Tradera."""
    rows = db.execute(
        "SELECT listings.* FROM json_each(?) CROSS JOIN listings ON tradera_item_id = json_each.value"
        f" WHERE account_id = ? AND {_MAY_BE_UP}",
        (json.dumps(list(ads)), account_id),
    )
    return [listing_of(row) for row in rows.fetchall()]


_GIVEN_UP = "state = 'rejected' AND commit_sent_at IS NOT NULL"


def may_any_turn_up(db: sqlite3.Connection, account_id: str, since: int) -> bool:
    """Whether an ad of the account is or may be visible, those given up whose commit was sent after `since` (ms) too."""
    row = db.execute(
        f"SELECT 1 FROM listings WHERE account_id = ? AND commit_sent_at > ? AND {_GIVEN_UP} LIMIT 1",
        (account_id, since),
    ).fetchone()
    return row is not None or may_any_be_up(db, account_id)


def to_look_for(db: sqlite3.Connection, account_id: str, ads: Collection[int]) -> list[Listing]:
    """Those of our listings behind these ads that nobody waits for: in doubt, or given up after a commit."""
    rows = db.execute(
        "SELECT listings.* FROM json_each(?) CROSS JOIN listings ON tradera_item_id = json_each.value"
        f" WHERE account_id = ? AND ((state IN ('committing', 'committed') AND ask_at IS NULL) OR ({_GIVEN_UP}))",
        (json.dumps(sorted(ads)), account_id),
    )
    return [listing_of(row) for row in rows.fetchall()]


def overdue_listings(
    db: sqlite3.Connection, account_id: str, *, before: int, but: Collection[int], limit: int
) -> list[Listing]:
    """Live listings that should have ended before this time (ms), but for these ads, the longest overdue first."""
    rows = db.execute(
        "SELECT * FROM listings WHERE account_id = ? AND state = 'live' AND ends_at < ?"
        " AND tradera_item_id NOT IN (SELECT value FROM json_each(?)) ORDER BY ends_at LIMIT ?",
        (account_id, before, json.dumps(list(but)), limit),
    )
    return [listing_of(row) for row in rows.fetchall()]


def moved_category(db: sqlite3.Connection, item_id: str) -> int | None:
    """The category that Tradera has put an ad of the item into, the newest that it has moved; None when it never has."""
    row = db.execute(
        "SELECT category_id FROM listings WHERE item_id = ? AND moved_from IS NOT NULL"
        " ORDER BY generation DESC LIMIT 1",
        (item_id,),
    ).fetchone()
    return None if row is None else row[0]


def count_in_doubt(db: sqlite3.Connection) -> int:
    """How many listings only the owner can resolve: committed, and Tradera is asked for their result no more."""
    row = db.execute(
        "SELECT count(*) FROM listings WHERE state IN ('committing', 'committed') AND ask_at IS NULL"
    ).fetchone()
    count: int = row[0]
    return count


_SAVE_LISTING = (
    f"INSERT INTO listings ({', '.join(_LISTING_FIELDS)}, created_at)"
    f" VALUES ({', '.join(f':{name}' for name in _LISTING_FIELDS)}, :created_at) ON CONFLICT (id) DO UPDATE SET "
    + ", ".join(
        f"{name} = excluded.{name}"
        for name in _LISTING_FIELDS
        if name not in {"id", "item_id", "account_id", "generation"}
    )
)


def save_listing(db: sqlite3.Connection, listing: Listing, *, now: int) -> None:
    """Insert the listing or replace what may change of it; the schema refuses a second commit or a second ad."""
    values = {name: getattr(listing, name) for name in _LISTING_FIELDS}
    values["ladder"] = None if listing.ladder is None else columns.ladder_text(listing.ladder)
    values["end_place"] = None if listing.end_place is None else columns.end_place_text(listing.end_place)
    values["held_missing"] = json.dumps(listing.held_missing)
    db.execute(_SAVE_LISTING, {**values, "created_at": now})


def any_committed_since(db: sqlite3.Connection, account_id: str, since: int) -> bool:
    """Whether a commit was sent for this account after `since` (ms), or an ad of it may be up."""
    row = db.execute(
        "SELECT 1 FROM listings WHERE account_id = ? AND commit_sent_at > ? LIMIT 1", (account_id, since)
    ).fetchone()
    return row is not None or may_any_be_up(db, account_id)


def counts(db: sqlite3.Connection) -> dict[str, int]:
    """How many items have each status."""
    rows = db.execute(
        "SELECT rheo_status, sum(count) FROM item_counts GROUP BY rheo_status HAVING sum(count) > 0"
    )
    return {row[0]: row[1] for row in rows.fetchall()}
