"""An item in words for its owner: its state, why it waits, what happened to it. Decides nothing.

The English texts are keys of the dictionary in `words_items.py`; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rheod.catalog.settling import is_in_doubt
from rheod.domain.model import EventType, ItemType, ListingState, PictureState, RheoStatus, TraderaStatus

if TYPE_CHECKING:
    from rheod.catalog.items import ItemView
    from rheod.domain.model import Listing
    from rheod.web.words import Words

State = tuple[str, str]
"""The state as a text, and its mood: good, busy, bad or nothing special."""

BEING_REMOVED: State = ("being removed", "busy")
BEING_ENDED: State = ("ad is being ended", "busy")
CONTAINER: State = ("container", "")
AT_TRADERA: Mapping[TraderaStatus, State] = {
    TraderaStatus.PENDING_SYNC: ("waits to go out", "busy"),
    TraderaStatus.ACTIVE: ("live", "good"),
    TraderaStatus.SOLD: ("sold", "good"),
    TraderaStatus.ENDED: ("ended unsold", ""),
    TraderaStatus.SYNC_ERROR: ("failed", "bad"),
}
HERE: Mapping[RheoStatus, State] = {
    RheoStatus.DRAFT: ("draft", ""),
    RheoStatus.ACTIVE: ("ready, not published", ""),
    RheoStatus.SOLD: ("sold", "good"),
    RheoStatus.NOT_LISTED: ("taken down", ""),
    RheoStatus.ARCHIVED: ("archived", ""),
}
EVENTS: Mapping[EventType, str] = {
    EventType.ITEM_CREATED: "Taken in",
    EventType.ITEM_IMAGES_READY: "Pictures ready",
    EventType.LISTING_CREATED: "The ad is live",
    EventType.LISTING_ENDED: "The ad ended without a sale",
    EventType.LISTING_FAILED: "Publishing failed",
    EventType.ITEM_SOLD: "Sold",
    EventType.ITEM_UPDATED: "Changed",
    EventType.IMAGE_FAILED: "A picture could not be fetched",
    EventType.PRICE_UPDATED: "New price",
    EventType.ITEM_UNLISTED: "Taken down",
    EventType.LISTING_SETTLED: "You settled a doubt",
    EventType.ITEM_DELETED: "Removed",
    EventType.ORDER_SHIPPED: "Marked as shipped",
    EventType.ORDER_SHIP_FAILED: "Could not be marked as shipped",
}
CALLS: Mapping[str, str] = {
    "create": "Tradera: make the ad, unseen yet",
    "image": "Tradera: send a picture",
    "commit": "Tradera: make the ad visible",
    "results": "Tradera: ask what became of it",
    "price": "Tradera: set the price",
    "end": "Tradera: end the ad",
    "read_item": "Tradera: look at the ad",
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


def why(view: ItemView, words: Words) -> str | None:
    """What the item waits for, or what is being done about it just now; None when nothing."""
    listing = view.listing
    if view.item.delete_requested:
        return words.t("It is removed as soon as Tradera has ended its ad.")
    if listing is None or not listing.state.is_open:
        return None
    if is_in_doubt(listing):
        return words.t(
            "Nobody knows whether its ad {ad} is up: Tradera never said. Look for that number at Tradera, then say below what you saw.",
            ad=listing.tradera_item_id,
        )
    return _in_queue(view, words) if listing.state is ListingState.QUEUED else _at_tradera(listing, words)


def _at_tradera(listing: Listing, words: Words) -> str | None:
    if listing.end_wish is not None:
        return words.t("Its ad is being ended.")
    if listing.state in {ListingState.ADDING, ListingState.ADDED}:
        return words.t("It is being sent to Tradera.")
    if listing.state is ListingState.LIVE:
        return None
    return words.t("Tradera is working on it; rheod asks {when}.", when=words.ago(listing.ask_at))


def _in_queue(view: ItemView, words: Words) -> str:
    pending = sum(picture.state is PictureState.PENDING for picture in view.pictures)
    if pending:
        return words.t("It waits for its pictures; still being fetched: {n}.", n=pending)
    if view.queue is None:
        return words.said(view.waits_for) if view.waits_for else words.t("It goes out now.")
    place = words.t(
        "Place {n} in the queue; expected to go out {when}.",
        n=view.queue.position,
        when=words.when(view.queue.expected_at),
    )
    return f"{place} {words.said(view.waits_for)}" if view.waits_for else place
