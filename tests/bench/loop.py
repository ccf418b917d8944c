"""How long the loop takes: 50 items of 3 pictures pushed at once, then sold; and what an idle daemon costs.

Run it with `python -m tests.bench.loop [items]`. The daemon is a process of its own; the simulators share this one, so
they share the machine's cores with it. Prints figures, asserts nothing.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from rheod.sandbox.demo_daemon import DemoDaemon
from rheod.sandbox.sandbox import Sandbox, wall_clock
from rheod.sandbox.shop import Received

QUICK = {
    "RHEOD_TRADERA__QUOTA__TOTAL": "100000",
    "RHEOD_TRADERA__RESULT_DELAYS_S": "[1]",
    "RHEOD_LIMITS__PUT_PER_S": "1000",
    "RHEOD_IMAGES__PER_HOST": "8",
    "RHEOD_LOG__LEVEL": "info",
}


def percentile(values: list[float], share: float) -> float:
    """The value below which this share of the values lies."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def latencies(received: list[Received], event: str, since: Mapping[str, float]) -> list[float]:
    """Seconds from each item's moment in `since` to the arrival of its event."""
    return [
        each.at_ms / 1000 - since[each.event["data"]["externalId"]]
        for each in received
        if each.event["eventType"] == event
    ]


def resident_mb(pid: int) -> float:
    """The resident memory of a process in MB."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


async def connect(daemon: DemoDaemon, sandbox: Sandbox) -> None:
    """A key, an admin token and the webhook address."""
    key = await daemon.ask_admin("POST", "/keys", {"name": "bench"})
    token = await daemon.ask_admin("POST", "/admin-token")
    daemon.headers = {"x-api-key": key["apiKey"], "Authorization": f"Bearer {token['adminToken']}"}
    hooks = await daemon.call("GET", "/integration/webhook-settings")
    sandbox.shop.secret = hooks["webhookSecret"]
    await daemon.call("PUT", "/integration/webhook-settings", {"webhookUrl": sandbox.shop.webhook_url()})


async def push(daemon: DemoDaemon, sandbox: Sandbox, number: int) -> tuple[str, float]:
    """PUT one item; its id and the moment of its 202."""
    pictures = [sandbox.shop.picture_url(f"{number}-{k}", width=800, height=600) for k in range(3)]
    body = {
        "title": f"Dörr vänster fram {number}",
        "price": 950,
        "imageUrls": pictures,
        "autoPublishTradera": True,
        "tradera": {"categoryId": 302571},
    }
    await daemon.call("PUT", f"/integration/v1/items/B-{number}", body)
    return f"B-{number}", time.time()


async def run_loop(count: int) -> None:
    """Push, wait for every listing, sell all, wait for every sale; print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        async with Sandbox(
            now=wall_clock, rng=random.Random(1), processing_delay_s=1.0, daily_calls=None
        ) as sandbox:
            daemon = DemoDaemon(folder=Path(folder), settings={**sandbox.settings(), **QUICK})
            async with daemon.running():
                await daemon.address()
                assert daemon.pid is not None
                print(f"idle memory {resident_mb(daemon.pid):.0f} MB")
                await connect(daemon, sandbox)
                pushed = dict(
                    await asyncio.gather(*(push(daemon, sandbox, number) for number in range(count)))
                )
                shop = sandbox.shop
                await shop.wait_until(lambda: _seen(shop.received, "listing.created") >= count, 120)
                live = latencies(shop.received, "listing.created", pushed)
                print(
                    f"PUT to listing.created: p50 {percentile(live, 0.5):.2f} s, p95 {percentile(live, 0.95):.2f} s"
                )
                sold_at = await _sell_all(sandbox, shop.received)
                await shop.wait_until(lambda: _seen(shop.received, "item.sold") >= count, 120)
                sold = latencies(shop.received, "item.sold", sold_at)
                print(
                    f"sale in SQS to item.sold: p50 {percentile(sold, 0.5):.2f} s, p95 {percentile(sold, 0.95):.2f} s"
                )
                print(f"memory after {count} items {resident_mb(daemon.pid):.0f} MB")
                print(f"calls {dict(sandbox.tradera.calls_by_operation())}")


async def _sell_all(sandbox: Sandbox, received: list[Received]) -> dict[str, float]:
    sold_at = {}
    for each in [each for each in received if each.event["eventType"] == "listing.created"]:
        data = each.event["data"]
        await sandbox.tradera.sell(int(data["traderaAdId"]), 1100)
        sold_at[data["externalId"]] = time.time()
    return sold_at


def _seen(received: list[Received], event: str) -> int:
    return len({each.event["eventId"] for each in received if each.event["eventType"] == event})


def fill(file: Path, count: int) -> None:
    """Put `count` items with a picture and an event each into a store, as a full inventory."""
    with sqlite3.connect(file) as db:
        account = db.execute("SELECT id FROM accounts").fetchone()[0]
        db.executemany(
            "INSERT INTO items (id, account_id, external_id, type, title, price_ore, rheo_status, version, spec,"
            " created_at, updated_at) VALUES (?, ?, ?, 'item', 'Dörr vänster fram', 95000, 'active', 1, '{}', ?, ?)",
            [(f"item-{number}", account, f"F-{number}", number, number) for number in range(count)],
        )
    db.close()


async def start_with(count: int) -> None:
    """Time from the start of the process to ready with `count` items in the store."""
    with tempfile.TemporaryDirectory() as folder:
        first = DemoDaemon(folder=Path(folder), settings={})
        async with first.running():
            await first.address()
        fill(Path(folder) / "rheod.db", count)
        began = time.perf_counter()
        second = DemoDaemon(folder=Path(folder), settings={})
        second.log_file.unlink()
        async with second.running():
            await second.address()
            print(f"start to ready with {count} items: {time.perf_counter() - began:.2f} s")


async def main() -> None:
    """Every figure once."""
    await start_with(10_000)
    await run_loop(int(sys.argv[1]) if len(sys.argv) > 1 else 50)


if __name__ == "__main__":
    asyncio.run(main())
