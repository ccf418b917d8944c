"""What hostile pictures cost the daemon: its memory at the peak and how long its loop stalls while they are fetched.

Run it with `python -m tests.bench.pictures [rounds]`. The stall is the slowest of its answers to /healthz, asked all the
while; the simulators share the machine's cores. Prints figures, asserts nothing.
"""

from __future__ import annotations

import asyncio
import io
import sqlite3
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import aiohttp
from PIL import Image

from rheod.sandbox.demo_daemon import DemoDaemon
from rheod.sandbox.sandbox import wall_clock
from rheod.sandbox.shop import HOSTILE, Shop
from tests.bench.loop import percentile
from tests.fakes import ill
from tests.fakes.front import front

SETTINGS = {
    "RHEOD_IMAGES__ALLOW_HTTP": "true",
    "RHEOD_IMAGES__ALLOW_PRIVATE_NETWORKS": "true",
    "RHEOD_IMAGES__TIMEOUT_S": "3",
    "RHEOD_LIMITS__PUT_PER_S": "1000",
}


def bomb(side: int = 12_000) -> bytes:
    """A picture of a few kilobytes that is enormous when unpacked."""
    out = io.BytesIO()
    Image.new("1", (side, side)).save(out, "PNG")
    return out.getvalue()


def large() -> bytes:
    """As large a picture as is still allowed, which a machine must really unpack."""
    out = io.BytesIO()
    Image.effect_noise((6000, 6000), 20).convert("RGB").save(out, "JPEG", quality=60)
    return out.getvalue()


def memory_mb(pid: int, field: str) -> float:
    """VmRSS (now) or VmHWM (at the peak) of a process."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    line = next(line for line in status.splitlines() if line.startswith(field))
    return int(line.split()[1]) / 1024


def untried(file: Path) -> int:
    """How many pictures have not been tried yet."""
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as db:
        row = db.execute("SELECT count(*) FROM jobs WHERE lane = 'images' AND attempts = 0").fetchone()
        return int(row[0])


@asynccontextmanager
async def asking(daemon: DemoDaemon) -> AsyncIterator[list[float]]:
    """Ask /healthz every 20 ms inside the block; the list has the milliseconds each answer took."""
    took: list[float] = []
    address = await daemon.address()

    async def ask() -> None:
        async with aiohttp.ClientSession() as session:
            while True:
                began = time.perf_counter()
                async with session.get(f"{address}/healthz") as answer:
                    await answer.read()
                took.append((time.perf_counter() - began) * 1000)
                await asyncio.sleep(0.02)

    task = asyncio.create_task(ask())
    try:
        yield took
    finally:
        task.cancel()
        await asyncio.wait([task])


async def put(daemon: DemoDaemon, name: str, url: str) -> None:
    """An item with this one picture."""
    body = {"title": name, "price": 100, "imageUrls": [url]}
    await daemon.call("PUT", f"/integration/v1/items/{name}", body)


async def run(rounds: int) -> None:
    """Every hostile kind so many times, with idle figures before."""
    shop = Shop(now=wall_clock)
    await shop.start()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        daemon = DemoDaemon(folder=folder, settings=SETTINGS)
        async with daemon.running(), front() as bombs, front() as larges:
            bombs.ill, larges.ill = ill.always(bomb(), "image/png"), ill.always(large())
            key = await daemon.ask_admin("POST", "/keys", {"name": "bench"})
            daemon.headers = {"x-api-key": key["apiKey"]}
            assert daemon.pid is not None
            await put(daemon, "first", shop.picture_url("first"))
            idle = memory_mb(daemon.pid, "VmRSS")
            async with asking(daemon) as quiet:
                await asyncio.sleep(3)
            urls = [f"{shop.url}/pictures/{file}" for file in HOSTILE]
            urls += [f"{bombs.url}/bomb.png", f"{larges.url}/large.jpg"]
            async with asking(daemon) as took:
                for number in range(rounds):
                    for place, url in enumerate(urls):
                        await put(daemon, f"P-{number}-{place}", f"{url}?n={number}")
                while untried(folder / "rheod.db"):
                    await asyncio.sleep(0.2)
            peak = memory_mb(daemon.pid, "VmHWM")
            print(
                f"{rounds * len(urls)} hostile pictures: idle {idle:.0f} MB, peak {peak:.0f} MB, growth {peak - idle:.0f} MB"
            )
            for words, values in (("idle", quiet), ("under them", took)):
                print(
                    f"/healthz {words}: p50 {percentile(values, 0.5):.1f} ms, p99 {percentile(values, 0.99):.1f} ms, worst {max(values):.1f} ms"
                )
    await shop.stop()


if __name__ == "__main__":
    asyncio.run(run(int(sys.argv[1]) if len(sys.argv) > 1 else 5))
