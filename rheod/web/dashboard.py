"""All pages of the dashboard as routes of the server; each page lives in a module of its own.

The first page: whether all is well, what happens next and what needs the owner.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import rheod
from rheod.api.authenticator import unlogged
from rheod.domain.errors import Refused, Text
from rheod.health.findings import Mood
from rheod.web.assets import ASSETS
from rheod.web.categories_page import CategoriesPage
from rheod.web.causes import CONNECT, SHOW, VERBS, cause_of
from rheod.web.ends_page import EndsPage
from rheod.web.integration import DeliveriesPage, IntegrationPage
from rheod.web.item_form import NEW, ItemForm
from rheod.web.items_list import ItemsList
from rheod.web.items_page import ItemsPage
from rheod.web.returns_page import ReturnsPage
from rheod.web.sales_page import SalesPage
from rheod.web.selling_page import SellingPage
from rheod.web.signing_in import SigningIn
from rheod.web.site import (
    HOME,
    Page,
    Site,
    see_other,
)
from rheod.web.system_page import ALARMS, SYSTEM, LogPage, SystemPage
from rheod.web.tradera import TraderaPage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp import web

    from rheod.api.routing import Route
    from rheod.health.findings import Finding
    from rheod.usecases.figures import AccountForecast
    from rheod.web.site import PageRequest, WebContext


MORE = f"{HOME}/more"
MAKE_KEY, ADD = Text("Make a key"), Text("Add one")


class FirstStep(NamedTuple):
    """One thing that a new shop has to do, and the button that leads to it; `other` leads to another way of doing it."""

    name: Text
    is_done: bool
    verb: Text
    address: str
    other: tuple[Text, str] | None = None


class TodayPage:
    """What needs the owner, what was sold, what ends and what goes out next; and the places that are not daily work."""

    def __init__(self, *, context: WebContext, site: Site) -> None:
        self._context = context
        self._site = site

    def routes(self) -> list[Route]:
        """The first page, and what leads on to the rest."""
        return [("GET", HOME, self._site.page(self.show)), ("GET", MORE, self._site.page(self.more))]

    async def show(self, request: PageRequest) -> Page:
        """Everything of today on one page."""
        found = await self._context.findings()
        outlook = await self._context.outlooks.of_account(request.account_id)
        number = request.language.number
        setup = await self._context.setups.of_account(request.account_id)
        values: dict[str, Any] = {
            "mood": "good" if not found else "bad" if found[0].mood is Mood.BAD else "busy",
            "found": [
                (one, cause_of(one), VERBS.get(one.code, SHOW), picture)
                for one, picture in zip(found, await self._pictures(found), strict=True)
            ],
            "steps": [] if outlook.began.was_live else await self._first_steps(request, outlook),
            "outlook": outlook,
            "capacity_text": setup.capacity.text,
            "sales": [
                (f"{one.day.day}/{one.day.month}", one.ore / 100, number(one.ore / 100) if one.ore else "")
                for one in outlook.sales
            ],
        }
        return Page("today.html", values)

    async def _pictures(self, found: Sequence[Finding]) -> list[str | None]:
        """Of what is about items the first one's picture."""
        accounts = self._context.accounts
        named = [(accounts.get(one.owner, ""), one.items[0]) if one.items else ("", "") for one in found]
        return await self._context.outlooks.pictures(named)

    async def _first_steps(self, request: PageRequest, outlook: AccountForecast) -> list[FirstStep]:
        """What a new shop has to do, each with whether it is done; nothing when all of it is."""
        api, account, began = self._context.api, request.account_id, outlook.began
        sellers = await self._context.connector.connections()
        is_connected = any(one.source for one in sellers if one.account_id == account)
        has_key = any(key.revoked_at is None for key in await api.keys.listing(account))
        settings = f"{HOME}/integration"
        steps = [
            FirstStep(Text("Connect Tradera"), is_connected, CONNECT, f"{HOME}/tradera"),
            FirstStep(
                Text("A key for the ERP, or a first item here"),
                has_key or began.has_item,
                MAKE_KEY,
                f"{settings}#keys",
                (Text("New item"), NEW),
            ),
            FirstStep(
                Text("Where events go"),
                bool(await api.endpoints.listing(account)),
                ADD,
                f"{settings}#webhooks",
            ),
            FirstStep(Text("Where alarms go"), self._context.has_alarms, Text("Set up"), ALARMS),
            FirstStep(Text("A backup"), began.backup_at is not None, Text("Copy now"), f"{SYSTEM}#backup"),
        ]
        return [] if all(step.is_done for step in steps) else steps

    async def more(self, request: PageRequest) -> Page:
        """Where everything else is, and how rheod itself fares."""
        outlook = await self._context.outlooks.of_account(request.account_id)
        values: dict[str, Any] = {
            "status": await self._context.status(),
            "version": rheod.__version__,
            "freeing": [
                (request.language.hour(start), float(calls), str(calls) if calls else "")
                for start, calls in outlook.freeing
            ],
        }
        return Page("more.html", values)


class Dashboard:
    """The pages put together, and what leads to them: the bare address, a slash too many, an address that is none."""

    def __init__(self, *, context: WebContext) -> None:
        self._context = context
        self.site = Site(context=context)

    def fault_page(self, request: web.Request) -> web.Response | None:
        """What is shown of an error nobody foresaw; None outside the pages."""
        return self.site.fault_page(request)

    def routes(self) -> list[Route]:
        """Every page and action."""
        context, site = self._context, self.site
        form = ItemForm(context=context, site=site)
        system = SystemPage(context=context, site=site)
        return [
            *(("GET", each.address, unlogged(each.send)) for each in ASSETS),
            *SigningIn(context=context, site=site, settings=system.show).routes(),
            *TodayPage(context=context, site=site).routes(),
            *ItemsList(context=context, site=site).routes(),
            *form.routes(),
            *ItemsPage(context=context, site=site, mending=form.values_of).routes(),
            *ReturnsPage(context=context, site=site).routes(),
            *SalesPage(context=context, site=site).routes(),
            *IntegrationPage(context=context, site=site).routes(),
            *system.routes(),
            *LogPage(context=context, site=site).routes(),
            *DeliveriesPage(context=context, site=site).routes(),
            *CategoriesPage(context=context, site=site).routes(),
            *EndsPage(context=context, site=site).routes(),
            *SellingPage(context=context, site=site).routes(),
            *TraderaPage(context=context, site=site).routes(),
            ("GET", "/", unlogged(_to_first)),
            ("GET", f"{HOME}/{{rest:.*}}", self._astray),
        ]

    async def _astray(self, request: web.Request) -> web.StreamResponse:
        """The page without the slash too many; else one that says that there is none, with search."""
        path, query = request.rel_url.raw_path, request.rel_url.raw_query_string
        if path.endswith("/"):
            return see_other(path.rstrip("/") + (f"?{query}" if query else ""))
        return await self.site.page(_nothing)(request)


async def _to_first(_request: web.Request) -> web.StreamResponse:
    return see_other(HOME)


async def _nothing(_request: PageRequest) -> Page:
    raise Refused("NOT_FOUND", Text("There is no page at this address"))
