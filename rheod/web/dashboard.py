"""All pages of the dashboard as routes of the server; each page lives in a module of its own.

The first page: whether all is well, what happens next and what needs the owner.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rheod.api.authenticator import unlogged
from rheod.health.waiting import Mood
from rheod.web.integration import DeliveriesPage, IntegrationPage
from rheod.web.items_page import ItemsPage
from rheod.web.sales_page import SalesPage
from rheod.web.signing_in import SigningIn
from rheod.web.site import ADDRESS, HOME, ICON_ADDRESS, Page, Site, icon, style_sheet
from rheod.web.tradera import TraderaPage

if TYPE_CHECKING:
    from aiohttp import web

    from rheod.api.routing import Route
    from rheod.web.site import PageRequest, WebContext


class TodayPage:
    """Health, problems with their fixes, the call budget, what goes out when, the last days' sales."""

    def __init__(self, *, context: WebContext, site: Site) -> None:
        self._context = context
        self._site = site

    def routes(self) -> list[Route]:
        """The page."""
        return [("GET", HOME, self._site.page(self.show))]

    async def show(self, request: PageRequest) -> Page:
        """Everything on one page."""
        found = await self._context.findings()
        outlook = await self._context.outlooks.of_account(request.account_id)
        number, hour = request.language.number, request.language.hour
        is_bad = any(one.mood is Mood.BAD for one in found)
        values: dict[str, Any] = {
            "mood": "bad" if is_bad else "busy" if found else "good",
            "found": found,
            "status": await self._context.status(),
            "outlook": outlook,
            "freeing": [
                (hour(start), float(calls), str(calls) if calls else "") for start, calls in outlook.freeing
            ],
            "sales": [
                (f"{one.day.day}/{one.day.month}", one.ore / 100, number(one.ore / 100) if one.ore else "")
                for one in outlook.sales
            ],
        }
        return Page("today.html", values)


class Dashboard:
    """The pages put together."""

    def __init__(self, *, context: WebContext) -> None:
        self._context = context
        self.site = Site(context=context)

    def fault_page(self, request: web.Request) -> web.Response | None:
        """What is shown of an error nobody foresaw; None outside the pages."""
        return self.site.fault_page(request)

    def routes(self) -> list[Route]:
        """Every page and action."""
        context, site = self._context, self.site
        integration = IntegrationPage(context=context, site=site)
        return [
            ("GET", ADDRESS, unlogged(style_sheet)),
            ("GET", ICON_ADDRESS, unlogged(icon)),
            *SigningIn(context=context, site=site, settings=integration.show).routes(),
            *TodayPage(context=context, site=site).routes(),
            *ItemsPage(context=context, site=site).routes(),
            *SalesPage(context=context, site=site).routes(),
            *integration.routes(),
            *DeliveriesPage(context=context, site=site).routes(),
            *TraderaPage(context=context, site=site).routes(),
        ]
