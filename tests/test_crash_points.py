"""The crash-point sweep: kill the real daemon at every named point, start it again, and nothing is lost or done twice.

By default every point is tried once (and a few more transactions); `RHEOD_SWEEP=full` tries every passing of every
point, a number the first so many. What a failing run leaves is kept in the test's folder.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.crash import upgrade
from tests.crash.points import crash_points
from tests.crash.stories import DECODER_KILLED, RETURNED
from tests.crash.sweep import Run, Sweep, play

pytestmark = pytest.mark.sweep

_ALL = 100_000
_LATER_COMMITS = (20, 45, 70)
"""By default also a few later transactions, spread over the day."""


def most_passings() -> int:
    """How many passings of each point are tried."""
    asked = os.environ.get("RHEOD_SWEEP", "1")
    return _ALL if asked == "full" else int(asked)


def chosen_points() -> list[str]:
    """The points to try: all of a daemon's day, or those that begin with one of `RHEOD_SWEEP_POINTS` (by comma)."""
    chosen = tuple(os.environ.get("RHEOD_SWEEP_POINTS", "").split(","))
    return [point for point in crash_points() if point.startswith(chosen) and point not in upgrade.ONLY_HERE]


@pytest.mark.timeout(0)
async def test_a_kill_at_any_point_loses_nothing_and_does_nothing_twice(
    tmp_path: Path, tell: Callable[[str], None]
) -> None:
    """Every invariant holds after a kill at each point; every point is passed by the story it belongs to."""
    sweep = Sweep(tmp_path)
    most = most_passings()
    points = chosen_points()
    await sweep.all(points, most=most)
    if most == 1:
        async with asyncio.TaskGroup() as group:
            for point in ("store.before_commit", "store.committed"):
                for k in _LATER_COMMITS if point in points else ():
                    group.create_task(sweep.one(point, k))
    tell(sweep.summary())
    leaking = [str(run) for run in sweep.runs if run.leaks]
    assert not leaking, "\n".join(["", *leaking])
    never = [run.point for run in sweep.runs if run.k == 1 and not run.died]
    assert not never, f"no story passes {never}"
    late = [run for run in sweep.runs if (run.resumed_ms or 0) > 5000]
    assert not late, f"resumed: work resumed later than 5 s after READY: {late}"


RELIST_KILLS = int(os.environ.get("RHEOD_RELIST_KILLS", "2"))
_ON_ITS_WAY_BACK = (
    *("relist.ordered:1", "create.before:2", "relist.looked:1", "publish.start:2", "read_item.stored:1"),
    *("read_item.answered:2", "read_item.before:2", "relist.settled:1"),
)
"""Moments between the decision that a thing comes back and the new ad."""


@pytest.mark.timeout(0)
async def test_a_kill_between_the_decision_to_return_and_the_new_ad_makes_one_ad(
    tmp_path: Path, tell: Callable[[str], None]
) -> None:
    """`RHEOD_RELIST_KILLS` times, at each of the moments in turn: one ad goes up, once, at its price."""
    turns, runs = asyncio.Semaphore(3), list[Run]()

    async def one(number: int) -> None:
        async with turns:
            at = _ON_ITS_WAY_BACK[number % len(_ON_ITS_WAY_BACK)]
            runs.append(await play(tmp_path / f"{number}", RETURNED, at))

    async with asyncio.TaskGroup() as group:
        for number in range(RELIST_KILLS):
            group.create_task(one(number))
    leaking = [str(run) for run in runs if run.leaks]
    tell(f"{sum(run.died for run in runs)} kills on the way back, {len(leaking)} leaking")
    assert not leaking, "\n".join(["", *leaking])
    assert all(run.died for run in runs)


async def test_a_killed_picture_decoder_costs_a_second_try_and_nothing_else(tmp_path: Path) -> None:
    """Decoder killed: the picture is tried again and becomes good, the daemon lives, and the invariants hold."""
    run = await play(tmp_path / "run", DECODER_KILLED, "decoder.killed:1")
    assert not run.leaks, str(run)


async def test_a_kill_during_an_upgrade_leaves_the_old_or_the_new_schema(
    tmp_path: Path, tell: Callable[[str], None]
) -> None:
    """Whether the copy or a step was under way, nothing is between, the copies are whole, the next start succeeds."""
    old = tmp_path / "old"
    await upgrade.make_old(old)

    async def kills_at(point: str) -> int:
        k, died = 0, True
        while died:
            k += 1
            folder = shutil.copytree(old, tmp_path / f"{point}-{k}")
            died = await asyncio.to_thread(upgrade.died_at, folder, f"{point}:{k}")
            assert upgrade.leaks(shutil.copytree(folder, tmp_path / f"{folder.name}-dead")) == []
            await upgrade.upgrade(folder)
            assert upgrade.leaks(folder) == []
            assert upgrade.is_done(folder)
        return k - 1

    async with asyncio.TaskGroup() as group:
        killing = [group.create_task(kills_at(point)) for point in upgrade.POINTS]
    kills = dict(zip(upgrade.POINTS, (each.result() for each in killing), strict=True))
    assert min(kills.values()) >= len(upgrade.NEWER), kills
    tell(f"{sum(kills.values())} kills during upgrades, 0 between two schemas, all copies whole")
