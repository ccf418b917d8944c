"""The sweep (SQLite's method): play a story with the daemon killed at the k-th passing of a point, and look what leaks.

Several runs go on side by side, each with remotes, a queue and a data folder of its own.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from rheod.jobs.picks import ByUrgency
from rheod.sandbox.demo_daemon import DemoFailed
from tests.crash.erp import Erp, StuckError, yard
from tests.crash.invariants import leaks
from tests.crash.stories import Story, story_of

_SIDE_BY_SIDE = 3
_EXTRA_CALLS = 2
"""A call in doubt is made again, and if it is refused then, one more tells why."""
_REPEATED = {"commit": "results", "ship": "transactions"}
"""What is done first about a call in doubt, where it is not the same call again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run: where it was killed (or not: the point was passed fewer than k times), and what leaked.

    `resumed_ms` is the time from the next life's READY to the call that went on with the work; `stall_ms` the longest
    time for which the loop was held up.
    """

    point: str
    k: int
    died: bool
    leaks: list[str]
    resumed_ms: int | None
    stall_ms: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.point}:{self.k}: " + "; ".join(self.leaks)


@dataclass
class Sweep:
    """Runs of many points; `folder` keeps what a leaking run left, and `runs.txt` with a line for every run."""

    folder: Path
    runs: list[Run] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_SIDE_BY_SIDE))

    async def all(self, points: Iterable[str], *, most: int) -> None:
        """Each point with k = 1, 2, 3 … up to `most`, or until a run passes without dying."""
        async with asyncio.TaskGroup() as group:
            for point in points:
                group.create_task(self._point(point, most))

    async def _point(self, point: str, most: int) -> None:
        for k in range(1, most + 1):
            if not (await self.one(point, k)).died:
                return

    async def one(self, point: str, k: int) -> Run:
        """One run."""
        async with self._turns:
            folder = self.folder / str(next(self._numbers))  # short: a socket's path has 107 bytes
            run = await play(folder, story_of(point), f"{point}:{k}")
            self.runs.append(run)
            with (self.folder / "runs.txt").open("a", encoding="utf-8") as written:
                end = "lived" if not run.died else f"died, resumed after {run.resumed_ms} ms"
                written.write(f"{folder.name}: {run} {end}, held up {run.stall_ms} ms, {run.seconds:.1f} s\n")
        return run

    def summary(self) -> str:
        """Figures for people."""
        kills = [run for run in self.runs if run.died]
        resumed = sorted(run.resumed_ms for run in kills if run.resumed_ms is not None)
        leaking = [run for run in self.runs if run.leaks]
        return (
            f"{len({run.point for run in self.runs})} points, {len(self.runs)} runs, {len(kills)} kills, "
            f"{len(leaking)} leaking; resumed after READY within {max(resumed, default=0)} ms"
            f" (median {resumed[len(resumed) // 2] if resumed else 0} ms of {len(resumed)});"
            f" loops held up for {max((run.stall_ms for run in self.runs), default=0)} ms at most"
        )


async def play(folder: Path, story: Story, crash_at: str) -> Run:
    """Play a story with a kill in it and judge the end."""
    folder.mkdir()
    began = time.monotonic()
    point, _, k = crash_at.rpartition(":")
    operation, _, moment = point.partition(".")
    async with yard(folder) as erp:
        if moment == "failed":
            erp.tradera.fault(operation, "lost_answer")
        if moment == "refused" and k == "1":
            erp.tradera.fault(operation, "400")
        found = await _played(erp, story, crash_at)
        died = erp.lives > 1 and erp.daemon.lives > 1
        if not found:
            wishes = point.startswith(("status_wish", "store."))
            extra = _EXTRA_CALLS * (int(died) + int(moment == "failed") + int(wishes))
            beside = _EXTRA_CALLS * int(died) * (min(story.calls["create"], ByUrgency.most_publishings) - 1)
            found = leaks(erp, story, extra_calls=extra, calls_beside=max(0, beside), asked_twice=wishes)
        resumed = _resumed_ms(erp, operation) if died and moment in {"before", "answered"} else None
    if not found:
        shutil.rmtree(folder)
    return Run(
        point=point,
        k=int(k),
        died=died,
        leaks=found,
        resumed_ms=resumed,
        stall_ms=erp.stall_ms,
        seconds=time.monotonic() - began,
    )


async def _played(erp: Erp, story: Story, crash_at: str) -> list[str]:
    """What went wrong while the story was played."""
    try:
        await story.play(erp, crash_at)
    except (StuckError, AssertionError, DemoFailed, ExceptionGroup) as error:
        return [f"{str(each).splitlines()[0]} [{type(each).__name__}]" for each in _leaves(error)]
    return []


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error


def _resumed_ms(erp: Erp, operation: str) -> int | None:
    """From the last READY to the call that is repeated; None when nothing had to be."""
    ready = _ready_at(erp.daemon.log_file)
    wanted = _REPEATED.get(operation, operation)
    if operation == "hook":
        later = [each.at_ms for each in erp.shop.received if each.at_ms >= ready]
    else:
        calls = erp.tradera.calls
        later = [call.at_ms for call in calls if call.operation == wanted and call.at_ms >= ready]
    return min(later) - ready if later else None


def _ready_at(log: Path) -> int:
    """When the daemon last said that it is ready, in ms UTC."""
    lines = [line for line in log.read_text("utf-8").splitlines() if '"event": "ready"' in line]
    moment = datetime.fromisoformat(json.loads(lines[-1])["timestamp"])
    return round(moment.timestamp() * 1000)
