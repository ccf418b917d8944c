"""The calendar rheod counts in, which is Sweden's, and when auctions shall end by it: windows and the free places in them.

Tradera ends an auction its days after the commit, so that the commit is what is planned. A place is a whole minute with
a minute of its window before and after it, since Tradera's queue takes seconds. On the two nights on which the clock is
changed an hour of a window is missing or comes twice; what counts is what a buyer's clock shows. No I/O; the rules of the
zone come with Python or `tzdata`.
"""

from __future__ import annotations

import re
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from rheod.domain.errors import Text

SWEDEN = ZoneInfo("Europe/Stockholm")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_MS = 253_370_764_800_000
"""The year 9999: a time beyond it is no time and counts as that year."""


def month_of(at_ms: int) -> str:
    """The month a moment (ms UTC) lies in by Swedish clocks, such as `2026-04`."""
    return in_sweden(at_ms).strftime("%Y-%m")


def months_until(at_ms: int, count: int) -> list[str]:
    """The `count` months that end with the one this moment lies in, the oldest first."""
    year, month = map(int, month_of(at_ms).split("-"))
    last = year * 12 + month - 1
    return [f"{number // 12:04d}-{number % 12 + 1:02d}" for number in range(last - count + 1, last + 1)]


def day_of(at_ms: int) -> date:
    """The day a moment (ms UTC) lies in by Swedish clocks."""
    return in_sweden(at_ms).date()


def days_until(at_ms: int, count: int) -> list[date]:
    """The `count` days that end with the one this moment lies in, the oldest first."""
    last = day_of(at_ms)
    return [last - timedelta(days=back) for back in range(count - 1, -1, -1)]


def start_of(day: date) -> int:
    """When the day begins by Swedish clocks (ms UTC)."""
    return round(datetime(day.year, day.month, day.day, tzinfo=SWEDEN).timestamp() * 1000)


def in_sweden(at_ms: int) -> datetime:
    """The moment by Swedish clocks; one that cannot be is the nearest that can."""
    moment = _EPOCH + timedelta(milliseconds=min(max(at_ms, 0), _LATEST_MS))
    return moment.astimezone(SWEDEN)


_MINUTE_MS = 60_000
_DAY_MS = 24 * 60 * _MINUTE_MS
_MIDNIGHT = 24 * 60
HORIZON_DAYS = 120
"""A place is looked for in so many days; a plan that is full for longer has none to give."""
SHORTEST_MIN = 3
"""A shorter window has no minute with slack on both sides."""

_DAYS = {
    name: number
    for number, names in enumerate(
        ("mon mån", "tue tis", "wed ons", "thu tor tors", "fri fre", "sat lör", "sun sön")
    )
    for name in names.split()
}
_FORM = re.compile(r"\s*(?P<days>[^\d]+?)\s+(?P<from>\d{1,2}:\d{2})\s*-\s*(?P<to>\d{1,2}:\d{2})\s*")


class BadWindow(ValueError):
    """A window that cannot be read or that no end fits in; its argument says what is wanted."""


@dataclass(frozen=True, slots=True)
class EndWindow:
    """The weekdays (0 is Monday) and the minutes of the day from which and until which auctions may end (1440: 24:00)."""

    days: frozenset[int]
    begins: int
    ends: int

    @classmethod
    def read(cls, text: str) -> EndWindow:
        """A window as it is written, such as `Sun-Thu 19:00-21:30`. Raises BadWindow."""
        form = _FORM.fullmatch(text)
        if form is None:
            raise BadWindow(Text('{text} is no window: write one as "Sun-Thu 19:00-21:30"', text=text))
        days: set[int] = set()
        for part in re.split(r"\s*,\s*", form["days"].strip().lower()):
            first, _, last = (name.strip() for name in part.partition("-"))
            if first not in _DAYS or (last or first) not in _DAYS:
                raise BadWindow(Text("{text} names no weekday: Mon, Tue, Wed, Thu, Fri, Sat, Sun", text=part))
            start = _DAYS[first]
            days |= {(start + n) % 7 for n in range((_DAYS[last or first] - start) % 7 + 1)}
        hours = [form[name].split(":") for name in ("from", "to")]
        begins, ends = (int(hour) * 60 + int(minute) for hour, minute in hours)
        for clock, minutes in ((form["from"], begins), (form["to"], ends)):
            if int(clock[-2:]) > 59 or minutes > _MIDNIGHT:
                raise BadWindow(Text("{clock} in {text} is no time of day", clock=clock, text=text))
        if ends < begins + SHORTEST_MIN:
            raise BadWindow(
                Text(
                    "No auction can end in {text}: a window is at least {n} minutes long and ends on its day, at 24:00 at the latest",
                    text=text,
                    n=SHORTEST_MIN,
                )
            )
        return cls(frozenset(days), begins, ends)


@lru_cache(maxsize=4096)
def places(window: EndWindow, day: date) -> tuple[int, ...]:
    """The minutes (ms UTC) of this day at which an auction may end, in order."""
    if day.weekday() not in window.days:
        return ()
    first, last = start_of(day), start_of(day + timedelta(days=1))
    if last - first == _DAY_MS:
        begins, ends = (first + minute * _MINUTE_MS for minute in (window.begins + 1, window.ends))
        return tuple(range(begins, ends, _MINUTE_MS))
    inside = {
        at
        for at in range(first, last, _MINUTE_MS)
        if window.begins <= (clock := in_sweden(at)).hour * 60 + clock.minute < window.ends
    }
    return tuple(sorted(at for at in inside if at - _MINUTE_MS in inside))


@dataclass(frozen=True, slots=True, kw_only=True)
class EndRules:
    """The owner's plan for ends. `durations` are days; `per_window` and `per_category` bound one window of one day.

    `lag_ms` is how long after its commit Tradera lets an auction begin. With `whole_days` a day of an auction is 24 hours,
    else it ends at the same time of day also across a change of the clock.
    """

    windows: tuple[EndWindow, ...] = ()
    spacing_min: int = 2
    per_window: int | None = None
    per_category: int | None = None
    durations: tuple[int, ...] = (7,)
    lag_ms: int = 0
    whole_days: bool = True

    def commit_for(self, end_at: int, days: int) -> int:
        """When to commit an auction of so many days so that it ends then (ms UTC)."""
        if self.whole_days:
            return end_at - days * _DAY_MS - self.lag_ms
        clock = in_sweden(end_at)
        earlier = clock.replace(tzinfo=None) - timedelta(days=days)
        return round(earlier.replace(tzinfo=SWEDEN).timestamp() * 1000) - self.lag_ms

    def end_of(self, commit_at: int, days: int) -> int:
        """When an auction of so many days that is committed then ends (ms UTC)."""
        begins = commit_at + self.lag_ms
        if self.whole_days:
            return begins + days * _DAY_MS
        later = in_sweden(begins).replace(tzinfo=None) + timedelta(days=days)
        return round(later.replace(tzinfo=SWEDEN).timestamp() * 1000)


LONGEST_LAG_MS = 10 * _MINUTE_MS
"""More than that between a commit and the beginning that an end shows is no lag: somebody has changed the ad."""
_LAGS = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenEnds:
    """What the ends that Tradera reported have shown: the lags of the last few (ms), and how a day is counted there.

    `whole_days` None: no auction yet whose end says it, since each lay between two changes of the clock.
    """

    lags: tuple[int, ...] = ()
    whole_days: bool | None = None

    def with_end(self, commit_at: int, days: int, end_at: int) -> SeenEnds:
        """The same with one more auction of so many days, its commit and the end that Tradera reports (ms UTC)."""
        whole, by_clock = (EndRules(whole_days=each).end_of(commit_at, days) for each in (True, False))
        for expected, counted in ((whole, True), (by_clock, False)):
            if abs(end_at - expected) <= LONGEST_LAG_MS:
                return SeenEnds(
                    lags=(*self.lags, end_at - expected)[-_LAGS:],
                    whole_days=self.whole_days if whole == by_clock else counted,
                )
        return self

    def laid_over(self, rules: EndRules) -> EndRules:
        """The rules with what was seen: the middle of the lags counts."""
        return replace(
            rules,
            lag_ms=sorted(self.lags)[len(self.lags) // 2] if self.lags else rules.lag_ms,
            whole_days=rules.whole_days if self.whole_days is None else self.whole_days,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EndPlace:
    """A place in the plan: when the auction shall end, the commit that makes it so, and its days."""

    end_at: int
    commit_at: int
    days: int
    moves: int = 0
    """How often it has been another: calendars want to know which version is the newest."""


AT_ONCE = EndPlace(end_at=0, commit_at=0, days=0)
"""No place in the plan: the owner wants it up now, or none is free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndChoice:
    """The owner's plan as it is kept: windows as they are written (`Sun-Thu 19:00-21:30`)."""

    windows: tuple[str, ...] = ()
    spacing_min: int = 2
    per_window: int | None = None
    per_category: int | None = None
    durations: tuple[int, ...] = (7,)

    @classmethod
    def of(cls, kept: Any) -> EndChoice:
        """What the store has kept."""
        held = dict(kept)
        return cls(**{**held, "windows": tuple(held["windows"]), "durations": tuple(held["durations"])})

    def kept(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {
            "windows": list(self.windows),
            "spacing_min": self.spacing_min,
            "per_window": self.per_window,
            "per_category": self.per_category,
            "durations": list(self.durations),
        }

    @property
    def rules(self) -> EndRules:
        """The same with windows that were read. Raises BadWindow."""
        return EndRules(
            windows=tuple(EndWindow.read(each) for each in self.windows),
            spacing_min=self.spacing_min,
            per_window=self.per_window,
            per_category=self.per_category,
            durations=self.durations,
        )


@dataclass(slots=True)
class Plan:
    """The places that are taken, of one account; finds free ones and takes them."""

    rules: EndRules
    ends: list[int] = field(default_factory=list)
    categories: dict[int, int | None] = field(default_factory=dict)

    @classmethod
    def of(cls, rules: EndRules, taken: Iterable[tuple[int, int | None]]) -> Plan:
        """The plan with these ends (ms UTC) and the categories that end there."""
        plan = cls(rules)
        for end_at, category in taken:
            plan.take(end_at, category)
        return plan

    def take(self, end_at: int, category: int | None) -> None:
        """Note that an auction ends then."""
        insort(self.ends, end_at)
        self.categories[end_at] = category

    def place(
        self, *, earliest: int, days: int | None = None, category: int | None = None
    ) -> EndPlace | None:
        """The free place whose commit is the next from `earliest` on; None without windows, or where none is free.

        `days` is the item's own wish; else that of the allowed durations is taken whose commit comes first.
        """
        found = (
            next(self._free(earliest, each, category), None)
            for each in (self.rules.durations if days is None else (days,))
        )
        return min(filter(None, found), key=lambda each: each.commit_at, default=None)

    def _free(self, earliest: int, days: int, category: int | None) -> Iterator[EndPlace]:
        """The free places for an auction of so many days that is committed from `earliest` on, in their order."""
        since = self.rules.end_of(earliest, days)
        first = day_of(since)
        for day in (first + timedelta(days=n) for n in range(HORIZON_DAYS)):
            windows = [inside for window in self.rules.windows if (inside := places(window, day))]
            ends = ((at, inside) for inside in windows for at in inside if at >= since - _MINUTE_MS)
            for end_at, inside in sorted(ends, key=lambda pair: pair[0]):
                commit_at = self.rules.commit_for(end_at, days)
                if commit_at >= earliest and self.is_free(end_at) and self._has_room(inside, category):
                    yield EndPlace(end_at=end_at, commit_at=commit_at, days=days)

    def is_free(self, end_at: int) -> bool:
        """Whether no other auction ends within the spacing of this moment."""
        at = bisect_left(self.ends, end_at)
        return all(
            abs(other - end_at) >= self.rules.spacing_min * _MINUTE_MS
            for other in self.ends[max(at - 1, 0) : at + 1]
        )

    def _has_room(self, inside: tuple[int, ...], category: int | None) -> bool:
        rules = self.rules
        if rules.per_window is None and rules.per_category is None:
            return True
        here = self.ends[bisect_left(self.ends, inside[0]) : bisect_left(self.ends, inside[-1] + 1)]
        if rules.per_window is not None and len(here) >= rules.per_window:
            return False
        if rules.per_category is None or category is None:
            return True
        return sum(self.categories.get(at) == category for at in here) < rules.per_category


def place_at(rules: EndRules, end_at: int, *, earliest: int, days: int | None = None) -> EndPlace | None:
    """The place for an end that is named to the minute: the longest auction that can still be committed in time.

    None where even the shortest would have to be committed before `earliest`.
    """
    durations = range(14, 0, -1) if days is None else (days,)
    fits = [each for each in durations if rules.commit_for(end_at, each) >= earliest]
    wanted = next((each for each in fits if each in rules.durations), fits[0] if fits else None)
    if wanted is None:
        return None
    return EndPlace(end_at=end_at, commit_at=rules.commit_for(end_at, wanted), days=wanted)
