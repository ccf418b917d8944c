"""The orders as an ERP ships them: a list by changes, one order, the owner's words on it, and sales that fell through.

This is the partner's only way to a buyer's data: a key must have been made for it.
"""

from __future__ import annotations

import hashlib
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal
from uuid import UUID

from aiohttp import web
from pydantic import BeforeValidator, Field

from rheod.api import field_types
from rheod.api.browsing import plus_again
from rheod.api.context import CALLER
from rheod.api.field_types import Moment, Wire, raise_if_any, read_external_id, read_model
from rheod.api.json_body import BODY_BYTES, read_json
from rheod.api.orders import ORDER_ID, order_number
from rheod.api.routing import (
    EXTERNAL_ID,
    At,
    Count,
    DoneReply,
    Kronor,
    Operation,
    Query,
    Reply,
    Whole,
    answer,
    read_query,
    reply,
)
from rheod.domain.errors import Refused
from rheod.domain.event_payloads import rfc3339, sek
from rheod.domain.orders import OrderFlag, OrderStatus, Reversal, ReversalReason, contact_of, ship_to
from rheod.store.orders import OrderFilter

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rheod.api.context import ItemServices, SalesServices
    from rheod.domain.model import Json
    from rheod.store.order_changes import Reversed
    from rheod.store.orders import StoredOrder


class LineReply(Reply):
    """One thing that was sold; without `externalId` it is something rheod does not know."""

    external_id: Annotated[
        str | None, Field(description="The item's id in your system; null for something rheod does not know.")
    ]
    rheo_item_id: Annotated[str | None, Field(description="The item's id here.")]
    ad_id: Annotated[str, Field(description="The ad's number at Tradera.")]
    title: Annotated[str, Field(description="The ad's title.")]
    quantity: Annotated[int, Field(description="How many of it.")]
    unit_price: Annotated[Kronor, Field(description="SEK for one.")]
    vat_rate: Annotated[
        int | None, Field(description="VAT in per cent; null where Tradera does not say, which is not 0.")
    ]


class FreightReply(Reply):
    """How the order is to be sent, as far as Tradera says."""

    cost: Annotated[
        Kronor | None, Field(description="SEK that the buyer pays for it; null where it is not known yet.")
    ]
    type: Annotated[str | None, Field(description="What the buyer chose.", examples=["PostNord"])]
    weight_kg: Annotated[float | None, Field(description="The weight in kilograms.")]


class PaymentReply(Reply):
    """One payment through Tradera."""

    type: Annotated[str | None, Field(description="How it was paid.", examples=["Swish"])]
    reference: Annotated[str | None, Field(description="Its reference; null once the buyer is erased.")]
    amount: Annotated[Kronor | None, Field(description="SEK; null where it cannot be read.")]
    paid_at: Annotated[At | None, Field(description="When it was paid.")]
    cost: Annotated[Kronor | None, Field(description="SEK that the payment cost.")]


class AddressReply(Reply):
    """Where to send the order."""

    name: Annotated[str | None, Field(description="Who gets it.")]
    address1: Annotated[str | None, Field(description="The street.")]
    address2: Annotated[str | None, Field(description="The rest of the address.")]
    zip: Annotated[str | None, Field(description="The postal code.")]
    city: Annotated[str | None, Field(description="The town.")]
    country: Annotated[str | None, Field(description="The country, as Tradera names it.")]


class BuyerReply(Reply):
    """Who has bought."""

    alias: Annotated[str | None, Field(description="The buyer's name at Tradera.")]
    email: Annotated[str | None, Field(description="The buyer's address of mail.")]
    phone: Annotated[str | None, Field(description="The buyer's telephone number.")]


class ParcelReply(Reply):
    """A parcel of the order, as you told it; the last one counts."""

    shipment_id: Annotated[UUID, Field(description="The parcel's id here.")]
    carrier: Annotated[str, Field(description="Who carries the parcel.")]
    tracking_number: Annotated[str, Field(description="The parcel's number at its carrier.")]
    at: Annotated[At, Field(description="When it was told.")]


class PartnerOrder(Reply):
    """An order: what was sold, what was paid, where it goes. `shipTo` and `buyer` are null once erased."""

    order_id: Annotated[str, ORDER_ID]
    status: Annotated[
        OrderStatus,
        Field(
            description="The first that fits. `reversed`: every sale of it was taken back. `shipped`: sent or handed over. "
            "`unpaid`: less than `total` is confirmed. `waits`: paid, but the buyer may add to it until `expiresAt`. "
            "`ready`: send it."
        ),
    ]
    created_at: Annotated[At, Field(description="When it was made at Tradera.")]
    updated_at: Annotated[
        At, Field(description="When anything of it last changed here: what the list goes by.")
    ]
    expires_at: Annotated[
        At | None, Field(description="Until when the buyer may add to it (combined shipping).")
    ]
    purchase_id: Annotated[str | None, Field(description="Tradera's number of the purchase.")]
    lines: Annotated[list[LineReply], Field(description="What was sold.")]
    sub_total: Annotated[Kronor, Field(description="SEK: Tradera's sum of the lines.")]
    freight: Annotated[
        FreightReply, Field(description="How it is to be sent, and what the buyer pays for it.")
    ]
    total: Annotated[
        Kronor, Field(description="SEK: `subTotal` and freight; the freight may come with a later change.")
    ]
    payments: Annotated[list[PaymentReply], Field(description="Every payment through Tradera.")]
    paid: Annotated[Kronor, Field(description="SEK that is confirmed as paid.")]
    flags: Annotated[
        list[OrderFlag],
        Field(
            description="What to look at before it is sent. `sum_differs`: the payments, or Tradera's own sum, are not what "
            "lines and freight come to. `grew_after_print`: it was on a pick list before the buyer added to it."
        ),
    ]
    ship_to: Annotated[AddressReply | None, Field(description="Where to send it; null once erased.")]
    buyer: Annotated[BuyerReply | None, Field(description="Who has bought; null once erased.")]
    shipments: Annotated[list[ParcelReply], Field(description="The parcels; the last one counts.")]
    reversed_at: Annotated[At | None, Field(description="When its last sale was taken back.")]


class PartnerOrders(Reply):
    """A page of orders, the oldest change first; `total` counts all pages, as they were when the walk began."""

    orders: Annotated[list[PartnerOrder], Field(description="The orders.")]
    next_cursor: Annotated[str | None, Field(description="For the next page; null at the end.")]
    total: Annotated[Count, Field(description="How many there are on all pages.")]


def order_reply(order: StoredOrder) -> Json:
    """An order as an ERP gets it: a `PartnerOrder`, written without one, which for a page of a hundred would take longer than all else."""
    person, freight = order.buyer, order.freight
    return {
        "orderId": str(order.order_id),
        "status": order.status,
        "createdAt": rfc3339(order.created_at),
        "updatedAt": rfc3339(order.changed_at),
        "expiresAt": _at(order.expires_at),
        "purchaseId": order.purchase_id or None,
        "lines": [
            {
                "externalId": line.external_id,
                "rheoItemId": line.item_id,
                "adId": str(line.tradera_item_id),
                "title": line.title,
                "quantity": line.quantity,
                "unitPrice": sek(line.unit_price_ore),
                "vatRate": line.vat_rate,
            }
            for line in order.lines
        ],
        "subTotal": sek(order.subtotal_ore),
        "freight": {
            "cost": _kr(freight.cost_ore),
            "type": freight.type or None,
            "weightKg": freight.weight_kg,
        },
        "total": sek(order.total_ore),
        "payments": [
            {
                "type": each.type or None,
                "reference": each.reference,
                "amount": _kr(each.amount_ore),
                "paidAt": _at(each.paid_at),
                "cost": _kr(each.cost_ore),
            }
            for each in order.payments or ()
        ],
        "paid": sek(order.paid_ore),
        "flags": order.flags,
        "shipTo": None if person is None else _texts(ship_to(person)),
        "buyer": None if person is None else _texts(contact_of(person)),
        "shipments": [
            {
                "shipmentId": each.id,
                "carrier": each.carrier,
                "trackingNumber": each.tracking_number,
                "at": rfc3339(each.created_at),
            }
            for each in order.shipments
        ],
        "reversedAt": _at(order.reversed_at),
    }


def orders_reply(orders: Iterable[StoredOrder], following: str | None, total: int) -> Json:
    """A page of them: `PartnerOrders`."""
    return {"orders": [order_reply(order) for order in orders], "nextCursor": following, "total": total}


def _at(at: int | None) -> str | None:
    return None if at is None else rfc3339(at)


def _kr(ore: int | None) -> float | None:
    return None if ore is None else sek(ore)


def _texts(found: Json) -> Json:
    return {name: None if value is None else str(value) for name, value in found.items()}


ORDERS = "/integration/v1/orders"
START = (0, -1)
Statuses = Literal["reversed", "shipped", "unpaid", "waits", "ready"]


class PartnerOrdersQuery(Query):
    """Which orders, and which page of them."""

    status: Annotated[Statuses | None, Field(description="Orders that stand so.")] = None
    updated_since: Annotated[
        Moment | None,
        BeforeValidator(plus_again),
        Field(
            description="Orders that changed at this time or later (RFC 3339, with its offset). Begin again with the newest"
            " `updatedAt` you have seen."
        ),
    ] = None
    limit: Annotated[Whole, Field(description="How many on a page.", ge=1, le=1000)] = 100
    cursor: Annotated[
        str | None, Field(description="The `nextCursor` of an earlier answer of the same list.")
    ] = None


class PartnerOrderCalls:
    """Handlers of the partner's orders, and of the same words said by the owner."""

    def __init__(self, *, parts: SalesServices) -> None:
        self._orders = parts.orders

    async def page(self, request: web.Request) -> web.Response:
        """List orders, the oldest change first; who goes on from what they have seen misses no change."""
        asked = read_query(request, PartnerOrdersQuery)
        account_id = request[CALLER].account_id
        mark = hashlib.sha256(f"orders of {account_id}".encode()).hexdigest()[:12]
        after, total = START, None
        if asked.cursor is not None:
            at, last, total, whose = field_types.read(asked.cursor, int, int, int, str)
            after = (at, last)
            if whose != mark:
                raise Refused("BAD_REQUEST", field_types.BAD_CURSOR)
        wanted = OrderFilter(status=asked.status, changed_since=asked.updated_since)
        page = await self._orders.changed(account_id, wanted, limit=asked.limit, after=after, total=total)
        following = page.following and field_types.write(*page.following, page.total, mark)
        return answer(200, orders_reply(page.orders, following, page.total))

    async def show(self, request: web.Request) -> web.Response:
        """Show one order."""
        number = order_number(request.match_info["orderId"])
        return answer(200, order_reply(await self._orders.find(request[CALLER].account_id, number)))

    async def pay(self, request: web.Request) -> web.Response:
        """Say that an order was paid outside Tradera; Tradera is told so in the background."""
        number = order_number(request.match_info["orderId"])
        return reply(202, DoneReply(message=await self._orders.pay(request[CALLER].account_id, number)))

    async def done(self, request: web.Request) -> web.Response:
        """Say that an order was handed over, or sent without a number; Tradera is told so in the background."""
        number = order_number(request.match_info["orderId"])
        return reply(202, DoneReply(message=await self._orders.done(request[CALLER].account_id, number)))

    async def owner_pay(self, request: web.Request) -> web.Response:
        """Say as the owner that an order was paid outside Tradera."""
        return await self.pay(request)

    async def owner_done(self, request: web.Request) -> web.Response:
        """Say as the owner that an order was handed over, or sent without a number."""
        return await self.done(request)


def operations(parts: SalesServices) -> list[Operation]:
    """What an ERP asks about orders with a key of the scope `orders`, and the owner's words on one."""
    calls = PartnerOrderCalls(parts=parts)
    partner = partial(Operation, access="partner", tag="Orders", scope="orders")
    owner = partial(Operation, "POST", access="owner", tag="Orders", status=202, answer=DoneReply)
    told = partial(partner, "POST", rate="tracking", status=202, answer=DoneReply)
    return [
        partner("GET", ORDERS, calls.page, rate="get", query=PartnerOrdersQuery, answer=PartnerOrders),
        partner("GET", f"{ORDERS}/{{orderId}}", calls.show, rate="get", answer=PartnerOrder),
        told(f"{ORDERS}/{{orderId}}/pay", calls.pay),
        told(f"{ORDERS}/{{orderId}}/done", calls.done),
        owner("/rheod/orders/{orderId}/pay", calls.owner_pay, refusals=("CONFLICT",)),
        owner("/rheod/orders/{orderId}/done", calls.owner_done, refusals=("CONFLICT",)),
    ]


WHY = Field(
    description="`unpaid`: the buyer has not paid. `cancelled`: you have agreed on it. `returned`: it came back. `lost`: it was"
    " lost on its way."
)


class ReversalBody(Wire):
    """A sale that fell through. Name the order: without one the item's only sale is meant."""

    reason: Annotated[ReversalReason, Field(strict=False), WHY]
    order_id: Annotated[
        str | None,
        Field(
            pattern=r"^[0-9]{1,18}$",
            description="The order that had sold it; needed where there are several sales.",
            examples=["55501"],
        ),
    ] = None
    refunded: Annotated[
        bool,
        Field(description="That what the buyer had paid is paid back: needed for an order that is paid."),
    ] = False
    relist: Annotated[bool, Field(description="Publish it again, at the item's own price.")] = False

    def reversal(self) -> Reversal:
        """The same as the use case takes it."""
        return Reversal(
            reason=self.reason,
            order_id=None if self.order_id is None else int(self.order_id),
            refunded=self.refunded,
            relist=self.relist,
        )


class ReversalReply(Reply):
    """A sale that was taken back; the same words again get the same answer."""

    success: Annotated[bool, Field(description="Always true.")] = True
    external_id: Annotated[str, EXTERNAL_ID]
    order_id: Annotated[
        str | None, Field(description="The order that had sold it; null: it was sold elsewhere.")
    ]
    reason: Annotated[ReversalReason, WHY]
    relist: Annotated[bool, Field(description="Whether it is published again.")]
    reversed_at: Annotated[At, Field(description="When the sale was taken back.")]


def reversal_reply(external_id: str, told: Reversed) -> ReversalReply:
    """A sale that was taken back, as JSON."""
    return ReversalReply(
        external_id=external_id,
        order_id=None if told.order_id is None else str(told.order_id),
        reason=told.said.reason,
        relist=told.said.relist,
        reversed_at=told.at,
    )


class SaleCalls:
    """Handler of what is said of a sale after it."""

    def __init__(self, *, parts: ItemServices) -> None:
        self._parts = parts

    async def reverse(self, request: web.Request) -> web.Response:
        """Take back a sale that fell through: the item is yours again under its own id, and `item.sale_reversed` tells it."""
        body = await read_json(request, limit_bytes=BODY_BYTES, deadline_s=self._parts.body_deadline_s)
        external_id, found = read_external_id(request.raw_path, segment=3)
        given = read_model(ReversalBody, body, found).reversal()
        raise_if_any(found)
        told = await self._parts.items.reversing.reverse(request[CALLER].account_id, external_id, given)
        return reply(202, reversal_reply(external_id, told))


def reversal_operations(parts: ItemServices) -> list[Operation]:
    """The one call about it."""
    return [
        Operation(
            "POST",
            "/integration/v1/items/{externalId}/reverse-sale",
            SaleCalls(parts=parts).reverse,
            access="partner",
            tag="Items",
            rate="status",
            body=ReversalBody,
            status=202,
            answer=ReversalReply,
            refusals=("CONFLICT", "VALIDATION_FAILED"),
        )
    ]
