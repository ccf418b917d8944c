"""What runs without a key: health, readiness and the hosted pictures. Shows nothing of items, keys or settings."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from rheod.api.answers import refusal
from rheod.api.operation import Operation
from rheod.api.replies import reply
from rheod.api.replies_owner import AccountCounts, HealthReply, ReadyReply
from rheod.domain.errors import Refused, Transient

if TYPE_CHECKING:
    from rheod.api.parts import ApiParts

HEALTH_TIMEOUT_S = 5.0
HEALTH_KEPT_S = 1.0
"""One look at the database answers every health call of this time: a flood of them costs one query a second."""

UNHEALTHY_RETRY_S = 5

_CONTENT_ADDRESS = re.compile(r"([0-9a-f]{2})/\1[0-9a-f]{62}\.jpg", re.ASCII)
"""As pictures are stored: the SHA-256 of the JPEG under its first two digits. Nothing else is ever served."""

_PICTURE_HEADERS = {
    "Content-Type": "image/jpeg",
    "Cache-Control": "public, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'",
}


_PARTS_OF_A_PICTURE = {
    206: "The part that `Range` asks for.",
    304: "It is the one you have (`If-None-Match`, `If-Modified-Since`).",
    412: "A condition of the request (`If-Match`, `If-Unmodified-Since`) does not hold.",
    416: "The picture has no such part.",
}


class Health:
    """Whether the database answers, asked at most once a second."""

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

    def __init__(self, *, parts: ApiParts) -> None:
        self._parts = parts
        self._health = Health(ask=parts.health, monotonic=parts.monotonic)

    async def healthz(self, _request: web.Request) -> web.Response:
        """Say whether the process and its database answer."""
        problem = await self._health.problem()
        return _unavailable(problem) if problem else reply(200, HealthReply(accounts=self._accounts()))

    async def readyz(self, _request: web.Request) -> web.Response:
        """Say whether rheod is migrated and every loop lives; else 503 with the words for what is not so."""
        missing = ["stopping"] if self._parts.stopping() else list(self._parts.readiness())
        if missing:
            return _unavailable("; ".join(missing))
        return reply(200, ReadyReply(accounts=self._accounts()))

    def _accounts(self) -> AccountCounts:
        return AccountCounts(**self._parts.account_states())

    async def image(self, request: web.Request) -> web.StreamResponse:
        """Send a hosted picture by its content address; it can never change, so it may be kept for ever."""
        name = "{folder}/{file}".format(**request.match_info)
        if not _CONTENT_ADDRESS.fullmatch(name):
            raise Refused("NOT_FOUND", "No such picture")
        _check_dates(request)
        file = self._parts.image_folder / name
        if not await asyncio.to_thread(_can_be_read, file):
            raise Refused("NOT_FOUND", "No such picture")
        return web.FileResponse(file, headers=_PICTURE_HEADERS)


def operations(parts: ApiParts) -> list[Operation]:
    """What anybody may call."""
    calls = OperatorCalls(parts=parts)
    return [
        Operation("GET", "/healthz", calls.healthz, gate="open", tag="Health", answer=HealthReply),
        Operation("GET", "/readyz", calls.readyz, gate="open", tag="Health", answer=ReadyReply),
        Operation(
            "GET",
            "/images/{folder}/{file}",
            calls.image,
            gate="open",
            tag="Pictures",
            media_type="image/jpeg",
            refusals=("NOT_FOUND",),
            besides=_PARTS_OF_A_PICTURE,
        ),
    ]


def _check_dates(request: web.Request) -> None:
    """Refused for a date that aiohttp, when it sends the file, would break the connection over."""
    try:
        _ = request.if_modified_since, request.if_unmodified_since, request.if_range
    except OverflowError as error:
        raise Refused("BAD_REQUEST", "A date in the headers is none") from error


def _can_be_read(file: Path) -> bool:
    """Whether the file is there; Transient when the machine cannot say, which must not look like a missing one."""
    try:
        with file.open("rb"):
            return True
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return False
    except OSError as error:
        raise Transient(f"A picture cannot be read: {error.strerror}") from error


def _unavailable(sentence: str) -> web.Response:
    return refusal("UNAVAILABLE", sentence, retry_after_s=UNHEALTHY_RETRY_S)
