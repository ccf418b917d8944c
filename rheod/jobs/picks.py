"""How a queue chooses its next jobs: by due time, or an account's calls to Tradera by urgency."""

from __future__ import annotations

import sqlite3

from rheod.domain.model import CallClass, Job, JobKind, QueueName
from rheod.jobs.queue import Look, RestoreLock
from rheod.store import jobs

_MOST_OF_AN_ITEM = 4
"""Jobs of one item that may be due at the same time: only one of them runs."""


class ByDueTime:
    """The pick of a simple queue: what is due, the longest due first."""

    def __init__(self, queue: QueueName) -> None:
        self._queue = queue

    def jobs(self, db: sqlite3.Connection, look: Look) -> list[Job]:
        """See `Pick`."""
        return jobs.due(db, self._queue, now=look.now, limit=look.limit)

    def next_at(self, db: sqlite3.Connection, now: int) -> int | None:
        """See `Pick`."""
        return jobs.next_due(db, self._queue, after=now)


_REFERENCE = frozenset({CallClass.REFERENCE})
_ALL_ELSE = frozenset(CallClass) - _REFERENCE


class OfReference:
    """The pick of what is read with the application's keys alone: it waits for no seller, no token and no restore."""

    def __init__(self, account_id: str) -> None:
        self._account_id = account_id

    def jobs(self, db: sqlite3.Connection, look: Look) -> list[Job]:
        """See `Pick`."""
        return jobs.due(
            db,
            QueueName.TRADERA,
            now=look.now,
            limit=look.limit,
            account_id=self._account_id,
            blocked=look.blocked | _ALL_ELSE,
        )

    def next_at(self, db: sqlite3.Connection, now: int) -> int | None:
        """See `Pick`."""
        return jobs.next_due(
            db, QueueName.TRADERA, after=now, account_id=self._account_id, kind=JobKind.REFERENCE
        )


class ByUrgency:
    """The pick of one seller account's tradera queue: by class and age, less the classes that wait for the budget.

    Nor those behind the account's restore lock; what opens it is a job of this queue, which then looks again, and runs
    alone. Never are two jobs of one item picked at once, and publishings leave places to what is more urgent.
    """

    most_publishings = 6

    def __init__(self, account_id: str, lock: RestoreLock | None = None) -> None:
        self._account_id = account_id
        self._lock = lock or RestoreLock()

    def jobs(self, db: sqlite3.Connection, look: Look) -> list[Job]:
        """See `Pick`."""
        running = look.jobs
        free = self.most_publishings - sum(each.kind is JobKind.PUBLISH for each in running)
        blocked = (
            look.blocked | self._lock.closed | _REFERENCE | ({CallClass.PUBLISH} if free <= 0 else set())
        )
        due = jobs.due(
            db,
            QueueName.TRADERA,
            now=look.now,
            limit=look.limit + _MOST_OF_AN_ITEM * (len(running) + 1),
            account_id=self._account_id,
            blocked=blocked,
        )
        taken = {each.item_id for each in running} - {None}
        found: list[Job] = []
        for job in sorted(due, key=lambda each: each.id in look.probed):
            publishes = job.kind is JobKind.PUBLISH
            if job.id in look.running or job.item_id in taken or (publishes and free <= 0):
                continue
            alone = job.kind is JobKind.TAKEOVER
            if alone and (running or found):
                break  # it waits for what runs, and nothing more begins before it
            found.append(job)
            taken |= {job.item_id} - {None}
            free -= publishes
            if alone or len(found) == look.limit:
                break
        return [] if any(each.kind is JobKind.TAKEOVER for each in running) else found

    def next_at(self, db: sqlite3.Connection, now: int) -> int | None:
        """See `Pick`."""
        return jobs.next_due(db, QueueName.TRADERA, after=now, account_id=self._account_id)
