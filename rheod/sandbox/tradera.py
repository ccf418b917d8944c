"""The simulated Tradera v4: a server on loopback, and the scripted market that tests and the demo play on it.

It refuses what Tradera refuses, counts every call, and goes wrong on demand. It knows nothing of rheod. Its calls under
/sandbox, by which another process sells, plans faults and looks, are not part of Tradera and are never counted.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections import Counter, deque
from typing import TYPE_CHECKING, Any, Protocol

from aiohttp import web

from rheod.sandbox.contract import tradera_contract
from rheod.sandbox.servers import MAX_BODY_BYTES, HttpServer
from rheod.sandbox.tradera_access import (
    AccessCheck,
    CallLimit,
    CallQuota,
    Conduct,
    CountedCall,
    Fault,
    Keys,
    Route,
    answer,
    error,
)
from rheod.sandbox.tradera_listings import ListingCalls
from rheod.sandbox.tradera_market import AUCTION, DeclinedError, Market, SimulatedAd
from rheod.sandbox.tradera_orders import (
    OrderBook,
    SimulatedOrder,
    SimulatedOrderCalls,
    item_closed,
    order_created,
    order_json,
)
from rheod.sandbox.tradera_site import ItemPages, LoginPages, SimulatedReferenceCalls

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable, Sequence

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Control:
    """The /sandbox routes of one simulator."""

    def __init__(self, simulator: TraderaSimulator) -> None:
        self._simulator = simulator

    def add_to(self, app: web.Application) -> None:
        """Register the routes."""
        item = r"/sandbox/items/{itemId:\d{1,10}}"
        app.router.add_post(item + "/sell", _explained(self._sell))
        app.router.add_post(item + "/bid", _explained(self._bid))
        app.router.add_post(item + "/close", _explained(self._close))
        app.router.add_post("/sandbox/faults", _explained(self._add_fault))
        app.router.add_delete("/sandbox/faults", self._clear_faults)
        app.router.add_post("/sandbox/settings", _explained(self._settings))
        app.router.add_get("/sandbox/state", self._state)

    async def _sell(self, request: web.Request) -> web.Response:
        price = (await _fields(request, "price")).get("price")
        order_id = await self._simulator.sell(int(request.match_info["itemId"]), price)
        return answer(200, {"orderId": order_id})

    async def _bid(self, request: web.Request) -> web.Response:
        amount = (await _fields(request, "amount")).get("amount")
        self._simulator.bid(int(request.match_info["itemId"]), amount)
        return answer(200, {})

    async def _close(self, request: web.Request) -> web.Response:
        fields = await _fields(request, "reason")
        reason = fields.get("reason", "ItemClosedByTradera")
        await self._simulator.close(int(request.match_info["itemId"]), reason)
        return answer(200, {})

    async def _add_fault(self, request: web.Request) -> web.Response:
        fields = await _json(request)
        self._simulator.fault(**fields)
        return answer(200, {})

    async def _clear_faults(self, _request: web.Request) -> web.Response:
        self._simulator.clear_faults()
        return answer(200, {})

    async def _settings(self, request: web.Request) -> web.Response:
        fields = await _fields(request, "processing_delay_s", "daily_calls", "quota")
        if "processing_delay_s" in fields:
            self._simulator.processing_delay_s = float(fields["processing_delay_s"])
        if "daily_calls" in fields:
            self._simulator.limit_calls(*_in_all(fields["daily_calls"]))
        if "quota" in fields:
            self._simulator.limit_calls(*(CallLimit(**each) for each in fields["quota"]))
        return answer(200, {})

    async def _state(self, _request: web.Request) -> web.Response:
        simulator = self._simulator
        live: dict[str, list[int]] = {}
        for listing in simulator.live_items():
            for reference in listing.own_references or [""]:
                live.setdefault(reference, []).append(listing.item_id)
        state = {
            "calls": dict(simulator.calls_by_operation()),
            "call_log": [dataclasses.asdict(call) for call in simulator.calls[-500:]],
            "live_items": live,
            "creates": dict(simulator.market.creates),
            "second_commits": simulator.second_commits,
            "orders": [order_json(order) for order in simulator.orders.values()],
        }
        return answer(200, state)


def _in_all(calls: int | None) -> list[CallLimit]:
    """A limit of all calls together in any 24 hours; None is no limit."""
    return [] if calls is None else [CallLimit(calls=calls)]


async def _json(request: web.Request) -> dict[str, Any]:
    """Read a JSON object, empty when no body was sent; ValueError otherwise."""
    raw = await request.read()
    value = json.loads(raw) if raw else {}
    if not isinstance(value, dict):
        raise ValueError("the body must be a JSON object")  # noqa: TRY004 - one kind for every bad body
    return value


async def _fields(request: web.Request, *known: str) -> dict[str, Any]:
    value = await _json(request)
    unknown = set(value) - set(known)
    if unknown:
        raise ValueError(f"unknown field {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return value


def _explained(handler: Handler) -> Handler:
    """Answer a refusal or a bad body with a sentence."""

    async def explained(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except DeclinedError as declined:
            return error(declined.status, declined.code, declined.message)
        except (ValueError, TypeError) as wrong:
            return error(400, "BadRequest", str(wrong))

    return explained


__all__ = ["Fault", "Keys", "TraderaSimulator"]

_PUSH_TIMEOUT_S = 20.0


class SimulatedPushQueue(Protocol):
    """Where push messages go; `rheod.sandbox.servers.SandboxQueue` is one."""

    async def send(self, body: str | dict[str, Any], n: int = 1) -> None:
        """Send a message n times."""


class TraderaSimulator:
    """Tradera on a loopback port; `base_url` (ending in /v4) is known after `start`.

    `now` gives ms UTC, `rng` draws ids and buyers, `processing_delay_s` is the time from commit to visible,
    `daily_calls` the limit per rolling 24 h (None = none). `queue` may be set at any time.
    """

    def __init__(
        self,
        *,
        now: Callable[[], int],
        rng: random.Random,
        keys: Keys | None = None,
        processing_delay_s: float = 1.0,
        daily_calls: int | None = None,
    ) -> None:
        self.keys = keys or Keys()
        self.conduct = Conduct(quota=CallQuota(_in_all(daily_calls)))
        self.queue: SimulatedPushQueue | None = None
        self.market = Market(now=now, rng=rng, processing_delay_ms=round(processing_delay_s * 1000))
        self.order_book = OrderBook(now=now, rng=rng)
        self.login = LoginPages(now=now, keys=self.keys, conduct=self.conduct)
        self.reference = SimulatedReferenceCalls(
            now=now, keys=self.keys, logins=self.login.logins, catalogue=self.market.catalogue
        )
        self._now = now
        self._outgoing: deque[dict[str, Any]] = deque()
        listings = ListingCalls(
            now=now,
            market=self.market,
            conduct=self.conduct,
            site=lambda: self._server.url,
            push=self._outgoing.append,
        )
        self._access = AccessCheck(
            now=now,
            keys=self.keys,
            conduct=self.conduct,
            market=self.market,
            contract=tradera_contract(),
            flush=self._flush,
        )
        routes = (
            listings.routes() + SimulatedOrderCalls(orders=self.order_book).routes() + self.reference.routes()
        )
        self._server = HttpServer(self._application(routes, listings))

    def _application(self, routes: list[Route], listings: ListingCalls) -> web.Application:
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        for route in routes:
            app.router.add_route(route.method, route.template, self._access.guarded(route))
        ItemPages(now=self._now, market=self.market, pictures=listings.pictures).add_to(app)
        self.login.add_to(app)
        Control(self).add_to(app)
        app.router.add_route("*", "/{tail:.*}", self._unknown)
        return app

    async def _unknown(self, request: web.Request) -> web.Response:
        self.calls.append(CountedCall(self._now(), "unknown", request.method, request.path, status=404))
        return error(404, "NotFound", f"The simulator has no {request.method} {request.path}")

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen; port 0 takes a free one. Raises OSError when the port is taken."""
        await self._server.start(host, port)

    async def stop(self) -> None:
        """Let go of hanging calls and close."""
        self._access.stopping.set()
        await self._server.stop()

    @property
    def site_url(self) -> str:
        """The address of item pages and of the control calls, without /v4."""
        return self._server.url

    @property
    def base_url(self) -> str:
        """The address for `tradera.base_url`."""
        return f"{self._server.url}/v4"

    @property
    def processing_delay_s(self) -> float:
        """How long a committed request waits in the queue, in seconds; may be set."""
        return self.market.processing_delay_ms / 1000

    @processing_delay_s.setter
    def processing_delay_s(self, seconds: float) -> None:
        self.market.processing_delay_ms = round(seconds * 1000)

    # What happened

    @property
    def calls(self) -> list[CountedCall]:
        """Every call under /v4 in order of arrival."""
        return self._access.calls

    def calls_by_operation(self) -> Counter[str]:
        """Count the calls by operation name."""
        return Counter(call.operation for call in self.calls)

    def creates(self, own_reference: str) -> int:
        """How many requests were created with this reference, committed or not."""
        return self.market.creates[own_reference]

    @property
    def second_commits(self) -> int:
        """How many commits named a request that was committed already: a violation by the client."""
        return self.market.second_commits

    def live_items(self, own_reference: str | None = None) -> list[SimulatedAd]:
        """Every listing that is visible and running, or those with this reference."""
        return self.market.live(own_reference)

    @property
    def orders(self) -> dict[int, SimulatedOrder]:
        """Every order by id."""
        return self.order_book.orders

    # What shall happen

    def fault(self, operation: str, name: str, **details: Any) -> None:
        """Plan a fault; `details` are the other fields of `Fault`. Raises ValueError for an unknown name."""
        self._access.faults.add(Fault(operation, name, **details))

    def clear_faults(self) -> None:
        """Forget every planned fault."""
        self._access.faults.clear()

    def bid(self, item_id: int, amount: int | None = None) -> None:
        """Place a bid, by default the least allowed; DeclinedError when the item takes none."""
        self.market.settle()
        self.market.bid(self.market.visible(item_id), amount)

    async def sell(
        self, item_id: int, price: int | None = None, *, also: Sequence[int] = (), push: bool = True
    ) -> int:
        """End an item with a winner and record the order, of which it answers the id; OrderCreated is pushed.

        `price` is the sale price in SEK, by default the highest bid, the opening or the fixed price. `also`
        names more items of that seller for the same order. DeclinedError when an item is not running.
        """
        self.market.settle()
        listings = [self.market.visible(number) for number in (item_id, *also)]
        for listing in listings:
            self.market.close(listing)
        buyer = self.order_book.new_buyer()
        for listing in listings:
            listing.buyer = buyer
            if listing.body["itemType"] == AUCTION and (price or not listing.bids):
                listing.bids.append(price or listing.opening)
        prices = [price or (listing.bids[-1] if listing.bids else listing.buy_now) for listing in listings]
        order = self.order_book.record(list(zip(listings, prices, strict=True)), buyer)
        await self._push(order_created(order) if push else None)
        return order.order_id

    async def close(self, item_id: int, reason: str = "ItemClosedByTradera", *, push: bool = True) -> None:
        """End an item without a buyer and push ItemClosed with this reason, spelt as Tradera does."""
        self.market.settle()
        listing = self.market.visible(item_id)
        self.market.close(listing)
        await self._push(item_closed(listing, reason) if push else None)

    async def end_unsold(self, item_id: int, *, push: bool = True) -> None:
        """End an item as expired without a buyer."""
        await self.close(item_id, "ItemEndedWithoutBuyer", push=push)

    def lie_about_order(self, order_id: int, *, line: dict[str, Any] | None = None, **fields: Any) -> None:
        """Show these fields of an order, and of each `line` of it, otherwise than they are; without any it is true again."""
        self.order_book.lie(order_id, fields, line or {})

    async def request_purchase(self, item_id: int, price: int, *, push: bool = True) -> int:
        """Sell an ad that has ended unsold, as the seller accepts a buyer's request; answers the order's id.

        Tradera's help: a request may be sent for any ended, unsold ad, and the seller must accept it. DeclinedError for
        another ad.
        """
        self.market.settle()
        listing = self.market.visible(item_id)
        if not listing.ended(self.order_book.now()) or listing.buyer is not None:
            raise DeclinedError(409, "Conflict", "A purchase may be requested of an ended, unsold ad alone")
        buyer = listing.buyer = self.order_book.new_buyer()
        order = self.order_book.record([(listing, price)], buyer)
        await self._push(order_created(order) if push else None)
        return order.order_id

    async def add_to_order(self, order_id: int, item_id: int, price: int) -> None:
        """Let the buyer of an order buy a running item too, into the same order; DeclinedError when it is closed."""
        self.market.settle()
        listing = self.market.visible(item_id)
        self.order_book.grow(order_id, [(listing, price)])
        self.market.close(listing)
        listing.buyer = self.orders[order_id].buyer
        if listing.body["itemType"] == AUCTION:
            listing.bids.append(price)

    def pay(self, order_id: int, amount: int | None = None) -> None:
        """Pay an order, or a part of it, through Tradera; KeyError when unknown."""
        self.order_book.pay(order_id, amount)

    def refund(self, order_id: int, amount: int) -> None:
        """Pay a part of an order back; KeyError when unknown."""
        self.order_book.refund(order_id, amount)

    def ship(self, order_id: int) -> None:
        """The seller marks an order as shipped in My Tradera; KeyError when unknown."""
        self.order_book.ship(self.orders[order_id])

    def list_by_hand(self, *, seller_id: int, title: str, price: int = 100) -> int:
        """Put up a listing that rheod did not make, as a seller does in My Tradera; answers its item id."""
        listing = self.market.create(
            seller_id,
            {
                "title": title,
                "description": title,
                "categoryId": 344481,
                "itemType": AUCTION,
                "startPrice": price,
                "duration": 7,
                "acceptedBidderId": 1,
                "itemAttributes": [2],
                "shippingOptions": [{"shippingProviderId": 6, "cost": 66}],
            },
        )
        self.market.publish(listing)
        return listing.item_id

    def limit_calls(self, *limits: CallLimit) -> None:
        """Have these limits of calls from now on, and no others; what was called before does not count."""
        self.conduct.quota = CallQuota(list(limits))

    async def _push(self, message: dict[str, Any] | None) -> None:
        if message is not None:
            self._outgoing.append(message)
        await self._flush()

    async def _flush(self) -> None:
        """Send what is to be pushed; without a queue it is dropped, as for an application without push."""
        while self._outgoing:
            message = self._outgoing.popleft()
            if self.queue is not None:
                async with asyncio.timeout(_PUSH_TIMEOUT_S):
                    await self.queue.send(message)
