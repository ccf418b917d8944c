"""Orders paid outside Tradera, by the owner's word: Tradera is told of each sale once, and what it refuses is said."""

from __future__ import annotations

import pytest

from rheod.api.partner_orders import ReversalBody
from rheod.domain.orders import OrderStatus
from rheod.usecases.orders import Orders
from tests.desk import Desk
from tests.tradera.test_order_sync import live, order_created, push
from tests.tradera.test_shipping import kept, sold
from tests.waiting import until


async def pay(desk: Desk, order_id: int) -> None:
    """The owner says it, and what follows is over."""
    await Orders(store=desk.store).pay(desk.account_id, order_id)

    async def done() -> bool:
        return not await desk.waiting_jobs("confirm")

    await until(done)
    await desk.idle()


async def test_each_sale_of_it_is_marked_with_one_call(desk: Desk) -> None:
    """Also when it is said twice: the second word finds it done."""
    first, second = await live(desk, "A"), await live(desk, "B")
    order_id = await desk.simulator.sell(first, 500, also=[second], push=False)
    await push(desk, order_created(order_id, first, second))
    await desk.idle()
    for _ in range(2):
        await pay(desk, order_id)
    assert [sale.paid_confirmed for sale in desk.simulator.orders[order_id].sales] == [True, True]
    assert desk.called()["transaction_status"] == 2
    order = await kept(desk, order_id)
    assert (order.status, order.confirm_told_at) == (OrderStatus.READY, desk.clock())


async def test_what_is_marked_there_already_costs_no_call(desk: Desk) -> None:
    """As when the answer to an earlier call was lost."""
    order_id = await sold(desk)
    desk.simulator.orders[order_id].sales[0].paid_confirmed = True
    await pay(desk, order_id)
    assert "transaction_status" not in desk.called()
    assert (await kept(desk, order_id)).confirm_told_at == desk.clock()


async def test_a_refusal_is_said_and_the_owners_word_stands(desk: Desk) -> None:
    """The order is paid all the same; the finding names it and what to do, and saying it again tries again."""
    order_id = await sold(desk)
    desk.simulator.fault("transaction_status", "400")
    await pay(desk, order_id)
    order = await kept(desk, order_id)
    assert order.status is OrderStatus.READY
    assert order.confirm_told_at is None
    assert "paid" in str(order.confirm_error)
    desk.simulator.clear_faults()
    await pay(desk, order_id)
    assert (await kept(desk, order_id)).confirm_error is None
    assert desk.simulator.orders[order_id].sales[0].paid_confirmed


@pytest.mark.parametrize("relist", [False, True])
async def test_a_sale_that_was_taken_back_meanwhile_is_not_marked(desk: Desk, *, relist: bool) -> None:
    """What the owner has said last counts."""
    order_id = await sold(desk)
    desk.simulator.fault("transactions", "500")
    await Orders(store=desk.store).pay(desk.account_id, order_id)
    body = {"reason": "cancelled", "orderId": str(order_id), "refunded": True, "relist": relist}
    reversal = ReversalBody.model_validate(body).reversal()
    await desk.items.reversing.reverse(desk.account_id, "A", reversal)
    desk.forward(3600)
    await desk.idle()
    assert "transaction_status" not in desk.called()
    assert not desk.simulator.orders[order_id].sales[0].paid_confirmed
