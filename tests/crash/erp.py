"""A yard's ERP and its surroundings during one run of the sweep: it asks until it is answered and never gives up.

It knows the daemon only from outside: HTTP, the admin socket, the remotes' own records.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rheod.sandbox.demo_daemon import DemoDaemon, DemoFailed
from rheod.sandbox.sandbox import wall_clock
from rheod.sandbox.shop import Shop
from rheod.sandbox.tradera import TraderaSimulator
from rheod.sandbox.tradera_market import SimulatedAd
from tests import warm
from tests.crash.held import Held, held
from tests.push.small_queue import URL, SmallQueue

ITEM = "/integration/v1/items"
DEADLINE_S = 40.0
_LOOK_S = 0.03
_VISIBILITY_S = 1.0
_SETTINGS = {
    "RHEOD_IMAGES__ALLOW_HTTP": "true",
    "RHEOD_IMAGES__ALLOW_PRIVATE_NETWORKS": "true",
    "RHEOD_WEBHOOKS__ALLOW_HTTP": "true",
    "RHEOD_WEBHOOKS__ALLOW_PRIVATE_NETWORKS": "true",
    "RHEOD_PUSH__QUEUE_URL": URL,
    "RHEOD_PUSH__ACCESS_KEY_ID": "test-access-key",
    "RHEOD_PUSH__SECRET_ACCESS_KEY": "test-secret",
    "RHEOD_TRADERA__RESULT_DELAYS_S": "[0.1]",
    "RHEOD_TRADERA__QUOTA__TOTAL": "1000",
    "RHEOD_TRADERA__RECONCILE_SHARE": "0.4",
    "RHEOD_WEBHOOKS__RETRY_DELAYS_S": "[0.1, 0.1, 0.2, 0.2, 0.4, 0.4, 1, 1, 1, 1, 2, 2, 2, 2]",
    "RHEOD_PUSH__CLOSED_GRACE_S": "0.1",
    **{f"RHEOD_LIMITS__{kind}_PER_S": "1000" for kind in ("PUT", "PRICE", "STATUS", "GET", "DELETE")},
}


class StuckError(Exception):
    """Something did not happen in time; the sentence says what."""


class PushedMessages(SmallQueue):
    """The queue as Tradera writes to it; `sent` are the ids of all messages."""

    def __init__(self, *, first: int = 1) -> None:
        super().__init__(first=first)
        self.sent: list[str] = []

    async def post(self, body: str | dict[str, Any]) -> None:
        """Put a message in."""
        self.sent.append(self.send(body))


@dataclass(frozen=True, slots=True)
class Pushing:
    """What the simulated Tradera pushes through."""

    queue: PushedMessages

    async def send(self, body: str | dict[str, Any], n: int = 1) -> None:
        """Send a message n times."""
        for _ in range(n):
            await self.queue.post(body)


@dataclass
class Erp:
    """The ERP, the remotes around the daemon, and what the ERP was promised.

    `at_start` and `at_end` are what the daemon held when it had just started and when nothing was left to do, `stall_ms`
    is how long its loop was held up until then; `secrets` is what nobody may find in its log or its database.
    """

    tradera: TraderaSimulator
    shop: Shop
    queue: PushedMessages
    folder: Path
    promised: dict[str, set[str]] = field(default_factory=dict)
    bodies: dict[str, dict[str, Any]] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    daemon: DemoDaemon = field(init=False)
    secrets: set[str] = field(default_factory=set)
    lives: int = 0
    at_start: Held | None = None
    at_end: Held | None = None
    stall_ms: int = 0

    @asynccontextmanager
    async def daemon_running(self, crash_at: str | None) -> AsyncIterator[None]:
        """A daemon on this run's folder, connected to the ERP; `crash_at` kills its first life."""
        self.daemon = warm.daemon(folder=self.folder, settings=self._settings(), crash_at=crash_at)
        try:
            async with self.daemon.running():
                await self._connect()
                yield
        finally:
            self.lives += self.daemon.lives

    def _settings(self) -> dict[str, str]:
        keys = self.tradera.keys
        ((user_id, token),) = keys.sellers.items()
        self.secrets = {keys.app_key, token, _SETTINGS["RHEOD_PUSH__SECRET_ACCESS_KEY"]}
        return {
            **_SETTINGS,
            "RHEOD_TRADERA__BASE_URL": self.tradera.base_url,
            "RHEOD_TRADERA__SITE_URL": self.tradera.site_url,
            "RHEOD_TRADERA__APP_ID": str(keys.app_id),
            "RHEOD_TRADERA__APP_KEY": keys.app_key,
            "RHEOD_TRADERA__USER_ID": str(user_id),
            "RHEOD_TRADERA__USER_TOKEN": token,
            "RHEOD_PUSH__ENDPOINT_URL": self.queue.endpoint_url,
        }

    async def _connect(self) -> None:
        key = await self.daemon.ask_admin("POST", "/keys", {"name": "erp", "scopes": ["items", "orders"]})
        token = await self.daemon.ask_admin("POST", "/admin-token")
        self.daemon.headers = {
            "x-api-key": key["apiKey"],
            "Authorization": f"Bearer {token['adminToken']}",
        }
        hooks = await self.daemon.call("GET", "/integration/webhook-settings")
        self.shop.secret = hooks["webhookSecret"]
        self.secrets |= {key["apiKey"], token["adminToken"], self.shop.secret}
        url = {"webhookUrl": self.shop.webhook_url()}
        await self.daemon.call("PUT", "/integration/webhook-settings", url)
        self.at_start = None
        await self.until("a look at what the daemon holds", self._look_at_start)

    # What the ERP does

    async def put(self, external_id: str, *, pictures: int, **fields: Any) -> None:
        """PUT until acknowledged, and remember the promise; `fields` replace those of the usual body."""
        urls = [self.shop.picture_url(f"{external_id}-{n}", width=400, height=300) for n in range(pictures)]
        body = {
            "title": f"Dörr {external_id}",
            "price": 950,
            "imageUrls": urls,
            "autoPublishTradera": True,
            "tradera": {"categoryId": 302571},
            **fields,
        }
        answer = await self.daemon.call("PUT", f"{ITEM}/{external_id}", body)
        self.promised.setdefault(external_id, set()).add(answer["itemId"])
        self.bodies[external_id] = body

    async def patch(self, external_id: str, **change: Any) -> None:
        """PATCH the price or the status."""
        (what,) = change
        await self.daemon.call("PATCH", f"{ITEM}/{external_id}/{what}", change)
        if what == "price":
            self.bodies[external_id]["price"] = change["price"]

    async def delete(self, external_id: str) -> None:
        """DELETE; a 404 is the answer to a repeated one whose first answer was lost."""
        try:
            await self.daemon.call("DELETE", f"{ITEM}/{external_id}")
        except DemoFailed as error:
            if "answered 404" not in str(error):
                raise
        self.deleted.add(external_id)

    async def track(self, order_id: int) -> None:
        """Tell the parcel of an order."""
        body = {"carrier": "postnord", "trackingNumber": f"SE{order_id}"}
        await self.daemon.call("POST", f"/integration/v1/orders/{order_id}/tracking", body)

    @property
    def seller(self) -> int:
        """The one seller's number at Tradera."""
        ((user_id, _),) = self.tradera.keys.sellers.items()
        return user_id

    async def settle(self, order_id: int, price: int) -> None:
        """The owner's word on a sale in doubt, until it is taken; not found is the answer to a repeated one."""

        async def in_doubt() -> bool:
            listed = await self.daemon.ask_admin("GET", "/orders")
            return bool(listed["inDoubt"])

        await self.until("the sale in doubt", in_doubt)
        try:
            await self.daemon.ask_admin(
                "POST", f"/orders/{order_id}/settle", {"sold": True, "salePrice": price}
            )
        except DemoFailed as error:
            if "404" not in str(error):
                raise

    async def say(self, order_id: int, word: str) -> None:
        """Say that an order is paid or done."""
        await self.daemon.call("POST", f"/integration/v1/orders/{order_id}/{word}")

    async def reverse(self, external_id: str) -> None:
        """Say that the sale fell through and that it is to be sold again."""
        body = {"reason": "unpaid", "relist": True}
        await self.daemon.call("POST", f"{ITEM}/{external_id}/reverse-sale", body)

    def has_confirmed(self, order_id: int) -> bool:
        """Whether Tradera has the order as paid outside."""
        return all(sale.paid_confirmed for sale in self.tradera.orders[order_id].sales)

    def has_shipped(self, order_id: int) -> bool:
        """Whether Tradera has the order as shipped."""
        return all(sale.shipped for sale in self.tradera.orders[order_id].sales)

    async def shown(self, external_id: str) -> dict[str, Any] | None:
        """GET; None for 404."""
        try:
            answer: dict[str, Any] = await self.daemon.call("GET", f"{ITEM}/{external_id}")
        except DemoFailed as error:
            if "answered 404" not in str(error):
                raise
            return None
        return answer

    # What is waited for

    async def until(self, what: str, condition: Callable[[], bool | Awaitable[bool]]) -> None:
        """Wait until it holds; StuckError after a deadline."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            verdict = condition()
            if verdict if isinstance(verdict, bool) else await verdict:
                return
            if time.monotonic() > deadline:
                raise StuckError(f"stuck: {what} did not happen within {DEADLINE_S:g} s")
            await asyncio.sleep(_LOOK_S)

    async def event(self, external_id: str, event: str) -> dict[str, Any]:
        """Wait for an event of the item to arrive; returns its data."""
        found: list[dict[str, Any]] = []

        def arrived() -> bool:
            found.extend(
                each.event["data"]
                for each in self.shop.received
                if each.event["eventType"] == event and each.event["data"]["externalId"] == external_id
            )
            return bool(found)

        await self.until(f"{event} of {external_id}", arrived)
        return found[0]

    async def live(self, external_id: str) -> int:
        """Wait for the item's ad; returns its number at Tradera."""
        return int((await self.event(external_id, "listing.created"))["traderaAdId"])

    async def comes_back(self, external_id: str) -> SimulatedAd:
        """Wait until another ad of the item is up; returns it."""
        first = await self.live(external_id)
        await self.until(
            f"the return of {external_id}",
            lambda: any(ad.item_id != first for ad in self.tradera.live_items()),
        )
        (again,) = self.tradera.live_items()
        return again

    async def shows(self, external_id: str, **wanted: Any) -> None:
        """Wait until GET shows these values."""

        async def seen() -> bool:
            shown = await self.shown(external_id) or {}
            return all(shown.get(name) == value for name, value in wanted.items())

        await self.until(f"GET {external_id} with {wanted}", seen)

    async def settled(self) -> None:
        """Wait until nothing is left to do: jobs (the two readings on schedule apart) and messages.

        A message that a killed daemon had received comes back when its visibility time has passed.
        """
        shown_again_at = time.monotonic() + _VISIBILITY_S

        async def quiet() -> bool:
            nonlocal shown_again_at
            if time.monotonic() > shown_again_at:
                self.queue.reappear()
                shown_again_at += _VISIBILITY_S
            left = self.queue.left  # before the status: what is gone from here by now, it must know
            status = await self.daemon.ask_admin("GET", "/status")
            self.stall_ms = status["longestStallMs"]
            jobs: int = sum(status["jobs"].values()) - 2
            messages: int = status["inbox"].get("new", 0) + left
            return jobs + messages == 0

        await self.until("the end of all work", quiet)
        with contextlib.suppress(StuckError):  # what it still holds then is the invariants' to tell
            await self.until("the files and threads of the start", self._look_at_end)

    async def _look_at_start(self) -> bool:
        await self.daemon.address()
        assert self.daemon.pid is not None
        self.at_start = held(self.daemon.pid)
        return self.at_start is not None

    async def _look_at_end(self) -> bool:
        await self.daemon.address()
        assert self.daemon.pid is not None
        self.at_end = held(self.daemon.pid)
        return (
            self.at_start is not None
            and self.at_end is not None
            and not self.at_end.has_leaked(self.at_start)
        )


@asynccontextmanager
async def yard(folder: Path, *, seed: int = 4) -> AsyncIterator[Erp]:
    """Remotes of one run's own; with another seed Tradera and its queue give other numbers."""
    tradera = TraderaSimulator(now=wall_clock, rng=random.Random(seed), processing_delay_s=0.02)
    erp = Erp(tradera, Shop(now=wall_clock), PushedMessages(first=seed * 1000), folder)
    tradera.queue = Pushing(erp.queue)
    async with AsyncExitStack() as stack:
        for remote in (tradera, erp.shop, erp.queue):
            stack.push_async_callback(remote.stop)
            await remote.start()
        yield erp
