"""No secret ever leaves the daemon: a whole run with marked secrets, and everything it says read again."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from rheod.sandbox.demo_daemon import clean_environment
from rheod.sandbox.servers import QueueServer
from rheod.sandbox.shop import CUT
from tests import warm
from tests.fakes import ill
from tests.fakes.front import Front, front
from tests.test_whole_daemon import ITEM, RunningDaemon, running_daemon

MARKED = {
    "RHEOD_TRADERA__APP_KEY": "test-secret-Zq7+app/KeyMarker==",
    "RHEOD_TRADERA__USER_TOKEN": "test-secret-Vw3-token-marker",
    "RHEOD_PUSH__ACCESS_KEY_ID": "test-secret-aws-id-Rk5marker",
    "RHEOD_PUSH__SECRET_ACCESS_KEY": "test-secret-aws-Hn8/marker+",
    "RHEOD_STORAGE__KEY": "test-secret-Bd2-storage-marker",
}
COMMANDS = (
    "config show --json",
    "config show",
    "config check",
    "keys list",
    "items show C-2",
    "items list",
    "status",
)
_SETTINGS = "/integration/webhook-settings"


@dataclass
class Heard:
    """Everything the daemon said, by where it was heard."""

    texts: dict[str, str] = field(default_factory=dict)

    def hear(self, where: str, what: Any) -> None:
        """Keep an answer or a text."""
        said = what if isinstance(what, str) else json.dumps(what, ensure_ascii=False)
        self.texts[where] = self.texts.get(where, "") + said + "\n"

    def hits(self, secrets: dict[str, str]) -> list[str]:
        """Which secret was heard where, whole or in part, plain or as base64 or JSON."""
        return [
            f"{name} in {where}"
            for name, secret in secrets.items()
            for where, text in self.texts.items()
            if any(form in text for form in forms_of(secret))
        ]


def forms_of(secret: str) -> list[str]:
    """The secret's forms: half of it, as JSON writes it, and its base64."""
    part = secret[len(secret) // 3 :]
    return [part, json.dumps(part)[1:-1], part.replace("+", "\\u002B"), _base64(secret)]


def _base64(secret: str) -> str:
    return base64.b64encode(secret.encode()).decode().rstrip("=")


def dump(file: Path) -> Iterator[tuple[str, str]]:
    """Every table of the store as text, its bytes read as text too."""
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as db:
        tables = [row[0] for row in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        for table in tables:
            found = db.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608 - names from the schema
            cells = (
                cell.decode("utf-8", "replace") if isinstance(cell, bytes) else str(cell)
                for row in found
                for cell in row
            )
            yield table, " ".join(cells)


async def command(one: RunningDaemon, folder: Path, *words: str, **settings: str) -> str:
    """What a command prints on both streams, with the daemon's own settings."""
    environ = {**clean_environment(os.environ), "RHEOD_CONFIG": str(folder / "rheod.toml"), **MARKED}
    own = {"RHEOD_STORAGE__PATH": str(folder), **settings}
    ended = await asyncio.to_thread(warm.run, *words, environ=environ | own)
    assert one.daemon.lives == 1
    return ended.stdout + ended.stderr


async def refused_calls(one: RunningDaemon, heard: Heard) -> None:
    """Requests that are refused, with the secrets in the places where callers put them by mistake."""
    key, token = one.daemon.headers["x-api-key"], one.daemon.headers["Authorization"]
    address = await one.daemon.address()
    async with aiohttp.ClientSession() as session:
        for headers, path, body in (
            ({"x-api-key": key + "x"}, f"{ITEM}/C-1", b"{}"),
            ({"x-api-key": token.removeprefix("Bearer ")}, f"{ITEM}/C-1", b"{}"),
            ({"x-api-key": key}, f"{ITEM}/C-1", b'{"title": "' + key.encode()),
            ({"x-api-key": key}, f"{ITEM}/C-1", json.dumps({key: key, "price": key}).encode()),
            ({"x-api-key": key}, f"{ITEM}/C-1?key={key}", json.dumps([key]).encode()),
            ({"Authorization": token + "x"}, _SETTINGS, b"{}"),
            ({"Authorization": token}, _SETTINGS, json.dumps({"webhookUrl": f"https://u:{key}@h"}).encode()),
            ({"Authorization": token}, f"/integration/{key}", b"{}"),
        ):
            sent = {**headers, "content-type": "application/json"}
            async with session.put(address + path, data=body, headers=sent) as answer:
                assert 400 <= answer.status < 500, (path, answer.status)
                heard.hear(f"answer {answer.status} to {path.partition('?')[0][:30]}", await answer.text())


async def the_loop(one: RunningDaemon, tradera: Front) -> None:
    """Sales and every kind of failure, with Tradera repeating our credentials to us."""
    one.sandbox.shop.answer_with([500, 404, CUT])
    await one.put("C-1")
    await one.until_event("C-1", "listing.created")
    tradera.ill, tradera.strikes = ill.echo(400), lambda request: request.path.endswith("/items")
    await one.put("C-2")
    await one.until_event("C-2", "listing.failed")
    tradera.ill, tradera.strikes = ill.echo(500), lambda request: "price" in request.path
    await one.daemon.call("PATCH", f"{ITEM}/C-1/price", {"price": 700})
    await one.until(lambda: any("/price" in call.path for call in tradera.calls))
    tradera.ill = None
    await one.sandbox.tradera.sell(one.ad_of("C-1"), 1100)
    await one.until_event("C-1", "item.sold")
    tradera.ill, tradera.strikes = ill.echo(401), lambda _: True
    await one.put("C-3")

    async def paused() -> bool:
        return bool((await one.daemon.ask_admin("GET", "/status"))["pauses"])

    await one.until(paused)


async def all_answers(one: RunningDaemon, heard: Heard) -> None:
    """What the API, the admin socket and the partner's own receiver were told."""
    for name in ("C-1", "C-2", "C-3"):
        heard.hear("api item", await one.get(name))
        heard.hear("admin item", await one.daemon.ask_admin("GET", f"/items/{name}"))
    for path in ("/status", "/keys", "/items", "/version"):
        heard.hear(f"admin {path}", await one.daemon.ask_admin("GET", path))
    for each in one.sandbox.shop.received:
        heard.hear("webhooks", each.body.decode() + json.dumps(dict(each.headers)))
    for path in ("/healthz", "/readyz"):
        heard.hear(f"api {path}", await one.daemon.call("GET", path))


async def test_no_secret_is_in_anything_rheod_says_or_keeps(
    tmp_path: Path, queue_server: QueueServer
) -> None:
    """Log, answers, refusals, commands, webhooks and every table: not one of the marked secrets, in any form."""
    heard = Heard()
    async with front() as tradera:
        own = {"RHEOD_TRADERA__BASE_URL": f"{tradera.url}/v4"}
        async with running_daemon(tmp_path, queue_server, **MARKED, **own) as one:
            keys = one.sandbox.tradera.keys
            user_token = next(iter(keys.sellers.values()))
            tradera.headers = {"X-App-Key": keys.app_key, "X-User-Token": user_token}
            tradera.carry_to(one.sandbox.tradera.base_url.removesuffix("/v4"))
            hooks = await one.daemon.call("GET", _SETTINGS)  # the one place where a secret may be read
            await the_loop(one, tradera)
            await refused_calls(one, heard)
            await all_answers(one, heard)
            for line in COMMANDS:
                heard.hear(line, await command(one, tmp_path, *line.split()))
            wrong = {"RHEOD_TRADERA__USER_ID": MARKED["RHEOD_TRADERA__USER_TOKEN"], "RHEOD_SERVER__PORT": "x"}
            heard.hear("wrong settings", await command(one, tmp_path, "config", "check", **wrong))
            secrets = {
                **MARKED,
                "api key": one.daemon.headers["x-api-key"],
                "admin token": one.daemon.headers["Authorization"].removeprefix("Bearer "),
                "webhook secret": hooks["webhookSecret"],
            }
        heard.hear("log", one.daemon.log_file.read_text(encoding="utf-8"))
        for table, text in dump(tmp_path / "rheod.db"):
            heard.hear(f"table {table}", text)
    assert "refused: " in heard.texts["table calls"]  # Tradera's words were kept, without what it repeated
    assert heard.hits(secrets) == []
