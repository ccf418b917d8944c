"""Closings that push tells of: the ad has ended with a reason, unless an order explains it."""

from __future__ import annotations

import pytest

from rheod.domain.model import ListingState
from tests.desk import SELLER_ID, Desk
from tests.stores import rows
from tests.tradera.test_order_sync import order_created, push
from tests.waiting import until

GRACE_S = 30


def item_closed(ad: int, reason: str = "ItemClosedByTradera") -> dict[str, object]:
    """Tradera's message about a closing."""
    return {"Type": "ItemClosed", "ItemId": ad, "SellerMemberId": SELLER_ID, "Reason": reason}


async def live(desk: Desk) -> int:
    """Publish an item; returns its ad's number."""
    return (await desk.publish(pictures=0)).tradera_item_id or 0


async def settled(desk: Desk) -> None:
    """Until no closing is waiting for its time to come now."""

    async def none_due() -> bool:
        return all(job["due_at"] > desk.clock() for job in await desk.waiting_jobs("close"))

    await until(none_due)
    await desk.idle()


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("ItemClosedByTradera", "closed_by_tradera"),
        ("ItemClosedBySeller", "closed_by_seller"),
        ("ItemEndedWithoutBuyer", "no_bids"),
        ("ShopItemQuantityZero", "quantity_zero"),
    ],
)
async def test_a_closing_ends_the_listing_with_its_reason(desk: Desk, reason: str, told: str) -> None:
    """Each reason that Tradera gives becomes one listing.ended; no call is needed."""
    ad = await live(desk)
    spent = desk.called()
    await push(desk, item_closed(ad, reason))
    desk.forward(GRACE_S)
    await desk.reach(ListingState.ENDED)
    assert await desk.told("listing.ended") == [{"traderaAdId": str(ad), "reason": told}]
    assert desk.called() == spent


async def test_a_closing_by_tradera_is_told_at_once_the_others_after_a_grace(desk: Desk) -> None:
    """An order may come a little later than the closing it explains; Tradera's own closing has no order."""
    ad = await live(desk)
    await push(desk, item_closed(ad, "ItemEndedWithoutBuyer"))
    desk.forward(GRACE_S - 1)
    await settled(desk)
    assert (await desk.listing()).state is ListingState.LIVE
    desk.forward(1)
    await desk.reach(ListingState.ENDED)


async def test_an_order_before_the_closing_explains_it(desk: Desk) -> None:
    """Sold, then closed: nothing but item.sold is sent."""
    ad = await live(desk)
    order_id = await desk.simulator.sell(ad, 300, push=False)
    await push(desk, order_created(order_id, ad))
    await desk.reach(ListingState.SOLD)
    await push(desk, item_closed(ad, "ShopItemQuantityZero"))
    desk.forward(GRACE_S)
    await settled(desk)
    assert await desk.told("listing.ended") == []
    assert (await desk.listing()).state is ListingState.SOLD


async def test_an_order_within_the_grace_explains_it(desk: Desk) -> None:
    """Closed, then sold within the grace: the queue is unordered, so nothing but item.sold is sent."""
    ad = await live(desk)
    order_id = await desk.simulator.sell(ad, 300, push=False)
    await push(desk, item_closed(ad, "ItemClosedBySeller"))
    desk.forward(5)
    await push(desk, order_created(order_id, ad))
    await desk.reach(ListingState.SOLD)
    desk.forward(GRACE_S)
    await settled(desk)
    assert await desk.told("listing.ended") == []
    assert len(await desk.told("item.sold")) == 1


async def test_a_closing_waits_for_an_order_that_is_being_looked_up(desk: Desk) -> None:
    """An order is told but Tradera is away: the closing is not judged before it is known."""
    ad = await live(desk)
    order_id = await desk.simulator.sell(ad, 300, push=False)
    desk.simulator.fault("orders_by_id", "reset", times=3)
    await push(desk, order_created(order_id, ad), item_closed(ad))
    await until(lambda: desk.called().get("orders_by_id") == 1)
    await settled(desk)
    assert (await desk.listing()).state is ListingState.LIVE
    for _ in range(3):
        desk.forward(60)
        await desk.idle()
    await desk.reach(ListingState.SOLD)
    desk.forward(2)
    await settled(desk)
    assert await desk.told("listing.ended") == []
    assert await desk.waiting_jobs("close") == []
    assert {row["state"] for row in await rows(desk.database, "SELECT state FROM inbox")} == {"done"}


async def test_an_order_after_the_closing_still_sells(desk: Desk) -> None:
    """Long after the listing was called ended an order comes: it is a sale all the same."""
    ad = await live(desk)
    order_id = await desk.simulator.sell(ad, 300, push=False)
    await push(desk, item_closed(ad, "ItemEndedWithoutBuyer"))
    desk.forward(GRACE_S)
    await desk.reach(ListingState.ENDED)
    desk.forward(3600)
    await push(desk, order_created(order_id, ad))
    await desk.reach(ListingState.SOLD)
    assert len(await desk.told("item.sold")) == 1


async def test_our_own_ending_is_no_news(desk: Desk) -> None:
    """Tradera also tells of the ad we have ended ourselves: nothing comes of it."""
    ad = await live(desk)
    await desk.items.change_status(desk.account_id, "A", "not_listed")
    await desk.reach(ListingState.ENDED)
    await push(desk, item_closed(ad, "ItemClosedBySeller"))
    desk.forward(GRACE_S)
    await settled(desk)
    assert await desk.told("listing.ended") == []


async def test_a_closing_told_twice_is_one(desk: Desk) -> None:
    """Another message about the same closing is recognised by what it is about."""
    ad = await live(desk)
    assert await push(desk, item_closed(ad), item_closed(ad)) == 1
    await desk.reach(ListingState.ENDED)
    assert await push(desk, item_closed(ad)) == 0
    assert len(await desk.told("listing.ended")) == 1


async def test_a_closing_of_something_unknown_is_settled(desk: Desk) -> None:
    """An ad that is not ours to watch closes: the message is done and nothing is sent."""
    await push(desk, item_closed(12345))
    await settled(desk)

    async def done() -> bool:
        return [row["state"] for row in await rows(desk.database, "SELECT state FROM inbox")] == ["done"]

    await until(done)
    assert await desk.told("listing.ended") == []


async def test_a_closing_before_the_ad_was_known_to_be_live_is_both(desk: Desk) -> None:
    """Closed while the commit's result was still awaited: it was up, and it has ended."""
    await desk.put(pictures=0)
    listing = await desk.reach(ListingState.COMMITTED)
    desk.forward(5)
    await push(desk, item_closed(listing.tradera_item_id or 0))
    await desk.reach(ListingState.ENDED)
    assert len(await desk.told("listing.created")) == 1
    assert len(await desk.told("listing.ended")) == 1
