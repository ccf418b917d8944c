"""Items that are held until the owner has chosen a category or given what Tradera requires, and how they are let go.

The check costs no call: it is made with the tree and the definitions that stand in the store, within the transaction that
changes the item, and once more before its ad is created.
"""

from __future__ import annotations

from dataclasses import replace

from rheod.domain.effects import Change
from rheod.domain.errors import Text
from rheod.domain.inputs import CategorySeen, Held, Released, StartedOver
from rheod.domain.model import (
    Event,
    EventType,
    JobKind,
    Listing,
    ListingState,
    PictureState,
    QueueName,
    SellerAd,
)
from rheod.domain.placement import REFUSED, refused_by_tradera
from rheod.store import accounts, ads, items, jobs
from rheod.usecases.transaction import Store, Transaction

WAITS_FOR_TREE = Text("Waits for Tradera's categories: without them nothing can be chosen for this item")
"""Why a job to publish waits that goes on as soon as the tree is there."""

_A_CHUNK = 200
"""So many held items are looked at in one transaction: each takes some of the writer's time."""


def settled(tx: Transaction, change: Change) -> Change:
    """The change, and that its waiting listing is held or let go: neither where another says what becomes of it.

    Of a listing that is under way nothing is said here: its publisher looks again before it creates anything.
    """
    listing = change.listing
    if listing is None or listing.state is not ListingState.QUEUED or change.removed:
        return change
    placement = tx.place(change.item, was_listed=listing.generation > 1)
    if placement.fault is not None:
        return _held(tx, change, Held(reason=placement.fault, missing=placement.missing))
    if not listing.is_held:
        return change
    pictures = items.pictures(tx.db, change.item.id)
    released = Released(
        pictures=sum(each.state is PictureState.READY for each in pictures),
        pictures_settled=all(each.state is not PictureState.PENDING for each in pictures),
    )
    return change.then(released, now=tx.now)


def _held(tx: Transaction, change: Change, given: Held) -> Change:
    """The change with its listing held: no order to publish it stays."""
    assert change.listing is not None
    listing_id = change.listing.id
    jobs.drop(tx.db, JobKind.PUBLISH, [listing_id])
    after = change.then(given, now=tx.now)
    ordered = tuple(job for job in after.jobs if (job.kind, job.subject) != (JobKind.PUBLISH, listing_id))
    return replace(after, jobs=ordered)


def look_again(tx: Transaction, listing_id: str, *, refused: str | None = None) -> None:
    """Hold a listing of which nothing was committed, or let it go, as its item stands now.

    With `refused`, which are Tradera's words, an item is held that nothing else holds.
    """
    listing = items.listing(tx.db, listing_id)
    item = items.by_id(tx.db, listing.item_id)
    before = Change(item=item, listing=listing)
    if listing.state in {ListingState.ADDING, ListingState.ADDED}:
        before = before.then(StartedOver(), now=tx.now)
    after = settled(tx, before)
    if after.listing is not None and not after.listing.is_held and refused is not None:
        words = refused_by_tradera(tx.place(item).category_id, refused)
        after = _held(tx, after, Held(reason=words))
    tx.record(item, listing, after)


def see_category(tx: Transaction, ad: SellerAd) -> None:
    """Tradera shows a live ad in another category than we know it in: the owner is told once, and a return goes there too."""
    listing = items.listing_of_number(tx.db, ad.tradera_item_id)
    if ad.category_id is None or listing is None or listing.category_id in {None, ad.category_id}:
        return
    item, tree = items.by_id(tx.db, listing.item_id), tx.placing().chooser.tree
    path = "" if tree is None else tree.path_text(ad.category_id)
    moved = Text(
        "Tradera has moved the ad from category {before} to {category}{path}: a return goes there too, unless the item names a category",
        before=listing.category_id,
        category=ad.category_id,
        path=f" ({path})" if path else "",
    )
    warning = moved if listing.warning is None else Text("{first}. {then}", first=listing.warning, then=moved)
    seen = CategorySeen(category_id=ad.category_id, warning=warning)
    change = tx.apply(item, listing, seen)
    if change.refusal is None:
        data = {
            "traderaAdId": str(ad.tradera_item_id),
            "from": listing.category_id,
            "to": ad.category_id,
            "path": path or None,
        }
        tx.tell(item, Event(type=EventType.LISTING_MOVED, data=data))


def tree_came(tx: Transaction) -> None:
    """Let those go on at once that have waited for it."""
    jobs.end_wait(tx.db, JobKind.PUBLISH, WAITS_FOR_TREE, now=tx.now)
    tx.woken.add(QueueName.TRADERA)


async def look_at_all(store: Store, *, also_refused: bool) -> int:
    """Look again at every held item, those that Tradera alone has refused only if wanted; returns how many went on."""
    every = await store.read(accounts.ids)
    return sum([await _look_at_account(store, each, also_refused=also_refused) for each in every])


async def _look_at_account(store: Store, account_id: str, *, also_refused: bool) -> int:
    released, after = 0, ""
    while True:

        def chunk(tx: Transaction, after: str = after) -> tuple[list[Listing], int]:
            found = ads.held(tx.db, account_id, after=after, limit=_A_CHUNK)
            wanted = [each for each in found if also_refused or not _is_refusal(each)]
            for each in wanted:
                look_again(tx, each.id)
            return found, sum(not items.listing(tx.db, each.id).is_held for each in wanted)

        found, gone = await store.write(chunk)
        released += gone
        if len(found) < _A_CHUNK:
            return released
        after = found[-1].id


def _is_refusal(listing: Listing) -> bool:
    return isinstance(listing.held, Text) and listing.held.template == REFUSED
