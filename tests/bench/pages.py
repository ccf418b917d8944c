"""How long the owner's pages take with 10,000 items and 1,000 orders: each over HTTP, one after the other.

`python -m tests.bench.pages [items] [orders]` prints the median and the slowest of twenty of each page (ms), and its kilobytes. The
goal is 120 ms a page.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import statistics
import sys
import tempfile
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from random import Random

import structlog

from rheod.usecases.transaction import Store
from tests.bench import browse, order_pages
from tests.web.running import pages

GOAL_MS, ROUNDS = 120, 20
PATHS = (
    "/dashboard",
    "/dashboard/items",
    "/dashboard/items?show=live",
    "/dashboard/items?show=sold",
    "/dashboard/items?sort=ends",
    "/dashboard/items?sort=price&view=grid",
    "/dashboard/items?start=5000",
    "/dashboard/items?q=d%C3%B6rr",
    "/dashboard/items?q=B7",
    "/dashboard/items?q=P-77",
    "/dashboard/items/P-77",
    "/dashboard/sales",
    "/dashboard/returns",
    "/dashboard/more",
    "/dashboard/tradera",
    "/dashboard/integration",
    "/dashboard/ads",
    "/dashboard/new",
)


def fill(folder: Path, items: int) -> None:
    """So many items, half of them up; what is sold, failed and waits among them."""
    file = folder / "rheod.db"
    browse.fill(file, items)
    with closing(sqlite3.connect(file)) as db, db:
        db.execute("UPDATE listings SET ends_at = ? + rowid * 60000", (order_pages.NOW_MS,))
        db.execute(
            "UPDATE items SET tradera_status = CASE WHEN rheo_status = 'sold' THEN 'sold' WHEN number % 7 = 0 THEN 'sync_error'"
            " WHEN number % 11 = 0 THEN 'ended' WHEN number % 2 = 0 THEN 'active' END WHERE type = 'item'"
        )


async def measure(items: int, orders: int) -> bool:
    """Print a line for each page; whether all of them hold the goal."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with pages(folder):
            pass  # makes the store and the account
        fill(folder, items)
        holds = True
        async with pages(folder) as (one, admin):
            store = Store(
                database=one.database, now=one.parts.api.now, rng=Random(1), wake=lambda _queue: None
            )
            account = one.parts.api.default_account
            await store.write(partial(order_pages.fill, account_id=account, numbers=range(1, orders + 1)))
            await one.sign_in(admin)
            for path in PATHS:
                spent: list[float] = []
                html = ""
                for _ in range(ROUNDS):
                    began = time.perf_counter()
                    status, html, _ = await one.get(path)
                    spent.append((time.perf_counter() - began) * 1000)
                    assert status == 200, (path, status)
                median = statistics.median(spent)
                holds = holds and median < GOAL_MS
                print(
                    f"{path:40} {median:7.1f} ms   {max(spent):7.1f} ms   {len(html.encode()) / 1000:6.1f} kB"
                )
        return holds


def main() -> int:
    """Measure; 1 when a page takes too long."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    items = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    orders = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000
    return 0 if asyncio.run(measure(items, orders)) else 1


if __name__ == "__main__":
    sys.exit(main())
