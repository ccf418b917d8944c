"""One connection of a client: its limits of time, and errors of HTTP itself in our one shape.

aiohttp does not bound the time an answer may take to be read, and its own answer to a request it cannot parse is plain
text with a traceback in the log; this is where that is put right. Knows no routes.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from aiohttp import hdrs, web

from rheod.api.answers import refusal
from rheod.api.door import Door

SERVER_NAME = "rheod"
FULL_RETRY_S = 2

AnyHandler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

_NO_LINGER = struct.pack("ii", 1, 0)
"""Closing drops what is not sent; otherwise the kernel would go on offering it to who does not read."""

_log = structlog.get_logger("rheod.api")


class Connection(web.RequestHandler):
    """A connection; `answer_s` is how long an answer may take to be read."""

    __slots__ = ("_answer_s", "_door", "_new_id", "_sending", "_socket")

    def __init__(
        self, server: Any, *, new_id: Callable[[], str], door: Door, answer_s: float, **options: Any
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
