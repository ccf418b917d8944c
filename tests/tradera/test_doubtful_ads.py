"""Ads nobody asks for any more: what reconciliation hears of them settles them without the owner."""

from __future__ import annotations

from rheod.domain.model import CallClass, JobKind, JobOrder, ListingState, QueueName
from rheod.store import ledger
from tests.desk import Desk
from tests.simulation.invariants import unexplained_waits
from tests.tradera.test_order_sync import live, reconcile


async def in_doubt(desk: Desk) -> None:
    """Have an ad that is up at Tradera and that nobody asks for here any more."""
    await live(desk)
    doubt = "UPDATE listings SET state = 'committed', ask_at = NULL, live_at = NULL, error = 'in doubt'"
    await desk.store.write(lambda tx: tx.db.execute(doubt).rowcount)
    failed = "UPDATE items SET tradera_status = 'sync_error'"
    await desk.store.write(lambda tx: tx.db.execute(failed).rowcount)


async def test_an_ad_in_doubt_that_turns_up_is_live(desk: Desk) -> None:
    """Tradera tells of a change of it: one look settles what the owner would have had to."""
    await in_doubt(desk)
    await reconcile(desk)
    await desk.reach(ListingState.LIVE)
    assert desk.called()["read_item"] == 1
    assert (await desk.item()).tradera_status == "active"


async def test_a_look_waits_for_no_room_of_a_pass(desk: Desk) -> None:
    """The share of reconciliation is enough for its own three calls alone: the look has a turn of its own."""
    await in_doubt(desk)
    call = ledger.LedgerCall(call_class=CallClass.RECONCILE, operation="orders", account_id=desk.account_id)
    for _ in range(17):
        await desk.store.write(lambda tx: ledger.open_call(tx.db, call, now=tx.now))
    await desk.restart(daily_calls=100, reconcile_share=0.2)
    await reconcile(desk)
    assert desk.called()["updated_items"] == 1
    await desk.reach(ListingState.LIVE)
    await desk.idle()
    assert (desk.called()["orders"], desk.called()["read_item"]) == (1, 1)


async def test_an_ad_in_doubt_that_went_down_sold_is_a_sale(desk: Desk) -> None:
    """The look finds it closed: the next pass goes back to before its commit and finds the order, told once."""
    await in_doubt(desk)
    listing = await desk.listing()
    await desk.simulator.sell(listing.tradera_item_id or 0)
    await reconcile(desk)
    await desk.reach(ListingState.SOLD)
    assert len(await desk.told("item.sold")) == 1
    assert await desk.told("listing.ended") == []


async def test_a_look_that_tradera_refuses_is_made_again(desk: Desk) -> None:
    """A refused look is no answer about the ad."""
    await in_doubt(desk)
    desk.simulator.fault("read_item", "400")
    await reconcile(desk)
    assert (await desk.listing()).is_in_doubt
    desk.forward(24 * 3600)
    await desk.reach(ListingState.LIVE)


async def test_an_ad_that_ended_by_a_clock_an_hour_behind_is_ended(desk: Desk) -> None:
    """It ends, by Tradera's clock, later than our now: the pass sees it all the same, and its change is not told twice."""
    ad = await live(desk)
    desk.forward(2 * 3600)
    desk.simulator.market.close(desk.simulator.market.listings[ad])
    desk.forward(-3600)
    await reconcile(desk)
    await desk.reach(ListingState.ENDED)
    assert (await desk.item()).tradera_status == "ended"


async def test_the_simulation_sees_a_wait_that_nothing_ends(desk: Desk) -> None:
    """Its invariant is broken by an ad in doubt without a job that looks for it, and kept with one."""
    await in_doubt(desk)
    (found,) = await desk.database.read(unexplained_waits)
    assert found.endswith("is committed and nothing carries it on")
    listing = await desk.listing()
    desk.simulator.fault("read_item", "400")
    await desk.order(JobOrder(queue=QueueName.TRADERA, kind=JobKind.LOOK, subject=listing.id))
    await desk.idle()
    assert await desk.database.read(unexplained_waits) == []
