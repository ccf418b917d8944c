"""The owner's calls about API keys and the account's webhook settings, with the admin token."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from aiohttp import web
from pydantic import Field

from rheod.api.context import CALLER
from rheod.api.field_types import Name255, Wire, raise_if_any, read_model
from rheod.api.item_body import UrlCheck
from rheod.api.json_body import BODY_BYTES, read_json, read_optional_json, text_errors
from rheod.api.responses import At, Reply, reply
from rheod.api.routing import Operation
from rheod.api.webhooks import RotationBody, read_force
from rheod.domain.errors import FieldError, Refused, Text
from rheod.store.access import SCOPES, Scope

if TYPE_CHECKING:
    from rheod.api.context import OwnerServices
    from rheod.store.access import ApiKey
    from rheod.store.endpoints import Endpoint


DEFAULT_KEY_NAME = "API Key"


class WebhookUrlBody(Wire):
    """PUT of the webhook settings; null, which must be given, turns webhooks off."""

    webhook_url: Annotated[str | None, Field(description="Where events go; null turns webhooks off.")]


class KeyBody(Wire):
    """A new API key; the name is what the owner knows it by."""

    name: Annotated[Name255, Field(description="What the owner knows it by.")] = DEFAULT_KEY_NAME
    scopes: Annotated[
        list[Scope],
        Field(
            min_length=1,
            max_length=len(SCOPES),
            description="What it opens: `items`, with the tracking of orders, and `orders`, with their buyers.",
            default_factory=lambda: ["items"],
        ),
    ]


def read_key(body: Any) -> tuple[str, list[Scope]]:
    """The name of a new API key, and what it opens."""
    read = read_model(KeyBody, body)
    return read.name, sorted(set(read.scopes))


def read_webhook_url(body: Any, *, check_url: UrlCheck) -> str | None:
    """The webhook URL of the settings; None turns webhooks off."""
    errors = text_errors(body)
    url = body.get("webhookUrl") if isinstance(body, dict) else None
    if not isinstance(body, dict):
        errors.append(FieldError("body", Text("Must be an object")))
    elif "webhookUrl" not in body:
        errors.append(FieldError("webhookUrl", Text("Required")))
    elif url is not None and not isinstance(url, str):
        errors.append(FieldError("webhookUrl", Text("Must be a string or null")))
    elif url is not None and not errors and (sentence := check_url(url)):
        errors.append(FieldError("webhookUrl", Text.of(sentence)))
    raise_if_any(errors)
    return url


class NewKey(Reply):
    """A new key; its text is in this answer and never again."""

    api_key: Annotated[
        str, Field(description="The key's text, shown this once.", examples=["rheo_live_" + "x" * 32])
    ]
    name: Annotated[str, Field(description="What the owner knows it by.")]


class NewNumberedKey(NewKey):
    """As the command line shows it: with the id that revokes it."""

    id: str


class KeyReply(Reply):
    """A key as the owner sees it; its text is never part of it."""

    id: Annotated[str, Field(description="Its id here.")]
    user_id: Annotated[str, Field(description="The account it belongs to.")]
    prefix: Annotated[str, Field(description="How the key begins.", examples=["rheo_live_ab12"])]
    name: Annotated[str, Field(description="What the owner knows it by.")]
    created_at: Annotated[At, Field(description="When it was made.")]
    scopes: Annotated[list[Scope], Field(description="What it opens.")]
    last_used_at: Annotated[At | None, Field(description="When a request last came with it.")]
    revoked_at: Annotated[At | None, Field(description="When it was revoked.")]


class KeysReply(Reply):
    """All keys shown."""

    keys: Annotated[list[KeyReply], Field(description="The keys that are live.")]


class WebhookSettings(Reply):
    """The account's first endpoint."""

    webhook_url: Annotated[str | None, Field(description="Where events go; null turns webhooks off.")]
    webhook_secret: Annotated[
        str, Field(description="The secret that signs the events.", examples=["whsec_" + "A" * 32])
    ]


class Success(Reply):
    """Done, and nothing more to say."""

    success: Annotated[Literal[True], Field(description="Always true.")] = True


def key_reply(key: ApiKey) -> KeyReply:
    """A key as it is listed."""
    return KeyReply(
        id=key.id,
        user_id=key.account_id,
        prefix=key.prefix,
        name=key.name,
        created_at=key.created_at,
        scopes=list(key.scopes),
        last_used_at=key.last_used_at,
        revoked_at=key.revoked_at,
    )


def settings_reply(endpoint: Endpoint) -> WebhookSettings:
    """The webhook settings, with the secret."""
    return WebhookSettings(webhook_url=endpoint.url, webhook_secret=endpoint.secret)


KEYS = "/integration/api-keys"
WEBHOOK = "/integration/webhook-settings"


class OwnerCalls:
    """Handlers under `/integration/api-keys` and `/integration/webhook-settings`."""

    def __init__(self, *, parts: OwnerServices) -> None:
        self._parts = parts
        self._keys = parts.keys
        self._endpoints = parts.endpoints

    async def generate_key(self, request: web.Request) -> web.Response:
        """Make an API key; its text is in this answer and never again."""
        deadline_s = self._parts.body_deadline_s
        body: Any = await read_optional_json(request, limit_bytes=BODY_BYTES, deadline_s=deadline_s)
        key, text = await self._keys.create(request[CALLER].account_id, *read_key(body))
        return reply(200, NewKey(api_key=text, name=key.name))

    async def list_keys(self, request: web.Request) -> web.Response:
        """List the keys that are live."""
        keys = await self._keys.listing(request[CALLER].account_id)
        return reply(200, KeysReply(keys=[key_reply(key) for key in keys if key.revoked_at is None]))

    async def revoke_key(self, request: web.Request) -> web.Response:
        """Revoke a key; it holds from the next request on."""
        if not await self._keys.revoke(request.match_info["key_id"]):
            raise Refused("NOT_FOUND", Text("No API key found with this id"))
        return web.Response(status=204)

    async def webhook_settings(self, request: web.Request) -> web.Response:
        """Show the account's first webhook endpoint; its secret is made on first read."""
        endpoint = await self._endpoints.settings(request[CALLER].account_id)
        return reply(200, settings_reply(endpoint))

    async def set_webhook_url(self, request: web.Request) -> web.Response:
        """Set the webhook URL, or null for no webhooks."""
        deadline_s = self._parts.body_deadline_s
        body = await read_json(request, limit_bytes=BODY_BYTES, deadline_s=deadline_s)
        url = read_webhook_url(body, check_url=self._parts.check_webhook_url)
        await self._endpoints.set_url(request[CALLER].account_id, url)
        return reply(200, Success())

    async def rotate_secret(self, request: web.Request) -> web.Response:
        """Make a new webhook secret; the old one signs beside it for 24 hours.

        While the one before still signs it is a conflict. `force`, for a secret that has leaked, ends the old ones at once.
        """
        force = await read_force(request, self._parts.body_deadline_s)
        endpoint = await self._endpoints.rotate_settings(request[CALLER].account_id, force=force)
        return reply(200, settings_reply(endpoint))


def operations(parts: OwnerServices) -> list[Operation]:
    """What the owner calls, with the admin token."""
    calls = OwnerCalls(parts=parts)
    own = partial(Operation, access="owner")
    return [
        own(
            "POST",
            f"{KEYS}/generate",
            calls.generate_key,
            tag="API keys",
            body=KeyBody,
            body_required=False,
            answer=NewKey,
        ),
        own("GET", KEYS, calls.list_keys, tag="API keys", answer=KeysReply),
        own(
            "DELETE",
            f"{KEYS}/{{key_id}}",
            calls.revoke_key,
            tag="API keys",
            status=204,
            refusals=("NOT_FOUND",),
        ),
        own("GET", WEBHOOK, calls.webhook_settings, tag="Webhooks", answer=WebhookSettings),
        own("PUT", WEBHOOK, calls.set_webhook_url, tag="Webhooks", body=WebhookUrlBody, answer=Success),
        own(
            "POST",
            f"{WEBHOOK}/rotate-secret",
            calls.rotate_secret,
            tag="Webhooks",
            body=RotationBody,
            body_required=False,
            answer=WebhookSettings,
            refusals=("CONFLICT",),
        ),
    ]
