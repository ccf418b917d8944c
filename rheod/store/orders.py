"""Rows of orders and their lines. The buyer is personal data: it leaves only towards the owner."""

from __future__ import annotations

import json
import sqlite3

from rheod.domain.model import Order


def save(db: sqlite3.Connection, account_id: str, order: Order, *, now: int) -> None:
    """Keep an order, or what has changed of it since."""
    db.execute(
        "INSERT INTO orders (order_id, account_id, subtotal_ore, buyer, paid_at, created_at, updated_at, received_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (order_id) DO UPDATE SET subtotal_ore = excluded.subtotal_ore,"
        " buyer = excluded.buyer, paid_at = coalesce(excluded.paid_at, paid_at), updated_at = excluded.updated_at",
        (
            order.order_id,
            account_id,
            order.subtotal_ore,
            json.dumps(dict(order.buyer), ensure_ascii=False),
            order.paid_at,
            order.created_at,
            order.updated_at,
            now,
        ),
    )
    db.executemany(
        "INSERT INTO order_lines (order_id, tradera_item_id, quantity, unit_price_ore, title) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET quantity = excluded.quantity, unit_price_ore = excluded.unit_price_ore",
        [
            (order.order_id, line.tradera_item_id, line.quantity, line.unit_price_ore, line.title)
            for line in order.lines
        ],
    )


def match(db: sqlite3.Connection, order_id: int, tradera_item_id: int, item_id: str) -> None:
    """Note that a line of the order is the sale of that item."""
    db.execute(
        "UPDATE order_lines SET item_id = ? WHERE order_id = ? AND tradera_item_id = ?",
        (item_id, order_id, tradera_item_id),
    )


def exists_for_ad(db: sqlite3.Connection, tradera_item_id: int) -> bool:
    """Whether an order for this ad is known."""
    row = db.execute(
        "SELECT 1 FROM order_lines WHERE tradera_item_id = ? LIMIT 1", (tradera_item_id,)
    ).fetchone()
    return row is not None


def open_for_item(db: sqlite3.Connection, item_id: str) -> bool:
    """Whether an order for the item is in progress: known and not shipped."""
    row = db.execute(
        "SELECT 1 FROM order_lines JOIN orders USING (order_id) WHERE item_id = ? AND shipped_at IS NULL LIMIT 1",
        (item_id,),
    ).fetchone()
    return row is not None


def unmatched_count(db: sqlite3.Connection) -> int:
    """How many order lines are sales of something rheod does not know."""
    count: int = db.execute("SELECT count(*) FROM order_lines WHERE item_id IS NULL").fetchone()[0]
    return count
