"""Fixtures of the sandbox's own tests: a simulator with a clock of its own."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from rheod.sandbox.tradera import TraderaSimulator
from tests.sandbox.playing_seller import Clock, Seller, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest_asyncio.fixture
async def seller(clock: Clock) -> AsyncIterator[Seller]:
    async with running(TraderaSimulator(now=clock, rng=random.Random(1))) as one:
        yield one
