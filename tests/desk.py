"""One seller account's whole tradera lane on a real store, against the simulated Tradera, with a clock of the test's own.

`Desk` builds what the composition root builds, from a few wishes, and answers the questions the tests ask.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Literal

from rheod.compose.loops import TraderaDesk
from rheod.domain.budget import Allowance
from rheod.domain.event_payloads import new_secret
from rheod.domain.model import (
    CallClass,
    Item,
    ItemSpec,
    Job,
    JobOrder,
    Listing,
    ListingState,
    QueueName,
    TraderaWish,
)
from rheod.jobs.meters import Meters
from rheod.jobs.queue import ByDueTime, ByUrgency, JobQueue, Wakeups
from rheod.jobs.restore_lock import RestoreLock
from rheod.push.poller import ClosedAdHandler
from rheod.sandbox.tradera import TraderaSimulator
from rheod.store import accounts, items, jobs
from rheod.store.engine.database import Database
from rheod.store.jobs import Owner
from rheod.store.ledger import Ledger
from rheod.tradera.ad_updater import AdUpdater
from rheod.tradera.budgeted_client import BudgetRules, SharedBudget
from rheod.tradera.client import TraderaClient, open_session
from rheod.tradera.order_sync import OrderSync, ReconcileOptions
from rheod.tradera.publisher import Publisher, PublishOptions
from rheod.tradera.result_poller import ResultPoller, ResultPollOptions
from rheod.tradera.shipping import ShippingUpdater
from rheod.tradera.take_over import TakeOver
from rheod.tradera.transport import Seller
from rheod.usecases import pictures
from rheod.usecases.endpoints import Endpoints
from rheod.usecases.items import BudgetForecast, Items
from rheod.usecases.publish import AskSchedule
from rheod.usecases.sales import SellersAndSite
from rheod.usecases.transaction import Store, Transaction
from tests.jobs.watching import CountingPick, idle
from tests.stores import Clock, rows
from tests.tradera.advertising import DEFAULTS
from tests.waiting import until

SELLER_ID = 300124
CATEGORY = 302571
ASKS_AFTER_S = 10.0
DELAYS_S = (ASKS_AFTER_S, 10.0, 20.0, 40.0, 80.0, 160.0, 600.0)
HOUR_MS = 3600 * 1000


def _picture_ready(tx: Transaction, job: Job, file: Path) -> None:
    """What the end of a picture's job stores."""
    pictures.ready(tx, job, file=file.name, size_bytes=file.stat().st_size)
    jobs.finish(tx.db, job)


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What a test wants otherwise than usual: the owner's settings, Tradera's address and the token."""

    daily_calls: int = 1000
    reserve_share: float = 0.2
    reconcile_share: float = 0.4
    per_operation: Mapping[str, int] = field(default_factory=dict)
    max_images: int = 8
    in_doubt: Literal["resend", "recreate"] = "resend"
    doubt_s: float = 24 * 3600
    interval_s: float = 900
    timeout_s: float = 5
    token: str = "test-user-token"
    base_url: str | None = None
    sellers: Mapping[str, str] = field(default_factory=dict)


class Desk:
    """The parts of one account, running between `start` and `stop`; `restart` begins anew on the same store.

    One that stands `beside` another shares its budget and sells as the next member.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        simulator: TraderaSimulator,
        folder: Path,
        account_id: str,
        beside: Desk | None = None,
    ) -> None:
        self.database = database
        self.clock = clock
        self.simulator = simulator
        self.folder = folder
        self.account_id = account_id
        self.beside = beside
        self.seller_id: int = SELLER_ID if beside is None else beside.seller_id + 1
        self.wishes: Wishes = Wishes() if beside is None else beside.wishes
        self.wakeups: Wakeups = Wakeups() if beside is None else beside.wakeups
        self.store: Store = (
            Store(database=database, now=clock, rng=Random(clock()), wake=self.wakeups.wake)
            if beside is None
            else beside.store
        )
        self.sellers = SellersAndSite(
            accounts={self.seller_id: account_id}, site_url="https://www.tradera.com", closed_grace_ms=30_000
        )
        self.meters = Meters()
        self._clients = AsyncExitStack()
        self._running: asyncio.Task[None] | None = None

    async def start(self, **changes: Any) -> None:
        """Build everything and run both lanes."""
        self.wishes = wishes = replace(self.wishes, **changes)
        self.ledger: Ledger = (
            await self.database.read(partial(Ledger.load, now=self.clock()))
            if self.beside is None
            else self.beside.ledger
        )
        allowance = Allowance(
            limit=wishes.daily_calls,
            reserve_share=wishes.reserve_share,
            reconcile_share=wishes.reconcile_share,
        )
        self.rules = BudgetRules(
            allowance=allowance, per_operation=dict(wishes.per_operation), sellers=wishes.sellers
        )

        def forecast(account_id: str) -> BudgetForecast:
            ceiling = allowance.ceiling(CallClass.PUBLISH)
            return BudgetForecast.of(
                self.ledger, account_id, now=self.clock(), ceiling=ceiling, sellers=wishes.sellers
            )

        self.forecast = forecast
        self.catalog = Items(store=self.store, forecast=forecast)
        self.endpoints = Endpoints(store=self.store, new_secret=new_secret)
        takeover = await self.database.read(lambda db: accounts.find(db, self.account_id))
        budget = SharedBudget(
            store=self.store,
            ledger=self.ledger,
            rules=self.rules if self.beside is None else self.beside.rules,
            locks={self.account_id: RestoreLock(takeover)},
        )
        seller = Seller(self.seller_id, wishes.token)
        self.calls = budget.client_of(self.account_id, seller, await self._client())
        self.pick = CountingPick(ByUrgency(self.account_id, self.calls.lock))
        self.queue = JobQueue(
            name="tradera",
            store=self.store,
            pick=self.pick,
            wakeup=self.wakeups.new(QueueName.TRADERA),
            work=self._tradera_desk(wishes).work,
            concurrency=1,
        )
        self.sales_pick = CountingPick(ByDueTime(QueueName.PUSH))
        self.sales_lane = JobQueue(
            name="sales",
            store=self.store,
            pick=self.sales_pick,
            wakeup=self.wakeups.new(QueueName.PUSH),
            work=ClosedAdHandler(store=self.store, sellers=self.sellers).close,
            concurrency=4,
        )
        self._running = asyncio.create_task(self._run())

    async def _client(self) -> TraderaClient:
        keys = self.simulator.keys
        session = await self._clients.enter_async_context(open_session())
        return TraderaClient(
            session=session,
            base_url=self.wishes.base_url or self.simulator.base_url,
            app_id=keys.app_id,
            app_key=keys.app_key,
            timeout_s=self.wishes.timeout_s,
        )

    def _tradera_desk(self, wishes: Wishes) -> TraderaDesk:
        self.options = options = PublishOptions(
            defaults=DEFAULTS,
            images_dir=self.folder,
            max_images=wishes.max_images,
            image_format=0,
            has_mega=False,
            in_doubt=wishes.in_doubt,
            schedule=AskSchedule(first_ask_ms=round(ASKS_AFTER_S * 1000)),
        )
        publisher = Publisher(store=self.store, calls=self.calls, options=options)
        asking = ResultPollOptions(
            delays_s=DELAYS_S, doubt_ms=round(wishes.doubt_s * 1000), site_url=self.sellers.site_url
        )
        return TraderaDesk(
            publisher=publisher,
            asker=ResultPoller(
                store=self.store, calls=self.calls, publisher=publisher, options=asking, meters=self.meters
            ),
            keeper=AdUpdater(store=self.store, calls=self.calls, defaults=DEFAULTS),
            reader=OrderSync(
                store=self.store,
                calls=self.calls,
                sellers=self.sellers,
                options=ReconcileOptions(interval_ms=round(wishes.interval_s * 1000)),
                meters=self.meters,
            ),
            shipper=ShippingUpdater(store=self.store, calls=self.calls),
            takeover=TakeOver(store=self.store, calls=self.calls, sellers=self.sellers),
        )

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.queue.run())
            group.create_task(self.sales_lane.run())

    async def stop(self) -> None:
        """Stop both lanes as the daemon does; raises what killed one."""
        self.queue.stop()
        self.sales_lane.stop()
        if self._running is not None:
            running, self._running = self._running, None
            async with asyncio.timeout(10):
                await running
        await self._clients.aclose()

    async def restart(self, **changes: Any) -> None:
        """End and begin anew with some wishes changed: what is only in memory is lost."""
        await self.stop()
        await self.start(**changes)

    # Time

    def forward(self, seconds: float) -> None:
        """Let time pass; whoever waits for it looks up."""
        self.clock.forward(round(seconds * 1000))
        for queue in QueueName:
            self.wakeups.wake(queue)

    async def idle(self) -> None:
        """Until both lanes have nothing to do at this time."""
        await idle(self.sales_lane, self.sales_pick, partial(self.wakeups.wake, QueueName.PUSH))
        await idle(self.queue, self.pick, partial(self.wakeups.wake, QueueName.TRADERA))

    # What the owner does

    async def put(self, external_id: str = "A", *, pictures: int = 2, **fields: Any) -> Item:
        """PUT an item that publishes itself and let its pictures be ready at once."""
        urls = tuple(f"https://shop.example/{external_id}-{n}.jpg" for n in range(pictures))
        spec = ItemSpec(
            **{
                "title": "Rörstrand kaffekopp",
                "price_ore": 10_000,
                "image_urls": urls,
                "auto_publish": True,
                "tradera": TraderaWish(category_id=CATEGORY),
                **fields,
            }
        )
        await self.catalog.put_item(self.account_id, external_id, spec)
        await self.pictures_ready()
        return await self.item(external_id)

    async def pictures_ready(self) -> None:
        """Let every picture that waits be ready, each with bytes of its own."""
        for job in await self.database.read(
            lambda db: jobs.due(db, QueueName.PICTURES, now=self.clock(), limit=100)
        ):
            file = self.folder / f"{job.subject}.jpg"
            file.write_bytes(b"\xff\xd8\xff" + job.subject.encode() + b"\xff\xd9")
            await self.store.write(partial(_picture_ready, job=job, file=file))

    async def order(self, wanted: JobOrder) -> None:
        """Order a job of this account."""
        await self.store.write(lambda tx: tx.order_for(wanted, Owner(account_id=self.account_id)))

    # What is known

    async def item(self, external_id: str = "A") -> Item:
        """The item as it stands."""
        return (await self.catalog.read_item(self.account_id, external_id)).item

    async def listing(self, external_id: str = "A") -> Listing:
        """The item's latest listing."""
        view = await self.catalog.read_item(self.account_id, external_id)
        assert view.listing is not None
        return view.listing

    async def listing_by_id(self, listing_id: str) -> Listing:
        """A listing, of a removed item too."""
        return await self.database.read(lambda db: items.listing(db, listing_id))

    async def reach(self, state: ListingState, external_id: str = "A") -> Listing:
        """Wait until the item's listing is in this state."""

        async def reached() -> Listing | None:
            listing = await self.listing(external_id)
            return listing if listing.state is state else None

        found: Listing = await until(reached)
        return found

    async def publish(self, external_id: str = "A", **fields: Any) -> Listing:
        """PUT an item and see it live; returns its listing."""
        await self.put(external_id, **fields)
        await self.reach(ListingState.COMMITTED, external_id)
        self.forward(ASKS_AFTER_S)
        return await self.reach(ListingState.LIVE, external_id)

    async def told(self, *types: str) -> list[dict[str, Any]]:
        """The data of every notice of these types, oldest first."""
        found = await rows(self.database, "SELECT type, data FROM notices ORDER BY seq")
        return [json.loads(row["data"]) for row in found if row["type"] in types]

    async def spent(self) -> list[dict[str, Any]]:
        """The rows of the ledger, oldest first."""
        return await rows(self.database, "SELECT * FROM calls ORDER BY id")

    async def waiting_jobs(self, kind: str) -> list[dict[str, Any]]:
        """The jobs of a kind, oldest first."""
        return await rows(self.database, "SELECT * FROM jobs WHERE kind = ? ORDER BY id", kind)

    def called(self) -> dict[str, int]:
        """How often each operation was called at the simulator."""
        return dict(self.simulator.calls_by_operation())

    def operations(self) -> Sequence[str]:
        """The operations called, in order."""
        return [call.operation for call in self.simulator.calls]


async def calls_so_far(desk: Desk, operation: str, count: int) -> None:
    """Wait for the n-th call of an operation and for what follows from it."""
    await until(lambda: desk.called().get(operation, 0) == count)
    await desk.idle()


async def open_account(database: Database, clock: Clock) -> str:
    """The default account's id."""
    return (await database.write(partial(accounts.ensure, references=[""], now=clock())))[""]
