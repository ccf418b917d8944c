"""Sales in doubt: an order that names an ad of ours, or no ad at all, and cannot be read.

It may be a sale, so the item is neither published again nor deleted until the order can be read or the owner settles it.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

import structlog

from rheod.domain.crash import crashpoint
from rheod.domain.errors import Refused, Text
from rheod.domain.model import JobKind, JobOrder, QueueName
from rheod.domain.orders import Order, OrderLine
from rheod.store import inbox, items, orders
from rheod.store.inbox import SaleInDoubt
from rheod.usecases.sales import SellersAndSite, record_orders
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
        message = await self._store.write(lambda tx: _settle(tx, account_id, number, verdict, self._sellers))
        crashpoint("doubt.settled")
        return message


def _settle(
    tx: Transaction, account_id: str, number: int, verdict: SaleVerdict, sellers: SellersAndSite
) -> Text:
    waiting = inbox.sales_in_doubt(tx.db, account_id, limit=10_000)
    doubt = next((each for each in waiting if each.number == number), None)
    if doubt is None:
        raise Refused("NOT_FOUND", Text("No sale in doubt has this number"))
    if verdict.price_ore is None:
        inbox.settle(tx.db, doubt.inbox_id, state="ignored", reason=NOT_SOLD, now=tx.now)
        message = Text("Noted: order {order} is no sale.", order=str(number))
    else:
        order = _as_told(tx, doubt, verdict, verdict.price_ore)
        record_orders(tx, account_id, [order], sellers)
        inbox.settle(tx.db, doubt.inbox_id, now=tx.now)
        message = Text("Noted: order {order} is a sale.", order=str(order.order_id))
    _log.info("sale in doubt settled", order=number, sold=verdict.price_ore is not None)
    for ad in doubt.ads:
        _go_on(tx, account_id, ad)
    return message


def _go_on(tx: Transaction, account_id: str, ad: int) -> None:
    """A newer listing of the ad's item that was held goes on."""
    named = items.listing_of_ad(tx.db, account_id, ad)
    newest = None if named is None else items.latest_listing(tx.db, named.item_id)
    if newest is not None and newest.state.is_open and not newest.state.may_be_live:
        wanted = JobOrder(queue=QueueName.TRADERA, kind=JobKind.PUBLISH, subject=newest.id)
        tx.order(wanted, items.by_id(tx.db, newest.item_id))


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
