"""The work queue: one loop over the rows of the jobs table, an instance for each queue.

A loop picks due jobs, runs them side by side up to its limit, and stores what became of each. Which jobs run is known
only here, in memory: after a crash every job is simply due again.

One bad answer holds up nothing but its own job: a queue rests as a whole only for what says that the remote is away.
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

from rheod.domain.crash import crashpoint
from rheod.domain.errors import LOOP_DELAYS_S, TRADERA_DELAYS_S, StoreUnavailable, Text, delay_ms
from rheod.domain.model import CallClass, Job, QueueName
from rheod.store import jobs
from rheod.store.accounts import Takeover
from rheod.usecases.transaction import Store, Transaction

_ALL_BUT_THE_LOOK = frozenset(CallClass) - {CallClass.TAKEOVER}
_OPEN: frozenset[CallClass] = frozenset()
_PUBLISHING = frozenset({CallClass.PUBLISH})
PAUSED = Text("You have paused everything: nothing goes out until you let it")
BLIND = Text(
    "After a restore Tradera does not tell which ads are rheod's: compare them with rheod's items, then"
    " `rheod restore --compared`"
)
LOOKING = Text("After a restore rheod first looks at what Tradera has")


class RestoreLock:
    """Open without a takeover. Before the first look at Tradera all else is closed, after it publishing alone.

    Publishing is closed too since the owner has paused it (`paused_since`, ms).
    """

    def __init__(self, takeover: Takeover | None = None, *, paused_since: int | None = None) -> None:
        self.takeover = takeover
        self.paused_since = paused_since

    def set(self, takeover: Takeover | None) -> None:
        """Close and open as the takeover demands."""
        self.takeover = takeover

    @property
    def closed(self) -> frozenset[CallClass]:
        """The calls that are not made."""
        if self.takeover is not None and not self.takeover.looked:
            return _ALL_BUT_THE_LOOK
        return _OPEN if self.takeover is None and self.paused_since is None else _PUBLISHING

    @property
    def reason(self) -> Text | None:
        """Why nothing is published, None when it is open."""
        if self.takeover is None:
            return None if self.paused_since is None else PAUSED
        return BLIND if self.takeover.blind else LOOKING


_log = structlog.get_logger(__name__)
_STORE_REST_S = 1.0
_LONGEST_PAUSE_MS = round(TRADERA_DELAYS_S[-1] * 1000)
_SAME_FAILURES = 3
"""So many different jobs that fail in the same way, one after the other, say that the remote is away, not they."""
_PROBES_KEPT = 500


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
    """Keep the job until somebody orders it again; `write` and `answered` as for Done."""

    reason: str
    write: Callable[[Transaction], object] | None = None
    answered: bool = True


@dataclass(frozen=True, slots=True)
class BudgetWait:
    """The call budget does not allow this class of work before `until` (ms): leave all its jobs where they are."""

    call_class: CallClass
    until: int
    reason: str


@dataclass(frozen=True, slots=True)
class Pause:
    """The remote itself is away: the queue rests, and this says nothing of the job."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unclear:
    """The job got no clear answer: it waits on a growing schedule of its own, and the next job goes on at once.

    Only when several jobs in a row fail in the same way, told apart by `failure`, does the queue rest.
    """

    reason: str
    failure: str


Outcome = Done | Retry | Hold | BudgetWait | Pause | Unclear


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """Why a whole queue rests, since when and until the next probe (ms)."""

    reason: str
    since: int
    until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look for work: the moment (ms), how many jobs are wanted, and how the queue stands at that moment.

    `running` and `settling` are ids of jobs: those that run, and those of them that are done and whose end is being
    stored; `jobs` are those that run, also where their row is gone: a change of the item may have dropped or renewed it.
    `probed` have found the remote away in this rest, so others go first. `blocked` classes wait for the call budget. It
    is read in the store's thread, so it is a copy. The limit has room for all that are not wanted now, since a pick may
    return them.
    """

    now: int
    limit: int
    running: frozenset[int]
    jobs: tuple[Job, ...] = ()
    probed: frozenset[int] = frozenset()
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


class Wakeup(asyncio.Event):
    """What one loop of a queue waits for; `probe` when it shall ask its remote now, even if it rests."""

    probe = False


class Wakeups:
    """Wakes the loops of a queue when there is new work for it."""

    def __init__(self) -> None:
        self._wakeups: dict[QueueName, list[Wakeup]] = {}

    def new(self, queue: QueueName) -> Wakeup:
        """What one loop of this queue waits for."""
        wakeup = Wakeup()
        self._wakeups.setdefault(queue, []).append(wakeup)
        return wakeup

    def probe(self, queue: QueueName) -> None:
        """The owner wants it now: every loop of this queue that rests asks its remote once more."""
        for wakeup in self._wakeups.get(queue, ()):
            wakeup.probe = True
            wakeup.set()

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
        wakeup: Wakeup,
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
        self._paused_until = 0
        self._failures = 0
        self._rest_reason = ""
        self._rests_since = 0
        self._probed: set[int] = set()
        self._began: dict[int, int] = {}
        self._failed_alike: tuple[str, frozenset[int]] = ("", frozenset())
        self._stopping = False

    @property
    def running(self) -> Collection[int]:
        """Ids of the jobs that run now."""
        return self._running

    @property
    def settling(self) -> Collection[int]:
        """Ids of those that are done and whose end is being stored: they take no place any more."""
        return self._settling

    @property
    def rest(self) -> Rest | None:
        """Why the whole queue rests; None while it works."""
        if not self._failures:
            return None
        return Rest(reason=self._rest_reason, since=self._rests_since, until=self._paused_until)

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
                if self._wakeup.probe:
                    self._wakeup.probe, self._paused_until = False, 0
                    self._blocked.clear()
                now = self._store.now()
                try:
                    picked, next_at = await self._pick_jobs(now)
                except StoreUnavailable as error:
                    _log.error("queue cannot read its jobs", queue=self.name, error=str(error))
                    await asyncio.sleep(_STORE_REST_S)
                    continue
                for job in picked:
                    self._running[job.id] = job
                    self._began[job.id] = self._failures
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
            limit=room + len(self._running) + len(self._probed),
            running=frozenset(self._running),
            jobs=tuple(self._running.values()),
            probed=frozenset(self._probed),
            settling=frozenset(self._settling),
            blocked=frozenset(self._blocked),
        )
        probed = frozenset(self._probed)

        def read(db: sqlite3.Connection) -> tuple[list[Job], int | None]:
            found = [] if paused else self._pick.jobs(db, look)
            fresh = [job for job in found if job.id not in look.running]
            fresh.sort(
                key=lambda job: job.id in probed
            )  # each probe of a rest is another job, while there is one
            return fresh[:room], None if len(fresh) >= room else self._pick.next_at(db, now)

        return await self._store.read(read)

    def _room(self) -> int:
        """How many jobs may start now."""
        if len(self._settling) >= self.most_settling > 0:
            return 0
        concurrency = 1 if self._failures else self._concurrency  # while it rests, one probe at a time
        return max(0, concurrency - len(self._running) + len(self._settling))

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
        structlog.contextvars.bind_contextvars(job=job.kind.value, subject=job.subject, **job.item_named)
        outcome: Outcome
        try:
            try:
                outcome = self._judged(job, await self._work(job))
            except StoreUnavailable as error:
                outcome = Retry(until=self._backoff(job), reason=str(error), counted=False)
            except Exception as error:  # noqa: BLE001 - a bug in one job must not end the loop
                _log.exception("job failed unexpectedly", queue=self.name)
                reason = Text("unexpected: {error}", error=type(error).__name__)
                outcome = Retry(until=self._backoff(job), reason=reason)
            if isinstance(outcome, Done) and self.most_settling:
                self._settling.add(job.id)
                self._wakeup.set()
            await self._settle(job, outcome)
            crashpoint(f"{job.kind}.settled")
        finally:
            self._running.pop(job.id, None)
            self._began.pop(job.id, None)
            self._settling.discard(job.id)
            self._wakeup.set()

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
                if isinstance(outcome, BudgetWait | Pause | Unclear) or outcome.write is None:
                    raise
                _log.exception("outcome failed unexpectedly", queue=self.name)
                outcome = Retry(
                    until=self._backoff(job), reason=Text("unexpected: {error}", error=type(error).__name__)
                )
            else:
                self._learn(job, outcome)
                return

    def _judged(self, job: Job, outcome: Outcome) -> Outcome:
        """No clear answer counts against the job, unless the remote is away: the queue rests, or several fail alike."""
        if not isinstance(outcome, Unclear):
            return outcome
        failure, ids = self._failed_alike
        alike = (ids if failure == outcome.failure else frozenset()) | {job.id}
        self._failed_alike = (outcome.failure, alike)
        if self._failures or len(alike) >= _SAME_FAILURES:
            return Pause(outcome.reason)
        return outcome

    def _learn(self, job: Job, outcome: Outcome) -> None:
        """What an outcome says about the other jobs of the queue."""
        match outcome:
            case BudgetWait(call_class, until, reason):
                self._blocked[call_class] = until
                _log.info("waits for the call budget", queue=self.name, work=call_class, reason=reason)
            case Pause(reason):
                if len(self._probed) >= _PROBES_KEPT:
                    self._probed.clear()
                self._probed.add(job.id)
                if self._began.get(job.id, self._failures) < self._failures:
                    return  # it began before the rest, and failed with what brought that about
                self._failures += 1
                now = self._store.now()
                self._paused_until = now + delay_ms(TRADERA_DELAYS_S, self._failures)
                self._rest_reason = reason
                if self._failures == 1:
                    self._rests_since = now
                    _log.warning("remote is away", queue=self.name, reason=reason)
            case Done(answered=True) | Retry(answered=True) | Hold(answered=True):
                self._failed_alike = ("", frozenset())
                if self._failures:
                    _log.info("remote is back", queue=self.name, failures=self._failures)
                    self._failures = self._paused_until = 0
                    self._probed.clear()


def _store(tx: Transaction, job: Job, outcome: Outcome) -> None:
    if isinstance(outcome, Done | Retry | Hold) and outcome.write is not None:
        outcome.write(tx)
    match outcome:
        case Done():
            jobs.finish(tx.db, job)
        case Retry(until=until, reason=reason, counted=counted, answered=answered):
            jobs.put_off(tx.db, job, until=until, reason=reason, counted=counted)
            if answered:
                jobs.answered(tx.db, job)
        case Hold(reason=reason):
            jobs.hold(tx.db, job, reason=reason)
        case BudgetWait():
            pass
        case Pause(reason):
            jobs.put_off(tx.db, job, until=tx.now, reason=reason, counted=False)
        case Unclear(reason=reason):
            until = tx.now + delay_ms(TRADERA_DELAYS_S, job.unclear + 1)
            jobs.put_off_unclear(tx.db, job, until=until, reason=reason, now=tx.now)
