"""A simulated week of one shop: 300 things at once, small quotas by method, a category that goes, freight by weight alone.

Some definitions are no JSON. It lies around the night on which the clocks go back, so that a Swedish day has 25 hours. What its owner is told to mend is
mended on the fifth day, for some of the things; the rest is held to the end.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from rheod.domain.model import ItemSpec, TraderaStatus, TraderaWish
from rheod.tradera.ad_builder import Ad
from tests.simulation import invariants
from tests.simulation.daemon import START_MS, OwnerSettings, keep_running
from tests.simulation.faults import HOUR_S, Climate
from tests.simulation.loop import run_virtually
from tests.simulation.market import DAY_MS, Queueing
from tests.simulation.people import ask
from tests.simulation.world import Day, World, listening, memory

DAY_S = 24 * HOUR_S
BEGIN_MS = round(datetime(2026, 10, 22, 6, tzinfo=UTC).timestamp() * 1000)
DYING, DEAD, DEAD_AND_STRICT, LEGO = 302_572, 343_310, 302_411, 1_001_310
"""A category that goes when a quarter has gone out; two of which the attributes are HTML, one of them requires one; one with nothing."""

KINDS: Mapping[str, Mapping[str, Any]] = {
    "guessed": {"domain": "books", "title": "Pippi Långstrump"},
    "attribute": {
        "domain": "auto_parts",
        "title": "Bromsok höger fram",
        "attributes": {"partName": "Bromsok", "conditionGrade": "B"},
    },
    "no size": {"domain": "fashion", "title": "Jacka Fjällräven", "attributes": {"condition": "Good"}},
    "dying": {"title": "Skål i stengods", "tradera": TraderaWish(category_id=DYING)},
    "unread": {"title": "Stol i björk", "tradera": TraderaWish(category_id=DEAD)},
    "refused": {"title": "Strålkastare", "tradera": TraderaWish(category_id=DEAD_AND_STRICT)},
    "parent": {"title": "Något till hemmet", "tradera": TraderaWish(category_id=31)},
    "by weight": {"title": "Lego Technic", "weight_kg": 1.5, "tradera": TraderaWish(category_id=LEGO)},
    "no weight": {"title": "Lego City", "tradera": TraderaWish(category_id=LEGO)},
    "too heavy": {"title": "Lego i flyttlåda", "weight_kg": 80.0, "tradera": TraderaWish(category_id=LEGO)},
    "no price": {
        "title": "Lego Ninjago",
        "shipping_strategy": "seller_shipped",
        "tradera": TraderaWish(category_id=LEGO),
    },
    "twice": {"title": "Lego Duplo", "tradera": TraderaWish(category_id=LEGO)},
}
"""What the things are, in turn."""


def methods(things: int) -> Mapping[str, int]:
    """Limits by method, the owner's word and Tradera's: a quarter of the things a day, pictures and questions hardly enough."""
    a_day = things // 4
    publishing = {"create": a_day, "image": a_day + 5, "commit": a_day + 10, "results": 2 * a_day + 20}
    reading = {"orders": 150, "updated_items": 120, "seller_items": 120, "item": 60}
    return publishing | reading | {"definitions": 60, "categories": 20, "shipping": 40}


def _day(seed: int, things: int) -> Day:
    rng = Random(f"{seed}:week")
    limits = methods(things)
    settings = OwnerSettings(
        members=(300_124,),
        daily_calls=None,
        push=True,
        in_doubt="resend",
        methods=limits,
        limits=limits,
        fixed_freight=None,
    )
    return Day(
        length_s=7 * DAY_S,
        afterwards_s=0,
        items=0,
        deeds=0,
        settings=settings,
        climate=Climate(crash=rng.choice((0.0002, 0.001))),
        order_lag_ms=0,
        end_moves_version=True,
        pushes_lost=0.0,
        only_in_results=rng.random() < 0.5,
    )


@dataclass(slots=True, kw_only=True)
class Burst:
    """What came of it: how many of each kind stand how, what their ads ask for freight, and what was broken."""

    stands: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    freight: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    calls: Counter[str] = field(default_factory=Counter)
    lives: int = 0
    violations: list[str] = field(default_factory=list)


class Shop(World):
    """The world with one shop in it, and nobody who changes his mind."""

    def __init__(self, seed: int, folder: Path, things: int) -> None:
        super().__init__(seed, folder, _day(seed, things))
        self.loop.passed = (BEGIN_MS - START_MS) / 1000
        self.specs = {f"T-{number}": spec for number, spec in enumerate(_specs(things))}
        self._rng = Random(f"{seed}:shop")

    async def live(self) -> None:
        """The week, hour by hour where something happens."""
        self.around.reference.dead |= {DEAD, DEAD_AND_STRICT}
        async with asyncio.TaskGroup() as group:
            running = group.create_task(keep_running(self.around, self.lives, self.report.troubles))
            watching = group.create_task(self._watch())
            await self.partner.enable()
            await asyncio.gather(*(self._put(name, spec) for name, spec in self.specs.items()))
            await asyncio.sleep(HOUR_S)
            self.around.reference.category_goes(DYING)
            await asyncio.sleep(DAY_S)
            self.around.reference.price_changes(2)
            await asyncio.sleep(DAY_S)
            catalogue = self.around.reference.catalogue
            catalogue.only_in_results = not catalogue.only_in_results
            await asyncio.sleep(2 * DAY_S)
            await self._mend()
            await asyncio.sleep(3 * DAY_S - HOUR_S)
            self.faults.heal()
            await self._settle()
            for violation in [*invariants.at_the_end(self.around, self.lives[-1]), *_over_limits(self)]:
                self._say(violation)
            watching.cancel()
            running.cancel()

    def _queueing(self) -> Queueing:
        """Tradera's queue takes what is right, in its own time: what it refuses by chance is another test's."""
        return Queueing(takes_ms=round(self.faults.between(2_000, 60_000)))

    async def _put(self, name: str, spec: ItemSpec) -> None:
        await asyncio.sleep(self._rng.uniform(0, 60))
        account_id = self.around.settings.account_id(0)
        for _ in range(2 if "Duplo" in spec.title else 1):
            await ask(lambda d: d.items.put_item(account_id, name, spec), self.lives, self._rng)

    async def _mend(self) -> None:
        """The owner gives every other thing what it lacks: a size, another category, a price of freight."""
        for place, (name, spec) in enumerate(self.specs.items()):
            kind = kind_of(spec)
            if place // len(KINDS) % 2 or kind not in {"no size", "dying", "parent", "refused", "no price"}:
                continue
            if kind == "no size":
                mended = replace(spec, attributes={**(spec.attributes or {}), "size": "M"})
            elif kind == "no price":
                mended = replace(spec, shipping_cost_ore=14_900)
            else:
                mended = replace(spec, tradera=TraderaWish(category_id=LEGO, duration_days=14))
            self.specs[name] = mended
            await self._put(name, mended)


def _specs(things: int) -> Iterator[ItemSpec]:
    for number in range(things):
        kind = list(KINDS.values())[number % len(KINDS)]
        wish = kind.get("tradera") or TraderaWish()
        yield ItemSpec(
            **{
                **kind,
                "title": f"{kind['title']} {number}",
                "price_ore": 10_000 + number,
                "image_urls": (f"https://shop.example/T-{number}/1/0",),
                "auto_publish": True,
                "tradera": replace(wish, duration_days=14),
            }
        )


def kind_of(spec: ItemSpec) -> str:
    """Which of the kinds it was made from."""
    return next(name for name, kind in KINDS.items() if spec.title.startswith(kind["title"]))


def _over_limits(shop: Shop) -> Iterator[str]:
    """Calls above a limit of Tradera's in any 24 hours, in a Swedish day or in a day of UTC."""
    counts = shop.around.counts.by_method
    for method, limit in shop.day.settings.limits.items():
        times = sorted(counts.get(method, []))
        if any(later - earlier < DAY_MS for earlier, later in zip(times, times[limit:], strict=False)):
            yield f"more than {limit} calls of {method} in 24 hours"
        for zone in (UTC, ZoneInfo("Europe/Stockholm")):
            by_day = Counter(datetime.fromtimestamp(at / 1000, zone).date() for at in times)
            yield from (
                f"{calls} calls of {method} on {day} {zone}" for day, calls in by_day.items() if calls > limit
            )


def run_burst(seed: int, things: int = 300) -> Burst:
    """One week; the same seed gives the same week."""
    with tempfile.TemporaryDirectory(dir=memory()) as folder:
        shop = Shop(seed, Path(folder), things)
        with listening(shop.report.violations):
            run_virtually(shop.live(), shop.loop)
        week = Burst(lives=len(shop.lives), violations=shop.report.violations)
        _note(shop, week)
        shop.around.db.close()
    return week


def _freight(ad: Ad, warning: str) -> str:
    """What the buyer is offered first, and whether the owner is told that it is pickup alone."""
    first = ad.shipping[0]
    if first.option_id is not None:
        return "pickup, told" if "pickup only" in warning else "pickup"
    return "by the table" if first.product_id is not None else f"{first.cost_kr} kr"


def _note(shop: Shop, week: Burst) -> None:
    rows = shop.around.db.execute(
        "SELECT external_id, tradera_status, last_error, held, held_since, warning, tradera_item_id FROM items"
        " JOIN listings ON listings.item_id = items.id AND listings.id ="
        " (SELECT max(id) FROM listings AS each WHERE each.item_id = items.id)"
    ).fetchall()
    week.calls = Counter({name: len(times) for name, times in shop.around.counts.by_method.items()})
    if len(rows) != len(shop.specs):
        week.violations.append(f"{len(shop.specs)} things were taken, {len(rows)} are there")
    for row in rows:
        is_held = row["held"] is not None and row["held_since"] is not None and row["last_error"]
        up = row["tradera_status"] == TraderaStatus.ACTIVE
        state = "live" if up else "held" if is_held else f"{row['tradera_status']}: {row['last_error']}"
        kind = kind_of(shop.specs[row["external_id"]])
        week.stands[kind][state] += 1
        if up:
            ad = shop.around.market.ads[row["tradera_item_id"]].ad
            week.freight[kind][_freight(ad, row["warning"] or "")] += 1
    sent = Counter(
        listed.ad.own_reference.split(":")[1]
        for listed in shop.around.market.requests.values()
        if listed.committed_at is not None and listed.live_at is not None
    )
    week.violations += [f"{item_id} went up {times} times" for item_id, times in sent.items() if times > 1]
