"""One connection of a client: its limits of time, and errors of HTTP itself in our one shape.

aiohttp does not bound the time an answer may take to be read, and its own answer to a request it cannot parse is plain
text with a traceback in the log; this is where that is put right. Knows no routes.

How many connections may be open, in all and from one address, and which of them makes room for a newcomer.

A connection that waits for a request is worth less than one that brings one, so a full house closes the longest idle
connection first; one whose request is being worked on is never closed. Knows nothing of HTTP.

Requests that two servers could cut apart in different places: refused, and their connection ends with the answer.

The parser refuses most of them already (two lengths, a length beside chunks, folded lines, bare line feeds); here are
those it takes, because a proxy in front may read them otherwise. Reads headers only.

The listening side of the HTTP server: the limits of all connections together, and the socket they come from.

Knows neither routes nor what a connection does with its requests.
"""

from __future__ import annotations

import asyncio
import ipaddress
import math
import os
import resource
import socket
import struct
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog
from aiohttp import HttpVersion11, hdrs, web

from rheod.api.authenticator import Network, caller_address, is_within
from rheod.api.context import STRANGER
from rheod.api.responses import refusal
from rheod.api.routing import Handler

_log = structlog.get_logger("rheod.api")

IDLE_GRACE_S = 1.0
"""A caller over its own limit is told so rather than robbed of a connection that is newer than this: a burst of honest
requests must not have some of them closed unanswered. In a full house there is no such grace: the flood's own
connections are the oldest, and somebody else is at the door."""

LINE_S = 60.0
"""At most one log line in this time tells of connections closed or turned away, with their numbers."""


class LimitedConnection(Protocol):
    """An open connection, as the door sees it."""

    def make_room(self) -> None:
        """Close at once, without a word."""


@dataclass(slots=True)
class _Group:
    """Connections counted together; those that could be closed stand in the order of their waiting."""

    count: int = 0
    idle: OrderedDict[LimitedConnection, float] = field(default_factory=OrderedDict)
    answering: OrderedDict[LimitedConnection, float] = field(default_factory=OrderedDict)

    def dispensable(self, now: float, *, idle_s: float, slow_s: float) -> LimitedConnection | None:
        """The longest idle one (for at least `idle_s`), else who has read an answer longest (at least `slow_s`)."""
        for waiting, grace_s in ((self.idle, idle_s), (self.answering, slow_s)):
            guest, since = next(iter(waiting.items()), (None, now))
            if guest is not None and now - since >= grace_s:
                return guest
        return None


class ConnectionLimiter:
    """Counts connections and decides who may stay. Proxies have no limit of their own: many callers are behind them."""

    def __init__(
        self,
        *,
        most: int,
        most_per_address: int,
        proxies: Sequence[Network],
        monotonic: Callable[[], float],
        slow_after_s: float,
    ) -> None:
        self._most = most
        self._most_per_address = most_per_address
        self._proxies = proxies
        self._monotonic = monotonic
        self._slow_after_s = slow_after_s
        self._all = _Group()
        self._by_address: dict[str, _Group] = {}
        self._address_of: dict[LimitedConnection, str] = {}
        self._closed = self._refused = 0
        self._last_line = -math.inf

    def __len__(self) -> int:
        return self._all.count

    def admit(self, guest: LimitedConnection, peer: str) -> bool:
        """Let a new connection in, closing another one for it if need be; False when there is no room."""
        address = caller_address(peer, (), ())
        now = self._monotonic()
        if not self._has_room(address, now, limited=not is_within(peer, self._proxies)):
            self._refused += 1
            self._tell(now)
            return False
        self._address_of[guest] = address
        for each in (self._all, self._by_address.setdefault(address, _Group())):
            each.count += 1
            each.idle[guest] = now
        return True

    def working(self, guest: LimitedConnection) -> None:
        """Its request is being handled: it stays."""
        for group in self._groups(guest):
            group.idle.pop(guest, None)
            group.answering.pop(guest, None)

    def answering(self, guest: LimitedConnection) -> None:
        """Its answer is being sent."""
        now = self._monotonic()
        for group in self._groups(guest):
            group.idle.pop(guest, None)
            group.answering[guest] = now

    def idle(self, guest: LimitedConnection) -> None:
        """It waits for the next request."""
        now = self._monotonic()
        for group in self._groups(guest):
            group.answering.pop(guest, None)
            group.idle[guest] = now

    def gone(self, guest: LimitedConnection) -> None:
        """It is closed; saying so twice does no harm."""
        self.working(guest)
        for group in self._groups(guest):
            group.count -= 1
        address = self._address_of.pop(guest, None)
        if address is not None and not self._by_address[address].count:
            del self._by_address[address]

    def _groups(self, guest: LimitedConnection) -> tuple[_Group, ...]:
        address = self._address_of.get(guest)
        return () if address is None else (self._all, self._by_address[address])

    def _has_room(self, address: str, now: float, *, limited: bool) -> bool:
        group = self._by_address.get(address)
        if limited and group is not None and group.count >= self._most_per_address:
            return self._close_one(group, now, idle_s=IDLE_GRACE_S)
        return self._all.count < self._most or self._close_one(self._all, now, idle_s=0)

    def _close_one(self, group: _Group, now: float, *, idle_s: float) -> bool:
        guest = group.dispensable(now, idle_s=idle_s, slow_s=self._slow_after_s)
        if guest is None:
            return False
        self.gone(guest)
        guest.make_room()
        self._closed += 1
        self._tell(now)
        return True

    def _tell(self, now: float) -> None:
        if now - self._last_line >= LINE_S:
            _log.warning("too many connections", closed=self._closed, refused=self._refused)
            self._closed, self._refused, self._last_line = 0, 0, now


SERVER_NAME = "rheod"
FULL_RETRY_S = 2

AnyHandler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

_NO_LINGER = struct.pack("ii", 1, 0)
"""Closing drops what is not sent; otherwise the kernel would go on offering it to who does not read."""


class Connection(web.RequestHandler):
    """A connection; `answer_s` is how long an answer may take to be read."""

    __slots__ = ("_answer_s", "_door", "_new_id", "_sending", "_socket")

    def __init__(
        self,
        server: Any,
        *,
        new_id: Callable[[], str],
        door: ConnectionLimiter,
        answer_s: float,
        **options: Any,
    ) -> None:
        super().__init__(server, **options)
        self._new_id = new_id
        self._door = door
        self._answer_s = answer_s
        self._socket: asyncio.Transport | None = None
        self._sending: asyncio.Timeout | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Come in, or be told that the house is full."""
        assert isinstance(transport, asyncio.Transport)
        peer = transport.get_extra_info("peername")
        if self._door.admit(self, str(peer[0]) if peer else ""):
            self._socket = transport
            transport.set_write_buffer_limits(0)  # an answer counts as sent when the kernel has all of it
            super().connection_made(transport)
            return
        self.close()
        transport.write(_full_house(self._new_id()))
        transport.close()

    def connection_lost(self, exc: BaseException | None) -> None:
        """The connection is gone; a handler at work goes on to its end."""
        self._door.gone(self)
        self._socket = None
        super().connection_lost(exc)

    def make_room(self) -> None:
        """Close for a newcomer. An answer being sent is stopped first: asyncio cannot close under a sendfile."""
        if self._sending is None:
            self.force_close()
        else:
            self._sending.reschedule(asyncio.get_running_loop().time())

    async def handle(self, request: web.BaseRequest, handler: AnyHandler) -> web.StreamResponse:
        """Let `handler` answer; while it does, the connection is not closed for a newcomer."""
        self._door.working(self)
        expectation = request.headers.get(hdrs.EXPECT, "100-continue").lower()
        if expectation != "100-continue":  # aiohttp's own answer repeats the header, and fails if it cannot
            return self.handle_error(request, 400)
        return await handler(request)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer, and cut off who does not read it; the next request waits until it has been read."""
        self._door.answering(self)
        try:
            async with asyncio.timeout(self._answer_s) as self._sending:
                finished = await super().finish_response(request, resp, start_time)
        except (TimeoutError, ConnectionError):
            self._abort()
            return resp, True
        finally:
            self._sending = None
        self._door.idle(self)
        return finished

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - aiohttp's signature; the text may quote the request
    ) -> web.StreamResponse:
        """The answer to what never reached a handler: malformed HTTP (400), or a fault in the server itself."""
        if status < 500:
            _log.debug("malformed request", error=type(exc).__name__)
            response = refusal("BAD_REQUEST", "The request is not valid HTTP")
        else:
            _log.error("request failed before a handler", exc_info=exc)
            response = refusal("INTERNAL", "Something went wrong inside rheod; it has been logged")
        if request.writer.output_size > 0:
            raise ConnectionError("an answer was already being sent")
        response.headers["Server"] = SERVER_NAME
        response.headers["X-Request-Id"] = self._new_id()
        response.force_close()
        return response

    def _abort(self) -> None:
        if self._socket is None:
            return
        connection = self._socket.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self._socket.abort()


def _full_house(request_id: str) -> bytes:
    """The answer to a connection that cannot come in, as bytes: no request of it is ever read."""
    response = refusal("UNAVAILABLE", "Too many connections", retry_after_s=FULL_RETRY_S)
    body = response.body
    assert isinstance(body, bytes)
    headers = {
        **response.headers,
        "Server": SERVER_NAME,
        "X-Request-Id": request_id,
        "Content-Length": str(len(body)),
        "Connection": "close",
    }
    lines = [f"HTTP/1.1 {response.status} {response.reason}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


_FRAMING = frozenset({"content-length", "transfer-encoding"})


@web.middleware
async def plain_framing(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let through what has one reading; whatever follows a doubtful request on its connection is never served."""
    if is_doubtful(request):
        request[STRANGER] = True
        response: web.StreamResponse = refusal(
            "BAD_REQUEST", "The end of the request can be read in two ways"
        )
    elif hdrs.UPGRADE in request.headers or request.method == hdrs.METH_CONNECT:
        response = await handler(request)  # a proxy may take the rest for a tunnel
    else:
        return await handler(request)
    response.force_close()
    return response


def is_doubtful(request: web.Request) -> bool:
    """Whether a header that says where the body ends has a form that not every server reads alike."""
    encodings = request.headers.getall(hdrs.TRANSFER_ENCODING, ())
    if encodings and (request.version < HttpVersion11 or [each.lower() for each in encodings] != ["chunked"]):
        return True
    return any("_" in name and name.lower().replace("_", "-") in _FRAMING for name in request.headers)


LISTEN_BACKLOG = 512
"""Connections the kernel holds while none is accepted."""

ACCEPTS_AT_ONCE = 16
"""Connections accepted between two looks at the open ones. asyncio goes on to this number even when there is no
file descriptor left, with a traceback in the log for each."""

_CONNECTION: Mapping[str, Any] = {
    "auto_decompress": False,
    "access_log": None,
}

NEW_ID: web.AppKey[Callable[[], str]] = web.AppKey("new_id")
"""Where an application keeps what makes its request ids: answers that no handler gives have one too."""

SHUTDOWN_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """What connections may do; `proxies` are networks that have no limit per address.

    `keepalive_s` is how long one may be idle or take over a request's headers, `answer_s` over reading an answer;
    in a full house who has read for `slow_after_s` may have to go. For `lingering_s` the rest of a refused body is
    read and thrown away, so that the refusal is not lost.
    """

    keepalive_s: float = 15
    answer_s: float = 60
    slow_after_s: float = 5
    lingering_s: float = 2
    connections: int = 512
    connections_per_address: int = 64
    proxies: Sequence[str] = ()

    def door(self) -> ConnectionLimiter:
        """A door for these limits, as far as the process has file descriptors for them."""
        descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = affordable(self.connections, descriptors)
        if most < self.connections:
            _log.warning("fewer connections than set: raise LimitNOFILE", connections=most, files=descriptors)
        return ConnectionLimiter(
            most=most,
            most_per_address=self.connections_per_address,
            proxies=[ipaddress.ip_network(each, strict=False) for each in self.proxies],
            monotonic=time.monotonic,
            slow_after_s=self.slow_after_s,
        )


STANDARD = ConnectionLimits()


def affordable(wanted: int, descriptors: int) -> int:
    """The connections a process with so many file descriptors may have: half are left for everything else (F32)."""
    return wanted if descriptors == resource.RLIM_INFINITY else min(wanted, max(1, descriptors // 2))


class FrontSite(web.BaseSite):
    """A TCP listener whose connections are `Connection`s."""

    def __init__(self, runner: web.AppRunner, *, host: str, port: int, limits: ConnectionLimits) -> None:
        super().__init__(runner)
        self.door = limits.door()
        self._options = {
            **_CONNECTION,
            "keepalive_timeout": limits.keepalive_s,
            "lingering_time": limits.lingering_s,
            "answer_s": limits.answer_s,
            "door": self.door,
            "new_id": runner.app[NEW_ID],
        }
        self._host = host
        self._port = port

    @property
    def name(self) -> str:
        """Where it listens."""
        return f"http://{self._host}:{self._port}"

    @property
    def port(self) -> int:
        """The port bound, also when 0 was asked for."""
        return int(self._sockets()[0].getsockname()[1])

    async def start(self) -> None:
        """Bind and listen."""
        await super().start()
        loop = asyncio.get_running_loop()
        server: Any = self._runner.server
        server.request_handler = _through_connection(server.request_handler)
        self._server = await loop.create_server(
            self._connection, self._host, self._port, backlog=ACCEPTS_AT_ONCE
        )
        for each in self._sockets():
            with socket.socket(fileno=os.dup(each.fileno())) as same:
                same.listen(LISTEN_BACKLOG)

    def _sockets(self) -> Sequence[Any]:
        sockets: Sequence[Any] = getattr(self._server, "sockets", ())
        assert sockets, "the site has not been started"
        return sockets

    def _connection(self) -> Connection:
        server: Any = self._runner.server
        return Connection(server, loop=asyncio.get_running_loop(), **self._options)


def _through_connection(handler: AnyHandler) -> AnyHandler:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        assert isinstance(request.protocol, Connection)
        return await request.protocol.handle(request, handler)

    return handle
