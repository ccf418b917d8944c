"""Rows of the jobs table: ordered, picked for a queue, finished, put off or held.

No row says that a job is running: the queues remember that in memory, so that after a crash every job is due again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from rheod.domain.budget import Load
from rheod.domain.errors import Text
from rheod.domain.model import CallClass, Job, JobKind, JobOrder, QueueName
from rheod.store.columns import restored

CLASSES = tuple(CallClass)
"""The classes of Tradera calls by rank: the place of a class is the rank of its jobs."""

CLASS_OF: Mapping[JobKind, CallClass] = {
    JobKind.TAKEOVER: CallClass.TAKEOVER,
    JobKind.END: CallClass.END,
    JobKind.ORDERS: CallClass.ORDERS,
    JobKind.SHIP: CallClass.SHIP,
    JobKind.CONFIRM: CallClass.SHIP,
    JobKind.RESULTS: CallClass.RESULTS,
    JobKind.LOOK: CallClass.RESULTS,
    JobKind.REPRICE: CallClass.PRICE,
    JobKind.PUBLISH: CallClass.PUBLISH,
    JobKind.RELIST: CallClass.PUBLISH,
    JobKind.RECONCILE: CallClass.RECONCILE,
    JobKind.BIDS: CallClass.RECONCILE,
    JobKind.REFERENCE: CallClass.REFERENCE,
}
"""The class of call that each kind of job of the Tradera queue makes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The account, item and endpoint of a job; `endpoint_id` is set for deliveries alone."""

    account_id: str
    item_id: str | None = None
    endpoint_id: str | None = None


def order(db: sqlite3.Connection, wanted: JobOrder, owner: Owner, *, now: int) -> None:
    """Order a job. If it exists it is made due no later, and runs again if it runs now; a held one is released."""
    db.execute(
        "INSERT INTO jobs (lane, kind, subject, account_id, item_id, endpoint_id, due_at, cost, rank, created_at)"
        " VALUES (:lane, :kind, :subject, :account, :item, :endpoint, :due, :cost, :rank, :now)"
        " ON CONFLICT (kind, subject) DO UPDATE SET due_at = min(due_at, excluded.due_at), cost = excluded.cost,"
        " state = 'due', revision = revision + 1, reason = NULL",
        {
            "lane": wanted.queue,
            "kind": wanted.kind,
            "subject": wanted.subject,
            "account": owner.account_id,
            "item": owner.item_id,
            "endpoint": owner.endpoint_id,
            "due": now + wanted.delay_ms,
            "cost": wanted.cost,
            "rank": CLASSES.index(CLASS_OF[wanted.kind]) if wanted.kind in CLASS_OF else 0,
            "now": now,
        },
    )


def hurry(db: sqlite3.Connection, kind: JobKind, subject: str, *, now: int) -> None:
    """The owner wants this job tried now, however it waits; it goes before those that have failed."""
    db.execute(
        "UPDATE jobs SET due_at = min(due_at, :now), unclear = 0, state = 'due', revision = revision + 1"
        " WHERE kind = :kind AND subject = :subject",
        {"kind": kind, "subject": subject, "now": now},
    )


def end_wait(db: sqlite3.Connection, kind: JobKind, reason: Text, *, now: int) -> None:
    """What these jobs wait for, which is said in just these words, is there: they are due now."""
    db.execute(
        "UPDATE jobs SET due_at = :now, revision = revision + 1"
        " WHERE kind = :kind AND state = 'due' AND due_at > :now AND reason = :reason",
        {"kind": kind, "reason": reason, "now": now},
    )


ITS_ITEM = "(SELECT external_id FROM items WHERE items.id = jobs.item_id) AS external_id"
"""A column of a SELECT from jobs: how the ERP calls the item that a job is about."""


def due(
    db: sqlite3.Connection,
    queue: QueueName,
    *,
    now: int,
    limit: int,
    account_id: str | None = None,
    blocked: Collection[CallClass] = (),
) -> list[Job]:
    """Due jobs of a queue: Tradera's by urgency and then age, those that have failed last; the others' by due time.

    Jobs of the `blocked` classes of calls are left out.
    """
    urgent = (
        queue is QueueName.TRADERA
    )  # the + keeps SQLite off the index by time, so that it walks the one by rank
    by, at = ("rank, unclear > 0, id", "+due_at") if urgent else ("due_at, id", "due_at")
    ranks = ",".join(str(rank) for rank, each in enumerate(CLASSES) if each not in blocked)
    wanted = f" AND rank IN ({ranks})" if blocked else ""
    rows = db.execute(
        f"SELECT *, {ITS_ITEM} FROM jobs WHERE {_of(queue, account_id)} AND {at} <= :now{wanted}"
        f" ORDER BY {by} LIMIT :limit",
        {"now": now, "account": account_id, "limit": limit},
    )
    return [job_of(row) for row in rows.fetchall()]


def _of(queue: QueueName, account_id: str | None) -> str:
    """The WHERE of a queue's due jobs; a parameter for the queue would keep SQLite from its partial index."""
    account = "" if account_id is None else " AND account_id = :account"
    return f"lane = '{QueueName(queue).value}' AND state = 'due'{account}"


def next_due(
    db: sqlite3.Connection,
    queue: QueueName,
    *,
    after: int,
    account_id: str | None = None,
    kind: JobKind | None = None,
) -> int | None:
    """When (ms) the queue's next job (of this kind) becomes due, after `after`; None when there is none."""
    of_kind = "" if kind is None else " AND +kind = :kind"
    row = db.execute(
        f"SELECT min(due_at) FROM jobs WHERE {_of(queue, account_id)} AND due_at > :after{of_kind}",
        {"after": after, "account": account_id, "kind": kind},
    ).fetchone()
    at: int | None = row[0]
    return at


def oldest_publishing(db: sqlite3.Connection, account_id: str) -> int | None:
    """When the first of the account's publishings that wait was ordered (ms)."""
    row = db.execute(
        "SELECT created_at FROM jobs WHERE kind = 'publish' AND account_id = ? ORDER BY id LIMIT 1",
        (account_id,),
    ).fetchone()
    return None if row is None else row[0]


def due_at(db: sqlite3.Connection, kind: JobKind, subject: str) -> int | None:
    """When the job of this kind about this subject is tried next (ms); None where there is none."""
    row = db.execute("SELECT due_at FROM jobs WHERE kind = ? AND subject = ?", (kind, subject)).fetchone()
    return None if row is None else row[0]


def waiting_costs(
    db: sqlite3.Connection, account_id: str, classes: Collection[CallClass], *, now: int, most: int
) -> list[tuple[JobKind, int]]:
    """The kinds and costs in calls of an account's due jobs of these classes, in the order they run, at most `most`."""
    ranks = ",".join(str(CLASSES.index(each)) for each in classes)
    rows = db.execute(
        f"SELECT kind, max(cost, 1) FROM jobs WHERE {_of(QueueName.TRADERA, account_id)} AND +due_at <= :now"
        f" AND rank IN ({ranks}) ORDER BY rank, unclear > 0, id LIMIT :most",
        {"now": now, "account": account_id, "most": most},
    )
    return [(JobKind(row[0]), row[1]) for row in rows.fetchall()]


def job_of(row: sqlite3.Row) -> Job:
    """A job from its row."""
    return Job(
        id=row["id"],
        queue=QueueName(row["lane"]),
        kind=JobKind(row["kind"]),
        subject=row["subject"],
        account_id=row["account_id"],
        item_id=row["item_id"],
        external_id=row["external_id"] if "external_id" in row.keys() else None,  # noqa: SIM118 - a row's own names
        attempts=row["attempts"],
        unclear=row["unclear"],
        due_at=row["due_at"],
        revision=row["revision"],
        created_at=row["created_at"],
    )


def finish(db: sqlite3.Connection, job: Job) -> None:
    """The job is done; if it was ordered again meanwhile it stays, due as ordered and with no tries counted."""
    gone = db.execute("DELETE FROM jobs WHERE id = ? AND revision = ?", (job.id, job.revision)).rowcount
    if not gone:
        db.execute("UPDATE jobs SET attempts = 0, unclear = 0, unclear_since = NULL WHERE id = ?", (job.id,))


def put_off(db: sqlite3.Connection, job: Job, *, until: int, reason: str, counted: bool) -> None:
    """Try the job again at `until` (ms); `counted` says whether this try was a failure of the work itself."""
    db.execute(
        "UPDATE jobs SET due_at = CASE revision WHEN :revision THEN :until ELSE due_at END,"
        " attempts = attempts + :counted, reason = :reason WHERE id = :id",
        {"until": until, "revision": job.revision, "counted": counted, "reason": reason, "id": job.id},
    )


def answered(db: sqlite3.Connection, job: Job) -> None:
    """The job's remote has answered clearly: the tries before that do not count any more."""
    db.execute("UPDATE jobs SET unclear = 0, unclear_since = NULL WHERE id = ? AND unclear > 0", (job.id,))


def put_off_unclear(db: sqlite3.Connection, job: Job, *, until: int, reason: str, now: int) -> None:
    """The job got no clear answer: try it again at `until` (ms), after those that have not failed."""
    put_off(db, job, until=until, reason=reason, counted=False)
    db.execute(
        "UPDATE jobs SET unclear = unclear + 1, unclear_since = coalesce(unclear_since, ?) WHERE id = ?",
        (now, job.id),
    )


def hold(db: sqlite3.Connection, job: Job, *, reason: str) -> None:
    """Keep the job until somebody orders it again."""
    db.execute(
        "UPDATE jobs SET state = 'held', attempts = attempts + 1, reason = ? WHERE id = ? AND revision = ?",
        (reason, job.id, job.revision),
    )


def drop(db: sqlite3.Connection, kind: JobKind, subjects: Iterable[str]) -> None:
    """Delete jobs that nobody needs any more."""
    if gone := [(kind, subject) for subject in subjects]:
        db.executemany("DELETE FROM jobs WHERE kind = ? AND subject = ?", gone)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuePosition:
    """Where a publish stands in its account's queue: its position from 1, and what the queue up to it costs in calls.

    `others` are the whole queues of the other accounts, by account id: all share one budget.
    """

    position: int
    cost_up_to: int
    due_at: int
    reason: str | None
    others: Mapping[str, Load]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingJob:
    """A job that is not done: why, where something is known, since when and until when (ms)."""

    kind: JobKind
    reason: str | None
    created_at: int
    due_at: int
    attempts: int


def at_tradera(db: sqlite3.Connection, item_id: str) -> WaitingJob | None:
    """The most urgent job of an item that calls Tradera; None when it has none."""
    row = db.execute(
        "SELECT kind, reason, coalesce(unclear_since, created_at) AS created_at, due_at, attempts + unclear AS attempts"
        " FROM jobs WHERE item_id = ? AND +lane = 'tradera' ORDER BY rank, id LIMIT 1",
        (item_id,),
    ).fetchone()
    if row is None:
        return None
    return WaitingJob(**{**dict(row), "kind": JobKind(row["kind"]), "reason": restored(row["reason"])})


def of_pictures(db: sqlite3.Connection, item_id: str) -> WaitingJob | None:
    """The longest waiting job of an item's pictures whose tries have failed so far; None when it has none."""
    row = db.execute(
        "SELECT kind, reason, created_at, due_at, attempts FROM jobs WHERE item_id = ? AND +lane = 'images'"
        " AND attempts > 0 ORDER BY created_at, id LIMIT 1",
        (item_id,),
    ).fetchone()
    return row and WaitingJob(
        **{**dict(row), "kind": JobKind(row["kind"]), "reason": restored(row["reason"])}
    )


STRETCH = 4096
"""So many job ids share one row of `publish_sums`."""


def place_of_publish(db: sqlite3.Connection, listing_id: str) -> QueuePosition | None:
    """The position of a listing's publish job among those of its account; None when it does not wait."""
    mine = db.execute(
        "SELECT id, account_id, due_at, reason FROM jobs WHERE kind = 'publish' AND subject = ?",
        (listing_id,),
    ).fetchone()
    if mine is None:
        return None
    before = db.execute(
        "SELECT sum(count) AS position, sum(cost) AS cost FROM ("
        "SELECT count, cost FROM publish_sums WHERE account_id = :account AND stretch < :id / :stretch"
        " UNION ALL SELECT count(*), sum(cost) FROM jobs WHERE kind = 'publish' AND account_id = :account"
        " AND id BETWEEN :id / :stretch * :stretch AND :id)",
        {"account": mine["account_id"], "id": mine["id"], "stretch": STRETCH},
    ).fetchone()
    others = db.execute(
        "SELECT account_id, sum(count), sum(cost) FROM publish_sums WHERE account_id <> ? GROUP BY account_id",
        (mine["account_id"],),
    ).fetchall()
    return QueuePosition(
        position=before["position"],
        cost_up_to=before["cost"],
        due_at=mine["due_at"],
        reason=restored(mine["reason"]),
        others={each[0]: Load(each[1], each[2]) for each in others},
    )


def waiting_longer(db: sqlite3.Connection, job: Job) -> list[str]:
    """The accounts whose job of this kind has been due for longer."""
    rows = db.execute(
        "SELECT account_id FROM jobs WHERE kind = ? AND state = 'due' AND (due_at, id) < (?, ?)",
        (job.kind, job.due_at, job.id),
    )
    return [row[0] for row in rows.fetchall()]


def depths(db: sqlite3.Connection) -> dict[str, int]:
    """How many jobs each queue has, by its stored name."""
    rows = db.execute("SELECT lane, sum(count) FROM job_counts GROUP BY lane HAVING sum(count) > 0")
    return {row[0]: row[1] for row in rows.fetchall()}


def publishings(db: sqlite3.Connection) -> dict[str, int]:
    """How many publishings each account has waiting, by account id."""
    rows = db.execute(
        "SELECT account_id, count FROM job_counts WHERE lane = 'tradera' AND kind = 'publish' AND count > 0"
    )
    return {row[0]: row[1] for row in rows.fetchall()}
