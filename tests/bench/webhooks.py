"""Queued events delivered to healthy receivers, against bare POSTs of the same bodies, as many at a time.

The receivers are a process of their own, which tells the time from the first to the last event it got: the daemon's
start does not count, its journal of deliveries and their durable end do.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

import aiohttp

from rheod.config.sections import Webhooks
from rheod.sandbox.demo_daemon import DemoDaemon
from tests.bench import peers
from tests.bench.hooks import OPEN, body_of, fill, new_store
from tests.bench.table import Row

EVENTS = 3_000
DEADLINE_S = 120.0
LEAST = 0.6
AT_ONCE = Webhooks().concurrency


async def rows(rounds: int) -> list[Row]:
    """To one receiver, and to ten that share the events."""
    found = []
    async with peers.running("hooks") as address, aiohttp.ClientSession() as session:
        for count in (1, 10):
            receivers = [f"{address}/webhooks/erp{number}" for number in range(count)]
            ours, floor = [], []
            for _ in range(rounds):
                ours.append(await _delivered(session, address, receivers))
                floor.append(await _posted(session, address, receivers))
            name = f"webhooks to {count} receiver{'s' * (count > 1)}"
            found.append(Row(name=name, tx="/s", ours=ours, floor=floor, least=LEAST))
    return found


async def _delivered(session: aiohttp.ClientSession, address: str, receivers: Sequence[str]) -> float:
    """Events a second from a daemon that starts with all of them queued."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        await new_store(folder)
        fill(folder / "rheod.db", receivers, [EVENTS // len(receivers)] * len(receivers))
        async with session.delete(f"{address}/told"):
            pass
        async with asyncio.timeout(DEADLINE_S), DemoDaemon(folder=folder, settings=OPEN).running():
            return await _rate(session, address)


async def _posted(session: aiohttp.ClientSession, address: str, receivers: Sequence[str]) -> float:
    """Events a second from as many loops that only post."""
    async with session.delete(f"{address}/told"):
        pass
    waiting = iter([(receivers[number % len(receivers)], body_of(number)) for number in range(EVENTS)])

    async def post(bare: aiohttp.ClientSession) -> None:
        for url, body in waiting:
            async with bare.post(url, data=body, headers={"content-type": "application/json"}) as answer:
                await answer.read()
                assert answer.status == 200

    async with aiohttp.ClientSession() as bare, asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(post(bare))
    return await _rate(session, address)


async def _rate(session: aiohttp.ClientSession, address: str) -> float:
    """Wait until every event has come; events a second between the first and the last."""
    while True:
        async with session.get(f"{address}/told") as answer:
            told = await answer.json()
        if told["count"] >= EVENTS:
            assert told["count"] == EVENTS, "an event came twice"
            return (EVENTS - 1) / float(told["spent_s"])
        await asyncio.sleep(0.1)
