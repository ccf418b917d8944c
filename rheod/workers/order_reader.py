"""Reads orders: those that push has told of, and by reconciliation those it has missed (push.md, step 7)."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from rheod.catalog import sales
from rheod.catalog.sales import SellersAndSite
from rheod.catalog.unit import Books, UnitOfWork
from rheod.clients.tradera_wire import Rejected
from rheod.clients.tradera_words import AdState, ListedItem
from rheod.domain.crash import crashpoint
from rheod.domain.model import CallClass, CloseReason, Job, Listing, ListingState, Order
from rheod.domain.retry import LOOP_DELAYS_S, delay_ms
from rheod.store import inbox, items, marks, orders
from rheod.workers.calls import Request, TraderaCalls
from rheod.workers.lane import Done, Outcome, PutOff

_log = structlog.get_logger(__name__)
_HOUR_MS = 3600 * 1000
_OVERLAP_MS = _HOUR_MS
_FIRST_LOOK_BACK_MS = 14 * 24 * _HOUR_MS
_LOOK_UPS = 6
"""After this many look-ups an order Tradera does not know is quarantined, so that it spends no more calls."""
_OVERDUE_A_PASS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileOptions:
    """How often a pass is made, how soon after the last one at start, and for how long listings are looked after."""

    interval_ms: int
    least_gap_ms: int = 60_000
    looked_after_ms: int = 60 * 24 * _HOUR_MS


class OrderReader:
    """Works `orders` and `reconcile` jobs; their subject is the account."""

    def __init__(
        self, *, books: Books, calls: TraderaCalls, sellers: SellersAndSite, options: ReconcileOptions
    ) -> None:
        self._books = books
        self._calls = calls
        self._sellers = sellers
        self._options = options
        self._account_id = calls.account_id

    async def look_up(self, job: Job) -> Outcome:
        """Look up all orders the inbox tells of, in one call; one at a time once something was wrong with that."""
        limit = sales.ORDERS_A_CALL if job.attempts == 0 else 1
        ids = await self._books.read(lambda db: inbox.orders_to_look_up(db, self._account_id, limit=limit))
        if not ids:
            return Done()
        try:
            found = await self._calls.make(
                Request(
                    call_class=CallClass.ORDERS,
                    operation="orders_by_id",
                    send=lambda: self._calls.client.orders(self._calls.seller, ids),
                    after=lambda unit, found: self._record(unit, found, ids),
                )
            )
        except Rejected as error:
            return self._unknown(job, ids, f"Tradera refuses the look-up: {error}")
        missing = [order_id for order_id in ids if order_id not in (found or ())]
        if missing:
            return self._unknown(job, missing, "Tradera does not know this order")
        more = await self._books.read(lambda db: inbox.orders_to_look_up(db, self._account_id, limit=1))
        return PutOff(until=self._books.now(), reason="more orders", counted=False) if more else Done()

    def _record(self, unit: UnitOfWork, found: Sequence[Order], asked: Sequence[int]) -> set[int]:
        sales.record_orders(unit, self._account_id, found, self._sellers, asked)
        return {order.order_id for order in found}

    def _unknown(self, job: Job, ids: Sequence[int], reason: str) -> Outcome:
        now = self._books.now()
        if job.attempts < _LOOK_UPS:
            return PutOff(until=now + delay_ms(LOOP_DELAYS_S, job.attempts + 1), reason=reason)
        _log.error("order quarantined", orders=list(ids[:1]), reason=reason)
        return PutOff(
            until=now,
            reason="more orders",
            counted=False,
            write=lambda unit: inbox.quarantine_order(
                unit.db, self._account_id, ids[0], reason=reason, now=unit.now
            ),
        )

    async def reconcile(self, _job: Job) -> Outcome:
        """One pass over what changed at Tradera since the last good one; then wait for the next."""
        now = self._books.now()
        last = await self._books.read(lambda db: _last_pass(db, self._account_id))
        again = PutOff(until=now + self._options.interval_ms, reason="next reconciliation", counted=False)
        if last is not None and now - last < self._options.least_gap_ms:
            return PutOff(until=last + self._options.interval_ms, reason="next reconciliation", counted=False)
        since = now - self._options.looked_after_ms
        if not await self._books.read(lambda db: items.any_committed_since(db, self._account_id, since)):
            return again  # nothing of ours can have changed: spend no call
        self._calls.require(CallClass.RECONCILE, cost=3)
        begin = (now - _FIRST_LOOK_BACK_MS if last is None else last) - _OVERLAP_MS
        ended = await self._ended_ads(begin, now)
        crashpoint("reconcile.ads_read")
        await self._orders_since(begin, now, ended)
        return again

    async def _ended_ads(self, begin: int, now: int) -> list[tuple[Listing, ListedItem]]:
        """Our listings that are down at Tradera though we think them up, as Tradera shows them."""
        live = await self._books.read(lambda db: items.live_listings(db, self._account_id))
        ours = {listing.tradera_item_id: listing for listing in live}
        if not ours:
            return []
        changed = await self._changed_ads()
        seen: list[ListedItem] = []
        if changed & ours.keys():
            seen = (
                await self._calls.make(
                    Request(
                        call_class=CallClass.RECONCILE,
                        operation="seller_items",
                        send=lambda: self._calls.client.seller_items(self._calls.seller, begin, now),
                        after=lambda _, found: found,
                    )
                )
                or []
            )
        overdue = [
            each
            for each in live
            if each.state is ListingState.LIVE and (each.ends_at or now) + _HOUR_MS < now
        ]
        known = {ad.tradera_item_id for ad in seen}
        for listing in [each for each in overdue if each.tradera_item_id not in known][:_OVERDUE_A_PASS]:
            seen += await self._read_ad(listing)
        down = {AdState.ENDED, AdState.SOLD}
        return [
            (ours[ad.tradera_item_id], ad)
            for ad in seen
            if ad.tradera_item_id in ours and ad.state_at(now) in down
        ]

    async def _changed_ads(self) -> set[int]:
        name = f"row_version:{self._account_id}"
        cursor = int(await self._books.read(lambda db: marks.get(db, name)) or 0)

        def after(unit: UnitOfWork, found: list[tuple[int, int]]) -> set[int]:
            newest = max([cursor, *(version for _, version in found)])
            marks.put(unit.db, name, str(newest))
            return {ad for ad, _ in found}

        changed = await self._calls.make(
            Request(
                call_class=CallClass.RECONCILE,
                operation="updated_items",
                send=lambda: self._calls.client.updated_items(self._calls.seller, cursor),
                after=after,
            )
        )
        return changed or set()

    async def _read_ad(self, listing: Listing) -> list[ListedItem]:
        assert listing.tradera_item_id is not None
        ad = listing.tradera_item_id
        found: ListedItem | None = await self._calls.make(
            Request(
                call_class=CallClass.RECONCILE,
                operation="read_item",
                listing_id=listing.id,
                send=lambda: self._calls.client.read_item(self._calls.seller, ad),
                after=lambda _, found: found,
            )
        )
        return [found] if found else []

    async def _orders_since(self, begin: int, now: int, ended: Sequence[tuple[Listing, ListedItem]]) -> None:
        """Orders first: an ad that is down without one has ended unsold."""

        def after(unit: UnitOfWork, found: Sequence[Order]) -> int:
            sold = sales.record_orders(unit, self._account_id, found, self._sellers)
            for listing, ad in ended:
                self._close(unit, listing, ad, now)
            marks.put(unit.db, _mark(self._account_id), str(now))
            return sold

        sold = await self._calls.make(
            Request(
                call_class=CallClass.RECONCILE,
                operation="orders",
                send=lambda: self._calls.client.orders_between(self._calls.seller, begin, now + _HOUR_MS),
                after=after,
            )
        )
        _log.info("reconciled", sold=sold, ended=len(ended))

    def _close(self, unit: UnitOfWork, listing: Listing, ad: ListedItem, now: int) -> None:
        if orders.exists_for_ad(unit.db, ad.tradera_item_id) or inbox.order_waits_for(
            unit.db, ad.tradera_item_id
        ):
            return
        if ad.state_at(now) is AdState.SOLD:
            _log.warning("sold at Tradera but no order yet", ad=ad.tradera_item_id)
            return
        early = listing.ends_at is not None and now < listing.ends_at
        reason = CloseReason.CLOSED_BY_SELLER if early else CloseReason.NO_BIDS
        sales.close_ad(unit, self._account_id, ad.tradera_item_id, reason, self._sellers)


def _mark(account_id: str) -> str:
    return f"reconciled_until:{account_id}"


def _last_pass(db: sqlite3.Connection, account_id: str) -> int | None:
    value = marks.get(db, _mark(account_id))
    return None if value is None else int(value)
