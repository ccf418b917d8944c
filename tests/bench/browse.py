"""How long looking through a large inventory takes: every list, summary and history over HTTP, with the query plans.

Run it with `python -m tests.bench.browse [items]` (200,000 without). Prints figures, asserts nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp

from rheod.sandbox.demo_daemon import DemoDaemon
from rheod.store import search
from rheod.store.search import ItemFilter
from tests.bench.loop import percentile, resident_mb

ITEMS = "/integration/v1/items"
DASHBOARD = "/dashboard/items"
CHILDREN = 100
LARGE = 5000
"""Items of an ordinary container, and of the one large one."""

REPEATS = 100
STATUSES = (
    "active",
    "active",
    "active",
    "active",
    "active",
    "sold",
    "sold",
    "draft",
    "not_listed",
    "archived",
)
T0 = 1_779_789_600_000
QUICK = {"RHEOD_LIMITS__GET_PER_S": "10000"}


def container_of(number: int) -> str:
    """The container an item is in."""
    return "VIN-large" if number < LARGE else f"VIN-{number // CHILDREN}"


def spec_of(number: int) -> str:
    """What else an item's row holds, about as much as an ERP sends."""
    part = {
        "name": "Dörr vänster fram",
        "oemNumber": f"OEM{number}",
        "catalogCodes": {"Fenix": f"7-{number}"},
    }
    vehicle = {"manufacturer": "Volvo", "model": "XC90", "year": 2018, "vehicleType": "Bil"}
    return json.dumps(
        {
            "description": "Fin dörr utan rost, lackskada på kanten. " * 6,
            "shipping_strategy": "integrated",
            "image_urls": [f"https://cdn.example.com/{number}-{k}.jpg" for k in range(3)],
            "domain": "auto_parts",
            "attributes": {"part": part, "vehicle": vehicle},
            "metadata": {"shelf": f"B{number % 40}", "yard": "Nord", "weightClass": number % 7},
        },
        ensure_ascii=False,
    )


def fill(file: Path, count: int) -> None:
    """Put so many items with codes, ads and two milestones each into a store."""
    with closing(sqlite3.connect(file)) as db, db:
        account = db.execute("SELECT id FROM accounts WHERE reference = ''").fetchone()[0]
        parents = sorted({container_of(number) for number in range(count)})
        db.executemany(
            "INSERT INTO items (id, account_id, external_id, type, title, rheo_status, version, spec, created_at,"
            " updated_at) VALUES (?, ?, ?, 'container', 'Volvo XC90', 'active', 1, '{}', ?, ?)",
            [(f"c-{name}", account, name, T0, T0) for name in parents],
        )
        db.executemany(
            "INSERT INTO items (id, account_id, external_id, type, title, price_ore, parent_external_id, rheo_status,"
            " version, spec, created_at, updated_at) VALUES (?, ?, ?, 'item', ?, 95000, ?, ?, 1, ?, ?, ?)",
            item_rows(account, count),
        )
        db.execute(
            "INSERT INTO item_words (rowid, title, marks) SELECT number, title, external_id FROM items"
        )
        db.executemany(
            "INSERT INTO item_codes VALUES (?, ?, ?, ?)",
            (
                (account, *code, f"{number:08}-item")
                for number in range(count)
                for code in (("Fenix", f"7-{number}"), ("Group", f"{number // 200}"))
            ),
        )
        db.executemany(
            "INSERT INTO listings (id, item_id, account_id, generation, state, item_version, request_id,"
            " tradera_item_id, commit_sent_at, live_at, created_at) VALUES (?, ?, ?, 1, 'live', 1, ?, ?, 1, 1, 1)",
            ((f"l-{n}", f"{n:08}-item", account, n + 1, n + 1) for n in range(0, count, 2)),
        )
        db.executemany(
            "INSERT INTO notices (event_id, account_id, item_id, type, data, created_at) VALUES (?, ?, ?, ?, '{}', ?)",
            (
                (f"{kind}-{number}", account, f"{number:08}-item", kind, T0)
                for number in range(count)
                for kind in ("item.created", "item.images_ready")
            ),
        )


def item_rows(account: str, count: int) -> Iterator[tuple[Any, ...]]:
    """The rows of the items, 500 of them changed in the same millisecond, as a batch writes them."""
    for number in range(count):
        at = T0 + number // 500 * 1000
        status = STATUSES[number % len(STATUSES)]
        yield (
            f"{number:08}-item",
            account,
            f"P-{number}",
            f"Dörr vänster fram {number}",
            container_of(number),
            status,
            spec_of(number),
            at,
            at,
        )


def calls(count: int) -> dict[str, str]:
    """Every call that is measured."""

    def since(share: float) -> str:
        at = T0 + int(count * share) // 500 * 1000
        return "updated_since=" + time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at // 1000))

    parent = container_of(count - 1)
    return {
        "list": ITEMS,
        "list, 1000 a page": f"{ITEMS}?limit=1000",
        "by status": f"{ITEMS}?status=sold",
        "by parent": f"{ITEMS}?parent_external_id={parent}",
        "by large parent and status": f"{ITEMS}?parent_external_id=VIN-large&status=active",
        "changed lately": f"{ITEMS}?{since(0.99)}",
        "changed in the last half": f"{ITEMS}?{since(0.5)}",
        "changed since ever": f"{ITEMS}?{since(0)}",
        "by status, changed since ever": f"{ITEMS}?status=active&{since(0)}",
        "by code": f"{ITEMS}?catalogSystem=Fenix&catalogCode=7-{count // 2}",
        "by a code of 200 items": f"{ITEMS}?catalogSystem=Group&catalogCode=7",
        "children": f"{ITEMS}/{parent}/children",
        f"{LARGE} children, 1000 a page": f"{ITEMS}/VIN-large/children",
        "summary": f"{ITEMS}/{parent}/summary",
        f"summary of {LARGE}": f"{ITEMS}/VIN-large/summary",
        "history": f"{ITEMS}/P-{count // 2}/history",
        "one item": f"{ITEMS}/P-{count // 2}",
        "categories": "/categories",
        "dashboard, all items": DASHBOARD,
        "dashboard, by state at Tradera": f"{DASHBOARD}?show=live",
        "dashboard, what ends first": f"{DASHBOARD}?sort=ends",
        "dashboard, the last page": f"{DASHBOARD}?start={count}",
        "dashboard, by id": f"{DASHBOARD}?q=P-{count // 2}",
        "dashboard, by a common word": f"{DASHBOARD}?q=d%C3%B6rr",
        "dashboard, by four common beginnings": f"{DASHBOARD}?q=d%C3%B6+v%C3%A4+fr+19",
        "dashboard, by a word and a state": f"{DASHBOARD}?q=d%C3%B6rr&show=sold",
        "dashboard, one item": f"{DASHBOARD}/P-{count // 2}",
    }


def cpu_ms(pid: int) -> float:
    """Milliseconds of processor time a process has had: what a loaded machine cannot stretch."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


async def measure(session: aiohttp.ClientSession, url: str) -> list[float]:
    """Milliseconds of each of many calls, one after the other."""
    spent = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        async with session.get(url) as response:
            await response.read()
            assert response.status in {200, 429}, response.status
        spent.append((time.perf_counter() - began) * 1000)
    return spent


async def walk(session: aiohttp.ClientSession, url: str) -> list[float]:
    """Milliseconds of each page of a walk through everything."""
    spent = []
    cursor = ""
    while True:
        began = time.perf_counter()
        async with session.get(f"{url}?limit=1000{cursor}") as response:
            page = await response.json()
        spent.append((time.perf_counter() - began) * 1000)
        if page["nextCursor"] is None:
            return spent
        cursor = f"&cursor={page['nextCursor']}"


def told(name: str, spent: list[float], cpu: float) -> str:
    """One line of the table."""
    return (
        f"{name:34} p50 {percentile(spent, 0.5):7.1f} ms   p95 {percentile(spent, 0.95):7.1f} ms"
        f"   processor {cpu / len(spent):5.1f} ms a call"
    )


def print_plans(file: Path) -> None:
    """How SQLite goes about every kind of page and count."""
    every = {
        "page": ItemFilter(),
        "page by status": ItemFilter(status="sold"),
        "page by parent": ItemFilter(parent_external_id="VIN-7"),
        "page since": ItemFilter(updated_since=T0),
        "page by code": ItemFilter(code=("Fenix", "7-1")),
    }
    with closing(sqlite3.connect(file)) as db:
        db.row_factory = sqlite3.Row
        for name, wanted in every.items():
            seen: list[str] = []
            db.set_trace_callback(seen.append)
            search.inventory_page(db, "a", wanted, limit=100)
            search.count(db, "a", wanted)
            search.figures(db, "a", "VIN-7")
            db.set_trace_callback(None)
            print(f"\n{name}, its count, and a summary")
            for query in seen:
                print(
                    *[f"  {row['detail']}" for row in db.execute(f"EXPLAIN QUERY PLAN {query}")], "", sep="\n"
                )


async def main() -> None:
    """Fill a store, start the daemon on it, ask everything."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rheod.db"
        first = DemoDaemon(folder=Path(folder), settings={})
        async with first.running():
            key = (await first.ask_admin("POST", "/keys", {"name": "bench"}))["apiKey"]
        fill(file, count)
        print(f"{count} items, {file.stat().st_size / 2**20:.0f} MB")
        second = DemoDaemon(folder=Path(folder), settings=QUICK)
        async with second.running():
            address = await second.address()
            assert second.pid is not None
            jar = aiohttp.CookieJar(unsafe=True)
            async with aiohttp.ClientSession(headers={"x-api-key": key}, cookie_jar=jar) as session:
                token = (await second.ask_admin("POST", "/admin-token"))["adminToken"]
                await (await session.post(f"{address}/dashboard/sign-in", data={"secret": token})).read()
                measured = {name: (measure, path) for name, path in calls(count).items()}
                measured["walk of everything, 1000 a page"] = (walk, ITEMS)
                for name, (how, path) in measured.items():
                    before = cpu_ms(second.pid)
                    spent = await how(session, address + path)
                    print(told(name, spent, cpu_ms(second.pid) - before))
            print(f"memory {resident_mb(second.pid):.0f} MB")
        print_plans(file)


if __name__ == "__main__":
    asyncio.run(main())
