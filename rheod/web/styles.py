"""The style sheet and the icon, read once; the sheet's name holds its hash, so that browsers may keep it for ever."""

from __future__ import annotations

import hashlib
from importlib.resources import files

from aiohttp import web

STYLE = files("rheod.web").joinpath("static/rheod.css").read_bytes()
ICON = files("rheod.web").joinpath("static/icon.svg").read_bytes()
ADDRESS = f"/dashboard/static/rheod-{hashlib.sha256(STYLE).hexdigest()[:12]}.css"
ICON_ADDRESS = "/dashboard/static/icon.svg"


async def style_sheet(_request: web.Request) -> web.Response:
    """Send the style sheet."""
    return _kept(STYLE, "text/css", "public, max-age=31536000, immutable")


async def icon(_request: web.Request) -> web.Response:
    """Send the icon."""
    return _kept(ICON, "image/svg+xml", "public, max-age=86400")


def _kept(body: bytes, kind: str, how_long: str) -> web.Response:
    headers = {
        "Cache-Control": how_long,
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'",
    }
    return web.Response(body=body, content_type=kind, charset="utf-8", headers=headers)
