"""The pages of the delivery log: every attempt by filters, and one with what was sent and answered."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from rheod.api.wire_webhooks import EVENTS
from rheod.domain.errors import Refused
from rheod.store.deliveries import STATUSES, Filters
from rheod.web.integration import PAGE
from rheod.web.visit import Page

if TYPE_CHECKING:
    from rheod.api.server import Route
    from rheod.store.deliveries import Logged
    from rheod.web.parts import WebParts
    from rheod.web.site import Site
    from rheod.web.visit import Visit

LOG = f"{PAGE}/deliveries"
A_PAGE = 50


class DeliveriesPage:
    """Reads only; replays are ordered at the page Integration."""

    def __init__(self, *, parts: WebParts, site: Site) -> None:
        self._parts = parts
        self._site = site

    def routes(self) -> list[Route]:
        """The log and one attempt."""
        return [
            ("GET", LOG, self._site.page(self.show)),
            ("GET", f"{LOG}/{{delivery_id:[0-9]{{1,18}}}}", self._site.page(self.show_one)),
        ]

    async def show(self, visit: Visit) -> Page:
        """The newest attempts that pass the filters."""
        wanted = _wanted(visit)
        found = await self._parts.api.feed.deliveries(wanted, limit=A_PAGE + 1)
        endpoints = await self._parts.api.endpoints.listing(visit.account_id)
        values: dict[str, Any] = {
            "attempts": found[:A_PAGE],
            "older": _older(visit, found),
            "wanted": wanted,
            "endpoints": endpoints,
            "events": EVENTS,
        }
        return Page("deliveries.html", values)

    async def show_one(self, visit: Visit) -> Page:
        """What was sent and what came back."""
        number = int(visit.request.match_info["delivery_id"])
        exchange = await self._parts.api.feed.exchange(visit.account_id, number)
        return Page("delivery.html", {"exchange": exchange, "sent": _pretty(exchange.sent)})


def _wanted(visit: Visit) -> Filters:
    query = visit.request.query
    event, status, before = query.get("event", "").strip(), query.get("status"), query.get("before", "")
    by_id = event.startswith("evt_")
    if before and not (before.isascii() and before.isdecimal() and len(before) < 19):
        raise Refused("BAD_REQUEST", "before must be the number of a delivery")
    return Filters(
        account_id=visit.account_id,
        endpoint_id=query.get("endpoint") or None,
        event_id=event if by_id else None,
        event_type=event if event in EVENTS else None,
        status=status if status in STATUSES else None,
        before=int(before) if before else None,
    )


def _older(visit: Visit, found: list[Logged]) -> str | None:
    if len(found) <= A_PAGE:
        return None
    kept = {**visit.request.query, "before": str(found[A_PAGE - 1].id)}
    return f"{LOG}?{urlencode(kept)}"


def _pretty(sent: str) -> str:
    """A body as people read it; one that was cut is shown as it is."""
    try:
        return json.dumps(json.loads(sent), ensure_ascii=False, indent=2)
    except ValueError:
        return sent
