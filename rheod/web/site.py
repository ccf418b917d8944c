"""The machinery of the pages: sign-in checked, forms checked, templates filled, every answer with strict headers.

Pages and actions themselves live in modules of their own; this one knows none of them.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import structlog
from aiohttp import hdrs, web

from rheod.api.guard import Handler
from rheod.api.origin import SAFE_METHODS, check_origin
from rheod.api.parts import REQUEST_ID
from rheod.domain.errors import Refused, Transient
from rheod.store.sessions import Session
from rheod.web import refusals
from rheod.web.forms import read_form
from rheod.web.sheets import sheets
from rheod.web.visit import Page, Told, Visit, form_token
from rheod.web.words import Words, chosen

if TYPE_CHECKING:
    from rheod.web.parts import WebParts

COOKIE = "rheod_session"
HOME = "/dashboard"
SIGN_IN = f"{HOME}/sign-in"

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}

PageHandler = Callable[[Visit], Awaitable[Page]]
ActionHandler = Callable[[Visit], Awaitable[Told]]

_log = structlog.get_logger("rheod.web")


class Site:
    """Wraps page handlers and actions into handlers of the server."""

    def __init__(self, *, parts: WebParts) -> None:
        self._parts = parts
        self._flashes: dict[bytes, Told] = {}

    def page(self, handler: PageHandler) -> Handler:
        """A page for who is signed in; others are sent to the sign-in and come back."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            cookie, session = self._session(request)
            if session is None:
                return see_other(f"{SIGN_IN}?next={quote(request.path_qs, safe='')}")
            visit = self._visit(request, cookie, session)
            try:
                page = await handler(visit)
            except (Refused, Transient) as error:
                page = refusals.page(error, visit.words)
            return self.render(page, visit.words, self._frame(visit))

        return guarded

    def action(self, handler: ActionHandler, *, name: str) -> Handler:
        """A sent form: checked to come from our own page, written to the audit log, answered with a redirect."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            cookie, session = self._session(request)
            if session is None:
                return see_other(SIGN_IN)
            try:
                form = await self._form(request, cookie)
            except Refused as error:
                visit = self._visit(request, cookie, session)
                return self.render(refusals.page(error, visit.words), visit.words, self._frame(visit))
            told = await self._done(self._visit(request, cookie, session, form), handler, name)
            self._flashes[session.digest] = told
            return see_other(told.to)

        return guarded

    async def _form(self, request: web.Request, cookie: str) -> Mapping[str, str]:
        """The sent form. Raises Refused unless it is one of ours."""
        form = await read_form(request, deadline_s=self._parts.api.body_deadline_s)
        check_origin(request, public_url=self._parts.api.public_url)
        if not hmac.compare_digest(form.get("form_token", "").encode(), form_token(cookie).encode()):
            raise Refused(
                "BAD_REQUEST", "This form is too old: go back, load the page again and send it anew"
            )
        return form

    async def _done(self, visit: Visit, handler: ActionHandler, name: str) -> Told:
        try:
            told = await handler(visit)
        except (Refused, Transient) as error:
            return Told(refusals.sentence(error, visit.words), to=_back(visit.request), bad=True)
        origin = self._parts.callers.address(visit.request)
        await self._parts.audit.record(origin=origin, action=name, subject=told.subject, told=told.sentence)
        _log.info("owner's action", action=name, subject=told.subject)
        return told

    def render(self, page: Page, words: Words, frame: Mapping[str, Any]) -> web.Response:
        """The page as HTML."""
        template = sheets().get_template(page.template)
        text = template.render(t=words.t, words=words, **frame, **page.values)
        return web.Response(
            text=text, status=page.status, content_type="text/html", charset="utf-8", headers=HEADERS
        )

    def fault_page(self, request: web.Request) -> web.Response | None:
        """What is shown of an error nobody foresaw; None outside the pages. Needs nothing that may be what failed."""
        if request.path != HOME and not request.path.startswith(f"{HOME}/"):
            return None
        values = {"request_id": request[REQUEST_ID], "sent": request.method not in SAFE_METHODS}
        return self.render(
            Page("fault.html", values, status=500), self.words(request), {"path": request.path}
        )

    def vouches(self, request: web.Request) -> bool:
        """Whether an API call comes from somebody signed in here. Refused when another site has sent it."""
        _, session = self._session(request)
        if session is not None and request.method not in SAFE_METHODS:
            check_origin(request, public_url=self._parts.api.public_url)
        return session is not None

    def words(self, request: web.Request) -> Words:
        """The visitor's language."""
        language = chosen(request.headers.get(hdrs.ACCEPT_LANGUAGE, ""))
        return Words(language, now=self._parts.api.now)

    def _session(self, request: web.Request) -> tuple[str, Session | None]:
        cookie = request.cookies.get(COOKIE, "")
        return cookie, self._parts.sessions.find(cookie) if cookie else None

    def _visit(
        self, request: web.Request, cookie: str, session: Session, form: Mapping[str, str] | None = None
    ) -> Visit:
        account = request.query.get("account", "")
        if account not in self._parts.accounts:
            account = ""
        return Visit(
            request=request,
            session=session,
            form_token=form_token(cookie),
            words=self.words(request),
            account=account,
            account_id=self._parts.accounts[account],
            form=form or {},
        )

    def _frame(self, visit: Visit) -> dict[str, Any]:
        """What the frame around every page shows."""
        return {
            "visit": visit,
            "path": visit.request.path,
            "told": self._flashes.pop(visit.session.digest, None),
            "accounts": sorted(self._parts.accounts),
        }


def see_other(to: str) -> web.Response:
    """303: the browser goes on with a GET."""
    return web.Response(status=303, headers={**HEADERS, "Location": to})


def local_path(text: str) -> str:
    """A path of ours to go on to after the sign-in; whatever else was given becomes the first page."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return HOME
    ours = text.startswith(HOME) and not parts.scheme and not parts.netloc and text.isprintable()
    return text if ours and "\\" not in text and not text.startswith(SIGN_IN) else HOME


def _back(request: web.Request) -> str:
    """The page the form was on, as far as the browser says so."""
    referrer = urlsplit(request.headers.get(hdrs.REFERER, ""))
    return local_path(referrer.path + (f"?{referrer.query}" if referrer.query else ""))
