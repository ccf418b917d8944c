"""Fixtures of whoever needs Tradera, a shop or a partner's receiver: simulators, started and stopped around each test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import aiohttp
import pytest

from rheod.sandbox.shop import Shop
from rheod.sandbox.tradera import TraderaSimulator
from rheod.store.engine.database import Database
from tests.desk import Desk
from tests.stores import Clock
from tests.webhooks.post import Post


@pytest.fixture
async def simulator(clock: Clock) -> AsyncIterator[TraderaSimulator]:
    """The simulated Tradera, on the test's clock."""
    one = TraderaSimulator(now=clock, rng=Random(1), processing_delay_s=1.0)
    await one.start()
    yield one
    await one.stop()


@pytest.fixture
async def desk(
    database: Database, clock: Clock, account_id: str, simulator: TraderaSimulator, tmp_path: Path
) -> AsyncIterator[Desk]:
    """One account's queue, running."""
    one = Desk(database=database, clock=clock, simulator=simulator, folder=tmp_path, account_id=account_id)
    await one.start()
    yield one
    await one.stop()


@pytest.fixture
async def shop(clock: Clock) -> AsyncIterator[Shop]:
    """The sandbox's shop, on the test's clock."""
    one = Shop(now=clock)
    await one.start()
    yield one
    await one.stop()


@pytest.fixture
async def post(database: Database, clock: Clock, account_id: str, shop: Shop) -> AsyncIterator[Post]:
    """The webhook queue with an endpoint at the shop, running."""
    one = Post(database=database, clock=clock, account_id=account_id, shop=shop)
    async with aiohttp.ClientSession() as session:
        queue = one.queue(session)
        running = asyncio.create_task(queue.run())
        await one.open()
        yield one
        queue.stop()
        await running
