"""What push has missed: the passes that find sales and ends, and what they do not spend calls on."""

from __future__ import annotations

import pytest

from rheod.domain.model import CallClass, ListingState, TraderaWish
from rheod.store import key_value, ledger
from tests.desk import CATEGORY, HOUR_MS, Desk
from tests.stores import rows
from tests.tradera.test_order_sync import live, order_created, push, reconcile
from tests.waiting import until

DAY_S = 24 * 3600
PASS_S = 900


async def test_nothing_committed_means_no_call(desk: Desk) -> None:
    """With no ad of ours at Tradera a pass spends nothing and comes again at its interval."""
    await reconcile(desk)
    assert desk.called() == {}
    (job,) = await desk.waiting_jobs("reconcile")
    assert job["due_at"] == desk.clock() + 900_000


async def test_a_pass_finds_a_sale_that_push_missed(desk: Desk) -> None:
    """No message came: the order is found by its last update and sells the item."""
    ad = await live(desk)
    order_id = await desk.simulator.sell(ad, 700, push=False)
    await reconcile(desk)
    await desk.reach(ListingState.SOLD)
    (sold,) = await desk.told("item.sold")
    assert sold["orderId"] == str(order_id)
    assert await desk.told("listing.ended") == []


async def test_a_pass_finds_sales_of_days_without_rheod(desk: Desk) -> None:
    """Five days away, longer than SQS keeps messages: nothing is lost."""
    ad = await live(desk)
    await reconcile(desk)
    await desk.simulator.sell(ad, 700, push=False)
    await desk.stop()
    desk.forward(5 * 24 * 3600)
    await desk.start()
    await reconcile(desk)
    await desk.reach(ListingState.SOLD)


async def test_a_pass_finds_ads_that_were_closed(desk: Desk) -> None:
    """An ad taken down in My Tradera without a message has ended, before its time by the seller."""
    ad = await live(desk)
    await desk.simulator.close(ad, push=False)
    await reconcile(desk)
    await desk.reach(ListingState.ENDED)
    (ended,) = await desk.told("listing.ended")
    assert ended == {"traderaAdId": str(ad), "reason": "closed_by_seller"}


async def test_a_pass_finds_ads_that_ran_out(desk: Desk) -> None:
    """An ad past its end whose closing nobody told is read and has ended without bids."""
    await live(desk)
    await reconcile(desk)
    desk.forward(7 * 24 * 3600 + 2 * 3600)
    await desk.idle()
    await desk.reach(ListingState.ENDED)
    (ended,) = await desk.told("listing.ended")
    assert ended["reason"] == "no_bids"


async def test_an_overdue_ad_tradera_does_not_know_is_ended_and_not_asked_for_again(desk: Desk) -> None:
    """404 to an ad whose time is over: nobody can bid on it, and no order tells of it."""
    await live(desk)
    await reconcile(desk)
    desk.simulator.fault("read_item", "404")
    desk.forward(7 * 24 * 3600 + 2 * 3600)
    await desk.idle()
    await desk.reach(ListingState.ENDED)
    (ended,) = await desk.told("listing.ended")
    assert ended["reason"] == "no_bids"
    desk.forward(900)
    await desk.idle()
    assert desk.called()["read_item"] == 1


async def test_a_sold_ad_without_its_order_is_not_called_unsold(desk: Desk) -> None:
    """The ad has a winner and the order is not visible yet: wait for it, say nothing."""
    ad = await live(desk)
    order_id = await desk.simulator.sell(ad, 700, push=False)
    hidden = desk.simulator.orders.pop(order_id)
    await reconcile(desk)
    assert (await desk.listing()).state is ListingState.LIVE
    desk.simulator.orders[order_id] = hidden
    desk.forward(900)
    await desk.reach(ListingState.SOLD)
    assert await desk.told("listing.ended") == []


async def test_a_closed_ad_waits_for_the_order_that_was_told_of_it(desk: Desk) -> None:
    """Push has told of an order that cannot be looked up yet: the pass does not call the ad unsold."""
    ad = await live(desk)
    await desk.simulator.close(ad, push=False)
    await push(desk, order_created(999, ad))
    await until(lambda: desk.called().get("orders_by_id") == 1)
    await reconcile(desk)
    assert desk.called()["orders"] == 1
    assert (await desk.listing()).state is ListingState.LIVE


async def test_passes_come_at_their_interval_and_ask_from_the_cursors_on(desk: Desk) -> None:
    """The second pass asks for what is newer than the first saw; a pass on quiet ads costs two calls."""
    await live(desk)
    await reconcile(desk)
    assert (desk.called()["updated_items"], desk.called()["orders"]) == (1, 1)
    desk.forward(899)
    await desk.idle()
    assert desk.called()["orders"] == 1
    desk.forward(1)
    await until(lambda: desk.called()["orders"] == 2)
    await desk.idle()
    paths = [call.path for call in desk.simulator.calls]
    assert len(paths) == 3 + 2 * 2 + desk.called().get("seller_items", 0)
    marks = {row["name"]: row["value"] for row in await rows(desk.database, "SELECT * FROM marks")}
    assert marks[f"row_version:{desk.account_id}"] == "1"
    assert marks[f"reconciled_until:{desk.account_id}"] == str(desk.clock())


async def test_restarts_in_a_row_do_not_spend_a_pass_each(desk: Desk) -> None:
    """A pass was made less than a minute ago: the next waits for its interval."""
    await live(desk)
    await reconcile(desk)
    spent = desk.called()
    await desk.restart()
    desk.forward(30)
    await reconcile(desk)
    assert desk.called() == spent


async def test_a_pass_that_breaks_off_loses_nothing(desk: Desk) -> None:
    """The cursor moves with the end of a pass: an ad seen changed in a pass that failed is seen again."""
    ad = await live(desk)
    await desk.simulator.close(ad, push=False)
    desk.simulator.fault("orders", "reset")
    await reconcile(desk)
    assert (await desk.listing()).state is ListingState.LIVE
    desk.forward(5)
    await desk.reach(ListingState.ENDED)


async def test_a_refused_pass_is_made_again_with_growing_gaps(desk: Desk) -> None:
    """400 in a pass ends reconciliation neither for good nor for a whole interval, and a good pass ends the gaps."""
    ad = await live(desk)
    await desk.simulator.sell(ad, 700, push=False)
    desk.simulator.fault("orders", "400", times=2)
    await reconcile(desk)
    for passes, gap_s in ((1, 5), (2, 15)):
        assert desk.called().get("orders") == passes
        desk.forward(gap_s - 1)
        await desk.idle()
        assert desk.called().get("orders") == passes
        desk.forward(1)
        await desk.idle()
    await desk.reach(ListingState.SOLD)
    assert desk.called().get("orders") == 3
    desk.forward(899)
    await desk.idle()
    assert desk.called().get("orders") == 3


async def test_a_pass_ordered_right_after_another_is_made_within_the_minute(desk: Desk) -> None:
    """Who looks for an order does not wait for the next interval because a pass was just made."""
    ad = await live(desk)
    await reconcile(desk)
    order_id = await desk.simulator.sell(ad, 700, push=False)
    await reconcile(desk)
    assert desk.called()["orders"] == 1
    desk.forward(60)
    await desk.reach(ListingState.SOLD)
    (sold,) = await desk.told("item.sold")
    assert sold["orderId"] == str(order_id)


async def test_a_pass_keeps_to_its_share(desk: Desk) -> None:
    """With the share nearly spent no pass is begun that could not be finished."""
    await live(desk)
    call = ledger.LedgerCall(call_class=CallClass.RECONCILE, operation="orders", account_id=desk.account_id)
    for _ in range(18):
        await desk.store.write(lambda tx: ledger.open_call(tx.db, call, now=tx.now))
    await desk.restart(daily_calls=100, reconcile_share=0.2)
    await reconcile(desk)
    assert "updated_items" not in desk.called()


async def last_pass(desk: Desk, at_ms: int) -> None:
    """Have the last good pass at this time."""
    name = f"reconciled_until:{desk.account_id}"
    await desk.store.write(lambda tx: key_value.put(tx.db, name, str(at_ms)))


async def test_a_pass_in_the_future_is_none(desk: Desk) -> None:
    """A clock that was a day ahead wrote the time of the last pass: what was sold since is found, and at once."""
    ad = await live(desk)
    await desk.simulator.sell(ad, 700, push=False)
    desk.forward(3 * 3600)
    await last_pass(desk, desk.clock() + 24 * HOUR_MS)
    await reconcile(desk)
    await desk.reach(ListingState.SOLD)


async def test_a_sold_ad_without_an_order_is_searched_for_further_back(desk: Desk) -> None:
    """The order is older than the last pass, which should have seen it: it is found all the same."""
    ad = await live(desk)
    order_id = await desk.simulator.sell(ad, 700, push=False)
    desk.forward(8 * 24 * 3600)
    await last_pass(desk, desk.clock() - 2 * HOUR_MS)
    await reconcile(desk)
    await desk.reach(ListingState.SOLD)
    (sold,) = await desk.told("item.sold")
    assert sold["orderId"] == str(order_id)


async def passes(desk: Desk, count: int = 3) -> None:
    """So many passes, each at its time."""
    for _ in range(count):
        desk.forward(PASS_S)
        await desk.idle()


@pytest.mark.parametrize("days", [None, 3])
async def test_a_fixed_price_is_not_overdue_after_the_days_of_an_auction(
    desk: Desk, days: int | None
) -> None:
    """Tradera shows it for thirty days whatever is asked: until then it is not looked at."""
    wish = TraderaWish(category_id=CATEGORY, listing_type="fixed_price", duration_days=days)
    await desk.publish(pictures=0, tradera=wish)
    await reconcile(desk)
    desk.forward(29 * DAY_S)
    await passes(desk)
    assert "read_item" not in desk.called()
    desk.forward(2 * DAY_S)
    await desk.reach(ListingState.ENDED)


async def test_an_ad_that_runs_on_is_looked_at_once(desk: Desk) -> None:
    """Its own end is learnt from that look, and it is looked at again when that has passed."""
    listing = await desk.publish(pictures=0)
    await reconcile(desk)
    ad = desk.simulator.market.listings[listing.tradera_item_id or 0]
    ad.end_ms += 5 * DAY_S * 1000
    desk.forward(7 * DAY_S + 2 * 3600)
    await passes(desk)
    assert desk.called()["read_item"] == 1
    assert (await desk.listing()).ends_at == ad.end_ms
    desk.forward(5 * DAY_S)
    await desk.reach(ListingState.ENDED)
    assert desk.called()["read_item"] == 2
