"""The owner's list of items: finding one among many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, cast
from urllib.parse import urlencode

from pydantic import Field

from rheod.api import field_types
from rheod.api.routing import Query, read_query
from rheod.domain.errors import Refused, Text
from rheod.store.search import NEVER, SearchCursor, SearchQuery
from rheod.web.items_page import AT_TRADERA, HERE, ITEMS, item_address, other_price, state_of
from rheod.web.site import Page

if TYPE_CHECKING:
    from rheod.api.routing import Route
    from rheod.web.site import PageRequest, Site, WebContext


PAGE = 30


class ItemsQuery(Query):
    """What is looked for; an empty field is anything."""

    q: Annotated[str, Field(max_length=255)] = ""
    status: Literal["", "draft", "active", "sold", "not_listed", "archived"] = ""
    tradera: Literal["", "never", "pending_sync", "active", "sold", "ended", "sync_error"] = ""
    after: str | None = None


class ItemsList:
    """The list of items."""

    def __init__(self, *, context: WebContext, site: Site) -> None:
        self._context = context
        self._site = site

    def routes(self) -> list[Route]:
        """The list."""
        return [("GET", ITEMS, self._site.page(self.list))]

    async def list(self, request: PageRequest) -> Page:
        """A page of the items that fit."""
        query = read_query(request.http, ItemsQuery)
        sought = SearchQuery(text=query.q.strip(), status=query.status, tradera_status=query.tradera)
        found = await self._context.api.inventory.search(
            request.account_id, sought, limit=PAGE, after=_spot(query.after)
        )
        more = None
        if found.following is not None:
            given = {
                "q": query.q,
                "status": query.status,
                "tradera": query.tradera,
                "account": request.account,
            }
            kept = {name: value for name, value in given.items() if value}
            more = f"{ITEMS}?{urlencode({**kept, 'after': field_types.write(*found.following)})}"
        values = {
            "query": query,
            "hits": found.hits,
            "state_of": state_of,
            "address": lambda external_id: item_address(request, external_id),
            "statuses": [(status.value, text) for status, (text, _) in HERE.items()],
            "traderas": [
                (NEVER, Text("never published")),
                *((one.value, text) for one, (text, _) in AT_TRADERA.items()),
            ],
            "more": more,
            "ad_kr": lambda hit: other_price(hit.ad_kr, hit.price_ore),
        }
        return Page("items.html", values)


def _spot(after: str | None) -> SearchCursor | None:
    if after is None:
        return None
    walk, at, name = field_types.read(after, str, int, str)
    if walk not in {"changes", "ids", "words"}:
        raise Refused("BAD_REQUEST", Text("Begin the search anew"))
    return SearchCursor(cast("Literal['changes', 'ids', 'words']", walk), at, name)
