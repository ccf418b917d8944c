"""Rows of catalogue codes: by which code of which catalogue an item can be found (`domain.part.catalogCodes`).

Written with the item and never without it; a removed item has none.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from rheod.domain.model import Item


def write(db: sqlite3.Connection, item: Item, *, gone: bool) -> None:
    """Make the rows say what the item says; nothing is written when they do already."""
    wanted = set() if gone else codes_of(item)
    rows = db.execute("SELECT system, code FROM item_codes WHERE item_id = ?", (item.id,))
    kept = {(row[0], row[1]) for row in rows.fetchall()}
    db.executemany(
        "DELETE FROM item_codes WHERE account_id = ? AND system = ? AND code = ? AND item_id = ?",
        [(item.account_id, system, code, item.id) for system, code in kept - wanted],
    )
    _insert(db, item, wanted - kept)


def add(db: sqlite3.Connection, item: Item) -> None:
    """Write the rows of a new item."""
    _insert(db, item, codes_of(item))


def _insert(db: sqlite3.Connection, item: Item, pairs: set[tuple[str, str]]) -> None:
    db.executemany(
        "INSERT INTO item_codes (account_id, system, code, item_id) VALUES (?, ?, ?, ?)",
        [(item.account_id, system, code, item.id) for system, code in pairs],
    )


def codes_of(item: Item) -> set[tuple[str, str]]:
    """The (system, code) pairs an item names; whatever else stands there is none."""
    part = (item.spec.attributes or {}).get("part")
    pairs: Any = part.get("catalogCodes") if isinstance(part, Mapping) else None
    if not isinstance(pairs, Mapping):
        return set()
    return {(system, code) for system, code in pairs.items() if isinstance(code, str)}
