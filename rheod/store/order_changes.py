"""What is written of orders: what Tradera tells, what is done with them, the sales taken back, and the erasing of buyers.

The status and the flags of an order are stored with it, as `domain/orders.py` says they are, by `refresh`: whoever changes
anything of an order calls it afterwards. Sold counts what stands in a line of an order that is not reversed, or the owner's word
that it was sold elsewhere.

Two things erase personal data, everywhere at once (buyers, their parcels, the events that name them, messages and answers): age
(`erase`, at most so many rows at a time) and the owner's word (`erase_orders`). What is erased is overwritten: the writer frees
nothing without zeros (`secure_delete`), and whoever calls this has the write-ahead log written back and cut afterwards. Copies
made before are not reached from here.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from typing import Any

from rheod.domain.calendar import month_of
from rheod.domain.categories import OTHER
from rheod.domain.model import Item
from rheod.domain.orders import Order, Reversal, ReversalReason, flags_of, status_of
from rheod.store.orders import Shipment, StoredOrder, find


def save(db: sqlite3.Connection, account_id: str, order: Order, *, now: int) -> None:
    """Insert an order or update what has changed of it; an erased buyer stays erased. Call `refresh` after it.

    A line that Tradera tells no more stays: it was sold. So do payments nobody speaks of, and what an older rheod knew.
    """
    month = month_of(order.created_at)
    known = db.execute("SELECT erased_at FROM orders WHERE order_id = ?", (order.order_id,)).fetchone()
    erased = known is not None and known["erased_at"] is not None
    before = _quantities(db, order.order_id)
    payments = order.payments
    if payments is not None and erased:
        payments = tuple(replace(each, reference=None) for each in payments)
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
        "payments": None
        if payments is None
        else json.dumps([list(astuple(each)) for each in payments], ensure_ascii=False),
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


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingSale:
    """A sale of an item by the ads of one order; without an order it was sold elsewhere."""

    order_id: int | None
    ads: tuple[int, ...] = ()
    price_ore: int


def standing_sales(db: sqlite3.Connection, item_id: str) -> list[StandingSale]:
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


def is_sold_elsewhere(db: sqlite3.Connection, item_id: str) -> bool:
    """Whether it was sold elsewhere, and that sale stands."""
    query = "SELECT 1 FROM items WHERE id = ? AND elsewhere_ore IS NOT NULL"
    return db.execute(query, (item_id,)).fetchone() is not None


def note_sold_elsewhere(db: sqlite3.Connection, item_id: str, price_ore: int | None) -> None:
    """The item was sold elsewhere for this; None: that sale does not stand."""
    db.execute("UPDATE items SET elsewhere_ore = ? WHERE id = ?", (price_ore, item_id))


def add_reversal(
    db: sqlite3.Connection, item_id: str, given: Reversal, order_id: int | None, *, now: int
) -> None:
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


def newest_reversal(db: sqlite3.Connection, item_id: str, order_id: int | None) -> Reversed | None:
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


def erase(db: sqlite3.Connection, *, before: int, limit: int, now: int) -> int:
    """Erase what was received before this time (ms), at most `limit` rows of each kind; returns how many rows."""
    rows = db.execute(
        "SELECT order_id FROM orders WHERE erased_at IS NULL AND received_at < ? ORDER BY received_at LIMIT ?",
        (before, limit),
    )
    orders = erase_orders(db, [row["order_id"] for row in rows.fetchall()], now=now)
    kept = (
        # push messages that have been dealt with: one that could not be read may hold anything
        (
            "UPDATE inbox SET body = '' WHERE id IN (SELECT id FROM inbox WHERE body <> '' AND state <> 'new'"
            " AND received_at < ? ORDER BY received_at LIMIT ?)"
        ),
        (
            "UPDATE inbox SET answer = NULL WHERE id IN (SELECT id FROM inbox WHERE answer IS NOT NULL"
            " AND received_at < ? ORDER BY received_at LIMIT ?)"
        ),
        # what receivers of webhooks answered: their rows live for `retention.deliveries_days`, which may be longer
        (
            "UPDATE deliveries SET snippet = NULL WHERE id IN (SELECT id FROM deliveries WHERE snippet IS NOT NULL"
            " AND created_at < ? LIMIT ?)"
        ),
    )
    return orders + sum(db.execute(update, (before, limit)).rowcount for update in kept)


def erase_orders(db: sqlite3.Connection, order_ids: Sequence[int], *, now: int) -> int:
    """Erase the buyers of these orders, their parcels' numbers and what was said about them; returns how many orders."""
    orders = [(each,) for each in order_ids]
    db.executemany("DELETE FROM shipments WHERE order_id = ?", orders)
    for (order_id,) in orders:
        row = db.execute("SELECT account_id, payments FROM orders WHERE order_id = ?", (order_id,)).fetchone()
        payments = None if row["payments"] is None else json.loads(row["payments"])
        nameless = (
            None if payments is None else json.dumps([[*each[:1], None, *each[2:]] for each in payments])
        )
        db.execute(
            "UPDATE orders SET buyer = '{}', payments = ?, ship_error = NULL, confirm_error = NULL,"
            " erased_at = coalesce(erased_at, ?), changed_at = ? WHERE order_id = ?",
            (nameless, now, next_change(db, row["account_id"], now), order_id),
        )
        _erase_events(db, order_id, now)
    db.executemany("UPDATE inbox SET answer = NULL WHERE order_id = ? AND answer IS NOT NULL", orders)
    db.executemany("UPDATE inbox SET body = '' WHERE order_id = ? AND body <> '' AND state <> 'new'", orders)
    return len(orders)


def _erase_events(db: sqlite3.Connection, order_id: int, now: int) -> None:
    """The order's events that name the buyer are kept without, and what receivers have answered to them goes."""
    for row in db.execute(
        "SELECT seq, body, members_body FROM notices WHERE order_id = ? AND names_buyer = 1 AND erased_at IS NULL",
        (order_id,),
    ).fetchall():
        db.execute(
            "UPDATE notices SET body = ?, members_body = ?, erased_at = ? WHERE seq = ?",
            (_nameless(row["body"]), _nameless(row["members_body"]), now, row["seq"]),
        )
    db.execute(
        "UPDATE deliveries SET snippet = NULL WHERE notice_seq IN (SELECT seq FROM notices WHERE order_id = ?)"
        " AND snippet IS NOT NULL",
        (order_id,),
    )


def _nameless(body: bytes | None) -> bytes | None:
    """The event's bytes with nulls for the buyer."""
    if body is None:
        return None
    event: dict[str, Any] = json.loads(body)
    event["data"] |= {name: None for name in ("buyer", "shipTo") if name in event["data"]}
    for payment in event["data"].get("payments", ()):
        payment["reference"] = None
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True)
class Buyer:
    """The orders of a buyer that are not erased, and the words by which messages may name them."""

    orders: tuple[int, ...]
    names: tuple[str, ...]


_KEYS = ("userId", "alias", "email")


def orders_of_buyer(db: sqlite3.Connection, account_id: str, named: str) -> Buyer:
    """Who has this alias or address of mail, or made the order of this number, with all their orders of the account."""
    name = named.strip()
    is_number = name.isascii() and name.isdecimal() and len(name) < 19
    values = {"account": account_id, "name": name, "order": int(name) if is_number else None}
    row = db.execute(
        "SELECT buyer FROM orders WHERE account_id = :account AND erased_at IS NULL AND (order_id = :order"
        " OR json_extract(buyer, '$.alias') = :name COLLATE NOCASE"
        " OR json_extract(buyer, '$.email') = :name COLLATE NOCASE) LIMIT 1",
        values,
    ).fetchone()
    if row is None:
        return Buyer((), ())
    known = {key: value for key, value in json.loads(row["buyer"]).items() if key in _KEYS and value}
    same = " OR ".join(f"json_extract(buyer, '$.{key}') = :{key}" for key in known) or "order_id = :order"
    rows = db.execute(
        f"SELECT order_id, buyer FROM orders WHERE account_id = :account AND erased_at IS NULL AND ({same})",
        {**values, **known},
    ).fetchall()
    names = {
        str(value)
        for each in rows
        for key, value in json.loads(each["buyer"]).items()
        if key in {"alias", "email", "phone"} and len(str(value)) > 3
    }
    return Buyer(tuple(each["order_id"] for each in rows), tuple(sorted(names)))


def erase_answers(db: sqlite3.Connection, names: Sequence[str]) -> None:
    """Erase what could not be read of any order and holds one of these words."""
    for name in names:
        db.execute("UPDATE inbox SET answer = NULL WHERE instr(lower(answer), lower(?))", (name,))
        db.execute(
            "UPDATE inbox SET body = '' WHERE state <> 'new' AND instr(lower(body), lower(?))", (name,)
        )
