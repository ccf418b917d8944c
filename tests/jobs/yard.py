"""A queue whose work is the test's own: what was ordered, what ran, and what each job is to come to."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

from rheod.domain.model import Job, JobKind, JobOrder, QueueName
from rheod.jobs.picks import ByDueTime
from rheod.jobs.queue import Done, JobQueue, Look, Outcome, Pick, Wakeups
from rheod.store.engine.database import Database
from rheod.store.jobs import Owner
from rheod.usecases.transaction import Store, Transaction
from tests.jobs.watching import CountingPick, idle
from tests.stores import Clock, rows


def _done(_job: Job) -> Outcome:
    return Done()


class Yard:
    """A queue whose work is the test's: jobs are ordered by subject, and what was run is listed."""

    def __init__(self, *, database: Database, clock: Clock, account_id: str, store: Store) -> None:
        self.database = database
        self.clock = clock
        self.account_id = account_id
        self.name = QueueName.PUSH
        self.store = store
        self.wakeups = Wakeups()
        self.ran: list[str] = []
        self.free = asyncio.Event()
        self.free.set()
        self.most = 0
        self.outcomes: dict[str, Callable[[Job], Outcome]] = {}

    async def work(self, job: Job) -> Outcome:
        """Note the job, wait until it is free, and give the outcome the test wants (Done without one)."""
        self.ran.append(job.subject)
        self.most = max(self.most, len(self.queue.running))
        await self.free.wait()
        return self.outcomes.get(job.subject, _done)(job)

    async def order(self, *subjects: str, delay_ms: int = 0, kind: JobKind = JobKind.CLOSE) -> None:
        """Order jobs and wake the queue."""

        def use_case(tx: Transaction) -> None:
            for subject in subjects:
                wanted = JobOrder(queue=self.name, kind=kind, subject=subject, delay_ms=delay_ms)
                tx.order_for(wanted, Owner(account_id=self.account_id))

        await self.store.write(use_case)
        self.wakeups.wake(self.name)

    def build(
        self, name: QueueName = QueueName.PUSH, pick: Pick | None = None, concurrency: int = 3
    ) -> JobQueue:
        """A queue of this name over the test's work."""
        self.name = name
        self.pick = CountingPick(pick or ByDueTime(name))
        self.queue = JobQueue(
            name=name.value,
            store=self.store,
            pick=self.pick,
            wakeup=self.wakeups.new(name),
            work=self.work,
            concurrency=concurrency,
        )
        return self.queue

    @asynccontextmanager
    async def working(
        self, *of: QueueName | Pick, concurrency: int = 3, settling: int = 0
    ) -> AsyncIterator[asyncio.Task[None]]:
        """The queue at work, of a name and a pick if they matter."""
        name = next((each for each in of if isinstance(each, QueueName)), QueueName.PUSH)
        pick = next((each for each in of if not isinstance(each, QueueName)), None)
        queue = self.build(name, pick, concurrency)
        queue.most_settling = settling
        running = asyncio.create_task(queue.run())
        try:
            yield running
        finally:
            self.free.set()
            self.queue.stop()
            async with asyncio.timeout(10):
                await running

    async def idle(self) -> None:
        await idle(self.queue, self.pick, partial(self.wakeups.wake, self.name))

    def forward(self, ms: int) -> None:
        self.clock.forward(ms)
        self.wakeups.wake(self.name)

    async def jobs(self) -> list[tuple[str, str, int, int]]:
        """(subject, state, attempts, ms from now to when it is due) of every job."""
        found = await rows(self.database, "SELECT * FROM jobs ORDER BY id")
        return [
            (row["subject"], row["state"], row["attempts"], row["due_at"] - self.clock()) for row in found
        ]


class FailingPick:
    """A pick whose store cannot be read, at the first look or at the first rest."""

    def __init__(self, *, at_rest: bool) -> None:
        self._pick = ByDueTime(QueueName.PUSH)
        self._at_rest = at_rest
        self.failed = False

    def _fail(self) -> None:
        self.failed = True
        raise sqlite3.OperationalError("disk I/O error")

    def jobs(self, db: sqlite3.Connection, look: Look) -> list[Job]:
        if not self._at_rest and not self.failed:
            self._fail()
        return self._pick.jobs(db, look)

    def next_at(self, db: sqlite3.Connection, now: int) -> int | None:
        if self._at_rest and not self.failed:
            self._fail()
        return self._pick.next_at(db, now)


class LatePick(ByDueTime):
    """A pick during whose first rest `ms` pass: what becomes due then was not due when the queue looked."""

    def __init__(self, clock: Clock, ms: int) -> None:
        super().__init__(QueueName.PUSH)
        self._clock = clock
        self._ms = ms

    def next_at(self, db: sqlite3.Connection, now: int) -> int | None:
        ms, self._ms = self._ms, 0
        self._clock.forward(ms)
        return super().next_at(db, now)


class SlowPick(ByDueTime):
    """A pick that, once armed, has read the store and then waits to say what it saw until `release`."""

    def __init__(self) -> None:
        super().__init__(QueueName.PUSH)
        self.armed = False
        self.has_read = False
        self.release = threading.Event()

    def jobs(self, db: sqlite3.Connection, look: Look) -> list[Job]:
        found = super().jobs(db, look)
        if self.armed:
            self.armed, self.has_read = False, True
            self.release.wait(timeout=5)
        return found
