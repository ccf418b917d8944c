"""All pages of the dashboard as routes of the server; each page lives in a module of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rheod.api.authenticator import unlogged
from rheod.web.integration import DeliveriesPage, IntegrationPage
from rheod.web.items_page import ItemsPage
from rheod.web.sales_page import SalesPage
from rheod.web.signing_in import SigningIn
from rheod.web.site import ADDRESS, ICON_ADDRESS, Site, icon, style_sheet
from rheod.web.today import TodayPage
from rheod.web.tradera import TraderaPage

if TYPE_CHECKING:
    from aiohttp import web

    from rheod.api.routing import Route
    from rheod.web.site import WebContext


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
        return [
            ("GET", ADDRESS, unlogged(style_sheet)),
            ("GET", ICON_ADDRESS, unlogged(icon)),
            *SigningIn(context=context, site=site).routes(),
            *TodayPage(context=context, site=site).routes(),
            *ItemsPage(context=context, site=site).routes(),
            *SalesPage(context=context, site=site).routes(),
            *IntegrationPage(context=context, site=site).routes(),
            *DeliveriesPage(context=context, site=site).routes(),
            *TraderaPage(context=context, site=site).routes(),
        ]
