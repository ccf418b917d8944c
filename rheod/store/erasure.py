"""Erases personal data that has been kept long enough, wherever it may lie; amounts and states stay for the figures.

The writer overwrites what is erased (`secure_delete`). Nothing else of the store knows what is personal.
"""

from __future__ import annotations

import sqlite3


def erase(db: sqlite3.Connection, *, before: int, limit: int, now: int) -> int:
    """Erase what was received before this time (ms), at most `limit` rows of each kind; returns how many rows."""
    return _buyers(db, before, limit, now) + _messages(db, before, limit) + _answers(db, before, limit)


def _buyers(db: sqlite3.Connection, before: int, limit: int, now: int) -> int:
    """Buyers, their parcels' numbers and what Tradera said about them."""
    rows = db.execute(
        "SELECT order_id FROM orders WHERE erased_at IS NULL AND received_at < ? ORDER BY received_at LIMIT ?",
        (before, limit),
    )
    orders = [(row["order_id"],) for row in rows.fetchall()]
    db.executemany("DELETE FROM shipments WHERE order_id = ?", orders)
    db.executemany(
        "UPDATE orders SET buyer = '{}', ship_error = NULL, erased_at = ? WHERE order_id = ?",
        [(now, *order) for order in orders],
    )
    return len(orders)


def _messages(db: sqlite3.Connection, before: int, limit: int) -> int:
    """Push messages that have been dealt with: one that could not be read may hold anything."""
    return db.execute(
        "UPDATE inbox SET body = '' WHERE id IN (SELECT id FROM inbox WHERE body <> '' AND state <> 'new'"
        " AND received_at < ? ORDER BY received_at LIMIT ?)",
        (before, limit),
    ).rowcount


def _answers(db: sqlite3.Connection, before: int, limit: int) -> int:
    """What receivers of webhooks answered; their rows live for `retention.deliveries_days`, which may be longer."""
    return db.execute(
        "UPDATE deliveries SET snippet = NULL WHERE id IN (SELECT id FROM deliveries WHERE snippet IS NOT NULL"
        " AND created_at < ? LIMIT ?)",
        (before, limit),
    ).rowcount
