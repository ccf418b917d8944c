"""Watches for jumps of the machine's clock and lets due times move along, so that neither a storm nor a long sleep follows.

It takes the daemon's clock as it is and never sets the machine's.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Protocol

import structlog

from rheod.domain.errors import StoreUnavailable
from rheod.store import timing
from rheod.store.database import Database

_log = structlog.get_logger(__name__)
JUMP_MS = 5000
"""Less than this is the usual correction of a clock, which is taken over without a word."""


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


class Timekeeper:
    """Looks every `every_s` seconds."""

    def __init__(self, *, clock: Clock, database: Database, every_s: float = 5.0) -> None:
        self._clock = clock
        self._database = database
        self._every_s = every_s

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await asyncio.sleep(self._every_s)
            await self._look()

    async def _look(self) -> None:
        by = self._clock.ahead()
        if abs(by) < JUMP_MS:
            self._clock.adjust(by)
            return
        try:
            await self._database.write(partial(timing.move, now=self._clock(), by=by))
        except StoreUnavailable as error:
            _log.warning("the jump of the clock waits for the store", reason=str(error))
            return
        self._clock.adjust(by)
        _log.warning("the machine's clock jumped; due times moved along", seconds=round(by / 1000))
