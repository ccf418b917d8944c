"""What an idle daemon costs: CPU seconds an hour, its children's too, with a push queue that is listened to as in life.

Measured over a minute in each round, an hour's sixtieth; the simulators are in this process and their cost does not count.
"""

from __future__ import annotations

import asyncio
import os
import random
import tempfile
from pathlib import Path

from rheod.sandbox.demo_daemon import DemoDaemon
from rheod.sandbox.sandbox import Sandbox, wall_clock
from tests.bench.loop import connect
from tests.bench.table import Row, figure

WINDOW_S = 60.0
SETTLED_S = 5.0
MOST_S = 20.0


async def rows(rounds: int) -> list[Row]:
    """CPU seconds an hour."""
    spent = []
    with tempfile.TemporaryDirectory() as folder:
        async with Sandbox(now=wall_clock, rng=random.Random(1), daily_calls=None) as sandbox:
            settings = {**sandbox.settings(), "RHEOD_PUSH__WAIT_S": "20"}
            daemon = DemoDaemon(folder=Path(folder), settings=settings)
            async with daemon.running():
                await daemon.address()
                await connect(daemon, sandbox)
                await asyncio.sleep(SETTLED_S)
                assert daemon.pid is not None
                for _ in range(rounds):
                    before = cpu_s(daemon.pid)
                    await asyncio.sleep(WINDOW_S)
                    spent.append((cpu_s(daemon.pid) - before) * 3600 / WINDOW_S)
    return [figure("idle, CPU seconds an hour", "s", spent, most=MOST_S)]


def cpu_s(pid: int) -> float:
    """Seconds of CPU that a process, its threads and the children it has waited for have had; to a nanosecond but theirs."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    own = sum(int((each / "schedstat").read_text(encoding="ascii").split()[0]) for each in threads)
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    children = sum(map(int, stat[13:15])) / os.sysconf("SC_CLK_TCK")
    return own / 1e9 + children + sum(cpu_s(child) for child in _children(pid))


def _children(pid: int) -> list[int]:
    told = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(each) for each in told.split()]
