"""Signing in and out, and setting the password. A failure never says why, and guessing is slowed down by address.

A try is counted before it is judged, one at a time of each address and in all: many sent at once are no faster.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog
from aiohttp import web

from rheod.api.authenticator import check_origin
from rheod.domain.errors import FieldError, Refused, Text
from rheod.web.forms import read_form
from rheod.web.site import COOKIE, HOME, SIGN_IN, ActionDone, local_path, see_other

if TYPE_CHECKING:
    from rheod.api.routing import Route
    from rheod.web.site import PageHandler, PageRequest, Site, WebContext


FREE_TRIES = 5
FIRST_WAIT_S = 2.0
LONGEST_WAIT_S = 900.0
FORGET_S = 3600.0
MAX_ADDRESSES = 10_000
MAX_JUDGED = 32
"""Addresses whose tries wait to be judged at once; each takes a tenth of a second of a processor."""


class Throttle:
    """Tries by address, in memory, each a failure until it succeeds; one is forgotten an hour after its last failure."""

    def __init__(self, *, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()  # address -> (failures, last)
        self._judged: set[str] = set()  # addresses with a try that is being judged, or waits for that
        self._one_at_a_time = asyncio.Lock()

    @asynccontextmanager
    async def one_try(self, address: str) -> AsyncIterator[int]:
        """0 when a try of this address may be judged now, else the whole seconds after which it may.

        It counts as failed from here on, until `succeeded` says otherwise.
        """
        wait_s = self.wait_s(address)
        if address in self._judged or len(self._judged) >= MAX_JUDGED:
            wait_s = max(1, wait_s)
        if wait_s:
            yield wait_s
            return
        self.failed(address)
        self._judged.add(address)
        try:
            async with self._one_at_a_time:
                yield 0
        finally:
            self._judged.discard(address)

    def wait_s(self, address: str) -> int:
        """Whole seconds until the address may try again; 0 when it may now."""
        failures, last = self._failures.get(address, (0, 0.0))
        if failures < FREE_TRIES:
            return 0
        wait = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(failures - FREE_TRIES, 20))
        return max(0, math.ceil(last + wait - self._monotonic()))

    def failed(self, address: str) -> None:
        """Count a failure."""
        now = self._monotonic()
        failures, _ = self._failures.pop(address, (0, 0.0))
        self._failures[address] = (failures + 1, now)
        while self._failures:
            oldest, (_, last) = next(iter(self._failures.items()))
            if last + FORGET_S > now and len(self._failures) <= MAX_ADDRESSES:
                return
            del self._failures[oldest]

    def succeeded(self, address: str) -> None:
        """Forget the address's failures."""
        self._failures.pop(address, None)


_log = structlog.get_logger("rheod.web")


class SigningIn:
    """The sign-in page and what it leads to."""

    def __init__(self, *, context: WebContext, site: Site, settings: PageHandler) -> None:
        """`settings` is the page that the password is changed on."""
        self._context = context
        self._site = site
        self._settings = settings
        self._throttle = Throttle(monotonic=context.api.monotonic)

    def routes(self) -> list[Route]:
        """Who is not signed in may only come here."""
        site = self._site
        return [
            ("GET", SIGN_IN, self.show),
            ("POST", SIGN_IN, self.sign_in),
            ("POST", f"{HOME}/sign-out", site.action(self.sign_out, name="sign out")),
            (
                "POST",
                f"{HOME}/password",
                site.action(self.set_password, name="set password", page=self._settings),
            ),
        ]

    async def show(self, request: web.Request) -> web.Response:
        """The form."""
        await self._site.load()
        return self._form(request, to=local_path(request.query.get("next", "")))

    async def sign_in(self, request: web.Request) -> web.Response:
        """Open a session for whoever knows the admin token or the password."""
        await self._site.load()
        form = await read_form(request, deadline_s=self._context.api.body_deadline_s)
        check_origin(request, public_url=self._context.api.public_url)
        to, address = local_path(form.get("next", "")), self._context.callers.address(request)
        given = form.get("secret", "").strip()
        async with self._throttle.one_try(address) as wait_s:
            if wait_s:
                return self._form(request, to=to, form=form, wait_s=wait_s, status=429)
            sessions = self._context.sessions
            is_admin = self._context.api.keys.is_admin(given)
            opened = await (sessions.open() if is_admin else sessions.sign_in(given))
        if opened is None:
            _log.warning("sign-in refused", address=address)
            return self._form(request, to=to, form=form, wrong=True, status=403)
        self._throttle.succeeded(address)
        session, cookie = opened
        await self._context.audit.record(origin=address, action="sign in", subject="", told="")
        action = local_path(form.get("kept.action", ""))
        answer = see_other(to)
        kept = {name[2:]: value for name, value in form.items() if name.startswith("f.")}
        if keep := self._site.keeper_of(urlsplit(action).path):
            answer = see_other(await keep(action, kept))
        elif action != HOME:
            answer = self._site.resumed(request, cookie, to, action, kept)
        answer.set_cookie(
            COOKIE,
            cookie,
            max_age=(session.expires_at - session.created_at) // 1000,
            path="/",
            secure=self._context.callers.is_secure(request),
            httponly=True,
            samesite="Strict",
        )
        return answer

    async def sign_out(self, request: PageRequest) -> ActionDone:
        """End this session."""
        await self._context.sessions.close(request.session)
        return ActionDone(Text("Signed out."), to=SIGN_IN)

    async def set_password(self, request: PageRequest) -> ActionDone:
        """Set the password; every session ends, this one too. Who sits at an open page and does not know it cannot."""
        sessions, given = self._context.sessions, request.form.get("current", "").strip()
        async with self._throttle.one_try(f"password:{request.session.digest.hex()}") as wait_s:
            if wait_s:
                raise Refused("RATE_LIMITED", Text("Too many wrong tries: wait {n} seconds", n=wait_s))
            known = self._context.api.keys.is_admin(given) or await sessions.is_password(given)
        if sessions.has_password and not known:
            wrong = FieldError("current", Text("That is not the password or the admin token"))
            raise Refused("VALIDATION_FAILED", Text("Validation failed"), (wrong,))
        self._throttle.succeeded(f"password:{request.session.digest.hex()}")
        await self._context.sessions.set_password(request.form.get("password", "").strip())
        return ActionDone(Text("The password is set. Sign in with it."), to=SIGN_IN)

    def _form(
        self,
        request: web.Request,
        *,
        to: str,
        form: Mapping[str, str] | None = None,
        wrong: bool = False,
        wait_s: int = 0,
        status: int = 200,
    ) -> web.Response:
        given = form or {}
        values = {
            "to": to,
            "wrong": wrong,
            "wait_s": wait_s,
            "action": given.get("kept.action", ""),
            "fields": {name[2:]: value for name, value in given.items() if name.startswith("f.")},
        }
        answer = self._site.sign_in_page(request, values, status=status)
        if wait_s:
            answer.headers["Retry-After"] = str(wait_s)
        return answer
