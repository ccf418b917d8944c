"""Pictures of PUT'ed items fetched, re-encoded and kept, against bare downloads of the same files and bare Pillow.

The floor has as many downloads at a time and as many processes that re-encode, and syncs nothing. The server holds
every answer back until all items are there, so that the PUTs do not count.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path

import aiohttp
from PIL import Image

from rheod.config.sections import Images
from rheod.sandbox.demo_daemon import DemoDaemon
from tests.bench import peers
from tests.bench.table import Row

ITEMS = 40
A_ITEM = 5
DOWNLOADS = Images().concurrency
PROCESSES = min(2, os.cpu_count() or 1)
"""As the daemon's renderer has."""

LONGEST = 2048
QUALITY = 88
DEADLINE_S = 120.0
LEAST = 0.8
SETTINGS = {
    "RHEOD_IMAGES__ALLOW_HTTP": "true",
    "RHEOD_IMAGES__ALLOW_PRIVATE_NETWORKS": "true",
    "RHEOD_IMAGES__PER_HOST": str(DOWNLOADS),
    "RHEOD_LIMITS__PUT_PER_S": "1000",
}


async def rows(rounds: int) -> list[Row]:
    """Pictures a second."""
    ours, floor = [], []
    async with peers.running("pictures") as address, aiohttp.ClientSession() as session:
        urls = [f"{address}/pictures/{number}.jpg" for number in range(ITEMS * A_ITEM)]
        for _ in range(rounds):
            ours.append(await _kept(session, address, urls))
            floor.append(await _bare(session, urls))
    return [Row(name="picture pool", tx="/s", ours=ours, floor=floor, least=LEAST)]


async def _kept(session: aiohttp.ClientSession, address: str, urls: list[str]) -> float:
    """The daemon's rate from the first answer to the last picture committed."""
    async with session.delete(f"{address}/open"):
        pass
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        daemon = DemoDaemon(folder=folder, settings=SETTINGS)
        async with asyncio.timeout(DEADLINE_S), daemon.running():
            key = await daemon.ask_admin("POST", "/keys", {"name": "bench"})
            daemon.headers = {"x-api-key": key["apiKey"]}
            for number in range(ITEMS):
                mine = urls[number * A_ITEM : (number + 1) * A_ITEM]
                body = {"title": f"P-{number}", "price": 100, "imageUrls": mine}
                await daemon.call("PUT", f"/integration/v1/items/P-{number}", body)
            began = time.monotonic()
            async with session.put(f"{address}/open"):
                pass
            while not _all_ready(folder / "rheod.db", len(urls)):
                await asyncio.sleep(0.01)
            return len(urls) / (time.monotonic() - began)


def _all_ready(file: Path, count: int) -> bool:
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as db:
        states = dict(db.execute("SELECT state, count(*) FROM pictures GROUP BY state").fetchall())
    assert set(states) <= {"pending", "ready"}, states
    return int(states.get("ready", 0)) == count


async def _bare(session: aiohttp.ClientSession, urls: Sequence[str]) -> float:
    """The rate of loops that only download and have re-encoded."""
    loop = asyncio.get_running_loop()
    waiting = iter(enumerate(urls))
    pool = ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn"))
    with tempfile.TemporaryDirectory() as folder, pool:
        await asyncio.gather(*(loop.run_in_executor(pool, Image.init) for _ in range(PROCESSES * 2)))

        async def fetch() -> None:
            for number, url in waiting:
                file = Path(folder) / str(number)
                async with session.get(url) as answer:
                    file.write_bytes(await answer.read())
                await loop.run_in_executor(pool, reencode, file)

        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for _ in range(DOWNLOADS):
                group.create_task(fetch())
        return len(urls) / (time.monotonic() - began)


def reencode(file: Path) -> None:
    """What a picture needs at least: decoded, no larger than allowed, RGB, a JPEG again."""
    with Image.open(file) as image:
        image.draft(None, (LONGEST, LONGEST))
        small = image.convert("RGB")
        small.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
        small.save(file.with_suffix(".jpg"), "JPEG", quality=QUALITY)
