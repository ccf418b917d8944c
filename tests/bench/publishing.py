"""Two hundred waiting items published, against the same calls made back to back by a bare client.

Time counts from the first call to the last ad known to be live. Both sides make as many calls of each kind with equal
bodies, one after the other as Tradera wants them and each over a connection of its own, to the same simulator in
a process of its own, which thinks 30 ms about each; and both ask for the last results once the wait for Tradera's queue
has passed.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sqlite3
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp

from rheod.domain.freight import FreightOption
from rheod.sandbox.demo_daemon import DemoDaemon
from rheod.sandbox.tradera_access import Keys
from rheod.tradera.ad_builder import (
    ADS_PATH,
    RESULTS_PATH,
    Ad,
    commit_path,
    create_body,
    image_body,
    image_path,
)
from tests.bench import peers
from tests.bench.table import Row

ITEMS = 200
ASK_AFTER_S = 1
"""After so long, less than the simulator's queue takes, a committed listing is asked for."""

A_QUESTION = 100
"""Listings in one call for results, at most."""

DEADLINE_S = 180.0
MOST = 1.15
KEYS = Keys()
USER_ID, TOKEN = next(iter(KEYS.sellers.items()))
DESCRIPTION = "Begagnad dörr i gott skick, liten repa vid handtaget. " * 5
QUIET = {
    "RHEOD_IMAGES__ALLOW_HTTP": "true",
    "RHEOD_IMAGES__ALLOW_PRIVATE_NETWORKS": "true",
    "RHEOD_IMAGES__PER_HOST": "8",
    "RHEOD_LIMITS__PUT_PER_S": "1000",
}


async def rows(rounds: int) -> list[Row]:
    """Seconds from the first call to the last ad."""
    ours, floor = [], []
    async with peers.running("tradera") as site, peers.running("pictures") as shop:
        async with aiohttp.ClientSession() as session, session.put(f"{shop}/open"):
            pass
        for _ in range(rounds):
            did = await published(site, shop)
            ours.append(did.spent_s)
            floor.append(await _bare(site, did))
    return [Row(name=f"publishing {ITEMS} items", tx="s", ours=ours, floor=floor, most=MOST)]


@dataclass(frozen=True, slots=True)
class Published:
    """How long it took, how often results were asked for meanwhile, and the pictures that were sent."""

    spent_s: float
    questions: int
    pictures: Sequence[bytes]


async def published(site: str, shop: str) -> Published:
    """What a daemon took that finds all items ready when it gets its keys of Tradera."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        await _prepare(folder, shop)
        daemon = DemoDaemon(folder=folder, settings=_settings(site))
        async with asyncio.timeout(DEADLINE_S), daemon.running():
            while _one(folder, "SELECT count(*) FROM listings WHERE state = 'live'") < ITEMS:
                await asyncio.sleep(0.2)
        assert _one(folder, "SELECT count(*) FROM calls WHERE operation = 'create'") == ITEMS
        first = _one(folder, "SELECT min(at) FROM calls WHERE operation = 'create'")
        last = _one(folder, "SELECT max(live_at) FROM listings")
        with closing(sqlite3.connect(folder / "rheod.db")) as db:
            files = [row[0] for row in db.execute("SELECT file FROM pictures").fetchall()]
        return Published(
            spent_s=(last - first) / 1000,
            questions=_one(folder, "SELECT count(*) FROM calls WHERE operation = 'results'"),
            pictures=[(folder / "images" / file).read_bytes() for file in files],
        )


async def _prepare(folder: Path, shop: str) -> None:
    """Items with a picture each, fetched, in the store of a daemon that has no keys of Tradera yet."""
    daemon = DemoDaemon(folder=folder, settings=QUIET)
    async with asyncio.timeout(DEADLINE_S), daemon.running():
        key = await daemon.ask_admin("POST", "/keys", {"name": "bench"})
        daemon.headers = {"x-api-key": key["apiKey"]}
        for number in range(ITEMS):
            body = {
                "title": f"Dörr vänster fram {number}",
                "description": DESCRIPTION,
                "price": 950,
                "imageUrls": [f"{shop}/pictures/{number}.jpg"],
                "autoPublishTradera": True,
                "tradera": {"categoryId": 302571},
            }
            await daemon.call("PUT", f"/integration/v1/items/P-{number}", body)
        while _one(folder, "SELECT count(*) FROM jobs WHERE kind = 'publish'") < ITEMS:
            await asyncio.sleep(0.1)


def _settings(site: str) -> dict[str, str]:
    return {
        **QUIET,
        "RHEOD_TRADERA__BASE_URL": f"{site}/v4",
        "RHEOD_TRADERA__SITE_URL": site,
        "RHEOD_TRADERA__APP_ID": str(KEYS.app_id),
        "RHEOD_TRADERA__APP_KEY": KEYS.app_key,
        "RHEOD_TRADERA__USER_ID": str(USER_ID),
        "RHEOD_TRADERA__USER_TOKEN": TOKEN,
        "RHEOD_TRADERA__QUOTA__TOTAL": "100000",
        "RHEOD_TRADERA__RESULT_DELAYS_S": f"[{ASK_AFTER_S}]",
    }


def _one(folder: Path, query: str) -> int:
    with closing(sqlite3.connect(f"{(folder / 'rheod.db').as_uri()}?mode=ro", uri=True)) as db:
        return int(db.execute(query).fetchone()[0])


async def _bare(site: str, published: Published) -> float:
    """Seconds that the calls alone take."""
    headers = {
        "X-App-Id": str(KEYS.app_id),
        "X-App-Key": KEYS.app_key,
        "X-User-Id": str(USER_ID),
        "X-User-Token": TOKEN,
    }
    every = ITEMS // published.questions
    connector = aiohttp.TCPConnector(force_close=True)
    async with (
        asyncio.timeout(DEADLINE_S),
        aiohttp.ClientSession(headers=headers, connector=connector) as session,
    ):
        seller = _BareSeller(session=session, url=f"{site}/v4")
        began = time.monotonic()
        for number, picture in enumerate(published.pictures):
            await seller.publish(number, picture)
            if number % every == every - 1 and seller.questions < published.questions - 1:
                await seller.ask()
        await asyncio.sleep(ASK_AFTER_S)
        while seller.waiting:
            await seller.ask()
        return time.monotonic() - began


@dataclass(kw_only=True)
class _BareSeller:
    """Makes the calls and remembers only what is not up yet."""

    session: aiohttp.ClientSession
    url: str
    questions: int = 0
    waiting: list[int] = field(default_factory=list)

    async def publish(self, number: int, picture: bytes) -> None:
        """One item as far as its commit."""
        ad = Ad(
            title=f"Dörr vänster fram {number}",
            description=DESCRIPTION,
            category_id=302571,
            own_reference=f"bare-{number}",
            start_price_kr=950,
            shipping=(FreightOption(cost_kr=0, provider_id=6),),
        )
        made = await self._call("POST", ADS_PATH, create_body(ad))
        request_id = made["requestId"]
        image = base64.b64encode(picture).decode()
        body = image_body(image, image_format=0, has_mega=False)
        await self._call("POST", image_path(request_id), body)
        await self._call("POST", commit_path(request_id))
        self.waiting.append(request_id)

    async def ask(self) -> None:
        """Forget those whose result is there."""
        self.questions += 1
        asked = self.waiting[:A_QUESTION]
        query = urlencode([("requestIds", request_id) for request_id in asked])
        found = await self._call("GET", f"{RESULTS_PATH}?{query}")
        done = {each["requestId"] for each in found if each["resultCode"] & 1}
        self.waiting = [request_id for request_id in self.waiting if request_id not in done]

    async def _call(self, method: str, path: str, body: Any = None) -> Any:
        async with self.session.request(method, self.url + path, json=body) as answer:
            raw = await answer.read()
            assert answer.status == 200, raw
            return json.loads(raw or b"null")
