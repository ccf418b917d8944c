"""Reading many items: the ERP's lists, what a container holds, the story of one item, and the owner's list.

The API and the pages read their lists, cursors and counts here alone. Each call reads one moment of the store.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rheod.domain.errors import Refused
from rheod.domain.model import Item
from rheod.store import ads, feed, items, orders, outbox, search, stock
from rheod.store.ads import Bids
from rheod.store.feed import ItemCall, ItemDelivery
from rheod.store.orders import StoredOrder
from rheod.store.outbox import PastEvent
from rheod.store.search import (
    START,
    ItemCounts,
    ItemCursor,
    ItemFilter,
    ItemRow,
)
from rheod.store.stock import StockPage, StockQuery, StockRow
from rheod.usecases.items import NOT_FOUND, BudgetForecast, goes_at
from rheod.usecases.transaction import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemPage:
    """A page of a list. `following` is where the next one begins, None at the end; `total` counts all pages."""

    lines: list[ItemRow]
    following: ItemCursor | None
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemStory:
    """A page of an item's events, newest first. `following` is where older ones begin; `total` counts them all."""

    item: Item
    events: list[PastEvent]
    following: int | None
    total: int


LONGEST = 200
"""So many events, calls and deliveries each a timeline shows: an item that is repriced every hour has thousands."""

MOST_SALES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEntry:
    """One thing that happened at a time (ms): exactly one of the three is set."""

    at: int
    event: PastEvent | None = None
    call: ItemCall | None = None
    delivery: ItemDelivery | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """An item's events, calls and deliveries, newest first; not `whole` when there are more than are shown."""

    entries: tuple[TimelineEntry, ...]
    whole: bool


class Inventory:
    """The reads of an account's items. `site_url` is the address of the site that shows the ads."""

    def __init__(self, *, store: Store, site_url: str) -> None:
        self._store = store
        self._site_url = site_url

    async def page(
        self,
        account_id: str,
        wanted: ItemFilter,
        *,
        limit: int,
        after: ItemCursor = START,
        total: int | None = None,
    ) -> ItemPage:
        """Items after this cursor, the oldest change first; what does not change meanwhile is not missed.

        `total` is the count of an earlier page of the same walk, which is not counted again.
        """
        return await self._store.read(lambda db: _page(db, account_id, wanted, limit, after, total))

    async def children(
        self, account_id: str, external_id: str, *, limit: int, after: ItemCursor = START
    ) -> ItemPage:
        """What is inside a container, archived items left out. Raises Refused (NOT_FOUND)."""
        wanted = ItemFilter(parent_external_id=external_id, standing=True)

        def query(db: sqlite3.Connection) -> ItemPage:
            _found(db, account_id, external_id)
            return _page(db, account_id, wanted, limit, after, None)

        return await self._store.read(query)

    async def figures(self, account_id: str, external_id: str) -> ItemCounts:
        """How many items of each status a container holds, and their value. Raises Refused (NOT_FOUND)."""

        def query(db: sqlite3.Connection) -> ItemCounts:
            _found(db, account_id, external_id)
            return search.figures(db, account_id, external_id)

        return await self._store.read(query)

    async def story(
        self, account_id: str, external_id: str, *, limit: int, before: int | None = None
    ) -> ItemStory:
        """Events of an item, newest first, those numbered below `before`. Raises Refused (NOT_FOUND)."""

        def query(db: sqlite3.Connection) -> ItemStory:
            item = _found(db, account_id, external_id)
            found = outbox.history(db, item.id, limit=limit + 1, before=before)
            following = found[limit - 1].seq if len(found) > limit else None
            return ItemStory(
                item=item,
                events=found[:limit],
                following=following,
                total=outbox.history_length(db, item.id),
            )

        return await self._store.read(query)

    async def timeline(self, account_id: str, external_id: str) -> Timeline:
        """Events, calls to Tradera and deliveries of an item, together. Raises Refused (NOT_FOUND)."""

        def query(db: sqlite3.Connection) -> Timeline:
            item = _found(db, account_id, external_id)
            events = outbox.history(db, item.id, limit=LONGEST)
            calls = feed.calls(db, item.id, limit=LONGEST)
            deliveries = feed.deliveries(db, item.id, limit=LONGEST)
            entries = [
                *(TimelineEntry(at=each.at, delivery=each) for each in deliveries),
                *(TimelineEntry(at=each.created_at, event=each) for each in events),
                *(TimelineEntry(at=each.at, call=each) for each in calls),
            ]
            whole = all(len(kind) < LONGEST for kind in (events, calls, deliveries))
            return Timeline(entries=tuple(sorted(entries, key=lambda entry: -entry.at)), whole=whole)

        return await self._store.read(query)

    async def sales(self, item_id: str) -> list[StoredOrder]:
        """The orders that an item is in, the latest first."""
        return await self._store.read(lambda db: orders.of_item(db, item_id, limit=MOST_SALES))

    async def bids(self, listing_id: str) -> Bids | None:
        """What was last seen of a listing's bids."""
        return await self._store.read(lambda db: ads.bids_seen(db, listing_id))

    def ad_url(self, line: ItemRow) -> str | None:
        """The address of an item's ad; None until it has been visible."""
        return f"{self._site_url}/item/{line.ad}" if line.was_live else None


def _page(
    db: sqlite3.Connection,
    account_id: str,
    wanted: ItemFilter,
    limit: int,
    after: ItemCursor,
    total: int | None,
) -> ItemPage:
    lines = search.inventory_page(db, account_id, wanted, limit=limit + 1, after=after)
    following = lines[limit - 1].position if len(lines) > limit else None
    counted = search.count(db, account_id, wanted) if total is None else total
    return ItemPage(lines=lines[:limit], following=following, total=counted)


def _found(db: sqlite3.Connection, account_id: str, external_id: str) -> Item:
    found = items.find(db, account_id, external_id)
    if found is None:
        raise Refused("NOT_FOUND", NOT_FOUND)
    return found


@dataclass(frozen=True, slots=True)
class StockView:
    """An item of the list; `goes_at` is when it should go out (ms), None where nothing waits or `waits_for` says why nobody knows."""

    row: StockRow
    goes_at: int | None
    waits_for: str | None


class Stock:
    """Reads the list. `forecast` tells what an account's publishing must keep."""

    def __init__(self, *, store: Store, forecast: Callable[[str], BudgetForecast]) -> None:
        self._store = store
        self._forecast = forecast

    async def page(
        self, account_id: str, sought: StockQuery, *, limit: int, start: int
    ) -> tuple[StockPage, list[StockView]]:
        """A page of what fits, as it is now."""
        found = await self._store.read(
            lambda db: stock.page(db, account_id, sought, limit=limit, start=start)
        )
        return found, self._seen(account_id, found.rows)

    async def of_numbers(self, account_id: str, numbers: Sequence[int]) -> list[StockView]:
        """These items of the account, in this order; what it has not is left out."""
        rows = await self._store.read(lambda db: stock.of_numbers(db, account_id, numbers))
        return self._seen(account_id, rows)

    def _seen(self, account_id: str, rows: Sequence[StockRow]) -> list[StockView]:
        forecast, now = self._forecast(account_id), self._store.now()
        return [
            StockView(
                row,
                None if row.place is None or forecast.waits_for else goes_at(row.place, forecast, now),
                None if row.place is None else forecast.waits_for or row.place.reason,
            )
            for row in rows
        ]
