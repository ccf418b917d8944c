"""What a refused token means: the account rests, one item is told of, and another token makes everything good."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from rheod.domain.model import ListingState, TraderaStatus
from tests.desk import ASKS_AFTER_S, Desk, calls_so_far
from tests.stores import rows


@pytest.mark.parametrize("status", ["401", "403"])
async def test_a_refused_token_pauses_the_account_after_one_check(desk: Desk, status: str) -> None:
    """One look at users/me, one message, no storm: ten items wait, and the one it was refused to is told of."""
    desk.simulator.fault("*", status, times=None)
    with capture_logs() as logs:
        for number in range(10):
            await desk.put(f"I{number}", pictures=0)
        await calls_so_far(desk, "me", 1)
        desk.forward(3600)
        await desk.idle()
    assert desk.called() == {"create": 1, "me": 1}
    (line,) = [line for line in logs if line["log_level"] == "error"]
    assert "log in again" in line["reason"]
    assert "test-user-token" not in str(logs)
    (failed,) = await desk.told("listing.failed")
    assert failed["error"] == line["reason"]


async def test_an_item_refused_for_the_token_stays_pending_and_goes_live_by_itself(desk: Desk) -> None:
    """Told once however often the dead token is tried; with another one the same listing goes up."""
    await desk.restart(token="test-old-token")
    await desk.put(pictures=0)
    for tries in (1, 2):
        await calls_so_far(desk, "me", tries)
        item = await desk.item()
        assert item.tradera_status is TraderaStatus.PENDING_SYNC
        assert "log in again" in (item.last_error or "")
        desk.forward(6 * 3600)
    await calls_so_far(desk, "me", 3)
    await desk.restart(token="test-user-token")
    await desk.reach(ListingState.COMMITTED)
    desk.forward(ASKS_AFTER_S)
    assert (await desk.reach(ListingState.LIVE)).generation == 1
    assert (await desk.item()).last_error is None
    assert len(await desk.told("listing.failed")) == len(await desk.told("listing.created")) == 1


async def test_a_token_that_dies_again_is_told_again(desk: Desk) -> None:
    """Another time without a token is another message for the items it holds up; one that holds nothing up is none."""
    desk.simulator.fault("create", "401")
    desk.simulator.fault("me", "401")
    await desk.put(pictures=0)
    await calls_so_far(desk, "me", 1)
    desk.simulator.fault("commit", "401")
    desk.simulator.fault("me", "401")
    desk.forward(6 * 3600)
    await calls_so_far(desk, "me", 2)
    assert len(await desk.told("listing.failed")) == 2
    desk.forward(6 * 3600)
    await desk.reach(ListingState.COMMITTED)


async def test_an_item_that_waits_for_the_token_says_so(desk: Desk) -> None:
    """No place and no time, for nobody knows when: the reason instead."""
    desk.simulator.fault("*", "401", times=None)
    await desk.put(pictures=0)
    await calls_so_far(desk, "me", 1)
    await desk.put("B", pictures=0)
    view = await desk.items.read_item(desk.account_id, "B")
    assert view.queue is None
    assert "log in again" in (view.waits_for or "")


async def test_a_pause_for_the_token_holds_every_class(desk: Desk) -> None:
    """Nobody may call for this seller: ending, prices and orders wait too."""
    await desk.publish(pictures=0)
    desk.simulator.fault("*", "401", times=None)
    await desk.put("B", pictures=0)
    await calls_so_far(desk, "me", 1)
    before = desk.called()
    await desk.items.change_price(desk.account_id, "A", 30_000)
    await desk.items.change_status(desk.account_id, "A", "not_listed")
    await desk.idle()
    assert desk.called() == before


async def test_another_token_lifts_the_pause(desk: Desk) -> None:
    """After a restart with a token that works everything goes on at once; the pause is gone from the store."""
    await desk.restart(token="test-old-token")
    await desk.put(pictures=0)
    await calls_so_far(desk, "me", 1)
    await desk.restart()
    await desk.idle()
    await desk.restart(token="test-user-token")
    await desk.reach(ListingState.COMMITTED)
    assert await rows(desk.database, "SELECT * FROM pauses") == []


async def test_the_same_token_is_tried_again_only_after_hours(desk: Desk) -> None:
    """A restart with the refused token changes nothing; every six hours it is tried once."""
    desk.simulator.fault("*", "401", times=2)
    await desk.put(pictures=0)
    await calls_so_far(desk, "me", 1)
    await desk.restart()
    desk.forward(6 * 3600 - 1)
    await desk.idle()
    assert desk.called() == {"create": 1, "me": 1}
    desk.forward(1)
    await desk.reach(ListingState.COMMITTED)


async def test_a_check_that_meets_429_is_not_repeated_at_once(desk: Desk) -> None:
    """The token is in doubt and the quota spent: both calls wait for the hour."""
    desk.simulator.fault("create", "401")
    desk.simulator.fault("me", "429")
    await desk.put(pictures=0)
    await calls_so_far(desk, "me", 1)
    desk.forward(3590)
    await desk.idle()
    assert desk.called() == {"create": 1, "me": 1}
    desk.forward(10)
    await desk.reach(ListingState.COMMITTED)


async def test_a_call_this_seller_may_not_make_fails_the_item_alone(desk: Desk) -> None:
    """403 on create with a token that works otherwise: the item fails with a reason, the account goes on."""
    desk.simulator.fault("create", "403")
    await desk.put(pictures=0)
    await desk.reach(ListingState.REJECTED)
    (failed,) = await desk.told("listing.failed")
    assert "does not allow this account to create" in failed["error"]
    await desk.publish("B", pictures=0)
