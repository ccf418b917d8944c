"""Token buckets: the rate holds, the advice to wait is true, and memory follows the traffic."""

from __future__ import annotations

import pytest

from rheod.api.buckets import Buckets


class Clock:
    """Seconds that move when told."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


def test_a_burst_of_two_seconds_worth_goes_through_and_no_more() -> None:
    """At 10/s twenty calls pass at once and the next must wait a second."""
    buckets = Buckets(per_s=10, monotonic=Clock())
    assert [buckets.take("a") for _ in range(21)] == [0] * 20 + [1]


def test_three_times_the_limit_for_a_minute_gets_the_limit() -> None:
    """Over 60 s at three times the rate, what passes is within 2 % of the rate (and the burst)."""
    clock = Clock()
    buckets = Buckets(per_s=10, monotonic=clock)
    passed = 0
    for _ in range(60 * 30):
        passed += buckets.take("a") == 0
        clock.at += 1 / 30
    assert abs(passed - (600 + 20)) <= 12


@pytest.mark.parametrize("per_s", [0.2, 0.7, 1, 3, 10, 30])
def test_who_waits_as_told_is_not_refused_again(per_s: float) -> None:
    """After the seconds named, the next call passes; never two refusals in a row."""
    clock = Clock()
    buckets = Buckets(per_s=per_s, monotonic=clock)
    refusals = 0
    for _ in range(200):
        wait_s = buckets.take("a")
        if wait_s:
            refusals += 1
            clock.at += wait_s
            assert buckets.take("a") == 0
    assert refusals > 0


def test_owners_do_not_share_a_bucket() -> None:
    """One caller's flood leaves another's bucket full."""
    buckets = Buckets(per_s=1, monotonic=Clock())
    while buckets.take("loud") == 0:
        pass
    assert buckets.take("quiet") == 0


def test_buckets_left_alone_are_forgotten() -> None:
    """A bucket idle for two seconds is full again and takes no memory."""
    clock = Clock()
    buckets = Buckets(per_s=10, monotonic=clock)
    for number in range(5000):
        buckets.take(f"owner {number}")
    assert len(buckets) == 5000
    clock.at += 2.0
    buckets.take("one more")
    assert len(buckets) == 1


def test_a_flood_does_not_refill_by_being_forgotten() -> None:
    """A caller that never stops is refused for as long as it goes on."""
    clock = Clock()
    buckets = Buckets(per_s=1, monotonic=clock)
    passed = 0
    for _ in range(1000):
        passed += buckets.take("loud") == 0
        clock.at += 0.01
    assert passed <= 2 + 10


def test_a_limit_of_nothing_is_a_mistake() -> None:
    """A rate of zero would refuse everything for ever and is not accepted."""
    with pytest.raises(ValueError, match="more than 0"):
        Buckets(per_s=0, monotonic=Clock())
