"""What was done about an item, read from the ledger and the delivery log: Tradera's calls and the webhooks told.

Reads only. The milestones are read by `outbox.history`.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """A call to Tradera: `outcome` is 'ok', the failure's sentence, or None where nobody knows. `counted` False: never arrived."""

    at: int
    operation: str
    generation: int
    outcome: str | None
    counted: bool
    duration_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """A try to tell an endpoint of one of the item's events; `ok` when it took it."""

    at: int
    event_type: str
    url: str
    attempt: int
    ok: bool
    http_status: int | None
    error: str | None


def calls(db: sqlite3.Connection, item_id: str, *, limit: int) -> list[Called]:
    """The latest calls made for the item's ads, newest first."""
    rows = db.execute(
        "SELECT at, operation, generation, outcome, counted, duration_ms FROM listings JOIN calls"
        " ON calls.listing_id = listings.id WHERE item_id = ? ORDER BY calls.id DESC LIMIT ?",
        (item_id, limit),
    )
    return [Called(**{**dict(row), "counted": bool(row["counted"])}) for row in rows.fetchall()]


def deliveries(db: sqlite3.Connection, item_id: str, *, limit: int) -> list[Delivered]:
    """The latest tries to tell of the item, newest first."""
    rows = db.execute(
        "SELECT d.created_at AS at, d.event_type, d.url, d.attempt, d.status = 'success' AS ok, d.http_status, d.error"
        " FROM notices n JOIN deliveries d ON d.notice_seq = n.seq WHERE n.item_id = ? ORDER BY d.id DESC LIMIT ?",
        (item_id, limit),
    )
    return [Delivered(**{**dict(row), "ok": bool(row["ok"])}) for row in rows.fetchall()]
