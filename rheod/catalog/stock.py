"""The owner looks through his stock: searches it, and sees of one item all that has ever been done about it.

Reads only, each call one moment of the store.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from rheod.catalog.items import NOT_FOUND
from rheod.catalog.unit import Books
from rheod.domain.errors import Refused
from rheod.store import items, outbox, search, timeline
from rheod.store.outbox import Milestone
from rheod.store.search import Hit, Sought, Spot
from rheod.store.timeline import Called, Delivered

LONGEST = 200
"""So many of each kind a timeline shows: an item that is priced anew every hour has thousands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """A page of what was found. `following` is where the next one begins, None at the end."""

    hits: list[Hit]
    following: Spot | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing that happened at a time (ms): exactly one of the three is set."""

    at: int
    milestone: Milestone | None = None
    call: Called | None = None
    delivery: Delivered | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Everything about an item, newest first; not `whole` when there is more than is shown."""

    entries: tuple[Entry, ...]
    whole: bool


class Stock:
    """Finds items and tells their stories."""

    def __init__(self, *, books: Books) -> None:
        self._books = books

    async def page(self, account_id: str, sought: Sought, *, limit: int, after: Spot | None = None) -> Shelf:
        """The items that fit, from where an earlier page ended."""
        hits, following = await self._books.read(
            lambda db: search.page(db, account_id, sought, limit=limit, after=after)
        )
        return Shelf(hits=hits, following=following)

    async def timeline(self, account_id: str, external_id: str) -> Timeline:
        """Milestones, Tradera's calls and the webhooks told, together. Raises Refused (NOT_FOUND)."""
        return await self._books.read(lambda db: _timeline(db, account_id, external_id))


def _timeline(db: sqlite3.Connection, account_id: str, external_id: str) -> Timeline:
    item = items.find(db, account_id, external_id)
    if item is None:
        raise Refused("NOT_FOUND", NOT_FOUND)
    milestones = outbox.history(db, item.id, limit=LONGEST)
    calls = timeline.calls(db, item.id, limit=LONGEST)
    deliveries = timeline.deliveries(db, item.id, limit=LONGEST)
    entries = [
        *(Entry(at=each.at, delivery=each) for each in deliveries),
        *(Entry(at=each.created_at, milestone=each) for each in milestones),
        *(Entry(at=each.at, call=each) for each in calls),
    ]
    whole = all(len(kind) < LONGEST for kind in (milestones, calls, deliveries))
    return Timeline(entries=tuple(sorted(entries, key=lambda entry: -entry.at)), whole=whole)
