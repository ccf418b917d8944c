"""Small chores on the clock: key uses written down, old rows dropped, the watchdog fed from the loop itself, its stalls measured."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from rheod.domain.errors import StoreUnavailable
from rheod.store import deliveries, erasure
from rheod.store.database import Database

_log = structlog.get_logger(__name__)
_DAY_MS = 24 * 3600 * 1000
_A_ROUND = 1000
"""Rows dropped or erased at once, so that a large backlog holds nobody up."""


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
    """Measures how late the loop is: who holds it up holds up every answer (I9).

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
            self._note(round((time.monotonic() - due) * 1000))

    def _note(self, late_ms: int) -> None:
        self._looks += 1
        if self._looks % self.LATELY == 0:
            self._worst_before, self._worst = self._worst, 0
        self._worst = max(self._worst, late_ms)
        self.longest_ms = max(self.longest_ms, late_ms)


class Upkeep:
    """Chores every `every_s`; each is short and may fail without harm.

    `keep_days` are those of the delivery log, `orders_days` those after which personal data is erased. A write-ahead log
    that is long is shortened; that it cannot be means that somebody has been reading for long: a backup that hangs (G8).
    """

    def __init__(
        self,
        *,
        database: Database,
        now: Callable[[], int],
        save_uses: Callable[[], Awaitable[None]],
        keep_days: int,
        orders_days: int,
        every_s: float = 60.0,
    ) -> None:
        self._database = database
        self._now = now
        self._save_uses = save_uses
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
                await self._save_uses()
                before = self._now() - self._keep_days * _DAY_MS
                await self._database.write(
                    partial(deliveries.drop_old_deliveries, before=before, limit=_A_ROUND)
                )
                await self._erase()
            except StoreUnavailable as error:
                _log.warning("upkeep waits for the store", reason=str(error))

    async def _erase(self) -> None:
        """Forget who bought what and by which parcel, once `orders_days` have passed."""
        now = self._now()
        before = now - self._orders_days * _DAY_MS
        erased = await self._database.write(partial(erasure.erase, before=before, limit=_A_ROUND, now=now))
        if erased:
            _log.info("personal data erased", rows=erased)

    async def _watch_log(self) -> None:
        """Shorten the write-ahead log; say once when it stays long, and once when it is short again."""
        if self._database.log_is_long:
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
