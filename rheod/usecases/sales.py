"""Sales and closings as Tradera reports them: messages kept, orders recorded, items sold, listings closed.

A sale is never dropped: an order for something rheod does not know is kept as unmatched, and a message that nobody can
read waits in quarantine until the owner has looked at it.

What becomes of an order once it is known is in `usecases/orders.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from rheod.domain.errors import Refused, Text, delay_ms
from rheod.domain.event_payloads import SaleConflict
from rheod.domain.inputs import AdClosed, Removal, Sold, WentLive
from rheod.domain.model import (
    CloseReason,
    EndWish,
    Item,
    JobKind,
    JobOrder,
    Listing,
    ListingState,
    QueueName,
    RheoStatus,
    read_reference,
)
from rheod.domain.orders import Order, OrderLine
from rheod.domain.relist import ComesBack
from rheod.store import inbox, items, jobs, order_changes, orders
from rheod.store.inbox import QuarantinedMessage
from rheod.store.jobs import Owner
from rheod.usecases import listings, relisting
from rheod.usecases.listings import SellersAndSite
from rheod.usecases.orders import settle
from rheod.usecases.transaction import Store, Transaction

_log = structlog.get_logger(__name__)
ORDERS_A_CALL = 50
"""Orders looked up in one call; the path carries their ids."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTold:
    """An order was made at Tradera; `ads` are those of its ids that could be read."""

    seller: int
    order_id: int
    ads: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AdEnded:
    """An ad was closed."""

    seller: int
    ad: int
    reason: CloseReason


@dataclass(frozen=True, slots=True)
class UnreadableMessage:
    """A message that says nothing rheod understands, and why."""

    why: Text


@dataclass(frozen=True, slots=True)
class PushMessage:
    """A push message as it came and what it says (`seller` is a Tradera member id)."""

    message_id: str
    body: str
    content: OrderTold | AdEnded | UnreadableMessage


def take_in(tx: Transaction, messages: Sequence[PushMessage], sellers: SellersAndSite) -> int:
    """Keep every message and order the work it causes; returns how many were new. Nothing in a message raises."""
    new = 0
    wanted: dict[JobOrder, str] = {}  # one order, however many of the messages want it
    for message in messages:
        entry = _entry(message, sellers.accounts)
        inbox_id = inbox.add(tx.db, entry, now=tx.now)
        if inbox_id is None:
            continue
        new += 1
        if entry.state == "new" and entry.account_id is not None:
            wanted[_work(entry, inbox_id, entry.account_id, sellers)] = entry.account_id
    for order, account_id in wanted.items():
        tx.order_for(order, Owner(account_id=account_id))
    return new


def _entry(message: PushMessage, accounts: Mapping[int, str]) -> inbox.InboxEntry:
    """What is kept of a message: what cannot be read is quarantined, what is another seller's ignored."""
    content = message.content
    if isinstance(content, UnreadableMessage):
        return inbox.InboxEntry(
            message_id=message.message_id, body=message.body, state="quarantined", reason=content.why
        )
    account_id = accounts.get(content.seller)
    entry = inbox.InboxEntry(
        message_id=message.message_id,
        body=message.body,
        state="new" if account_id else "ignored",
        reason=None if account_id else Text("of another seller"),
        account_id=account_id,
    )
    if isinstance(content, AdEnded):
        return replace(
            entry,
            type="ItemClosed",
            business_key=f"ItemClosed:{content.ad}",
            tradera_item_ids=(content.ad,),
            close_reason=content.reason,
        )
    return replace(
        entry,
        type="OrderCreated",
        business_key=f"OrderCreated:{content.order_id}",
        order_id=content.order_id,
        tradera_item_ids=content.ads,
    )


def _work(entry: inbox.InboxEntry, inbox_id: int, account_id: str, sellers: SellersAndSite) -> JobOrder:
    """All orders of an account that push tells of are one job; each closing is its own.

    The queue is unordered: an order that explains a closing may come a little later, so that the closing waits, unless
    Tradera itself has closed the ad.
    """
    if entry.close_reason is None:
        return JobOrder(queue=QueueName.TRADERA, kind=JobKind.ORDERS, subject=account_id)
    by_tradera = entry.close_reason is CloseReason.CLOSED_BY_TRADERA
    return JobOrder(
        queue=QueueName.PUSH,
        kind=JobKind.CLOSE,
        subject=str(inbox_id),
        delay_ms=0 if by_tradera else sellers.closed_grace_ms,
    )


def record_orders(
    tx: Transaction,
    account_id: str,
    found: Sequence[Order],
    sellers: SellersAndSite,
    asked: Sequence[int] = (),
) -> int:
    """Keep orders and sell their items; returns how many lines are new sales.

    One that cannot be read whole is kept as a sale in doubt. Of `asked` those that are not found are looked up again.
    """
    sold = sum(_record(tx, account_id, order, sellers) for order in found)
    doubts = {order.order_id: order.doubt or NOT_WHOLE for order in found}
    for order_id in asked:
        if inbox.find(tx.db, f"OrderCreated:{order_id}") is not None:  # what was found has not settled it
            look_up_again(tx, account_id, order_id, doubts.get(order_id, UNKNOWN))
    return sold


UNKNOWN = Text("Tradera does not know this order")
NOT_WHOLE = Text("it does not name every ad of ours that its message names")


LOOK_UP_DELAYS_S = (2, 5, 15, 60, 300, 900, 3600)
"""Gaps between look-ups of one order in vain; the last one repeats."""
_LOOK_UPS = 5
"""After so many look-ups in vain an order that names no ad of ours is quarantined, so that it spends no more calls."""


def look_up_again(tx: Transaction, account_id: str, order_id: int, reason: str) -> None:
    """Note a look-up of an order in vain: if it may be a sale of ours it is asked for until it can be read."""
    inbox_id = inbox.find(tx.db, f"OrderCreated:{order_id}")
    if inbox_id is None:
        return
    tries = inbox.put_off(tx.db, account_id, order_id, until=tx.now, tried=True)
    until = tx.now + delay_ms(LOOK_UP_DELAYS_S, tries)
    inbox.put_off(tx.db, account_id, order_id, until=until, tried=False)
    if inbox.note_doubt(tx.db, inbox_id, reason=reason, answer=None, ads=(), now=tx.now):
        _log.warning("sale in doubt", order=order_id, reason=reason, tries=tries)
    elif tries > _LOOK_UPS:
        _log.error("order quarantined", order=order_id, reason=reason)
        inbox.settle(tx.db, inbox_id, state="quarantined", reason=reason, now=tx.now)


def _record(tx: Transaction, account_id: str, order: Order, sellers: SellersAndSite) -> int:
    sold = 0
    if order.order_id and (order.lines or order.doubt is None):
        lines = []
        for line in order.lines:  # of one that only our reference names the number of the ad is filled in
            listing = None if line.tradera_item_id else _listing_of(tx, account_id, line)
            number = line.tradera_item_id if listing is None else listing.tradera_item_id or 0
            lines.append(replace(line, tradera_item_id=number))
        order = replace(order, lines=tuple(lines))
        before = orders.find(tx.db, order.order_id)
        order_changes.save(tx.db, account_id, order, now=tx.now)
        fallen = {line.tradera_item_id for line in before.lines if line.reversed_at} if before else set()
        standing = [line for line in order.lines if line.tradera_item_id not in fallen]
        sold = sum(_sell(tx, account_id, order, line, sellers) for line in standing)
        settle(tx, order.order_id, before)
    told = inbox.find(tx.db, f"OrderCreated:{order.order_id}")
    if order.doubt is not None:
        _keep_doubt(tx, account_id, order)
    elif told is not None and inbox.names_unsold_ad(tx.db, told):
        inbox.note_doubt(tx.db, told, reason=NOT_WHOLE, answer=None, ads=(), now=tx.now)
    else:
        inbox.settle_orders(tx.db, account_id, [order.order_id], now=tx.now)
    return sold


class SaleSeen(Protocol):
    """A sale of one ad as its transaction tells it; without an amount its price is not known."""

    @property
    def ad(self) -> int:
        """The ad's number."""

    @property
    def amount_ore(self) -> int | None:
        """What it was sold for."""

    @property
    def sold_at(self) -> int | None:
        """When (ms UTC)."""


def prove(tx: Transaction, order_id: int, sold: Sequence[SaleSeen], sellers: SellersAndSite) -> None:
    """Take transactions for the sale of the ads that a message named, where the order itself has no line to tell.

    The rest of the order is asked for later.
    """
    waits = inbox.waits(tx.db, order_id)
    if waits is None:
        return
    ours = {ad for ad in waits.ads if not orders.exists_for_ad(tx.db, ad)}
    seen = {each.ad: each for each in sold if each.ad in ours and each.amount_ore is not None}
    if not seen:
        return
    lines = tuple(
        OrderLine(tradera_item_id=ad, quantity=1, unit_price_ore=each.amount_ore or 0)
        for ad, each in seen.items()
    )
    order = Order(
        order_id=order_id,
        created_at=min(each.sold_at or waits.received_at for each in seen.values()),
        updated_at=0,
        lines=lines,
        subtotal_ore=sum(line.unit_price_ore for line in lines),
    )
    _log.warning("sale known by its transaction alone", order=order_id)
    _record(tx, waits.account_id, order, sellers)
    order_changes.note_partial(tx.db, order_id)


def _keep_doubt(tx: Transaction, account_id: str, order: Order) -> None:
    """Keep an order that cannot be read beside its message, or as one of its own; those read before are no news."""
    assert order.doubt is not None
    key = f"OrderCreated:{order.order_id}"
    if not order.order_id:
        named = ",".join(map(str, sorted(order.doubtful_ads)))
        key = f"OrderCreated:?{named or hashlib.sha256(order.raw.encode()).hexdigest()}"
    inbox_id = inbox.find(tx.db, key)
    if (
        inbox_id is None
        and order.order_id
        and orders.find(tx.db, order.order_id) is not None
        and not order.lines
    ):
        return
    if inbox_id is None:
        entry = inbox.InboxEntry(
            message_id=key,
            body="",
            state="new",
            business_key=key,
            account_id=account_id,
            type="OrderCreated",
            order_id=order.order_id or None,
        )
        inbox_id = inbox.add(tx.db, entry, now=tx.now)
        if inbox_id is None:
            return  # it was settled before
        again = JobOrder(
            queue=QueueName.TRADERA,
            kind=JobKind.ORDERS,
            subject=account_id,
            delay_ms=delay_ms(LOOK_UP_DELAYS_S, 1),
        )
        tx.order_for(again, Owner(account_id=account_id))
        _log.warning("order cannot be read", order=order.order_id, reason=order.doubt)
    inbox.note_doubt(
        tx.db, inbox_id, reason=order.doubt, answer=order.raw, ads=order.doubtful_ads, now=tx.now
    )


def _sell(tx: Transaction, account_id: str, order: Order, line: OrderLine, sellers: SellersAndSite) -> bool:
    listing = _listing_of(tx, account_id, line)
    if listing is None:
        return False
    if listing.state in {ListingState.COMMITTING, ListingState.COMMITTED}:
        seen = WentLive(ad_url=sellers.ad_url(listing.tradera_item_id))
        change = listings.step(tx, listing.id, seen)
        assert change.listing is not None
        listing = change.listing
    item = items.by_id(tx.db, listing.item_id)
    order_changes.match(tx.db, order.order_id, line.tradera_item_id, item)
    price = line.unit_price_ore * max(line.quantity, 1)
    change = tx.apply(item, listing, Sold(order_id=order.order_id, price_ore=price))
    if change.listing != listing:  # an order that is read again ends nothing anew
        _take_down_newer(tx, change.item, listing)
    _tell_conflict(tx, change.item, listing, order.order_id)
    return change.listing != listing


def _take_down_newer(tx: Transaction, item: Item, sold: Listing) -> None:
    """A late sale of an earlier ad: the item is gone, so an ad made of it since must not sell it again."""
    newer = items.latest_listing(tx.db, item.id)
    assert newer is not None
    up = newer.id != sold.id and newer.state.is_open and newer.end_wish is None
    if up and item.rheo_status is RheoStatus.SOLD:
        change = tx.apply(item, newer, Removal(wish=EndWish.MARKED_SOLD))
        if change.listing is not None and change.listing.state is ListingState.WITHDRAWN:
            jobs.drop(tx.db, JobKind.PUBLISH, [newer.id])


def _tell_conflict(tx: Transaction, item: Item, sold: Listing, order_id: int) -> None:
    """Another sale of the item stands as well, by an order or elsewhere: the owner and the ERP are told that one buyer gets nothing."""
    other, ad = orders.other_sale(tx.db, item.id, order_id), sold.tradera_item_id
    if other is None and not order_changes.is_sold_elsewhere(tx.db, item.id):
        return
    if orders.note_conflict(tx.db, item.id, now=tx.now):
        _log.error("sold twice", external_id=item.external_id, ad=ad, order=order_id)
    if other is None:
        reason, which = Text("It is sold twice: elsewhere and by ad {ad}", ad=ad), f"{order_id}:elsewhere"
    else:
        reason = Text("It is sold twice: by ad {ad} and by ad {other}", ad=ad, other=other.ad)
        which = ":".join(map(str, sorted((order_id, other.order_id))))
    conflict = SaleConflict(
        tradera_ad_id=str(ad),
        order_id=str(order_id),
        other_ad_id=None if other is None else str(other.ad),
        other_order_id=None if other is None else str(other.order_id),
        reason=reason,
    )
    tx.tell(item, conflict.event(once=f"sale.conflict:{item.id}:{which}"))


def _listing_of(tx: Transaction, account_id: str, line: OrderLine) -> Listing | None:
    """The listing behind an order line: by the ad's id, else by the own reference it carries."""
    found = items.listing_of_ad(tx.db, account_id, line.tradera_item_id)
    if found is not None:
        return found
    for reference in line.own_references:
        named = read_reference(reference)
        if named is not None:
            return items.listing_of_reference(tx.db, account_id, *named)
    return None


@dataclass(frozen=True, slots=True)
class WaitForOrder:
    """The closing cannot be judged before an order that a message announced has been looked up."""

    reason: str


def close(tx: Transaction, inbox_id: int, sellers: SellersAndSite) -> WaitForOrder | None:
    """Settle one ItemClosed: say that the ad ended, unless an order explains it."""
    closed = inbox.closed_ad(tx.db, inbox_id)
    if closed is None:
        return None
    sold = orders.exists_for_ad(tx.db, closed.tradera_item_id)
    if not sold and inbox.order_waits_for(tx.db, closed.tradera_item_id):
        return WaitForOrder(Text("an order for this ad is being looked up"))
    inbox.settle(tx.db, inbox_id, now=tx.now)
    if not sold:
        close_ad(tx, closed.account_id, closed.tradera_item_id, closed.reason, sellers)
    return None


def close_ad(tx: Transaction, account_id: str, ad: int, reason: CloseReason, sellers: SellersAndSite) -> bool:
    """Close the listing behind an ad that ended without a sale; False when there is none open."""
    listing = items.listing_of_ad(tx.db, account_id, ad)
    if listing is None or not listing.state.may_be_live:
        return False
    if listing.state is not ListingState.LIVE:
        change = listings.step(tx, listing.id, WentLive(ad_url=sellers.ad_url(ad)))
        assert change.listing is not None
        listing = change.listing
    item = items.by_id(tx.db, listing.item_id)
    back = relisting.decide_for(tx.db, item, listing, reason, ended_at=tx.now)
    change = tx.apply(item, listing, AdClosed(reason=reason, back=back))
    if isinstance(back, ComesBack) and relisting.waits_for_return(change.item):
        relisting.plan(tx, change.item, listing, back)
    return True


MOST = 20


class QuarantinedMessages:
    """Messages in quarantine; each may be a sale, so only the owner puts one away."""

    def __init__(self, *, store: Store) -> None:
        self._store = store

    async def newest(self) -> list[QuarantinedMessage]:
        """The newest ones that wait for the owner."""
        return await self._store.read(lambda db: inbox.quarantined(db, limit=MOST))

    async def put_away(self, message_id: int) -> None:
        """The owner has looked at it. Raises Refused (NOT_FOUND) when it waits for nobody."""
        if not await self._store.write(lambda tx: inbox.put_away(tx.db, message_id, now=tx.now)):
            raise Refused("NOT_FOUND", Text("No such message waits"))
