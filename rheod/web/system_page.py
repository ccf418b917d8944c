"""The rooms about rheod itself: the machine with its copies, sessions and password; where alarms go; and what was done.

A copy is made by a button and fetched by a link; it counts as a backup when the owner says that it is safe.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from aiohttp import web

import rheod
from rheod.api.routing import Query, read_query
from rheod.domain.errors import Refused, Text, counted
from rheod.health.machine import archive, name_of
from rheod.web.causes import SHOW, VERBS
from rheod.web.forms import read_form
from rheod.web.integration import of_account
from rheod.web.items_page import EVENTS, item_address
from rheod.web.language import LANGUAGE_COOKIE, LANGUAGES, THEME_COOKIE, THEMES
from rheod.web.site import HEADERS, HOME, SIGN_IN, ActionDone, Page, see_other
from rheod.web.words import ACTIONS, particulars

if TYPE_CHECKING:
    from rheod.api.routing import Route
    from rheod.store.access import AuditEntry
    from rheod.store.feed import Happening
    from rheod.web.site import PageRequest, Site, WebContext

SYSTEM, ALARMS, LOG = f"{HOME}/system", f"{HOME}/alarms", f"{HOME}/log"
COPY = f"{SYSTEM}/copies/{{made_at:[0-9]{{1,16}}}}"
YEAR_S = 365 * 24 * 3600
A_PAGE = 50
MOST_ACTIONS = 200

BY_TRADERA, BY_RHEOD, BY_SHOP = Text("Tradera"), Text("rheod"), Text("ERP or these pages")
_OF_TRADERA = ("listing.", "order.", "item.sold", "sale.")
_OF_RHEOD = ("relist.", "end.", "image.", "item.images", "item.needs", "listing.relisted")


class SystemPage:
    """The machine, its copies, who is signed in, the password and a diagnosis; and the ways of the alarms."""

    def __init__(self, *, context: WebContext, site: Site) -> None:
        self._context = context
        self._site = site
        self._machine = context.machine

    def routes(self) -> list[Route]:
        """The two pages, what can be done on them, and the copy that is fetched."""
        page, action = self._site.page, self._site.action
        return [
            ("GET", SYSTEM, page(self.show)),
            ("GET", f"{SYSTEM}/doctor", page(self.examine)),
            ("POST", f"{SYSTEM}/copies", action(self.copy, name="make backup", page=self.show)),
            ("GET", COPY, self.fetch),
            ("POST", f"{COPY}/kept", action(self.kept, name="keep backup", page=self.show)),
            (
                "POST",
                f"{SYSTEM}/sign-out-others",
                action(self.sign_out_others, name="sign out others", page=self.show),
            ),
            ("POST", f"{SYSTEM}/looks", self.choose_looks),
            ("GET", ALARMS, page(self.show_alarms)),
            ("POST", f"{ALARMS}/test", action(self.test, name="test alarms", page=self.show_alarms)),
        ]

    async def show(self, _request: PageRequest) -> Page:
        """How the machine stands."""
        sessions = self._context.sessions
        values: dict[str, Any] = {
            "version": rheod.__version__,
            "state": await self._machine.state(),
            "copies": [(each, name_of(each)) for each in self._machine.fetchable()],
            "progress": self._machine.backups.progress,
            "sessions": sessions.live(),
            "has_password": sessions.has_password,
        }
        return Page("system.html", values)

    async def examine(self, _request: PageRequest) -> Page:
        """The diagnosis of `rheod doctor`: it takes seconds while a remote hangs."""
        report = await self._machine.examine()
        found = [(one, VERBS.get(one["code"], SHOW)) for one in report["findings"]]
        return Page("doctor.html", {"found": found, "checked": report["checked"]})

    async def copy(self, _request: PageRequest) -> ActionDone:
        """A copy of all but the pictures, made and checked, to be fetched from the page."""
        copied = await self._machine.copy()
        sentence = Text(
            "The copy is made and checked: {mib} MiB. Fetch it now; it stays here for some hours.",
            mib=max(1, copied.contents.size_bytes // 2**20),
        )
        return ActionDone(sentence, to=f"{SYSTEM}#backup", subject=name_of(copied))

    async def fetch(self, request: web.Request) -> web.StreamResponse:
        """The copy as one file, for who is signed in."""
        if not self._site.vouches(request):
            return see_other(SIGN_IN)
        try:
            copied = self._machine.found(int(request.match_info["made_at"]))
        except Refused:
            return see_other(SYSTEM)
        answer = web.StreamResponse(
            headers={
                **HEADERS,
                "Content-Type": "application/x-tar",
                "Content-Disposition": f'attachment; filename="{name_of(copied)}.tar"',
            }
        )
        await answer.prepare(request)
        async for piece in archive(copied):
            await answer.write(piece)
        await answer.write_eof()
        return answer

    async def kept(self, request: PageRequest) -> ActionDone:
        """The owner has put the copy where it is safe."""
        made_at = int(request.http.match_info["made_at"])
        await self._machine.kept(made_at)
        return ActionDone(Text("Noted as your last backup."), to=f"{SYSTEM}#backup", subject=str(made_at))

    async def choose_looks(self, request: web.Request) -> web.Response:
        """Language and theme of this browser; "" lets it choose itself. It changes nothing else, so it needs no number."""
        form = await read_form(request, deadline_s=self._context.api.body_deadline_s)
        answer = see_other(f"{SYSTEM}#looks" if self._site.vouches(request) else SIGN_IN)
        for cookie, known in ((LANGUAGE_COOKIE, LANGUAGES), (THEME_COOKIE, THEMES)):
            wanted = form.get(cookie.removeprefix("rheod_"), "")
            if wanted in known:
                secure = self._context.callers.is_secure(request)
                answer.set_cookie(
                    cookie, wanted, max_age=YEAR_S, path=HOME, secure=secure, httponly=True, samesite="Strict"
                )
            else:
                answer.del_cookie(cookie, path=HOME)
        return answer

    async def sign_out_others(self, request: PageRequest) -> ActionDone:
        """End every session but this one."""
        ended = await self._context.sessions.close_others(request.session)
        sentence = counted("{n} other session is signed out.", "{n} other sessions are signed out.", ended)
        return ActionDone(sentence, to=f"{SYSTEM}#sessions", subject="sessions")

    async def show_alarms(self, _request: PageRequest) -> Page:
        """Where alarms go, and what the owner was told of that is not over."""
        alarms = self._machine.alarms
        return Page(
            "alarms.html",
            {"ways": alarms.ways, "tells_sales": alarms.sales, "standing": await alarms.standing()},
        )

    async def test(self, request: PageRequest) -> ActionDone:
        """Send a test every way; what was not taken is said with its reason."""
        sent = await self._machine.alarms.test()
        if not sent:
            raise Refused("CONFLICT", Text("No way is set: alarms are seen on these pages alone"))
        say = request.language.say
        failed = [each for each in sent if each.error is not None]
        sentence = counted(
            "A test was sent {n} way; look whether it has arrived.",
            "A test was sent {n} ways; look whether it has arrived everywhere.",
            len(sent),
        )
        if failed:
            sentence = counted(
                "{n} way did not take the test:", "{n} ways did not take the test:", len(failed)
            )
        detail = "\n".join(f"{say(each.where)}: {say(each.error or '')}" for each in failed)
        return ActionDone(sentence, to=ALARMS, subject="alarms", detail=detail, bad=bool(failed))


class LogQuery(Query):
    """Which page: events below this number, and actions before the time of the page's first one (ms)."""

    before: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the log: when, by whom, what, to which item, and more of it in words."""

    at: int
    who: str
    what: str
    item: str = ""
    more: str = ""


class LogPage:
    """Who did what to which item: the owner's actions and all that happened, together, the newest first."""

    def __init__(self, *, context: WebContext, site: Site) -> None:
        self._context = context
        self._site = site

    def routes(self) -> list[Route]:
        """It can only be read."""
        return [("GET", LOG, self._site.page(self.show))]

    async def show(self, request: PageRequest) -> Page:
        """A page of it; actions concern all accounts and are shown with the events of their time."""
        query = read_query(request.http, LogQuery)
        events, older = await self._context.api.feed.happened(
            request.account_id, before=query.before, limit=A_PAGE
        )
        first = events[-1].at if events and older is not None else 0
        actions = await self._context.audit.between(first, query.until, limit=MOST_ACTIONS)
        entries = [self._of_event(request, each) for each in events]
        entries += [self._of_action(request, each) for each in actions]
        following = None
        if older is not None:
            following = of_account(request, LOG)
            following += ("&" if "?" in following else "?") + urlencode({"before": older, "until": first})
        values = {
            "entries": sorted(entries, key=lambda each: -each.at),
            "older": following,
            "address": lambda external_id: item_address(request, external_id),
        }
        return Page("log.html", values)

    @staticmethod
    def _of_event(request: PageRequest, event: Happening) -> Entry:
        say = request.language.say
        known: Mapping[str, Text] = {each.value: text for each, text in EVENTS.items()}
        who = BY_RHEOD if event.type.startswith(_OF_RHEOD) else BY_SHOP
        if event.type.startswith(_OF_TRADERA) and who is not BY_RHEOD:
            who = BY_TRADERA
        return Entry(
            at=event.at,
            who=say(who),
            what=say(known.get(event.type, event.type)),
            item=event.external_id,
            more=", ".join(particulars(event.data, request.language)),
        )

    @staticmethod
    def _of_action(request: PageRequest, action: AuditEntry) -> Entry:
        say = request.language.say
        return Entry(
            at=action.at,
            who=request.language.gettext("you, from {address}", address=action.origin),
            what=say(ACTIONS.get(action.action, Text.of(action.action))),
            more=say(action.told) or "",
        )
