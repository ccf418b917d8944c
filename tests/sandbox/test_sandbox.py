"""The whole sandbox together, and the long-running command."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest

from rheod.sandbox.sandbox import Sandbox

if TYPE_CHECKING:
    from rheod.sandbox.servers import QueueServer
    from tests.sandbox.playing_seller import Clock


async def test_settings_lead_to_the_running_simulators(clock: Clock, queue_server: QueueServer) -> None:
    """The settings name a Tradera that answers with their keys, and a sale arrives in their queue."""
    async with Sandbox(now=clock, queue_server=queue_server) as sandbox:
        settings = sandbox.settings()
        headers = {
            "X-App-Id": settings["RHEOD_TRADERA__APP_ID"],
            "X-App-Key": settings["RHEOD_TRADERA__APP_KEY"],
            "X-User-Id": settings["RHEOD_TRADERA__USER_ID"],
            "X-User-Token": settings["RHEOD_TRADERA__USER_TOKEN"],
        }
        async with aiohttp.ClientSession(headers=headers) as session:
            async with session.get(settings["RHEOD_TRADERA__BASE_URL"] + "/users/me") as response:
                assert response.status == 200
            async with session.get(sandbox.shop.picture_url("part-1")) as response:
                assert response.content_type == "image/jpeg"
        item_id = sandbox.tradera.list_by_hand(seller_id=300124, title="Egen annons")
        await sandbox.tradera.sell(item_id)
        assert settings["RHEOD_PUSH__QUEUE_URL"] == sandbox.queue.url
        assert (await sandbox.queue.count()).visible == 1
    assert (await queue_server.count()).visible >= 0  # a shared server goes on


async def test_failed_start_leaves_nothing(queue_server: QueueServer) -> None:
    """When the port is taken the start fails and says so."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        sandbox = Sandbox(queue_server=queue_server, port=taken.getsockname()[1])
        with pytest.raises(OSError, match="address already in use"):
            await sandbox.start()


COMMAND = "import asyncio, sys; from rheod.sandbox.sandbox import run_sandbox; sys.exit(asyncio.run(run_sandbox(int(sys.argv[1]))))"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_command_prints_exports_and_ends_on_a_signal(number: signal.Signals) -> None:
    """The command prints the settings as shell lines, nothing on stderr, and exits 0 on SIGTERM."""
    arguments = [sys.executable, "-W", "error", "-c", COMMAND, "0"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        first = await asyncio.to_thread(process.stdout.readline)
        assert first.startswith(b"export RHEOD_TRADERA__BASE_URL=http://127.0.0.1:")
        process.send_signal(number)
        out = await asyncio.to_thread(process.stdout.read)
        problems = await asyncio.to_thread(process.stderr.read)
    assert process.returncode == 0
    assert b"export RHEOD_WEBHOOKS__ALLOW_PRIVATE_NETWORKS=true" in out
    assert f"export RHEOD_STORAGE__PATH={Path.home()}/.rheod-sandbox\n".encode() in out
    assert b"now run `rheod serve`" in out
    assert b"/sandbox/items/AD_NUMBER/sell" in out
    assert problems == b""


async def test_command_names_a_taken_port() -> None:
    """With a taken port the command exits 1 with one line and no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        arguments = [sys.executable, "-c", COMMAND, str(taken.getsockname()[1])]
        ended = await asyncio.to_thread(
            subprocess.run, arguments, capture_output=True, timeout=20, check=False
        )
    assert ended.returncode == 1
    assert ended.stderr.count(b"\n") == 1
    assert b"try another --port" in ended.stderr


def three_free_ports() -> int:
    """The first of three ports in a row that nobody has."""
    while True:
        with ExitStack() as held:
            port: int = held.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1]
            with suppress(OSError, OverflowError):
                for each in (port + 1, port + 2):
                    held.enter_context(socket.create_server(("127.0.0.1", each)))
                return port


async def test_a_sandbox_with_a_port_has_the_same_settings_at_every_start() -> None:
    """What was pasted once still points at it after it was started anew."""
    port = three_free_ports()
    found = []
    for _ in range(2):
        async with Sandbox(port=port) as sandbox:
            found.append(sandbox.settings())
            assert sandbox.shop.url == f"http://127.0.0.1:{port + 1}"
    assert found[0] == found[1]
    assert found[0]["RHEOD_PUSH__ENDPOINT_URL"] == f"http://127.0.0.1:{port + 2}"
