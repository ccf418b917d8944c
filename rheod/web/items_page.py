"""The page of one item: its whole story, and what the owner can do about it.

It says in words where an item stands, why it waits and what happened to it; it decides nothing.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote, urlencode

from rheod.api import item_body
from rheod.api.field_types import raise_if_any, read_external_id
from rheod.domain.ad_text import spec_lines, whole_kronor
from rheod.domain.categories import OTHER
from rheod.domain.errors import Refused, Text, counted
from rheod.domain.model import EventType, ItemType, ListingState, PictureState, RheoStatus, TraderaStatus
from rheod.domain.pictures import warnings
from rheod.tradera.dry_run import Verdict
from rheod.web.item_fields import amount, freight_words
from rheod.web.site import HOME, ActionDone, Page
from rheod.web.words import domain_name, particulars

if TYPE_CHECKING:
    from rheod.api.routing import Route
    from rheod.domain.model import Listing
    from rheod.usecases.items import ItemView
    from rheod.web.language import Language
    from rheod.web.site import PageRequest, Site, WebContext


Mending = Callable[["PageRequest", "ItemView"], Awaitable[dict[str, Any]]]
"""Gives what the form of an item shows."""
State = tuple[Text, str]
"""The state as a text, and its mood: good, busy, bad or nothing special."""

BEING_REMOVED: State = (Text("being removed"), "busy")
BEING_ENDED: State = (Text("ad is being ended"), "busy")
CONTAINER: State = (Text("container"), "")
AT_TRADERA: Mapping[TraderaStatus, State] = {
    TraderaStatus.PENDING_SYNC: (Text("waits to go out"), "busy"),
    TraderaStatus.ACTIVE: (Text("live"), "good"),
    TraderaStatus.SOLD: (Text("sold"), "good"),
    TraderaStatus.ENDED: (Text("ended unsold"), ""),
    TraderaStatus.SYNC_ERROR: (Text("failed"), "bad"),
}
HERE: Mapping[RheoStatus, State] = {
    RheoStatus.DRAFT: (Text("draft"), ""),
    RheoStatus.ACTIVE: (Text("ready, not published"), ""),
    RheoStatus.SOLD: (Text("sold"), "good"),
    RheoStatus.NOT_LISTED: (Text("taken down"), ""),
    RheoStatus.ARCHIVED: (Text("archived"), ""),
}
EVENTS: Mapping[EventType, Text] = {
    EventType.ITEM_CREATED: Text("Taken in"),
    EventType.ITEM_IMAGES_READY: Text("Pictures ready"),
    EventType.LISTING_CREATED: Text("The ad is live"),
    EventType.LISTING_ENDED: Text("The ad ended without a sale"),
    EventType.LISTING_FAILED: Text("Publishing failed"),
    EventType.ITEM_SOLD: Text("Sold"),
    EventType.SALE_CONFLICT: Text("Sold twice, or about to be"),
    EventType.ITEM_SALE_REVERSED: Text("The sale was taken back"),
    EventType.ITEM_UPDATED: Text("Changed"),
    EventType.IMAGE_FAILED: Text("A picture could not be fetched"),
    EventType.ITEM_IMAGES_FAILED: Text("You were told of pictures that could not be fetched"),
    EventType.LISTING_MOVED: Text("Tradera has moved the ad to another category"),
    EventType.PRICE_UPDATED: Text("New price"),
    EventType.ITEM_UNLISTED: Text("Taken down"),
    EventType.LISTING_SETTLED: Text("You settled a doubt"),
    EventType.ITEM_NEEDS_ATTENTION: Text("Waits for you"),
    EventType.LISTING_RELISTED: Text("Came back"),
    EventType.RELIST_PLANNED: Text("Its return is planned"),
    EventType.RELIST_STOPPED: Text("Does not come back"),
    EventType.END_MOVED: Text("Ends at another time"),
    EventType.ITEM_DELETED: Text("Removed"),
    EventType.ORDER_CREATED: Text("In an order"),
    EventType.ORDER_PAID: Text("The order is paid"),
    EventType.ORDER_GREW: Text("The buyer has added to the order"),
    EventType.ORDER_SHIPPED: Text("Sent"),
    EventType.ORDER_PAID_AFTER_REVERSAL: Text("Paid after the sale was taken back"),
    EventType.ORDER_SHIP_FAILED: Text("Could not be marked as shipped"),
}
CALLS: Mapping[str, Text] = {
    "create": Text("Tradera: make the ad, unseen yet"),
    "image": Text("Tradera: send a picture"),
    "commit": Text("Tradera: make the ad visible"),
    "results": Text("Tradera: ask what became of it"),
    "price": Text("Tradera: set the price"),
    "end": Text("Tradera: end the ad"),
    "read_item": Text("Tradera: look at the ad"),
}


def state_of(
    item_type: ItemType, rheo: RheoStatus, tradera: TraderaStatus | None, *, delete_requested: bool = False
) -> State:
    """Where an item stands, in a few words."""
    if delete_requested:
        return BEING_REMOVED
    if item_type is ItemType.CONTAINER and rheo is not RheoStatus.ARCHIVED:
        return CONTAINER
    if rheo is RheoStatus.ARCHIVED:
        return HERE[rheo]
    if tradera is TraderaStatus.ACTIVE and rheo in {RheoStatus.SOLD, RheoStatus.NOT_LISTED}:
        return BEING_ENDED
    if tradera is None or rheo in {RheoStatus.SOLD, RheoStatus.NOT_LISTED}:
        return HERE[rheo]
    return AT_TRADERA[tradera]


def why(view: ItemView, language: Language) -> str | None:
    """What the item waits for, or what is being done about it just now; None when nothing."""
    listing = view.listing
    if view.item.delete_requested:
        return language.gettext("It is removed as soon as Tradera has ended its ad.")
    if listing is None or not listing.state.is_open:
        return None
    if listing.is_in_doubt:
        return language.gettext(
            "Nobody knows whether its ad {ad} is up: Tradera never said. Look for that number at Tradera, then say below what you saw.",
            ad=listing.tradera_item_id,
        )
    return (
        _in_queue(view, language)
        if listing.state is ListingState.QUEUED
        else _at_tradera(listing, view.waits_for, language)
    )


def _at_tradera(listing: Listing, waits_for: str | None, language: Language) -> str | None:
    if listing.end_wish is not None:
        return language.gettext("Its ad is being ended.")
    if listing.state in {ListingState.ADDING, ListingState.ADDED}:
        return language.gettext("It is being sent to Tradera.")
    if listing.state is ListingState.LIVE:
        return None
    asks = language.gettext("Tradera is working on it; rheod asks {when}.", when=language.ago(listing.ask_at))
    return asks if listing.put_off is None or waits_for is None else f"{asks} {language.say(waits_for)}"


def _in_queue(view: ItemView, language: Language) -> str:
    pending = sum(picture.state is PictureState.PENDING for picture in view.pictures)
    if pending:
        return language.gettext("It waits for its pictures; still being fetched: {n}.", n=pending)
    if view.queue is None:
        return language.say(view.waits_for) if view.waits_for else language.gettext("It goes out now.")
    place = language.gettext(
        "Place {n} in the queue; expected to go out {when}.",
        n=view.queue.position,
        when=language.when(view.queue.expected_at),
    )
    return f"{place} {language.say(view.waits_for)}" if view.waits_for else place


ITEMS = f"{HOME}/items"
ITEM = ITEMS + "/{externalId:[^/]+}"
ID_SEGMENT = 2
PARTS = 100
"""So many things in a container are listed."""


class ItemsPage:
    """The page of one item, with its actions."""

    def __init__(self, *, context: WebContext, site: Site, mending: Mending) -> None:
        """`mending` gives what the form of an item shows, for one that needs it here."""
        self._context = context
        self._site = site
        self._mending = mending

    def routes(self) -> list[Route]:
        """The pages and the actions."""
        page, action = self._site.page, self._site.action
        return [
            ("GET", ITEM, page(self.show)),
            ("GET", f"{ITEM}/dry-run", page(self.dry_run)),
            ("POST", f"{ITEM}/publish", action(self.publish, name="publish item", page=self.show)),
            ("POST", f"{ITEM}/again", action(self.publish_again, name="publish item", page=self.show)),
            ("POST", f"{ITEM}/look", action(self.look, name="look at ad", page=self.show)),
            ("POST", f"{ITEM}/end", action(self.end, name="take item down", page=self.show)),
            ("POST", f"{ITEM}/sold", action(self.mark_sold, name="mark item as sold", page=self.show)),
            ("POST", f"{ITEM}/settle", action(self.settle, name="settle doubt", page=self.show)),
        ]

    async def show(self, request: PageRequest) -> Page:
        """One item with its story."""
        external_id, api = _id_of(request), self._context.api
        view = await api.items.read_item(request.account_id, external_id)
        spec, listing, language = view.item.spec, view.listing, request.language
        is_live = listing is not None and listing.state is ListingState.LIVE
        to = partial(item_address, request, external_id)
        can = _can(view)
        values: dict[str, Any] = {}
        if needs_mending(view):
            values = {**await self._mending(request, view), "here": to()}
        timeline = await api.inventory.timeline(request.account_id, external_id)
        stops = await self._stops(request, external_id) if can & {"retry", "again"} else []
        values |= {
            "view": view,
            "item": view.item,
            "mends": bool(values),
            "state": state_of(
                spec.type,
                view.item.rheo_status,
                view.item.tradera_status,
                delete_requested=view.item.delete_requested,
            ),
            "why": why(view, language),
            "can": can,
            "stops": stops,
            "lines": spec_lines(spec.domain or OTHER, spec.attributes or {}),
            "timeline": timeline,
            "milestones": [each for each in timeline.entries if each.event and each.event.type not in _QUIET],
            "events": EVENTS,
            "event_words": partial(event_words, language),
            "particulars": lambda data: list(particulars(data or {}, language)),
            "domain": domain_name(spec.domain, language),
            "ad_kr": other_price(listing.price_kr, spec.price_ore) if listing and is_live else None,
            "bids": await api.inventory.bids(listing.id) if listing and is_live else None,
            "ends_at": listing.ends_at if listing and is_live else None,
            "doubtful_url": self._context.ad_url(listing.tradera_item_id)
            if listing and listing.is_in_doubt and listing.tradera_item_id
            else None,
            "sales": await api.inventory.sales(view.item.id),
            "calls": CALLS,
            "prices": _steps(spec.price_ore),
            "shelf": (spec.metadata or {}).get(api.orders.pick_sort or "shelf"),
            "act": to,
            "address": partial(item_address, request),
            "picture_notes": warnings(view.pictures),
            **await self._inside(request, view),
        }
        return Page("item.html", values)

    async def _stops(self, request: PageRequest, external_id: str) -> list[str]:
        """What would stop its publishing now, by the checks that cost no call."""
        played = await self._context.api.dry_run(request.account_id, external_id)
        return [request.language.say(each.text) for each in played.checks if each.verdict is Verdict.STOPS]

    async def _inside(self, request: PageRequest, view: ItemView) -> dict[str, Any]:
        """What a container holds, and what it comes to; or what the buyer of an item pays for freight."""
        api, item = self._context.api, view.item
        if item.spec.type is ItemType.CONTAINER:
            inside = await api.inventory.children(request.account_id, item.external_id, limit=PARTS)
            figures = await api.inventory.figures(request.account_id, item.external_id)
            return {"inside": inside, "figures": figures, "freight_words": ""}
        freight = (await api.own_items.preview(request.account_id, item.spec)).freight
        return {"inside": None, "figures": None, "freight_words": freight_words(freight, request.language)}

    async def dry_run(self, request: PageRequest) -> Page:
        """The dry run of a publishing: nobody is called and nothing changes."""
        external_id = _id_of(request)
        played = await self._context.api.dry_run(request.account_id, external_id)
        back = item_address(request, external_id)
        values = {
            "played": played,
            "external_id": external_id,
            "back": back,
            "pretty": partial(json.dumps, ensure_ascii=False, indent=2),
        }
        return Page("dry_run.html", values)

    async def publish(self, request: PageRequest) -> ActionDone:
        """Publish, also again after a failure."""
        external_id = self._writable(request)
        message = await self._context.api.items.order_publish(request.account_id, external_id)
        return _done(request, external_id, message)

    async def publish_again(self, request: PageRequest) -> ActionDone:
        """Publish what has ended unsold, at the price of the button or the one that was typed."""
        external_id = self._writable(request)
        given = request.form.get("step") or request.form.get("price", "")
        price_ore = item_body.read_price({"price": amount(given)})
        message = await self._context.api.items.publish_at(request.account_id, external_id, price_ore)
        return _done(request, external_id, message)

    async def look(self, request: PageRequest) -> ActionDone:
        """Read the bids at Tradera."""
        external_id = self._writable(request)
        seen = await self._context.api.look_at_ad(request.account_id, external_id)
        return _done(request, external_id, counted("{n} bid", "{n} bids", seen.count))

    async def end(self, request: PageRequest) -> ActionDone:
        """Take the item off the market; a live ad is ended in the background."""
        return await self._change_status(request, "not_listed")

    async def mark_sold(self, request: PageRequest) -> ActionDone:
        """The item was sold elsewhere."""
        return await self._change_status(request, "sold")

    async def _change_status(self, request: PageRequest, status: Literal["sold", "not_listed"]) -> ActionDone:
        external_id = self._writable(request)
        message = await self._context.api.items.change_status(request.account_id, external_id, status)
        return _done(request, external_id, message)

    async def settle(self, request: PageRequest) -> ActionDone:
        """The owner's word on an ad in doubt: its number, or that there is none."""
        external_id = self._writable(request)
        ad_id, given = None, request.form.get("ad", "").strip()
        if request.form.get("found") != "none":
            if not (given.isascii() and given.isdecimal() and 0 < len(given) < 19):
                raise Refused(
                    "VALIDATION_FAILED",
                    Text("Give the number of the ad, as it stands in its address at Tradera"),
                )
            ad_id = int(given)
        message = await self._context.api.items.settle_listing(request.account_id, external_id, ad_id)
        return _done(request, external_id, message)

    def _writable(self, request: PageRequest) -> str:
        if request.account_id in self._context.api.removed_accounts:
            raise Refused(
                "CONFLICT", Text("This account is not in the settings any more: its items can only be read")
            )
        return _id_of(request)


_QUIET = frozenset({EventType.ITEM_IMAGES_READY, EventType.ITEM_IMAGES_FAILED})
"""What is no milestone of its own."""


def needs_mending(view: ItemView) -> bool:
    """Whether it waits for its owner to set something right."""
    listing = view.listing
    failed = view.item.tradera_status is TraderaStatus.SYNC_ERROR and (
        listing is None or not listing.state.is_open
    )
    return (failed or (listing is not None and listing.is_held)) and not view.item.delete_requested


def _steps(price_ore: int | None) -> list[tuple[int, int]]:
    """Prices to put an unsold item up at again, in kronor, each with how much lower it is in per cent."""
    kr = whole_kronor(price_ore or 100)
    return [(max(1, round(kr * (100 - down) / 100)), down) for down in (0, 10, 20, 30)]


def event_words(language: Language, types: Iterable[str]) -> list[str]:
    """Types of events in words."""
    known = {each.value: text for each, text in EVENTS.items()}
    return [language.say(known.get(str(each), str(each))) for each in types]


def other_price(ad_kr: int | None, price_ore: int | None) -> int | None:
    """The price in the ad, where it is not (yet) the item's."""
    if ad_kr is None or price_ore is None or ad_kr == whole_kronor(price_ore):
        return None
    return ad_kr


def item_address(request: PageRequest, external_id: str, action: str = "") -> str:
    """The page of an item, or where one of its actions is sent."""
    path = f"{ITEMS}/{quote(external_id, safe='')}" + (f"/{action}" if action else "")
    return f"{path}?{urlencode({'account': request.account})}" if request.account else path


def _done(request: PageRequest, external_id: str, message: str) -> ActionDone:
    return ActionDone(message, to=item_address(request, external_id), subject=external_id)


def _id_of(request: PageRequest) -> str:
    external_id, found = read_external_id(request.http.raw_path, segment=ID_SEGMENT)
    raise_if_any(found)
    return external_id


def _can(view: ItemView) -> set[str]:
    """The actions that make sense now; the catalogue judges them once more."""
    item, listing = view.item, view.listing
    if (
        item.spec.type is ItemType.CONTAINER
        or item.delete_requested
        or item.rheo_status is RheoStatus.ARCHIVED
    ):
        return set()
    can = {"rehearse", "edit"}
    if listing is not None and listing.is_in_doubt:
        can.add("settle")
    if item.rheo_status is not RheoStatus.SOLD:
        can.add("sold")
        if listing is None or not listing.state.is_open:
            again = {TraderaStatus.SYNC_ERROR: "retry", TraderaStatus.ENDED: "again"}
            can.add(again.get(item.tradera_status, "publish") if item.tradera_status else "publish")
    if item.rheo_status in {RheoStatus.DRAFT, RheoStatus.ACTIVE}:
        can.add("end")
    return can
