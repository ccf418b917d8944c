"""Rows of shipments: the parcels a partner has told of. A tracking number leads to a person; it is erased with the buyer."""

from __future__ import annotations

import sqlite3
from dataclasses import astuple, dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipment:
    """One parcel of an order as the partner told it."""

    id: str
    order_id: int
    carrier: str
    tracking_number: str
    created_at: int


def find(db: sqlite3.Connection, order_id: int, carrier: str, tracking_number: str) -> Shipment | None:
    """The parcel that was told just so."""
    row = db.execute(
        "SELECT * FROM shipments WHERE order_id = ? AND carrier = ? AND tracking_number = ?",
        (order_id, carrier, tracking_number),
    ).fetchone()
    return row and Shipment(**dict(row))


def add(db: sqlite3.Connection, shipment: Shipment) -> None:
    """Keep a parcel."""
    db.execute(
        "INSERT INTO shipments (id, order_id, carrier, tracking_number, created_at) VALUES (?, ?, ?, ?, ?)",
        astuple(shipment),
    )


def of_order(db: sqlite3.Connection, order_id: int) -> tuple[Shipment, ...]:
    """The order's parcels in the order they were told; the last one counts."""
    rows = db.execute("SELECT * FROM shipments WHERE order_id = ? ORDER BY created_at, rowid", (order_id,))
    return tuple(Shipment(**dict(row)) for row in rows.fetchall())
