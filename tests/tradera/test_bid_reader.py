"""Bids are read on schedule by one call for many, which says nothing else; and of one ad because its owner wants to know."""

from __future__ import annotations

import pytest

from rheod.domain.budget import Quota, bids_gap_ms, left_by_bids
from rheod.domain.errors import Refused
from rheod.domain.model import CallClass, JobKind, JobOrder, ListingState, QueueName
from rheod.store import ads
from rheod.store.ads import AdsWithBids, Bids
from rheod.tradera.bid_reader import AdLooker
from tests.desk import Desk

HOUR_MS, MINUTE_S = 3_600_000, 60


async def read_bids(desk: Desk) -> None:
    """Have the account's reading done now, as at a start."""
    await desk.order(JobOrder(queue=QueueName.TRADERA, kind=JobKind.BIDS, subject=desk.account_id))
    await desk.idle()


async def seen(desk: Desk, external_id: str) -> Bids | None:
    """What is known of an item's ad."""
    listing = await desk.listing(external_id)
    return await desk.database.read(lambda db: ads.bids_seen(db, listing.id))


async def asked(desk: Desk) -> int:
    """How often Tradera was asked for the seller's ads."""
    return desk.called().get("seller_items", 0)


async def test_bids_are_read_on_schedule_by_one_call_for_all(desk: Desk) -> None:
    """What is kept says when; the job waits for its next time with the reason, and a start right after it reads nothing."""
    await desk.restart(daily_calls=10_000)
    up = [await desk.publish(each) for each in ("A", "B", "C")]
    desk.simulator.bid(up[0].tradera_item_id or 0, 620)
    before = await asked(desk)
    await read_bids(desk)
    now = desk.clock()
    assert [await seen(desk, each) for each in ("A", "B", "C")] == [
        Bids(1, 620, now),
        Bids(0, None, now),
        Bids(0, None, now),
    ]
    assert await desk.database.read(lambda db: ads.ads_with_bids(db, desk.account_id)) == AdsWithBids(1, now)
    assert await asked(desk) == before + 1
    (job,) = await desk.waiting_jobs("bids")
    assert "next reading of bids" in job["reason"]
    assert (job["due_at"], job["attempts"]) == (now + 600_000, 0)
    await read_bids(desk)
    assert await asked(desk) == before + 1


async def test_ads_that_end_soon_are_read_more_often(desk: Desk) -> None:
    """Every ten minutes on their last day, once an hour before; nobody is asked while no ad is up."""
    await desk.restart(daily_calls=10_000)
    await read_bids(desk)
    assert await asked(desk) == 0
    listing = await desk.publish("A")

    async def in_an_hour() -> int:
        before = await asked(desk)
        for _ in range(6):
            desk.forward(10 * MINUTE_S)
            await desk.idle()
        return await asked(desk) - before

    await in_an_hour()
    assert await in_an_hour() == 1
    assert listing.ends_at is not None
    desk.forward((listing.ends_at - desk.clock()) // 1000 - 5 * 3600)
    await desk.idle()
    assert await in_an_hour() == 6


async def test_a_reading_sells_ends_and_frees_nothing(desk: Desk) -> None:
    """Though Tradera shows one ad as sold and one as ended, both stay as they are for reconciliation to see to; a third gets its bids."""
    await desk.restart(daily_calls=10_000)
    up = {each: (await desk.publish(each)).tradera_item_id or 0 for each in ("A", "B", "C")}
    for number in up.values():
        desk.simulator.bid(number, 300)
    sold, ended = (desk.simulator.market.visible(up[each]) for each in ("A", "B"))
    end_ms = sold.end_ms
    await desk.simulator.sell(up["A"], push=False)
    await desk.simulator.end_unsold(up["B"], push=False)
    sold.end_ms = ended.end_ms = end_ms  # they are told all the same
    told = await desk.told()
    await read_bids(desk)
    for each in up:
        item, listing = await desk.item(each), await desk.listing(each)
        assert (item.rheo_status, item.tradera_status, listing.state, listing.closed_at) == (
            "active",
            "active",
            ListingState.LIVE,
            None,
        )
    assert await desk.told() == told
    found = await seen(desk, "C")
    assert found is not None
    assert (found.count, found.highest_kr) == (1, 300)


async def test_what_was_seen_later_and_what_is_not_up_stays(desk: Desk) -> None:
    """An answer that was long on its way does not undo a newer look; an ad of nobody's, or one that is down, gets no row."""
    listing = await desk.publish("A")
    number, now = listing.tradera_item_id or 0, desk.clock()
    for count, at in ((2, now), (1, now - 1)):
        await desk.store.write(
            lambda tx, count=count, at=at: ads.see_bids_of_ads(  # type: ignore[misc]
                tx.db, desk.account_id, [(number, Bids(count, 100, at)), (1, Bids(9, 9, at))]
            )
        )
    await desk.store.write(lambda tx: ads.see_bids_of_ads(tx.db, "somebody", [(number, Bids(7, 7, now + 1))]))
    assert await seen(desk, "A") == Bids(2, 100, now)
    assert await desk.database.read(lambda db: db.execute("SELECT count(*) FROM bids").fetchone()[0]) == 1


async def test_without_room_or_an_answer_the_reading_waits_with_its_reason(desk: Desk) -> None:
    """A small quota, one that is half used, a refusal and no answer: said with the next try; orders and ads are read on."""
    await desk.restart(daily_calls=100)
    await desk.publish("A")
    await read_bids(desk)
    (job,) = await desk.waiting_jobs("bids")
    assert "the quota is too small to read bids on schedule" in job["reason"]
    assert job["due_at"] == desk.clock() + HOUR_MS
    await desk.restart(daily_calls=10_000, per_operation={"seller_items": 300})
    for call in range(51):
        async with desk.calls.book(CallClass.RECONCILE, "seller_items"):
            assert call >= 0
    before = await asked(desk)
    await read_bids(desk)
    (job,) = await desk.waiting_jobs("bids")
    assert "The Tradera calls that are left are for what comes first" in job["reason"]
    assert job["due_at"] > desk.clock()
    assert await asked(desk) == before
    await desk.restart(per_operation={})
    for fault in ("400", "500"):
        desk.simulator.fault("seller_items", fault)
        await read_bids(desk)
        (job,) = await desk.waiting_jobs("bids")
        assert "next reading of bids" not in job["reason"]
        assert job["due_at"] == desk.clock() + 600_000
        assert job["state"] == "due"
        assert desk.queue.rest is None
    assert await seen(desk, "A") is None


async def test_a_list_that_is_too_long_is_parted_and_given_up_in_the_end(desk: Desk) -> None:
    """However short the period is: a handful of calls, and the rest is for the next time."""
    await desk.restart(daily_calls=10_000)
    await desk.publish("A")
    desk.simulator.fault("seller_items", "huge_answer", times=100)
    before = await asked(desk)
    await read_bids(desk)
    assert 1 < await asked(desk) - before <= 8
    (job,) = await desk.waiting_jobs("bids")
    assert job["due_at"] == desk.clock() + 600_000


async def test_switched_off_there_is_no_reading(desk: Desk) -> None:
    """The job ends at once, and nobody is asked."""
    await desk.restart(daily_calls=10_000, bids_interval_s=0)
    await desk.publish("A")
    await read_bids(desk)
    assert await desk.waiting_jobs("bids") == []
    assert await asked(desk) == 0


@pytest.mark.parametrize(
    ("quota", "accounts", "gap_min"),
    [
        (Quota(), 1, 10),
        (Quota(), 10, 13),
        (Quota(methods={"seller_items": 300}), 1, 43),
        (Quota(methods={"seller_items": 100}), 1, None),
        (Quota(total=100), 1, None),
        (Quota(total=1000), 1, 43),
        (Quota(total=1000), 3, None),
    ],
)
def test_how_often_bids_are_read(quota: Quota, accounts: int, gap_min: int | None) -> None:
    """Within a third of what reading on schedule may call of the method, and a tenth where all calls are limited; else not at all."""
    found = bids_gap_ms(600_000, accounts=accounts, quota=quota, learned={})
    assert (found and round(found / 60_000)) == gap_min
    assert all(left for left in left_by_bids(quota, {}).values())


def looker(desk: Desk) -> AdLooker:
    """As compose wires it."""
    return AdLooker(
        store=desk.store, items=desk.items, calls_of=lambda each: desk.rheod.loops.of_account(each)[1]
    )


async def test_what_tradera_shows_is_kept_with_the_listing(desk: Desk) -> None:
    """One call, counted; before a bid there is none, after one it and how high."""
    listing = await desk.publish()
    before = desk.called().get("read_item", 0)
    seen = await looker(desk).look(desk.account_id, "A")
    assert (seen.count, seen.highest_kr) == (0, None)
    assert await desk.database.read(lambda db: ads.bids_seen(db, listing.id)) == seen
    assert desk.called().get("read_item", 0) == before + 1


async def test_without_an_ad_that_is_up_nobody_is_called(desk: Desk) -> None:
    """Said as what it is; an item that is not there is not found."""
    await desk.put("B", pictures=0)
    before = desk.called()
    with pytest.raises(Refused, match="no ad that is up"):
        await looker(desk).look(desk.account_id, "B")
    with pytest.raises(Refused, match="No item found"):
        await looker(desk).look(desk.account_id, "nobody")
    assert desk.called() == before
