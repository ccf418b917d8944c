"""Tradera has forgotten the request that is being published: begun anew before a commit, never after one."""

from __future__ import annotations

import pytest

from rheod.domain.model import ListingState
from tests.desk import ASKS_AFTER_S, Desk
from tests.waiting import until


async def pictures_tried(desk: Desk, count: int) -> None:
    """Wait for the n-th try of a picture and for what follows from it."""
    await until(lambda: desk.called().get("image") == count)
    await desk.idle()


async def test_a_request_forgotten_before_its_commit_is_made_anew(desk: Desk) -> None:
    """404 to the second picture: all of it once more after a rest, and one ad goes up with its pictures."""
    desk.simulator.fault("image", "404", skip=1)
    await desk.put(pictures=2)
    await pictures_tried(desk, 2)
    assert (await desk.listing()).state is ListingState.QUEUED
    assert await desk.told("listing.failed") == []
    desk.forward(5)
    await desk.reach(ListingState.COMMITTED)
    desk.forward(ASKS_AFTER_S)
    await desk.reach(ListingState.LIVE)
    assert desk.called()["create"] == 2
    (ad,) = desk.simulator.live_items()
    assert len(ad.images) == 2


async def test_a_tradera_that_forgets_every_request_fails_the_item(desk: Desk) -> None:
    """Three requests are enough: the item fails with Tradera's words instead of spending the day's calls."""
    desk.simulator.fault("image", "404", times=None)
    await desk.put(pictures=1)
    for tries, gap_s in ((1, 5), (2, 15), (3, 45)):
        await pictures_tried(desk, tries)
        desk.forward(gap_s)
    await desk.reach(ListingState.REJECTED)
    (failed,) = await desk.told("listing.failed")
    assert "404" in failed["error"]
    assert desk.called() == {"create": 3, "image": 3}


@pytest.mark.parametrize(
    ("effect", "end"), [(False, ListingState.REJECTED), (True, ListingState.LIVE)], ids=["refused", "taken"]
)
async def test_after_a_commit_nothing_is_made_anew(desk: Desk, effect: bool, end: ListingState) -> None:  # noqa: FBT001 - a table
    """404 to the commit may hide one that was taken: what became of it is asked, and no second request is made."""
    desk.simulator.fault("commit", "404", effect=effect)
    await desk.put(pictures=0)
    await until(lambda: desk.called().get("commit") == 1)
    await desk.idle()
    desk.forward(ASKS_AFTER_S)
    await desk.reach(end)
    assert (desk.called()["create"], desk.called()["commit"]) == (1, 1)
