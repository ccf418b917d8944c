"""Everything about an ad once it is up: another price, its end, and its return after an end unsold.

After a refusal the ad's own state decides. A return is the last step before something is offered again, so that whatever
may mean a sale stops it: an order that is being looked up, one that cannot be read, an ad that Tradera shows as up or sold.
"""

from __future__ import annotations

import sqlite3

import structlog

from rheod.domain.answers import AdState, SellerAd
from rheod.domain.crash import crashpoint
from rheod.domain.errors import Text, Unanswered
from rheod.domain.inputs import AdClosed, EndRefused, Input, Repriced, SyncRefused
from rheod.domain.model import CallClass, CloseReason, Item, Job, Listing, ListingState
from rheod.jobs.queue import Done, Outcome, Pause, Retry
from rheod.store import ads, inbox, items, orders
from rheod.tradera.ad_builder import AdDefaults, prices_to_set
from rheod.tradera.budgeted_client import BudgetedClient
from rheod.tradera.client import SaysNothing
from rheod.tradera.transport import Rejected
from rheod.usecases import listings, relisting
from rheod.usecases.contested_sales import sale_in_doubt
from rheod.usecases.placement import see_category
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

        def both(db: sqlite3.Connection) -> tuple[Item, Listing]:
            listing = items.listing(db, job.subject)
            return items.by_id(db, listing.item_id), listing

        item, listing = await self._store.read(both)
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

            def sold(tx: Transaction) -> None:
                with_buyer = EndRefused(error=Text("The auction has already ended with a buyer"))
                listings.step(tx, listing.id, with_buyer)
                tx.order_reconciliation(listing.account_id)

            return Done(sold)
        why = Text("it has bids") if state is AdState.BIDS else refusal
        return _told(listing, EndRefused(error=Text("Tradera keeps the ad up: {why}", why=why)))

    async def _read_ad(self, listing: Listing, call_class: CallClass) -> SellerAd | None:
        async with self._calls.book(call_class, "read_item", listing.id):
            return await self._calls.client.read_item(self._calls.seller, _ad(listing))


def _told(listing: Listing, given: Input) -> Done:
    return Done(lambda tx: listings.step(tx, listing.id, given))


def _ad(listing: Listing) -> int:
    assert listing.tradera_item_id is not None
    return listing.tradera_item_id


_LATER_MS = 15 * 60_000
_STILL_UP_MS = 3600_000


class Relister:
    """Works `relist` jobs; their subject is the listing that ended."""

    def __init__(self, *, store: Store, calls: BudgetedClient) -> None:
        self._store = store
        self._calls = calls

    async def relist(self, job: Job) -> Outcome:
        """Put the item up again, unless something says that it may be sold or still be up."""
        found = await self._store.read(lambda db: relisting.standing(db, job.subject))
        if found is None:
            return Done(answered=False)
        planned, item, listing = found
        until = planned.at
        why: Text | None = Text("comes back at its time")
        if until <= self._store.now():
            until = self._store.now() + _LATER_MS
            why = await self._store.read(lambda db: _may_be_sold(db, item, listing))
        if why is not None:
            return Retry(until=until, reason=why, counted=False, answered=False)
        assert listing.tradera_item_id is not None
        number = listing.tradera_item_id
        try:
            async with self._calls.book(CallClass.PUBLISH, "read_item", listing.id):
                ad = await self._calls.client.read_item(self._calls.seller, number)
        except Rejected as error:  # it says nothing of the ad
            reason = Text("Tradera does not show ad {ad}: {error}", ad=number, error=error)
            return Retry(until=self._store.now() + _STILL_UP_MS, reason=reason, counted=False)
        state = AdState.ENDED if ad is None else ad.state_at(self._store.now())
        if state is AdState.SOLD:
            reason = Text("Tradera shows ad {ad} as sold; its order is looked for", ad=number)
            return Retry(
                until=self._store.now() + _LATER_MS,
                reason=reason,
                counted=False,
                write=lambda tx: tx.order_reconciliation(item.account_id),
            )
        if state is not AdState.ENDED:
            reason = Text("Tradera shows ad {ad} as still up", ad=number)
            return Retry(until=self._store.now() + _STILL_UP_MS, reason=reason, counted=False)
        bid = ad.max_bid_kr if ad is not None and ad.total_bids else None
        crashpoint("relist.looked")

        def go(tx: Transaction) -> Text | bool:
            """Or why not: a message of an order may have come while Tradera was asked."""
            if ad is not None:
                see_category(tx, ad)
            return _may_be_sold(tx.db, item, listing) or relisting.go(tx, listing.id, bid)

        ordered = await self._store.write(go)
        crashpoint("relist.ordered")
        _log.info("relisted", external_id=item.external_id, ordered=ordered)
        later = self._store.now() + _LATER_MS
        return Done() if isinstance(ordered, bool) else Retry(until=later, reason=ordered, counted=False)


def _may_be_sold(db: sqlite3.Connection, item: Item, listing: Listing) -> Text | None:
    """Why the item is not offered again now, as far as it is known here."""
    doubt = sale_in_doubt(db, item.id)
    if doubt is not None:
        return doubt
    number = listing.tradera_item_id
    assert number is not None
    if orders.exists_for_ad(db, number) or inbox.order_waits_for(db, number):
        return Text("an order for this ad is being looked up")
    if ads.count_alike(db, item.account_id, item.id) >= relisting.MOST_ALIKE:
        return Text(
            "{n} ads of the same title, text and price are up, and Tradera takes no more",
            n=relisting.MOST_ALIKE,
        )
    return None
