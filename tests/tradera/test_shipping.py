"""Parcels: the order is marked as shipped at Tradera once, whatever gets lost; a refusal is noted and left alone."""

from __future__ import annotations

from typing import Any

import pytest

from rheod.domain.model import JobKind, JobOrder, ListingState, QueueName
from rheod.store import orders
from rheod.store.orders import Shipment, StoredOrder
from rheod.usecases.orders import Orders
from tests.desk import Desk
from tests.health.test_what_waits_is_told import status
from tests.stores import rows
from tests.tradera.test_order_sync import live, order_created, push
from tests.waiting import until

DAY_S = 24 * 3600
TRIES = 8


async def sold(desk: Desk, external_id: str = "A") -> int:
    """An item that was sold; returns the order's number."""
    ad = await live(desk, external_id)
    order_id = await desk.simulator.sell(ad, 1100, push=False)
    await push(desk, order_created(order_id, ad))
    await desk.reach(ListingState.SOLD, external_id)
    await desk.idle()
    return order_id


async def parcel(desk: Desk, order_id: int, number: str = "SE1") -> Shipment:
    """The partner tells of a parcel."""
    shipping = Orders(store=desk.store)
    return await shipping.track(desk.account_id, order_id, carrier="postnord", tracking_number=number)


async def kept(desk: Desk, order_id: int) -> StoredOrder:
    """The order as it is kept."""
    found = await desk.database.read(lambda db: orders.find(db, order_id))
    assert found is not None
    return found


async def worked_off(desk: Desk) -> None:
    """Wait until no order waits to be marked."""

    async def done() -> bool:
        return not await desk.waiting_jobs("ship")

    await until(done)
    await desk.idle()


def at_tradera(desk: Desk, order_id: int) -> bool:
    """Whether Tradera has the order as shipped."""
    return all(sale.shipped for sale in desk.simulator.orders[order_id].sales)


async def test_a_parcel_marks_its_order_as_shipped_with_one_call(desk: Desk) -> None:
    """Told once in the history of the item; telling the same parcel again makes no call."""
    order_id = await sold(desk)
    first = await parcel(desk, order_id)
    await worked_off(desk)
    assert at_tradera(desk, order_id)
    assert (await kept(desk, order_id)).shipped_at == desk.clock()
    assert await parcel(desk, order_id) == first
    await desk.idle()
    assert desk.called()["ship"] == 1
    assert "transactions" not in desk.called()
    assert await desk.told("order.shipped") == [{"orderId": str(order_id)}]


async def test_a_parcel_goes_out_of_the_reserve_when_publishing_has_used_the_budget(desk: Desk) -> None:
    """With no call left for publishing an order is still marked."""
    order_id = await sold(desk)
    used = len(await desk.spent())
    await desk.restart(daily_calls=used + 1, reserve_share=0.9)
    await desk.put("B", pictures=0)
    await parcel(desk, order_id)
    await worked_off(desk)
    assert at_tradera(desk, order_id)
    assert desk.called()["create"] == 1


async def test_an_answer_that_was_lost_is_looked_for_before_the_call_is_repeated(desk: Desk) -> None:
    """The call took effect: it is not made again."""
    order_id = await sold(desk)
    desk.simulator.fault("ship", "lost_answer")
    await parcel(desk, order_id)
    await until(lambda: desk.called().get("ship") == 1)
    await desk.idle()
    desk.forward(60)
    await worked_off(desk)
    assert (desk.called()["ship"], desk.called()["transactions"]) == (1, 1)
    assert (await kept(desk, order_id)).shipped_at is not None
    assert len(await desk.told("order.shipped")) == 1


async def test_a_call_that_took_no_effect_is_repeated(desk: Desk) -> None:
    """The connection died before Tradera did anything."""
    order_id = await sold(desk)
    desk.simulator.fault("ship", "reset")
    await parcel(desk, order_id)
    await until(lambda: desk.called().get("ship") == 1)
    await desk.idle()
    desk.forward(60)
    await worked_off(desk)
    assert (desk.called()["ship"], desk.called()["transactions"]) == (2, 1)
    assert at_tradera(desk, order_id)


async def test_an_order_the_seller_has_marked_himself_is_done_though_tradera_refuses(desk: Desk) -> None:
    """A refusal is looked into: shipped is shipped."""
    order_id = await sold(desk)
    desk.simulator.ship(order_id)
    desk.simulator.fault("ship", "400")
    await parcel(desk, order_id)
    await worked_off(desk)
    assert (await kept(desk, order_id)).shipped_at is not None
    assert await desk.told("order.ship_failed") == []


async def test_a_refusal_is_noted_and_costs_no_more_calls(desk: Desk) -> None:
    """At the order and in the history, with Tradera's words; another parcel tries again."""
    order_id = await sold(desk)
    desk.simulator.fault("ship", "400")
    await parcel(desk, order_id)
    await worked_off(desk)
    assert "The request is invalid" in str((await kept(desk, order_id)).ship_error)
    (told,) = await desk.told("order.ship_failed")
    assert told["orderId"] == str(order_id)
    await parcel(desk, order_id)
    desk.forward(3600)
    await desk.idle()
    assert desk.called()["ship"] == 1
    await parcel(desk, order_id, "SE2")
    await worked_off(desk)
    order = await kept(desk, order_id)
    assert (order.shipped_at, order.ship_error) == (desk.clock(), None)


async def tried(desk: Desk, times: int = 10) -> None:
    """Let so many of the longest pauses pass."""
    for _ in range(times):
        await desk.idle()
        desk.forward(1000)
    await desk.idle()


@pytest.mark.parametrize("answer", ["500", "502_html", "html_200", "html_403", "empty_200", "truncated_json"])
async def test_no_clear_answer_again_and_again_is_taken_for_a_refusal(desk: Desk, answer: str) -> None:
    """It may be this order's alone: bounded tries, then Tradera's words at the order and a finding; another word tries again."""
    order_id = await sold(desk)
    desk.simulator.fault("ship", answer, times=None, effect=False)
    await parcel(desk, order_id)
    await tried(desk)
    assert desk.called()["ship"] == TRIES
    assert "again and again" in str((await kept(desk, order_id)).ship_error)
    found = (await status(desk))["order.unshipped"]
    assert str(order_id) in found["text"]
    assert found["since"] is not None
    assert await desk.waiting_jobs("ship") == []
    desk.simulator.clear_faults()
    said = await Orders(store=desk.store).done(desk.account_id, order_id)
    assert "once more" in said
    await worked_off(desk)
    assert (at_tradera(desk, order_id), desk.called()["ship"]) == (True, TRIES + 1)
    assert "order.unshipped" not in await status(desk)
    assert "already" in await Orders(store=desk.store).done(desk.account_id, order_id)


async def test_a_last_try_that_took_effect_is_seen(desk: Desk) -> None:
    """The order is marked though no answer of it ever came."""
    order_id = await sold(desk)
    desk.simulator.fault("ship", "500", times=TRIES - 1)
    desk.simulator.fault("ship", "500_after", times=None)
    await parcel(desk, order_id)
    await tried(desk)
    assert (await kept(desk, order_id)).shipped_at is not None
    assert desk.called()["ship"] == TRIES


async def test_a_tradera_that_answers_nobody_refuses_no_order(desk: Desk) -> None:
    """Tries while it is away say nothing of this order, however many there are."""
    order_id = await sold(desk)
    for operation in ("ship", "me", "transactions"):
        desk.simulator.fault(operation, "502_html", times=None)
    await parcel(desk, order_id)
    await tried(desk, 15)
    assert (await kept(desk, order_id)).ship_error is None
    desk.simulator.clear_faults()
    await tried(desk, 2)
    assert at_tradera(desk, order_id)


# What the seller marks in My Tradera


async def reconcile(desk: Desk) -> None:
    """One more pass."""
    await desk.order(JobOrder(queue=QueueName.TRADERA, kind=JobKind.RECONCILE, subject=desk.account_id))
    await desk.idle()


async def test_an_order_marked_in_my_tradera_is_known_after_a_day(desk: Desk) -> None:
    """One call a day while an order waits, none when none does."""
    order_id = await sold(desk)
    desk.simulator.ship(order_id)
    await reconcile(desk)
    assert "transactions" not in desk.called()
    desk.forward(DAY_S + 60)
    await reconcile(desk)
    assert (await kept(desk, order_id)).shipped_at is not None
    assert await desk.told("order.shipped") == [{"orderId": str(order_id)}]
    desk.forward(DAY_S + 60)
    await reconcile(desk)
    assert desk.called()["transactions"] == 1


async def test_orders_that_wait_are_looked_after_once_a_day(desk: Desk) -> None:
    """Not shipped yet: asked again the next day, and not any more after a month."""
    await sold(desk)
    asked: list[int] = []
    for _ in range(2):
        desk.forward(DAY_S + 60)
        await reconcile(desk)
        desk.forward(3600)
        await reconcile(desk)
        asked.append(desk.called().get("transactions", 0))
    desk.forward(31 * DAY_S)
    await reconcile(desk)
    assert asked == [1, 2]
    assert desk.called()["transactions"] == 2


async def test_a_refused_look_is_not_repeated_before_the_next_day(desk: Desk) -> None:
    """Tradera will not tell: no storm."""
    await sold(desk)
    desk.simulator.fault("transactions", "400", times=None)
    desk.forward(DAY_S + 60)
    for _ in range(3):
        await reconcile(desk)
        desk.forward(3600)
    assert desk.called()["transactions"] == 1


def history(found: list[dict[str, Any]]) -> str:
    """All that was ever told, as one text."""
    return " ".join(str(value) for row in found for value in row.values())


async def test_no_notice_holds_anything_of_the_buyer_or_the_parcel(desk: Desk) -> None:
    """Neither name nor address nor number: they stay with the order."""
    order_id = await sold(desk)
    await parcel(desk, order_id, "SE-SECRET-1")
    await worked_off(desk)
    told = history(await rows(desk.database, "SELECT data, CAST(body AS TEXT) AS body FROM notices"))
    buyer = (await kept(desk, order_id)).buyer
    assert buyer is not None
    assert buyer["email"]
    private = [str(value) for name, value in buyer.items() if value and name != "countryName"]
    assert [each for each in [*private, "SE-SECRET-1", "postnord"] if each in told] == []
