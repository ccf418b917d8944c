"""Unsold ads come back by the owner's rule: as planned, cheaper, once, and never where the thing may be sold or still up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rheod.domain.errors import Refused
from rheod.domain.model import ListingState, RelistWish, RheoStatus, TraderaStatus, TraderaWish
from rheod.domain.relist import RelistRule, Then
from rheod.store import ads
from rheod.store.ads import PlannedReturn
from rheod.usecases import relisting
from rheod.usecases.relisting import MOST_ALIKE, Relisting
from tests.desk import CATEGORY, Desk
from tests.tradera.test_order_sync import order_created, push, reconcile
from tests.waiting import until

RULE = RelistRule(enabled=True, floor=50, times=2)
DAY_S = 24 * 3600


async def ruled(desk: Desk, rule: RelistRule = RULE) -> None:
    """The owner has this rule."""
    await desk.store.write(lambda tx: relisting.note_settings(tx.db, rule))


async def ends_unsold(desk: Desk) -> None:
    """The item's ad ends without a buyer, and rheod is told."""
    listing = await desk.listing()
    assert listing.tradera_item_id is not None
    await desk.simulator.end_unsold(listing.tradera_item_id, push=False)
    desk.forward(8 * DAY_S)
    await reconcile(desk)
    await desk.idle()


async def planned(desk: Desk) -> PlannedReturn | None:
    """What is planned for the item."""
    item = await desk.item()
    return await desk.store.read(lambda db: ads.return_of_item(db, item.id))


async def comes_back(desk: Desk, generation: int = 2) -> None:
    """A day later its next ad is up."""
    desk.forward(DAY_S + 1)

    async def back() -> bool:
        listing = await desk.listing()
        return listing.generation == generation and listing.state is ListingState.LIVE

    while not await back():
        await desk.idle()
        desk.forward(11)


async def test_an_unsold_ad_comes_back_a_day_later_at_the_first_step(desk: Desk) -> None:
    await ruled(desk)
    first = await desk.publish(pictures=1, price_ore=10_000)
    await ends_unsold(desk)
    back = await planned(desk)
    assert back is not None
    assert back.ladder.price_kr == 90
    assert desk.called()["create"] == 1
    await comes_back(desk)
    assert await planned(desk) is None
    (ad,) = desk.simulator.live_items()
    assert ad.opening == 90
    assert (await desk.item()).spec.price_ore == 10_000
    (ended,) = await desk.told("listing.ended")
    assert ended["willRelistAt"] is not None
    (relisted,) = await desk.told("listing.relisted")
    assert relisted == {
        "traderaAdId": str(ad.item_id),
        "attempt": 1,
        "previousAdId": str(first.tradera_item_id),
        "price": 90,
        "previousPrice": 100,
        "reason": "lowered to 90: return 1 of 2",
    }


async def test_after_its_last_return_the_item_is_not_listed_and_says_why(desk: Desk) -> None:
    await ruled(desk)
    await desk.publish(pictures=0, price_ore=10_000)
    for generation in (2, 3):
        await ends_unsold(desk)
        await comes_back(desk, generation)
    await ends_unsold(desk)
    assert await planned(desk) is None
    assert (await desk.item()).rheo_status is RheoStatus.NOT_LISTED
    (stopped,) = await desk.told("relist.stopped")
    assert stopped["reason"] == "not relisted: times it has come back: 2"


async def test_a_rule_that_only_tells_leaves_the_item_with_its_reason(desk: Desk) -> None:
    await ruled(desk, replace(RULE, times=0, then=Then.TELL))
    await desk.publish(pictures=0)
    await ends_unsold(desk)
    item = await desk.item()
    assert item.rheo_status is RheoStatus.ACTIVE
    assert item.last_error is not None
    assert "It is yours to decide" in item.last_error


async def test_an_item_says_itself_that_it_comes_back(desk: Desk) -> None:
    wish = TraderaWish(category_id=CATEGORY, relist=RelistWish(enabled=True, floor_kr=95))
    await desk.publish(pictures=0, price_ore=10_000, tradera=wish)
    await ends_unsold(desk)
    await comes_back(desk)
    (ad,) = desk.simulator.live_items()
    assert ad.opening == 95


@pytest.mark.parametrize("way", ["sold", "not_listed", "deleted"])
async def test_what_the_owner_takes_away_never_comes_back(desk: Desk, way: str) -> None:
    await ruled(desk)
    await desk.publish(pictures=0)
    await ends_unsold(desk)
    if way == "deleted":
        await desk.items.delete_item(desk.account_id, "A")
    else:
        await desk.items.change_status(desk.account_id, "A", way)  # type: ignore[arg-type]
    assert await desk.waiting_jobs("relist") == []
    desk.forward(2 * DAY_S)
    await desk.idle()
    assert desk.called()["create"] == 1
    assert desk.simulator.live_items() == []


async def test_a_held_return_waits_for_its_owner(desk: Desk) -> None:
    await ruled(desk)
    await desk.publish(pictures=0)
    await ends_unsold(desk)
    owner = Relisting(store=desk.store)
    await owner.hold(desk.account_id, "A", held=True)
    desk.forward(3 * DAY_S)
    await desk.idle()
    assert desk.called()["create"] == 1
    await owner.hold(desk.account_id, "A", held=False)
    await comes_back(desk)


async def test_a_pause_of_all_holds_what_is_planned_and_what_ends_in_it(desk: Desk) -> None:
    await ruled(desk)
    await desk.publish(pictures=0)
    owner = Relisting(store=desk.store)
    await owner.pause_all(paused=True)
    await ends_unsold(desk)
    desk.forward(3 * DAY_S)
    await desk.idle()
    assert desk.called()["create"] == 1
    await owner.pause_all(paused=False)
    await comes_back(desk)


async def test_publishing_by_hand_starts_anew_at_the_items_price(desk: Desk) -> None:
    await ruled(desk)
    await desk.publish(pictures=0, price_ore=10_000)
    await ends_unsold(desk)
    await desk.items.order_publish(desk.account_id, "A")
    await comes_back(desk)
    listing = await desk.listing()
    assert (listing.generation, listing.ladder, listing.price_kr) == (2, None, 100)
    assert await planned(desk) is None
    assert await desk.waiting_jobs("relist") == []


async def test_another_price_of_the_erp_begins_the_ladder_anew_and_the_same_price_changes_nothing(
    desk: Desk,
) -> None:
    await ruled(desk)
    await desk.publish(pictures=0, price_ore=10_000)
    await ends_unsold(desk)
    await comes_back(desk)
    await desk.items.change_price(desk.account_id, "A", 10_000)
    await desk.idle()
    assert (await desk.listing()).price_kr == 90
    await desk.items.change_price(desk.account_id, "A", 20_000)

    async def repriced() -> bool:
        return (await desk.listing()).price_kr == 200

    await until(repriced)
    ladder = (await desk.listing()).ladder
    assert ladder is not None
    assert (ladder.attempt, ladder.first_kr, ladder.price_kr) == (0, 200, 200)


async def test_a_price_that_changes_while_the_return_waits_is_asked(desk: Desk) -> None:
    await ruled(desk)
    await desk.publish(pictures=0, price_ore=10_000)
    await ends_unsold(desk)
    await desk.items.change_price(desk.account_id, "A", 30_000)
    await comes_back(desk)
    (ad,) = desk.simulator.live_items()
    assert ad.opening == 300


async def test_an_order_for_the_ended_ad_stops_its_return(desk: Desk) -> None:
    """A purchase request that the seller accepted after the end."""
    await ruled(desk)
    listing = await desk.publish(pictures=0)
    await ends_unsold(desk)
    ad = desk.simulator.market.listings[listing.tradera_item_id or 0]
    ad.closed, ad.end_ms = False, ad.end_ms + 30 * DAY_S * 1000
    order_id = await desk.simulator.sell(listing.tradera_item_id or 0)
    await push(desk, order_created(order_id, listing.tradera_item_id or 0))
    await desk.reach(ListingState.SOLD)
    desk.forward(3 * DAY_S)
    await desk.idle()
    assert desk.called()["create"] == 1
    assert (await desk.item()).tradera_status is TraderaStatus.SOLD


async def test_an_ad_that_is_still_up_is_not_put_up_twice(desk: Desk) -> None:
    """An end was told that is not true."""
    await ruled(desk)
    listing = await desk.publish(pictures=0)
    await ends_unsold(desk)
    ad = desk.simulator.market.listings[listing.tradera_item_id or 0]
    ad.closed, ad.end_ms = False, ad.end_ms + 30 * DAY_S * 1000
    desk.forward(2 * DAY_S)
    await desk.idle()
    assert desk.called()["create"] == 1
    assert "still up" in (await desk.waiting_jobs("relist"))[0]["reason"]


async def test_without_a_rule_nothing_comes_back(desk: Desk) -> None:
    await desk.publish(pictures=0)
    await ends_unsold(desk)
    assert await planned(desk) is None
    with pytest.raises(Refused, match="No return is planned"):
        await Relisting(store=desk.store).hold(desk.account_id, "A", held=True)


async def test_the_plan_says_what_a_day_takes_and_what_does_not_fit(desk: Desk) -> None:
    """Two ads of one and of two pictures: create, pictures, commit, result and two looks each."""
    await ruled(desk)
    for name, pictures in (("A", 1), ("B", 2)):
        await desk.publish(name, pictures=pictures)
        listing = await desk.listing(name)
        await desk.simulator.end_unsold(listing.tradera_item_id or 0, push=False)
    desk.forward(8 * DAY_S)
    await reconcile(desk)
    await desk.idle()
    returns = await Relisting(store=desk.store).plan_until([desk.account_id], 2**53)
    (day,) = relisting.by_day(returns, lambda _method: 10_000)
    assert (day.ads, day.calls, day.too_many) == (2, 13, 0)
    (short,) = relisting.by_day(returns, lambda method: 1 if method == "create" else None)
    assert short.too_many == 1
    held = [replace(each, held=True) for each in returns]
    assert relisting.by_day(held, lambda _method: 1) == []


async def test_a_message_of_an_order_that_comes_while_tradera_is_asked_stops_a_return(desk: Desk) -> None:
    """The ad looks unsold and the message says otherwise: nothing is offered again before that is settled."""
    await ruled(desk)
    first = await desk.publish(pictures=1, price_ore=10_000)
    await ends_unsold(desk)
    desk.simulator.fault("orders_by_id", "429")
    desk.simulator.fault("read_item", "slow", seconds=0.5)
    looked = desk.called().get("read_item", 0)
    desk.forward(DAY_S + 1)
    await until(lambda: desk.called().get("read_item", 0) > looked)
    assert first.tradera_item_id is not None
    await push(desk, order_created(999, first.tradera_item_id))
    await desk.idle()
    assert (await desk.listing()).generation == 1
    assert await planned(desk) is not None


async def test_a_price_that_bids_kept_from_the_ad_is_what_its_return_asks(desk: Desk) -> None:
    """Bids below the reserve: Tradera changes no price then, and the ad ends unsold."""
    await ruled(desk)
    wish = TraderaWish(category_id=CATEGORY, reserve_ore=90_000)
    await desk.publish(pictures=0, price_ore=10_000, tradera=wish)
    desk.simulator.bid((await desk.listing()).tradera_item_id or 0)
    await desk.items.change_price(desk.account_id, "A", 15_000)
    await desk.idle()
    assert (await desk.listing()).price_kr == 100
    await ends_unsold(desk)
    back = await planned(desk)
    assert back is not None
    assert (back.ladder.attempt, back.ladder.price_kr) == (0, 150)
    await comes_back(desk)
    assert (await desk.listing()).price_kr == 150


async def test_no_more_look_alikes_come_back_than_tradera_takes_though_all_are_due_at_once(
    desk: Desk,
) -> None:
    """Six of one title, text and price end together: five come back, and the sixth when one of them is gone."""
    await ruled(desk)
    names = [f"A{n}" for n in range(MOST_ALIKE + 1)]
    for name in names:
        await desk.put(name, pictures=0, title="Kopp")
        await desk.reach(ListingState.COMMITTED, name)
    desk.forward(11)
    for name in names:
        await desk.reach(ListingState.LIVE, name)
    desk.forward(8 * DAY_S)
    desk.simulator.market.settle()
    await reconcile(desk)
    desk.forward(DAY_S + 1)
    for _ in range(4):
        await desk.idle()
        desk.forward(61)
    assert len(desk.simulator.live_items()) == MOST_ALIKE


async def test_a_refusal_to_show_the_ended_ad_puts_its_return_off(desk: Desk) -> None:
    """It says nothing of the ad, so nothing is given up: an hour later it is asked again."""
    await ruled(desk)
    await desk.publish(pictures=0)
    await ends_unsold(desk)
    desk.simulator.fault("read_item", "400", times=1)
    desk.forward(DAY_S + 1)
    await desk.idle()
    (job,) = await desk.waiting_jobs("relist")
    assert job["state"] == "due"
    assert "does not show" in job["reason"]
    desk.forward(3601)
    await comes_back(desk)
