"""The listening side of the HTTP server: limits of a connection, and errors of HTTP itself in our one shape.

aiohttp's own answer to a request it cannot parse is plain text with a traceback in the log; this is the place where
both are put right. Knows no routes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from aiohttp import web

from rheod.api.answers import refusal

KEEPALIVE_S = 15.0
"""How long a connection may be idle, which also bounds the time a request's headers may take."""

LINGERING_S = 2.0
"""How long the rest of a refused body is read and thrown away before the connection is closed."""

_CONNECTION: Mapping[str, Any] = {
    "lingering_time": LINGERING_S,
    "auto_decompress": False,
    "access_log": None,
}

NEW_ID: web.AppKey[Callable[[], str]] = web.AppKey("new_id")
"""Where an application keeps what makes its request ids: answers that no handler gives have one too."""

SHUTDOWN_S = 20.0
SERVER_NAME = "rheod"

_log = structlog.get_logger("rheod.api")


class Connection(web.RequestHandler):
    """One connection of a client."""

    __slots__ = ("_new_id",)

    def __init__(self, server: Any, *, new_id: Callable[[], str], **limits: Any) -> None:
        super().__init__(server, **limits)
        self._new_id = new_id

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


class FrontSite(web.BaseSite):
    """A TCP listener whose connections are `Connection`s."""

    def __init__(
        self, runner: web.AppRunner, *, host: str, port: int, keepalive_s: float = KEEPALIVE_S
    ) -> None:
        super().__init__(runner)
        self._options = {**_CONNECTION, "keepalive_timeout": keepalive_s, "new_id": runner.app[NEW_ID]}
        self._host = host
        self._port = port

    @property
    def name(self) -> str:
        """Where it listens."""
        return f"http://{self._host}:{self._port}"

    @property
    def port(self) -> int:
        """The port bound, also when 0 was asked for."""
        sockets = getattr(self._server, "sockets", None)
        assert sockets, "the site has not been started"
        return int(sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Bind and listen."""
        await super().start()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connection, self._host, self._port, backlog=512)

    def _connection(self) -> Connection:
        server: Any = self._runner.server
        return Connection(server, loop=asyncio.get_running_loop(), **self._options)
