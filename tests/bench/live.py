"""How soon an ad is live and a sale is told: one item, two hundred at once, a sale with a push queue and one without.

Run it with `python -m tests.bench.live [items]`. The daemon is a process of its own; the simulators share this one, and
with it the machine's cores. The floor of two hundred is their calls at 200 ms each, four at a time. Prints seconds beside
the goals, asserts nothing.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from rheod.sandbox.demo_daemon import DemoDaemon
from rheod.sandbox.sandbox import Sandbox, wall_clock
from tests.bench.loop import connect, latencies

PROCESSING_S = 1.0
CALL_S = 0.2
AT_ONCE = 4
SINGLES = 5
QUICK = {
    "RHEOD_TRADERA__QUOTA__DEFAULT": "100000",
    "RHEOD_LIMITS__PUT_PER_S": "1000",
    "RHEOD_IMAGES__PER_HOST": "8",
}


@asynccontextmanager
async def trading(*, push: bool) -> AsyncIterator[tuple[Sandbox, DemoDaemon]]:
    """A daemon on its defaults, with or without a push queue, and everything around it."""
    with tempfile.TemporaryDirectory() as folder:
        async with Sandbox(
            now=wall_clock, rng=random.Random(1), processing_delay_s=PROCESSING_S, daily_calls=None
        ) as sandbox:
            settings = {
                name: value
                for name, value in {**sandbox.settings(), **QUICK}.items()
                if (push or "_PUSH__" not in name) and name != "RHEOD_TRADERA__RESULT_DELAYS_S"
            }
            daemon = DemoDaemon(folder=Path(folder), settings=settings)
            async with daemon.running():
                await connect(daemon, sandbox)
                yield sandbox, daemon


async def put(
    daemon: DemoDaemon, sandbox: Sandbox, name: str, *, pictures: int, width: int = 1600
) -> tuple[str, float]:
    """PUT one item, its pictures 1600 wide of about 200 kB; its id and the moment of its 202."""
    height = width * 3 // 4
    urls = [sandbox.shop.picture_url(f"{name}-{n}", width=width, height=height) for n in range(pictures)]
    body = {
        "title": f"Dörr vänster fram {name}",
        "price": 950,
        "imageUrls": urls,
        "autoPublishTradera": True,
        "shippingCost": 149,
        "tradera": {"categoryId": 302571},
    }
    await daemon.call("PUT", f"/integration/v1/items/{name}", body)
    return name, time.time()


async def live(sandbox: Sandbox, count: int, deadline_s: float) -> None:
    """Wait until so many ads are told as live."""

    def told() -> bool:
        kinds = [each.event["eventType"] for each in sandbox.shop.received]
        return kinds.count("listing.created") >= count

    await sandbox.shop.wait_until(told, deadline_s)


async def one_by_one() -> None:
    """Items one after the other, the first by a daemon whose decoders have not begun."""
    async with trading(push=True) as (sandbox, daemon):
        since = {}
        for number in range(SINGLES):
            name, at = await put(daemon, sandbox, f"ONE-{number}", pictures=3)
            since[name] = at
            await live(sandbox, number + 1, 30)
        took = latencies(sandbox.shop.received, "listing.created", since)
        over = [f"{seconds - PROCESSING_S:.2f}" for seconds in took]
        print(f"202 to listing.created, beyond Tradera's {PROCESSING_S:g} s: {', '.join(over)} s (goal 1.5)")
        ad = next(iter(sandbox.tradera.market.listings))
        began = time.time()
        await sandbox.tradera.sell(ad, 1100)
        await sold(sandbox, 30)
        print(f"sale with a push queue to item.sold: {time.time() - began:.2f} s (goal 2)")


async def sold(sandbox: Sandbox, deadline_s: float) -> None:
    """Wait until a sale is told."""
    received = sandbox.shop.received
    await sandbox.shop.wait_until(
        lambda: any(each.event["eventType"] == "item.sold" for each in received), deadline_s
    )


async def all_at_once(count: int) -> None:
    """Many items at once, every call of Tradera taking 200 ms; small pictures, since this process paints them."""
    async with trading(push=True) as (sandbox, daemon):
        sandbox.tradera.fault("*", "slow", seconds=CALL_S, times=None)
        pushed = await asyncio.gather(
            *(put(daemon, sandbox, f"ALL-{number}", pictures=1, width=480) for number in range(count))
        )
        began = min(at for _, at in pushed)
        await live(sandbox, count, 300)
        took = max(latencies(sandbox.shop.received, "listing.created", dict.fromkeys(dict(pushed), began)))
        calls = sum(sandbox.tradera.calls_by_operation().values())
        floor = calls * CALL_S / AT_ONCE
        print(
            f"{count} items at once live after {took:.1f} s, floor {floor:.1f} s of {calls} calls:"
            f" {took / floor:.2f} (goal 1.3)"
        )


async def without_queue() -> None:
    """A sale that only reading the orders tells."""
    async with trading(push=False) as (sandbox, daemon):
        await put(daemon, sandbox, "ALONE", pictures=1)
        await live(sandbox, 1, 30)
        began = time.time()
        await sandbox.tradera.sell(next(iter(sandbox.tradera.market.listings)), 1100, push=False)
        await sold(sandbox, 90)
        print(f"sale without a push queue to item.sold: {time.time() - began:.1f} s (goal 60)")


async def main() -> None:
    """Every figure once."""
    await one_by_one()
    await all_at_once(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
    await without_queue()


if __name__ == "__main__":
    asyncio.run(main())
