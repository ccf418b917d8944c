"""What Tradera may lie about orders and the lists around them: one bad entry costs no other, and no sale is lost."""

from __future__ import annotations

from typing import Any

import pytest

from rheod.domain.model import ListingState
from tests.desk import Desk
from tests.tradera.test_order_sync import live, order_created, push, reconcile
from tests.waiting import until


@pytest.mark.parametrize("price", [950.5, "950.5", "950,50"])
async def test_a_price_with_decimals_or_in_digits_is_told_as_it_is(desk: Desk, price: Any) -> None:
    """950.50, not 0."""
    ad = await live(desk)
    order_id = await desk.simulator.sell(ad, 950, push=False)
    desk.simulator.lie_about_order(order_id, line={"unitPrice": price})
    await push(desk, order_created(order_id, ad))
    await desk.reach(ListingState.SOLD)
    (sold,) = await desk.told("item.sold")
    assert sold["salePrice"] == 950.5


@pytest.mark.parametrize("lie", [{"orderId": None}, {"items": None}, {"items": [{"title": "Kopp"}]}])
async def test_one_bad_order_of_a_pass_keeps_no_other_sale(desk: Desk, lie: dict[str, Any]) -> None:
    """The list is read entry by entry: the other order is told in the same pass."""
    bad, good = await live(desk, "A"), await live(desk, "B")
    desk.simulator.lie_about_order(await desk.simulator.sell(bad, 950, push=False), **lie)
    await desk.simulator.sell(good, 700, push=False)
    await reconcile(desk)
    await desk.reach(ListingState.SOLD, "B")
    assert (await desk.listing("A")).state is ListingState.LIVE
    assert await desk.told("listing.ended") == []


@pytest.mark.parametrize("lie", [{"orderId": None}, {"items": None}])
async def test_one_bad_order_of_a_look_up_keeps_no_other_sale(desk: Desk, lie: dict[str, Any]) -> None:
    """Push has told of two, asked for in one call."""
    ads = [await live(desk, name) for name in ("A", "B")]
    ids = [await desk.simulator.sell(ad, 950, push=False) for ad in ads]
    desk.simulator.lie_about_order(ids[0], **lie)
    await push(desk, *(order_created(order_id, ad) for order_id, ad in zip(ids, ads, strict=True)))
    await desk.reach(ListingState.SOLD, "B")


@pytest.mark.parametrize("operation", ["seller_items", "orders"])
async def test_a_list_that_is_too_long_is_read_in_parts(desk: Desk, operation: str) -> None:
    """An answer beyond the limit: the period is halved, and the pass finds what it would have found."""
    ad, closed = await live(desk, "A"), await live(desk, "B")
    await desk.simulator.sell(ad, 700, push=False)
    await desk.simulator.close(closed, push=False)
    desk.simulator.fault(operation, "huge_answer")
    await reconcile(desk)
    await until(lambda: desk.called().get(operation) == 3)
    await desk.reach(ListingState.SOLD, "A")
    await desk.reach(ListingState.ENDED, "B")


async def test_a_list_of_changes_that_is_too_long_is_done_without(desk: Desk) -> None:
    """It has no periods: the seller's ads tell the same."""
    ad = await live(desk)
    await desk.simulator.close(ad, push=False)
    desk.simulator.fault("updated_items", "huge_answer")
    await reconcile(desk)
    await desk.reach(ListingState.ENDED)


async def test_an_ad_that_ended_by_a_clock_ahead_of_ours_is_seen(desk: Desk) -> None:
    """Our clock is an hour behind: the ad is down though its end has not come here yet."""
    ad = await live(desk)
    desk.forward(3600)
    await desk.simulator.close(ad, push=False)
    desk.forward(-3600)
    await reconcile(desk)
    await desk.reach(ListingState.ENDED)
