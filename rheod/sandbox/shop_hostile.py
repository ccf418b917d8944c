"""Picture addresses that go wrong, by file name, for tests of whoever fetches them.

Each is a whole answer; which good picture is served otherwise is the shop's business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from rheod.sandbox.shop_pictures import draw

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable


async def _broken(_request: web.Request, _stopping: asyncio.Event) -> web.StreamResponse:
    whole = draw("broken", 320, 240)
    return web.Response(body=whole[: len(whole) // 2], content_type="image/jpeg")


async def _html(_request: web.Request, _stopping: asyncio.Event) -> web.StreamResponse:
    return web.Response(text="<html>Please log in</html>", content_type="text/html")


async def _missing(_request: web.Request, _stopping: asyncio.Event) -> web.StreamResponse:
    return web.Response(status=404)


async def _failing(_request: web.Request, _stopping: asyncio.Event) -> web.StreamResponse:
    return web.Response(status=503)


async def _slow(request: web.Request, stopping: asyncio.Event) -> web.StreamResponse:
    """Send the head and one byte, and then nothing more."""
    response = web.StreamResponse(headers={"Content-Type": "image/jpeg"})
    await response.prepare(request)
    await response.write(b"\xff")
    await stopping.wait()
    return response


async def _redirect(_request: web.Request, _stopping: asyncio.Event) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": "/pictures/good.jpg"})


async def _loop(_request: web.Request, _stopping: asyncio.Event) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": "/pictures/loop.jpg"})


async def _huge(request: web.Request, stopping: asyncio.Event) -> web.StreamResponse:
    """Pour bytes without end and without saying how many, until the client has had enough."""
    response = web.StreamResponse(headers={"Content-Type": "image/jpeg"})
    try:
        await response.prepare(request)
        await response.write(draw("huge", 64, 48))
        while not stopping.is_set():
            await response.write(b"\0" * 65536)
    except ConnectionError:
        pass  # the client hung up, as it should
    return response


HOSTILE: dict[str, Callable[[web.Request, asyncio.Event], Awaitable[web.StreamResponse]]] = {
    "broken.jpg": _broken,
    "html.jpg": _html,
    "missing.jpg": _missing,
    "failing.jpg": _failing,
    "slow.jpg": _slow,
    "redirect.jpg": _redirect,
    "loop.jpg": _loop,
    "huge.jpg": _huge,
}
