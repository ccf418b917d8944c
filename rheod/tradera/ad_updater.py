"""Changes ads that are live: another price, or the end. After a refusal the ad's own state decides.

Marks orders as shipped at Tradera, once the partner has told of a parcel, and learns which the seller has marked.

A call whose answer was lost is not made again before Tradera's transactions have been looked at: the buyer may be told
each time. What Tradera refuses is noted and left alone.
"""

from __future__ import annotations

import sqlite3

import structlog

from rheod.domain.errors import Text, Unanswered
from rheod.domain.inputs import AdClosed, EndRefused, Input, Repriced, SyncRefused
from rheod.domain.model import (
    AdState,
    CallClass,
    CloseReason,
    Item,
    Job,
    JobKind,
    JobOrder,
    Listing,
    ListingState,
    QueueName,
    SellerAd,
)
from rheod.jobs.queue import Done, Outcome, Pause
from rheod.store import items
from rheod.store.jobs import Owner
from rheod.tradera.ad_builder import AdDefaults, prices_to_set
from rheod.tradera.budgeted_client import BudgetedClient
from rheod.tradera.client import SaysNothing
from rheod.tradera.transport import Rejected
from rheod.usecases import publish
from rheod.usecases.transaction import Store, Transaction

_log = structlog.get_logger(__name__)
_PRICE, _END = {"price": 1}, {"end": 1}
_LOOK = 1
"""A refusal is judged by a look at the ad: without room for both calls the first would be spent again and again."""


_ENDED = AdClosed(reason=CloseReason.CLOSED_BY_SELLER)


class AdUpdater:
    """Works `reprice` and `end` jobs; their subject is a listing id.

    After `tries` without a clear answer a price is given up, though never an end.
    """

    def __init__(self, *, store: Store, calls: BudgetedClient, defaults: AdDefaults, tries: int) -> None:
        self._store = store
        self._calls = calls
        self._defaults = defaults
        self._tries = tries

    async def reprice(self, job: Job) -> Outcome:
        """Carry the item's price to its ad; a refusal is told once and the item keeps its price here.

        A refusal is believed only when the ad shows another price: the answer to an earlier try may have been lost.
        An answer that says nothing is neither: where the ad does not show the price it is set again later.
        """
        item, listing = await self._store.read(lambda db: _both(db, job.subject))
        price_kr, opening_kr, buy_now_kr = prices_to_set(item, listing, self._defaults)
        if (
            listing.state is not ListingState.LIVE
            or listing.end_wish
            or listing.surplus
            or listing.price_kr == price_kr
        ):
            return Done()
        try:
            return await self._carry(listing, price_kr, opening_kr, buy_now_kr)
        except Unanswered as error:
            if job.unclear + 1 < self._tries:
                raise
            if not await self._calls.answers():
                return Pause(str(error))
            why = Text(
                "Tradera gave no clear answer to the price {price} kr again and again: {error}",
                price=price_kr,
                error=error,
            )
            return _told(listing, SyncRefused(error=why))

    async def _carry(
        self, listing: Listing, price_kr: int, opening_kr: int | None, buy_now_kr: int | None
    ) -> Outcome:
        others = await self._calls.fair_share(CallClass.PRICE, _PRICE)
        with self._calls.reserve(CallClass.PRICE, _PRICE, spare=_LOOK, leave=others):
            unknown: SaysNothing | None = None
            refusal: str | None = None
            try:
                refusal = await self._set_price(listing, price_kr, opening_kr, buy_now_kr)
            except SaysNothing as error:
                unknown = error
            if refusal is None and unknown is None:
                return Done()
            try:
                found = await self._read_ad(listing, CallClass.PRICE)
            except Rejected:
                found = None  # it is not even shown: the refusal stands
        shown = found and (found.buy_now_kr if opening_kr is None else found.opening_kr)
        if shown == price_kr:
            return _told(listing, Repriced(price_kr=price_kr))
        if unknown is not None:
            raise unknown
        why = Text("Tradera refused the price {price} kr: {refusal}", price=price_kr, refusal=refusal)
        return _told(listing, SyncRefused(error=why))

    async def _set_price(
        self, listing: Listing, price_kr: int, opening_kr: int | None, buy_now_kr: int | None
    ) -> str | None:
        """None when Tradera took the price, else its refusal."""
        try:
            async with self._calls.book(CallClass.PRICE, "price", listing.id) as call:
                refusal = await self._calls.client.set_price(
                    self._calls.seller, _ad(listing), opening_kr=opening_kr, buy_now_kr=buy_now_kr
                )
                if refusal is None:
                    await call.answered(Repriced(price_kr=price_kr))
                return refusal
        except Rejected as error:
            return str(error)

    async def end(self, job: Job) -> Outcome:
        """End the ad as the owner wished."""
        listing = await self._store.read(lambda db: items.listing(db, job.subject))
        unwanted = listing.end_wish is not None or listing.surplus
        if listing.state is not ListingState.LIVE or not unwanted:
            return Done()
        others = await self._calls.fair_share(CallClass.END, _END)
        with self._calls.reserve(CallClass.END, _END, spare=_LOOK, leave=others):
            refusal = await self._take_down(listing)
            return Done() if refusal is None else await self._judge(listing, refusal)

    async def _take_down(self, listing: Listing) -> str | None:
        """None when Tradera has ended the ad, else its refusal."""
        try:
            async with self._calls.book(CallClass.END, "end", listing.id) as call:
                if await self._calls.client.end(self._calls.seller, _ad(listing)):
                    await call.answered(_ENDED)
                    return None
        except Rejected as error:
            return str(error)
        return Text("Tradera did not end the ad")

    async def _judge(self, listing: Listing, refusal: str) -> Outcome:
        """Tradera said no, or did not say: read the ad and decide by its state."""
        try:
            found = await self._read_ad(listing, CallClass.END)
        except Rejected as error:
            unseen = Text("Tradera neither ends the ad nor shows it: {error}", error=error)
            return _told(listing, EndRefused(error=unseen))
        state = found.state_at(self._store.now()) if found else AdState.ENDED
        _log.info("ending refused", listing=listing.id, ad_state=state)
        if state is AdState.ENDED:
            return _told(listing, _ENDED)
        if state is AdState.SOLD:
            return Done(lambda tx: _look_for_order(tx, listing))
        why = Text("it has bids") if state is AdState.BIDS else refusal
        return _told(listing, EndRefused(error=Text("Tradera keeps the ad up: {why}", why=why)))

    async def _read_ad(self, listing: Listing, call_class: CallClass) -> SellerAd | None:
        async with self._calls.book(call_class, "read_item", listing.id):
            return await self._calls.client.read_item(self._calls.seller, _ad(listing))


def _told(listing: Listing, given: Input) -> Done:
    return Done(lambda tx: publish.step(tx, listing.id, given))


def _both(db: sqlite3.Connection, listing_id: str) -> tuple[Item, Listing]:
    listing = items.listing(db, listing_id)
    return items.by_id(db, listing.item_id), listing


def _look_for_order(tx: Transaction, listing: Listing) -> None:
    with_buyer = EndRefused(error=Text("The auction has already ended with a buyer"))
    publish.step(tx, listing.id, with_buyer)
    wanted = JobOrder(queue=QueueName.TRADERA, kind=JobKind.RECONCILE, subject=listing.account_id)
    tx.order_for(wanted, Owner(account_id=listing.account_id))


def _ad(listing: Listing) -> int:
    assert listing.tradera_item_id is not None
    return listing.tradera_item_id
