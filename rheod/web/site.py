"""What all pages share: sign-in and forms checked, templates filled in, every answer with strict headers.

Pages and actions live in modules of their own; this one knows none of them.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

import structlog
from aiohttp import hdrs, web

from rheod.api.authenticator import SAFE_METHODS, check_origin
from rheod.api.context import REQUEST_ID
from rheod.api.routing import STATUS_OF, Handler
from rheod.domain.errors import Refused, Transient
from rheod.store.access import Session
from rheod.web.assets import templates
from rheod.web.forms import (
    OURS,
    SHOWN_S,
    UNKEPT,
    FailedForm,
    SentForms,
    check_token,
    failed_form,
    form_token,
    mark_of,
    read_form,
    seen_mark,
    sentence,
)
from rheod.web.language import LANGUAGES, Language, of_reader

if TYPE_CHECKING:
    from rheod.api.authenticator import Callers
    from rheod.api.context import ApiContext
    from rheod.health.findings import Finding
    from rheod.health.machine import Machine
    from rheod.store.access import Audit, Sessions
    from rheod.usecases.figures import AccountForecasts
    from rheod.usecases.inventory import Stock
    from rheod.usecases.owner_choices import AdTemplates, CategoryChoices
    from rheod.usecases.sales import QuarantinedMessages
    from rheod.usecases.selling_setup import Connector, Setups


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """A request of somebody signed in; `form` is the sent form of an action, empty for a page.

    `failed` is a form that was refused and is shown again, on the page it was sent from.
    """

    http: web.Request
    session: Session
    form_token: str
    language: Language
    account: str
    account_id: str
    form: Mapping[str, str] = field(default_factory=dict)
    failed: FailedForm | None = None

    def typed(self, action: str, name: str, default: object = "") -> object:
        """What a field of the form sent to `action` holds: what was typed when it was refused, else `default`."""
        if self.failed is None or self.failed.action != action.partition("?")[0]:
            return "" if default is None else default
        return self.failed.typed.get(name, "")

    def wrong(self, action: str, *names: str) -> str:
        """What is wrong with a field of the form sent to `action`, by any of the API's names for it; "" for nothing."""
        if self.failed is None or self.failed.action != action.partition("?")[0]:
            return ""
        return next((said for name in names if (said := self.failed.of_fields.get(name))), "")

    def seen(self, action: str, *state: object) -> str:
        """The mark that the form sent to `action` carries of the state that its reader has seen."""
        return seen_mark(action.partition("?")[0], mark_of(*state), self.form, self.failed)


@dataclass(frozen=True, slots=True)
class Page:
    """A template and what it shows."""

    template: str
    values: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200
    kind: str = "text/html"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one thing of several; `bad`: it was refused."""

    name: str
    sentence: str
    bad: bool = False


@dataclass(frozen=True, slots=True)
class ActionDone:
    """What came of an action: a sentence, shown on the page the visitor is sent to.

    `subject` names what it was done to, for the audit log; `each` tells it one by one. `shown_once` is a secret that the answer itself shows, and no
    page after it; it is never logged. `detail` is what somebody answered, shown as it is and not logged; `bad`: it was not done.
    """

    sentence: str
    to: str
    subject: str = ""
    shown_once: str | None = None
    detail: str = ""
    bad: bool = False
    each: tuple[Outcome, ...] = ()


def refusal_page(error: Refused | Transient, language: Language) -> Page:
    """A page that says it, with the status that the API would answer."""
    status = STATUS_OF.get(error.code, 500) if isinstance(error, Refused) else 503
    values = {"sentence": sentence(error, language), "is_lost": status == 404}
    return Page("problem.html", values, status=status)


COOKIE = "rheod_session"
HOME = "/dashboard"
COUNTED_S = 10.0
MESSAGES = 1000
"""So many messages wait to be shown; the oldest are forgotten first."""
SIGN_IN = f"{HOME}/sign-in"

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}

PageHandler = Callable[[PageRequest], Awaitable[Page]]
ActionHandler = Callable[[PageRequest], Awaitable[ActionDone | str]]
"""What an action gives: what came of it, or only where to go on."""
Keeper = Callable[[str, Mapping[str, str]], Awaitable[str]]
"""Keeps a form whose session is over, by the address it was sent to and its fields; gives where one goes on."""
FormReader = Callable[[web.Request, Callable[[Mapping[str, str]], bool]], Awaitable[Mapping[str, str]]]
"""Reads a form; the second argument says of the fields read so far whether it is one of ours, by somebody signed in."""

_log = structlog.get_logger("rheod.web")


class Site:
    """Wraps page handlers and actions into handlers of the server."""

    def __init__(self, *, context: WebContext) -> None:
        self._context = context
        self.sent = SentForms(monotonic=context.api.monotonic)
        self._messages: OrderedDict[str, tuple[bytes, float, ActionDone]] = OrderedDict()
        self._counted: tuple[float, Mapping[str, int]] | None = None
        self._is_loaded = False
        self.keeper_of: Callable[[str], Keeper | None] = lambda _path: None

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
            return self.render(page, asked.language, await self._frame(asked))

        return guarded

    def part(self, handler: PageHandler, *, read: FormReader | None = None) -> Handler:
        """A page made of a form that a script sends while it is filled in: it does nothing that is logged. 401 without a session."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            await self.load()
            cookie, session = self._session(request)
            if session is None:
                return web.Response(status=401, headers=HEADERS)
            asked = self._page_request(request, cookie, session)
            try:
                check_origin(request, public_url=self._context.api.public_url)
                form = await self._form(request, read)
                check_token(form, cookie)
                asked = replace(asked, form=form)
                page = await handler(asked)
            except (Refused, Transient) as error:
                page = refusal_page(error, asked.language)
            return self.render(page, asked.language, await self._frame(asked))

        return guarded

    async def _form(self, request: web.Request, read: FormReader | None) -> Mapping[str, str]:
        """The fields of a form; pictures in it are taken from nobody but who is signed in, on a page of ours."""
        if read is None:
            return await read_form(request, deadline_s=self._context.api.body_deadline_s)
        cookie, session = self._session(request)

        def is_ours(form: Mapping[str, str]) -> bool:
            try:
                check_origin(request, public_url=self._context.api.public_url)
                check_token(form, cookie)
            except Refused:
                return False
            return session is not None

        return await read(request, is_ours)

    def action(
        self,
        handler: ActionHandler,
        *,
        name: str,
        page: PageHandler | None = None,
        read: FormReader | None = None,
    ) -> Handler:
        """A sent form: checked to come from our own page, done once, written to the audit log, answered with a redirect.

        Refused it is shown again on `page`, with what was typed. `read` reads it where it is no plain form.
        """

        async def guarded(request: web.Request) -> web.StreamResponse:
            await self.load()
            cookie, session = self._session(request)
            form: Mapping[str, str] = {}
            try:
                form = await self._form(request, read)
                check_origin(request, public_url=self._context.api.public_url)
            except Refused as error:
                if session is None:
                    return see_other(SIGN_IN)
                asked = self._page_request(request, cookie, session)
                return await self._refused(asked, error, None)
            if session is None:
                return self.sent.redirect_of(cookie, form.get("once", "")) or self._kept(request, form)
            asked = self._page_request(request, cookie, session, form)
            try:
                check_token(form, cookie)
                return await self.sent.once(
                    cookie, form.get("once", ""), lambda: self._answer(asked, handler, name, page)
                )
            except Refused as error:
                return await self._refused(asked, error, page)

        return guarded

    async def _answer(
        self, asked: PageRequest, handler: ActionHandler, name: str, page: PageHandler | None
    ) -> web.Response:
        try:
            done = await handler(asked)
        except (Refused, Transient) as error:
            return await self._refused(asked, error, page)
        if isinstance(done, str):
            return see_other(done)
        self._counted = None
        origin = self._context.callers.address(asked.http)
        await self._context.audit.record(origin=origin, action=name, subject=done.subject, told=done.sentence)
        _log.info("owner's action", action=name, subject=done.subject)
        if done.shown_once is not None:
            return self.render(
                Page("shown_once.html", {"shown": done}), asked.language, await self._frame(asked)
            )
        return see_other(self._telling(asked.session, done))

    async def _refused(
        self, asked: PageRequest, error: Refused | Transient, page: PageHandler | None
    ) -> web.Response:
        """The page that the form stood on, with what was typed and what is wrong with it."""
        failed = failed_form(asked.http.path, asked.form, error, asked.language)
        asked = replace(asked, failed=failed)
        shown = refusal_page(error, asked.language)
        if page is not None:
            try:
                shown = replace(await page(asked), status=shown.status)
            except (Refused, Transient) as no_page:
                shown = refusal_page(no_page, asked.language)
        return self.render(shown, asked.language, await self._frame(asked))

    def _kept(self, request: web.Request, form: Mapping[str, str]) -> web.Response:
        """The sign-in for a form whose session is over: what was typed comes along, to be sent afterwards."""
        values = {
            "to": referring_page(request),
            "action": request.path_qs,
            "fields": {name: value for name, value in form.items() if name not in UNKEPT},
        }
        return self.sign_in_page(request, values, status=401)

    def sign_in_page(self, request: web.Request, values: Mapping[str, Any], *, status: int) -> web.Response:
        """The sign-in, with what is to be done after it."""
        shown = {
            "wrong": False,
            "wait_s": 0,
            "action": "",
            "fields": {},
            "has_password": self._context.sessions.has_password,
            "done": self._told(request, b""),
            **values,
        }
        page = Page("sign_in.html", shown, status=status)
        return self.render(page, self.language(request), {"path": request.path})

    def resumed(
        self, request: web.Request, cookie: str, to: str, action: str, fields: Mapping[str, str]
    ) -> web.Response:
        """What was typed before the session ended, to be sent now by a second press."""
        kept = {name: value for name, value in fields.items() if name not in OURS}
        values = {"to": to, "action": action, "fields": kept, "token": form_token(cookie)}
        return self.render(Page("resume.html", values), self.language(request), {"path": request.path})

    async def _counts(self) -> Mapping[str, int]:
        """What the places have to do, looked at every few seconds."""
        now = self._context.api.monotonic()
        if self._counted is None or now - self._counted[0] > COUNTED_S:
            found = await self._context.findings()
            to_send = sum(int(one.text.values["n"]) for one in found if one.code == "order.unsent")
            self._counted = (now, {"needs": len(found), "to_send": to_send})
        return self._counted[1]

    def _telling(self, session: Session, done: ActionDone) -> str:
        """The address that shows what came of an action: its message belongs to this request and to nobody's next one."""
        number = secrets.token_urlsafe(9)
        owner = b"" if done.to == SIGN_IN else session.digest
        self._messages[number] = (owner, self._context.api.monotonic(), done)
        while len(self._messages) > MESSAGES:
            self._messages.popitem(last=False)
        address, hash_mark, part = done.to.partition("#")
        path, mark, query = address.partition("?")
        told = f"{path}?{query}{'&' if mark else ''}{urlencode({'told': number})}"
        return f"{told}{hash_mark}{part}"

    def _told(self, request: web.Request, owner: bytes) -> ActionDone | None:
        """What came of the action that has led here."""
        whose, at, done = self._messages.get(request.query.get("told", ""), (None, 0, None))
        return done if whose == owner and self._context.api.monotonic() - at < SHOWN_S else None

    def render(self, page: Page, language: Language, frame: Mapping[str, Any]) -> web.Response:
        """The page as HTML."""
        template = templates().get_template(page.template)
        text = template.render(
            _=language.gettext,
            ngettext=language.ngettext,
            say=language.say,
            language=language,
            new_number=self.sent.new_number,
            **frame,
            **page.values,
        )
        kind, status = page.kind, page.status
        return web.Response(text=text, status=status, content_type=kind, charset="utf-8", headers=HEADERS)

    def fault_page(self, request: web.Request) -> web.Response | None:
        """What is shown of an error nobody foresaw; None outside the pages. Needs nothing that may be what failed."""
        if request.path != HOME and not request.path.startswith(f"{HOME}/"):
            return None
        values = {"request_id": request[REQUEST_ID], "sent": request.method not in SAFE_METHODS}
        page = Page("fault.html", values, status=500)
        return self.render(page, self.language(request), {"path": request.path})

    def vouches(self, request: web.Request) -> bool:
        """Whether an API call comes from somebody signed in here. Refused when another site has sent it."""
        _, session = self._session(request)
        if session is not None and (request.method not in SAFE_METHODS or hdrs.ORIGIN in request.headers):
            check_origin(request, public_url=self._context.api.public_url)
        return session is not None

    def say(self, request: web.Request, sentence: str) -> str:
        """A sentence of the API as its caller reads it: who has a session here, in the language of the pages."""
        _, session = self._session(request)
        return str(sentence) if session is None else self.language(request).say(sentence)

    def language(self, request: web.Request) -> Language:
        """The visitor's language."""
        return of_reader(request, now=self._context.api.now)

    async def load(self) -> None:
        """Load templates and languages, once and beside the loop: they take a third of a second."""
        if not self._is_loaded:
            await asyncio.to_thread(templates)
            for code in LANGUAGES:
                await asyncio.to_thread(Language(code, now=lambda: 0).load)
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

    async def _frame(self, asked: PageRequest) -> dict[str, Any]:
        """What the frame around every page shows."""
        return {
            "counts": await self._counts(),
            "place": place_of(asked.http.path),
            "request": asked,
            "path": asked.http.path
            if asked.http.method in SAFE_METHODS
            else urlsplit(referring_page(asked.http)).path,
            "done": self._told(asked.http, asked.session.digest),
            "accounts": sorted(self._context.accounts),
        }


def see_other(to: str) -> web.Response:
    """303: the browser goes on with a GET."""
    return web.Response(status=303, headers={**HEADERS, "Location": to})


PLACES = (f"{HOME}/items", f"{HOME}/sales")


def place_of(path: str) -> str:
    """Which of the four places a page is in; the form of a new item stands among the items."""
    if path == HOME:
        return HOME
    if path == f"{HOME}/new" or path.startswith(f"{HOME}/many"):
        return f"{HOME}/items"
    return next((place for place in PLACES if path == place or path.startswith(f"{place}/")), f"{HOME}/more")


def referring_page(request: web.Request) -> str:
    """The page of ours that a form was sent from, else the first one."""
    try:
        referrer = urlsplit(request.headers.get(hdrs.REFERER, ""))
    except ValueError:
        return HOME
    return local_path(referrer.path + (f"?{referrer.query}" if referrer.query else ""))


def local_path(text: str) -> str:
    """A path of ours to go on to after the sign-in; whatever else was given becomes the first page."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return HOME
    ours = text.startswith(HOME) and not parts.scheme and not parts.netloc and text.isprintable()
    return text if ours and "\\" not in text and not text.startswith(SIGN_IN) else HOME


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
    stock: Stock
    has_alarms: bool
    choices: CategoryChoices
    templates: AdTemplates
    machine: Machine
