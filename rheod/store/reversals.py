"""Which sales of an item stand, and which were taken back.

What counts as sold: a line of an order that is not reversed, or the owner's word that it was sold elsewhere.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from rheod.domain.orders import Reversal, ReversalReason


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingSale:
    """A sale of an item by the ads of one order; without an order it was sold elsewhere."""

    order_id: int | None
    ads: tuple[int, ...] = ()
    price_ore: int


def standing(db: sqlite3.Connection, item_id: str) -> list[StandingSale]:
    """The sales of this item that stand, those by orders first."""
    rows = db.execute(
        "SELECT order_id, tradera_item_id, quantity * unit_price_ore AS ore FROM order_lines"
        " WHERE item_id = ? AND reversed_at IS NULL ORDER BY order_id, tradera_item_id",
        (item_id,),
    ).fetchall()
    found = [
        StandingSale(
            order_id=order_id,
            ads=tuple(row["tradera_item_id"] for row in rows if row["order_id"] == order_id),
            price_ore=sum(row["ore"] for row in rows if row["order_id"] == order_id),
        )
        for order_id in dict.fromkeys(row["order_id"] for row in rows)
    ]
    elsewhere = db.execute("SELECT elsewhere_ore FROM items WHERE id = ?", (item_id,)).fetchone()[0]
    return found if elsewhere is None else [*found, StandingSale(order_id=None, price_ore=elsewhere)]


def is_elsewhere(db: sqlite3.Connection, item_id: str) -> bool:
    """Whether it was sold elsewhere, and that sale stands."""
    query = "SELECT 1 FROM items WHERE id = ? AND elsewhere_ore IS NOT NULL"
    return db.execute(query, (item_id,)).fetchone() is not None


def note_elsewhere(db: sqlite3.Connection, item_id: str, price_ore: int | None) -> None:
    """The item was sold elsewhere for this; None: that sale does not stand."""
    db.execute("UPDATE items SET elsewhere_ore = ? WHERE id = ?", (price_ore, item_id))


def add(db: sqlite3.Connection, item_id: str, given: Reversal, order_id: int | None, *, now: int) -> None:
    """Keep what was said of a sale that fell through."""
    db.execute(
        "INSERT INTO sale_reversals (item_id, order_id, reason, refunded, relist, at) VALUES (?, ?, ?, ?, ?, ?)",
        (item_id, order_id, given.reason, given.refunded, given.relist, now),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reversed:
    """A sale that was taken back at this time (ms), and what was said of it."""

    order_id: int | None
    said: Reversal
    at: int


def newest(db: sqlite3.Connection, item_id: str, order_id: int | None) -> Reversed | None:
    """The newest sale of this item that was taken back; with an order, its."""
    row = db.execute(
        "SELECT * FROM sale_reversals WHERE item_id = :item AND (:order IS NULL OR order_id = :order)"
        " ORDER BY id DESC LIMIT 1",
        {"item": item_id, "order": order_id},
    ).fetchone()
    if row is None:
        return None
    said = Reversal(
        reason=ReversalReason(row["reason"]),
        order_id=order_id,
        refunded=bool(row["refunded"]),
        relist=bool(row["relist"]),
    )
    return Reversed(order_id=row["order_id"], said=said, at=row["at"])
