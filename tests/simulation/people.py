"""Those who use rheod and Tradera in a run: owners with their ERP, and buyers. They act at random times, by the seed.

An owner repeats a request that got no answer until there is one, so at the end it is known what was promised.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Literal, TypeVar

from rheod.domain.errors import Refused, StoreUnavailable
from rheod.domain.model import ItemSpec, TraderaWish
from rheod.usecases.items import ItemView
from tests.simulation.daemon import START_MS, Daemon
from tests.simulation.faults import HOUR_S
from tests.simulation.market import Listed, Market
from tests.simulation.reference import LEAVES, PARENT

T = TypeVar("T")
_ACTIONS = (
    ("price", 4),
    ("put_price", 2),
    ("put_text", 2),
    ("put_pictures", 2),
    ("put_same", 2),
    ("publish", 3),
    ("unlist", 2),
    ("sold", 1),
    ("delete", 2),
)


@dataclass(slots=True, kw_only=True)
class Wish:
    """What was promised about one external id: the spec last accepted (None: deleted, or never accepted)."""

    account_id: str
    external_id: str
    spec: ItemSpec | None = None
    deleted: bool = False
    wanted: bool = False
    item_ids: list[str] = field(default_factory=list)


class Owner:
    """One external id and the ERP that looks after it."""

    actions: Sequence[tuple[str, int]] = _ACTIONS
    counts: Sequence[int] = (1, 1, 2, 3, 5, 8)
    begins_within_s = float("inf")

    def __init__(
        self, *, wish: Wish, rng: Random, lives: Sequence[Daemon], say: Callable[[str], None]
    ) -> None:
        self.wish = wish
        self._rng = rng
        self._lives = lives
        self._say = say
        self._number = 0

    async def live(self, length_s: float) -> None:
        """Put the item and then do this and that until the day is over."""
        count = self._rng.choice(self.counts)
        moments = sorted(self._rng.uniform(0, length_s) for _ in range(count))
        moments[0] %= self.begins_within_s
        loop = asyncio.get_running_loop()
        for place, at_s in enumerate(moments):
            near_s = self._rng.uniform(0, 90) if self._rng.random() < 0.3 else None
            await asyncio.sleep(near_s if near_s is not None and place else max(0.0, at_s - loop.time()))
            if self.wish.spec is None:
                await self._put(self._new_spec())
            else:
                kinds = [kind for kind, _ in self.actions]
                await self._act(
                    self._rng.choices(kinds, [weight for _, weight in self.actions])[0], self.wish.spec
                )

    def _new_spec(self) -> ItemSpec:
        rng = self._rng
        fixed = rng.random() < 0.5
        start_at = START_MS + round(rng.uniform(0, 12 * HOUR_S) * 1000) if rng.random() < 0.1 else None
        named = rng.random() < 0.3
        return ItemSpec(
            title=f"Item {self.wish.external_id}",
            price_ore=rng.randrange(1000, 90_000),
            image_urls=self._urls(),
            domain=rng.choice(("books", "books", "auto_parts", "fashion")),
            attributes={"conditionGrade": "B", "condition": "Good", "size": rng.choice(("M", "44"))},
            weight_kg=rng.choice((None, 0.2, 1.5, 30.0)),
            auto_publish=rng.random() < 0.85,
            tradera=TraderaWish(
                category_id=rng.choice((*LEAVES, PARENT)) if named else None,
                listing_type="fixed_price" if fixed else "auction",
                duration_days=rng.choice((1, 2, 7)),
                start_at=start_at,
            ),
        )

    def _urls(self) -> tuple[str, ...]:
        self._number += 1
        count = self._rng.choice((0, 1, 1, 2, 3))
        return tuple(
            f"https://shop.example/{self.wish.external_id}/{self._number}/{place}"
            f"{'-gone' if self._rng.random() < 0.05 else ''}"
            for place in range(count)
        )

    async def _act(self, kind: str, spec: ItemSpec) -> None:
        """One action; what is refused changes no promise."""
        price_ore = self._rng.randrange(1000, 90_000)
        account_id, external_id = self.wish.account_id, self.wish.external_id
        self._number += 1
        if kind == "put_price":
            await self._put(replace(spec, price_ore=price_ore))
        elif kind == "put_text":
            await self._put(replace(spec, title=f"Item {external_id} {self._number}"))
        elif kind == "put_pictures":
            await self._put(replace(spec, image_urls=self._urls()))
        elif kind == "put_same":
            await self._put(spec)
        elif kind == "price":
            if (
                await self._ask(lambda d: d.items.change_price(account_id, external_id, price_ore))
                is not None
            ):
                self.wish.spec = replace(spec, price_ore=price_ore)
        elif kind == "publish":
            if await self._ask(lambda d: d.items.order_publish(account_id, external_id)) is not None:
                self.wish.wanted = True
        elif kind == "delete":
            told = await self._ask(lambda d: d.items.delete_item(account_id, external_id))
            if told is None and await self.look() is not None:
                return  # refused: an order that cannot be read may be its sale
            self.wish.spec, self.wish.deleted, self.wish.wanted = None, True, False
        else:
            status: Literal["sold", "not_listed"] = "sold" if kind == "sold" else "not_listed"
            told = await self._ask(lambda d: d.items.change_status(account_id, external_id, status))
            if told is not None:
                self.wish.wanted = False

    async def _put(self, spec: ItemSpec) -> None:
        account_id, external_id = self.wish.account_id, self.wish.external_id
        result = await self._ask(lambda d: d.items.put_item(account_id, external_id, spec))
        if result is None:
            return
        new = result.item_id not in self.wish.item_ids
        if new:
            self.wish.item_ids.append(result.item_id)
            self.wish.wanted = spec.auto_publish
        self.wish.spec, self.wish.deleted = spec, False
        view = await self.look()
        if view is None or not self.is_kept(view):
            self._say(f"kept: {external_id} was accepted and is not what GET shows")

    def is_kept(self, view: ItemView) -> bool:
        """Whether GET shows what was promised."""
        spec = self.wish.spec
        shown = view.item.spec
        return spec is not None and (shown.title, shown.price_ore, shown.image_urls) == (
            spec.title,
            spec.price_ore,
            spec.image_urls,
        )

    async def look(self) -> ItemView | None:
        """What GET shows; None for a 404."""
        return await self._ask(lambda d: d.items.read_item(self.wish.account_id, self.wish.external_id))

    async def _ask(self, request: Callable[[Daemon], Coroutine[Any, Any, T]]) -> T | None:
        return await ask(request, self._lives, self._rng)


async def ask(
    request: Callable[[Daemon], Coroutine[Any, Any, T]], lives: Sequence[Daemon], rng: Random
) -> T | None:
    """The answer, repeated for until there is one, ever more patiently; None for a refusal."""
    patience_s = 5.0
    while True:
        try:
            daemon = lives[-1]
            return await daemon.life.visit(request(daemon))
        except Refused:
            return None
        except (ConnectionResetError, StoreUnavailable, IndexError):
            await asyncio.sleep(rng.uniform(0.5, patience_s))
            patience_s = min(1.5 * patience_s, 60.0)


class Partner:
    """Whoever looks after the webhooks of the accounts: moves the address, changes the secret, enables it when it is off."""

    def __init__(self, *, accounts: Sequence[str], rng: Random, lives: Sequence[Daemon]) -> None:
        self._accounts = accounts
        self._rng = rng
        self._lives = lives
        self._number = 0

    async def live(self, length_s: float) -> None:
        """Now and then, until the day is over."""
        count = self._rng.choice((0, 0, 1, 3))
        loop = asyncio.get_running_loop()
        for at_s in sorted(self._rng.uniform(0, length_s) for _ in range(count)):
            await asyncio.sleep(max(0.0, at_s - loop.time()))
            account_id = self._rng.choice(self._accounts)
            await (self._rotate(account_id) if self._rng.random() < 0.5 else self._move(account_id))

    async def _rotate(self, account_id: str) -> None:
        await ask(lambda d: d.endpoints.rotate_settings(account_id), self._lives, self._rng)

    async def _move(self, account_id: str) -> None:
        self._number += 1
        url = f"https://partner.example/hooks/{self._number}"
        await ask(lambda d: d.endpoints.set_url(account_id, url), self._lives, self._rng)

    async def enable(self) -> None:
        """Give an address to every endpoint that has none or was disabled; leave the others as they are."""
        for account_id in self._accounts:
            if not await self._is_on(account_id):
                await self._move(account_id)

    async def _is_on(self, account_id: str) -> bool:
        found = await ask(lambda d: d.endpoints.settings(account_id), self._lives, self._rng)
        return found is not None and found.url is not None and found.active


class Buyers:
    """Bid, buy and have ads closed at random times; `closed` is how often that is."""

    def __init__(self, *, market: Market, rng: Random, closed: float = 0.2) -> None:
        self._market = market
        self._rng = rng
        self._closed = closed

    async def live(self, length_s: float, deeds: int) -> None:
        """So many deeds until the day is over."""
        loop = asyncio.get_running_loop()
        for at_s in sorted(self._rng.uniform(0, length_s) for _ in range(deeds)):
            await asyncio.sleep(max(0.0, at_s - loop.time()))
            live = self._market.live()
            if live:
                self._deed(self._rng.choice(live))

    def _deed(self, ad: Listed) -> None:
        chance = self._rng.random()
        if chance < self._closed and not ad.bids:
            reason = self._rng.choice(("ItemClosedByTradera", "ItemClosedBySeller"))
            self._market.close(ad, reason)
        elif ad.fixed:
            also = [x for x in self._market.live() if x.fixed and x.seller == ad.seller and x is not ad]
            self._market.order([ad, *also[: self._rng.choice((0, 0, 1))]])
        else:
            self._market.bid(ad)
