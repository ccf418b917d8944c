"""Facts for the owner and the machine: what waits, what is in doubt, sizes and counts, and times that a wrong clock wrote.

The reads behind the overview and the metrics each follow an index: a scrape costs the same with a million items. `inspect`
describes a database for the support bundle by a connection of its own, without any text of an item, a buyer or an answer.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from rheod.domain.budget import Load
from rheod.domain.model import JobKind, QueueName
from rheod.store import jobs
from rheod.store.columns import restored
from rheod.store.jobs import STRETCH


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingJobs:
    """Work that waits for longer than it should: how much, the oldest's begin (ms), the next try (ms) and why; and the oldest's account, where it is of any."""

    count: int
    since: int
    next_at: int | None
    reason: str | None
    owner: str = ""


@dataclass(frozen=True, slots=True)
class EndpointState:
    """An endpoint that has an address, and how many events wait for it.

    `failing_since` and `probe_at` (ms) are set while it takes none. `alone` are events that only they themselves keep
    from being taken: it takes others. `owner` is its account's reference.
    """

    id: str
    url: str
    active: bool
    fail_count: int
    waiting: int
    failing_since: int | None
    probe_at: int | None
    alone: WaitingJobs | None
    owner: str = ""


def endpoints(db: sqlite3.Connection) -> list[EndpointState]:
    """Every endpoint of every account that has an address."""
    rows = db.execute(
        "SELECT id, url, active, fail_count, CASE WHEN fail_count > 0 THEN failing_since END AS failing_since,"
        " CASE WHEN active = 1 AND fail_count > 0 THEN probe_at END AS probe_at, coalesce((SELECT sum(count) FROM job_counts"
        " WHERE lane = 'hooks' AND kind = 'deliver' AND endpoint_id = endpoints.id), 0) AS waiting,"
        " (SELECT reference FROM accounts WHERE accounts.id = endpoints.account_id) AS owner"
        " FROM endpoints WHERE url IS NOT NULL AND removed_at IS NULL ORDER BY created_at, id"
    ).fetchall()
    refused_alone = (
        "SELECT created_at, due_at, state, reason FROM jobs INDEXED BY jobs_tried WHERE lane = 'hooks'"
        " AND endpoint_id = ? AND (attempts > 0 OR aside > 0) AND (aside > 0 OR state = 'held')"
        " ORDER BY created_at LIMIT 1000"
    )
    return [
        EndpointState(
            **{**dict(row), "active": bool(row["active"])},
            alone=_waiting(db.execute(refused_alone, (row["id"],)).fetchall()),
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class StuckItem:
    """An item that is not as it should be, since when, and when rheod tries again to set it right (ms); None: it does not.

    `owner` is its account's reference.
    """

    external_id: str
    since: int
    next_at: int | None = None
    owner: str = ""


_OWNER = "(SELECT reference FROM accounts WHERE accounts.id = items.account_id)"


def in_doubt(db: sqlite3.Connection, *, limit: int) -> list[StuckItem]:
    """Items in doubt: Tradera has not said whether their ad is up; it is looked for ever more rarely."""
    rows = db.execute(
        f"SELECT items.external_id, {_OWNER} AS owner, coalesce(listings.commit_sent_at, listings.created_at) AS since,"
        " (SELECT due_at FROM jobs WHERE kind = 'look' AND subject = listings.id) AS next_at"
        " FROM listings JOIN items ON items.id = listings.item_id"
        " WHERE listings.state IN ('committing', 'committed') AND listings.ask_at IS NULL"
        " AND listings.error IS NOT NULL ORDER BY listings.created_at LIMIT ?",
        (limit,),
    )
    return [StuckItem(**dict(row)) for row in rows.fetchall()]


def put_off(db: sqlite3.Connection, *, limit: int) -> list[StuckItem]:
    """Items whose commit is to be sent once more, and no call is left for it."""
    rows = db.execute(
        f"SELECT items.external_id, {_OWNER} AS owner, listings.commit_sent_at AS since, listings.ask_at AS next_at"
        " FROM listings JOIN items ON items.id = listings.item_id"
        " WHERE listings.put_off IS NOT NULL AND listings.state IN ('committing', 'committed')"
        " AND listings.ask_at IS NOT NULL ORDER BY listings.commit_sent_at LIMIT ?",
        (limit,),
    )
    return [StuckItem(**dict(row)) for row in rows.fetchall()]


def doubled(db: sqlite3.Connection, *, limit: int) -> list[StuckItem]:
    """Items of which two ads are or may be up, since the second was made."""
    rows = db.execute(
        f"SELECT items.external_id, {_OWNER} AS owner, listings.created_at AS since,"
        " (SELECT due_at FROM jobs WHERE kind = 'end' AND subject = listings.id) AS next_at"
        " FROM listings JOIN items ON items.id = listings.item_id"
        " WHERE listings.state IN ('committing', 'committed', 'live') AND listings.surplus = 1"
        " ORDER BY listings.created_at LIMIT ?",
        (limit,),
    )
    return [StuckItem(**dict(row)) for row in rows.fetchall()]


def jobs_waiting(
    db: sqlite3.Connection, account_id: str, kind: JobKind, *, before: int
) -> WaitingJobs | None:
    """Jobs of one urgent kind that were ordered before this time (ms) and are still there; None without any."""
    rank = jobs.CLASSES.index(jobs.CLASS_OF[kind])
    rows = db.execute(
        "SELECT created_at, due_at, state, reason FROM jobs WHERE lane = 'tradera' AND account_id = ?"
        " AND state IN ('due', 'held') AND rank = ? AND created_at < ? ORDER BY created_at LIMIT 1000",
        (account_id, rank, before),
    ).fetchall()
    return _waiting(rows)


_UNCLEAR_OF = (JobKind.SHIP, JobKind.RESULTS, JobKind.REPRICE, JobKind.PUBLISH)
"""Endings and orders that wait are told by themselves, whether they have been tried or not."""


def jobs_without_answer(db: sqlite3.Connection, account_id: str, *, before: int) -> WaitingJobs | None:
    """Jobs at Tradera that have got no clear answer since before this time (ms), or are held; None without any."""
    found: list[sqlite3.Row] = []
    for rank in sorted({jobs.CLASSES.index(jobs.CLASS_OF[kind]) for kind in _UNCLEAR_OF}):
        for state, failed in (("due", 1), ("held", 0), ("held", 1)):
            found += db.execute(
                "SELECT coalesce(unclear_since, created_at) AS created_at, due_at, state, reason FROM jobs"
                " WHERE lane = 'tradera' AND account_id = ? AND state = ? AND rank = ? AND (unclear > 0) = ?"
                " AND coalesce(unclear_since, created_at) < ? AND kind <> 'look' LIMIT 1000",
                (account_id, state, rank, failed, before),
            ).fetchall()
    return _waiting(sorted(found, key=lambda row: row["created_at"]))


def _waiting(rows: Sequence[sqlite3.Row]) -> WaitingJobs | None:
    """What these jobs, the oldest first, come to."""
    if not rows:
        return None
    return WaitingJobs(
        count=len(rows),
        since=rows[0]["created_at"],
        next_at=min((row["due_at"] for row in rows if row["state"] == "due"), default=None),
        reason=next((restored(row["reason"]) for row in rows if row["reason"]), None),
    )


def sales_waiting(db: sqlite3.Connection, account_id: str, *, before: int) -> WaitingJobs | None:
    """Orders that a message named before this time (ms) and that are not looked up yet; None without any."""
    row = db.execute(
        "SELECT count(*) AS count, min(received_at) AS since FROM inbox WHERE account_id = ?"
        " AND type = 'OrderCreated' AND state = 'new' AND received_at < ?",
        (account_id, before),
    ).fetchone()
    if not row["count"]:
        return None
    job = db.execute(
        "SELECT due_at, reason FROM jobs WHERE kind = 'orders' AND subject = ?", (account_id,)
    ).fetchone()
    return WaitingJobs(
        count=row["count"],
        since=row["since"],
        next_at=job and job["due_at"],
        reason=restored(job["reason"]) if job and job["reason"] else None,
    )


_LATEST = 500
"""So many of the jobs that are due last are looked at: those that were put off after a failure are among them."""


def pictures_waiting(db: sqlite3.Connection, *, before: int) -> WaitingJobs | None:
    """Pictures ordered before this time (ms) whose tries have failed so far; None without any."""
    rows = db.execute(
        "SELECT *, (SELECT reference FROM accounts WHERE accounts.id = account_id) AS owner"
        " FROM (SELECT created_at, due_at, attempts, state, reason, account_id FROM jobs WHERE lane = 'images'"
        " AND state = 'due' ORDER BY due_at DESC LIMIT ?) WHERE attempts > 0 AND created_at < ? ORDER BY created_at",
        (_LATEST, before),
    ).fetchall()
    found = _waiting(rows)
    return found and replace(found, owner=rows[0]["owner"])


def not_published(db: sqlite3.Connection, account_id: str) -> tuple[int, int | None]:
    """How many items of the account are for sale and could not be published (`sync_error`), and the first's last change (ms)."""
    row = db.execute(
        "SELECT count(*), min(updated_at) FROM items WHERE account_id = ? AND tradera_status = 'sync_error'"
        " AND rheo_status IN ('draft', 'active') AND removed_at IS NULL",
        (account_id,),
    ).fetchone()
    return row[0], row[1]


def sold_but_up(db: sqlite3.Connection, *, limit: int) -> list[StuckItem]:
    """Items that are sold while an ad of them is up that Tradera does not end: it has bids."""
    rows = db.execute(
        f"SELECT external_id, {_OWNER} AS owner, updated_at AS since, (SELECT due_at FROM listings JOIN jobs ON jobs.kind = 'end'"
        " AND jobs.subject = listings.id WHERE listings.item_id = items.id AND listings.state = 'live') AS next_at"
        " FROM items WHERE rheo_status = 'sold' AND last_error IS NOT NULL AND EXISTS"
        " (SELECT 1 FROM listings WHERE item_id = items.id AND state = 'live') ORDER BY updated_at LIMIT ?",
        (limit,),
    )
    return [StuckItem(**dict(row)) for row in rows.fetchall()]


def reconciled_at(db: sqlite3.Connection, account_id: str) -> tuple[int, int | None] | None:
    """Until when (ms) the account's orders and ads have been compared with Tradera's, and when they are again.

    None while no ad of it is up: what went up after the last pass is not late before its own first one.
    """
    oldest = db.execute(
        "SELECT live_at FROM listings WHERE account_id = ? AND state = 'live' ORDER BY rowid LIMIT 1",
        (account_id,),
    ).fetchone()
    if oldest is None:
        return None
    mark = db.execute(
        "SELECT value FROM marks WHERE name = ?", (f"reconciled_until:{account_id}",)
    ).fetchone()
    return max(oldest["live_at"] or 0, 0 if mark is None else int(mark["value"])), jobs.due_at(
        db, JobKind.RECONCILE, account_id
    )


def installed_at(db: sqlite3.Connection) -> int:
    """When the first account was made (ms): the age of this rheod."""
    at: int = db.execute("SELECT min(created_at) FROM accounts").fetchone()[0]
    return at


@dataclass(frozen=True, slots=True)
class QueuedPublishing:
    """A publishing in the queue; `ads_up_to` and `cost_up_to` are all before it with itself, and their calls."""

    external_id: str
    title: str
    ads_up_to: int
    cost_up_to: int
    due_at: int
    reason: str | None
    picture: str | None = None


def next_publishings(db: sqlite3.Connection, account_id: str, *, limit: int) -> list[QueuedPublishing]:
    """The account's publishings that go out next, in the order of the queue that all accounts share."""
    rows = db.execute(
        "SELECT items.external_id, items.title, (SELECT file FROM pictures WHERE item_id = items.id AND state = 'ready'"
        " ORDER BY position LIMIT 1) AS picture, jobs.due_at, jobs.reason,"
        " (SELECT coalesce(sum(cost), 0) FROM publish_sums WHERE stretch < jobs.id / :stretch)"
        " + (SELECT sum(cost) FROM jobs before WHERE +before.kind = 'publish'"
        " AND before.id BETWEEN jobs.id / :stretch * :stretch AND jobs.id) AS cost_up_to,"
        " (SELECT coalesce(sum(count), 0) FROM publish_sums WHERE stretch < jobs.id / :stretch)"
        " + (SELECT count(*) FROM jobs before WHERE +before.kind = 'publish'"
        " AND before.id BETWEEN jobs.id / :stretch * :stretch AND jobs.id) AS ads_up_to FROM jobs JOIN items ON"
        " items.id = jobs.item_id WHERE jobs.kind = 'publish' AND jobs.account_id = :account ORDER BY jobs.id"
        " LIMIT :limit",
        {"account": account_id, "limit": limit, "stretch": STRETCH},
    )
    return [QueuedPublishing(**{**dict(row), "reason": restored(row["reason"])}) for row in rows.fetchall()]


def publishings_waiting(db: sqlite3.Connection, account_id: str) -> int:
    """How many publishings of the account wait."""
    return jobs.publishings(db).get(account_id, 0)


def publishings_by_account(db: sqlite3.Connection) -> dict[str, Load]:
    """The publishings that wait, by account id."""
    rows = db.execute("SELECT account_id, sum(count), sum(cost) FROM publish_sums GROUP BY account_id")
    return {row[0]: Load(row[1], row[2]) for row in rows.fetchall()}


_RECEIVED = (
    "SELECT inbox.received_at FROM notices JOIN inbox"
    " ON inbox.business_key = 'OrderCreated:' || json_extract(notices.data, '$.orderId')"
    " WHERE notices.type = 'item.sold'"
)
"""When the push messages of sales came, joined to their events; the caller adds which events."""


@dataclass(frozen=True, slots=True)
class QueueFacts:
    """How many jobs a queue has, held and not yet due ones too; since when the longest due one has been due (ms)."""

    jobs: int
    due_since: int | None


def queues(db: sqlite3.Connection) -> dict[QueueName, QueueFacts]:
    """The jobs of every queue."""
    depths = jobs.depths(db)
    since = "SELECT min(due_at) FROM jobs WHERE lane = ? AND state = 'due'"
    return {
        queue: QueueFacts(depths.get(queue, 0), db.execute(since, (queue,)).fetchone()[0])
        for queue in QueueName
    }


def oldest_delivery_at(db: sqlite3.Connection) -> int | None:
    """When the oldest delivery that waits was ordered (ms): of each endpoint the oldest event and replay, due and held."""
    endpoints = db.execute("SELECT id FROM endpoints WHERE removed_at IS NULL").fetchall()
    oldest = (
        db.execute(
            "SELECT created_at FROM jobs WHERE lane = 'hooks' AND endpoint_id = ? AND state = ? AND rank = ?"
            " ORDER BY id LIMIT 1",
            (endpoint["id"], state, rank),
        ).fetchone()
        for endpoint, state, rank in product(endpoints, ("due", "held"), (0, 1))
    )
    return min((row["created_at"] for row in oldest if row is not None), default=None)


def ordered_at(db: sqlite3.Connection, listing_id: str) -> int:
    """When the publishing was ordered (ms)."""
    at: int = db.execute("SELECT created_at FROM listings WHERE id = ?", (listing_id,)).fetchone()[0]
    return at


def newest_event(db: sqlite3.Connection) -> int:
    """The number of the newest event, 0 before the first."""
    seq: int = db.execute("SELECT coalesce(max(seq), 0) FROM notices").fetchone()[0]
    return seq


def sales_received(db: sqlite3.Connection, *, after: int) -> list[int]:
    """When the push message of each sale came (ms) whose event is newer than `after`; sales without a message are left out."""
    rows = db.execute(f"{_RECEIVED} AND notices.seq > ?", (after,))
    return [row[0] for row in rows.fetchall()]


def undelivered_sale_received(db: sqlite3.Connection, seq: int) -> int | None:
    """When the push message of this event's sale came (ms), if no endpoint has taken the event yet."""
    row = db.execute(
        f"{_RECEIVED} AND notices.seq = ? AND NOT EXISTS"
        " (SELECT 1 FROM deliveries WHERE notice_seq = notices.seq AND status = 'success')",
        (seq,),
    ).fetchone()
    return None if row is None else int(row[0])


CHECK_S = 15.0
"""Seconds after which an integrity check is given up: the file is then reported as not checked."""

_FAILURES = 200
_STEPS = 10_000
"""Steps of SQLite's virtual machine between two looks at the clock."""


def inspect(file: Path, *, check_s: float = CHECK_S) -> dict[str, Any]:
    """Everything as plain JSON. Takes seconds: never on the event loop. sqlite3.Error when it cannot be opened."""
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=5.0)) as db:
        db.row_factory = sqlite3.Row
        tables = db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").fetchall()
        failures = db.execute(
            "SELECT endpoint_id AS endpoint, event_type AS type, attempt, http_status AS status, duration_ms AS ms,"
            " created_at AS at FROM deliveries WHERE status = 'failed' ORDER BY id DESC LIMIT ?",
            (_FAILURES,),
        ).fetchall()
        return {
            "schema": db.execute("PRAGMA user_version").fetchone()[0],
            "sqlite": sqlite3.sqlite_version,
            "bytes": {one.name: one.stat().st_size for one in sorted(file.parent.glob(f"{file.name}*"))},
            "rows": {name: db.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for (name,) in tables},
            "jobs": _all(
                db, "SELECT lane, kind, state, count(*) AS jobs, max(attempts) AS attempts FROM jobs"
            ),
            "calls": _all(
                db,
                "SELECT operation, CASE WHEN outcome IS NULL OR outcome = 'ok' THEN coalesce(outcome, 'unknown')"
                " ELSE 'failed' END AS outcome, count(*) AS calls FROM calls",
                by="operation, 2",
            ),
            "failedDeliveries": [dict(row) for row in failures],
            "integrity": _integrity(db, time.monotonic() + check_s),
        }


def _all(db: sqlite3.Connection, query: str, *, by: str = "lane, kind, state") -> list[dict[str, Any]]:
    return [dict(row) for row in db.execute(f"{query} GROUP BY {by}").fetchall()]


def _integrity(db: sqlite3.Connection, deadline: float) -> list[str]:
    db.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
    try:
        return [row[0] for row in db.execute("PRAGMA quick_check(10)").fetchall()]
    except sqlite3.OperationalError as error:
        if time.monotonic() > deadline:
            return ["not finished in time: the file is large"]
        return [str(error)]
    except sqlite3.DatabaseError as error:
        return [str(error)]
    finally:
        db.set_progress_handler(None, 0)


FARTHEST_MS = 3 * 24 * 3600 * 1000
"""No gap of any schedule is longer; what is due later (but an item's own start) was written by a wrong clock."""

_WAITING = "state IN ('committing', 'committed')"
_QUEUES = ", ".join(f"'{queue.value}'" for queue in QueueName)
_ANY_JOB = f"lane IN ({_QUEUES}) AND state IN ('due', 'held')"
_DUE = (  # spelt so that SQLite finds the indexes of what waits, however much there is
    ("jobs", "due_at", _ANY_JOB),
    ("listings", "ask_at", _WAITING),
    ("endpoints", "probe_at", "1"),
    ("pauses", "until", "1"),
)
"""Tables with a time that is to come, and which of their rows it still matters in."""

_PASSES = "(name GLOB 'reconciled_until:*' OR name GLOB 'parcels_looked_at:*')"
"""Marks that say until when Tradera has been looked through, by this machine's clock."""

_CURSORS = "name GLOB 'row_version:*'"
"""Marks of the last change that such a pass has seen: it may have looked on the wrong days."""


def move(db: sqlite3.Connection, *, now: int, by: int) -> None:
    """Move what is due after `now` by `by` ms: the machine's clock has jumped so far, and `now` is the time before.

    Since when Tradera's answer is awaited moves too: it decides when the owner must look. An item's own start is an
    instant, not a duration: every publishing that waits is looked at once, by the new time.
    """
    _look_at_starts(db, now)
    for table, column, still in _DUE:
        db.execute(f"UPDATE {table} SET {column} = {column} + ? WHERE {still} AND {column} > ?", (by, now))
    db.execute(f"UPDATE listings SET waits_since = waits_since + ? WHERE {_WAITING}", (by,))
    db.execute("UPDATE pauses SET since = since + ?", (by,))
    db.execute(f"DELETE FROM marks WHERE {_CURSORS}")
    if by < 0:  # the clock was ahead, nobody knows since when: the next pass looks two weeks back
        db.execute(f"DELETE FROM marks WHERE {_PASSES}")


def _look_at_starts(db: sqlite3.Connection, now: int) -> int:
    """Make publishings that wait due: the publisher knows when each may start, and puts it off until then."""
    return db.execute(
        "UPDATE jobs SET due_at = :now WHERE lane = 'tradera' AND state = 'due' AND due_at > :now"
        " AND kind = 'publish'",
        {"now": now},
    ).rowcount


def clamp(db: sqlite3.Connection, *, now: int) -> int:
    """Make due now what would wait longer than any schedule, and move calls of the future to now; returns how many rows.

    An item with a start time of its own is looked at once and goes on waiting.
    """
    _look_at_starts(db, now)
    changed = db.execute(
        f"DELETE FROM marks WHERE ({_PASSES} OR {_CURSORS}) AND EXISTS"
        f" (SELECT 1 FROM marks WHERE {_PASSES} AND CAST(value AS INTEGER) > ?)",
        (now,),
    ).rowcount
    for table, column, still in _DUE:
        changed += db.execute(
            f"UPDATE {table} SET {column} = :now WHERE {still} AND {column} > :latest",
            {"now": now, "latest": now + FARTHEST_MS},
        ).rowcount
    return changed + db.execute("UPDATE calls SET at = :now WHERE at > :now", {"now": now}).rowcount
