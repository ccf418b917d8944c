"""A model of things that are sold and come back, lived through by the real rheod at the simulated Tradera.

A walk is a number of rounds. In each something happens to every thing (its ERP, its owner, buyers, Tradera), then time
passes and rheod settles; after that it is asked whether every promise has held. Things stand side by side in one rheod,
each an example of its own.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from rheod.domain.errors import Refused
from rheod.domain.model import RelistWish, RheoStatus, TraderaWish
from rheod.domain.orders import Reversal, ReversalReason
from rheod.domain.relist import RelistRule
from rheod.sandbox.tradera import TraderaSimulator
from rheod.sandbox.tradera_market import DeclinedError, SimulatedAd
from rheod.store import facts, orders
from rheod.store.ads import every_return, returns_paused
from rheod.usecases import relisting
from rheod.usecases.relisting import Relisting
from tests.desk import CATEGORY, SELLER_ID, Desk, open_account
from tests.stores import Clock, opened, rows
from tests.tradera.test_order_sync import order_created, push, reconcile

DAY_S = 24 * 3600
RULE = RelistRule(enabled=True, floor=0.5, times=3, steps=(0.9, "-15%"), wait_h=24)
JUST_MS = 6 * 3600 * 1000
PRICES = (100, 80, 150, 45)
FLOORS = (60, 75, 90)
PASSING = {"minute": 60, "hour": 3600, "day": DAY_S + 60, "week": 7 * DAY_S}


@dataclass(frozen=True, slots=True)
class Round:
    """What happens to each thing (a word and a number that says how), what to rheod, and how much time passes."""

    acts: tuple[tuple[str, int], ...]
    world: str = "nothing"
    passes: str = "day"


@dataclass(slots=True)
class Thing:
    """One external id, as its owner and the ERP know it; `dear` says that somebody has allowed for a higher price.

    `reversed` are the orders whose sale was taken back, `paid_late` those of them that were paid after that.
    """

    external_id: str
    price_kr: int = 100
    dear: bool = False
    floors: set[int] = field(default_factory=set)
    act: str = "nothing"
    reversed: set[int] = field(default_factory=set)
    paid_late: set[int] = field(default_factory=set)


@dataclass(slots=True)
class Before:
    """What was at the last quiet point: the ads of each item that rheod has made, and those items that must stay down."""

    made: Counter[str] = field(default_factory=Counter)
    stopped: dict[str, str] = field(default_factory=dict)
    openings: dict[int, int] = field(default_factory=dict)
    paid_late: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))


def item_of(ad: SimulatedAd) -> str:
    """The id of the item that an ad is of."""
    return ad.own_references[0].split(":")[1]


class Walk:
    """Things at one rheod, and what happens to them."""

    def __init__(self, desk: Desk, count: int) -> None:
        self.desk = desk
        self.things = [Thing(f"T{number}") for number in range(count)]
        self.before = Before()
        self._owner = Relisting(store=desk.store)

    async def begin(self) -> None:
        """The rule is on, and everything is published."""
        await self.desk.store.write(lambda tx: relisting.note_settings(tx.db, RULE))
        for thing in self.things:
            await self._put(thing, 0)
        await self._settle()

    async def live(self, one: Round) -> list[str]:
        """One round; answers what was broken."""
        for thing, (act, number) in zip(self.things, one.acts, strict=False):
            thing.act, thing.dear = act, False
            thing.floors = {max(thing.floors)} if thing.floors else set()
            with suppress(Refused, DeclinedError):
                await self._act(thing, act, number)
        await self._world(one.world)
        self.desk.forward(PASSING[one.passes])
        await self._winners()
        await self._settle()
        return [broken async for broken in self._broken(one.world)]

    async def _world(self, world: str) -> None:
        name, _, calls = world.partition(":")
        if name == "crash":
            self.desk.forward(11)
            enough = len(self.desk.simulator.calls) + int(calls)
            for _ in range(20):
                if len(self.desk.simulator.calls) >= enough:
                    break
                await asyncio.sleep(0.001)
            await self.desk.crash()
            self._owner = Relisting(store=self.desk.store)
        elif name != "nothing":
            await self._owner.pause_all(paused=name == "pause")

    async def _settle(self) -> None:
        """Until rheod has nothing left to do at this time: pushes, closings, returns, results, endings.

        A pass looks at a few ads that are overdue, and at a few that it does not know.
        """
        for _ in range(4 + len(self.things) // 2):
            self.desk.forward(61)
            self.desk.simulator.market.settle()
            await reconcile(self.desk)
            left = await rows(
                self.desk.database,
                "SELECT 1 FROM jobs WHERE kind NOT IN ('reconcile', 'reference', 'look') AND due_at <= ?"
                " UNION ALL SELECT 1 FROM listings WHERE state IN ('queued', 'adding', 'added', 'committing', 'committed')"
                " OR state = 'live' AND ends_at < ? UNION ALL SELECT 1 FROM other_ads WHERE looked_at IS NULL",
                self.desk.clock() + 60_000,
                self.desk.clock() - JUST_MS,
            )
            if not left:
                break
        self.desk.forward(61)
        await reconcile(self.desk)

    # What happens

    async def _act(self, thing: Thing, act: str, number: int) -> None:
        account, external_id = self.desk.account_id, thing.external_id
        match act:
            case "put":
                await self._put(thing, number)
            case "price":
                thing.price_kr, thing.dear = PRICES[number % len(PRICES)], True
                await self.desk.items.change_price(account, external_id, thing.price_kr * 100)
            case "relist":
                floor = FLOORS[number % len(FLOORS)]
                wish = RelistWish(enabled=number % 4 != 3, floor_kr=floor, times=1 + number % 3)
                await self._owner.change(account, external_id, wish)
                thing.floors.add(floor)
            case "hold" | "resume":
                await self._owner.hold(account, external_id, held=act == "hold")
            case "publish":
                thing.dear = True
                await self.desk.items.order_publish(account, external_id)
            case "not_listed":
                await self.desk.items.change_status(account, external_id, "not_listed")
            case "delete":
                await self.desk.items.delete_item(account, external_id)
            case "reverse":
                await self._reverse(thing, number)
            case _:
                await self._at_tradera(thing, act, number)

    async def _reverse(self, thing: Thing, number: int) -> None:
        """The sale fell through; every other time it is put up again at once."""
        reason = list(ReversalReason)[number % 4]
        given = Reversal(reason=reason, refunded=True, relist=number % 2 == 0)
        thing.dear = thing.dear or given.relist
        told = await self.desk.items.reversing.reverse(self.desk.account_id, thing.external_id, given)
        if told.order_id is not None:
            thing.reversed.add(told.order_id)

    async def _put(self, thing: Thing, number: int) -> None:
        wish = TraderaWish(category_id=CATEGORY)
        thing.dear = True
        await self.desk.put(
            thing.external_id,
            pictures=0,
            title=f"Kopp {thing.external_id} {number}",
            price_ore=thing.price_kr * 100,
            tradera=wish,
        )

    async def _at_tradera(self, thing: Thing, act: str, number: int) -> None:
        market = self.desk.simulator.market
        market.settle()
        ads = await self._ads(thing)
        up = [ad for ad in ads if not ad.ended(self.desk.clock())]
        down = [ad for ad in ads if ad.ended(self.desk.clock())]
        match act:
            case "bid" if up:
                market.bid(up[-1])
            case "unsold" if up and not up[-1].bids:
                await self.desk.simulator.end_unsold(up[-1].item_id, push=False)
                if number % 2:
                    closed = {"Type": "ItemClosed", "ItemId": up[-1].item_id, "SellerMemberId": SELLER_ID}
                    await push(self.desk, json.dumps({**closed, "Reason": "ItemEndedWithoutBuyer"}))
            case "sell" if up:
                await self._sell(up[number % len(up)], told=number % 2 == 0)
            case "late" if down:
                await self._late(down[number % len(down)], told=number % 2 == 0)
            case "pay" | "pay_late":
                self._pay(thing, late=act == "pay_late")
            case "restart":
                free = [ad for ad in down if ad.buyer is None and ad.restarted_as is None and not ad.bids]
                if free:
                    market.restart(free[number % len(free)])

    def _pay(self, thing: Thing, *, late: bool) -> None:
        """The buyer of the newest order pays; or one of this thing's whose sale has been taken back."""
        simulated = self.desk.simulator.orders
        unpaid = {each for each in thing.reversed if not simulated[each].payments}
        if late and unpaid:
            thing.paid_late.add(min(unpaid))
            self.desk.simulator.pay(min(unpaid))
        elif simulated and not late:
            newest = max(simulated)
            for other in self.things:
                if newest in other.reversed and not simulated[newest].payments:
                    other.paid_late.add(newest)
            self.desk.simulator.pay(newest)

    async def _ads(self, thing: Thing) -> list[SimulatedAd]:
        found = await rows(
            self.desk.database,
            "SELECT id FROM items WHERE external_id = ? AND removed_at IS NULL",
            thing.external_id,
        )
        ids = {row["id"] for row in found}
        return [ad for ad in self._all_ads() if item_of(ad) in ids and ad.visible]

    def _all_ads(self) -> list[SimulatedAd]:
        return list(self.desk.simulator.market.listings.values())

    async def _sell(self, ad: SimulatedAd, *, told: bool) -> None:
        order_id = await self.desk.simulator.sell(ad.item_id, push=False)
        if told:
            await push(self.desk, order_created(order_id, ad.item_id))

    async def _late(self, ad: SimulatedAd, *, told: bool) -> None:
        """The seller accepts a purchase request for an ad that has ended."""
        ad.closed, ad.end_ms = False, self.desk.clock() + DAY_S * 1000
        await self._sell(ad, told=told)

    async def _winners(self) -> None:
        """Auctions whose time is over and that have bids have an order."""
        self.desk.simulator.market.settle()
        for ad in self._all_ads():
            if ad.ended(self.desk.clock()) and ad.bids and ad.buyer is None:
                await self._late(ad, told=True)

    # What must hold

    async def _broken(self, world: str) -> Any:
        known = {row["id"]: row for row in await rows(self.desk.database, "SELECT * FROM items")}
        told = await rows(self.desk.database, "SELECT item_id, type, data FROM notices ORDER BY seq")
        events: dict[str, list[tuple[str, dict[str, Any]]]] = defaultdict(list)
        for row in told:
            events[row["item_id"]].append((row["type"], json.loads(row["data"])))
        async for broken in self._ads_broken(known):
            yield broken
        async for broken in self._sales_broken(known, events):
            yield broken
        for item_id, happened in events.items():
            for each in out_of_order(happened):
                yield f"{known[item_id]['external_id']}: {each}"
        async for broken in self._prices_broken():
            yield broken
        for broken in self._came_back(known, world):
            yield broken
        await self._remember(known)

    async def _ads_broken(self, known: dict[str, Any]) -> Any:
        """Never two ads of one item without an alarm; what is up is known; what is gone is not up without an alarm."""
        alarms = await self.desk.database.read(
            lambda db: {
                each.external_id
                for each in (*facts.doubled(db, limit=999), *facts.sold_but_up(db, limit=999))
            }
        )
        live = await rows(self.desk.database, "SELECT tradera_item_id FROM listings WHERE state = 'live'")
        ours = {row["tradera_item_id"] for row in live}
        theirs: dict[str, list[SimulatedAd]] = defaultdict(list)
        for ad in self.desk.simulator.live_items():
            theirs[item_of(ad)].append(ad)
            if ad.item_id not in ours and known[item_of(ad)]["removed_at"] is None:
                yield f"{known[item_of(ad)]['external_id']}: ad {ad.item_id} is up and unknown"
        for number in ours - {ad.item_id for ads in theirs.values() for ad in ads}:
            if not self._has_just_run_out(number):
                yield f"ad {number} is live here and not at Tradera"
        for item_id, ads in theirs.items():
            item = known[item_id]
            if item["removed_at"] is not None or item["external_id"] in alarms:
                continue
            if len(ads) > 1:
                yield f"{item['external_id']}: {len(ads)} ads are up and nobody says so"
            if item["rheo_status"] in {RheoStatus.SOLD, RheoStatus.ARCHIVED}:
                yield f"{item['external_id']}: is {item['rheo_status']} and up, and nobody says so"

    def _has_just_run_out(self, number: int) -> bool:
        """Whether its time is over by little: that moves no version, and is asked for an hour later."""
        ad = self.desk.simulator.market.listings[number]
        return not ad.closed and self.desk.clock() - ad.end_ms < JUST_MS

    async def _sales_broken(self, known: dict[str, Any], events: dict[str, Any]) -> Any:
        """No sale is lost, none told twice, and two that stand are an alarm."""
        sales: dict[str, set[str]] = defaultdict(set)
        for order in self.desk.simulator.orders.values():
            for sale in order.sales:
                sales[item_of(self.desk.simulator.market.listings[sale.listing.item_id])].add(
                    str(order.order_id)
                )
        things = {thing.external_id: thing for thing in self.things}
        twice = set(
            await self.desk.database.read(lambda db: [each[0] for each in orders.sold_twice(db, limit=999)])
        )
        for item_id, wanted in sales.items():
            name = known[item_id]["external_id"]
            told = Counter(data.get("orderId") for kind, data in events[item_id] if kind == "item.sold")
            if told != Counter(wanted):
                yield f"{name}: sold in {sorted(wanted)}, told {told}"
            thing = things[name]
            back = Counter(
                data.get("orderId") for kind, data in events[item_id] if kind == "item.sale_reversed"
            )
            if max(back.values(), default=0) > 1 or not back.keys() - {None} <= {*map(str, thing.reversed)}:
                yield f"{name}: taken back were {sorted(thing.reversed)}, told {back}"
            if len(wanted - {*map(str, thing.reversed)}) < 2:
                continue
            if known[item_id]["removed_at"] is None and name not in twice:
                yield f"{name}: sold twice, and no finding says so"
            if not any(kind == "sale.conflict" for kind, _ in events[item_id]):
                yield f"{name}: sold twice, and no event says so"
        async for broken in self._late_payments_broken():
            yield broken

    async def _late_payments_broken(self) -> Any:
        """What is paid after its sale was taken back is told once, and is not for sale any more, unless bids hold its ad."""
        told = await rows(
            self.desk.database,
            "SELECT data, count(*) AS n FROM notices WHERE type = 'order.paid_after_reversal' AND body IS NOT NULL"
            " GROUP BY order_id",
        )
        seen = {int(json.loads(row["data"])["orderId"]): row["n"] for row in told}
        for thing in self.things:
            for order_id in thing.paid_late:
                if seen.get(order_id) != 1:
                    yield f"{thing.external_id}: order {order_id} was paid late, told {seen.get(order_id)} times"
            if thing.act == "pay_late" and thing.paid_late > self.before.paid_late[thing.external_id]:
                ads = await self._ads(thing)
                up = [ad.item_id for ad in ads if not ad.ended(self.desk.clock()) and not ad.bids]
                if up:
                    yield f"{thing.external_id}: was paid late and {up} are up"

    async def _prices_broken(self) -> Any:
        """No price rises by itself, none is under the floor."""
        things = {thing.external_id: thing for thing in self.things}
        query = (
            "SELECT listings.*, external_id FROM listings JOIN items ON items.id = item_id"
            " WHERE tradera_item_id IS NOT NULL"
        )
        for row in await rows(self.desk.database, query):
            ad = self.desk.simulator.market.listings[row["tradera_item_id"]]
            thing, old = things[row["external_id"]], self.before.openings.get(ad.item_id)
            if old is not None and ad.opening > old and not thing.dear:
                yield f"{thing.external_id}: ad {ad.item_id} rose from {old} to {ad.opening} by itself"
            ladder = row["ladder"] and json.loads(row["ladder"])
            if not ladder or not ladder["attempt"] or old is not None:
                continue
            floor = max(math.ceil(ladder["first_kr"] * 0.5), min(thing.floors, default=0))
            if ad.opening < floor:
                yield f"{thing.external_id}: came back at {ad.opening}, its floor is {floor}"
            if ladder["previous_kr"] is not None and ad.opening > ladder["previous_kr"]:
                yield f"{thing.external_id}: came back at {ad.opening} after {ladder['previous_kr']}"

    def _came_back(self, known: dict[str, Any], world: str) -> Iterator[str]:
        """What was stopped is made no ad of, unless the owner has let it go on."""
        acts = {thing.external_id: thing.act for thing in self.things}
        made = self._made()
        for item_id, why in self.before.stopped.items():
            act = acts[known[item_id]["external_id"]]
            let_go = {
                "held": act in {"resume", "publish", "relist", "put"},
                RheoStatus.SOLD: act == "reverse",
                "paused": act == "publish" or world == "resume",
                RheoStatus.NOT_LISTED: act == "publish",
            }.get(why, False)
            if made[item_id] > self.before.made[item_id] and not let_go:
                yield f"{known[item_id]['external_id']}: is {why}, and an ad was made after {act}"

    def _made(self) -> Counter[str]:
        return Counter(item_of(ad) for ad in self._all_ads() if ad.restarted_from is None)

    async def _remember(self, known: dict[str, Any]) -> None:
        plans = await self.desk.database.read(every_return)
        paused = await self.desk.database.read(returns_paused)
        stopped = {each.item_id: "held" if each.held else "paused" for each in plans if each.held or paused}
        for item_id, item in known.items():
            if item["removed_at"] is not None:
                stopped[item_id] = "removed"
            elif item["rheo_status"] in {RheoStatus.SOLD, RheoStatus.ARCHIVED, RheoStatus.NOT_LISTED}:
                stopped[item_id] = RheoStatus(item["rheo_status"])
        openings = {ad.item_id: ad.opening for ad in self._all_ads()}
        paid_late = defaultdict(set, {each.external_id: set(each.paid_late) for each in self.things})
        self.before = Before(made=self._made(), stopped=stopped, openings=openings, paid_late=paid_late)


def out_of_order(happened: Sequence[tuple[str, dict[str, Any]]]) -> Iterator[str]:
    """Every event of an ad once, and each after what it follows from."""
    places: dict[tuple[str, str], int] = {}
    for place, (kind, data) in enumerate(happened):
        ad = str(data.get("traderaAdId"))
        if kind in {"listing.created", "listing.ended", "listing.relisted"}:
            if (kind, ad) in places:
                yield f"{kind} of {ad} is told twice"
            places[kind, ad] = place
        if kind == "listing.relisted":
            if ("listing.ended", data["previousAdId"]) not in places:
                yield f"{ad} came back before {data['previousAdId']} had ended"
            if data["price"] > data["previousPrice"]:
                yield f"{ad} came back at {data['price']} after {data['previousPrice']}"
        if kind in {"listing.ended", "listing.relisted"} and ("listing.created", ad) not in places:
            yield f"{kind} of {ad} before it was live"


async def live_through(folder: Path, rounds: Sequence[Round]) -> list[str]:
    """What a walk breaks, with the round in which it did."""
    clock = Clock()
    simulator = TraderaSimulator(now=clock, rng=Random(1), processing_delay_s=1.0)
    await simulator.start()
    try:
        async with opened(folder) as database:
            account_id = await open_account(database, clock)
            desk = Desk(
                database=database, clock=clock, simulator=simulator, folder=folder, account_id=account_id
            )
            await desk.start(daily_calls=1_000_000)
            try:
                walk = Walk(desk, len(rounds[0].acts))
                await walk.begin()
                for number, one in enumerate(rounds):
                    if broken := await walk.live(one):
                        return [f"round {number}: {each}" for each in broken]
            finally:
                await desk.stop()
    finally:
        await simulator.stop()
    return []
