"""The price ladder of an unsold auction: what it asks, why, and where it stops."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheod.domain.model import CloseReason, Ladder, RelistWish
from rheod.domain.relist import (
    BelowReserve,
    ComesBack,
    RelistRule,
    StaysDown,
    Then,
    Unsold,
    decide,
    plan_ahead,
    price_of,
)

_HOUR = 3_600_000
_DAY = 24 * _HOUR
_NOW = 1_800_000_000_000
_RULE = RelistRule(enabled=True, floor=0.5)
_AD = Unsold(
    reason=CloseReason.NO_BIDS,
    price_kr=800,
    ladder=None,
    began_at=_NOW - 7 * _DAY,
    ended_at=_NOW,
    number=4711,
)


def _on(price_kr: int, *, attempt: int) -> Ladder:
    """A ladder that began a week ago at 800."""
    return Ladder(first_kr=800, price_kr=price_kr, attempt=attempt, began_at=_AD.began_at)


def _decided(rule: RelistRule = _RULE, ad: Unsold = _AD) -> ComesBack:
    decision = decide(rule, ad)
    assert isinstance(decision, ComesBack), decision
    return decision


def _refused(rule: RelistRule = _RULE, ad: Unsold = _AD) -> StaysDown:
    decision = decide(rule, ad)
    assert isinstance(decision, StaysDown), decision
    return decision


def test_a_price_that_the_ad_has_never_had_is_asked_first() -> None:
    """The ERP has raised or lowered it, and Tradera did not let the ad have it: the ladder begins there."""
    for price_kr in (900, 600):
        ladder = Ladder(first_kr=price_kr, price_kr=price_kr, began_at=_NOW - _DAY)
        back = _decided(ad=replace(_AD, ladder=ladder))
        assert (back.ladder.attempt, back.ladder.price_kr, back.ladder.previous_kr) == (0, price_kr, 800)
        assert "new price" in str(back.why)
        again = _decided(ad=replace(_AD, price_kr=price_kr, ladder=back.ladder))
        assert (again.ladder.attempt, again.ladder.price_kr) == (1, price_kr * 9 // 10)
    under = replace(_AD, ladder=Ladder(first_kr=300, price_kr=300, began_at=_NOW))
    assert "under the floor" in str(_refused(replace(_RULE, floor=400), under).why)


def test_the_first_return_waits_a_day_and_is_cheaper_by_the_first_step() -> None:
    back = _decided()
    assert back.at == _NOW + 24 * _HOUR
    assert back.ladder == Ladder(
        first_kr=800,
        price_kr=720,
        attempt=1,
        began_at=_AD.began_at,
        previous_ad=4711,
        previous_kr=800,
        why=back.why,
    )
    assert back.why == "lowered to 720: return 1 of 3"


def test_a_step_is_a_share_of_the_first_price_and_the_last_one_repeats() -> None:
    assert plan_ahead(replace(_RULE, times=5), 800) == [720, 640, 560, 560, 560]


def test_a_cut_in_per_cent_is_of_the_price_before() -> None:
    assert plan_ahead(replace(_RULE, steps=("-10%",), times=3), 1000) == [900, 810, 729]


@pytest.mark.parametrize(
    ("round_to", "prices"),
    [(1, [719, 639, 559]), (5, [715, 635, 555]), (10, [710, 630, 550]), (9, [719, 639, 559])],
)
def test_prices_are_rounded_down(round_to: int, prices: list[int]) -> None:
    assert plan_ahead(replace(_RULE, round_to=round_to), 799) == prices


def test_a_rounded_price_is_raised_to_the_floor() -> None:
    assert plan_ahead(replace(_RULE, floor=713, round_to=10), 800) == [720, 713, 713]
    at_floor = _on(713, attempt=2)
    back = _decided(replace(_RULE, floor=713), replace(_AD, price_kr=713, ladder=at_floor))
    assert back.why == "kept at 713: floor"
    assert back.ladder.price_kr == 713


def test_a_share_as_floor_is_rounded_up_so_that_nothing_goes_below_it() -> None:
    assert _RULE.floor_of(801) == 401


def test_the_highest_floor_of_item_and_rule_wins() -> None:
    assert _RULE.laid_over(RelistWish(floor_kr=700)).floor_of(800) == 700
    assert _RULE.laid_over(RelistWish(floor_kr=100)).floor_of(800) == 400


def test_no_return_is_ever_dearer_whatever_the_item_asked_before() -> None:
    bargain = _on(600, attempt=1)
    back = _decided(ad=replace(_AD, price_kr=600, ladder=bargain))
    assert back.ladder.price_kr == 600
    assert back.why == "kept at 600: return 2 of 3"


@pytest.mark.parametrize(
    ("rule", "ad", "why", "then"),
    [
        (
            _RULE,
            replace(_AD, reason=CloseReason.CLOSED_BY_TRADERA),
            "not relisted: closed by Tradera",
            None,
        ),
        (
            _RULE,
            replace(_AD, reason=CloseReason.CLOSED_BY_SELLER),
            "not relisted: taken down by its seller",
            None,
        ),
        (_RULE, replace(_AD, withdrawn=True), "not relisted: taken down by its seller", None),
        (replace(_RULE, enabled=False), _AD, "not relisted: no rule says so", None),
        (replace(_RULE, floor=None), _AD, "not relisted: the rule has no floor", None),
        (replace(_RULE, floor=801), _AD, "not relisted: 800 is under the floor 801", None),
        (
            replace(_RULE, until=_NOW + _HOUR, then=Then.TELL),
            _AD,
            "not relisted: its last day has passed",
            Then.TELL,
        ),
        (
            replace(_RULE, stop_after_days=7.5),
            _AD,
            "not relisted: 7.5 days are over",
            Then.NOT_LISTED,
        ),
        (
            replace(_RULE, times=2),
            replace(_AD, price_kr=640, ladder=_on(640, attempt=2)),
            "not relisted: times it has come back: 2",
            Then.NOT_LISTED,
        ),
        (replace(_RULE, times=0), _AD, "not relisted: times it has come back: 0", Then.NOT_LISTED),
    ],
)
def test_what_does_not_come_back_says_why(rule: RelistRule, ad: Unsold, why: str, then: Then | None) -> None:
    assert _refused(rule, ad) == StaysDown(why=_refused(rule, ad).why, then=then)
    assert _refused(rule, ad).why == why


def test_at_the_end_of_the_ladder_it_may_stay_at_a_fixed_price_once() -> None:
    rule = replace(_RULE, times=1, then=Then.FIXED_PRICE)
    back = _decided(rule, replace(_AD, price_kr=720, ladder=_on(720, attempt=1)))
    assert (back.ladder.price_kr, back.ladder.attempt, back.ladder.fixed) == (720, 2, True)
    gone = _refused(rule, replace(_AD, price_kr=720, ladder=back.ladder))
    assert gone.then is Then.TELL


@pytest.mark.parametrize(
    ("way", "reserve"), [(BelowReserve.KEEP, 1000), (BelowReserve.DROP, 0), (BelowReserve.LOWER, 900)]
)
def test_bids_below_the_reserve(way: BelowReserve, reserve: int) -> None:
    ad = replace(_AD, reserve_kr=1000, highest_bid_kr=900)
    assert _decided(replace(_RULE, below_reserve=way), ad).ladder.reserve_kr == reserve


def test_a_reserve_nobody_has_bid_on_keeps_its_distance() -> None:
    assert _decided(ad=replace(_AD, reserve_kr=1000)).ladder.reserve_kr is None


def test_what_an_item_leaves_out_is_the_owners() -> None:
    own = _RULE.laid_over(RelistWish(times=1, wait_h=48))
    assert own == replace(_RULE, times=1, wait_h=48)
    assert not _RULE.laid_over(RelistWish(enabled=False)).enabled


_STEPS = st.lists(
    st.floats(min_value=0.01, max_value=1).map(lambda x: round(x, 2))
    | st.integers(1, 99).map(lambda n: f"-{n}%"),
    min_size=1,
    max_size=5,
)


@given(
    first=st.integers(1, 100_000),
    steps=_STEPS,
    round_to=st.sampled_from([1, 5, 10, 9]),
    floor=st.floats(min_value=0.01, max_value=0.99).map(lambda x: round(x, 2)) | st.integers(1, 100_000),
    times=st.integers(0, 8),
)
def test_a_ladder_never_rises_and_never_goes_under_its_floor(
    first: int, steps: list[float | str], round_to: int, floor: float, times: int
) -> None:
    rule = RelistRule(enabled=True, steps=tuple(steps), round_to=round_to, floor=floor, times=times)
    floor_kr = rule.floor_of(first)
    if first < floor_kr:
        assert isinstance(decide(rule, replace(_AD, price_kr=first)), StaysDown)
        return
    before = first
    for price in plan_ahead(rule, first):
        assert floor_kr <= price <= before
        before = price
    assert price_of(rule, 1, first_kr=first, before_kr=first) >= 1
