"""The first page: whether all is well, what happens next and what needs the owner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rheod.web.site import HOME
from rheod.web.visit import Page

if TYPE_CHECKING:
    from rheod.api.server import Route
    from rheod.web.parts import WebParts
    from rheod.web.site import Site
    from rheod.web.visit import Visit


class TodayPage:
    """What `rheod status` says, for people."""

    def __init__(self, *, parts: WebParts, site: Site) -> None:
        self._parts = parts
        self._site = site

    def routes(self) -> list[Route]:
        """The page."""
        return [("GET", HOME, self._site.page(self.show))]

    async def show(self, _visit: Visit) -> Page:
        """Everything on one page."""
        return Page("today.html", {"status": await self._parts.status()})
