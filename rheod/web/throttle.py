"""Slows down guessing at the sign-in: after a few failures an address waits, each time twice as long."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable

FREE_TRIES = 5
FIRST_WAIT_S = 2.0
LONGEST_WAIT_S = 900.0
FORGET_S = 3600.0
MAX_ADDRESSES = 10_000


class Throttle:
    """Failures by address, in memory; an address is forgotten an hour after its last failure, or when it succeeds."""

    def __init__(self, *, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()  # address -> (failures, last)

    def wait_s(self, address: str) -> int:
        """Whole seconds until the address may try again; 0 when it may now."""
        failures, last = self._failures.get(address, (0, 0.0))
        if failures < FREE_TRIES:
            return 0
        wait = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(failures - FREE_TRIES, 20))
        return max(0, math.ceil(last + wait - self._monotonic()))

    def failed(self, address: str) -> None:
        """Count a failure."""
        now = self._monotonic()
        failures, _ = self._failures.pop(address, (0, 0.0))
        self._failures[address] = (failures + 1, now)
        while self._failures:
            oldest, (_, last) = next(iter(self._failures.items()))
            if last + FORGET_S > now and len(self._failures) <= MAX_ADDRESSES:
                return
            del self._failures[oldest]

    def succeeded(self, address: str) -> None:
        """Forget the address's failures."""
        self._failures.pop(address, None)
