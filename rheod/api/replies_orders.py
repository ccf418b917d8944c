"""Answers about orders and the figures (rheo-api.md sections 2 and 7), and how an order becomes one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal
from uuid import UUID

from pydantic import Field

from rheod.api.replies import At, Kronor, Reply
from rheod.catalog.figures import total
from rheod.domain.model import RheoStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rheod.catalog.figures import Analytics
    from rheod.store.orders import KeptLine, KeptOrder
    from rheod.store.shipments import Shipment

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
