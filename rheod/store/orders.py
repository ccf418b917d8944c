"""Rows of orders, their lines and parcels.

The buyer is personal data, and so are a tracking number and the reference of a payment, which lead to a person.
`order_changes.py` writes the rows, and erases those. Amounts and states stay.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import jiter

from rheod.domain.model import Json
from rheod.domain.orders import NO_FREIGHT, OrderFlag, OrderFreight, OrderStatus, Payment, Standing
from rheod.store.columns import restored


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


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLine:
    """A line of an order as stored; without an item it is a sale of something rheod does not know."""

    tradera_item_id: int
    item_id: str | None
    external_id: str | None
    title: str
    quantity: int
    unit_price_ore: int
    vat_rate: int | None = None
    own_reference: str = ""
    part_number: str = ""
    reversed_at: int | None = None
    reversed_why: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredOrder:
    """An order as stored: `buyer` is None once erased, `shipments` are oldest first, times in ms UTC.

    `paid_at` is when all of it was paid; `confirmed_at` when the owner said that it was paid outside Tradera, which was told
    so at `confirm_told_at`. `changed_at` is by our clock, `updated_at` by Tradera's.
    """

    order_id: int
    account_id: str
    subtotal_ore: int
    buyer: Json | None
    created_at: int
    updated_at: int = 0
    changed_at: int = 0
    paid_at: int | None
    ship_sent_at: int | None
    shipped_at: int | None
    ship_error: str | None
    erased_at: int | None
    status: OrderStatus
    flags: tuple[OrderFlag, ...] = ()
    whole: bool = True
    purchase_id: str = ""
    expires_at: int | None = None
    freight: OrderFreight = NO_FREIGHT
    payments: tuple[Payment, ...] | None = None
    most_paid_ore: int = 0
    confirmed_at: int | None = None
    confirm_sent_at: int | None = None
    confirm_told_at: int | None = None
    confirm_error: str | None = None
    sent_at: int | None = None
    printed_at: int | None = None
    grew_at: int | None = None
    reversed_at: int | None = None
    reversed_paid_ore: int | None = None
    lines: tuple[StoredLine, ...] = ()
    shipments: tuple[Shipment, ...] = ()

    def standing(self, *, ship_while_waiting: bool = False) -> Standing:
        """What decides its status and flags.

        It is paid late when more is paid than when its sale was taken back; a payment whose amount cannot be read counts by its time.
        """
        unread = [each.paid_at or 0 for each in self.payments or () if each.amount_ore is None]
        paid_late = self.paid_ore > (self.reversed_paid_ore or 0)
        paid_late = paid_late or max(unread, default=0) > (self.reversed_at or 0)
        return Standing(
            subtotal_ore=self.subtotal_ore,
            lines_ore=sum(line.quantity * line.unit_price_ore for line in self.lines),
            freight_ore=self.freight.cost_ore,
            amounts=None if self.payments is None else tuple(each.amount_ore for each in self.payments),
            most_paid_ore=self.most_paid_ore,
            told_paid=self.confirmed_at is not None or (self.payments is None and self.paid_at is not None),
            sent=self.sent_at is not None or self.shipped_at is not None,
            waits_until=None if ship_while_waiting else self.expires_at,
            lines=len(self.lines),
            lines_reversed=sum(line.reversed_at is not None for line in self.lines),
            lines_unknown=sum(line.item_id is None for line in self.lines),
            grew_at=self.grew_at,
            printed_at=self.printed_at,
            reversed_at=self.reversed_at,
            paid_late=paid_late,
            last_paid_at=max((each.paid_at or 0 for each in self.payments or ()), default=None),
        )

    @property
    def total_ore(self) -> int:
        """What the buyer is to pay, as far as it is known."""
        return self.subtotal_ore + (self.freight.cost_ore or 0)

    @property
    def paid_ore(self) -> int:
        """What is confirmed as paid."""
        paid = sum(each.amount_ore or 0 for each in self.payments or ())
        told = self.confirmed_at is not None or (self.payments is None and self.paid_at is not None)
        return max(paid, self.total_ore) if told else paid


def exists_for_ad(db: sqlite3.Connection, tradera_item_id: int) -> bool:
    """Whether an order for this ad is known."""
    row = db.execute(
        "SELECT 1 FROM order_lines WHERE tradera_item_id = ? LIMIT 1", (tradera_item_id,)
    ).fetchone()
    return row is not None


def open_for_item(db: sqlite3.Connection, item_id: str) -> bool:
    """Whether the item has an order that is not shipped."""
    row = db.execute(
        "SELECT 1 FROM order_lines JOIN orders USING (order_id) WHERE item_id = ? AND shipped_at IS NULL"
        " AND order_lines.reversed_at IS NULL LIMIT 1",
        (item_id,),
    ).fetchone()
    return row is not None


def unmatched_count(db: sqlite3.Connection) -> int:
    """How many order lines are sales of something rheod does not know."""
    count: int = db.execute("SELECT count(*) FROM order_lines WHERE item_id IS NULL").fetchone()[0]
    return count


def unmatched_owner(db: sqlite3.Connection) -> str:
    """The reference of an account that has such a sale; "" where nobody has."""
    row = db.execute(
        "SELECT (SELECT reference FROM accounts WHERE accounts.id = orders.account_id) FROM order_lines"
        " JOIN orders USING (order_id) WHERE item_id IS NULL ORDER BY order_id DESC LIMIT 1"
    ).fetchone()
    return "" if row is None else str(row[0])


_MADE = {
    "buyer",
    "ship_error",
    "confirm_error",
    "status",
    "flags",
    "whole",
    "payments",
    "freight",
    "lines",
    "shipments",
}
_PLAIN = tuple(each.name for each in fields(StoredOrder) if each.name not in _MADE)
_COLUMNS = (
    f"{', '.join(_PLAIN)}, buyer, ship_error, confirm_error, status, flags, whole, payments, freight_ore, freight_type,"
    " weight_kg"
)
_OF_LINE = tuple("order_lines.title" if each.name == "title" else each.name for each in fields(StoredLine))
_NAMES_OF_LINE = tuple(each.name for each in fields(StoredLine))


def find(db: sqlite3.Connection, order_id: int) -> StoredOrder | None:
    """The order of this number with its lines and parcels."""
    found = _whole(
        db, db.execute(f"SELECT {_COLUMNS} FROM orders WHERE order_id = ?", (order_id,)).fetchall()
    )
    return found[0] if found else None


def of_item(db: sqlite3.Connection, item_id: str, *, limit: int) -> list[StoredOrder]:
    """The orders that an item is in, the latest first."""
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM orders WHERE order_id IN (SELECT order_id FROM order_lines WHERE item_id = ?)"
        " ORDER BY created_at DESC, order_id DESC LIMIT ?",
        (item_id, limit),
    ).fetchall()
    return _whole(db, rows)


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


def standing_so(
    db: sqlite3.Connection,
    account_id: str,
    status: OrderStatus,
    *,
    limit: int,
    beyond: tuple[int, int] | None,
    oldest_first: bool,
) -> list[StoredOrder]:
    """Orders of this status by when they were made, those behind (created_at, order_id) alone."""
    sign, direction, start = (">", "ASC", (0, 0)) if oldest_first else ("<", "DESC", (2**62, 0))
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM orders INDEXED BY orders_by_age WHERE account_id = ? AND status = ?"
        f" AND (created_at, order_id) {sign} (?, ?) ORDER BY created_at {direction}, order_id {direction} LIMIT ?",
        (account_id, status, *(beyond or start), limit),
    )
    return _whole(db, rows.fetchall())


def carriers(db: sqlite3.Connection, account_id: str) -> list[str]:
    """Who has carried the account's latest parcels, the last one first, each once."""
    rows = db.execute(
        "SELECT carrier FROM (SELECT order_id, carrier, rowid AS number FROM shipments ORDER BY rowid DESC LIMIT 100)"
        " JOIN orders USING (order_id) WHERE account_id = ? ORDER BY number DESC",
        (account_id,),
    )
    return list(dict.fromkeys(row[0] for row in rows.fetchall()))


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFilter:
    """Which orders are wanted: of this status, changed at this time (ms) or later."""

    status: str | None = None
    changed_since: int | None = None

    def where(self, account_id: str) -> tuple[str, dict[str, Any]]:
        """The index that the orders are read along, with the condition, and its values."""
        values = {"account": account_id, "status": self.status, "since": self.changed_since or 0}
        if self.status is None:
            return "orders INDEXED BY orders_by_change WHERE account_id = :account", values
        return "orders INDEXED BY orders_by_status WHERE account_id = :account AND status = :status", values


def changed(
    db: sqlite3.Connection, account_id: str, wanted: OrderFilter, *, limit: int, after: tuple[int, int]
) -> list[StoredOrder]:
    """Orders behind (changed_at, order_id), the oldest change first."""
    where, values = wanted.where(account_id)
    start = max(after, (values["since"], -1))
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM {where} AND (changed_at, order_id) > (:at, :last)"
        " ORDER BY changed_at, order_id LIMIT :limit",
        {**values, "at": start[0], "last": start[1], "limit": limit},
    )
    return _whole(db, rows.fetchall())


def count(db: sqlite3.Connection, account_id: str, wanted: OrderFilter) -> int:
    """How many orders the filter leaves; only those of a period are counted, the rest is known."""
    if wanted.changed_since is None:
        known = counts(db, account_id)
        return sum(known.values()) if wanted.status is None else known.get(wanted.status, 0)
    where, values = wanted.where(account_id)
    found: int = db.execute(f"SELECT count(*) FROM {where} AND changed_at >= :since", values).fetchone()[0]
    return found


def counts(db: sqlite3.Connection, account_id: str) -> dict[str, int]:
    """How many orders of the account stand so, by their status; kept as they change."""
    rows = db.execute("SELECT status, orders FROM order_counts WHERE account_id = ?", (account_id,))
    return dict(rows.fetchall())


def _whole(db: sqlite3.Connection, rows: Sequence[sqlite3.Row]) -> list[StoredOrder]:
    """The orders of these rows with their lines and parcels, which are read for all of them at once.

    A page of a hundred is read here again and again: rows are taken by their place, which is several times as fast as by name.
    """
    numbers = json.dumps([row[0] for row in rows])
    lines: dict[int, list[StoredLine]] = {}
    parcels: dict[int, list[Shipment]] = {}
    if rows:
        for order_id, *row in db.execute(
            f"SELECT order_id, {', '.join(_OF_LINE)} FROM json_each(?) wanted CROSS JOIN order_lines"
            " ON order_id = wanted.value LEFT JOIN items ON items.id = item_id ORDER BY wanted.key, tradera_item_id",
            (numbers,),
        ):
            line = StoredLine(**dict(zip(_NAMES_OF_LINE, row, strict=True)))
            lines.setdefault(order_id, []).append(line)
        for row in db.execute(
            "SELECT shipments.* FROM json_each(?) wanted CROSS JOIN shipments ON order_id = wanted.value"
            " ORDER BY created_at, shipments.rowid",
            (numbers,),
        ):
            parcels.setdefault(row["order_id"], []).append(Shipment(**dict(row)))
    return [
        _order(row, tuple(lines.get(row[0], ())), tuple(parcels.get(row[0], ()))) for row in map(tuple, rows)
    ]


def _order(row: tuple[Any, ...], lines: tuple[StoredLine, ...], parcels: tuple[Shipment, ...]) -> StoredOrder:
    buyer, ship_error, confirm_error, status, flags, whole, payments, freight_ore, freight_type, weight_kg = (
        row[len(_PLAIN) :]
    )
    plain = dict(zip(_PLAIN, row, strict=False))
    return StoredOrder(
        **plain,
        buyer=jiter.from_json(buyer.encode()) if plain["erased_at"] is None else None,
        ship_error=restored(ship_error),
        confirm_error=restored(confirm_error),
        status=OrderStatus(status),
        flags=tuple(OrderFlag(flag) for flag in flags.split(",")) if flags else (),
        whole=bool(whole),
        payments=payments
        and tuple(
            Payment(type=kind, reference=reference, amount_ore=amount_ore, paid_at=paid_at, cost_ore=cost_ore)
            for kind, reference, amount_ore, paid_at, cost_ore in jiter.from_json(payments.encode())
        ),
        freight=OrderFreight(cost_ore=freight_ore, type=freight_type, weight_kg=weight_kg),
        lines=lines,
        shipments=parcels,
    )


_GROWS = "orders INDEXED BY orders_growing WHERE expires_at IS NOT NULL AND status IN ('waits', 'ready')"


def grown_up(db: sqlite3.Connection, *, now: int, limit: int) -> list[int]:
    """Orders that wait though they cannot grow any more."""
    rows = db.execute(
        f"SELECT order_id FROM {_GROWS} AND expires_at <= ? AND +status = 'waits' ORDER BY expires_at LIMIT ?",
        (now, limit),
    )
    return [row[0] for row in rows.fetchall()]


def growing(db: sqlite3.Connection, *, now: int) -> list[int]:
    """Paid orders that may still grow: whether they wait for that is the owner's choice."""
    rows = db.execute(f"SELECT order_id FROM {_GROWS} AND expires_at > ?", (now,))
    return [row[0] for row in rows.fetchall()]


def not_whole(db: sqlite3.Connection, account_id: str, *, limit: int) -> list[int]:
    """Orders of which an older rheod has kept a part, the newest first."""
    rows = db.execute(
        "SELECT order_id FROM orders INDEXED BY orders_not_whole WHERE account_id = ? AND whole = 0"
        " ORDER BY received_at DESC LIMIT ?",
        (account_id, limit),
    )
    return [row[0] for row in rows.fetchall()]


def to_pick(db: sqlite3.Connection, account_id: str, *, limit: int) -> list[StoredOrder]:
    """Orders that are ready to be sent, the oldest change first."""
    return changed(db, account_id, OrderFilter(status=OrderStatus.READY), limit=limit, after=(0, 0))


def ready(db: sqlite3.Connection, account_id: str) -> tuple[int, int]:
    """How many orders of the account are ready to be sent, and when the oldest of them was made (ms; 0 without any)."""
    source, values = OrderFilter(status=OrderStatus.READY).where(account_id)
    row = db.execute(f"SELECT count(*), coalesce(min(created_at), 0) FROM {source}", values).fetchone()
    return row[0], row[1]


_OWNER = "(SELECT reference FROM accounts WHERE accounts.id = orders.account_id)"


def with_flag(db: sqlite3.Connection, flag: OrderFlag, *, limit: int) -> list[tuple[int, int, str]]:
    """Orders that are not sent and have this flag, when each was made (ms), and their accounts' references."""
    rows = db.execute(
        f"SELECT order_id, created_at, {_OWNER} FROM orders INDEXED BY orders_flagged WHERE flags <> ''"
        " AND status <> 'shipped' AND instr(',' || flags || ',', ',' || :flag || ',')"
        " AND (status <> 'reversed' OR :flag = 'paid_after_reversal') LIMIT :limit",
        {"flag": flag, "limit": limit},
    )
    return [(row[0], row[1], row[2]) for row in rows.fetchall()]


def unpaid(db: sqlite3.Connection, account_id: str, *, since: int, limit: int) -> list[tuple[int, int, str]]:
    """Orders of known items that are not paid, when each was made (ms), of those made since then, and the account's reference; the newest first."""
    rows = db.execute(
        f"SELECT order_id, created_at, {_OWNER} FROM orders INDEXED BY orders_by_status WHERE account_id = ? AND status = 'unpaid'"
        " AND created_at >= ? AND known_ore IS NOT NULL ORDER BY created_at DESC LIMIT ?",
        (account_id, since, limit),
    )
    return [(row[0], row[1], row[2]) for row in rows.fetchall()]


def unconfirmed(db: sqlite3.Connection, *, limit: int) -> list[tuple[int, int, str]]:
    """Orders that the owner has said are paid and Tradera refuses to take for it, when it was told so (ms), and their accounts' references."""
    rows = db.execute(
        f"SELECT order_id, coalesce(confirm_sent_at, confirmed_at), {_OWNER} FROM orders INDEXED BY orders_confirming"
        " WHERE confirmed_at IS NOT NULL AND confirm_told_at IS NULL AND confirm_error IS NOT NULL LIMIT ?",
        (limit,),
    )
    return [(row[0], row[1], row[2]) for row in rows.fetchall()]


def unshipped(db: sqlite3.Connection, *, limit: int) -> list[tuple[int, int, str]]:
    """Orders that Tradera refuses to take for sent, when it was told so (ms), and their accounts' references; those that fell through need it no more."""
    rows = db.execute(
        f"SELECT order_id, coalesce(ship_sent_at, sent_at, created_at), {_OWNER} FROM orders INDEXED BY orders_ship_refused"
        " WHERE ship_error IS NOT NULL AND status <> 'reversed' LIMIT ?",
        (limit,),
    )
    return [(row[0], row[1], row[2]) for row in rows.fetchall()]


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


@dataclass(frozen=True, slots=True)
class SaleOfAd:
    """A sale of an item that has not fallen through: its order and its ad."""

    order_id: int
    ad: int


def other_sale(db: sqlite3.Connection, item_id: str, order_id: int) -> SaleOfAd | None:
    """Another order's sale of the same item that stands, the newest."""
    row = db.execute(
        "SELECT order_id, tradera_item_id FROM order_lines WHERE item_id = ? AND order_id <> ?"
        " AND reversed_at IS NULL ORDER BY order_id DESC LIMIT 1",
        (item_id, order_id),
    ).fetchone()
    return row and SaleOfAd(row["order_id"], row["tradera_item_id"])


def note_conflict(db: sqlite3.Connection, item_id: str, *, now: int) -> bool:
    """The item has been sold by two orders; False when that is known."""
    return bool(db.execute("INSERT OR IGNORE INTO sale_conflicts VALUES (?, ?)", (item_id, now)).rowcount)


def sold_twice(db: sqlite3.Connection, *, limit: int) -> list[tuple[str, int, str]]:
    """External ids of items of which two sales stand, since when (ms), and their accounts' references; the first first."""
    rows = db.execute(
        "SELECT external_id, at, (SELECT reference FROM accounts WHERE id = items.account_id)"
        " FROM sale_conflicts INDEXED BY sale_conflicts_by_time CROSS JOIN items"
        " ON items.id = sale_conflicts.item_id WHERE at > 0 AND removed_at IS NULL AND (SELECT count(DISTINCT order_id)"
        " FROM order_lines WHERE order_lines.item_id = items.id AND reversed_at IS NULL)"
        " + (elsewhere_ore IS NOT NULL) > 1 ORDER BY at LIMIT ?",
        (limit,),
    )
    return [(row[0], row[1], row[2]) for row in rows.fetchall()]
