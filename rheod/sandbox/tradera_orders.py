"""The simulated Tradera's orders: what is sold, to whom, and the calls about orders and transactions.

An order here never changes an ad; the simulator ends the ad and then records the order. The calls take checked requests,
return JSON values and raise DeclinedError to refuse.

Turns the simulator's state into Tradera's JSON and push messages, field by field as the contract names them.

Pure functions; nothing here changes state.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rheod.sandbox.tradera_access import Route
from rheod.sandbox.tradera_market import FIXED_PRICE, DeclinedError, bad_request

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from rheod.sandbox.tradera_access import Asked
    from rheod.sandbox.tradera_market import SimulatedAd


_COUNTRY = "Sverige"


def iso(at_ms: int, digits: int = 3) -> str:
    """Write a time as UTC with `Z` and this many fraction digits (the push queue has 7)."""
    seconds, ms = divmod(at_ms, 1000)
    whole = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{f'{ms:03d}'.ljust(digits, '0')}Z"


def from_iso(text: str) -> int:
    """Read a date-time as ms UTC; one without a zone is taken as UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def item_json(listing: SimulatedAd, *, now_ms: int, site: str) -> dict[str, Any]:
    """Write the `Item`; `site` is the address its links begin with."""
    body, bids = listing.body, listing.bids
    reserve = body.get("reservePrice", 0)
    pictures = [f"{site}/item/{listing.item_id}/pictures/{n}" for n in range(len(listing.images))]
    return {
        "id": listing.item_id,
        "itemType": body["itemType"],
        "categoryId": body["categoryId"],
        "shortDescription": body["title"],
        "longDescription": body["description"],
        "startDate": iso(listing.start_ms),
        "endDate": iso(listing.end_ms),
        "duration": body["duration"],
        "openingBid": listing.opening,
        "openingBidSpecified": body["itemType"] != FIXED_PRICE,
        "reservePrice": reserve,
        "reservePriceSpecified": reserve > 0,
        "reservePriceReached": bids[-1] >= reserve if bids and reserve else None,
        "buyItNowPrice": listing.buy_now,
        "buyItNowPriceSpecified": listing.buy_now > 0,
        "nextBid": listing.next_bid,
        "maxBid": bids[-1] if bids else 0,
        "maxBidSpecified": bool(bids),
        "totalBids": len(bids),
        "maxBidder": user_json(listing.buyer) if listing.buyer and bids else None,
        "buyerList": [user_json(listing.buyer)] if listing.buyer else [],
        "startQuantity": 1,
        "remainingQuantity": 0 if listing.buyer else 1,
        "status": status_json(listing, now_ms),
        "statusId": 0,
        "ownReferences": listing.own_references,
        "itemLink": f"{site}/item/{listing.item_id}",
        "thumbnailLink": pictures[0] if pictures else None,
        "imageLinks": pictures,
        "detailedImageLinks": [{"url": url, "format": "normal"} for url in pictures],
        "restarts": listing.restarts_left,
        "acceptedBuyerId": body["acceptedBidderId"],
        "itemAttributes": list(body["itemAttributes"]),
        "shippingOptions": list(body["shippingOptions"]),
        "seller": {"id": listing.seller_id, "alias": f"seller{listing.seller_id}"},
        "vat": body.get("vat") or 0,
        "vatSpecified": body.get("vat") is not None,
    }


def status_json(listing: SimulatedAd, now_ms: int) -> dict[str, bool]:
    """Write `{ended, gotBidders, gotWinner}`."""
    return {
        "ended": listing.ended(now_ms),
        "gotBidders": bool(listing.bids),
        "gotWinner": listing.buyer is not None,
    }


def user_json(buyer: Any) -> dict[str, Any]:
    """Write a buyer as other members see one."""
    return {"id": buyer["userId"], "alias": buyer["alias"], "city": buyer["city"], "countryName": _COUNTRY}


def item_closed(listing: SimulatedAd, reason: str) -> dict[str, Any]:
    """Write the push message of a closed listing; `reason` as Tradera spells it."""
    return {
        "Type": "ItemClosed",
        "ItemId": listing.item_id,
        "SellerMemberId": listing.seller_id,
        "Reason": reason,
    }


_FOREVER_MS = 253_402_300_799_000  # year 9999
_FIRST_NAMES = ("Astrid", "Björn", "Åsa", "Märta", "Örjan")
_LAST_NAMES = ("Lindqvist", "Öberg", "Sjögren", "Ek")
_TOWNS = (("582 22", "Linköping"), ("211 20", "Malmö"), ("972 31", "Luleå"))


@dataclass(slots=True)
class Sale:
    """One sold listing within an order, with its transaction's flags; the price in whole SEK."""

    listing: SimulatedAd
    price: int
    transaction_id: int
    paid_confirmed: bool = False
    shipped: bool = False
    shipping_booked: bool = False


@dataclass(slots=True)
class SimulatedPayment:
    """A payment through Tradera, in whole SEK."""

    amount: int
    paid_ms: int
    type: str
    reference: str
    cost: int = 0


@dataclass(slots=True)
class SimulatedOrder:
    """A buyer's order; times in ms UTC.

    Until `expires_ms` the same buyer may add to it, which is combined shipping; without it there is none. `freight` None
    is what the ad says. `ship_to` is there for shop items alone, says the older reference of orders.
    """

    order_id: int
    purchase_id: str
    seller_id: int
    buyer: dict[str, Any]
    sales: list[Sale]
    created_ms: int
    updated_ms: int
    payments: list[SimulatedPayment] = field(default_factory=list)
    expires_ms: int | None = None
    freight: int | None = None
    weight: float | None = None
    ship_to: dict[str, Any] | None = None

    @property
    def total(self) -> int:
        """The sum of the sale prices in SEK, without shipping."""
        return sum(sale.price for sale in self.sales)

    @property
    def freight_cost(self) -> int:
        """What the buyer pays for shipping."""
        if self.freight is not None:
            return self.freight
        cost: int = self.sales[0].listing.body["shippingOptions"][0]["cost"]
        return cost


class OrderBook:
    """All orders by id; the buyers' names and addresses are invented from `rng`."""

    def __init__(self, *, now: Callable[[], int], rng: random.Random) -> None:
        self.now = self._now = now
        self._rng = rng
        self.orders: dict[int, SimulatedOrder] = {}
        self._lies: dict[int, tuple[dict[str, Any], dict[str, Any]]] = {}
        self._next_order = 55_000_000 + rng.randrange(1_000_000)
        self._next_transaction = 330_000_000 + rng.randrange(1_000_000)

    def new_buyer(self) -> dict[str, Any]:
        """Invent a buyer in the shape of the contract's `SellerOrderUser`."""
        rng = self._rng
        first, last = rng.choice(_FIRST_NAMES), rng.choice(_LAST_NAMES)
        zip_code, city = rng.choice(_TOWNS)
        number = rng.randrange(1_000_000, 9_000_000)
        return {
            "userId": number,
            "alias": f"buyer{number}",
            "firstName": first,
            "lastName": last,
            "email": f"buyer{number}@example.com",
            "phone": "070-1740605",
            "addressLine1": f"Storgatan {rng.randrange(1, 99)}",
            "addressLine2": None,
            "zipCode": zip_code,
            "city": city,
            "countryName": "Sverige",
        }

    def record(self, listings: Sequence[tuple[SimulatedAd, int]], buyer: dict[str, Any]) -> SimulatedOrder:
        """Record one order for sold listings of one seller, each with its price in SEK."""
        self._next_order += 1
        sales = self._sales(listings)
        now_ms = self._now()
        order = SimulatedOrder(
            order_id=self._next_order,
            purchase_id=str(uuid.UUID(int=self._rng.getrandbits(128), version=4)),
            seller_id=listings[0][0].seller_id,
            buyer=buyer,
            sales=sales,
            created_ms=now_ms,
            updated_ms=now_ms,
        )
        self.orders[order.order_id] = order
        return order

    def _sales(self, listings: Sequence[tuple[SimulatedAd, int]]) -> list[Sale]:
        sales = []
        for listing, price in listings:
            self._next_transaction += 1
            sales.append(Sale(listing, price, self._next_transaction))
        return sales

    def grow(self, order_id: int, listings: Sequence[tuple[SimulatedAd, int]]) -> None:
        """Let the buyer add sold listings to the order; DeclinedError once its time is over.

        Tradera's help on combined shipping: it is open for 1, 3 or 7 days by the seller's choice, later purchases form a
        new order, and all things must share a shipping option.
        """
        order = self.orders[order_id]
        if order.expires_ms is None or self._now() >= order.expires_ms:
            # Tradera's help on combined shipping
            raise DeclinedError(409, "Conflict", "The order is closed: a later purchase forms a new order")
        order.sales += self._sales(listings)
        order.updated_ms = self._now()

    def find(self, order_id: int, seller_id: int) -> SimulatedOrder:
        """Find a seller's order; DeclinedError 404 otherwise."""
        order = self.orders.get(order_id)
        if order is None or order.seller_id != seller_id:
            raise DeclinedError(404, "NotFound", "The order was not found")  # the contract
        return order

    def lie(self, order_id: int, order: dict[str, Any], line: dict[str, Any]) -> None:
        """From now on write these fields of the order, and of each of its lines, otherwise than they are; {} and {}: none."""
        self._lies[order_id] = (order, line)

    def shown(self, order: SimulatedOrder) -> dict[str, Any]:
        """Write a `SellerOrder` with what is lied about it."""
        of_order, of_line = self._lies.get(order.order_id, ({}, {}))
        true = order_json(order)
        return {**true, "items": [{**line, **of_line} for line in true["items"]], **of_order}

    def pay(self, order_id: int, amount: int | None = None, *, by: str = "Swish") -> None:
        """Pay this much of an order through Tradera, by default what is left; it moves its last update. KeyError."""
        order = self.orders[order_id]
        paid = sum(payment.amount for payment in order.payments)
        left = order.total + order.freight_cost - paid if amount is None else amount
        number = f"{by.lower()}-{order_id}-{len(order.payments) + 1}"
        order.payments.append(SimulatedPayment(left, self._now(), by, number))
        order.updated_ms = self._now()

    def refund(self, order_id: int, amount: int) -> None:
        """Pay so much back: the payments shrink, the last first, and vanish at 0, as clients of orders have seen them do."""
        order = self.orders[order_id]
        for payment in reversed(order.payments):
            part = min(amount, payment.amount)
            payment.amount -= part
            amount -= part
        order.payments = [payment for payment in order.payments if payment.amount]
        order.updated_ms = self._now()

    def ship(self, order: SimulatedOrder) -> None:
        """Mark every sale of an order as shipped."""
        for sale in order.sales:
            sale.shipped = True
        order.updated_ms = self._now()

    def transaction(self, transaction_id: int, seller_id: int) -> tuple[SimulatedOrder, Sale]:
        """Find a seller's transaction; DeclinedError 404 otherwise."""
        for order in self.orders.values():
            for sale in order.sales:
                if sale.transaction_id == transaction_id and order.seller_id == seller_id:
                    return order, sale
        raise DeclinedError(404, "NotFound", "The transaction was not found")  # the contract


def order_json(order: SimulatedOrder) -> dict[str, Any]:
    """Write a `SellerOrder`; payments are null until paid."""
    payments = [
        {
            "amount": payment.amount,
            "paidDate": iso(payment.paid_ms),
            "paymentType": payment.type,
            "reference": payment.reference,
            "paymentCost": payment.cost,
            "additionalInfo": None,
        }
        for payment in order.payments
    ]
    return {
        "orderId": order.order_id,
        "purchaseOrderId": order.purchase_id,
        "createdDate": iso(order.created_ms),
        "lastUpdatedDate": iso(order.updated_ms),
        "expiresDate": None if order.expires_ms is None else iso(order.expires_ms),
        "subTotal": order.total,
        "shippingCost": order.freight_cost,
        "shippingType": "Övrigt",
        "shippingWeight": order.weight,
        "shipTo": order.ship_to,
        "buyer": order.buyer,
        "seller": {"userId": order.seller_id, "alias": f"seller{order.seller_id}"},
        "items": [_order_item(sale) for sale in order.sales],
        "sellerOrderPayments": payments or None,
    }


def _order_item(sale: Sale) -> dict[str, Any]:
    body = sale.listing.body
    return {
        "itemId": sale.listing.item_id,
        "type": body["itemType"],
        "title": body["title"],
        "quantity": 1,
        "unitPrice": sale.price,
        "vatRate": body.get("vat") or 0,
        "ownReferences": sale.listing.own_references,
        "merchantPartNumber": None,
    }


def transaction_json(order: SimulatedOrder, sale: Sale) -> dict[str, Any]:
    """Write a `Transaction` of one sale."""
    listing = sale.listing
    return {
        "id": sale.transaction_id,
        "date": iso(order.created_ms),
        "lastUpdatedDate": iso(order.updated_ms),
        "amount": sale.price,
        "buyer": user_json(order.buyer),
        "item": {
            "id": listing.item_id,
            "title": listing.body["title"],
            "type": listing.body["itemType"],
            "ownReferences": listing.own_references,
        },
        "isMarkedAsPaidConfirmed": sale.paid_confirmed,
        "isMarkedAsShipped": sale.shipped,
        "isShippingBooked": sale.shipping_booked,
        "isFeedbackLeftByBuyer": False,
        "isFeedbackLeftBySeller": False,
    }


def order_created(order: SimulatedOrder) -> dict[str, Any]:
    """Write the push message of a new order."""
    return {
        "Type": "OrderCreated",
        "OrderId": order.order_id,
        "SellerMemberId": order.seller_id,
        "CreatedDate": iso(order.created_ms, digits=7),
        "ItemIds": [sale.listing.item_id for sale in order.sales],
    }


class SimulatedOrderCalls:
    """The calls about orders and transactions."""

    def __init__(self, *, orders: OrderBook) -> None:
        self._orders = orders

    def routes(self) -> list[Route]:
        """The operations with their addresses."""
        return [
            Route("orders", "GET", "/v4/orders", self._by_date),
            Route("orders_by_id", "GET", "/v4/orders/{orderIds}", self._by_id),
            Route("ship", "POST", "/v4/orders/{orderId}/ship", self._ship),
            Route("transactions", "GET", "/v4/listings/seller-transactions", self._transactions),
            Route("transaction_status", "PUT", "/v4/listings/transaction-status", self._mark),
        ]

    def _by_date(self, asked: Asked) -> Any:
        first, last = _window(asked, "fromDate", "toDate")
        by_update = asked.query.get("queryDateMode", ["0"])[0] == "1"
        return [
            self._orders.shown(order)
            for order in self._orders.orders.values()
            if order.seller_id == asked.seller_id
            and first <= (order.updated_ms if by_update else order.created_ms) <= last
        ]

    def _by_id(self, asked: Asked) -> Any:
        parts = asked.path["orderIds"].split(",")
        if not all(part.isdecimal() and part.isascii() for part in parts):
            raise bad_request("orderIds must be integers separated by commas")  # the contract
        known = (self._orders.orders.get(int(part)) for part in parts)
        found = [self._orders.shown(x) for x in known if x is not None and x.seller_id == asked.seller_id]
        if not found:
            raise DeclinedError(404, "NotFound", "No order was found")  # guessed
        return found

    def _ship(self, asked: Asked) -> Any:
        order = self._orders.find(int(asked.path["orderId"]), asked.seller_id)
        self._orders.ship(order)
        return {"orderId": order.order_id}

    def _transactions(self, asked: Asked) -> Any:
        first, last = _window(asked, "minTransactionDate", "maxTransactionDate")
        by_update = asked.query.get("filter", ["2"])[0] == "4"
        return [
            transaction_json(order, sale)
            for order in self._orders.orders.values()
            if order.seller_id == asked.seller_id
            and first <= (order.updated_ms if by_update else order.created_ms) <= last
            for sale in order.sales
        ]

    def _mark(self, asked: Asked) -> Any:
        given = {
            name: asked.body[name]
            for name in ("markAsPaidConfirmed", "markedAsShipped", "markShippingBooked")
            if asked.body.get(name) is not None
        }
        if not given:  # the reference of the calls: at least one flag, and null is none
            raise bad_request("At least one flag must be given")
        if not all(
            isinstance(flag, bool) for flag in given.values()
        ):  # the contract: each is a nullable boolean
            raise bad_request("A flag must be true or false")
        order, sale = self._orders.transaction(asked.body.get("transactionId", 0), asked.seller_id)
        sale.paid_confirmed = given.get("markAsPaidConfirmed", sale.paid_confirmed)
        sale.shipped = given.get("markedAsShipped", sale.shipped)
        sale.shipping_booked = given.get("markShippingBooked", sale.shipping_booked)
        order.updated_ms = self._orders.now()
        return {**transaction_json(order, sale), "buyer": None, "item": None}


def _window(asked: Asked, first: str, last: str) -> tuple[int, int]:
    """Read an inclusive window of dates in ms UTC; an absent end is open."""
    query = asked.query
    return (
        from_iso(query[first][0]) if first in query else 0,
        from_iso(query[last][0]) if last in query else _FOREVER_MS,
    )
