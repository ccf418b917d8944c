"""A commit that is to be sent once more while the day's commits are spent: it waits for a call, is told, and comes first."""

from __future__ import annotations

import pytest

from rheod.compose.loops import observed
from rheod.domain.budget import WINDOW_MS
from rheod.domain.model import ListingState
from rheod.health.facts import gather_findings
from rheod.health.findings import Finding
from tests.desk import ASKS_AFTER_S, DELAYS_S, Desk
from tests.tradera.test_result_poller import ask, ask_on_time, lost_commit

DAY_S = WINDOW_MS / 1000


async def put_off(desk: Desk, *, silent: bool = False) -> None:
    """An item whose only commit of the day never arrived. Tradera says that it is not committed, or nothing at all."""
    await desk.restart(per_operation={"commit": 1})
    if silent:
        desk.simulator.fault("results", "no_result", times=5)
    await lost_commit(desk, "reset")
    for gap_s in DELAYS_S[1:5] if silent else ():
        await ask(desk, gap_s)
    assert (await desk.listing()).put_off is not None


async def finding(desk: Desk) -> Finding | None:
    """What is told of commits that wait."""
    seen = await gather_findings(observed(desk.rheod.core, desk.rheod.loops.running))
    return next((each for each in seen if each.code == "commit.waits"), None)


@pytest.mark.parametrize("silent", [False, True], ids=["uncommitted", "silent"])
async def test_a_commit_without_a_call_left_waits_for_one_and_is_no_doubt(
    desk: Desk, *, silent: bool
) -> None:
    """A day is the limit of doubt too: the wait for a call does not count, and the same request is committed."""
    await put_off(desk, silent=silent)
    view, told = await desk.items.read_item(desk.account_id, "A"), await finding(desk)
    assert view.listing is not None
    assert str(view.waits_for).startswith(
        "its commit is to be sent once more: 1 of 1 Tradera calls of the kind commit"
    )
    assert (view.waits_since, view.next_try) == (view.listing.commit_sent_at, view.listing.ask_at)
    assert told is not None
    assert (told.since, told.next_at, told.items) == (view.waits_since, view.next_try, ("A",))
    await ask_on_time(desk, DAY_S + 900)
    assert (await desk.reach(ListingState.LIVE)).put_off is None
    assert (desk.called()["create"], desk.called()["commit"], desk.simulator.second_commits) == (1, 2, 0)
    assert (await desk.told("listing.failed"), await finding(desk)) == ([], None)


async def test_it_comes_before_an_ad_that_waits_for_the_same_call(desk: Desk) -> None:
    """The call that comes free is the older commit's; the other item goes out with the next, a day later."""
    await put_off(desk)
    await desk.put("B", pictures=0)
    await ask_on_time(desk, DAY_S)
    assert desk.called() | {"results": 0} == {"create": 1, "commit": 2, "results": 0}
    await ask_on_time(desk, 60)
    await desk.reach(ListingState.LIVE)
    desk.forward(DAY_S)
    await desk.reach(ListingState.COMMITTED, "B")


async def test_a_day_in_which_rheod_did_not_ask_is_no_patience_of_tradera(desk: Desk) -> None:
    """Whoever was away for two days asks, hears that nothing is committed and commits the same request."""
    desk.simulator.fault("commit", "reset")
    await desk.put(pictures=0)
    await desk.reach(ListingState.COMMITTING)
    await desk.idle()
    await desk.stop()
    desk.clock.forward(2 * 24 * 3_600_000)
    await desk.start()
    await ask(desk, ASKS_AFTER_S)
    await ask(desk, ASKS_AFTER_S)
    await desk.reach(ListingState.LIVE)
    assert desk.called()["create"] == 1
