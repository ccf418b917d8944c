"""A pick that does not look twice at an unchanged store: an idle minute of a run then costs no query.

It trusts the real pick's `next_at` for ten minutes at most, so a wrong one is still found out.
"""

from __future__ import annotations

import sqlite3

from rheod.domain.model import Job
from rheod.jobs.queue import Look, Pick

_LONGEST_MS = 10 * 60 * 1000


class Dozing:
    """The real pick, asked again when the store has changed or something may have become due."""

    def __init__(self, pick: Pick) -> None:
        self._pick = pick
        self._seen: tuple[object, ...] = ()
        self._until = 0
        self._next_at: int | None = None

    def jobs(self, db: sqlite3.Connection, look: Look) -> list[Job]:
        """See `Pick`."""
        state = (db.total_changes, look.running, look.blocked)
        if state == self._seen and look.now < self._until:
            return []
        found = self._pick.jobs(db, look)
        self._until = 0
        self._seen = () if found else state
        return found

    def next_at(self, db: sqlite3.Connection, now: int) -> int | None:
        """See `Pick`."""
        if self._seen and self._seen[0] == db.total_changes and now < self._until:
            return self._next_at
        self._next_at = self._pick.next_at(db, now)
        self._until = min(now + _LONGEST_MS, self._next_at or now + _LONGEST_MS)
        return self._next_at
