"""Weeks in which what is unsold comes back: who lives in them beside the days' people, and what must hold there.

Resellers hold returns, let them go, take sales back; owners act in My Tradera; buyers ask for ads that have ended.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from rheod.config.selling import Ends, Relist
from rheod.domain.budget import METHODS
from rheod.domain.model import ItemSpec, RelistWish, TraderaWish
from rheod.domain.orders import Reversal, ReversalReason
from rheod.domain.relist import RelistRule
from rheod.store import ads, facts, orders
from tests.simulation.daemon import START_MS, Daemon, Surroundings
from tests.simulation.faults import HOUR_S
from tests.simulation.market import Listed, Market
from tests.simulation.people import Owner, ask

WEEK_S = 7 * 24 * HOUR_S
_ON_ITS_WAY_MS = 11 * 60_000
"""What was sent before a word may arrive so long after it."""
_OVERDUE_MS = 24 * 3_600_000


def draw_rule(rng: Random) -> Relist:
    """The owner's rule for what comes back."""
    return Relist(
        enabled=rng.random() < 0.9,
        times=rng.choice((1, 2, 3)),
        steps=rng.choice(((0.9, 0.8, 0.7), (0.5,), ("-20%",), (1.0, "-10%"))),
        round=rng.choice((1, 5, 10, "9")),
        floor=rng.choice((0.5, 0.8, 100)),
        wait_h=rng.choice((0, 1, 24)),
        stop_after_days=rng.choice((5, 60)),
        then=rng.choice(("not_listed", "fixed_price", "tell")),
    )


def draw_ends(rng: Random) -> Ends:
    """The owner's windows; mostly none."""
    return Ends(windows=("Mon-Sun 17:00-21:00",), durations=(1, 2)) if rng.random() < 0.25 else Ends()


@dataclass(slots=True, kw_only=True)
class Words:
    """What was said of one thing, in ms: when anybody last allowed for a higher price, since when it must stay down.

    `stopped_at` None: it may come back. `floors` are all that the item itself was ever given.
    """

    dear_at: int = 0
    stopped_at: int | None = None
    floors: set[int] = field(default_factory=set)


class Reseller(Owner):
    """An owner who also minds what comes back, and takes back sales that fell through."""

    actions = (*Owner.actions, ("hold", 3), ("resume", 3), ("relist", 3), ("reverse", 4), ("publish", 3))
    counts = (1, 1, 2, 3, 4, 6)
    begins_within_s = 24 * HOUR_S

    def __init__(self, **parts: Any) -> None:
        super().__init__(**parts)
        self.words = Words()

    def _new_spec(self) -> ItemSpec:
        """Mostly short auctions."""
        spec, rng = super()._new_spec(), self._rng
        assert spec.tradera is not None
        floor_kr = rng.choice((None, None, max(1, (spec.price_ore or 100) // 200)))
        wish = replace(
            spec.tradera,
            listing_type="fixed_price" if rng.random() < 0.15 else "auction",
            duration_days=rng.choice((1, 1, 2)),
            start_at=None,
            relist=None if floor_kr is None else RelistWish(enabled=True, floor_kr=floor_kr),
        )
        return replace(spec, tradera=wish, auto_publish=True)

    async def _put(self, spec: ItemSpec) -> None:
        if self.wish.spec is None:
            self.words = Words(dear_at=_now())  # a new thing
        own = spec.tradera and spec.tradera.relist
        if own and own.floor_kr and own.floor_kr * 100 > (spec.price_ore or 0):
            return  # the API refuses it
        if own and own.floor_kr:
            self.words.floors.add(own.floor_kr)
        await super()._put(spec)

    async def _act(self, kind: str, spec: ItemSpec) -> None:
        account_id, external_id, words = self.wish.account_id, self.wish.external_id, self.words
        stops = kind in {"hold", "unlist", "sold", "delete"}
        if not stops:
            words.stopped_at = None
        if kind in {"price", "put_price", "publish", "reverse"}:
            words.dear_at = 2**62  # as long as it is under way
        told: object = None
        match kind:
            case "hold" | "resume":
                told = await self._ask(
                    lambda d: d.relisting.hold(account_id, external_id, held=kind == "hold")
                )
            case "relist":
                await self._set_relist(spec)
            case "reverse":
                await self._reverse()
            case _:
                await super()._act(kind, spec)
                told = True
        if kind in {"price", "put_price", "publish", "reverse"}:
            words.dear_at = _now()
        if stops and told is not None and not (kind == "delete" and not self.wish.deleted):
            await self._note_stop(kind)

    async def _note_stop(self, kind: str) -> None:
        """It must stay down from now on, where what was said was taken."""
        view = await self.look()
        taken = {"hold": True, "delete": True, "unlist": "not_listed", "sold": "sold"}[kind]
        if taken is True or (view is not None and view.item.rheo_status == taken):
            self.words.stopped_at = _now()

    async def _set_relist(self, spec: ItemSpec) -> None:
        own = spec.tradera or TraderaWish()
        floor_kr = max(1, (spec.price_ore or 100) // self._rng.choice((125, 200, 400)))
        wish = RelistWish(
            enabled=self._rng.random() < 0.8, floor_kr=floor_kr, times=self._rng.choice((0, 1, 2))
        )
        account_id, external_id = self.wish.account_id, self.wish.external_id
        self.words.floors.add(floor_kr)
        told = await self._ask(lambda d: d.relisting.change(account_id, external_id, wish))
        if told is not None:
            before = own.relist or RelistWish()
            kept = replace(wish, steps=before.steps, wait_h=before.wait_h, until=before.until)
            self.wish.spec = replace(spec, tradera=replace(own, relist=kept))

    async def _reverse(self) -> None:
        given = Reversal(
            reason=self._rng.choice(list(ReversalReason)), refunded=True, relist=self._rng.random() < 0.5
        )
        account_id, external_id = self.wish.account_id, self.wish.external_id
        if await self._ask(lambda d: d.reversing.reverse(account_id, external_id, given)) is not None:
            self.wish.wanted = given.relist

    def restarted(self) -> None:
        """An ad of it was started again by hand: what was said of the ads before it counts no more."""
        self.words.stopped_at = None


def _now() -> int:
    return START_MS + round(asyncio.get_running_loop().time() * 1000)


class Hands:
    """What owners and buyers do in My Tradera: ads are started again, requests for ended ones are sent and accepted.

    Now and then every return is paused; `paused` are the spans of that, in ms.
    """

    def __init__(
        self, *, market: Market, rng: Random, lives: Sequence[Daemon], things: Mapping[str, Reseller]
    ) -> None:
        self.paused: list[tuple[int, int]] = []
        self._market = market
        self._rng = rng
        self._lives = lives
        self._things = things

    async def live(self, length_s: float) -> None:
        """Until the week is over, when returns are let go again."""
        deeds = self._rng.choices(("restart", "request", "pause"), (4, 5, 1), k=self._rng.randrange(2, 9))
        loop = asyncio.get_running_loop()
        moments = sorted(self._rng.uniform(0, length_s) for _ in deeds)
        for at_s, deed in zip(moments, deeds, strict=True):
            await asyncio.sleep(max(0.0, at_s - loop.time()))
            await self._deed(deed)

    async def _deed(self, deed: str) -> None:
        ended = self._market.unsold()
        if deed == "pause":
            await self._pause()
        elif ended and deed == "restart":
            free = [each for each in ended if each.restarted_as is None and each.live_at is not None]
            if free:
                self._restart(self._rng.choice(free))
        elif ended:
            asked = self._rng.choice(ended)
            wait_s = self._rng.uniform(0, 24 * HOUR_S)  # a request lives that long
            asyncio.get_running_loop().call_later(wait_s, lambda: self._accept(asked))

    def _restart(self, ad: Listed) -> None:
        self._market.restart(ad)
        thing = self._things.get(ad.external_id)
        if thing is not None:
            thing.restarted()

    def _accept(self, ad: Listed) -> None:
        if ad.order_id is None and ad.restarted_as is None:
            self._market.order([ad])

    async def trust_the_quota(self) -> None:
        """The owner says that what refusals have told of single methods holds no more: days of them can leave a call a day."""
        for method in METHODS:
            await ask(lambda d, name=method: d.rheod.core.capacities.forget(name), self._lives, self._rng)  # type: ignore[misc]

    async def _pause(self) -> None:
        await ask(lambda d: d.relisting.pause_all(paused=True), self._lives, self._rng)
        since = _now()
        await asyncio.sleep(self._rng.uniform(1, 30) * HOUR_S)
        self.paused.append((since, _now()))
        await ask(lambda d: d.relisting.pause_all(paused=False), self._lives, self._rng)


# What must hold


def _rows(db: sqlite3.Connection, query: str, *values: object) -> list[dict[str, Any]]:
    return [dict(row) for row in db.execute(query, values).fetchall()]


def going_live(
    around: Surroundings, listed: Listed, thing: Reseller, paused: Sequence[tuple[int, int]]
) -> list[str]:
    """Of an ad that rheod has made: no higher price by itself, none under the floor, and nobody had stopped it."""
    words, name = thing.words, thing.wish.external_id
    rows = _rows(around.db, "SELECT * FROM listings WHERE tradera_item_id = ?", listed.item_id)
    ladder = rows and rows[0]["ladder"] and json.loads(rows[0]["ladder"])
    found = []
    before = [
        each
        for each in around.market.requests.values()
        if each is not listed
        and each.external_id == name
        and each.live_at is not None
        and each.live_at < listed.made_at
    ]
    previous = max(before, key=lambda each: each.live_at or 0, default=None)
    if (
        previous is not None
        and listed.price_kr > previous.price_kr
        and words.dear_at < (previous.live_at or 0)
    ):
        found.append(f"{name}: ad {listed.item_id} is at {listed.price_kr} after {previous.price_kr}")
    if words.stopped_at is not None and listed.made_at > words.stopped_at + _ON_ITS_WAY_MS:
        found.append(f"{name}: ad {listed.item_id} was made though it was stopped")
    if not ladder or not ladder["attempt"]:
        return found
    floor_kr = around.settings.relist.rule if around.settings.relist.enabled else RelistRule()
    least = max(floor_kr.floor_of(ladder["first_kr"]), min(words.floors, default=1))
    if listed.price_kr < least:
        found.append(f"{name}: came back at {listed.price_kr}, its floor is {least}")
    if any(since + _ON_ITS_WAY_MS < listed.made_at < until for since, until in paused):
        found.append(f"{name}: came back while all was paused")
    return found


def at_the_end(around: Surroundings, now: int) -> list[str]:
    """Two ads or two sales of one thing are said; every return that is planned is carried by a job and not overdue."""
    db, found = around.db, list[str]()
    found_by_rheod = (*facts.doubled(db, limit=999), *facts.sold_but_up(db, limit=999))
    alarms = {each.external_id for each in found_by_rheod}
    up = Counter(each.external_id for each in around.market.live() if not _is_removed(db, each))
    found += [
        f"sold once: {name} has {count} ads up and nobody says so"
        for name, count in up.items()
        if count > 1 and name not in alarms
    ]
    taken_back = {
        (row["order_id"], row["tradera_item_id"])
        for row in _rows(db, "SELECT * FROM order_lines WHERE reversed_at IS NOT NULL")
    }
    standing: dict[str, set[int]] = defaultdict(set)
    for order_id, (_, order) in around.market.orders.items():
        for line in order.lines:
            if (order_id, line.tradera_item_id) not in taken_back:
                ad = around.market.ads[line.tradera_item_id]
                standing[ad.ad.own_reference.split(":")[1]].add(order_id)
    twice = {each[0] for each in orders.sold_twice(db, limit=999)}
    for item_id, sold_by in standing.items():
        (item,) = _rows(db, "SELECT * FROM items WHERE id = ?", item_id)
        told = _rows(db, "SELECT 1 FROM notices WHERE item_id = ? AND type = 'sale.conflict'", item_id)
        if len(sold_by) > 1 and not told:
            found.append(f"{item['external_id']}: sold by {sorted(sold_by)} and no event says so")
        if len(sold_by) > 1 and item["removed_at"] is None and item["external_id"] not in twice:
            found.append(f"{item['external_id']}: sold by {sorted(sold_by)} and no finding says so")
    return found + _uncarried(db, now)


def _uncarried(db: sqlite3.Connection, now: int) -> list[str]:
    carried = {row["subject"]: row for row in _rows(db, "SELECT * FROM jobs WHERE kind = 'relist'")}
    found = []
    for each in ads.every_return(db):
        if each.held or ads.returns_paused(db):
            continue
        if each.listing_id not in carried:
            found.append(f"the return of {each.external_id} is planned and no job makes it")
        elif each.at < now - _OVERDUE_MS and not carried[each.listing_id]["reason"]:
            found.append(f"the return of {each.external_id} is overdue and nobody says why")
    return found


def _is_removed(db: sqlite3.Connection, ad: Listed) -> bool:
    item_id = ad.ad.own_reference.split(":")[1]
    return bool(_rows(db, "SELECT 1 FROM items WHERE id = ? AND removed_at IS NOT NULL", item_id))
