"""Orders of which an older rheod has kept a part: read once more at Tradera, at leisure, and nothing of it is news."""

from __future__ import annotations

from functools import partial

import pytest

from rheod.domain.orders import OrderStatus
from rheod.store import order_changes, orders
from tests.desk import Desk
from tests.stores import rows
from tests.tradera.test_order_sync import reconcile
from tests.tradera.test_shipping import kept, sold

PART = (
    "UPDATE orders SET whole = 0, freight_ore = NULL, freight_type = '', purchase_id = '', payments = NULL,"
    " paid_at = received_at, sent_at = received_at, status = 'shipped'"
)


async def of_before(desk: Desk, *order_ids: int) -> None:
    """An upgrade has left a part of these, sent long before the passes look back, and nothing was told of them."""
    desk.forward(40 * 24 * 3600)
    await reconcile(desk)
    await desk.database.write(lambda db: db.execute(PART).rowcount)
    await desk.database.write(lambda db: db.execute("DELETE FROM notices WHERE type LIKE 'order.%'").rowcount)
    assert await waiting(desk) == sorted(order_ids)


async def waiting(desk: Desk) -> list[int]:
    """The orders that are still to be read."""
    found = await desk.database.read(partial(orders.not_whole, account_id=desk.account_id, limit=99))
    return sorted(found)


async def complete(desk: Desk) -> None:
    """As a pass does at its end."""
    await reconcile(desk)
    desk.forward(3600)
    await desk.idle()


async def test_they_are_completed_once_in_silence_and_stay_sent(desk: Desk) -> None:
    """With what was not kept then; no event, no order that waits to be sent, and no second question."""
    order_ids = [await sold(desk, each) for each in "AB"]
    await of_before(desk, *order_ids)
    before = desk.called().get("orders_by_id", 0)
    await complete(desk)
    assert await waiting(desk) == []
    for order_id in order_ids:
        order = await kept(desk, order_id)
        assert (order.freight.cost_ore, bool(order.purchase_id)) == (6600, True)
        assert (order.status, order.whole) == (OrderStatus.SHIPPED, True)
    assert await rows(desk.database, "SELECT type FROM notices WHERE type LIKE 'order.%'") == []
    await complete(desk)
    assert desk.called()["orders_by_id"] == before + 1


async def test_what_tradera_does_not_tell_any_more_stays_as_it_is(desk: Desk) -> None:
    """It is not asked for again."""
    order_id = await sold(desk)
    await of_before(desk, order_id)
    del desk.simulator.orders[order_id]
    for _ in range(2):
        await complete(desk)
    assert await waiting(desk) == []
    assert (await kept(desk, order_id)).status is OrderStatus.SHIPPED


async def test_a_tradera_that_does_not_answer_is_asked_another_time(desk: Desk) -> None:
    """No answer is never no: the order waits for a pass that is answered."""
    order_id = await sold(desk)
    await of_before(desk, order_id)
    desk.simulator.fault("orders_by_id", "500", times=None)
    desk.simulator.fault("me", "500", times=None)
    await complete(desk)
    assert await waiting(desk) == [order_id]
    desk.simulator.clear_faults()
    await complete(desk)
    assert await waiting(desk) == []
    assert (await kept(desk, order_id)).purchase_id


@pytest.mark.parametrize("calls", [1, 99])
async def test_the_quota_comes_first(desk: Desk, calls: int) -> None:
    """They wait while there is no call to spare for reading: a sale of today has taken it."""
    order_id = await sold(desk)
    await of_before(desk, order_id)
    await desk.restart(per_operation={"order": calls})
    await sold(desk, "B")
    await complete(desk)
    assert await waiting(desk) == ([order_id] if calls == 1 else [])


async def test_what_has_grown_since_is_kept_as_it_is_now(desk: Desk) -> None:
    """A change that Tradera has made since is told as any other."""
    order_id = await sold(desk)
    await of_before(desk, order_id)
    await desk.database.write(lambda db: order_changes.note_partial(db, order_id))
    desk.simulator.pay(order_id)
    await complete(desk)
    order = await kept(desk, order_id)
    assert [each.amount_ore for each in order.payments or ()] == [116_600]
