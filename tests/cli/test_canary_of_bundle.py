"""A support bundle has no secret, nothing of a buyer and no text of an item, whatever was sold, failed or logged."""

from __future__ import annotations

import json
import os
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path
from typing import Any

from rheod.cli.support import scrub, scrub_line
from rheod.sandbox.servers import QueueServer
from tests.cli.test_cli import run
from tests.test_canary import MARKED, Heard, command
from tests.test_whole_daemon import RunningDaemon, running_daemon

TITLE = "Zebrafinkstitel"
WORDS = {"title": TITLE, "description": "Quastenflosserbeschreibung", "external id": "Grottenolmnummer"}
_JOURNALCTL = '#!/bin/sh\nexec cat "{journal}"\n'


def texts_of(value: Any) -> list[str]:
    """Every text in a JSON value."""
    if isinstance(value, dict):
        return [text for item in value.values() for text in texts_of(item)]
    if isinstance(value, list):
        return [text for item in value for text in texts_of(item)]
    return [value] if isinstance(value, str) else []


def buyers(file: Path) -> dict[str, str]:
    """What the store knows of buyers, by where it stands."""
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as db:
        rows = [json.loads(row[0]) for row in db.execute("SELECT buyer FROM orders")]
    found = {text for row in rows for text in texts_of(row) if len(text) > 3}
    return {f"buyer {number}": text for number, text in enumerate(sorted(found))}


def write_journal(folder: Path, log: str, extra: list[str]) -> str:
    """A journalctl that tells the daemon's real log and some lines more; the PATH on which it is found."""
    journal = folder / "journal"
    lines = [
        *({"SYSLOG_IDENTIFIER": "rheod", "MESSAGE": line} for line in [*log.splitlines(), *extra]),
        {"SYSLOG_IDENTIFIER": "systemd", "MESSAGE": "Started rheod.service."},
    ]
    stamped = [json.dumps({"__REALTIME_TIMESTAMP": "1780000000000000", **line}) for line in lines]
    journal.write_text("\n".join(stamped), encoding="utf-8")
    program = folder / "bin" / "journalctl"
    program.parent.mkdir()
    program.write_text(_JOURNALCTL.format(journal=journal), encoding="utf-8")
    program.chmod(0o755)
    return f"{program.parent}:{os.environ['PATH']}"


def unpacked(file: Path) -> dict[str, str]:
    """The bundle's files."""
    with tarfile.open(file) as archive:
        found = [(entry.name, archive.extractfile(entry)) for entry in archive.getmembers()]
        return {Path(name).name: stream.read().decode() for name, stream in found if stream}


def hostile_lines(secrets: dict[str, str]) -> list[str]:
    """Lines that nobody should log: everything in places where a careless line would have it."""
    told = " ".join(secrets.values())
    return [
        told,
        f"rheod: broke at {told}",
        json.dumps(
            {"level": "error", "logger": "rheod.x", "event": "refused", "error": told, "told": {told: told}}
        ),
        json.dumps(
            {"level": "error", "logger": "asyncio", "event": told, "exception": [{"exc_value": told}]}
        ),
    ]


async def _a_sale_and_failures(one: RunningDaemon) -> None:
    await one.put(WORDS["external id"], title=TITLE, description=WORDS["description"])
    await one.until_event(WORDS["external id"], "listing.created")
    one.sandbox.shop.answer_with([500])
    await one.sandbox.tradera.sell(one.ad_of(WORDS["external id"]), 1100)
    await one.until_event(WORDS["external id"], "item.sold")


async def test_a_bundle_tells_how_rheod_is_and_nothing_else(
    tmp_path: Path, queue_server: QueueServer
) -> None:
    """After a real sale: no marked secret, no word of the buyer or the item, in any part; and what support needs is there."""
    data = tmp_path / "data"
    data.mkdir()
    sealing = {"RHEOD_STORAGE__KEY": MARKED["RHEOD_STORAGE__KEY"]}
    async with running_daemon(data, queue_server, **sealing) as one:
        own = {**one.sandbox.settings(), **sealing}
        await _a_sale_and_failures(one)
        people = buyers(data / "rheod.db")
        assert len(people) > 3
        known = {
            name: text
            for name, text in own.items()
            if name.endswith(("_KEY", "_TOKEN", "ACCESS_KEY_ID")) and not name.endswith("PUBLIC_KEY")
        }
        secrets = {**known, **WORDS, **people, "api key": one.daemon.headers["x-api-key"]}
        log = one.daemon.log_file.read_text(encoding="utf-8")
        path = write_journal(tmp_path, log, hostile_lines(secrets))
        file = tmp_path / "bundle.tar.gz"
        said = await command(one, data, "support-bundle", str(file), PATH=path, **own)
        again = await command(one, data, "support-bundle", str(file), PATH=path, **own)
    assert "Look into it before you send it" in said
    assert "name another file" in again
    assert file.stat().st_mode & 0o777 == 0o600
    parts = unpacked(file)
    heard = Heard()
    for name, text in parts.items():
        heard.hear(name, text)
    heard.hear("what it said", said)
    assert heard.hits(secrets) == []
    database = json.loads(parts["database.json"])
    assert (database["integrity"], database["rows"]["orders"]) == (["ok"], 1)
    assert json.loads(parts["status.json"])["budget"]["windowHours"] == 24
    assert json.loads(parts["config.json"])["tradera.app_key"]["value"] == "********"
    assert '"event": "ready"' in parts["journal.json"]
    assert "Started rheod.service." in parts["journal.json"]
    assert "checked" in json.loads(parts["doctor.json"])


def test_wrong_settings_are_told_without_a_daemon(tmp_path: Path) -> None:
    """When help is needed most: the bundle says what is wrong, never with the value, and opens no database."""
    file, settings = tmp_path / "bundle.tar.gz", tmp_path / "rheod.toml"
    settings.write_text('[server]\nprot = "test-secret"\n')
    ended = run("support-bundle", str(file), environ={"RHEOD_CONFIG": str(settings), "PATH": str(tmp_path)})
    assert ended.returncode == 0
    parts = unpacked(file)
    assert "server.prot" in parts["config.json"]
    assert "server.prot" in parts["doctor.json"]
    assert "journalctl did not answer" in parts["journal.json"]
    assert "database.json" not in parts
    assert not any("test-secret" in text for text in parts.values())


def test_only_known_fields_pass_the_scrub() -> None:
    """Numbers and codes do; free text, odd names of fields and what hides in a known field do not."""
    value = {
        "state": "paused",
        "reason": "Anna",
        "count": 3,
        "Anna Ek": 1,
        "code": "Anna Ek",
        "error": "OSError",
    }
    assert scrub(value) == {
        "state": "paused",
        "reason": "(4 characters)",
        "count": 3,
        "(7 characters)": 1,
        "code": "(7 characters)",
        "error": "OSError",
    }


def test_a_start_that_fails_is_told_by_its_setting() -> None:
    """The commonest call for help: the line of a wrong setting, which never has its value."""
    line = "rheod: server.port (file /etc/rheod/rheod.toml): must be a number; change it"
    assert scrub_line({"MESSAGE": line})["text"] == line
    assert scrub_line({"MESSAGE": "Traceback of Anna"})["text"] == "(17 characters)"
