"""How a queue chooses its next jobs: by due time, or an account's calls to Tradera by urgency."""

from __future__ import annotations

import sqlite3

from rheod.domain.model import CallClass, Job, JobKind, QueueName
from rheod.jobs.queue import Look, RestoreLock
from rheod.store import jobs


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

    Nor those behind the account's restore lock; what opens it is a job of this queue, which then looks again.
    """

    def __init__(self, account_id: str, lock: RestoreLock | None = None) -> None:
        self._account_id = account_id
        self._lock = lock or RestoreLock()

    def jobs(self, db: sqlite3.Connection, look: Look) -> list[Job]:
        """See `Pick`."""
        return jobs.due(
            db,
            QueueName.TRADERA,
            now=look.now,
            limit=look.limit,
            account_id=self._account_id,
            blocked=look.blocked | self._lock.closed | _REFERENCE,
        )

    def next_at(self, db: sqlite3.Connection, now: int) -> int | None:
        """See `Pick`."""
        return jobs.next_due(db, QueueName.TRADERA, after=now, account_id=self._account_id)
