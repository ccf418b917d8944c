"""The daemon's time: the wall clock as it was at the start, carried on by the monotonic one, so that it never jumps by itself.

When the machine's clock jumps, every due time moves along with it, so that neither a storm of retries nor a long sleep
follows. The machine's clock is never set.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Protocol

import structlog

from rheod.domain.errors import StoreUnavailable
from rheod.store import facts
from rheod.store.engine.database import Database


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


_log = structlog.get_logger(__name__)
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
