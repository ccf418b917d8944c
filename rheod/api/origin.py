"""Whether a request that carries a cookie was made by our own pages: no other site may act in the owner's name."""

from __future__ import annotations

from urllib.parse import urlsplit

from aiohttp import hdrs, web

from rheod.domain.errors import Refused

SAFE_METHODS = frozenset({"GET", "HEAD"})


def check_origin(request: web.Request, *, public_url: str | None) -> None:
    """Refused (BAD_REQUEST) when the browser says that another site has sent this.

    Browsers name the site in `Origin` with every POST; a reverse proxy must pass on `Host`, or `server.public_url`
    must be set, for the two to be compared.
    """
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
        raise Refused("BAD_REQUEST", "This was sent by another site")
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is None:
        return
    ours = {request.host.lower(), urlsplit(public_url or "").netloc.lower()}
    if urlsplit(origin).netloc.lower() not in ours:
        sentence = "This was sent from another address: set server.public_url, or let the proxy pass on Host"
        raise Refused("BAD_REQUEST", sentence)
