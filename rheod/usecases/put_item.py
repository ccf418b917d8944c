"""The use case PUT: an item comes into being or becomes what the ERP says it is, with the work that causes.

The use case batch: many PUTs in one transaction, each refused for itself, parents before their children.

What a container may not be asked for: it groups items, is never listed, and goes only when it is empty.

Each rule is a refusal with a sentence; nothing here writes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import structlog

from rheod.domain.effects import Change
from rheod.domain.errors import FieldError, Refused, Text
from rheod.domain.event_payloads import ItemCreated
from rheod.domain.inputs import PicturesSettled, PriceChanged, PublishFailed, PublishOrdered
from rheod.domain.lifecycle import Move, asked_kr, moved
from rheod.domain.model import (
    Event,
    EventType,
    Item,
    ItemSpec,
    ItemType,
    JobKind,
    JobOrder,
    Listing,
    ListingState,
    Picture,
    PictureState,
    QueueName,
    RheoStatus,
    TraderaStatus,
    TraderaWish,
)
from rheod.domain.owner_text import fault_of_new_id, shows_something
from rheod.domain.pictures import uploaded_file
from rheod.store import items, jobs, picture_files
from rheod.store.columns import spec_text
from rheod.store.engine.connection import attempt
from rheod.usecases import ending, listings, placement, relisting
from rheod.usecases.transaction import Store, Transaction


def refuse_other_type(db: sqlite3.Connection, item: Item, given: ItemSpec, listing: Listing | None) -> None:
    """Raise Refused (CONFLICT) where a PUT would make a container of a listed item, or an item of a full container."""
    if given.type is item.spec.type:
        return
    if given.type is ItemType.CONTAINER and listing is not None and listing.state.is_open:
        raise Refused(
            "CONFLICT",
            Text(
                "The item is at Tradera or on its way there and cannot become a container: delist it first"
                " (PATCH status not_listed)"
            ),
        )
    if given.type is ItemType.ITEM and (count := _children(db, item)):
        raise Refused(
            "CONFLICT", Text("The container holds {n} item(s) and cannot become an item itself", n=count)
        )


def refuse_price_or_status(item: Item) -> None:
    """Raise Refused (CONFLICT) for a container: it has no price and is neither listed nor sold."""
    if item.spec.type is ItemType.CONTAINER:
        raise Refused(
            "CONFLICT", Text("A container has no price and is never listed; change the items in it")
        )


def refuse_to_orphan(db: sqlite3.Connection, item: Item) -> None:
    """Raise Refused (CONFLICT) where deleting a container would leave items behind."""
    if item.spec.type is ItemType.CONTAINER and (count := _children(db, item)):
        raise Refused(
            "CONFLICT",
            Text(
                "The container still holds {n} item(s): delete them, or PUT them without this parent, first",
                n=count,
            ),
        )


def _children(db: sqlite3.Connection, item: Item) -> int:
    return items.count_children(db, item.account_id, item.external_id)


NOT_SENT = Text("Must be a picture sent within a day: send it anew")


@dataclass(frozen=True, slots=True)
class PutResult:
    """What a PUT did; `message` is for the person who reads the ERP's log."""

    item_id: str
    outcome: Literal["created", "updated", "unchanged"]
    message: Text


def put(
    tx: Transaction, account_id: str, external_id: str, spec: ItemSpec, containers: set[str] | None = None
) -> PutResult:
    """Create or update one item within a transaction.

    `containers` are those that were parents in this transaction already, and get more; each is looked up but once.
    """
    known = set[str]() if containers is None else containers
    known.discard(external_id)
    _check_parent(tx.db, account_id, external_id, spec, known)
    standing = items.standing(tx.db, account_id, external_id)
    _check_what_shows(tx, account_id, external_id, spec, standing)
    if standing is None:
        return _create(tx, account_id, external_id, spec)
    if standing.delete_requested:
        raise Refused(
            "CONFLICT",
            Text(
                "The item is being deleted and its ad is still up at Tradera: PUT it again when GET answers 404"
            ),
        )
    return _update(tx, standing, spec)


def _check_what_shows(
    tx: Transaction, account_id: str, external_id: str, spec: ItemSpec, standing: Item | None
) -> None:
    """Raise Refused where a title shows nothing, or a new id what another shows: one thing would get two ads.

    Items that have such an id or title already stay reachable as they are.
    """
    wrong: list[FieldError] = []
    if standing is None:
        if fault := fault_of_new_id(external_id):
            wrong.append(FieldError("externalId", fault))
        elif items.looks_like_another(tx.db, account_id, external_id, tx.ids_with_unseen(account_id)):
            fault = Text("Must differ from the ids of other items by more than what cannot be seen")
            wrong.append(FieldError("externalId", fault))
    relisting.refuse_without_floor(tx.db, spec)
    if standing is None or standing.spec.tradera != spec.tradera:
        ending.refuse_bad_end(spec.tradera, now=tx.now)
    is_new = standing is None or standing.spec.title != spec.title
    if is_new and not shows_something(spec.title):
        wrong.append(FieldError("title", Text("Must have something to see")))
    if wrong:
        raise Refused("VALIDATION_FAILED", Text("Validation failed"), tuple(wrong))


def _check_parent(
    db: sqlite3.Connection, account_id: str, external_id: str, spec: ItemSpec, known: set[str]
) -> None:
    wanted = spec.parent_external_id
    if wanted is None:
        return
    if wanted not in known:
        parent = items.standing(db, account_id, wanted)
        if parent is None or parent.spec.type is not ItemType.CONTAINER or wanted == external_id:
            wrong = FieldError("parentExternalId", Text("Must be the external ID of an existing container"))
            raise Refused("VALIDATION_FAILED", Text("Validation failed"), (wrong,))
        known.add(wanted)
    if spec.type is ItemType.CONTAINER and external_id in items.ancestors(db, account_id, wanted):
        wrong = FieldError("parentExternalId", Text("Must not be inside the container itself"))
        raise Refused("VALIDATION_FAILED", Text("Validation failed"), (wrong,))


def _create(tx: Transaction, account_id: str, external_id: str, spec: ItemSpec) -> PutResult:
    item = Item(
        id=tx.new_id(),
        account_id=account_id,
        external_id=external_id,
        spec=spec,
        created_at=tx.now,
        updated_at=tx.now,
    )
    container = spec.type is ItemType.CONTAINER
    if container or not spec.image_urls:
        item = moved(item, Move.PICTURES_SETTLED)
    pictures = _wanted_pictures(tx, item, kept=[])
    change = Change(item=item, events=(ItemCreated(type=spec.type).event(),))
    if spec.auto_publish and not container:
        settled = not spec.image_urls
        change = change.then(
            PublishOrdered(listing_id=tx.new_id(), pictures=0, pictures_settled=settled), now=tx.now
        )
    if pictures and all(each.state is PictureState.READY for each in pictures):  # sent, and not to be fetched
        change = change.then(PicturesSettled(ready=len(pictures)), now=tx.now)
    if change.listing is not None:
        change = placement.settled(tx, change)
    tx.record(None, None, change)
    _keep_pictures(tx, item, kept=[], wanted=pictures)
    message = Text("Container created.") if container else Text("Item is being processed in the background.")
    return PutResult(item.id, "created", _with_ai_hint(message, spec))


def _with_ai_hint(done: Text, spec: ItemSpec) -> Text:
    if not spec.use_ai:
        return done
    return Text("{done} useAiEnhancement does nothing here: no AI endpoint is configured.", done=done)


def _update(tx: Transaction, item: Item, given: ItemSpec) -> PutResult:
    """All that the new words mean for the item, for its ad and for a publishing that was refused, written once."""
    spec = _merged(item.spec, given)
    if _says_the_same(spec, item.spec):
        return PutResult(item.id, "unchanged", Text("Item is unchanged; nothing to do."))
    listing = items.latest_listing(tx.db, item.id)
    refuse_other_type(tx.db, item, spec, listing)
    shown = replace(spec, price_ore=item.spec.price_ore)
    shows_other = replace(shown, metadata=item.spec.metadata) != item.spec
    updated = replace(item, spec=shown, version=item.version + int(shows_other))
    change = Change(item=updated, listing=listing, events=(Event(type=EventType.ITEM_UPDATED),))
    pictures = None
    if spec.image_urls != item.spec.image_urls:
        kept = items.pictures(tx.db, item.id)
        pictures = _wanted_pictures(tx, updated, kept=kept)
        _keep_pictures(tx, updated, kept=kept, wanted=pictures)
        change = _with_pictures(tx, change, pictures)
    change = _with_price(change, spec.price_ore, now=tx.now)
    if _goes_again(change):
        pictures = items.pictures(tx.db, item.id) if pictures is None else pictures
        change = _with_listing(tx, change, pictures)
    change = placement.settled(tx, change)
    tx.record(item, listing, change)
    if (spec.tradera and spec.tradera.relist) != (item.spec.tradera and item.spec.tradera.relist):
        relisting.replan(tx, change.item)
    message = _update_message(change.item, listing, shows_other=shows_other)
    return PutResult(item.id, "updated", _with_ai_hint(message, given))


def _merged(stored: ItemSpec, given: ItemSpec) -> ItemSpec:
    """PUT replaces every field, save those that keep their value when absent, and the wish to publish at creation.

    What the owner has mended by hand of an ERP's item stays until a PUT names it.
    """
    merged = replace(
        given,
        metadata=stored.metadata if given.metadata is None else given.metadata,
        tradera=stored.tradera if given.tradera is None else given.tradera,
        domain=stored.domain if given.domain is None else given.domain,
        attributes=stored.attributes if given.domain is None else given.attributes,
        image_urls=stored.image_urls if given.image_urls is None else given.image_urls,
        auto_publish=stored.auto_publish,
        use_ai=stored.use_ai,
    )
    if not stored.mended or given.mended is not None or given.made_here:
        return merged
    mended, wish = [], merged.tradera or TraderaWish()
    by_hand, named = stored.tradera or TraderaWish(), given.tradera or TraderaWish()
    if "category" in stored.mended and named.category_id is None:
        wish = replace(wish, category_id=by_hand.category_id)
        mended.append("category")
    if "attributes" in stored.mended and named.attributes is None:
        wish = replace(wish, attributes=by_hand.attributes)
        mended.append("attributes")
    if "freight" in stored.mended and freight_of(given) == (None, "integrated", None):
        cost, strategy, weight = freight_of(stored)
        merged = replace(merged, shipping_cost_ore=cost, shipping_strategy=strategy, weight_kg=weight)
        mended.append("freight")
    return replace(merged, tradera=None if wish == TraderaWish() else wish, mended=tuple(mended) or None)


def freight_of(spec: ItemSpec) -> tuple[int | None, str, float | None]:
    """What the item says of its freight: price (öre), strategy, weight."""
    return spec.shipping_cost_ore, spec.shipping_strategy, spec.weight_kg


def _says_the_same(one: ItemSpec, other: ItemSpec) -> bool:
    """Whether two specs are the same but for the order of members; 1 is not the same as 1.0 or true."""
    if (one.type, one.title, one.price_ore, one.parent_external_id) != (
        other.type,
        other.title,
        other.price_ore,
        other.parent_external_id,
    ):
        return False
    return spec_text(one) == spec_text(other) or (
        spec_text(one, canonical=True) == spec_text(other, canonical=True)
    )


def _with_pictures(tx: Transaction, change: Change, pictures: Sequence[Picture]) -> Change:
    """A publish that waits goes on when the new pictures are settled; nothing to fetch settles them at once."""
    if change.listing is not None and change.listing.state is ListingState.QUEUED:
        jobs.drop(tx.db, JobKind.PUBLISH, [change.listing.id])
    if any(picture.state is PictureState.PENDING for picture in pictures):
        return change
    return change.then(PicturesSettled(ready=len(pictures)), now=tx.now)


def _with_price(change: Change, price_ore: int | None, *, now: int) -> Change:
    """A price that a PUT brings; of an item that is gone it is only noted, where PATCH would refuse it."""
    item = change.item
    if price_ore is None:
        return change
    if item.rheo_status in {RheoStatus.SOLD, RheoStatus.ARCHIVED}:
        return replace(change, item=replace(item, spec=replace(item.spec, price_ore=price_ore)))
    return change.then(PriceChanged(price_ore=price_ore), now=now)


def _goes_again(change: Change) -> bool:
    """Whether this corrects an item whose publishing was refused: it gets a new try, as a new listing."""
    item, listing = change.item, change.listing
    refused = listing is not None and listing.state is ListingState.REJECTED
    wanted = item.spec.auto_publish and item.rheo_status in {RheoStatus.DRAFT, RheoStatus.ACTIVE}
    return refused and wanted and item.tradera_status is TraderaStatus.SYNC_ERROR


def _update_message(item: Item, listing: Listing | None, *, shows_other: bool) -> Text:
    if item.rheo_status is RheoStatus.SOLD:
        return Text("Item updated here; it is sold, so nothing is published.")
    if listing is not None and listing.state.may_be_live and shows_other:
        return Text("Item updated; the live ad at Tradera keeps its text and pictures.")
    return Text("Item updated; it is being processed in the background.")


def _wanted_pictures(tx: Transaction, item: Item, *, kept: Sequence[Picture]) -> list[Picture]:
    """The item's pictures: those whose address was ready before stay, those sent by the owner are there, the others wait.

    Raises Refused for one that was sent too long ago, or never.
    """
    ready = {picture.url: picture for picture in kept if picture.state is PictureState.READY}
    wanted, wrong = [], []
    for position, url in enumerate(item.spec.image_urls or ()):
        picture = replace(
            ready.get(url) or Picture(id="", item_id=item.id, position=0, url=url),
            id=tx.new_id(),
            position=position,
        )
        if url not in ready and (file := uploaded_file(url)) is not None:
            sent = picture_files.upload(tx.db, file)
            if sent is None:
                wrong.append(FieldError(f"imageUrls.{position}", NOT_SENT))
            else:
                size, note = sent.size_bytes, sent.note
                picture = replace(picture, state=PictureState.READY, file=file, size_bytes=size, note=note)
        wanted.append(picture)
    if wrong:
        raise Refused("VALIDATION_FAILED", Text("Validation failed"), tuple(wrong))
    return wanted


def _keep_pictures(tx: Transaction, item: Item, *, kept: list[Picture], wanted: list[Picture]) -> None:
    """Put the wanted pictures in the place of those kept, and order what is to be fetched."""
    fetched = [picture.id for picture in kept if picture.state is PictureState.PENDING]
    jobs.drop(tx.db, JobKind.FETCH_PICTURE, fetched)
    items.replace_pictures(tx.db, kept, wanted)
    for picture in wanted:
        if picture.state is PictureState.PENDING:
            _fetch(tx, item, picture)


def _fetch(tx: Transaction, item: Item, picture: Picture) -> None:
    tx.order(JobOrder(queue=QueueName.PICTURES, kind=JobKind.FETCH_PICTURE, subject=picture.id), item)


def queue_listing(tx: Transaction, item: Item, previous: Listing | None, *, at_once: bool = False) -> None:
    """Order a new listing of the item; pictures that failed before are fetched again.

    `at_once`: it waits for no place among the ends.
    """
    before = Change(item=item, listing=previous)
    tx.record(
        item,
        previous,
        placement.settled(tx, _with_listing(tx, before, items.pictures(tx.db, item.id), at_once=at_once)),
    )


def fail_unless_corrected(tx: Transaction, listing_id: str, error: str) -> None:
    """Tradera has refused a listing for good: it has failed, or what the item was corrected to meanwhile goes in its place."""
    listing = items.listing(tx.db, listing_id)
    if _was_corrected(items.by_id(tx.db, listing.item_id), listing):
        replaced(tx, listing_id, error, goes_on=True)
    else:
        listings.step(tx, listing_id, PublishFailed(error=error))


def replaced(tx: Transaction, listing_id: str, error: str, *, goes_on: bool) -> None:
    """Tradera's queue has refused the listing's category, an attribute or the freight: another listing takes its place.

    It is held with Tradera's words unless it `goes_on`, because the item's place is another by now, or the item was
    corrected since the listing was made. Where the owner wants no ad any more the listing has failed, as for any other
    reason.
    """
    listing = items.listing(tx.db, listing_id)
    item = items.by_id(tx.db, listing.item_id)
    wanted = listing.end_wish is None and not listing.surplus and not item.delete_requested
    stays = wanted and item.rheo_status in {RheoStatus.DRAFT, RheoStatus.ACTIVE}
    change = listings.step(tx, listing_id, PublishFailed(error=error, goes_on=stays))
    if not stays or change.listing is None or change.listing.state is not ListingState.REJECTED:
        return
    queue_listing(tx, change.item, change.listing)
    following = items.latest_listing(tx.db, item.id)
    waits = following is not None and following.state is ListingState.QUEUED
    if following is not None and waits and not goes_on and not _was_corrected(item, listing):
        placement.look_again(tx, following.id, refused=error)


def _was_corrected(item: Item, listing: Listing) -> bool:
    """Whether the item says other than what was sent to Tradera for this listing."""
    return item.version != listing.item_version or asked_kr(item, listing) != listing.price_kr


def _with_listing(
    tx: Transaction, change: Change, pictures: Sequence[Picture], *, at_once: bool = False
) -> Change:
    failed = [picture for picture in pictures if picture.state is PictureState.FAILED]
    for picture in failed:
        items.save_picture(tx.db, replace(picture, state=PictureState.PENDING, error=None, told=False))
        _fetch(tx, change.item, picture)
    ready = sum(picture.state is PictureState.READY for picture in pictures)
    settled = ready == len(pictures)
    refused = change.listing  # a return that was refused is tried again at its own price
    ordered = PublishOrdered(
        listing_id=tx.new_id(),
        generations=items.last_generation(tx.db, change.item.id),
        pictures=ready,
        pictures_settled=settled,
        at_once=at_once,
        ladder=refused.ladder if refused is not None and refused.state is ListingState.REJECTED else None,
    )
    return change.then(ordered, now=tx.now)


_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class BatchEntry:
    """One item of a batch; no other of the batch has its external id."""

    external_id: str
    spec: ItemSpec


class BatchPut:
    """Puts many items at once: all that are taken are durable when it answers."""

    def __init__(self, *, store: Store) -> None:
        self._store = store

    async def put(self, account_id: str, entries: Sequence[BatchEntry]) -> list[Refused | None]:
        """Create or update the items; for each None or why it was refused, which changes nothing for the others.

        Raises StoreUnavailable when nothing could be written.
        """
        return await self._store.write(partial(_put_all, account_id=account_id, entries=entries))


def _put_all(tx: Transaction, *, account_id: str, entries: Sequence[BatchEntry]) -> list[Refused | None]:
    verdicts: list[Refused | None] = [None] * len(entries)
    containers: set[str] = set()
    for place in parents_first(entries):
        entry = entries[place]

        def one(_db: sqlite3.Connection, entry: BatchEntry = entry) -> PutResult:
            return put(tx, account_id, entry.external_id, entry.spec, containers)

        outcome = attempt(one, tx.db)
        if isinstance(outcome, Refused):
            verdicts[place] = outcome
        elif isinstance(outcome, Exception):
            _log.error("an item of a batch failed", exc_info=outcome)
            verdicts[place] = Refused(
                "INTERNAL", Text("Something went wrong inside rheod; it has been logged")
            )
    return verdicts


def parents_first(entries: Sequence[BatchEntry]) -> Iterator[int]:
    """The places of the entries, each after its parent where that is in the batch; else in the order given.

    Of entries that are each other's parents the first comes first, and is refused for want of its parent.
    """
    place_of = {entry.external_id: place for place, entry in enumerate(entries)}
    done: set[int] = set()
    for place in range(len(entries)):
        chain: list[int] = []
        at: int | None = place
        while at is not None and at not in done:
            done.add(at)
            chain.append(at)
            at = place_of.get(entries[at].spec.parent_external_id or "")
        yield from reversed(chain)
