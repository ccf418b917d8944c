"""The page about returns: what ended unsold and comes back by itself, with price, day and reason; each can be held, all be paused."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote

from rheod.api.field_types import raise_if_any, read_external_id
from rheod.web.integration import of_account
from rheod.web.site import HOME, ActionDone, Page

if TYPE_CHECKING:
    from rheod.api.routing import Route
    from rheod.web.site import PageRequest, Site, WebContext

RETURNS = f"{HOME}/returns"
ITEM = RETURNS + "/{externalId:[^/]+}"


class ReturnsPage:
    """Every planned return, and the owner's word on it."""

    def __init__(self, *, context: WebContext, site: Site) -> None:
        self._context = context
        self._site = site
        self._relisting = context.api.relisting

    def routes(self) -> list[Route]:
        """The page and what can be said on it; nothing of it is final."""
        action = self._site.action
        hold, resume = partial(self.hold, held=True), partial(self.hold, held=False)
        pause, go_on = partial(self.pause, paused=True), partial(self.pause, paused=False)
        return [
            ("GET", RETURNS, self._site.page(self.show)),
            ("POST", f"{RETURNS}/pause", action(pause, name="pause returns", page=self.show)),
            ("POST", f"{RETURNS}/resume", action(go_on, name="resume returns", page=self.show)),
            ("POST", f"{ITEM}/hold", action(hold, name="hold return", page=self.show)),
            ("POST", f"{ITEM}/resume", action(resume, name="resume return", page=self.show)),
        ]

    async def show(self, request: PageRequest) -> Page:
        """What comes back, the next first."""
        rule, _locked = await self._relisting.owners_rule()
        values = {
            "planned": await self._context.outlooks.returns(request.account_id),
            "paused": await self._relisting.is_paused(),
            "rule": rule,
        }
        return Page("returns.html", values)

    async def hold(self, request: PageRequest, *, held: bool) -> ActionDone:
        """Hold the return of one item, or let it go on."""
        external_id, wrong = read_external_id(request.http.raw_path, segment=2)
        raise_if_any(wrong)
        message = await self._relisting.hold(request.account_id, external_id, held=held)
        return ActionDone(message, to=of_account(request, RETURNS), subject=quote(external_id, safe=""))

    async def pause(self, request: PageRequest, *, paused: bool) -> ActionDone:
        """Stop every return until further notice, or let them go on."""
        message = await self._relisting.pause_all(paused=paused)
        return ActionDone(message, to=of_account(request, RETURNS), subject="returns")
