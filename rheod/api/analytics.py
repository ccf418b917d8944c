"""The owner's figures as the wire has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from rheod.api.responses import Kronor, Reply
from rheod.domain.model import RheoStatus
from rheod.usecases.figures import total

if TYPE_CHECKING:
    from rheod.usecases.figures import Analytics


class InventoryReply(Reply):
    """Items by status; `total` also has those that are not listed, and containers are none."""

    total: Annotated[int, Field(description="How many there are, the delisted too; containers are none.")]
    active: Annotated[int, Field(description="How many are for sale.")]
    draft: Annotated[int, Field(description="How many wait for their pictures.")]
    sold: Annotated[int, Field(description="How many are sold.")]
    archived: Annotated[int, Field(description="How many were deleted while an order was in progress.")]


class MonthReply(Reply):
    """What was sold in a calendar month, by Swedish clocks; `gross` also has what is not paid yet."""

    month: Annotated[
        str,
        Field(
            description="The calendar month, by Swedish clocks.",
            examples=["2026-04"],
            pattern=r"^\d{4}-\d{2}$",
        ),
    ]
    gross: Annotated[Kronor, Field(description="SEK: what was sold.")]
    fee: Annotated[Kronor, Field(description="SEK: what rheod would take, by the setting.")]
    net: Annotated[Kronor, Field(description="SEK: gross less fee.")]
    orders: Annotated[int, Field(description="How many orders.")]


class CategorySales(Reply):
    """One kind of goods: how many items there are of it, and what its sales brought in the months shown."""

    category: Annotated[
        str, Field(description="The kind of goods, by its Swedish name.", examples=["Reservdel"])
    ]
    count: Annotated[int, Field(description="How many there are on all pages.")]
    revenue: Annotated[Kronor, Field(description="SEK: what its sales brought.")]


class RevenueReply(Reply):
    """The sums of the months shown; `totalPending` is the part of gross that is not paid yet."""

    total_gross: Annotated[Kronor, Field(description="SEK: what was sold.")]
    total_fee: Annotated[Kronor, Field(description="SEK: the fees.")]
    total_net: Annotated[Kronor, Field(description="SEK: gross less fees.")]
    total_pending: Annotated[Kronor, Field(description="SEK: the part of gross that is not paid yet.")]


class AnalyticsReply(Reply):
    """The owner's figures, of rheod's own items alone."""

    inventory: Annotated[InventoryReply, Field(description="The items by status.")]
    monthly_revenue: Annotated[
        list[MonthReply], Field(description="The last twelve months, those without sales too.")
    ]
    category_breakdown: Annotated[
        list[CategorySales], Field(description="The ten kinds of goods that brought most.")
    ]
    revenue_summary: Annotated[RevenueReply, Field(description="The sums of the months shown.")]


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
