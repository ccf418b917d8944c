"""Keeps orders the same here and at Tradera: reads those that push has told of, and tells what was done with them.

That an order was sent or paid outside it does not say itself: its transactions do, one for each ad sold. A call that got no
answer may have taken effect, so they are looked at before anything is repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial

import structlog

from rheod.domain.errors import Text, Unanswered
from rheod.domain.model import (
    CallClass,
    Job,
)
from rheod.domain.orders import OrderStatus
from rheod.jobs.meters import Meters
from rheod.jobs.queue import Done, Outcome, Pause, Retry
from rheod.store import facts, inbox, key_value, order_changes, orders
from rheod.store.orders import StoredOrder
from rheod.tradera.budgeted_client import BudgetedClient, NotSent, NotWanted
from rheod.tradera.responses import NO_ITEMS, SoldAd, marked
from rheod.tradera.transport import Rejected
from rheod.usecases import orders as use_cases
from rheod.usecases import sales
from rheod.usecases.listings import SellersAndSite
from rheod.usecases.transaction import Store, Transaction

_log = structlog.get_logger(__name__)
_HOUR_MS = 3600 * 1000
_DAY_MS = 24 * _HOUR_MS
_TRIES_BEFORE_PROOF = 5
"""An order is looked up at once and after 2, 5, 15 and 60 s before its sale is looked for otherwise."""
_ALIKE = 3
"""So many different orders in a row that cannot be read are no fault of theirs."""
_ALIKE_MS = 60 * 1000
_LOOKED_AFTER_MS = 30 * _DAY_MS
"""An order not marked as shipped by then was handed over in some other way."""
_TRIES_TO_FIND = 5
_FIND_AGAIN_MS = 15 * 60 * 1000
"""A sale may come among the transactions a little after its order."""


class OrderSync:
    """Works `orders` jobs; their subject is the account. Once those of before are read anew, too."""

    def __init__(
        self, *, store: Store, calls: BudgetedClient, sellers: SellersAndSite, meters: Meters | None = None
    ) -> None:
        self._store = store
        self._calls = calls
        self._sellers = sellers
        self._meters = meters or Meters()
        self._account_id = calls.account_id
        self._at_once = sales.ORDERS_A_CALL
        self._unread_in_a_row: set[int] = set()
        self._complete_at_once = sales.ORDERS_A_CALL

    async def look_up(self, _job: Job) -> Outcome:
        """Look up all orders the inbox tells of, in one call; fewer at a time once such a call has failed.

        What a call about one order alone brings is about that order: the others are read meanwhile.
        """
        now, at_once = self._store.now(), self._at_once
        ids = await self._store.read(
            lambda db: inbox.orders_to_look_up(db, self._account_id, limit=at_once, now=now)
        )
        if not ids:
            return await self._rest()
        others = await self._calls.fair_share(CallClass.ORDERS, {"orders_by_id": 1})
        try:
            async with self._calls.book(CallClass.ORDERS, "orders_by_id", leave=others) as call:
                found = await self._calls.client.orders(self._calls.seller, ids)

                def record(tx: Transaction) -> None:
                    before = facts.newest_event(tx.db)
                    sales.record_orders(tx, self._account_id, found, self._sellers, ids)
                    for received_at in facts.sales_received(tx.db, after=before):
                        tx.afterwards.append(partial(self._meters.sale_written, tx.now - received_at))

                await call.keep(record)
        except (Rejected, Unanswered) as error:
            return await self._unread(ids, error)
        self._unread_in_a_row.clear()
        read = {order.order_id for order in found if order.doubt != NO_ITEMS}
        await self._ask_otherwise([order_id for order_id in ids if order_id not in read])
        return await self._rest()

    async def _ask_otherwise(self, order_ids: Sequence[int]) -> None:
        """Look for the sales of orders that have had no line for long among the transactions: the second proof."""
        for order_id in order_ids:
            waits = await self._store.read(lambda db, number=order_id: inbox.waits(db, number))  # type: ignore[misc]
            if waits is None or waits.tries != _TRIES_BEFORE_PROOF or waits.account_id != self._account_id:
                continue
            begin, end = waits.received_at - _DAY_MS, self._store.now() + _HOUR_MS
            try:
                async with self._calls.book(CallClass.ORDERS, "transactions") as call:
                    sold = await self._calls.client.transactions(self._calls.seller, begin, end)
                    proved = partial(sales.prove, order_id=order_id, sold=sold, sellers=self._sellers)
                    await call.keep(proved)
            except (Rejected, Unanswered, NotSent) as error:
                _log.warning("no second proof of a sale", order=order_id, reason=str(error))

    async def complete(self) -> None:
        """Ask once more for some orders of which an older rheod has kept a part: one call, and nothing is told anew.

        What Tradera does not tell any more stays as it is.
        """
        at_once = self._complete_at_once
        ids = await self._store.read(lambda db: orders.not_whole(db, self._account_id, limit=at_once))
        if not ids:
            return
        try:
            async with self._calls.book(CallClass.RECONCILE, "orders_by_id") as call:
                found = await self._calls.client.orders(self._calls.seller, ids)

                def completed(tx: Transaction) -> None:
                    sales.record_orders(tx, self._account_id, found, self._sellers)
                    order_changes.let_be(tx.db, ids)

                await call.keep(completed)
        except NotSent:
            return  # another pass will do
        except (Rejected, Unanswered) as error:
            _log.warning("orders of before could not be completed", orders=len(ids), reason=str(error))
            if len(ids) == 1 and (isinstance(error, Rejected) or await self._calls.answers()):
                await self._store.write(lambda tx: order_changes.let_be(tx.db, ids))
            self._complete_at_once = 1  # one of them may be what fails
            return
        self._complete_at_once = sales.ORDERS_A_CALL

    async def _rest(self) -> Outcome:
        """Go on at once with orders that are to be looked up now, else when the next one is."""
        now = self._store.now()
        at = await self._store.read(lambda db: inbox.next_look_up(db, self._account_id))
        if at is None or at > now:
            self._at_once = sales.ORDERS_A_CALL
        if at is None:
            return Done()
        return Retry(until=max(at, now), reason=Text("more orders to look up"), counted=False)

    async def _unread(self, ids: Sequence[int], error: Rejected | Unanswered) -> Outcome:
        """The call failed: ask for half as many, or put the one aside. Raises the error when Tradera is away."""
        if isinstance(error, Unanswered) and not await self._calls.answers():
            raise error
        reason = Text("Tradera does not tell of this order: {error}", error=error)
        self._at_once = len(ids) // 2 or sales.ORDERS_A_CALL
        if len(ids) == 1:
            order_id = ids[0]
            self._unread_in_a_row.add(order_id)
            alike = isinstance(error, Unanswered) and len(self._unread_in_a_row) >= _ALIKE

            def put_aside(tx: Transaction) -> None:
                if alike:  # it is read no worse than others and counts no try: the look-ups are what fails
                    inbox.put_off(tx.db, self._account_id, order_id, until=tx.now + _ALIKE_MS, tried=False)
                else:
                    sales.look_up_again(tx, self._account_id, order_id, reason)

            await self._store.write(put_aside)
            if alike:
                raise error
        return await self._rest()


class OrderUpdater:
    """Works `ship` and `confirm` jobs; their subject is an order's number.

    After `tries` without a clear answer, though Tradera answers others, an order is left as it is, with Tradera's words.
    """

    def __init__(self, *, store: Store, calls: BudgetedClient, tries: int) -> None:
        self._store = store
        self._calls = calls
        self._tries = tries

    async def ship(self, job: Job) -> Outcome:
        """Mark the order as shipped, unless it is. Raises what the calls raise when time may heal it."""
        order = await self._store.read(lambda db: orders.find(db, int(job.subject)))
        if order is None or order.shipped_at is not None:
            return Done()
        try:
            return await self._mark_shipped(order)
        except Unanswered as error:
            last_try = await self._last_try(job, error, partial(_refused, order))
        with suppress(Unanswered):
            if await self._is_shipped(order):
                return _shipped(order)
        return last_try

    async def _mark_shipped(self, order: StoredOrder) -> Outcome:
        others = await self._calls.fair_share(CallClass.SHIP, {"ship": 1})
        if order.ship_sent_at is not None and await self._is_shipped(order, leave=others):
            return _shipped(order)
        try:
            start = partial(use_cases.start_ship, order_id=order.order_id)
            async with self._calls.book(CallClass.SHIP, "ship", None, start, leave=others) as call:
                await self._calls.client.ship(self._calls.seller, order.order_id)
                await call.keep(lambda tx: use_cases.shipped(tx, order.order_id))
        except NotWanted:
            pass  # it is marked already
        except Rejected as error:
            return _shipped(order) if await self._is_shipped(order) else _refused(order, str(error))
        return Done()

    async def _last_try(self, job: Job, error: Unanswered, give_up: Callable[[Text], Outcome]) -> Outcome:
        """What becomes of an order that gets no clear answer again and again. Raises the error while there are tries left."""
        if job.unclear + 1 < self._tries:
            raise error
        if not await self._calls.answers():
            return Pause(str(error))
        return give_up(Text("Tradera gives no clear answer again and again: {error}", error=error))

    async def _is_shipped(self, order: StoredOrder, *, leave: Mapping[str, int] | None = None) -> bool:
        """Whether Tradera shows all sales of the order as shipped; False when it will not tell."""
        try:
            sold = await self._transactions(CallClass.SHIP, since=order.created_at, leave=leave)
        except Rejected:
            return False
        ads = {line.tradera_item_id for line in order.lines}
        return bool(ads) and ads <= marked(sold, lambda each: each.is_shipped)

    async def confirm(self, job: Job) -> Outcome:
        """Tell Tradera that the order was paid outside, each of its sales with a call; one that is marked so with none."""
        order = await self._store.read(lambda db: orders.find(db, int(job.subject)))
        if order is None or order.confirm_told_at is not None or order.status is OrderStatus.REVERSED:
            return Done()
        others = await self._calls.fair_share(CallClass.SHIP, {"transaction_status": 1})
        try:
            sold = await self._transactions(CallClass.SHIP, since=order.created_at, leave=others)
            ads = {line.tradera_item_id for line in order.lines if line.reversed_at is None}
            if not ads <= {each.ad for each in sold if each.transaction_id}:
                return self._not_found(job, order)
            unpaid = [each for each in sold if each.ad in ads and not each.is_paid and each.transaction_id]
            start = partial(use_cases.start_confirm, order_id=order.order_id)
            for each in unpaid:
                async with self._calls.book(CallClass.SHIP, "transaction_status", None, start, leave=others):
                    await self._calls.client.confirm_paid(self._calls.seller, each.transaction_id)
        except NotWanted:
            return Done()  # it was taken back meanwhile
        except Rejected as error:
            return _not_confirmed(order, str(error))
        except Unanswered as error:
            return await self._last_try(job, error, partial(_not_confirmed, order))
        return Done(lambda tx: use_cases.confirmed(tx, order.order_id))

    def _not_found(self, job: Job, order: StoredOrder) -> Outcome:
        missing = Text("Tradera shows no transaction of the order yet")
        if job.attempts < _TRIES_TO_FIND:
            return Retry(until=self._store.now() + _FIND_AGAIN_MS, reason=missing)
        return _not_confirmed(order, missing)

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
        found: Iterable[SoldAd] = ()
        try:
            found = await self._transactions(CallClass.RECONCILE, since=oldest)
        except NotSent:
            return  # another pass will do
        except Rejected as error:
            _log.error("Tradera refuses to tell what is shipped", reason=str(error))
        ads = marked(found, lambda each: each.is_shipped)

        def seen(tx: Transaction) -> None:
            use_cases.shipped_elsewhere(tx, account_id, sorted(ads))
            key_value.put(tx.db, _mark(account_id), str(tx.now))

        await self._store.write(seen)

    async def _transactions(
        self, call_class: CallClass, *, since: int, leave: Mapping[str, int] | None = None
    ) -> list[SoldAd]:
        begin, end = since - _DAY_MS, self._store.now() + _HOUR_MS
        async with self._calls.book(call_class, "transactions", leave=leave or {}):
            return await self._calls.client.transactions(self._calls.seller, begin, end)


def _mark(account_id: str) -> str:
    return f"parcels_looked_at:{account_id}"


def _shipped(order: StoredOrder) -> Outcome:
    return Done(lambda tx: use_cases.shipped(tx, order.order_id))


def _refused(order: StoredOrder, reason: str) -> Outcome:
    _log.warning("order not marked as shipped", order=order.order_id, reason=reason)
    error = Text("Tradera did not mark the order as shipped: {reason}", reason=reason)
    return Done(lambda tx: use_cases.ship_refused(tx, order.order_id, error))


def _not_confirmed(order: StoredOrder, reason: str) -> Outcome:
    error = Text("Tradera did not mark the order as paid: {reason}", reason=reason)
    return Done(lambda tx: use_cases.confirm_refused(tx, order.order_id, error))
