"""The first page: whether all is well, what happens next and what needs the owner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rheod.health.rules import Mood
from rheod.web.site import HOME, Page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rheod.api.routing import Route
    from rheod.health.rules import Finding
    from rheod.usecases.forecast import AccountForecast
    from rheod.web.site import PageRequest, Site, WebContext


class TodayPage:
    """Health, problems with their fixes, the call budget, what goes out when, the last days' sales."""

    def __init__(self, *, parts: WebContext, site: Site) -> None:
        self._parts = parts
        self._site = site

    def routes(self) -> list[Route]:
        """The page."""
        return [("GET", HOME, self._site.page(self.show))]

    async def show(self, visit: PageRequest) -> Page:
        """Everything on one page."""
        found = await self._parts.findings()
        outlook = await self._parts.outlooks.of_account(visit.account_id)
        values: dict[str, Any] = {
            "mood": _mood(found),
            "found": found,
            "status": await self._parts.status(),
            "outlook": outlook,
            "freeing": _freeing(outlook, visit),
            "sales": _sales(outlook, visit),
        }
        return Page("today.html", values)


def _mood(found: Sequence[Finding]) -> str:
    """The one word for how it goes."""
    if any(one.mood is Mood.BAD for one in found):
        return "bad"
    return "busy" if found else "good"


def _freeing(outlook: AccountForecast, visit: PageRequest) -> list[tuple[str, float, str]]:
    return [
        (visit.language.hour(start), float(calls), str(calls) if calls else "")
        for start, calls in outlook.freeing
    ]


def _sales(outlook: AccountForecast, visit: PageRequest) -> list[tuple[str, float, str]]:
    language = visit.language
    return [
        (
            f"{sold.day.day}/{sold.day.month}",
            sold.ore / 100,
            language.number(sold.ore / 100) if sold.ore else "",
        )
        for sold in outlook.sales
    ]
