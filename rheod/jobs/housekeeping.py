"""What keeps the daemon well: an even clock, the watchdog fed, the loop's stalls measured, old rows dropped, the database checked.

The daemon's time is the wall clock as it was at the start, carried on by the monotonic one, so that it never jumps by itself. When
the machine's clock jumps, every due time moves along with it, so that neither a storm of retries nor a long sleep follows. The
machine's clock is never set. Each of the other chores is a loop of its own beside the queues.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol

import structlog

from rheod.domain.errors import RheodError, StoreUnavailable
from rheod.store import facts, key_value, order_changes, outbox
from rheod.store.engine.connection import SOUND, FileCheck
from rheod.store.engine.database import Database
from rheod.store.engine.folder import HINT

_log = structlog.get_logger(__name__)
_DAY_MS = 24 * 3600 * 1000
_PROBE, _PROBE_BYTES = "probe", 2**16
_A_ROUND = 1000
"""Rows dropped or erased at once, so that a large backlog holds nobody up."""


def wall_clock() -> int:
    """Milliseconds since 1970 UTC, as the machine has them now."""
    return time.time_ns() // 1_000_000


def monotonic_ms() -> int:
    """Milliseconds that nobody sets."""
    return time.monotonic_ns() // 1_000_000


class SteadyClock:
    """Milliseconds since 1970 UTC that pass evenly. `ahead` says by how much the wall clock has left it behind."""

    def __init__(
        self, *, wall: Callable[[], int] = wall_clock, monotonic: Callable[[], int] = monotonic_ms
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._offset = wall() - monotonic()

    def __call__(self) -> int:
        """Now."""
        return self._monotonic() + self._offset

    def ahead(self) -> int:
        """Milliseconds by which the machine's clock is ahead of this one; below 0 when it was set back."""
        return self._wall() - self()

    def adjust(self, by: int) -> None:
        """Take over so much of it."""
        self._offset += by


JUMP_MS = 5000
"""Less than this is the usual correction of a clock, which is taken over without a log line."""


class Clock(Protocol):
    """The daemon's clock."""

    def __call__(self) -> int:
        """Now (ms UTC)."""
        ...

    def ahead(self) -> int:
        """By how much the machine's clock has left it behind (ms)."""
        ...

    def adjust(self, by: int) -> None:
        """Take over so much of it (ms)."""
        ...


class ClockJumpMonitor:
    """Compares the two clocks every `every_s` seconds and takes over what the machine's has jumped.

    `moved` is told by how many ms, for what is only in memory.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        database: Database,
        every_s: float = 5.0,
        moved: Callable[[int], None] = lambda _by: None,
    ) -> None:
        self._clock = clock
        self._database = database
        self._every_s = every_s
        self._moved = moved

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await asyncio.sleep(self._every_s)
            by = self._clock.ahead()
            if abs(by) < JUMP_MS:
                self._clock.adjust(by)
                continue
            try:
                await self._database.write(partial(facts.move, now=self._clock(), by=by))
            except StoreUnavailable as error:
                _log.warning("the jump of the clock waits for the store", reason=str(error))
                continue
            self._clock.adjust(by)
            self._moved(by)
            _log.warning("the machine's clock jumped; due times moved along", seconds=round(by / 1000))


async def probe(database: Database) -> None:
    """Wait for the writer's answer. After a refusal it must write as much as a long item: nothing less proves room."""
    if database.refusal is None:
        await database.write(lambda db: db.execute("SELECT 1").fetchone())
        return
    await database.write(partial(key_value.put, name=_PROBE, value="." * _PROBE_BYTES))
    await database.write(partial(key_value.drop, name=_PROBE))


class Heartbeat:
    """Feeds systemd's watchdog while the loop runs and the writer answers; a thread would hide a dead loop."""

    def __init__(
        self, *, beat: Callable[[], None], alive: Callable[[], Awaitable[object]], every_s: float
    ) -> None:
        self._beat = beat
        self._alive = alive
        self._every_s = every_s

    async def run(self) -> None:
        """Beat until cancelled. A store that cannot write for lack of room still answers, so it still beats.

        TimeoutError when the writer does not answer at all: that ends the process.
        """
        while True:
            with contextlib.suppress(StoreUnavailable):
                async with asyncio.timeout(self._every_s * 2):
                    await self._alive()
            self._beat()
            await asyncio.sleep(self._every_s)


class LoopWatch:
    """Measures how late the event loop is: what holds it up holds up every answer.

    `longest_ms` is the worst since the start; a stall counts from the moment at which this should have had its turn.
    """

    LATELY = 600
    """Looks that `lately_ms` goes back, at least: a minute of them."""

    def __init__(self, *, every_s: float = 0.1) -> None:
        self._every_s = every_s
        self.longest_ms = 0
        self._looks = 0
        self._worst = self._worst_before = 0

    @property
    def lately_ms(self) -> int:
        """The worst of the last one to two minutes."""
        return max(self._worst, self._worst_before)

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            due = time.monotonic() + self._every_s
            await asyncio.sleep(self._every_s)
            late_ms = round((time.monotonic() - due) * 1000)
            self._looks += 1
            if self._looks % self.LATELY == 0:
                self._worst_before, self._worst = self._worst, 0
            self._worst = max(self._worst, late_ms)
            self.longest_ms = max(self.longest_ms, late_ms)


class Housekeeping:
    """Chores every `every_s`; each is short and may fail without harm.

    `keep_days` are those of the delivery log, `orders_days` those after which personal data is erased;
    `chores` are done first. A write-ahead log that is long, or may hold what is erased, is shortened; when it cannot be, something has been reading for long, such as a backup that hangs.
    """

    def __init__(
        self,
        *,
        database: Database,
        now: Callable[[], int],
        chores: Sequence[Callable[[], Awaitable[None]]],
        keep_days: int,
        orders_days: int,
        every_s: float = 60.0,
    ) -> None:
        self._database = database
        self._now = now
        self._chores = chores
        self._keep_days = keep_days
        self._orders_days = orders_days
        self._every_s = every_s
        self._log_is_long = False

    async def run(self) -> None:
        """Do the chores until cancelled."""
        while True:
            await asyncio.sleep(self._every_s)
            await self._watch_log()
            try:
                for chore in self._chores:
                    await chore()
                now = self._now()
                before = now - self._keep_days * _DAY_MS
                await self._database.write(partial(outbox.drop_old_deliveries, before=before, limit=_A_ROUND))
                erased = await self._database.write(
                    partial(
                        order_changes.erase, before=now - self._orders_days * _DAY_MS, limit=_A_ROUND, now=now
                    )
                )
                if erased:
                    _log.info("personal data erased", rows=erased)
                    self._database.log_holds_erased = True
                    await self._database.shorten_log()
            except StoreUnavailable as error:
                _log.warning("housekeeping waits for the store", reason=str(error))

    async def _watch_log(self) -> None:
        """Shorten the write-ahead log; log once when it stays long, and once when it is short again."""
        if self._database.log_is_long or self._database.log_holds_erased:
            await self._database.shorten_log()
        size = self._database.log_bytes
        if self._database.log_is_long == self._log_is_long:
            return
        self._log_is_long = not self._log_is_long
        if self._log_is_long:
            _log.error(
                "the write-ahead log grows: end whatever has been reading the database for long (a backup?)",
                bytes=size,
            )
        else:
            _log.info("the write-ahead log is short again", bytes=size)


class IntegrityChecker:
    """Checks a database that was too large to be checked before the start, once, while the daemon runs.

    The check never holds up a write. The write-ahead log cannot be shortened while it reads, so that it is given up when
    the log becomes long, and begun again `rest_s` seconds later.
    """

    def __init__(self, *, database: Database, every_s: float = 1.0, rest_s: float = 600.0) -> None:
        self._database = database
        self._every_s = every_s
        self._rest_s = rest_s

    async def run(self) -> None:
        """Return once the file is known to be sound. RheodError when it is damaged: that must end the process."""
        if not self._database.unchecked:
            return
        while (found := await self._check()) is None:
            _log.warning("integrity check waits: too much is being written", seconds=self._rest_s)
            await asyncio.sleep(self._rest_s)
        if found != SOUND:
            raise RheodError(f"The database {self._database.file} is damaged: {found}. {HINT}")
        self._database.unchecked = False
        _log.info("integrity check passed")

    async def _check(self) -> str | None:
        """What the check found; None when it was given up."""
        look = FileCheck(self._database.file)
        async with asyncio.TaskGroup() as group:
            looking = group.create_task(asyncio.to_thread(look.run), name="integrity check")
            try:
                await self._stand_by(look, looking)
            finally:
                look.give_up()
        return looking.result()

    async def _stand_by(self, look: FileCheck, looking: asyncio.Task[str | None]) -> None:
        """Until the check ends, by itself or because the log has become long."""
        while not looking.done():
            await asyncio.wait([looking], timeout=self._every_s)
            if self._database.log_is_long:
                look.give_up()
