"""One life of the daemon: what compose builds over simulated peers, with its queues and its poller running."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Literal

from pydantic import SecretStr

from rheod.compose.build import Rheod, build
from rheod.compose.remotes import Remotes
from rheod.config.sections import AccountSettings, Push, Storage
from rheod.config.selling import Ends, QuotaSettings, Relist, Tradera, TraderaDefaults
from rheod.config.settings import Settings
from rheod.domain.errors import StoreUnavailable
from rheod.jobs.housekeeping import ClockJumpMonitor, SteadyClock
from rheod.jobs.queue import JobQueue, Pick
from rheod.store.ledger import Ledger
from rheod.usecases.contested_sales import Reversing
from rheod.usecases.endpoints import Endpoints
from rheod.usecases.items import Items
from rheod.usecases.relisting import Relisting
from tests.simulation.doze import Dozing
from tests.simulation.faults import Faults
from tests.simulation.life import Life
from tests.simulation.loop import VirtualLoop
from tests.simulation.market import Market
from tests.simulation.peers_push import Pushes, SimulatedQueue
from tests.simulation.peers_tradera import CallCounts, SimulatedTradera
from tests.simulation.peers_web import Receiver, SimulatedEndpoint, SimulatedRenderer, SimulatedShop
from tests.simulation.reference import Reference
from tests.simulation.store import SimulatedStore

START_MS = 1_767_225_600_000
"""2026-01-01T00:00:00Z."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerSettings:
    """What the owner of this run has set; the rest is as rheod comes.

    `limits` are what Tradera really allows of single methods, which may be less than `methods` say. `fixed_freight` is
    the price in kronor where an item names none; without it freight is by weight, or by the item alone.
    """

    members: tuple[int, ...]
    daily_calls: int | None
    push: bool
    in_doubt: Literal["resend", "recreate"]
    methods: Mapping[str, int] = field(default_factory=dict)
    limits: Mapping[str, int] = field(default_factory=dict)
    relist: Relist = field(default_factory=Relist)
    ends: Ends = field(default_factory=Ends)
    fixed_freight: int | None = 66

    @property
    def references(self) -> list[str]:
        """The accounts' references; the first is the default one."""
        return ["", *(f"member-{number}" for number in self.members[1:])]

    def account_id(self, place: int) -> str:
        """The fixed id of an account."""
        return f"account-{place}"

    def written(self, folder: Path) -> Settings:
        """As rheod reads them."""
        token = SecretStr("test-token")
        return Settings(
            storage=Storage(path=folder),
            relist=self.relist,
            ends=self.ends,
            push=Push(queue_url="https://sqs.example/queue" if self.push else None),
            accounts=tuple(
                AccountSettings(reference=reference, user_id=member, user_token=token)
                for reference, member in zip(self.references[1:], self.members[1:], strict=True)
            ),
            tradera=Tradera(
                app_id=1,
                app_key=SecretStr("test-key"),
                user_id=self.members[0],
                user_token=token,
                daily_calls=self.daily_calls,
                quota=QuotaSettings(methods=dict(self.methods)),
                reconcile_interval_s=3600
                if self.push
                else 900,  # ten quiet days of every minute take too long
                bids_interval_s=3600,
                image_in_doubt=self.in_doubt,
                defaults=TraderaDefaults(
                    category_id={"books": 521, "other": 344_482}, shipping_cost=self.fixed_freight
                ),
            ),
        )


@dataclass(slots=True)
class Machine:
    """How far the machine's clock is from the true time now, in seconds."""

    wrong_by_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What outlives the daemon: its settings, its disk, the peers, chance and the loop."""

    settings: OwnerSettings
    db: sqlite3.Connection
    folder: Path
    market: Market
    pushes: Pushes
    receiver: Receiver
    counts: CallCounts
    reference: Reference
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


class PatientQueue(JobQueue):
    """A queue that may rest an hour, so that an idle week costs little."""

    longest_rest_s = 3600.0

    def __init__(self, *, pick: Pick, **parts: Any) -> None:
        super().__init__(pick=Dozing(pick), **parts)


class Daemon:
    """One life: wired anew at its start, and there for whoever asks once that is done."""

    def __init__(self, around: Surroundings, life: Life) -> None:
        self.life = life
        self.now = around.steady_clock()
        self._around = around
        self._store = SimulatedStore(db=around.db, faults=around.faults, life=life)
        self._rheod: Rheod | None = None

    @property
    def rheod(self) -> Rheod:
        """What has been built. Raises ConnectionResetError before that, as a daemon does that does not listen yet."""
        if self._rheod is None:
            raise ConnectionResetError
        return self._rheod

    @property
    def items(self) -> Items:
        return self.rheod.core.items

    @property
    def relisting(self) -> Relisting:
        return Relisting(store=self.rheod.core.store)

    @property
    def reversing(self) -> Reversing:
        return Reversing(store=self.rheod.core.store)

    @property
    def endpoints(self) -> Endpoints:
        """Those of the daemon, with secrets that the receiver knows."""
        return Endpoints(store=self.rheod.core.store, new_secret=self._around.receiver.new_secret)

    @property
    def ledger(self) -> Ledger | None:
        return None if self._rheod is None else self._rheod.core.ledger

    async def run(self) -> None:
        """Start and work until cancelled. Raises StoreUnavailable when it cannot start now."""
        around, faults, life = self._around, self._around.faults, self.life
        remotes = Remotes(
            tradera=lambda _core, _clients: SimulatedTradera(
                market=around.market,
                faults=faults,
                life=life,
                now=self.now,
                counts=around.counts,
                limits=around.settings.limits,
                reference=around.reference,
            ),
            push_queue=lambda _core: (
                SimulatedQueue(pushes=around.pushes, faults=faults, life=life)
                if around.settings.push
                else None
            ),
            downloader=lambda _core, _clients: SimulatedShop(faults=faults, life=life),
            decoder=lambda _core, _clients: SimulatedRenderer(faults=faults, life=life),
            webhooks=lambda _core, _clients: SimulatedEndpoint(
                receiver=around.receiver, faults=faults, life=life, now=self.now
            ),
        )
        rheod = await build(
            around.settings.written(around.folder),
            self._store,
            clock=self.now,
            rng=around.rng,
            remotes=remotes,
            new_queue=PatientQueue,
        )
        await rheod.loops.begin()
        self._rheod = rheod
        async with asyncio.TaskGroup() as group:
            for queue in rheod.loops.queues:
                group.create_task(queue.run(), name=queue.name)
            if rheod.loops.poller is not None:
                group.create_task(rheod.loops.poller.run(), name="push")
            if faults.climate.jumps:
                monitor = ClockJumpMonitor(clock=self.now, database=self._store, every_s=300.0)
                group.create_task(monitor.run(), name="clock")


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
