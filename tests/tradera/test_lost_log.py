"""The write-ahead log was deleted while rheod was stopped: what it held is gone, and what comes of it."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from rheod.domain.model import JobKind, JobOrder, ListingState, QueueName, RheoStatus
from rheod.sandbox.tradera import TraderaSimulator
from rheod.store import orders
from tests.desk import Desk, open_account
from tests.stores import Clock, opened, rows


@asynccontextmanager
async def desk_on(data: Path, clock: Clock, simulator: TraderaSimulator) -> AsyncIterator[Desk]:
    """A desk over the store in this folder."""
    async with opened(data) as database:
        account_id = await open_account(database, clock)
        one = Desk(database=database, clock=clock, simulator=simulator, folder=data, account_id=account_id)
        await one.start()
        try:
            yield one
        finally:
            await one.stop()


async def test_a_sale_of_what_was_lost_is_kept_and_shown(
    tmp_path: Path, clock: Clock, simulator: TraderaSimulator
) -> None:
    """The start works and the file is sound; the lost ad's sale is found by the pass and counted as unmatched."""
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    after.mkdir()
    async with desk_on(before, clock, simulator) as desk:
        await desk.publish("kept", pictures=0)
    async with desk_on(before, clock, simulator) as desk:
        ad = (await desk.publish("lost", pictures=0)).tradera_item_id or 0
        assert (before / "rheod.db-wal").stat().st_size > 0
        shutil.copy(before / "rheod.db", after)  # and not what stands in the log beside it
    order_id = await simulator.sell(ad, 700, push=False)
    async with desk_on(after, clock, simulator) as desk:
        assert await rows(desk.database, "PRAGMA integrity_check") == [{"integrity_check": "ok"}]
        assert [row["external_id"] for row in await rows(desk.database, "SELECT external_id FROM items")] == [
            "kept"
        ]
        await desk.order(JobOrder(queue=QueueName.TRADERA, kind=JobKind.RECONCILE, subject=desk.account_id))
        await desk.idle()
        assert await desk.database.read(orders.unmatched_count) == 1
        (kept,) = await rows(desk.database, "SELECT * FROM orders")
        assert kept["order_id"] == order_id
        assert (await desk.listing("kept")).state is ListingState.LIVE
        assert (await desk.item("kept")).rheo_status is RheoStatus.ACTIVE
