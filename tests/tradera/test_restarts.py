"""Ads that their seller starts again in My Tradera are followed; of two of one thing one is ended; sold twice is told."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from rheod.compose.loops import observed
from rheod.domain.model import Listing, ListingState, RheoStatus, TraderaStatus
from rheod.domain.relist import RelistRule, Then
from rheod.health.facts import gather_findings
from rheod.pictures.folder import GarbageCollector
from rheod.sandbox.tradera_market import SimulatedAd
from rheod.store import accounts, ads
from tests.desk import SELLER_ID, Desk
from tests.tradera.test_order_sync import order_created, push, reconcile
from tests.tradera.test_relister import DAY_S, RULE, comes_back, ends_unsold, planned, ruled
from tests.tradera.test_take_over import begin_from_a_copy


def ad_of(desk: Desk, listing: Listing) -> SimulatedAd:
    """The listing's ad at Tradera."""
    return desk.simulator.market.listings[listing.tradera_item_id or 0]


def restart(desk: Desk, listing: Listing) -> SimulatedAd:
    """The seller starts the listing's ad again in My Tradera: it gets another number and keeps its reference."""
    again = desk.simulator.market.restart(ad_of(desk, listing))
    desk.forward(desk.simulator.processing_delay_s + 60)
    desk.simulator.market.settle()
    return again


async def codes(desk: Desk) -> set[str]:
    """What is told to the owner."""
    return {each.code for each in await gather_findings(observed(desk.rheod.core, desk.rheod.loops.running))}


async def test_a_restarted_ad_is_the_items_next_listing(desk: Desk) -> None:
    """Nothing of ours was under way: it is live, its sale is told, and nothing is published beside it."""
    first = await desk.publish(pictures=0)
    await ends_unsold(desk)
    again = restart(desk, first)
    await reconcile(desk)
    listing = await desk.reach(ListingState.LIVE)
    assert (listing.generation, listing.tradera_item_id, listing.price_kr) == (2, again.item_id, 100)
    assert (await desk.item()).tradera_status is TraderaStatus.ACTIVE
    assert [each["traderaAdId"] for each in await desk.told("listing.created")] == [
        str(first.tradera_item_id),
        str(again.item_id),
    ]
    await desk.items.order_publish(desk.account_id, "A")
    await desk.idle()
    assert desk.called()["create"] == 1
    order_id = await desk.simulator.sell(again.item_id)
    await push(desk, order_created(order_id, again.item_id))
    assert (await desk.reach(ListingState.SOLD)).id == listing.id
    assert (await desk.told("item.sold"))[0]["traderaAdId"] == str(again.item_id)


async def test_a_restarted_ad_goes_on_with_the_ladder_of_the_one_before(desk: Desk) -> None:
    """No planned return goes out beside it, and the next one counts from the first price."""
    await ruled(desk)
    await desk.publish(pictures=0, price_ore=10_000)
    await ends_unsold(desk)
    await comes_back(desk)
    second = await desk.listing()
    await ends_unsold(desk)
    restart(desk, second)
    await reconcile(desk)
    assert await planned(desk) is None
    third = await desk.reach(ListingState.LIVE)
    assert (third.generation, third.price_kr) == (3, 90)
    desk.forward(15 * DAY_S)
    await reconcile(desk)
    back = await planned(desk)
    assert back is not None
    assert (back.ladder.attempt, back.ladder.price_kr, back.ladder.first_kr) == (2, 80, 100)
    assert desk.called()["create"] == 2


@pytest.mark.parametrize("rule", [None, RULE])
async def test_a_restarted_ad_gets_the_price_that_was_given_while_it_was_down(
    desk: Desk, rule: RelistRule | None
) -> None:
    """My Tradera starts it again at the price of before; what the ERP has said since is the truth, and begins a ladder anew."""
    if rule is not None:
        await ruled(desk, rule)
    first = await desk.publish(pictures=0, price_ore=10_000)
    await ends_unsold(desk)
    await desk.items.change_price(desk.account_id, "A", 15_000)
    again = restart(desk, first)
    await reconcile(desk)
    await desk.idle()
    assert again.opening == 150
    assert (await desk.listing()).price_kr == 150


async def test_a_restarted_ad_keeps_the_price_that_its_seller_gave_it_there(desk: Desk) -> None:
    first = await desk.publish(pictures=0, price_ore=10_000)
    await ends_unsold(desk)
    ad_of(desk, first).opening = 70
    again = restart(desk, first)
    await reconcile(desk)
    await desk.idle()
    assert again.opening == 70


@pytest.mark.parametrize(("bids_on_ours", "bids_on_restarted"), [(0, 0), (1, 0), (0, 1), (1, 1)])
async def test_of_two_ads_the_one_without_bids_is_ended(
    desk: Desk, bids_on_ours: int, bids_on_restarted: int
) -> None:
    """The seller restarts the first ad though its return is up: with bids on both the owner is told."""
    await ruled(desk)
    first = await desk.publish(pictures=0, price_ore=10_000)
    await ends_unsold(desk)
    await comes_back(desk)
    ours = ad_of(desk, await desk.listing())
    again = restart(desk, first)
    for ad, count in ((ours, bids_on_ours), (again, bids_on_restarted)):
        if count:
            desk.simulator.bid(ad.item_id)
    await reconcile(desk)
    left = {each.item_id for each in desk.simulator.live_items()}
    if bids_on_ours and bids_on_restarted:
        assert left == {ours.item_id, again.item_id}
        assert "listing.double" in await codes(desk)
        return
    assert left == {again.item_id if bids_on_restarted else ours.item_id}
    assert (await desk.listing()).tradera_item_id in left
    assert (await desk.item()).tradera_status is TraderaStatus.ACTIVE
    assert "listing.double" not in await codes(desk)


@pytest.mark.parametrize("way", ["sold", "not_listed"])
async def test_a_restarted_ad_of_what_is_gone_is_ended(desk: Desk, way: str) -> None:
    """Sold elsewhere, or delisted after the restart: it would be sold twice."""
    first = await desk.publish(pictures=0)
    await ends_unsold(desk)
    restart(desk, first)
    await desk.items.change_status(desk.account_id, "A", way)  # type: ignore[arg-type]
    await reconcile(desk)
    assert desk.simulator.live_items() == []
    assert (await desk.item()).rheo_status is RheoStatus(way)


async def test_what_was_delisted_before_its_seller_started_it_again_is_for_sale(desk: Desk) -> None:
    """The last word is the one in My Tradera."""
    first = await desk.publish(pictures=0)
    await ends_unsold(desk)
    await desk.items.change_status(desk.account_id, "A", "not_listed")
    desk.forward(60)
    restart(desk, first)
    await reconcile(desk)
    assert (await desk.reach(ListingState.LIVE)).generation == 2
    assert (await desk.item()).rheo_status is RheoStatus.ACTIVE


async def test_the_sellers_own_ads_cost_one_look_each(desk: Desk) -> None:
    """However often they change."""
    await desk.publish(pictures=0)
    mine = desk.simulator.list_by_hand(seller_id=SELLER_ID, title="Not of rheod")
    desk.forward(60)
    await reconcile(desk)
    looks = desk.called()["read_item"]
    desk.simulator.bid(mine)
    desk.forward(60)
    await reconcile(desk)
    assert desk.called()["read_item"] == looks == 1
    assert await desk.store.read(lambda db: ads.others_to_look_at(db, desk.account_id, limit=9)) == []


async def test_a_restored_rheod_takes_a_restarted_ad_for_ours(desk: Desk) -> None:
    """Its reference is that of an earlier ad of the item: nothing is hidden, so that publishing goes on."""
    first = await desk.publish(pictures=0)
    await ends_unsold(desk)
    restart(desk, first)
    await reconcile(desk)
    await begin_from_a_copy(desk)
    desk.forward(3601)
    await desk.idle()
    assert await desk.database.read(lambda db: accounts.find(db, desk.account_id)) is None
    assert len(desk.simulator.live_items()) == 1


async def test_the_case_of_an_owner_who_restarts_and_publishes(desk: Desk) -> None:
    """Ended unsold, restarted in My Tradera, told of by push, published again: one ad is up."""
    first = await desk.publish(pictures=0)
    number = first.tradera_item_id or 0
    await desk.simulator.end_unsold(number, push=False)
    restart(desk, first)
    closed = {"Type": "ItemClosed", "ItemId": number, "SellerMemberId": SELLER_ID}
    await push(desk, json.dumps({**closed, "Reason": "ItemEndedWithoutBuyer"}))
    desk.forward(120)
    await desk.idle()
    await desk.items.order_publish(desk.account_id, "A")
    await desk.idle()
    await reconcile(desk)
    (ad,) = desk.simulator.live_items()
    assert (await desk.reach(ListingState.LIVE)).tradera_item_id == ad.item_id


# What the owner is told of, and what is kept, while things come back


async def test_a_rule_that_only_tells_and_a_refused_return_are_findings(desk: Desk) -> None:
    """At the end of the ladder the owner decides; what Tradera refuses is mended and tried again."""
    await ruled(desk, replace(RULE, times=1, then=Then.TELL))
    await desk.publish(pictures=0)
    await ends_unsold(desk)
    desk.simulator.fault("create", "400", times=1)
    desk.forward(DAY_S + 1)
    await desk.idle()
    assert (await desk.listing()).state is ListingState.REJECTED
    assert "item.failed" in await codes(desk)
    await desk.items.order_publish(desk.account_id, "A")
    await comes_back(desk, 3)
    assert (await desk.listing()).price_kr == 90
    assert "relist.over" not in await codes(desk)
    await ends_unsold(desk)
    assert "relist.over" in await codes(desk)
    await desk.items.change_status(desk.account_id, "A", "not_listed")
    assert "relist.over" not in await codes(desk)


async def test_pictures_of_what_may_come_back_stay_though_there_is_no_room(desk: Desk) -> None:
    """Planned, or held, or at the end of its ladder: it may be put up again."""
    await ruled(desk)
    await desk.publish(pictures=1)
    await ends_unsold(desk)
    collector = GarbageCollector(store=desk.store, pictures_dir=desk.folder, most_bytes=1, young_s=0)
    await collector.make_round()
    await comes_back(desk)
    assert desk.called()["image"] == 2
    ad = ad_of(desk, await desk.listing())
    order_id = await desk.simulator.sell(ad.item_id)
    await push(desk, order_created(order_id, ad.item_id))
    await desk.reach(ListingState.SOLD)
    assert len(list(desk.folder.rglob("*.jpg"))) == 1
    await collector.make_round()
    assert list(desk.folder.rglob("*.jpg")) == []


# A late sale of an earlier ad


async def late_sale(desk: Desk, *, bid: bool) -> tuple[SimulatedAd, SimulatedAd]:
    """A purchase request for the first ad is accepted though its return is up; with or without a bid."""
    await ruled(desk)
    first = ad_of(desk, await desk.publish(pictures=0))
    await ends_unsold(desk)
    await comes_back(desk)
    newer = ad_of(desk, await desk.listing())
    if bid:
        desk.simulator.bid(newer.item_id)
    first.closed, first.end_ms = False, first.end_ms + 90 * DAY_S * 1000
    order_id = await desk.simulator.sell(first.item_id, push=False)
    await push(desk, order_created(order_id, first.item_id))
    await desk.idle()
    return first, newer


async def test_a_late_sale_ends_the_newer_ad(desk: Desk) -> None:
    """It has no bids."""
    await late_sale(desk, bid=False)
    assert desk.simulator.live_items() == []
    assert await desk.told("sale.conflict") == []
    assert (await desk.item()).rheo_status is RheoStatus.SOLD
    assert not {"sale.conflict", "sale.twice"} & await codes(desk)


async def test_a_late_sale_with_bids_on_the_newer_ad_is_told_at_once_and_when_both_are_sold(
    desk: Desk,
) -> None:
    """Finding, event, and both listings stay known."""
    first, newer = await late_sale(desk, bid=True)
    (told,) = await desk.told("sale.conflict")
    assert told["traderaAdId"] == str(newer.item_id)
    assert "sale.conflict" in await codes(desk)
    order_id = await desk.simulator.sell(newer.item_id, push=False)
    await push(desk, order_created(order_id, newer.item_id))
    await desk.idle()
    _, twice = await desk.told("sale.conflict")
    assert (twice["traderaAdId"], twice["otherAdId"]) == (str(newer.item_id), str(first.item_id))
    assert twice["orderId"] == str(order_id)
    assert "sale.twice" in await codes(desk)
    assert len(await desk.told("item.sold")) == 2
    types = [each["type"] for each in await _events(desk) if each["type"] in {"item.sold", "sale.conflict"}]
    assert types == ["item.sold", "sale.conflict", "item.sold", "sale.conflict"]


async def test_a_late_sale_leaves_no_job_of_what_was_about_to_go_out(desk: Desk) -> None:
    """It had been published by hand again, and was held since the order of its first ad could not be read."""
    first = await desk.publish(pictures=0)
    number = first.tradera_item_id or 0
    await ends_unsold(desk)
    ad = ad_of(desk, first)
    ad.closed, ad.end_ms = False, ad.end_ms + 90 * DAY_S * 1000
    order_id = await desk.simulator.sell(number, push=False)
    desk.simulator.fault("create", "500", times=99)
    await desk.items.order_publish(desk.account_id, "A")
    await desk.idle()
    await desk.database.write(lambda db: db.execute("UPDATE jobs SET state = 'held' WHERE kind = 'publish'"))
    await push(desk, order_created(order_id, number))
    await desk.idle()
    assert (await desk.item()).rheo_status is RheoStatus.SOLD
    assert (await desk.listing()).state is ListingState.WITHDRAWN
    assert await desk.waiting_jobs("publish") == []


async def _events(desk: Desk) -> list[dict[str, str]]:
    def read(db: object) -> list[dict[str, str]]:
        return [dict(row) for row in db.execute("SELECT type FROM notices ORDER BY seq").fetchall()]  # type: ignore[attr-defined]

    return await desk.store.read(read)
