"""Sales: orders that push told of, looked up in batches, and the reconciliation that finds what push missed."""

from __future__ import annotations

import itertools
import json
from typing import Any

from rheod.domain.model import CallClass, JobKind, JobOrder, ListingState, QueueName, RheoStatus
from rheod.push.poller import read_message
from rheod.store import key_value, ledger
from rheod.usecases import sales
from tests.desk import HOUR_MS, SELLER_ID, Desk
from tests.stores import rows
from tests.waiting import until

_numbers = itertools.count(1)


async def push(desk: Desk, *contents: dict[str, Any] | str) -> int:
    """Take messages in as the poller does; returns how many were new."""
    messages = [
        read_message(f"m{next(_numbers)}", text if isinstance(text, str) else json.dumps(text))
        for text in contents
    ]
    new: int = await desk.store.write(lambda tx: sales.take_in(tx, messages, desk.sellers))
    return new


def order_created(order_id: int, *ads: int) -> dict[str, Any]:
    """Tradera's message about an order."""
    return {
        "Type": "OrderCreated",
        "OrderId": order_id,
        "SellerMemberId": SELLER_ID,
        "CreatedDate": "2026-05-26T10:00:00.9352466Z",
        "ItemIds": list(ads),
    }


async def live(desk: Desk, external_id: str = "A") -> int:
    """Publish an item; returns its ad's number."""
    return (await desk.publish(external_id, pictures=0)).tradera_item_id or 0


async def reconcile(desk: Desk) -> None:
    """Order a pass, as the start does, and see it through."""
    await desk.order(JobOrder(queue=QueueName.TRADERA, kind=JobKind.RECONCILE, subject=desk.account_id))
    await desk.idle()


async def inbox(desk: Desk) -> list[str]:
    """The states of all messages, oldest first."""
    return [row["state"] for row in await rows(desk.database, "SELECT state FROM inbox ORDER BY id")]


# Told by push


async def test_an_order_told_is_looked_up_and_sells_the_item_at_its_real_price(desk: Desk) -> None:
    """One look-up; item.sold carries the order and what the buyer pays; the item is sold."""
    ad = await live(desk)
    order_id = await desk.simulator.sell(ad, 1100, push=False)
    await push(desk, order_created(order_id, ad))
    await desk.reach(ListingState.SOLD)
    await desk.idle()
    assert desk.called()["orders_by_id"] == 1
    (sold,) = await desk.told("item.sold")
    assert (sold["traderaAdId"], sold["orderId"], sold["salePrice"]) == (str(ad), str(order_id), 1100)
    (body,) = await rows(desk.database, "SELECT body FROM notices WHERE type = 'item.sold'")
    assert json.loads(body["body"])["data"]["salePrice"] == 1100
    assert (await desk.item()).rheo_status is RheoStatus.SOLD
    assert await inbox(desk) == ["done"]
    assert await desk.waiting_jobs("orders") == []


async def test_many_orders_are_looked_up_in_one_call(desk: Desk) -> None:
    """Twelve orders told together cost one call."""
    ads = [await live(desk, f"I{number}") for number in range(12)]
    ids = [await desk.simulator.sell(ad, 200, push=False) for ad in ads]
    await push(desk, *(order_created(order_id, ad) for order_id, ad in zip(ids, ads, strict=True)))
    await until(lambda: desk.called().get("orders_by_id") == 1)
    await desk.idle()
    assert len(await desk.told("item.sold")) == 12
    assert desk.called()["orders_by_id"] == 1


async def test_more_orders_than_a_call_takes_are_looked_up_in_turn(desk: Desk) -> None:
    """Sixty orders are two calls, and the unknown ones among them spoil nothing."""
    ad = await live(desk)
    order_id = await desk.simulator.sell(ad, 200, push=False)
    await push(desk, *(order_created(number) for number in range(1, 60)), order_created(order_id, ad))
    for _ in range(70):
        await desk.idle()
        if await desk.told("item.sold"):
            break
        desk.forward(61)
    assert len(await desk.told("item.sold")) == 1


async def test_an_unknown_order_is_put_aside_after_its_tries(desk: Desk) -> None:
    """Six look-ups in some minutes, then it is quarantined and spends no more calls; others are not kept waiting."""
    ad = await live(desk)
    await push(desk, order_created(999, 1))
    await until(lambda: desk.called().get("orders_by_id") == 1)
    await desk.idle()
    order_id = await desk.simulator.sell(ad, 200, push=False)
    await push(desk, order_created(order_id, ad))
    await desk.reach(ListingState.SOLD)
    for gap_s in (2, 5, 15, 60, 300):
        desk.forward(gap_s)
        await desk.idle()
    assert await inbox(desk) == ["quarantined", "done"]
    spent = desk.called()["orders_by_id"]
    assert spent <= 8
    desk.forward(3600)
    await desk.idle()
    assert desk.called()["orders_by_id"] == spent
    assert await desk.waiting_jobs("orders") == []


async def test_an_outage_is_no_try_of_an_order(desk: Desk) -> None:
    """After a long outage an order still gets all its look-ups before it is put aside."""
    await live(desk)
    desk.simulator.fault("*", "502_html", times=20)
    await push(desk, order_created(999, 1))
    for count in range(1, 11):
        await until(lambda count=count: desk.called().get("orders_by_id") == count)  # type: ignore[misc]
        await desk.idle()
        desk.forward(900)
    await until(lambda: desk.called().get("orders_by_id") == 11)
    await desk.idle()
    assert await inbox(desk) == ["new"]


async def test_a_refused_batch_is_looked_up_one_by_one(desk: Desk) -> None:
    """One number Tradera chokes on keeps only itself from being looked up."""
    ads = [await live(desk, f"I{number}") for number in range(3)]
    ids = [await desk.simulator.sell(ad, 200, push=False) for ad in ads]
    desk.simulator.fault("orders_by_id", "400")
    await push(desk, *(order_created(order_id, ad) for order_id, ad in zip(ids, ads, strict=True)))
    await until(lambda: desk.called().get("orders_by_id") == 4)
    await desk.idle()
    assert len(await desk.told("item.sold")) == 3
    assert set(await inbox(desk)) == {"done"}


async def test_the_same_order_told_twice_is_one_sale(desk: Desk) -> None:
    """Another message about the same order, and the order seen again by reconciliation: one item.sold."""
    ad = await live(desk)
    order_id = await desk.simulator.sell(ad, 200, push=False)
    assert await push(desk, order_created(order_id, ad), order_created(order_id, ad)) == 1
    await desk.reach(ListingState.SOLD)
    assert await push(desk, order_created(order_id, ad)) == 0
    await reconcile(desk)
    assert desk.called()["orders"] == 1
    assert len(await desk.told("item.sold")) == 1


async def test_a_sale_of_something_unknown_is_kept(desk: Desk) -> None:
    """An ad the seller made by hand was sold: the order is there for the owner, unmatched, and nothing else happens."""
    by_hand = desk.simulator.list_by_hand(seller_id=SELLER_ID, title="Egen annons")
    order_id = await desk.simulator.sell(by_hand, 500, push=False)
    await push(desk, order_created(order_id, by_hand))
    await until(lambda: desk.called().get("orders_by_id") == 1)
    await desk.idle()
    (line,) = await rows(desk.database, "SELECT * FROM order_lines")
    assert (line["order_id"], line["item_id"], line["unit_price_ore"]) == (order_id, None, 50_000)
    assert await desk.told("item.sold") == []


async def test_one_order_may_hold_several_of_our_items(desk: Desk) -> None:
    """A buyer who takes three sells three, each with its own price."""
    ads = [await live(desk, f"I{number}") for number in range(3)]
    order_id = await desk.simulator.sell(ads[0], 200, also=ads[1:], push=False)
    await push(desk, order_created(order_id, *ads))
    for number in range(3):
        await desk.reach(ListingState.SOLD, f"I{number}")
    assert len(await desk.told("item.sold")) == 3


async def test_a_sale_before_its_ad_was_known_to_be_live_is_both(desk: Desk) -> None:
    """Sold while the commit's result was still awaited: listing.created first, then item.sold."""
    await desk.put(pictures=0)
    listing = await desk.reach(ListingState.COMMITTED)
    desk.forward(5)
    order_id = await desk.simulator.sell(listing.tradera_item_id or 0, 200, push=False)
    await push(desk, order_created(order_id, listing.tradera_item_id or 0))
    await desk.reach(ListingState.SOLD)
    told = await rows(desk.database, "SELECT type FROM notices ORDER BY seq")
    types = [row["type"] for row in told]
    assert types.index("listing.created") < types.index("item.sold")
    assert "results" not in desk.called()


# Reconciliation


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
