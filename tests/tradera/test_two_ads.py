"""One thing is never sold twice: commits that arrive late, ads that turn up though they were given up, and two at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from rheod.compose.loops import observed
from rheod.domain.model import JobKind, JobOrder, Listing, ListingState, QueueName, RheoStatus, TraderaStatus
from rheod.health.facts import gather_findings
from rheod.usecases.put_item import BatchEntry, BatchPut
from tests.desk import Desk
from tests.tradera.test_order_sync import order_created, push, reconcile
from tests.tradera.test_result_poller import ask
from tests.waiting import until


async def by_order(desk: Desk) -> None:
    """`rheod items publish`, `retry` and the dashboard."""
    await desk.items.order_publish(desk.account_id, "A")


async def by_put(desk: Desk) -> None:
    """The ERP corrects the item."""
    spec = (await desk.item()).spec
    await desk.items.put_item(desk.account_id, "A", replace(spec, title="Another title", auto_publish=True))


async def by_batch(desk: Desk) -> None:
    """The ERP sends all its items again."""
    spec = replace((await desk.item()).spec, description="In one go", auto_publish=True)
    assert await BatchPut(store=desk.store).put(desk.account_id, [BatchEntry("A", spec)]) == [None]


async def by_relisting(desk: Desk) -> None:
    """Delisted and wanted again."""
    await desk.items.change_status(desk.account_id, "A", "not_listed")
    await desk.items.order_publish(desk.account_id, "A")


WAYS = (by_order, by_put, by_batch, by_relisting)


async def unanswered_then_refused(desk: Desk) -> Listing:
    """The first commit gets no answer and is on its way, the second is refused, and Tradera says uncommitted once more."""
    desk.simulator.fault("commit", "reset")
    desk.simulator.fault("commit", "400")
    await desk.put(pictures=0)
    await until(lambda: desk.called().get("commit") == 1)
    await desk.idle()
    desk.forward(5)  # the pause of the queue
    await desk.idle()
    await ask(desk)
    await until(lambda: desk.called()["commit"] == 2)
    await desk.idle()
    await ask(desk, 20)
    return await desk.listing()


def arrives(desk: Desk, listing: Listing) -> None:
    """The first commit takes effect at last."""
    assert listing.request_id is not None
    desk.simulator.market.commit(desk.simulator.market.requests[listing.request_id])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("late_s", [25, 445])
async def test_a_late_commit_makes_one_ad_and_its_sale_is_told(
    desk: Desk, late_s: int, way: Callable[[Desk], Awaitable[None]]
) -> None:
    """However one tries to publish again in between: no failure is told, nothing is made anew, the late ad is the ad."""
    listing = await unanswered_then_refused(desk)
    assert listing.state is ListingState.COMMITTING
    await way(desk)
    desk.forward(late_s)
    await desk.idle()
    arrives(desk, listing)
    desk.forward(10)
    desk.simulator.market.settle()
    while (await desk.listing()).state is ListingState.COMMITTING:
        await ask(desk, 600)
    assert await desk.told("listing.failed") == []
    assert (desk.called()["create"], desk.called()["commit"]) == (1, 2)
    if way is by_relisting:
        await until(lambda: desk.simulator.live_items() == [])
        return
    (ad,) = desk.simulator.live_items()
    order_id = await desk.simulator.sell(ad.item_id)
    await push(desk, order_created(order_id, ad.item_id))
    await desk.reach(ListingState.SOLD)
    assert len(await desk.told("item.sold")) == 1


async def given_up(desk: Desk) -> Listing:
    """In doubt at the limit, and the owner has looked and said that there is no ad."""
    await desk.restart(doubt_s=3600)
    listing = await unanswered_then_refused(desk)
    while not (await desk.listing()).is_in_doubt:
        await ask(desk, 600)
    for way in (by_order, by_put, by_batch):
        if way is by_order:
            with pytest.raises(Exception, match="in doubt"):
                await way(desk)
        else:
            await way(desk)
    await desk.idle()
    assert desk.called()["create"] == 1
    answer = await desk.items.settle_listing(desk.account_id, "A", None)
    assert "two ads of one thing may be up" in answer
    assert (await desk.listing()).state is ListingState.REJECTED
    return listing


def comes_up(desk: Desk, listing: Listing) -> None:
    """The commit of the listing that was given up takes effect after all."""
    arrives(desk, listing)
    desk.forward(10)
    desk.simulator.market.settle()


async def findings(desk: Desk) -> set[str]:
    """The codes of all that is told to the owner."""
    return {each.code for each in await gather_findings(observed(desk.rheod.core, desk.rheod.loops.running))}


async def test_an_ad_that_was_given_up_is_taken_back(desk: Desk) -> None:
    """Nothing newer is there: it is the item's ad again, and nothing is published beside it."""
    listing = await given_up(desk)
    comes_up(desk, listing)
    await reconcile(desk)
    await desk.reach(ListingState.LIVE)
    item = await desk.item()
    assert (item.tradera_status, item.last_error) == (TraderaStatus.ACTIVE, None)
    await by_order(desk)
    await desk.idle()
    assert len(desk.simulator.live_items()) == 1
    assert desk.called()["create"] == 1


async def test_a_newer_publishing_that_waits_is_withdrawn(desk: Desk) -> None:
    """The given up ad comes up while the new one waits for its pictures: it is not made."""
    listing = await given_up(desk)
    comes_up(desk, listing)
    spec = (await desk.item()).spec
    await desk.items.put_item(
        desk.account_id, "A", replace(spec, image_urls=("https://shop.example/new.jpg",))
    )
    assert (await desk.listing()).generation == 2
    await reconcile(desk)
    assert (await desk.reach(ListingState.LIVE)).id == listing.id
    await desk.pictures_ready()
    await desk.idle()
    assert desk.called()["create"] == 1


async def two_up(desk: Desk, *, bid: bool = False) -> tuple[Listing, Listing]:
    """Published again after being given up, and then the first ad comes up as well; seen by the next pass."""
    older = await given_up(desk)
    await by_order(desk)
    await desk.reach(ListingState.COMMITTED)
    await ask(desk)
    newer = await desk.reach(ListingState.LIVE)
    if bid:
        desk.simulator.bid(newer.tradera_item_id or 0)
    comes_up(desk, older)
    assert len(desk.simulator.live_items()) == 2
    desk.forward(60)
    await reconcile(desk)
    return older, newer


async def test_of_two_ads_the_newer_is_ended(desk: Desk) -> None:
    """It has no bids: one ad is left, the older, and both listings are known."""
    older, newer = await two_up(desk)
    await until(lambda: len(desk.simulator.live_items()) == 1)
    await desk.idle()
    (ad,) = desk.simulator.live_items()
    assert ad.item_id == older.tradera_item_id
    assert (await desk.listing()).id == older.id
    assert (await desk.listing_by_id(newer.id)).state is ListingState.ENDED
    assert (await desk.item()).tradera_status is TraderaStatus.ACTIVE
    assert "listing.double" not in await findings(desk)
    order_id = await desk.simulator.sell(ad.item_id)
    await push(desk, order_created(order_id, ad.item_id))
    assert (await desk.reach(ListingState.SOLD)).id == older.id


async def test_after_two_ads_that_have_ended_the_item_is_published_anew(desk: Desk) -> None:
    """Both are down: the next publishing has a number of its own."""
    older, _ = await two_up(desk)
    await until(lambda: len(desk.simulator.live_items()) == 1)
    await desk.idle()
    desk.simulator.market.close(desk.simulator.market.listings[older.tradera_item_id or 0])
    desk.forward(60)
    await reconcile(desk)
    await desk.reach(ListingState.ENDED)
    await by_order(desk)
    assert (await desk.reach(ListingState.COMMITTED)).generation == 3


@pytest.mark.parametrize("newer_sells", [True, False])
async def test_two_ads_of_which_the_newer_has_bids_alarm_the_owner(desk: Desk, *, newer_sells: bool) -> None:
    """It cannot be ended: a finding and the item say so. Whichever sells, its sale is told and the other is to end."""
    older, newer = await two_up(desk, bid=True)
    await until(lambda: desk.called().get("end", 0) == 1)
    await desk.idle()
    assert "listing.double" in await findings(desk)
    assert "Two ads of this item are up" in ((await desk.item()).last_error or "")
    sold, other = (newer, older) if newer_sells else (older, newer)
    order_id = await desk.simulator.sell(sold.tradera_item_id or 0)
    await push(desk, order_created(order_id, sold.tradera_item_id or 0))
    await desk.idle()
    assert (await desk.listing_by_id(sold.id)).state is ListingState.SOLD
    assert (await desk.item()).rheo_status is RheoStatus.SOLD
    assert len(await desk.told("item.sold")) == 1
    assert desk.called()["end"] == 2
    state = (await desk.listing_by_id(other.id)).state
    assert state is (ListingState.ENDED if newer_sells else ListingState.LIVE)


async def test_the_other_ad_stands_for_the_item_once_the_older_has_ended(desk: Desk) -> None:
    """Nothing is published beside the newer one, and the owner can delist it."""
    older, newer = await two_up(desk, bid=True)
    await until(lambda: desk.called().get("end", 0) == 1)
    await desk.idle()
    desk.simulator.market.close(desk.simulator.market.listings[older.tradera_item_id or 0])
    desk.forward(60)
    await reconcile(desk)
    assert (await desk.listing_by_id(older.id)).state is ListingState.ENDED
    found = await desk.listing()
    assert (found.id, found.surplus) == (newer.id, False)
    assert (await desk.item()).tradera_status is TraderaStatus.ACTIVE
    await by_order(desk)
    await desk.idle()
    assert desk.called()["create"] == 2


async def test_a_newer_one_in_doubt_is_ended_when_it_goes_live(desk: Desk) -> None:
    """The second publishing waits for Tradera's queue when the first ad comes up: it is ended as soon as it is there."""
    older = await given_up(desk)
    desk.simulator.processing_delay_s = 3600
    await by_order(desk)
    newer = await desk.reach(ListingState.COMMITTED)
    desk.simulator.market.publish(desk.simulator.market.requests[older.request_id or 0])
    await reconcile(desk)
    assert (await desk.listing()).id == older.id
    desk.forward(3600)
    desk.simulator.market.settle()
    while (await desk.listing_by_id(newer.id)).state is not ListingState.ENDED:
        desk.forward(600)
        await desk.idle()
    assert [each.item_id for each in desk.simulator.live_items()] == [older.tradera_item_id]
    assert (await desk.item()).tradera_status is TraderaStatus.ACTIVE


async def test_an_ad_of_a_sold_item_that_turns_up_is_ended(desk: Desk) -> None:
    """Sold elsewhere meanwhile: it comes down again at once."""
    listing = await given_up(desk)
    await desk.items.change_status(desk.account_id, "A", "sold")
    comes_up(desk, listing)
    await reconcile(desk)
    await until(lambda: desk.simulator.live_items() == [])
    await desk.idle()
    assert (await desk.listing()).state is ListingState.ENDED
    assert (await desk.item()).rheo_status is RheoStatus.SOLD


async def test_a_look_at_a_given_up_ad_that_is_not_there_is_made_once(desk: Desk) -> None:
    """It costs one call, and is ordered again by the next change that Tradera tells of."""
    listing = await given_up(desk)
    await desk.idle()
    before = desk.called()
    await desk.order(JobOrder(queue=QueueName.TRADERA, kind=JobKind.LOOK, subject=listing.id))
    await desk.idle()
    assert desk.called()["read_item"] == before["read_item"] + 1
    assert await desk.waiting_jobs("look") == []
