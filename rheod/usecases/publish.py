"""One publishing of an item as its publisher reports it: what is to be sent now, and each step, before and after a call.

Steps go through the tables of `domain/lifecycle.py`, which keep an item from being auctioned twice: a request may be
made anew only before its commit was sent, and a listing that may be visible blocks every other. The schema refuses
the same once more.

The owner's word on a listing in doubt: Tradera took its commit, or did not, and rheod has found nothing.

The only place where something else than Tradera's answer says whether an ad is up, so it is noted in the history.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from rheod.domain import effects
from rheod.domain.effects import Change
from rheod.domain.errors import Permanent, Refused, Text
from rheod.domain.inputs import Created, Input, PublishFailed, Step, WentLive
from rheod.domain.lifecycle import REFUSALS, Move
from rheod.domain.model import Event, EventType, Item, ItemType, Listing, Picture, PictureState, QueueName
from rheod.domain.pictures import distinct
from rheod.store import items, key_value
from rheod.usecases.transaction import Store, Transaction


@dataclass(frozen=True, slots=True)
class PublishPlan:
    """A listing with all its publishing needs: the item, its pictures in order, each content once, its ad before this one."""

    item: Item
    listing: Listing
    pictures: tuple[Picture, ...]
    earlier: Listing | None = None


@dataclass(frozen=True, slots=True)
class AskSchedule:
    """When the first answer is asked for after a commit, in ms."""

    first_ask_ms: int


_PAUSED = "publishing.paused"


def paused_since(db: sqlite3.Connection) -> int | None:
    """Since when the owner has paused all publishing (ms); None while it goes on."""
    kept = key_value.get(db, _PAUSED)
    return None if kept is None else int(kept)


class PublishingPause:
    """The owner's word that nothing goes out, or that it goes on. `told` hears since when, as soon as it is stored."""

    def __init__(self, *, store: Store, told: Callable[[int | None], None]) -> None:
        self._store = store
        self._told = told

    async def since(self) -> int | None:
        """Since when everything is paused (ms); None while it goes on."""
        return await self._store.read(paused_since)

    async def pause(self, *, paused: bool) -> Text:
        """Let no ad go out until further notice, or let them go on. What is up stays up, and what was sold is seen to."""

        def write(tx: Transaction) -> int | None:
            before = paused_since(tx.db)
            since = (before or tx.now) if paused else None
            if since is None:
                key_value.drop(tx.db, _PAUSED)
            else:
                key_value.put(tx.db, _PAUSED, str(since))
            tx.afterwards.append(lambda: self._told(since))
            tx.woken.add(QueueName.TRADERA)
            return since

        if await self._store.write(write) is None:
            return Text("Resumed: what has waited goes out as its turn comes")
        return Text("Paused: no ad goes out until you resume")


def plan(db: sqlite3.Connection, listing_id: str) -> PublishPlan | None:
    """What is to be published now, or None while pictures are missing."""
    listing = items.listing(db, listing_id)
    pictures = items.pictures(db, listing.item_id)
    if any(picture.state is PictureState.PENDING for picture in pictures):
        return None
    ready = [picture for picture in pictures if picture.state is PictureState.READY]
    earlier = items.earlier_ad(db, listing)
    return PublishPlan(items.by_id(db, listing.item_id), listing, distinct(ready), earlier)


def step(tx: Transaction, listing_id: str, given: Input) -> Change:
    """Store what has happened to a listing, or what is about to, with the jobs and events it causes.

    A call to Tradera is two steps: `CreateStarted`, `PictureStarted` or `CommitStarted` in the transaction that notes
    the call in the ledger, `Created`, `PictureSent`, `CommitAnswered`, `CommitRefused` or `NoAnswer` in the one that stores its answer::

        change = publish.step(tx, listing.id, CommitStarted(request_id=request_id, ask_in_ms=10_000))
        if change.refusal: ...

    With a `refusal` the listing has not taken the step and nothing was written: before a call it must not be made (the
    owner has changed the item or taken it back, or the listing has gone on), after a call nothing more may be built on
    its answer. Everything else that happens to a listing (`WentLive`, `PublishFailed`, `AdClosed`...) is one input.

    Raises Permanent when Tradera gave numbers that another listing has: nothing of that one is touched.
    """
    listing = items.listing(tx.db, listing_id)
    item = items.by_id(tx.db, listing.item_id)
    change = effects.apply(item, listing, given, now=tx.now)
    made = given if isinstance(given, Created) and not change.refusal else None
    if made and items.numbers_taken(tx.db, made.request_id, made.tradera_item_id):
        raise Permanent(
            Text(
                "Tradera gave this item the numbers of another ({ad}); nothing was committed",
                ad=made.tradera_item_id,
            )
        )
    tx.record(item, listing, change, touch=not isinstance(given, Step))
    return change


NOT_LIVE = Text("The owner looked: Tradera never showed this ad")


def settle(tx: Transaction, item: Item, *, ad_id: int | None, site_url: str) -> str:
    """Note that the ad `ad_id` is up, or with None that there is none; after that the item may be published again.

    Raises Refused (CONFLICT) where nothing is in doubt, rheod still asks for the result, or the ad is not the one Tradera announced.
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
        return Text(
            "Noted: there is no ad. The item can be published again. The risk: should ad {ad} still appear, two ads of"
            " one thing may be up until rheod has ended the newer, and it cannot end one that has bids",
            ad=listing.tradera_item_id,
        )
    url = f"{site_url}/item/{ad_id}"
    since = listing.commit_sent_at  # its days at Tradera are counted from about then
    tx.apply(item, listing, WentLive(ad_url=url, since=since))
    return Text("Noted: the ad is live at {url}", url=url)


def why_not_published(item: Item, previous: Listing | None) -> Text | None:
    """What forbids a new ad of this item whose latest listing is `previous`; None when nothing does.

    An order to publish is refused with it, and a dry run stops at it. Whoever has an open ad needs no new one.
    """
    if item.spec.type is ItemType.CONTAINER:
        return Text("A container is never listed")
    if item.delete_requested:
        return Text("The item is being deleted")
    if previous is not None and previous.is_in_doubt:
        return Text("Its last ad is in doubt: look for it, then say what you saw (rheod items settle)")
    if previous is not None and previous.state.is_open:
        return None
    return REFUSALS.get((Move.PUBLISH_ORDERED, item.rheo_status))


def _in_doubt(listing: Listing | None) -> Listing:
    if listing is not None and listing.is_in_doubt:
        return listing
    if listing is not None and listing.ask_at is not None:
        raise Refused(
            "CONFLICT", Text("rheod is still asking Tradera about this ad and settles it by itself")
        )
    raise Refused("CONFLICT", Text("Nothing is in doubt about this item's ad"))
