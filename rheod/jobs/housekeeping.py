"""What keeps the daemon well: the watchdog fed, the loop's stalls measured, old rows dropped, the database checked.

Each of these is a loop of its own beside the queues.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import structlog

from rheod.domain.errors import RheodError, StoreUnavailable
from rheod.store import key_value, order_changes, outbox
from rheod.store.engine.connection import SOUND, FileCheck
from rheod.store.engine.database import Database
from rheod.store.engine.folder import HINT

_log = structlog.get_logger(__name__)
_DAY_MS = 24 * 3600 * 1000
_PROBE, _PROBE_BYTES = "probe", 2**16
_A_ROUND = 1000
"""Rows dropped or erased at once, so that a large backlog holds nobody up."""


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
