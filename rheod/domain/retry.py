"""Retry schedules as data and the next attempt as a pure function. Nothing here waits."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

PICTURE_DELAYS_S: Sequence[float] = (2, 10, 60, 300, 1800)
"""Gaps between tries of one picture: six tries in about 36 minutes, then the picture has failed."""

TRADERA_DELAYS_S: Sequence[float] = (5, 15, 45, 120, 300, 900)
"""Gaps after a Tradera call that failed in passing (5 s to 15 min); the last one repeats."""

_LEAST_LOOK_GAP_MS = 15 * 60 * 1000
_LONGEST_LOOK_GAP_MS = 24 * 3600 * 1000

LOOP_DELAYS_S: Sequence[float] = (1, 2, 4, 8, 16, 30, 60)
"""Gaps of a loop whose remote is away; the last one repeats."""


def delay_ms(schedule_s: Sequence[float], failures: int, rng: Random | None = None) -> int:
    """Milliseconds to wait after the n-th failure (n from 1); beyond the schedule its last gap repeats.

    With `rng`, between half and the whole of the gap, so that many waiters do not wake together.
    """
    gap = schedule_s[min(max(failures, 1), len(schedule_s)) - 1]
    factor = 1.0 if rng is None else 0.5 + rng.random() / 2
    return round(gap * factor * 1000)


def stretched_ms(gap_ms: int, retry_after_s: float | None) -> int:
    """A receiver's Retry-After may stretch a gap up to twice its length and never shortens it."""
    if retry_after_s is None:
        return gap_ms
    return min(max(gap_ms, round(retry_after_s * 1000)), 2 * gap_ms)


def look_gap_ms(age_ms: int) -> int:
    """How long until an ad in doubt is looked for again, by the age of the doubt: a quarter of it, 15 min to a day.

    It has no end: what may have been committed may come up at any time.
    """
    return min(max(age_ms // 4, _LEAST_LOOK_GAP_MS), _LONGEST_LOOK_GAP_MS)
