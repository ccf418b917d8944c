"""The admin socket's calls behind `rheod tradera`: which account sells as whom, and connecting one by a login."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from rheod.api.answers import answer
from rheod.api.bodies import BODY_BYTES, read_optional_json
from rheod.api.partner_account import named_account
from rheod.api.replies import At, Reply, reply
from rheod.domain.errors import Refused
from rheod.domain.notices import rfc3339

if TYPE_CHECKING:
    from rheod.api.parts import ApiParts
    from rheod.api.server import Route
    from rheod.catalog.connecting import Connection, Connector


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

    def __init__(self, *, connector: Connector, api: ApiParts) -> None:
        self._connector = connector
        self._api = api

    def _account_of(self, request: web.Request) -> str:
        return named_account(request, self._api) or self._api.default_account

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
        return reply(200, ConnectionsReply(accounts=[_shown(each) for each in found]))

    async def begin(self, request: web.Request) -> web.Response:
        """POST /tradera/connect: the address to open in the seller's browser; costs no Tradera call."""
        account_id = self._account_of(request)
        address = await self._connector.begin(account_id)
        found = {each.account_id: each for each in await self._connector.connections()}
        return answer(200, {"address": address, "userId": found[account_id].user_id})

    async def finish(self, request: web.Request) -> web.Response:
        """POST /tradera/finish `{"user"?}`: fetch the token of a login that is done, with a few Tradera calls."""
        body = await read_optional_json(request, limit_bytes=BODY_BYTES, deadline_s=self._api.body_deadline_s)
        user = body.get("user") if isinstance(body, dict) else None
        if user is not None and not isinstance(user, str):
            raise Refused("BAD_REQUEST", "user must be a text")
        token = await self._connector.finish(self._account_of(request), user or "")
        ends_at = None if token.ends_at is None else rfc3339(token.ends_at)
        return answer(200, {"userId": token.user_id, "tokenEndsAt": ends_at})


def _shown(one: Connection) -> ConnectionReply:
    return ConnectionReply(
        reference=one.reference or None,
        user_id=one.user_id,
        token_from=one.source,
        token_ends_at=one.ends_at,
        state=one.state,
        reason=one.reason,
        login_begun_at=one.begun_at,
    )
