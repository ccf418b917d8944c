"""What was last read and believed of Tradera's categories and attributes (table `reference_data`), all accounts' in one.

A tree is kept whole as one row: it comes in one answer, and is only ever replaced by another whole one.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from rheod.domain.category_tree import (
    AttributeDefinition,
    AttributeKind,
    Category,
    CategoryTree,
    LeafAttributes,
)

CATEGORIES = "categories"
DEFINITIONS = "definitions"


def save_tree(db: sqlite3.Connection, tree: CategoryTree) -> None:
    """Keep this tree in place of the last one; it was believed, so that no fault stands against it any more."""
    rows = [[each.id, each.name, each.parent_id] for each in tree]
    _save(db, CATEGORIES, 0, rows, at=tree.read_at)


def category_tree(db: sqlite3.Connection) -> CategoryTree | None:
    """The tree as it was last believed; None when none was read yet."""
    row = _row(db, CATEGORIES, 0)
    if row is None:
        return None
    categories = (Category(number, name, parent) for number, name, parent in json.loads(row["body"]))
    return CategoryTree(categories, read_at=row["read_at"])


def tree_read_at(db: sqlite3.Connection) -> int | None:
    """When the tree was last read (ms): whoever keeps a tree need not read it again while this stays the same."""
    row = db.execute(
        "SELECT read_at FROM reference_data WHERE kind = ? AND subject = 0", (CATEGORIES,)
    ).fetchone()
    return None if row is None else row["read_at"]


def save_definitions(db: sqlite3.Connection, leaf: LeafAttributes) -> None:
    """Keep a leaf's definitions in place of the last ones."""
    rows = [
        {
            "id": each.id,
            "name": each.name,
            "key": each.key,
            "description": each.description,
            "kind": each.kind.value,
            "value_format": each.value_format,
            "min_values": each.min_values,
            "max_values": each.max_values,
            "terms": list(each.terms),
        }
        for each in leaf.definitions
    ]
    _save(db, DEFINITIONS, leaf.category_id, rows, at=leaf.read_at)


def definitions(db: sqlite3.Connection, category_id: int) -> LeafAttributes | None:
    """A leaf's definitions as they were last believed; None when they were never read. A leaf without any has none."""
    row = _row(db, DEFINITIONS, category_id)
    return None if row is None else _leaf(row)


def all_definitions(db: sqlite3.Connection) -> dict[int, LeafAttributes]:
    """The definitions of every leaf that has been read, by leaf."""
    rows = db.execute(
        "SELECT * FROM reference_data WHERE kind = ? AND body IS NOT NULL ORDER BY subject", (DEFINITIONS,)
    )
    return {row["subject"]: _leaf(row) for row in rows.fetchall()}


def _leaf(row: sqlite3.Row) -> LeafAttributes:
    read = tuple(
        AttributeDefinition(**{**each, "kind": AttributeKind(each["kind"]), "terms": tuple(each["terms"])})
        for each in json.loads(row["body"])
    )
    return LeafAttributes(row["subject"], read, row["read_at"])


def _row(db: sqlite3.Connection, kind: str, subject: int) -> sqlite3.Row | None:
    found: sqlite3.Row | None = db.execute(
        "SELECT * FROM reference_data WHERE kind = ? AND subject = ? AND body IS NOT NULL", (kind, subject)
    ).fetchone()
    return found


def _save(db: sqlite3.Connection, kind: str, subject: int, rows: Sequence[object], *, at: int) -> None:
    body = json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
    db.execute(
        "INSERT INTO reference_data (kind, subject, body, read_at) VALUES (:kind, :subject, :body, :at)"
        " ON CONFLICT (kind, subject) DO UPDATE SET body = :body, read_at = :at, fault = NULL, fault_since = NULL",
        {"kind": kind, "subject": subject, "body": body, "at": at},
    )
