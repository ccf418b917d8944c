"""The use case PUT: an item comes into being or becomes what the ERP says it is, with the work that causes."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, replace
from typing import Literal

from rheod.catalog.containers import refuse_other_type
from rheod.catalog.unit import UnitOfWork
from rheod.domain.ad_text import whole_kronor
from rheod.domain.errors import FieldError, Refused
from rheod.domain.events import PicturesSettled, PriceChanged, PublishOrdered
from rheod.domain.lifecycle import Change
from rheod.domain.model import (
    EventType,
    Item,
    ItemSpec,
    ItemType,
    JobKind,
    JobOrder,
    LaneName,
    Listing,
    ListingState,
    Notice,
    Picture,
    PictureState,
    RheoStatus,
    TraderaStatus,
)
from rheod.store import items, jobs


@dataclass(frozen=True, slots=True)
class PutResult:
    """What a PUT did; `message` is for the person who reads the ERP's log."""

    item_id: str
    outcome: Literal["created", "updated", "unchanged"]
    message: str


def put(unit: UnitOfWork, account_id: str, external_id: str, spec: ItemSpec) -> PutResult:
    """Create or update one item within a transaction (the batch of many uses it too)."""
    _check_parent(unit.db, account_id, external_id, spec)
    standing = items.standing(unit.db, account_id, external_id)
    if standing is None:
        return _create(unit, account_id, external_id, spec)
    if standing.delete_requested:
        raise Refused(
            "CONFLICT",
            "The item is being deleted and its ad is still up at Tradera: PUT it again when GET answers 404",
        )
    return _update(unit, standing, spec)


def _check_parent(db: sqlite3.Connection, account_id: str, external_id: str, spec: ItemSpec) -> None:
    wanted = spec.parent_external_id
    if wanted is None:
        return
    parent = items.standing(db, account_id, wanted)
    if parent is None or parent.spec.type is not ItemType.CONTAINER or wanted == external_id:
        wrong = FieldError("parentExternalId", "Must be the external ID of an existing container")
        raise Refused("VALIDATION_FAILED", "Validation failed", (wrong,))
    if spec.type is ItemType.CONTAINER and external_id in items.ancestors(db, account_id, wanted):
        wrong = FieldError("parentExternalId", "Must not be inside the container itself")
        raise Refused("VALIDATION_FAILED", "Validation failed", (wrong,))


def _create(unit: UnitOfWork, account_id: str, external_id: str, spec: ItemSpec) -> PutResult:
    item = Item(
        id=unit.new_id(), account_id=account_id, external_id=external_id, spec=spec, created_at=unit.now
    )
    container = spec.type is ItemType.CONTAINER
    if container or not spec.image_urls:
        item = replace(item, rheo_status=RheoStatus.ACTIVE)
    notice = Notice(type=EventType.ITEM_CREATED, data={"type": spec.type.value})
    unit.record(None, None, Change(item=item, notices=(notice,)))
    if spec.image_urls:
        _fetch_pictures(unit, item, kept=[])
    message = "Item is being processed in the background."
    if spec.auto_publish and not container:
        queue_listing(unit, item, None)
    if container:
        message = "Container created."
    return PutResult(item.id, "created", message + _ai_hint(spec))


def _ai_hint(spec: ItemSpec) -> str:
    return " useAiEnhancement does nothing here: no AI endpoint is configured." if spec.use_ai else ""


def _update(unit: UnitOfWork, item: Item, given: ItemSpec) -> PutResult:
    spec = _merged(item.spec, given)
    if _canonical(spec) == _canonical(item.spec):
        return PutResult(item.id, "unchanged", "Item is unchanged; nothing to do.")
    listing = items.latest_listing(unit.db, item.id)
    refuse_other_type(unit.db, item, spec, listing)
    shows_other = replace(spec, price_ore=item.spec.price_ore, metadata=item.spec.metadata) != item.spec
    updated = replace(
        item, spec=replace(spec, price_ore=item.spec.price_ore), version=item.version + int(shows_other)
    )
    unit.record(item, listing, Change(item=updated, notices=(Notice(type=EventType.ITEM_UPDATED),)))
    if spec.image_urls != item.spec.image_urls:
        updated = _change_pictures(unit, updated, listing)
    updated = _carry_price(unit, updated, listing, spec.price_ore)
    _publish_anew(unit, updated, listing)
    return PutResult(
        item.id, "updated", _update_message(updated, listing, shows_other=shows_other) + _ai_hint(given)
    )


def _merged(stored: ItemSpec, given: ItemSpec) -> ItemSpec:
    """PUT replaces every field, save those that keep their value when absent, and the wish to publish at creation."""
    return replace(
        given,
        metadata=stored.metadata if given.metadata is None else given.metadata,
        tradera=stored.tradera if given.tradera is None else given.tradera,
        domain=stored.domain if given.domain is None else given.domain,
        attributes=stored.attributes if given.domain is None else given.attributes,
        auto_publish=stored.auto_publish,
        use_ai=stored.use_ai,
    )


def _canonical(spec: ItemSpec) -> tuple[object, ...]:
    rest = items.spec_text(spec, canonical=True)
    return (spec.type, spec.title, spec.price_ore, spec.parent_external_id, rest)


def _carry_price(unit: UnitOfWork, item: Item, listing: Listing | None, price_ore: int | None) -> Item:
    if price_ore is None or price_ore == item.spec.price_ore:
        return item
    if item.rheo_status in {RheoStatus.SOLD, RheoStatus.ARCHIVED}:
        priced = replace(item, spec=replace(item.spec, price_ore=price_ore))
        unit.record(item, listing, Change(item=priced))
        return priced
    event = PriceChanged(price_ore=price_ore, price_kr=whole_kronor(price_ore))
    return unit.apply(item, listing, event).item


def _publish_anew(unit: UnitOfWork, item: Item, listing: Listing | None) -> None:
    """A corrected item whose publishing was refused gets a new try: a new listing (F49)."""
    refused = listing is not None and listing.state is ListingState.REJECTED
    wanted = item.spec.auto_publish and item.rheo_status in {RheoStatus.DRAFT, RheoStatus.ACTIVE}
    if refused and wanted and item.tradera_status is TraderaStatus.SYNC_ERROR:
        queue_listing(unit, item, listing)


def _update_message(item: Item, listing: Listing | None, *, shows_other: bool) -> str:
    if item.rheo_status is RheoStatus.SOLD:
        return "Item updated here; it is sold, so nothing is published."
    if listing is not None and listing.state.may_be_live and shows_other:
        return "Item updated; the live ad at Tradera keeps its text and pictures."
    return "Item updated; it is being processed in the background."


def _fetch_pictures(unit: UnitOfWork, item: Item, *, kept: list[Picture]) -> None:
    """Give the item its pictures: those whose address was ready before stay, the others are ordered."""
    ready = {picture.url: picture for picture in kept if picture.state is PictureState.READY}
    wanted = [
        replace(ready[url], id=unit.new_id(), position=position)
        if url in ready
        else Picture(id=unit.new_id(), item_id=item.id, position=position, url=url)
        for position, url in enumerate(item.spec.image_urls)
    ]
    jobs.drop(unit.db, JobKind.FETCH_PICTURE, [picture.id for picture in kept])
    items.replace_pictures(unit.db, item.id, wanted)
    for picture in wanted:
        if picture.state is PictureState.PENDING:
            unit.order(JobOrder(lane=LaneName.IMAGES, kind=JobKind.FETCH_PICTURE, subject=picture.id), item)


def _change_pictures(unit: UnitOfWork, item: Item, listing: Listing | None) -> Item:
    """A publish that waits goes on when the new pictures are settled; nothing to fetch settles them at once."""
    _fetch_pictures(unit, item, kept=items.pictures(unit.db, item.id))
    if listing is not None and listing.state is ListingState.QUEUED:
        jobs.drop(unit.db, JobKind.PUBLISH, [listing.id])
    pictures = items.pictures(unit.db, item.id)
    if any(picture.state is PictureState.PENDING for picture in pictures):
        return item
    return unit.apply(item, listing, PicturesSettled(ready=len(pictures))).item


def _fetch_failed_again(unit: UnitOfWork, item: Item) -> list[Picture]:
    pictures = items.pictures(unit.db, item.id)
    for picture in pictures:
        if picture.state is PictureState.FAILED:
            items.save_picture(unit.db, replace(picture, state=PictureState.PENDING, error=None))
            unit.order(JobOrder(lane=LaneName.IMAGES, kind=JobKind.FETCH_PICTURE, subject=picture.id), item)
    return items.pictures(unit.db, item.id)


def queue_listing(unit: UnitOfWork, item: Item, previous: Listing | None) -> Change:
    """Order a new listing of the item; pictures that failed before are fetched again."""
    pictures = _fetch_failed_again(unit, item)
    listing = Listing(
        id=unit.new_id(),
        item_id=item.id,
        account_id=item.account_id,
        generation=previous.generation + 1 if previous else 1,
        item_version=item.version,
    )
    ready = sum(picture.state is PictureState.READY for picture in pictures)
    settled = all(picture.state is not PictureState.PENDING for picture in pictures)
    event = PublishOrdered(listing=listing, pictures=ready, pictures_settled=settled)
    return unit.apply(item, previous, event)
