"""The first page: whether all is well, what happens next and what needs the owner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rheod.health.rules import Mood
from rheod.web.site import HOME, Page

if TYPE_CHECKING:
    from rheod.api.routing import Route
    from rheod.web.site import PageRequest, Site, WebContext


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
