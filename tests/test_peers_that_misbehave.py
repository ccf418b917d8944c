"""The real daemon while Tradera and the push queue go wrong in every way: the API stays up, one line each way, then all is made good."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path

import aiohttp
import pytest

from rheod.jobs.picks import ByUrgency
from rheod.sandbox.servers import QueueServer
from tests.fakes import ill
from tests.fakes.front import Misbehave, front
from tests.test_whole_daemon import ITEM, RunningDaemon, running_daemon

pytestmark = pytest.mark.sweep

PATIENCE = aiohttp.ClientTimeout(total=10)
QUICK = {"RHEOD_TRADERA__REQUEST_TIMEOUT_S": "1", "RHEOD_PUSH__WAIT_S": "1"}
WAYS: dict[str, Misbehave] = {
    **ill.EVERY,
    "500": ill.status(500),
    "502": ill.status(502),
}


def told(one: RunningDaemon, event: str) -> int:
    """How many lines of the log are this event; of a queue's events those of the queue that sells."""
    lines = map(json.loads, one.daemon.log_file.read_text(encoding="utf-8").splitlines())
    return sum(line["event"] == event and line.get("queue") != "tradera:reference" for line in lines)


async def is_served(one: RunningDaemon, name: str) -> None:
    """The API takes and shows an item at the first asking, whatever the remotes do meanwhile."""
    path = await one.daemon.address() + f"{ITEM}/{name}"
    async with aiohttp.ClientSession(headers=one.daemon.headers, timeout=PATIENCE) as session:
        async with session.put(path, json=one.body(name)) as answer:
            assert answer.status == 202
        async with session.get(path) as answer:
            assert answer.status == 200


@pytest.mark.parametrize("way", WAYS)
async def test_an_outage_of_both_remotes_is_told_once_each_way_and_made_good(
    tmp_path: Path, queue_server: QueueServer, way: str
) -> None:
    """PUTs are answered all the while, few calls are made, and what waited goes live and sells after."""
    async with front() as tradera, front() as aws:
        own = {
            "RHEOD_TRADERA__BASE_URL": f"{tradera.url}/v4",
            "RHEOD_PUSH__ENDPOINT_URL": aws.url,
            **QUICK,
        }
        tradera.ill = aws.ill = WAYS[way]
        async with running_daemon(tmp_path, queue_server, **own) as one:
            tradera.carry_to(one.sandbox.tradera.base_url.removesuffix("/v4"))
            aws.carry_to(queue_server.endpoint_url)
            for external_id in ("M-1", "M-3", "M-4"):  # a remote is away when three different jobs say so
                await is_served(one, external_id)
                await one.until_event(external_id, "item.images_ready")
            await one.until(lambda: told(one, "remote is away") == 1 and told(one, "push queue is away") == 1)
            await is_served(one, "M-2")
            assert len(tradera.calls) <= 8
            tradera.ill = aws.ill = None
            await one.until_event("M-1", "listing.created")
            for external_id in ("M-2", "M-3", "M-4"):
                await one.until_event(external_id, "listing.created")
            await one.sandbox.tradera.sell(one.ad_of("M-1"), 1100)
            await one.until_event("M-1", "item.sold")
            assert len(one.sandbox.tradera.live_items()) == 3
            await one.until(lambda: told(one, "push queue is back") > 0)  # once its messages are deleted too
            for line in ("remote is away", "remote is back", "push queue is away", "push queue is back"):
                assert told(one, line) == 1, line
            assert one.daemon.lives == 1


async def test_a_dead_token_pauses_the_account_with_one_message(
    tmp_path: Path, queue_server: QueueServer
) -> None:
    """Ten items with a token Tradera refuses: one line, no call but those on their way, one item told of and none lost."""
    async with front() as tradera:
        own = {"RHEOD_TRADERA__BASE_URL": f"{tradera.url}/v4"}
        async with running_daemon(tmp_path, queue_server, **own) as one:
            tradera.ill = ill.status(401)
            tradera.strikes = lambda request: (
                not request.path.endswith("/time")
            )  # the application's keys are right
            tradera.carry_to(one.sandbox.tradera.base_url.removesuffix("/v4"))
            await asyncio.gather(*(one.put(f"T-{number}") for number in range(10)))
            await one.until(lambda: told(one, "Tradera calls paused") == 1)
            for number in range(10):
                await one.until_event(f"T-{number}", "item.images_ready")
            spent = len(tradera.calls)
            shown = await one.daemon.ask_admin("GET", "/status")
            assert ["tradera.user_token" in pause["reason"] for pause in shown["pauses"]] == [True]
            asked = Counter(
                call.path.removeprefix("/v4/").partition("/")[0] for call in tradera.calls[:spent]
            )
            assert asked["listings"] <= ByUrgency.most_publishings, (
                asked
            )  # those that were on their way when the first was refused
            assert spent - asked["listings"] <= 5, (
                asked
            )  # three readings, and the two that tell whose token it is
            assert told(one, "Tradera calls paused") == 1
            told_of = [one.events(f"T-{number}").count("listing.failed") for number in range(10)]
            assert sum(told_of) <= 1


@pytest.mark.parametrize(
    ("code", "message", "sentence"),
    [
        ("InvalidClientTokenId", "No", "check push.access_key_id"),
        ("ExpiredToken", "No", "check push.access_key_id"),
        ("QueueDoesNotExist", "No", "check push.queue_url"),
        ("SignatureDoesNotMatch", "Signature expired: now", "clock is wrong"),
    ],
)
async def test_what_is_wrong_with_aws_is_named_and_asked_rarely(
    tmp_path: Path, queue_server: QueueServer, code: str, message: str, sentence: str
) -> None:
    """One line that says what to do, one call, and items are sold on meanwhile."""
    async with front() as aws:
        aws.ill = ill.aws_refusal(code, message)
        async with running_daemon(tmp_path, queue_server, RHEOD_PUSH__ENDPOINT_URL=aws.url) as one:
            await one.put("Q-1")
            await one.until_event("Q-1", "listing.created")
            log = one.daemon.log_file.read_text(encoding="utf-8")
            assert log.count("push queue is away") == 1
            assert sentence in log
            assert len(aws.calls) == 1
