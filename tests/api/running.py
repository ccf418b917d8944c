"""A running API for tests: the real catalogue, key ring and store in a temporary folder, and a client of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
from yarl import URL

from rheod.api.context import ApiContext, Rates
from rheod.domain.budget import Allowance
from rheod.store import accounts
from rheod.store.access import KeyRing
from rheod.store.engine.database import Database
from rheod.tradera.budgeted_client import BudgetRules
from rheod.tradera.dry_run import DryRun
from rheod.tradera.publisher import PublishOptions
from rheod.usecases.endpoints import Endpoints, EventFeed
from rheod.usecases.figures import Figures
from rheod.usecases.inventory import Inventory
from rheod.usecases.items import BudgetForecast, Items
from rheod.usecases.publish import AskSchedule
from rheod.usecases.put_item import BatchPut
from rheod.usecases.sales import Shipments
from rheod.usecases.transaction import Store
from rheod.web import reference_view
from tests.tradera.advertising import DEFAULTS

NOW_MS = 1_779_789_600_000
"""2026-05-26T10:00:00Z."""

FAST = Rates(
    put=1000,
    price=1000,
    status=1000,
    get=1000,
    delete=1000,
    batch=1000,
    categories=1000,
    tracking=1000,
    strangers=1000,
)


@dataclass
class Clock:
    """Time as a test wants it: seconds that move only when told."""

    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


@dataclass(frozen=True)
class Reply:
    """An answer as it came over the socket."""

    status: int
    headers: Any
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    @property
    def code(self) -> str:
        return str(self.body["code"])

    @property
    def fields(self) -> dict[str, str]:
        return {one["field"]: one["message"] for one in self.body["details"]}


@dataclass(kw_only=True)
class Api:
    """A running API and a client of it that has a key and the admin token."""

    parts: ApiContext
    port: int
    key: str
    admin: str
    database: Database
    clock: Clock
    member: str
    session: aiohttp.ClientSession

    async def call(self, method: str, path: str, body: Any = None, **options: Any) -> Reply:
        """Send as a partner; `headers` are added, those given as None are left out; `data` is sent as it is."""
        return await self._send(method, path, body, {"x-api-key": self.key}, options)

    async def own(self, method: str, path: str, body: Any = None, **options: Any) -> Reply:
        """Send as the owner."""
        return await self._send(method, path, body, {"Authorization": f"Bearer {self.admin}"}, options)

    async def _send(
        self, method: str, path: str, body: Any, headers: dict[str, Any], options: dict[str, Any]
    ) -> Reply:
        data = options.get("data", None if body is None else json.dumps(body).encode())
        if data is not None:
            headers["Content-Type"] = "application/json"
        headers |= options.get("headers", {})
        sent = {name: value for name, value in headers.items() if value is not None}
        url = URL(f"http://127.0.0.1:{self.port}{path}", encoded=True)
        skip = ("Content-Type",)
        async with self.session.request(
            method, url, data=data, headers=sent, skip_auto_headers=skip, allow_redirects=False
        ) as response:
            return Reply(response.status, response.headers, await response.read())

    async def raw(self, request: bytes, *, deadline_s: float = 5) -> bytes:
        """Write bytes to a fresh connection and read until the server closes it, or the first answer is whole."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            async with asyncio.timeout(deadline_s):
                writer.write(request)
                await writer.drain()
                return await _first_answer(reader)
        finally:
            writer.close()


async def _first_answer(reader: asyncio.StreamReader) -> bytes:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        return error.partial
    except ConnectionResetError:
        return b""
    length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return head + await reader.readexactly(int(length[0].split(b":")[1])) if length else head


OpenApi = Callable[..., Awaitable[Api]]


async def nothing_wrong() -> str | None:
    """A database that answers."""
    return None


def https_only(url: str) -> str | None:
    """Stands for the URL policy of the clients: its rules are shown by their own tests."""
    return None if url.startswith("https://") else "Must be an HTTPS URL"


@asynccontextmanager
async def opened_store(folder: Path) -> AsyncIterator[Database]:
    """A store with its writer running."""
    database = await Database.open(folder)
    writer = asyncio.create_task(database.run())
    try:
        yield database
    finally:
        database.stop()
        await writer
        await database.close()


def _rehearser(store: Store, catalog: Items) -> DryRun:
    """Plays publishings through with ordinary settings."""
    allowance = Allowance(limit=100, reserve_share=0.2, reconcile_share=0.4)
    options = PublishOptions(
        defaults=DEFAULTS,
        images_dir=Path("images"),
        max_images=8,
        image_format=0,
        has_mega=False,
        in_doubt="resend",
        schedule=AskSchedule(first_ask_ms=10_000),
    )
    return DryRun(
        store=store,
        catalog=catalog,
        forecast=lambda _account: BudgetForecast(calls=[], ceiling=80),
        options=options,
        rules=BudgetRules(allowance=allowance, per_operation={}),
        base_url="https://api.tradera.example/v4",
    )


async def made_parts(database: Database, folder: Path, clock: Clock) -> tuple[ApiContext, str]:
    """The parts over a store, and the id of a member account with the reference `member-1`."""
    ids = await database.write(lambda db: accounts.ensure(db, ["", "member-1", "member-2"], now=NOW_MS))
    store = Store(database=database, now=lambda: NOW_MS, rng=Random(7), wake=lambda _queue: None)
    catalog = Items(
        store=store,
        forecast=lambda _account: BudgetForecast(calls=[], ceiling=80),
    )
    endpoints = Endpoints(store=store, new_secret=lambda: "whsec_dGVzdC1zZWNyZXQ=")
    parts = ApiContext(
        catalog=catalog,
        inventory=Inventory(store=store, site_url="https://tradera.example"),
        batches=BatchPut(store=store),
        endpoints=endpoints,
        shipping=Shipments(store=store),
        figures=Figures(store=store, fee_percent=0),
        feed=EventFeed(store=store, endpoints=endpoints),
        rehearse=_rehearser(store, catalog).rehearse,
        keys=await KeyRing.load(database, now=lambda: NOW_MS),
        default_account=ids[""],
        account_of_reference={name: ids[name] for name in ("member-1", "member-2")}.get,
        check_image_url=https_only,
        check_webhook_url=https_only,
        image_folder=folder / "images",
        public_url="https://parts.example",
        health=nothing_wrong,
        readiness=lambda: (),
        stopping=lambda: False,
        now=lambda: NOW_MS,
        monotonic=clock,
        rng=Random(11),
        reference_page=reference_view.render,
        rates=FAST,
    )
    return parts, ids["member-1"]
