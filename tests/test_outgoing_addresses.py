"""The real daemon with its guard on, as an owner runs it: partners cannot send it to inner addresses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests import warm
from tests.test_whole_daemon import DEADLINE_S, ITEM

RULES = {
    "Must be an HTTPS URL": [
        "http://shop.se/a.jpg",
        "ftp://shop.se/a",
        "https:shop.se",
        "https:\\\\shop.se",
        "//shop.se/a",
        "file:///etc",
    ],
    "control characters or backslashes": [
        "https://shop.se\\@127.0.0.1/",
    ],
    "Must not contain '@', '%', '[' or ']' before the path": [
        "https://u:p@shop.se/",
        "https://shop%2ese/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
    ],
    "Must name a host, not an IP address": [
        "https://127.0.0.1/a.jpg",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://169.254.169.254/latest",
        "https://10.0.0.5/",
    ],
    "Must name a host of the public Internet": [
        "https://localhost/",
        "https://db.internal/",
        "https://shop.local/",
    ],
}
WRONG = [(rule, url) for rule, urls in RULES.items() for url in urls]


class Ear:
    """A listening socket that counts who comes."""

    def __init__(self) -> None:
        self.connects = 0
        self.port = 0

    def heard(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Count one and hang up."""
        self.connects += 1
        writer.close()


@asynccontextmanager
async def listening() -> AsyncIterator[Ear]:
    """An ear on loopback."""
    ear = Ear()
    server = await asyncio.start_server(ear.heard, "127.0.0.1", 0)
    ear.port = server.sockets[0].getsockname()[1]
    async with server:
        yield ear


class Guarded:
    """A daemon with these settings; answers are seen as they are."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        self.daemon = warm.daemon(folder=folder, settings={"RHEOD_LIMITS__PUT_PER_S": "1000", **settings})

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Guarded]:
        """Up, with a key and an admin token."""
        async with self.daemon.running():
            key = await self.daemon.ask_admin("POST", "/keys", {"name": "erp"})
            token = await self.daemon.ask_admin("POST", "/admin-token")
            self.daemon.headers = {
                "x-api-key": key["apiKey"],
                "Authorization": f"Bearer {token['adminToken']}",
            }
            yield self

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, str]:
        """Status and text of one answer."""
        address = await self.daemon.address()
        async with (
            aiohttp.ClientSession(headers=self.daemon.headers) as session,
            session.request(method, address + path, json=body) as answer,
        ):
            return answer.status, await answer.text()

    async def picture(self, name: str, url: str) -> tuple[int, str]:
        """PUT an item with this picture."""
        return await self.ask("PUT", f"{ITEM}/{name}", {"title": name, "price": 100, "imageUrls": [url]})

    async def hook(self, url: str) -> tuple[int, str]:
        """Set the webhook address."""
        return await self.ask("PUT", "/integration/webhook-settings", {"webhookUrl": url})

    async def until_picture(self, name: str, state: str) -> dict[str, Any]:
        """Wait for the item's picture to be in this state."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                image = (await self.daemon.call("GET", f"{ITEM}/{name}"))["images"][0]
                if image["state"] == state:
                    return dict(image)
                await asyncio.sleep(0.05)

    def log(self) -> str:
        """Its log so far."""
        return self.daemon.log_file.read_text(encoding="utf-8")


async def test_each_rule_refuses_with_its_name_and_no_socket_is_opened(tmp_path: Path) -> None:
    """Pictures and webhook addresses alike: 422 with the broken rule's sentence, and nobody is dialled."""
    async with listening() as ear, Guarded(tmp_path, {}).running() as one:
        for number, (rule, url) in enumerate(WRONG):
            for status, said in (await one.picture(f"S-{number}", url), await one.hook(url)):
                assert (status, rule in said) == (422, True), (url, said)
        for url in (
            f"https://localhost:{ear.port}/",
            f"https://127.0.0.1:{ear.port}/",
            f"http://127.1:{ear.port}",
        ):
            assert (await one.picture("S-own", url))[0] == 422
            status, said = await one.hook(url)
            assert (status, "webhooks.allow_" in said) == (422, "127.1" not in url), (url, said)
        assert ear.connects == 0
        assert "allow_" not in one.log()


@pytest.mark.parametrize("opened", ["images", "webhooks"])
async def test_each_setting_opens_its_own_side_alone_and_is_logged(tmp_path: Path, opened: str) -> None:
    """allow_* for pictures leaves webhooks shut and the other way round; both are said at start."""
    settings = {
        f"RHEOD_{opened.upper()}__ALLOW_HTTP": "true",
        f"RHEOD_{opened.upper()}__ALLOW_PRIVATE_NETWORKS": "true",
    }
    async with listening() as ear, Guarded(tmp_path, settings).running() as one:
        url = f"http://127.0.0.1:{ear.port}/x.jpg"
        picture, hook = await one.picture("O-1", url), await one.hook(url)
        assert (picture[0], hook[0]) == ((202, 422) if opened == "images" else (422, 200))
        assert f"{opened}.allow_http is on" in one.log()
        assert f"{opened}.allow_private_networks is on" in one.log()
        assert one.log().count("allow_") == 2


async def test_http_alone_opens_no_inner_address(tmp_path: Path) -> None:
    """allow_http admits the scheme and nothing else: an inner address is refused, by name and by number."""
    settings = {"RHEOD_IMAGES__ALLOW_HTTP": "true"}
    async with listening() as ear, Guarded(tmp_path, settings).running() as one:
        for host in ("127.0.0.1", "localhost"):
            assert (await one.picture("H-1", f"http://{host}:{ear.port}/a.jpg"))[0] == 422
        assert (await one.picture("H-2", "http://shop.se/a.jpg"))[0] == 202
        assert ear.connects == 0


async def test_an_address_stored_when_it_was_allowed_is_refused_once_it_is_not(tmp_path: Path) -> None:
    """The guard judges at the time of dialling too: a picture and a webhook of an open daemon stay shut in a closed one."""
    both = ("IMAGES", "WEBHOOKS")
    settings = {
        f"RHEOD_{side}__ALLOW_{what}": "true" for side in both for what in ("HTTP", "PRIVATE_NETWORKS")
    }
    async with listening() as ear:
        async with Guarded(tmp_path, settings).running() as one:
            await one.hook(f"http://127.0.0.1:{ear.port}/hook")
            await one.picture("L-1", f"http://127.0.0.1:{ear.port}/x.jpg")
            async with asyncio.timeout(DEADLINE_S):
                while ear.connects < 2:
                    await asyncio.sleep(0.05)
            log = one.daemon.log_file
        log.unlink()
        before = ear.connects
        async with Guarded(tmp_path, {}).running() as one:
            await one.until_picture("L-1", "failed")
            assert ear.connects == before
