"""Rows of the inbox: every push message as it came, stored before anything is done about it.

A message that cannot be understood is quarantined: the owner is shown it and puts it away; it is never acted on.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from rheod.domain.model import CloseReason
from rheod.store.texts import restored


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxEntry:
    """A message to be kept. `state` is new, quarantined or ignored; `business_key` names what it is about."""

    message_id: str
    body: str
    state: str
    reason: str | None = None
    business_key: str | None = None
    account_id: str | None = None
    type: str | None = None
    order_id: int | None = None
    tradera_item_ids: tuple[int, ...] = ()
    close_reason: CloseReason | None = None


def add(db: sqlite3.Connection, entry: InboxEntry, *, now: int) -> int | None:
    """Keep a message and return its id; None when it, or another about the same thing, is here already."""
    row = db.execute(
        "INSERT INTO inbox (message_id, business_key, account_id, type, order_id, close_reason, body, state, reason,"
        " received_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING id",
        (
            _storable(entry.message_id),
            entry.business_key,
            entry.account_id,
            entry.type,
            entry.order_id,
            entry.close_reason,
            _storable(entry.body),
            entry.state,
            entry.reason,
            now,
        ),
    ).fetchone()
    if row is None:
        return None
    inbox_id: int = row["id"]
    db.executemany(
        "INSERT OR IGNORE INTO inbox_items (inbox_id, tradera_item_id) VALUES (?, ?)",
        [(inbox_id, ad) for ad in entry.tradera_item_ids],
    )
    return inbox_id


def _storable(text: str) -> str:
    """The text with lone surrogates escaped, which UTF-8 cannot hold."""
    return text.encode("utf-8", "backslashreplace").decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedAd:
    """An ad that Tradera has said is closed, and why."""

    account_id: str
    tradera_item_id: int
    reason: CloseReason


def closed_ad(db: sqlite3.Connection, inbox_id: int) -> ClosedAd | None:
    """What an ItemClosed that has not been dealt with says; None for every other message."""
    row = db.execute(
        "SELECT account_id, tradera_item_id, close_reason FROM inbox JOIN inbox_items ON inbox_id = inbox.id"
        " WHERE inbox.id = ? AND state = 'new' AND close_reason IS NOT NULL",
        (inbox_id,),
    ).fetchone()
    if row is None:
        return None
    return ClosedAd(
        account_id=row["account_id"],
        tradera_item_id=row["tradera_item_id"],
        reason=CloseReason(row["close_reason"]),
    )


def orders_to_look_up(db: sqlite3.Connection, account_id: str, *, limit: int) -> list[int]:
    """Ids of orders that a message named and that are not looked up yet, oldest first."""
    rows = db.execute(
        "SELECT order_id FROM inbox WHERE account_id = ? AND type = 'OrderCreated' AND state = 'new'"
        " ORDER BY id LIMIT ?",
        (account_id, limit),
    )
    return [row[0] for row in rows.fetchall()]


def orders_waiting(db: sqlite3.Connection) -> dict[str, int]:
    """How many orders named by messages are not looked up yet, by account id."""
    rows = db.execute(
        "SELECT account_id, count(*) FROM inbox WHERE type = 'OrderCreated' AND state = 'new' GROUP BY account_id"
    )
    return {row[0]: row[1] for row in rows.fetchall()}


def order_waits_for(db: sqlite3.Connection, tradera_item_id: int) -> bool:
    """Whether a message names an order of this ad that is not looked up yet."""
    row = db.execute(
        "SELECT 1 FROM inbox_items JOIN inbox ON inbox.id = inbox_id"
        " WHERE tradera_item_id = ? AND type = 'OrderCreated' AND state = 'new' LIMIT 1",
        (tradera_item_id,),
    ).fetchone()
    return row is not None


def settle(
    db: sqlite3.Connection, inbox_id: int, *, now: int, state: str = "done", reason: str | None = None
) -> None:
    """Record what became of a message."""
    db.execute(
        "UPDATE inbox SET state = ?, reason = ?, settled_at = ? WHERE id = ?", (state, reason, now, inbox_id)
    )


def settle_orders(db: sqlite3.Connection, account_id: str, order_ids: Sequence[int], *, now: int) -> None:
    """These orders are recorded; their messages are done."""
    db.executemany(
        "UPDATE inbox SET state = 'done', settled_at = ? WHERE account_id = ? AND order_id = ? AND state = 'new'",
        [(now, account_id, order_id) for order_id in order_ids],
    )


def counts(db: sqlite3.Connection) -> dict[str, int]:
    """How many messages are in each state."""
    return {
        row[0]: row[1] for row in db.execute("SELECT state, count(*) FROM inbox GROUP BY state").fetchall()
    }


def count_quarantined(db: sqlite3.Connection) -> int:
    """How many messages are quarantined; reads no others."""
    count: int = db.execute("SELECT count(*) FROM inbox WHERE state = 'quarantined'").fetchone()[0]
    return count


def last_received_at(db: sqlite3.Connection) -> int | None:
    """When the newest message came (ms)."""
    at: int | None = db.execute("SELECT received_at FROM inbox ORDER BY id DESC LIMIT 1").fetchone()
    return at and at[0]  # type: ignore[index]


def quarantine_order(
    db: sqlite3.Connection, account_id: str, order_id: int, *, reason: str, now: int
) -> None:
    """Quarantine the message of an order, for the owner to look at."""
    db.execute(
        "UPDATE inbox SET state = 'quarantined', reason = ?, settled_at = ?"
        " WHERE account_id = ? AND order_id = ? AND state = 'new'",
        (reason, now, account_id, order_id),
    )


SHOWN_CHARS = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantinedMessage:
    """The beginning of a message as it came; '' once erased. `reason` is what is wrong with it."""

    id: int
    body: str
    reason: str | None
    received_at: int


def quarantined(db: sqlite3.Connection, *, limit: int) -> list[QuarantinedMessage]:
    """The newest quarantined messages, of every account: often the account is what cannot be read."""
    rows = db.execute(
        "SELECT id, substr(body, 1, ?) AS body, reason, received_at FROM inbox WHERE state = 'quarantined'"
        " ORDER BY id DESC LIMIT ?",
        (SHOWN_CHARS, limit),
    )
    return [QuarantinedMessage(**{**dict(row), "reason": restored(row["reason"])}) for row in rows.fetchall()]


def put_away(db: sqlite3.Connection, message_id: int, *, now: int) -> bool:
    """Put a quarantined message away, as looked at; False when it is not quarantined."""
    changed = db.execute(
        "UPDATE inbox SET state = 'ignored', settled_at = ? WHERE id = ? AND state = 'quarantined'",
        (now, message_id),
    ).rowcount
    return changed > 0
