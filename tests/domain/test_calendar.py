"""The Swedish calendar, and the owner's windows for ends: reading them, the places in them, the commit that leads to each."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from rheod.domain.calendar import (
    BadWindow,
    EndPlace,
    EndRules,
    EndWindow,
    Plan,
    SeenEnds,
    day_of,
    month_of,
    months_until,
    place_at,
    places,
)


def ms(text: str) -> int:
    """A UTC time as ms."""
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("utc", "month"),
    [
        ("2026-03-31T21:59:59", "2026-03"),  # summer time: two hours ahead
        ("2026-03-31T22:00:00", "2026-04"),
        ("2026-12-31T22:59:59", "2026-12"),  # winter time: one hour
        ("2026-12-31T23:00:00", "2027-01"),
        ("2026-10-31T22:59:59", "2026-10"),  # winter time has begun
    ],
)
def test_a_month_begins_at_midnight_in_sweden(utc: str, month: str) -> None:
    """In summer time as in winter time."""
    assert month_of(ms(utc)) == month
    assert day_of(ms(utc)).isoformat()[:7] == month


@pytest.mark.parametrize("at", [-(10**15), 10**18])
def test_a_time_that_cannot_be_is_some_month_all_the_same(at: int) -> None:
    """A wrong date of Tradera's breaks no order."""
    assert month_of(at) in {"1970-01", "9999-01"}
    assert day_of(at).isoformat() in {"1970-01-01", "9999-01-01"}


def test_twelve_months_end_with_this_one_and_cross_the_year() -> None:
    """Oldest first, none left out."""
    found = months_until(ms("2026-02-10T12:00:00"), 12)
    assert found == [f"2025-{month:02d}" for month in range(3, 13)] + ["2026-01", "2026-02"]


_MINUTE = 60_000
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR


def _at(text: str) -> int:
    """The moment (ms UTC) of a Swedish clock, the first of two where an hour comes twice."""
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Stockholm")).timestamp() * 1000)


_EVENINGS = EndRules(windows=(EndWindow.read("Sun-Thu 19:00-21:30"),))
_MONDAY_MORNING = _at("2026-06-01T08:00")


@pytest.mark.parametrize(
    ("text", "days", "begins", "ends"),
    [
        ("Sun-Thu 19:00-21:30", {6, 0, 1, 2, 3}, 1140, 1290),
        ("Fri 18:00-24:00", {4}, 1080, 1440),
        ("mon,wed , fri-sat 9:00 - 9:03", {0, 2, 4, 5}, 540, 543),
        ("sön-tors 19:00-21:30", {6, 0, 1, 2, 3}, 1140, 1290),
        ("Mon-Mon 00:00-24:00", {0}, 0, 1440),
    ],
)
def test_windows_are_read_in_both_languages(text: str, days: set[int], begins: int, ends: int) -> None:
    assert EndWindow.read(text) == EndWindow(frozenset(days), begins, ends)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no window"),
        ("19:00-21:00", "no window"),
        ("Sun-Thu 19-21", "no window"),
        ("Sunday 19:00-21:00", "no weekday"),
        ("Sun-Thu 19:60-21:00", "no time of day"),
        ("Sun-Thu 19:00-24:01", "no time of day"),
        ("Sun-Thu 19:00-19:02", "No auction can end"),
        ("Sun-Thu 22:00-01:00", "No auction can end"),
    ],
)
def test_a_window_that_makes_no_sense_says_why(text: str, why: str) -> None:
    with pytest.raises(BadWindow, match=why):
        EndWindow.read(text)


@pytest.mark.parametrize(
    ("first", "days"),
    [
        ("2026-03-27", 5),
        ("2026-10-23", 5),
        pytest.param("2026-01-01", 365, marks=pytest.mark.simulation),
    ],
)
def test_every_minute_is_as_a_clock_in_sweden_shows_it(first: str, days: int) -> None:
    windows = [
        EndWindow.read(text)
        for text in ("Mon-Sun 00:00-24:00", "Sun 01:30-03:30", "Sat-Sun 21:00-24:00", "Sun 02:00-03:00")
    ]
    found = [
        {at for n in range(days) for at in places(window, date.fromisoformat(first) + timedelta(days=n))}
        for window in windows
    ]
    zone, begins = ZoneInfo("Europe/Stockholm"), _at(f"{first}T00:00")
    clocks = [
        datetime.fromtimestamp(begins / 1000 + 60 * n, zone).timetuple()[2:7]
        for n in range(days * 24 * 60 + 60)
    ]
    for window, there in zip(windows, found, strict=True):
        inside = [
            weekday in window.days and window.begins <= hour * 60 + minute < window.ends
            for _, hour, minute, _, weekday in clocks
        ]
        expected = {
            begins + n * _MINUTE
            for n in range(1, len(clocks))
            if inside[n] and inside[n - 1] and clocks[n][0] == clocks[n - 1][0]
        }
        last = _at(f"{date.fromisoformat(first) + timedelta(days=days)}T00:00")
        assert there == {at for at in expected if at < last}


def test_a_place_has_a_minute_of_its_window_on_both_sides() -> None:
    inside = places(EndWindow.read("Mon 19:00-19:10"), date(2026, 6, 1))
    assert (inside[0], inside[-1]) == (_at("2026-06-01T19:01"), _at("2026-06-01T19:09"))


def test_an_hour_that_comes_twice_has_twice_the_places_and_a_missing_one_none() -> None:
    window = EndWindow.read("Sun 02:00-03:00")
    assert len(places(window, date(2026, 10, 25))) == 119
    assert places(window, date(2026, 3, 29)) == ()


def test_the_first_end_is_at_the_beginning_of_the_next_window_the_days_can_reach() -> None:
    place = Plan(_EVENINGS).place(earliest=_MONDAY_MORNING)
    assert place == EndPlace(end_at=_at("2026-06-08T19:01"), commit_at=_at("2026-06-01T19:01"), days=7)


def test_ends_keep_their_distance_and_a_backlog_is_spread_over_the_evenings() -> None:
    plan = Plan(_EVENINGS)
    ends = []
    for _ in range(200):
        place = plan.place(earliest=_MONDAY_MORNING)
        assert place is not None
        plan.take(place.end_at, None)
        ends.append(place.end_at)
    assert ends == sorted(ends)
    assert min(later - earlier for earlier, later in pairwise(ends)) == 2 * _MINUTE
    # 75 places in each of the first two evenings, the rest in the third
    assert ends[74] == _at("2026-06-08T21:29")
    assert ends[75] == _at("2026-06-09T19:01")
    assert ends[-1] == _at("2026-06-10T20:39")


def test_a_window_takes_no_more_than_its_owner_allows() -> None:
    plan = Plan(replace(_EVENINGS, per_window=1))
    plan.take(_at("2026-06-08T20:00"), None)
    place = plan.place(earliest=_MONDAY_MORNING)
    assert place is not None
    assert place.end_at == _at("2026-06-09T19:01")


def test_a_category_takes_no_more_of_a_window_than_its_owner_allows() -> None:
    plan = Plan(replace(_EVENINGS, per_category=1))
    plan.take(_at("2026-06-08T20:00"), 12)
    same, other = (plan.place(earliest=_MONDAY_MORNING, category=number) for number in (12, 13))
    assert same is not None
    assert other is not None
    assert (same.end_at, other.end_at) == (_at("2026-06-09T19:01"), _at("2026-06-08T19:01"))


def test_of_the_allowed_durations_the_nearest_to_a_window_is_taken_unless_the_item_wants_its_own() -> None:
    rules = EndRules(windows=(EndWindow.read("Sun 19:00-21:30"),), durations=(5, 6, 7))
    monday = Plan(rules).place(earliest=_MONDAY_MORNING)
    assert monday == EndPlace(end_at=_at("2026-06-07T19:01"), commit_at=_at("2026-06-01T19:01"), days=6)
    own = Plan(rules).place(earliest=_MONDAY_MORNING, days=3)
    assert own == EndPlace(end_at=_at("2026-06-07T19:01"), commit_at=_at("2026-06-04T19:01"), days=3)


def test_what_tradera_needs_to_begin_is_taken_from_the_commit() -> None:
    place = Plan(replace(_EVENINGS, lag_ms=20_000)).place(earliest=_MONDAY_MORNING)
    assert place is not None
    assert place.end_at - place.commit_at == 7 * _DAY + 20_000


@pytest.mark.parametrize("start", ["2026-03-24T08:00", "2026-10-20T08:00"])
@pytest.mark.parametrize("whole_days", [True, False])
def test_an_auction_over_the_night_of_the_change_ends_in_its_window(start: str, *, whole_days: bool) -> None:
    rules = replace(_EVENINGS, whole_days=whole_days)
    place = Plan(rules).place(earliest=_at(start))
    assert place is not None
    assert rules.end_of(place.commit_at, place.days) == place.end_at
    assert place.end_at == _at(f"{date.fromisoformat(start[:10]) + timedelta(days=7)}T19:01")
    days = round((place.end_at - place.commit_at) / _HOUR)
    assert days == 168 if whole_days else days in {167, 169}


def test_without_a_window_there_is_no_plan() -> None:
    assert Plan(EndRules()).place(earliest=_MONDAY_MORNING) is None


def test_a_full_plan_has_no_place() -> None:
    assert Plan(replace(_EVENINGS, per_window=0)).place(earliest=_MONDAY_MORNING) is None


def test_a_named_end_takes_the_allowed_duration_else_the_longest_that_is_still_in_time() -> None:
    sunday = _at("2026-06-14T20:00")
    assert place_at(_EVENINGS, sunday, earliest=_MONDAY_MORNING) == EndPlace(
        end_at=sunday, commit_at=sunday - 7 * _DAY, days=7
    )
    soon = _at("2026-06-04T20:00")
    assert place_at(_EVENINGS, soon, earliest=_MONDAY_MORNING) == EndPlace(
        end_at=soon, commit_at=soon - 3 * _DAY, days=3
    )
    assert place_at(_EVENINGS, _at("2026-06-01T20:00"), earliest=_MONDAY_MORNING) is None
    assert place_at(_EVENINGS, soon, earliest=_MONDAY_MORNING, days=7) is None


def test_ends_show_the_lag_and_how_a_day_is_counted() -> None:
    """The middle of the last lags counts; an hour more or less over a change of the clock tells of days by the clock."""
    commit_at, hour_ms = _at("2026-06-01T12:00"), 3_600_000
    seen = SeenEnds()
    for lag_ms in (5_000, 40_000, 7_000):
        seen = seen.with_end(commit_at, 7, commit_at + 7 * 24 * hour_ms + lag_ms)
    assert seen.laid_over(EndRules()).lag_ms == 7_000
    assert seen.whole_days is None
    assert seen.with_end(commit_at, 7, commit_at + 8 * 24 * hour_ms) == seen
    before_winter = _at("2026-10-22T12:00")
    by_clock = seen.with_end(before_winter, 7, before_winter + (7 * 24 + 1) * hour_ms)
    assert by_clock.laid_over(EndRules()).whole_days is False
    whole = by_clock.with_end(before_winter, 7, before_winter + 7 * 24 * hour_ms)
    assert whole.laid_over(EndRules()).whole_days is True
    for _ in range(99):
        seen = seen.with_end(commit_at, 7, commit_at + 7 * 24 * hour_ms + 20_000)
    assert len(seen.lags) < 10
    assert seen.laid_over(EndRules()).lag_ms == 20_000
