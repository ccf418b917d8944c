"""What was last read and believed of Tradera's categories, attributes and freight (table `reference_data`), all accounts' in one.

Each is kept whole: it comes in one answer, and is only ever replaced by another whole one. What came instead and was not
believed is kept beside it as a sentence.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from rheod.domain.categories import (
    AttributeDefinition,
    AttributeKind,
    Category,
    CategoryTree,
    LeafAttributes,
)
from rheod.domain.errors import Text
from rheod.domain.freight import ShippingProduct, ShippingTable
from rheod.store import key_value
from rheod.store.columns import restored, stored


class Subject(StrEnum):
    """What is read of Tradera for all accounts."""

    CATEGORIES = "categories"
    DEFINITIONS = "definitions"
    SHIPPING = "shipping"


@dataclass(frozen=True, slots=True)
class Kept:
    """How something stands without its content: when it was read (ms; None: never), and why the last answer is not believed.

    `used_at` is when an ad of this leaf was last asked for.
    """

    subject: Subject
    leaf: int
    read_at: int | None
    fault: str | None
    fault_since: int | None
    used_at: int | None


def save_tree(db: sqlite3.Connection, tree: CategoryTree) -> None:
    """Keep this tree in place of the last one; it was believed, so that no fault stands against it any more."""
    rows = [[each.id, each.name, each.parent_id] for each in tree]
    _save(db, Subject.CATEGORIES, 0, rows, at=tree.read_at)


def category_tree(db: sqlite3.Connection) -> CategoryTree | None:
    """The tree as it was last believed; None when none was read yet."""
    row = _row(db, Subject.CATEGORIES, 0)
    if row is None:
        return None
    categories = (Category(number, name, parent) for number, name, parent in json.loads(row["body"]))
    return CategoryTree(categories, read_at=row["read_at"])


def count_categories(db: sqlite3.Connection) -> int:
    """How many categories the tree has that was last believed; 0 without one."""
    row = _row(db, Subject.CATEGORIES, 0)
    return 0 if row is None else len(json.loads(row["body"]))


def save_definitions(db: sqlite3.Connection, leaf: LeafAttributes) -> None:
    """Keep a leaf's definitions in place of the last ones."""
    _save(
        db,
        Subject.DEFINITIONS,
        leaf.category_id,
        [asdict(each) for each in leaf.definitions],
        at=leaf.read_at,
    )


def definitions(db: sqlite3.Connection, category_id: int) -> LeafAttributes | None:
    """A leaf's definitions as they were last believed; None when they were never read. A leaf without any has none."""
    row = _row(db, Subject.DEFINITIONS, category_id)
    return None if row is None else _leaf(row)


def all_definitions(db: sqlite3.Connection) -> dict[int, LeafAttributes]:
    """The definitions of every leaf that has been read, by leaf."""
    rows = db.execute(
        "SELECT * FROM reference_data WHERE kind = ? AND body IS NOT NULL ORDER BY subject",
        (Subject.DEFINITIONS,),
    )
    return {row["subject"]: _leaf(row) for row in rows.fetchall()}


def save_shipping(db: sqlite3.Connection, table: ShippingTable) -> None:
    """Keep this table of freight prices in place of the last one."""
    _save(db, Subject.SHIPPING, 0, [asdict(each) for each in table.products], at=table.read_at)


def shipping_table(db: sqlite3.Connection) -> ShippingTable | None:
    """The table of freight prices as it was last believed; None when none was read yet."""
    row = _row(db, Subject.SHIPPING, 0)
    if row is None:
        return None
    return ShippingTable(tuple(ShippingProduct(**each) for each in json.loads(row["body"])), row["read_at"])


def kept(db: sqlite3.Connection, subject: Subject, leaf: int = 0) -> Kept:
    """How it stands, without its content."""
    row = db.execute(
        f"SELECT {_STANDING} FROM reference_data WHERE kind = ? AND subject = ?", (subject, leaf)
    ).fetchone()
    return Kept(subject, leaf, None, None, None, None) if row is None else _kept(row)


def standing(db: sqlite3.Connection) -> list[Kept]:
    """How everything stands, in the order of names."""
    rows = db.execute(f"SELECT {_STANDING} FROM reference_data ORDER BY kind, subject")
    return [_kept(row) for row in rows.fetchall()]


def faults(db: sqlite3.Connection) -> list[Kept]:
    """Everything of which the last answer was not believed, in the order of names."""
    return [each for each in standing(db) if each.fault is not None]


def save_fault(db: sqlite3.Connection, subject: Subject, leaf: int, fault: Text, *, now: int) -> None:
    """What came was not believed: the last good one stays. Its time is that of the first of several in a row."""
    db.execute(
        "INSERT INTO reference_data (kind, subject, fault, fault_since) VALUES (:kind, :leaf, :fault, :now)"
        " ON CONFLICT (kind, subject) DO UPDATE SET fault = :fault, fault_since = coalesce(fault_since, :now)",
        {"kind": subject, "leaf": leaf, "fault": stored(fault), "now": now},
    )


def use_leaf(db: sqlite3.Connection, leaf: int, *, now: int) -> None:
    """An ad of this leaf is asked for: its definitions stay of use."""
    db.execute(
        "INSERT INTO reference_data (kind, subject, used_at) VALUES (?, ?, ?)"
        " ON CONFLICT (kind, subject) DO UPDATE SET used_at = excluded.used_at",
        (Subject.DEFINITIONS, leaf, now),
    )


_REFUSED = "shipping_refused"


def refused_products(db: sqlite3.Connection, *, since: int) -> frozenset[tuple[int, int]]:
    """The products of the table that Tradera has refused an ad for after this time (ms): provider and product."""
    return frozenset((provider, product) for provider, product, at in _refusals(db) if at > since)


def refuse_product(db: sqlite3.Connection, key: tuple[int, int], *, now: int, since: int) -> None:
    """Tradera has refused an ad for this product; refusals up to `since` (ms) are forgotten."""
    fresh = [each for each in _refusals(db) if tuple(each[:2]) != key and each[2] > since]
    key_value.put(db, _REFUSED, json.dumps([*fresh, [*key, now]]))


def _refusals(db: sqlite3.Connection) -> list[Any]:
    found: list[Any] = json.loads(key_value.get(db, _REFUSED) or "[]")
    return found


_STANDING = "kind, subject, read_at, fault, fault_since, used_at"


def _kept(row: sqlite3.Row) -> Kept:
    return Kept(
        Subject(row["kind"]),
        row["subject"],
        row["read_at"],
        restored(row["fault"]),
        row["fault_since"],
        row["used_at"],
    )


def stands(db: sqlite3.Connection) -> tuple[tuple[str, int, int], ...]:
    """What was read when, in the order of kinds: what was made of it still holds while this is the same."""
    rows = db.execute(
        "SELECT kind, subject, read_at FROM reference_data INDEXED BY reference_data_ages WHERE read_at IS NOT NULL"
    )
    return tuple((row[0], row[1], row[2]) for row in rows.fetchall())


def _leaf(row: sqlite3.Row) -> LeafAttributes:
    read = tuple(
        AttributeDefinition(**{**each, "kind": AttributeKind(each["kind"]), "terms": tuple(each["terms"])})
        for each in json.loads(row["body"])
    )
    return LeafAttributes(row["subject"], read, row["read_at"])


def _row(db: sqlite3.Connection, subject: Subject, leaf: int) -> sqlite3.Row | None:
    found: sqlite3.Row | None = db.execute(
        "SELECT * FROM reference_data WHERE kind = ? AND subject = ? AND body IS NOT NULL", (subject, leaf)
    ).fetchone()
    return found


def _save(db: sqlite3.Connection, subject: Subject, leaf: int, rows: Sequence[object], *, at: int) -> None:
    body = json.dumps(rows, separators=(",", ":"))  # in ASCII: Tradera's words may hold what SQLite does not
    db.execute(
        "INSERT INTO reference_data (kind, subject, body, read_at) VALUES (:kind, :leaf, :body, :at)"
        " ON CONFLICT (kind, subject) DO UPDATE SET body = :body, read_at = :at, fault = NULL, fault_since = NULL",
        {"kind": subject, "leaf": leaf, "body": body, "at": at},
    )
