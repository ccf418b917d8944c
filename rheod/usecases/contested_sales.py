"""Sales that may not stand: an order that cannot be read and may be one, and sales that fell through.

While a sale is in doubt its item is neither published again nor deleted, until the order can be read or the owner settles
it. A sale that fell through makes the item its owner's again; it stays as reversed, and the figures forget it. All of that
is one transaction: the item, the ad that had sold it, the order, the events, and the order to publish again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog

from rheod.domain.crash import crashpoint
from rheod.domain.errors import FieldError, Refused, Text
from rheod.domain.inputs import TakenBack
from rheod.domain.lifecycle import Move, moved
from rheod.domain.model import (
    Item,
    JobKind,
    JobOrder,
    Listing,
    ListingState,
    QueueName,
    RheoStatus,
    read_reference,
)
from rheod.domain.orders import Order, OrderFlag, OrderLine, Reversal
from rheod.store import inbox, items, order_changes, orders
from rheod.store.inbox import SaleInDoubt
from rheod.store.order_changes import Reversed, StandingSale
from rheod.store.orders import StoredOrder
from rheod.usecases.listings import SellersAndSite, why_not_published
from rheod.usecases.orders import settle
from rheod.usecases.put_item import queue_listing
from rheod.usecases.sales import record_orders
from rheod.usecases.transaction import Store, Transaction

_log = structlog.get_logger(__name__)


def refuse_sale_in_doubt(db: sqlite3.Connection, item_id: str) -> None:
    """Raise Refused (CONFLICT) while a sale of the item is in doubt: published again it could be sold twice."""
    reason = sale_in_doubt(db, item_id)
    if reason is not None:
        raise Refused("CONFLICT", reason)


def may_be_sold(db: sqlite3.Connection, item_id: str) -> Text | None:
    """Why the item is not offered at this moment: a sale in doubt, or an order of one of its ads that is still to be read."""
    if inbox.order_waits_for_item(db, item_id):
        return sale_in_doubt(db, item_id) or Text("an order for one of its ads is being looked up")
    return sale_in_doubt(db, item_id)


def sale_in_doubt(db: sqlite3.Connection, item_id: str) -> Text | None:
    """Why the item may be sold already, though its order cannot be read; None when nothing says so."""
    number = inbox.doubt_about_item(db, item_id)
    if number is None:
        return None
    return Text(
        "Order {order} may be a sale of this item and cannot be read: look for it at Tradera, then"
        " `rheod orders settle {order}`",
        order=str(number),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SaleVerdict:
    """The owner's word on a sale in doubt: sold for this price (öre, each item's), or with None not sold.

    `ad` and `order_id` are needed where the order's answer does not say them.
    """

    price_ore: int | None
    ad: int | None = None
    order_id: int | None = None


class SalesInDoubt:
    """Orders that may be sales of ours and cannot be read."""

    def __init__(self, *, store: Store, sellers: SellersAndSite) -> None:
        self._store = store
        self._sellers = sellers

    async def of_account(self, account_id: str) -> list[SaleInDoubt]:
        """The account's, the oldest first."""
        return await self._store.read(lambda db: inbox.sales_in_doubt(db, account_id))

    async def settle(self, account_id: str, number: int, verdict: SaleVerdict) -> Text:
        """Take the owner's word. Raises Refused: NOT_FOUND, CONFLICT when the word is not enough."""

        def use_case(tx: Transaction) -> Text:
            waiting = inbox.sales_in_doubt(tx.db, account_id, limit=10_000)
            doubt = next((each for each in waiting if each.number == number), None)
            if doubt is None:
                raise Refused("NOT_FOUND", Text("No sale in doubt has this number"))
            if verdict.price_ore is None:
                inbox.settle(tx.db, doubt.inbox_id, state="ignored", reason=NOT_SOLD, now=tx.now)
                message = Text("Noted: order {order} is no sale.", order=str(number))
            else:
                order = _as_told(tx, doubt, verdict, verdict.price_ore)
                record_orders(tx, account_id, [order], self._sellers)
                inbox.settle(tx.db, doubt.inbox_id, now=tx.now)
                message = Text("Noted: order {order} is a sale.", order=str(order.order_id))
            _log.info("sale in doubt settled", order=number, sold=verdict.price_ore is not None)
            for ad in doubt.ads:  # a newer listing of its item that was held goes on
                named = items.listing_of_ad(tx.db, account_id, ad)
                newest = None if named is None else items.latest_listing(tx.db, named.item_id)
                if newest is not None and newest.state.is_open and not newest.state.may_be_live:
                    wanted = JobOrder(queue=QueueName.TRADERA, kind=JobKind.PUBLISH, subject=newest.id)
                    tx.order(wanted, items.by_id(tx.db, newest.item_id))
            return message

        message = await self._store.write(use_case)
        crashpoint("doubt.settled")
        return message


NOT_SOLD = Text("The owner looked: this order is no sale")


def _as_told(tx: Transaction, doubt: SaleInDoubt, verdict: SaleVerdict, price_ore: int) -> Order:
    """The order as the owner tells it: each ad of ours that it names and of which no order is known."""
    order_id = doubt.order_id or verdict.order_id
    if order_id is None:
        raise Refused("CONFLICT", Text("Say the order's number too: Tradera did not (--order)"))
    named = doubt.ads if verdict.ad is None else (verdict.ad,)
    ads = [
        ad
        for ad in named
        if items.listing_of_ad(tx.db, doubt.account_id, ad) and not orders.exists_for_ad(tx.db, ad)
    ]
    if not ads:
        raise Refused("CONFLICT", Text("Say which ad of yours was sold: Tradera did not (--ad)"))
    known = orders.find(tx.db, order_id)
    return Order(
        order_id=order_id,
        created_at=doubt.since if known is None else known.created_at,
        updated_at=tx.now,
        lines=tuple(OrderLine(tradera_item_id=ad, quantity=1, unit_price_ore=price_ore) for ad in ads),
        subtotal_ore=(0 if known is None else known.subtotal_ore) + price_ore * len(ads),
        buyer={} if known is None or known.buyer is None else known.buyer,
        expires_at=None if known is None else known.expires_at,
    )


class Reversing:
    """The word of the owner, or of an ERP, that a sale fell through."""

    def __init__(self, *, store: Store) -> None:
        self._store = store

    async def reverse(self, account_id: str, external_id: str, given: Reversal) -> Reversed:
        """Take a sale of the item back, at Tradera or elsewhere; said again, it gets the same answer.

        Raises Refused: NOT_FOUND, CONFLICT for what is not sold, for one of several sales, or where it cannot be put up
        again yet, VALIDATION_FAILED for an order that did not sell it or that is paid.
        """

        def use_case(tx: Transaction) -> Reversed:
            item = items.find(tx.db, account_id, external_id)
            if item is None:
                raise Refused("NOT_FOUND", Text("No item found with this external ID"))
            sales = order_changes.standing_sales(tx.db, item.id)
            if not sales and item.rheo_status is RheoStatus.SOLD:
                # marked so by a rheod that kept no price of it
                sales = [StandingSale(order_id=None, price_ore=item.spec.price_ore or 0)]
            named = [sale for sale in sales if given.order_id in {None, sale.order_id}]
            if len(named) > 1:
                known = ", ".join(
                    "elsewhere" if each.order_id is None else str(each.order_id) for each in named
                )
                raise Refused(
                    "CONFLICT", Text("It is sold more than once ({orders}): name the order", orders=known)
                )
            if not named:
                return _said_before(tx, item, given)
            _take_back(tx, item, named[0], [each for each in sales if each != named[0]], given)
            order_changes.add_reversal(tx.db, item.id, given, named[0].order_id, now=tx.now)
            if given.relist:
                _put_up(tx, items.by_id(tx.db, item.id))
            return Reversed(order_id=named[0].order_id, said=given, at=tx.now)

        told = await self._store.write(use_case)
        crashpoint("reversal.kept")
        return told


def _said_before(tx: Transaction, item: Item, given: Reversal) -> Reversed:
    """The answer to what was said before; of an order that was paid later, that this was paid back too."""
    before = order_changes.newest_reversal(tx.db, item.id, given.order_id)
    if before is None:
        if given.order_id is not None:
            raise _wrong("orderId", Text("The item was not sold by this order"))
        moved(item, Move.TAKEN_BACK)  # raises with its reason
        raise Refused("CONFLICT", Text("There is no sale of it to take back"))
    if before.order_id is not None and given.refunded:
        order = orders.find(tx.db, before.order_id)
        if order is not None and OrderFlag.PAID_AFTER_REVERSAL in order.flags:
            order_changes.note_paid_back(tx.db, before.order_id, order.paid_ore)
            settle(tx, before.order_id, order)
            return before
    if (before.said.reason, before.said.relist) != (given.reason, given.relist):
        raise Refused(
            "CONFLICT", Text("This sale is taken back already, as {reason}", reason=before.said.reason.value)
        )
    return before


def _take_back(
    tx: Transaction, item: Item, sale: StandingSale, others: Sequence[StandingSale], given: Reversal
) -> None:
    told = TakenBack(
        reason=given.reason,
        refunded=given.refunded,
        order_id=sale.order_id,
        price_ore=sale.price_ore,
        still_sold=bool(others) or item.rheo_status is RheoStatus.ARCHIVED,
    )
    order = None if sale.order_id is None else orders.find(tx.db, sale.order_id)
    freed = [] if order is None else _freed(tx, item, order, others)
    latest = items.latest_listing(tx.db, item.id)
    if latest is not None and latest.state is ListingState.LIVE and latest.end_wish is None:
        told = replace(told, is_up=True)
    if order is None:
        order_changes.note_sold_elsewhere(tx.db, item.id, None)
    else:
        if order.paid_ore > 0 and not given.refunded:
            raise _wrong("refunded", Text("The order is paid: pay the money back, and say so here"))
        order_changes.note_reversed(tx.db, order.order_id, sale.ads, given.reason.value, now=tx.now)
        order_changes.note_paid_back(tx.db, order.order_id, order.paid_ore)
        told = replace(
            told, once=f"item.sale_reversed:{order.order_id}:{item.id}:{','.join(map(str, sale.ads))}"
        )
    change = tx.apply(item, freed[0] if freed else None, told)
    for each in freed[1:]:  # one order has bought it by two of its ads: that is told once
        tx.apply(change.item, each, replace(told, still_sold=True))
    if order is not None:
        settle(tx, order.order_id, order)


def _freed(tx: Transaction, item: Item, order: StoredOrder, others: Sequence[StandingSale]) -> list[Listing]:
    """The item's listings that this order had sold and no other has."""
    still = {ad for other in others for ad in other.ads}
    found: dict[str, Listing] = {}
    for line in order.lines:
        if line.item_id != item.id or line.reversed_at is not None or line.tradera_item_id in still:
            continue
        listing = items.listing_of_ad(tx.db, item.account_id, line.tradera_item_id)
        named = read_reference(line.own_reference)
        if listing is None and named is not None:
            listing = items.listing_of_reference(tx.db, item.account_id, *named)
        if listing is not None and listing.state is ListingState.SOLD:
            found[listing.id] = listing
    return list(found.values())


def _wrong(field: str, sentence: Text) -> Refused:
    return Refused("VALIDATION_FAILED", Text("Validation failed"), (FieldError(field, sentence),))


def _put_up(tx: Transaction, item: Item) -> None:
    """Publish it once more, at its own price. Raises Refused (CONFLICT)."""
    previous = items.latest_listing(tx.db, item.id)
    refusal = why_not_published(item, previous)
    if refusal is None and previous is not None and previous.state.is_open:
        if previous.end_wish is None:
            return  # another ad of it is up
        refusal = Text("Its other ad is still being ended: say it again when that is down")
    if refusal is not None:
        raise Refused("CONFLICT", refusal)
    refuse_sale_in_doubt(tx.db, item.id)
    queue_listing(tx, item, previous)
