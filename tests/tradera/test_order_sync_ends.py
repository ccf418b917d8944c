"""When an ad should have ended: no call is spent on one that Tradera shows for longer."""

from __future__ import annotations

import pytest

from rheod.domain.model import ListingState, TraderaWish
from tests.desk import CATEGORY, Desk
from tests.tradera.test_order_sync import reconcile

DAY_S = 24 * 3600
PASS_S = 900


async def passes(desk: Desk, count: int = 3) -> None:
    """So many passes, each at its time."""
    for _ in range(count):
        desk.forward(PASS_S)
        await desk.idle()


@pytest.mark.parametrize("days", [None, 3])
async def test_a_fixed_price_is_not_overdue_after_the_days_of_an_auction(
    desk: Desk, days: int | None
) -> None:
    """Tradera shows it for thirty days whatever is asked: until then it is not looked at."""
    wish = TraderaWish(category_id=CATEGORY, listing_type="fixed_price", duration_days=days)
    await desk.publish(pictures=0, tradera=wish)
    await reconcile(desk)
    desk.forward(29 * DAY_S)
    await passes(desk)
    assert "read_item" not in desk.called()
    desk.forward(2 * DAY_S)
    await desk.reach(ListingState.ENDED)


async def test_an_ad_that_runs_on_is_looked_at_once(desk: Desk) -> None:
    """Its own end is learnt from that look, and it is looked at again when that has passed."""
    listing = await desk.publish(pictures=0)
    await reconcile(desk)
    ad = desk.simulator.market.listings[listing.tradera_item_id or 0]
    ad.end_ms += 5 * DAY_S * 1000
    desk.forward(7 * DAY_S + 2 * 3600)
    await passes(desk)
    assert desk.called()["read_item"] == 1
    assert (await desk.listing()).ends_at == ad.end_ms
    desk.forward(5 * DAY_S)
    await desk.reach(ListingState.ENDED)
    assert desk.called()["read_item"] == 2
