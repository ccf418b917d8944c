"""One simulated day from one seed: who lives in it, how bad it gets, and the quiet time after in which all must settle."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

import structlog

from tests.simulation import invariants, returning
from tests.simulation.daemon import START_MS, Daemon, Machine, OwnerSettings, Surroundings, keep_running
from tests.simulation.faults import HOUR_S, MINUTE_S, Climate, Faults, Jump, draw_climate
from tests.simulation.loop import StuckError, VirtualLoop, run_virtually
from tests.simulation.market import DAY_MS, Listed, Market, Queueing, Wires
from tests.simulation.peers_push import Pushes
from tests.simulation.peers_tradera import CallCounts
from tests.simulation.peers_web import Receiver
from tests.simulation.people import Buyers, Owner, Partner, Wish
from tests.simulation.reference import Reference, drawn_changes
from tests.simulation.returning import Hands, Reseller
from tests.simulation.store import open_in_memory

_MEMBERS = (300_124, 300_125, 300_126, 300_127)
_LIMITED = (
    "create", "image", "commit", "results", "item", "order", "orders", "updated_items", "seller_items", "end", "price",
)  # fmt: skip
"""Methods of which Tradera may allow few calls."""
_QUIET_S = 10 * 24 * HOUR_S
_LOOK_EVERY_S = 10 * MINUTE_S
_LONGEST_LOOK_S = HOUR_S
_UNHEARD_OF = {"job failed unexpectedly", "outcome failed unexpectedly"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """What the seed has drawn for a run. In a week things come back: its owners are resellers."""

    is_week: bool = False
    length_s: float
    afterwards_s: float
    items: int
    deeds: int
    settings: OwnerSettings
    climate: Climate
    order_lag_ms: int
    end_moves_version: bool
    pushes_lost: float
    only_in_results: bool = False


@dataclass(slots=True, kw_only=True)
class Report:
    """What came of a run: the violations, what happened on the way, and a digest that is the same for the same seed."""

    seed: int
    violations: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    lives: int = 0
    calls: int = 0
    returns: int = 0
    went_live: int = 0
    sales: int = 0
    digest: str = ""
    late_ms: list[int] = field(default_factory=list)
    """How long after its place in the plan of ends each auction ends that has one."""


def draw_day(seed: int) -> Day:
    """The day of a seed."""
    rng = Random(f"{seed}:day")
    length_s = rng.choice((2, 2, 6, 6, 24)) * HOUR_S
    if rng.random() < 0.04:  # long enough for an endpoint to be disabled and for messages to be lost
        length_s = 5 * 24 * HOUR_S
    push = rng.random() < 0.85
    settings = OwnerSettings(
        members=_MEMBERS[: rng.choice((1, 1, 1, 2, 4))],
        daily_calls=rng.choice((60, 100, 400, 10_000)),
        push=push,
        in_doubt=rng.choice(("resend", "recreate")),
        **_draw_limits(Random(f"{seed}:limits")),
    )
    return Day(
        length_s=length_s,
        afterwards_s=rng.choice((0, 0, 0, 0, 30)) * HOUR_S,
        items=rng.randrange(2, 13),
        deeds=rng.randrange(20),
        settings=settings,
        climate=draw_climate(rng, length_s),
        order_lag_ms=rng.choice((0, 5_000, 40_000)),
        end_moves_version=rng.random() < 0.7,
        pushes_lost=rng.choice((0.0, 0.1, 1.0)) if push else 1.0,
        only_in_results=Random(f"{seed}:results").random() < 0.5,
    )


def draw_week(seed: int) -> Day:
    """The week of a seed: a day that is longer, by a rule for what comes back."""
    rng = Random(f"{seed}:week")
    day = draw_day(seed)
    settings = replace(
        day.settings,
        daily_calls=rng.choice((200, 400, 10_000)),
        relist=returning.draw_rule(rng),
        ends=returning.draw_ends(rng),
    )
    return replace(
        day,
        is_week=True,
        length_s=returning.WEEK_S,
        items=rng.randrange(2, 9),
        deeds=rng.randrange(12),
        settings=settings,
        climate=draw_climate(rng, returning.WEEK_S),
    )


def _draw_limits(rng: Random) -> dict[str, Any]:
    """What the owner says of single methods' limits; every fourth is less at Tradera than was said."""
    if rng.random() < 0.4:
        return {}
    methods = {each: rng.choice((30, 60, 200)) for each in rng.sample(_LIMITED, rng.randrange(1, 5))}
    limits = {each: limit if rng.random() < 0.75 else limit * 2 // 3 for each, limit in methods.items()}
    return {"methods": methods, "limits": limits}


class World:
    """Everything of one run."""

    def __init__(self, seed: int, folder: Path, day: Day) -> None:
        self.day = day
        self.report = Report(seed=seed)
        self.loop = VirtualLoop()
        self.loop.set_exception_handler(lambda _, context: self._say(f"nothing unforeseen: {context}"))
        self.lives: list[Daemon] = []
        self.faults = Faults(climate=self.day.climate, rng=Random(f"{seed}:faults"), time=self.loop.time)
        self._rng = Random(f"{seed}:people")
        self._folder = folder
        self.around = self._surroundings(seed)
        self.owners = [self._owner(number) for number in range(self.day.items)]
        accounts = [self.day.settings.account_id(place) for place in range(len(self.day.settings.members))]
        changes = Random(f"{seed}:reference")
        self._changes = [
            (changes.uniform(0, self.day.length_s), each)
            for each in drawn_changes(self.around.reference, changes)
        ]
        self.partner = Partner(accounts=accounts, rng=Random(f"{seed}:partner"), lives=self.lives)
        self.resellers = {each.wish.external_id: each for each in self.owners if isinstance(each, Reseller)}
        self.hands = Hands(
            market=self.around.market, rng=Random(f"{seed}:hands"), lives=self.lives, things=self.resellers
        )

    def _surroundings(self, seed: int) -> Surroundings:
        day = self.day
        db = open_in_memory()
        for place, reference in enumerate(day.settings.references):
            account_id = day.settings.account_id(place)
            db.execute("INSERT INTO accounts VALUES (?, ?, ?)", (account_id, reference, START_MS))
        (self._folder / "images" / "tmp").mkdir(parents=True)
        pushes = Pushes(faults=self.faults, time=self.loop.time, lost=day.pushes_lost, db=db)
        wires = Wires(
            now=lambda: START_MS + round(self.loop.time() * 1000),
            later=self.loop.call_later,
            rng=Random(f"{seed}:market"),
            queueing=self._queueing,
            push=pushes.send,
            went_live=self._went_live,
        )
        return Surroundings(
            settings=day.settings,
            db=db,
            folder=self._folder,
            market=Market(wires, order_lag_ms=day.order_lag_ms, end_moves_version=day.end_moves_version),
            pushes=pushes,
            receiver=Receiver(),
            counts=CallCounts(),
            reference=Reference(only_in_results=day.only_in_results),
            faults=self.faults,
            rng=Random(f"{seed}:daemon"),
            loop=self.loop,
            machine=Machine(),
        )

    def _owner(self, number: int) -> Owner:
        place = number % len(self.day.settings.members)
        wish = Wish(account_id=self.day.settings.account_id(place), external_id=f"X-{number}")
        kind = Reseller if self.day.is_week else Owner
        return kind(wish=wish, rng=Random(self._rng.getrandbits(64)), lives=self.lives, say=self._say)

    def _say(self, violation: str) -> None:
        self.report.violations.append(f"{self.loop.time():.1f} s: {violation}")

    def _queueing(self) -> Queueing:
        """What Tradera's queue makes of a commit: mostly well and soon, in bad days late, silent or wrong."""
        faults = self.faults
        if faults.fair or faults.healed:
            return Queueing(takes_ms=round(1000 * faults.between(*invariants.FAIR_QUEUE_S)))
        low_s, high_s = faults.pick([((5, 60), 85), ((60, 3600), 12), ((3600, 8 * HOUR_S), 3)])
        code, live = faults.pick(
            [((1, True), 90), ((4, False), 4), ((20, False), 2), ((2, True), 2), ((2, False), 2)]
        )
        told_ms = faults.pick([(0, 85), (round(faults.between(1_000, 600_000)), 12), (None, 3)])
        return Queueing(
            takes_ms=round(faults.between(low_s, high_s) * 1000),
            code=code,
            live=live,
            told_ms=told_ms,
            quiet=faults.chance(0.5),
        )

    def _went_live(self, listed: Listed) -> None:
        for violation in invariants.going_live(self.around, listed):
            self._say(violation)
        if thing := self.resellers.get(listed.external_id):
            for violation in returning.going_live(self.around, listed, thing, self.hands.paused):
                self._say(violation)

    async def live(self) -> None:
        """The day, the quiet time, and what must hold then."""
        async with asyncio.TaskGroup() as group:
            running = group.create_task(keep_running(self.around, self.lives, self.report.troubles))
            watching = group.create_task(self._watch())
            await self.partner.enable()
            for jump in self.faults.climate.jumps:
                group.create_task(self._jump(jump))
            for at_s, change in self._changes:
                self.loop.call_later(at_s, change)
            for at_s in self.faults.climate.freezes:
                self.loop.call_later(at_s, self._freeze)
            async with asyncio.TaskGroup() as people:
                for owner in self.owners:
                    people.create_task(owner.live(self.day.length_s))
                buyers = Buyers(
                    market=self.around.market,
                    rng=Random(self._rng.getrandbits(64)),
                    closed=0.1 if self.day.is_week else 0.2,
                )
                if self.day.is_week:
                    people.create_task(self.hands.live(self.day.length_s))
                people.create_task(buyers.live(self.day.length_s, self.day.deeds))
                people.create_task(self.partner.live(self.day.length_s))
            self.faults.heal()
            if self.day.is_week:
                await self.hands.trust_the_quota()
            self.around.machine.wrong_by_s = 0.0
            await self.partner.enable()
            await self._settle()
            if self.day.afterwards_s and not self.report.violations:
                await asyncio.sleep(self.day.afterwards_s)
                await self._settle()
            for violation in invariants.at_the_end(self.around, self.lives[-1]):
                self._say(violation)
            for violation in returning.at_the_end(self.around, self.lives[-1].now()):
                self._say(violation)
            watching.cancel()
            running.cancel()

    async def _jump(self, jump: Jump) -> None:
        await asyncio.sleep(jump.at_s)
        self.around.machine.wrong_by_s += jump.by_s
        await asyncio.sleep(jump.right_again_s - jump.at_s)
        self.around.machine.wrong_by_s = 0.0

    def _freeze(self) -> None:
        """The process is stopped for a while: all that becomes due meanwhile happens at once."""
        if not self.faults.healed:
            self.loop.passed += 40.0

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            for violation in invariants.at_any_time(self.around):
                self._say(violation)

    async def _settle(self) -> None:
        """Wait until nothing is left to do; what still is when the longest auction and a spent budget are over is a violation."""
        give_up_at = self.loop.time() + _QUIET_S
        look_after_s = MINUTE_S
        while left := invariants.unsettled(self.around) or await self._broken_promises():
            if self.loop.time() > give_up_at:
                for each in left + await self._broken_promises():
                    self._say(f"not settled: {each}")
                return
            await asyncio.sleep(look_after_s)
            look_after_s = min(1.5 * look_after_s, _LONGEST_LOOK_S)

    async def _broken_promises(self) -> list[str]:
        return [broken for owner in self.owners for broken in await invariants.broken_promises(owner)]


@contextmanager
def listening(violations: list[str]) -> Iterator[None]:
    """Take rheod's log: nothing is printed, and what it calls unexpected is a violation."""

    def listen(_logger: Any, _method: str, event: Any) -> Any:
        if event["event"] in _UNHEARD_OF:
            violations.append(f"{event['event']}: {traceback.format_exc()}")
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(
        processors=[listen],
        wrapper_class=structlog.make_filtering_bound_logger(40),
        cache_logger_on_first_use=False,
    )
    try:
        yield
    finally:
        structlog.configure(**before)


def run_week(seed: int) -> Report:
    """One week in which what is unsold comes back."""
    return run_day(seed, draw_week(seed))


def run_seed(seed: int) -> Report:
    """One run; the same seed gives the same run in every process."""
    return run_day(seed, draw_day(seed))


def run_day(seed: int, day: Day) -> Report:
    """One run of this day."""
    with tempfile.TemporaryDirectory(dir=memory()) as folder:
        world = World(seed, Path(folder), day)
        with listening(world.report.violations):
            try:
                run_virtually(world.live(), world.loop)
            except (ExceptionGroup, StuckError) as error:
                world.report.violations.append("".join(traceback.format_exception(error)))
        _finish(world)
        world.around.db.close()
    return world.report


def memory() -> str | None:
    """A folder in memory, where there is one."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a temporary folder within


def _finish(world: World) -> None:
    around, report = world.around, world.report
    report.lives = len(world.lives)
    report.calls = len(around.counts.may_have_arrived)
    report.went_live = sum(listed.live_at is not None for listed in around.market.requests.values())
    placed = (
        "SELECT tradera_item_id AS ad, json_extract(end_place, '$.end_at') AS end_at FROM listings"
        " WHERE live_at IS NOT NULL AND json_extract(end_place, '$.end_at') > 0"
    )
    for row in around.db.execute(placed):
        ad = around.market.ads[row["ad"]]
        report.late_ms.append((ad.live_at or 0) + ad.ad.duration_days * DAY_MS - row["end_at"])
    came_back = "SELECT count(*) FROM notices WHERE type = 'listing.relisted'"
    report.returns = around.db.execute(came_back).fetchone()[0]
    report.sales = len(around.market.orders)
    seen = (
        around.counts.may_have_arrived,
        around.counts.by_operation,
        around.receiver.firsts,
        report.troubles,
    )
    report.digest = hashlib.sha256(repr(seen).encode()).hexdigest()[:16]
