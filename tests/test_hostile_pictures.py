"""Hostile pictures through the whole daemon: each fails for itself, the good one beside them gets through."""

from __future__ import annotations

import asyncio
from pathlib import Path

from rheod.sandbox.demo_daemon import DemoDaemon
from rheod.sandbox.sandbox import wall_clock
from rheod.sandbox.shop import Shop
from tests import warm
from tests.bench.pictures import SETTINGS, bomb, memory_mb, put
from tests.fakes import ill
from tests.fakes.front import front
from tests.test_whole_daemon import DEADLINE_S, ITEM

FINAL = ("broken.jpg", "html.jpg", "missing.jpg", "loop.jpg", "huge.jpg")
"""The shop's hostile pictures that no second try would mend."""
MOST_GROWTH_MB = 64


async def state_of(daemon: DemoDaemon, name: str) -> str:
    """The state of the item's one picture, once it is not pending any more."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            state = (await daemon.call("GET", f"{ITEM}/{name}"))["images"][0]["state"]
            if state != "pending":
                return str(state)
            await asyncio.sleep(0.1)


async def test_hostile_pictures_fail_alone_and_cost_little_memory(tmp_path: Path) -> None:
    """Bombs, half files, pages, loops and endless streams: failed; a good one: ready; the daemon hardly grows."""
    shop = Shop(now=wall_clock)
    await shop.start()
    daemon = warm.daemon(folder=tmp_path, settings=SETTINGS)
    try:
        async with daemon.running(), front() as bombs:
            bombs.ill = ill.always(bomb(), "image/png")
            key = await daemon.ask_admin("POST", "/keys", {"name": "erp"})
            daemon.headers = {"x-api-key": key["apiKey"]}
            assert daemon.pid is not None
            await put(daemon, "first", shop.picture_url("first"))
            assert await state_of(daemon, "first") == "ready"
            before = memory_mb(daemon.pid, "VmRSS")
            for file in FINAL:
                await put(daemon, file, f"{shop.url}/pictures/{file}")
            await put(daemon, "slow", f"{shop.url}/pictures/slow.jpg")
            await put(daemon, "bomb", f"{bombs.url}/bomb.png")
            await put(daemon, "last", shop.picture_url("last"))
            assert await state_of(daemon, "last") == "ready"
            states = {name: await state_of(daemon, name) for name in (*FINAL, "bomb")}
            assert set(states.values()) == {"failed"}, states
            assert memory_mb(daemon.pid, "VmHWM") - before <= MOST_GROWTH_MB
            assert daemon.lives == 1
    finally:
        await shop.stop()
