"""The owner's figures: what there is and what was sold, and what Tradera's quota allows.

Of the quota: by method, what fits today, and the owner's word that a limit was raised.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from aiohttp import web
from pydantic import Field

from rheod.api.context import CALLER
from rheod.api.routing import At, DoneReply, Kronor, Operation, Reply, Route, reply
from rheod.domain.model import RheoStatus
from rheod.usecases.figures import total

if TYPE_CHECKING:
    from rheod.api.context import OwnerServices
    from rheod.usecases.figures import Analytics
    from rheod.usecases.selling_setup import Capacities, Capacity


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


CAPACITY = "/rheod/capacity"


class MethodReply(Reply):
    """The limit of one of Tradera's methods, for all accounts together."""

    method: Annotated[
        str, Field(description="The method, or `total` for all together.", examples=["image", "total"])
    ]
    used: Annotated[int, Field(description="Calls that count against the limit now.")]
    limit: Annotated[int, Field(description="Calls that may be made in 24 hours.")]
    kept: Annotated[int, Field(description="How many of them are kept for orders and for ending ads.")]
    frees_at: Annotated[At | None, Field(description="When the first of them counts no more.")]
    learned: Annotated[
        bool, Field(description="Whether the limit was learned: Tradera refused what the settings allow.")
    ]
    rests_until: Annotated[At | None, Field(description="Until when it is not called, after a refusal.")]


class FitsReply(Reply):
    """What fits today."""

    ads: Annotated[int, Field(description="Ads that can be begun before the day ends by Swedish clocks.")]
    pictures: Annotated[int, Field(description="With so many pictures each: the mean of those that wait.")]


class CapacityReply(Reply):
    """What the quota allows, and what that means for this account's publishing."""

    methods: Annotated[
        list[MethodReply], Field(description="Those that were called, were refused or are set by the owner.")
    ]
    fits: Annotated[FitsReply, Field(description="How much more fits today.")]
    waiting: Annotated[int, Field(description="Ads that wait to be published.")]
    last_at: Annotated[
        At | None, Field(description="When the last of them goes out; null when nobody knows or none waits.")
    ]
    waits_for: Annotated[str | None, Field(description="Why nothing is published at all.")]
    text: Annotated[str, Field(description="The same in a sentence.")]


def capacity_reply(capacity: Capacity) -> CapacityReply:
    """The answer from what is known."""
    return CapacityReply(
        methods=[
            MethodReply(
                method=one.method or "total",
                used=one.used,
                limit=one.limit,
                kept=one.limit - one.for_work,
                frees_at=one.frees_at,
                learned=one.learned,
                rests_until=one.rests_until,
            )
            for one in capacity.methods
        ],
        fits=FitsReply(ads=capacity.fits, pictures=capacity.pictures),
        waiting=capacity.waiting,
        last_at=capacity.last_at,
        waits_for=capacity.waits_for,
        text=str(capacity.text),
    )


class CapacityCalls:
    """Handler of `/rheod/capacity`."""

    def __init__(self, *, capacities: Capacities) -> None:
        self._capacities = capacities

    async def show(self, request: web.Request) -> web.Response:
        """Tell how many of Tradera's calls are used, what fits today and when the last waiting ad goes out."""
        return reply(200, capacity_reply(await self._capacities.of_account(request[CALLER].account_id)))


def operations(parts: OwnerServices) -> list[Operation]:
    """What the owner calls, with the admin token."""
    calls = CapacityCalls(capacities=parts.capacities)
    return [Operation("GET", CAPACITY, calls.show, access="owner", tag="Analytics", answer=CapacityReply)]


def quota_routes(capacities: Capacities, account_id: str) -> list[Route]:
    """What commands ask over the admin socket."""

    async def show(_request: web.Request) -> web.Response:
        """GET /tradera/quota: costs no Tradera call."""
        return reply(200, capacity_reply(await capacities.of_account(account_id)))

    async def forget(request: web.Request) -> web.Response:
        """POST /tradera/quota/{method}/forget: what refusals have told of the method holds no more."""
        return reply(200, DoneReply(message=await capacities.forget(request.match_info["method"])))

    return [("GET", "/tradera/quota", show), ("POST", "/tradera/quota/{method}/forget", forget)]
