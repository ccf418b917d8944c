"""Calls about orders: the partner's parcels, the owner's list and figures (rheo-api.md sections 2 and 7).

The list is the only way out for a buyer's data, and only the owner may ask for it.

Answers about orders and the figures (rheo-api.md sections 2 and 7), and how an order becomes one.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal
from uuid import UUID

from aiohttp import web
from pydantic import Field

from rheod.api import field_types, item_body
from rheod.api.context import CALLER
from rheod.api.json_body import BODY_BYTES, read_json
from rheod.api.responses import At, Kronor, Reply, reply
from rheod.api.routing import Operation, Query, Whole, read_query
from rheod.domain.errors import Refused
from rheod.domain.model import RheoStatus
from rheod.usecases.figures import total
from rheod.usecases.shipping import NOT_FOUND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rheod.api.context import ApiContext
    from rheod.store.orders import KeptLine, KeptOrder, Shipment
    from rheod.usecases.figures import Analytics


_ORDER_ID = Field(examples=["55501"])


class ShipmentReply(Reply):
    """A parcel as it was told."""

    shipment_id: UUID
    tracking_number: str
    carrier: Annotated[str, Field(examples=["postnord"])]


class ToldShipment(ShipmentReply):
    """A parcel with the time it was told."""

    created_at: At


class OrderLineReply(Reply):
    """One sold ad; no `externalId`: a sale of something rheod does not know."""

    tradera_ad_id: str
    rheo_item_id: str | None
    external_id: str | None
    title: str
    quantity: int
    unit_price: Kronor


class OrderReply(Reply):
    """An order as the owner sees it. `buyer` holds Tradera's own fields, null once erased; the last shipment counts."""

    order_id: Annotated[str, _ORDER_ID]
    subtotal: Kronor
    currency: Literal["SEK"] = "SEK"
    created_at: At
    paid_at: At | None
    shipped_at: At | None
    ship_error: str | None
    erased_at: At | None
    buyer: dict[str, object] | None
    lines: list[OrderLineReply]
    shipments: list[ToldShipment]


class OrdersReply(Reply):
    """A page of orders, the newest first."""

    orders: list[OrderReply]
    next_cursor: str | None


class InventoryReply(Reply):
    """Items by status; `total` also has those that are not listed, and containers are none."""

    total: int
    active: int
    draft: int
    sold: int
    archived: int


class MonthReply(Reply):
    """What was sold in a calendar month, by Swedish clocks; `gross` also has what is not paid yet."""

    month: Annotated[str, Field(examples=["2026-04"], pattern=r"^\d{4}-\d{2}$")]
    gross: Kronor
    fee: Kronor
    net: Kronor
    orders: int


class CategorySales(Reply):
    """One kind of goods: how many items there are of it, and what its sales brought in the months shown."""

    category: Annotated[str, Field(examples=["Reservdel"])]
    count: int
    revenue: Kronor


class RevenueReply(Reply):
    """The sums of the months shown; `totalPending` is the part of gross that is not paid yet."""

    total_gross: Kronor
    total_fee: Kronor
    total_net: Kronor
    total_pending: Kronor


class AnalyticsReply(Reply):
    """The owner's figures, of rheod's own items alone."""

    inventory: InventoryReply
    monthly_revenue: list[MonthReply]
    category_breakdown: list[CategorySales]
    revenue_summary: RevenueReply


def shipment_reply(shipment: Shipment) -> ShipmentReply:
    """A parcel as the partner gets it back."""
    return ShipmentReply(
        shipment_id=UUID(shipment.id), tracking_number=shipment.tracking_number, carrier=shipment.carrier
    )


def orders_reply(orders: Sequence[KeptOrder], next_cursor: str | None) -> OrdersReply:
    """A page of orders."""
    return OrdersReply(orders=[_order(order) for order in orders], next_cursor=next_cursor)


def _order(order: KeptOrder) -> OrderReply:
    return OrderReply(
        order_id=str(order.order_id),
        subtotal=order.subtotal_ore,
        created_at=order.created_at,
        paid_at=order.paid_at,
        shipped_at=order.shipped_at,
        ship_error=order.ship_error,
        erased_at=order.erased_at,
        buyer=None if order.buyer is None else dict(order.buyer),
        lines=[_line(line) for line in order.lines],
        shipments=[
            ToldShipment(**dict(shipment_reply(each)), created_at=each.created_at) for each in order.shipments
        ],
    )


def _line(line: KeptLine) -> OrderLineReply:
    return OrderLineReply(
        tradera_ad_id=str(line.tradera_item_id),
        rheo_item_id=line.item_id,
        external_id=line.external_id,
        title=line.title,
        quantity=line.quantity,
        unit_price=line.unit_price_ore,
    )


def analytics_reply(found: Analytics) -> AnalyticsReply:
    """The figures as the wire has them."""
    by_status = found.inventory.by_status
    sums = total(found.months)
    return AnalyticsReply(
        inventory=InventoryReply(
            total=found.inventory.total,
            active=by_status[RheoStatus.ACTIVE],
            draft=by_status[RheoStatus.DRAFT],
            sold=by_status[RheoStatus.SOLD],
            archived=by_status[RheoStatus.ARCHIVED],
        ),
        monthly_revenue=[
            MonthReply(month=one.month, gross=one.gross, fee=one.fee, net=one.net, orders=one.orders)
            for one in found.months
        ],
        category_breakdown=[
            CategorySales(category=one.label, count=one.items, revenue=one.revenue)
            for one in found.categories
        ],
        revenue_summary=RevenueReply(
            total_gross=sums.gross, total_fee=sums.fee, total_net=sums.net, total_pending=sums.pending
        ),
    )


TRACKING = "/integration/v1/orders/{orderId}/tracking"
ORDERS = "/rheod/orders"
ANALYTICS = "/partner/analytics"
_NEWEST = 2**63 - 1


class OrdersQuery(Query):
    """Which orders: `unmatched` only those with a sale of something rheod does not know."""

    unmatched: Literal["true", "false"] = "false"
    limit: Annotated[Whole, Field(ge=1, le=1000)] = 100
    cursor: str | None = None


class OrderCalls:
    """Handlers of the orders' tracking and list, and of the analytics."""

    def __init__(self, *, parts: ApiContext) -> None:
        self._parts = parts

    async def track(self, request: web.Request) -> web.Response:
        """Tell the parcel of an order; the order is marked as shipped at Tradera in the background."""
        body = await read_json(request, limit_bytes=BODY_BYTES, deadline_s=self._parts.body_deadline_s)
        parcel = item_body.read_model(item_body.TrackingBody, body)
        shipment = await self._parts.shipping.track(
            request[CALLER].account_id,
            _order_id(request.match_info["orderId"]),
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
        found = await self._parts.shipping.orders(
            account_id, unmatched=query.unmatched == "true", limit=query.limit, before=(at, last)
        )
        full = len(found) == query.limit
        following = field_types.write(found[-1].created_at, found[-1].order_id) if full else None
        return reply(200, orders_reply(found, following))

    async def analytics(self, request: web.Request) -> web.Response:
        """Show what there is and what was sold in the last twelve calendar months."""
        figures = await self._parts.figures.of_account(request[CALLER].account_id)
        return reply(200, analytics_reply(figures))


def _order_id(text: str) -> int:
    """The number of an order; one that cannot be any is not found, as any other unknown one."""
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise Refused("NOT_FOUND", NOT_FOUND)
    return int(text)


def operations(parts: ApiContext) -> list[Operation]:
    """What is asked about orders."""
    calls = OrderCalls(parts=parts)
    own = partial(Operation, gate="owner")
    return [
        Operation(
            "POST",
            TRACKING,
            calls.track,
            gate="partner",
            tag="Orders",
            rate="tracking",
            body=item_body.TrackingBody,
            answer=ShipmentReply,
            refusals=("CONFLICT",),
        ),
        own("GET", ORDERS, calls.list_orders, tag="Orders", query=OrdersQuery, answer=OrdersReply),
        own("GET", ANALYTICS, calls.analytics, tag="Analytics", answer=AnalyticsReply),
    ]
