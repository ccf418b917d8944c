"""The remotes of the benches, each in a process of its own, as in life: what they cost is neither ours nor the floor's.

`running(kind)` keeps one up and gives its address. They check nothing and count only what the benches ask for.
"""

from __future__ import annotations

import asyncio
import io
import random
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from PIL import Image

from rheod.sandbox.sandbox import wall_clock
from rheod.sandbox.servers import HttpServer
from rheod.sandbox.tradera import TraderaSimulator
from tests.push.small_queue import SmallQueue

CALL_S = 0.03
"""How long the simulated Tradera thinks about each call."""

QUEUE_S = 0.5
"""How long it has a committed listing in its queue."""

SQS_S = 0.005
"""How long the queue takes over each call; the nearest region of Amazon's takes longer."""

PICTURES = 40
"""Pictures that differ; a round asks for each of them several times under other addresses."""


@asynccontextmanager
async def running(kind: str) -> AsyncIterator[str]:
    """The address of one of `KINDS`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.peers", kind, stdin=DEVNULL, stdout=PIPE
    )
    assert process.stdout is not None
    try:
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.terminate()
        await process.wait()


class Hooks:
    """Takes everything that is posted; tells how many came, and the seconds from the first to the last."""

    def __init__(self) -> None:
        self._came: list[float] = []

    def add_to(self, app: web.Application) -> None:
        """Its routes."""
        app.router.add_post("/webhooks/{name}", self._take)
        app.router.add_get("/told", self._tell)
        app.router.add_delete("/told", self._forget)

    async def _take(self, request: web.Request) -> web.Response:
        await request.read()
        self._came.append(time.monotonic())
        return web.Response()

    async def _tell(self, _request: web.Request) -> web.Response:
        spent_s = self._came[-1] - self._came[0] if self._came else 0.0
        return web.json_response({"count": len(self._came), "spent_s": spent_s})

    async def _forget(self, _request: web.Request) -> web.Response:
        self._came.clear()
        return web.Response()


class Pictures:
    """Serves photographs of 1600 x 1200 pixels, but none before it is opened."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._files = [photograph(number) for number in range(PICTURES)]

    def add_to(self, app: web.Application) -> None:
        """Its routes."""
        app.router.add_get("/pictures/{name}", self._serve)
        app.router.add_put("/open", self._turn)
        app.router.add_delete("/open", self._turn)

    async def _serve(self, request: web.Request) -> web.Response:
        await self._open.wait()
        number = int(request.match_info["name"].removesuffix(".jpg"))
        return web.Response(body=self._files[number % PICTURES], content_type="image/jpeg")

    async def _turn(self, request: web.Request) -> web.Response:
        if request.method == "PUT":
            self._open.set()
        else:
            self._open.clear()
        return web.Response()


def photograph(number: int) -> bytes:
    """About as many bytes, and as much work to decode, as a telephone's picture of this size."""
    noise = Image.effect_noise((400, 300), 90).resize((1600, 1200), Image.Resampling.BICUBIC)
    tint = Image.new("L", noise.size, number * 5 % 256)
    out = io.BytesIO()
    Image.merge("RGB", (noise, tint, noise.rotate(180))).save(out, "JPEG", quality=85)
    return out.getvalue()


async def _tradera() -> str:
    simulator = TraderaSimulator(now=wall_clock, rng=random.Random(1), processing_delay_s=QUEUE_S)
    simulator.fault("*", "slow", times=None, seconds=CALL_S)
    await simulator.start()
    return simulator.site_url


async def _serving(add_to: Callable[[web.Application], None]) -> str:
    app = web.Application()
    add_to(app)
    server = HttpServer(app)
    await server.start()
    return server.url


KINDS: dict[str, Callable[[], Awaitable[str]]] = {
    "hooks": lambda: _serving(Hooks().add_to),
    "pictures": lambda: _serving(Pictures().add_to),
    "queue": lambda: _serving(SmallQueue(call_s=SQS_S).add_to),
    "quickest queue": lambda: _serving(SmallQueue().add_to),
    "tradera": _tradera,
}


async def serve(kind: str) -> None:
    """Answer until told to stop."""
    print(await KINDS[kind](), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
