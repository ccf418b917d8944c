"""The pages about items: finding one among many, its whole story, and what the owner can do about it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal, cast
from urllib.parse import quote, urlencode

from pydantic import Field

from rheod.api import cursors
from rheod.api.external_id import read_external_id
from rheod.api.field_errors import raise_if_any
from rheod.api.queries import Query, read_query
from rheod.catalog.settling import is_in_doubt
from rheod.domain.errors import Refused
from rheod.domain.model import ItemType, RheoStatus, TraderaStatus
from rheod.domain.specification import spec_lines
from rheod.domain.taxonomy import OTHER
from rheod.store.search import NEVER, Sought, Spot
from rheod.web.item_story import AT_TRADERA, CALLS, EVENTS, HERE, state_of, why
from rheod.web.site import HOME
from rheod.web.visit import Page, Told

if TYPE_CHECKING:
    from rheod.api.server import Route
    from rheod.catalog.items import ItemView
    from rheod.web.parts import WebParts
    from rheod.web.site import Site
    from rheod.web.visit import Visit

ITEMS = f"{HOME}/items"
ITEM = ITEMS + "/{externalId:[^/]+}"
ID_SEGMENT = 2
PAGE = 30


class ItemsQuery(Query):
    """What is looked for; an empty field is anything."""

    q: Annotated[str, Field(max_length=255)] = ""
    status: Literal["", "draft", "active", "sold", "not_listed", "archived"] = ""
    tradera: Literal["", "never", "pending_sync", "active", "sold", "ended", "sync_error"] = ""
    after: str | None = None


class ItemsPage:
    """The list and the page of one item, with its actions."""

    def __init__(self, *, parts: WebParts, site: Site) -> None:
        self._parts = parts
        self._site = site

    def routes(self) -> list[Route]:
        """The pages and the actions."""
        page, action = self._site.page, self._site.action
        return [
            ("GET", ITEMS, page(self.list)),
            ("GET", ITEM, page(self.show)),
            ("GET", f"{ITEM}/dry-run", page(self.rehearse)),
            ("POST", f"{ITEM}/publish", action(self.publish, name="publish item")),
            ("POST", f"{ITEM}/end", action(self.end, name="take item down")),
            ("POST", f"{ITEM}/sold", action(self.mark_sold, name="mark item as sold")),
            ("POST", f"{ITEM}/settle", action(self.settle, name="settle doubt")),
        ]

    async def list(self, visit: Visit) -> Page:
        """A page of the items that fit."""
        query = read_query(visit.request, ItemsQuery)
        sought = Sought(text=query.q.strip(), status=query.status, tradera_status=query.tradera)
        shelf = await self._parts.stock.page(visit.account_id, sought, limit=PAGE, after=_spot(query.after))
        found = shelf.following
        values = {
            "query": query,
            "hits": shelf.hits,
            "state_of": state_of,
            "address": lambda external_id: item_address(visit, external_id),
            "statuses": [(status.value, text) for status, (text, _) in HERE.items()],
            "traderas": [
                (NEVER, "never published"),
                *((one.value, text) for one, (text, _) in AT_TRADERA.items()),
            ],
            "more": None if found is None else _further(visit, query, cursors.write(*found)),
        }
        return Page("items.html", values)

    async def show(self, visit: Visit) -> Page:
        """One item with its story."""
        external_id = _id_of(visit)
        view = await self._parts.api.catalog.read_item(visit.account_id, external_id)
        spec = view.item.spec
        values = {
            "view": view,
            "item": view.item,
            "state": state_of(
                spec.type,
                view.item.rheo_status,
                view.item.tradera_status,
                delete_requested=view.item.delete_requested,
            ),
            "why": why(view, visit.words),
            "can": _can(view),
            "lines": spec_lines(spec.domain or OTHER, spec.attributes or {}),
            "timeline": await self._parts.stock.timeline(visit.account_id, external_id),
            "events": EVENTS,
            "calls": CALLS,
            "action": lambda name: item_address(visit, external_id, name),
            "address": lambda other: item_address(visit, other),
        }
        return Page("item.html", values)

    async def rehearse(self, visit: Visit) -> Page:
        """The dry run of a publishing: nobody is called and nothing changes."""
        external_id = _id_of(visit)
        played = await self._parts.api.rehearse(visit.account_id, external_id)
        back = item_address(visit, external_id)
        values = {"played": played, "external_id": external_id, "back": back, "pretty": _pretty}
        return Page("dry_run.html", values)

    async def publish(self, visit: Visit) -> Told:
        """Publish, also again after a failure."""
        external_id = self._writable(visit)
        message = await self._parts.api.catalog.order_publish(visit.account_id, external_id)
        return _told(visit, external_id, message)

    async def end(self, visit: Visit) -> Told:
        """Take the item off the market; a live ad is ended in the background."""
        return await self._change_status(visit, "not_listed")

    async def mark_sold(self, visit: Visit) -> Told:
        """The item was sold elsewhere."""
        return await self._change_status(visit, "sold")

    async def _change_status(self, visit: Visit, status: Literal["sold", "not_listed"]) -> Told:
        external_id = self._writable(visit)
        message = await self._parts.api.catalog.change_status(visit.account_id, external_id, status)
        return _told(visit, external_id, message)

    async def settle(self, visit: Visit) -> Told:
        """The owner's word on an ad in doubt: its number, or that there is none."""
        external_id = self._writable(visit)
        ad_id = _ad_of(visit.form)
        message = await self._parts.api.catalog.settle_listing(visit.account_id, external_id, ad_id)
        return _told(visit, external_id, message)

    def _writable(self, visit: Visit) -> str:
        if visit.account_id in self._parts.api.removed_accounts:
            raise Refused(
                "CONFLICT", "This account is not in the settings any more: its items can only be read"
            )
        return _id_of(visit)


def item_address(visit: Visit, external_id: str, action: str = "") -> str:
    """The page of an item, or where one of its actions is sent."""
    path = f"{ITEMS}/{quote(external_id, safe='')}" + (f"/{action}" if action else "")
    return f"{path}?{urlencode({'account': visit.account})}" if visit.account else path


def _told(visit: Visit, external_id: str, message: str) -> Told:
    return Told(visit.t(message), to=item_address(visit, external_id), subject=external_id)


def _id_of(visit: Visit) -> str:
    external_id, found = read_external_id(visit.request.raw_path, segment=ID_SEGMENT)
    raise_if_any(found)
    return external_id


def _spot(after: str | None) -> Spot | None:
    if after is None:
        return None
    walk, at, name = cursors.read(after, str, int, str)
    if walk not in {"changes", "ids", "words"}:
        raise Refused("BAD_REQUEST", "Begin the search anew")
    return Spot(cast("Literal['changes', 'ids', 'words']", walk), at, name)


def _further(visit: Visit, query: ItemsQuery, after: str) -> str:
    given = {"q": query.q, "status": query.status, "tradera": query.tradera, "account": visit.account}
    kept = {name: value for name, value in given.items() if value}
    return f"{ITEMS}?{urlencode({**kept, 'after': after})}"


def _can(view: ItemView) -> set[str]:
    """The actions that make sense now; the catalogue judges them once more."""
    item, listing = view.item, view.listing
    if (
        item.spec.type is ItemType.CONTAINER
        or item.delete_requested
        or item.rheo_status is RheoStatus.ARCHIVED
    ):
        return set()
    can = {"rehearse"}
    if listing is not None and is_in_doubt(listing):
        can.add("settle")
    if item.rheo_status is not RheoStatus.SOLD:
        can.add("sold")
        if listing is None or not listing.state.is_open:
            can.add("retry" if item.tradera_status is TraderaStatus.SYNC_ERROR else "publish")
    if item.rheo_status in {RheoStatus.DRAFT, RheoStatus.ACTIVE}:
        can.add("end")
    return can


def _pretty(body: Mapping[str, object]) -> str:
    return json.dumps(body, ensure_ascii=False, indent=2)


def _ad_of(form: Mapping[str, str]) -> int | None:
    if form.get("found") == "none":
        return None
    text = form.get("ad", "").strip()
    if not (text.isascii() and text.isdecimal() and 0 < len(text) < 19):
        raise Refused(
            "VALIDATION_FAILED", "Give the number of the ad, as it stands in its address at Tradera"
        )
    return int(text)
