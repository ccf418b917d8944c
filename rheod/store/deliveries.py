"""Rows of deliveries: the log of every attempt to tell an endpoint, written once and read newest first.

Any filter is read fast however long the log is: a page is put together from the newest rows of a few short runs of an
index, one for each type of event and each status.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Literal

from rheod.domain.model import WEBHOOK_EVENTS

Status = Literal["success", "failed"]
STATUSES: tuple[Status, ...] = ("success", "failed")
SNIPPET_BYTES = 2048
"""So much of an event's body is shown with an attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try of delivering a notice to an endpoint at this address."""

    endpoint_id: str
    notice_seq: int
    url: str
    attempt: int
    ok: bool
    http_status: int | None
    error: str | None
    snippet: str | None
    duration_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """An attempt as the log shows it."""

    id: int
    endpoint_id: str
    event_id: str
    event_type: str
    external_id: str
    url: str
    attempt: int
    status: Status
    http_status: int | None
    error: str | None
    duration_ms: int
    created_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """An attempt with the beginnings of what was sent and of what was answered."""

    logged: Logged
    sent: str
    answered: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What of an account's log is wanted; `before` is the id of an attempt and leaves it and all later ones out."""

    account_id: str
    endpoint_id: str | None = None
    event_id: str | None = None
    event_type: str | None = None
    status: str | None = None
    before: int | None = None


def log_attempt(db: sqlite3.Connection, attempt: Attempt, *, now: int) -> None:
    """Add a row to the delivery log."""
    db.execute(
        "INSERT INTO deliveries (endpoint_id, account_id, notice_seq, event_type, url, attempt, status, http_status,"
        " error, snippet, duration_ms, created_at) SELECT e.id, e.account_id, n.seq, n.type, :url, :attempt, :status,"
        " :http_status, :error, :snippet, :duration_ms, :now FROM endpoints e, notices n"
        " WHERE e.id = :endpoint_id AND n.seq = :notice_seq",
        {
            "endpoint_id": attempt.endpoint_id,
            "notice_seq": attempt.notice_seq,
            "url": attempt.url,
            "attempt": attempt.attempt,
            "status": "success" if attempt.ok else "failed",
            "http_status": attempt.http_status,
            "error": attempt.error,
            "snippet": attempt.snippet,
            "duration_ms": attempt.duration_ms,
            "now": now,
        },
    )


_SHOWN = (
    "SELECT d.id, d.endpoint_id, n.event_id, d.event_type, i.external_id, d.url, d.attempt, d.status, d.http_status,"
    " d.error, d.duration_ms, d.created_at FROM deliveries d JOIN notices n ON n.seq = d.notice_seq"
    " JOIN items i ON i.id = n.item_id"
)


def page(db: sqlite3.Connection, wanted: Filters, *, limit: int) -> list[Logged]:
    """The newest attempts that pass the filters, newest first."""
    runs, values = _runs(wanted)
    newest = " UNION ALL ".join(f"SELECT id FROM ({run} ORDER BY id DESC LIMIT :limit)" for run in runs)
    rows = db.execute(
        f"{_SHOWN} WHERE d.id IN (SELECT id FROM ({newest}) ORDER BY id DESC LIMIT :limit) ORDER BY d.id DESC",
        {**values, "limit": limit},
    )
    return [Logged(**dict(row)) for row in rows.fetchall()]


def _runs(wanted: Filters) -> tuple[list[str], dict[str, object]]:
    """One SELECT of ids for each run of an index that the filters reach, and the values of all."""
    values: dict[str, object] = {
        "account": wanted.account_id,
        "endpoint": wanted.endpoint_id,
        "event": wanted.event_id,
        "before": 2**63 - 1 if wanted.before is None else wanted.before,
    }
    where = "account_id = :account AND id < :before"
    if wanted.event_id is not None:
        where = f"notice_seq = (SELECT seq FROM notices WHERE event_id = :event) AND +{where}"
        if wanted.endpoint_id is not None:
            where += " AND endpoint_id = :endpoint"
    elif wanted.endpoint_id is not None:
        where = f"endpoint_id = :endpoint AND +{where}"
    types = sorted(WEBHOOK_EVENTS) if wanted.event_type is None else [wanted.event_type]
    statuses = STATUSES if wanted.status is None else [wanted.status]
    runs = []
    for number, event_type in enumerate(types):
        for status in statuses:
            values |= {f"type{number}": str(event_type), status: status}
            runs.append(
                f"SELECT id FROM deliveries WHERE {where} AND event_type = :type{number} AND status = :{status}"
            )
    return runs, values


def last_before(db: sqlite3.Connection, moment: int) -> int | None:
    """The id of the last attempt made before a moment (ms), None when there is none."""
    row = db.execute(
        "SELECT id FROM deliveries WHERE created_at < ? ORDER BY created_at DESC, id DESC LIMIT 1", (moment,)
    ).fetchone()
    return None if row is None else int(row["id"])


def exchange(db: sqlite3.Connection, account_id: str, delivery_id: int) -> Exchange | None:
    """One attempt of the account's endpoints with what was sent and answered, None when there is none."""
    row = db.execute(f"{_SHOWN} WHERE d.id = ? AND d.account_id = ?", (delivery_id, account_id)).fetchone()
    if row is None:
        return None
    told = db.execute(
        "SELECT snippet, substr(CASE d.account_id WHEN n.account_id THEN n.body ELSE n.members_body END, 1, ?) AS sent"
        " FROM deliveries d JOIN notices n ON n.seq = d.notice_seq WHERE d.id = ?",
        (SNIPPET_BYTES, delivery_id),
    ).fetchone()
    sent = bytes(told["sent"]).decode("utf-8", errors="replace")
    return Exchange(logged=Logged(**dict(row)), sent=sent, answered=told["snippet"])


def drop_old_deliveries(db: sqlite3.Connection, *, before: int, limit: int) -> int:
    """Forget attempts older than `before` (ms), at most `limit` at a time; returns how many."""
    return db.execute(
        "DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries WHERE created_at < ? LIMIT ?)",
        (before, limit),
    ).rowcount
