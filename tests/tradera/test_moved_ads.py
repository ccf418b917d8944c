"""Tradera moves a live ad to another category: it is told once, and a return goes there too."""

from __future__ import annotations

import pytest

from rheod.domain.answers import SellerAd
from rheod.domain.model import ListingState, TraderaWish
from rheod.store import key_value
from rheod.usecases import placer
from rheod.usecases.placement import see_category
from tests.desk import ASKS_AFTER_S, CATEGORY, Desk
from tests.tradera.test_order_sync import reconcile

ELSEWHERE = 302572
WEEK_S = 7 * 24 * 3600


async def published(desk: Desk, *, names_category: bool) -> int:
    """An ad of an item that names its category, or leaves it to a rule; its number."""
    rule = {"id": 1, "category_id": CATEGORY, "words": ""}
    await desk.store.write(lambda tx: key_value.choose(tx.db, placer.RULES, [rule], now=tx.now))
    wish = TraderaWish(category_id=CATEGORY) if names_category else None
    live = await desk.publish(tradera=wish)
    assert live.tradera_item_id is not None
    return live.tradera_item_id


def move(desk: Desk, number: int) -> None:
    """Tradera's own people put the ad elsewhere."""
    market = desk.simulator.market
    ad = market.listings[number]
    ad.body = {**ad.body, "categoryId": ELSEWHERE}
    market.touch(ad)


async def test_a_moved_ad_is_told_once(desk: Desk) -> None:
    """In its history and its warning, when its end is read; hearing of it again says nothing new."""
    number = await published(desk, names_category=False)
    move(desk, number)
    desk.forward(WEEK_S + 3600)
    await reconcile(desk)
    await desk.reach(ListingState.ENDED)
    seen = SellerAd(tradera_item_id=number, category_id=ELSEWHERE)
    await desk.store.write(lambda tx: see_category(tx, seen))
    listing = await desk.listing()
    assert (listing.category_id, listing.moved_from) == (ELSEWHERE, CATEGORY)
    assert f"from category {CATEGORY} to {ELSEWHERE}" in (listing.warning or "")
    assert [event["to"] for event in await desk.told("listing.moved")] == [ELSEWHERE]


async def test_an_ad_that_stays_is_not_told_of(desk: Desk) -> None:
    """The category in which it was put is no news, however often it is read."""
    number = await published(desk, names_category=False)
    desk.simulator.market.touch(desk.simulator.market.listings[number])
    desk.forward(WEEK_S + 3600)
    await reconcile(desk)
    await desk.reach(ListingState.ENDED)
    assert (await desk.listing()).moved_from is None
    assert await desk.told("listing.moved") == []


@pytest.mark.parametrize(("names_category", "goes_to"), [(False, ELSEWHERE), (True, CATEGORY)])
async def test_a_return_goes_where_tradera_put_it_unless_the_item_names_a_category(
    desk: Desk, *, names_category: bool, goes_to: int
) -> None:
    """Tradera's own move wins over rules, defaults and guesses, not over the item's word."""
    move(desk, await published(desk, names_category=names_category))
    desk.forward(WEEK_S + 3600)
    await reconcile(desk)
    await desk.reach(ListingState.ENDED)
    await desk.items.order_publish(desk.account_id, "A")
    await desk.reach(ListingState.COMMITTED)
    desk.forward(ASKS_AFTER_S)
    again = await desk.reach(ListingState.LIVE)
    assert (again.generation, again.category_id, again.moved_from) == (2, goes_to, None)
    assert desk.simulator.market.listings[again.tradera_item_id or 0].body["categoryId"] == goes_to
