"""Fixtures of the workers' tests: a desk at the simulated Tradera, started and stopped around each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest

from rheod.sandbox.tradera import TraderaSimulator
from rheod.store.database import Database
from tests.bookkeeping import Clock
from tests.workers.desk import Desk


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
    """One account's lane, running."""
    folder = tmp_path / "images"
    folder.mkdir()
    one = Desk(database=database, clock=clock, simulator=simulator, folder=folder, account_id=account_id)
    await one.start()
    yield one
    await one.stop()
