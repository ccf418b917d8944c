"""`rheod demo`: one part goes from an ERP to a Tradera auction to a signed sale, with everything on this machine.

The simulators run in this process, the real daemon in a child. It watches and tells; it never does the daemon's work.
"""

from __future__ import annotations

import asyncio
import json
import signal
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

from rheod.sandbox.demo_daemon import DemoDaemon, DemoFailed, DemoStory
from rheod.sandbox.sandbox import Sandbox
from rheod.sandbox.servers import QueueError
from rheod.sandbox.shop import Received
from rheod.sandbox.tradera_access import CallLimit
from rheod.sandbox.tradera_market import SimulatedAd

T = TypeVar("T")

EXTERNAL_ID = "DEMO-31400452"
TARGET = f"/integration/v1/items/{EXTERNAL_ID}"
WEIGHT_KG = 3.2
PICTURES = 3
BIDS = (950, 1000, 1100)
CALLS_A_METHOD = 10_000
"""Tradera's usual limit of each method in 24 hours, which the simulator enforces here too."""
_WHOLE_S = 50.0
_LOOK_S = 0.02
_ASK_S = 0.05


@dataclass(frozen=True, slots=True)
class AdFacts:
    """What rheod made of an item that names neither category, attributes nor a price of freight.

    `warning` is what rheod says of it: that the category was guessed. `live_s` are seconds from its acceptance to its ad.
    """

    category: str
    category_id: int
    attributes: str
    freight: str
    warning: str
    live_s: float


@dataclass(frozen=True, slots=True)
class LoopClosed:
    """What the loop came to: the ad's page and facts, the sale's webhook as received, the calls as Tradera counted them."""

    ad_url: str
    facts: AdFacts
    sold: Received
    calls: dict[str, int]


class Play:
    """The loop, step by step; each waits until it is seen from outside."""

    def __init__(self, *, sandbox: Sandbox, daemon: DemoDaemon, story: DemoStory) -> None:
        self._sandbox = sandbox
        self._market = sandbox.tradera.market
        self._daemon = daemon
        self._story = story
        self._accepted_s = self._live_s = 0.0

    async def run(self) -> LoopClosed:
        """Play it to the end; DemoFailed says what did not happen in the step that the story names."""
        await self._open_up()
        await self._push_part()
        listing = await self._publish()
        ad_url = await self._hear_of_listing()
        facts = await self._look_at_ad(listing)
        await self._sell(listing)
        sold = await self._hear_of_sale()
        await self._settle()
        return LoopClosed(ad_url, facts, sold, dict(self._sandbox.tradera.calls_by_operation()))

    async def _open_up(self) -> None:
        story, daemon = self._story, self._daemon
        address = await story.within("rheod is ready", daemon.address())
        story.tell("rheod is ready", f"the real daemon serves {address}", address=address, pid=daemon.pid)
        key = await story.within(
            "access", daemon.ask_admin("POST", "/keys", {"name": "demo", "scopes": ["items", "orders"]})
        )
        token = await story.within("access", daemon.ask_admin("POST", "/admin-token"))
        daemon.headers = {"x-api-key": key["apiKey"], "Authorization": f"Bearer {token['adminToken']}"}
        settings = "/integration/webhook-settings"
        known = await story.within("webhook", daemon.call("GET", settings))
        self._sandbox.shop.secret = known["webhookSecret"]
        url = self._sandbox.shop.webhook_url()
        await story.within("webhook", daemon.call("PUT", settings, {"webhookUrl": url}))
        story.tell("webhook", f"the ERP has an API key and takes events at {url}", webhookUrl=url)

    async def _push_part(self) -> None:
        story, daemon = self._story, self._daemon
        answer = await story.within("item accepted", daemon.call("PUT", TARGET, self._part()))
        self._accepted_s = story.elapsed_s
        story.tell("item accepted", f"PUT {EXTERNAL_ID}: {answer['message']}", itemId=answer["itemId"])

        async def ready() -> bool:
            images = (await daemon.call("GET", TARGET))["images"]
            return len(images) == PICTURES and all(image["state"] == "ready" for image in images)

        await story.within("pictures", _until(ready, _ASK_S))
        story.tell("pictures", f"{PICTURES} pictures fetched from the shop and made ready", count=PICTURES)

    def _part(self) -> dict[str, Any]:
        shop = self._sandbox.shop
        return {
            "title": "Bromsok höger fram Volvo XC90 31400452",
            "description": "Begagnat bromsok i gott skick, provat före demontering.",
            "price": BIDS[0],
            "weightKg": WEIGHT_KG,
            "imageUrls": [shop.picture_url(f"bromsok-{n}", width=1200, height=900) for n in range(PICTURES)],
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

    async def _publish(self) -> SimulatedAd:
        story = self._story
        await self._seen("create", lambda listing: bool(listing.request_id))
        story.tell("create", "Tradera has an uncommitted listing request")
        await self._seen("pictures sent", lambda listing: len(listing.images) >= PICTURES)
        story.tell("pictures sent", f"Tradera has its {PICTURES} pictures")
        committed = await self._seen("commit", lambda listing: listing.committed_ms is not None)
        story.tell("commit", f"request {committed.request_id} waits in Tradera's queue")
        live = await story.within("live", _until(_soon(lambda: next(iter(self._market.live()), None))))
        self._live_s = story.elapsed_s - self._accepted_s
        sentence = f"auction {live.item_id} runs, {self._live_s:.1f} s after the item was accepted"
        story.tell("live", sentence, itemId=live.item_id, liveSeconds=round(self._live_s, 2))
        return live

    async def _seen(self, step: str, wanted: Callable[[SimulatedAd], bool]) -> SimulatedAd:
        requests = self._market.requests
        look = _soon(lambda: next((one for one in requests.values() if wanted(one)), None))
        return await self._story.within(step, _until(look))

    async def _hear_of_listing(self) -> str:
        received = await self._hear("listing.created")
        ad_url: str = received.event["data"]["traderaAdUrl"]
        async with aiohttp.ClientSession() as session, session.get(ad_url) as page:
            if page.status != 200:
                raise DemoFailed(f"the auction's page {ad_url} answered {page.status}")
        self._story.tell("listing.created", f"the ERP knows its ad: {ad_url}", traderaAdUrl=ad_url)
        return ad_url

    async def _look_at_ad(self, ad: SimulatedAd) -> AdFacts:
        """Where rheod has put the ad, with what, what the buyer pays for freight, and what rheod says of that."""
        story, daemon, body = self._story, self._daemon, ad.body
        leaf = body["categoryId"]
        known = await story.within(
            "category", daemon.call("GET", f"/integration/v1/tradera/categories/{leaf}/attributes")
        )
        item = await story.within("category", daemon.call("GET", TARGET))
        warning = item["lastWarning"] or ""
        story.tell("category", warning or f"{known['path']} ({leaf})", categoryId=leaf, path=known["path"])
        names = {each["id"]: each["name"] for each in known["attributes"]}
        given = body.get("attributeValues") or {}
        attributes = ", ".join(
            f"{names[each['id']]} {' and '.join(f'{value:g}' if kind == 'numbers' else value for value in each['values'])}"
            for kind in ("terms", "numbers")
            for each in given.get(kind, ())
        )
        story.tell("attributes", f"from what the part says of itself: {attributes}", attributes=given)
        prices = await story.within(
            "freight", daemon.call("GET", f"/integration/v1/tradera/shipping?weightKg={WEIGHT_KG:g}")
        )
        cost = body["shippingOptions"][0]["cost"]
        chosen = next(each["name"] for each in prices["offered"] if each["price"] == cost)
        others = ", ".join(f"{each['name']} {each['price']} kr" for each in prices["parcels"][1:])
        freight = f"{chosen}, {cost} kr for {WEIGHT_KG:g} kg and packaging; dearer: {others}"
        story.tell("freight", freight, options=body["shippingOptions"])
        return AdFacts(known["path"], leaf, attributes, freight, warning, self._live_s)

    async def _sell(self, listing: SimulatedAd) -> None:
        for amount in BIDS:
            self._sandbox.tradera.bid(listing.item_id, amount)
        order_id = await self._story.within("sold", self._sandbox.tradera.sell(listing.item_id))
        sentence = f"a buyer wins at {BIDS[-1]} kr; Tradera puts order {order_id} into the SQS queue"
        self._story.tell("sold", sentence, orderId=order_id, price=BIDS[-1])

    async def _hear_of_sale(self) -> Received:
        received = await self._hear("item.sold")
        price = received.event["data"]["salePrice"]
        if price != BIDS[-1]:
            raise DemoFailed(f"the sale price is {price}, not {BIDS[-1]}")
        self._story.tell("item.sold", "received; both signatures verified", eventId=received.event["eventId"])
        return received

    async def _hear(self, event: str) -> Received:
        shop = self._sandbox.shop
        waiting = shop.wait_for(lambda one: one.event["eventType"] == event, timeout_s=3600)
        received = await self._story.within(event, waiting)
        for ok, header in (
            (received.rheo_ok, "X-Rheo-Signature"),
            (received.standard_ok, "webhook-signature"),
        ):
            if not ok:
                raise DemoFailed(f"{header} did not verify")
        return received

    async def _settle(self) -> None:
        """Until no message and no delivery waits, in the last of the daemon's lives: nothing is left half done.

        A message that a killed daemon had received is still hidden in the queue; it is a duplicate when it returns.
        """

        async def settled() -> bool:
            status = await self._daemon.ask_admin("GET", "/status")
            waiting = sum(status["jobs"].get(queue, 0) for queue in ("images", "hooks", "sales"))
            depth = await self._sandbox.queue.count()
            hidden = depth.in_flight if self._daemon.lives == 1 else 0
            return waiting + depth.visible + hidden == 0 and self._daemon.in_last_life

        await self._story.within("settled", _until(settled, _ASK_S))
        self._story.tell("settled", "the queue is empty and nothing waits")


async def _until(look: Callable[[], Awaitable[T | None]], every_s: float = _LOOK_S) -> T:
    while not (found := await look()):  # noqa: ASYNC110 - nothing says when it changes
        await asyncio.sleep(every_s)
    return found


def _soon(look: Callable[[], T]) -> Callable[[], Awaitable[T]]:
    async def looked() -> T:
        return look()

    return looked


async def run_demo(*, once: bool, as_json: bool, keep: Path | None) -> int:
    """The command; answers the exit status. SIGINT and SIGTERM end it in order, at any moment."""
    with _interruptible(), _folder(keep) as folder:
        story = DemoStory(as_json=as_json)
        performance = _Performance()
        story.heading("One part: from an ERP to a Tradera auction to a signed sale, all on this machine.\n")
        try:
            await performance.run(story, folder, once=once)
        except asyncio.CancelledError:
            if performance.closed is not None:
                return 0  # Ctrl-C: the usual end of a demo that stays up
            reason = "interrupted"
        except (DemoFailed, QueueError, OSError, aiohttp.ClientError) as error:
            reason = str(error) or f"the whole loop took over {_WHOLE_S:g} s"
        else:
            return 0
        story.failed(reason, performance.daemon.last_lines() if performance.daemon else [])
        return 1


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True, mode=0o700)
        yield keep.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="rheod-demo-") as made:
        yield Path(made)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Turn the first SIGINT or SIGTERM into a cancellation; later ones must not break the tidying up."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    asked: list[signal.Signals] = []

    def ask(number: signal.Signals) -> None:
        asked.append(number)
        if len(asked) == 1:
            task.cancel()

    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, ask, number)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


@dataclass(slots=True)
class _Performance:
    """How far it came: the loop closed, or not; the daemon, once there is one."""

    closed: LoopClosed | None = None
    daemon: DemoDaemon | None = None

    async def run(self, story: DemoStory, folder: Path, *, once: bool) -> None:
        """Play the loop, then stay up unless `once`."""
        story.step = "simulators"
        async with Sandbox() as sandbox:
            sandbox.tradera.limit_calls(CallLimit(calls=CALLS_A_METHOD, method="*"))
            story.tell("simulators", "Tradera, an SQS queue and a shop are up")
            self.daemon = DemoDaemon(folder=folder, settings=demo_settings(sandbox))
            async with self.daemon.running():
                async with asyncio.timeout(_WHOLE_S):
                    self.closed = await Play(sandbox=sandbox, daemon=self.daemon, story=story).run()
                _tell_end(story, self.closed)
                if not once:
                    await _tell_addresses(story, sandbox, self.daemon, folder)
                    await asyncio.Event().wait()


def demo_settings(sandbox: Sandbox) -> dict[str, str]:
    """The settings of a daemon that sells in this sandbox, its ads' addresses included."""
    return {**sandbox.settings(), "RHEOD_TRADERA__SITE_URL": sandbox.tradera.site_url}


def _tell_end(story: DemoStory, closed: LoopClosed) -> None:
    used = sum(closed.calls.values())
    story.tell(
        "closed",
        "the loop closed",
        traderaAdUrl=closed.ad_url,
        ad=asdict(closed.facts),
        callsUsed=used,
        callsPerMethod=CALLS_A_METHOD,
        calls=closed.calls,
        itemSold=closed.sold.event,
        signatures={"rheo": closed.sold.rheo_ok, "standard": closed.sold.standard_ok},
    )
    each = ", ".join(f"{name} {count}" for name, count in closed.calls.items())
    event = json.dumps(closed.sold.event, ensure_ascii=False, indent=2)
    facts = closed.facts
    story.heading(f"\nauction    {closed.ad_url}, live {facts.live_s:.1f} s after the PUT")
    story.heading(f"category   {facts.warning or facts.category}")
    story.heading(f"attributes {facts.attributes}")
    story.heading(f"freight    {facts.freight}")
    story.heading(
        f"calls      {used}, of {CALLS_A_METHOD} of each kind a day, as Tradera counted them: {each}"
    )
    story.heading(f"item.sold  {event}")


async def _tell_addresses(story: DemoStory, sandbox: Sandbox, daemon: DemoDaemon, folder: Path) -> None:
    site, address = sandbox.tradera.site_url, await daemon.address()
    token = daemon.headers["Authorization"].removeprefix("Bearer ")
    story.heading("")
    story.step = "up"
    story.tell("up", "until Ctrl-C", rheod=address, tradera=site, shop=sandbox.shop.url, folder=str(folder))
    story.heading(f"\ndashboard  {address}/dashboard")
    story.heading(f"           sign in with {token}")
    story.heading(f"the API    {address}/docs")
    story.heading(f"Tradera    {site}/sandbox/state")
    story.heading(f"data, log  {folder}")
