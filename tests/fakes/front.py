"""A server that stands before one of the simulated remotes, passes every call on, and can go wrong in any way on demand.

It knows nothing of what it carries; the ways to go wrong are in `ill.py`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web

Misbehave = Callable[[web.Request], Awaitable[web.StreamResponse]]
_OWN_HEADERS = {"host", "content-length", "transfer-encoding", "connection", "content-encoding"}


@dataclass(frozen=True, slots=True)
class Carried:
    """One call that came: when (monotonic seconds), how and where."""

    at: float
    method: str
    path: str


class Front:
    """Carries calls to `upstream`; with `ill` set it answers them itself, as long as `strikes` takes them.

    `headers` replace those of the caller, so that the remote behind may know other credentials; `said` replace those
    of the answer.
    """

    def __init__(self) -> None:
        self.calls: list[Carried] = []
        self.headers: dict[str, str] = {}
        self.said: dict[str, str] = {}
        self.ill: Misbehave | None = None
        self.strikes: Callable[[web.Request], bool] = lambda _: True
        self.url = ""
        self._upstream: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def carry_to(self, upstream: str) -> None:
        """Say where the calls go; those that came before wait for it."""
        self._upstream.set_result(upstream)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Take one call."""
        self.calls.append(Carried(time.monotonic(), request.method, request.path))
        if self.ill is not None and self.strikes(request):
            return await self.ill(request)
        return await self._carry(request)

    async def _carry(self, request: web.Request) -> web.StreamResponse:
        upstream = await self._upstream
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _OWN_HEADERS}
        body = await request.read()
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.request(
                request.method,
                upstream + request.raw_path,
                data=body,
                headers={**headers, **self.headers},
                allow_redirects=False,
            ) as answer,
        ):
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in _OWN_HEADERS}
            return web.Response(status=answer.status, body=await answer.read(), headers=kept | self.said)


@asynccontextmanager
async def front() -> AsyncIterator[Front]:
    """A Front on a loopback port; its connections are cut at the end."""
    one = Front()
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{tail:.*}", one.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    address: Any = runner.addresses[0]
    one.url = f"http://127.0.0.1:{address[1]}"
    try:
        yield one
    finally:
        await runner.cleanup()
