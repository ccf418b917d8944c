"""What is written of orders: what Tradera tells, what is done with them, and what follows from it.

The status and the flags of an order are stored with it, as `domain/orders.py` says they are, by `refresh`: whoever changes
anything of an order calls it afterwards.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import astuple, replace

from rheod.domain.calendar import month_of
from rheod.domain.categories import OTHER
from rheod.domain.model import Item
from rheod.domain.orders import Order, Payment, flags_of, status_of
from rheod.store.orders import Shipment, StoredOrder, find


def save(db: sqlite3.Connection, account_id: str, order: Order, *, now: int) -> None:
    """Insert an order or update what has changed of it; an erased buyer stays erased. Call `refresh` after it.

    A line that Tradera tells no more stays: it was sold. So do payments nobody speaks of, and what an older rheod knew.
    """
    month = month_of(order.created_at)
    known = db.execute("SELECT erased_at FROM orders WHERE order_id = ?", (order.order_id,)).fetchone()
    erased = known is not None and known["erased_at"] is not None
    before = _quantities(db, order.order_id)
    payments = order.payments and [
        replace(each, reference=None) if erased else each for each in order.payments
    ]
    values = {
        "id": order.order_id,
        "account": account_id,
        "subtotal": order.subtotal_ore,
        "month": month,
        "buyer": json.dumps({} if erased else dict(order.buyer), ensure_ascii=False),
        "paid_at": order.paid_at,
        "created_at": order.created_at,
        "updated_at": order.updated_at,
        "purchase": order.purchase_id,
        "expires_at": order.expires_at,
        "freight": order.freight.cost_ore,
        "freight_type": order.freight.type,
        "weight": order.freight.weight_kg,
        "payments": None if order.payments is None else _payments_json(payments or ()),
        "paid_ore": sum(each.amount_ore or 0 for each in order.payments or ()),
        "now": now,
    }
    db.execute(
        "INSERT INTO orders (order_id, account_id, subtotal_ore, month, buyer, paid_at, created_at, updated_at,"
        " received_at, purchase_id, expires_at, freight_ore, freight_type, weight_kg, payments, most_paid_ore)"
        " VALUES (:id, :account, :subtotal, :month, :buyer, :paid_at, :created_at, :updated_at, :now, :purchase,"
        " :expires_at, :freight, :freight_type, :weight, :payments, :paid_ore)"
        " ON CONFLICT (order_id) DO UPDATE SET subtotal_ore = excluded.subtotal_ore, buyer = excluded.buyer,"
        " paid_at = coalesce(excluded.paid_at, paid_at), updated_at = excluded.updated_at, whole = 1,"
        " purchase_id = iif(excluded.purchase_id = '', purchase_id, excluded.purchase_id),"
        " expires_at = excluded.expires_at, freight_ore = coalesce(excluded.freight_ore, freight_ore),"
        " freight_type = iif(excluded.freight_type = '', freight_type, excluded.freight_type),"
        " weight_kg = coalesce(excluded.weight_kg, weight_kg), payments = coalesce(excluded.payments, payments),"
        " most_paid_ore = max(most_paid_ore, excluded.most_paid_ore)",
        values,
    )
    _save_lines(db, account_id, order, month)
    after = _quantities(db, order.order_id)
    if known is not None and any(quantity > before.get(ad, 0) for ad, quantity in after.items()):
        db.execute("UPDATE orders SET grew_at = ? WHERE order_id = ?", (now, order.order_id))
    _sum_up(db, order.order_id)


def _save_lines(db: sqlite3.Connection, account_id: str, order: Order, month: str) -> None:
    db.executemany(
        "INSERT INTO order_lines (order_id, tradera_item_id, account_id, month, quantity, unit_price_ore, title, vat_rate,"
        " own_reference, part_number) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET quantity = excluded.quantity, unit_price_ore = excluded.unit_price_ore,"
        " vat_rate = coalesce(excluded.vat_rate, vat_rate),"
        " own_reference = iif(excluded.own_reference = '', own_reference, excluded.own_reference),"
        " part_number = iif(excluded.part_number = '', part_number, excluded.part_number)",
        [
            (
                order.order_id,
                line.tradera_item_id,
                account_id,
                month,
                line.quantity,
                line.unit_price_ore,
                line.title,
                line.vat_rate,
                next(iter(line.own_references), ""),
                line.part_number,
            )
            for line in order.lines
        ],
    )


def _quantities(db: sqlite3.Connection, order_id: int) -> dict[int, int]:
    rows = db.execute("SELECT tradera_item_id, quantity FROM order_lines WHERE order_id = ?", (order_id,))
    return {row[0]: row[1] for row in rows.fetchall()}


def _payments_json(payments: Iterable[Payment]) -> str:
    return json.dumps([list(astuple(each)) for each in payments], ensure_ascii=False)


def refresh(
    db: sqlite3.Connection, order_id: int, before: StoredOrder | None, *, now: int, ship_while_waiting: bool
) -> StoredOrder:
    """Let the status, the flags and the time of payment follow what the order is now; returns it.

    Where anything differs from `before`, it has changed now, and comes again in every list that goes by changes.
    """
    order = find(db, order_id)
    assert order is not None
    standing = order.standing(ship_while_waiting=ship_while_waiting)
    paid_at = None
    if standing.is_paid:
        paid_at = order.paid_at or standing.last_paid_at or order.confirmed_at or now
    lines = order.lines
    reversed_at = None
    if lines and all(line.reversed_at is not None for line in lines):
        reversed_at = max(line.reversed_at or 0 for line in lines)
    order = replace(order, paid_at=paid_at, reversed_at=reversed_at)
    if order.reversed_paid_ore is not None and order.paid_ore < order.reversed_paid_ore:
        order = replace(
            order, reversed_paid_ore=order.paid_ore
        )  # paid back at Tradera: what comes now is new
    standing = order.standing(ship_while_waiting=ship_while_waiting)
    order = replace(order, status=status_of(standing, now=now), flags=flags_of(standing))
    if before is None or replace(order, changed_at=0, updated_at=0) != replace(
        before, changed_at=0, updated_at=0
    ):
        order = replace(order, changed_at=next_change(db, order.account_id, now))
    db.execute(
        "UPDATE orders SET status = ?, flags = ?, paid_at = ?, reversed_at = ?, reversed_paid_ore = ?, changed_at = ?"
        " WHERE order_id = ?",
        (
            order.status,
            ",".join(order.flags),
            paid_at,
            reversed_at,
            order.reversed_paid_ore,
            order.changed_at,
            order_id,
        ),
    )
    return order


def next_change(db: sqlite3.Connection, account_id: str, now: int) -> int:
    """The time of a change made now (ms): later than every other of the account, whatever the clock does."""
    newest = db.execute(
        "SELECT max(changed_at) FROM orders INDEXED BY orders_by_change WHERE account_id = ?", (account_id,)
    ).fetchone()[0]
    return max(now, (newest or 0) + 1)


def _sum_up(db: sqlite3.Connection, order_id: int) -> None:
    """Store with the order what its lines of known items come to, so that the figures need not read the lines."""
    db.execute(
        "UPDATE orders SET known_ore = (SELECT sum(quantity * unit_price_ore) FROM order_lines"
        " WHERE order_id = orders.order_id AND item_id IS NOT NULL AND reversed_at IS NULL) WHERE order_id = ?",
        (order_id,),
    )


def match(db: sqlite3.Connection, order_id: int, tradera_item_id: int, item: Item) -> None:
    """Record that a line of the order is the sale of this item, and the item's domain at that time."""
    db.execute(
        "UPDATE order_lines SET item_id = ?, domain = iif(reversed_at IS NULL, coalesce(domain, ?), NULL)"
        " WHERE order_id = ? AND tradera_item_id = ?",
        (item.id, item.spec.domain or OTHER, order_id, tradera_item_id),
    )
    _sum_up(db, order_id)


def note_partial(db: sqlite3.Connection, order_id: int) -> None:
    """Only a part of the order is known: it is asked for again."""
    db.execute("UPDATE orders SET whole = 0 WHERE order_id = ?", (order_id,))


def let_be(db: sqlite3.Connection, order_ids: Sequence[int]) -> None:
    """Tradera tells no more of these orders than is known: they are not asked for again."""
    db.executemany("UPDATE orders SET whole = 1 WHERE order_id = ?", [(each,) for each in order_ids])


def add(db: sqlite3.Connection, shipment: Shipment) -> None:
    """Insert a parcel: the order is sent with it."""
    db.execute(
        "INSERT INTO shipments (id, order_id, carrier, tracking_number, created_at) VALUES (?, ?, ?, ?, ?)",
        astuple(shipment),
    )
    note_sent(db, shipment.order_id, now=shipment.created_at)


def note_ship_sent(db: sqlite3.Connection, order_id: int, *, now: int) -> None:
    """Record that a call to mark the order as shipped is about to be made (ms)."""
    db.execute("UPDATE orders SET ship_sent_at = ?, ship_error = NULL WHERE order_id = ?", (now, order_id))


def note_shipped(db: sqlite3.Connection, order_id: int, *, now: int) -> None:
    """Record that Tradera has the order as shipped."""
    db.execute("UPDATE orders SET shipped_at = ?, ship_error = NULL WHERE order_id = ?", (now, order_id))
    note_sent(db, order_id, now=now)


def note_sent(db: sqlite3.Connection, order_id: int, *, now: int) -> None:
    """Record that the order has left the house."""
    db.execute("UPDATE orders SET sent_at = coalesce(sent_at, ?) WHERE order_id = ?", (now, order_id))


def note_confirmed(db: sqlite3.Connection, order_id: int, *, now: int) -> None:
    """Record the owner's word that the order was paid outside Tradera, which is to be told so."""
    db.execute(
        "UPDATE orders SET confirmed_at = coalesce(confirmed_at, ?), confirm_error = NULL WHERE order_id = ?",
        (now, order_id),
    )


def note_confirm_sent(db: sqlite3.Connection, order_id: int, *, now: int) -> None:
    """Record that a call is about to tell Tradera that the order is paid (ms)."""
    db.execute("UPDATE orders SET confirm_sent_at = ? WHERE order_id = ?", (now, order_id))


def note_confirm_told(db: sqlite3.Connection, order_id: int, *, now: int) -> None:
    """Record that Tradera has the order as paid."""
    db.execute(
        "UPDATE orders SET confirm_told_at = ?, confirm_error = NULL WHERE order_id = ?", (now, order_id)
    )


def note_confirm_error(db: sqlite3.Connection, order_id: int, error: str) -> None:
    """Record why Tradera does not take the order for paid."""
    db.execute("UPDATE orders SET confirm_error = ? WHERE order_id = ?", (error, order_id))


def note_printed(db: sqlite3.Connection, order_ids: Sequence[int], *, now: int) -> None:
    """Record that these orders stand on a pick list."""
    db.executemany("UPDATE orders SET printed_at = ? WHERE order_id = ?", [(now, each) for each in order_ids])


def note_reversed(db: sqlite3.Connection, order_id: int, ads: Sequence[int], why: str, *, now: int) -> None:
    """Record that the sale of these ads fell through: they leave the figures."""
    db.executemany(
        "UPDATE order_lines SET reversed_at = ?, reversed_why = ?, domain = NULL WHERE order_id = ?"
        " AND tradera_item_id = ?",
        [(now, why, order_id, ad) for ad in ads],
    )
    _sum_up(db, order_id)


def note_paid_back(db: sqlite3.Connection, order_id: int, paid_ore: int) -> None:
    """Record what had been paid of an order that fell through: more than that is a payment that came too late."""
    db.execute("UPDATE orders SET reversed_paid_ore = ? WHERE order_id = ?", (paid_ore, order_id))


def note_ship_error(db: sqlite3.Connection, order_id: int, error: str | None) -> None:
    """Record why Tradera does not mark the order as shipped; None when that is tried again."""
    db.execute("UPDATE orders SET ship_error = ? WHERE order_id = ?", (error, order_id))
