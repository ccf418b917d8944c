"""The partner's calls about single items: read the request, call one use case, answer.

What a body must be is said in `item_body`, what may happen to an item in `usecases`. The answer to a dry run, which only
the command line asks for, is here too.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from aiohttp import web
from pydantic import Field, WithJsonSchema

from rheod.api import item_body
from rheod.api.context import CALLER
from rheod.api.field_types import raise_if_any, read_external_id
from rheod.api.json_body import BODY_BYTES, read_json
from rheod.api.routing import EXTERNAL_ID, At, DoneReply, Kronor, Operation, Reply, reply
from rheod.api.schedule import RelistReply, relist_reply
from rheod.domain.model import ItemType, RheoStatus, TraderaStatus
from rheod.domain.pictures import warnings
from rheod.tradera.dry_run import Verdict

if TYPE_CHECKING:
    from rheod.api.context import ItemServices
    from rheod.domain.errors import FieldError
    from rheod.domain.model import Listing
    from rheod.store.search import ItemRow
    from rheod.tradera.dry_run import DryRunReport
    from rheod.usecases.items import ItemView


class ItemAccepted(Reply):
    """A PUT that is durable; `message` says whether the item was created, updated or unchanged."""

    success: Annotated[Literal[True], Field(description="Always true.")] = True
    item_id: Annotated[
        str,
        WithJsonSchema({"type": "string", "format": "uuid"}),
        Field(description="The item's id here."),
    ]
    message: Annotated[
        str,
        Field(
            description="What happened, in one sentence.",
            examples=["Item is being processed in the background."],
        ),
    ]


class QueueReply(Reply):
    """Where a publish waits for Tradera's call budget: its position from 1 and when it should go."""

    position: Annotated[int, Field(description="Its place in the queue, from 1.", ge=1)]
    expected_at: Annotated[At, Field(description="When its turn should come.")]


class ImageReply(Reply):
    """One picture: where it came from, and our copy once it is ready."""

    url: Annotated[str, Field(description="Its address.")]
    state: Annotated[
        Literal["ready", "pending", "failed"], Field(description="Whether the picture can be shown.")
    ]
    hosted_url: Annotated[str | None, Field(description="Our copy, once it is ready.")]
    error: Annotated[
        str | None,
        Field(
            description="Why it could not be fetched, at the last try while tries go on; null when nothing is wrong."
        ),
    ]
    warning: Annotated[
        str | None, Field(description="What you should know of it though it can be shown; else null.")
    ]


class HeldReply(Reply):
    """Why nothing of the item is sent to Tradera until you act. It is let go at once by a PUT, a rule or a default."""

    reason: Annotated[str, Field(description="What to do, in one sentence.")]
    missing: Annotated[
        list[str], Field(description="Attributes that Tradera requires of it.", examples=[["Skick"]])
    ]
    since: Annotated[At, Field(description="Since when.")]


class ItemReply(Reply):
    """Where an item stands, here and at Tradera."""

    external_id: Annotated[str, EXTERNAL_ID]
    rheo_item_id: Annotated[str, Field(description="The item's id here.")]
    rheo_status: Annotated[RheoStatus, Field(description="Where the item stands here.")]
    tradera_status: Annotated[
        TraderaStatus | None,
        Field(description="Where the item stands at Tradera; null before it was ever to go there."),
    ]
    tradera_ad_id: Annotated[str | None, Field(description="The ad's number at Tradera.")]
    tradera_ad_url: Annotated[str | None, Field(description="The ad's page; null until it is live.")]
    price: Annotated[Kronor | None, Field(description="SEK as you gave it; null for a container.")]
    title: Annotated[
        str, Field(description="The ad's title, at least two characters without spaces around it.")
    ]
    type: Annotated[
        ItemType, Field(description="An item, or a container that only groups items and is never listed.")
    ]
    created_at: Annotated[At, Field(description="When it was made.")]
    updated_at: Annotated[At, Field(description="When it last changed.")]
    last_error: Annotated[
        str | None, Field(description="What failed last, in one sentence; null when nothing did.")
    ]
    held: Annotated[
        HeldReply | None,
        Field(
            description="Why it waits for you, though `traderaStatus` is `pending_sync`; null unless it does."
        ),
    ]
    last_warning: Annotated[
        str | None,
        Field(description="What you should know of its ad though nothing is wrong, such as a guess."),
    ]
    relist: Annotated[
        RelistReply | None,
        Field(description="Its next return if it ends unsold; null when no rule brings it back."),
    ]
    queue: Annotated[
        QueueReply | None,
        Field(description="Where a publish waits for Tradera's call budget; null when none does."),
    ]
    images: Annotated[list[ImageReply], Field(description="Its pictures in their order.")]
    parent_external_id: Annotated[
        str | None, Field(description="The container it belongs to, which must exist.")
    ]
    external_reference: Annotated[str | None, Field(description="A reference of yours, as you gave it.")]
    source: Annotated[str | None, Field(description="Where the item comes from, as you gave it.")]
    schema_version: Annotated[str, Field(description="The version you gave.", examples=["1.0.0"])]
    metadata: Annotated[
        dict[str, Any],
        Field(
            description="Anything of yours: up to 50 keys; a text up to 1,024 characters, any other value up to 1 KiB as JSON. Stored and given back as it is."
        ),
    ]
    domain: Annotated[
        dict[str, Any] | None,
        Field(
            description="What kind of goods it is, with its attributes.",
            examples=[{"domain": "books", "isbn": "9789100123456"}],
        ),
    ]


class BidsReply(Reply):
    """What Tradera shows of the bids on an item's ad, read just now."""

    bids: Annotated[int, Field(description="How many there are.", ge=0)]
    highest_bid: Annotated[int | None, Field(description="The highest in SEK; null without a bid.")]
    read_at: Annotated[At, Field(description="When Tradera was asked.")]


class OwnItemReply(ItemReply):
    """An item as the owner sees it: also why nothing of it is sent to Tradera, since when and until when."""

    waits_for: str | None
    waits_since: At | None
    next_try: At | None


def item_reply(view: ItemView, *, public_url: str | None) -> ItemReply:
    """GET of one item. `public_url` None gives hosted links as paths of this server."""
    item, base = view.item, (public_url or "").rstrip("/")
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
        last_error=item.last_error or view.trouble,
        held=_held(view.listing),
        last_warning=None if view.listing is None else view.listing.warning,
        relist=relist_reply(view.relist),
        queue=None
        if view.queue is None
        else QueueReply(position=view.queue.position, expected_at=view.queue.expected_at),
        images=[
            ImageReply(
                url=picture.url,
                state=picture.state.value,
                hosted_url=picture.file and f"{base}/images/{picture.file}",
                error=picture.error,
                warning=warning,
            )
            for picture, warning in zip(view.pictures, warnings(view.pictures), strict=True)
        ],
        parent_external_id=item.spec.parent_external_id,
        external_reference=item.spec.external_reference,
        source=item.spec.source,
        schema_version=item.spec.schema_version,
        metadata=dict(item.spec.metadata or {}),
        domain=None
        if item.spec.domain is None
        else {**(item.spec.attributes or {}), "domain": item.spec.domain},
    )


def _held(listing: Listing | None) -> HeldReply | None:
    if listing is None or not listing.is_held or listing.held is None:
        return None
    return HeldReply(reason=listing.held, missing=list(listing.held_missing), since=listing.held_since or 0)


def ad_id(listing: Listing | None) -> str | None:
    """Tradera's number of the ad as text; None until Tradera has given one."""
    return None if listing is None or listing.tradera_item_id is None else str(listing.tradera_item_id)


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


def item_line(line: ItemRow) -> ItemLine:
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


ITEM = "/integration/v1/items/{externalId}"
ID_SEGMENT = 3
"""Where the id stands in `/integration/v1/items/{externalId}`, from 0."""


class ItemCalls:
    """Handlers under `/integration/v1/items/{externalId}`."""

    def __init__(self, *, parts: ItemServices) -> None:
        self._parts = parts
        self._items = parts.items

    async def put(self, request: web.Request) -> web.Response:
        """Create or update an item; it is durable before the answer."""
        body = await self._body(request)
        external_id, found = _id_of(request)
        spec = item_body.read_item(body, check_url=self._parts.check_image_url, found=found)
        result = await self._items.put_item(request[CALLER].account_id, external_id, spec)
        return reply(202, ItemAccepted(item_id=result.item_id, message=result.message))

    async def get(self, request: web.Request) -> web.Response:
        """Show where an item stands."""
        view = await self._items.read_item(request[CALLER].account_id, checked_id(request))
        return reply(200, item_reply(view, public_url=self._parts.public_url))

    async def change_price(self, request: web.Request) -> web.Response:
        """Set the price: stored at once, carried to a live ad in the background."""
        body = await self._body(request)
        external_id, found = _id_of(request)
        price_ore = item_body.read_price(body, found)
        message = await self._items.change_price(request[CALLER].account_id, external_id, price_ore)
        return reply(202, DoneReply(message=message))

    async def change_status(self, request: web.Request) -> web.Response:
        """Mark as sold elsewhere, or delist; a live ad is ended in the background."""
        body = await self._body(request)
        external_id = checked_id(request)
        status = item_body.read_status(body)
        message = await self._items.change_status(request[CALLER].account_id, external_id, status)
        return reply(202, DoneReply(message=message))

    async def delete(self, request: web.Request) -> web.Response:
        """End the ad, then remove the item."""
        message = await self._items.delete_item(request[CALLER].account_id, checked_id(request))
        return reply(202, DoneReply(message=message))

    async def look(self, request: web.Request) -> web.Response:
        """Read the bids on an item's ad, with one call to Tradera."""
        external_id, found = read_external_id(request.raw_path, segment=2)
        raise_if_any(found)
        seen = await self._parts.look_at_ad(request[CALLER].account_id, external_id)
        return reply(200, BidsReply(bids=seen.count, highest_bid=seen.highest_kr, read_at=seen.seen_at))

    async def _body(self, request: web.Request) -> Any:
        return await read_json(request, limit_bytes=BODY_BYTES, deadline_s=self._parts.body_deadline_s)


def operations(parts: ItemServices) -> list[Operation]:
    """What a partner's ERP calls about one item, with its API key."""
    calls = ItemCalls(parts=parts)
    item = partial(Operation, access="partner", tag="Items")
    return [
        item(
            "PUT",
            ITEM,
            calls.put,
            rate="put",
            body=item_body.ItemBody,
            status=202,
            answer=ItemAccepted,
            refusals=("CONFLICT",),
        ),
        item("GET", ITEM, calls.get, rate="get", answer=ItemReply, refusals=("VALIDATION_FAILED",)),
        item(
            "DELETE",
            ITEM,
            calls.delete,
            rate="delete",
            status=202,
            answer=DoneReply,
            refusals=("CONFLICT", "VALIDATION_FAILED"),
        ),
        item(
            "PATCH",
            f"{ITEM}/price",
            calls.change_price,
            rate="price",
            body=item_body.PriceBody,
            status=202,
            answer=DoneReply,
            refusals=("CONFLICT",),
        ),
        item(
            "PATCH",
            f"{ITEM}/status",
            calls.change_status,
            rate="status",
            body=item_body.StatusBody,
            status=202,
            answer=DoneReply,
            refusals=("CONFLICT", "INVALID_STATUS"),
        ),
        Operation(
            "POST",
            "/rheod/ads/{externalId}/look",
            calls.look,
            access="owner",
            tag="Items",
            answer=BidsReply,
            refusals=("CONFLICT", "VALIDATION_FAILED"),
        ),
    ]


def _id_of(request: web.Request) -> tuple[str, list[FieldError]]:
    return read_external_id(request.raw_path, segment=ID_SEGMENT)


def checked_id(request: web.Request) -> str:
    """The id in the path of a request about an item. Refused (VALIDATION_FAILED) when it can be none."""
    external_id, found = _id_of(request)
    raise_if_any(found)
    return external_id


class CheckReply(Reply):
    """One thing that was looked at."""

    verdict: Verdict
    text: str


class StepReply(Reply):
    """One call as it would be made; credentials go in headers that are not shown."""

    operation: str
    method: str
    url: str
    body: dict[str, Any] | None


class DryRunReply(Reply):
    """The whole play; `stops` when it would not be published however long one waits."""

    stops: bool
    checks: list[CheckReply]
    steps: list[StepReply]
    calls: int
    goes_at: At | None


def rehearsal_reply(played: DryRunReport) -> DryRunReply:
    """A rehearsal as JSON."""
    return DryRunReply(
        stops=played.stops,
        checks=[CheckReply(verdict=each.verdict, text=each.text) for each in played.checks],
        steps=[
            StepReply(
                operation=step.operation,
                method=step.method,
                url=step.url,
                body=None if step.body is None else dict(step.body),
            )
            for step in played.steps
        ],
        calls=played.calls,
        goes_at=played.goes_at,
    )
