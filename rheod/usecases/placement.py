"""Tradera's categories and their attributes as they are kept here, and items that are held until one can be placed there.

What is read, and when again, is said here; `tradera/reference_data.py` reads it. An item is held until the owner has chosen a
category or given what Tradera requires. That check costs no call: it is made with the tree and the definitions that stand
in the store, within the transaction that changes the item, and once more before its ad is created.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, replace

from rheod.domain.answers import SellerAd
from rheod.domain.categories import CategoryTree, LeafAttributes
from rheod.domain.effects import Change
from rheod.domain.errors import Text
from rheod.domain.freight import ProductKey, ShippingTable
from rheod.domain.inputs import CategorySeen, Held, Released, StartedOver
from rheod.domain.model import (
    Event,
    EventType,
    JobKind,
    JobOrder,
    Listing,
    ListingState,
    PictureState,
    QueueName,
)
from rheod.domain.placement import REFUSED, refused_by_tradera
from rheod.store import accounts, ads, items, jobs, reference_data
from rheod.store.jobs import Owner
from rheod.store.reference_data import Kept, Subject
from rheod.usecases.transaction import Store, Transaction

HOUR_MS = 3600 * 1000
WEEK_MS = 7 * 24 * HOUR_MS
EVERY_MS = {Subject.CATEGORIES: WEEK_MS, Subject.DEFINITIONS: WEEK_MS, Subject.SHIPPING: 12 * HOUR_MS}
"""How old what is kept may be before it is read again."""

REFUSAL_MS = EVERY_MS[Subject.SHIPPING]
"""A product that Tradera has refused an ad for is passed over for this long."""

USED_MS = 4 * WEEK_MS
"""A leaf that no ad was asked for in this time is not read again."""

LEAST_SHARE = 0.8
"""A tree with fewer categories than this share of the last one is not believed."""

_NOTED_MS = 24 * HOUR_MS


@dataclass(frozen=True, slots=True)
class FreightPrices:
    """Tradera's table of freight, None when none was read yet, and the products that it refuses ads for."""

    table: ShippingTable | None
    refused: frozenset[ProductKey]


class ReferenceData:
    """Reads what is kept. A tree or table that has not been read anew is not parsed anew either."""

    def __init__(self, *, store: Store, account_id: str) -> None:
        self.store = store
        self.account_id = account_id
        """The account whose queue of jobs the readings stand in; they belong to all."""
        self._tree: CategoryTree | None = None

    async def tree(self) -> CategoryTree | None:
        """Tradera's categories; None when they were never read."""
        kept = await self.store.read(lambda db: reference_data.kept(db, Subject.CATEGORIES))
        if self._tree is None or self._tree.read_at != kept.read_at:
            self._tree = await self.store.read(reference_data.category_tree)
        return self._tree

    async def leaf(self, category_id: int) -> LeafAttributes | None:
        """The attributes of a leaf; None when they were never read."""
        return await self.store.read(lambda db: reference_data.definitions(db, category_id))

    async def leaves(self) -> dict[int, LeafAttributes]:
        """The attributes of every leaf that was read."""
        return await self.store.read(reference_data.all_definitions)

    async def freight(self) -> FreightPrices:
        """Tradera's freight prices."""
        since = self.store.now() - REFUSAL_MS
        return await self.store.read(
            lambda db: FreightPrices(
                reference_data.shipping_table(db), reference_data.refused_products(db, since=since)
            )
        )

    async def read_what_is_old(self) -> None:
        """Order what was never read or has become old; of leaves those that ads were asked for lately."""

        def order(tx: Transaction) -> None:
            kept = {(each.subject, each.leaf): each for each in reference_data.standing(tx.db)}
            for subject in (Subject.CATEGORIES, Subject.SHIPPING):
                kept.setdefault((subject, 0), Kept(subject, 0, None, None, None, None))
            for each in kept.values():
                in_use = each.subject is not Subject.DEFINITIONS or (each.used_at or 0) > tx.now - USED_MS
                if in_use and (each.read_at or 0) + EVERY_MS[each.subject] <= tx.now and each.fault is None:
                    self._order(tx, each.subject, each.leaf)

        await self.store.write(order)

    async def standing(self) -> list[Kept]:
        """How old everything is, and what came instead of it and was not believed."""
        return await self.store.read(reference_data.standing)

    async def read_all_again(self) -> int:
        """The owner's word: read the tree, the freight and the leaves in use anew; returns how many calls that takes."""

        def order(tx: Transaction) -> int:
            leaves = [
                each.leaf
                for each in reference_data.standing(tx.db)
                if each.subject is Subject.DEFINITIONS and (each.used_at or 0) > tx.now - USED_MS
            ]
            wanted = [(Subject.CATEGORIES, 0), (Subject.SHIPPING, 0)]
            wanted += [(Subject.DEFINITIONS, leaf) for leaf in leaves]
            for subject, leaf in wanted:
                self._order(tx, subject, leaf)
            tx.probed.add(QueueName.TRADERA)
            return len(wanted)

        return await self.store.write(order)

    async def use(self, category_id: int) -> Kept:
        """An ad of this leaf is asked for: its attributes are read now if they never were, and kept fresh."""

        def look(db: sqlite3.Connection) -> Kept:
            return reference_data.kept(db, Subject.DEFINITIONS, category_id)

        def note(tx: Transaction) -> None:
            known = look(tx.db)  # another ad of this leaf may have come between
            if (known.used_at or 0) >= tx.now - _NOTED_MS:
                return
            reference_data.use_leaf(tx.db, category_id, now=tx.now)
            if known.read_at is None or known.read_at + WEEK_MS <= tx.now:
                self._order(tx, Subject.DEFINITIONS, category_id)

        kept = await self.store.read(look)
        if (kept.used_at or 0) < self.store.now() - _NOTED_MS:
            await self.store.write(note)
        return kept

    def read_again(self, tx: Transaction, subject: Subject, leaf: int = 0) -> None:
        """Read this at once: Tradera refused an ad by something that stands otherwise here."""
        self._order(tx, subject, leaf)

    def refuse(self, tx: Transaction, product: ProductKey) -> None:
        """Tradera refused an ad for this product of its table: pass it over, and read the table again."""
        reference_data.refuse_product(tx.db, product, now=tx.now, since=tx.now - REFUSAL_MS)
        self.read_again(tx, Subject.SHIPPING)

    def _order(self, tx: Transaction, subject: Subject, leaf: int = 0) -> None:
        name = f"{subject}:{leaf}" if leaf else subject.value
        wanted = JobOrder(queue=QueueName.TRADERA, kind=JobKind.REFERENCE, subject=name, cost=1)
        tx.order_for(wanted, Owner(account_id=self.account_id))


def keep_tree(tx: Transaction, tree: CategoryTree, *, beginning: str, believe: bool = False) -> Text | None:
    """Keep the tree, unless it has shrunk by more than a fifth: then the last one stays, and the reason is returned."""
    last = reference_data.count_categories(tx.db)
    if len(tree) < LEAST_SHARE * last and not believe:
        fault = Text(
            "Tradera's answer has {new} categories, where there were {old}: it is not believed. It begins: {beginning}",
            new=len(tree),
            old=last,
            beginning=beginning or "-",
        )
        reference_data.save_fault(tx.db, Subject.CATEGORIES, 0, fault, now=tx.now)
        return fault
    reference_data.save_tree(tx.db, tree)
    return None


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
            wanted = [
                each
                for each in found
                if also_refused or not (isinstance(each.held, Text) and each.held.template == REFUSED)
            ]
            for each in wanted:
                look_again(tx, each.id)
            return found, sum(not items.listing(tx.db, each.id).is_held for each in wanted)

        found, gone = await store.write(chunk)
        released += gone
        if len(found) < _A_CHUNK:
            return released
        after = found[-1].id
