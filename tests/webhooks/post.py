"""The webhook queue of one account over the sandbox's shop, and a partner that answers each event as a test wishes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from random import Random

import aiohttp
from aiohttp import web

from rheod.domain.model import Event, EventType, ItemSpec, ItemType, QueueName
from rheod.jobs.meters import Meters
from rheod.jobs.queue import JobQueue, Wakeups
from rheod.net.url_policy import check_url
from rheod.sandbox.shop import Received, Shop
from rheod.store import items
from rheod.store.endpoints import Endpoint
from rheod.store.engine.database import Database
from rheod.usecases.endpoints import Endpoints
from rheod.usecases.items import BudgetForecast, Items
from rheod.usecases.transaction import Store, Transaction
from rheod.webhooks.client import WebhookClient, new_secret
from rheod.webhooks.deliverer import ByEndpoint, Deliverer
from tests.jobs.watching import CountingPick, idle
from tests.stores import Clock

MINUTE, HOUR = 60.0, 3600.0
DELAYS_S = (
    *(1.0, 2.0, 4.0, 8.0, 16.0, MINUTE, 5 * MINUTE, 30 * MINUTE),
    *(2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 18 * HOUR, 24 * HOUR),
)


class Post:
    """The webhook queue of one account over the sandbox's shop."""

    def __init__(self, *, database: Database, clock: Clock, account_id: str, shop: Shop) -> None:
        self.database = database
        self.clock = clock
        self.account_id = account_id
        self.shop = shop
        self.wakeups = Wakeups()
        self.meters = Meters()
        self.store = Store(database=database, now=clock, rng=Random(7), wake=self.wakeups.wake)
        self.items = Items(store=self.store, forecast=lambda _account: BudgetForecast())
        self.endpoints = Endpoints(store=self.store, new_secret=new_secret)
        self.pick = CountingPick(ByEndpoint())

    def queue(self, session: aiohttp.ClientSession) -> JobQueue:
        """The queue as the daemon builds it, with a second for each try."""
        self.client = WebhookClient(
            session=session,
            timeout_s=1.0,
            check_url=partial(check_url, allow_http=True, allow_private=True),
            user_agent="rheod/test",
            now=self.clock,
        )
        self.deliverer = Deliverer(
            store=self.store, client=self.client, retry_delays_s=DELAYS_S, meters=self.meters
        )
        self._queue = JobQueue(
            name="hooks",
            store=self.store,
            pick=self.pick,
            wakeup=self.wakeups.new(QueueName.WEBHOOKS),
            work=self.deliverer.deliver,
            concurrency=8,
        )
        return self._queue

    async def open(self) -> None:
        """Give the account its endpoint at the shop."""
        await self.endpoints.set_url(self.account_id, self.shop.webhook_url())
        self.shop.secret = (await self.endpoint()).secret

    async def endpoint(self) -> Endpoint:
        return await self.endpoints.settings(self.account_id)

    async def happen(self, external_id: str, count: int = 1) -> None:
        """Let something happen to an item: its creation is the first event of `count`."""
        container = ItemSpec(type=ItemType.CONTAINER, title="Volvo XC90")
        await self.items.put_item(self.account_id, external_id, container)

        def more(tx: Transaction) -> None:
            item = items.find(tx.db, self.account_id, external_id)
            assert item is not None
            for number in range(1, count):
                tx.tell(item, Event(type=EventType.LISTING_FAILED, data={"error": f"no {number}"}))
            tx.woken.add(QueueName.WEBHOOKS)

        await self.store.write(more)

    def forward(self, seconds: float) -> None:
        self.clock.forward(round(seconds * 1000))
        self.wakeups.wake(QueueName.WEBHOOKS)

    async def idle(self) -> None:
        """Until nothing can be sent at this time."""
        await idle(self._queue, self.pick, partial(self.wakeups.wake, QueueName.WEBHOOKS))

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
