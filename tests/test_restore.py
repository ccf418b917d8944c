"""A backup of the running daemon, put in place on an empty machine: it goes on where the lost one stopped, nothing twice."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from rheod.sandbox.demo_daemon import clean_environment
from rheod.sandbox.sandbox import Sandbox, wall_clock
from rheod.sandbox.servers import QueueServer
from tests import warm
from tests.test_whole_daemon import RunningDaemon

pytestmark = pytest.mark.sweep

NOTHING: Mapping[str, str] = MappingProxyType({})
SOON = {"RHEOD_TRADERA__TAKEOVER_WAIT_S": "2"}


def rheod(
    data: Path, *arguments: str, environ: Mapping[str, str] = NOTHING
) -> subprocess.CompletedProcess[str]:
    """A command for the rheod of this data folder, to its end."""
    own = {"RHEOD_CONFIG": str(data / "rheod.toml"), "RHEOD_STORAGE__PATH": str(data)}
    return warm.run(*arguments, environ={**clean_environment(os.environ), **own, **environ})


async def ask(data: Path, *arguments: str) -> Any:
    """The JSON of a command that goes well."""
    ended = await asyncio.to_thread(rheod, data, *arguments, "--json")
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


async def connected(one: RunningDaemon) -> None:
    """The ERP gets its key and gives its webhook address."""
    key = await one.daemon.ask_admin("POST", "/keys", {"name": "erp"})
    token = await one.daemon.ask_admin("POST", "/admin-token")
    one.daemon.headers = {"x-api-key": key["apiKey"], "Authorization": f"Bearer {token['adminToken']}"}
    hooks = await one.daemon.call("GET", "/integration/webhook-settings")
    one.sandbox.shop.secret = hooks["webhookSecret"]
    url = {"webhookUrl": one.sandbox.shop.webhook_url()}
    await one.daemon.call("PUT", "/integration/webhook-settings", url)


def ads_by_item(one: RunningDaemon) -> dict[str, int]:
    """How many ads of each item were ever to be seen at Tradera."""
    seen: dict[str, int] = {}
    for listing in one.sandbox.tradera.market.listings.values():
        if listing.visible:
            item = listing.own_references[0].split(":")[1]
            seen[item] = seen.get(item, 0) + 1
    return seen


@pytest.mark.timeout(120)
@pytest.mark.parametrize("crash_at", [None, "takeover.settled:1", "seller_items.answered:1"])
async def test_no_second_auction_after_a_restore_and_the_sale_arrives(
    tmp_path: Path, queue_server: QueueServer, crash_at: str | None
) -> None:
    """Items published, sold and still waiting since the backup: each has one ad, the sale comes, and publishing goes on.

    Also when the restored daemon is killed in the middle of its look at Tradera.
    """
    lost, data, kept = tmp_path / "lost", tmp_path / "new", tmp_path / "kept"
    lost.mkdir()
    data.mkdir()
    sandbox = Sandbox(now=wall_clock, rng=random.Random(5), queue_server=queue_server, processing_delay_s=0.1)
    async with sandbox:
        settings = {**sandbox.settings(), **SOON, "RHEOD_TRADERA__QUOTA__TOTAL": "1000"}
        first = RunningDaemon(sandbox, warm.daemon(folder=lost, settings=settings))
        async with first.daemon.running():
            await connected(first)
            await first.put("live")
            await first.until_event("live", "listing.created")
            await first.put("later", autoPublishTradera=False)
            await first.put("waits", autoPublishTradera=False)
            await first.until_event("waits", "item.images_ready")
            await first.until_event("later", "item.images_ready")
            sandbox.tradera.fault("create", "slow", seconds=4)
            await first.put("queued")
            await first.until(lambda: sandbox.tradera.calls_by_operation()["create"] == 2)
            told = await ask(lost, "backup", str(kept), "--pictures")
            assert told["counts"]["items"] == 4
            await first.daemon.ask_admin("POST", "/items/later/publish")
            for each in ("queued", "later"):
                await first.until_event(each, "listing.created")
            await sandbox.tradera.sell(first.ad_of("live"), 1300)
            await sandbox.tradera.sell(first.ad_of("queued"), 1400)
            await first.until_event("live", "item.sold")
            await first.until_event("queued", "item.sold")
            assert first.daemon.pid is not None
        shutil.rmtree(lost)
        (data / "rheod.toml").touch()
        await ask(data, "restore", told["backup"])
        again = RunningDaemon(sandbox, warm.daemon(folder=data, settings=settings, crash_at=crash_at))
        again.daemon.headers = first.daemon.headers
        sandbox.shop.received.clear()
        async with again.daemon.running():
            await again.daemon.ask_admin("POST", "/items/waits/publish")
            for each in ("live", "queued"):
                await again.until_event(each, "item.sold")
            await again.until_event("waits", "listing.created")
            await again.daemon.ask_admin("POST", "/items/later/publish")
            for each, state in {
                "live": "sold",
                "queued": "sold",
                "later": "active",
                "waits": "active",
            }.items():
                assert (await again.get(each))["traderaStatus"] == state
            assert set(ads_by_item(again).values()) == {1}
            assert len(ads_by_item(again)) == 4
            status = await again.daemon.ask_admin("GET", "/status")
            assert not status["accounts"][0]["takeoverUnderWay"]
        if crash_at is not None:
            assert again.daemon.lives == 2
