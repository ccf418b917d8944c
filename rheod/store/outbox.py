"""Rows of events and their deliveries: what has happened, which endpoints take it, which delivery goes next, and each attempt.

An event is written in the transaction that changed the state; its bytes never change afterwards. Attempts are written once and
read newest first; any filter is fast however long the log is, since a page is put together from the newest rows of a few short
runs of an index, one for each type of event and each status.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Literal

from rheod.domain.model import WEBHOOK_EVENTS, EventType, Job, JobKind, QueueName
from rheod.store.columns import restored
from rheod.store.endpoints import TAKES
from rheod.store.jobs import ITS_ITEM, Owner, job_of

_NEWEST = 2**63 - 1
_EVENTS = ", ".join(f"'{event.value}'" for event in sorted(WEBHOOK_EVENTS))
"""Every event, spelt out, so that SQLite walks the index of the log by type."""

FIRST_TRIES = 6
"""Tries of the documented quick schedule (0, 1, 3, 7, 15 and 31 s): an event that alone fails blocks no longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """An event to be stored: `body` is None for history alone, `once` names what may happen only once.

    `members_body` is what the reseller of a member account gets. One about an order has its number, and says whether the
    buyer is in it, who is to be erased some day.
    """

    event_id: str
    type: str
    data: str
    body: bytes | None
    members_body: bytes | None = None
    once: str | None = None
    order_id: int | None = None
    names_buyer: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EventToDeliver:
    """An event as it is sent: its id and its bytes."""

    seq: int
    event_id: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PastEvent:
    """An event as history shows it."""

    seq: int
    event_id: str
    type: str
    data: dict[str, Any]
    created_at: int


def add_event(db: sqlite3.Connection, event: NewEvent, owner: Owner, *, now: int) -> int | None:
    """Store an event and return its number; None when it may happen only once and has."""
    stored = db.execute(
        "INSERT INTO notices (event_id, account_id, item_id, type, data, body, members_body, once, order_id, names_buyer,"
        " created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (once) WHERE once IS NOT NULL DO NOTHING",
        (
            event.event_id,
            owner.account_id,
            owner.item_id,
            event.type,
            event.data,
            event.body,
            event.members_body,
            event.once,
            event.order_id,
            int(event.names_buyer),
            now,
        ),
    )
    return stored.lastrowid if stored.rowcount else None


TO_TELL = (
    " FROM notices n, endpoints e"
    f" WHERE n.body IS NOT NULL AND n.erased_at IS NULL AND e.url IS NOT NULL AND e.removed_at IS NULL AND {TAKES}"
)
"""Events `n` with the endpoints `e` that take them; the caller adds which events."""

_LINE = "coalesce((SELECT line FROM items WHERE items.id = n.item_id), n.item_id, 'order:' || n.order_id)"
"""What an event stands in line with."""

ORDER = (
    "INSERT INTO jobs (lane, kind, subject, account_id, item_id, line, endpoint_id, notice_seq, rank, due_at, created_at)"
    f" SELECT '{QueueName.WEBHOOKS.value}', '{JobKind.DELIVER.value}', n.seq || ':' || e.id, n.account_id, n.item_id,"
    f" {_LINE}, e.id,"
    f" n.seq, :rank, :now, :now{TO_TELL}"
)
"""Orders deliveries of those events to those endpoints."""


_TAKERS = f"SELECT e.id, n.account_id, n.item_id, {_LINE}{TO_TELL} AND n.seq = ?"
_ORDER_ONE = (
    "INSERT INTO jobs (lane, kind, subject, account_id, item_id, line, endpoint_id, notice_seq, due_at, created_at)"
    f" VALUES ('{QueueName.WEBHOOKS.value}', '{JobKind.DELIVER.value}', ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)


def order_deliveries(db: sqlite3.Connection, seq: int, *, now: int) -> None:
    """Order one delivery of the event for each endpoint that has an address and takes such events.

    Asked first and inserted then: an INSERT of a SELECT makes a table in between, though as a rule there is one endpoint.
    """
    for endpoint_id, account_id, item_id, line in db.execute(_TAKERS, (seq,)).fetchall():
        values = (f"{seq}:{endpoint_id}", account_id, item_id, line, endpoint_id, seq, now, now)
        db.execute(_ORDER_ONE, values)


def join_lines(db: sqlite3.Connection, item_ids: Sequence[str]) -> None:
    """Let the events of these items stand in one line from now on, those that wait too: they were sold together.

    The first that is due and not aside has all later ones behind it.
    """
    marks = ",".join("?" * len(item_ids))
    lines = {
        row[0]
        for row in db.execute(
            f"SELECT coalesce(line, id) FROM items WHERE id IN ({marks})", tuple(item_ids)
        ).fetchall()
    }
    if len(lines) < 2:
        return
    first, *others = sorted(lines)
    values = {"first": first, "others": json.dumps(others)}
    among = "IN (SELECT value FROM json_each(:others))"
    db.execute(f"UPDATE items SET line = :first WHERE line {among}", values)
    db.execute(f"UPDATE items SET line = :first WHERE id {among}", values)
    for (endpoint_id,) in db.execute("SELECT id FROM endpoints WHERE removed_at IS NULL").fetchall():
        mine = {**values, "endpoint": endpoint_id}
        moved = db.execute(
            f"UPDATE jobs SET line = :first WHERE lane = 'hooks' AND endpoint_id = :endpoint AND line {among}",
            mine,
        ).rowcount
        if moved:
            db.execute(
                "UPDATE jobs SET behind = EXISTS (SELECT 1 FROM jobs before WHERE before.lane = 'hooks'"
                " AND before.endpoint_id = :endpoint AND before.line = :first AND before.notice_seq < jobs.notice_seq"
                " AND before.state = 'due' AND before.aside = 0)"
                " WHERE lane = 'hooks' AND endpoint_id = :endpoint AND line = :first",
                mine,
            )


def told(db: sqlite3.Connection, seq: int, account_id: str) -> EventToDeliver:
    """The event of this number as an endpoint of this account gets it; a reseller's names the member."""
    row = db.execute(
        "SELECT seq, event_id, CASE account_id WHEN ? THEN body ELSE members_body END AS body FROM notices"
        " WHERE seq = ?",
        (account_id, seq),
    ).fetchone()
    return EventToDeliver(seq=row["seq"], event_id=row["event_id"], body=row["body"])


def history(
    db: sqlite3.Connection, item_id: str, *, limit: int, before: int | None = None
) -> list[PastEvent]:
    """Events of an item, newest first, those whose number is below `before`."""
    rows = db.execute(
        "SELECT seq, event_id, type, data, created_at FROM notices WHERE item_id = ? AND seq < ?"
        " ORDER BY seq DESC LIMIT ?",
        (item_id, _NEWEST if before is None else before, limit),
    )
    return [PastEvent(**{**dict(row), "data": json.loads(row["data"])}) for row in rows.fetchall()]


def last_at(db: sqlite3.Connection, item_id: str, event_type: EventType) -> int | None:
    """When the last event of this type happened to an item (ms); None without one."""
    row = db.execute(
        "SELECT created_at FROM notices WHERE item_id = ? AND type = ? ORDER BY seq DESC LIMIT 1",
        (item_id, event_type),
    ).fetchone()
    return row and int(row["created_at"])


def history_length(db: sqlite3.Connection, item_id: str) -> int:
    """How many events an item has."""
    row = db.execute("SELECT count(*) FROM notices WHERE item_id = ?", (item_id,)).fetchone()
    return int(row[0])


_HEADS = "lane = 'hooks' AND state = 'due' AND behind = 0"
"""Deliveries that wait for no older event of their item; spelt as in the schema, so that SQLite finds their index."""

_FIRST_DUE = (
    "SELECT *, (SELECT external_id FROM items WHERE items.id = heads.item_id) AS external_id FROM"
    f" (SELECT * FROM jobs INDEXED BY jobs_heads WHERE {_HEADS} AND endpoint_id = ? AND rank IN (0, 1) AND due_at <= ?"
    " ORDER BY rank, due_at, id LIMIT ?) AS heads ORDER BY rank, id"
)
"""What goes to a healthy endpoint next: the longest due, in the order in which they were ordered."""

_LEAST_TRIED = (
    f"SELECT *, {ITS_ITEM} FROM jobs INDEXED BY jobs_probes WHERE {_HEADS} AND endpoint_id = ?"
    " ORDER BY attempts, id LIMIT 1"
)
"""The delivery that a failing endpoint is probed with."""


def deliverable(
    db: sqlite3.Connection, *, now: int, limit: int, running: Sequence[int], settling: Sequence[int] = ()
) -> list[Job]:
    """The deliveries that may go now.

    Each endpoint for itself: a healthy one gets its due events, of one item only the oldest at a time (`behind` in the
    schema), new events before replays; a failing one gets a single event when its probe is due, the least tried first,
    so that one bad event never holds the rest. They take turns, and none has more than an equal share of the `limit`, so
    that neither a long queue nor a slow receiver takes the others' share. Running ones that only wait for their outcome to
    be stored (`settling`) count towards no share.
    """
    rows = db.execute(
        "SELECT id, fail_count, probe_at FROM endpoints WHERE active = 1 AND url IS NOT NULL"
    ).fetchall()
    busy = _endpoints_of(db, running)
    settled = _endpoints_of(db, settling)
    share = max(1, (limit - len(settling)) // max(1, len(rows)))
    queues: list[list[Job]] = []
    for each in rows:
        if each["fail_count"] == 0:
            due = db.execute(_FIRST_DUE, (each["id"], now, share + busy[each["id"]])).fetchall()
            fresh = [job for job in map(job_of, due) if job.id not in running]
            queues.append(fresh[: max(0, share - busy[each["id"]] + settled[each["id"]])])
        elif each["id"] not in busy and (each["probe_at"] or 0) <= now:
            queues.append([job_of(row) for row in db.execute(_LEAST_TRIED, (each["id"],)).fetchall()])
    picked = [job for turn in zip_longest(*queues) for job in turn if job is not None]
    return [job for job in picked if job.id not in running][:limit]


def _endpoints_of(db: sqlite3.Connection, job_ids: Sequence[int]) -> Counter[str]:
    """How many of these deliveries each endpoint has."""
    if not job_ids:
        return Counter()
    marks = ",".join("?" * len(job_ids))
    rows = db.execute(f"SELECT endpoint_id FROM jobs WHERE id IN ({marks})", tuple(job_ids))
    return Counter(row[0] for row in rows.fetchall())


def step_aside(db: sqlite3.Connection, job: Job, *, failed_alone: int) -> None:
    """Let later events of the item pass this one, which fails while its endpoint takes others."""
    db.execute("UPDATE jobs SET aside = max(1, ?) WHERE id = ?", (failed_alone, job.id))


def times_alone(db: sqlite3.Connection, job: Job, endpoint_id: str) -> int:
    """How often the delivery has failed while its endpoint took others, if it fails now."""
    row = db.execute(
        "SELECT aside + EXISTS (SELECT 1 FROM deliveries WHERE endpoint_id = :endpoint"
        f" AND event_type IN ({_EVENTS}) AND status = 'success'"
        " AND id > (SELECT max(id) FROM deliveries mine WHERE mine.notice_seq = :seq AND mine.endpoint_id = :endpoint))"
        " FROM jobs WHERE jobs.id = :job",
        {"endpoint": endpoint_id, "seq": int(job.subject.partition(":")[0]), "job": job.id},
    ).fetchone()
    return 0 if row is None else int(row[0])


def let_go(db: sqlite3.Connection, endpoint_id: str, *, now: int) -> None:
    """Make due now what waited for an endpoint that takes events again; its tries stay counted."""
    db.execute(
        "UPDATE jobs SET due_at = ? WHERE lane = 'hooks' AND endpoint_id = ? AND state = 'due' AND aside = 0"
        " AND due_at > ?",
        (now, endpoint_id, now),
    )


def release(db: sqlite3.Connection, endpoint_id: str, *, now: int) -> None:
    """Make due now all that waits for an endpoint the owner has put right; its tries are forgotten."""
    put_right = "SET state = 'due', due_at = min(due_at, ?1), attempts = 0, aside = 0, reason = NULL"
    for chosen in (
        "INDEXED BY jobs_tried {} WHERE lane = 'hooks' AND endpoint_id = ?2 AND (attempts > 0 OR aside > 0)",
        "INDEXED BY jobs_due {} WHERE lane = 'hooks' AND state = 'due' AND endpoint_id = ?2 AND due_at > ?1",
    ):  # those that were tried, and others that wait for a time: not all of a queue that may be long
        db.execute(f"UPDATE jobs {chosen.format(put_right)}", (now, endpoint_id))


def next_delivery_at(db: sqlite3.Connection, *, after: int) -> int | None:
    """When the next delivery that may not go now may: a due time of a healthy endpoint or a probe of a failing one."""
    row = db.execute(
        "SELECT min(at) FROM (SELECT min((SELECT coalesce(min(due_at), :never) FROM jobs WHERE"
        f" {_HEADS} AND endpoint_id = e.id AND rank = 0 AND due_at > :after), (SELECT coalesce(min(due_at), :never)"
        f" FROM jobs WHERE {_HEADS} AND endpoint_id = e.id AND rank = 1 AND due_at > :after)) AS at"
        " FROM endpoints e WHERE e.active = 1 AND e.fail_count = 0"
        " UNION ALL SELECT min(probe_at) FROM endpoints WHERE active = 1 AND fail_count > 0 AND probe_at > :after)",
        {"after": after, "never": _NEWEST},
    ).fetchone()
    at: int | None = row[0]
    return None if at == _NEWEST else at


Status = Literal["success", "failed"]
STATUSES: tuple[Status, ...] = ("success", "failed")
SNIPPET_BYTES = 2048
"""So many bytes of an event's body are shown with an attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try of delivering an event to an endpoint, at the address it had then."""

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
class LoggedAttempt:
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
class AttemptDetail:
    """An attempt with the beginnings of what was sent and of what was answered."""

    logged: LoggedAttempt
    sent: str
    answered: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFilter:
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
    "SELECT d.id, d.endpoint_id, n.event_id, d.event_type, coalesce(i.external_id, '') AS external_id, d.url, d.attempt, d.status, d.http_status,"
    " d.error, d.duration_ms, d.created_at FROM deliveries d JOIN notices n ON n.seq = d.notice_seq"
    " LEFT JOIN items i ON i.id = n.item_id"
)


def page(db: sqlite3.Connection, wanted: AttemptFilter, *, limit: int) -> list[LoggedAttempt]:
    """The newest attempts that pass the filters, newest first."""
    runs, values = _runs(wanted)
    newest = " UNION ALL ".join(f"SELECT id FROM ({run} ORDER BY id DESC LIMIT :limit)" for run in runs)
    rows = db.execute(
        f"{_SHOWN} WHERE d.id IN (SELECT id FROM ({newest}) ORDER BY id DESC LIMIT :limit) ORDER BY d.id DESC",
        {**values, "limit": limit},
    )
    return [_logged(row) for row in rows.fetchall()]


def _logged(row: sqlite3.Row) -> LoggedAttempt:
    return LoggedAttempt(**{**dict(row), "error": restored(row["error"])})


def _runs(wanted: AttemptFilter) -> tuple[list[str], dict[str, object]]:
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


def exchange(db: sqlite3.Connection, account_id: str, delivery_id: int) -> AttemptDetail | None:
    """One attempt of the account's endpoints with what was sent and answered, None when there is none."""
    row = db.execute(f"{_SHOWN} WHERE d.id = ? AND d.account_id = ?", (delivery_id, account_id)).fetchone()
    if row is None:
        return None
    body = db.execute(
        "SELECT snippet, substr(CASE d.account_id WHEN n.account_id THEN n.body ELSE n.members_body END, 1, ?) AS sent"
        " FROM deliveries d JOIN notices n ON n.seq = d.notice_seq WHERE d.id = ?",
        (SNIPPET_BYTES, delivery_id),
    ).fetchone()
    sent = bytes(body["sent"]).decode("utf-8", errors="replace")
    return AttemptDetail(logged=_logged(row), sent=sent, answered=body["snippet"])


def drop_old_deliveries(db: sqlite3.Connection, *, before: int, limit: int) -> int:
    """Forget attempts older than `before` (ms), at most `limit` at a time; returns how many."""
    return db.execute(
        "DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries WHERE created_at < ? LIMIT ?)",
        (before, limit),
    ).rowcount
