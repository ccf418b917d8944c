"""What waits for something else than Tradera itself: told in status, doctor, metrics and at the item, with since and next try."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from random import Random

import pytest
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from rheod.compose.build import build
from rheod.compose.loops import observed
from rheod.compose.remotes import Remotes
from rheod.domain.event_payloads import rfc3339
from rheod.domain.model import ItemSpec, ListingState, QueueName, TraderaWish
from rheod.health.doctor import gather_status
from rheod.health.metrics import gather_metrics
from rheod.push.poller import PushPoller
from tests.desk import CountedQueue, Desk
from tests.fakes import ill
from tests.fakes.front import Front, front
from tests.health.test_what_waits_is_told import LONG_S, diagnosis, figures, status
from tests.push.queues import queue_at
from tests.tradera.test_doubtful_ads import in_doubt
from tests.tradera.test_held import SKICK, knows
from tests.tradera.test_order_sync import live, order_created, push, reconcile
from tests.waiting import until


@asynccontextmanager
async def at_work(desk: Desk, name: QueueName) -> AsyncIterator[None]:
    """One more queue of the daemon runs."""
    (queue,) = (each for each in desk.rheod.loops.queues if each.name == name)
    running = asyncio.create_task(queue.run())
    try:
        yield
    finally:
        queue.stop()
        await running


async def deleted(_request: web.Request) -> web.StreamResponse:
    """AWS's answer about a queue that somebody has deleted."""
    error = {
        "__type": "com.amazonaws.sqs#QueueDoesNotExist",
        "message": "The specified queue does not exist.",
    }
    return web.json_response(error, status=400, content_type="application/x-amz-json-1.0")


async def failed_jobs(desk: Desk, kind: str) -> bool:
    return any(job["attempts"] for job in await desk.waiting_jobs(kind))


async def a_deleted_queue(desk: Desk, remote: Front) -> None:
    remote.ill = deleted
    async with queue_at(remote.url) as queue:
        core = desk.rheod.core
        poller = PushPoller(store=core.store, queue=queue, sellers=core.sellers, rng=Random(1))
        desk.rheod.loops.poller, core.life.begun = poller, True
        polling = asyncio.create_task(poller.run())
        await until(lambda: poller.away is not None)
        polling.cancel()
        await asyncio.wait([polling])


async def a_hanging_picture_host(desk: Desk, remote: Front) -> None:
    remote.ill = ill.hang
    await desk.restart(loopback=True)
    async with at_work(desk, QueueName.PICTURES):
        wanted = ItemSpec(title="Kaffekopp", price_ore=10_000, image_urls=(f"{remote.url}/a.jpg",))
        await desk.items.put_item(desk.account_id, "A", wanted)
        await until(partial(failed_jobs, desk, "fetch_picture"))


async def a_receiver_that_is_down(desk: Desk, remote: Front) -> None:
    remote.ill = ill.status(500)
    await desk.restart(loopback=True)
    await desk.endpoints.set_url(desk.account_id, f"{remote.url}/hook")
    async with at_work(desk, QueueName.WEBHOOKS):
        await desk.put(pictures=0)
        await until(partial(failed_jobs, desk, "deliver"))


async def a_sale_that_is_not_looked_up(desk: Desk, _remote: Front) -> None:
    ad = await live(desk)
    order_id = await desk.simulator.sell(ad, 950, push=False)
    desk.simulator.fault("orders_by_id", "500", times=None)
    await push(desk, order_created(order_id, ad))
    await desk.idle()


async def a_message_that_nobody_understands(desk: Desk, _remote: Front) -> None:
    await push(desk, "<html>")


async def an_ad_in_doubt(desk: Desk, _remote: Front) -> None:
    await in_doubt(desk)
    desk.simulator.fault("read_item", "400", times=None)
    await reconcile(desk)
    await desk.idle()


async def an_item_that_tradera_answers_with_a_page(desk: Desk, _remote: Front) -> None:
    desk.simulator.fault("create", "html_200", times=None)
    await desk.put(pictures=0)
    await until(lambda: desk.called().get("create", 0) >= 1)
    await desk.idle()


async def an_item_without_a_category(desk: Desk, _remote: Front) -> None:
    await knows(desk, SKICK)
    await desk.put(pictures=0, tradera=TraderaWish())
    await desk.idle()


async def an_item_that_tradera_refuses(desk: Desk, _remote: Front) -> None:
    desk.simulator.fault("create", "400", times=None)
    await desk.put(pictures=0)
    await desk.reach(ListingState.REJECTED)


async def a_sold_item_whose_ad_has_bids(desk: Desk, _remote: Front) -> None:
    listing = await desk.publish(pictures=0)
    assert listing.tradera_item_id is not None
    desk.simulator.bid(listing.tradera_item_id)
    await desk.items.change_status(desk.account_id, "A", "sold")
    await desk.idle()


@dataclass(frozen=True)
class Trouble:
    """How something comes to wait, how that is told, whether there is a next try, and what the item says."""

    code: str
    begin: Callable[[Desk, Front], Awaitable[None]]
    has_next: bool = True
    at_the_item: str | None = None


TROUBLES = [
    Trouble("push.away", a_deleted_queue),
    Trouble("pictures.wait", a_hanging_picture_host, at_the_item="127.0.0.1"),
    Trouble("endpoint.fails", a_receiver_that_is_down),
    Trouble("sale.waits", a_sale_that_is_not_looked_up, at_the_item="order"),
    Trouble("sale.quarantined", a_message_that_nobody_understands, has_next=False),
    Trouble("listing.doubt", an_ad_in_doubt),
    Trouble("work.unclear", an_item_that_tradera_answers_with_a_page, at_the_item="Tradera"),
    Trouble("items.held", an_item_without_a_category, has_next=False),
    Trouble("item.failed", an_item_that_tradera_refuses, has_next=False),
    Trouble("sale.conflict", a_sold_item_whose_ad_has_bids, has_next=False),
]


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.code)
async def test_what_waits_for_long_is_told_everywhere(desk: Desk, trouble: Trouble) -> None:
    """In status, doctor and the metrics, with since and next try; where an item waits, at the item too."""
    async with front() as remote:
        before = desk.clock()
        await trouble.begin(desk, remote)
        desk.clock.forward(round(LONG_S * 1000))
        for found in (await status(desk), await diagnosis(desk)):
            told = found[trouble.code]
            assert told["since"] is not None
            assert (told["nextTry"] is not None) == trouble.has_next
            assert told["waitsForYou"] == (not trouble.has_next)
        assert (await figures(desk))[trouble.code] == 1
        if trouble.at_the_item is not None:
            view = await desk.items.read_item(desk.account_id, "A")
            assert trouble.at_the_item in (view.waits_for or "")
            assert view.waits_since is not None
            assert before <= view.waits_since <= desk.clock()
            assert view.next_try is not None


async def test_a_daemon_without_credentials_says_since_when_nothing_is_published(desk: Desk) -> None:
    """Since the first item waits for it: in status, doctor and the metrics; it goes on when the owner has seen to it."""
    await desk.stop()
    settings = desk.wishes.settings(desk.folder, desk.simulator)
    bare = settings.tradera.model_copy(update={"app_id": None})
    settings = settings.model_copy(update={"tradera": bare})
    desk.rheod = await build(
        settings, desk.database, clock=desk.clock, rng=Random(7), remotes=Remotes(), new_queue=CountedQueue
    )
    desk.clock.forward(60_000)
    ordered = desk.clock()
    await desk.put(pictures=0)
    desk.clock.forward(round(LONG_S * 1000))
    for found in (await status(desk), await diagnosis(desk)):
        told = found["publishing.waits"]
        assert told["since"] == rfc3339(ordered)
        assert told["waitsForYou"]
        assert "tradera.app_id" in told["text"]
    assert (await figures(desk))["publishing.waits"] == 1
    view = await desk.items.read_item(desk.account_id, "A")
    assert (view.trouble, view.waits_since) == (view.waits_for, ordered)
    assert "tradera.app_id" in (view.trouble or "")
    await desk.rheod.clients.aclose()
    await desk.start()


async def test_an_event_that_one_receiver_refuses_alone_is_told(desk: Desk) -> None:
    """It takes the others: the endpoint is well, and this event would wait without a word."""

    async def refuse_a(request: web.Request) -> web.StreamResponse:
        bad = (await request.json())["data"]["externalId"] == "A"
        return web.Response(status=422 if bad else 200)

    async with front() as remote:
        remote.ill = refuse_a
        await desk.restart(loopback=True)
        await desk.endpoints.set_url(desk.account_id, f"{remote.url}/hook")
        async with at_work(desk, QueueName.WEBHOOKS):
            await desk.put("A", pictures=0)
            for number in range(12):
                calls = len(remote.calls)
                await desk.put(f"B{number}", pictures=0)
                desk.forward(120)
                await until(lambda calls=calls: len(remote.calls) > calls)  # type: ignore[misc]
        for found in (await status(desk), await diagnosis(desk)):
            assert "422" in found["event.refused"]["text"]
            assert found["event.refused"]["since"] is not None
        assert (await figures(desk))["event.refused"] == 1


async def not_published(desk: Desk) -> tuple[object, float]:
    """How many items, as status and the metrics say."""
    running = desk.rheod.loops.running
    seen = observed(desk.rheod.core, running)
    text = (await gather_metrics(seen, running)).decode()
    (counted,) = (
        family.samples[0].value
        for family in text_string_to_metric_families(text)
        if family.name == "rheod_items_not_published"
    )
    return (await gather_status(seen, running))["itemsNotPublished"], counted


async def test_items_that_tradera_refused_are_counted_and_listed(desk: Desk) -> None:
    """A number in status and metrics that falls when the item is live."""
    desk.simulator.fault("create", "400")
    await desk.put(pictures=0)
    await desk.reach(ListingState.REJECTED)
    assert await not_published(desk) == (1, 1)
    await desk.items.order_publish(desk.account_id, "A")
    await desk.reach(ListingState.COMMITTED)
    assert await not_published(desk) == (0, 0)


async def test_pictures_that_the_disk_has_lost_are_told_by_the_doctor(desk: Desk) -> None:
    """How many and which; one that is there is no trouble."""
    await desk.put(pictures=2)
    assert "pictures.lost" not in await diagnosis(desk)
    gone, _kept = (await desk.items.read_item(desk.account_id, "A")).pictures
    (desk.folder / (gone.file or "")).unlink()
    told = (await diagnosis(desk))["pictures.lost"]
    assert "1 picture is missing" in told["text"]
    assert gone.file in told["text"]
