"""Whether everything runs through on the smallest machine: one core for the daemon and the simulators, and little memory.

The demo, an import of 10,000 items and 200 publications, each without a failure. No process may have more than 512 MB of
private memory (RLIMIT_DATA: an allocation beyond fails), and the resident memory of the daemon with its children, shared
pages counted by shares, is watched and may not exceed it either. A control group would do both, but needs the machine's.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from rheod.sandbox.demo_daemon import DemoDaemon
from tests.bench import peers, publishing
from tests.bench.import_erp import compare, connected, import_by_batch, stock
from tests.bench.table import Row, figure

CAP_BYTES = 512 * 2**20
CAP_MB = CAP_BYTES / 2**20
ITEMS = 10_000
LOOK_S = 0.25
DEADLINE_S = 600.0


async def rows(rounds: int) -> list[Row]:  # noqa: ARG001 - what runs through once has run through
    """How long each took, and the most memory the daemon and its children had in it."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    resource.setrlimit(resource.RLIMIT_DATA, (CAP_BYTES, CAP_BYTES))
    found: list[Row] = []
    for name, run in (
        ("the demo", _demo()),
        (f"an import of {ITEMS:,}", _import()),
        (f"{publishing.ITEMS} publications", _publish()),
    ):
        spent_s, peak_mb = await _watched(run)
        found += [
            figure(f"one core, {name}", "s", [spent_s]),
            figure(f"one core, {name}: memory", "MB", [peak_mb], most=CAP_MB),
        ]
    return found


async def _demo() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "rheod", "demo", "--once"), stdin=DEVNULL, stdout=PIPE, stderr=PIPE
    )
    told, wrong = await process.communicate()
    assert process.returncode == 0, (told + wrong).decode()


async def _import() -> None:
    with tempfile.TemporaryDirectory() as folder:
        daemon = DemoDaemon(folder=Path(folder), settings={})
        async with daemon.running(), connected(daemon) as client:
            items = stock("small", ITEMS)
            await import_by_batch(client, items)
            found = await compare(client, items)
    assert len(found.shown) == ITEMS
    assert not found.lost | found.doubled | found.strange | found.different
    assert found.misordered == 0


async def _publish() -> None:
    async with peers.running("tradera") as site, peers.running("pictures") as shop:
        async with aiohttp.ClientSession() as session, session.put(f"{shop}/open"):
            pass
        await publishing.published(site, shop)


async def _watched(run: Awaitable[None]) -> tuple[float, float]:
    """Seconds and the most MB."""
    began = time.perf_counter()
    async with asyncio.timeout(DEADLINE_S), _peak() as peak:
        await run
    return time.perf_counter() - began, peak[0]


@asynccontextmanager
async def _peak() -> AsyncIterator[list[float]]:
    """The most that the daemons among our descendants, with their own children, have had at a look (MB)."""
    peak = [0.0]

    async def look() -> None:
        while True:
            had = sum(_shared_mb(pid) for daemon in _daemons(os.getpid()) for pid in _family(daemon))
            peak[0] = max(peak[0], had)
            await asyncio.sleep(LOOK_S)

    async with asyncio.TaskGroup() as group:
        looking = group.create_task(look())
        yield peak
        looking.cancel()


def _daemons(pid: int) -> Iterator[int]:
    for child in _family(pid):
        try:
            command = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if command[2:4] == [b"rheod", b"serve"]:
            yield child


def _family(pid: int) -> Iterator[int]:
    """A process and its descendants."""
    yield pid
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        told = " ".join((each / "children").read_text(encoding="ascii") for each in threads)
    except OSError:
        return
    for child in told.split():
        yield from _family(int(child))


def _shared_mb(pid: int) -> float:
    """Resident memory with shared pages counted by shares; 0 for a process that has ended."""
    try:
        told = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0.0
    line = next(line for line in told.splitlines() if line.startswith("Pss:"))
    return int(line.split()[1]) / 1024
