"""A running API for tests: the real catalogue, key ring and store in a temporary folder, and a client of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
from pydantic import SecretStr
from yarl import URL

from rheod.api.context import ApiContext, Rates
from rheod.compose.build import Rheod, build
from rheod.compose.remotes import Remotes
from rheod.config.sections import AccountSettings, Server, Storage
from rheod.config.selling import Tradera
from rheod.config.settings import Settings
from rheod.domain.errors import Refused, Text
from rheod.pictures.decoder import Decoder, Sides
from rheod.pictures.folder import Uploads
from rheod.store.ads import Bids
from rheod.store.engine.database import Database
from tests.stores import Clock as Milliseconds

NOW_MS = 1_779_789_600_000
"""2026-05-26T10:00:00Z."""

_TOKEN = SecretStr("test-user-token")
TRADERA = Tradera(
    base_url="https://api.tradera.example/v4",
    app_id=1,
    app_key=SecretStr("test-key"),
    user_id=3,
    user_token=_TOKEN,
)

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


async def no_bids(_account_id: str, external_id: str) -> Bids:
    """An ad that nobody has bid on, wherever one is asked for: Tradera is not called."""
    if not external_id.isprintable():
        raise Refused("CONFLICT", Text("It has no ad that is up"))
    return Bids(0, None, NOW_MS)


def one_decoder() -> Decoder:
    """A decoder with the limits of the settings' defaults; it starts with the first picture, and is to be closed."""
    return Decoder(processes=1, max_pixels=60_000_000, sides=Sides(least_long=400, least_short=100))


async def made_parts(
    database: Database, folder: Path, clock: Clock, decoder: Decoder | None = None
) -> tuple[ApiContext, str]:
    """The parts that `made` gives, and the id of a member account with the reference `member-1`."""
    rheod, parts = await made(database, folder, clock, decoder)
    return parts, rheod.core.accounts["member-1"]


async def made(
    database: Database, folder: Path, clock: Clock, decoder: Decoder | None = None, **tables: Any
) -> tuple[Rheod, ApiContext]:
    """What compose makes over a store, and the API's parts of it; `tables` are the settings' own.

    Calls are not limited, addresses need no DNS, and nothing is sent to anybody. Pictures are taken by `decoder`.
    """
    standard: dict[str, Any] = {
        "storage": Storage(path=folder, least_free_bytes=0),
        "server": Server(public_url="https://parts.example"),
        "accounts": tuple(
            AccountSettings(reference=f"member-{number}", user_id=number, user_token=_TOKEN)
            for number in (1, 2)
        ),
        "tradera": TRADERA,
    }
    settings = Settings(**(standard | tables))
    rheod = await build(settings, database, clock=Milliseconds(), rng=Random(7), remotes=Remotes())
    await rheod.clients.aclose()
    rheod.core.life.ready = True
    parts = replace(
        rheod.handlers.api(),
        check_image_url=https_only,
        check_webhook_url=https_only,
        test_events=None,
        look_at_ad=no_bids,
        monotonic=clock,
        rates=FAST,
    )
    if decoder is not None:
        uploads = Uploads(store=rheod.core.store, decoder=decoder, pictures_dir=rheod.core.images_dir)
        parts = replace(parts, uploads=uploads)
    return rheod, parts
