"""The page about sales: what was sold and must be sent, what rheod cannot match, how the months went.

A buyer's name and address are shown for orders that are not shipped yet, and for no other purpose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlencode

from rheod.api import field_types
from rheod.api.field_types import read_model
from rheod.api.orders import TrackingBody, verdict_of
from rheod.api.routing import Query, read_query
from rheod.domain.errors import Refused, Text
from rheod.domain.model import Json
from rheod.web.items_page import item_address
from rheod.web.site import HOME, ActionDone, Page

if TYPE_CHECKING:
    from rheod.api.routing import Route
    from rheod.store.orders import StoredOrder
    from rheod.web.site import PageRequest, Site, WebContext


SALES = f"{HOME}/sales"
PAGE = 20
UNMATCHED = 10
_NEWEST = (2**63 - 1, 2**63 - 1)

ADDRESS = (
    ("firstName", "lastName", "name"),
    ("careOf", "co"),
    ("addressLine1", "address"),
    ("addressLine2",),
    ("zipCode", "city"),
    ("countryName", "country"),
    ("phone", "phoneNumber", "mobilePhoneNumber"),
    ("email",),
)
"""Tradera's fields of a buyer that a parcel needs, by the lines of a label."""


class SalesQuery(Query):
    """Which orders: all, or those with a sale of something rheod does not know."""

    unmatched: Literal["", "1"] = ""
    after: str | None = None


class SalesPage:
    """Orders, what cannot be matched, and the months."""

    def __init__(self, *, context: WebContext, site: Site) -> None:
        self._context = context
        self._site = site

    def routes(self) -> list[Route]:
        """The page and its actions."""
        action = self._site.action
        return [
            ("GET", SALES, self._site.page(self.show)),
            ("POST", f"{SALES}/{{orderId}}/tracking", action(self.track, name="tell parcel")),
            ("POST", f"{SALES}/{{orderId}}/settle", action(self.settle, name="settle sale")),
            (
                "POST",
                f"{SALES}/messages/{{messageId}}/put-away",
                action(self.put_away, name="put message away"),
            ),
        ]

    async def show(self, request: PageRequest) -> Page:
        """The first page begins with what needs the owner; further ones are orders alone."""
        query = read_query(request.http, SalesQuery)
        first = query.after is None and not query.unmatched
        before = _NEWEST if query.after is None else field_types.read(query.after, int, int)
        found = await self._orders(request, unmatched=bool(query.unmatched), limit=PAGE + 1, before=before)
        orders = found[:PAGE]
        more = field_types.write(orders[-1].created_at, orders[-1].order_id) if len(found) > PAGE else None
        values: dict[str, Any] = {
            "query": query,
            "first": first,
            "orders": orders,
            "more": more and _address(request, unmatched=query.unmatched, after=more),
            "label": label_of,
            "address": lambda external_id: item_address(request, external_id),
            "action": lambda path: _address(request, path),
            "ad_url": self._context.ad_url,
        }
        return Page("sales.html", values | (await self._overview(request) if first else {}))

    async def _overview(self, request: PageRequest) -> dict[str, Any]:
        language = request.language
        figures = await self._context.api.figures.of_account(request.account_id)
        unmatched = await self._orders(request, unmatched=True, limit=UNMATCHED + 1, before=_NEWEST)
        return {
            "months": [(language.month(month.month), month) for month in figures.months],
            "chart": [
                (
                    language.short_month(one.month),
                    one.gross / 100,
                    language.number(one.gross / 100) if one.gross else "",
                )
                for one in figures.months
            ],
            "doubts": await self._context.api.doubts.of_account(request.account_id),
            "unmatched": unmatched[:UNMATCHED],
            "all_unmatched": _address(request, unmatched="1") if len(unmatched) > UNMATCHED else None,
            "quarantined": await self._context.quarantine.newest() if not request.account else [],
        }

    async def _orders(
        self, request: PageRequest, *, unmatched: bool, limit: int, before: tuple[Any, ...]
    ) -> list[StoredOrder]:
        at, last = before
        return await self._context.api.shipping.orders(
            request.account_id, unmatched=unmatched, limit=limit, before=(at, last)
        )

    async def track(self, request: PageRequest) -> ActionDone:
        """Tell the parcel of an order, as a partner does by the API: it is marked as shipped at Tradera."""
        if request.account_id in self._context.api.removed_accounts:
            raise Refused(
                "CONFLICT", Text("This account is not in the settings any more: its orders can only be read")
            )
        order_id = _number(request, "orderId")
        given = {"carrier": request.form.get("carrier", ""), "trackingNumber": request.form.get("number", "")}
        parcel = read_model(TrackingBody, given)
        await self._context.api.shipping.track(
            request.account_id, order_id, carrier=parcel.carrier, tracking_number=parcel.tracking_number
        )
        sentence = Text("The parcel of order {n} is noted; Tradera is told.", n=order_id)
        return ActionDone(sentence, to=_address(request), subject=str(order_id))

    async def settle(self, request: PageRequest) -> ActionDone:
        """The owner's word on a sale in doubt: sold for this price, or no sale."""
        number, form = _number(request, "orderId"), request.form
        sold = form.get("found") != "none"
        told: dict[str, Any] = {"sold": sold}
        if sold:
            price = "".join(form.get("price", "").split()).replace(",", ".")
            if not price.replace(".", "", 1).isdecimal() or not price.isascii():
                raise Refused("VALIDATION_FAILED", Text("Give the price in kronor, such as 950 or 950,50"))
            told["salePrice"] = float(price)
        for name in ("traderaAdId", "orderId"):
            if given := form.get(name, "").strip():
                told[name] = int(given) if given.isascii() and given.isdecimal() else given
        message = await self._context.api.doubts.settle(request.account_id, number, verdict_of(told))
        return ActionDone(message, to=_address(request), subject=str(number))

    async def put_away(self, request: PageRequest) -> ActionDone:
        """The owner has looked at a message that could not be read."""
        message_id = _number(request, "messageId")
        await self._context.quarantine.put_away(message_id)
        return ActionDone(Text("The message is put away."), to=_address(request), subject=str(message_id))


def label_of(buyer: Json) -> list[str]:
    """The lines of a parcel's label, from the address to ship to when it differs from the buyer's."""
    given = buyer.get("shipTo")
    person = {**buyer, **given} if isinstance(given, dict) else buyer
    lines = [" ".join(str(person[name]) for name in names if person.get(name)) for names in ADDRESS]
    return [line for line in lines if line]


def _address(request: PageRequest, path: str = "", **query: str) -> str:
    kept = {name: value for name, value in {**query, "account": request.account}.items() if value}
    return f"{SALES}{path}" + (f"?{urlencode(kept)}" if kept else "")


def _number(request: PageRequest, name: str) -> int:
    text = request.http.match_info[name]
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise Refused("NOT_FOUND", Text("There is none with this number"))
    return int(text)
