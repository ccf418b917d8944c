"""The API's calls against a bare aiohttp handler that parses the same JSON and answers the same: the rate of each.

The daemon, the bare server and the load are three processes; the load takes turns between the two servers, with 64
connections that each ask again as soon as they are answered. The items have no pictures: fetching them is a bench of
its own. Run alone (`python -m tests.bench calls`) or with the others.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rheod.sandbox.demo_daemon import DemoDaemon
from tests.bench import bare, load
from tests.bench.table import Row

CONNECTIONS = 64
REQUESTS = 3_000
BATCHES = 30
BATCH = 100
"""Items in one call of the batch, which 4 connections send at a time."""

SETTINGS = {
    "RHEOD_LIMITS__PUT_PER_S": "10000",
    "RHEOD_LIMITS__GET_PER_S": "10000",
    "RHEOD_LIMITS__BATCH_PER_S": "10000",
    "RHEOD_LOG__LEVEL": "info",
}

ITEM = {
    "title": "Dörr vänster fram Volvo V70",
    "description": "Begagnad dörr i gott skick, liten repa vid handtaget. Passar årsmodell 2008-2013. " * 3,
    "price": 950,
    "shippingCost": 149,
    "weightKg": 18.5,
    "domain": {
        "domain": "auto_parts",
        "vehicle": {"manufacturer": "Volvo", "model": "V70", "year": 2011, "vehicleType": "Bil"},
        "part": {"name": "Dörr vänster fram", "oemNumber": "31335502"},
    },
    "metadata": {"shelf": "A-12-3", "warehouse": "Norr"},
    "autoPublishTradera": False,
    "tradera": {"categoryId": 302571, "condition": "used"},
}


@dataclass(kw_only=True)
class Call:
    """A call to measure: how the requests of a round are made, and how both servers answered for it."""

    name: str
    make: Callable[[int], list[tuple[str, str, bytes]]]
    least: float | None
    connections: int = CONNECTIONS
    ours: list[float] = field(default_factory=list)
    floor: list[float] = field(default_factory=list)


def body_of(number: int, **changes: Any) -> bytes:
    """The item as an ERP sends it."""
    return json.dumps({**ITEM, "externalReference": f"ref-{number}", **changes}, ensure_ascii=False).encode()


def _new(start: int) -> list[tuple[str, str, bytes]]:
    return [
        ("PUT", f"/integration/v1/items/ERP-{start + number}", body_of(start + number))
        for number in range(REQUESTS)
    ]


def _changed(start: int) -> list[tuple[str, str, bytes]]:
    return [
        ("PUT", f"/integration/v1/items/ERP-{start + number}", body_of(start + number, price=1000))
        for number in range(REQUESTS)
    ]


def _gets(_start: int) -> list[tuple[str, str, bytes]]:
    return [("GET", f"/integration/v1/items/ERP-{number}", b"") for number in range(REQUESTS)]


def _ready(_start: int) -> list[tuple[str, str, bytes]]:
    """What a call costs before anything is done for it: the connection, the request's id, the checks of its framing."""
    return [("GET", "/readyz", b"")] * REQUESTS


def _lists(_start: int) -> list[tuple[str, str, bytes]]:
    return [("GET", "/integration/v1/items?limit=50", b"")] * (REQUESTS // 5)


def _batches(start: int) -> list[tuple[str, str, bytes]]:
    return [("POST", "/integration/v1/items/batch", _batch(start + part * BATCH)) for part in range(BATCHES)]


def _batch(start: int) -> bytes:
    lines = [{**ITEM, "externalId": f"B-{start + number}"} for number in range(BATCH)]
    return json.dumps({"items": lines}, ensure_ascii=False).encode()


async def rows(rounds: int) -> list[Row]:
    """PUT, GET, list and batch."""
    calls = [
        Call(name="PUT, new item", make=_new, least=0.33),
        Call(name="PUT, the same again", make=_new, least=0.33),
        Call(name="PUT, changed price", make=_changed, least=0.33),
        Call(name="GET, one item", make=_gets, least=0.5),
        Call(name="GET, nothing read (/readyz)", make=_ready, least=None),
        Call(name="GET, list of 50", make=_lists, least=None, connections=16),
        Call(name=f"POST, batch of {BATCH}", make=_batches, least=None, connections=4),
    ]
    async with _daemon() as daemon:
        address = await daemon.address()
        await load.run(address, _wire(daemon, _new(0)), connections=CONNECTIONS)
        async with bare.running(await _examples(daemon, calls)) as floor:
            for number in range(1, rounds + 1):
                for call in calls:
                    asked = call.make(number * REQUESTS)
                    ours = await load.run(address, _wire(daemon, asked), connections=call.connections)
                    assert ours.statuses <= {200, 202}, (call.name, ours.statuses)
                    call.ours.append(ours.per_s)
                    bare_ones = [
                        (method, f"/{calls.index(call)}{path}", body) for method, path, body in asked
                    ]
                    theirs = await load.run(floor, _wire(daemon, bare_ones), connections=call.connections)
                    call.floor.append(theirs.per_s)
    return [
        Row(name=call.name, tx="/s", ours=call.ours, floor=call.floor, least=call.least) for call in calls
    ]


@asynccontextmanager
async def _daemon() -> AsyncIterator[DemoDaemon]:
    with tempfile.TemporaryDirectory() as folder:
        daemon = DemoDaemon(folder=Path(folder), settings=SETTINGS)
        async with daemon.running():
            key = await daemon.ask_admin("POST", "/keys", {"name": "bench"})
            daemon.headers = {"x-api-key": key["apiKey"]}
            yield daemon


def _wire(daemon: DemoDaemon, asked: list[tuple[str, str, bytes]]) -> list[bytes]:
    return [load.request(method, path, headers=daemon.headers, body=body) for method, path, body in asked]


async def _examples(daemon: DemoDaemon, calls: list[Call]) -> dict[str, Any]:
    """What the daemon answers to the first request of each call: the bare server answers the same."""
    return {
        str(place): await daemon.call(method, path, json.loads(body) if body else None)
        for place, (method, path, body) in enumerate(call.make(0)[0] for call in calls)
    }
