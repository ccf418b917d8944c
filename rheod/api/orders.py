"""Calls about orders: the partner's parcels, the owner's list and figures (rheo-api.md sections 2 and 7).

The list is the only way out for a buyer's data, and only the owner may ask for it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

from aiohttp import web
from pydantic import Field

from rheod.api import cursors, wire
from rheod.api.bodies import BODY_BYTES, read_json
from rheod.api.operation import Operation
from rheod.api.parts import CALLER
from rheod.api.queries import Query, Whole, read_query
from rheod.api.replies import reply
from rheod.api.replies_orders import (
    AnalyticsReply,
    OrdersReply,
    ShipmentReply,
    analytics_reply,
    orders_reply,
    shipment_reply,
)
from rheod.catalog.shipping import NOT_FOUND
from rheod.domain.errors import Refused

if TYPE_CHECKING:
    from rheod.api.parts import ApiParts

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

    def __init__(self, *, parts: ApiParts) -> None:
        self._parts = parts

    async def track(self, request: web.Request) -> web.Response:
        """Tell the parcel of an order; the order is marked as shipped at Tradera in the background."""
        body = await read_json(request, limit_bytes=BODY_BYTES, deadline_s=self._parts.body_deadline_s)
        parcel = wire.read_model(wire.TrackingBody, body)
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
        at, last = (_NEWEST, _NEWEST) if query.cursor is None else cursors.read(query.cursor, int, int)
        found = await self._parts.shipping.orders(
            account_id, unmatched=query.unmatched == "true", limit=query.limit, before=(at, last)
        )
        full = len(found) == query.limit
        following = cursors.write(found[-1].created_at, found[-1].order_id) if full else None
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


def operations(parts: ApiParts) -> list[Operation]:
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
            body=wire.TrackingBody,
            answer=ShipmentReply,
            refusals=("CONFLICT",),
        ),
        own("GET", ORDERS, calls.list_orders, tag="Orders", query=OrdersQuery, answer=OrdersReply),
        own("GET", ANALYTICS, calls.analytics, tag="Analytics", answer=AnalyticsReply),
    ]
