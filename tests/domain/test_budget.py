"""Tradera's quota against a plain model: no day's calls exceed what is allowed, and what a 429 teaches."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheod.domain.budget import (
    HOUR_MS,
    TOTAL,
    WINDOW_MS,
    Load,
    MethodState,
    Quota,
    Window,
    asked_for,
    calls_of_reading,
    free_at,
    publish_cost,
    publish_needs,
    refused,
    taken,
)
from rheod.domain.calendar import start_of
from rheod.domain.model import CallClass

NOW = 10 * WINDOW_MS
IN_ALL = Quota(total=100, reserve_share=0.2, reconcile_share=0.1)

past = st.lists(st.integers(NOW - 2 * WINDOW_MS, NOW), max_size=40).map(sorted)


def _most_in_any_day(calls: list[int]) -> int:
    return max(sum(end - WINDOW_MS < at <= end for at in calls) for end in calls)


def test_only_ending_orders_and_parcels_may_use_the_reserved_share() -> None:
    """A publishing burst leaves a fifth of a sum for withdrawals and sales, and reading a tenth of orders and endings."""
    ceilings = {each: IN_ALL.ceiling(TOTAL, each, 100) for each in CallClass}
    assert ceilings == dict.fromkeys(CallClass, 80) | {
        CallClass.TAKEOVER: 100,
        CallClass.END: 100,
        CallClass.ORDERS: 100,
        CallClass.SHIP: 100,
    }
    assert IN_ALL.reading_ceiling(TOTAL, 100) == 10
    of_methods = {
        method: IN_ALL.ceiling(method, CallClass.RECONCILE, 1000) for method in ("orders", "end", "image")
    }
    assert of_methods == {"orders": 900, "end": 900, "image": 1000}
    assert IN_ALL.ceiling("end", CallClass.END, 1000) == 1000
    assert IN_ALL.reading_ceiling("orders", 1000) == 333


def test_a_tiny_budget_still_allows_one_call_of_every_kind() -> None:
    """No share is ever rounded down to nothing."""
    tiny = Quota(total=1, reserve_share=0.9, reconcile_share=0.01)
    ceilings = {tiny.ceiling(method, each, 1) for method in (TOTAL, "orders") for each in CallClass}
    assert ceilings | {tiny.reading_ceiling(TOTAL, 1), tiny.reading_ceiling("orders", 1)} == {1}


def test_a_method_has_its_own_limit_or_the_default_one() -> None:
    """There is no limit in all unless the owner says so."""
    quota = Quota(methods={"image": 7})
    assert [quota.limit(method) for method in ("image", "create", TOTAL)] == [7, 10_000, None]


@pytest.mark.parametrize(("pictures", "calls"), [(0, 3), (1, 4), (4, 7), (8, 11)])
def test_publishing_costs_what_the_table_says(pictures: int, calls: int) -> None:
    """Create, each picture, commit and a share of the question for results."""
    assert publish_cost(pictures) == calls
    needs = publish_needs(2, 2 * calls)
    assert needs == {"create": 2, "image": 2 * pictures, "commit": 2, TOTAL: 2 * calls}


def test_calls_fit_now_while_there_is_room() -> None:
    """Two calls used of five leave room for three and no more."""
    used = [NOW - 2000, NOW - 1000]
    assert Window(used).fits_at(ceiling=5, cost=3, now=NOW) == NOW
    assert Window(used).fits_at(ceiling=5, cost=4, now=NOW) == NOW - 2000 + WINDOW_MS
    assert Window(used).fits_at(ceiling=5, cost=5, now=NOW) == NOW - 1000 + WINDOW_MS


def test_a_call_leaves_the_window_exactly_a_day_later() -> None:
    """24 hours after it was made a call counts no more; a millisecond earlier it does."""
    assert Window([NOW - WINDOW_MS]).fits_at(ceiling=1, cost=1, now=NOW) == NOW
    assert Window([NOW - WINDOW_MS + 1]).fits_at(ceiling=1, cost=1, now=NOW) == NOW + 1


def test_an_item_dearer_than_the_budget_goes_when_the_window_is_free() -> None:
    """It would wait for ever otherwise."""
    assert Window([]).fits_at(ceiling=5, cost=13, now=NOW) == NOW
    assert Window([NOW - 5]).fits_at(ceiling=5, cost=13, now=NOW) == NOW - 5 + WINDOW_MS


@given(past, st.integers(1, 30), st.integers(1, 30))
def test_what_fits_keeps_every_day_within_the_ceiling(calls: list[int], ceiling: int, cost: int) -> None:
    """Calls made at the time told never make a day fuller than allowed; one millisecond earlier they would."""
    at = Window(calls).fits_at(ceiling=ceiling, cost=cost, now=NOW)
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
    told = Window(calls).expected_at(ceiling=ceiling, cost_up_to=cost, now=NOW)
    assert told == Window(calls).fits_at(ceiling=ceiling, cost=cost, now=NOW)


@given(past, st.integers(1, 8), st.integers(1, 40))
def test_the_forecast_is_what_a_patient_caller_would_meet(calls: list[int], ceiling: int, queue: int) -> None:
    """Making the queue's calls one by one, each as soon as it fits, ends at the time that was forecast."""
    made, now = list(calls), NOW
    for _ in range(queue):
        now = Window(made).fits_at(ceiling=ceiling, cost=1, now=now)
        made.append(now)
    assert Window(calls).expected_at(ceiling=ceiling, cost_up_to=queue, now=NOW) == now
    assert _most_in_any_day(made[len(calls) :]) <= ceiling


@given(past, st.integers(1, 20), st.integers(1, 100))
def test_a_longer_queue_is_never_expected_earlier(calls: list[int], ceiling: int, queue: int) -> None:
    """Positions and times rise together."""
    earlier = Window(calls).expected_at(ceiling=ceiling, cost_up_to=queue, now=NOW)
    assert NOW <= earlier <= Window(calls).expected_at(ceiling=ceiling, cost_up_to=queue + 1, now=NOW)


def test_on_the_day_of_25_hours_a_call_counts_until_midnight() -> None:
    """Else the last hour of 25 October would bring the Swedish day above its limit; every other day is within the window."""
    begin = start_of(date(2026, 10, 25))
    assert free_at(begin) == begin + 25 * HOUR_MS
    assert free_at(begin + 2 * HOUR_MS) == begin + 2 * HOUR_MS + WINDOW_MS
    assert free_at(begin - 1000) == begin + 25 * HOUR_MS  # it arrives, and counts, after midnight
    spring = start_of(date(2026, 3, 29))
    assert free_at(spring) == spring + WINDOW_MS
    window = Window([begin])
    late = begin + WINDOW_MS + 60_000
    assert window.fits_at(ceiling=1, cost=1, now=late) == begin + 25 * HOUR_MS


def test_a_clock_set_back_keeps_the_calls_in_order() -> None:
    """The call made by the wrong clock counts, and holds no other back."""
    window = Window([NOW + HOUR_MS])
    window.add(NOW)
    assert window.times(NOW) == [NOW, NOW + HOUR_MS]
    window.remove(NOW + HOUR_MS)
    window.remove(NOW + HOUR_MS)
    assert window.times(NOW) == [NOW]


# What a 429 teaches


def _refusals(method: str, gaps_ms: list[int], *, used: int = 50) -> list[MethodState]:
    """What is known after each of so many refusals, each this long after the one before."""
    state, now, found = MethodState(method=method), NOW, []
    for gap_ms in gaps_ms:
        now += gap_ms
        state = refused(state, sent_at=now, now=now, used=used, retry_after_ms=None)
        found.append(state)
    return found


def test_a_method_rests_one_five_and_fifteen_minutes_then_an_hour() -> None:
    """Only when the probe after an hour is refused too the limit is what had been used at first."""
    minute = 60_000
    states = _refusals("image", [0, minute, 5 * minute, 15 * minute, HOUR_MS, HOUR_MS])
    assert [each.until - each.refused_at for each in states] == [
        minute,
        5 * minute,
        15 * minute,
        HOUR_MS,
        HOUR_MS,
        HOUR_MS,
    ]
    assert [each.ceiling for each in states] == [None, None, None, None, 50, 50]
    assert states[-1].since == NOW


def test_refusals_within_the_hour_teach_nothing() -> None:
    """Tradera may name short waits again and again."""
    assert {each.ceiling for each in _refusals("image", [1000] * 20)} == {None}


def test_calls_that_were_on_their_way_together_are_refused_as_one() -> None:
    """Four at once are one refusal; a fifth that came through beside them does not end the rest."""
    (first,) = _refusals("image", [0])
    again = refused(first, sent_at=NOW, now=NOW + 5, used=50, retry_after_ms=None)
    assert again == first
    assert taken(first, sent_at=NOW) == first
    assert taken(first, sent_at=NOW + 1) == MethodState(method="image")


def test_what_was_learned_stays_when_calls_go_on() -> None:
    """It is never more than was learned before, and never nothing."""
    known = MethodState(method="image", ceiling=30)
    for used, learned in ((40, 30), (20, 20), (0, 1)):
        state = known
        for step in range(5):
            at = NOW + step * HOUR_MS
            state = refused(state, sent_at=at, now=at, used=used, retry_after_ms=None)
        assert taken(state, sent_at=NOW + 9 * HOUR_MS) == MethodState(method="image", ceiling=learned)


@pytest.mark.parametrize(("method", "longest"), [("image", WINDOW_MS), ("orders", HOUR_MS), ("end", HOUR_MS)])
def test_a_time_that_tradera_names_is_kept_up_to_a_day(method: str, longest: int) -> None:
    """Orders and endings are probed every hour all the same."""
    for named, waited in ((1, 1000), (90_000, 90_000), (9 * WINDOW_MS, longest)):
        state = refused(MethodState(method=method), sent_at=NOW, now=NOW, used=1, retry_after_ms=named)
        assert state.until - NOW == waited


def test_a_long_queue_is_reckoned_with_what_a_day_has_shown() -> None:
    """Questions for results by an ad, at most three; reading has had its calls, or gets those of three passes, or fewer."""
    assert [asked_for(4, 4), asked_for(40, 10), asked_for(40, 0), asked_for(5, 50)] == [0.25, 0.25, 0.0, 3.0]
    assert [calls_of_reading(33, 0), calls_of_reading(33, 7), calls_of_reading(33, 40)] == [6, 7, 9]
    assert calls_of_reading(3, 0) == 3
    queue = Load(10, 10 * publish_cost(2))
    assert [queue.needs(TOTAL, asked=asked) for asked in (1, 0, 0.25, 3)] == [50, 41, 44, 68]
    assert (queue.needs("image", asked=0), Load(1, publish_cost(2)).needs(TOTAL, asked=0)) == (20, 5)
