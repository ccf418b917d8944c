"""Looking through what an account has: lists, what is inside a container and what it is worth, the story of an item.

Reads only, each call one moment of the store.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from rheod.catalog.items import NOT_FOUND
from rheod.catalog.unit import Books
from rheod.domain.errors import Refused
from rheod.domain.model import Item
from rheod.store import inventory, items, outbox
from rheod.store.inventory import START, Figures, Line, Position, Wanted
from rheod.store.outbox import Milestone


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of a list. `following` is where the next one begins, None at the end; `total` counts all pages."""

    lines: list[Line]
    following: Position | None
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """An item's milestones, newest first. `following` is where older ones begin; `total` counts them all."""

    item: Item
    milestones: list[Milestone]
    following: int | None
    total: int


class Inventory:
    """What an account has, as its ERP looks through it. `site_url` is where the ads are shown."""

    def __init__(self, *, books: Books, site_url: str) -> None:
        self._books = books
        self._site_url = site_url

    async def page(
        self,
        account_id: str,
        wanted: Wanted,
        *,
        limit: int,
        after: Position = START,
        total: int | None = None,
    ) -> Page:
        """Items after this position, the oldest change first; what does not change meanwhile is not missed.

        `total` is what an earlier page of the same walk has counted: a walk counts once.
        """
        return await self._books.read(lambda db: _page(db, account_id, wanted, limit, after, total))

    async def children(
        self, account_id: str, external_id: str, *, limit: int, after: Position = START
    ) -> Page:
        """What is inside a container, archived items left out. Raises Refused (NOT_FOUND)."""
        wanted = Wanted(parent_external_id=external_id, standing=True)

        def query(db: sqlite3.Connection) -> Page:
            _found(db, account_id, external_id)
            return _page(db, account_id, wanted, limit, after, None)

        return await self._books.read(query)

    async def figures(self, account_id: str, external_id: str) -> Figures:
        """What the items of a container are worth. Raises Refused (NOT_FOUND)."""

        def query(db: sqlite3.Connection) -> Figures:
            _found(db, account_id, external_id)
            return inventory.figures(db, account_id, external_id)

        return await self._books.read(query)

    async def story(
        self, account_id: str, external_id: str, *, limit: int, before: int | None = None
    ) -> Story:
        """Milestones of an item, newest first, those before a place told earlier. Raises Refused (NOT_FOUND)."""

        def query(db: sqlite3.Connection) -> Story:
            item = _found(db, account_id, external_id)
            found = outbox.history(db, item.id, limit=limit + 1, before=before)
            following = found[limit - 1].seq if len(found) > limit else None
            return Story(
                item=item,
                milestones=found[:limit],
                following=following,
                total=outbox.history_length(db, item.id),
            )

        return await self._books.read(query)

    def ad_url(self, line: Line) -> str | None:
        """Where the ad of a line is shown; None until it has been visible."""
        return f"{self._site_url}/item/{line.ad}" if line.was_live else None


def _page(
    db: sqlite3.Connection, account_id: str, wanted: Wanted, limit: int, after: Position, total: int | None
) -> Page:
    lines = inventory.page(db, account_id, wanted, limit=limit + 1, after=after)
    following = lines[limit - 1].position if len(lines) > limit else None
    counted = inventory.count(db, account_id, wanted) if total is None else total
    return Page(lines=lines[:limit], following=following, total=counted)


def _found(db: sqlite3.Connection, account_id: str, external_id: str) -> Item:
    found = items.find(db, account_id, external_id)
    if found is None:
        raise Refused("NOT_FOUND", NOT_FOUND)
    return found
