"""Sold, paid, reversed, paid late, put up again, sold again, a second order for the old ad: in any order of them."""

from __future__ import annotations

import os
from random import Random

import pytest

from rheod.domain.errors import Refused
from rheod.domain.model import ListingState, RheoStatus
from rheod.domain.orders import Reversal, ReversalReason
from rheod.store import order_changes
from tests.stores import rows
from tests.usecases.selling import Shop
from tests.usecases.test_contested_sales import paid

SEEDS = int(os.environ.get("RHEOD_SEEDS", "0")) or 12
STEPS = 14


class Walk:
    """One item and its orders; each step is one use case."""

    def __init__(self, shop: Shop, rng: Random) -> None:
        self.shop, self.rng = shop, rng
        self.ads: dict[int, int] = {}

    async def step(self) -> None:
        """Something happens; what is refused changes nothing."""
        await self.rng.choice((self.order, self.order, self.pay, self.reverse, self.reverse, self.go_on))()

    async def order(self) -> None:
        """A buyer orders, by any ad there was or is."""
        number = len(self.ads) + 1
        self.ads[number] = self.rng.randint(1, self.shop.ads)
        await self.shop.record(paid(number, self.ads[number], 0))

    async def pay(self) -> None:
        """One of them is paid, in time or late."""
        if self.ads:
            number = self.rng.choice(list(self.ads))
            await self.shop.record(paid(number, self.ads[number]))

    async def reverse(self) -> None:
        """One of the sales falls through; half of the things are put up again."""
        given = Reversal(
            reason=ReversalReason.UNPAID,
            order_id=self.rng.choice([None, *self.ads]),
            refunded=self.rng.random() < 0.7,
            relist=self.rng.random() < 0.5,
        )
        before = await rows(self.shop.database, "SELECT count(*) FROM notices")
        try:
            await self.shop.items.reversing.reverse(self.shop.account_id, "x", given)
        except Refused:
            assert await rows(self.shop.database, "SELECT count(*) FROM notices") == before

    async def go_on(self) -> None:
        """What is on its way goes live; what is to be ended ends."""
        listing = await self.shop.listing()
        if listing.state is ListingState.LIVE and listing.end_wish is not None:
            await self.shop.ended(listing)
        elif listing.state is ListingState.QUEUED:
            await self.shop.advance(listing, ListingState.LIVE)

    async def check(self) -> None:
        """What holds after every step."""
        item = await self.shop.item()
        found = await rows(self.shop.database, "SELECT state FROM listings WHERE item_id = ?", item.id)
        assert sum(ListingState(row["state"]).is_open for row in found) <= 1
        sales = await self.shop.database.read(lambda db: order_changes.standing_sales(db, item.id))
        assert (item.rheo_status is RheoStatus.SOLD) == bool(sales)
        told = [
            (row["type"], row["once"])
            for row in await rows(
                self.shop.database, "SELECT type, once FROM notices WHERE item_id = ? ORDER BY seq", item.id
            )
        ]
        if len(sales) > 1:
            assert "sale.conflict" in [kind for kind, _ in told]
        for number in self.ads:
            sold = [at for at, each in enumerate(told) if each[1] == f"item.sold:{number}:{item.id}"]
            back = [
                at
                for at, (_, once) in enumerate(told)
                if (once or "").startswith(f"item.sale_reversed:{number}:")
            ]
            assert len(sold) == 1
            assert len(back) == (number not in {sale.order_id for sale in sales})
            assert not back or back[0] > sold[0]


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_no_order_of_events_sells_it_twice_unseen(shop: Shop, seed: int) -> None:
    """At most one open ad, no second standing sale without an alarm, every event once and in order."""
    walk = Walk(shop, Random(seed))
    await shop.put_live()
    for _ in range(STEPS):
        await walk.step()
        await walk.check()
