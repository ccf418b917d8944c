"""Calls about orders: the partner's parcels, the owner's list and figures.

The list is the only way out for a buyer's data, and only the owner may ask for it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

from aiohttp import web
from pydantic import ConfigDict, Field

from rheod.api import field_types
from rheod.api.analytics import AnalyticsReply, analytics_reply
from rheod.api.context import CALLER
from rheod.api.field_types import Name255, Price, Shown, Wire, read_model
from rheod.api.json_body import BODY_BYTES, read_json
from rheod.api.routing import At, DoneReply, Kronor, Operation, Query, Reply, Whole, read_query, reply
from rheod.domain.errors import FieldError, Refused, Text
from rheod.domain.orders import OrderFlag, OrderStatus
from rheod.usecases.contested_sales import SaleVerdict
from rheod.usecases.orders import NOT_FOUND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rheod.api.context import SalesServices
    from rheod.store.inbox import SaleInDoubt
    from rheod.store.orders import Shipment, StoredOrder
    from rheod.usecases.orders import Picked


ORDER_ID = Field(description="The order's id, as in `item.sold`.", examples=["55501"])


class TrackingBody(Wire):
    """A parcel of an order: who carries it, and its number there."""

    carrier: Annotated[Shown, Field(description="Who carries the parcel.", examples=["postnord"])]
    tracking_number: Annotated[
        Shown, Field(description="The parcel's number at its carrier.", examples=["SE123456789SE"])
    ]


class ShipmentReply(Reply):
    """A parcel as it was told."""

    shipment_id: Annotated[UUID, Field(description="The parcel's id here.")]
    tracking_number: Annotated[str, Field(description="The parcel's number at its carrier.")]
    carrier: Annotated[str, Field(description="Who carries the parcel.", examples=["postnord"])]


class ToldShipment(ShipmentReply):
    """A parcel with the time it was told."""

    created_at: Annotated[At, Field(description="When it was made.")]


class OrderLineReply(Reply):
    """One sold ad; no `externalId`: a sale of something rheod does not know."""

    tradera_ad_id: Annotated[str, Field(description="The ad's number at Tradera.")]
    rheo_item_id: Annotated[str | None, Field(description="The item's id here.")]
    external_id: Annotated[
        str | None, Field(description="The item's id in your system; null for something rheod does not know.")
    ]
    title: Annotated[str, Field(description="The ad's title.")]
    quantity: Annotated[int, Field(description="How many of it.")]
    unit_price: Annotated[Kronor, Field(description="SEK for one.")]


class OrderReply(Reply):
    """An order as the owner sees it. `buyer` holds Tradera's own fields, null once erased; the last shipment counts."""

    order_id: Annotated[str, ORDER_ID]
    subtotal: Annotated[Kronor, Field(description="SEK: what was sold, without shipping.")]
    total: Annotated[Kronor, Field(description="SEK: with freight, as far as it is known.")]
    paid: Annotated[Kronor, Field(description="SEK that is confirmed as paid.")]
    currency: Annotated[Literal["SEK"], Field(description="Only SEK.")] = "SEK"
    status: Annotated[OrderStatus, Field(description="Where the order stands.")]
    flags: Annotated[list[OrderFlag], Field(description="What to look at before it is sent.")]
    created_at: Annotated[At, Field(description="When it was made.")]
    paid_at: Annotated[At | None, Field(description="When it was paid; null before.")]
    shipped_at: Annotated[
        At | None, Field(description="When it was marked as shipped at Tradera; null before.")
    ]
    ship_error: Annotated[
        str | None, Field(description="Why Tradera was not told that it is shipped; null when it was.")
    ]
    pay_error: Annotated[
        str | None, Field(description="Why Tradera was not told that it was paid outside; null when it was.")
    ]
    erased_at: Annotated[At | None, Field(description="When the buyer's data were erased.")]
    buyer: Annotated[
        dict[str, object] | None, Field(description="The buyer in Tradera's own fields; null once erased.")
    ]
    lines: Annotated[list[OrderLineReply], Field(description="What was sold.")]
    shipments: Annotated[list[ToldShipment], Field(description="The parcels; the last one counts.")]


class SaleInDoubtReply(Reply):
    """An order that may be a sale of yours and cannot be read: settle it when you have looked at Tradera."""

    number: Annotated[str, Field(description="By which it is settled; the order's id where that is known.")]
    order_id: Annotated[str | None, Field(description="The order's id; null where Tradera gave none.")]
    tradera_ad_ids: Annotated[list[str], Field(description="The ads that it names.")]
    external_ids: Annotated[list[str], Field(description="The items behind those of them that are yours.")]
    reason: Annotated[str | None, Field(description="What cannot be read, or what Tradera answered.")]
    since: Annotated[At, Field(description="Since when it is in doubt.")]
    tries: Annotated[int, Field(description="How often it was looked up in vain.")]
    next_try: Annotated[
        At | None, Field(description="When it is looked up next; null: with the next chance.")
    ]
    answer: Annotated[
        str | None, Field(description="The beginning of Tradera's answer, as it came; null once erased.")
    ]


class SettleSaleBody(Wire):
    """What the owner found of a sale in doubt. Sold: `salePrice` is needed, of several ads each one's."""

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [
                {
                    "anyOf": [
                        {"properties": {"sold": {"const": False}}},
                        {"required": ["salePrice"], "properties": {"salePrice": {"type": "number"}}},
                    ]
                }
            ]
        }
    )

    sold: Annotated[bool, Field(description="Whether it is a sale of yours.")]
    sale_price: Annotated[Price | None, Field(description="SEK for which it was sold.")] = None
    tradera_ad_id: Annotated[
        int | None, Field(ge=1, lt=2**53, description="The ad that was sold, where the order names none.")
    ] = None
    order_id: Annotated[
        int | None, Field(ge=1, lt=2**53, description="The order's id, where Tradera gave none.")
    ] = None


class OrdersReply(Reply):
    """A page of orders, the newest first; `inDoubt` are sales that cannot be read, on every page."""

    in_doubt: Annotated[
        list[SaleInDoubtReply], Field(description="Orders that may be sales and cannot be read.")
    ]
    orders: Annotated[list[OrderReply], Field(description="The orders, the newest first.")]
    next_cursor: Annotated[str | None, Field(description="For the next page; null at the end.")]


def shipment_reply(shipment: Shipment) -> ShipmentReply:
    """A parcel as the partner gets it back."""
    return ShipmentReply(
        shipment_id=UUID(shipment.id), tracking_number=shipment.tracking_number, carrier=shipment.carrier
    )


def orders_reply(
    orders: Sequence[StoredOrder], doubts: Sequence[SaleInDoubt], next_cursor: str | None
) -> OrdersReply:
    """A page of orders, with the sales in doubt."""
    shown = [
        OrderReply(
            order_id=str(order.order_id),
            subtotal=order.subtotal_ore,
            total=order.total_ore,
            paid=order.paid_ore,
            status=order.status,
            flags=list(order.flags),
            pay_error=order.confirm_error,
            created_at=order.created_at,
            paid_at=order.paid_at,
            shipped_at=order.shipped_at,
            ship_error=order.ship_error,
            erased_at=order.erased_at,
            buyer=None if order.buyer is None else dict(order.buyer),
            lines=[
                OrderLineReply(
                    tradera_ad_id=str(line.tradera_item_id),
                    rheo_item_id=line.item_id,
                    external_id=line.external_id,
                    title=line.title,
                    quantity=line.quantity,
                    unit_price=line.unit_price_ore,
                )
                for line in order.lines
            ],
            shipments=[
                ToldShipment(**dict(shipment_reply(each)), created_at=each.created_at)
                for each in order.shipments
            ],
        )
        for order in orders
    ]
    in_doubt = [
        SaleInDoubtReply(
            number=str(doubt.number),
            order_id=None if doubt.order_id is None else str(doubt.order_id),
            tradera_ad_ids=[str(ad) for ad in doubt.ads],
            external_ids=list(doubt.items),
            reason=doubt.reason,
            since=doubt.since,
            tries=doubt.tries,
            next_try=doubt.ask_at,
            answer=doubt.answer,
        )
        for doubt in doubts
    ]
    return OrdersReply(in_doubt=in_doubt, orders=shown, next_cursor=next_cursor)


TRACKING = "/integration/v1/orders/{orderId}/tracking"
ORDERS = "/rheod/orders"
ANALYTICS = "/partner/analytics"
_NEWEST = 2**63 - 1


class OrdersQuery(Query):
    """Which orders: `unmatched` only those with a sale of something rheod does not know."""

    unmatched: Annotated[
        Literal["true", "false"],
        Field(description="Only orders with a sale of something rheod does not know."),
    ] = "false"
    limit: Annotated[Whole, Field(description="How many on a page.", ge=1, le=1000)] = 100
    cursor: Annotated[
        str | None, Field(description="The `nextCursor` of an earlier answer of the same list.")
    ] = None


class PickedReply(Reply):
    """One thing to be fetched; `place` is the value of the metadata's key that the list is sorted by, "" without one."""

    place: Annotated[str, Field(description="Where it lies.", examples=["A-12"])]
    external_id: Annotated[
        str | None, Field(description="The item's id in your system; null for something rheod does not know.")
    ]
    title: Annotated[str, Field(description="The ad's title.")]
    quantity: Annotated[int, Field(description="How many of it.")]
    order_id: Annotated[str, ORDER_ID]
    freight: Annotated[str | None, Field(description="How the order is to be sent.")]
    flags: Annotated[list[OrderFlag], Field(description="What to look at before it is sent.")]


class PickReply(Reply):
    """What is to be fetched for the orders that are ready. They count as printed from now on."""

    sorted_by: Annotated[str | None, Field(description="The key of the items' metadata it is sorted by.")]
    lines: Annotated[list[PickedReply], Field(description="The things, by where they lie.")]


class EraseBody(Wire):
    """Which buyer is to be forgotten."""

    buyer: Annotated[
        Name255,
        Field(
            description="The buyer's name at Tradera or address of mail, or the number of one of their orders."
        ),
    ]


class ErasedReply(Reply):
    """What was erased, and which copies of before still hold it."""

    orders: Annotated[int, Field(description="From so many orders.")]
    copies: Annotated[list[str], Field(description="Copies of the database beside it: delete them.")]
    last_backup_at: Annotated[At | None, Field(description="When the last backup was made.")]
    message: Annotated[str, Field(description="The same in one sentence.")]


def pick_reply(picked: Sequence[Picked], sorted_by: str | None) -> PickReply:
    """A pick list as JSON."""
    lines = [
        PickedReply(
            place=each.place,
            external_id=each.line.external_id,
            title=each.line.title,
            quantity=each.line.quantity,
            order_id=str(each.order.order_id),
            freight=each.order.freight.type or None,
            flags=list(each.order.flags),
        )
        for each in picked
    ]
    return PickReply(sorted_by=sorted_by, lines=lines)


class OrderCalls:
    """Handlers of the orders' tracking and list, and of the analytics."""

    def __init__(self, *, parts: SalesServices) -> None:
        self._parts = parts

    async def track(self, request: web.Request) -> web.Response:
        """Tell the parcel of an order; the order is marked as shipped at Tradera in the background."""
        body = await read_json(request, limit_bytes=BODY_BYTES, deadline_s=self._parts.body_deadline_s)
        parcel = read_model(TrackingBody, body)
        shipment = await self._parts.orders.track(
            request[CALLER].account_id,
            order_number(request.match_info["orderId"]),
            carrier=parcel.carrier,
            tracking_number=parcel.tracking_number,
        )
        return reply(200, shipment_reply(shipment))

    async def list_orders(self, request: web.Request) -> web.Response:
        """List the orders, the newest first."""
        return await self.list_for(request, request[CALLER].account_id)

    async def list_for(self, request: web.Request, account_id: str) -> web.Response:
        """The list of an account; the admin socket asks for it too."""
        query = read_query(request, OrdersQuery)
        at, last = (_NEWEST, _NEWEST) if query.cursor is None else field_types.read(query.cursor, int, int)
        found = await self._parts.orders.listing(
            account_id, unmatched=query.unmatched == "true", limit=query.limit, before=(at, last)
        )
        full = len(found) == query.limit
        following = field_types.write(found[-1].created_at, found[-1].order_id) if full else None
        doubts = await self._parts.doubts.of_account(account_id)
        return reply(200, orders_reply(found, doubts, following))

    async def settle(self, request: web.Request) -> web.Response:
        """Say what became of a sale in doubt: sold for this price, or no sale of yours.

        `orderId` is the `number` under which the list of orders names it (`inDoubt`).
        """
        return await self.settle_for(request, request[CALLER].account_id)

    async def pick(self, request: web.Request) -> web.Response:
        """Write the pick list of the orders that are ready; what a buyer adds to one from now on is flagged."""
        picked = await self._parts.orders.pick(request[CALLER].account_id)
        return reply(200, pick_reply(picked, self._parts.orders.pick_sort))

    async def erase_buyer(self, request: web.Request) -> web.Response:
        """Erase a buyer everywhere at once: from orders, events, messages and receivers' answers."""
        body = await read_json(request, limit_bytes=BODY_BYTES, deadline_s=self._parts.body_deadline_s)
        erased = await self._parts.orders.erasing.buyer(
            request[CALLER].account_id, read_model(EraseBody, body).buyer
        )
        told = ErasedReply(
            orders=erased.orders,
            copies=list(erased.copies),
            last_backup_at=erased.backup_at,
            message=self._parts.orders.erasing.told(erased),
        )
        return reply(200, told)

    async def settle_for(self, request: web.Request, account_id: str) -> web.Response:
        """The owner's word on a sale in doubt: sold for this price, or no sale."""
        body = await read_json(request, limit_bytes=BODY_BYTES, deadline_s=self._parts.body_deadline_s)
        number = order_number(request.match_info["orderId"])
        message = await self._parts.doubts.settle(account_id, number, verdict_of(body))
        return reply(202, DoneReply(message=message))

    async def analytics(self, request: web.Request) -> web.Response:
        """Show what there is and what was sold in the last twelve calendar months."""
        figures = await self._parts.figures.of_account(request[CALLER].account_id)
        return reply(200, analytics_reply(figures))


def verdict_of(body: Any) -> SaleVerdict:
    """What the owner found of a sale in doubt. Raises Refused (VALIDATION_FAILED)."""
    told = read_model(SettleSaleBody, body)
    if told.sold and told.sale_price is None:
        missing = FieldError("salePrice", Text("Must be given for a sale"))
        raise Refused("VALIDATION_FAILED", Text("Validation failed"), (missing,))
    price = told.sale_price if told.sold else None
    return SaleVerdict(price_ore=price, ad=told.tradera_ad_id, order_id=told.order_id)


def order_number(text: str) -> int:
    """The number of an order; one that cannot be any is not found, as any other unknown one."""
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise Refused("NOT_FOUND", NOT_FOUND)
    return int(text)


def owner_operations(parts: SalesServices) -> list[Operation]:
    """What the owner asks about orders, by the API or by a command."""
    calls = OrderCalls(parts=parts)
    own = partial(Operation, access="owner", tag="Orders")
    return [
        own("GET", ORDERS, calls.list_orders, query=OrdersQuery, answer=OrdersReply),
        own(
            "POST",
            f"{ORDERS}/{{orderId}}/settle",
            calls.settle,
            body=SettleSaleBody,
            status=202,
            answer=DoneReply,
            refusals=("CONFLICT",),
        ),
        own("POST", f"{ORDERS}/pick", calls.pick, answer=PickReply),
        own(
            "POST",
            f"{ORDERS}/erase-buyer",
            calls.erase_buyer,
            body=EraseBody,
            answer=ErasedReply,
            refusals=("NOT_FOUND",),
        ),
    ]


def operations(parts: SalesServices) -> list[Operation]:
    """What is asked about orders."""
    calls = OrderCalls(parts=parts)
    own = partial(Operation, access="owner")
    return [
        Operation(
            "POST",
            TRACKING,
            calls.track,
            access="partner",
            tag="Orders",
            rate="tracking",
            body=TrackingBody,
            answer=ShipmentReply,
            refusals=("CONFLICT",),
        ),
        *owner_operations(parts),
        own("GET", ANALYTICS, calls.analytics, tag="Analytics", answer=AnalyticsReply),
    ]
