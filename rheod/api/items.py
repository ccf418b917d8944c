"""The partner's calls for single items: read the request, call one use case of the catalogue, answer.

No rule about items lives here: what is valid is said in `wire.py`, what may happen in `catalog.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from rheod.api import wire
from rheod.api.answers import answer, done, item_answer
from rheod.api.bodies import BODY_BYTES, read_json
from rheod.api.external_id import read_external_id
from rheod.api.field_errors import raise_if_any
from rheod.api.parts import CALLER

if TYPE_CHECKING:
    from rheod.api.parts import ApiParts
    from rheod.domain.errors import FieldError

ID_SEGMENT = 3
"""Where the id stands in `/integration/v1/items/{externalId}`, from 0."""


class ItemCalls:
    """Handlers under `/integration/v1/items/{externalId}`."""

    def __init__(self, *, parts: ApiParts) -> None:
        self._parts = parts
        self._catalog = parts.catalog

    async def put(self, request: web.Request) -> web.Response:
        """PUT: create or update; durable before the 202."""
        body = await self._body(request)
        external_id, found = _id_of(request)
        spec = wire.read_item(body, check_url=self._parts.check_image_url, found=found)
        result = await self._catalog.put_item(request[CALLER].account_id, external_id, spec)
        return answer(202, {"success": True, "itemId": result.item_id, "message": result.message})

    async def get(self, request: web.Request) -> web.Response:
        """GET: where the item stands."""
        view = await self._catalog.read_item(request[CALLER].account_id, _checked_id(request))
        return answer(200, item_answer(view, public_url=self._parts.public_url))

    async def change_price(self, request: web.Request) -> web.Response:
        """PATCH price: stored at once, carried to a live ad by a job."""
        body = await self._body(request)
        external_id, found = _id_of(request)
        price_ore = wire.read_price(body, found)
        return done(await self._catalog.change_price(request[CALLER].account_id, external_id, price_ore))

    async def change_status(self, request: web.Request) -> web.Response:
        """PATCH status: sold or not_listed."""
        body = await self._body(request)
        external_id = _checked_id(request)
        status = wire.read_status(body)
        return done(await self._catalog.change_status(request[CALLER].account_id, external_id, status))

    async def delete(self, request: web.Request) -> web.Response:
        """DELETE: ends the ad first, then removes the item."""
        return done(await self._catalog.delete_item(request[CALLER].account_id, _checked_id(request)))

    async def _body(self, request: web.Request) -> Any:
        return await read_json(request, limit_bytes=BODY_BYTES, deadline_s=self._parts.body_deadline_s)


def _id_of(request: web.Request) -> tuple[str, list[FieldError]]:
    return read_external_id(request.raw_path, segment=ID_SEGMENT)


def _checked_id(request: web.Request) -> str:
    external_id, found = _id_of(request)
    raise_if_any(found)
    return external_id
