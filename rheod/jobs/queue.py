"""The work queue: one loop over the rows of the jobs table, an instance for each queue.

A loop picks due jobs, runs them side by side up to its limit, and stores what became of each. Which jobs run is known
only here, in memory: after a crash every job is simply due again.

What is measured as it happens: how long publishing and sales take, and the pictures that failed.

There is one object for a daemon, handed to whatever works jobs. It starts at nothing with each start, as Prometheus
expects, and knows neither items nor accounts.

Which classes of an account's Tradera calls wait while a takeover is under way after a restore.

The takeover in the store decides; this is its copy in memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram

from rheod.domain.crash import crashpoint
from rheod.domain.errors import StoreUnavailable, Text
from rheod.domain.model import CallClass, Job, QueueName
from rheod.domain.retry import LOOP_DELAYS_S, TRADERA_DELAYS_S, delay_ms
from rheod.store import jobs
from rheod.store.accounts import Takeover
from rheod.usecases.transaction import Store, Transaction

_ALL_BUT_THE_LOOK = frozenset(CallClass) - {CallClass.TAKEOVER}
BLIND = Text(
    "After a restore Tradera does not tell which ads are rheod's: compare them with rheod's items, then"
    " `rheod restore --compared`"
)
LOOKING = Text("After a restore rheod first looks at what Tradera has")


class RestoreLock:
    """Open without a takeover. Before the first look at Tradera all else is closed, after it publishing alone."""

    def __init__(self, takeover: Takeover | None = None) -> None:
        self.closed: frozenset[CallClass] = frozenset()
        self.takeover: Takeover | None = None
        self.set(takeover)

    def set(self, takeover: Takeover | None) -> None:
        """Close and open as the takeover demands."""
        self.takeover = takeover
        if takeover is None:
            self.closed = frozenset()
        elif takeover.looked:
            self.closed = frozenset({CallClass.PUBLISH})
        else:
            self.closed = _ALL_BUT_THE_LOOK

    @property
    def reason(self) -> Text | None:
        """Why nothing is published, None when it is open."""
        if self.takeover is None:
            return None
        return BLIND if self.takeover.blind else LOOKING


_log = structlog.get_logger(__name__)
_STORE_REST_S = 1.0
_LONGEST_PAUSE_MS = round(TRADERA_DELAYS_S[-1] * 1000)


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
    """The remote is away: no job of this queue is tried before the queue's back-off has passed.

    `counted` when the job may be to blame: it then waits on a schedule of its own too, so that others get their turn.
    """

    reason: str
    counted: bool = False


Outcome = Done | Retry | Hold | BudgetWait | Pause


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look for work: the moment (ms), how many jobs are wanted, and how the queue stands at that moment.

    `running` and `settling` are ids of jobs: those that run, and those of them that are done and whose end is being
    stored. `blocked` classes wait for the call budget. It is read in the store's thread, so it is a copy.
    """

    now: int
    limit: int
    running: frozenset[int]
    settling: frozenset[int]
    blocked: frozenset[CallClass]


class Pick(Protocol):
    """How a queue chooses its next jobs and learns when it need not look before."""

    def jobs(self, db: sqlite3.Connection, look: Look) -> list[Job]:
        """Jobs that may run now, the first first; running ones may be among them. Fewer than the limit are all."""
        ...

    def next_at(self, db: sqlite3.Connection, now: int) -> int | None:
        """When the next job that is not due yet becomes so (ms)."""
        ...


class Wakeups:
    """Wakes the loops of a queue when there is new work for it."""

    def __init__(self) -> None:
        self._wakeups: dict[QueueName, list[asyncio.Event]] = {}

    def new(self, queue: QueueName) -> asyncio.Event:
        """What one loop of this queue waits for."""
        wakeup = asyncio.Event()
        self._wakeups.setdefault(queue, []).append(wakeup)
        return wakeup

    def wake(self, queue: QueueName) -> None:
        """Wake every loop of this queue."""
        for wakeup in self._wakeups.get(queue, ()):
            wakeup.set()


class JobQueue:
    """One loop over the jobs of one queue. `work` turns a job into an outcome and handles its expected failures."""

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
        self._running: set[int] = set()
        self._settling: set[int] = set()
        self._blocked: dict[CallClass, int] = {}
        self._paused_until = 0
        self._failures = 0
        self._stopping = False

    @property
    def running(self) -> Collection[int]:
        """Ids of the jobs that run now."""
        return self._running

    @property
    def settling(self) -> Collection[int]:
        """Ids of those that are done and whose end is being stored: they take no place any more."""
        return self._settling

    def wake(self) -> None:
        """Something has changed that it waited for, such as a token: look again at all of its work now."""
        self._blocked.clear()
        self._paused_until = 0
        self._wakeup.set()

    def stop(self) -> None:
        """Claim nothing more; `run` returns when what runs has ended."""
        self._stopping = True
        self._wakeup.set()

    async def run(self) -> None:
        """Work the queue until `stop`: pick what is due, run it, and rest until there may be more."""
        async with asyncio.TaskGroup() as group:
            while not self._stopping:
                self._wakeup.clear()
                now = self._store.now()
                try:
                    picked, next_at = await self._pick_jobs(now)
                except StoreUnavailable as error:
                    _log.error("queue cannot read its jobs", queue=self.name, error=str(error))
                    await asyncio.sleep(_STORE_REST_S)
                    continue
                for job in picked:
                    self._running.add(job.id)
                    group.create_task(self._run_job(job), name=f"{self.name}:{job.kind}:{job.subject}")
                await self._rest(now, next_at)

    async def _pick_jobs(self, now: int) -> tuple[list[Job], int | None]:
        """The jobs to start now, and when the next becomes due (ms) if these are all that may run.

        A job that ends while the store is read may still be seen there as due: what ran before is not started again.
        """
        room = self._room()
        if room <= 0:
            return [], None
        self._paused_until = min(
            self._paused_until, now + _LONGEST_PAUSE_MS
        )  # the clock may have been set back
        self._blocked = {each: until for each, until in self._blocked.items() if until > now}
        paused = now < self._paused_until
        look = Look(
            now=now,
            limit=room + len(self._running),
            running=frozenset(self._running),
            settling=frozenset(self._settling),
            blocked=frozenset(self._blocked),
        )

        def read(db: sqlite3.Connection) -> tuple[list[Job], int | None]:
            found = [] if paused else self._pick.jobs(db, look)
            fresh = [job for job in found if job.id not in look.running][:room]
            return fresh, None if len(fresh) == room else self._pick.next_at(db, now)

        return await self._store.read(read)

    def _room(self) -> int:
        """How many jobs may start now."""
        if len(self._settling) >= self.most_settling > 0:
            return 0
        return self._concurrency - len(self._running) + len(self._settling)

    async def _rest(self, looked_at: int, next_at: int | None) -> None:
        """Until woken, or something becomes due that was not at the look. With every place taken only a wake-up counts.

        The moment of the look counts, not the present one: what became due in between would be slept over.
        """
        if self._room() <= 0:
            await self._wakeup.wait()
            return
        moments = [next_at, self._paused_until, *self._blocked.values()]
        now = self._store.now()
        rests_s = [max(0, at - now) / 1000 for at in moments if at is not None and at > looked_at]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min([self.longest_rest_s, *rests_s])):
                await self._wakeup.wait()

    async def _run_job(self, job: Job) -> None:
        """Do the work, then store what became of it; only then is the place free, save for those that may settle."""
        structlog.contextvars.bind_contextvars(job=job.kind.value, subject=job.subject)
        try:
            outcome = await self._outcome_of(job)
            if isinstance(outcome, Done) and self.most_settling:
                self._settling.add(job.id)
                self._wakeup.set()
            await self._settle(job, outcome)
            crashpoint(f"{job.kind}.settled")
        finally:
            self._running.discard(job.id)
            self._settling.discard(job.id)
            self._wakeup.set()

    async def _outcome_of(self, job: Job) -> Outcome:
        try:
            return await self._work(job)
        except StoreUnavailable as error:
            return Retry(until=self._backoff(job), reason=str(error), counted=False)
        except Exception as error:  # noqa: BLE001 - a bug in one job must not end the loop
            _log.exception("job failed unexpectedly", queue=self.name)
            return Retry(
                until=self._backoff(job), reason=Text("unexpected: {error}", error=type(error).__name__)
            )

    def _backoff(self, job: Job) -> int:
        return self._store.now() + delay_ms(LOOP_DELAYS_S, job.attempts + 1)

    async def _settle(self, job: Job, outcome: Outcome) -> None:
        """Store what became of the job, however long the store cannot write.

        A stop gives up: the job is then due again at the next start. What a job wants written and a rule of the store
        refuses puts the job off.
        """
        while True:
            try:
                await self._store.write(partial(_store, job=job, outcome=outcome))
            except StoreUnavailable as error:
                _log.error("outcome waits for the store", queue=self.name, error=str(error))
                if self._stopping:
                    return
                await asyncio.sleep(_STORE_REST_S)
            except Exception as error:
                if isinstance(outcome, BudgetWait | Pause) or outcome.write is None:
                    raise
                _log.exception("outcome failed unexpectedly", queue=self.name)
                outcome = Retry(
                    until=self._backoff(job), reason=Text("unexpected: {error}", error=type(error).__name__)
                )
            else:
                self._learn(outcome)
                return

    def _learn(self, outcome: Outcome) -> None:
        """What an outcome says about the other jobs of the queue."""
        match outcome:
            case BudgetWait(call_class, until, reason):
                self._blocked[call_class] = until
                _log.info("waits for the call budget", queue=self.name, work=call_class, reason=reason)
            case Pause(reason):
                self._failures += 1
                self._paused_until = self._store.now() + delay_ms(TRADERA_DELAYS_S, self._failures)
                if self._failures == 1:
                    _log.warning("remote is away", queue=self.name, reason=reason)
            case Done(answered=True) | Retry(answered=True) if self._failures:
                _log.info("remote is back", queue=self.name, failures=self._failures)
                self._failures = 0


def _store(tx: Transaction, job: Job, outcome: Outcome) -> None:
    if isinstance(outcome, Done | Retry | Hold) and outcome.write is not None:
        outcome.write(tx)
    match outcome:
        case Done():
            jobs.finish(tx.db, job)
        case Retry(until=until, reason=reason, counted=counted):
            jobs.put_off(tx.db, job, until=until, reason=reason, counted=counted)
        case Hold(reason):
            jobs.hold(tx.db, job, reason=reason)
        case BudgetWait():
            pass
        case Pause(reason, counted):
            wait_ms = delay_ms(TRADERA_DELAYS_S, job.attempts + 2) if counted else 0  # longer than the queue
            jobs.put_off(tx.db, job, until=tx.now + wait_ms, reason=reason, counted=counted)


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
            blocked=look.blocked | self._lock.closed,
        )

    def next_at(self, db: sqlite3.Connection, now: int) -> int | None:
        """See `Pick`."""
        return jobs.next_due(db, QueueName.TRADERA, after=now, account_id=self._account_id)


PUBLISH_BUCKETS_S = (1, 2, 5, 10, 20, 30, 60, 120, 300, 900, 3600, 4 * 3600, 24 * 3600, 3 * 24 * 3600)
"""Seconds with a free budget, days while an item waits for calls."""

SALE_BUCKETS_S = (0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600, 6 * 3600, 24 * 3600, 3 * 24 * 3600)
"""Tenths of a second as a rule, days while a receiver is down."""


class Meters:
    """Observed after the commit of what they measure. Durations are milliseconds; one that a clock made negative is 0."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._publish = Histogram(
            "rheod_publish_seconds",
            "From the PUT or the order to publish until the ad is known to be live.",
            buckets=PUBLISH_BUCKETS_S,
            registry=self.registry,
        )
        self._sale_written = Histogram(
            "rheod_sale_written_seconds",
            "From receiving Tradera's push message of a sale until item.sold is written.",
            buckets=SALE_BUCKETS_S,
            registry=self.registry,
        )
        self._sale_delivered = Histogram(
            "rheod_sale_delivered_seconds",
            "From receiving Tradera's push message of a sale until the first webhook endpoint has taken item.sold.",
            buckets=SALE_BUCKETS_S,
            registry=self.registry,
        )
        self._picture_failures = Counter(
            "rheod_picture_failures",
            "Pictures given up on since the start of rheod.",
            registry=self.registry,
        )

    def published(self, took_ms: int) -> None:
        """An ad is live."""
        self._publish.observe(max(0, took_ms) / 1000)

    def sale_written(self, took_ms: int) -> None:
        """An item.sold is written."""
        self._sale_written.observe(max(0, took_ms) / 1000)

    def sale_delivered(self, took_ms: int) -> None:
        """An item.sold was taken for the first time."""
        self._sale_delivered.observe(max(0, took_ms) / 1000)

    def picture_failed(self) -> None:
        """A picture will not be tried again."""
        self._picture_failures.inc()
