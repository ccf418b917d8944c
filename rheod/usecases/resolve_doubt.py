"""The owner's word on a listing in doubt: Tradera took its commit, or did not, and rheod has stopped asking.

The only place where something else than Tradera's answer says whether an ad is up, so it is noted in the history.
"""

from __future__ import annotations

from rheod.domain.errors import Refused
from rheod.domain.inputs import PublishFailed, WentLive
from rheod.domain.lifecycle import REFUSALS, Move
from rheod.domain.model import Event, EventType, Item, ItemType, Listing, ListingState
from rheod.domain.text import Text
from rheod.store import items
from rheod.usecases.transaction import Transaction

NOT_LIVE = Text("The owner looked: Tradera never showed this ad")


def settle(tx: Transaction, item: Item, *, ad_id: int | None, site_url: str) -> str:
    """Note that the ad `ad_id` is up, or with None that there is none; after that the item may be published again.

    Raises Refused (CONFLICT) where nothing is in doubt, rheod still asks, or the ad is not the one Tradera announced.
    """
    listing = _in_doubt(items.latest_listing(tx.db, item.id))
    live = ad_id is not None
    if live and ad_id != listing.tradera_item_id:
        raise Refused(
            "CONFLICT",
            Text(
                "The ad in doubt is {ad}, not {other}: look for that number",
                ad=listing.tradera_item_id,
                other=ad_id,
            ),
        )
    data = {"live": live, "traderaAdId": str(listing.tradera_item_id)}
    tx.tell(item, Event(type=EventType.LISTING_SETTLED, data=data))
    if not live:
        tx.apply(item, listing, PublishFailed(error=NOT_LIVE))
        return Text("Noted: there is no ad. The item can be published again.")
    url = f"{site_url}/item/{ad_id}"
    since = listing.commit_sent_at  # its days at Tradera are counted from about then
    tx.apply(item, listing, WentLive(ad_url=url, since=since))
    return Text("Noted: the ad is live at {url}", url=url)


def is_in_doubt(listing: Listing) -> bool:
    """Whether a commit was sent, nobody knows what became of it, and rheod has given up asking."""
    return listing.state in {ListingState.COMMITTING, ListingState.COMMITTED} and listing.ask_at is None


def why_not_published(item: Item, previous: Listing | None) -> Text | None:
    """What forbids a new ad of this item whose latest listing is `previous`; None when nothing does.

    An order to publish is refused with it, and a dry run stops at it. Whoever has an open ad needs no new one.
    """
    if item.spec.type is ItemType.CONTAINER:
        return Text("A container is never listed")
    if item.delete_requested:
        return Text("The item is being deleted")
    if previous is not None and is_in_doubt(previous):
        return Text("Its last ad is in doubt: look for it, then say what you saw (rheod items settle)")
    if previous is not None and previous.state.is_open:
        return None
    return REFUSALS.get((Move.PUBLISH_ORDERED, item.rheo_status))


def _in_doubt(listing: Listing | None) -> Listing:
    if listing is not None and is_in_doubt(listing):
        return listing
    if listing is not None and listing.ask_at is not None:
        raise Refused(
            "CONFLICT", Text("rheod is still asking Tradera about this ad and settles it by itself")
        )
    raise Refused("CONFLICT", Text("Nothing is in doubt about this item's ad"))
