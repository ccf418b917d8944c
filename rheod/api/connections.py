"""The listening side of the HTTP server: how many connections may be open, how long each may take, and HTTP's own errors.

aiohttp bounds the time of a request's head. Here are the time in which an answer must be read, a plain cap on open
connections, and the answers to what is no request: aiohttp's own are plain text with a traceback in the log. Limits by
address are the business of the reverse proxy in front. Knows no routes.
"""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import struct
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from aiohttp import HttpVersion11, hdrs, web

from rheod.api.routing import refusal

_log = structlog.get_logger("rheod.api")

SERVER_NAME = "rheod"
FULL_RETRY_S = 2

AnyHandler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

_NO_LINGER = struct.pack("ii", 1, 0)
"""Closing drops what is not sent; otherwise the kernel would go on offering it to who does not read."""


class OpenConnections:
    """The open connections, at most so many; in a full house the one that has waited longest for a request makes room.

    So connections that say nothing keep nobody out. One whose request is being worked on or answered is never closed.
    """

    def __init__(self, *, most: int) -> None:
        self._most = most
        self._open: set[Connection] = set()
        self._waiting: dict[Connection, None] = {}
        self._is_full = False

    def __len__(self) -> int:
        return len(self._open)

    def admit(self, connection: Connection) -> bool:
        """Let a new connection in, closing a waiting one for it if need be; False when there is no room."""
        if len(self._open) >= self._most:
            if not self._is_full:
                _log.warning("too many connections", most=self._most)
            self._is_full = True
            longest = next(iter(self._waiting), None)
            if longest is None:
                return False
            self.gone(longest)
            longest.force_close()
        elif len(self._open) < self._most // 2:
            self._is_full = False  # so that a flood is one line of log, and the next flood another
        self._open.add(connection)
        self.waits(connection)
        return True

    def works(self, connection: Connection) -> None:
        """Its request is being handled or answered."""
        self._waiting.pop(connection, None)

    def waits(self, connection: Connection) -> None:
        """It waits for a request."""
        if connection in self._open:
            self._waiting[connection] = None

    def gone(self, connection: Connection) -> None:
        """It is closed; saying so twice does no harm."""
        self._open.discard(connection)
        self._waiting.pop(connection, None)


class Connection(web.RequestHandler):
    """A connection; `answer_s` is how long an answer may take to be read."""

    __slots__ = ("_answer_s", "_connections", "_deadline", "_new_id", "_socket")

    def __init__(
        self,
        server: Any,
        *,
        new_id: Callable[[], str],
        connections: OpenConnections,
        answer_s: float,
        **options: Any,
    ) -> None:
        super().__init__(server, **options)
        self._new_id = new_id
        self._connections = connections
        self._answer_s = answer_s
        self._socket: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Come in, or be told that there are too many."""
        assert isinstance(transport, asyncio.Transport)
        if self._connections.admit(self):
            self._socket = transport
            transport.set_write_buffer_limits(0)  # an answer counts as sent when the kernel has all of it
            super().connection_made(transport)
            return
        self.close()
        transport.write(_too_many_connections(self._new_id()))
        transport.close()

    def connection_lost(self, exc: BaseException | None) -> None:
        """The connection is gone; a handler at work goes on to its end."""
        self._connections.gone(self)
        self._socket = None
        self._end_deadline()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The kernel has not taken a whole answer: from now on there is a deadline for reading it."""
        super().pause_writing()
        self._deadline = asyncio.get_running_loop().call_later(self._answer_s, self._abort)

    def resume_writing(self) -> None:
        """The kernel has all of it."""
        super().resume_writing()
        self._end_deadline()

    def handle(self, request: web.BaseRequest, handler: AnyHandler) -> Awaitable[web.StreamResponse]:
        """Let `handler` answer; until its answer has been sent, the connection is not closed for a newcomer."""
        self._connections.works(self)
        if hdrs.EXPECT in request.headers and request.headers[hdrs.EXPECT].lower() != "100-continue":
            # aiohttp's own answer repeats the header, and fails if it cannot
            return self._refuse_expectation(request)
        return handler(request)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer; the next request waits until it has been read."""
        if isinstance(resp, web.FileResponse):  # sent by the kernel, past the protocol's flow control
            try:
                async with asyncio.timeout(self._answer_s):
                    finished = await super().finish_response(request, resp, start_time)
            except (TimeoutError, ConnectionError):
                self._abort()
                return resp, True
        else:
            finished = await super().finish_response(request, resp, start_time)
        self._connections.waits(self)
        return finished

    async def _refuse_expectation(self, request: web.BaseRequest) -> web.StreamResponse:
        return self.handle_error(request, 400)

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

    def _end_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _abort(self) -> None:
        if self._socket is None:
            return
        connection = self._socket.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self._socket.abort()


def _too_many_connections(request_id: str) -> bytes:
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


def is_doubtful(request: web.BaseRequest) -> bool:
    """Whether a header that says where the body ends has a form that not every server reads alike.

    The parser refuses most of what two servers could cut apart in different places (two lengths, a length beside
    chunks, folded lines, bare line feeds). Here is what it takes, because a proxy in front may read it otherwise.
    """
    headers = request.headers
    encodings = headers.getall(hdrs.TRANSFER_ENCODING, ())
    if encodings and (request.version < HttpVersion11 or [each.lower() for each in encodings] != ["chunked"]):
        return True
    return any("_" in name and name.lower().replace("_", "-") in _FRAMING for name in headers)


LISTEN_BACKLOG = 512
"""Connections the kernel holds while none is accepted."""

ACCEPTS_AT_ONCE = 16
"""Connections accepted between two looks at the open ones. asyncio goes on to this number even when there is no
file descriptor left, with a traceback in the log for each."""

NEW_ID: web.AppKey[Callable[[], str]] = web.AppKey("new_id")
"""Where an application keeps what makes its request ids: answers that no handler gives have one too."""

SHUTDOWN_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """What connections may do.

    `keepalive_s` is how long one may be idle or take over a request's head, `answer_s` over reading an answer. For
    `lingering_s` the rest of a refused body is read and thrown away, so that the refusal is not lost. Of `connections`
    no more are opened than the process has file descriptors for.
    """

    keepalive_s: float = 15
    answer_s: float = 60
    lingering_s: float = 2
    connections: int = 512


STANDARD = ConnectionLimits()


def affordable(wanted: int, descriptors: int) -> int:
    """The connections a process with so many file descriptors may have: half are left for everything else."""
    return wanted if descriptors == resource.RLIM_INFINITY else min(wanted, max(1, descriptors // 2))


class ApiSite(web.BaseSite):
    """A TCP listener whose connections are `Connection`s."""

    def __init__(self, runner: web.AppRunner, *, host: str, port: int, limits: ConnectionLimits) -> None:
        super().__init__(runner)
        descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = affordable(limits.connections, descriptors)
        if most < limits.connections:
            _log.warning("fewer connections than set: raise LimitNOFILE", connections=most, files=descriptors)
        self._options: dict[str, Any] = {
            "access_log": None,
            "auto_decompress": False,
            "keepalive_timeout": limits.keepalive_s,
            "lingering_time": limits.lingering_s,
            "answer_s": limits.answer_s,
            "connections": OpenConnections(most=most),
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
        server: Any = self._runner.server
        server.request_handler = _noting_work(server.request_handler)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Connection(server, loop=loop, **self._options),
            self._host,
            self._port,
            backlog=ACCEPTS_AT_ONCE,
        )
        for each in self._sockets():
            with socket.socket(fileno=os.dup(each.fileno())) as same:
                same.listen(LISTEN_BACKLOG)

    def _sockets(self) -> Sequence[Any]:
        sockets: Sequence[Any] = getattr(self._server, "sockets", ())
        assert sockets, "the site has not been started"
        return sockets


def _noting_work(handler: AnyHandler) -> AnyHandler:
    def handle(request: web.BaseRequest) -> Awaitable[web.StreamResponse]:
        assert isinstance(request.protocol, Connection)
        return request.protocol.handle(request, handler)

    return handle
