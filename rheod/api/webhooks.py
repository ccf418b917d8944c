"""The owner's calls about webhook endpoints: made, changed, tested and removed (rheo-api.md section 6)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from aiohttp import web

from rheod.api import wire_webhooks
from rheod.api.bodies import BODY_BYTES, read_json
from rheod.api.operation import Operation
from rheod.api.parts import CALLER
from rheod.api.replies import reply
from rheod.api.replies_webhooks import (
    EndpointReply,
    EndpointsReply,
    EndpointWithSecret,
    PingReply,
    endpoint_reply,
    endpoint_with_secret,
    ping_reply,
)
from rheod.api.wire_webhooks import EndpointBody, NewEndpointBody
from rheod.domain.errors import Refused

if TYPE_CHECKING:
    from rheod.api.parts import ApiParts

ENDPOINTS = "/integration/webhooks"
ENDPOINT = f"{ENDPOINTS}/{{endpointId}}"


class WebhookCalls:
    """Handlers under `/integration/webhooks`."""

    def __init__(self, *, parts: ApiParts) -> None:
        self._parts = parts
        self._endpoints = parts.endpoints

    async def listing(self, request: web.Request) -> web.Response:
        """List the account's webhook endpoints, without their secrets."""
        found = await self._endpoints.listing(request[CALLER].account_id)
        return reply(200, EndpointsReply(endpoints=[endpoint_reply(each) for each in found]))

    async def add(self, request: web.Request) -> web.Response:
        """Make a webhook endpoint; its secret is in this answer and never again.

        The same URL, scope and event types again are a conflict that names the endpoint there is.
        """
        new = wire_webhooks.read_new_endpoint(
            await self._body(request), check_url=self._parts.check_webhook_url
        )
        return reply(201, endpoint_with_secret(await self._endpoints.add(request[CALLER].account_id, new)))

    async def change(self, request: web.Request) -> web.Response:
        """Change a webhook endpoint, or switch it off and on again; the events it kept then go out in order.

        Events that wait go to a new URL at their next try. Event types count for what happens from now on.
        """
        change = wire_webhooks.read_endpoint_change(
            await self._body(request), check_url=self._parts.check_webhook_url
        )
        changed = await self._endpoints.change(request[CALLER].account_id, _id_of(request), change)
        return reply(200, endpoint_reply(changed))

    async def remove(self, request: web.Request) -> web.Response:
        """Remove a webhook endpoint and drop the events that wait for it; its delivery log stays."""
        await self._endpoints.remove(request[CALLER].account_id, _id_of(request))
        return web.Response(status=204)

    async def rotate_secret(self, request: web.Request) -> web.Response:
        """Make a new secret, shown in this answer only; the old one signs beside it for 24 hours."""
        rotated = await self._endpoints.rotate(request[CALLER].account_id, _id_of(request))
        return reply(200, endpoint_with_secret(rotated))

    async def ping(self, request: web.Request) -> web.Response:
        """Send a signed `ping` event now, and tell what the endpoint answered."""
        if self._parts.pinger is None:
            raise Refused("UNAVAILABLE", "rheod is not running: start it to send a test event")
        ping = await self._parts.pinger.ping(request[CALLER].account_id, _id_of(request))
        return reply(200, ping_reply(ping))

    async def _body(self, request: web.Request) -> Any:
        return await read_json(request, limit_bytes=BODY_BYTES, deadline_s=self._parts.body_deadline_s)


def operations(parts: ApiParts) -> list[Operation]:
    """What the owner does with webhook endpoints, with the admin token."""
    calls = WebhookCalls(parts=parts)
    own = partial(Operation, gate="owner", tag="Webhooks")
    gone, clash = ("NOT_FOUND",), ("NOT_FOUND", "CONFLICT")
    return [
        own("GET", ENDPOINTS, calls.listing, answer=EndpointsReply),
        own(
            "POST",
            ENDPOINTS,
            calls.add,
            body=NewEndpointBody,
            status=201,
            answer=EndpointWithSecret,
            refusals=("CONFLICT",),
        ),
        own("PATCH", ENDPOINT, calls.change, body=EndpointBody, answer=EndpointReply, refusals=clash),
        own("DELETE", ENDPOINT, calls.remove, status=204, refusals=gone),
        own(
            "POST",
            f"{ENDPOINT}/rotate-secret",
            calls.rotate_secret,
            answer=EndpointWithSecret,
            refusals=gone,
        ),
        own("POST", f"{ENDPOINT}/test", calls.ping, answer=PingReply, refusals=clash),
    ]


def _id_of(request: web.Request) -> str:
    return request.match_info["endpointId"]
