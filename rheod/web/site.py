"""What all pages share: sign-in and forms checked, templates filled in, every answer with strict headers.

Pages and actions live in modules of their own; this one knows none of them.

Charts as inline SVG, made on the server: no script, no inline style, readable without colours.

Every chart names itself for screen readers, and each bar carries its own figure as a title.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlsplit

import structlog
from aiohttp import hdrs, web
from markupsafe import Markup

from rheod.api.authenticator import SAFE_METHODS, caller_address, check_origin, is_within
from rheod.api.context import REQUEST_ID
from rheod.api.json_body import collect
from rheod.api.responses import STATUS_OF
from rheod.api.routing import Handler
from rheod.domain.errors import Refused, Text, Transient
from rheod.store.access import Session
from rheod.web.language import LANGUAGES, Language, chosen, iso

if TYPE_CHECKING:
    from jinja2 import Environment

    from rheod.api.context import ApiContext
    from rheod.health.waiting import Finding
    from rheod.store.access import Audit, Sessions
    from rheod.usecases.figures import AccountForecasts
    from rheod.usecases.sales import QuarantinedMessages
    from rheod.usecases.selling_setup import Connector, Setups


WIDTH, HEIGHT = 360, 170
"""Drawn at a phone's width, so that its letters are as large as those around it."""

_TOP, _FOOT = 20, 22
_MOST_LABELS = 7
_MOST_VALUES = 8


def bars(title: str, points: Sequence[tuple[str, float, str]]) -> Markup:
    """A bar for each (label, value, the value as text); where there are many, only some labels are written."""
    pieces = [
        Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(
            WIDTH, HEIGHT, title
        )
    ]
    step = WIDTH / max(1, len(points))
    highest = max((value for _, value, _ in points), default=0) or 1
    every = -(-len(points) // _MOST_LABELS)
    with_values = sum(1 for _, value, _ in points if value) <= _MOST_VALUES
    for place, (label, value, text) in enumerate(points):
        tall = round((HEIGHT - _TOP - _FOOT) * max(0.0, value) / highest, 1)
        middle, top = round((place + 0.5) * step, 1), HEIGHT - _FOOT - tall
        pieces.append(
            Markup(
                '<rect class="bar" x="{}" y="{}" width="{}" height="{}" rx="2"><title>{}: {}</title></rect>'
            ).format(round(middle - step * 0.36, 1), top, round(step * 0.72, 1), tall, label, text or "0")
        )
        if value and with_values:
            pieces.append(_text("value", _inside(middle), top - 6, text))
        if (len(points) - 1 - place) % every == 0:
            pieces.append(_text("label", _inside(middle), HEIGHT - 6, label))
    pieces.append(
        Markup('<line class="ground" x1="0" x2="{}" y1="{}" y2="{}"/></svg>').format(
            WIDTH, HEIGHT - _FOOT, HEIGHT - _FOOT
        )
    )
    return Markup("").join(pieces)


def _inside(middle: float) -> float:
    """Far enough from the edges for a short text to be whole."""
    return min(max(middle, 18), WIDTH - 18)


def _text(kind: str, x: float, y: float, text: str) -> Markup:
    return Markup('<text class="{}" x="{}" y="{}">{}</text>').format(kind, x, y, text)


FORM_BYTES = 64 * 1024
"""More than any form of ours; a longer one is refused."""


async def read_form(request: web.Request, *, deadline_s: float) -> dict[str, str]:
    """The fields of a sent form, the first value of each. Refused with 415, 413 or 400."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise Refused("UNSUPPORTED_MEDIA_TYPE", Text("Send the form as application/x-www-form-urlencoded"))
    body = bytearray()
    try:
        async with asyncio.timeout(deadline_s):
            await collect(request, body, FORM_BYTES)
        pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=200)
    except (TimeoutError, ConnectionError, ValueError) as error:
        raise Refused("BAD_REQUEST", Text("The form could not be read")) from error
    return dict(reversed(pairs))


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """A request of somebody signed in; `form` is the sent form of an action, empty for a page."""

    http: web.Request
    session: Session
    form_token: str
    language: Language
    account: str
    account_id: str
    form: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Page:
    """A template and what it shows."""

    template: str
    values: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200


@dataclass(frozen=True, slots=True)
class ActionDone:
    """What came of an action: a sentence, shown on the page the visitor is sent to.

    `subject` names what it was done to, for the audit log. `shown_once` is a secret that the next page shows and then
    forgets; it is never logged. `detail` is what somebody answered, shown as it is and not logged; `bad`: it was not done.
    """

    sentence: str
    to: str
    subject: str = ""
    shown_once: str | None = None
    detail: str = ""
    bad: bool = False


def form_token(cookie: str) -> str:
    """What every form of a session carries, so that no other site can send one."""
    return hmac.new(cookie.encode("utf-8", "surrogatepass"), b"rheod form", hashlib.sha256).hexdigest()


def sentence(error: Refused | Transient, language: Language) -> str:
    """The error's sentence, or those of its fields."""
    details = error.details if isinstance(error, Refused) else ()
    of_fields = "; ".join(f"{one.field}: {language.say(one.message)}" for one in details)
    return of_fields or language.say(str(error))


def refusal_page(error: Refused | Transient, language: Language) -> Page:
    """A page that says it, with the status that the API would answer."""
    status = STATUS_OF.get(error.code, 500) if isinstance(error, Refused) else 503
    return Page("problem.html", {"sentence": sentence(error, language)}, status=status)


STYLE = files("rheod.web").joinpath("static/rheod.css").read_bytes()
ICON = files("rheod.web").joinpath("static/icon.svg").read_bytes()
ADDRESS = f"/dashboard/static/rheod-{hashlib.sha256(STYLE).hexdigest()[:12]}.css"
ICON_ADDRESS = "/dashboard/static/icon.svg"


async def style_sheet(_request: web.Request) -> web.Response:
    """Send the style sheet."""
    return _kept(STYLE, "text/css", "public, max-age=31536000, immutable")


async def icon(_request: web.Request) -> web.Response:
    """Send the icon."""
    return _kept(ICON, "image/svg+xml", "public, max-age=86400")


def _kept(body: bytes, kind: str, how_long: str) -> web.Response:
    headers = {
        "Cache-Control": how_long,
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'",
    }
    return web.Response(body=body, content_type=kind, charset="utf-8", headers=headers)


@cache
def templates() -> Environment:
    """Jinja over our templates: strict, and escaping everything. Loaded with the first page: most daemons show none."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - five megabytes

    environment = Environment(
        loader=PackageLoader("rheod.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals |= {"style": ADDRESS, "bars": bars, "iso": iso}
    return environment


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

PageHandler = Callable[[PageRequest], Awaitable[Page]]
ActionHandler = Callable[[PageRequest], Awaitable[ActionDone]]

_log = structlog.get_logger("rheod.web")


class Site:
    """Wraps page handlers and actions into handlers of the server."""

    def __init__(self, *, context: WebContext) -> None:
        self._context = context
        self._flashes: dict[bytes, ActionDone] = {}
        self._is_loaded = False

    def page(self, handler: PageHandler) -> Handler:
        """A page for who is signed in; others are sent to the sign-in and come back."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            await self.load()
            cookie, session = self._session(request)
            if session is None:
                return see_other(f"{SIGN_IN}?next={quote(request.path_qs, safe='')}")
            asked = self._page_request(request, cookie, session)
            try:
                page = await handler(asked)
            except (Refused, Transient) as error:
                page = refusal_page(error, asked.language)
            return self.render(page, asked.language, self._frame(asked))

        return guarded

    def action(self, handler: ActionHandler, *, name: str) -> Handler:
        """A sent form: checked to come from our own page, written to the audit log, answered with a redirect."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            await self.load()
            cookie, session = self._session(request)
            if session is None:
                return see_other(SIGN_IN)
            try:
                form = await self._form(request, cookie)
            except Refused as error:
                asked = self._page_request(request, cookie, session)
                return self.render(refusal_page(error, asked.language), asked.language, self._frame(asked))
            done = await self._done(self._page_request(request, cookie, session, form), handler, name)
            self._flashes[session.digest] = done
            return see_other(done.to)

        return guarded

    async def _form(self, request: web.Request, cookie: str) -> Mapping[str, str]:
        """The sent form. Raises Refused unless it is one of ours."""
        form = await read_form(request, deadline_s=self._context.api.body_deadline_s)
        check_origin(request, public_url=self._context.api.public_url)
        if not hmac.compare_digest(form.get("form_token", "").encode(), form_token(cookie).encode()):
            raise Refused(
                "BAD_REQUEST", Text("This form is too old: go back, load the page again and send it anew")
            )
        return form

    async def _done(self, asked: PageRequest, handler: ActionHandler, name: str) -> ActionDone:
        try:
            done = await handler(asked)
        except (Refused, Transient) as error:
            referrer = urlsplit(asked.http.headers.get(hdrs.REFERER, ""))
            back = local_path(referrer.path + (f"?{referrer.query}" if referrer.query else ""))
            return ActionDone(sentence(error, asked.language), to=back, bad=True)
        origin = self._context.callers.address(asked.http)
        await self._context.audit.record(origin=origin, action=name, subject=done.subject, told=done.sentence)
        _log.info("owner's action", action=name, subject=done.subject)
        return done

    def render(self, page: Page, language: Language, frame: Mapping[str, Any]) -> web.Response:
        """The page as HTML."""
        template = templates().get_template(page.template)
        text = template.render(
            _=language.gettext,
            ngettext=language.ngettext,
            say=language.say,
            language=language,
            **frame,
            **page.values,
        )
        return web.Response(
            text=text, status=page.status, content_type="text/html", charset="utf-8", headers=HEADERS
        )

    def fault_page(self, request: web.Request) -> web.Response | None:
        """What is shown of an error nobody foresaw; None outside the pages. Needs nothing that may be what failed."""
        if request.path != HOME and not request.path.startswith(f"{HOME}/"):
            return None
        values = {"request_id": request[REQUEST_ID], "sent": request.method not in SAFE_METHODS}
        return self.render(
            Page("fault.html", values, status=500), self.language(request), {"path": request.path}
        )

    def vouches(self, request: web.Request) -> bool:
        """Whether an API call comes from somebody signed in here. Refused when another site has sent it."""
        _, session = self._session(request)
        if session is not None and (request.method not in SAFE_METHODS or hdrs.ORIGIN in request.headers):
            check_origin(request, public_url=self._context.api.public_url)
        return session is not None

    def language(self, request: web.Request) -> Language:
        """The visitor's language."""
        code = chosen(request.headers.get(hdrs.ACCEPT_LANGUAGE, ""))
        return Language(code, now=self._context.api.now)

    async def load(self) -> None:
        """Load templates and languages, once and beside the loop: they take a third of a second."""
        if not self._is_loaded:
            await asyncio.to_thread(_load)
            self._is_loaded = True

    def _session(self, request: web.Request) -> tuple[str, Session | None]:
        cookie = request.cookies.get(COOKIE, "")
        return cookie, self._context.sessions.find(cookie) if cookie else None

    def _page_request(
        self, request: web.Request, cookie: str, session: Session, form: Mapping[str, str] | None = None
    ) -> PageRequest:
        account = request.query.get("account", "")
        if account not in self._context.accounts:
            account = ""
        return PageRequest(
            http=request,
            session=session,
            form_token=form_token(cookie),
            language=self.language(request),
            account=account,
            account_id=self._context.accounts[account],
            form=form or {},
        )

    def _frame(self, asked: PageRequest) -> dict[str, Any]:
        """What the frame around every page shows."""
        return {
            "request": asked,
            "path": asked.http.path,
            "done": self._flashes.pop(asked.session.digest, None),
            "accounts": sorted(self._context.accounts),
        }


def _load() -> None:
    templates()
    for code in LANGUAGES:
        language = Language(code, now=lambda: 0)
        language.kr(150)
        language.when(None)
        language.month("2026-01")


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


class Callers:
    """Believes what the trusted proxies add, and nobody else. `public_url` is how the owner reaches the pages."""

    def __init__(self, *, proxies: Sequence[str], public_url: str | None) -> None:
        self._proxies = [ipaddress.ip_network(each, strict=False) for each in proxies]
        self._public_is_secure = (public_url or "").startswith("https://")

    def address(self, request: web.Request) -> str:
        """The caller's address (an IPv6 one as its /64)."""
        forwarded = request.headers.getall("X-Forwarded-For", ())
        return caller_address(request.remote or "", forwarded, self._proxies)

    def is_secure(self, request: web.Request) -> bool:
        """Whether the browser speaks HTTPS, so that the cookie must never leave it in clear text."""
        if is_within(request.remote or "", self._proxies):
            return request.headers.get("X-Forwarded-Proto", "") == "https" or self._public_is_secure
        return request.secure


@dataclass(frozen=True, slots=True, kw_only=True)
class WebContext:
    """Everything the pages use.

    `findings` are what needs the owner; `status` gathers what `rheod status` shows; `accounts` maps references to ids ('' is the default account's);
    `callers` says who stands behind a request; `connector` connects sellers; `setups` tell how an account sells.
    """

    api: ApiContext
    sessions: Sessions
    audit: Audit
    findings: Callable[[], Awaitable[Sequence[Finding]]]
    outlooks: AccountForecasts
    quarantine: QuarantinedMessages
    ad_url: Callable[[int], str]
    status: Callable[[], Awaitable[Mapping[str, Any]]]
    accounts: Mapping[str, str]
    callers: Callers
    connector: Connector
    setups: Setups
