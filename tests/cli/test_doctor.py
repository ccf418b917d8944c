"""`rheod doctor`: it finds each fault that is planted, says what to do, and calls Tradera only when it may."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from rheod.sandbox.demo_daemon import clean_environment
from rheod.sandbox.sandbox import Sandbox, wall_clock
from rheod.sandbox.servers import QueueServer
from tests import warm
from tests.fakes.front import Front, front
from tests.test_whole_daemon import running_daemon


@dataclass
class Machine:
    """A place where rheod is installed beside a sandbox, and has run once; no daemon runs."""

    folder: Path
    sandbox: Sandbox
    queue_front: Front
    place: dict[str, str]
    changes: dict[str, str] = field(default_factory=dict)

    async def rheod(self, *arguments: str) -> tuple[int, str]:
        """A command to its end: its exit status and what it printed."""
        environ = clean_environment({}) | {"PATH": "/usr/bin:/bin"} | self.place | self.changes
        ended = await asyncio.to_thread(warm.run, *arguments, environ=environ)
        return ended.returncode, ended.stdout or ended.stderr

    async def doctor(self, *options: str) -> tuple[set[str], dict[str, Any]]:
        """The codes found, and the whole report."""
        status, text = await self.rheod("doctor", "--json", *options)
        report = json.loads(text)
        assert status == (3 if report["findings"] else 0)
        assert all(one["text"] and one["fix"] for one in report["findings"])
        return {one["code"] for one in report["findings"]}, report


@pytest.fixture
async def machine(tmp_path: Path, queue_server: QueueServer) -> AsyncIterator[Machine]:
    """Everything in order."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    (folder / "images").mkdir(mode=0o700)
    config = tmp_path / "rheod.toml"
    config.touch(mode=0o600)
    async with (
        Sandbox(now=wall_clock, rng=random.Random(4), queue_server=queue_server) as sandbox,
        front() as gate,
    ):
        gate.carry_to(queue_server.endpoint_url)
        settings = sandbox.settings() | {
            "RHEOD_CONFIG": str(config),
            "RHEOD_STORAGE__PATH": str(folder),
            "RHEOD_SERVER__PORT": "0",
            "RHEOD_PUSH__ENDPOINT_URL": gate.url,
        }
        one = Machine(folder, sandbox, gate, settings)
        await one.rheod("keys", "list")  # makes the database
        yield one


async def test_a_healthy_machine_has_no_findings(machine: Machine) -> None:
    """Exit status 0, no Tradera call; with --online a call for the application and one for the seller."""
    found, report = await machine.doctor()
    assert (found, report["calls"]) == (set(), 0)
    assert not machine.sandbox.tradera.calls_by_operation()
    assert any("10000 calls of each" in each and "Developer Center" in each for each in report["checked"])
    found, report = await machine.doctor("--online")
    assert (found, report["calls"]) == (set(), 2)
    assert sum(machine.sandbox.tradera.calls_by_operation().values()) == 2


async def test_a_wrong_key(machine: Machine) -> None:
    """The application's key is not taken."""
    machine.changes["RHEOD_TRADERA__APP_KEY"] = "test-wrong-key"
    assert (await machine.doctor())[0] == set()
    assert (await machine.doctor("--online"))[0] == {"tradera.key"}


async def test_a_dead_token(machine: Machine) -> None:
    """Found online; afterwards it is known without another call."""
    machine.changes["RHEOD_TRADERA__USER_TOKEN"] = "test-dead-token"
    assert (await machine.doctor("--online"))[0] == {"token.dead"}
    found, report = await machine.doctor()
    assert (found, report["calls"]) == ({"token.dead"}, 0)


async def test_a_clock_that_is_off(machine: Machine) -> None:
    """Ten minutes, by the date of AWS's answers."""
    theirs = datetime.now(UTC) + timedelta(minutes=10)
    machine.queue_front.said["Date"] = format_datetime(theirs, usegmt=True)
    assert (await machine.doctor())[0] == {"clock.off"}


async def test_a_queue_that_is_missing(machine: Machine) -> None:
    """AWS knows no such queue."""
    machine.changes["RHEOD_PUSH__QUEUE_URL"] = machine.place["RHEOD_PUSH__QUEUE_URL"] + "-gone"
    found, report = await machine.doctor()
    assert found == {"queue.wrong"}
    assert "push.queue_url" in report["findings"][0]["text"]


async def test_a_disk_that_is_nearly_full(machine: Machine) -> None:
    """Less room than the owner wants to be left."""
    machine.changes["RHEOD_STORAGE__LEAST_FREE_BYTES"] = str(2**50)
    assert (await machine.doctor())[0] == {"disk.low"}


async def test_files_that_others_can_read(machine: Machine) -> None:
    """The folder and the database."""
    machine.folder.chmod(0o755)
    (machine.folder / "rheod.db").chmod(0o644)
    found, report = await machine.doctor()
    assert found == {"files.open"}
    assert len(report["findings"]) == 2
    assert f"chmod 700 {machine.folder}" in report["findings"][0]["fix"]


async def test_a_receiver_that_is_dead(machine: Machine, unused_tcp_port: int) -> None:
    """Nobody listens where the webhooks go; no event is sent to find that out."""
    await machine.rheod("webhooks", "add", machine.sandbox.shop.webhook_url())
    assert (await machine.doctor())[0] == set()
    assert machine.sandbox.shop.received == []
    await machine.rheod("webhooks", "add", f"http://127.0.0.1:{unused_tcp_port}/hooks")
    assert (await machine.doctor())[0] == {"receiver.dead"}


async def test_an_unknown_setting(machine: Machine) -> None:
    """With the nearest name that there is."""
    machine.changes["RHEOD_SERVER__PROT"] = "1"
    found, report = await machine.doctor()
    assert found == {"settings.wrong"}
    assert "port" in report["findings"][0]["text"].lower()


async def test_an_old_schema(machine: Machine) -> None:
    """Looking does not bring it up."""
    with sqlite3.connect(machine.folder / "rheod.db") as db:
        db.execute("PRAGMA user_version = 0")
    db.close()
    assert (await machine.doctor())[0] == {"schema.old"}
    assert not list(machine.folder.glob("rheod.db.before-*"))


async def test_a_missing_folder_of_pictures(machine: Machine) -> None:
    """Where the pictures should be is nothing."""
    for file in (machine.folder / "images").iterdir():
        file.rmdir()
    (machine.folder / "images").rmdir()
    assert (await machine.doctor())[0] == {"images.missing"}


async def test_a_port_that_is_taken(machine: Machine) -> None:
    """Somebody else listens where rheod shall."""
    server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    async with server:
        machine.changes["RHEOD_SERVER__PORT"] = str(server.sockets[0].getsockname()[1])
        assert (await machine.doctor())[0] == {"port.taken"}


async def test_no_backup(machine: Machine) -> None:
    """Installed long ago, and never a backup."""
    with sqlite3.connect(machine.folder / "rheod.db") as db:
        db.execute("UPDATE accounts SET created_at = 0")
    db.close()
    assert (await machine.doctor())[0] == {"backup.missed"}


async def test_a_running_daemon_is_examined_by_itself(tmp_path: Path, queue_server: QueueServer) -> None:
    """Its port is its own; people get lines; the healthcheck is content, and not without a daemon."""
    async with running_daemon(tmp_path, queue_server) as one:
        tmp_path.chmod(0o700)
        place = {"RHEOD_CONFIG": str(tmp_path / "rheod.toml"), "RHEOD_STORAGE__PATH": str(tmp_path)}
        beside = Machine(tmp_path, one.sandbox, Front(), place)
        status, text = await beside.rheod("doctor")
        assert (status, text.startswith("All is well. Looked at: ")) == (0, True), text
        assert (await beside.rheod("healthcheck"))[0] == 0
    status, text = await beside.rheod("healthcheck")
    assert status == 1
    assert "not running" in text or "does not answer" in text
