"""The partner's calls that look through many items: the list, a container's children and figures, a history.

Reads the query, calls one use case of the inventory, answers.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from aiohttp import web
from pydantic import BeforeValidator, Field

from rheod.api import cursors
from rheod.api.items import ITEM, checked_id
from rheod.api.operation import Operation
from rheod.api.parts import CALLER
from rheod.api.queries import Query, Whole, read_query
from rheod.api.replies import reply
from rheod.api.replies_browsing import (
    ChildrenReply,
    HistoryReply,
    ListReply,
    SummaryReply,
    child,
    history,
    listed,
    summary,
)
from rheod.api.wire_types import Moment, Name255
from rheod.domain.errors import FieldError, Refused
from rheod.store.inventory import START, Wanted

if TYPE_CHECKING:
    from rheod.api.parts import ApiParts

MAX_PAGE = 1000

Status = Literal["draft", "active", "sold", "not_listed", "archived"]


def _plus_again(value: Any) -> Any:
    """A `+` that nobody escaped has arrived as a space: `10:00:00 02:00`."""
    return re.sub(r" (?=\d{2}:\d{2}$)", "+", value) if isinstance(value, str) and "T" in value else value


class ListQuery(Query):
    """Which items, and which page of them."""

    status: Status | None = None
    parent_external_id: Name255 | None = None
    updated_since: Annotated[Moment | None, BeforeValidator(_plus_again)] = None
    catalog_system: Annotated[Name255 | None, Field(alias="catalogSystem")] = None
    catalog_code: Annotated[Name255 | None, Field(alias="catalogCode")] = None
    limit: Annotated[Whole, Field(ge=1, le=MAX_PAGE)] = 100
    cursor: str | None = None


class PageQuery(Query):
    """Which page."""

    limit: Annotated[Whole, Field(ge=1, le=MAX_PAGE)] = MAX_PAGE
    cursor: str | None = None


class BrowseCalls:
    """Handlers of the list and of what hangs below one item."""

    def __init__(self, *, parts: ApiParts) -> None:
        self._inventory = parts.inventory

    async def page(self, request: web.Request) -> web.Response:
        """List items, the oldest change first; a walk of the cursor misses nothing that does not change meanwhile."""
        asked = read_query(request, ListQuery)
        wanted = _wanted(asked)
        after, total = START, None
        if asked.cursor is not None:
            *place, total = cursors.read(asked.cursor, int, str, int)
            after = (place[0], place[1])
        page = await self._inventory.page(
            request[CALLER].account_id, wanted, limit=asked.limit, after=after, total=total
        )
        following = page.following and cursors.write(*page.following, page.total)
        lines = [listed(line, self._inventory.ad_url(line)) for line in page.lines]
        return reply(200, ListReply(items=lines, next_cursor=following, total=page.total))

    async def children(self, request: web.Request) -> web.Response:
        """List what is in a container, the oldest change first."""
        external_id = checked_id(request)
        asked = read_query(request, PageQuery)
        after = START if asked.cursor is None else cursors.read(asked.cursor, int, str)
        page = await self._inventory.children(
            request[CALLER].account_id, external_id, limit=asked.limit, after=after
        )
        shown = ChildrenReply(
            parent_external_id=external_id,
            count=page.total,
            children=[child(line) for line in page.lines],
            next_cursor=page.following and cursors.write(*page.following),
        )
        return reply(200, shown)

    async def summary(self, request: web.Request) -> web.Response:
        """Count a container's items by status and say what they are worth."""
        external_id = checked_id(request)
        figures = await self._inventory.figures(request[CALLER].account_id, external_id)
        return reply(200, summary(external_id, figures))

    async def history(self, request: web.Request) -> web.Response:
        """Tell every milestone of an item, newest first."""
        external_id = checked_id(request)
        asked = read_query(request, PageQuery)
        before = None if asked.cursor is None else cursors.read(asked.cursor, int)[0]
        story = await self._inventory.story(
            request[CALLER].account_id, external_id, limit=asked.limit, before=before
        )
        following = None if story.following is None else cursors.write(story.following)
        return reply(200, history(story, following))


def _wanted(asked: ListQuery) -> Wanted:
    if (asked.catalog_system is None) != (asked.catalog_code is None):
        missing = "catalogSystem" if asked.catalog_system is None else "catalogCode"
        wrong = FieldError(missing, "Give catalogSystem and catalogCode together")
        raise Refused("BAD_REQUEST", f"Bad query parameter: {wrong.field}: {wrong.message}", (wrong,))
    code = None
    if asked.catalog_system is not None and asked.catalog_code is not None:
        code = (asked.catalog_system, asked.catalog_code)
    return Wanted(
        status=asked.status,
        parent_external_id=asked.parent_external_id,
        updated_since=asked.updated_since,
        code=code,
    )


def operations(parts: ApiParts) -> list[Operation]:
    """What a partner's ERP calls to look through its items, with its API key."""
    calls = BrowseCalls(parts=parts)
    read = partial(Operation, "GET", gate="partner", tag="Items", rate="get")
    below = partial(read, refusals=("VALIDATION_FAILED",))
    return [
        read("/integration/v1/items", calls.page, query=ListQuery, answer=ListReply),
        below(f"{ITEM}/children", calls.children, query=PageQuery, answer=ChildrenReply),
        below(f"{ITEM}/summary", calls.summary, answer=SummaryReply),
        below(f"{ITEM}/history", calls.history, query=PageQuery, answer=HistoryReply),
    ]
