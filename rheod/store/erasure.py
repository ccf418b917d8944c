"""The erasing of personal data, everywhere at once: buyers, their parcels, the events that name them, messages and answers.

Two things erase: age (`erase`, at most so many rows at a time) and the owner's word (`erase_orders`). What is erased is
overwritten: the writer frees nothing without zeros (`secure_delete`), and whoever calls this has the write-ahead log written
back and cut afterwards. Copies made before are not reached from here.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rheod.store.order_changes import next_change


def erase(db: sqlite3.Connection, *, before: int, limit: int, now: int) -> int:
    """Erase what was received before this time (ms), at most `limit` rows of each kind; returns how many rows."""
    rows = db.execute(
        "SELECT order_id FROM orders WHERE erased_at IS NULL AND received_at < ? ORDER BY received_at LIMIT ?",
        (before, limit),
    )
    orders = erase_orders(db, [row["order_id"] for row in rows.fetchall()], now=now)
    return orders + _messages(db, before, limit) + _answers(db, before, limit)


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
        _events(db, order_id, now)
    db.executemany("UPDATE inbox SET answer = NULL WHERE order_id = ? AND answer IS NOT NULL", orders)
    db.executemany("UPDATE inbox SET body = '' WHERE order_id = ? AND body <> '' AND state <> 'new'", orders)
    return len(orders)


def _events(db: sqlite3.Connection, order_id: int, now: int) -> None:
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


def of_buyer(db: sqlite3.Connection, account_id: str, named: str) -> Buyer:
    """Who has this alias or address of mail, or made the order of this number, with all their orders of the account."""
    values = {
        "account": account_id,
        "name": named.strip(),
        "order": int(named) if _is_number(named) else None,
    }
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


def _is_number(text: str) -> bool:
    return text.strip().isascii() and text.strip().isdecimal() and len(text.strip()) < 19


def erase_answers(db: sqlite3.Connection, names: Sequence[str]) -> None:
    """Erase what could not be read of any order and holds one of these words."""
    for name in names:
        db.execute("UPDATE inbox SET answer = NULL WHERE instr(lower(answer), lower(?))", (name,))
        db.execute(
            "UPDATE inbox SET body = '' WHERE state <> 'new' AND instr(lower(body), lower(?))", (name,)
        )


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
