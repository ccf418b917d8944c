"""Every call to Tradera: the budget asked first, the ledger written, and what 429, a refused token or an outage means."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from rheod.domain.budget import WINDOW_MS
from rheod.domain.model import CallClass, JobKind, JobOrder, ListingState, QueueName
from rheod.store import ledger
from rheod.store.columns import restored
from rheod.tradera.budgeted_client import NotNow
from tests.desk import ASKS_AFTER_S, HOUR_MS, Desk, calls_so_far
from tests.jobs.watching import looks_at_rest
from tests.stores import rows
from tests.waiting import until

DAY_S = WINDOW_MS // 1000


async def spend(
    desk: Desk, count: int, call_class: CallClass = CallClass.PUBLISH, operation: str = "create"
) -> None:
    """Have so many calls in the ledger, made just now by an earlier run."""
    call = ledger.LedgerCall(call_class=call_class, operation=operation, account_id=desk.account_id)
    for _ in range(count):
        await desk.store.write(lambda tx: ledger.open_call(tx.db, call, now=tx.now))


# The budget


async def test_a_publishing_starts_only_if_all_of_it_fits(desk: Desk) -> None:
    """4 calls left for a publishing of 5: nothing is sent, and the queue says when it will go."""
    await spend(desk, 76)
    await desk.restart(daily_calls=100)  # 80 for publishing
    await desk.put(pictures=2)
    await desk.idle()
    assert desk.called() == {}
    view = await desk.items.read_item(desk.account_id, "A")
    assert view.queue is not None
    assert (view.queue.position, view.queue.expected_at) == (1, desk.clock() + DAY_S * 1000)
    assert await desk.told("listing.failed") == []
    desk.forward(DAY_S)
    await desk.reach(ListingState.COMMITTED)


async def test_a_publishing_that_just_fits_goes_out(desk: Desk) -> None:
    """5 calls left for a publishing of 5: it goes, and the next one waits behind it with its own forecast."""
    await spend(desk, 75)
    await desk.restart(daily_calls=100)
    await desk.publish(pictures=2)
    await desk.put("B", pictures=2)
    await desk.idle()
    view = await desk.items.read_item(desk.account_id, "B")
    assert view.queue is not None
    assert view.queue.expected_at > desk.clock() + HOUR_MS
    assert (await desk.listing("B")).state is ListingState.QUEUED


async def test_the_reserved_share_is_for_endings_and_orders(desk: Desk) -> None:
    """With the publishing share spent an ad can still be ended, a price cannot be changed."""
    await desk.publish(pictures=0)
    await spend(desk, 77)
    await desk.restart(daily_calls=100)
    await desk.items.change_price(desk.account_id, "A", 30_000)
    await desk.idle()
    assert "price" not in desk.called()
    await desk.items.change_status(desk.account_id, "A", "not_listed")
    await desk.reach(ListingState.ENDED)
    assert desk.called()["end"] == 1


async def test_reconciliation_has_a_share_of_its_own(desk: Desk) -> None:
    """Once reconciliation has used its share it waits, while publishing goes on."""
    await desk.publish(pictures=0)
    await spend(desk, 9, CallClass.RECONCILE, "orders")
    await desk.restart(daily_calls=100, reconcile_share=0.1)
    await desk.order(JobOrder(queue=QueueName.TRADERA, kind=JobKind.RECONCILE, subject=desk.account_id))
    await desk.idle()
    assert "updated_items" not in desk.called()
    await desk.publish("B", pictures=0)
    assert "updated_items" not in desk.called()


async def test_an_operation_may_have_a_limit_of_its_own(desk: Desk) -> None:
    """3 pictures a day: an item of two goes, another of two waits whole instead of stopping half way."""
    await desk.restart(per_operation={"image": 3})
    await desk.publish(pictures=2)
    await desk.put("B", pictures=2)
    await desk.idle()
    assert (desk.called()["create"], desk.called()["image"]) == (1, 2)
    desk.forward(DAY_S)
    await desk.reach(ListingState.COMMITTED, "B")


@pytest.mark.parametrize(
    ("wishes", "setting"),
    [
        ({"daily_calls": 5}, "tradera.quota.total = 5"),
        ({"per_operation": {"image": 1}}, "quota.methods.image"),
    ],
)
async def test_a_publishing_dearer_than_a_whole_day_fails_at_once(
    desk: Desk, wishes: dict[str, Any], setting: str
) -> None:
    """No wait would help: no call is made, the owner learns the setting, and a smaller item goes out."""
    await desk.restart(**wishes)
    await desk.put(pictures=2)
    await desk.reach(ListingState.REJECTED)
    (failed,) = await desk.told("listing.failed")
    assert setting in failed["error"]
    assert desk.called() == {}
    await desk.publish("B", pictures=1)


async def test_what_was_spent_outlives_a_restart(desk: Desk) -> None:
    """The ledger is read back from the store: a restart gives no new budget."""
    await desk.publish(pictures=0)
    await desk.restart(daily_calls=5)
    assert len(desk.ledger.times(now=desk.clock())) == 3
    await desk.put("B", pictures=0)
    await desk.idle()
    assert (await desk.listing("B")).state is ListingState.QUEUED


async def test_waiting_for_the_budget_costs_no_looking(desk: Desk) -> None:
    """A lane whose work waits for the budget rests: it looks when told to and not again and again."""
    await spend(desk, 80)
    await desk.restart(daily_calls=100)
    for number in range(20):
        await desk.put(f"I{number}", pictures=0)
    await desk.idle()
    assert await looks_at_rest(desk.pick) <= 1
    assert not desk.queue.running


# Too many calls


@pytest.mark.parametrize("step", ["create", "image", "commit"])
async def test_429_keeps_the_item_and_stops_its_class_for_a_minute(desk: Desk, step: str) -> None:
    """The item stays pending and nothing is told; a minute later it goes on."""
    desk.simulator.fault(step, "429")
    await desk.put(pictures=1)
    await calls_so_far(desk, step, 1)
    desk.forward(59)
    await desk.idle()
    assert desk.called()[step] == 1
    assert await desk.told("listing.failed") == []
    desk.forward(10)
    await until(lambda: desk.called()[step] == 2)
    await desk.idle()
    desk.forward(600)
    await desk.reach(ListingState.LIVE)
    assert len(desk.simulator.live_items()) == 1
    assert desk.simulator.second_commits == 0
    assert desk.ledger.states() == []
    assert await rows(desk.database, "SELECT * FROM method_states") == []


async def test_the_forecast_knows_of_the_pause(desk: Desk) -> None:
    """Both the item that met the 429 and the one behind it are expected when the pause is over, not now."""
    desk.simulator.fault("create", "429", retry_after="600")
    await desk.put(pictures=0)
    await calls_so_far(desk, "create", 1)
    await desk.put("B", pictures=0)
    view = await desk.items.read_item(desk.account_id, "B")
    assert view.queue is not None
    assert view.queue.expected_at == desk.clock() + 600_000


async def test_429_honours_retry_after(desk: Desk) -> None:
    """A sane Retry-After is kept to the second."""
    desk.simulator.fault("create", "429", retry_after="120")
    await desk.put(pictures=0)
    await calls_so_far(desk, "create", 1)
    desk.forward(119)
    await desk.idle()
    assert desk.called() == {"create": 1}
    desk.forward(1)
    await desk.reach(ListingState.COMMITTED)


async def test_an_absurd_retry_after_ends_with_the_window(desk: Desk) -> None:
    """The window is a day long: nothing may pause for longer."""
    desk.simulator.fault("create", "429", retry_after="900000000")
    await desk.put(pictures=0)
    await calls_so_far(desk, "create", 1)
    desk.forward(DAY_S)
    await desk.reach(ListingState.COMMITTED)


async def test_429_leaves_the_other_classes_alone(desk: Desk) -> None:
    """While publishing is paused results are asked for, prices changed and ads ended."""
    await desk.publish(pictures=0)
    desk.simulator.processing_delay_s = 60
    await desk.put("B", pictures=0)
    await desk.reach(ListingState.COMMITTED, "B")
    desk.simulator.fault("create", "429")
    await desk.put("C", pictures=0)
    await calls_so_far(desk, "create", 3)
    await desk.items.change_price(desk.account_id, "A", 30_000)
    await until(lambda: "price" in desk.called())
    desk.forward(ASKS_AFTER_S)
    await until(lambda: desk.called()["results"] == 2)
    await desk.items.change_status(desk.account_id, "A", "not_listed")
    await desk.reach(ListingState.ENDED)
    assert desk.called()["create"] == 3


async def test_429_on_a_commit_does_not_stop_the_questions_of_the_others(desk: Desk) -> None:
    """A commit that must be repeated later holds up itself alone: the others become live meanwhile."""
    desk.simulator.processing_delay_s = 100
    await desk.put("OTHER", pictures=0)
    await desk.reach(ListingState.COMMITTED, "OTHER")
    desk.simulator.fault("commit", "429", retry_after="3600")
    await desk.put(pictures=0)
    await calls_so_far(desk, "commit", 2)
    for gap_s in (10, 10, 20, 40, 80):
        desk.forward(gap_s)
        await desk.idle()
    await desk.reach(ListingState.LIVE, "OTHER")
    assert (await desk.listing()).state is ListingState.COMMITTING
    assert desk.called()["commit"] == 2
    desk.forward(3600)
    await calls_so_far(desk, "commit", 3)
    assert desk.simulator.second_commits == 0


async def test_a_pause_outlives_a_restart(desk: Desk) -> None:
    """A restart is no way round a 429: the pause is a row."""
    desk.simulator.fault("create", "429")
    await desk.put(pictures=0)
    await calls_so_far(desk, "create", 1)
    await desk.restart()
    await desk.idle()
    assert desk.called() == {"create": 1}


# Away


async def test_a_refused_connection_spends_no_budget(desk: Desk) -> None:
    """A call that never left counts nothing, in memory and in the rows; the lane backs off from 5 s on."""
    await desk.restart(base_url="http://127.0.0.1:9/v4")
    await desk.put(pictures=0)
    for gap_s in (5, 15, 45):
        await until(lambda: not desk.queue.running)
        await desk.idle()
        before = len(await desk.spent())
        desk.forward(gap_s - 1)
        await desk.idle()
        assert len(await desk.spent()) == before
        desk.forward(1)
        await until(lambda: not desk.queue.running)
        await desk.idle()
        assert len(await desk.spent()) == before + 1
    assert desk.ledger.times(now=desk.clock()) == []
    assert {row["counted"] for row in await desk.spent()} == {0}
    assert await desk.told("listing.failed") == []


async def test_an_outage_is_told_once_when_it_comes_and_once_when_it_goes(desk: Desk) -> None:
    """Three items that fail alike and a probe are one line; so is the return."""
    desk.simulator.fault("create", "reset", times=4)
    with capture_logs() as logs:
        for name in ("A", "B", "C"):
            await desk.put(name, pictures=0)
        await calls_so_far(desk, "create", 3)
        desk.forward(5)
        await calls_so_far(desk, "create", 4)
        desk.forward(15)
        for name in ("A", "B", "C"):
            await desk.reach(ListingState.COMMITTED, name)
        await desk.idle()
    told = [line["event"] for line in logs]
    assert told.count("remote is away") == told.count("remote is back") == 1


async def test_work_without_a_call_ends_no_outage(desk: Desk) -> None:
    """A job that turns out to need no call says nothing about Tradera; the refusal of one does."""
    desk.simulator.fault("create", "reset", times=3)
    with capture_logs() as logs:
        for name in ("A", "B", "C"):
            await desk.put(name, pictures=0)
        await calls_so_far(desk, "create", 3)
        await desk.idle()
        for name in ("A", "B", "C"):
            await desk.items.change_status(desk.account_id, name, "not_listed")
        await desk.order(JobOrder(queue=QueueName.TRADERA, kind=JobKind.ORDERS, subject=desk.account_id))
        desk.forward(5)
        await desk.idle()
        assert await desk.waiting_jobs("orders") == []
        assert "remote is back" not in [line["event"] for line in logs]
        desk.simulator.fault("create", "400")
        await desk.put("D", pictures=0)
        await calls_so_far(desk, "create", 4)
        await desk.idle()
    assert [line["event"] for line in logs].count("remote is back") == 1


async def test_a_call_without_an_answer_counts(desk: Desk) -> None:
    """A call that may have arrived is spent, and its row says what is known."""
    desk.simulator.fault("create", "reset")
    await desk.put(pictures=0)
    await calls_so_far(desk, "create", 1)
    (row,) = await desk.spent()
    assert row["counted"] == 1
    assert "no answer to create" in (restored(row["outcome"]) or "")
    assert len(desk.ledger.times(now=desk.clock())) == 1


async def test_reading_keeps_to_few_passes_while_ads_wait_for_the_sum(desk: Desk) -> None:
    """Of what is too few for an ad it would take more each day, and nobody could say when the last ad goes out."""
    await spend(desk, 9, CallClass.RECONCILE, "orders")
    await spend(desk, 70)
    await desk.restart(daily_calls=100)
    desk.calls.check(CallClass.RECONCILE, {"orders": 1})
    with pytest.raises(NotNow):
        desk.calls.check(CallClass.PUBLISH, {"create": 1, "image": 1, "commit": 1})
    with pytest.raises(NotNow):
        desk.calls.check(CallClass.RECONCILE, {"orders": 1})
