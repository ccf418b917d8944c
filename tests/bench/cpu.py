"""What an item costs the daemon's processor, from its PUT to `listing.created`: three pictures of about 200 kB each.

Run it with `python -m tests.bench.cpu [--items 60] [--rounds 3] [--beside FOLDER]`; FOLDER is another checkout with its own
`.venv`, whose daemon is measured by turns with this one's. User and system time of the daemon's process come from `/proc`;
its picture decoder, a child, is told beside it. The simulators run in this process. Prints figures, asserts nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import random
import sys
import tempfile
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median

from aiohttp import web
from PIL import Image

from rheod.sandbox.demo_daemon import DemoDaemon
from rheod.sandbox.sandbox import wall_clock
from rheod.sandbox.servers import HttpServer
from rheod.sandbox.shop import Shop
from rheod.sandbox.tradera import TraderaSimulator

HERE = Path(__file__).parents[2]
PICTURES = 3
KEPT = 12
"""Pictures that differ; their addresses do for each item."""

TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")


class VersionDaemon(DemoDaemon):
    """The daemon of a checkout, by its own interpreter."""

    def __init__(self, *, checkout: Path, folder: Path, settings: Mapping[str, str]) -> None:
        super().__init__(folder=folder, settings=settings)
        self._checkout = checkout

    async def _start(self, crash_at: str | None) -> Process:
        assert crash_at is None
        own = self._checkout / ".venv/bin/python"
        with self.log_file.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(str(own) if own.exists() else sys.executable, "-m", "rheod", "serve"),
                stdin=DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environ,
                cwd=self._checkout,
                start_new_session=True,
            )
        self.pid = process.pid
        self.lives += 1
        return process


def cpu_ms(pid: int) -> float:
    """User and system time that a process has used, its children's not counted."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK_MS


def children(pid: int) -> Iterator[int]:
    """The processes that a process has started."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        yield from map(int, (task / "children").read_text(encoding="utf-8").split())


def photograph(number: int) -> bytes:
    """A picture of 1600 x 1200 pixels and about 200 kB."""
    noise = Image.effect_noise((400, 300), 40).resize((1600, 1200), Image.Resampling.BICUBIC)
    tint = Image.new("L", noise.size, number * 20 % 256)
    out = io.BytesIO()
    Image.merge("RGB", (noise, tint, noise.rotate(180))).save(out, "JPEG", quality=60)
    return out.getvalue()


def album(files: list[bytes]) -> HttpServer:
    """A shop's server of these pictures."""

    async def serve(request: web.Request) -> web.Response:
        number = int(request.match_info["number"])
        return web.Response(body=files[number % len(files)], content_type="image/jpeg")

    app = web.Application()
    app.router.add_get("/{item}/{number}.jpg", serve)
    return HttpServer(app)


def settings(tradera: TraderaSimulator) -> dict[str, str]:
    """What any version reads: the simulated Tradera, no push queue, pictures and webhooks of this machine."""
    user_id, token = next(iter(tradera.keys.sellers.items()))
    return {
        "RHEOD_TRADERA__BASE_URL": tradera.base_url,
        "RHEOD_TRADERA__SITE_URL": tradera.site_url,
        "RHEOD_TRADERA__APP_ID": str(tradera.keys.app_id),
        "RHEOD_TRADERA__APP_KEY": tradera.keys.app_key,
        "RHEOD_TRADERA__USER_ID": str(user_id),
        "RHEOD_TRADERA__USER_TOKEN": token,
        "RHEOD_TRADERA__DAILY_CALLS": "100000",
        "RHEOD_TRADERA__RESULT_DELAYS_S": "[1]",
        "RHEOD_TRADERA__RECONCILE_INTERVAL_S": "900",
        "RHEOD_LIMITS__PUT_PER_S": "1000",
        "RHEOD_IMAGES__PER_HOST": "8",
        "RHEOD_IMAGES__ALLOW_HTTP": "true",
        "RHEOD_IMAGES__ALLOW_PRIVATE_NETWORKS": "true",
        "RHEOD_WEBHOOKS__ALLOW_HTTP": "true",
        "RHEOD_WEBHOOKS__ALLOW_PRIVATE_NETWORKS": "true",
    }


async def spent_ms(checkout: Path, items: int, pictures: str) -> tuple[float, float]:
    """CPU of an item in the daemon and in its children, the first item not counted: it loads what is used first."""
    tradera, shop = (
        TraderaSimulator(now=wall_clock, rng=random.Random(1), processing_delay_s=0.5),
        Shop(now=wall_clock),
    )
    await tradera.start()
    await shop.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            daemon = VersionDaemon(checkout=checkout, folder=Path(folder), settings=settings(tradera))
            async with daemon.running():
                return await _published(daemon, shop, items, pictures)
    finally:
        await shop.stop()
        await tradera.stop()


async def _published(daemon: VersionDaemon, shop: Shop, items: int, pictures: str) -> tuple[float, float]:
    key = await daemon.ask_admin("POST", "/keys", {"name": "bench"})
    token = await daemon.ask_admin("POST", "/admin-token")
    daemon.headers = {"x-api-key": key["apiKey"], "Authorization": f"Bearer {token['adminToken']}"}
    shop.secret = (await daemon.call("GET", "/integration/webhook-settings"))["webhookSecret"]
    await daemon.call("PUT", "/integration/webhook-settings", {"webhookUrl": shop.webhook_url()})

    async def put(number: int) -> None:
        urls = [f"{pictures}/{number}/{number * PICTURES + place}.jpg" for place in range(PICTURES)]
        body = {
            "title": f"Dörr vänster fram {number}",
            "description": "Begagnad dörr i gott skick, liten repa vid handtaget. " * 5,
            "price": 950,
            "imageUrls": urls,
            "autoPublishTradera": True,
            "shippingCost": 149,
            "tradera": {"categoryId": 302571},
        }
        await daemon.call("PUT", f"/integration/v1/items/C-{number}", body)

    def live() -> int:
        return sum(each.event["eventType"] == "listing.created" for each in shop.received)

    def used() -> tuple[float, float]:
        assert daemon.pid is not None
        return cpu_ms(daemon.pid), sum(map(cpu_ms, children(daemon.pid)))

    await put(0)
    await shop.wait_until(lambda: live() == 1, 60)
    await asyncio.sleep(2)
    before = used()
    for number in range(1, items + 1):
        await put(number)
    await shop.wait_until(lambda: live() == items + 1, 300)
    await asyncio.sleep(1)
    own, decoder = ((late - early) / items for early, late in zip(before, used(), strict=True))
    return own, decoder


async def main() -> None:
    """Each version in each round, by turns."""
    arguments = argparse.ArgumentParser(prog="python -m tests.bench.cpu", description=__doc__)
    arguments.add_argument("--items", type=int, default=60)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--beside", type=Path)
    asked = arguments.parse_args()
    checkouts = [HERE] if asked.beside is None else [asked.beside.resolve(), HERE]
    files = [photograph(number) for number in range(KEPT)]
    print(f"{asked.items} items of {PICTURES} pictures of {sum(map(len, files)) / len(files) / 1000:.0f} kB")
    server = album(files)
    await server.start()
    found: dict[Path, list[tuple[float, float]]] = {each: [] for each in checkouts}
    for _ in range(asked.rounds):
        for checkout in checkouts:
            found[checkout].append(await spent_ms(checkout, asked.items, server.url))
    for checkout, took in found.items():
        own, decoder = [each[0] for each in took], [each[1] for each in took]
        print(
            f"{checkout.name}: daemon {median(own):.1f} ms an item ({min(own):.1f}-{max(own):.1f}),"
            f" decoder {median(decoder):.1f} ms"
        )
    await server.stop()


if __name__ == "__main__":
    asyncio.run(main())
