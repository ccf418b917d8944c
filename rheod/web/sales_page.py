"""The page about orders: what must be sent, what is not paid, what is sent; what rheod cannot match; how the months went.

A buyer's name and address are shown for orders that are not shipped yet, and for no other purpose.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlencode

from pydantic import Field

from rheod.api import field_types
from rheod.api.field_types import read_model
from rheod.api.orders import TrackingBody, verdict_of
from rheod.api.partner_orders import ReversalBody
from rheod.api.routing import Query, read_query
from rheod.domain.errors import Refused, Text, counted
from rheod.domain.model import Json
from rheod.domain.orders import OrderFlag, OrderStatus, ReversalReason
from rheod.web.forms import wrong_field
from rheod.web.items_page import item_address
from rheod.web.site import HOME, ActionDone, Page

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rheod.api.routing import Route
    from rheod.store.orders import StoredOrder
    from rheod.usecases.orders import OrderTab
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


STATUSES: Mapping[OrderStatus, tuple[Text, str]] = {
    OrderStatus.REVERSED: (Text("taken back"), ""),
    OrderStatus.SHIPPED: (Text("sent"), "good"),
    OrderStatus.UNPAID: (Text("not paid yet"), "busy"),
    OrderStatus.WAITS: (Text("paid, may still grow"), "busy"),
    OrderStatus.READY: (Text("to be sent"), "busy"),
}
"""Where an order stands, in the shop's words, and its colour."""
FLAGS: Mapping[OrderFlag, Text] = {
    OrderFlag.PARTLY_PAID: Text("Only a part is paid."),
    OrderFlag.REFUNDED: Text("Money has been paid back."),
    OrderFlag.SUM_DIFFERS: Text("What was paid is not what things and freight come to."),
    OrderFlag.PARTLY_REVERSED: Text("A part of the sale was taken back."),
    OrderFlag.UNKNOWN_ITEM: Text("Something in it is unknown here."),
    OrderFlag.GREW_AFTER_PRINT: Text("The buyer has added to it after the pick list was written."),
    OrderFlag.PAID_AFTER_REVERSAL: Text("It was paid after the sale had been taken back."),
}


REASONS: Mapping[ReversalReason, Text] = {
    ReversalReason.UNPAID: Text("The buyer has not paid"),
    ReversalReason.CANCELLED: Text("We have agreed on it"),
    ReversalReason.RETURNED: Text("It came back"),
    ReversalReason.LOST: Text("It was lost on its way"),
}
"""Why a sale fell through, as the form asks for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tab:
    """Orders that stand so (None: all), as the page's address names them and as the shop does."""

    name: str
    status: OrderStatus | None
    words: Text
    none: Text


TABS = (
    Tab(name="", status=OrderStatus.READY, words=Text("To send"), none=Text("No order waits to be sent.")),
    Tab(name="unpaid", status=OrderStatus.UNPAID, words=Text("Unpaid"), none=Text("Every order is paid.")),
    Tab(name="sent", status=OrderStatus.SHIPPED, words=Text("Shipped"), none=Text("Nothing is sent yet.")),
    Tab(name="all", status=None, words=Text("All"), none=Text("No sales yet.")),
)
CARRIERS = ("PostNord", "DHL", "Schenker", "Bring")
"""Offered until parcels have been told of; and so many are offered afterwards, the last used first."""


class SalesQuery(Query):
    """Which orders: those of a tab, those with a sale of something rheod does not know, or these of the account."""

    show: Literal["", "unpaid", "sent", "all"] = ""
    unmatched: Literal["", "1"] = ""
    order: Annotated[str, Field(pattern=r"^(\d{1,18}(,\d{1,18}){0,19})?$")] = ""
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
            ("POST", f"{SALES}/{{orderId}}/tracking", action(self.track, name="tell parcel", page=self.show)),
            ("POST", f"{SALES}/{{orderId}}/settle", action(self.settle, name="settle sale", page=self.show)),
            ("POST", f"{SALES}/{{orderId}}/pay", action(self.pay, name="say paid", page=self.show)),
            ("POST", f"{SALES}/{{orderId}}/done", action(self.done, name="say handed over", page=self.show)),
            (
                "POST",
                f"{SALES}/{{orderId}}/reverse",
                action(self.reverse, name="take sale back", page=self.show),
            ),
            ("GET", f"{SALES}/months.csv", self._site.page(self.months)),
            ("GET", f"{SALES}/pick", self._site.page(self.picked)),
            ("POST", f"{SALES}/pick", action(self.pick, name="write pick list", page=self.show)),
            (
                "POST",
                f"{SALES}/messages/{{messageId}}/put-away",
                action(self.put_away, name="put message away", page=self.show),
            ),
        ]

    async def show(self, request: PageRequest) -> Page:
        """The first page of a tab has what needs the owner and the months too; further ones are orders alone."""
        query = read_query(request.http, SalesQuery)
        first = query.after is None and not query.unmatched and not query.order
        beyond = None if query.after is None else field_types.read(query.after, int, int)
        tab = next(each for each in TABS if each.name == ("all" if query.order else query.show))
        unmatched, found = await self._found(request, query, tab.status, beyond)
        used: dict[str, str] = {}
        for each in (*found.carriers, *CARRIERS):
            used.setdefault(each.casefold(), each)
        counts = {each.name: found.counts.get(str(each.status), 0) for each in TABS}
        values: dict[str, Any] = {
            "query": query,
            "first": first,
            "tab": tab,
            "tabs": TABS,
            "counts_of": counts | {"all": sum(found.counts.values())},
            "found": found,
            "orders": found.orders if unmatched is None else unmatched[:PAGE],
            "more": None if query.order else self._more(request, query, found, unmatched),
            "carriers": list(used.values())[: len(CARRIERS)],
            "label": label_of,
            "address": lambda external_id: item_address(request, external_id),
            "action": lambda path: _address(request, path),
            "to_tab": lambda name: _address(request, show=name, order=""),
            "ad_url": self._context.ad_url,
            "statuses": STATUSES,
            "flags": FLAGS,
            "reasons": REASONS,
        }
        return Page("orders.html", values | (await self._overview(request) if first else {}))

    async def _found(
        self, request: PageRequest, query: SalesQuery, status: OrderStatus | None, beyond: Any
    ) -> tuple[list[StoredOrder] | None, OrderTab]:
        """The orders of the tab, and where others are asked for, these. Raises Refused for one that the account has not."""
        orders = self._context.api.orders
        found = await orders.tab(request.account_id, status, limit=PAGE, beyond=beyond)
        if query.order:
            return [
                await orders.find(request.account_id, int(each)) for each in query.order.split(",")
            ], found
        if not query.unmatched:
            return None, found
        before = beyond or _NEWEST
        return await orders.listing(request.account_id, unmatched=True, limit=PAGE + 1, before=before), found

    @staticmethod
    def _more(
        request: PageRequest, query: SalesQuery, found: OrderTab, unmatched: list[StoredOrder] | None
    ) -> str | None:
        """The address of what comes behind."""
        beyond = found.beyond
        if unmatched is not None:
            last = unmatched[:PAGE][-1:]
            beyond = (last[0].created_at, last[0].order_id) if len(unmatched) > PAGE else None
        return beyond and _address(request, unmatched=query.unmatched, after=field_types.write(*beyond))

    async def _overview(self, request: PageRequest) -> dict[str, Any]:
        language = request.language
        figures = await self._context.api.figures.of_account(request.account_id)
        unmatched = await self._context.api.orders.listing(
            request.account_id, unmatched=True, limit=UNMATCHED + 1, before=_NEWEST
        )
        return {
            "months": [
                (language.month(month.month), month, earlier)
                for month, earlier in zip(figures.months, figures.before, strict=True)
            ],
            "chart": [
                (
                    language.short_month(one.month),
                    one.gross / 100,
                    language.number(one.gross / 100) if one.gross else "",
                )
                for one in figures.months
            ],
            "before": [
                (one.gross / 100, f"{language.month(one.month)}: {language.number(one.gross / 100)}")
                for one in figures.before
            ],
            "months_file": _address(request, "/months.csv", show=""),
            "doubts": await self._context.api.doubts.of_account(request.account_id),
            "unmatched": unmatched[:UNMATCHED],
            "all_unmatched": _address(request, unmatched="1") if len(unmatched) > UNMATCHED else None,
            "quarantined": await self._context.quarantine.newest() if not request.account else [],
        }

    async def months(self, request: PageRequest) -> Page:
        """The figures of the year's months as a file for a spreadsheet, as those of the reader's country read one."""
        figures = await self._context.api.figures.of_account(request.account_id)
        swedish = request.language.code == "sv"

        def amount(ore: int) -> str:
            return f"{ore / 100:.2f}".replace(".", "," if swedish else ".")

        lines = [
            (one.month, str(one.orders), amount(one.gross), amount(one.fee), amount(one.net))
            for one in figures.months
        ]
        return Page("months.csv", {"lines": lines, "between": ";" if swedish else ","}, kind="text/csv")

    async def track(self, request: PageRequest) -> ActionDone:
        """Tell the parcel of an order, as a partner does by the API: it is marked as shipped at Tradera."""
        self._require_writable(request)
        order_id = _number(request, "orderId")
        carrier = request.form.get("carrier", "") or request.form.get("other", "")
        given = {"carrier": carrier, "trackingNumber": request.form.get("number", "")}
        parcel = read_model(TrackingBody, given)
        await self._context.api.orders.track(
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
                raise wrong_field("salePrice", Text("Give the price in kronor, such as 950 or 950,50"))
            told["salePrice"] = float(price)
        for name in ("traderaAdId", "orderId"):
            if given := form.get(name, "").strip():
                told[name] = int(given) if given.isascii() and given.isdecimal() else given
        message = await self._context.api.doubts.settle(request.account_id, number, verdict_of(told))
        return ActionDone(message, to=_address(request), subject=str(number))

    async def pay(self, request: PageRequest) -> ActionDone:
        """The order was paid outside Tradera."""
        return await self._said(request, self._context.api.orders.pay)

    async def done(self, request: PageRequest) -> ActionDone:
        """The buyer has fetched it."""
        return await self._said(request, self._context.api.orders.done)

    async def _said(self, request: PageRequest, say: Callable[[str, int], Awaitable[Text]]) -> ActionDone:
        self._require_writable(request)
        order_id = _number(request, "orderId")
        sentence = await say(request.account_id, order_id)
        return ActionDone(sentence, to=_address(request), subject=str(order_id))

    async def reverse(self, request: PageRequest) -> ActionDone:
        """The sale of one thing by this order fell through; put up again where the second button says so."""
        self._require_writable(request)
        form, order_id = request.form, _number(request, "orderId")
        given = {
            "reason": form.get("reason", ""),
            "orderId": str(order_id),
            "refunded": bool(form.get("refunded")),
            "relist": bool(form.get("relist")),
        }
        told = await self._context.api.items.reversing.reverse(
            request.account_id, form.get("item", ""), read_model(ReversalBody, given).reversal()
        )
        sentence = Text("The sale of order {n} is taken back: the thing is not listed.", n=order_id)
        if told.said.relist:
            sentence = Text("The sale of order {n} is taken back: the thing is published again.", n=order_id)
        return ActionDone(sentence, to=_address(request), subject=str(order_id))

    async def pick(self, request: PageRequest) -> ActionDone:
        """Write the pick list: the orders that are ready count as printed, and the sheet is shown."""
        picked = await self._context.api.orders.pick(request.account_id)
        sentence = counted("The pick list has {n} thing.", "The pick list has {n} things.", len(picked))
        return ActionDone(sentence, to=_address(request, "/pick"), subject="pick list")

    async def picked(self, request: PageRequest) -> Page:
        """The pick list as a sheet to print: what the orders that are ready are made of, by where it lies."""
        orders = self._context.api.orders
        values = {
            "picked": await orders.to_pick(request.account_id),
            "sorted_by": orders.pick_sort,
            "label": label_of,
        }
        return Page("pick.html", values)

    def _require_writable(self, request: PageRequest) -> None:
        if request.account_id in self._context.api.removed_accounts:
            raise Refused(
                "CONFLICT", Text("This account is not in the settings any more: its orders can only be read")
            )

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
    """An address of these pages, on the tab and of the orders that are shown unless others are named."""
    shown = {name: request.http.query.get(name, "") for name in ("show", "order")}
    asked = {**shown, **query, "account": request.account}
    kept = {name: value for name, value in asked.items() if value}
    return f"{SALES}{path}" + (f"?{urlencode(kept)}" if kept else "")


def _number(request: PageRequest, name: str) -> int:
    text = request.http.match_info[name]
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise Refused("NOT_FOUND", Text("There is none with this number"))
    return int(text)
