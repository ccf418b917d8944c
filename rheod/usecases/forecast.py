"""The owner's outlook: what goes out next and when, how the call budget comes free, what the last days sold.

Reads only. What needs the owner is found in `health/rules.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from rheod.domain.budget import WINDOW_MS, expected_at
from rheod.domain.model import day_of, days_until, start_of
from rheod.store import facts
from rheod.store.facts import QueuedPublishing
from rheod.usecases.items import BudgetForecast
from rheod.usecases.transaction import Store

HOURS = 25
"""This hour and the next 24: a call made just now comes back in the last of them."""

DAYS = 14
NEXT = 10
_HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Coming:
    """A publishing that waits: `at` is when it should go (ms); None when nobody knows, and `waits_for` says why."""

    external_id: str
    title: str
    at: int | None
    waits_for: str | None


@dataclass(frozen=True, slots=True)
class DaySales:
    """What was sold on a day by Swedish clocks (öre)."""

    day: date
    orders: int
    ore: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountForecast:
    """`freeing` has for this hour and each of the next 24 (its start, ms) how many calls come free again."""

    coming: tuple[Coming, ...]
    waiting: int
    freeing: tuple[tuple[int, int], ...]
    sales: tuple[DaySales, ...]


class AccountForecasts:
    """Looks ahead for an account. `forecast` is the one of the catalogue."""

    def __init__(self, *, store: Store, forecast: Callable[[str], BudgetForecast]) -> None:
        self._store = store
        self._forecast = forecast

    async def of_account(self, account_id: str) -> AccountForecast:
        """The outlook at this moment."""
        now = self._store.now()
        days = days_until(now, DAYS)
        forecast = self._forecast(account_id)
        waiting, total, sales = await self._store.read(
            lambda db: (
                facts.next_publishings(db, account_id, limit=NEXT),
                facts.publishings_waiting(db, account_id),
                facts.sales_since(db, account_id, start_of(days[0])),
            )
        )
        return AccountForecast(
            coming=tuple(_coming(one, forecast, now) for one in waiting),
            waiting=total,
            freeing=_freeing(forecast.calls, now),
            sales=_by_day(days, sales),
        )


def _coming(one: QueuedPublishing, forecast: BudgetForecast, now: int) -> Coming:
    if forecast.waits_for is not None:
        return Coming(one.external_id, one.title, None, forecast.waits_for)
    at = expected_at(
        forecast.calls,
        ceiling=forecast.ceiling,
        cost_up_to=one.cost_up_to,
        now=max(now, one.due_at, forecast.paused_until),
    )
    return Coming(one.external_id, one.title, at, one.reason if one.due_at > now else None)


def _freeing(calls: list[int], now: int) -> tuple[tuple[int, int], ...]:
    start = now - now % _HOUR_MS
    counts = [0] * HOURS
    for at in calls:
        place = (at + WINDOW_MS - start) // _HOUR_MS
        if 0 <= place < HOURS:
            counts[place] += 1
    return tuple((start + place * _HOUR_MS, count) for place, count in enumerate(counts))


def _by_day(days: Sequence[date], sales: Sequence[tuple[int, int]]) -> tuple[DaySales, ...]:
    sold: dict[date, list[int]] = {day: [] for day in days}
    for at, ore in sales:
        sold.setdefault(day_of(at), []).append(ore)
    return tuple(DaySales(day, len(sold[day]), sum(sold[day])) for day in days)
