"""Token buckets: the rate holds, the advice to wait is true, and memory follows the traffic."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rheod.api.authenticator import RateLimiter


class Clock:
    """Seconds that move when told."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


def test_a_burst_of_two_seconds_worth_goes_through_and_no_more() -> None:
    """At 10/s twenty calls pass at once and the next must wait a second."""
    buckets = RateLimiter(per_s=10, monotonic=Clock())
    assert [buckets.take("a") for _ in range(21)] == [0] * 20 + [1]


def test_of_many_refused_at_once_each_is_given_a_turn() -> None:
    """Thirty refused at 10/s are told 1, 2 and 3 s, ten each; nobody is sent away for longer than half a minute."""
    clock = Clock()
    buckets = RateLimiter(per_s=10, monotonic=clock)
    told = [buckets.take("a") for _ in range(20 + 30)][20:]
    assert told == sorted(told)
    assert {wait: told.count(wait) for wait in set(told)} == {1: 10, 2: 10, 3: 10}
    assert max(buckets.take("a") for _ in range(1000)) == 30
    clock.at += 1
    assert [buckets.take("a") for _ in range(11)] == [0] * 10 + [30]


RATES = st.sampled_from([2.0, 10.0, 20.0, 30.0]) | st.floats(1, 60)


@given(per_s=RATES, seed=st.integers(0, 10**9))
@settings(max_examples=40, deadline=None)
def test_three_times_the_limit_for_a_minute_gets_the_limit(per_s: float, seed: int) -> None:
    """Once the burst is spent, what passes in 60 s at three times the rate is the rate within 2 % (or one call)."""
    clock, rng = Clock(), Random(seed)
    buckets = RateLimiter(per_s=per_s, monotonic=clock)
    while buckets.take("a") == 0:
        pass
    passed, end = 0, clock.at + 60
    while clock.at < end:
        clock.at += rng.uniform(0.5, 1.5) / (3 * per_s)
        passed += buckets.take("a") == 0
    assert abs(passed - 60 * per_s) <= max(1.0, 0.02 * 60 * per_s)


@given(per_s=RATES | st.floats(0.1, 1), seed=st.integers(0, 10**9))
@settings(max_examples=40, deadline=None)
def test_who_waits_as_told_is_not_refused_again(per_s: float, seed: int) -> None:
    """A client that asks at three times the rate and waits when told to is never refused twice in a row."""
    clock, rng = Clock(), Random(seed)
    buckets = RateLimiter(per_s=per_s, monotonic=clock)
    refusals, end = 0, clock.at + 60
    while clock.at < end:
        clock.at += rng.uniform(0, 2) / (3 * per_s)
        wait_s = buckets.take("a")
        if wait_s:
            refusals += 1
            clock.at += wait_s
            assert buckets.take("a") == 0
    assert refusals > 0


def test_owners_do_not_share_a_bucket() -> None:
    """One caller's flood leaves another's bucket full."""
    buckets = RateLimiter(per_s=1, monotonic=Clock())
    while buckets.take("loud") == 0:
        pass
    assert buckets.take("quiet") == 0


def test_buckets_left_alone_are_forgotten() -> None:
    """A bucket idle for two seconds is full again and takes no memory."""
    clock = Clock()
    buckets = RateLimiter(per_s=10, monotonic=clock)
    for number in range(5000):
        buckets.take(f"owner {number}")
    assert len(buckets) == 5000
    clock.at += 2.0
    buckets.take("one more")
    assert len(buckets) == 1


def test_a_flood_does_not_refill_by_being_forgotten() -> None:
    """A caller that never stops is refused for as long as it goes on."""
    clock = Clock()
    buckets = RateLimiter(per_s=1, monotonic=clock)
    passed = 0
    for _ in range(1000):
        passed += buckets.take("loud") == 0
        clock.at += 0.01
    assert passed <= 2 + 10


def test_a_limit_of_nothing_is_a_mistake() -> None:
    """A rate of zero would refuse everything for ever and is not accepted."""
    with pytest.raises(ValueError, match="more than 0"):
        RateLimiter(per_s=0, monotonic=Clock())
