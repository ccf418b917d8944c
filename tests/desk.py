"""One seller account at the simulated Tradera, on a real store and with a clock of the test's own.

What runs is what the daemon runs: `Desk` builds it by `compose.build`, from a few wishes, and answers what tests ask.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Literal

from pydantic import SecretStr

from rheod.compose.build import Rheod, build
from rheod.compose.loops import publish_options
from rheod.compose.remotes import Remotes
from rheod.config.sections import AccountSettings, Images, Storage, Webhooks
from rheod.config.selling import QuotaSettings, Shipping, Tradera, TraderaDefaults
from rheod.config.settings import Settings
from rheod.domain.model import Item, ItemSpec, Job, JobOrder, Listing, ListingState, QueueName, TraderaWish
from rheod.jobs.meters import Meters
from rheod.jobs.queue import JobQueue
from rheod.sandbox.tradera import TraderaSimulator
from rheod.store import accounts, items, jobs
from rheod.store.engine.database import Database
from rheod.store.jobs import Owner
from rheod.store.ledger import Ledger
from rheod.tradera.budgeted_client import BudgetedClient, BudgetRules
from rheod.tradera.publisher import PublishOptions
from rheod.usecases import pictures
from rheod.usecases.endpoints import Endpoints
from rheod.usecases.items import BudgetForecast, Items
from rheod.usecases.listings import SellersAndSite
from rheod.usecases.transaction import Store, Transaction
from tests.jobs.watching import CountingPick, idle
from tests.stores import Clock, rows
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


class CountedQueue(JobQueue):
    """A queue whose looks for work are counted."""

    def __init__(self, **parts: Any) -> None:
        self.pick = CountingPick(parts.pop("pick"))
        super().__init__(pick=self.pick, **parts)


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What a test wants otherwise than usual: the owner's settings, Tradera's address and the token.

    `members` are the references of accounts beside the default one, which sell as the users after it. `loopback` lets
    pictures and webhooks go to this machine, with a second for each.
    """

    daily_calls: int = 1000
    reserve_share: float = 0.2
    reconcile_share: float = 0.4
    per_operation: Mapping[str, int] = field(default_factory=dict)
    max_images: int = 8
    fixed_freight: int | None = 66
    in_doubt: Literal["resend", "recreate"] = "resend"
    doubt_s: float = 24 * 3600
    interval_s: float = 900
    bids_interval_s: float = 600
    timeout_s: float = 5
    token: str = "test-user-token"
    base_url: str | None = None
    members: Sequence[str] = ()
    loopback: bool = False
    least_long_px: int = 400

    def settings(self, folder: Path, simulator: TraderaSimulator) -> Settings:
        """As the owner would write them."""
        token = SecretStr(self.token)
        return Settings(
            storage=Storage(path=folder, least_free_bytes=0),
            images=Images(
                allow_http=True,
                allow_private_networks=True,
                timeout_s=1,
                min_long_px=self.least_long_px,
            )
            if self.loopback
            else Images(),
            webhooks=Webhooks(allow_http=True, allow_private_networks=True, timeout_s=1)
            if self.loopback
            else Webhooks(),
            accounts=tuple(
                AccountSettings(reference=reference, user_id=SELLER_ID + place, user_token=token)
                for place, reference in enumerate(self.members, 1)
            ),
            tradera=Tradera(
                base_url=self.base_url or simulator.base_url,
                app_id=simulator.keys.app_id,
                app_key=SecretStr(simulator.keys.app_key),
                user_id=SELLER_ID,
                user_token=token,
                quota=QuotaSettings(total=self.daily_calls, methods=dict(self.per_operation)),
                reserve_share=self.reserve_share,
                reconcile_share=self.reconcile_share,
                reconcile_interval_s=self.interval_s,
                bids_interval_s=self.bids_interval_s,
                request_timeout_s=self.timeout_s,
                result_delays_s=DELAYS_S,
                image_in_doubt=self.in_doubt,
                doubt_limit_s=self.doubt_s,
                shipping=Shipping(shipping_cost=self.fixed_freight),
                defaults=TraderaDefaults(max_images=self.max_images),
            ),
        )


class Desk:
    """One account's queue and the queue of push messages, running between `start` and `stop`.

    `restart` begins anew on the same store. One that stands `beside` another is a further account of the same rheod.
    """

    rheod: Rheod
    queue: CountedQueue
    calls: BudgetedClient

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
        self.account_id = account_id
        self.wishes = Wishes()
        self._data = folder
        self._beside = beside
        self._rng = Random(clock())  # one for all restarts: ids must not come twice
        self._running: asyncio.Task[None] | None = None

    async def start(self, **changes: Any) -> None:
        """Build everything and run both queues; nothing else of the daemon runs."""
        self.wishes = replace(self.wishes, **changes)
        self.rheod = await self._build() if self._beside is None else self._beside.rheod
        queue, self.calls = self.rheod.loops.of_account(self.account_id)
        assert isinstance(queue, CountedQueue)
        self.queue = queue
        self._running = asyncio.create_task(self._run())

    async def _build(self) -> Rheod:
        self.folder.mkdir(parents=True, exist_ok=True)
        return await build(
            self.wishes.settings(self._data, self.simulator),
            self.database,
            clock=self.clock,
            rng=self._rng,
            remotes=Remotes(),
            new_queue=CountedQueue,
        )

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.queue.run())
            if self._beside is None:
                group.create_task(self._push_queue.run())

    async def stop(self) -> None:
        """Stop both queues as the daemon does; raises what ended one."""
        self.queue.stop()
        self._push_queue.stop()
        if self._running is not None:
            running, self._running = self._running, None
            async with asyncio.timeout(10):
                await running
        if self._beside is None:
            await self.rheod.clients.aclose()

    async def crash(self) -> None:
        """Die on the spot and begin anew: what is under way is cut off, and no loop gets to tidy up."""
        assert self._running is not None
        running, self._running = self._running, None
        running.cancel()
        await asyncio.wait([running])
        await self.rheod.clients.aclose()
        await self.start()

    async def restart(self, **changes: Any) -> None:
        """End and begin anew with some wishes changed: what is only in memory is lost."""
        await self.stop()
        await self.start(**changes)

    # What is built

    @property
    def folder(self) -> Path:
        """Where pictures are kept."""
        return self._data / "images"

    @property
    def store(self) -> Store:
        return self.rheod.core.store

    @property
    def items(self) -> Items:
        return self.rheod.core.items

    @property
    def endpoints(self) -> Endpoints:
        return self.rheod.core.endpoints

    @property
    def ledger(self) -> Ledger:
        return self.rheod.core.ledger

    @property
    def rules(self) -> BudgetRules:
        return self.rheod.core.rules

    @property
    def sellers(self) -> SellersAndSite:
        return self.rheod.core.sellers

    @property
    def meters(self) -> Meters:
        return self.rheod.loops.meters

    @property
    def options(self) -> PublishOptions:
        return publish_options(self.rheod.core)

    @property
    def pick(self) -> CountingPick:
        return self.queue.pick

    @property
    def seller_id(self) -> int:
        """The account's user at Tradera."""
        return self.calls.seller.user_id

    @property
    def _push_queue(self) -> CountedQueue:
        queue = next(each for each in self.rheod.loops.queues if each.name == QueueName.PUSH)
        assert isinstance(queue, CountedQueue)
        return queue

    def forecast(self, account_id: str) -> BudgetForecast:
        """What lies before an account's next call."""
        return self.rheod.core.forecast(account_id)

    # Time

    def forward(self, seconds: float) -> None:
        """Let time pass; whoever waits for it looks up."""
        self.clock.forward(round(seconds * 1000))
        for queue in QueueName:
            self.rheod.core.wakeups.wake(queue)

    async def idle(self) -> None:
        """Until both queues have nothing to do at this time."""
        await idle(
            self._push_queue, self._push_queue.pick, partial(self.rheod.core.wakeups.wake, QueueName.PUSH)
        )
        await idle(self.queue, self.pick, partial(self.rheod.core.wakeups.wake, QueueName.TRADERA))

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
        await self.items.put_item(self.account_id, external_id, spec)
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
        return (await self.items.read_item(self.account_id, external_id)).item

    async def listing(self, external_id: str = "A") -> Listing:
        """The item's latest listing."""
        view = await self.items.read_item(self.account_id, external_id)
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
        """The data of every event of these types, oldest first."""
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
