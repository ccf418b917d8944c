"""Rows of orders, their lines and parcels, the erasing of personal data in them, and the sums behind the owner's figures.

The buyer is personal data, and so is a tracking number, which leads to a person. Both are erased when they have been kept long
enough, as are push messages and the answers of webhook receivers; the writer overwrites what is erased (`secure_delete`).
Amounts and states stay. The sums are kept by the schema's triggers as things change, never added up from all there is.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import astuple, dataclass

from rheod.domain.calendar import month_of
from rheod.domain.model import Item, Json, Order
from rheod.domain.taxonomy import OTHER
from rheod.store.texts import restored


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipment:
    """A parcel of an order, as the ERP reported it."""

    id: str
    order_id: int
    carrier: str
    tracking_number: str
    created_at: int


def find_shipment(
    db: sqlite3.Connection, order_id: int, carrier: str, tracking_number: str
) -> Shipment | None:
    """The parcel reported with exactly these values, if there is one."""
    row = db.execute(
        "SELECT * FROM shipments WHERE order_id = ? AND carrier = ? AND tracking_number = ?",
        (order_id, carrier, tracking_number),
    ).fetchone()
    return row and Shipment(**dict(row))


def add(db: sqlite3.Connection, shipment: Shipment) -> None:
    """Insert a parcel."""
    db.execute(
        "INSERT INTO shipments (id, order_id, carrier, tracking_number, created_at) VALUES (?, ?, ?, ?, ?)",
        astuple(shipment),
    )


def of_order(db: sqlite3.Connection, order_id: int) -> tuple[Shipment, ...]:
    """The order's parcels, oldest first; the last one counts."""
    rows = db.execute("SELECT * FROM shipments WHERE order_id = ? ORDER BY created_at, rowid", (order_id,))
    return tuple(Shipment(**dict(row)) for row in rows.fetchall())


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLine:
    """A line of an order as stored; without an item it is a sale of something rheod does not know."""

    tradera_item_id: int
    item_id: str | None
    external_id: str | None
    title: str
    quantity: int
    unit_price_ore: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredOrder:
    """An order as stored: `buyer` is None once erased, `shipments` are oldest first, times in ms UTC."""

    order_id: int
    account_id: str
    subtotal_ore: int
    buyer: Json | None
    created_at: int
    paid_at: int | None
    ship_sent_at: int | None
    shipped_at: int | None
    ship_error: str | None
    erased_at: int | None
    lines: tuple[StoredLine, ...] = ()
    shipments: tuple[Shipment, ...] = ()


def save(db: sqlite3.Connection, account_id: str, order: Order, *, now: int) -> None:
    """Insert an order or update what has changed of it; an erased buyer stays erased."""
    month = month_of(order.created_at)
    db.execute(
        "INSERT INTO orders (order_id, account_id, subtotal_ore, month, buyer, paid_at, created_at, updated_at,"
        " received_at) VALUES (:id, :account, :subtotal, :month, :buyer, :paid_at, :created_at, :updated_at, :now)"
        " ON CONFLICT (order_id) DO UPDATE SET subtotal_ore = excluded.subtotal_ore,"
        " buyer = CASE WHEN erased_at IS NULL THEN excluded.buyer ELSE buyer END,"
        " paid_at = coalesce(excluded.paid_at, paid_at), updated_at = excluded.updated_at",
        {
            "id": order.order_id,
            "account": account_id,
            "subtotal": order.subtotal_ore,
            "month": month,
            "buyer": json.dumps(dict(order.buyer), ensure_ascii=False),
            "paid_at": order.paid_at,
            "created_at": order.created_at,
            "updated_at": order.updated_at,
            "now": now,
        },
    )
    db.executemany(
        "INSERT INTO order_lines (order_id, tradera_item_id, account_id, month, quantity, unit_price_ore, title)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET quantity = excluded.quantity, unit_price_ore = excluded.unit_price_ore",
        [
            (
                order.order_id,
                line.tradera_item_id,
                account_id,
                month,
                line.quantity,
                line.unit_price_ore,
                line.title,
            )
            for line in order.lines
        ],
    )
    _sum_up(db, order.order_id)


def _sum_up(db: sqlite3.Connection, order_id: int) -> None:
    """Store with the order what its lines of known items come to, so that the figures need not read the lines."""
    db.execute(
        "UPDATE orders SET known_ore = (SELECT sum(quantity * unit_price_ore) FROM order_lines"
        " WHERE order_id = orders.order_id AND item_id IS NOT NULL) WHERE order_id = ?",
        (order_id,),
    )


def match(db: sqlite3.Connection, order_id: int, tradera_item_id: int, item: Item) -> None:
    """Record that a line of the order is the sale of this item, and the item's domain at that time."""
    db.execute(
        "UPDATE order_lines SET item_id = ?, domain = coalesce(domain, ?) WHERE order_id = ? AND tradera_item_id = ?",
        (item.id, item.spec.domain or OTHER, order_id, tradera_item_id),
    )
    _sum_up(db, order_id)


def exists_for_ad(db: sqlite3.Connection, tradera_item_id: int) -> bool:
    """Whether an order for this ad is known."""
    row = db.execute(
        "SELECT 1 FROM order_lines WHERE tradera_item_id = ? LIMIT 1", (tradera_item_id,)
    ).fetchone()
    return row is not None


def open_for_item(db: sqlite3.Connection, item_id: str) -> bool:
    """Whether the item has an order that is not shipped."""
    row = db.execute(
        "SELECT 1 FROM order_lines JOIN orders USING (order_id) WHERE item_id = ? AND shipped_at IS NULL LIMIT 1",
        (item_id,),
    ).fetchone()
    return row is not None


def unmatched_count(db: sqlite3.Connection) -> int:
    """How many order lines are sales of something rheod does not know."""
    count: int = db.execute("SELECT count(*) FROM order_lines WHERE item_id IS NULL").fetchone()[0]
    return count


_COLUMNS = "order_id, account_id, subtotal_ore, buyer, created_at, paid_at, ship_sent_at, shipped_at, ship_error, erased_at"


def find(db: sqlite3.Connection, order_id: int) -> StoredOrder | None:
    """The order of this number with its lines and parcels."""
    found = _whole(
        db, db.execute(f"SELECT {_COLUMNS} FROM orders WHERE order_id = ?", (order_id,)).fetchall()
    )
    return found[0] if found else None


def page(
    db: sqlite3.Connection, account_id: str, *, unmatched: bool, limit: int, before: tuple[int, int]
) -> list[StoredOrder]:
    """Orders made before (created_at, order_id), the newest first; `unmatched`: only those with a line of no known item."""
    only = (
        " AND EXISTS (SELECT 1 FROM order_lines lines WHERE lines.account_id = orders.account_id"
        " AND lines.order_id = orders.order_id AND lines.item_id IS NULL)"
    )
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM orders WHERE account_id = ? AND (created_at, order_id) < (?, ?)"
        f"{only if unmatched else ''} ORDER BY created_at DESC, order_id DESC LIMIT ?",
        (account_id, *before, limit),
    )
    return _whole(db, rows.fetchall())


def _whole(db: sqlite3.Connection, rows: Sequence[sqlite3.Row]) -> list[StoredOrder]:
    return [
        StoredOrder(
            **{
                **dict(row),
                "buyer": json.loads(row["buyer"]) if row["erased_at"] is None else None,
                "lines": _lines(db, row["order_id"]),
                "shipments": of_order(db, row["order_id"]),
                "ship_error": restored(row["ship_error"]),
            }
        )
        for row in rows
    ]


def _lines(db: sqlite3.Connection, order_id: int) -> tuple[StoredLine, ...]:
    rows = db.execute(
        "SELECT tradera_item_id, item_id, external_id, order_lines.title, quantity, unit_price_ore FROM order_lines"
        " LEFT JOIN items ON items.id = item_id WHERE order_id = ? ORDER BY tradera_item_id",
        (order_id,),
    )
    return tuple(StoredLine(**dict(row)) for row in rows.fetchall())


def open_with_ads(db: sqlite3.Connection, account_id: str, ads: Sequence[int]) -> list[int]:
    """Orders not known to be shipped whose every line is one of these ads."""
    rows = db.execute(
        "SELECT order_id FROM orders WHERE account_id = :account AND shipped_at IS NULL AND order_id IN"
        " (SELECT order_id FROM order_lines WHERE tradera_item_id IN (SELECT value FROM json_each(:ads)))"
        " AND NOT EXISTS (SELECT 1 FROM order_lines lines WHERE lines.order_id = orders.order_id"
        " AND lines.tradera_item_id NOT IN (SELECT value FROM json_each(:ads)))",
        {"account": account_id, "ads": json.dumps(list(ads))},
    )
    return [row["order_id"] for row in rows.fetchall()]


def oldest_to_ship(db: sqlite3.Connection, account_id: str, *, since: int, before: int) -> int | None:
    """When the oldest order of known items was received (ms) that is not known to be shipped, of those in this time."""
    row = db.execute(
        "SELECT min(received_at) FROM orders WHERE account_id = ? AND shipped_at IS NULL AND known_ore IS NOT NULL"
        " AND received_at BETWEEN ? AND ?",
        (account_id, since, before),
    ).fetchone()
    at: int | None = row[0]
    return at


def note_ship_sent(db: sqlite3.Connection, order_id: int, *, now: int) -> None:
    """Record that a call to mark the order as shipped is about to be made (ms)."""
    db.execute("UPDATE orders SET ship_sent_at = ?, ship_error = NULL WHERE order_id = ?", (now, order_id))


def note_shipped(db: sqlite3.Connection, order_id: int, *, now: int) -> None:
    """Record that Tradera has the order as shipped."""
    db.execute("UPDATE orders SET shipped_at = ?, ship_error = NULL WHERE order_id = ?", (now, order_id))


def note_ship_error(db: sqlite3.Connection, order_id: int, error: str) -> None:
    """Record why Tradera does not mark the order as shipped."""
    db.execute("UPDATE orders SET ship_error = ? WHERE order_id = ?", (error, order_id))


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
    return (
        db.execute(
            "UPDATE inbox SET body = '' WHERE id IN (SELECT id FROM inbox WHERE body <> '' AND state <> 'new'"
            " AND received_at < ? ORDER BY received_at LIMIT ?)",
            (before, limit),
        ).rowcount
        + db.execute(
            "UPDATE inbox SET answer = NULL WHERE id IN (SELECT id FROM inbox WHERE answer IS NOT NULL"
            " AND received_at < ? ORDER BY received_at LIMIT ?)",
            (before, limit),
        ).rowcount
    )


def _answers(db: sqlite3.Connection, before: int, limit: int) -> int:
    """What receivers of webhooks answered; their rows live for `retention.deliveries_days`, which may be longer."""
    return db.execute(
        "UPDATE deliveries SET snippet = NULL WHERE id IN (SELECT id FROM deliveries WHERE snippet IS NOT NULL"
        " AND created_at < ? LIMIT ?)",
        (before, limit),
    ).rowcount


INVENTORY = "SELECT domain, rheo_status, count FROM item_counts WHERE account_id = ? AND type = 'item'"
MONTHS = "SELECT month, orders, ore, pending_ore FROM month_sums WHERE account_id = ? AND month >= ? AND orders > 0"
DOMAINS = (
    "SELECT domain, sum(ore) AS ore FROM domain_sums WHERE account_id = ? AND month >= ? GROUP BY domain"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """The orders of a month and what they come to (öre), all of them and those not paid."""

    orders: int = 0
    ore: int = 0
    pending_ore: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Items by (domain, status), sales by month and by domain (öre). Sales of unknown items are in none of them."""

    inventory: dict[tuple[str, str], int]
    months: dict[str, Month]
    domains: dict[str, int]


def sums(db: sqlite3.Connection, account_id: str, *, since: str) -> Sums:
    """All sums of an account; sales from the month `since` on."""
    rows = db.execute(INVENTORY, (account_id,)).fetchall()
    months = db.execute(MONTHS, (account_id, since)).fetchall()
    domains = db.execute(DOMAINS, (account_id, since)).fetchall()
    return Sums(
        inventory={(row["domain"], row["rheo_status"]): row["count"] for row in rows},
        months={
            row["month"]: Month(orders=row["orders"], ore=row["ore"], pending_ore=row["pending_ore"])
            for row in months
        },
        domains={row["domain"]: row["ore"] for row in domains},
    )
