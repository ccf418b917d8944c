"""What an account has, for the API and the pages alike: lists, a search, what a container holds, the story of an item.

Reads only, each call one moment of the store.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from rheod.domain.errors import Refused
from rheod.domain.model import Item
from rheod.store import feed, items, outbox, search
from rheod.store.feed import Called, Delivered
from rheod.store.outbox import Milestone
from rheod.store.search import START, Hit, ItemCounts, Line, Position, Sought, Spot, Wanted
from rheod.usecases.items import NOT_FOUND
from rheod.usecases.transaction import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemPage:
    """A page of a list. `following` is where the next one begins, None at the end; `total` counts all pages."""

    lines: list[Line]
    following: Position | None
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemStory:
    """An item's milestones, newest first. `following` is where older ones begin; `total` counts them all."""

    item: Item
    milestones: list[Milestone]
    following: int | None
    total: int


LONGEST = 200
"""So many of each kind a timeline shows: an item that is priced anew every hour has thousands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundItems:
    """A page of what was found. `following` is where the next one begins, None at the end."""

    hits: list[Hit]
    following: Spot | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEntry:
    """One thing that happened at a time (ms): exactly one of the three is set."""

    at: int
    milestone: Milestone | None = None
    call: Called | None = None
    delivery: Delivered | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Everything about an item, newest first; not `whole` when there is more than is shown."""

    entries: tuple[TimelineEntry, ...]
    whole: bool


class Inventory:
    """Lists items and tells their stories. `site_url` is where the ads are shown."""

    def __init__(self, *, store: Store, site_url: str) -> None:
        self._store = store
        self._site_url = site_url

    async def page(
        self,
        account_id: str,
        wanted: Wanted,
        *,
        limit: int,
        after: Position = START,
        total: int | None = None,
    ) -> ItemPage:
        """Items after this position, the oldest change first; what does not change meanwhile is not missed.

        `total` is what an earlier page of the same walk has counted: a walk counts once.
        """
        return await self._store.read(lambda db: _page(db, account_id, wanted, limit, after, total))

    async def search(
        self, account_id: str, sought: Sought, *, limit: int, after: Spot | None = None
    ) -> FoundItems:
        """The items that fit, from where an earlier page ended.

        Without a text the newest change comes first; with one, ids that begin with it, then titles with its words.
        """
        hits, following = await self._store.read(
            lambda db: search.page(db, account_id, sought, limit=limit, after=after)
        )
        return FoundItems(hits=hits, following=following)

    async def children(
        self, account_id: str, external_id: str, *, limit: int, after: Position = START
    ) -> ItemPage:
        """What is inside a container, archived items left out. Raises Refused (NOT_FOUND)."""
        wanted = Wanted(parent_external_id=external_id, standing=True)

        def query(db: sqlite3.Connection) -> ItemPage:
            _found(db, account_id, external_id)
            return _page(db, account_id, wanted, limit, after, None)

        return await self._store.read(query)

    async def figures(self, account_id: str, external_id: str) -> ItemCounts:
        """What the items of a container are worth. Raises Refused (NOT_FOUND)."""

        def query(db: sqlite3.Connection) -> ItemCounts:
            _found(db, account_id, external_id)
            return search.figures(db, account_id, external_id)

        return await self._store.read(query)

    async def story(
        self, account_id: str, external_id: str, *, limit: int, before: int | None = None
    ) -> ItemStory:
        """Milestones of an item, newest first, those before a place told earlier. Raises Refused (NOT_FOUND)."""

        def query(db: sqlite3.Connection) -> ItemStory:
            item = _found(db, account_id, external_id)
            found = outbox.history(db, item.id, limit=limit + 1, before=before)
            following = found[limit - 1].seq if len(found) > limit else None
            return ItemStory(
                item=item,
                milestones=found[:limit],
                following=following,
                total=outbox.history_length(db, item.id),
            )

        return await self._store.read(query)

    async def timeline(self, account_id: str, external_id: str) -> Timeline:
        """Milestones, calls to Tradera and webhook deliveries of an item together. Raises Refused (NOT_FOUND)."""
        return await self._store.read(lambda db: _timeline(db, account_id, external_id))

    def ad_url(self, line: Line) -> str | None:
        """Where the ad of a line is shown; None until it has been visible."""
        return f"{self._site_url}/item/{line.ad}" if line.was_live else None


def _page(
    db: sqlite3.Connection, account_id: str, wanted: Wanted, limit: int, after: Position, total: int | None
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


def _timeline(db: sqlite3.Connection, account_id: str, external_id: str) -> Timeline:
    item = _found(db, account_id, external_id)
    milestones = outbox.history(db, item.id, limit=LONGEST)
    calls = feed.calls(db, item.id, limit=LONGEST)
    deliveries = feed.deliveries(db, item.id, limit=LONGEST)
    entries = [
        *(TimelineEntry(at=each.at, delivery=each) for each in deliveries),
        *(TimelineEntry(at=each.created_at, milestone=each) for each in milestones),
        *(TimelineEntry(at=each.at, call=each) for each in calls),
    ]
    whole = all(len(kind) < LONGEST for kind in (milestones, calls, deliveries))
    return Timeline(entries=tuple(sorted(entries, key=lambda entry: -entry.at)), whole=whole)
