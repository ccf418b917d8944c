"""What size costs: start, idle memory and the slowest answers with 1,000, 100,000 and 1,000,000 items, and with long queues.

The stores are filled once. The daemon is set up in full: Tradera and the push queue are simulated in this process and have
nothing to tell. Memory is read when the daemon has been left alone for a while; its slowest PUTs and GETs are those of
eight connections that ask at once, by turns at a daemon with 1,000 items and one with 1,000,000.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rheod.sandbox.demo_daemon import DemoDaemon
from rheod.sandbox.sandbox import Sandbox, wall_clock
from rheod.store.engine.connection import AT_ONCE_BYTES
from tests.bench import load
from tests.bench.calls import SETTINGS
from tests.bench.filled import Backlog, put_body, queue, stock
from tests.bench.loop import percentile, resident_mb
from tests.bench.table import Row, figure
from tests.bench.yards import new_store

SMALL, LARGE = 1_000, 1_000_000
SIZES = (SMALL, 100_000, LARGE)
REQUESTS = 2_000
CONNECTIONS = 8
SETTLED_S = 5.0
LOOK_S = 300.0

MOST_START_S = 3.0
MOST_MB = 90.0
MOST_P99 = 1.3
MOST_GROWTH = 1.1


@dataclass(slots=True, kw_only=True)
class Yard:
    """A store of one size and what was measured of its daemon."""

    folder: Path
    count: int
    key: str
    started_s: list[float] = field(default_factory=list)
    idle_mb: list[float] = field(default_factory=list)


async def rows(rounds: int) -> list[Row]:
    """Start, memory, and the slowest answers."""
    with tempfile.TemporaryDirectory() as name:
        yards = [await _yard(Path(name) / str(count), count) for count in SIZES]
        async with Sandbox(now=wall_clock, rng=random.Random(1), daily_calls=None) as sandbox:
            for _ in range(rounds):
                for yard in yards:
                    await _start(yard, sandbox)
            found = await _slowest(yards[0], yards[-1], rounds)
            for yard in yards:
                yard.idle_mb.append(await _memory(yard, sandbox))
            large = yards[-1]
            queue(large.folder, Backlog(resting=True), now=_now())
            waiting_mb = await _memory(large, sandbox)
    return [
        *(figure(f"start, {yard.count:,} items", "s", yard.started_s, most=MOST_START_S) for yard in yards),
        *(figure(f"idle memory, {yard.count:,} items", "MB", yard.idle_mb, most=MOST_MB) for yard in yards),
        Row(
            name="memory with long queues too, by that of 1,000 items",
            tx="MB",
            ours=[waiting_mb],
            floor=yards[0].idle_mb,
            most=MOST_GROWTH,
        ),
        *found,
    ]


async def _yard(folder: Path, count: int) -> Yard:
    key = await new_store(folder)
    stock(folder, count, now=_now())
    return Yard(folder=folder, count=count, key=key)


@asynccontextmanager
async def _running(yard: Yard, settings: dict[str, str]) -> AsyncIterator[DemoDaemon]:
    daemon = DemoDaemon(folder=yard.folder, settings={"RHEOD_LOG__LEVEL": "info", **settings})
    daemon.headers = {"x-api-key": yard.key}
    daemon.log_file.unlink(missing_ok=True)
    async with daemon.running():
        yield daemon


async def _start(yard: Yard, sandbox: Sandbox) -> None:
    began = time.perf_counter()
    async with _running(yard, sandbox.settings()) as daemon:
        await daemon.address()
        yard.started_s.append(time.perf_counter() - began)


async def _memory(yard: Yard, sandbox: Sandbox) -> float:
    """MB of a daemon at rest."""
    async with _running(yard, {**sandbox.settings(), "RHEOD_PUSH__WAIT_S": "20"}) as daemon:
        await _looked_through(yard, daemon)
        await asyncio.sleep(SETTLED_S)
        assert daemon.pid is not None
        return resident_mb(daemon.pid)


async def _looked_through(yard: Yard, daemon: DemoDaemon) -> None:
    looks = (yard.folder / "rheod.db").stat().st_size > AT_ONCE_BYTES
    await daemon.address()
    async with asyncio.timeout(LOOK_S):
        while looks and not any("is sound" in line for line in daemon.last_lines(100)):
            await asyncio.sleep(1)


async def _slowest(small: Yard, large: Yard, rounds: int) -> list[Row]:
    """The 99th percentile of PUT and of GET, the larger store's by the smaller one's."""
    ours: dict[str, list[float]] = {"PUT": [], "GET": []}
    floor: dict[str, list[float]] = {"PUT": [], "GET": []}
    async with _running(small, SETTINGS) as few, _running(large, SETTINGS) as many:
        await _looked_through(large, many)
        for number in range(rounds + 1):  # the first warms both up and does not count
            for method in ours:
                for yard, daemon, told in ((large, many, ours), (small, few, floor)):
                    took_ms = await _p99_ms(yard, daemon, method, number)
                    told[method] += [took_ms] if number else []
    return [
        Row(
            name=f"{method}, slowest in a hundred, {LARGE:,} items by {SMALL:,}",
            tx="ms",
            ours=ours[method],
            floor=floor[method],
            most=MOST_P99,
        )
        for method in ours
    ]


async def _p99_ms(yard: Yard, daemon: DemoDaemon, method: str, number: int) -> float:
    rng = random.Random(number)
    requests = []
    for _ in range(REQUESTS):
        item = rng.randrange(yard.count // 10) * 10 + 7  # one that is not for Tradera
        body = put_body(item, price=1000 + rng.randrange(500)) if method == "PUT" else b""
        path = f"/integration/v1/items/P-{item}"
        requests.append(load.request(method, path, headers=daemon.headers, body=body))
    outcome = await load.run(await daemon.address(), requests, connections=CONNECTIONS)
    assert outcome.statuses <= {200, 202}, (method, outcome.statuses)
    return percentile(outcome.took_s, 0.99) * 1000


def _now() -> int:
    return round(time.time() * 1000)
