"""Reads orders: those that push has told of, and by reconciliation those it has missed; and once those of before anew."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from rheod.domain.budget import METHODS_OF, PASS_COST, TOTAL
from rheod.domain.crash import crashpoint
from rheod.domain.errors import Text, Unanswered
from rheod.domain.inputs import EndSeen
from rheod.domain.model import (
    AdState,
    CallClass,
    CloseReason,
    Job,
    JobKind,
    JobOrder,
    Listing,
    QueueName,
    SellerAd,
)
from rheod.domain.orders import Order
from rheod.domain.retry import TRADERA_DELAYS_S, delay_ms
from rheod.jobs.meters import Meters
from rheod.jobs.queue import Done, Outcome, Retry
from rheod.store import facts, inbox, items, jobs, key_value, order_changes, orders
from rheod.store.ads import forget_other, looked_at_other, note_others, others_to_look_at
from rheod.store.jobs import Owner
from rheod.tradera.budgeted_client import BudgetedClient, NotSent
from rheod.tradera.responses import NO_ITEMS
from rheod.tradera.transport import Oversized, Rejected
from rheod.usecases import ending, sales, take_over
from rheod.usecases.placement import see_category
from rheod.usecases.sales import SellersAndSite
from rheod.usecases.transaction import Store, Transaction

_log = structlog.get_logger(__name__)
_HOUR_MS = 3600 * 1000
_DAY_MS = 24 * _HOUR_MS
_TRIES_BEFORE_PROOF = 5
"""An order is looked up at once and after 2, 5, 15 and 60 s before its sale is looked for otherwise."""
_OVERLAP_MS = _HOUR_MS
_FIRST_LOOK_BACK_MS = 14 * 24 * _HOUR_MS
_ALIKE = 3
"""So many different orders in a row that cannot be read are no fault of theirs."""
_ALIKE_MS = 60 * 1000
_A_READ = 200
"""Ads looked up at once, so that nobody waits for a long read."""

_CLOCK_MS = 24 * _HOUR_MS
"""Ads that end so soon are read with those that have ended: this machine's clock may be behind Tradera's."""
_LEAST_SPAN_MS = 60 * 1000
_OVERDUE_A_PASS = 5
_OTHERS_A_PASS = 5
_A_PASS = METHODS_OF[CallClass.RECONCILE]
assert len(_A_PASS) == PASS_COST


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileOptions:
    """How often a pass is made, how soon after the last one at start, and for how long listings are looked after."""

    interval_ms: Callable[[], int]
    least_gap_ms: int = 50_000
    looked_after_ms: int = 60 * 24 * _HOUR_MS


@dataclass(frozen=True, slots=True)
class _Ended:
    """Ads that are down, and the row version up to which Tradera has told of changes (None: not asked).

    None in place of an ad means that Tradera does not know it any more though its time is over. `others` are ads that
    rheod did not make: one may be an ad of ours that was started again there. `elsewhere` are ads of ours, up or down, that
    are in another category than rheod knows them in.
    """

    ads: Sequence[tuple[Listing, SellerAd | None]]
    cursor: int | None
    others: Sequence[SellerAd] = ()
    elsewhere: Sequence[SellerAd] = ()


class OrderSync:
    """Works `orders` and `reconcile` jobs; their subject is the account."""

    def __init__(
        self,
        *,
        store: Store,
        calls: BudgetedClient,
        sellers: SellersAndSite,
        options: ReconcileOptions,
        meters: Meters | None = None,
    ) -> None:
        self._store = store
        self._calls = calls
        self._sellers = sellers
        self._options = options
        self._meters = meters or Meters()
        self._account_id = calls.account_id
        self._at_once = sales.ORDERS_A_CALL
        self._unread_in_a_row: set[int] = set()
        self._complete_at_once = sales.ORDERS_A_CALL
        self._begun = False
        self._refusals = 0

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
                await call.keep(lambda tx: self._record(tx, found, ids))
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
                await call.keep(lambda tx: self._completed(tx, found, ids))
        except NotSent:
            return  # another pass will do
        except (Rejected, Unanswered) as error:
            _log.warning("orders of before could not be completed", orders=len(ids), reason=str(error))
            if len(ids) == 1 and (isinstance(error, Rejected) or await self._calls.answers()):
                await self._store.write(lambda tx: order_changes.let_be(tx.db, ids))
            self._complete_at_once = 1  # one of them may be what fails
            return
        self._complete_at_once = sales.ORDERS_A_CALL

    def _completed(self, tx: Transaction, found: Sequence[Order], ids: Sequence[int]) -> None:
        sales.record_orders(tx, self._account_id, found, self._sellers)
        order_changes.let_be(tx.db, ids)

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
            await self._store.write(lambda tx: self._put_aside(tx, order_id, reason, alike=alike))
            if alike:
                raise error
        return await self._rest()

    def _put_aside(self, tx: Transaction, order_id: int, reason: str, *, alike: bool) -> None:
        """An order that is read no worse than others counts no try: the look-ups are what fails."""
        if alike:
            inbox.put_off(tx.db, self._account_id, order_id, until=tx.now + _ALIKE_MS, tried=False)
        else:
            sales.look_up_again(tx, self._account_id, order_id, reason)

    def _record(self, tx: Transaction, found: Sequence[Order], asked: Sequence[int]) -> None:
        before = facts.newest_event(tx.db)
        sales.record_orders(tx, self._account_id, found, self._sellers, asked)
        for received_at in facts.sales_received(tx.db, after=before):
            tx.afterwards.append(partial(self._meters.sale_written, tx.now - received_at))

    async def reconcile(self, job: Job) -> Outcome:
        """One pass over what changed at Tradera since the last good one; then wait for the next."""
        now = self._store.now()
        last = await self._store.read(lambda db: _last_pass(db, self._account_id, now))
        again = Retry(
            until=now + self._options.interval_ms(), reason=Text("next reconciliation"), counted=False
        )
        ordered, self._begun = self._begun, True
        if last is not None and now - last < self._options.least_gap_ms:
            # a start so soon after a pass needs none; later somebody has ordered it, who waits for an order
            wait_ms = self._options.least_gap_ms if ordered else self._options.interval_ms()
            return Retry(until=last + wait_ms, reason=Text("next reconciliation"), counted=False)
        since = now - self._options.looked_after_ms
        if not await self._store.read(lambda db: items.any_committed_since(db, self._account_id, since)):
            return again  # nothing of ours can have changed: spend no call
        longer = await self._store.read(lambda db: jobs.waiting_longer(db, job))
        ours = [each for each in longer if each in self._calls.budget.rules.sellers]
        begin = (now - _FIRST_LOOK_BACK_MS if last is None else last) - _OVERLAP_MS
        try:
            with self._calls.reserve(CallClass.RECONCILE, dict.fromkeys(_A_PASS, 1), after=ours):
                ended = await self._ended_ads(begin, now)
                crashpoint("reconcile.ads_read")
                if await self._store.read(lambda db: _lacks_order(db, ended, now)):
                    begin = min(begin, now - _FIRST_LOOK_BACK_MS)  # it may be older than the last pass
                await self._orders_since(begin, now, ended)
        except Rejected as error:
            _log.error("Tradera refuses the reconciliation", reason=str(error))
            self._refusals += 1
            wait_ms = min(delay_ms(TRADERA_DELAYS_S, self._refusals), self._options.interval_ms())
            return Retry(until=now + wait_ms, reason=str(error), counted=False)
        self._refusals = 0
        return again

    async def _ended_ads(self, begin: int, now: int) -> _Ended:
        """Our listings that are down at Tradera though we think them up, as Tradera shows them."""
        account_id, since = self._account_id, now - self._options.looked_after_ms
        if not await self._store.read(lambda db: items.any_committed_since(db, account_id, since)):
            return _Ended([], None)
        changed, cursor, whole = await self._changed_ads()
        await self._store.write(lambda tx: _look_for(tx, account_id, changed))
        others = await self._other_ads()
        ours = await self._up(changed)
        seen: list[SellerAd] = []
        if ours or others or not whole:
            seen = await self._seller_items(begin, now + _CLOCK_MS)
        known = {ad.tradera_item_id for ad in seen}
        ours |= await self._up(known - changed)
        found: list[tuple[Listing, SellerAd | None]] = [
            (ours[ad.tradera_item_id], ad) for ad in seen if ad.tradera_item_id in ours
        ]
        found += await self._overdue_ads(known, now)
        await self._compare_end(now)
        down = {AdState.ENDED, AdState.SOLD}
        ended = [each for each in found if each[1] is None or each[1].state_at(now) in down]
        elsewhere = [ad for each, ad in found if ad and ad.category_id not in {None, each.category_id}]
        return _Ended(ended, cursor, others, elsewhere)

    async def _other_ads(self) -> list[SellerAd]:
        """The first few ads that rheod did not make and has not looked at, as Tradera shows them."""
        account_id, found = self._account_id, list[SellerAd]()
        for number in await self._store.read(
            lambda db: others_to_look_at(db, account_id, limit=_OTHERS_A_PASS)
        ):
            try:
                async with self._calls.book(CallClass.RECONCILE, "read_item", leave={TOTAL: 1}):
                    ad = await self._calls.client.read_item(self._calls.seller, number)
            except NotSent:
                break
            if ad is None:
                await self._store.write(partial(_forget_other, account_id=account_id, ad=number))
            else:
                found.append(ad)
        return found

    async def _up(self, ads: Collection[int]) -> dict[int, Listing]:
        """Our listings behind these ads that are or may be up: there may be 100,000 others."""
        wanted = list(ads)
        found: dict[int, Listing] = {}
        for start in range(0, len(wanted), _A_READ):
            query = partial(
                items.listings_of_ads, account_id=self._account_id, ads=wanted[start : start + _A_READ]
            )
            found |= {_number(listing): listing for listing in await self._store.read(query)}
        return found

    async def _overdue_ads(self, known: Collection[int], now: int) -> list[tuple[Listing, SellerAd | None]]:
        """The first few ads that should have ended by now, as Tradera shows them; None where it knows them no more."""
        account_id, before = self._account_id, now - _HOUR_MS
        overdue = await self._store.read(
            lambda db: items.overdue_listings(db, account_id, before=before, but=known, limit=_OVERDUE_A_PASS)
        )
        found: list[tuple[Listing, SellerAd | None]] = []
        for listing in overdue:
            try:
                found.append((listing, await self._read_ad(listing)))
            except NotSent:
                break
        return found

    async def _compare_end(self, now: int) -> None:
        """Read one ad with a place in the plan of ends now and then: where Tradera ends it says how long a commit takes."""
        listing = await self._store.read(lambda db: ending.to_compare(db, self._account_id, now=now))
        if listing is None:
            return
        try:
            ad = await self._read_ad(listing)
        except NotSent:
            return
        end_at = None if ad is None else ad.ends_at
        await self._store.write(lambda tx: ending.compare(tx, listing, end_at))

    async def _changed_ads(self) -> tuple[frozenset[int], int, bool]:
        """The ads that have changed since the last good pass, the cursor to keep when this one is good, and if they are all.

        Where they are not, any other may have changed too.
        """
        cursor = int(await self._store.read(lambda db: key_value.get(db, _cursor(self._account_id))) or 0)
        try:
            async with self._calls.book(CallClass.RECONCILE, "updated_items"):
                changed = await self._calls.client.updated_items(self._calls.seller, cursor)
        except Oversized as error:  # this list has no periods; that of the seller's ads tells the same
            _log.warning("list of changed ads is too long", reason=str(error))
            return frozenset(), cursor, False
        return changed.ads, max(cursor, changed.version), not changed.incomplete

    async def _seller_items(self, begin: int, end: int) -> list[SellerAd]:
        """The seller's ads that end in this period, in parts where the whole is too long. Raises Oversized."""
        found, periods = list[SellerAd](), [(begin, end)]
        while periods:
            first, last = periods.pop()
            try:
                async with self._calls.book(CallClass.RECONCILE, "seller_items"):
                    found += await self._calls.client.seller_items(self._calls.seller, first, last)
            except Oversized as error:
                periods += _halves(first, last, error)
        return found

    async def _read_ad(self, listing: Listing) -> SellerAd | None:
        """The ad as Tradera shows it. Raises NotSent unless a call is left for the orders: without it a pass is in vain.

        An ad that runs on is not overdue before its own end: else every pass would spend a call on it.
        """
        async with self._calls.book(CallClass.RECONCILE, "read_item", listing.id, leave={TOTAL: 1}) as call:
            found = await self._calls.client.read_item(self._calls.seller, _number(listing))
            ends_at = found.ends_at if found is not None else None
            if ends_at is not None and ends_at > self._store.now():
                await call.answered(EndSeen(ends_at=ends_at))
        return found

    async def _orders_since(self, begin: int, now: int, ended: _Ended) -> None:
        """Orders first: an ad that is down without one has ended unsold. Both cursors move in the same transaction."""

        def record(tx: Transaction) -> int:
            sold = sales.record_orders(tx, self._account_id, found, self._sellers)
            for elsewhere in ended.elsewhere:
                see_category(tx, elsewhere)
            for listing, ad in ended.ads:
                self._close(tx, listing, ad, now)
            for ad in ended.others:
                if take_over.follow(tx, self._account_id, ad, self._sellers):
                    looked_at_other(tx.db, self._account_id, ad.tradera_item_id, now=now)
            key_value.put(tx.db, _mark(self._account_id), str(now))
            if ended.cursor is not None:
                key_value.put(tx.db, _cursor(self._account_id), str(ended.cursor))
            return sold

        found, periods, sold = list[Order](), [(begin, now + _HOUR_MS)], 0
        while periods:
            first, last = periods.pop()
            try:
                async with self._calls.book(CallClass.RECONCILE, "orders") as call:
                    found += await self._calls.client.orders_between(self._calls.seller, first, last)
                    sold = 0 if periods else await call.keep(record)
            except Oversized as error:
                periods += _halves(first, last, error)
        _log.info("reconciled", sold=sold, ended=len(ended.ads))

    def _close(self, tx: Transaction, listing: Listing, ad: SellerAd | None, now: int) -> None:
        number = _number(listing)
        if orders.exists_for_ad(tx.db, number) or inbox.order_waits_for(tx.db, number):
            return
        if ad is None:
            _log.warning("an ad whose time is over is unknown at Tradera; taken as ended", ad=number)
        elif ad.state_at(now) is AdState.SOLD:
            _log.warning("sold at Tradera but no order yet", ad=number)
            return
        early = listing.ends_at is not None and now < listing.ends_at
        reason = CloseReason.CLOSED_BY_SELLER if early else CloseReason.NO_BIDS
        sales.close_ad(tx, self._account_id, number, reason, self._sellers)


def _halves(first: int, last: int, error: Oversized) -> list[tuple[int, int]]:
    """Both halves of a period whose list is too long. Raises the error when it is as short as can be."""
    if last - first <= _LEAST_SPAN_MS:
        raise error
    middle = (first + last) // 2
    return [(middle, last), (first, middle)]


def _number(listing: Listing) -> int:
    assert listing.tradera_item_id is not None
    return listing.tradera_item_id


def _mark(account_id: str) -> str:
    return f"reconciled_until:{account_id}"


def _cursor(account_id: str) -> str:
    return f"row_version:{account_id}"


def _last_pass(db: sqlite3.Connection, account_id: str, now: int) -> int | None:
    """None when there was none, or when its time was written by a clock that was ahead."""
    value = key_value.get(db, _mark(account_id))
    return None if value is None or int(value) > now else int(value)


def go_back(db: sqlite3.Connection, account_id: str, to: int) -> None:
    """Let the next pass look at everything since this time (ms), though an earlier one has been good."""
    known = key_value.get(db, _mark(account_id))
    key_value.put(db, _mark(account_id), str(to if known is None else min(int(known), to)))
    key_value.put(db, _cursor(account_id), "0")


def _look_for(tx: Transaction, account_id: str, changed: Collection[int]) -> None:
    """Have a job look at the changed ads that nobody waits for: a pass may never have the room for it."""
    note_others(tx.db, account_id, changed, now=tx.now)
    for listing in items.to_look_for(tx.db, account_id, changed):
        wanted = JobOrder(queue=QueueName.TRADERA, kind=JobKind.LOOK, subject=listing.id)
        tx.order_for(wanted, Owner(account_id=account_id, item_id=listing.item_id))


def _forget_other(tx: Transaction, *, account_id: str, ad: int) -> None:
    forget_other(tx.db, account_id, ad)


def _lacks_order(db: sqlite3.Connection, ended: _Ended, now: int) -> bool:
    """Whether an ad was sold, or is shown no more, of which neither an order nor a message about one is known."""
    return any(
        not orders.exists_for_ad(db, _number(listing)) and not inbox.order_waits_for(db, _number(listing))
        for listing, ad in ended.ads
        if ad is None or ad.state_at(now) is AdState.SOLD
    )
