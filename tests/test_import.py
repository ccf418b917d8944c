"""An ERP's import through the real daemon over HTTP, by a client written from the public protocol alone."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests import warm
from tests.bench.import_erp import (
    ITEMS,
    Client,
    Compared,
    Item,
    compare,
    connected,
    import_by_batch,
    import_by_put,
    stock,
)

COUNT = 600
SIZE = 100
EAGER = {"batch": 1000.0, "put": 1000.0, "get": 1000.0}
"""A client that does not pace itself: it lives by 429 and Retry-After."""


def nothing_wrong(found: Compared, sent: list[Item]) -> bool:
    """None lost, doubled, changed or out of order, and nothing that nobody sent."""
    wrong = found.lost | found.doubled | found.strange | found.different
    return not wrong and found.misordered == 0 and len(found.shown) == len(sent)


def batches_of(found: Compared, items: list[Item]) -> list[int]:
    """Which batch each item of the walk came in."""
    batch_of = {item["externalId"]: place // SIZE for place, item in enumerate(items)}
    return [batch_of[name] for name in found.shown]


async def total(client: Client) -> int:
    """How many items the daemon says it has."""
    found: int = (await client.call("get", "GET", f"{ITEMS}?limit=1"))["total"]
    return found


async def test_an_import_by_batch_at_the_documented_rate_keeps_every_item_and_the_order(
    tmp_path: Path,
) -> None:
    """The list has each item once, in the order of the batches; the same import again changes nothing."""
    daemon = warm.daemon(folder=tmp_path, settings={})
    async with daemon.running(), connected(daemon) as client:
        items = stock("b", COUNT)
        await import_by_batch(client, items, size=SIZE)
        found = await compare(client, items)
        assert nothing_wrong(found, items), found
        assert batches_of(found, items) == sorted(batches_of(found, items))
        before = [item async for item in client.walk()]
        await import_by_batch(client, items, size=SIZE)
        assert [item async for item in client.walk()] == before
        assert await total(client) == COUNT


async def test_a_client_that_goes_too_fast_is_held_back_and_loses_nothing(tmp_path: Path) -> None:
    """Every 429 says in whole seconds when to come again; PUT, batch and GET alike."""
    daemon = warm.daemon(folder=tmp_path, settings={"RHEOD_LIMITS__PUT_PER_S": "3"})
    async with daemon.running(), connected(daemon, EAGER) as client:
        by_put, by_batch = stock("p", 30), stock("b", COUNT)
        async with asyncio.TaskGroup() as group:
            group.create_task(import_by_put(client, by_put))
            group.create_task(import_by_batch(client, by_batch, size=SIZE))
        found = await compare(client, by_put + by_batch)
        assert nothing_wrong(found, by_put + by_batch), found
        assert client.again[429] > 0


@pytest.mark.sweep
@pytest.mark.parametrize("moment", ["store.before_commit", "store.committed"])
async def test_an_import_goes_on_where_the_daemon_was_killed(tmp_path: Path, moment: str) -> None:
    """Killed in the middle of it and started anew: the client asks again, and nothing is lost or made twice."""
    daemon = warm.daemon(folder=tmp_path, settings={}, crash_at=f"{moment}:9")
    async with daemon.running(), connected(daemon, {**EAGER, "batch": 4.0}) as client:
        items = stock("b", COUNT)
        await import_by_batch(client, items, size=60)
        assert daemon.lives == 2
        found = await compare(client, items)
        assert nothing_wrong(found, items), found
        history = await client.call("get", "GET", f"{ITEMS}/b%2FVIN%200/history")
        assert [event["eventType"] for event in history["events"]] == ["item.created"]
