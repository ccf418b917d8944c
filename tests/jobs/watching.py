"""A pick that counts, by which a test knows that a queue has nothing to do, and that it does not look in vain."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable

from rheod.domain.model import Job
from rheod.jobs.queue import JobQueue, Look, Pick
from tests.waiting import until


class CountingPick:
    """Counts how often its queue looks for work, finds some, and lies down to rest."""

    def __init__(self, pick: Pick) -> None:
        self._pick = pick
        self.looks = 0
        self.finds = 0
        self.rests = 0

    def jobs(self, db: sqlite3.Connection, look: Look) -> list[Job]:
        self.looks += 1
        found = self._pick.jobs(db, look)
        self.finds += bool(found)
        return found

    def next_at(self, db: sqlite3.Connection, now: int) -> int | None:
        self.rests += 1
        return self._pick.next_at(db, now)


async def idle(queue: JobQueue, pick: CountingPick, wake: Callable[[], None]) -> None:
    """Until the queue, woken twice in a row, has found nothing to do at this time.

    Twice, because the first rest seen may follow a look from before the wake-up.
    """
    in_vain = 0
    while in_vain < 2:
        await until(lambda: not queue.running)
        finds, rests = pick.finds, pick.rests
        wake()
        await until(lambda rests=rests: pick.rests > rests)  # type: ignore[misc]
        in_vain = in_vain + 1 if pick.finds == finds and not queue.running else 0


async def looks_at_rest(pick: CountingPick, during_s: float = 0.06) -> int:
    """How often the queue looks for work in a while in which nobody wakes it: once at most, for a wake-up from before."""
    clock = asyncio.get_running_loop().time
    looks, end = pick.looks, clock() + during_s
    await until(lambda: clock() >= end)
    return pick.looks - looks
