"""Finding items: the ERP's lists and counts, and the names items are found by.

An item is found by the words of its title and of its marks (id, metadata, part and catalogue numbers), and by its catalogue codes
(`domain.part.catalogCodes`). All are written with the item (`change_names`) and never without it, not by triggers: in a database
whose schema is not trusted a trigger may not touch a virtual table. A removed item has none.

Every page is read along an index that its query names, from where the last one ended, and no page and no count reads the whole
table.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic_core import from_json

from rheod.domain.model import Item, ItemType, Json, RheoStatus, TraderaStatus
from rheod.store.columns import restored
from rheod.store.engine.connection import at_the_end


def asked(text: str) -> str | None:
    """The text as an FTS5 query: each word must be in the title or the marks, or begin a word of them; None when it has no word."""
    found = [word.replace('"', "") for word in text.split() if any(map(str.isalnum, word))]
    return " AND ".join(f'"{word}"{"*" if len(word) > 1 else ""}' for word in found) or None


_OPEN = "state IN ('queued', 'adding', 'added', 'committing', 'committed', 'live')"
STANDS_FOR_ITEM = f"ORDER BY ({_OPEN}) AND surplus = 0 DESC, {_OPEN} DESC, surplus, generation DESC LIMIT 1"
"""Of an item's listings the one that is shown for it: the open one (of two the one not to be ended), else the newest."""


def change_names(db: sqlite3.Connection, number: int, before: Item | None, item: Item | None) -> None:
    """Let an item be found by what it says now, where that differs from `before`; None: it is new, or gone."""
    old, new = _words_of(before), _words_of(item)
    if old != new and old is not None:
        at_the_end(db, "DELETE FROM item_words WHERE rowid = ?", (number,))
    if old != new and new is not None:
        at_the_end(db, "INSERT INTO item_words (rowid, title, marks) VALUES (?, ?, ?)", (number, *new))
    had, has = _codes_of(before), _codes_of(item)
    if had == has:
        return
    db.executemany(
        "DELETE FROM item_codes WHERE account_id = ? AND system = ? AND code = ? AND item_id = ?", had - has
    )
    db.executemany(
        "INSERT INTO item_codes (account_id, system, code, item_id) VALUES (?, ?, ?, ?)", has - had
    )


def _words_of(item: Item | None) -> tuple[str, str] | None:
    """An item's title, and its marks as one text."""
    if item is None:
        return None
    part = (item.spec.attributes or {}).get("part")
    given: Mapping[str, Any] = part if isinstance(part, Mapping) else {}
    codes = given.get("catalogCodes")
    marks = [item.external_id, *(item.spec.metadata or {}).values(), given.get("oemNumber")]
    marks += codes.values() if isinstance(codes, Mapping) else ()
    return item.spec.title, " ".join(
        str(each) for each in marks if isinstance(each, str | int | float) and not isinstance(each, bool)
    )


def _codes_of(item: Item | None) -> set[tuple[str, str, str, str]]:
    """The rows (account, system, code, item) of the codes an item names; whatever else stands there is no code."""
    part = ((item and item.spec.attributes) or {}).get("part")
    pairs: Any = part.get("catalogCodes") if isinstance(part, Mapping) else None
    if item is None or not isinstance(pairs, Mapping):
        return set()
    return {
        (item.account_id, system, code, item.id) for system, code in pairs.items() if isinstance(code, str)
    }


ItemCursor = tuple[int, str]
"""Where a page of a list ended: (updated_at in ms, item id)."""

START: ItemCursor = (0, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemFilter:
    """Which items: None is any. `updated_since` is ms UTC and included; `code` is (catalogue system, code).

    `standing` leaves out what is archived.
    """

    status: str | None = None
    tradera_status: str | None = None
    parent_external_id: str | None = None
    updated_since: int | None = None
    code: tuple[str, str] | None = None
    standing: bool = False


class ItemRow(NamedTuple):
    """An item as a list shows it, made by the thousand; `ad` is the id of its latest ad, `was_live` whether that has been visible."""

    id: str
    external_id: str
    type: ItemType
    title: str
    rheo_status: RheoStatus
    tradera_status: TraderaStatus | None
    price_ore: int | None
    parent_external_id: str | None
    metadata: Json
    last_error: str | None
    updated_at: int
    ad: int | None
    was_live: bool

    @property
    def position(self) -> ItemCursor:
        """Where the next page goes on."""
        return self.updated_at, self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemCounts:
    """What a container holds: how many items of each status, and their value in öre (sold: what was paid)."""

    counts: dict[str, int]
    listed_ore: int
    sold_ore: int


def inventory_page(
    db: sqlite3.Connection, account_id: str, wanted: ItemFilter, *, limit: int, after: ItemCursor = START
) -> list[ItemRow]:
    """The items after this cursor, the oldest change first."""
    source, values = _source(account_id, wanted)
    start = max(after, (wanted.updated_since or 0, ""))
    rows = db.execute(
        "SELECT items.id, external_id, type, title, rheo_status, tradera_status, price_ore, parent_external_id,"
        " json_extract(spec, '$.metadata') AS metadata, last_error, items.updated_at, ads.tradera_item_id AS ad, ads.live_at IS NOT NULL AS was_live"
        f" FROM ({source} AND (items.updated_at, items.id) > (:at, :id)"
        " ORDER BY items.updated_at, items.id LIMIT :limit) AS wanted CROSS JOIN items ON items.rowid = wanted.row"
        " LEFT JOIN listings ads ON ads.item_id = items.id"
        f" AND ads.id = (SELECT id FROM listings WHERE item_id = items.id {STANDS_FOR_ITEM})"
        " ORDER BY wanted.updated_at, wanted.id",
        {**values, "at": start[0], "id": start[1], "limit": limit},
    )
    return [_line_of(row) for row in rows.fetchall()]


def count(db: sqlite3.Connection, account_id: str, wanted: ItemFilter) -> int:
    """How many items fit, on all pages."""
    narrowed = (wanted.updated_since, wanted.tradera_status, wanted.parent_external_id, wanted.code)
    if all(each is None for each in narrowed):
        row = db.execute(  # from the sums that triggers keep
            "SELECT coalesce(sum(count), 0) FROM item_counts WHERE account_id = :account"
            " AND (:status IS NULL OR rheo_status = :status) AND NOT (:standing AND rheo_status = 'archived')",
            {"account": account_id, "status": wanted.status, "standing": wanted.standing},
        ).fetchone()
        return int(row[0])
    source, values = _source(account_id, wanted)
    since = " AND items.updated_at >= :since" if wanted.updated_since else ""
    row = db.execute(
        f"SELECT count(*) FROM ({source}{since})", {**values, "since": wanted.updated_since}
    ).fetchone()
    return int(row[0])


def figures(db: sqlite3.Connection, account_id: str, parent_external_id: str) -> ItemCounts:
    """Count and value of the items in a container; containers within it and archived items do not count."""
    mine = (
        " FROM items INDEXED BY items_by_parent WHERE account_id = ? AND parent_external_id = ?"
        " AND removed_at IS NULL AND type = 'item'"
    )
    whose = (account_id, parent_external_id)
    rows = db.execute(
        f"SELECT rheo_status, count(*), sum(price_ore){mine} AND rheo_status <> 'archived' GROUP BY rheo_status",
        whose,
    ).fetchall()
    paid = db.execute(
        "SELECT sum(coalesce((SELECT sum(unit_price_ore * max(quantity, 1)) FROM order_lines"
        f" WHERE item_id = items.id), price_ore)){mine} AND rheo_status = 'sold'",
        whose,
    ).fetchone()
    worth = {row[0]: row[2] or 0 for row in rows}
    return ItemCounts(
        counts={row[0]: row[1] for row in rows},
        listed_ore=worth.get(RheoStatus.ACTIVE, 0),
        sold_ore=paid[0] or 0,
    )


def _source(account_id: str, wanted: ItemFilter) -> tuple[str, dict[str, Any]]:
    """The rows, ids and times of the wanted items, by the index that narrows them most, and the values it takes."""
    terms = ["items.account_id = :account", "items.removed_at IS NULL"]
    values: dict[str, Any] = {"account": account_id}
    table = "items INDEXED BY items_by_update"
    if wanted.status is not None:
        terms.append("items.rheo_status = :status")
        values["status"] = wanted.status
        table = "items INDEXED BY items_by_status"
    if wanted.tradera_status is not None:
        terms.append("items.tradera_status = :tradera")
        values["tradera"] = wanted.tradera_status
        table = "items INDEXED BY items_by_tradera"
    if wanted.standing:
        terms.append("items.rheo_status <> 'archived'")
    if wanted.parent_external_id is not None:
        terms.append("items.parent_external_id = :parent")
        values["parent"] = wanted.parent_external_id
        table = "items INDEXED BY items_by_parent"
    if wanted.code is not None:
        terms += ["codes.account_id = :account", "codes.system = :system", "codes.code = :code"]
        values["system"], values["code"] = wanted.code
        table = "item_codes codes CROSS JOIN items ON items.id = codes.item_id"
    return (
        f"SELECT items.rowid AS row, items.id, items.updated_at FROM {table} WHERE {' AND '.join(terms)}",
        values,
    )


_TYPES = {each.value: each for each in ItemType}
_STATUSES = {each.value: each for each in RheoStatus}
_AT_TRADERA = {each.value: each for each in TraderaStatus}


def _line_of(row: sqlite3.Row) -> ItemRow:
    # by place, in the order of the query: by name a page of a list takes half as long again
    (item_id, external_id, kind, title, status, at_tradera, price, parent, metadata, error, at, ad, live) = (
        row
    )
    return ItemRow(
        item_id,
        external_id,
        _TYPES[kind],
        title,
        _STATUSES[status],
        at_tradera and _AT_TRADERA[at_tradera],
        price,
        parent,
        from_json(metadata) if metadata else {},
        restored(error),
        at,
        ad,
        bool(live),
    )
