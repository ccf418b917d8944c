"""Who stands behind a request, past the trusted proxies: the address it comes from and whether it came by HTTPS."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from aiohttp import web

from rheod.api.guard import caller_address, is_within


class Callers:
    """Believes what the trusted proxies add, and nobody else. `public_url` is how the owner reaches the pages."""

    def __init__(self, *, proxies: Sequence[str], public_url: str | None) -> None:
        self._proxies = [ipaddress.ip_network(each, strict=False) for each in proxies]
        self._public_is_secure = (public_url or "").startswith("https://")

    def address(self, request: web.Request) -> str:
        """The caller's address (an IPv6 one as its /64)."""
        forwarded = request.headers.getall("X-Forwarded-For", ())
        return caller_address(request.remote or "", forwarded, self._proxies)

    def is_secure(self, request: web.Request) -> bool:
        """Whether the browser speaks HTTPS, so that the cookie must never leave it in clear text."""
        if is_within(request.remote or "", self._proxies):
            return request.headers.get("X-Forwarded-Proto", "") == "https" or self._public_is_secure
        return request.secure
