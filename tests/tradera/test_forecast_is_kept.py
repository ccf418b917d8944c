"""A long queue against a small quota, lived through: the last ad goes out when it was said to at the start."""

from __future__ import annotations

import os

import pytest

from rheod.domain.budget import WINDOW_MS
from rheod.domain.model import JobKind, JobOrder, QueueName
from tests.desk import HOUR_MS, Desk
from tests.waiting import until

ADS = 560
PATIENCE_S = 120
DAY_S = WINDOW_MS // 1000
"""As long as a call counts: with shorter days each would end some hours before it makes room."""

STEP_S = DAY_S // 6
_TURN_S = 61
SUMS = [
    (100, 120, 1, 0.2, 0),
    (100, 70, 1, 0.4, 0),
    (240, 220, 1, 0.2, 0),
    (100, 150, 1, 0.2, 30),
    (240, 200, 4, 0.2, 0),
    (100, 70, 3, 0.2, 7),
    (150, 150, 2, 0.0, 0),
    (100, 160, 0, 0.2, 0),
    (100, 500, 1, 0.2, 0),
][: int(os.environ.get("RHEOD_SUMS", "2"))]
"""The sum, ads, their pictures, the share kept back, and how many ads have gone out some hours before."""


async def at_rest(desk: Desk) -> None:
    """Until nothing runs and what is due waits for calls."""

    async def rests() -> bool:
        before = len(desk.simulator.calls)
        try:
            await desk.idle()
        except AssertionError:  # it is still busy
            return False
        return not desk.queue.running and len(desk.simulator.calls) == before

    await until(rests, timeout_s=PATIENCE_S)


async def last_create(desk: Desk) -> int:
    """When the last publishing was begun (ms)."""
    times: list[int] = [row["at"] for row in await desk.spent() if row["operation"] == "create"]
    return max(times)


async def pass_on(desk: Desk, seconds: int) -> None:
    """Let time pass. What gave way to others of the same moment comes a minute after them."""
    desk.forward(_TURN_S)
    await at_rest(desk)
    desk.forward(seconds - _TURN_S)
    await at_rest(desk)


async def go_on(desk: Desk, said_at: int, ads: int) -> None:
    """Let time pass until so many ads have been begun, or far more than what was said."""
    for _ in range(round((said_at - desk.clock()) * 1.3 / (STEP_S * 1000)) + 8):
        await pass_on(desk, STEP_S)
        if desk.called().get("create", 0) >= ads:
            break
    assert desk.called()["create"] == ads


@pytest.mark.simulation
@pytest.mark.timeout(900)
async def test_the_last_of_a_backlog_goes_out_when_it_was_said_to(desk: Desk) -> None:
    """Within a tenth of the time it takes; the simulated days pass in steps of three hours."""
    await desk.restart(daily_calls=1_000_000, per_operation={"image": 60})
    for number in range(ADS):
        await desk.put(f"A{number}", pictures=1)
    await at_rest(desk)
    begin = desk.clock()
    told = await desk.rheod.core.capacities.of_account(desk.account_id)
    assert told.waiting >= 500
    assert told.last_at is not None
    await go_on(desk, told.last_at, ADS)
    took = await last_create(desk) - begin
    assert abs(told.last_at - begin - took) <= 0.1 * took
    assert took > 7 * 24 * HOUR_MS


@pytest.mark.simulation
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("total", "ads", "pictures", "reserve", "earlier"), SUMS)
async def test_it_does_where_all_methods_share_a_sum(
    desk: Desk, total: int, ads: int, pictures: int, reserve: float, earlier: int
) -> None:
    """Reading on schedule and the questions for results take of the same calls; said at the start and a day later.

    Also where the last ads are a few more than a day lets through, or a part of the day's calls is spent already.
    """
    await desk.restart(daily_calls=total, interval_s=60, reconcile_share=1 / 3, reserve_share=reserve)
    await desk.order(JobOrder(queue=QueueName.TRADERA, kind=JobKind.RECONCILE, subject=desk.account_id))
    for number in range(earlier):
        await desk.put(f"E{number}", pictures=pictures)
    await at_rest(desk)
    if earlier:
        await pass_on(desk, 9 * 3600)
    for number in range(ads):
        await desk.put(f"A{number}", pictures=pictures)
    said: list[tuple[int, int]] = []
    await at_rest(desk)
    for step in range(7):
        if step in {0, 6}:
            told = await desk.rheod.core.capacities.of_account(desk.account_id)
            assert told.last_at is not None
            said.append((desk.clock(), told.last_at))
        await pass_on(desk, STEP_S)
    await go_on(desk, said[0][1], earlier + ads)
    last = await last_create(desk)
    assert last - said[0][0] >= 3 * DAY_S * 1000
    assert [abs(last_at - last) <= 0.1 * (last - at) for at, last_at in said] == [True, True], (said, last)
