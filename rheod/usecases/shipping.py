"""What becomes of an order once it is known: its parcels, and that Tradera has it as shipped.

Of several parcels the last one counts; the earlier ones are kept. History tells that an order was shipped, never
with what number: that leads to a person.
"""

from __future__ import annotations

from collections.abc import Sequence

from rheod.domain.crash import crashpoint
from rheod.domain.errors import Refused
from rheod.domain.model import Event, EventType, JobKind, JobOrder, QueueName
from rheod.domain.text import Text
from rheod.store import items, orders
from rheod.store.jobs import Owner
from rheod.store.orders import Shipment, StoredOrder
from rheod.usecases.transaction import Store, Transaction

NOT_FOUND = Text("No order found with this id")


class Shipments:
    """The use cases around orders."""

    def __init__(self, *, store: Store) -> None:
        self._store = store

    async def track(self, account_id: str, order_id: int, *, carrier: str, tracking_number: str) -> Shipment:
        """Keep a parcel and have the order marked as shipped; sent again, the same parcel changes nothing.

        Raises Refused: NOT_FOUND for an order that is not this account's, CONFLICT once its personal data is erased.
        """
        parcel = (carrier, tracking_number)
        kept = await self._store.write(lambda tx: _track(tx, account_id, order_id, parcel))
        crashpoint("parcel.kept")
        return kept

    async def orders(
        self, account_id: str, *, unmatched: bool, limit: int, before: tuple[int, int]
    ) -> list[StoredOrder]:
        """Orders made before (created_at, order_id), the newest first; `unmatched`: with a sale rheod does not know."""
        return await self._store.read(
            lambda db: orders.page(db, account_id, unmatched=unmatched, limit=limit, before=before)
        )


def _track(tx: Transaction, account_id: str, order_id: int, parcel: tuple[str, str]) -> Shipment:
    order = orders.find(tx.db, order_id)
    if order is None or order.account_id != account_id:
        raise Refused("NOT_FOUND", NOT_FOUND)
    if order.erased_at is not None:
        raise Refused(
            "CONFLICT", Text("The order's personal data has been erased; it takes no parcel any more")
        )
    known = orders.find_shipment(tx.db, order_id, *parcel)
    if known is not None:
        return known
    carrier, tracking_number = parcel
    shipment = Shipment(
        id=tx.new_id(),
        order_id=order_id,
        carrier=carrier,
        tracking_number=tracking_number,
        created_at=tx.now,
    )
    orders.add(tx.db, shipment)
    if order.shipped_at is None:
        wanted = JobOrder(queue=QueueName.TRADERA, kind=JobKind.SHIP, subject=str(order_id))
        tx.order_for(wanted, Owner(account_id=account_id))
    return shipment


def start_ship(tx: Transaction, order_id: int) -> bool:
    """A call that marks the order as shipped is about to be made; False when it is not wanted any more."""
    order = orders.find(tx.db, order_id)
    if order is None or order.shipped_at is not None:
        return False
    orders.note_ship_sent(tx.db, order_id, now=tx.now)
    return True


def shipped(tx: Transaction, order_id: int) -> None:
    """Tradera has the order as shipped: it is no longer in progress."""
    order = orders.find(tx.db, order_id)
    if order is None or order.shipped_at is not None:
        return
    orders.note_shipped(tx.db, order_id, now=tx.now)
    _tell(tx, order, Event(type=EventType.ORDER_SHIPPED, data={"orderId": str(order_id)}))


def ship_refused(tx: Transaction, order_id: int, error: str) -> None:
    """Tradera will not mark the order as shipped: noted at the order and in the history of its items."""
    order = orders.find(tx.db, order_id)
    if order is None or order.shipped_at is not None:
        return
    orders.note_ship_error(tx.db, order_id, error)
    data = {"orderId": str(order_id), "error": error}
    _tell(tx, order, Event(type=EventType.ORDER_SHIP_FAILED, data=data))


def shipped_elsewhere(tx: Transaction, account_id: str, shipped_ads: Sequence[int]) -> int:
    """Note what the seller marked as shipped in My Tradera: open orders all of whose ads are so; returns how many."""
    found = orders.open_with_ads(tx.db, account_id, shipped_ads)
    for order_id in found:
        shipped(tx, order_id)
    return len(found)


def _tell(tx: Transaction, order: StoredOrder, event: Event) -> None:
    for item_id in {line.item_id for line in order.lines if line.item_id is not None}:
        tx.tell(items.by_id(tx.db, item_id), event)
