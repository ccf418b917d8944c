"""The pages over a whole rheod that sells at the simulated Tradera: what runs is what the daemon runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from playwright.async_api import Page
from pydantic import SecretStr

from rheod.compose.build import Rheod, build
from rheod.compose.remotes import Remotes
from rheod.config.sections import Server, Storage
from rheod.config.selling import Tradera
from rheod.config.settings import Settings
from rheod.jobs.housekeeping import SteadyClock, wall_clock
from rheod.sandbox.tradera import TraderaSimulator
from tests.stores import opened


@dataclass
class Whole:
    """Where its pages are, the way in, and the rheod behind them."""

    base: str
    token: str
    rheod: Rheod
    simulator: TraderaSimulator

    async def enter(self, page: Page, path: str) -> None:
        """Go to a page, by the sign-in when one has to."""
        await page.goto(f"{self.base}{path}")
        if await page.locator("#secret").count():
            await page.fill("#secret", self.token)
            await page.press("#secret", "Enter")
            await page.wait_for_url(f"{self.base}{path}*")


@asynccontextmanager
async def whole(folder: Path) -> AsyncIterator[Whole]:
    """One seller; ads are live a moment after their commit."""
    simulator = TraderaSimulator(now=wall_clock, rng=Random(1), processing_delay_s=0.1)
    await simulator.start()
    settings = Settings(
        storage=Storage(path=folder, least_free_bytes=0),
        server=Server(port=0),
        tradera=Tradera(
            base_url=simulator.base_url,
            app_id=simulator.keys.app_id,
            app_key=SecretStr(simulator.keys.app_key),
            user_id=300124,
            user_token=SecretStr("test-user-token"),
        ),
    )
    try:
        async with opened(folder) as database:
            rheod = await build(settings, database, clock=SteadyClock(), rng=Random(1), remotes=Remotes())
            async with rheod.clients:
                await rheod.loops.begin()
                running = [asyncio.create_task(queue.run()) for queue in rheod.loops.queues]
                rheod.core.life.ready = True
                runner, port = await rheod.handlers.listen()
                try:
                    token = await rheod.core.keys.new_admin_token()
                    yield Whole(f"http://127.0.0.1:{port}", token, rheod, simulator)
                finally:
                    await runner.cleanup()
                    for queue in rheod.loops.queues:
                        queue.stop()
                    await asyncio.wait_for(asyncio.gather(*running), 10)
    finally:
        await simulator.stop()
