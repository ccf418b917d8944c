"""The call budget against a plain model: a day's calls never exceed what is allowed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheod.domain.budget import WINDOW_MS, Allowance, expected_at, fits_at, publish_cost
from rheod.domain.model import CallClass

NOW = 10 * WINDOW_MS
DEFAULT = Allowance(limit=100, reserve_share=0.2, reconcile_share=0.1)

past = st.lists(st.integers(NOW - 2 * WINDOW_MS, NOW), max_size=40).map(sorted)


def _most_in_any_day(calls: list[int]) -> int:
    return max(sum(end - WINDOW_MS < at <= end for at in calls) for end in calls)


def test_only_ending_orders_and_parcels_may_use_the_reserved_share() -> None:
    """A publishing burst leaves a fifth of the calls for withdrawals and sales."""
    ceilings = {each: DEFAULT.ceiling(each) for each in CallClass}
    assert ceilings == dict.fromkeys(CallClass, 80) | {
        CallClass.TAKEOVER: 100,
        CallClass.END: 100,
        CallClass.ORDERS: 100,
        CallClass.SHIP: 100,
    }
    assert DEFAULT.reconcile_ceiling == 10


def test_a_tiny_budget_still_allows_one_call_of_every_kind() -> None:
    """No share is ever rounded down to nothing."""
    tiny = Allowance(limit=1, reserve_share=0.9, reconcile_share=0.01)
    assert {tiny.ceiling(each) for each in CallClass} | {tiny.reconcile_ceiling} == {1}


@pytest.mark.parametrize(("pictures", "calls"), [(0, 3), (1, 4), (4, 7), (8, 11)])
def test_publishing_costs_what_the_table_says(pictures: int, calls: int) -> None:
    """Create, each picture, commit and a share of the question for results."""
    assert publish_cost(pictures) == calls


def test_calls_fit_now_while_there_is_room() -> None:
    """Two calls used of five leave room for three and no more."""
    used = [NOW - 2000, NOW - 1000]
    assert fits_at(used, ceiling=5, cost=3, now=NOW) == NOW
    assert fits_at(used, ceiling=5, cost=4, now=NOW) == NOW - 2000 + WINDOW_MS
    assert fits_at(used, ceiling=5, cost=5, now=NOW) == NOW - 1000 + WINDOW_MS


def test_a_call_leaves_the_window_exactly_a_day_later() -> None:
    """24 hours after it was made a call counts no more; a millisecond earlier it does."""
    assert fits_at([NOW - WINDOW_MS], ceiling=1, cost=1, now=NOW) == NOW
    assert fits_at([NOW - WINDOW_MS + 1], ceiling=1, cost=1, now=NOW) == NOW + 1


def test_an_item_dearer_than_the_budget_goes_when_the_window_is_free() -> None:
    """It would wait for ever otherwise."""
    assert fits_at([], ceiling=5, cost=13, now=NOW) == NOW
    assert fits_at([NOW - 5], ceiling=5, cost=13, now=NOW) == NOW - 5 + WINDOW_MS


@given(past, st.integers(1, 30), st.integers(1, 30))
def test_what_fits_keeps_every_day_within_the_ceiling(calls: list[int], ceiling: int, cost: int) -> None:
    """Calls made at the time told never make a day fuller than allowed; one millisecond earlier they would."""
    at = fits_at(calls, ceiling=ceiling, cost=cost, now=NOW)
    cost = min(cost, ceiling)
    assert at >= NOW
    assert sum(each > at - WINDOW_MS for each in calls) + cost <= ceiling
    if at > NOW:
        assert sum(each > at - 1 - WINDOW_MS for each in calls) + cost > ceiling


@given(past, st.integers(1, 30), st.integers(1, 30))
def test_the_forecast_for_the_first_day_is_when_the_calls_fit(
    calls: list[int], ceiling: int, cost: int
) -> None:
    """Forecast and gate agree as long as the queue fits into one window."""
    cost = min(cost, ceiling)
    told = expected_at(calls, ceiling=ceiling, cost_up_to=cost, now=NOW)
    assert told == fits_at(calls, ceiling=ceiling, cost=cost, now=NOW)


@given(past, st.integers(1, 8), st.integers(1, 40))
def test_the_forecast_is_what_a_patient_caller_would_meet(calls: list[int], ceiling: int, queue: int) -> None:
    """Making the queue's calls one by one, each as soon as it fits, ends at the time that was forecast."""
    made, now = list(calls), NOW
    for _ in range(queue):
        now = fits_at(made, ceiling=ceiling, cost=1, now=now)
        made.append(now)
    assert expected_at(calls, ceiling=ceiling, cost_up_to=queue, now=NOW) == now
    assert _most_in_any_day(made[len(calls) :]) <= ceiling


@given(past, st.integers(1, 20), st.integers(1, 100))
def test_a_longer_queue_is_never_expected_earlier(calls: list[int], ceiling: int, queue: int) -> None:
    """Positions and times rise together."""
    earlier = expected_at(calls, ceiling=ceiling, cost_up_to=queue, now=NOW)
    assert NOW <= earlier <= expected_at(calls, ceiling=ceiling, cost_up_to=queue + 1, now=NOW)
