"""Months of a shop, lived through: orders grow, are paid in parts, paid back, sent, taken back and forgotten.

An ERP that is killed at random reads them meanwhile. What runs is what the daemon runs, over the simulated Tradera and its own
API. `RHEOD_MONTHS=20` lives through more.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from random import Random
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from rheod.domain.orders import OrderStatus
from rheod.sandbox.tradera_orders import SimulatedOrder
from tests.api.polling import Erp
from tests.desk import Desk
from tests.stores import rows
from tests.tradera.test_order_sync import order_created, push, reconcile

SEEDS = range(int(os.environ.get("RHEOD_MONTHS", "1")))
STEPS = 50
STEP_S = 26 * 3600
DAY_MS = 24 * 3600 * 1000
ORDERS = "/integration/v1/orders"


@dataclass
class Shop:
    """The owner and the ERP before the API, buyers before Tradera, and what each of them has done."""

    desk: Desk
    rng: Random
    key: str
    admin: str
    session: aiohttp.ClientSession
    server: TestServer | None = None
    stock: int = 0
    paid_outside: set[int] = field(default_factory=set)
    sent: set[int] = field(default_factory=set)
    taken_back: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    forgotten: set[int] = field(default_factory=set)

    async def serve(self) -> None:
        """Listen, as each life of the daemon does anew."""
        await self.close()
        self.server = TestServer(self.desk.rheod.handlers.public())
        await self.server.start_server()

    async def close(self) -> None:
        """Listen no more."""
        if self.server is not None:
            await self.server.close()

    async def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Ask the API as the ERP, or as the owner what is the owner's."""
        assert self.server is not None
        own = path.startswith("/rheod")
        headers = {"Authorization": f"Bearer {self.admin}"} if own else {"x-api-key": self.key}
        async with self.session.request(
            method, self.server.make_url(path), json=body, headers=headers
        ) as answer:
            assert answer.status < 429
            return answer.status, await answer.json()

    async def ask(self, query: str) -> dict[str, Any]:
        """A page of the list of orders."""
        status, page = await self.call("GET", f"{ORDERS}{query}")
        assert status == 200, page
        return dict(page)

    @property
    def orders(self) -> list[SimulatedOrder]:
        """Those of the simulated Tradera."""
        return list(self.desk.simulator.orders.values())

    def one(self) -> SimulatedOrder | None:
        """An order, a late one more often."""
        return self.rng.choice(self.orders[-8:]) if self.orders else None

    async def list_something(self) -> None:
        """A new thing goes out."""
        self.stock += 1
        await self.desk.publish(f"A{self.stock}", pictures=0)

    async def buy(self) -> None:
        """One or two things go in an order that may grow or not; push tells of it, or nobody does."""
        live = [each.item_id for each in self.desk.simulator.live_items()]
        if live:
            ad, *others = self.rng.sample(live, min(len(live), self.rng.choice((1, 1, 2))))
            number = await self.desk.simulator.sell(ad, self.rng.randrange(100, 900), also=others, push=False)
            days = self.rng.choice((None, 1, 3, 7))
            order = self.desk.simulator.orders[number]
            order.expires_ms = None if days is None else self.desk.clock() + days * DAY_MS
            if self.rng.random() < 0.6:
                await push(self.desk, order_created(number, ad, *others))

    async def grow(self) -> None:
        """A buyer adds a thing to an order that is open."""
        now = self.desk.clock()
        open_ones = [each.order_id for each in self.orders if (each.expires_ms or 0) > now]
        live = [each.item_id for each in self.desk.simulator.live_items()]
        if open_ones and live:
            await self.desk.simulator.add_to_order(self.rng.choice(open_ones), self.rng.choice(live), 200)

    async def pay(self) -> None:
        """All that is left, or a part."""
        if (order := self.one()) is not None:
            left = order.total + order.freight_cost - sum(each.amount for each in order.payments)
            if left > 0:
                part = self.rng.choice((None, None, max(1, left // 2)))
                self.desk.simulator.pay(order.order_id, part)

    async def pay_back(self) -> None:
        """A part of it is paid back at Tradera."""
        if (order := self.one()) is not None and order.payments:
            self.desk.simulator.refund(order.order_id, self.rng.choice((10, 1000)))

    async def say_paid(self) -> None:
        """The owner has the money in hand."""
        if (order := self.one()) is not None:
            status, _ = await self.call("POST", f"{ORDERS}/{order.order_id}/pay")
            if status == 202 and not await self._is_paid(order.order_id):
                raise AssertionError("said paid and is not")

    async def _is_paid(self, number: int) -> bool:
        status, order = await self.call("GET", f"{ORDERS}/{number}")
        return status == 200 and order["status"] != OrderStatus.UNPAID

    async def send(self) -> None:
        """What is ready is sent, with a parcel's number or handed over."""
        for order in (await self.ask("?status=ready&limit=3"))["orders"]:
            number = order["orderId"]
            if self.rng.random() < 0.5:
                parcel = {"carrier": "postnord", "trackingNumber": f"SE{number}"}
                status, _ = await self.call("POST", f"{ORDERS}/{number}/tracking", parcel)
            else:
                status, _ = await self.call("POST", f"{ORDERS}/{number}/done")
            if status < 300:
                self.sent.add(int(number))

    async def take_back(self) -> None:
        """A sale falls through, and the thing is put up again or not."""
        if (order := self.one()) is None:
            return
        _, told = await self.call("GET", f"{ORDERS}/{order.order_id}")
        for line in told.get("lines", [])[: self.rng.choice((1, 2))]:
            body = {
                "reason": self.rng.choice(("unpaid", "cancelled", "returned")),
                "orderId": str(order.order_id),
                "refunded": True,
                "relist": self.rng.random() < 0.5,
            }
            item = line["externalId"]
            status, _ = await self.call("POST", f"/integration/v1/items/{item}/reverse-sale", body)
            if status == 202:
                self.taken_back[order.order_id].add(line["adId"])

    async def forget(self) -> None:
        """A buyer wishes to be forgotten."""
        if (order := self.one()) is not None:
            status, _ = await self.call("POST", "/rheod/orders/erase-buyer", {"buyer": str(order.order_id)})
            if status == 200:
                self.forgotten.add(order.order_id)

    async def print_list(self) -> None:
        """Somebody goes to the shelves."""
        await self.call("POST", "/rheod/orders/pick")

    async def fall(self) -> None:
        """The daemon is killed and starts again."""
        await self.desk.crash()
        await self.serve()


async def settled(shop: Shop) -> None:
    """What Tradera has is read, and what waits for time alone has had it."""
    await reconcile(shop.desk)
    await shop.desk.rheod.core.orders.ripen()


async def live_through(shop: Shop, erp: Erp) -> None:
    """So many steps of about a day each, with a handful of things happening in each."""
    deeds = {
        shop.list_something: 5,
        shop.buy: 6,
        shop.grow: 2,
        shop.pay: 4,
        shop.pay_back: 1,
        shop.say_paid: 1,
        shop.send: 2,
        shop.take_back: 1,
        shop.forget: 1,
        shop.print_list: 1,
        shop.fall: 1,
    }
    for _ in range(STEPS):
        for deed in shop.rng.choices(list(deeds), list(deeds.values()), k=shop.rng.randrange(2, 9)):
            await deed()
            if shop.rng.random() < 0.3:
                await erp.poll(shop.rng)
        shop.desk.forward(STEP_S)
        await shop.desk.idle()
        if shop.rng.random() < 0.7:
            await settled(shop)


def faults(shop: Shop, order: SimulatedOrder, told: dict[str, Any]) -> list[str]:
    """What the ERP has of an order that is not so."""
    number, paid = order.order_id, sum(each.amount for each in order.payments)
    is_back = len(shop.taken_back[number]) == len(order.sales)
    said_paid = paid >= order.total + order.freight_cost
    truths = {
        "lines": {line["adId"] for line in told["lines"]}
        == {str(one.listing.item_id) for one in order.sales},
        "a line twice": len(told["lines"]) == len(order.sales),
        "sub-total": told["subTotal"] == order.total,
        "freight": told["freight"]["cost"] == order.freight_cost,
        "payments": sum(each["amount"] for each in told["payments"]) == paid,
        "reversed": (told["status"] == "reversed") == is_back,
        "shipped": is_back
        or (told["status"] == "shipped") == (number in shop.sent or all(one.shipped for one in order.sales)),
        "paid": not said_paid or told["status"] != "unpaid",
        "ready unpaid": told["status"] != "ready" or told["paid"] >= told["total"],
        "waits no more": told["status"] != "waits",
        "buyer": (told["buyer"] is None) == (number in shop.forgotten),
        "address": (told["shipTo"] is None) == (number in shop.forgotten),
        "whose": told["buyer"] is None or told["buyer"]["alias"] == order.buyer["alias"],
    }
    return [f"{number} {name}: {told}" for name, is_so in truths.items() if not is_so]


@pytest.mark.simulation
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", SEEDS)
async def test_an_erp_has_every_order_of_months_once_and_as_it_is(desk: Desk, seed: int) -> None:
    """Whatever was killed and when; and each order was told to be made once, before all else of it."""
    await desk.restart(daily_calls=1_000_000, interval_s=24 * 3600)
    _, key = await desk.rheod.core.keys.create(desk.account_id, "erp", ("items", "orders"))
    admin = await desk.rheod.core.keys.new_admin_token()
    async with aiohttp.ClientSession() as session:
        shop = Shop(desk=desk, rng=Random(seed), key=key, admin=admin, session=session)
        await shop.serve()
        erp = Erp(shop.ask, limit=7)
        await live_through(shop, erp)
        for _ in range(2):
            desk.forward(8 * 24 * 3600)
            await settled(shop)
        while not await erp.poll(shop.rng):
            pass
        assert set(erp.orders) == {str(each.order_id) for each in shop.orders}
        for number, told in erp.orders.items():
            assert told == (await shop.call("GET", f"{ORDERS}/{number}"))[1]
        assert [
            one for each in shop.orders for one in faults(shop, each, erp.orders[str(each.order_id)])
        ] == []
        await shop.close()
    query = "SELECT order_id, type FROM notices WHERE order_id IS NOT NULL AND type GLOB 'order.*' AND body IS NOT NULL ORDER BY seq"
    events = await rows(desk.database, query)
    first = {row["order_id"]: row["type"] for row in reversed(events)}
    assert set(first.values()) == {"order.created"}
    counts = Counter((row["order_id"], row["type"]) for row in events)
    assert {kind for (_, kind), n in counts.items() if n > 1} <= {"order.grew", "order.paid"}
    assert desk.simulator.second_commits == 0
    assert {each["status"] for each in erp.orders.values()} >= {"shipped", "unpaid", "reversed"}
    assert {kind for _, kind in counts} >= {"order.paid", "order.grew", "order.shipped"}
    assert shop.forgotten
