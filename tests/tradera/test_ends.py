"""Auctions end in the owner's windows: the commit waits for its time, a late one takes the next place, "now" goes now."""

from __future__ import annotations

from datetime import datetime

import pytest

from rheod.domain.calendar import AT_ONCE, SWEDEN, EndChoice, in_sweden
from rheod.domain.errors import Refused
from rheod.domain.model import Listing, ListingState, TraderaWish
from rheod.usecases import ending
from rheod.usecases.ending import Ending
from tests.desk import CATEGORY, Desk
from tests.tradera.test_order_sync import reconcile

EVENINGS = EndChoice(windows=("Mon-Sun 19:00-21:30",))
HOUR_S = 3600
DAY_MS = 24 * HOUR_S * 1000


async def windows(desk: Desk, choice: EndChoice = EVENINGS) -> None:
    """The owner has these windows."""
    await desk.store.write(lambda tx: ending.note_settings(tx.db, choice, now=tx.now))


async def goes_out(desk: Desk, external_id: str = "A") -> Listing:
    """Time passes until the ad is up."""
    for _ in range(400):
        await desk.idle()
        listing = await desk.listing(external_id)
        if listing.state is ListingState.LIVE:
            return listing
        jobs = await desk.waiting_jobs("publish") or await desk.waiting_jobs("results")
        due = min((each["due_at"] for each in jobs), default=0)
        desk.forward(max((due - desk.store.now()) / 1000, 0) + 0.05)
    raise AssertionError("it never went out")


def evening(desk: Desk, hour: int, minute: int, days: int = 0) -> int:
    """The moment (ms UTC) at which Swedish clocks show this, so many days from now."""
    clock = in_sweden(desk.store.now() + days * DAY_MS)
    return round(datetime(clock.year, clock.month, clock.day, hour, minute, tzinfo=SWEDEN).timestamp() * 1000)


async def test_the_commit_waits_so_that_the_auction_ends_in_the_window(desk: Desk) -> None:
    """Ten in the morning: the request is made twenty minutes before, the commit on the minute."""
    await windows(desk)
    await desk.put(pictures=0)
    await desk.idle()
    assert desk.called().get("create") is None
    listing = await goes_out(desk)
    assert listing.end_place is not None
    assert listing.end_place.end_at == evening(desk, 19, 1, days=7)
    assert listing.commit_sent_at is not None
    assert 0 <= listing.commit_sent_at - listing.end_place.commit_at < 1000
    assert listing.days == 7


async def test_two_auctions_never_get_the_same_place(desk: Desk) -> None:
    await windows(desk)
    for name in ("A", "B", "C"):
        await desk.put(name, pictures=0)
    await desk.idle()
    places = [(await desk.listing(name)).end_place for name in ("A", "B", "C")]
    ends = sorted(place.end_at for place in places if place)
    assert ends == [evening(desk, 19, minute, days=7) for minute in (1, 3, 5)]
    shown = await Ending(store=desk.store).between([desk.account_id], 0, 2**53)
    assert [each.end_at for each in shown] == ends


async def test_a_commit_that_comes_too_late_takes_the_next_place(desk: Desk) -> None:
    """The calls of the day were used up, or rheod stood still."""
    await windows(desk)
    await desk.put(pictures=0)
    await desk.idle()
    desk.forward(24 * HOUR_S - 1)
    listing = await goes_out(desk)
    assert listing.end_place is not None
    assert listing.end_place.moves == 1
    assert listing.end_place.end_at % 60_000 == 0
    (moved,) = await desk.told("end.moved")
    assert moved["to"] == listing.end_place.end_at


async def test_an_owners_now_goes_now(desk: Desk) -> None:
    await windows(desk)
    await desk.put(pictures=0)
    await desk.idle()
    await desk.items.order_publish(desk.account_id, "A")
    desk.forward(1)
    await desk.idle()
    assert desk.called()["commit"] == 1
    assert (await desk.listing()).end_place == AT_ONCE


async def test_an_item_names_its_own_end(desk: Desk) -> None:
    """Without any window; of the days an auction may run the longest that is still in time."""
    end_at = evening(desk, 20, 15, days=3)
    await desk.put(pictures=0, tradera=TraderaWish(category_id=CATEGORY, end_at=end_at))
    listing = await goes_out(desk)
    assert listing.days == 3
    assert listing.end_place is not None
    assert listing.end_place.end_at == end_at


async def test_an_end_that_no_auction_reaches_is_refused(desk: Desk) -> None:
    with pytest.raises(Refused) as refused:
        await desk.put(tradera=TraderaWish(end_at=desk.store.now() + DAY_MS // 2))
    assert [each.field for each in refused.value.details] == ["tradera.endAt"]


async def test_a_fixed_price_has_no_place(desk: Desk) -> None:
    await windows(desk)
    await desk.put(pictures=0, tradera=TraderaWish(category_id=CATEGORY, listing_type="fixed_price"))
    await desk.idle()
    assert desk.called()["commit"] == 1


async def test_the_owner_moves_what_is_not_committed(desk: Desk) -> None:
    await windows(desk)
    await desk.put(pictures=0)
    await desk.idle()
    owner = Ending(store=desk.store)
    wanted = evening(desk, 20, 0, days=9)
    moved = await owner.move(desk.account_id, "A", wanted)
    assert (moved.end_at, moved.place and moved.place.moves) == (wanted, 1)
    with pytest.raises(Refused, match="too soon"):
        await owner.move(desk.account_id, "A", desk.store.now())
    listing = await goes_out(desk)
    assert listing.end_place is not None
    assert listing.end_place.end_at == wanted
    with pytest.raises(Refused, match="still to be committed"):
        await owner.move(desk.account_id, "A", wanted)


def end_at_tradera(desk: Desk, listing: Listing) -> int:
    """When Tradera will end the listing's ad."""
    return desk.simulator.market.listings[listing.tradera_item_id or 0].end_ms


async def test_the_ends_that_tradera_reports_teach_how_long_after_its_commit_an_auction_begins(
    desk: Desk,
) -> None:
    """It takes 45 s here: the first ends so late, the next on its minute. One ad is read for it, not each."""
    await windows(desk)
    desk.simulator.market.processing_delay_ms = 45_000
    await desk.put(pictures=0)
    first = await goes_out(desk)
    assert first.end_place is not None
    assert end_at_tradera(desk, first) - first.end_place.end_at == pytest.approx(45_000, abs=1000)
    await reconcile(desk)
    assert (await desk.listing()).ends_at == end_at_tradera(desk, first)
    looks = desk.called()["read_item"]
    await reconcile(desk)
    assert desk.called()["read_item"] == looks == 1
    await desk.put("B", pictures=0)
    second = await goes_out(desk, "B")
    assert second.end_place is not None
    assert end_at_tradera(desk, second) - second.end_place.end_at == pytest.approx(0, abs=1000)
