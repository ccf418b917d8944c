"""What runs without a key: health, readiness, the hosted pictures, and `/metrics` for Prometheus.

Shows nothing of items, keys or settings. Who may not read the metrics gets what a path that does not exist gets.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from aiohttp import hdrs, web
from pydantic import Field

from rheod.api.authenticator import full_address, is_within
from rheod.api.routing import Operation, Reply, refusal, reply
from rheod.domain.errors import Permanent, Refused, Text, Transient
from rheod.domain.pictures import THUMBNAIL_SIDES, hosted_of

if TYPE_CHECKING:
    from rheod.api.context import Condition


class AccountCounts(Reply):
    """How many accounts there are in each state; which they are only the owner is told, by `rheod status`."""

    selling: Annotated[int, Field(description="Accounts that can publish.")] = 0
    waiting: Annotated[int, Field(description="Accounts that wait for credentials.")] = 0
    paused: Annotated[int, Field(description="Accounts whose calls rest.")] = 0
    removed: Annotated[int, Field(description="Accounts that are not in the settings any more.")] = 0


class HealthReply(Reply):
    """The process answers and its database does."""

    status: Annotated[Literal["ok"], Field(description="Always `ok`.")] = "ok"
    accounts: Annotated[AccountCounts, Field(description="How many accounts there are in each state.")]


class ReadyReply(Reply):
    """Migrated, every loop lives, and the store can be written."""

    status: Annotated[Literal["ready"], Field(description="Always `ready`.")] = "ready"
    accounts: Annotated[AccountCounts, Field(description="How many accounts there are in each state.")]


HEALTH_TIMEOUT_S = 5.0
HEALTH_KEPT_S = 1.0
"""One look at the database answers every health call of this time: a flood of them costs one query a second."""

UNHEALTHY_RETRY_S = 5

_CONTENT_ADDRESS = re.compile(
    rf"([0-9a-f]{{2}})/\1[0-9a-f]{{62}}(?:\.jpg|\.({'|'.join(map(str, THUMBNAIL_SIDES))})\.webp)", re.ASCII
)
"""As pictures are stored: the SHA-256 of the JPEG under its first two digits, or a small copy. Nothing else is ever served."""

_PICTURE_HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'",
}


_PARTS_OF_A_PICTURE = {
    302: "The hosted picture: its small copy (`.160.webp`, `.640.webp`) cannot be made now.",
    206: "The part that `Range` asks for.",
    304: "It is the one you have (`If-None-Match`, `If-Modified-Since`).",
    412: "A condition of the request (`If-Match`, `If-Unmodified-Since`) does not hold.",
    416: "The picture has no such part.",
}


class Health:
    """Whether the database answers, or can be written: asked at most once a second."""

    def __init__(self, *, ask: Callable[[], Awaitable[str | None]], monotonic: Callable[[], float]) -> None:
        self._ask = ask
        self._monotonic = monotonic
        self._asking = asyncio.Lock()
        self._verdict: tuple[float, str | None] | None = None

    async def problem(self) -> str | None:
        """None when all is well, else the sentence that says what is wrong."""
        async with self._asking:
            now = self._monotonic()
            if self._verdict is None or now - self._verdict[0] >= HEALTH_KEPT_S:
                self._verdict = (now, await self._asked())
            return self._verdict[1]

    async def _asked(self) -> str | None:
        try:
            async with asyncio.timeout(HEALTH_TIMEOUT_S):
                return await self._ask()
        except TimeoutError:
            return f"The database did not answer within {HEALTH_TIMEOUT_S:g} seconds"


class OperatorCalls:
    """Handlers of `/healthz`, `/readyz` and `/images/`."""

    def __init__(self, *, parts: Condition) -> None:
        self._parts = parts
        self._health = Health(ask=parts.health, monotonic=parts.monotonic)
        self._writable = Health(ask=parts.writable, monotonic=parts.monotonic)

    async def healthz(self, _request: web.Request) -> web.Response:
        """Say whether the process and its database answer."""
        problem = await self._health.problem()
        return _unavailable(problem) if problem else reply(200, HealthReply(accounts=self._accounts()))

    async def readyz(self, _request: web.Request) -> web.Response:
        """Say whether rheod is migrated, every loop lives and the store can be written; else 503 with the words."""
        missing = ["stopping"] if self._parts.stopping() else list(self._parts.readiness())
        if problem := "; ".join(missing) or await self._writable.problem():
            return _unavailable(problem)
        return reply(200, ReadyReply(accounts=self._accounts()))

    def _accounts(self) -> AccountCounts:
        return AccountCounts(**self._parts.account_states())

    async def image(self, request: web.Request) -> web.StreamResponse:
        """Send a hosted picture by its content address; it can never change, so it may be kept for ever.

        A small copy for pages is the same address with `.160.webp` or `.640.webp` in place of `.jpg`.
        """
        name = "{folder}/{file}".format(**request.match_info)
        address = _CONTENT_ADDRESS.fullmatch(name)
        if not address:
            raise Refused("NOT_FOUND", Text("No such picture"))
        _check_dates(request)
        side, hosted = address[2], hosted_of(name)
        if not await asyncio.to_thread(_can_be_read, self._parts.image_folder / name):
            if side is None or not await asyncio.to_thread(_can_be_read, self._parts.image_folder / hosted):
                raise Refused("NOT_FOUND", Text("No such picture"))
            try:
                await self._parts.make_thumbnail(hosted, int(side))
            except (Transient, Permanent):
                # A page shows the large one rather than none.
                headers = {"Location": hosted.rpartition("/")[2], "Cache-Control": "no-store"}
                return web.Response(status=302, headers=headers)
        kind = {"Content-Type": "image/jpeg" if side is None else "image/webp"}
        return web.FileResponse(self._parts.image_folder / name, headers=_PICTURE_HEADERS | kind)


def operations(parts: Condition) -> list[Operation]:
    """What anybody may call, and what Prometheus calls."""
    calls = OperatorCalls(parts=parts)
    return [
        Operation("GET", "/healthz", calls.healthz, access="open", tag="Health", answer=HealthReply),
        Operation("GET", "/readyz", calls.readyz, access="open", tag="Health", answer=ReadyReply),
        Operation(
            "GET",
            "/images/{folder}/{file}",
            calls.image,
            access="open",
            tag="Pictures",
            media_type="image/jpeg",
            refusals=("NOT_FOUND",),
            besides=_PARTS_OF_A_PICTURE,
        ),
        Operation(
            "GET",
            "/metrics",
            MetricsCalls(parts=parts).scrape,
            access="open",
            tag="Health",
            media_type="text/plain",
            refusals=("NOT_FOUND",),
        ),
    ]


def _check_dates(request: web.Request) -> None:
    """Refused for a date that aiohttp, when it sends the file, would break the connection over."""
    try:
        _ = request.if_modified_since, request.if_unmodified_since, request.if_range
    except OverflowError as error:
        raise Refused("BAD_REQUEST", Text("A date in the headers is none")) from error


def _can_be_read(file: Path) -> bool:
    """Whether the file is there; Transient when the machine cannot say, which must not look like a missing one."""
    try:
        with file.open("rb"):
            return True
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return False
    except OSError as error:
        raise Transient(Text("A picture cannot be read: {why}", why=error.strerror)) from error


def _unavailable(sentence: str) -> web.Response:
    return refusal("UNAVAILABLE", sentence, retry_after_s=UNHEALTHY_RETRY_S)


KEPT_S = 1.0
TIMEOUT_S = 5.0
MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Prometheus's text format, which every scraper reads."""

_LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
_OF_PROXIES = ("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Forwarded", "Via")
"""Whoever sends one of these is a proxy: it may stand on this machine, its client does not."""


class MetricsCalls:
    """Handler of `/metrics`."""

    def __init__(self, *, parts: Condition) -> None:
        self._parts = parts
        self._proxies = [ipaddress.ip_network(each, strict=False) for each in parts.trusted_proxies]
        self._allowed = [ipaddress.ip_network(each, strict=False) for each in parts.metrics_allow]
        self._gathering = asyncio.Lock()
        self._kept: tuple[float, bytes] | None = None

    async def scrape(self, request: web.Request) -> web.Response:
        """Send the figures for Prometheus; only this machine and `metrics.allow` may read them."""
        peer, forwarded = request.remote or "", request.headers.getall("X-Forwarded-For", ())
        is_ours = is_within(peer, _LOOPBACK) and not any(name in request.headers for name in _OF_PROXIES)
        if not is_ours and not is_within(full_address(peer, forwarded, self._proxies), self._allowed):
            raise Refused("NOT_FOUND", Text("There is nothing at this path"))
        try:
            async with self._gathering, asyncio.timeout(TIMEOUT_S):
                now = self._parts.monotonic()
                if self._kept is None or now - self._kept[0] >= KEPT_S:
                    self._kept = (now, await self._parts.metrics())
                figures = self._kept[1]
        except TimeoutError as error:
            raise Transient(
                Text("The figures were not there within {seconds} seconds", seconds=f"{TIMEOUT_S:g}")
            ) from error
        headers = {hdrs.CONTENT_TYPE: MEDIA_TYPE, hdrs.CACHE_CONTROL: "no-store"}
        return web.Response(body=figures, headers=headers)
