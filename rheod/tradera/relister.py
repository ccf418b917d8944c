"""Makes the returns that are planned: looks at the ended ad once more, then orders the item's new listing.

A return is the last step before something is offered again, so that whatever may mean a sale stops it: an order that is being
looked up, one that cannot be read, an ad that Tradera shows as up or sold.
"""

from __future__ import annotations

import sqlite3

import structlog

from rheod.domain.crash import crashpoint
from rheod.domain.errors import Text
from rheod.domain.model import (
    AdState,
    CallClass,
    Item,
    Job,
    JobKind,
    JobOrder,
    Listing,
    QueueName,
)
from rheod.jobs.queue import Done, Outcome, Retry
from rheod.store import ads, inbox, orders
from rheod.store.jobs import Owner
from rheod.tradera.budgeted_client import BudgetedClient
from rheod.tradera.transport import Rejected
from rheod.usecases import relisting
from rheod.usecases.placement import see_category
from rheod.usecases.sales_in_doubt import sale_in_doubt
from rheod.usecases.transaction import Store, Transaction

_log = structlog.get_logger(__name__)
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
                write=lambda tx: _look_for_order(tx, item.account_id),
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


def _look_for_order(tx: Transaction, account_id: str) -> None:
    wanted = JobOrder(queue=QueueName.TRADERA, kind=JobKind.RECONCILE, subject=account_id)
    tx.order_for(wanted, Owner(account_id=account_id))
