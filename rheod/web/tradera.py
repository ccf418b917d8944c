"""The page Tradera: connecting sellers, the calls of each method with their limits, how old what is known of Tradera is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rheod.domain.errors import Refused, Text, counted
from rheod.store.reference_data import Subject
from rheod.tradera.json_fields import time_ms
from rheod.usecases.selling_setup import Shown
from rheod.web.integration import of_account
from rheod.web.site import HOME, ActionDone, Page
from rheod.web.words import METHODS

if TYPE_CHECKING:
    from aiohttp import web

    from rheod.api.routing import Handler, Route
    from rheod.store.accounts import Token
    from rheod.store.reference_data import Kept
    from rheod.web.site import PageRequest, Site, WebContext


PAGE = f"{HOME}/tradera"
RETURN = f"{PAGE}/return"
BOUNCED = "here"
_SUBJECTS = {
    Subject.CATEGORIES: Text("Categories"),
    Subject.DEFINITIONS: Text("Attributes"),
    Subject.SHIPPING: Text("Freight prices"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Age:
    """How old something is that was read of Tradera: the oldest of `count`, which are None for a single thing."""

    name: Text
    read_at: int | None
    fault: str | None
    count: int | None = None


def _ages(standing: Sequence[Kept]) -> list[Age]:
    by_subject: dict[Subject, list[Kept]] = {subject: [] for subject in Subject}
    for each in standing:
        by_subject[each.subject].append(each)
    ages = []
    for subject, name in _SUBJECTS.items():
        kept = by_subject[subject]
        ages.append(
            Age(
                name=name,
                read_at=min((each.read_at for each in kept if each.read_at is not None), default=None),
                fault=next((each.fault for each in kept if each.fault is not None), None),
                count=sum(each.read_at is not None for each in kept)
                if subject is Subject.DEFINITIONS
                else None,
            )
        )
    return ages


class TraderaPage:
    """How the accounts sell at Tradera."""

    def __init__(self, *, context: WebContext, site: Site) -> None:
        self._context = context
        self._site = site
        self._connector = context.connector

    def routes(self) -> list[Route]:
        """The page, where Tradera's login returns to, and the actions."""
        action = self._site.action
        return [
            ("GET", PAGE, self._site.page(self.show)),
            ("GET", RETURN, self._bounced(self._site.page(self.show_return))),
            ("POST", f"{PAGE}/connect", action(self.begin, name="begin login at Tradera", page=self.show)),
            ("POST", f"{PAGE}/finish", action(self.finish, name="connect to Tradera", page=self.show)),
            ("POST", f"{PAGE}/accept", action(self.accept, name="connect to Tradera", page=self.show)),
            ("POST", f"{PAGE}/forget", action(self.forget, name="forget learned limit", page=self.show)),
            ("POST", f"{PAGE}/read", action(self.read, name="read reference data", page=self.show)),
        ]

    async def show(self, request: PageRequest) -> Page:
        """Everything on one page."""
        connections = await self._connector.connections()
        names = {one.account_id: one.reference or request.language.gettext("own") for one in connections}
        setup = await self._context.setups.of_account(request.account_id)
        values: dict[str, Any] = {
            "connections": [
                (one, await self._connector.address(one.account_id) if one.begun_at is not None else None)
                for one in connections
            ],
            "setup": setup,
            "methods": METHODS,
            "names": names,
            "ages": _ages(await self._context.api.reference.standing()),
        }
        return Page("tradera.html", values)

    async def show_return(self, request: PageRequest) -> Page:
        """What Tradera said at the end of a login, to be taken with one press.

        Not taken by itself: any site could send the owner here with a token of its own.
        """
        begun = [one for one in await self._connector.connections() if one.begun_at is not None]
        begun.sort(key=lambda one: one.begun_at or 0, reverse=True)
        query = request.http.query
        given = {name: query.get(name, "") for name in ("userId", "token", "exp")}
        return Page("tradera_return.html", {"given": given, "begun": begun})

    async def begin(self, request: PageRequest) -> ActionDone:
        """Begin a login; the page then shows its address."""
        account = self._account(request)
        await self._connector.begin(self._context.accounts[account])
        sentence = Text("Open Tradera's page below, sign in there, and come back.")
        return ActionDone(sentence, to=of_account(request, PAGE), subject=account or "own")

    async def finish(self, request: PageRequest) -> ActionDone:
        """Fetch the token of a login that is done."""
        account = self._account(request)
        token = await self._connector.finish(self._context.accounts[account], request.form.get("user", ""))
        return self._connected(request, account, token)

    async def accept(self, request: PageRequest) -> ActionDone:
        """Take what Tradera's return brought."""
        account = self._account(request)
        shown = Shown(
            user=request.form.get("userId", ""),
            token=request.form.get("token", ""),
            ends_at=time_ms(request.form.get("exp", "")),
        )
        token = await self._connector.accept(self._context.accounts[account], shown)
        return self._connected(request, account, token)

    @staticmethod
    def _connected(request: PageRequest, account: str, token: Token) -> ActionDone:
        sentence = Text("Connected as Tradera user {user}.", user=token.user_id)
        return ActionDone(sentence, to=of_account(request, PAGE), subject=account or "own")

    async def forget(self, request: PageRequest) -> ActionDone:
        """The owner's word that a limit holds no more that Tradera's refusals have told of."""
        method = request.form.get("method", "")
        if method not in METHODS:
            raise Refused("BAD_REQUEST", Text("The form could not be read"))
        await self._context.api.capacities.forget(method)
        said = Text("Forgotten: {what} is asked for again up to the limit that is set.", what=METHODS[method])
        return ActionDone(said, to=of_account(request, PAGE), subject=method)

    async def read(self, request: PageRequest) -> ActionDone:
        """Have categories, attributes and freight read anew."""
        calls = await self._context.api.reference.read_all_again()
        said = counted("It is read now: {n} call to Tradera.", "It is read now: {n} calls to Tradera.", calls)
        return ActionDone(said, to=of_account(request, PAGE), subject=str(calls))

    def _account(self, request: PageRequest) -> str:
        """The account that a form is about."""
        account = request.form.get("account", "")
        if account not in self._context.accounts:
            raise Refused("NOT_FOUND", Text("There is no such account"))
        return account

    def _bounced(self, page: Handler) -> Handler:
        """A browser sent here by Tradera's site brings no cookie (SameSite=Strict): it is sent on once by ourselves."""

        async def handler(request: web.Request) -> web.StreamResponse:
            await self._site.load()
            if self._site.vouches(request) or BOUNCED in request.query:
                return await page(request)
            onward = request.rel_url.update_query({BOUNCED: "1"})
            page_onward = Page("onward.html", {"to": str(onward)})
            return self._site.render(page_onward, self._site.language(request), {"path": request.path})

        return handler
