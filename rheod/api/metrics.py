"""`/metrics` for Prometheus: who may read it, and one look at the daemon for all who ask within a second.

What is measured is gathered elsewhere (`rheod/metrics.py`). Everybody else gets what a path that does not exist gets.
"""

from __future__ import annotations

import asyncio
import ipaddress
from typing import TYPE_CHECKING

from aiohttp import hdrs, web

from rheod.api.guard import full_address, is_within
from rheod.api.operation import Operation
from rheod.domain.errors import Refused, Transient

if TYPE_CHECKING:
    from rheod.api.parts import ApiParts

KEPT_S = 1.0
TIMEOUT_S = 5.0
MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Prometheus's text format, which every scraper reads."""

_LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
_OF_PROXIES = ("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Forwarded", "Via")
"""Whoever sends one of these is a proxy: it may stand on this machine, its client does not."""


class MetricsCalls:
    """Handler of `/metrics`."""

    def __init__(self, *, parts: ApiParts) -> None:
        self._parts = parts
        self._proxies = [ipaddress.ip_network(each, strict=False) for each in parts.trusted_proxies]
        self._allowed = [ipaddress.ip_network(each, strict=False) for each in parts.metrics_allow]
        self._gathering = asyncio.Lock()
        self._kept: tuple[float, bytes] | None = None

    async def scrape(self, request: web.Request) -> web.Response:
        """Send the figures for Prometheus; only this machine and `metrics.allow` may read them."""
        if not self._may_read(request):
            raise Refused("NOT_FOUND", "There is nothing at this path")
        headers = {hdrs.CONTENT_TYPE: MEDIA_TYPE, hdrs.CACHE_CONTROL: "no-store"}
        return web.Response(body=await self._figures(), headers=headers)

    def _may_read(self, request: web.Request) -> bool:
        peer = request.remote or ""
        if is_within(peer, _LOOPBACK) and not any(name in request.headers for name in _OF_PROXIES):
            return True
        forwarded = request.headers.getall("X-Forwarded-For", ())
        return is_within(full_address(peer, forwarded, self._proxies), self._allowed)

    async def _figures(self) -> bytes:
        async with self._gathering:
            now = self._parts.monotonic()
            if self._kept is None or now - self._kept[0] >= KEPT_S:
                self._kept = (now, await self._gathered())
            return self._kept[1]

    async def _gathered(self) -> bytes:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await self._parts.metrics()
        except TimeoutError as error:
            raise Transient(f"The figures were not there within {TIMEOUT_S:g} seconds") from error


def operations(parts: ApiParts) -> list[Operation]:
    """What Prometheus calls."""
    calls = MetricsCalls(parts=parts)
    return [
        Operation(
            "GET",
            "/metrics",
            calls.scrape,
            gate="open",
            tag="Health",
            media_type="text/plain",
            refusals=("NOT_FOUND",),
        )
    ]
