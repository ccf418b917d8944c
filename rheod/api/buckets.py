"""Token buckets on the monotonic clock, in memory (a restart refills them). Knows nothing of HTTP or keys."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable

BURST_S = 2.0
"""A full bucket holds what may be asked in this many seconds (rheo-api.md section 1)."""

MAX_OWNERS = 100_000
"""Buckets kept at once; beyond it the least recently used is forgotten, which only ever favours its owner."""


class Buckets:
    """One class of calls: a bucket for each owner, refilled at `per_s` and holding two seconds' worth.

    A bucket left alone for two seconds is full again and so is forgotten: memory follows the traffic.
    """

    def __init__(self, *, per_s: float, monotonic: Callable[[], float]) -> None:
        if not per_s > 0:
            raise ValueError("a rate limit must be more than 0 per second")
        self._per_s = per_s
        self._size = max(1.0, per_s * BURST_S)
        self._refill_s = self._size / per_s
        self._monotonic = monotonic
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()  # owner -> (tokens, when)

    def __len__(self) -> int:
        return len(self._levels)

    def take(self, owner: str) -> int:
        """0 when the call may go on, else the whole seconds (at least 1) after which one will be let through."""
        now = self._monotonic()
        self._forget_refilled(now)
        tokens, when = self._levels.pop(owner, (self._size, now))
        tokens = min(self._size, tokens + (now - when) * self._per_s)
        granted = tokens >= 1
        self._levels[owner] = (tokens - 1 if granted else tokens, now)
        return 0 if granted else max(1, math.ceil((1 - tokens) / self._per_s))

    def _forget_refilled(self, now: float) -> None:
        while self._levels:
            owner, (_, when) = next(iter(self._levels.items()))
            if when + self._refill_s > now and len(self._levels) < MAX_OWNERS:
                return
            del self._levels[owner]
