"""What becomes of an order once it is known: paid, grown, sent, handed over, its buyer forgotten.

Whatever changes an order goes through `settle`, which lets its status follow and tells the events. Of several parcels the
last one counts; the earlier ones are kept. No event and no history says a parcel's number: that leads to a person.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from rheod.domain.crash import crashpoint
from rheod.domain.errors import Refused, Text
from rheod.domain.event_payloads import (
    OrderCreated,
    OrderEvent,
    OrderGrew,
    OrderPaid,
    OrderPaidAfterReversal,
    OrderShipped,
    sek,
)
from rheod.domain.inputs import Removal
from rheod.domain.model import (
    EndWish,
    Event,
    EventType,
    Item,
    JobKind,
    JobOrder,
    ListingState,
    QueueName,
    RheoStatus,
)
from rheod.domain.orders import OrderFlag, OrderStatus, contact_of, ship_to
from rheod.store import items, jobs, order_changes, orders, stock
from rheod.store.jobs import Owner
from rheod.store.orders import OrderFilter, Shipment, StoredOrder
from rheod.usecases.safekeeping import Erasing
from rheod.usecases.transaction import Store, Transaction

_log = structlog.get_logger(__name__)

NOT_FOUND = Text("No order found with this id")
_AT_ONCE = 1000
MOST_PICKED = 1000
"""Orders on one pick list."""


def settle(tx: Transaction, order_id: int, before: StoredOrder | None) -> StoredOrder:
    """Let the order's status follow what has changed since `before` (None: it is new), and tell what that means.

    What an older rheod had kept in part is completed in silence, unless Tradera has changed it since.
    """
    after = order_changes.refresh(
        tx.db, order_id, before, now=tx.now, ship_while_waiting=tx.rules.ship_while_waiting
    )
    if before is None or before.whole or after.updated_at > before.updated_at:
        for event in _happened(before, after):
            _tell(tx, after, event)
            if event is OrderPaidAfterReversal:
                _stop_selling(tx, after)
    return after


def _stop_selling(tx: Transaction, order: StoredOrder) -> None:
    """A buyer has paid late: what was put up again since is taken off the market, as far as nobody bids, for the owner to decide."""
    for item in _sold_by(tx.db, order):
        listing = items.latest_listing(tx.db, item.id)
        if item.rheo_status is RheoStatus.ACTIVE and not item.delete_requested:
            change = tx.apply(item, listing, Removal(wish=EndWish.UNLISTED))
            if change.listing is not None and change.listing.state is ListingState.WITHDRAWN:
                jobs.drop(tx.db, JobKind.PUBLISH, [change.listing.id])


def _happened(before: StoredOrder | None, after: StoredOrder) -> list[type[OrderEvent]]:
    """What is to be told, in order."""
    found: list[type[OrderEvent]] = []
    if before is None:
        found.append(OrderCreated)
    elif after.grew_at != before.grew_at:
        found.append(OrderGrew)
    late = OrderFlag.PAID_AFTER_REVERSAL
    if late in after.flags and (before is None or late not in before.flags):
        found.append(OrderPaidAfterReversal)
    elif after.paid_at is not None and (before is None or before.paid_at is None):
        found.append(OrderPaid)
    if after.sent_at is not None and (before is None or before.sent_at is None):
        found.append(OrderShipped)
    return found


def _tell(tx: Transaction, order: StoredOrder, kind: type[OrderEvent]) -> None:
    named = order.buyer if tx.rules.include_buyer else None
    event = kind(
        order_id=str(order.order_id),
        status=order.status,
        flags=order.flags,
        items=tuple(
            {
                "externalId": line.external_id,
                "rheoItemId": line.item_id,
                "adId": str(line.tradera_item_id),
                "title": line.title,
                "quantity": line.quantity,
                "unitPrice": sek(line.unit_price_ore),
            }
            for line in order.lines
        ),
        total=sek(order.total_ore),
        paid=sek(order.paid_ore),
        buyer=None if named is None else contact_of(named),
        ship_to=None if named is None else ship_to(named),
    )
    tx.tell_of_order(order.order_id, order.account_id, _sold_by(tx.db, order), event)


def _sold_by(db: sqlite3.Connection, order: StoredOrder) -> list[Item]:
    """The known items of the order, in the order of its lines."""
    known = dict.fromkeys(line.item_id for line in order.lines if line.item_id is not None)
    return [items.by_id(db, item_id) for item_id in known]


@dataclass(frozen=True, slots=True, kw_only=True)
class Picked:
    """One thing to be fetched from its shelf; `place` is the value it is sorted by, "" where it has none."""

    place: str
    order: StoredOrder
    line: orders.StoredLine


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPage:
    """A page of orders by their changes; `following` is where the next one begins, None at the end."""

    orders: Sequence[StoredOrder]
    following: tuple[int, int] | None
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTab:
    """A page of orders that stand so, as a shop packs them; `beyond` is where the next one begins, None at the end.

    `counts` are the orders by status, `places` and `pictures` are by item, `carriers` the last used first.
    """

    orders: Sequence[StoredOrder]
    beyond: tuple[int, int] | None
    waiting: Sequence[StoredOrder]
    counts: Mapping[str, int]
    pictures: Mapping[str, str | None]
    places: Mapping[str, str]
    carriers: Sequence[str]


class Orders:
    """The use cases around orders. `pick_sort` is the key of an item's metadata that pick lists go by."""

    def __init__(self, *, store: Store, pick_sort: str | None = None) -> None:
        self._store = store
        self.erasing = Erasing(store=store)
        self.pick_sort = pick_sort

    async def find(self, account_id: str, order_id: int) -> StoredOrder:
        """The account's order. Raises Refused (NOT_FOUND), also for one of another account."""
        order = await self._store.read(lambda db: orders.find(db, order_id))
        if order is None or order.account_id != account_id:
            raise Refused("NOT_FOUND", NOT_FOUND)
        return order

    async def changed(
        self,
        account_id: str,
        wanted: OrderFilter,
        *,
        limit: int,
        after: tuple[int, int],
        total: int | None = None,
    ) -> OrderPage:
        """The account's orders behind (changed_at, order_id), the oldest change first; `total` is counted unless given."""

        def read(db: sqlite3.Connection) -> tuple[list[StoredOrder], int]:
            found = orders.changed(db, account_id, wanted, limit=limit + 1, after=after)
            return found, orders.count(db, account_id, wanted) if total is None else total

        found, count = await self._store.read(read)
        shown = found[:limit]
        following = (shown[-1].changed_at, shown[-1].order_id) if len(found) > limit else None
        return OrderPage(orders=shown, following=following, total=count)

    async def listing(
        self, account_id: str, *, unmatched: bool, limit: int, before: tuple[int, int]
    ) -> list[StoredOrder]:
        """Orders made before (created_at, order_id), the newest first; `unmatched`: with a sale rheod does not know."""
        return await self._store.read(
            lambda db: orders.page(db, account_id, unmatched=unmatched, limit=limit, before=before)
        )

    async def tab(
        self, account_id: str, status: OrderStatus | None, *, limit: int, beyond: tuple[int, int] | None
    ) -> OrderTab:
        """Orders of this status (None: all), what is to be sent the oldest first, else the newest.

        With the first of those to be sent come those that are paid and may still grow.
        """

        def read(db: sqlite3.Connection) -> OrderTab:
            if status is None:
                newest = (2**63 - 1, 2**63 - 1)
                found = orders.page(db, account_id, unmatched=False, limit=limit + 1, before=beyond or newest)
            else:
                found = orders.standing_so(
                    db,
                    account_id,
                    status,
                    limit=limit + 1,
                    beyond=beyond,
                    oldest_first=status is OrderStatus.READY,
                )
            shown, waiting = found[:limit], []
            if status is OrderStatus.READY and beyond is None:
                waiting = orders.standing_so(
                    db, account_id, OrderStatus.WAITS, limit=limit, beyond=None, oldest_first=True
                )
            sold = {item.id: item for order in (*shown, *waiting) for item in _sold_by(db, order)}
            return OrderTab(
                orders=shown,
                beyond=(shown[-1].created_at, shown[-1].order_id) if len(found) > limit else None,
                waiting=waiting,
                counts=orders.counts(db, account_id),
                pictures=stock.pictures_of(db, list(sold)),
                places={each: _place(item, self.pick_sort) for each, item in sold.items()},
                carriers=orders.carriers(db, account_id),
            )

        return await self._store.read(read)

    async def track(self, account_id: str, order_id: int, *, carrier: str, tracking_number: str) -> Shipment:
        """Keep a parcel and have the order marked as shipped; sent again, the same parcel changes nothing.

        Raises Refused: NOT_FOUND for an order that is not this account's, CONFLICT once its personal data is erased or the
        sale has fallen through.
        """

        def use_case(tx: Transaction) -> Shipment:
            before = _standing(tx, account_id, order_id)
            if before.erased_at is not None:
                raise Refused(
                    "CONFLICT", Text("The order's personal data has been erased; it takes no parcel any more")
                )
            known = orders.find_shipment(tx.db, order_id, carrier, tracking_number)
            if known is not None:
                return known
            shipment = Shipment(
                id=tx.new_id(),
                order_id=order_id,
                carrier=carrier,
                tracking_number=tracking_number,
                created_at=tx.now,
            )
            order_changes.add(tx.db, shipment)
            settle(tx, order_id, before)
            _have_shipped(tx, before)
            return shipment

        kept = await self._store.write(use_case)
        crashpoint("parcel.kept")
        return kept

    async def done(self, account_id: str, order_id: int) -> Text:
        """The buyer has it: sent or handed over without a number. One that Tradera did not take for sent is told once more.

        Raises Refused as `track` does.
        """

        def use_case(tx: Transaction) -> Text:
            before = _standing(tx, account_id, order_id)
            if before.sent_at is not None:
                if before.ship_error is None:
                    return Text("Order {order} is sent already", order=str(order_id))
                order_changes.note_ship_error(tx.db, order_id, None)
                _have_shipped(tx, before)
                return Text("Tradera is told once more that order {order} is sent", order=str(order_id))
            order_changes.note_sent(tx.db, order_id, now=tx.now)
            settle(tx, order_id, before)
            _have_shipped(tx, before)
            return Text("Noted: order {order} is handed over; Tradera is told", order=str(order_id))

        message = await self._store.write(use_case)
        crashpoint("order.done")
        return message

    async def pay(self, account_id: str, order_id: int) -> Text:
        """The owner's word that the order was paid outside Tradera, which is told so.

        Raises Refused: NOT_FOUND, CONFLICT once the sale has fallen through.
        """

        def use_case(tx: Transaction) -> Text:
            before = _standing(tx, account_id, order_id)
            if before.paid_at is not None and before.confirm_error is None:
                return Text("Order {order} is paid already", order=str(order_id))
            order_changes.note_confirmed(tx.db, order_id, now=tx.now)
            settle(tx, order_id, before)
            wanted = JobOrder(queue=QueueName.TRADERA, kind=JobKind.CONFIRM, subject=str(order_id))
            tx.order_for(wanted, Owner(account_id=account_id))
            return Text("Noted: order {order} is paid; Tradera is told", order=str(order_id))

        message = await self._store.write(use_case)
        crashpoint("order.confirmed")
        return message

    async def pick(self, account_id: str) -> list[Picked]:
        """What is to be fetched for the orders that are ready, sorted by where it lies; they count as printed from now on."""

        def use_case(tx: Transaction) -> list[Picked]:
            ready = orders.to_pick(tx.db, account_id, limit=MOST_PICKED)
            order_changes.note_printed(tx.db, [order.order_id for order in ready], now=tx.now)
            for order in ready:
                if OrderFlag.GREW_AFTER_PRINT in order.flags:
                    settle(tx, order.order_id, order)
            return _picked(tx.db, ready, self.pick_sort)

        return await self._store.write(use_case)

    async def to_pick(self, account_id: str) -> list[Picked]:
        """The same without writing it down."""
        sort_key = self.pick_sort
        return await self._store.read(
            lambda db: _picked(db, orders.to_pick(db, account_id, limit=MOST_PICKED), sort_key)
        )

    async def ripen(self) -> None:
        """Let the orders be ready that wait and cannot grow any more."""

        def use_case(tx: Transaction) -> None:
            for order_id in orders.grown_up(tx.db, now=tx.now, limit=_AT_ONCE):
                settle(tx, order_id, orders.find(tx.db, order_id))

        await self._store.write(use_case)

    async def go_by_rules(self) -> None:
        """Let orders that may still grow wait or not, as the owner's settings are now."""

        def use_case(tx: Transaction) -> None:
            for order_id in orders.growing(tx.db, now=tx.now):
                settle(tx, order_id, orders.find(tx.db, order_id))

        await self._store.write(use_case)


def _standing(tx: Transaction, account_id: str, order_id: int) -> StoredOrder:
    order = orders.find(tx.db, order_id)
    if order is None or order.account_id != account_id:
        raise Refused("NOT_FOUND", NOT_FOUND)
    if order.status is OrderStatus.REVERSED:
        fallen = Text(
            "The sale of order {order} has been taken back, so that it is neither paid nor sent: pay back what was paid, in My"
            " Tradera",
            order=str(order_id),
        )
        raise Refused("CONFLICT", fallen)
    return order


def _have_shipped(tx: Transaction, order: StoredOrder) -> None:
    if order.shipped_at is None:
        wanted = JobOrder(queue=QueueName.TRADERA, kind=JobKind.SHIP, subject=str(order.order_id))
        tx.order_for(wanted, Owner(account_id=order.account_id))


def _picked(db: sqlite3.Connection, ready: Sequence[StoredOrder], sort_key: str | None) -> list[Picked]:
    picked = []
    for order in ready:
        places = {item.id: _place(item, sort_key) for item in _sold_by(db, order)}
        picked += [
            Picked(place=places.get(line.item_id or "", ""), order=order, line=line)
            for line in order.lines
            if line.reversed_at is None
        ]
    return sorted(
        picked, key=lambda one: (one.place == "", _natural(one.place), one.order.order_id, one.line.title)
    )


def _place(item: Item, sort_key: str | None) -> str:
    value = None if sort_key is None else (item.spec.metadata or {}).get(sort_key)
    return "" if value is None or isinstance(value, Mapping | list) else str(value)


def _natural(place: str) -> list[tuple[int, int, str]]:
    """A-2 before A-10: runs of digits count as numbers."""
    parts = re.findall(r"\d{1,15}|\D+", place)
    return [
        (0, int(part), "") if part.isascii() and part.isdigit() else (1, 0, part.casefold()) for part in parts
    ]


def start_ship(tx: Transaction, order_id: int) -> bool:
    """A call that marks the order as shipped is about to be made; False when it is not wanted any more."""
    order = orders.find(tx.db, order_id)
    if order is None or order.shipped_at is not None:
        return False
    order_changes.note_ship_sent(tx.db, order_id, now=tx.now)
    return True


def shipped(tx: Transaction, order_id: int) -> None:
    """Tradera has the order as shipped: it is no longer in progress."""
    order = orders.find(tx.db, order_id)
    if order is None or order.shipped_at is not None:
        return
    order_changes.note_shipped(tx.db, order_id, now=tx.now)
    settle(tx, order_id, order)


def ship_refused(tx: Transaction, order_id: int, error: str) -> None:
    """Tradera will not mark the order as shipped: noted at the order and in the history of its items."""
    order = orders.find(tx.db, order_id)
    if order is None or order.shipped_at is not None:
        return
    order_changes.note_ship_error(tx.db, order_id, error)
    settle(tx, order_id, order)
    for item in _sold_by(tx.db, order):
        data = {"orderId": str(order_id), "error": error}
        tx.tell(item, Event(type=EventType.ORDER_SHIP_FAILED, data=data))


def shipped_elsewhere(tx: Transaction, account_id: str, shipped_ads: Sequence[int]) -> int:
    """Note what the seller marked as shipped in My Tradera: open orders all of whose ads are so; returns how many."""
    found = orders.open_with_ads(tx.db, account_id, shipped_ads)
    for order_id in found:
        shipped(tx, order_id)
    return len(found)


def start_confirm(tx: Transaction, order_id: int) -> bool:
    """A call that marks a sale of the order as paid is about to be made; False when it is not wanted any more."""
    order = orders.find(tx.db, order_id)
    if order is None or order.confirm_told_at is not None or order.status is OrderStatus.REVERSED:
        return False
    order_changes.note_confirm_sent(tx.db, order_id, now=tx.now)
    return True


def confirmed(tx: Transaction, order_id: int) -> None:
    """Tradera has every sale of the order as paid."""
    order = orders.find(tx.db, order_id)
    if order is not None and order.confirm_told_at is None:
        order_changes.note_confirm_told(tx.db, order_id, now=tx.now)
        settle(tx, order_id, order)


def confirm_refused(tx: Transaction, order_id: int, error: str) -> None:
    """Tradera will not take the order for paid; it is all the same, by the owner's word."""
    order = orders.find(tx.db, order_id)
    if order is not None and order.confirm_told_at is None:
        _log.warning("order not marked as paid", order=order_id, reason=error)
        order_changes.note_confirm_error(tx.db, order_id, error)
        settle(tx, order_id, order)
