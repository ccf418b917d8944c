"""An ERP's first import through a real daemon, by a client that knows only the public protocol.

Run it with `python -m tests.bench.import_erp [items] [PUTs a second]`: so many items by batch and as many by PUT, at the
documented rates unless another is given (the daemon's limit is then raised too). Prints time and memory, and compares
what the list shows with what was sent. tests/test_import.py runs a small one.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
from yarl import URL

from rheod.sandbox.demo_daemon import DemoDaemon
from tests.bench.loop import resident_mb

ITEMS = "/integration/v1/items"
RATES = {"batch": 2.0, "put": 10.0, "get": 30.0}
"""Requests a second that the protocol allows."""

BATCH = 500
AT_ONCE = 8
PARTS = 19
"""Parts of each vehicle: batches of whole vehicles are multiples of 20."""

Item = dict[str, Any]
Address = Callable[[], Awaitable[str]]


class RefusedByServer(Exception):
    """An answer that is neither good nor worth another try."""


@dataclass
class Pace:
    """Lets calls through at a steady rate."""

    per_s: float
    next_at: float = 0.0

    async def turn(self) -> None:
        """Wait for the next turn."""
        now = time.monotonic()
        self.next_at = max(now, self.next_at + 1 / self.per_s)
        await asyncio.sleep(self.next_at - now)


@dataclass
class Client:
    """The protocol as a partner writes it: paces itself, asks again on 429, 5xx and no answer, on every verb.

    `address` tells the base URL; it may change when the daemon starts anew.
    """

    session: aiohttp.ClientSession
    address: Address
    rates: Mapping[str, float]
    again: Counter[int] = field(default_factory=Counter)
    _paces: dict[str, Pace] = field(default_factory=dict)

    async def call(self, kind: str, method: str, path: str, body: Any = None) -> Any:
        """The answer to a call, however often it takes; `kind` is whose rate it goes by."""
        pace = self._paces.setdefault(kind, Pace(self.rates[kind]))
        while True:
            await pace.turn()
            try:
                url = URL(await self.address() + path, encoded=True)
                async with self.session.request(method, url, json=body) as response:
                    if response.status < 400:
                        return await response.json()
                    if response.status != 429 and response.status < 500:
                        raise RefusedByServer(f"{method} {path}: {response.status} {await response.text()}")
                    wait_s = int(response.headers.get("Retry-After", "1"))  # whole seconds, never a date
                    self.again[response.status] += 1
            except (aiohttp.ClientError, TimeoutError):
                self.again[0] += 1
                wait_s = 0
            await asyncio.sleep(wait_s)

    async def put(self, item: Item) -> None:
        """One item by PUT."""
        body = {name: value for name, value in item.items() if name != "externalId"}
        await self.call("put", "PUT", f"{ITEMS}/{quote(item['externalId'], safe='')}", body)

    async def put_batch(self, items: list[Item]) -> None:
        """Many items by batch; all must be taken."""
        answer = await self.call("batch", "POST", f"{ITEMS}/batch", {"items": items})
        if answer["rejected"] or answer["accepted"] != len(items):
            raise RefusedByServer(f"a batch was not taken whole: {answer['errors'][:3]}")

    async def walk(self, query: str = "limit=1000") -> AsyncIterator[Item]:
        """Every item of the list, page by page."""
        cursor: str | None = ""
        while cursor is not None:
            page = await self.call("get", "GET", f"{ITEMS}?{query}" + (f"&cursor={cursor}" if cursor else ""))
            for item in page["items"]:
                yield item
            cursor = page["nextCursor"]


def stock(name: str, count: int) -> list[Item]:
    """So many items: vehicles, each after most of its parts, with ids as odd as ids may be."""
    items: list[Item] = []
    while len(items) < count:
        vehicle = f"{name}/VIN {len(items)}"
        parts = [part(f"{name}/Del {len(items) + n} å%", vehicle) for n in range(PARTS)]
        container = {"externalId": vehicle, "type": "container", "title": "Volvo XC90 2018"}
        items += [*parts[:-2], container, *parts[-2:]]
    kept = items[:count]
    vehicles = {item["externalId"] for item in kept if item.get("type") == "container"}
    for item in kept:
        if item.get("parentExternalId") not in vehicles:
            item.pop("parentExternalId", None)
    return kept


def part(external_id: str, vehicle: str) -> Item:
    """A part with about as much to say as an ERP sends."""
    number = sum(map(ord, external_id))
    return {
        "externalId": external_id,
        "title": f"Dörr vänster fram {external_id}",
        "description": "Fin dörr utan rost, lackskada på kanten. " * 8,
        "price": 100 + number / 4,
        "parentExternalId": vehicle,
        "metadata": {"shelf": f"B{number % 40}", "yard": "Nord"},
        "domain": {
            "domain": "bildelar",
            "part": {"name": "Dörr", "oemNumber": f"OEM{number}", "catalogCodes": {"Fenix": f"7-{number}"}},
            "vehicle": {"manufacturer": "Volvo", "model": "XC90", "year": 2018, "vehicleType": "Bil"},
        },
    }


async def import_by_batch(client: Client, items: list[Item], *, size: int = BATCH) -> None:
    """Batch after batch, in order."""
    for start in range(0, len(items), size):
        await client.put_batch(items[start : start + size])


async def import_by_put(client: Client, items: list[Item]) -> None:
    """Several at once; the vehicles first, since a part's vehicle must be there."""
    for wanted in (True, False):
        waiting = iter([item for item in items if (item.get("type") == "container") is wanted])
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(_put_each(client, waiting))


async def _put_each(client: Client, items: Iterable[Item]) -> None:
    for item in items:
        await client.put(item)


@dataclass(frozen=True)
class Compared:
    """What the list shows against what was sent: ids, and whether the walk went forward in time all the way."""

    shown: list[str]
    lost: set[str]
    doubled: set[str]
    strange: set[str]
    different: set[str]
    misordered: int


async def compare(client: Client, sent: list[Item]) -> Compared:
    """Walk the whole list and compare."""
    expected = {item["externalId"]: item for item in sent}
    shown = [item async for item in client.walk()]
    ids = [item["externalId"] for item in shown]
    times = [item["updatedAt"] for item in shown]
    return Compared(
        shown=ids,
        lost=expected.keys() - set(ids),
        doubled={name for name, count in Counter(ids).items() if count > 1},
        strange=set(ids) - expected.keys(),
        different={
            item["externalId"] for item in shown if _differs(item, expected.get(item["externalId"], {}))
        },
        misordered=sum(later < earlier for earlier, later in pairwise(times)),
    )


def _differs(shown: Item, sent: Item) -> bool:
    same = ("title", "price", "parentExternalId")
    return any(shown[name] != sent.get(name) for name in same) or shown["metadata"] != sent.get(
        "metadata", {}
    )


@asynccontextmanager
async def connected(daemon: DemoDaemon, rates: Mapping[str, float] = RATES) -> AsyncIterator[Client]:
    """A client with a key for a daemon that runs."""
    key = await daemon.ask_admin("POST", "/keys", {"name": "erp"})
    async with aiohttp.ClientSession(
        headers={"x-api-key": key["apiKey"]}, timeout=aiohttp.ClientTimeout(total=60)
    ) as session:
        yield Client(session, daemon.address, rates)


async def main() -> None:
    """Import by batch, then by PUT, each into a daemon of its own."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    per_s = float(sys.argv[2]) if len(sys.argv) > 2 else RATES["put"]
    for name, how in (("batch", import_by_batch), ("PUT", import_by_put)):
        with tempfile.TemporaryDirectory() as folder:
            limit = {"RHEOD_LIMITS__PUT_PER_S": str(round(per_s))}
            daemon = DemoDaemon(folder=Path(folder), settings=limit)
            async with daemon.running(), connected(daemon, {**RATES, "put": per_s}) as client:
                assert daemon.pid is not None
                idle_mb = resident_mb(daemon.pid)
                items = stock(name, count)
                began = time.perf_counter()
                await how(client, items)
                spent = time.perf_counter() - began
                found = await compare(client, items)
                print(
                    f"{count} by {name}: {spent:.1f} s, {count / spent:.0f} items/s, asked again {dict(client.again)},"
                    f" memory {idle_mb:.0f} MB idle, {resident_mb(daemon.pid):.0f} MB after, {peak_mb(daemon.pid):.0f} MB"
                    f" at most; lost {len(found.lost)}, doubled {len(found.doubled)}, strange {len(found.strange)},"
                    f" different {len(found.different)}, misordered {found.misordered}"
                )


def peak_mb(pid: int) -> float:
    """The most resident memory a process has had, in MB."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    asyncio.run(main())
