"""Bells and lanes: the one loop over the jobs table.

A lane picks due jobs, runs them side by side up to its limit, and stores what became of each. What runs is known only
here, in memory: after a crash every job is simply due again.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Protocol

import structlog

from rheod.domain.crash import crashpoint
from rheod.domain.errors import StoreUnavailable
from rheod.domain.model import CallClass, Job, QueueName
from rheod.domain.retry import LOOP_DELAYS_S, TRADERA_DELAYS_S, delay_ms
from rheod.jobs.restore_lock import RestoreLock
from rheod.store import jobs
from rheod.usecases.transaction import Store, Transaction

_log = structlog.get_logger(__name__)
_STORE_REST_S = 1.0
_LONGEST_QUIET_MS = round(TRADERA_DELAYS_S[-1] * 1000)


@dataclass(frozen=True, slots=True)
class Done:
    """The work is done; `write` is stored in the transaction that ends the job.

    `answered` False says that no remote was heard in it, so that it ends no outage.
    """

    write: Callable[[Transaction], object] | None = None
    answered: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Try again at `until` (ms); `counted` when the work itself failed; `write` and `answered` as for Done."""

    until: int
    reason: str
    counted: bool = True
    write: Callable[[Transaction], object] | None = None
    answered: bool = True


@dataclass(frozen=True, slots=True)
class Hold:
    """Keep the job until somebody orders it again; `write` is stored with it."""

    reason: str
    write: Callable[[Transaction], object] | None = None


@dataclass(frozen=True, slots=True)
class BudgetWait:
    """The call budget does not allow this class of work before `until` (ms): leave all its jobs where they are."""

    call_class: CallClass
    until: int
    reason: str


@dataclass(frozen=True, slots=True)
class Pause:
    """The remote is away: nobody in this lane tries before its back-off has passed.

    `counted` when the job may be to blame: it then waits on a schedule of its own too, so that others get their turn.
    """

    reason: str
    counted: bool = False


Outcome = Done | Retry | Hold | BudgetWait | Pause


class Pick(Protocol):
    """How a lane chooses its next jobs and learns when it need not look before."""

    def jobs(self, db: sqlite3.Connection, now: int, limit: int, queue: JobQueue) -> list[Job]:
        """Jobs that may run now, the first first; those that run already may be among them."""
        ...

    def next_at(self, db: sqlite3.Connection, now: int) -> int | None:
        """When the next job that is not due yet becomes so (ms)."""
        ...


class Wakeups:
    """A bell for every lane: rung when there is new work."""

    def __init__(self) -> None:
        self._wakeups: dict[QueueName, list[asyncio.Event]] = {}

    def new(self, queue: QueueName) -> asyncio.Event:
        """A bell for one loop of this lane."""
        wakeup = asyncio.Event()
        self._wakeups.setdefault(queue, []).append(wakeup)
        return wakeup

    def wake(self, queue: QueueName) -> None:
        """Wake every loop of this lane."""
        for wakeup in self._wakeups.get(queue, ()):
            wakeup.set()


class JobQueue:
    """One loop over the jobs of one lane. `work` turns a job into an outcome and handles its expected failures."""

    longest_rest_s: float = 60.0
    """It looks at the store this often even if nothing is known to become due: the clock may have been set."""

    most_settling: int = 0
    """So many jobs that are done may wait for their commit beside those that are worked on: the next need not wait for
    the disk. A job that is not done keeps its place until that is stored."""

    def __init__(
        self,
        *,
        name: str,
        store: Store,
        pick: Pick,
        wakeup: asyncio.Event,
        work: Callable[[Job], Awaitable[Outcome]],
        concurrency: int,
    ) -> None:
        self.name = name
        self._store = store
        self._pick = pick
        self._wakeup = wakeup
        self._work = work
        self._concurrency = concurrency
        self._running: dict[int, Job] = {}
        self._settling: set[int] = set()
        self._blocked: dict[CallClass, int] = {}
        self._quiet_until = 0
        self._failures = 0
        self._stopping = False

    @property
    def running(self) -> Collection[int]:
        """Ids of the jobs that run now."""
        return self._running.keys()

    @property
    def settling(self) -> Collection[int]:
        """Ids of those that are done and whose end is being stored: they take nobody's place any more."""
        return self._settling

    def blocked(self, now: int) -> list[CallClass]:
        """Classes that wait for the call budget."""
        self._blocked = {each: until for each, until in self._blocked.items() if until > now}
        return list(self._blocked)

    def wake(self) -> None:
        """Something has changed that it waited for, such as a token: look again at all of its work now."""
        self._blocked.clear()
        self._quiet_until = 0
        self._wakeup.set()

    def stop(self) -> None:
        """Claim nothing more; `run` returns when what runs has ended."""
        self._stopping = True
        self._wakeup.set()

    async def run(self) -> None:
        """Work the lane until `stop`."""
        async with asyncio.TaskGroup() as group:
            while not self._stopping:
                self._wakeup.clear()
                for job in await self._next_jobs():
                    self._running[job.id] = job
                    group.create_task(self._run_one(job), name=f"{self.name}:{job.kind}:{job.subject}")

    async def _next_jobs(self) -> list[Job]:
        """Jobs to run now; none after a rest, which ends when there may be some."""
        now = self._store.now()
        try:
            picked = await self._pick_some(now)
            if not picked and not self._stopping:
                await self._rest(now)
        except StoreUnavailable as error:
            _log.error("lane cannot read its jobs", queue=self.name, error=str(error))
            await asyncio.sleep(_STORE_REST_S)
            return []
        return picked

    async def _pick_some(self, now: int) -> list[Job]:
        room = self._room()
        self._quiet_until = min(
            self._quiet_until, now + _LONGEST_QUIET_MS
        )  # the clock may have been set back
        if room <= 0 or now < self._quiet_until:
            return []
        busy = frozenset(
            self._running
        )  # one that ends while the store is read may still be seen there as due
        wanted = room + len(busy)
        found = await self._store.read(lambda db: self._pick.jobs(db, now, wanted, self))
        return [job for job in found if job.id not in busy][:room]

    def _room(self) -> int:
        """How many jobs may start now."""
        if len(self._settling) >= self.most_settling > 0:
            return 0
        return self._concurrency - len(self._running) + len(self._settling)

    async def _rest(self, looked_at: int) -> None:
        """Until the bell rings or something becomes due that was not when the lane looked; a full lane needs the bell.

        The moment of the look counts, not the present one: what became due in between would be slept over.
        """
        if self._room() <= 0:
            await self._wakeup.wait()
            return
        next_at = await self._store.read(lambda db: self._pick.next_at(db, looked_at))
        moments = [
            at
            for at in (next_at, self._quiet_until, *self._blocked.values())
            if at is not None and at > looked_at
        ]
        now = self._store.now()
        rest_s = min([self.longest_rest_s] + [max(0, at - now) / 1000 for at in moments])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(rest_s):
                await self._wakeup.wait()

    async def _run_one(self, job: Job) -> None:
        structlog.contextvars.bind_contextvars(job=job.kind.value, subject=job.subject)
        try:
            outcome = await self._outcome_of(job)
            if isinstance(outcome, Done) and self.most_settling:
                self._settling.add(job.id)
                self._wakeup.set()
            while not await self._settle(job, outcome):  # noqa: ASYNC110 - nothing rings when the disk has room
                await asyncio.sleep(_STORE_REST_S)
            crashpoint(f"{job.kind}.settled")
        finally:
            self._running.pop(job.id, None)
            self._settling.discard(job.id)
            self._wakeup.set()

    async def _outcome_of(self, job: Job) -> Outcome:
        try:
            return await self._work(job)
        except StoreUnavailable as error:
            return Retry(until=self._backoff(job), reason=str(error), counted=False)
        except Exception as error:  # noqa: BLE001 - a bug in one job must not end the lane
            _log.exception("job failed unexpectedly", queue=self.name)
            return Retry(until=self._backoff(job), reason=f"unexpected: {type(error).__name__}")

    def _backoff(self, job: Job) -> int:
        return self._store.now() + delay_ms(LOOP_DELAYS_S, job.attempts + 1)

    async def _settle(self, job: Job, outcome: Outcome) -> bool:
        """Store what became of the job; False when the store cannot write now."""
        try:
            await self._store.write(lambda tx: _store(tx, job, outcome))
        except StoreUnavailable as error:
            _log.error("outcome waits for the store", queue=self.name, error=str(error))
            return self._stopping
        except Exception as error:
            if getattr(outcome, "write", None) is None:
                raise
            _log.exception("outcome failed unexpectedly", queue=self.name)
            reason = f"unexpected: {type(error).__name__}"
            return await self._settle(job, Retry(until=self._backoff(job), reason=reason))
        self._note(outcome)
        return True

    def _note(self, outcome: Outcome) -> None:
        now = self._store.now()
        if isinstance(outcome, BudgetWait):
            self._blocked[outcome.call_class] = outcome.until
            _log.info(
                "waits for the call budget", queue=self.name, work=outcome.call_class, reason=outcome.reason
            )
        elif isinstance(outcome, Pause):
            self._failures += 1
            self._quiet_until = now + delay_ms(TRADERA_DELAYS_S, self._failures)
            if self._failures == 1:
                _log.warning("remote is away", queue=self.name, reason=outcome.reason)
        elif self._failures and isinstance(outcome, Done | Retry) and outcome.answered:
            _log.info("remote is back", queue=self.name, failures=self._failures)
            self._failures = 0


def _store(tx: Transaction, job: Job, outcome: Outcome) -> None:
    match outcome:
        case Done(write):
            if write is not None:
                write(tx)
            jobs.finish(tx.db, job)
        case Retry():
            if outcome.write is not None:
                outcome.write(tx)
            jobs.put_off(tx.db, job, until=outcome.until, reason=outcome.reason, counted=outcome.counted)
        case Hold(reason, write):
            if write is not None:
                write(tx)
            jobs.hold(tx.db, job, reason=reason)
        case BudgetWait():
            pass
        case Pause(reason, counted):
            wait_ms = delay_ms(TRADERA_DELAYS_S, job.attempts + 2) if counted else 0  # longer than the lane
            jobs.put_off(tx.db, job, until=tx.now + wait_ms, reason=reason, counted=counted)


class ByDueTime:
    """The pick of a simple lane: what is due, the longest due first."""

    def __init__(self, queue: QueueName) -> None:
        self._queue = queue

    def jobs(self, db: sqlite3.Connection, now: int, limit: int, queue: JobQueue) -> list[Job]:  # noqa: ARG002 - Pick's form
        """See `Pick`."""
        return jobs.due(db, self._queue, now=now, limit=limit)

    def next_at(self, db: sqlite3.Connection, now: int) -> int | None:
        """See `Pick`."""
        return jobs.next_due(db, self._queue, after=now)


class ByUrgency:
    """The pick of one seller account's tradera lane: by class and age, less the classes that wait for the budget.

    Nor those behind the account's gate; who opens it does so in a job of this lane, which then looks again.
    """

    def __init__(self, account_id: str, gate: RestoreLock | None = None) -> None:
        self._account_id = account_id
        self._gate = gate or RestoreLock()

    def jobs(self, db: sqlite3.Connection, now: int, limit: int, queue: JobQueue) -> list[Job]:
        """See `Pick`."""
        blocked = {*queue.blocked(now), *self._gate.closed}
        return jobs.due(
            db, QueueName.TRADERA, now=now, limit=limit, account_id=self._account_id, blocked=blocked
        )

    def next_at(self, db: sqlite3.Connection, now: int) -> int | None:
        """See `Pick`."""
        return jobs.next_due(db, QueueName.TRADERA, after=now, account_id=self._account_id)
