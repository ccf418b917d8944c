"""The simulated Tradera's sales: orders, their buyers and transactions.

An order here never changes a listing; the simulator ends the listing and then records the order.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rheod.sandbox.tradera_rules import DeclinedError

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from rheod.sandbox.tradera_market import SimulatedAd


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
class SimulatedOrder:
    """A buyer's order; times in ms UTC; `payment_ms` is None until it is paid through Tradera."""

    order_id: int
    purchase_id: str
    seller_id: int
    buyer: dict[str, Any]
    sales: list[Sale]
    created_ms: int
    updated_ms: int
    payment_ms: int | None = None

    @property
    def total(self) -> int:
        """The sum of the sale prices in SEK, without shipping."""
        return sum(sale.price for sale in self.sales)


class OrderBook:
    """All orders by id; the buyers' names and addresses are invented from `rng`."""

    def __init__(self, *, now: Callable[[], int], rng: random.Random) -> None:
        self._now = now
        self._rng = rng
        self.orders: dict[int, SimulatedOrder] = {}
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
        sales = []
        for listing, price in listings:
            self._next_transaction += 1
            sales.append(Sale(listing, price, self._next_transaction))
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

    def find(self, order_id: int, seller_id: int) -> SimulatedOrder:
        """Find a seller's order; DeclinedError 404 otherwise."""
        order = self.orders.get(order_id)
        if order is None or order.seller_id != seller_id:
            raise DeclinedError(404, "NotFound", "The order was not found")
        return order

    def pay(self, order_id: int) -> None:
        """Mark an order paid through Tradera, which moves its last update; KeyError when unknown."""
        order = self.orders[order_id]
        order.payment_ms = order.updated_ms = self._now()

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
        raise DeclinedError(404, "NotFound", "The transaction was not found")
