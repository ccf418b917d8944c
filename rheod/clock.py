"""The daemon's time: the wall clock as it was at the start, carried on by the monotonic one, so that it never jumps by itself.

Part of the composition root. What follows from a jump of the machine's clock is the timekeeper's business.
"""

from __future__ import annotations

import time
from collections.abc import Callable


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
