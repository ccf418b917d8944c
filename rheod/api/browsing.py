"""The partner's calls that look through many items: the list, a container's children and figures, a history."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from aiohttp import web
from pydantic import BeforeValidator, Field

from rheod.api import field_types
from rheod.api.context import CALLER
from rheod.api.field_types import Moment, Name255
from rheod.api.items import ITEM, checked_id
from rheod.api.routing import (
    EXTERNAL_ID,
    At,
    Count,
    Kronor,
    Operation,
    Query,
    Reply,
    Whole,
    read_query,
    reply,
)
from rheod.domain.errors import FieldError, Refused, Text
from rheod.domain.model import ItemType, RheoStatus
from rheod.store.search import START, ItemFilter

if TYPE_CHECKING:
    from rheod.api.context import ItemServices
    from rheod.store.search import ItemCounts, ItemRow
    from rheod.usecases.inventory import ItemStory


Cursor = Annotated[str | None, Field(description="For the next page; null at the end.")]


class ItemSummary(Reply):
    """An item in a list."""

    external_id: Annotated[str, EXTERNAL_ID]
    rheo_item_id: Annotated[str, Field(description="The item's id here.")]
    status: Annotated[RheoStatus, Field(description="How it stands.")]
    price: Annotated[
        Kronor | None,
        Field(
            description="SEK, at most two decimals. The auction's starting price, in whole kronor at Tradera (rounded half up)."
        ),
    ]
    title: Annotated[
        str, Field(description="The ad's title, at least two characters without spaces around it.")
    ]
    type: Annotated[
        ItemType, Field(description="An item, or a container that only groups items and is never listed.")
    ]
    parent_external_id: Annotated[
        str | None, Field(description="The container it belongs to, which must exist.")
    ]
    metadata: Annotated[
        dict[str, Any],
        Field(
            description="Anything of yours: up to 50 keys; a text up to 1,024 characters, any other value up to 1 KiB as JSON. Stored and given back as it is."
        ),
    ]
    tradera_ad_id: Annotated[str | None, Field(description="The ad's number at Tradera.")]
    tradera_ad_url: Annotated[str | None, Field(description="The ad's page; null until it is live.")]
    updated_at: Annotated[At, Field(description="When it last changed.")]


class ListReply(Reply):
    """A page of the list; `total` counts all pages, as they were when the walk began."""

    items: Annotated[list[ItemSummary], Field(description="The items.")]
    next_cursor: Cursor
    total: Annotated[Count, Field(description="How many there are on all pages.")]


class Child(Reply):
    """An item or container in a container."""

    external_id: Annotated[str, EXTERNAL_ID]
    rheo_item_id: Annotated[str, Field(description="The item's id here.")]
    title: Annotated[
        str, Field(description="The ad's title, at least two characters without spaces around it.")
    ]
    status: Annotated[RheoStatus, Field(description="How it stands.")]
    price: Annotated[
        Kronor | None,
        Field(
            description="SEK, at most two decimals. The auction's starting price, in whole kronor at Tradera (rounded half up)."
        ),
    ]
    type: Annotated[
        ItemType, Field(description="An item, or a container that only groups items and is never listed.")
    ]


class ChildrenReply(Reply):
    """A page of what is in a container; `count` counts all pages."""

    parent_external_id: Annotated[str, Field(description="The container it belongs to, which must exist.")]
    count: Annotated[Count, Field(description="How many there are on all pages.")]
    children: Annotated[list[Child], Field(description="What is in it, the oldest change first.")]
    next_cursor: Cursor


class SummaryReply(Reply):
    """A container's items by status, and what those are worth that are for sale and those that are sold."""

    external_id: Annotated[str, Field(description="The item's id in your system.")]
    child_count: Annotated[Count, Field(description="How many there are.")]
    active_count: Annotated[Count, Field(description="How many are for sale.")]
    sold_count: Annotated[Count, Field(description="How many are sold.")]
    draft_count: Annotated[Count, Field(description="How many wait for their pictures.")]
    not_listed_count: Annotated[Count, Field(description="How many are delisted.")]
    listed_value: Annotated[Kronor, Field(description="SEK: the prices of those for sale.")]
    sold_value: Annotated[Kronor, Field(description="SEK: what the sold ones brought.")]
    currency: Annotated[str, Field(description="Only SEK.")] = "SEK"


class HistoryEvent(Reply):
    """An event of an item."""

    event_type: Annotated[str, Field(description="What happened.", examples=["listing.created"])]
    data: Annotated[
        dict[str, Any],
        Field(description="What else there is to say of it.", examples=[{"traderaAdId": "398271634"}]),
    ]
    created_at: Annotated[At, Field(description="When it was made.")]


class HistoryReply(Reply):
    """A page of an item's events, newest first; `count` counts all pages."""

    external_id: Annotated[str, EXTERNAL_ID]
    rheo_item_id: Annotated[str, Field(description="The item's id here.")]
    count: Annotated[Count, Field(description="How many there are on all pages.")]
    events: Annotated[list[HistoryEvent], Field(description="The events, newest first.")]
    next_cursor: Cursor


def listed(line: ItemRow, ad_url: str | None) -> ItemSummary:
    """One line of a list."""
    return ItemSummary(
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


def child(line: ItemRow) -> Child:
    """One child of a container."""
    return Child(
        external_id=line.external_id,
        rheo_item_id=line.id,
        title=line.title,
        status=line.rheo_status,
        price=line.price_ore,
        type=line.type,
    )


def summary(external_id: str, figures: ItemCounts) -> SummaryReply:
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


def history(story: ItemStory, next_cursor: str | None) -> HistoryReply:
    """The story of an item."""
    return HistoryReply(
        external_id=story.item.external_id,
        rheo_item_id=story.item.id,
        count=story.total,
        events=[
            HistoryEvent(event_type=each.type, data=each.data, created_at=each.created_at)
            for each in story.events
        ],
        next_cursor=next_cursor,
    )


MAX_PAGE = 1000

AtTradera = Literal["pending_sync", "active", "sold", "ended", "sync_error"]
Status = Literal["draft", "active", "sold", "not_listed", "archived"]


def plus_again(value: Any) -> Any:
    """A `+` that nobody escaped has arrived as a space: `10:00:00 02:00`."""
    return re.sub(r" (?=\d{2}:\d{2}$)", "+", value) if isinstance(value, str) and "T" in value else value


class ListQuery(Query):
    """Which items, and which page of them."""

    tradera_status: Annotated[
        AtTradera | None,
        Field(
            description="Items that stand so at Tradera; `sync_error`: their ad was refused or could not be changed.",
            alias="traderaStatus",
        ),
    ] = None
    status: Annotated[Status | None, Field(description="Items that stand so.")] = None
    parent_external_id: Annotated[Name255 | None, Field(description="Items of this container.")] = None
    updated_since: Annotated[
        Moment | None,
        BeforeValidator(plus_again),
        Field(description="Items that changed at this time or later (RFC 3339)."),
    ] = None
    catalog_system: Annotated[
        Name255 | None, Field(description="With `catalogCode`: the catalogue.", alias="catalogSystem")
    ] = None
    catalog_code: Annotated[
        Name255 | None,
        Field(
            description="With `catalogSystem`: items whose part has this code in that catalogue.",
            alias="catalogCode",
        ),
    ] = None
    limit: Annotated[Whole, Field(description="How many on a page.", ge=1, le=MAX_PAGE)] = 100
    cursor: Annotated[
        str | None, Field(description="The `nextCursor` of an earlier answer of the same list.")
    ] = None


class PageQuery(Query):
    """Which page."""

    limit: Annotated[Whole, Field(description="How many on a page.", ge=1, le=MAX_PAGE)] = MAX_PAGE
    cursor: Annotated[
        str | None, Field(description="The `nextCursor` of an earlier answer of the same list.")
    ] = None


class BrowseCalls:
    """Handlers of the list and of what hangs below one item."""

    def __init__(self, *, parts: ItemServices) -> None:
        self._inventory = parts.inventory

    async def page(self, request: web.Request) -> web.Response:
        """List items, the oldest change first; a walk of the cursor misses nothing that does not change meanwhile."""
        asked = read_query(request, ListQuery)
        wanted = _wanted(asked)
        after, total = START, None
        if asked.cursor is not None:
            *place, total = field_types.read(asked.cursor, int, str, int)
            after = (place[0], place[1])
        page = await self._inventory.page(
            request[CALLER].account_id, wanted, limit=asked.limit, after=after, total=total
        )
        following = page.following and field_types.write(*page.following, page.total)
        lines = [listed(line, self._inventory.ad_url(line)) for line in page.lines]
        return reply(200, ListReply(items=lines, next_cursor=following, total=page.total))

    async def children(self, request: web.Request) -> web.Response:
        """List what is in a container, the oldest change first."""
        external_id = checked_id(request)
        asked = read_query(request, PageQuery)
        after = START if asked.cursor is None else field_types.read(asked.cursor, int, str)
        page = await self._inventory.children(
            request[CALLER].account_id, external_id, limit=asked.limit, after=after
        )
        shown = ChildrenReply(
            parent_external_id=external_id,
            count=page.total,
            children=[child(line) for line in page.lines],
            next_cursor=page.following and field_types.write(*page.following),
        )
        return reply(200, shown)

    async def summary(self, request: web.Request) -> web.Response:
        """Count a container's items by status and say what they are worth."""
        external_id = checked_id(request)
        figures = await self._inventory.figures(request[CALLER].account_id, external_id)
        return reply(200, summary(external_id, figures))

    async def history(self, request: web.Request) -> web.Response:
        """Tell every event of an item, newest first."""
        external_id = checked_id(request)
        asked = read_query(request, PageQuery)
        before = None if asked.cursor is None else field_types.read(asked.cursor, int)[0]
        story = await self._inventory.story(
            request[CALLER].account_id, external_id, limit=asked.limit, before=before
        )
        following = None if story.following is None else field_types.write(story.following)
        return reply(200, history(story, following))


def _wanted(asked: ListQuery) -> ItemFilter:
    if (asked.catalog_system is None) != (asked.catalog_code is None):
        missing = "catalogSystem" if asked.catalog_system is None else "catalogCode"
        wrong = FieldError(missing, Text("Give catalogSystem and catalogCode together"))
        raise Refused(
            "BAD_REQUEST",
            Text("Bad query parameter: {field}: {message}", field=wrong.field, message=wrong.message),
            (wrong,),
        )
    code = None
    if asked.catalog_system is not None and asked.catalog_code is not None:
        code = (asked.catalog_system, asked.catalog_code)
    return ItemFilter(
        status=asked.status,
        tradera_status=asked.tradera_status,
        parent_external_id=asked.parent_external_id,
        updated_since=asked.updated_since,
        code=code,
    )


def operations(parts: ItemServices) -> list[Operation]:
    """What a partner's ERP calls to look through its items, with its API key."""
    calls = BrowseCalls(parts=parts)
    read = partial(Operation, "GET", access="partner", tag="Items", rate="get")
    below = partial(read, refusals=("VALIDATION_FAILED",))
    return [
        read("/integration/v1/items", calls.page, query=ListQuery, answer=ListReply),
        below(f"{ITEM}/children", calls.children, query=PageQuery, answer=ChildrenReply),
        below(f"{ITEM}/summary", calls.summary, answer=SummaryReply),
        below(f"{ITEM}/history", calls.history, query=PageQuery, answer=HistoryReply),
    ]
