"""Whatever makes an item or a sale wait for long is told in every place, with its cause, since when and the next try."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from rheod.compose.loops import observed
from rheod.domain.errors import StoreUnavailable
from rheod.domain.model import ListingState
from rheod.health.doctor import Doctor, Reachable, gather_status
from rheod.health.metrics import gather_metrics
from rheod.jobs.housekeeping import probe
from rheod.push.client import PushQueue
from rheod.store.ledger import Ledger
from rheod.usecases.endpoints import NewEndpoint
from tests.desk import Desk
from tests.fakes import ill
from tests.fakes.front import Front, Misbehave, front
from tests.stores import fill_disk, make_room
from tests.tradera.test_held import SKICK, knows
from tests.waiting import until

LONG_S = 130.0
RESTRICTED = b'{"error": {"code": "Forbidden", "message": "Account is restricted"}}'


async def restricted(request: web.Request) -> web.StreamResponse:
    """Refuse what a user asks for, in Tradera's words; the application's calls go on."""
    if "X-User-Token" in request.headers:
        return web.Response(status=403, body=RESTRICTED, content_type="application/json")
    return web.Response(body=b'"2026-05-26T10:00:00Z"', content_type="application/json")


DOCTOR_S = 10.0
NOBODY = "http://127.0.0.1:9"

FAULTS: dict[str, tuple[Misbehave | None, str]] = {
    "refused": (None, "tradera.away"),
    "hanging": (ill.hang, "tradera.away"),
    "HTML": (ill.html, "tradera.away"),
    "502": (ill.status(502), "tradera.away"),
    "429": (ill.status(429, {"Retry-After": "600"}), "tradera.paused"),
    "401": (ill.status(401), "token.dead"),
    "restricted": (restricted, "token.dead"),
}
"""What Tradera does, and the code under which that is told."""


async def status(desk: Desk) -> dict[str, Mapping[str, Any]]:
    """The findings of `rheod status`, by code."""
    running = desk.rheod.loops.running
    answer: Any = await gather_status(observed(desk.rheod.core, running), running)
    return {one["code"]: one for one in answer["findings"]}


async def diagnosis(desk: Desk) -> dict[str, Mapping[str, Any]]:
    """The findings of `rheod doctor`, by code."""
    report: Any = await desk.rheod.handlers.doctor().report(online=False)
    return {one["code"]: one for one in report["findings"]}


async def figures(desk: Desk) -> dict[str, float]:
    """How many of each finding Prometheus is told of, by code."""
    running = desk.rheod.loops.running
    text = (await gather_metrics(observed(desk.rheod.core, running), running)).decode()
    return {
        sample.labels["code"]: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "rheod_finding"
    }


async def wronged(desk: Desk, tradera: Front, way: Misbehave | None) -> None:
    """Tradera goes wrong in this way, in the middle of the work."""
    tradera.ill = way
    url = f"{NOBODY}/v4" if way is None else f"{tradera.url}/v4"
    await desk.restart(base_url=url, timeout_s=1)


def is_noted(ledger: Ledger, desk: Desk) -> bool:
    return (
        bool(ledger.pauses()) or bool(ledger.states()) or desk.rheod.core.budget.contact.silence is not None
    )


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_tradera_that_gives_nothing_is_told_everywhere(desk: Desk, fault: str) -> None:
    """In status, doctor, metrics and at the item, with cause, since and next try; and no time is promised."""
    way, code = FAULTS[fault]
    async with front() as tradera:
        await wronged(desk, tradera, way)
        await desk.put(pictures=0)
        await until(lambda: is_noted(desk.ledger, desk))
        desk.forward(LONG_S)
        await desk.idle()
        for found in (await status(desk), await diagnosis(desk)):
            assert code in found
            assert found[code]["since"] is not None
            assert found[code]["nextTry"] is not None
            assert fault != "restricted" or "Account is restricted" in found[code]["text"]
        assert (await figures(desk))[code] == 1
        view = await desk.items.read_item(desk.account_id, "A")
        assert view.queue is None
        assert view.waits_for
        assert view.trouble == view.waits_for
        assert fault != "restricted" or "Account is restricted" in view.waits_for
        assert view.waits_since is not None
        assert view.next_try is not None


async def test_what_was_told_is_over_with_the_first_answer(desk: Desk) -> None:
    """Tradera is back: the item goes out and nothing is left to say."""
    async with front() as tradera:
        tradera.carry_to(desk.simulator.base_url.removesuffix("/v4"))
        await wronged(desk, tradera, ill.status(502))
        await desk.put(pictures=0)
        await until(lambda: is_noted(desk.ledger, desk))
        desk.forward(LONG_S)
        await desk.idle()
        assert "tradera.away" in await status(desk)
        tradera.ill = None
        desk.forward(900)
        await desk.reach(ListingState.COMMITTED)
        await desk.idle()
        assert "tradera.away" not in await status(desk)
        view = await desk.items.read_item(desk.account_id, "A")
        assert (view.queue, view.trouble) == (None, None)


async def test_an_ad_whose_ending_waits_is_told_with_its_cause(desk: Desk) -> None:
    """The owner has taken it back and Tradera does not answer: nobody may think that it is down."""
    async with front() as tradera:
        await desk.publish(pictures=0)
        await wronged(desk, tradera, ill.status(502))
        await desk.items.change_status(desk.account_id, "A", "not_listed")
        await until(lambda: is_noted(desk.ledger, desk))
        desk.forward(LONG_S)
        await desk.idle()
        for found in (await status(desk), await diagnosis(desk)):
            assert "502" in found["ending.waits"]["text"]
            assert found["ending.waits"]["since"] is not None
            assert found["ending.waits"]["nextTry"] is not None
        assert (await figures(desk))["ending.waits"] == 1
        view = await desk.items.read_item(desk.account_id, "A")
        assert "502" in (view.trouble or "")


async def test_an_item_that_is_sold_while_its_ad_has_bids_is_told(desk: Desk) -> None:
    """Tradera keeps the ad up: somebody will win what is gone."""
    listing = await desk.publish(pictures=0)
    assert listing.tradera_item_id is not None
    desk.simulator.bid(listing.tradera_item_id)
    await desk.items.change_status(desk.account_id, "A", "sold")
    await desk.idle()
    for found in (await status(desk), await diagnosis(desk)):
        assert "(A)" in found["sale.conflict"]["text"]
    assert (await figures(desk))["sale.conflict"] == 1


async def test_an_item_that_could_not_be_published_is_counted(desk: Desk) -> None:
    """Tradera has refused it: in status, doctor and metrics until it is mended."""
    desk.simulator.fault("create", "400", times=None)
    await desk.put(pictures=0)
    await desk.reach(ListingState.REJECTED)
    for found in (await status(desk), await diagnosis(desk)):
        assert "item.failed" in found
    assert (await figures(desk))["item.failed"] == 1


async def test_a_diagnosis_is_there_within_ten_seconds_though_every_remote_hangs(desk: Desk) -> None:
    """Tradera, the push queue and five receivers: each is named as what hangs."""
    async with front() as remote:
        remote.ill = ill.hang
        await desk.restart(base_url=f"{remote.url}/v4", timeout_s=60)
        core = desk.rheod.core
        for number in range(5):
            await core.endpoints.add(desk.account_id, NewEndpoint(url=f"{remote.url}/hooks/{number}"))
        queue = PushQueue(
            queue_url=f"{remote.url}/1/q",
            region="eu-north-1",
            endpoint_url=remote.url,
            access_key_id="test",
            secret_access_key="test",
            wait_s=20,
        )
        own = desk.rheod.handlers.doctor()
        reachable = Reachable(
            push_queue=lambda: queue,
            receivers=aiohttp.ClientSession,
            check_webhook_url=lambda _url: None,
            tradera=desk.rheod.loops.tradera,
            budgeted=own.reachable.budgeted,
            check_stock=own.reachable.check_stock,
        )
        doctor = Doctor(observed=observed(core, None), reachable=reachable)
        async with asyncio.timeout(DOCTOR_S):
            report: Any = await doctor.report(online=True)
        found = {one["code"]: one["text"] for one in report["findings"]}
        dead = {one["text"] for one in report["findings"] if one["code"] == "receiver.dead"}
        assert len(dead) == 5  # on one host, and told apart
        assert {"tradera.away", "queue.wrong", "receiver.dead"} <= found.keys()
        for code in ("tradera.away", "queue.wrong", "receiver.dead"):
            assert "no answer within 4 seconds" in found[code]


async def test_a_diagnosis_says_what_would_be_held_before_it_is_published(desk: Desk) -> None:
    """Without a call; what is held already is told as that alone."""
    await knows(desk, SKICK)
    await desk.put("A", auto_publish=False)
    assert (await diagnosis(desk))["stock.incomplete"]["text"].startswith("1 of 1 items lacks")
    await desk.items.order_publish(desk.account_id, "A")
    await desk.idle()
    found = await diagnosis(desk)
    assert "items.held" in found
    assert "stock.incomplete" not in found
    assert desk.called() == {}


async def test_a_store_without_room_is_told_until_something_is_written(desk: Desk) -> None:
    """In status, doctor, metrics and readiness with its cause; an empty transaction is no sign that there is room."""
    database, ready = desk.database, desk.rheod.handlers.api().writable
    assert await ready() is None
    await fill_disk(database)
    with pytest.raises(StoreUnavailable):
        await desk.put(description="x" * 10_000)
    with pytest.raises(StoreUnavailable):
        await probe(database)
    await database.write(lambda db: db.execute("SELECT 1").fetchone())
    for found in (await status(desk), await diagnosis(desk)):
        assert "is full" in found["store.unwritable"]["text"]
        assert found["store.unwritable"]["since"] is not None
    assert (await figures(desk))["store.unwritable"] == 1
    assert "cannot be written" in (await ready() or "")
    await make_room(database)
    await probe(database)
    assert await ready() is None
    assert "store.unwritable" not in await status(desk)
