"""P17 and P16: orderly stops under load, and a daemon that hangs, as systemd would find and end it.

`RHEOD_STOPS` says how many stops (3 by default).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rheod.sandbox.demo_daemon import DemoDaemon, DemoFailed
from tests.test_kills import ITEM, LIFE_S, SEED, Yard, ended

pytestmark = pytest.mark.sweep

GRACE_S = 25.0
"""How long a stop may take in all (reliability.md, P17); systemd waits for 30 s."""

BEAT_S = 10.0
"""How often the daemon says that it lives; systemd gives it three times as long."""


async def opened(folder: Path) -> Yard:
    """A yard with a key."""
    yard = Yard(folder)
    yard.folder.mkdir()
    first = yard.daemon()
    async with first.running():
        key = await first.ask_admin("POST", "/keys", {"name": "erp"})
    yard.headers = {"x-api-key": key["apiKey"]}
    return yard


@pytest.mark.timeout(0)
async def test_every_stop_under_load_is_orderly(tmp_path: Path, tell: Callable[[str], None]) -> None:
    """SIGTERM while PUTs stream in: exit status 0 within the time, and nothing acknowledged is missing."""
    stops, rng, longest_s = int(os.environ.get("RHEOD_STOPS", "3")), random.Random(SEED), 0.0
    yard = await opened(tmp_path / "data")
    for number in range(stops):
        life_s = rng.uniform(*LIFE_S)
        began = time.monotonic()
        said = await yard.one_life(life_s, signal.SIGTERM)
        assert "with status 0" in said, f"stop {number + 1}: {said}"
        longest_s = max(longest_s, time.monotonic() - began - life_s)
        assert yard.problems(tmp_path / "copy") == [], f"after stop {number + 1}"
    assert longest_s <= GRACE_S
    tell(
        f"{stops} stops under load, all with status 0; start and stop took {longest_s:.1f} s at most,"
        f" {len(yard.acknowledged)} items acknowledged, 0 missing"
    )


@pytest.mark.timeout(0)
async def test_a_daemon_that_hangs_is_found_out_and_replaced(tmp_path: Path) -> None:
    """Its heartbeat comes from the loop: a loop that stands still is silent, and its successor has everything."""
    yard = await opened(tmp_path / "data")
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.setblocking(False)
        daemon = DemoDaemon(folder=yard.folder, settings={"NOTIFY_SOCKET": str(tmp_path / "notify")})
        daemon.headers = yard.headers
        with contextlib.suppress(DemoFailed):
            async with daemon.running():
                await daemon.call("PUT", f"{ITEM}/before", {"title": "Before the hang", "price": 950})
                await heard(systemd, b"WATCHDOG=1")
                assert daemon.pid is not None
                os.kill(daemon.pid, signal.SIGSTOP)
                with pytest.raises(TimeoutError):
                    await heard(systemd, b"WATCHDOG=1")
                os.kill(daemon.pid, signal.SIGKILL)  # what systemd does at the end of its patience
                await ended()
    last = yard.daemon()
    async with last.running():
        assert (await last.call("GET", f"{ITEM}/before"))["title"] == "Before the hang"


async def heard(systemd: socket.socket, word: bytes) -> None:
    """Wait for a message; TimeoutError when none has come for longer than a beat takes."""
    async with asyncio.timeout(BEAT_S * 1.5):
        while word not in await asyncio.get_running_loop().sock_recv(systemd, 4096):
            pass
