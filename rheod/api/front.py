"""The listening side of the HTTP server: the limits of all connections together, and the socket they come from.

Knows neither routes nor what a connection does with its requests.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import resource
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from aiohttp import web

from rheod.api.connection import AnyHandler, Connection
from rheod.api.door import Door

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

_log = structlog.get_logger("rheod.api")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
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

    def door(self) -> Door:
        """A door for these limits, as far as the process has file descriptors for them."""
        descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = affordable(self.connections, descriptors)
        if most < self.connections:
            _log.warning("fewer connections than set: raise LimitNOFILE", connections=most, files=descriptors)
        return Door(
            most=most,
            most_per_address=self.connections_per_address,
            proxies=[ipaddress.ip_network(each, strict=False) for each in self.proxies],
            monotonic=time.monotonic,
            slow_after_s=self.slow_after_s,
        )


STANDARD = Limits()


def affordable(wanted: int, descriptors: int) -> int:
    """The connections a process with so many file descriptors may have: half are left for everything else (F32)."""
    return wanted if descriptors == resource.RLIM_INFINITY else min(wanted, max(1, descriptors // 2))


class FrontSite(web.BaseSite):
    """A TCP listener whose connections are `Connection`s."""

    def __init__(self, runner: web.AppRunner, *, host: str, port: int, limits: Limits) -> None:
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
