"""Reads of what has happened: an account's webhook events in pages, deliveries ordered again, and an item's calls and deliveries.

An event gets its number inside the one writer's transaction, so that the numbers follow the commits: who goes on after the last
number seen misses nothing.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import Any

from rheod.store.columns import restored
from rheod.store.outbox import ORDER, TO_TELL


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """A webhook event as stored: its number, its bytes, when it happened (ms)."""

    seq: int
    event_id: str
    type: str
    body: bytes
    created_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What became of a replay: deliveries ordered, and those that waited already and are left as they are."""

    ordered: int
    waiting: int


def events_after(
    db: sqlite3.Connection, account_id: str, *, after: int, limit: int, event_type: str | None = None
) -> list[StoredEvent]:
    """The account's webhook events after this number, the oldest first."""
    typed = "" if event_type is None else " AND type = :type"
    rows = db.execute(
        "SELECT seq, event_id, type, body, created_at FROM notices WHERE body IS NOT NULL AND account_id = :account"
        f"{typed} AND seq > :after ORDER BY seq LIMIT :limit",
        {"account": account_id, "type": event_type, "after": after, "limit": limit},
    )
    return [StoredEvent(**dict(row)) for row in rows.fetchall()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """An event of an account as its log shows it; `external_id` "" where it is about no one item."""

    seq: int
    type: str
    external_id: str
    data: dict[str, Any]
    at: int


LOOKED_AT = 20_000
"""So many events of all accounts are looked through for a page of one account's log."""


def happened(
    db: sqlite3.Connection, account_id: str, *, before: int | None, limit: int
) -> tuple[list[Happening], int | None]:
    """What happened in an account, the newest first, below the number `before`; and where an older page begins, if there is one."""
    newest = db.execute("SELECT max(seq) FROM notices").fetchone()[0] or 0
    top = newest + 1 if before is None else before
    rows = db.execute(
        "SELECT seq, type, coalesce((SELECT external_id FROM items WHERE items.id = notices.item_id), '') AS external_id,"
        " data, created_at AS at FROM notices NOT INDEXED WHERE seq < :top AND seq >= :bottom AND account_id = :account"
        " ORDER BY seq DESC LIMIT :limit",
        {"top": top, "bottom": top - LOOKED_AT, "account": account_id, "limit": limit},
    ).fetchall()
    found = [Happening(**{**dict(row), "data": json.loads(row["data"])}) for row in rows]
    older = found[-1].seq if len(found) == limit else top - LOOKED_AT
    return found, older if older > 1 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SaleAtTradera:
    """A sale as its event tells it, in whole or parts of kronor, with the title of what was sold."""

    seq: int
    external_id: str
    title: str
    price_kr: float


def newest(db: sqlite3.Connection) -> int:
    """The number of the newest event; 0 before the first."""
    return int(db.execute("SELECT coalesce(max(seq), 0) FROM notices").fetchone()[0])


def sales_after(db: sqlite3.Connection, after: int, *, since: int, limit: int) -> list[SaleAtTradera]:
    """What was sold at Tradera after this event and since this time (ms), the oldest first."""
    rows = db.execute(
        "SELECT seq, external_id, title, data ->> 'salePrice' AS price_kr FROM notices"
        " JOIN items ON items.id = notices.item_id WHERE seq > ? AND notices.type = 'item.sold'"
        " AND notices.created_at >= ? AND data ->> 'platform' = 'tradera' ORDER BY seq LIMIT ?",
        (after, since, limit),
    )
    return [SaleAtTradera(**dict(row)) for row in rows.fetchall()]


def number_of(db: sqlite3.Connection, event_id: str, account_id: str) -> int | None:
    """The number of a webhook event of the account, for the reseller also of a member; None when there is none."""
    row = db.execute(
        "SELECT seq FROM notices WHERE event_id = :event AND body IS NOT NULL AND (account_id = :account"
        " OR :account = (SELECT id FROM accounts WHERE reference = ''))",
        {"event": event_id, "account": account_id},
    ).fetchone()
    return None if row is None else int(row["seq"])


def is_erased(db: sqlite3.Connection, seq: int) -> bool:
    """Whether the event named a buyer who is erased: it is not told again."""
    row = db.execute("SELECT 1 FROM notices WHERE seq = ? AND erased_at IS NOT NULL", (seq,)).fetchone()
    return row is not None


def range_since(db: sqlite3.Connection, moment: int) -> tuple[int, int]:
    """The numbers (first, last) of the events since a moment (ms); last is below first when there are none."""
    row = db.execute(
        "SELECT (SELECT seq FROM notices WHERE created_at >= ? ORDER BY created_at, seq LIMIT 1) AS first,"
        " (SELECT max(seq) FROM notices) AS last",
        (moment,),
    ).fetchone()
    return (1, 0) if row["first"] is None else (int(row["first"]), int(row["last"]))


def end_of_chunk(db: sqlite3.Connection, first: int, last: int, *, size: int) -> int:
    """The last number of a chunk of at most `size` webhook events that begins at `first`."""
    row = db.execute(
        "SELECT max(seq) FROM (SELECT seq FROM notices WHERE seq BETWEEN ? AND ? AND body IS NOT NULL"
        " ORDER BY seq LIMIT ?)",
        (first, last, size),
    ).fetchone()
    return last if row[0] is None else int(row[0])


_OF = " AND n.seq BETWEEN :first AND :last AND e.account_id = :account AND (:endpoint IS NULL OR e.id = :endpoint)"


def order_again(
    db: sqlite3.Connection, account_id: str, endpoint_id: str | None, *, numbers: tuple[int, int], now: int
) -> Replayed:
    """Order deliveries of these events (first, last) once more to the account's endpoints, or to one of them.

    A delivery that waits already keeps its place and is not doubled; a held one is released.
    """
    values = {
        "first": numbers[0],
        "last": numbers[1],
        "account": account_id,
        "endpoint": endpoint_id,
        "rank": 1,
        "now": now,
    }
    wanted: int = db.execute(f"SELECT count(*){TO_TELL}{_OF}", values).fetchone()[0]
    ordered = db.execute(
        f"{ORDER}{_OF} ORDER BY n.seq ON CONFLICT (kind, subject) DO UPDATE SET state = 'due', attempts = 0, aside = min(aside, 1),"
        " due_at = excluded.due_at, reason = NULL WHERE state = 'held'",
        values,
    ).rowcount
    return Replayed(ordered=ordered, waiting=wanted - ordered)


def count_since(db: sqlite3.Connection, account_id: str, endpoint_id: str | None, moment: int) -> int:
    """How many deliveries a replay of everything since a moment (ms) is about."""
    first, last = range_since(db, moment)
    values = {"first": first, "last": last, "account": account_id, "endpoint": endpoint_id}
    return int(db.execute(f"SELECT count(*){TO_TELL}{_OF}", values).fetchone()[0])


def hurry(db: sqlite3.Connection, seq: int, account_id: str, endpoint_id: str | None, *, now: int) -> None:
    """Make the deliveries of this event due now; those of an endpoint that fails still wait for its probe."""
    db.execute(
        "UPDATE jobs SET due_at = min(due_at, :now) WHERE kind = 'deliver' AND subject IN (SELECT :seq || ':' || id"
        " FROM endpoints WHERE account_id = :account AND (:endpoint IS NULL OR id = :endpoint))",
        {"seq": seq, "account": account_id, "endpoint": endpoint_id, "now": now},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemCall:
    """A call to Tradera: `outcome` is 'ok', the failure's sentence, or None when unknown; not `counted`: it never arrived."""

    at: int
    operation: str
    generation: int
    outcome: str | None
    counted: bool
    duration_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemDelivery:
    """A delivery of one of the item's events; `ok` when the endpoint took it."""

    at: int
    event_type: str
    url: str
    attempt: int
    ok: bool
    http_status: int | None
    error: str | None


def calls(db: sqlite3.Connection, item_id: str, *, limit: int) -> list[ItemCall]:
    """The latest calls made for the item's ads, newest first."""
    rows = db.execute(
        "SELECT at, operation, generation, outcome, counted, duration_ms FROM listings JOIN calls"
        " ON calls.listing_id = listings.id WHERE item_id = ? ORDER BY calls.id DESC LIMIT ?",
        (item_id, limit),
    )
    return [
        ItemCall(**{**dict(row), "counted": bool(row["counted"]), "outcome": restored(row["outcome"])})
        for row in rows.fetchall()
    ]


def deliveries(db: sqlite3.Connection, item_id: str, *, limit: int) -> list[ItemDelivery]:
    """The latest deliveries of the item's events, newest first."""
    rows = db.execute(
        "SELECT d.created_at AS at, d.event_type, d.url, d.attempt, d.status = 'success' AS ok, d.http_status, d.error"
        " FROM notices n JOIN deliveries d ON d.notice_seq = n.seq WHERE n.item_id = ? ORDER BY d.id DESC LIMIT ?",
        (item_id, limit),
    )
    return [
        ItemDelivery(**{**dict(row), "ok": bool(row["ok"]), "error": restored(row["error"])})
        for row in rows.fetchall()
    ]
