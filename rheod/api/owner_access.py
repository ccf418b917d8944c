"""Whom the owner lets in, over the admin socket: Tradera logins of accounts, and the dashboard's password.

A password is in the answer that made it and never again; it is neither logged nor audited.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from aiohttp import web

from rheod.api.authenticator import named_account
from rheod.api.field_types import Wire, read_model
from rheod.api.json_body import BODY_BYTES, read_optional_json
from rheod.api.responses import At, Reply, answer, reply
from rheod.api.routing import Route
from rheod.domain.errors import Refused, Text
from rheod.domain.event_payloads import rfc3339
from rheod.usecases.selling_setup import Connector

if TYPE_CHECKING:
    from rheod.api.context import Accounts
    from rheod.store.access import Audit, Sessions


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
