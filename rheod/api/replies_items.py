"""Answers about single items (rheo-api.md section 2), and how an item becomes one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from rheod.api.replies import At, Kronor, Reply
from rheod.domain.model import ItemType, Picture, RheoStatus, TraderaStatus

if TYPE_CHECKING:
    from rheod.catalog.items import ItemView
    from rheod.domain.model import ItemSpec, Listing
    from rheod.store.inventory import Line

_ERP_ID = Field(examples=["ERP_PART_12345"])


class ItemAccepted(Reply):
    """A PUT that is durable; `message` says whether the item was created, updated or unchanged."""

    success: Literal[True] = True
    item_id: UUID
    message: Annotated[str, Field(examples=["Item is being processed in the background."])]


class QueueReply(Reply):
    """Where a publish waits for Tradera's call budget: its position from 1 and when it should go."""

    position: Annotated[int, Field(ge=1)]
    expected_at: At


class ImageReply(Reply):
    """One picture: where it came from, and our copy once it is ready."""

    url: str
    state: Literal["ready", "pending", "failed"]
    hosted_url: str | None
    error: str | None


class ItemReply(Reply):
    """Where an item stands, here and at Tradera."""

    external_id: Annotated[str, _ERP_ID]
    rheo_item_id: str
    rheo_status: RheoStatus
    tradera_status: TraderaStatus | None
    tradera_ad_id: str | None
    tradera_ad_url: str | None
    price: Kronor | None
    title: str
    type: ItemType
    created_at: At
    updated_at: At
    last_error: str | None
    queue: QueueReply | None
    images: list[ImageReply]
    parent_external_id: str | None
    metadata: dict[str, Any]
    domain: Annotated[dict[str, Any] | None, Field(examples=[{"domain": "books", "isbn": "9789100123456"}])]


class OwnItemReply(ItemReply):
    """An item as the owner sees it: also why nothing of it is published."""

    waits_for: str | None


def item_reply(view: ItemView, *, public_url: str | None) -> ItemReply:
    """GET of one item. `public_url` None gives hosted links as paths of this server."""
    item = view.item
    return ItemReply(
        external_id=item.external_id,
        rheo_item_id=item.id,
        rheo_status=item.rheo_status,
        tradera_status=item.tradera_status,
        tradera_ad_id=ad_id(view.listing),
        tradera_ad_url=view.ad_url,
        price=item.spec.price_ore,
        title=item.spec.title,
        type=item.spec.type,
        created_at=item.created_at,
        updated_at=item.updated_at,
        last_error=item.last_error,
        queue=_queue(view),
        images=[_image(picture, public_url) for picture in view.pictures],
        parent_external_id=item.spec.parent_external_id,
        metadata=dict(item.spec.metadata or {}),
        domain=_domain(item.spec),
    )


def _domain(spec: ItemSpec) -> dict[str, Any] | None:
    """The tagged union as it is kept: the canonical slug and its attributes; None when the ERP never gave one."""
    return None if spec.domain is None else {**(spec.attributes or {}), "domain": spec.domain}


def ad_id(listing: Listing | None) -> str | None:
    """Tradera's number of the ad as text; None until Tradera has given one."""
    return None if listing is None or listing.tradera_item_id is None else str(listing.tradera_item_id)


def _queue(view: ItemView) -> QueueReply | None:
    if view.queue is None:
        return None
    return QueueReply(position=view.queue.position, expected_at=view.queue.expected_at)


def _image(picture: Picture, public_url: str | None) -> ImageReply:
    hosted = None if picture.file is None else f"{(public_url or '').rstrip('/')}/images/{picture.file}"
    return ImageReply(url=picture.url, state=picture.state.value, hosted_url=hosted, error=picture.error)


class ItemLine(Reply):
    """An item in the owner's list: what its own row knows, without its ad."""

    external_id: str
    rheo_item_id: str
    status: RheoStatus
    tradera_status: TraderaStatus | None
    price: Kronor | None
    title: str
    type: ItemType
    parent_external_id: str | None
    last_error: str | None
    updated_at: At


class ItemLines(Reply):
    """A page of the owner's list; `next` is the `after` of the following one."""

    items: list[ItemLine]
    next: str | None


def item_line(line: Line) -> ItemLine:
    """One line of the owner's list."""
    return ItemLine(
        external_id=line.external_id,
        rheo_item_id=line.id,
        status=line.rheo_status,
        tradera_status=line.tradera_status,
        price=line.price_ore,
        title=line.title,
        type=line.type,
        parent_external_id=line.parent_external_id,
        last_error=line.last_error,
        updated_at=line.updated_at,
    )
