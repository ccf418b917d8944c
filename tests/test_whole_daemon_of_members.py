"""The real daemon with two members of a reseller: own items, own Tradera users, own webhooks, through a restart."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from rheod.sandbox.demo_daemon import DemoDaemon
from rheod.sandbox.sandbox import Sandbox, wall_clock
from rheod.sandbox.servers import QueueServer
from rheod.sandbox.tradera_access import Keys
from tests import warm

DEADLINE_S = 40.0
MEMBERS = {"m-1": 300125, "m-2": 300126}
ITEM = "/integration/v1/items/SAME"


class Members:
    """Two members and a daemon, seen as their ERPs see it."""

    def __init__(self, *, sandbox: Sandbox, folder: Path) -> None:
        self.sandbox = sandbox
        self.folder = folder
        self.keys: dict[str, str] = {}

    def daemon(self, *references: str) -> DemoDaemon:
        """A daemon whose settings name these members."""
        accounts = [
            {"reference": each, "user_id": MEMBERS[each], "user_token": f"test-{each}"} for each in references
        ]
        settings = {**self.sandbox.settings(), "RHEOD_ACCOUNTS": json.dumps(accounts)}
        del settings["RHEOD_TRADERA__USER_ID"], settings["RHEOD_TRADERA__USER_TOKEN"]
        return warm.daemon(folder=self.folder, settings=settings)

    async def connect(self, daemon: DemoDaemon) -> None:
        """A key and an endpoint for each member; from now on calls are a member's."""
        token = (await daemon.ask_admin("POST", "/admin-token"))["adminToken"]
        daemon.headers = {"Authorization": f"Bearer {token}"}
        for member in MEMBERS:
            daemon.headers["x-partner-account"] = member
            made = await daemon.call("POST", "/integration/api-keys/generate", {"name": member})
            self.keys[member] = made["apiKey"]
            hook = await daemon.call("GET", "/integration/webhook-settings")
            self.sandbox.shop.secrets[member] = hook["webhookSecret"]
            url = {"webhookUrl": self.sandbox.shop.webhook_url(member)}
            await daemon.call("PUT", "/integration/webhook-settings", url)

    async def call(self, daemon: DemoDaemon, member: str, method: str, body: Any = None) -> Any:
        """A call about the one item, with the member's own key."""
        daemon.headers = {"x-api-key": self.keys[member]}
        return await daemon.call(method, ITEM, body)

    def told(self, member: str, event: str) -> list[Any]:
        """What the member's endpoint has been told, each event once."""
        found = {
            each.event["eventId"]: each
            for each in self.sandbox.shop.received
            if each.name == member and each.event["eventType"] == event
        }
        return list(found.values())

    def was_told(self, member: str, event: str) -> bool:
        """Whether the member's endpoint has been told."""
        return bool(self.told(member, event))

    async def until(self, daemon: DemoDaemon, condition: Callable[[], bool | Awaitable[bool]]) -> None:
        """Wait until the condition holds; fails after a deadline."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            verdict = condition()
            if verdict if isinstance(verdict, bool) else await verdict:
                return
            assert time.monotonic() < deadline, daemon.last_lines()
            await asyncio.sleep(0.05)


async def state_of(daemon: DemoDaemon, member: str) -> dict[str, Any]:
    """What `rheod status` says of a member."""
    status = await daemon.ask_admin("GET", "/status")
    found: dict[str, Any] = next(each for each in status["accounts"] if each["reference"] == member)
    return found


@pytest.mark.timeout(180)
async def test_two_members_sell_the_same_external_id(tmp_path: Path, queue_server: QueueServer) -> None:
    """Both published under their own users and sold; the sale of one who was taken out waits until he is back."""
    tokens = {user: f"test-{member}" for member, user in MEMBERS.items()}
    sandbox = Sandbox(
        now=wall_clock,
        rng=random.Random(4),
        queue_server=queue_server,
        processing_delay_s=0.1,
        keys=Keys(sellers=tokens),
    )
    async with sandbox:
        both = Members(sandbox=sandbox, folder=tmp_path)
        ads = await publish_both(both)
        only = both.daemon("m-1")
        async with only.running():
            for member, user in MEMBERS.items():
                await sandbox.tradera.sell(ads[member], 1000 + user % 10)
            await both.until(only, lambda: len(both.told("m-1", "item.sold")) == 1)

            async def waits() -> bool:
                return bool((await state_of(only, "m-2"))["salesWaiting"] == 1)

            await both.until(only, waits)
            assert (await state_of(only, "m-2"))["state"] == "removed"
            assert (await both.call(only, "m-2", "GET"))["rheoStatus"] == "active"
            assert both.told("m-2", "item.sold") == []
        again = both.daemon("m-1", "m-2")
        async with again.running():
            await both.until(again, lambda: len(both.told("m-2", "item.sold")) == 1)
            assert (await state_of(again, "m-2"))["state"] == "selling"
        for member, user in MEMBERS.items():
            (sold,) = both.told(member, "item.sold")
            assert sold.rheo_ok
            assert sold.event["data"]["salePrice"] == 1000 + user % 10
            assert sold.event["data"]["traderaAdId"] == str(ads[member])


async def publish_both(both: Members) -> dict[str, int]:
    """One life of the daemon: both members' item of the same id goes live; returns their ads."""
    ads: dict[str, int] = {}
    first = both.daemon("m-1", "m-2")
    async with first.running():
        await both.connect(first)
        body = {
            "title": "Dörr vänster fram",
            "price": 950,
            "imageUrls": [both.sandbox.shop.picture_url("SAME")],
            "autoPublishTradera": True,
            "tradera": {"categoryId": 302571},
        }
        for member in MEMBERS:
            await both.call(first, member, "PUT", body)
        for member, user in MEMBERS.items():
            await both.until(first, partial(both.was_told, member, "listing.created"))
            (live,) = both.told(member, "listing.created")
            assert live.rheo_ok
            ads[member] = int(live.event["data"]["traderaAdId"])
            assert both.sandbox.tradera.market.listings[ads[member]].seller_id == user
    return ads
