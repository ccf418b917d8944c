"""The simulator's own HTTP calls under /sandbox, by which another process sells, faults and looks.

Not part of Tradera; never counted as calls.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from rheod.sandbox.tradera_faults import answer, error
from rheod.sandbox.tradera_rules import DeclinedError
from rheod.sandbox.tradera_views import order_json

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rheod.sandbox.tradera import TraderaSimulator

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
        fields = await _fields(request, "processing_delay_s", "daily_calls")
        if "processing_delay_s" in fields:
            self._simulator.processing_delay_s = float(fields["processing_delay_s"])
        if "daily_calls" in fields:
            self._simulator.conduct.daily_calls = fields["daily_calls"]
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
