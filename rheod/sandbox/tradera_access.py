"""Access to the simulated Tradera: every call is counted, faulted, identified and checked here.

An operation's handler is only asked once the call passed; it never sees headers or raw bodies. Faults are aimed at an
operation by name, by a test or a partner; `NAMES` has their meanings. An answer is written with times in `Z` and turned on
its way out into another form where one is asked for: which one v4 uses is open, and v3 had `+02:00`.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from aiohttp import web

from rheod.sandbox.contract import Contract
from rheod.sandbox.tradera_market import DeclinedError, Market, SimulatedAd, bad_request

Day = Literal["rolling", "utc", "swedish"]
_DAY_MS = 24 * 3600 * 1000
_SWEDEN = ZoneInfo("Europe/Stockholm")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLimit:
    """At most `calls` in a window: `window_s` seconds, a day unless it is said, or with `day` a calendar day.

    `method` is an operation, "" for all together, "*" for each by itself; `per_user` gives each seller a count of his own.
    """

    calls: int
    method: str = ""
    per_user: bool = False
    day: Day = "rolling"
    window_s: float = _DAY_MS / 1000

    def begins(self, now_ms: int) -> int:
        """The first moment of the window that this moment lies in (ms)."""
        if self.day == "rolling":
            return now_ms - round(self.window_s * 1000) + 1
        zone = UTC if self.day == "utc" else _SWEDEN
        at = datetime.fromtimestamp(now_ms / 1000, zone)
        return round(datetime(at.year, at.month, at.day, tzinfo=zone).timestamp() * 1000)


@dataclass(slots=True)
class CallQuota:
    """The limits in force, and the calls that count against each; refused calls count against none.

    Whose the limit is and how its day runs is not known, so that each may be played. What is refused, and on what ground:

    - above a limit of a method: 429. An account's own page of limits by method, quoted by a client in September 2026, and four
      other projects of 2026 that name 10,000 a method as the default; all of them measured the older API or its search.
    - above a limit in all: 429. The older API's documentation and the official plugin's sample of April 2026 (100 in 24 h).
    - above a limit of a user: 429. Nobody has seen one; it is here because it was not ruled out.
    - a burst: 429. Programs that read the older API's search were throttled for some 15 minutes, without a documented limit.

    The body is that of the contract's error, with the code that the error page of the documentation has for 429; its message
    is the word that a production client of the older API met, `AboveCallLimit`. There is no Retry-After: none is documented.
    """

    limits: list[CallLimit] = field(default_factory=list)
    _made: dict[tuple[CallLimit, str, str], deque[int]] = field(default_factory=dict)

    def count(self, operation: str, user: str, now_ms: int) -> None:
        """Count a call. Raises DeclinedError (429) when it is above a limit."""
        counts = []
        for limit in self.limits:
            if limit.method not in {"", "*", operation}:
                continue
            key = (limit, operation if limit.method == "*" else limit.method, user if limit.per_user else "")
            made, begins = self._made.setdefault(key, deque()), limit.begins(now_ms)
            while made and made[0] < begins:
                made.popleft()
            if len(made) >= limit.calls:
                raise DeclinedError(429, "TooManyRequests", "AboveCallLimit")
            counts.append(made)
        for made in counts:
            made.append(now_ms)


TimeForm = Literal["utc", "offset", "naive_local", "naive_utc", "seven_digits"]
_WRITTEN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)


def in_form(value: Any, form: TimeForm) -> Any:
    """The JSON value with every time in it in this form."""
    if form == "utc":
        return value
    if isinstance(value, dict):
        return {name: in_form(each, form) for name, each in value.items()}
    if isinstance(value, list):
        return [in_form(each, form) for each in value]
    if not isinstance(value, str) or not _WRITTEN.fullmatch(value):
        return value
    if form == "seven_digits":
        return f"{value[:-1]}0000Z"
    moment = datetime.fromisoformat(value).astimezone(UTC if form == "naive_utc" else _SWEDEN)
    return (moment if form == "offset" else moment.replace(tzinfo=None)).isoformat(timespec="milliseconds")


_HTML = "<!DOCTYPE html><html><body><h1>{0}</h1></body></html>"
_HUGE_CHUNK, _HUGE_CHUNKS = b" " * 65536, 1600
_ERRORS = {
    400: ("BadRequest", "The request is invalid"),
    401: ("Unauthorized", "User is not authorized"),
    403: ("Forbidden", "No permission"),
    404: ("NotFound", "Not found"),
    429: ("TooManyRequests", "AboveCallLimit"),
    500: ("InternalServerError", "An unexpected error occurred"),
}
# Each name, and whether the call's effect takes place all the same.
NAMES: dict[str, bool] = {
    "reset": False,  # the connection is aborted before anything happens
    "refused_connection": False,  # the same: a listening server can come no nearer to refusing one call
    "lost_answer": True,  # the effect happens, then the connection closes without an answer
    "hang": False,  # no effect and no answer until the client gives up
    "hang_after": True,  # the effect, and no answer
    "slow": True,  # waits `seconds`, then behaves
    "html_200": False,  # a page of some proxy, with status 200
    "html_403": False,  # the same with status 403, as a firewall before Tradera would
    "502_html": False,  # a page of some proxy, with status 502
    "empty_json": False,  # status 200 and an object without what was asked for
    "says": False,  # status `code` with `message` as its JSON
    "truncated_json": True,  # half of the answer
    "empty_200": True,  # status 200 and not a byte
    "huge_answer": True,  # 100 MB of blanks
    "500_after": True,  # the effect, and an error
    **{str(status): False for status in _ERRORS},
    "result_error": True,  # the request ends with `code` and `message` (on create, commit), or this answer says so (on results)
    "no_result": True,  # the request stays waiting for good (on create, commit), or is absent from this answer (on results)
    "bids": True,  # somebody bids right before
}
SCRIPTED = frozenset({"result_error", "no_result", "bids", "slow"})


@dataclass(slots=True)
class Fault:
    """One planned fault; it strikes `times` matching calls (None = all) after letting `skip` of them pass.

    `own_reference` narrows it to calls about that listing, or with an order's number to look-ups of it. `effect`
    overrides whether the call's effect
    takes place; with `result_error` and `no_result` it says whether the listing is published all the same
    (by default when `code` has bit 1). Raises ValueError for an unknown name.
    """

    operation: str
    name: str
    times: int | None = 1
    skip: int = 0
    seconds: float = 1.0
    code: int = 4
    message: str = "The item could not be added"
    retry_after: str | None = None
    own_reference: str | None = None
    effect: bool | None = None

    def __post_init__(self) -> None:
        if self.name not in NAMES:
            raise ValueError(f"unknown fault {self.name}; there are {', '.join(NAMES)}")

    @property
    def takes_effect(self) -> bool:
        """Whether the call does what it was asked to before it goes wrong."""
        if self.name in SCRIPTED:
            return True
        return NAMES[self.name] if self.effect is None else self.effect


class FaultBook:
    """The faults planned, struck in the order they were added."""

    def __init__(self) -> None:
        self._planned: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Plan a fault."""
        self._planned.append(fault)

    def clear(self) -> None:
        """Forget every planned fault; calls already hanging go on hanging."""
        self._planned.clear()

    def take(self, operation: str, own_references: list[str]) -> Fault | None:
        """Give the fault that strikes this call, if any, and count it."""
        for fault in self._planned:
            if fault.operation not in {operation, "*"}:
                continue
            if fault.own_reference is not None and fault.own_reference not in own_references:
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            if fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self._planned.remove(fault)
            return fault
        return None


def answer(status: int, payload: Any) -> web.Response:
    """Write JSON as Tradera does; a payload of None is an empty body."""
    if payload is None:
        return web.Response(status=status)
    body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
    return web.Response(status=status, body=body, content_type="application/json")


def error(status: int, code: str, message: str) -> web.Response:
    """Write Tradera's error object."""
    return answer(status, {"error": {"code": code, "message": message}})


async def spoil(
    fault: Fault, request: web.Request, reply: web.Response | None, *, stopping: asyncio.Event
) -> web.StreamResponse:
    """Answer (or not) as the fault wants; `reply` is the true answer when the effect took place.

    A hanging call waits for `stopping`, so that a stopping server is not held up.
    """
    name = fault.name
    if name in {"reset", "refused_connection", "lost_answer"}:
        return _hang_up(request, abort=name != "lost_answer")
    if name in {"hang", "hang_after"}:
        await stopping.wait()
        return _hang_up(request, abort=True)
    return await _pour(request) if name == "huge_answer" else _damaged(fault, reply)


def _damaged(fault: Fault, reply: web.Response | None) -> web.Response:
    """Answer at once, but not with what the client hopes for."""
    if "html" in fault.name:
        status = int(fault.name.replace("html", "").strip("_"))
        return web.Response(status=status, text=_HTML.format(status), content_type="text/html")
    if fault.name == "says":
        return web.Response(status=fault.code, text=fault.message, content_type="application/json")
    if fault.name == "empty_200":
        return web.Response()
    if fault.name == "empty_json":
        return answer(200, {})
    if fault.name == "truncated_json":
        body = reply.body if reply is not None and isinstance(reply.body, bytes) else b""
        return web.Response(body=body[: len(body) // 2] or b"{", content_type="application/json")
    status = int(fault.name.removesuffix("_after"))
    response = error(status, *_ERRORS[status])
    if fault.retry_after is not None:
        response.headers["Retry-After"] = fault.retry_after
    return response


def _hang_up(request: web.Request, *, abort: bool) -> web.Response:
    """Close the connection; what is returned afterwards is written to nobody."""
    if request.transport is not None:
        if abort:
            request.transport.abort()
        else:
            request.transport.close()
    return web.Response(status=500)


async def _pour(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    try:
        await response.prepare(request)
        for _ in range(_HUGE_CHUNKS):
            await response.write(_HUGE_CHUNK)
    except ConnectionError:
        pass  # the client had enough, which is what the fault is for
    return response


async def pause(seconds: float, stopping: asyncio.Event) -> None:
    """Wait this long, or until the server stops."""
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        return


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

    `quota` are the limits of calls; `restricted` holds sellers that may only make
    plain auctions; `push_own_endings` pushes ItemClosedBySeller when the API ends an item. `accept_url` is where a
    login returns to ("": it only says that it is done), `display_token` puts the token into that address. `time_form` is how
    times stand in answers.
    """

    quota: CallQuota = field(default_factory=CallQuota)
    restricted: set[int] = field(default_factory=set)
    push_own_endings: bool = True
    accept_url: str = ""
    display_token: bool = False
    time_form: TimeForm = "utc"


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
    fault: Fault | None


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
        self.calls: list[CountedCall] = []
        self.faults = FaultBook()
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
        self, route: Route, request: web.Request, body: Any, fault: Fault
    ) -> web.StreamResponse:
        if fault.name == "slow":
            await pause(fault.seconds, self.stopping)
        reply = await self._obey(route, request, body, fault) if fault.takes_effect else None
        if reply is not None and fault.name in SCRIPTED:
            return reply
        return await spoil(fault, request, reply, stopping=self.stopping)

    async def _obey(self, route: Route, request: web.Request, body: Any, fault: Fault | None) -> web.Response:
        """Do what the call asks, or refuse it as Tradera would."""
        try:
            self._conduct.quota.count(route.operation, request.headers.get("X-User-Id", ""), self._now())
            seller_id = self._identify(request, needs_user=route.user)
            query = {name: request.query.getall(name) for name in request.query}
            asked = Asked(seller_id, request.match_info, query, body, fault)
            self._check(route, request, asked)
            reply = answer(200, in_form(route.handler(asked), self._conduct.time_form))
        except DeclinedError as declined:
            return error(declined.status, declined.code, declined.message)
        await self._flush()
        return reply

    def _identify(self, request: web.Request, *, needs_user: bool) -> int:
        headers, keys = request.headers, self._keys
        if headers.get("X-App-Id") != str(keys.app_id) or headers.get("X-App-Key") != keys.app_key:
            raise DeclinedError(401, "Unauthorized", "Invalid application key")  # the contract
        if not needs_user:
            return 0
        user_id = headers.get("X-User-Id", "")
        token = keys.sellers.get(int(user_id)) if user_id.isdecimal() and user_id.isascii() else None
        if token is None or headers.get("X-User-Token") != token:
            raise DeclinedError(401, "Unauthorized", "User is not authorized")  # the contract
        return int(user_id)

    def _check(self, route: Route, request: web.Request, asked: Asked) -> None:
        if request.body_exists and request.content_type != "application/json":
            # the contract names one type of body; the refusal is guessed
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
        if "orderIds" in path:
            return None, path["orderIds"].split(",")
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


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and text.isascii() and len(text) < 12 else -1
