"""All publishing paused by the owner: nothing goes out, what is up is still ended, a restart forgets nothing."""

from __future__ import annotations

from rheod.compose.core import publishing_pause
from rheod.domain.model import ListingState
from tests.desk import Desk


async def test_nothing_goes_out_while_everything_is_paused(desk: Desk) -> None:
    """Endings are made all the same; what waited goes out once the owner lets it, and each ad is made once."""
    await desk.put("A", pictures=0)
    await desk.idle()
    assert desk.called()["create"] == 1
    await publishing_pause(desk.rheod.core).pause(paused=True)
    await desk.put("B", pictures=0)
    await desk.items.delete_item(desk.account_id, "A")
    await desk.idle()
    desk.forward(3600)
    await desk.idle()
    assert (desk.called()["create"], desk.called()["end"]) == (1, 1)
    view = await desk.items.read_item(desk.account_id, "B")
    assert "You have paused everything" in (view.waits_for or "")
    since = await publishing_pause(desk.rheod.core).since()
    await publishing_pause(desk.rheod.core).pause(paused=True)
    assert await publishing_pause(desk.rheod.core).since() == since
    await desk.restart()
    await desk.idle()
    assert desk.called()["create"] == 1
    await publishing_pause(desk.rheod.core).pause(paused=False)
    await desk.idle()
    assert desk.called()["create"] == 2
    assert (await desk.listing("B")).state is not ListingState.QUEUED
