"""Events and their deliveries, for the owner and the ERP: the delivery log, the pull feed of all events, and replays.

A replay orders the stored bytes once more; it never builds an event again and never doubles what waits already.
"""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from functools import partial

from rheod.domain.errors import Refused
from rheod.domain.model import QueueName
from rheod.domain.text import Text
from rheod.store import feed, outbox
from rheod.store.feed import Replayed, StoredEvent
from rheod.store.outbox import AttemptDetail, AttemptFilter, LoggedAttempt
from rheod.usecases.endpoints import Endpoints
from rheod.usecases.transaction import Store, Transaction

CHUNK = 1000
"""Events of a long replay that are ordered in one transaction: no other transaction waits for more than these."""


class EventFeed:
    """The owner's use cases about events that have happened and attempts that were made."""

    def __init__(self, *, store: Store, endpoints: Endpoints) -> None:
        self._store = store
        self._endpoints = endpoints

    async def deliveries(
        self, wanted: AttemptFilter, *, limit: int, before_ms: int | None = None
    ) -> list[LoggedAttempt]:
        """The newest attempts that pass the filters, newest first; `before_ms` leaves out those made then or later."""
        return await self._store.read(partial(_page, wanted=wanted, limit=limit, before_ms=before_ms))

    async def exchange(self, account_id: str, delivery_id: int) -> AttemptDetail:
        """One attempt with what was sent and answered. Raises Refused (NOT_FOUND)."""
        found = await self._store.read(lambda db: outbox.exchange(db, account_id, delivery_id))
        if found is None:
            raise Refused("NOT_FOUND", Text("No delivery found with this id"))
        return found

    async def events(
        self, account_id: str, *, after: int, limit: int, event_type: str | None = None
    ) -> list[StoredEvent]:
        """The account's own events after this number, the oldest first."""
        return await self._store.read(
            lambda db: feed.events_after(db, account_id, after=after, limit=limit, event_type=event_type)
        )

    async def replay(self, account_id: str, event_id: str, endpoint_id: str | None = None) -> Replayed:
        """Order one event once more for the endpoints that take it, or for one of them. Raises Refused (NOT_FOUND)."""
        await self._check(account_id, endpoint_id)

        def use_case(tx: Transaction) -> Replayed:
            seq = feed.number_of(tx.db, event_id, account_id)
            if seq is None:
                raise Refused("NOT_FOUND", Text("No event found with this id"))
            tx.woken.add(QueueName.WEBHOOKS)
            feed.hurry(tx.db, seq, account_id, endpoint_id, now=tx.now)
            return feed.order_again(tx.db, account_id, endpoint_id, numbers=(seq, seq), now=tx.now)

        return await self._store.write(use_case)

    async def replay_since(self, account_id: str, moment: int, endpoint_id: str | None = None) -> Replayed:
        """Order every event since a moment (ms) once more, in order; what happens meanwhile is delivered anyway.

        Each chunk is durable for itself: what an interrupted replay has ordered stays ordered, and asking again
        doubles nothing. Raises Refused (NOT_FOUND) for an endpoint that is none of the account's.
        """
        await self._check(account_id, endpoint_id)
        first, last = await self._store.read(lambda db: feed.range_since(db, moment))
        total = Replayed(ordered=0, waiting=0)
        while first <= last:
            end = await self._store.read(partial(feed.end_of_chunk, first=first, last=last, size=CHUNK))
            part = await self._store.write(partial(_order_again, account_id, endpoint_id, (first, end)))
            total = Replayed(ordered=total.ordered + part.ordered, waiting=total.waiting + part.waiting)
            first = end + 1
        return total

    async def _check(self, account_id: str, endpoint_id: str | None) -> None:
        if endpoint_id is not None:
            await self._endpoints.find(account_id, endpoint_id)


def _order_again(
    account_id: str, endpoint_id: str | None, numbers: tuple[int, int], tx: Transaction
) -> Replayed:
    tx.woken.add(QueueName.WEBHOOKS)
    return feed.order_again(tx.db, account_id, endpoint_id, numbers=numbers, now=tx.now)


def _page(
    db: sqlite3.Connection, *, wanted: AttemptFilter, limit: int, before_ms: int | None
) -> list[LoggedAttempt]:
    if before_ms is not None:
        last = outbox.last_before(db, before_ms)
        wanted = replace(wanted, before=0 if last is None else last + 1)
    return outbox.page(db, wanted, limit=limit)
