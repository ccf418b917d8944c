"""Orderly stops, at rest and under load, and a daemon that hangs, as systemd would find and end it.

`RHEOD_STOPS` says how many stops (3 by default).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from rheod.sandbox.demo_daemon import DemoFailed
from rheod.sandbox.servers import QueueServer
from tests import warm
from tests.fakes.front import front
from tests.test_kills import ITEM, LIFE_S, SEED, Yard, ended
from tests.test_whole_daemon import RunningDaemon, running_daemon

GRACE_S = 25.0
"""How long a stop may take in all; systemd waits for 30 s."""

REST_S = 2.0
"""How long it may take while no call of Tradera is on its way."""

BEAT_S = 10.0
"""How often the daemon says that it lives; systemd gives it three times as long."""


async def opened(folder: Path) -> Yard:
    """A yard with a key."""
    yard = Yard(folder)
    yard.folder.mkdir()
    first = yard.daemon()
    async with first.running():
        key = await first.ask_admin("POST", "/keys", {"name": "erp"})
    yard.headers = {"x-api-key": key["apiKey"]}
    return yard


@pytest.mark.sweep
@pytest.mark.timeout(0)
async def test_every_stop_under_load_is_orderly(tmp_path: Path, tell: Callable[[str], None]) -> None:
    """SIGTERM while PUTs stream in: exit status 0 within the time, and nothing acknowledged is missing."""
    stops, rng, longest_s = int(os.environ.get("RHEOD_STOPS", "3")), random.Random(SEED), 0.0
    yard = await opened(tmp_path / "data")
    for number in range(stops):
        life_s = rng.uniform(*LIFE_S)
        began = time.monotonic()
        said = await yard.one_life(life_s, signal.SIGTERM)
        assert "with status 0" in said, f"stop {number + 1}: {said}"
        longest_s = max(longest_s, time.monotonic() - began - life_s)
        assert yard.problems(tmp_path / "copy") == [], f"after stop {number + 1}"
    assert longest_s <= GRACE_S
    tell(
        f"{stops} stops under load, all with status 0; start and stop took {longest_s:.1f} s at most,"
        f" {len(yard.acknowledged)} items acknowledged, 0 missing"
    )


@pytest.mark.sweep
@pytest.mark.timeout(0)
async def test_a_daemon_that_hangs_is_found_out_and_replaced(tmp_path: Path) -> None:
    """Its heartbeat comes from the loop: a loop that stands still is silent, and its successor has everything."""
    yard = await opened(tmp_path / "data")
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.setblocking(False)
        daemon = warm.daemon(folder=yard.folder, settings={"NOTIFY_SOCKET": str(tmp_path / "notify")})
        daemon.headers = yard.headers
        with contextlib.suppress(DemoFailed):
            async with daemon.running():
                await daemon.call("PUT", f"{ITEM}/before", {"title": "Before the hang", "price": 950})
                await heard(systemd, b"WATCHDOG=1")
                assert daemon.pid is not None
                os.kill(daemon.pid, signal.SIGSTOP)
                with pytest.raises(TimeoutError):
                    await heard(systemd, b"WATCHDOG=1")
                os.kill(daemon.pid, signal.SIGKILL)  # what systemd does at the end of its patience
                await ended()
    last = yard.daemon()
    async with last.running():
        assert (await last.call("GET", f"{ITEM}/before"))["title"] == "Before the hang"


async def heard(systemd: socket.socket, word: bytes) -> None:
    """Wait for a message; TimeoutError when none has come for longer than a beat takes."""
    async with asyncio.timeout(BEAT_S * 1.5):
        while word not in await asyncio.get_running_loop().sock_recv(systemd, 4096):
            pass


def ask_to_stop(one: RunningDaemon) -> None:
    """What systemd sends."""
    assert one.daemon.pid is not None
    os.kill(one.daemon.pid, signal.SIGTERM)


def said(one: RunningDaemon, event: str) -> bool:
    """Whether the log has this event."""
    return f'"event": "{event}"' in one.daemon.log_file.read_text(encoding="utf-8")


@asynccontextmanager
async def stopped(folder: Path, server: QueueServer, **own: str) -> AsyncIterator[RunningDaemon]:
    """A daemon with a grace of 20 s, which is waited for after the block: it must end, in order, with status 0."""
    one: RunningDaemon | None = None
    try:
        async with running_daemon(folder, server, RHEOD_SERVER__SHUTDOWN_GRACE_S="20", **own) as one:
            yield one
            await ended()
    except DemoFailed as error:
        assert "with status 0" in str(error)  # noqa: PT017 - it is raised at the daemon's end, whatever the status
        assert one is not None
        assert said(one, "stopped")


async def test_a_stop_at_rest_does_not_wait_for_the_long_poll(
    tmp_path: Path, queue_server: QueueServer
) -> None:
    """The long poll has nineteen seconds to go and a picture hangs: the daemon ends in two."""
    async with front() as aws, front() as host:
        aws.carry_to(queue_server.endpoint_url)
        own = {"RHEOD_PUSH__ENDPOINT_URL": aws.url, "RHEOD_PUSH__WAIT_S": "20"}
        async with stopped(tmp_path, queue_server, **own) as one:
            await one.put("A-1", imageUrls=[f"{host.url}/never-answered.jpg"])
            await one.until(lambda: len(host.calls) == 1)
            await one.until(lambda: len(aws.calls) > 0)
            began = time.monotonic()
            ask_to_stop(one)
        assert time.monotonic() - began <= REST_S


async def test_a_stop_does_not_wait_for_what_only_reads_at_tradera(
    tmp_path: Path, queue_server: QueueServer
) -> None:
    """Categories are asked for and nobody answers: nothing is lost with them, and the daemon ends in two."""
    async with front() as tradera:
        own = {"RHEOD_TRADERA__BASE_URL": f"{tradera.url}/v4"}
        async with stopped(tmp_path, queue_server, **own) as one:
            await one.until(lambda: any("categories" in each.path for each in tradera.calls))
            assert {each.method for each in tradera.calls} == {"GET"}
            began = time.monotonic()
            ask_to_stop(one)
        assert time.monotonic() - began <= REST_S


async def test_a_call_of_tradera_is_finished_and_the_port_answers_until_then(
    tmp_path: Path, queue_server: QueueServer
) -> None:
    """New work is answered 503 rather than by a closed port, and the call in flight is not cut off."""
    async with front() as tradera:
        own = {"RHEOD_TRADERA__BASE_URL": f"{tradera.url}/v4"}
        async with stopped(tmp_path, queue_server, **own) as one:
            await one.put("A-1")
            await one.until(lambda: any(each.method == "POST" for each in tradera.calls))  # the create
            address = await one.daemon.address()
            ask_to_stop(one)
            await one.until(lambda: said(one, "stopping"))
            async with aiohttp.ClientSession(headers=one.daemon.headers) as session:
                for _ in range(3):
                    async with session.put(f"{address}{ITEM}/A-2", json=one.body("A-2")) as answer:
                        assert answer.status == 503
                        assert "Retry-After" in answer.headers
            tradera.carry_to(one.sandbox.tradera.base_url.removesuffix("/v4"))
        assert not said(one, "cut off at the stop")
        assert one.sandbox.tradera.calls_by_operation()["create"] == 1
