"""The dashboard's password by the admin socket: whether there is one, and a new one.

A password is in the answer that made it and never again; it is neither logged nor audited.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from aiohttp import web

from rheod.api.bodies import BODY_BYTES, read_optional_json
from rheod.api.replies import Reply, reply
from rheod.api.wire import read_password

if TYPE_CHECKING:
    from rheod.api.server import Route
    from rheod.store.audit import Audit
    from rheod.store.sessions import Sessions

_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without those that look alike: a password is typed on a phone once."""

_GROUPS = 5


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
