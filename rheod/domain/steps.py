"""What each step of a publishing notes on its listing, beside the state that `lifecycle.py` gives it.

Also what holds an item and lets it go: it stays on its way to Tradera and keeps its listing, only nothing is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from rheod.domain.ad_text import whole_kronor
from rheod.domain.budget import publish_cost
from rheod.domain.event_payloads import NeedsAttention, rfc3339
from rheod.domain.inputs import (
    CategorySeen,
    CommitAnswered,
    CommitRefused,
    CommitStarted,
    Created,
    CreateStarted,
    EndSeen,
    Held,
    NoAnswer,
    PictureSent,
    PictureStarted,
    Released,
    ResultWaits,
    StartedOver,
    Step,
)
from rheod.domain.ladder import Ladder
from rheod.domain.lifecycle import Move, moved_listing
from rheod.domain.model import Event, Item, JobKind, JobOrder, Listing, QueueName, SellerAd


def without_request(listing: Listing) -> Listing:
    """The listing as if nothing of it had been sent."""
    return replace(
        listing,
        request_id=None,
        tradera_item_id=None,
        added_at=None,
        pictures_sent=0,
        picture_in_doubt=False,
    )


def asked_kr(item: Item, listing: Listing) -> int:
    """What the ad is to ask, in whole kronor: the price on its ladder, else the item's."""
    if listing.ladder is not None:
        return listing.ladder.price_kr
    return whole_kronor(item.spec.price_ore or 100)


def on_new_ladder(listing: Listing, price_kr: int, now: int) -> Listing:
    """The listing once its ERP has given another price, also where Tradera will not let the ad have it."""
    late = listing.state.may_be_live and listing.price_kr != price_kr
    anew = Ladder(first_kr=price_kr, price_kr=price_kr, began_at=now)
    return replace(listing, ladder=anew if late else None)


def ladder_followed(restarted: Listing, price_kr: int | None) -> Ladder | None:
    """The ladder of an ad that its seller has started again: that of the ad before, unless it begins anew at their price."""
    ladder = restarted.ladder
    begins = ladder is not None and not ladder.attempt and restarted.price_kr != price_kr
    return None if begins else ladder


def asked_by(ad: SellerAd) -> int | None:
    """What an ad at Tradera asks, in whole kronor."""
    return ad.buy_now_kr if ad.opening_kr is None else ad.opening_kr


def _create_started(listing: Listing, step: CreateStarted, _now: int) -> Listing:
    return replace(
        without_request(listing),
        item_version=step.item.version,
        price_kr=asked_kr(step.item, listing),
        days=step.days,
        category_id=step.category_id,
        warning=step.warning,
    )


def _created(listing: Listing, step: Created, now: int) -> Listing:
    request_id, ad = step.request_id, step.tradera_item_id
    return replace(listing, request_id=request_id, tradera_item_id=ad, added_at=now)


def _commit_started(listing: Listing, step: CommitStarted, now: int) -> Listing:
    """The first commit starts the wait for its result; the same one sent again only puts off the next question."""
    if listing.commit_sent_at is None:
        listing = replace(listing, commit_sent_at=now, waits_since=now, asked=0)
    return replace(listing, ask_at=now + step.ask_in_ms)


def _category_seen(listing: Listing, step: CategorySeen, _now: int) -> Listing:
    return replace(
        listing, category_id=step.category_id, moved_from=listing.category_id, warning=step.warning
    )


def _result_waits(listing: Listing, step: ResultWaits, now: int) -> Listing:
    kept = 0 if step.counted else listing.ask_at or 0
    at = max(now + step.ask_in_ms, kept)
    return replace(listing, asked=listing.asked + int(step.counted), ask_at=at)


STEPS: Mapping[type[Step], tuple[Move, Callable[[Listing, Any, int], Listing]]] = {
    CreateStarted: (Move.CREATE_STARTED, _create_started),
    Created: (Move.CREATED, _created),
    PictureStarted: (
        Move.PICTURE_STARTED,
        lambda listing, _step, _now: replace(listing, picture_in_doubt=True),
    ),
    PictureSent: (
        Move.PICTURE_SENT,
        lambda listing, _step, _now: replace(
            listing, pictures_sent=listing.pictures_sent + 1, picture_in_doubt=False
        ),
    ),
    CommitStarted: (Move.COMMIT_STARTED, _commit_started),
    CommitAnswered: (
        Move.COMMIT_ANSWERED,
        lambda listing, step, now: replace(
            listing, ask_at=listing.ask_at if step.ask_in_ms is None else now + step.ask_in_ms
        ),
    ),
    CommitRefused: (Move.COMMIT_REFUSED, lambda listing, step, _now: replace(listing, error=step.error)),
    NoAnswer: (Move.NO_ANSWER, lambda listing, _step, _now: listing),
    StartedOver: (Move.STARTED_OVER, lambda listing, _step, _now: without_request(listing)),
    ResultWaits: (Move.RESULT_WAITS, _result_waits),
    EndSeen: (Move.END_SEEN, lambda listing, step, _now: replace(listing, ends_at=step.ends_at)),
    CategorySeen: (Move.CATEGORY_SEEN, _category_seen),
}
"""The move of each step, and the facts it brings beside the state."""


def outdated(item: Item, listing: Listing, step: Step) -> str | None:
    """Why the request is not the one to go on with, though the listing's state would allow it; a price is no reason."""
    if isinstance(step, CreateStarted) and listing.is_held:
        return "It is held"
    if isinstance(step, CommitStarted) and step.request_id != listing.request_id:
        return "It has another request by now"
    uses_request = isinstance(step, PictureStarted | CommitStarted) and not listing.state.may_be_live
    if uses_request and listing.item_version != item.version:
        return "The item has changed since its request was made"
    return None


Outcome = tuple[Item, Listing | None, tuple[JobOrder, ...], tuple[Event, ...]]


def hold_or_release(item: Item, listing: Listing | None, given: Held | Released, now: int) -> Outcome:
    """The item and its listing after it, with the jobs and events it causes; of a listing under way nothing changes."""
    after = listing and moved_listing(listing, Move.HELD if isinstance(given, Held) else Move.RELEASED)
    if listing is None or after is None:
        return item, listing, (), ()
    if isinstance(given, Released):
        if not listing.is_held:
            return item, listing, (), ()
        free = replace(after, held=None, held_missing=(), held_since=None)
        order = JobOrder(
            queue=QueueName.TRADERA,
            kind=JobKind.PUBLISH,
            subject=listing.id,
            cost=publish_cost(given.pictures),
        )
        return unheld(item, listing), free, (order,) if given.pictures_settled else (), ()
    if listing.is_held and (listing.held, listing.held_missing) == (given.reason, given.missing):
        return item, listing, (), ()
    held = replace(without_request(after), held=given.reason, held_missing=given.missing, held_since=now)
    told = NeedsAttention(reason=given.reason, missing=given.missing, since=rfc3339(now))
    event = told.event(once=f"held:{listing.id}:{told.digest}")
    return replace(item, last_error=given.reason), held, (), (event,)


def unheld(item: Item, listing: Listing) -> Item:
    """The item without the sentence that held it."""
    return replace(item, last_error=None) if listing.is_held and item.last_error == listing.held else item
