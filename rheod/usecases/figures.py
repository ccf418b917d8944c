"""The owner's figures: what there is, what was sold in twelve months, and of what kind.

They count rheod's own items alone: sales of what it does not know are listed with the orders and counted nowhere here.

The owner's outlook: what goes out next and when, how the call budget comes free, what the last days sold.

Reads only. What needs the owner is found in `health/rules.py`.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal

from rheod.domain.budget import WINDOW_MS, Load
from rheod.domain.calendar import day_of, days_until, months_until, start_of
from rheod.domain.categories import DOMAINS
from rheod.domain.model import RheoStatus
from rheod.store import ads, facts, stock
from rheod.store.ads import AdsWithBids, PlannedReturn
from rheod.store.facts import QueuedPublishing
from rheod.store.stock import Beginnings, Month, Sums, Thing
from rheod.usecases.items import BudgetForecast
from rheod.usecases.transaction import Store

MONTHS = 12
CATEGORIES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryCounts:
    """Items by status; containers are none, and `total` also has those that are not listed."""

    total: int
    by_status: dict[RheoStatus, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Revenue:
    """What was sold in one calendar month or in all (öre): `gross` with what is not paid yet, `net` less the fee."""

    month: str
    gross: int
    fee: int
    orders: int
    pending: int

    @property
    def net(self) -> int:
        """What is left after the fee."""
        return self.gross - self.fee


@dataclass(frozen=True, slots=True, kw_only=True)
class CategorySales:
    """One kind of goods: how many items of it there are, and what its sales brought (öre)."""

    label: str
    items: int
    revenue: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Analytics:
    """All figures of an account; `before` are the twelve months before `months`."""

    inventory: InventoryCounts
    months: tuple[Revenue, ...]
    before: tuple[Revenue, ...]
    categories: tuple[CategorySales, ...]


class Figures:
    """Reads the figures; `fee_percent` is the marketplace's fee on each sale."""

    def __init__(self, *, store: Store, fee_percent: float) -> None:
        self._store = store
        self._fee = Decimal(str(fee_percent)) / 100

    async def of_account(self, account_id: str) -> Analytics:
        """The figures as they are now; months and categories cover the last twelve calendar months in Sweden."""
        both = months_until(self._store.now(), 2 * MONTHS)
        earlier, months = both[:MONTHS], both[MONTHS:]
        found, past = await self._store.read(
            lambda db: (
                stock.sums(db, account_id, since=months[0]),
                stock.sums_by_month(db, account_id, since=earlier[0]),
            )
        )
        by_status = dict.fromkeys(RheoStatus, 0)
        for (_, status), count in found.inventory.items():
            by_status[RheoStatus(status)] += count
        return Analytics(
            inventory=InventoryCounts(total=sum(by_status.values()), by_status=by_status),
            months=tuple(self._revenue(month, found.months.get(month, Month())) for month in months),
            before=tuple(self._revenue(month, past.get(month, Month())) for month in earlier),
            categories=_categories(found),
        )

    def _revenue(self, month: str, sold: Month) -> Revenue:
        fee = int((sold.ore * self._fee).quantize(Decimal(1), rounding=ROUND_HALF_UP))
        return Revenue(month=month, gross=sold.ore, fee=fee, orders=sold.orders, pending=sold.pending_ore)


def total(months: Iterable[Revenue]) -> Revenue:
    """The sums of these months."""
    each = tuple(months)
    return Revenue(
        month="",
        gross=sum(one.gross for one in each),
        fee=sum(one.fee for one in each),
        orders=sum(one.orders for one in each),
        pending=sum(one.pending for one in each),
    )


def _categories(found: Sums) -> tuple[CategorySales, ...]:
    """The kinds that there are or that were sold, those that brought most first."""
    counts: defaultdict[str, int] = defaultdict(int)
    for (domain, _), count in found.inventory.items():
        counts[domain] += count
    slugs = {slug for slug, count in counts.items() if count} | found.domains.keys()
    known = [
        CategorySales(
            label=DOMAINS[slug].analytics_label, items=counts[slug], revenue=found.domains.get(slug, 0)
        )
        for slug in slugs
    ]
    return tuple(sorted(known, key=lambda one: (-one.revenue, -one.items, one.label))[:CATEGORIES])


HOURS = 25
"""This hour and the next 24: a call made just now comes back in the last of them."""

DAYS = 14
NEXT = 10
SHELF = 30
FAR_MS = 366 * 24 * 3_600_000
FEW = 5
SOON_MS = 7 * 24 * 3_600_000
_HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Coming:
    """A publishing that waits: `at` is when it should go (ms); None when nobody knows, and `waits_for` says why."""

    external_id: str
    title: str
    at: int | None
    waits_for: str | None
    picture: str | None = None


@dataclass(frozen=True, slots=True)
class DaySales:
    """How many things were sold on a day by Swedish clocks, and what for (öre)."""

    day: date
    things: int
    ore: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountForecast:
    """`freeing` has for this hour and each of the next 24 (its start, ms) how many calls come free again.

    `sold` and `ending` are of today; `out` ads are up, of which `ends_today` end today and `with_bids` says how many had bids;
    `returns` come back next, each with its picture.
    """

    coming: tuple[Coming, ...]
    waiting: int
    freeing: tuple[tuple[int, int], ...]
    sales: tuple[DaySales, ...]
    sold: tuple[Thing, ...] = ()
    ending: tuple[Thing, ...] = ()
    out: int = 0
    ends_today: int = 0
    with_bids: AdsWithBids | None = None
    returns: tuple[tuple[PlannedReturn, str | None], ...] = ()
    returns_paused: bool = False
    began: Beginnings


class AccountForecasts:
    """Looks ahead for an account. `forecast` is the one of the catalogue."""

    def __init__(self, *, store: Store, forecast: Callable[[str], BudgetForecast]) -> None:
        self._store = store
        self._forecast = forecast

    async def returns(self, account_id: str) -> tuple[tuple[PlannedReturn, str | None], ...]:
        """Everything that is planned to come back, the next first, each with its picture."""
        return await self._store.read(
            lambda db: planned_returns(db, account_id, self._store.now() + FAR_MS, limit=1000)
        )

    async def pictures(self, items: Sequence[tuple[str, str]]) -> list[str | None]:
        """The first picture of each of these items, by account and external id."""
        return await self._store.read(lambda db: [stock.picture_of_item(db, *each) for each in items])

    async def of_account(self, account_id: str) -> AccountForecast:
        """The outlook at this moment."""
        now = self._store.now()
        days = days_until(now, DAYS)
        forecast = self._forecast(account_id)
        today, tomorrow = start_of(days[-1]), start_of(days[-1] + timedelta(days=1))
        waiting, total, sales, sold, ending, (out, ends_today), with_bids = await self._store.read(
            lambda db: (
                facts.next_publishings(db, account_id, limit=NEXT),
                facts.publishings_waiting(db, account_id),
                stock.sales_since(db, account_id, start_of(days[0])),
                stock.sold_things(db, account_id, today, limit=NEXT),
                stock.ending_things(db, account_id, tomorrow, limit=SHELF),
                stock.count_live(db, account_id, tomorrow),
                ads.ads_with_bids(db, account_id),
            )
        )
        returns, paused, began = await self._store.read(
            lambda db: (
                planned_returns(db, account_id, now + SOON_MS, limit=FEW),
                ads.returns_paused(db),
                stock.beginnings(db, account_id),
            )
        )
        on: defaultdict[date, list[tuple[int, int]]] = defaultdict(list)
        for at, many, ore in sales:
            on[day_of(at)].append((many, ore))
        hour = now - now % _HOUR_MS
        free = Counter((at + WINDOW_MS - hour) // _HOUR_MS for at in forecast.calls.times(now))
        return AccountForecast(
            coming=tuple(_coming(one, forecast, now) for one in waiting),
            waiting=total,
            freeing=tuple((hour + place * _HOUR_MS, free[place]) for place in range(HOURS)),
            sales=tuple(
                DaySales(day, sum(many for many, _ in on[day]), sum(ore for _, ore in on[day]))
                for day in days
            ),
            sold=tuple(sold),
            ending=tuple(ending),
            out=out,
            ends_today=ends_today,
            with_bids=with_bids,
            returns=returns,
            returns_paused=paused,
            began=began,
        )


def planned_returns(
    db: sqlite3.Connection, account_id: str, latest: int, *, limit: int
) -> tuple[tuple[PlannedReturn, str | None], ...]:
    """What comes back until `latest` (ms UTC), the next first, each with its first picture."""
    planned = ads.returns_until(db, [account_id], latest, limit=limit)
    pictures = stock.pictures_of(db, [one.item_id for one in planned])
    return tuple((one, pictures.get(one.item_id)) for one in planned)


def _coming(one: QueuedPublishing, forecast: BudgetForecast, now: int) -> Coming:
    if forecast.waits_for is not None:
        return Coming(one.external_id, one.title, None, forecast.waits_for, one.picture)
    at = forecast.goes_at(
        Load(one.ads_up_to, one.cost_up_to), {}, max(now, one.due_at, forecast.paused_until)
    )
    return Coming(one.external_id, one.title, at, one.reason if one.due_at > now else None, one.picture)
