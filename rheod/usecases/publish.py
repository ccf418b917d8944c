"""The steps of one publishing, as the publisher reports them: each stores the state before or after one Tradera call.

The rules that keep an item from being auctioned twice live here and in the schema: create may be repeated only before
a commit was sent, a commit only with the same request id, and a listing that may be visible blocks every other.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, replace

from rheod.domain.ad_text import whole_kronor
from rheod.domain.errors import Permanent
from rheod.domain.inputs import (
    AdClosed,
    EndRefused,
    PublishFailed,
    PublishInDoubt,
    Repriced,
    SellerTokenRefused,
    SyncRefused,
    WentLive,
)
from rheod.domain.lifecycle import Change
from rheod.domain.model import (
    CloseReason,
    Item,
    JobKind,
    JobOrder,
    Listing,
    ListingState,
    Picture,
    PictureState,
    QueueName,
)
from rheod.domain.text import Text
from rheod.store import items
from rheod.store.jobs import Owner
from rheod.usecases.transaction import Transaction


@dataclass(frozen=True, slots=True)
class PublishPlan:
    """A listing with all its publishing needs: the item and its pictures in order."""

    item: Item
    listing: Listing
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class AskSchedule:
    """When the first answer is asked for after a commit, in ms."""

    first_ask_ms: int


def plan(db: sqlite3.Connection, listing_id: str) -> PublishPlan | None:
    """What is to be published now, or None while pictures are missing."""
    listing = items.listing(db, listing_id)
    pictures = items.pictures(db, listing.item_id)
    if any(picture.state is PictureState.PENDING for picture in pictures):
        return None
    ready = tuple(picture for picture in pictures if picture.state is PictureState.READY)
    return PublishPlan(items.by_id(db, listing.item_id), listing, ready)


def start_create(tx: Transaction, plan: PublishPlan, days: int) -> bool:
    """Before create: note the intent and what the ad will show and for how many `days`. False when the owner has taken it back."""
    listing = items.listing(tx.db, plan.listing.id)
    if listing.state not in {ListingState.QUEUED, ListingState.ADDING, ListingState.ADDED}:
        return False
    _save(
        tx,
        replace(
            listing,
            state=ListingState.ADDING,
            item_version=plan.item.version,
            price_kr=whole_kronor(plan.item.spec.price_ore or 100),
            days=days,
            request_id=None,
            tradera_item_id=None,
            added_at=None,
            pictures_sent=0,
            picture_in_doubt=False,
        ),
    )
    return True


def created(tx: Transaction, listing_id: str, request_id: int, tradera_item_id: int) -> bool:
    """After create: both ids are stored before anything else is done with them.

    Raises Permanent when Tradera gave numbers that another listing has (F51): nothing of that one is touched.
    """
    listing = items.listing(tx.db, listing_id)
    if listing.state is not ListingState.ADDING:
        return False
    if items.numbers_taken(tx.db, request_id, tradera_item_id):
        raise Permanent(
            Text(
                "Tradera gave this item the numbers of another ({ad}); nothing was committed",
                ad=tradera_item_id,
            )
        )
    _save(
        tx,
        replace(
            listing,
            state=ListingState.ADDED,
            request_id=request_id,
            tradera_item_id=tradera_item_id,
            added_at=tx.now,
        ),
    )
    return True


def start_picture(tx: Transaction, listing_id: str) -> bool:
    """Before a picture: from here to its answer it may have arrived. False when the listing must stop or start over."""
    listing = items.listing(tx.db, listing_id)
    if not _still_shows(tx, listing):
        return False
    _save(tx, replace(listing, picture_in_doubt=True))
    return True


def picture_sent(tx: Transaction, listing_id: str) -> bool:
    """After a picture was taken. False when the owner has taken the listing back meanwhile."""
    listing = items.listing(tx.db, listing_id)
    if listing.state is not ListingState.ADDED:
        return False
    _save(tx, replace(listing, pictures_sent=listing.pictures_sent + 1, picture_in_doubt=False))
    return True


def start_commit(tx: Transaction, listing_id: str, request_id: int, schedule: AskSchedule) -> bool:
    """Before commit: from here on this request is the only one the listing may ever have, and answers are asked for.

    False when the owner has taken the item back or changed it, or when the listing has another request by now: this
    one must not be committed then.
    """
    listing = items.listing(tx.db, listing_id)
    if listing.request_id != request_id:
        return False
    if listing.state in {ListingState.COMMITTING, ListingState.COMMITTED}:
        _save(tx, replace(listing, ask_at=tx.now + schedule.first_ask_ms))  # the same request, after asking
        return True
    if not _still_shows(tx, listing):
        return False
    now = tx.now
    committing = replace(listing, state=ListingState.COMMITTING, commit_sent_at=now, waits_since=now, asked=0)
    _ask_again(tx, committing, schedule.first_ask_ms)
    return True


def committed(tx: Transaction, listing_id: str, schedule: AskSchedule) -> bool:
    """After commit was answered."""
    listing = items.listing(tx.db, listing_id)
    if listing.state is ListingState.COMMITTING:
        _ask_again(tx, replace(listing, state=ListingState.COMMITTED), schedule.first_ask_ms)
    return True


def commit_refused(tx: Transaction, listing_id: str, error: str) -> None:
    """Tradera answered the commit with a refusal: what it means is settled by asking for the result."""
    listing = items.listing(tx.db, listing_id)
    if listing.state is ListingState.COMMITTING:
        _save(tx, replace(listing, error=error))


def start_over(tx: Transaction, listing_id: str) -> None:
    """The item changed, or the request is stale, before any commit: throw the request away and queue anew."""
    listing = items.listing(tx.db, listing_id)
    if listing.state in {ListingState.ADDING, ListingState.ADDED}:
        queued = replace(
            listing, state=ListingState.QUEUED, request_id=None, tradera_item_id=None, added_at=None
        )
        _save(tx, replace(queued, pictures_sent=0, picture_in_doubt=False))


def in_queue(tx: Transaction, listing_id: str) -> None:
    """Tradera's queue has the request: the commit whose answer was lost has arrived and is never repeated."""
    listing = items.listing(tx.db, listing_id)
    if listing.state is ListingState.COMMITTING:
        _save(tx, replace(listing, state=ListingState.COMMITTED))


def ask_later(tx: Transaction, listing_id: str, delay_ms: int, *, counted: bool) -> None:
    """No result yet: ask again after `delay_ms`.

    Not `counted` when the listing was only asked for along with another: its own questions are what patience is
    measured by, and its own time is kept when it is later.
    """
    listing = items.listing(tx.db, listing_id)
    if listing.state in {ListingState.COMMITTING, ListingState.COMMITTED}:
        ask_at = max(tx.now + delay_ms, 0 if counted else listing.ask_at or 0)
        _save(tx, replace(listing, asked=listing.asked + int(counted), ask_at=ask_at))


def went_live(tx: Transaction, listing_id: str, ad_url: str) -> Change:
    """The ad is visible."""
    item, listing = _both(tx, listing_id)
    wanted = whole_kronor(item.spec.price_ore or 100)
    return tx.apply(item, listing, WentLive(at=tx.now, ad_url=ad_url, wanted_kr=wanted))


def runs_until(tx: Transaction, listing_id: str, ends_at: int) -> None:
    """Tradera shows the ad with this end (ms): our own reckoning of it was a guess."""
    listing = items.listing(tx.db, listing_id)
    if listing.state is ListingState.LIVE and listing.ends_at != ends_at:
        _save(tx, replace(listing, ends_at=ends_at))


def failed(tx: Transaction, listing_id: str, error: str) -> Change:
    """The listing will never be visible."""
    item, listing = _both(tx, listing_id)
    return tx.apply(item, listing, PublishFailed(error=error))


def in_doubt(tx: Transaction, listing_id: str, error: str) -> Change:
    """A human must look: nobody could say whether the ad is visible."""
    item, listing = _both(tx, listing_id)
    return tx.apply(item, listing, PublishInDoubt(error=error))


def token_refused(tx: Transaction, listing_id: str, error: str, since: int) -> Change:
    """The seller's token is dead, as of `since` (ms): told once for this item, which goes on when there is another."""
    item, listing = _both(tx, listing_id)
    return tx.apply(item, listing, SellerTokenRefused(error=error, since=since))


def ended(tx: Transaction, listing_id: str) -> Change:
    """Tradera has ended the ad as the owner wished, or it was down already."""
    item, listing = _both(tx, listing_id)
    return tx.apply(item, listing, AdClosed(reason=CloseReason.CLOSED_BY_SELLER, at=tx.now))


def end_refused(tx: Transaction, listing_id: str, error: str) -> Change:
    """Tradera keeps the ad up."""
    item, listing = _both(tx, listing_id)
    return tx.apply(item, listing, EndRefused(error=error))


def repriced(tx: Transaction, listing_id: str, price_kr: int) -> Change:
    """Tradera shows the new price."""
    item, listing = _both(tx, listing_id)
    return tx.apply(item, listing, Repriced(price_kr=price_kr))


def reprice_refused(tx: Transaction, listing_id: str, error: str) -> Change:
    """Tradera keeps the old price; the item keeps the new one here."""
    item, listing = _both(tx, listing_id)
    return tx.apply(item, listing, SyncRefused(error=error))


def _both(tx: Transaction, listing_id: str) -> tuple[Item, Listing]:
    listing = items.listing(tx.db, listing_id)
    return items.by_id(tx.db, listing.item_id), listing


def _still_shows(tx: Transaction, listing: Listing) -> bool:
    """Whether the uncommitted request is still wanted and shows the item as it is now (price apart)."""
    item = items.by_id(tx.db, listing.item_id)
    return listing.state is ListingState.ADDED and listing.item_version == item.version


def _ask_again(tx: Transaction, listing: Listing, delay_ms: int) -> None:
    _save(tx, replace(listing, ask_at=tx.now + delay_ms))
    wanted = JobOrder(
        queue=QueueName.TRADERA, kind=JobKind.RESULTS, subject=listing.account_id, delay_ms=delay_ms
    )
    tx.order_for(wanted, Owner(account_id=listing.account_id))


def _save(tx: Transaction, listing: Listing) -> None:
    items.save_listing(tx.db, listing, now=tx.now)
