"""Ads nobody asks for any more: what reconciliation hears of them settles them without the owner."""

from __future__ import annotations

from rheod.domain.model import CallClass, ListingState
from rheod.store import ledger
from tests.desk import Desk
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


async def test_a_change_that_could_not_be_looked_at_is_told_again(desk: Desk) -> None:
    """With no call left for the look the pass does not move on: the next one hears of the same change."""
    await in_doubt(desk)
    call = ledger.LedgerCall(call_class=CallClass.RECONCILE, operation="orders", account_id=desk.account_id)
    for _ in range(17):
        await desk.store.write(lambda tx: ledger.open_call(tx.db, call, now=tx.now))
    await desk.restart(daily_calls=100, reconcile_share=0.2)
    await reconcile(desk)
    assert desk.called()["updated_items"] == 1
    assert (await desk.listing()).state is ListingState.COMMITTED
    desk.forward(25 * 3600)
    await desk.reach(ListingState.LIVE)
