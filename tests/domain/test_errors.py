"""Retry schedules as numbers."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheod.domain.errors import LOOP_DELAYS_S, PICTURE_DELAYS_S, TRADERA_DELAYS_S, delay_ms, stretched_ms


@pytest.mark.parametrize("schedule", [PICTURE_DELAYS_S, TRADERA_DELAYS_S, LOOP_DELAYS_S])
def test_each_failure_waits_its_own_gap_and_the_last_repeats(schedule: tuple[float, ...]) -> None:
    """The n-th failure waits the n-th gap; beyond the schedule the last one repeats."""
    told = [delay_ms(schedule, failures) for failures in range(1, len(schedule) + 3)]
    assert told == [round(1000 * gap) for gap in (*schedule, schedule[-1], schedule[-1])]


def test_a_failure_never_counted_waits_the_first_gap() -> None:
    """Zero failures are taken as one, so that nobody retries without a pause."""
    assert delay_ms((5, 15), 0) == 5000


@given(st.integers(1, 20), st.integers())
def test_chance_keeps_a_gap_between_half_and_whole(failures: int, seed: int) -> None:
    """Many waiters spread out, none waits longer than the schedule says or less than half of it."""
    whole = delay_ms(TRADERA_DELAYS_S, failures)
    assert whole / 2 <= delay_ms(TRADERA_DELAYS_S, failures, Random(seed)) <= whole


def test_tradera_is_left_alone_for_5_seconds_up_to_15_minutes() -> None:
    """5 s at first, 15 min at most."""
    assert (TRADERA_DELAYS_S[0], TRADERA_DELAYS_S[-1]) == (5, 900)


@pytest.mark.parametrize(
    ("retry_after_s", "gap_ms"),
    [(None, 8000), (3, 8000), (12, 12000), (3600, 16000), (-1, 8000), (0, 8000), (10.0**12, 16000)],
)
def test_retry_after_stretches_to_twice_and_never_shortens(retry_after_s: float | None, gap_ms: int) -> None:
    """A receiver's wish counts between the gap and twice the gap."""
    assert stretched_ms(8000, retry_after_s) == gap_ms


@pytest.mark.parametrize("schedule", [TRADERA_DELAYS_S, LOOP_DELAYS_S])
def test_in_a_long_outage_nobody_is_called_more_than_every_half_minute(schedule: tuple[float, ...]) -> None:
    """After the first quick tries the gaps are 30 s at least, even where chance halves them."""
    lowest = [delay_ms(schedule, failures, Random(seed)) for failures in range(7, 30) for seed in range(50)]
    assert min(lowest) >= 30_000
