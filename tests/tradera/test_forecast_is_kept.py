"""A long queue against a small quota, lived through: the last ad goes out when it was said to at the start."""

from __future__ import annotations

import pytest

from tests.desk import HOUR_MS, Desk
from tests.waiting import until

ADS = 560
PATIENCE_S = 120
STEP_S = 4 * 3600


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
    for _ in range(round((told.last_at - begin) * 1.3 / (STEP_S * 1000)) + 8):
        desk.forward(STEP_S)
        await at_rest(desk)
        if desk.called().get("create", 0) >= ADS:
            break
    took = await last_create(desk) - begin
    assert desk.called()["create"] == ADS
    assert abs(told.last_at - begin - took) <= 0.1 * took
    assert took > 7 * 24 * HOUR_MS
