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

    def __init__(self, *, parts: WebContext) -> None:
        self._parts = parts
        self.site = Site(parts=parts)

    def fault_page(self, request: web.Request) -> web.Response | None:
        """What is shown of an error nobody foresaw; None outside the pages."""
        return self.site.fault_page(request)

    def routes(self) -> list[Route]:
        """Every page and action."""
        parts, site = self._parts, self.site
        return [
            ("GET", ADDRESS, unlogged(style_sheet)),
            ("GET", ICON_ADDRESS, unlogged(icon)),
            *SigningIn(parts=parts, site=site).routes(),
            *TodayPage(parts=parts, site=site).routes(),
            *ItemsPage(parts=parts, site=site).routes(),
            *SalesPage(parts=parts, site=site).routes(),
            *IntegrationPage(parts=parts, site=site).routes(),
            *DeliveriesPage(parts=parts, site=site).routes(),
            *TraderaPage(parts=parts, site=site).routes(),
        ]
