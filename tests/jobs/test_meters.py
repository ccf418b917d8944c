"""How long publishings and sales take: measured once each, when it is written, and nothing where nobody pushed."""

from __future__ import annotations

from rheod.domain.model import Event, EventType, ListingState
from rheod.jobs.meters import Meters
from rheod.sandbox.shop import Shop
from rheod.store import inbox, items
from rheod.store.inbox import InboxEntry
from rheod.usecases.endpoints import NewEndpoint
from rheod.usecases.transaction import Transaction
from tests.desk import Desk
from tests.tradera.test_order_sync import live, order_created, push, reconcile
from tests.waiting import until
from tests.webhooks.post import Post


def seen(meters: Meters, name: str) -> tuple[float, float]:
    """How often something was measured, and the seconds of all together."""
    value = meters.registry.get_sample_value
    return value(f"{name}_count") or 0, value(f"{name}_sum") or 0


async def test_a_publishing_is_measured_from_its_order_to_its_life(desk: Desk) -> None:
    """The ten seconds until Tradera is asked, once; the budget's wait is a part of it."""
    await desk.publish(pictures=0)
    await desk.idle()
    assert seen(desk.meters, "rheod_publish_seconds") == (1, 10)
    await desk.restart(daily_calls=len(await desk.spent()))
    await desk.put("B", pictures=0)
    await desk.idle()
    desk.forward(25 * 3600)
    await desk.reach(ListingState.COMMITTED, "B")
    desk.forward(10)
    await desk.reach(ListingState.LIVE, "B")
    await desk.idle()
    assert seen(desk.meters, "rheod_publish_seconds") == (1, 25 * 3600 + 10)


async def test_a_sale_told_by_push_is_measured_to_its_notice(desk: Desk) -> None:
    """From the message to item.sold; the same order again, found by reconciliation, is no second sale."""
    ad = await live(desk)
    order_id = await desk.simulator.sell(ad, 1100, push=False)
    hidden = desk.simulator.orders.pop(order_id)
    await push(desk, order_created(order_id, ad))
    await until(lambda: desk.called().get("orders_by_id") == 1)
    await desk.idle()
    assert seen(desk.meters, "rheod_sale_written_seconds") == (0, 0)
    desk.simulator.orders[order_id] = hidden
    desk.forward(60)
    await desk.reach(ListingState.SOLD)
    assert seen(desk.meters, "rheod_sale_written_seconds") == (1, 60)
    await push(desk, order_created(order_id, ad))
    await reconcile(desk)
    assert seen(desk.meters, "rheod_sale_written_seconds") == (1, 60)


async def test_a_sale_that_push_missed_is_not_measured(desk: Desk) -> None:
    """Nobody knows when it was told: it never was."""
    ad = await live(desk)
    await desk.simulator.sell(ad, 1100, push=False)
    await reconcile(desk)
    await desk.reach(ListingState.SOLD)
    assert seen(desk.meters, "rheod_sale_written_seconds") == (0, 0)


async def sell(post: Post, order_id: int) -> None:
    """The item is sold; push has told of it at this moment."""
    message = InboxEntry(
        message_id=f"m{order_id}", body="{}", state="done", business_key=f"OrderCreated:{order_id}"
    )

    def happen(tx: Transaction) -> None:
        inbox.add(tx.db, message, now=tx.now)
        item = items.find(tx.db, post.account_id, "A")
        assert item is not None
        tx.tell(item, Event(type=EventType.ITEM_SOLD, data={"orderId": str(order_id)}, sale_price_ore=100))

    await post.store.write(happen)


async def test_a_sale_is_measured_to_the_first_who_takes_it(post: Post, shop: Shop) -> None:
    """Tries that failed count as waiting; a second endpoint, a replay and other events are not measured."""
    await post.happen("A")
    await post.idle()
    assert seen(post.meters, "rheod_sale_delivered_seconds") == (0, 0)
    shop.answer_with([500])
    await sell(post, 7)
    await post.idle()
    assert seen(post.meters, "rheod_sale_delivered_seconds") == (0, 0)
    post.forward(1)
    await post.idle()
    assert seen(post.meters, "rheod_sale_delivered_seconds") == (1, 1)
    url = shop.webhook_url("second")
    await post.endpoints.add(post.account_id, NewEndpoint(url=url))
    await sell(post, 8)
    await post.idle()
    assert seen(post.meters, "rheod_sale_delivered_seconds") == (2, 1)
