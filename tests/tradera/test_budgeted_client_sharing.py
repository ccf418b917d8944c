"""One budget, several accounts: room for work of several calls is kept until they are made, and turns are kept."""

from __future__ import annotations

from functools import partial

import pytest

from rheod.domain.budget import Quota
from rheod.domain.errors import StoreUnavailable, Text
from rheod.domain.model import CallClass, JobKind, JobOrder, ListingState, QueueName
from rheod.jobs.queue import RestoreLock
from rheod.store import accounts, ledger
from rheod.store.jobs import Owner
from rheod.store.ledger import BudgetPause
from rheod.tradera.budgeted_client import BudgetedClient, BudgetRules, NotSent, NotWanted, SharedBudget
from rheod.tradera.transport import Seller
from rheod.usecases.transaction import Transaction
from tests.desk import ASKS_AFTER_S, SELLER_ID, Desk
from tests.tradera.test_budgeted_client import DAY_S, spend

_MINUTE_MS = 60_000


async def another(
    desk: Desk, *, limit: int, reconcile_share: float = 0.4, per_operation: dict[str, int] | None = None
) -> BudgetedClient:
    """The calls of a second account over the desk's ledger, with this budget."""
    quota = Quota(
        total=limit, reserve_share=0.0, reconcile_share=reconcile_share, methods=per_operation or {}
    )
    account_id = await another_account(desk)
    budget = SharedBudget(
        store=desk.store,
        ledger=desk.ledger,
        rules=BudgetRules(quota=quota),
        locks={account_id: RestoreLock()},
    )
    return budget.client_of(account_id, Seller(SELLER_ID + 1, "test-token"), desk.calls.client)


async def another_account(desk: Desk) -> str:
    """A second account's id."""
    found = await desk.database.write(partial(accounts.ensure, references=["", "b"], now=desk.clock()))
    return found["b"]


async def test_room_kept_by_one_account_is_not_another_s(desk: Desk) -> None:
    """Two times three calls do not fit into five: the second account waits for a moment and then has the room."""
    other = await another(desk, limit=5)
    with desk.calls.reserve(CallClass.PRICE, {"price": 3}):
        other.check(CallClass.PRICE, {"price": 2})
        with pytest.raises(NotSent) as refused, other.reserve(CallClass.PRICE, {"price": 3}):
            pass
    assert refused.value.until == desk.clock() + _MINUTE_MS
    with other.reserve(CallClass.PRICE, {"price": 3}):
        pass


async def test_a_call_made_uses_up_the_room_kept_for_it(desk: Desk) -> None:
    """Two of the three calls are made: they count once, and one more is still kept."""
    other = await another(desk, limit=5)
    call = ledger.LedgerCall(call_class=CallClass.PRICE, operation="price", account_id=desk.account_id)
    with desk.calls.reserve(CallClass.PRICE, {"price": 3}):
        for _ in range(2):
            desk.ledger.spend(call, now=desk.clock())
        other.check(CallClass.PRICE, {"price": 2})
        with pytest.raises(NotSent):
            other.check(CallClass.PRICE, {"price": 3})


async def test_room_is_kept_of_what_an_operation_may_use(desk: Desk) -> None:
    """Three pictures a day: two accounts with two each do not both begin, and a create is not held up by pictures."""
    other = await another(desk, limit=50, per_operation={"image": 3})
    with desk.calls.reserve(CallClass.PUBLISH, {"image": 2}):
        other.check(CallClass.PUBLISH, {"create": 3, "image": 1})
        with pytest.raises(NotSent) as refused:
            other.check(CallClass.PUBLISH, {"image": 2})
    assert refused.value.until == desk.clock() + _MINUTE_MS
    other.check(CallClass.PUBLISH, {"image": 2})


async def test_what_was_reserved_is_not_asked_for_again(desk: Desk) -> None:
    """Ending ads may use the reserve of the budget meanwhile: the publishing that has begun is not cut off half way."""
    other = await another(desk, limit=2)
    with other.reserve(CallClass.PRICE, {"price": 1, "read_item": 1}):
        end = ledger.LedgerCall(call_class=CallClass.END, operation="end", account_id=desk.account_id)
        for _ in range(2):
            desk.ledger.spend(end, now=desk.clock())
        async with other.book(CallClass.PRICE, "price"):
            pass
        with pytest.raises(NotSent):
            async with other.book(CallClass.PRICE, "price"):
                pass
    assert [row["operation"] for row in await desk.spent()].count("price") == 1


async def test_a_call_that_is_not_wanted_any_more_spends_nothing(desk: Desk) -> None:
    """The budget of one call is whole again, in memory and in the rows, and the next one may be made."""
    other = await another(desk, limit=1)
    with pytest.raises(NotWanted):
        async with other.book(CallClass.END, "end", None, lambda _tx: False):
            pass
    assert (desk.ledger.times(now=desk.clock()), await desk.spent()) == ([], [])
    other.check(CallClass.END, {"end": 1})


async def test_a_call_whose_row_cannot_be_written_spends_nothing(desk: Desk) -> None:
    """The store refuses the transaction before the call: nothing was sent, and the budget is as it was."""
    other = await another(desk, limit=1)

    def full(_tx: Transaction) -> bool:
        raise StoreUnavailable(Text("the disk is full"))

    with pytest.raises(StoreUnavailable):
        async with other.book(CallClass.END, "end", None, full):
            pass
    assert desk.ledger.times(now=desk.clock()) == []
    other.check(CallClass.END, {"end": 1})


async def test_one_s_own_room_is_no_obstacle(desk: Desk) -> None:
    """The calls the room was made for fit into it."""
    other = await another(desk, limit=3)
    with other.reserve(CallClass.PRICE, {"price": 3}):
        other.check(CallClass.PRICE, {"price": 3})


async def test_room_for_reconciliation_is_taken_from_its_share(desk: Desk) -> None:
    """Of ten calls six are for reconciliation: two passes are begun, a third is not, a price change is."""
    other = await another(desk, limit=10, reconcile_share=0.6)
    with desk.calls.reserve(CallClass.RECONCILE, {"orders": 3}):
        other.check(CallClass.RECONCILE, {"orders": 3})
        with pytest.raises(NotSent):
            other.check(CallClass.RECONCILE, {"orders": 4})
        other.check(CallClass.PRICE, {"price": 7})


async def test_those_that_wait_longer_come_first(desk: Desk) -> None:
    """Their room is left to them, unless they have it already or their token is refused."""
    other = await another(desk, limit=5)
    with pytest.raises(NotSent) as refused:
        other.check(CallClass.PRICE, {"price": 3}, after=[desk.account_id])
    assert refused.value.until == desk.clock() + _MINUTE_MS
    other.check(CallClass.PRICE, {"price": 2}, after=[desk.account_id])
    with desk.calls.reserve(CallClass.PRICE, {"price": 2}):
        other.check(CallClass.PRICE, {"price": 3}, after=[desk.account_id])
    now = desk.clock()
    dead = BudgetPause(
        account_id=desk.account_id, call_class=None, until=now + 1, since=now, reason="no token"
    )
    desk.ledger.set_pause(dead)
    other.check(CallClass.PRICE, {"price": 3}, after=[desk.account_id])


async def test_an_account_that_waits_longer_is_reconciled_first(desk: Desk) -> None:
    """Room for one pass, and another account has waited longer: it is left to that one; one not ours is no reason."""
    await desk.publish(pictures=0)
    longer = await another_account(desk)
    wanted = JobOrder(queue=QueueName.TRADERA, kind=JobKind.RECONCILE, subject=longer)
    await desk.store.write(lambda tx: tx.order_for(wanted, Owner(account_id=longer)))
    await desk.restart(daily_calls=100, reconcile_share=0.05)
    desk.forward(1)
    await desk.order(JobOrder(queue=QueueName.TRADERA, kind=JobKind.RECONCILE, subject=desk.account_id))
    await desk.idle()
    assert desk.called()["updated_items"] == 1
    await desk.restart(members=["b"])
    desk.forward(DAY_S)
    await desk.order(JobOrder(queue=QueueName.TRADERA, kind=JobKind.RECONCILE, subject=desk.account_id))
    await desk.idle()
    assert desk.called()["updated_items"] == 1


async def test_an_ending_is_not_begun_without_room_for_the_look(desk: Desk) -> None:
    """A refusal is judged by a second call: with room for one alone nothing is spent, a day later both are made."""
    listing = await desk.publish(pictures=0)
    desk.simulator.bid(listing.tradera_item_id or 0)
    await spend(desk, 6)
    await desk.restart(daily_calls=10)
    await desk.items.change_status(desk.account_id, "A", "not_listed")
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
    await desk.items.change_price(desk.account_id, "A", 30_000)
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
