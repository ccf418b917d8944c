"""The real daemon is killed at random moments under a stream of PUTs, and nothing acknowledged is missing.

`RHEOD_KILLS` says how often (5 by default); the seed of the moments is fixed.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import random
import shutil
import signal
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from rheod.sandbox.demo_daemon import DemoDaemon, DemoFailed
from tests import warm

pytestmark = pytest.mark.sweep

ITEM = "/integration/v1/items"
SEED = 20
PUTS_AT_ONCE = 4
LIFE_S = (0.0, 0.7)
"""How long after READY a life may last."""
GETS = 200
_SETTINGS = {f"RHEOD_LIMITS__{kind}_PER_S": "10000" for kind in ("PUT", "GET")}
_TIMEOUT = aiohttp.ClientTimeout(total=5)


@dataclass
class Yard:
    """One data folder over many lives; `acknowledged` is what came back with 202: item ids by external id."""

    folder: Path
    headers: dict[str, str] = field(default_factory=dict)
    acknowledged: dict[str, str] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def daemon(self) -> DemoDaemon:
        """The next life's daemon."""
        one = warm.daemon(folder=self.folder, settings=_SETTINGS)
        one.headers = self.headers
        return one

    async def one_life(self, life_s: float, ending: signal.Signals = signal.SIGKILL) -> str:
        """Start, stream PUTs, and get a signal after `life_s`; returns what is said of the end."""
        daemon = self.daemon()
        try:
            async with daemon.running():
                await self._stream_until(daemon, life_s, ending)
        except DemoFailed as error:  # it ends by itself: it was told to
            return str(error)
        return "it went on"

    async def _stream_until(self, daemon: DemoDaemon, life_s: float, ending: signal.Signals) -> None:
        address = await daemon.address()
        session = aiohttp.ClientSession(headers=self.headers, timeout=_TIMEOUT)
        async with session, asyncio.TaskGroup() as group:
            for _ in range(PUTS_AT_ONCE):
                group.create_task(self._stream(session, address))
            await asyncio.sleep(life_s)  # the moment of the kill, not a wait for something
            assert daemon.pid is not None
            os.kill(daemon.pid, ending)
        await ended()

    async def _stream(self, session: aiohttp.ClientSession, address: str) -> None:
        """PUT one new item after another until the daemon is gone."""
        for number in self.numbers:
            external_id = f"item-{number}"
            body = {"title": f"Dörr {external_id}", "price": 950}
            try:
                async with session.put(f"{address}{ITEM}/{external_id}", json=body) as response:
                    answer = await response.json()
            except (aiohttp.ClientError, TimeoutError):
                return
            if response.status == 503:  # it is stopping, and has kept nothing of this
                return
            assert response.status == 202, answer
            self.acknowledged[external_id] = answer["itemId"]

    def problems(self, scratch: Path) -> list[str]:
        """What a copy of the killed store says: integrity, and which acknowledged items are missing."""
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        for file in self.folder.glob("rheod.db*"):
            if not file.name.endswith("-shm"):
                shutil.copy(file, scratch)
        with contextlib.closing(sqlite3.connect(scratch / "rheod.db")) as db:
            verdict = [row[0] for row in db.execute("PRAGMA integrity_check")]
            broken = db.execute("PRAGMA foreign_key_check").fetchall()
            kept = dict(db.execute("SELECT external_id, id FROM items").fetchall())
        found = [] if verdict == ["ok"] and not broken else [f"integrity: {verdict}, foreign keys: {broken}"]
        return found + [each for each, item_id in self.acknowledged.items() if kept.get(each) != item_id]


async def ended() -> None:
    """Wait for the daemon's end, which cancels this; TimeoutError when it lives on for longer than a stop may take."""
    async with asyncio.timeout(30):
        await asyncio.Event().wait()


@pytest.mark.timeout(0)
async def test_no_kill_takes_back_an_acknowledged_item(tmp_path: Path, tell: Callable[[str], None]) -> None:
    """After each of many kills the store is sound and holds every item that was answered with 202."""
    rng = random.Random(SEED)
    kills = int(os.environ.get("RHEOD_KILLS", "5"))
    yard = Yard(tmp_path / "data")
    yard.folder.mkdir()
    first = yard.daemon()
    async with first.running():
        key = await first.ask_admin("POST", "/keys", {"name": "erp"})
    yard.headers = {"x-api-key": key["apiKey"]}
    for number in range(kills):
        await yard.one_life(rng.uniform(*LIFE_S))
        assert yard.problems(tmp_path / "copy") == [], f"after kill {number + 1}"
    last = yard.daemon()
    async with last.running():
        some = rng.sample(sorted(yard.acknowledged), min(GETS, len(yard.acknowledged)))
        for external_id in some:
            shown = await last.call("GET", f"{ITEM}/{external_id}")
            assert shown["rheoItemId"] == yard.acknowledged[external_id]
    tell(f"{kills} kills, {len(yard.acknowledged)} items acknowledged, 0 missing, integrity ok each time")
    assert len(yard.acknowledged) >= kills
