"""The real daemon as a process, over real HTTP and a real SQS server, against the simulated Tradera and shop."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rheod.domain.categories import TRADERA_CATEGORIES
from rheod.sandbox.demo_daemon import DemoDaemon
from rheod.sandbox.sandbox import Sandbox, wall_clock
from rheod.sandbox.servers import QueueServer
from rheod.tradera.contact import READINGS
from tests import warm

DEADLINE_S = 30.0
ITEM = "/integration/v1/items"


@dataclass
class RunningDaemon:
    """The sandbox with a daemon in it, seen as an ERP sees it."""

    sandbox: Sandbox
    daemon: DemoDaemon

    async def put(self, external_id: str, **fields: Any) -> Any:
        """PUT an item until it is taken; `fields` replace those of the usual body."""
        return await self.daemon.call("PUT", f"{ITEM}/{external_id}", self.body(external_id) | fields)

    def body(self, external_id: str) -> dict[str, Any]:
        """An item with one picture that shall be published at once."""
        picture = self.sandbox.shop.picture_url(external_id)
        return {
            "title": f"Dörr vänster fram {external_id}",
            "price": 950,
            "imageUrls": [picture],
            "autoPublishTradera": True,
            "tradera": {"categoryId": 302571},
        }

    async def get(self, external_id: str) -> Any:
        """GET an item."""
        return await self.daemon.call("GET", f"{ITEM}/{external_id}")

    def events(self, external_id: str) -> list[str]:
        """The types of an item's events as received, each event once, in order."""
        seen: dict[str, str] = {}
        for each in self.sandbox.shop.received:
            if each.event["data"]["externalId"] == external_id:
                seen.setdefault(each.event["eventId"], each.event["eventType"])
        return list(seen.values())

    async def until(self, condition: Callable[[], bool | Awaitable[bool]]) -> None:
        """Wait until the condition holds; fails after a deadline."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            verdict = condition()
            if verdict if isinstance(verdict, bool) else await verdict:
                return
            assert time.monotonic() < deadline, self.daemon.last_lines()
            await asyncio.sleep(0.05)

    async def until_event(self, external_id: str, event: str) -> None:
        """Wait for an event of the item to arrive."""
        await self.until(lambda: event in self.events(external_id))

    def ad_of(self, external_id: str) -> int:
        """The number of the item's ad, as its listing.created told."""
        for each in self.sandbox.shop.received:
            event = each.event
            if event["eventType"] == "listing.created" and event["data"]["externalId"] == external_id:
                return int(event["data"]["traderaAdId"])
        raise AssertionError("no listing.created yet")


@asynccontextmanager
async def running_daemon(
    folder: Path, server: QueueServer, *, crash_at: str | None = None, **settings: str
) -> AsyncIterator[RunningDaemon]:
    """Everything up, the ERP connected; `settings` are RHEOD_ variables, `crash_at` kills the daemon's first life."""
    sandbox = Sandbox(now=wall_clock, rng=random.Random(4), queue_server=server, processing_delay_s=0.1)
    async with sandbox:
        daemon = warm.daemon(folder=folder, settings={**sandbox.settings(), **settings}, crash_at=crash_at)
        one = RunningDaemon(sandbox, daemon)
        async with one.daemon.running():
            key = await one.daemon.ask_admin("POST", "/keys", {"name": "erp"})
            token = await one.daemon.ask_admin("POST", "/admin-token")
            one.daemon.headers = {
                "x-api-key": key["apiKey"],
                "Authorization": f"Bearer {token['adminToken']}",
            }
            hooks = await one.daemon.call("GET", "/integration/webhook-settings")
            sandbox.shop.secret = hooks["webhookSecret"]
            url = {"webhookUrl": sandbox.shop.webhook_url()}
            await one.daemon.call("PUT", "/integration/webhook-settings", url)
            yield one


async def test_an_item_goes_from_put_to_a_signed_sale(tmp_path: Path, queue_server: QueueServer) -> None:
    """The main job, with the events in order, both signatures good and no call too many."""
    async with running_daemon(tmp_path, queue_server) as one:
        put = await one.put("A-1")
        await one.until_event("A-1", "listing.created")
        await one.sandbox.tradera.sell(one.ad_of("A-1"), 1100)
        await one.until_event("A-1", "item.sold")
        assert one.events("A-1") == ["item.created", "item.images_ready", "listing.created", "item.sold"]
        sold = one.sandbox.shop.received[-1]
        assert sold.rheo_ok
        assert sold.standard_ok
        assert sold.event["data"]["salePrice"] == 1100
        assert sold.event["data"]["rheoItemId"] == put["itemId"]
        shown = await one.get("A-1")
        assert (shown["rheoStatus"], shown["traderaStatus"]) == ("sold", "sold")
        calls = one.sandbox.tradera.calls_by_operation()
        assert calls.total() - sum(calls[each] for each in READINGS) <= 6


FIRST = {
    "title": "Bromsok höger fram Volvo XC90 31400452",
    "price": 950,
    "shippingCost": 149,
    "autoPublishTradera": True,
    "domain": {
        "domain": "automotive_part",
        "partName": "Bromsok",
        "oemCode": "31400452",
        "manufacturer": "Volvo",
        "compatibleModels": ["XC90"],
        "donorVehicleYear": 2018,
        "conditionGrade": "B",
    },
}


async def test_the_first_put_of_a_fresh_installation_goes_live(
    tmp_path: Path, queue_server: QueueServer
) -> None:
    """Nothing but credentials, no category, none of the old numbers in the tree: the guessed leaf, with what it requires."""
    async with running_daemon(tmp_path, queue_server) as one:
        pictures = [one.sandbox.shop.picture_url(f"bromsok-{each}") for each in range(2)]
        target = f"{ITEM}/31400452"
        await one.daemon.call("PUT", target, {**FIRST, "imageUrls": pictures})
        await one.until_event("31400452", "listing.created")
        catalogue = one.sandbox.tradera.market.catalogue
        ad = one.sandbox.tradera.market.listings[one.ad_of("31400452")]
        assert not {number for number in TRADERA_CATEGORIES if catalogue.is_leaf(number)}
        assert len(ad.images) == 2
        (skick,) = (each for each in catalogue.definitions[ad.body["categoryId"]] if each["name"] == "Skick")
        assert {"id": skick["id"], "values": ["Gott skick"]} in ad.body["attributeValues"]["terms"]
        shown = await one.get("31400452")
        assert (shown["traderaStatus"], shown["held"], shown["lastError"]) == ("active", None, None)
        assert "The category was guessed" in shown["lastWarning"]
        assert "Bildelar > Bromsar" in shown["lastWarning"]
        calls = one.sandbox.tradera.calls_by_operation()
        assert (calls["create"], calls["image"], calls["commit"]) == (1, 2, 1)


async def test_price_and_delisting_reach_the_live_ad(tmp_path: Path, queue_server: QueueServer) -> None:
    """PATCH price reprices the ad, PATCH status not_listed ends it, and our own ending is no listing.ended."""
    async with running_daemon(tmp_path, queue_server) as one:
        await one.put("A-2")
        await one.until_event("A-2", "listing.created")
        ad = one.sandbox.tradera.market.listings[one.ad_of("A-2")]
        await one.daemon.call("PATCH", f"{ITEM}/A-2/price", {"price": 700})
        await one.until(lambda: ad.opening == 700)
        await one.daemon.call("PATCH", f"{ITEM}/A-2/status", {"status": "not_listed"})
        await one.until(lambda: not one.sandbox.tradera.live_items())

        async def shown_as_ended() -> bool:
            return bool((await one.get("A-2"))["traderaStatus"] == "ended")

        await one.until(shown_as_ended)
        assert (await one.get("A-2"))["rheoStatus"] == "not_listed"
        assert "listing.ended" not in one.events("A-2")


async def test_an_item_that_does_not_fit_the_budget_says_when_it_goes(
    tmp_path: Path, queue_server: QueueServer
) -> None:
    """With room for one publishing a day, the second item waits with its place and a time a day ahead."""
    async with running_daemon(tmp_path, queue_server, RHEOD_TRADERA__QUOTA__TOTAL="12") as one:
        await one.put("A-3")
        await one.until_event("A-3", "listing.created")
        await one.put("A-4")
        await one.until_event("A-4", "item.images_ready")

        async def waits() -> bool:
            return (await one.get("A-4"))["queue"] is not None

        await one.until(waits)
        queue = (await one.get("A-4"))["queue"]
        assert queue["position"] == 1
        assert queue["expectedAt"] > time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 23 * 3600))
        assert one.sandbox.tradera.calls_by_operation()["create"] == 1


async def test_a_sale_that_push_never_told_is_found_at_the_next_start(
    tmp_path: Path, queue_server: QueueServer
) -> None:
    """Killed and started again, the daemon finds by reconciliation the order that no message ever told of."""
    async with running_daemon(tmp_path, queue_server, crash_at="price.before:1") as one:
        await one.put("A-5")
        await one.until_event("A-5", "listing.created")
        await one.sandbox.tradera.sell(one.ad_of("A-5"), 1300, push=False)
        await one.daemon.call("PATCH", f"{ITEM}/A-5/price", {"price": 700})
        await one.until_event("A-5", "item.sold")
        assert one.daemon.lives == 2
        assert one.events("A-5").count("item.sold") == 1
        assert one.sandbox.tradera.calls_by_operation()["orders"] == 1


async def test_without_credentials_the_api_works_and_says_what_waits(
    tmp_path: Path, queue_server: QueueServer
) -> None:
    """No token: the PUT is taken, the pictures are made ready, and the status names the setting that is missing."""
    async with running_daemon(tmp_path, queue_server, RHEOD_TRADERA__USER_TOKEN="") as one:
        await one.put("A-6")
        await one.until_event("A-6", "item.images_ready")
        shown = await one.daemon.ask_admin("GET", "/items/A-6")
        status = await one.daemon.ask_admin("GET", "/status")
        assert "tradera.user_token" in shown["waitsFor"]
        assert status["publishingWaitsFor"] == ["tradera.user_token"]
        asked = {call.operation for call in one.sandbox.tradera.calls}
        assert asked <= {"categories", "shipping"}  # for which the application's keys are enough


async def test_a_picture_that_cannot_be_had_does_not_hold_up_the_others(
    tmp_path: Path, queue_server: QueueServer
) -> None:
    """One picture is gone for good: the item goes out with the other one."""
    async with running_daemon(tmp_path, queue_server) as one:
        good = one.sandbox.shop.picture_url("A-7")
        gone = one.sandbox.shop.url + "/pictures/missing.jpg"
        await one.put("A-7", imageUrls=[gone, good])
        await one.until_event("A-7", "listing.created")
        states = [image["state"] for image in (await one.get("A-7"))["images"]]
        assert states == ["failed", "ready"]
        assert one.sandbox.tradera.calls_by_operation()["image"] == 1


async def test_a_domain_without_a_category_is_found(tmp_path: Path, queue_server: QueueServer) -> None:
    """An item that cannot be listed for want of a category is told with what to do; the others need nothing."""
    async with running_daemon(tmp_path, queue_server, RHEOD_CATEGORIES__GUESS_CATEGORY="false") as one:
        await one.put("A-8")
        await one.until_event("A-8", "listing.created")
        assert (await one.daemon.ask_admin("GET", "/status"))["findings"] == []
        await one.put("A-9", tradera={})

        async def held() -> bool:
            return (await one.get("A-9"))["held"] is not None

        await one.until(held)
        found = {each["code"]: each for each in (await one.daemon.ask_admin("GET", "/status"))["findings"]}
        assert found.keys() == {"items.held"}
        assert "A-9" in found["items.held"]["text"]
