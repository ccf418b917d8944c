"""Marks orders as shipped at Tradera, once the partner has told of a parcel, and learns which the seller has marked.

A call whose answer was lost is not made again before Tradera's transactions have been looked at: the buyer may be told
each time. What Tradera refuses is noted and left alone.
"""

from __future__ import annotations

from functools import partial

import structlog

from rheod.domain.model import CallClass, Job
from rheod.domain.text import Text
from rheod.jobs.queue import Done, Outcome
from rheod.store import key_value, orders
from rheod.store.orders import StoredOrder
from rheod.tradera.budgeted_client import BudgetedClient, NotSent, NotWanted
from rheod.tradera.transport import Rejected, ServerFailure
from rheod.usecases import shipping
from rheod.usecases.transaction import Store, Transaction

_log = structlog.get_logger(__name__)
_TRIES_OF_500 = 5
_HOUR_MS = 3600 * 1000
_DAY_MS = 24 * _HOUR_MS
_LOOKED_AFTER_MS = 30 * _DAY_MS
"""An order not marked as shipped by then was handed over in some other way."""


class ShippingUpdater:
    """Works `ship` jobs; their subject is an order's number."""

    def __init__(self, *, store: Store, calls: BudgetedClient) -> None:
        self._store = store
        self._calls = calls

    async def ship(self, job: Job) -> Outcome:
        """Mark the order as shipped, unless it is. Raises what the calls raise when time may heal it."""
        order = await self._store.read(lambda db: orders.find(db, int(job.subject)))
        if order is None or order.shipped_at is not None:
            return Done()
        others = await self._calls.fair_share(CallClass.SHIP)
        if order.ship_sent_at is not None and await self._is_shipped(order, leave=others):
            return _shipped(order)
        try:
            start = partial(shipping.start_ship, order_id=order.order_id)
            async with self._calls.book(CallClass.SHIP, "ship", None, start, leave=others) as call:
                await self._calls.client.ship(self._calls.seller, order.order_id)
                await call.keep(lambda tx: shipping.shipped(tx, order.order_id))
        except NotWanted:
            pass  # it is marked already
        except Rejected as error:
            if await self._is_shipped(order):
                return _shipped(order)
            return _refused(order, str(error))
        except ServerFailure as error:
            if error.status != 500 or job.attempts < _TRIES_OF_500:
                raise
            return _refused(
                order, Text("Tradera answers with an error again and again: {error}", error=error)
            )
        return Done()

    async def _is_shipped(self, order: StoredOrder, *, leave: int = 0) -> bool:
        """Whether Tradera shows all sales of the order as shipped; False when it will not tell."""
        try:
            shown = await self._shipped_ads(CallClass.SHIP, since=order.created_at, leave=leave)
        except Rejected:
            return False
        ads = {line.tradera_item_id for line in order.lines}
        return bool(ads) and ads <= shown

    async def look_around(self) -> None:
        """Once a day learn which orders the seller marked as shipped in My Tradera, if any waits for it: one call."""
        account_id, now = self._calls.account_id, self._store.now()
        last = await self._store.read(lambda db: key_value.get(db, _mark(account_id)))
        if last is not None and 0 <= now - int(last) < _DAY_MS:
            return
        wait = now - _DAY_MS
        oldest = await self._store.read(
            lambda db: orders.oldest_to_ship(db, account_id, since=now - _LOOKED_AFTER_MS, before=wait)
        )
        if oldest is None:
            return
        try:
            found = await self._shipped_ads(CallClass.RECONCILE, since=oldest)
        except NotSent:
            return  # another pass will do
        except Rejected as error:
            _log.error("Tradera refuses to tell what is shipped", reason=str(error))
            found = set()
        await self._store.write(lambda tx: _seen(tx, account_id, found))

    async def _shipped_ads(self, call_class: CallClass, *, since: int, leave: int = 0) -> set[int]:
        begin, end = since - _DAY_MS, self._store.now() + _HOUR_MS
        async with self._calls.book(call_class, "transactions", leave=leave):
            return await self._calls.client.shipped_ads(self._calls.seller, begin, end)


def _seen(tx: Transaction, account_id: str, found: set[int]) -> None:
    shipping.shipped_elsewhere(tx, account_id, sorted(found))
    key_value.put(tx.db, _mark(account_id), str(tx.now))


def _mark(account_id: str) -> str:
    return f"parcels_looked_at:{account_id}"


def _shipped(order: StoredOrder) -> Outcome:
    return Done(lambda tx: shipping.shipped(tx, order.order_id))


def _refused(order: StoredOrder, reason: str) -> Outcome:
    _log.warning("order not marked as shipped", order=order.order_id, reason=reason)
    error = Text("Tradera did not mark the order as shipped: {reason}", reason=reason)
    return Done(lambda tx: shipping.ship_refused(tx, order.order_id, error))
