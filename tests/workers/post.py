"""The hooks lane of one account over the sandbox's shop, and a partner that answers each event as a test wishes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from random import Random

import aiohttp
from aiohttp import web

from rheod.catalog.endpoints import Endpoints
from rheod.catalog.items import Catalog, Forecast
from rheod.catalog.unit import Books, UnitOfWork
from rheod.clients.addresses import check_url
from rheod.clients.hooks import HookClient
from rheod.clients.signed_hooks import SignedHooks
from rheod.domain.model import EventType, ItemSpec, ItemType, LaneName, Notice
from rheod.domain.notices import new_secret
from rheod.sandbox.shop import Received, Shop
from rheod.store import items
from rheod.store.database import Database
from rheod.store.endpoints import Endpoint
from rheod.workers.deliverer import ByEndpoint, Deliverer
from rheod.workers.lane import Bells, Lane
from rheod.workers.meters import Meters
from tests.bookkeeping import Clock
from tests.workers.watching import CountingPick, idle

MINUTE, HOUR = 60.0, 3600.0
DELAYS_S = (
    *(1.0, 2.0, 4.0, 8.0, 16.0, MINUTE, 5 * MINUTE, 30 * MINUTE),
    *(2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 18 * HOUR, 24 * HOUR),
)


class Post:
    """The hooks lane of one account over the sandbox's shop."""

    def __init__(self, *, database: Database, clock: Clock, account_id: str, shop: Shop) -> None:
        self.database = database
        self.clock = clock
        self.account_id = account_id
        self.shop = shop
        self.bells = Bells()
        self.meters = Meters()
        self.books = Books(database=database, now=clock, rng=Random(7), ring=self.bells.ring)
        self.catalog = Catalog(books=self.books, forecast=lambda _account: Forecast(calls=[], ceiling=1))
        self.endpoints = Endpoints(books=self.books, new_secret=new_secret)
        self.pick = CountingPick(ByEndpoint())

    def lane(self, session: aiohttp.ClientSession) -> Lane:
        """The lane as the composition root builds it, with a second for each try."""
        self.hooks = SignedHooks(
            client=HookClient(session=session, timeout_s=1.0),
            check_url=partial(check_url, allow_http=True, allow_private=True),
            user_agent="rheod/test",
            now=self.clock,
        )
        self.deliverer = Deliverer(
            books=self.books, hooks=self.hooks, retry_delays_s=DELAYS_S, meters=self.meters
        )
        self._lane = Lane(
            name="hooks",
            books=self.books,
            pick=self.pick,
            bell=self.bells.new(LaneName.HOOKS),
            work=self.deliverer.deliver,
            concurrency=8,
        )
        return self._lane

    async def open(self) -> None:
        """Give the account its endpoint at the shop."""
        await self.endpoints.set_url(self.account_id, self.shop.webhook_url())
        self.shop.secret = (await self.endpoint()).secret

    async def endpoint(self) -> Endpoint:
        return await self.endpoints.settings(self.account_id)

    async def happen(self, external_id: str, count: int = 1) -> None:
        """Let something happen to an item: its creation is the first event of `count`."""
        container = ItemSpec(type=ItemType.CONTAINER, title="Volvo XC90")
        await self.catalog.put_item(self.account_id, external_id, container)

        def more(unit: UnitOfWork) -> None:
            item = items.find(unit.db, self.account_id, external_id)
            assert item is not None
            for number in range(1, count):
                unit.tell(item, Notice(type=EventType.LISTING_FAILED, data={"error": f"no {number}"}))
            unit.rung.add(LaneName.HOOKS)

        await self.books.write(more)

    def forward(self, seconds: float) -> None:
        self.clock.forward(round(seconds * 1000))
        self.bells.ring(LaneName.HOOKS)

    async def idle(self) -> None:
        """Until nothing can be sent at this time."""
        await idle(self._lane, self.pick, partial(self.bells.ring, LaneName.HOOKS))

    async def fail_until_off(self) -> None:
        """Let 15 tries pass; the shop must be taking nothing."""
        for gap_s in (0.0, *DELAYS_S):
            self.forward(gap_s)
            await self.idle()

    def taken(self) -> list[Received]:
        """What the shop has answered with 2xx."""
        return [one for one in self.shop.received if one.status == 200]


class Partner:
    """Answers every event by its name, `<item>` for the creation or `<item> no <n>`; `together` wait for one another."""

    def __init__(
        self, verdict: Callable[[str], int], *, headers: Mapping[str, str] | None = None, together: int = 1
    ) -> None:
        self._verdict = verdict
        self._headers = headers or {}
        self._barrier = asyncio.Barrier(together)
        self.asked: list[str] = []
        self.taken: list[str] = []

    async def answer(self, request: web.Request) -> web.Response:
        data = (await request.json())["data"]
        name = " ".join(filter(None, (data["externalId"], data.get("error"))))
        self.asked.append(name)
        await self._barrier.wait()
        status = self._verdict(name)
        if status == 200:
            self.taken.append(name)
        return web.Response(status=status, headers=self._headers)


@asynccontextmanager
async def listening(answer: Callable[[web.Request], Awaitable[web.Response]]) -> AsyncIterator[str]:
    """A partner that answers like this; yields its address."""
    application = web.Application()
    application.router.add_post("/", answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()
