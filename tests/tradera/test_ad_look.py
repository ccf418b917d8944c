"""Looking at an ad because its owner wants to know its bids: one call, kept with the listing."""

from __future__ import annotations

import pytest

from rheod.domain.errors import Refused
from rheod.store import ads
from rheod.tradera.ad_look import AdLooker
from tests.desk import Desk


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
