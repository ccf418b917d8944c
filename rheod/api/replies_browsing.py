"""Answers about many items (rheo-api.md section 2): a batch, a list, a container's children and figures, a history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from rheod.api.replies import At, Kronor, Reply
from rheod.domain.model import ItemType, RheoStatus

if TYPE_CHECKING:
    from rheod.catalog.inventory import Story
    from rheod.store.inventory import Figures, Line

_ERP_ID = Field(examples=["ERP_PART_12345"])
Count = Annotated[int, Field(ge=0)]
Cursor = Annotated[str | None, Field(description="For the next page; null at the end.")]


class BatchError(Reply):
    """An item that was not taken: its id as far as it can be shown, its place in the batch from 0, and why."""

    external_id: Annotated[str | None, _ERP_ID]
    reason: Annotated[str, Field(examples=["price: Must be at least 1"])]
    index: Count


class BatchReply(Reply):
    """What became of a batch; the accepted items are durable."""

    accepted: Count
    rejected: Count
    errors: list[BatchError]


class ListedItem(Reply):
    """An item in a list."""

    external_id: Annotated[str, _ERP_ID]
    rheo_item_id: str
    status: RheoStatus
    price: Kronor | None
    title: str
    type: ItemType
    parent_external_id: str | None
    metadata: dict[str, Any]
    tradera_ad_id: str | None
    tradera_ad_url: str | None
    updated_at: At


class ListReply(Reply):
    """A page of the list; `total` counts all pages, as they were when the walk began."""

    items: list[ListedItem]
    next_cursor: Cursor
    total: Count


class Child(Reply):
    """An item or container in a container."""

    external_id: Annotated[str, _ERP_ID]
    rheo_item_id: str
    title: str
    status: RheoStatus
    price: Kronor | None
    type: ItemType


class ChildrenReply(Reply):
    """A page of what is in a container; `count` counts all pages."""

    parent_external_id: str
    count: Count
    children: list[Child]
    next_cursor: Cursor


class SummaryReply(Reply):
    """A container's items by status, and what those are worth that are for sale and those that are sold."""

    external_id: str
    child_count: Count
    active_count: Count
    sold_count: Count
    draft_count: Count
    not_listed_count: Count
    listed_value: Kronor
    sold_value: Kronor
    currency: str = "SEK"


class HistoryEvent(Reply):
    """A milestone of an item."""

    event_type: Annotated[str, Field(examples=["listing.created"])]
    data: Annotated[dict[str, Any], Field(examples=[{"traderaAdId": "398271634"}])]
    created_at: At


class HistoryReply(Reply):
    """A page of an item's milestones, newest first; `count` counts all pages."""

    external_id: Annotated[str, _ERP_ID]
    rheo_item_id: str
    count: Count
    events: list[HistoryEvent]
    next_cursor: Cursor


def listed(line: Line, ad_url: str | None) -> ListedItem:
    """One line of a list."""
    return ListedItem(
        external_id=line.external_id,
        rheo_item_id=line.id,
        status=line.rheo_status,
        price=line.price_ore,
        title=line.title,
        type=line.type,
        parent_external_id=line.parent_external_id,
        metadata=dict(line.metadata),
        tradera_ad_id=None if line.ad is None else str(line.ad),
        tradera_ad_url=ad_url,
        updated_at=line.updated_at,
    )


def child(line: Line) -> Child:
    """One child of a container."""
    return Child(
        external_id=line.external_id,
        rheo_item_id=line.id,
        title=line.title,
        status=line.rheo_status,
        price=line.price_ore,
        type=line.type,
    )


def summary(external_id: str, figures: Figures) -> SummaryReply:
    """The figures of a container."""
    counts = figures.counts
    return SummaryReply(
        external_id=external_id,
        child_count=sum(counts.values()),
        active_count=counts.get(RheoStatus.ACTIVE, 0),
        sold_count=counts.get(RheoStatus.SOLD, 0),
        draft_count=counts.get(RheoStatus.DRAFT, 0),
        not_listed_count=counts.get(RheoStatus.NOT_LISTED, 0),
        listed_value=figures.listed_ore,
        sold_value=figures.sold_ore,
    )


def history(story: Story, next_cursor: str | None) -> HistoryReply:
    """The story of an item."""
    return HistoryReply(
        external_id=story.item.external_id,
        rheo_item_id=story.item.id,
        count=story.total,
        events=[
            HistoryEvent(event_type=each.type, data=each.data, created_at=each.created_at)
            for each in story.milestones
        ],
        next_cursor=next_cursor,
    )
