"""The commands: exit statuses, one line per error, the daemon when it runs and its file when it does not."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
import pytest_asyncio

import rheod
from rheod.domain.orders import Order, OrderLine, Payment
from rheod.sandbox.demo_daemon import DemoDaemon, clean_environment
from rheod.store import order_changes
from tests import warm

Ended = subprocess.CompletedProcess[str]
HEAVY = ("pydantic", "aiohttp", "aiosqlite", "structlog", "PIL", "botocore", "typing_extensions", "asyncio")


def run(*arguments: str, environ: dict[str, str], python: tuple[str, ...] | None = None) -> Ended:
    """`rheod` with these arguments, to its end; with options of Python in a Python of its own."""
    if python is None:
        return warm.run(*arguments, environ=clean_environment(os.environ) | environ)
    return subprocess.run(
        [sys.executable, *python, "-m", "rheod", *arguments],
        env=clean_environment(os.environ) | environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def place(tmp_path: Path) -> dict[str, str]:
    """Settings by environment that keep everything in the test's folder; no daemon runs there."""
    settings_file = tmp_path / "rheod.toml"
    settings_file.touch()
    return {"RHEOD_CONFIG": str(settings_file), "RHEOD_STORAGE__PATH": str(tmp_path / "data")}


def test_version(place: dict[str, str]) -> None:
    """The version, for people and for programs."""
    assert run("version", environ=place, python=()).stdout == f"rheod {rheod.__version__}\n"
    assert run("--version", environ=place).stdout == f"rheod {rheod.__version__}\n"
    assert json.loads(run("version", "--json", environ=place).stdout) == {"version": rheod.__version__}


@pytest.mark.parametrize("optimized", [("-O",), ("-OO",)])
def test_python_without_asserts_is_refused(optimized: tuple[str, ...], place: dict[str, str]) -> None:
    """The asserts are part of the program."""
    ended = run("version", environ=place, python=optimized)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "python -O" in ended.stderr


def test_a_reader_that_leaves_is_no_traceback(place: dict[str, str]) -> None:
    """`rheod config schema | head` ends quietly."""
    command = [sys.executable, "-m", "rheod", "config", "schema"]
    environ = clean_environment(os.environ) | place
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


@pytest.mark.parametrize("found", [("--live", "12"), ("--not-live",)])
def test_a_doubt_is_not_settled_without_a_confirmation(found: tuple[str, ...], place: dict[str, str]) -> None:
    """The confirmation is asked for before anything else; what is typed otherwise changes nothing."""
    ended = run("items", "settle", "A1", *found, environ=place)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "Nothing was changed" in ended.stderr


# Settings


@pytest.mark.parametrize("command", ["config check", "config show", "serve", "keys list"])
def test_a_wrong_setting_names_the_key_and_the_fix(command: str, place: dict[str, str]) -> None:
    """Every problem is one line, whatever the command; the value is never repeated."""
    wrong = {"RHEOD_SERVER__PROT": "8081", "RHEOD_PUSH__WAIT_S": "very-secret"}
    ended = run(*command.split(), environ=place | wrong)
    assert ended.returncode == 2
    assert (
        "RHEOD_SERVER__PROT (environment): unknown setting; did you mean RHEOD_SERVER__PORT?" in ended.stderr
    )
    assert "push.wait_s (environment RHEOD_PUSH__WAIT_S)" in ended.stderr
    assert ended.stderr.count("\n") == 2
    assert "very-secret" not in ended.stderr


def test_config_check_and_show_and_schema(place: dict[str, str]) -> None:
    """Right settings are called right, secrets are stars, and the schema is JSON."""
    environ = place | {"RHEOD_TRADERA__APP_KEY": "test-secret", "RHEOD_IMAGES__ALLOW_HTTP": "true"}
    Path(place["RHEOD_STORAGE__PATH"]).mkdir()
    checked = run("config", "check", "--json", environ=environ)
    assert checked.returncode == 0
    report = json.loads(checked.stdout)
    assert (report["ok"], len(report["warnings"])) == (True, 1)
    assert "tradera.user_token" in report["publishingWaitsFor"]
    shown = run("config", "show", environ=environ).stdout
    assert "environment RHEOD_TRADERA__APP_KEY" in shown
    assert "test-secret" not in shown
    assert "server" in json.loads(run("config", "schema", environ=environ).stdout)["properties"]


def test_config_check_refuses_what_would_only_fail_later(place: dict[str, str], tmp_path: Path) -> None:
    """A storage folder that is not there or is a file, and a secret still in its quotes: exit status 2, with the fix."""
    folder = Path(place["RHEOD_STORAGE__PATH"])
    missing = run("config", "check", environ=place)
    assert (missing.returncode, missing.stdout) == (2, "")
    assert f"storage.path (environment RHEOD_STORAGE__PATH): there is no folder {folder}" in missing.stderr
    assert f"`install -d -m 700 -o rheod -g rheod {folder}`" in missing.stderr
    folder.touch()
    assert f"{folder} is not a folder" in run("config", "check", environ=place).stderr
    folder.unlink()
    folder.mkdir()
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "tradera__app_key").write_text('"aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"\n')
    quoted = run("config", "check", environ=place)
    assert (quoted.returncode, quoted.stdout) == (2, "")
    assert "tradera.app_key (credential tradera__app_key): has quotes around it" in quoted.stderr
    assert "aaaaaaaa" not in quoted.stderr
    (secrets / "tradera__app_key").write_text("aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee\n")
    assert run("config", "check", environ=place).returncode == 0


# Without a daemon


def test_light_commands_load_no_heavy_library(place: dict[str, str]) -> None:
    """`version`, and what only asks the daemon, start without the daemon's libraries; that is why they are quick."""
    for command in ("version", "status"):
        ended = run(command, environ=place, python=("-X", "importtime"))
        loaded = {line.rpartition("|")[2].strip() for line in ended.stderr.splitlines() if "|" in line}
        assert "rheod.cli.main" in loaded
        assert not loaded.intersection(HEAVY)


def test_status_without_a_daemon_fails_with_a_sentence(place: dict[str, str]) -> None:
    """There is no status to tell; the sentence says where nobody answered and what to do."""
    ended = run("status", environ=place)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.count("\n") == 1
    assert f"nobody answers at {place['RHEOD_STORAGE__PATH']}/admin.sock. Start it" in ended.stderr


def test_keys_are_kept_in_the_file_when_no_daemon_runs(place: dict[str, str]) -> None:
    """Made, listed, revoked, each by a process of its own; the key's text is shown once."""
    made = run("keys", "create", "--name", "ERP", "--json", environ=place)
    assert made.returncode == 0
    assert f"a new database was made in {place['RHEOD_STORAGE__PATH']}" in made.stderr
    key = json.loads(made.stdout)
    assert set(key) == {"apiKey", "id", "name"}
    listed = run("keys", "list", "--json", environ=place)
    assert (listed.returncode, listed.stderr) == (0, "")
    (one,) = json.loads(listed.stdout)["keys"]
    assert (one["id"], one["name"], one["revokedAt"]) == (key["id"], "ERP", None)
    assert key["apiKey"] not in listed.stdout
    assert run("keys", "revoke", key["id"], environ=place).returncode == 0
    again = run("keys", "revoke", key["id"], environ=place)
    assert (again.returncode, again.stderr) == (1, "rheod: No live API key has this id\n")
    token = run("admin-token", "--json", environ=place)
    assert set(json.loads(token.stdout)) == {"adminToken"}
    assert json.loads(run("items", "list", "--json", environ=place).stdout) == {"items": [], "next": None}
    missing = run("items", "show", "nobody", environ=place)
    assert (missing.returncode, missing.stderr) == (1, "rheod: No item found with this external ID\n")


def test_a_secret_is_printed_alone_for_scripts(place: dict[str, str]) -> None:
    """`KEY=$(rheod keys create --name ERP)` holds the key and nothing else."""
    made = run("keys", "create", "--name", "ERP", environ=place, python=("-W", "error"))
    assert made.stdout.startswith("rheo_live_")
    assert made.stdout.count("\n") == 1
    assert "shown this once" in made.stderr


@pytest.mark.parametrize("reason", ["Another rheod is using", "is not a folder"])
def test_a_folder_that_cannot_be_opened_is_named(reason: str, place: dict[str, str]) -> None:
    """With the lock held by a process that does not answer, or with no such folder, the sentence says so."""
    folder = Path(place["RHEOD_STORAGE__PATH"])
    folder.mkdir()
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if reason == "is not a folder":
            folder /= "lock/data"
        ended = run("keys", "list", environ=place | {"RHEOD_STORAGE__PATH": str(folder)})
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert f"{folder} cannot be opened: " in ended.stderr
    assert reason in ended.stderr


# With a daemon


class Running:
    """A daemon without Tradera credentials, and the commands that ask it."""

    def __init__(self, daemon: DemoDaemon, place: dict[str, str]) -> None:
        self.daemon = daemon
        self._place = place

    async def run(self, *arguments: str) -> Ended:
        """A command beside the daemon."""
        return await asyncio.to_thread(run, *arguments, environ=self._place)

    async def json(self, *arguments: str) -> Any:
        """What a command prints as JSON."""
        return json.loads((await self.run(*arguments, "--json")).stdout)


@pytest_asyncio.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    """See `Running`."""
    daemon = warm.daemon(folder=tmp_path, settings={})
    async with daemon.running():
        await daemon.address()
        yield Running(
            daemon, {"RHEOD_CONFIG": str(tmp_path / "rheod.toml"), "RHEOD_STORAGE__PATH": str(tmp_path)}
        )


async def until(condition: Callable[[], Any], deadline_s: float = 10) -> Any:
    """Ask until the answer is true."""
    async with asyncio.timeout(deadline_s):
        while not (found := await condition()):
            await asyncio.sleep(0.05)
    return found


async def test_without_credentials_the_api_works_and_says_what_waits(running: Running) -> None:
    """An item is taken; `status` ends with 3 and `items show` names the settings that publishing waits for."""
    daemon = running.daemon
    daemon.headers = {"x-api-key": (await running.json("keys", "create", "--name", "ERP"))["apiKey"]}
    part = {
        "title": "Bromsok\u202e höger",
        "price": 950,
        "autoPublishTradera": True,
        "tradera": {"categoryId": 302571},
    }
    assert (await daemon.call("PUT", "/integration/v1/items/A%2F1", part))["success"] is True

    async def waits() -> Any:
        return (await running.json("items", "show", "A/1"))["waitsFor"]

    assert "set tradera.app_id" in await until(waits)
    shown = await running.run("items", "show", "A/1")
    assert "waits         Publishing waits for Tradera credentials: set tradera.app_id" in shown.stdout
    listed = await running.run("items", "list")
    assert "A/1" in listed.stdout
    assert "\u202e" not in listed.stdout
    status = await running.run("status")
    assert status.returncode == 3
    assert "ATTENTION: Nothing is published: tradera.app_id" in status.stdout
    report = await running.json("status")
    assert report["items"] in ({"active": 1}, {"draft": 1})
    assert len(report["attention"]) == 1


async def test_items_are_published_and_tried_again(running: Running) -> None:
    """`publish` and `retry` order a publishing; what cannot be ordered is one line."""
    daemon = running.daemon
    daemon.headers = {"x-api-key": (await running.json("keys", "create", "--name", "ERP"))["apiKey"]}
    await daemon.call("PUT", "/integration/v1/items/A1", {"title": "Bromsok", "price": 950})
    played = await running.run("items", "publish", "A1", "--dry-run")
    assert "stops  Publishing waits for Tradera credentials" in played.stdout
    assert "nobody: this was a dry run" in played.stdout
    assert played.returncode == 3
    assert (await running.run("items", "publish", "A1")).stdout == "Queued for publishing\n"
    assert (await running.json("items", "retry", "A1"))["message"].startswith("Already queued")
    doubt = await running.run("items", "settle", "A1", "--not-live", "--yes")
    assert (doubt.returncode, doubt.stderr) == (1, "rheod: Nothing is in doubt about this item's ad\n")
    missing = await running.run("items", "publish", "nobody")
    assert (missing.returncode, missing.stderr) == (1, "rheod: No item found with this external ID\n")
    wrong = await running.run("items", "list", "--limit", "0")
    assert (wrong.returncode, wrong.stderr) == (1, "rheod: limit must be a whole number from 1 to 1000\n")


async def test_failed_items_are_listed_told_and_tried_again(running: Running, tmp_path: Path) -> None:
    """Only those that failed; all of them at once only after a yes, which nobody gives without a terminal."""
    daemon = running.daemon
    daemon.headers = {"x-api-key": (await running.json("keys", "create", "--name", "ERP"))["apiKey"]}
    for name in ("A/1", "A2"):
        place = f"/integration/v1/items/{quote(name, safe='')}"
        await daemon.call("PUT", place, {"title": "Bromsok", "price": 950})
    with sqlite3.connect(tmp_path / "rheod.db", timeout=10) as db:
        db.execute("UPDATE items SET tradera_status = 'sync_error' WHERE external_id = 'A/1'")
    db.close()
    listed = await running.json("items", "list", "--failed")
    assert [one["externalId"] for one in listed["items"]] == ["A/1"]
    told = await running.run("items", "history", "A/1")
    assert told.returncode == 0
    assert "item.created" in told.stdout
    assert "item.created" in {
        one["eventType"] for one in (await running.json("items", "history", "A/1"))["events"]
    }
    asked = await running.run("items", "retry", "--all-failed")
    assert (asked.returncode, asked.stdout) == (2, "")
    assert "1 failed items are published again" in asked.stderr
    assert "--yes" in asked.stderr
    assert await running.json("items", "retry", "--all-failed", "--yes") == {
        "ordered": ["A/1"],
        "refused": {},
    }


async def test_a_replay_since_a_time_and_a_removal_say_what_they_do_and_ask(
    running: Running, tmp_path: Path
) -> None:
    """Without a terminal nobody answers, so nothing is sent and nothing removed without --yes."""
    daemon = running.daemon
    daemon.headers = {"x-api-key": (await running.json("keys", "create", "--name", "ERP"))["apiKey"]}
    made = await running.json("webhooks", "add", "https://erp.example.se/events", "--event", "item.sold")
    await running.run("webhooks", "disable", made["id"])
    await daemon.call("PUT", "/integration/v1/items/A1", {"title": "Bromsok", "price": 950})
    since = ("webhooks", "replay", "--since", "2026-05-26T10:00:00Z")
    asked = await running.run(*since)
    assert (asked.returncode, asked.stdout) == (
        0,
        "Nothing to deliver: no webhook endpoint takes such an event.\n",
    )
    with sqlite3.connect(tmp_path / "rheod.db", timeout=10) as db:
        db.execute("UPDATE notices SET type = 'item.sold', body = x'7B7D'")
    db.close()
    counted = await running.run(*since)
    assert (counted.returncode, counted.stdout) == (2, "")
    assert "1 deliveries are made once more. Nothing was done: --yes" in counted.stderr
    assert (await running.json(*since, "--yes"))["replayed"] == 1
    wrong = await running.run("webhooks", "replay", "--since", "yesterday")
    assert (wrong.returncode, "since" in wrong.stderr) == (1, True)
    assert "off by hand" in (await running.run("webhooks", "list")).stdout
    kept = await running.run("webhooks", "remove", made["id"])
    assert (kept.returncode, kept.stdout) == (2, "")
    assert "https://erp.example.se/events" in kept.stderr
    assert (await running.run("webhooks", "remove", made["id"], "--yes")).returncode == 0
    assert (await running.json("webhooks", "list"))["endpoints"] == []
    gone = await running.run("webhooks", "remove", made["id"], "--yes")
    assert (gone.returncode, gone.stderr.count("\n")) == (1, 1)


async def test_orders_are_listed_by_command(running: Running) -> None:
    """A table with nothing in it, the same as JSON, and a wrong limit in one line."""
    assert (await running.run("orders", "list")).stdout.split() == [
        *("ORDER", "CREATED", "STATUS", "SEK", "PAID", "SHIPPED", "PARCEL", "ITEMS", "TROUBLE")
    ]
    assert await running.json("orders", "list", "--unmatched") == {
        "inDoubt": [],
        "orders": [],
        "nextCursor": None,
    }
    wrong = await running.run("orders", "list", "--limit", "0")
    assert (wrong.returncode, wrong.stderr.count("\n")) == (1, 1)


async def test_an_order_is_shown_picked_paid_and_forgotten_by_command(
    running: Running, tmp_path: Path
) -> None:
    """What the ERP has of it; the list for the shelves as values that no spreadsheet takes for formulas; the buyer erased."""
    line = OrderLine(tradera_item_id=22, quantity=1, unit_price_ore=70_000, title="=Bromsok")
    paid = Payment(type="Swish", amount_ore=70_000, paid_at=1)
    with closing(sqlite3.connect(tmp_path / "rheod.db", timeout=10)) as db, db:
        db.row_factory = sqlite3.Row
        account_id = db.execute("SELECT id FROM accounts").fetchone()[0]
        for number, payments in ((7, (paid,)), (8, ())):
            order = Order(
                order_id=number,
                created_at=1,
                updated_at=1,
                lines=(line,),
                subtotal_ore=70_000,
                payments=payments,
                buyer={"alias": "annak", "firstName": "Anna"},
            )
            order_changes.save(db, account_id, order, now=1)
            order_changes.refresh(db, number, None, now=1, ship_while_waiting=False)
    picked = await running.run("orders", "pick", "--csv")
    assert picked.stdout.splitlines() == [
        "place,externalId,title,quantity,orderId,freight",
        ",,'=Bromsok,1,7,",
    ]
    assert "8 is paid" in (await running.run("orders", "pay", "8")).stdout
    forgotten = await running.run("orders", "erase-buyer", "annak", "--yes")
    assert "2 orders" in forgotten.stdout
    shown = (await running.run("orders", "show", "8")).stdout
    assert re.search(r"status: +ready\n", shown)
    assert re.search(r"buyer: +erased\n", shown)
    await running.json("keys", "create", "--name", "ERP", "--scope", "items", "--scope", "orders")
    (key,) = (await running.json("keys", "list"))["keys"]
    assert key["scopes"] == ["items", "orders"]


async def test_a_message_that_nobody_understood_is_shown_and_put_away(
    running: Running, tmp_path: Path
) -> None:
    """What the finding tells of can be read in a terminal, and is over once its owner has looked at it."""
    with sqlite3.connect(tmp_path / "rheod.db", timeout=10) as db:
        db.execute(
            "INSERT INTO inbox (message_id, body, state, reason, received_at) VALUES ('m', '<html>', 'quarantined', 'no JSON', 1)"
        )
    db.close()
    assert "rheod orders messages" in (await running.run("status")).stdout
    shown = await running.run("orders", "messages")
    assert "<html>" in shown.stdout
    assert "no JSON" in shown.stdout
    (kept,) = (await running.json("orders", "messages"))["messages"]
    assert (await running.run("orders", "messages", "--put-away", str(kept["id"]))).returncode == 0
    assert (await running.json("orders", "messages"))["messages"] == []
    again = await running.run("orders", "messages", "--put-away", str(kept["id"]))
    assert (again.returncode, again.stderr) == (1, "rheod: No such message waits\n")


async def test_a_key_made_and_revoked_by_command_holds_at_once(running: Running) -> None:
    """The daemon knows both without a restart."""
    key = await running.json("keys", "create", "--name", "ERP")
    url = await running.daemon.address() + "/integration/v1/items/x"
    async with aiohttp.ClientSession(headers={"x-api-key": key["apiKey"]}) as session:
        async with session.get(url) as known:
            assert known.status == 404
        assert (await running.run("keys", "revoke", key["id"])).returncode == 0
        async with session.get(url) as unknown:
            assert unknown.status == 401
    table = (await running.run("keys", "list")).stdout
    assert table.startswith("ID ")
    assert key["id"] in table


async def test_a_second_daemon_on_the_same_folder_says_so(running: Running) -> None:
    """It ends with 1 and a sentence; the first one goes on."""
    second = await running.run("serve")
    assert second.returncode == 1
    assert "Another rheod is using" in second.stderr
    assert second.stderr.count("\n") == 1
    assert running.daemon.lives == 1


# `rheod serve`


def test_serve_tells_systemd_and_stops_in_order(place: dict[str, str], tmp_path: Path) -> None:
    """READY and STOPPING go out, the journal gets priorities, a proxy is named as ignored, and SIGTERM ends with 0."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd, (tmp_path / "log").open("w+") as log:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(20)
        where = os.fstat(log.fileno())
        environ = clean_environment(os.environ) | place
        environ |= {
            "RHEOD_SERVER__PORT": "0",
            "NOTIFY_SOCKET": str(tmp_path / "notify"),
            "JOURNAL_STREAM": f"{where.st_dev}:{where.st_ino}",
            "https_proxy": "http://127.0.0.1:9",
        }
        command = [sys.executable, "-W", "error", "-m", "rheod", "serve"]
        with subprocess.Popen(command, env=environ, stdout=log, stderr=subprocess.PIPE) as process:
            assert systemd.recv(100) == b"READY=1"
            process.send_signal(signal.SIGTERM)
            while (message := systemd.recv(100)) != b"STOPPING=1":
                assert message == b"WATCHDOG=1"  # the first beat is earlier or later than the signal
            _, errors = process.communicate(timeout=20)
        log.seek(0)
        lines = log.read().splitlines()
    assert (process.returncode, errors) == (0, b"")
    assert all(line.startswith(("<6>{", "<4>{")) for line in lines)
    assert any("proxy variables are ignored" in line and "https_proxy" in line for line in lines)


def test_a_taken_port_is_one_line(place: dict[str, str]) -> None:
    """The daemon that cannot listen ends with 1 and says which setting to change."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = run("serve", environ=place | {"RHEOD_SERVER__PORT": str(taken.getsockname()[1])})
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert "set server.port" in ended.stderr
