"""Sales: orders that push told of, looked up in batches and given to their items."""

from __future__ import annotations

import itertools
import json
from typing import Any

from rheod.domain.model import JobKind, JobOrder, ListingState, QueueName, RheoStatus
from rheod.push.poller import read_message
from rheod.usecases import sales
from tests.desk import SELLER_ID, Desk
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
