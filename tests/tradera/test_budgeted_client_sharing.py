"""One budget, several accounts: room for work of several calls is kept until they are made, and turns are kept."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from rheod.domain.budget import Allowance
from rheod.domain.model import CallClass, JobKind, JobOrder, ListingState, QueueName
from rheod.store import accounts, ledger
from rheod.store.jobs import Owner
from rheod.store.ledger import BudgetPause
from rheod.tradera.budgeted_client import BudgetedClient, BudgetRules, NotNow
from rheod.tradera.transport import Seller
from tests.desk import ASKS_AFTER_S, SELLER_ID, Desk
from tests.tradera.test_budgeted_client import DAY_S, spend

_MINUTE_MS = 60_000


async def another(desk: Desk, *, limit: int, reconcile_share: float = 0.4) -> BudgetedClient:
    """The calls of a second account over the desk's ledger, with this budget."""
    allowance = Allowance(limit=limit, reserve_share=0.0, reconcile_share=reconcile_share)
    return BudgetedClient(
        store=desk.store,
        ledger=desk.ledger,
        rules=BudgetRules(allowance=allowance, per_operation={}),
        client=desk.calls.client,
        seller=Seller(SELLER_ID + 1, "test-token"),
        account_id=await another_account(desk),
    )


async def another_account(desk: Desk) -> str:
    """A second account's id."""
    found = await desk.database.write(partial(accounts.ensure, references=["", "b"], now=desk.clock()))
    return found["b"]


async def test_room_kept_by_one_account_is_not_another_s(desk: Desk) -> None:
    """Two times three calls do not fit into five: the second account waits for a moment and then has the room."""
    other = await another(desk, limit=5)
    with desk.calls.room(CallClass.PRICE, cost=3):
        other.require(CallClass.PRICE, cost=2)
        with pytest.raises(NotNow) as refused, other.room(CallClass.PRICE, cost=3):
            pass
    assert refused.value.until == desk.clock() + _MINUTE_MS
    with other.room(CallClass.PRICE, cost=3):
        pass


async def test_a_call_made_uses_up_the_room_kept_for_it(desk: Desk) -> None:
    """Two of the three calls are made: they count once, and one more is still kept."""
    other = await another(desk, limit=5)
    call = ledger.LedgerCall(call_class=CallClass.PRICE, operation="price", account_id=desk.account_id)
    with desk.calls.room(CallClass.PRICE, cost=3):
        for _ in range(2):
            desk.ledger.spend(call, now=desk.clock())
        other.require(CallClass.PRICE, cost=2)
        with pytest.raises(NotNow):
            other.require(CallClass.PRICE, cost=3)


async def test_one_s_own_room_is_no_obstacle(desk: Desk) -> None:
    """The calls the room was made for fit into it."""
    other = await another(desk, limit=3)
    with other.room(CallClass.PRICE, cost=3):
        other.require(CallClass.PRICE, cost=3)


async def test_room_for_reconciliation_is_taken_from_its_share(desk: Desk) -> None:
    """Of ten calls six are for reconciliation: two passes are begun, a third is not, a price change is."""
    other = await another(desk, limit=10, reconcile_share=0.6)
    with desk.calls.room(CallClass.RECONCILE, cost=3):
        other.require(CallClass.RECONCILE, cost=3)
        with pytest.raises(NotNow):
            other.require(CallClass.RECONCILE, cost=4)
        other.require(CallClass.PRICE, cost=7)


async def test_those_that_wait_longer_come_first(desk: Desk) -> None:
    """Their room is left to them, unless they have it already or their token is refused."""
    other = await another(desk, limit=5)
    with pytest.raises(NotNow) as refused:
        other.require(CallClass.PRICE, cost=3, after=[desk.account_id])
    assert refused.value.until == desk.clock() + _MINUTE_MS
    other.require(CallClass.PRICE, cost=2, after=[desk.account_id])
    with desk.calls.room(CallClass.PRICE, cost=2):
        other.require(CallClass.PRICE, cost=3, after=[desk.account_id])
    now = desk.clock()
    dead = BudgetPause(
        account_id=desk.account_id, call_class=None, until=now + 1, since=now, reason="no token"
    )
    desk.ledger.set_pause(dead)
    other.require(CallClass.PRICE, cost=3, after=[desk.account_id])


async def test_an_account_that_waits_longer_is_reconciled_first(desk: Desk) -> None:
    """Room for one pass, and another account has waited longer: it is left to that one; one not ours is no reason."""
    await desk.publish(pictures=0)
    longer = await another_account(desk)
    wanted = JobOrder(queue=QueueName.TRADERA, kind=JobKind.RECONCILE, subject=longer)
    await desk.store.write(lambda tx: tx.order_for(wanted, Owner(account_id=longer)))
    ours = desk.sellers
    desk.sellers = replace(ours, accounts={**ours.accounts, SELLER_ID + 1: longer})
    await desk.restart(daily_calls=100, reconcile_share=0.05)
    desk.forward(1)
    await desk.order(JobOrder(queue=QueueName.TRADERA, kind=JobKind.RECONCILE, subject=desk.account_id))
    await desk.idle()
    assert "updated_items" not in desk.called()
    desk.sellers = ours
    await desk.restart()
    desk.forward(60)
    await desk.idle()
    assert desk.called()["updated_items"] == 1


async def test_an_ending_is_not_begun_without_room_for_the_look(desk: Desk) -> None:
    """A refusal is judged by a second call: with room for one alone nothing is spent, a day later both are made."""
    listing = await desk.publish(pictures=0)
    desk.simulator.bid(listing.tradera_item_id or 0)
    await spend(desk, 6)
    await desk.restart(daily_calls=10)
    await desk.catalog.change_status(desk.account_id, "A", "not_listed")
    await desk.idle()
    assert "end" not in desk.called()
    desk.forward(DAY_S)
    await desk.idle()
    assert (desk.called()["end"], desk.called()["read_item"]) == (1, 1)
    assert len(await desk.told("listing.failed")) == 1


async def test_a_price_is_not_sent_without_room_for_the_look(desk: Desk) -> None:
    """The same for a price that Tradera may refuse."""
    listing = await desk.publish(pictures=0)
    desk.simulator.bid(listing.tradera_item_id or 0)
    await spend(desk, 6)
    await desk.restart(daily_calls=10, reserve_share=0.0)
    await desk.catalog.change_price(desk.account_id, "A", 30_000)
    await desk.idle()
    assert "price" not in desk.called()
    desk.forward(DAY_S)
    await desk.idle()
    assert (desk.called()["price"], desk.called()["read_item"]) == (1, 1)
    assert len(await desk.told("listing.failed")) == 1


async def test_a_question_waits_for_room_for_what_follows_from_it(desk: Desk) -> None:
    """One call is left and the answer wants a look: the next question waits for two, not for one again and again."""
    for _ in range(7):
        await spend(desk, 1)
        desk.forward(3600)
    await desk.restart(daily_calls=10, reserve_share=0.0)
    desk.simulator.fault("commit", "result_error", code=2, message="Image error")
    await desk.put(pictures=0)
    await desk.reach(ListingState.COMMITTED)
    await desk.idle()
    desk.forward(ASKS_AFTER_S)
    await desk.idle()
    assert (desk.called()["results"], desk.called().get("read_item", 0)) == (1, 0)
    for _ in range(24):
        desk.forward(3600)
        await desk.idle()
    await desk.reach(ListingState.REJECTED)
    assert (desk.called()["results"], desk.called()["read_item"]) == (2, 1)
