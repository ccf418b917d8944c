"""The owner's calls: API keys and the account's webhook settings (rheo-api.md section 6), with the admin token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from rheod.api import wire
from rheod.api.answers import answer, key_answer
from rheod.api.bodies import BODY_BYTES, read_json, read_optional_json
from rheod.api.parts import CALLER
from rheod.domain.errors import Refused

if TYPE_CHECKING:
    from rheod.api.parts import ApiParts
    from rheod.store.outbox import Endpoint


class OwnerCalls:
    """Handlers under `/integration/api-keys` and `/integration/webhook-settings`."""

    def __init__(self, *, parts: ApiParts) -> None:
        self._parts = parts
        self._keys = parts.keys
        self._catalog = parts.catalog

    async def generate_key(self, request: web.Request) -> web.Response:
        """POST api-keys/generate: a new key; its text is in this answer and never again."""
        deadline_s = self._parts.body_deadline_s
        body: Any = await read_optional_json(request, limit_bytes=BODY_BYTES, deadline_s=deadline_s)
        key, text = await self._keys.create(request[CALLER].account_id, wire.read_key_name(body))
        return answer(200, {"apiKey": text, "name": key.name})

    async def list_keys(self, request: web.Request) -> web.Response:
        """GET api-keys: the keys that are live."""
        keys = await self._keys.listing(request[CALLER].account_id)
        return answer(200, {"keys": [key_answer(key) for key in keys if key.revoked_at is None]})

    async def revoke_key(self, request: web.Request) -> web.Response:
        """DELETE api-keys/{id}: holds from the next request on."""
        if not await self._keys.revoke(request.match_info["key_id"]):
            raise Refused("NOT_FOUND", "No API key found with this id")
        return web.Response(status=204)

    async def webhook_settings(self, request: web.Request) -> web.Response:
        """GET webhook-settings: the account's endpoint; its secret is made on first read."""
        endpoint = await self._catalog.webhook_settings(request[CALLER].account_id)
        return answer(200, _endpoint_answer(endpoint))

    async def set_webhook_url(self, request: web.Request) -> web.Response:
        """PUT webhook-settings: the URL, or null for no webhooks."""
        deadline_s = self._parts.body_deadline_s
        body = await read_json(request, limit_bytes=BODY_BYTES, deadline_s=deadline_s)
        url = wire.read_webhook_url(body, check_url=self._parts.check_webhook_url)
        await self._catalog.set_webhook_url(request[CALLER].account_id, url)
        return answer(200, {"success": True})

    async def rotate_secret(self, request: web.Request) -> web.Response:
        """POST webhook-settings/rotate-secret: the old secret signs beside the new one for 24 hours."""
        endpoint = await self._catalog.rotate_webhook_secret(request[CALLER].account_id)
        return answer(200, _endpoint_answer(endpoint))


def _endpoint_answer(endpoint: Endpoint) -> dict[str, Any]:
    return {"webhookUrl": endpoint.url, "webhookSecret": endpoint.secret}
