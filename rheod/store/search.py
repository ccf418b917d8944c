"""The owner's search in his items: by states, by the beginning of an external id, by words of the title.

Every page is read along an index from where the last one ended, and looks at no more than so many rows: a page may be
short, or empty, and still have a following one.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from rheod.domain.model import ItemType, RheoStatus, TraderaStatus
from rheod.store import words

MOST_READ = 5000
"""Rows a page looks at when it must leave some out."""

NEVER = "never"
"""Stands for no `traderaStatus`."""

_LAST = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """What is looked for; '' is anything. `text` begins the external id, or its words begin words of the title."""

    text: str = ""
    status: str = ""
    tradera_status: str = ""


class Spot(NamedTuple):
    """Where a page ended: in which walk, at which number or time (ms), and at which id."""

    walk: Literal["changes", "ids", "words"]
    at: int
    name: str


class Hit(NamedTuple):
    """An item as the owner's list shows it; `picture` is the file of the first one that is ready."""

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
    updated_at: int
    picture: str | None


def page(
    db: sqlite3.Connection, account_id: str, sought: Sought, *, limit: int, after: Spot | None = None
) -> tuple[list[Hit], Spot | None]:
    """The items that fit and where the next page goes on, None at the end.

    Without a text the last changed come first. With one, first those whose id begins so, by id, then those with its
    words in the title, the newest first.
    """
    search = _Search(db, account_id, sought)
    if not sought.text:
        numbers, following = search.changes(after or Spot("changes", _LAST, ""), limit)
        return search.hits(numbers), following
    numbers, following = [], after
    if after is None or after.walk == "ids":
        numbers, following = search.ids(after or Spot("ids", 0, ""), limit)
        if following is not None:
            return search.hits(numbers), following
        following = Spot("words", _LAST, "")
    if len(numbers) < limit and following is not None:
        more, following = search.words(following, limit - len(numbers))
        numbers += more
    return search.hits(numbers), following


class _Search:
    """The three walks. Each gives the numbers of at most `limit` items that fit, and where to go on."""

    def __init__(self, db: sqlite3.Connection, account_id: str, sought: Sought) -> None:
        self._db = db
        self._sought = sought
        self._values: dict[str, Any] = {
            "account": account_id,
            "status": sought.status,
            "tradera": None if sought.tradera_status == NEVER else sought.tradera_status,
            "begins": sought.text,
            "ends": sought.text + "\U0010ffff",
            "words": words.asked(sought.text),
        }

    def changes(self, after: Spot, limit: int) -> tuple[list[int], Spot | None]:
        """By the time of the last change, the latest first."""
        order = "updated_at DESC, id DESC"
        runs = " UNION ALL ".join(
            f"SELECT * FROM (SELECT number, updated_at, id FROM items {run} AND removed_at IS NULL"
            f" AND (updated_at, id) < (:at, :name) ORDER BY {order} LIMIT {limit + 1})"
            for run in self._runs()
        )
        query = f"SELECT number, updated_at AS at, id AS name, 1 AS fits FROM ({runs}) ORDER BY {order}"
        return self._walk(query, after, limit)

    def _runs(self) -> list[str]:
        """The stretches of an index that hold what fits, each in order of time."""
        if not self._sought.tradera_status:
            if not self._sought.status:
                return ["INDEXED BY items_by_update WHERE account_id = :account"]
            return ["INDEXED BY items_by_status WHERE account_id = :account AND rheo_status = :status"]
        statuses = [":status"] if self._sought.status else [f"'{status.value}'" for status in RheoStatus]
        return [
            "INDEXED BY items_by_tradera WHERE account_id = :account AND tradera_status IS :tradera"
            f" AND rheo_status = {status}"
            for status in statuses
        ]

    def ids(self, after: Spot, limit: int) -> tuple[list[int], Spot | None]:
        """Those whose external id begins with the text, by id."""
        query = (
            f"SELECT number, number AS at, external_id AS name, {_FITS} AS fits FROM items INDEXED BY"
            " items_by_external_id WHERE account_id = :account AND external_id >= max(:begins, :name)"
            " AND external_id < :ends AND (external_id, number) > (:name, :at) ORDER BY external_id, number"
        )
        return self._walk(query, after, limit)

    def words(self, after: Spot, limit: int) -> tuple[list[int], Spot | None]:
        """Those with the text's words in the title that `ids` has not found, the newest first."""
        if self._values["words"] is None:
            return [], None
        query = (
            "SELECT item_words.rowid AS number, item_words.rowid AS at, '' AS name,"
            f" {_FITS} AND (external_id < :begins OR external_id >= :ends) AS fits"
            " FROM item_words CROSS JOIN items ON items.number = item_words.rowid"
            " WHERE item_words MATCH :words AND item_words.rowid < :at ORDER BY item_words.rowid DESC"
        )
        return self._walk(query, after, limit)

    def _walk(self, query: str, after: Spot, limit: int) -> tuple[list[int], Spot | None]:
        """Read on until there is one more than the page holds, or enough has been read for nothing."""
        picked: list[int] = []
        last = after
        for read, row in enumerate(
            self._db.execute(query, {**self._values, "at": after.at, "name": after.name})
        ):
            if len(picked) == limit and (row["fits"] or read >= MOST_READ):
                return picked, last
            if row["fits"]:
                picked.append(row["number"])
            if len(picked) < limit or row["fits"]:
                last = Spot(after.walk, row["at"], row["name"])
            if read >= MOST_READ:
                return picked, last
        return picked, None

    def hits(self, numbers: Sequence[int]) -> list[Hit]:
        """What the list shows of these, in their order."""
        rows = self._db.execute(
            "SELECT number, items.id, external_id, items.type, title, rheo_status, tradera_status, price_ore, delete_requested,"
            " last_error, updated_at, (SELECT file FROM pictures WHERE item_id = items.id AND state = 'ready'"
            " ORDER BY position LIMIT 1) AS picture FROM json_each(:numbers) wanted CROSS JOIN items ON number = wanted.value"
            " ORDER BY wanted.key",
            {"numbers": json.dumps(numbers)},
        )
        return [_hit_of(row) for row in rows.fetchall()]


_FITS = (
    "(account_id = :account AND removed_at IS NULL AND (:status = '' OR rheo_status = :status)"
    " AND (:tradera = '' OR tradera_status IS :tradera))"
)


def _hit_of(row: sqlite3.Row) -> Hit:
    return Hit(
        number=row["number"],
        id=row["id"],
        external_id=row["external_id"],
        type=ItemType(row["type"]),
        title=row["title"],
        rheo_status=RheoStatus(row["rheo_status"]),
        tradera_status=row["tradera_status"] and TraderaStatus(row["tradera_status"]),
        price_ore=row["price_ore"],
        delete_requested=bool(row["delete_requested"]),
        last_error=row["last_error"],
        updated_at=row["updated_at"],
        picture=row["picture"],
    )
