"""Whom the owner lets in, and how events reach him: API keys, the account's webhook settings, Tradera logins, the password.

Keys and webhook settings are asked for with the admin token, logins and the dashboard's password over the admin socket
alone. A password is in the answer that made it and never again; it is neither logged nor audited.
"""

from __future__ import annotations

import secrets
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from aiohttp import web
from pydantic import Field

from rheod.api.authenticator import named_account
from rheod.api.context import CALLER
from rheod.api.field_types import Name255, Wire, raise_if_any, read_model
from rheod.api.item_body import UrlCheck
from rheod.api.json_body import BODY_BYTES, read_json, read_optional_json, text_errors
from rheod.api.routing import At, Operation, Reply, Route, answer, reply
from rheod.api.webhooks import RotationBody, read_force
from rheod.domain.errors import FieldError, Refused, Text
from rheod.domain.event_payloads import rfc3339
from rheod.store.access import SCOPES, Scope
from rheod.usecases.selling_setup import Connector

if TYPE_CHECKING:
    from rheod.api.context import Accounts, OwnerServices
    from rheod.store.access import ApiKey, Audit, Sessions
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


class ConnectionReply(Reply):
    """An account as `rheod tradera status` shows it."""

    reference: str | None
    user_id: int | None
    token_from: str | None
    token_ends_at: At | None
    state: str
    reason: str | None
    login_begun_at: At | None


class ConnectionsReply(Reply):
    """Every account."""

    accounts: list[ConnectionReply]


class ConnectionCalls:
    """Handlers under `/tradera`; they act for the account named in `x-partner-account`, else for the default one."""

    def __init__(self, *, connector: Connector, accounts: Accounts, body_deadline_s: float) -> None:
        self._connector = connector
        self._accounts = accounts
        self._body_deadline_s = body_deadline_s

    def _account_of(self, request: web.Request) -> str:
        return named_account(request, self._accounts) or self._accounts.default_account

    def routes(self) -> list[Route]:
        """What commands may ask."""
        return [
            ("GET", "/tradera/connections", self.listing),
            ("POST", "/tradera/connect", self.begin),
            ("POST", "/tradera/finish", self.finish),
        ]

    async def listing(self, _request: web.Request) -> web.Response:
        """GET /tradera/connections: costs no Tradera call."""
        found = await self._connector.connections()
        shown = [
            ConnectionReply(
                reference=one.reference or None,
                user_id=one.user_id,
                token_from=one.source,
                token_ends_at=one.ends_at,
                state=one.state,
                reason=one.reason,
                login_begun_at=one.begun_at,
            )
            for one in found
        ]
        return reply(200, ConnectionsReply(accounts=shown))

    async def begin(self, request: web.Request) -> web.Response:
        """POST /tradera/connect: the address to open in the seller's browser; costs no Tradera call."""
        account_id = self._account_of(request)
        address = await self._connector.begin(account_id)
        found = {each.account_id: each for each in await self._connector.connections()}
        return answer(200, {"address": address, "userId": found[account_id].user_id})

    async def finish(self, request: web.Request) -> web.Response:
        """POST /tradera/finish `{"user"?}`: fetch the token of a login that is done, with a few Tradera calls."""
        body = await read_optional_json(request, limit_bytes=BODY_BYTES, deadline_s=self._body_deadline_s)
        user = body.get("user") if isinstance(body, dict) else None
        if user is not None and not isinstance(user, str):
            raise Refused("BAD_REQUEST", Text("user must be a text"))
        token = await self._connector.finish(self._account_of(request), user or "")
        ends_at = None if token.ends_at is None else rfc3339(token.ends_at)
        return answer(200, {"userId": token.user_id, "tokenEndsAt": ends_at})


_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without those that look alike: a password is typed on a phone once."""

_GROUPS = 5


class PasswordBody(Wire):
    """The owner's password for the dashboard; none asks for one to be made."""

    password: str | None = None


def read_password(body: Any) -> str | None:
    """The password wanted, without spaces at its ends, as the sign-in form takes it."""
    password = read_model(PasswordBody, body).password
    return None if password is None else password.strip()


class PasswordState(Reply):
    """Whether the owner has set a password."""

    is_set: bool


class NewPassword(Reply):
    """The password that holds from now on."""

    password: str


class PasswordCalls:
    """Handlers of the admin socket; reaching it is the permission."""

    def __init__(self, *, sessions: Sessions, audit: Audit, body_deadline_s: float) -> None:
        self._sessions = sessions
        self._audit = audit
        self._body_deadline_s = body_deadline_s

    def routes(self) -> list[Route]:
        """What `build_admin` adds."""
        return [("GET", "/password", self.show), ("POST", "/password", self.set)]

    async def show(self, _request: web.Request) -> web.Response:
        """GET /password: whether there is one."""
        return reply(200, PasswordState(is_set=self._sessions.has_password))

    async def set(self, request: web.Request) -> web.Response:
        """POST /password `{"password"?}`: without one it is made; every session ends."""
        deadline_s = self._body_deadline_s
        body = await read_optional_json(request, limit_bytes=BODY_BYTES, deadline_s=deadline_s)
        password = read_password(body) or new_password()
        await self._sessions.set_password(password)
        await self._audit.record(origin="admin socket", action="set password", subject="", told="")
        return reply(201, NewPassword(password=password))


def new_password() -> str:
    """Twenty letters in groups: some 99 bits."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(_GROUPS))
