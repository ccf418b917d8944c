"""The owner's figures: what there is, what was sold in twelve months, and of what kind.

They count rheod's own items alone: sales of what it does not know are listed with the orders and counted nowhere here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from rheod.domain.model import RheoStatus, months_until
from rheod.domain.taxonomy import DOMAINS
from rheod.store import orders
from rheod.store.orders import Month, Sums
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
class Category:
    """One kind of goods: how many items of it there are, and what its sales brought (öre)."""

    label: str
    items: int
    revenue: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Analytics:
    """All figures of an account."""

    inventory: InventoryCounts
    months: tuple[Revenue, ...]
    categories: tuple[Category, ...]


class Figures:
    """Reads the figures; `fee_percent` is the marketplace's fee on each sale."""

    def __init__(self, *, store: Store, fee_percent: float) -> None:
        self._store = store
        self._fee = Decimal(str(fee_percent)) / 100

    async def of_account(self, account_id: str) -> Analytics:
        """The figures as they are now; months and categories cover the last twelve calendar months in Sweden."""
        months = months_until(self._store.now(), MONTHS)
        found = await self._store.read(lambda db: orders.sums(db, account_id, since=months[0]))
        return Analytics(
            inventory=_inventory(found),
            months=tuple(self._revenue(month, found.months.get(month, Month())) for month in months),
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


def _inventory(found: Sums) -> InventoryCounts:
    by_status = dict.fromkeys(RheoStatus, 0)
    for (_, status), count in found.inventory.items():
        by_status[RheoStatus(status)] += count
    return InventoryCounts(total=sum(by_status.values()), by_status=by_status)


def _categories(found: Sums) -> tuple[Category, ...]:
    """The kinds that there are or that were sold, those that brought most first."""
    counts: defaultdict[str, int] = defaultdict(int)
    for (domain, _), count in found.inventory.items():
        counts[domain] += count
    slugs = {slug for slug, count in counts.items() if count} | found.domains.keys()
    known = [
        Category(label=DOMAINS[slug].analytics_label, items=counts[slug], revenue=found.domains.get(slug, 0))
        for slug in slugs
    ]
    return tuple(sorted(known, key=lambda one: (-one.revenue, -one.items, one.label))[:CATEGORIES])
