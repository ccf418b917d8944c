"""Ads that are up: another price, the end, and what follows when Tradera says no or says nothing."""

from __future__ import annotations

import pytest

from rheod.domain.errors import Refused
from rheod.domain.model import EndWish, Listing, ListingState, RheoStatus, TraderaStatus, TraderaWish
from rheod.jobs.picks import ByUrgency
from rheod.sandbox.tradera_market import SimulatedAd as Ad
from tests.desk import ASKS_AFTER_S, CATEGORY, Desk
from tests.waiting import until


def ad_of(desk: Desk, listing: Listing) -> Ad:
    """The ad of a listing at the simulator, running or not."""
    return desk.simulator.market.listings[listing.tradera_item_id or 0]


async def failures(desk: Desk) -> list[str]:
    """The reasons of every listing.failed."""
    return [told["error"] for told in await desk.told("listing.failed")]


async def test_a_price_is_carried_to_the_ad(desk: Desk) -> None:
    """One call sets the opening price; the same price again costs nothing."""
    listing = await desk.publish(pictures=0)
    await desk.items.change_price(desk.account_id, "A", 25_050)
    await until(lambda: ad_of(desk, listing).opening == 251)
    await desk.idle()
    await desk.items.change_price(desk.account_id, "A", 25_100)  # the same in whole kronor
    await desk.idle()
    assert desk.called()["price"] == 1
    assert await failures(desk) == []


async def test_a_fixed_price_is_carried_as_buy_now(desk: Desk) -> None:
    """A fixed price ad knows no opening price."""
    wish = TraderaWish(category_id=CATEGORY, listing_type="fixed_price")
    listing = await desk.publish(pictures=0, tradera=wish)
    assert ad_of(desk, listing).buy_now == 100
    await desk.items.change_price(desk.account_id, "A", 25_000)
    await until(lambda: ad_of(desk, listing).buy_now == 250)
    assert await failures(desk) == []


async def test_a_refused_price_is_told_once_and_kept_here(desk: Desk) -> None:
    """With bids Tradera refuses: one listing.failed, the ad goes on, the item keeps the new price."""
    listing = await desk.publish(pictures=0)
    desk.simulator.bid(listing.tradera_item_id or 0)
    await desk.items.change_price(desk.account_id, "A", 25_000)
    await until(lambda: desk.called().get("price") == 1)
    await desk.idle()
    (reason,) = await failures(desk)
    assert "250 kr" in reason
    assert "when there are bids" in reason
    item = await desk.item()
    assert (item.spec.price_ore, item.tradera_status) == (25_000, TraderaStatus.ACTIVE)
    assert await desk.waiting_jobs("reprice") == []


async def test_a_price_refused_with_400_is_told_too(desk: Desk) -> None:
    """A refusal by status is the same as one inside the answer."""
    await desk.publish(pictures=0)
    desk.simulator.fault("price", "400")
    await desk.items.change_price(desk.account_id, "A", 25_000)
    await until(lambda: desk.called().get("price") == 1)
    await desk.idle()
    assert len(await failures(desk)) == 1


async def test_a_lost_answer_to_a_price_is_made_up_for(desk: Desk) -> None:
    """A price is an absolute value: it is simply set again."""
    listing = await desk.publish(pictures=0)
    desk.simulator.fault("price", "reset")
    await desk.items.change_price(desk.account_id, "A", 25_000)
    await until(lambda: desk.called().get("price") == 1)
    await desk.idle()
    desk.forward(5)
    await until(lambda: ad_of(desk, listing).opening == 250)
    assert await failures(desk) == []


async def test_a_price_refused_because_it_was_taken_before_is_no_failure(desk: Desk) -> None:
    """The first answer was lost, then came a bid: the ad is looked at and shows the price, so nothing has failed."""
    listing = await desk.publish(pictures=0)
    desk.simulator.fault("price", "lost_answer")
    await desk.items.change_price(desk.account_id, "A", 25_000)
    await until(lambda: desk.called().get("price") == 1)
    await desk.idle()
    desk.simulator.bid(listing.tradera_item_id or 0)
    desk.forward(5)
    await until(lambda: desk.called().get("read_item") == 1)
    await desk.idle()
    assert await failures(desk) == []
    assert (await desk.listing()).price_kr == 250


async def test_a_price_changed_back_while_the_first_is_under_way_wins(desk: Desk) -> None:
    """100 -> 250 is being sent when the owner wants 100 again: the ad ends up at 100."""
    listing = await desk.publish(pictures=0)
    desk.simulator.fault("price", "slow", seconds=0.3)
    await desk.items.change_price(desk.account_id, "A", 25_000)
    await until(lambda: desk.called().get("price") == 1)
    await desk.items.change_price(desk.account_id, "A", 10_000)
    await until(lambda: desk.called().get("price") == 2)
    await desk.idle()
    assert ad_of(desk, listing).opening == 100
    assert (await desk.listing()).price_kr == 100


async def test_a_price_that_always_gives_500_does_not_hold_the_lane(desk: Desk) -> None:
    """One ad's price that Tradera cannot take leaves the endings and publishings of the others their turn."""
    await desk.publish(pictures=0)
    desk.simulator.fault("price", "500", times=None)
    await desk.items.change_price(desk.account_id, "A", 25_000)
    await until(lambda: desk.called().get("price") == 1)
    await desk.idle()
    await desk.put("B", pictures=0)
    desk.forward(5)
    await desk.reach(ListingState.COMMITTED, "B")


@pytest.mark.parametrize(
    ("status", "wish", "left"),
    [
        ("not_listed", EndWish.UNLISTED, RheoStatus.NOT_LISTED),
        ("sold", EndWish.MARKED_SOLD, RheoStatus.SOLD),
    ],
)
async def test_an_ad_is_ended_as_wished(desk: Desk, status: str, wish: EndWish, left: RheoStatus) -> None:
    """Delisted or sold elsewhere: the ad comes down with one call, and no listing.ended is told of our own ending."""
    listing = await desk.publish(pictures=0)
    await desk.items.change_status(desk.account_id, "A", status)  # type: ignore[arg-type]
    ended = await desk.reach(ListingState.ENDED)
    assert (ended.end_wish, (await desk.item()).rheo_status) == (wish, left)
    assert ad_of(desk, listing).closed
    assert desk.called()["end"] == 1
    assert "read_item" not in desk.called()
    assert await desk.told("listing.ended") == []


async def test_a_deleted_item_goes_once_its_ad_is_down(desk: Desk) -> None:
    """The item is there until Tradera has confirmed, then it is removed."""
    listing = await desk.publish(pictures=0)
    desk.simulator.fault("end", "slow", seconds=0.3)
    await desk.items.delete_item(desk.account_id, "A")
    await until(lambda: "end" in desk.called())
    assert (await desk.item()).delete_requested
    await until(lambda: not desk.queue.running)
    await desk.idle()
    with pytest.raises(Refused):
        await desk.item()
    assert ad_of(desk, listing).closed
    assert len(await desk.told("item.deleted")) == 1


async def test_an_ad_with_bids_stays_up_and_the_owner_is_told(desk: Desk) -> None:
    """Tradera refuses to end it: one look at the ad, one listing.failed, and the item is listed as before."""
    listing = await desk.publish(pictures=0)
    desk.simulator.bid(listing.tradera_item_id or 0)
    await desk.items.change_status(desk.account_id, "A", "not_listed")
    await until(lambda: desk.called().get("read_item") == 1)
    await desk.idle()
    (reason,) = await failures(desk)
    assert "it has bids" in reason
    after = await desk.listing()
    assert (after.state, after.end_wish) == (ListingState.LIVE, None)
    assert (await desk.item()).rheo_status is RheoStatus.ACTIVE
    assert await desk.waiting_jobs("end") == []


@pytest.mark.parametrize("fault", ["lost_answer", "500_after", "truncated_json", "empty_200"])
async def test_an_ending_in_doubt_is_settled_by_looking(desk: Desk, fault: str) -> None:
    """The ad came down but nobody said so: it is found ended, and that is what was wished."""
    await desk.publish(pictures=0)
    desk.simulator.fault("end", fault)
    await desk.items.change_status(desk.account_id, "A", "not_listed")
    await until(lambda: desk.called().get("end") == 1)
    await desk.idle()
    desk.forward(15)
    await desk.reach(ListingState.ENDED)
    assert await failures(desk) == []
    assert len(await desk.told("item.unlisted")) == 1


async def test_an_ad_that_has_ended_already_is_ended(desk: Desk) -> None:
    """It ran out unsold before the wish reached Tradera: nothing has failed."""
    listing = await desk.publish(pictures=0)
    await desk.simulator.close(listing.tradera_item_id or 0, push=False)
    await desk.items.change_status(desk.account_id, "A", "not_listed")
    await desk.reach(ListingState.ENDED)
    assert await failures(desk) == []


async def test_an_ad_tradera_does_not_know_is_down(desk: Desk) -> None:
    """404 to the end and to the look: there is nothing left to end."""
    await desk.publish(pictures=0)
    desk.simulator.fault("end", "404")
    desk.simulator.fault("read_item", "404")
    await desk.items.change_status(desk.account_id, "A", "not_listed")
    await desk.reach(ListingState.ENDED)


async def test_a_refusal_without_bids_is_told_in_tradera_s_words(desk: Desk) -> None:
    """The ad runs on without bids: the refusal itself is the reason."""
    await desk.publish(pictures=0)
    desk.simulator.fault("end", "400")
    await desk.items.change_status(desk.account_id, "A", "not_listed")
    await until(lambda: desk.called().get("read_item") == 1)
    await desk.idle()
    (reason,) = await failures(desk)
    assert "Tradera keeps the ad up" in reason
    assert (await desk.listing()).state is ListingState.LIVE


async def test_an_ad_sold_before_the_wish_becomes_a_sale(desk: Desk) -> None:
    """The auction had a winner already: the order is looked for at once and the item is sold."""
    await desk.restart(interval_s=900)
    listing = await desk.publish(pictures=0)
    order_id = await desk.simulator.sell(listing.tradera_item_id or 0, 300, push=False)
    await desk.items.change_status(desk.account_id, "A", "not_listed")
    await desk.reach(ListingState.SOLD)
    (sold,) = await desk.told("item.sold")
    assert sold["orderId"] == str(order_id)


async def test_a_wish_to_end_goes_before_publishing(desk: Desk) -> None:
    """Ending has the right of way over whatever waits in the queue while as many ads are under way as may be."""
    await desk.publish(pictures=0)
    desk.simulator.fault("create", "slow", seconds=0.3, times=ByUrgency.most_publishings)
    others = [f"B{number}" for number in range(ByUrgency.most_publishings + 1)]
    for each in others:
        await desk.put(each, pictures=2)
    await until(lambda: desk.called()["create"] == 1 + ByUrgency.most_publishings)
    await desk.items.change_status(desk.account_id, "A", "not_listed")
    for each in others:
        await desk.reach(ListingState.COMMITTED, each)
    operations = desk.operations()
    assert operations.index("end") < len(operations) - 1 - operations[::-1].index("create")
    desk.forward(ASKS_AFTER_S)
    await desk.reach(ListingState.LIVE, others[-1])
