"""What the simulated Tradera does for orders, transactions, the signed-in user and reference data.

Handlers get checked calls and give JSON values; they raise DeclinedError to refuse.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rheod.sandbox.tradera_access import Route
from rheod.sandbox.tradera_login import TOKEN_LIFE_MS
from rheod.sandbox.tradera_rules import DeclinedError, Spelling, bad_request, category_tree
from rheod.sandbox.tradera_views import from_iso, iso, order_json, transaction_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from rheod.sandbox.tradera_access import Asked, Keys
    from rheod.sandbox.tradera_orders import OrderBook


_FOREVER_MS = 253_402_300_799_000  # year 9999


class SalesDesk:
    """The handlers of orders and transactions."""

    def __init__(self, *, orders: OrderBook) -> None:
        self._orders = orders

    def routes(self) -> list[Route]:
        """List the operations served here."""
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
            order_json(order)
            for order in self._orders.orders.values()
            if order.seller_id == asked.seller_id
            and first <= (order.updated_ms if by_update else order.created_ms) <= last
        ]

    def _by_id(self, asked: Asked) -> Any:
        parts = asked.path["orderIds"].split(",")
        if not all(part.isdecimal() and part.isascii() for part in parts):
            raise bad_request("orderIds must be integers separated by commas")
        known = (self._orders.orders.get(int(part)) for part in parts)
        found = [order_json(x) for x in known if x is not None and x.seller_id == asked.seller_id]
        if not found:
            raise DeclinedError(404, "NotFound", "No order was found")
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
        flags = {"markAsPaidConfirmed", "markedAsShipped", "markShippingBooked"} & set(asked.body)
        if not flags:
            raise bad_request("At least one flag must be given")
        order, sale = self._orders.transaction(asked.body.get("transactionId", 0), asked.seller_id)
        sale.paid_confirmed = asked.body.get("markAsPaidConfirmed", sale.paid_confirmed)
        sale.shipped = asked.body.get("markedAsShipped", sale.shipped)
        sale.shipping_booked = asked.body.get("markShippingBooked", sale.shipping_booked)
        return {**transaction_json(order, sale), "buyer": None, "item": None}


def _window(asked: Asked, first: str, last: str) -> tuple[int, int]:
    """Read an inclusive window of dates in ms UTC; an absent end is open."""
    query = asked.query
    return (
        from_iso(query[first][0]) if first in query else 0,
        from_iso(query[last][0]) if last in query else _FOREVER_MS,
    )


class ReferenceDesk:
    """The handlers of the time, categories, users and the token; `spelling` picks the categories' field names."""

    def __init__(self, *, now: Callable[[], int], keys: Keys, logins: dict[str, int]) -> None:
        self._now = now
        self._keys = keys
        self._logins = logins
        self.spelling: Spelling = "id"

    def routes(self) -> list[Route]:
        """List the operations served here."""
        return [
            Route("time", "GET", "/v4/reference-data/time", self._time, user=False),
            Route("categories", "GET", "/v4/categories", self._categories, user=False),
            Route("me", "GET", "/v4/users/me", self._me),
            Route("alias", "GET", "/v4/users/by-alias/{alias}", self._alias, user=False),
            Route("token", "POST", "/v4/auth/token", self._token, user=False),
        ]

    def _time(self, _asked: Asked) -> str:
        return iso(self._now())

    def _categories(self, _asked: Asked) -> Any:
        return category_tree(self.spelling)

    def _me(self, asked: Asked) -> Any:
        return {
            "id": asked.seller_id,
            "alias": f"seller{asked.seller_id}",
            "firstName": "Test",
            "lastName": "Säljare",
            "email": "seller@example.com",
            "currencyCode": "SEK",
            "languageCodeIso2": "sv",
        }

    def _alias(self, asked: Asked) -> Any:
        for user_id in self._keys.sellers:
            if asked.path["alias"] == f"seller{user_id}":
                return {"id": user_id, "alias": asked.path["alias"], "totalRating": 12}
        raise DeclinedError(404, "NotFound", "The user was not found")

    def _token(self, asked: Asked) -> Any:
        """Hand out the token of a seller who has signed in; a login's secret key is good for one fetch."""
        secret, user_id = asked.body.get("secretKey") or "", asked.body.get("userId", 0)
        if not 32 <= len(secret) <= 255:
            raise bad_request("secretKey must be 32 to 255 characters")
        if self._logins.get(secret) != user_id:
            raise bad_request("There is no token for this user and secret key")
        del self._logins[secret]
        return {
            "authToken": self._keys.sellers[user_id],
            "hardExpirationTime": iso(self._now() + TOKEN_LIFE_MS),
        }
