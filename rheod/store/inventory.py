"""Reading many items at once: pages in the order of their last change, how many there are, a container's figures.

Every query names the index it walks, so that no page and no count reads the whole table (tests show the plans).
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import Any, NamedTuple

from rheod.domain.model import ItemType, Json, RheoStatus, TraderaStatus

Position = tuple[int, str]
"""A place in the order of a list: (updated_at in ms, item id)."""

START: Position = (0, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which items: None is any. `updated_since` is ms UTC and included; `code` is (catalogue system, code).

    `standing` leaves out what is archived.
    """

    status: str | None = None
    parent_external_id: str | None = None
    updated_since: int | None = None
    code: tuple[str, str] | None = None
    standing: bool = False


class Line(NamedTuple):
    """An item as a list shows it, made by the thousand; `ad` is the number of its latest ad, `was_live` whether that has been visible."""

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
    def position(self) -> Position:
        """Where the next page goes on."""
        return self.updated_at, self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a container holds: how many items of each status, and their value in öre (sold: what was paid)."""

    counts: dict[str, int]
    listed_ore: int
    sold_ore: int


def page(
    db: sqlite3.Connection, account_id: str, wanted: Wanted, *, limit: int, after: Position = START
) -> list[Line]:
    """The items after this position, the oldest change first."""
    source, values = _source(account_id, wanted)
    start = max(after, (wanted.updated_since or 0, ""))
    rows = db.execute(
        "SELECT items.id, external_id, type, title, rheo_status, tradera_status, price_ore, parent_external_id,"
        " json_extract(spec, '$.metadata') AS metadata, last_error, items.updated_at, ads.tradera_item_id AS ad, ads.live_at IS NOT NULL AS was_live"
        f" FROM ({source} AND (items.updated_at, items.id) > (:at, :id)"
        " ORDER BY items.updated_at, items.id LIMIT :limit) AS wanted CROSS JOIN items ON items.rowid = wanted.row"
        " LEFT JOIN listings ads ON ads.item_id = items.id"
        " AND ads.generation = (SELECT max(generation) FROM listings WHERE item_id = items.id)"
        " ORDER BY wanted.updated_at, wanted.id",
        {**values, "at": start[0], "id": start[1], "limit": limit},
    )
    return [_line_of(row) for row in rows.fetchall()]


def count(db: sqlite3.Connection, account_id: str, wanted: Wanted) -> int:
    """How many items there are in all the pages."""
    if wanted.updated_since is None and wanted.parent_external_id is None and wanted.code is None:
        return _kept_count(db, account_id, wanted)
    source, values = _source(account_id, wanted)
    since = " AND items.updated_at >= :since" if wanted.updated_since else ""
    row = db.execute(
        f"SELECT count(*) FROM ({source}{since})", {**values, "since": wanted.updated_since}
    ).fetchone()
    return int(row[0])


def figures(db: sqlite3.Connection, account_id: str, parent_external_id: str) -> Figures:
    """The figures of the items in a container; containers within it and archived items do not count."""
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
    return Figures(
        counts={row[0]: row[1] for row in rows},
        listed_ore=worth.get(RheoStatus.ACTIVE, 0),
        sold_ore=paid[0] or 0,
    )


def _kept_count(db: sqlite3.Connection, account_id: str, wanted: Wanted) -> int:
    row = db.execute(
        "SELECT coalesce(sum(count), 0) FROM item_counts WHERE account_id = :account"
        " AND (:status IS NULL OR rheo_status = :status) AND NOT (:standing AND rheo_status = 'archived')",
        {"account": account_id, "status": wanted.status, "standing": wanted.standing},
    ).fetchone()
    return int(row[0])


def _source(account_id: str, wanted: Wanted) -> tuple[str, dict[str, Any]]:
    """The rows, ids and times of the wanted items, by the index that narrows them most, and the values it takes."""
    terms = ["items.account_id = :account", "items.removed_at IS NULL"]
    values: dict[str, Any] = {"account": account_id}
    table = "items INDEXED BY items_by_update"
    if wanted.status is not None:
        terms.append("items.rheo_status = :status")
        values["status"] = wanted.status
        table = "items INDEXED BY items_by_status"
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


def _line_of(row: sqlite3.Row) -> Line:
    return Line(
        id=row["id"],
        external_id=row["external_id"],
        type=ItemType(row["type"]),
        title=row["title"],
        rheo_status=RheoStatus(row["rheo_status"]),
        tradera_status=row["tradera_status"] and TraderaStatus(row["tradera_status"]),
        price_ore=row["price_ore"],
        parent_external_id=row["parent_external_id"],
        metadata=json.loads(row["metadata"] or "{}"),
        last_error=row["last_error"],
        updated_at=row["updated_at"],
        ad=row["ad"],
        was_live=bool(row["was_live"]),
    )
