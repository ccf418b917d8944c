"""The partner's calls for single items: read the request, call one use case of the catalogue, answer.

No rule about items lives here: what is valid is said in `wire.py`, what may happen in `catalog.py`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

from aiohttp import web

from rheod.api import wire
from rheod.api.bodies import BODY_BYTES, read_json
from rheod.api.external_id import read_external_id
from rheod.api.field_errors import raise_if_any
from rheod.api.operation import Operation
from rheod.api.parts import CALLER
from rheod.api.replies import Done, reply
from rheod.api.replies_items import ItemAccepted, ItemReply, item_reply

if TYPE_CHECKING:
    from rheod.api.parts import ApiParts
    from rheod.domain.errors import FieldError

ITEM = "/integration/v1/items/{externalId}"
ID_SEGMENT = 3
"""Where the id stands in `/integration/v1/items/{externalId}`, from 0."""


class ItemCalls:
    """Handlers under `/integration/v1/items/{externalId}`."""

    def __init__(self, *, parts: ApiParts) -> None:
        self._parts = parts
        self._catalog = parts.catalog

    async def put(self, request: web.Request) -> web.Response:
        """Create or update an item; it is durable before the answer."""
        body = await self._body(request)
        external_id, found = _id_of(request)
        spec = wire.read_item(body, check_url=self._parts.check_image_url, found=found)
        result = await self._catalog.put_item(request[CALLER].account_id, external_id, spec)
        return reply(202, ItemAccepted(item_id=UUID(result.item_id), message=result.message))

    async def get(self, request: web.Request) -> web.Response:
        """Show where an item stands."""
        view = await self._catalog.read_item(request[CALLER].account_id, checked_id(request))
        return reply(200, item_reply(view, public_url=self._parts.public_url))

    async def change_price(self, request: web.Request) -> web.Response:
        """Set the price: stored at once, carried to a live ad in the background."""
        body = await self._body(request)
        external_id, found = _id_of(request)
        price_ore = wire.read_price(body, found)
        message = await self._catalog.change_price(request[CALLER].account_id, external_id, price_ore)
        return reply(202, Done(message=message))

    async def change_status(self, request: web.Request) -> web.Response:
        """Mark as sold elsewhere, or delist; a live ad is ended in the background."""
        body = await self._body(request)
        external_id = checked_id(request)
        status = wire.read_status(body)
        message = await self._catalog.change_status(request[CALLER].account_id, external_id, status)
        return reply(202, Done(message=message))

    async def delete(self, request: web.Request) -> web.Response:
        """End the ad, then remove the item."""
        message = await self._catalog.delete_item(request[CALLER].account_id, checked_id(request))
        return reply(202, Done(message=message))

    async def _body(self, request: web.Request) -> Any:
        return await read_json(request, limit_bytes=BODY_BYTES, deadline_s=self._parts.body_deadline_s)


def operations(parts: ApiParts) -> list[Operation]:
    """What a partner's ERP calls about one item, with its API key."""
    calls = ItemCalls(parts=parts)
    item = partial(Operation, gate="partner", tag="Items")
    return [
        item(
            "PUT",
            ITEM,
            calls.put,
            rate="put",
            body=wire.ItemBody,
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
            answer=Done,
            refusals=("CONFLICT", "VALIDATION_FAILED"),
        ),
        item(
            "PATCH",
            f"{ITEM}/price",
            calls.change_price,
            rate="price",
            body=wire.PriceBody,
            status=202,
            answer=Done,
            refusals=("CONFLICT",),
        ),
        item(
            "PATCH",
            f"{ITEM}/status",
            calls.change_status,
            rate="status",
            body=wire.StatusBody,
            status=202,
            answer=Done,
            refusals=("CONFLICT", "INVALID_STATUS"),
        ),
    ]


def _id_of(request: web.Request) -> tuple[str, list[FieldError]]:
    return read_external_id(request.raw_path, segment=ID_SEGMENT)


def checked_id(request: web.Request) -> str:
    """The id in the path of a request about an item. Refused (VALIDATION_FAILED) when it can be none."""
    external_id, found = _id_of(request)
    raise_if_any(found)
    return external_id
