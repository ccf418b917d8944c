"""One life of the daemon: the real catalog, lanes, workers and poller, wired as `rheod/assembly.py` wires them."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Literal

from rheod.compose.loops import TraderaDesk
from rheod.domain.budget import Allowance, reconcile_gap_ms
from rheod.domain.errors import StoreUnavailable
from rheod.domain.model import CallClass, JobKind, JobOrder, QueueName
from rheod.jobs.clock import ClockJumpMonitor, SteadyClock
from rheod.jobs.queue import ByDueTime, ByUrgency, JobQueue, Wakeups
from rheod.jobs.restore_lock import RestoreLock
from rheod.pictures.fetcher import PictureFetcher
from rheod.push.poller import ClosedAdHandler, PushPoller
from rheod.store import accounts, facts
from rheod.store.jobs import Owner
from rheod.store.ledger import Ledger
from rheod.tradera.ad_updater import AdUpdater
from rheod.tradera.budgeted_client import BudgetedClient, BudgetRules, SharedBudget
from rheod.tradera.order_sync import OrderSync, ReconcileOptions
from rheod.tradera.publisher import Publisher, PublishOptions
from rheod.tradera.result_poller import ResultPoller, ResultPollOptions
from rheod.tradera.shipping import ShippingUpdater
from rheod.tradera.take_over import TakeOver
from rheod.tradera.transport import Seller
from rheod.usecases.endpoints import Endpoints
from rheod.usecases.items import BudgetForecast, Items
from rheod.usecases.publish import AskSchedule
from rheod.usecases.sales import SellersAndSite
from rheod.usecases.transaction import Store, Transaction
from rheod.webhooks.deliverer import ByEndpoint, Deliverer
from tests.simulation.doze import Dozing
from tests.simulation.faults import Faults
from tests.simulation.life import Life
from tests.simulation.loop import VirtualLoop
from tests.simulation.market import Market
from tests.simulation.peers_push import Pushes, SimulatedQueue
from tests.simulation.peers_tradera import CallCounts, SimulatedTradera
from tests.simulation.peers_web import Receiver, SimulatedEndpoint, SimulatedRenderer, SimulatedShop
from tests.simulation.store import SimulatedStore
from tests.tradera.advertising import DEFAULTS as ADVERTISING

START_MS = 1_767_225_600_000
"""2026-01-01T00:00:00Z."""

SITE = "https://www.tradera.com"
ASK_DELAYS_S = (10, 10, 20, 40, 80, 160, 600)
RETRY_DELAYS_S = (1, 2, 4, 8, 16, 60, 300, 1800, 7200, 18_000, 36_000, 50_400, 64_800, 86_400)

DEFAULTS = replace(ADVERTISING, category_id={"books": 521, "other": 344_480})


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerSettings:
    """What the owner of this run has set."""

    members: tuple[int, ...]
    daily_calls: int
    push: bool
    in_doubt: Literal["resend", "recreate"]

    @property
    def references(self) -> list[str]:
        """The accounts' references; the first is the default one."""
        return ["", *(f"member-{number}" for number in self.members[1:])]

    @property
    def allowance(self) -> Allowance:
        """The call budget, with the shares of the settings' defaults."""
        return Allowance(limit=self.daily_calls, reserve_share=0.2, reconcile_share=0.1 if self.push else 0.4)

    def account_id(self, place: int) -> str:
        """The fixed id of an account."""
        return f"account-{place}"


@dataclass(slots=True)
class Machine:
    """How far the machine's clock is from the true time now, in seconds."""

    wrong_by_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What outlives the daemon: its settings, its disk, the peers, chance and the loop."""

    settings: OwnerSettings
    db: sqlite3.Connection
    images_dir: Path
    market: Market
    pushes: Pushes
    receiver: Receiver
    counts: CallCounts
    faults: Faults
    rng: Random
    loop: VirtualLoop
    machine: Machine

    def steady_clock(self) -> SteadyClock:
        """The clock of one life of the daemon, begun with what the machine shows."""
        return SteadyClock(
            wall=lambda: START_MS + round((self.loop.time() + self.machine.wrong_by_s) * 1000),
            monotonic=lambda: round(self.loop.time() * 1000),
        )


class _PatientLane(JobQueue):
    """A lane that may rest an hour, so that an idle week costs little."""

    longest_rest_s = 3600.0


class Daemon:
    """The parts of one life, built anew at every start."""

    def __init__(self, around: Surroundings, life: Life) -> None:
        self.life = life
        self.now = around.steady_clock()
        self.ledger: Ledger | None = None
        self._around = around
        self._wakeups = Wakeups()
        self._rung: set[QueueName] = set()
        self._store = SimulatedStore(db=around.db, faults=around.faults, life=life)
        self.store = Store(database=self._store, now=self.now, rng=around.rng, wake=self._ring_soon)
        self.sellers = SellersAndSite(
            accounts={
                member: around.settings.account_id(place)
                for place, member in enumerate(around.settings.members)
            },
            site_url=SITE,
            closed_grace_ms=30_000,
        )
        self._rules = BudgetRules(
            allowance=around.settings.allowance,
            per_operation={},
            sellers={
                around.settings.account_id(place): Seller(member, "test-token").fingerprint
                for place, member in enumerate(around.settings.members)
            },
        )
        self.catalog = Items(store=self.store, forecast=self._forecast)
        self.endpoints = Endpoints(store=self.store, new_secret=around.receiver.new_secret)

    def _ring_soon(self, queue: QueueName) -> None:
        """Ring in a fixed order, so that a seed means the same in every process."""
        if not self._rung:
            self._around.loop.call_soon(self._ring)
        self._rung.add(queue)

    def _ring(self) -> None:
        woken, self._rung = self._rung, set()
        for queue in QueueName:
            if queue in woken:
                self._wakeups.wake(queue)

    def _forecast(self, _account_id: str) -> BudgetForecast:
        calls = self.ledger.times(now=self.now()) if self.ledger else []
        return BudgetForecast(calls=calls, ceiling=self._around.settings.allowance.ceiling(CallClass.PUBLISH))

    async def run(self) -> None:
        """Start and work until cancelled. Raises StoreUnavailable when it cannot start now."""
        around = self._around
        references = around.settings.references
        await self._store.write(partial(facts.clamp, now=self.now()))
        await self._store.write(partial(accounts.ensure, references=references, now=self.now()))
        self.ledger = await self._store.read(partial(Ledger.load, now=self.now()))
        queues = [self._images_lane(), self._hooks_lane(), self._sales_lane()]
        queues += [
            self._tradera_lane(place, member, self.ledger)
            for place, member in enumerate(around.settings.members)
        ]
        for place in range(len(around.settings.members)):
            await self.store.write(partial(_order_reconcile, around.settings.account_id(place)))
        async with asyncio.TaskGroup() as group:
            for queue in queues:
                group.create_task(queue.run(), name=queue.name)
            if around.settings.push:
                group.create_task(self._poller().run(), name="push")
            if around.faults.climate.jumps:
                timekeeper = ClockJumpMonitor(clock=self.now, database=self._store, every_s=300.0)
                group.create_task(timekeeper.run(), name="timekeeper")

    def _images_lane(self) -> JobQueue:
        around = self._around
        fetcher = PictureFetcher(
            store=self.store,
            downloader=SimulatedShop(faults=around.faults, life=self.life),
            decoder=SimulatedRenderer(faults=around.faults, life=self.life),
            pictures_dir=around.images_dir,
        )
        fetcher.sweep()
        return _PatientLane(
            name="images",
            store=self.store,
            pick=Dozing(ByDueTime(QueueName.PICTURES)),
            wakeup=self._wakeups.new(QueueName.PICTURES),
            work=fetcher.fetch,
            concurrency=4,
        )

    def _hooks_lane(self) -> JobQueue:
        around = self._around
        deliverer = Deliverer(
            store=self.store,
            client=SimulatedEndpoint(
                receiver=around.receiver, faults=around.faults, life=self.life, now=self.now
            ),
            retry_delays_s=RETRY_DELAYS_S,
        )
        return _PatientLane(
            name="hooks",
            store=self.store,
            pick=Dozing(ByEndpoint()),
            wakeup=self._wakeups.new(QueueName.WEBHOOKS),
            work=deliverer.deliver,
            concurrency=8,
        )

    def _sales_lane(self) -> JobQueue:
        return _PatientLane(
            name="sales",
            store=self.store,
            pick=Dozing(ByDueTime(QueueName.PUSH)),
            wakeup=self._wakeups.new(QueueName.PUSH),
            work=ClosedAdHandler(store=self.store, sellers=self.sellers).close,
            concurrency=4,
        )

    def _calls(self, place: int, member: int, ledger: Ledger) -> BudgetedClient:
        around = self._around
        account_id = around.settings.account_id(place)
        budget = SharedBudget(
            store=self.store, ledger=ledger, rules=self._rules, locks={account_id: RestoreLock()}
        )
        client = SimulatedTradera(
            market=around.market,
            faults=around.faults,
            life=self.life,
            now=self.now,
            counts=around.counts,
        )
        return budget.client_of(account_id, Seller(member, "test-token"), client)

    def _tradera_lane(self, place: int, member: int, ledger: Ledger) -> JobQueue:
        around = self._around
        calls = self._calls(place, member, ledger)
        options = PublishOptions(
            defaults=DEFAULTS,
            images_dir=around.images_dir,
            max_images=8,
            image_format=0,
            has_mega=False,
            in_doubt=around.settings.in_doubt,
            schedule=AskSchedule(first_ask_ms=ASK_DELAYS_S[0] * 1000),
        )
        publisher = Publisher(store=self.store, calls=calls, options=options)
        asking = ResultPollOptions(delays_s=ASK_DELAYS_S, doubt_ms=24 * 3600 * 1000, site_url=SITE)
        interval_ms = reconcile_gap_ms(
            (3600 if around.settings.push else 900) * 1000,
            accounts=len(around.settings.members),
            allowance=around.settings.allowance,
        )
        desk = TraderaDesk(
            publisher=publisher,
            asker=ResultPoller(store=self.store, calls=calls, publisher=publisher, options=asking),
            keeper=AdUpdater(store=self.store, calls=calls, defaults=DEFAULTS),
            reader=OrderSync(
                store=self.store,
                calls=calls,
                sellers=self.sellers,
                options=ReconcileOptions(interval_ms=interval_ms),
            ),
            shipper=ShippingUpdater(store=self.store, calls=calls),
            takeover=TakeOver(store=self.store, calls=calls, sellers=self.sellers),
        )
        return _PatientLane(
            name=f"tradera:{member}",
            store=self.store,
            pick=Dozing(ByUrgency(calls.account_id)),
            wakeup=self._wakeups.new(QueueName.TRADERA),
            work=desk.work,
            concurrency=1,
        )

    def _poller(self) -> PushPoller:
        around = self._around
        queue = SimulatedQueue(pushes=around.pushes, faults=around.faults, life=self.life)
        return PushPoller(store=self.store, queue=queue, sellers=self.sellers, rng=around.rng)


def _order_reconcile(account_id: str, tx: Transaction) -> None:
    wanted = JobOrder(queue=QueueName.TRADERA, kind=JobKind.RECONCILE, subject=account_id)
    tx.order_for(wanted, Owner(account_id=account_id))


async def keep_running(around: Surroundings, lives: list[Daemon], troubles: list[str]) -> None:
    """What systemd does: start the daemon, and start it again when it has died. `lives` gets each one."""

    def note(where: str) -> None:
        troubles.append(f"{around.loop.time():.3f} {where}")

    while True:
        daemon = Daemon(around, Life(note))
        lives.append(daemon)
        running = asyncio.create_task(daemon.run(), name="daemon")
        killed = asyncio.create_task(daemon.life.over.wait(), name="kill")
        try:
            await asyncio.wait([running, killed], return_when=asyncio.FIRST_COMPLETED)
        finally:
            daemon.life.kill("at its end")
            killed.cancel()
            running.cancel()
            await asyncio.wait([running, killed])
        if not running.cancelled() and not _could_not_start(running.exception()):
            raise AssertionError("a loop of the daemon died") from running.exception()
        long_s = around.faults.between(60, 7200) if around.faults.chance(0.1) else 0.0
        await asyncio.sleep(around.faults.between(1, 5) + long_s)


def _could_not_start(error: BaseException | None) -> bool:
    return isinstance(error, StoreUnavailable)
