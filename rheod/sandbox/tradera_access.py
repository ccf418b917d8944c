"""Access to the simulated Tradera: every call is counted, faulted, identified and checked here.

An operation's handler is only asked once the call passed; it never sees headers or raw bodies.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rheod.sandbox import tradera_faults as faults
from rheod.sandbox.tradera_rules import DeclinedError, bad_request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from aiohttp import web

    from rheod.sandbox.contract import Contract
    from rheod.sandbox.tradera_market import Market, SimulatedAd


_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Keys:
    """Who may call: the application's id and key, and each seller's token by user id."""

    app_id: int = 4321
    app_key: str = "test-app-key"
    public_key: str = "test-public-key"
    sellers: Mapping[int, str] = field(default_factory=lambda: {300124: "test-user-token"})


@dataclass(slots=True)
class Conduct:
    """What may be changed while the simulator runs.

    `daily_calls` is the rolling 24 h limit (None = none); `restricted` holds sellers that may only make
    plain auctions; `push_own_endings` pushes ItemClosedBySeller when the API ends an item. `accept_url` is where a
    login returns to ("": it only says that it is done), `display_token` puts the token into that address.
    """

    daily_calls: int | None = None
    restricted: set[int] = field(default_factory=set)
    push_own_endings: bool = True
    accept_url: str = ""
    display_token: bool = False


@dataclass(slots=True)
class CountedCall:
    """One call as it came in; `status` is 0 when no answer was given (yet)."""

    at_ms: int
    operation: str
    method: str
    path: str
    status: int = 0
    own_reference: str | None = None
    request_id: int | None = None
    item_id: int | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A call that passed the checks: who asks (0 = nobody needed), its parameters, its JSON body, its fault."""

    seller_id: int
    path: Mapping[str, str]
    query: Mapping[str, list[str]]
    body: Any
    fault: faults.Fault | None


@dataclass(frozen=True, slots=True)
class Route:
    """One operation: its short name, method, the contract's template, who must be identified, its handler."""

    operation: str
    method: str
    template: str
    handler: Callable[[Asked], Any]
    user: bool = True


class AccessCheck:
    """Guards the routes; `calls` holds every call in order, refused ones included."""

    def __init__(
        self,
        *,
        now: Callable[[], int],
        keys: Keys,
        conduct: Conduct,
        market: Market,
        contract: Contract,
        flush: Callable[[], Awaitable[None]],
    ) -> None:
        self._now = now
        self._keys = keys
        self._conduct = conduct
        self._market = market
        self._contract = contract
        self._flush = flush
        self._counted: deque[int] = deque()
        self.calls: list[CountedCall] = []
        self.faults = faults.FaultBook()
        self.stopping = asyncio.Event()

    def guarded(self, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Wrap a route's handler for aiohttp."""

        async def handle(request: web.Request) -> web.StreamResponse:
            raw = await request.read()
            self._market.settle()
            body = _parsed(raw)
            listing, references = self._about(request, body)
            call = CountedCall(self._now(), route.operation, request.method, request.path)
            call.own_reference = references[0] if references else None
            if listing is not None:
                call.request_id, call.item_id = listing.request_id, listing.item_id
            self.calls.append(call)
            fault = self.faults.take(route.operation, references)
            if fault is None:
                response: web.StreamResponse = await self._obey(route, request, body, None)
            else:
                if fault.name == "bids" and listing is not None and listing.visible:
                    self._market.bid(listing)
                response = await self._misbehave(route, request, body, fault)
            if not (request.transport is None or request.transport.is_closing()):
                call.status = response.status
            return response

        return handle

    async def _misbehave(
        self, route: Route, request: web.Request, body: Any, fault: faults.Fault
    ) -> web.StreamResponse:
        if fault.name == "slow":
            await faults.pause(fault.seconds, self.stopping)
        reply = await self._obey(route, request, body, fault) if fault.takes_effect else None
        if reply is not None and fault.name in faults.SCRIPTED:
            return reply
        return await faults.spoil(fault, request, reply, stopping=self.stopping)

    async def _obey(
        self, route: Route, request: web.Request, body: Any, fault: faults.Fault | None
    ) -> web.Response:
        """Do what the call asks, or refuse it as Tradera would."""
        try:
            self._count()
            seller_id = self._identify(request, needs_user=route.user)
            asked = Asked(seller_id, request.match_info, _query(request), body, fault)
            self._check(route, request, asked)
            reply = faults.answer(200, route.handler(asked))
        except DeclinedError as declined:
            return faults.error(declined.status, declined.code, declined.message)
        await self._flush()
        return reply

    def _count(self) -> None:
        """Count a call against the rolling 24 h; refused ones do not count again."""
        limit, now_ms = self._conduct.daily_calls, self._now()
        while self._counted and self._counted[0] <= now_ms - _DAY_MS:
            self._counted.popleft()
        if limit is not None and len(self._counted) >= limit:
            raise DeclinedError(429, "TooManyRequests", "AboveCallLimit")
        self._counted.append(now_ms)

    def _identify(self, request: web.Request, *, needs_user: bool) -> int:
        headers, keys = request.headers, self._keys
        if headers.get("X-App-Id") != str(keys.app_id) or headers.get("X-App-Key") != keys.app_key:
            raise DeclinedError(401, "Unauthorized", "Invalid application key")
        if not needs_user:
            return 0
        user_id = headers.get("X-User-Id", "")
        token = keys.sellers.get(int(user_id)) if user_id.isdecimal() and user_id.isascii() else None
        if token is None or headers.get("X-User-Token") != token:
            raise DeclinedError(401, "Unauthorized", "User is not authorized")
        return int(user_id)

    def _check(self, route: Route, request: web.Request, asked: Asked) -> None:
        if request.body_exists and request.content_type != "application/json":
            raise DeclinedError(415, "UnsupportedMediaType", "Content-Type must be application/json")
        if asked.body is _BROKEN:
            raise bad_request("The body is not JSON")
        problems = self._contract.problems(
            route.method, route.template, path=asked.path, query=asked.query, body=asked.body
        )
        if problems:
            raise bad_request("; ".join(problems))

    def _about(self, request: web.Request, body: Any) -> tuple[SimulatedAd | None, list[str]]:
        """Find which listing a call is about, and its references; a create has only references."""
        path = request.match_info
        listing = None
        if "requestId" in path:
            listing = self._market.requests.get(_number(path["requestId"]))
        elif "itemId" in path:
            listing = self._market.listings.get(_number(path["itemId"]))
        if listing is not None:
            return listing, listing.own_references
        references = body.get("ownReferences") if isinstance(body, dict) else None
        return None, [x for x in references if isinstance(x, str)] if isinstance(references, list) else []


_BROKEN = object()


def _parsed(raw: bytes) -> Any:
    """Parse a body: None when there is none, a marker when it is not JSON."""
    if not raw:
        return None
    try:
        return json.loads(raw)
    except ValueError:
        return _BROKEN


def _query(request: web.Request) -> dict[str, list[str]]:
    return {name: request.query.getall(name) for name in request.query}


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and text.isascii() and len(text) < 12 else -1
