"""The sandbox's shop: it serves the pictures of its parts and receives rheod's webhooks, checking both signatures.

It stands for a partner's ERP, so it verifies signatures by the published rules and never with rheod's own code.

Picture addresses that go wrong, by file name, for tests of whoever fetches them.

Each is a whole answer; which good picture is served otherwise is the shop's business.

The pictures the sandbox's shop serves: small, distinguishable by name, drawn once each.

Pure drawing; no HTTP here.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import io
import json
import zlib
from collections import Counter, deque
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from aiohttp import web

from rheod.sandbox.servers import MAX_BODY_BYTES, HttpServer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping


_MIN_SIDE, _MAX_SIDE = 1, 6000
FORMATS = {"jpg": "JPEG", "jpeg": "JPEG", "png": "PNG", "gif": "GIF", "webp": "WEBP"}


def side(text: str | None, default: int) -> int:
    """Read a width or height in pixels, held within 1 to 6000; a missing or odd one is the default."""
    if text is None or not (text.isdecimal() and text.isascii()):
        return default
    return max(_MIN_SIDE, min(_MAX_SIDE, int(text[:6])))


@lru_cache(maxsize=256)
def draw(name: str, width: int, height: int, suffix: str = "jpg") -> bytes:
    """Draw a picture whose colours and text come from `name`; `suffix` is a key of FORMATS."""
    from PIL import Image, ImageDraw  # noqa: PLC0415 - heavy, and not every user of the sandbox draws

    digest = zlib.crc32(name.encode())
    ground = (64 + digest % 160, 64 + (digest >> 8) % 160, 64 + (digest >> 16) % 160)
    picture = Image.new("RGB", (width, height), ground)
    pen = ImageDraw.Draw(picture)
    cell_w, cell_h = width / 6, height / 6
    for bit in range(16):
        if digest >> bit & 1:
            left, top = (1 + bit % 4) * cell_w, (1 + bit // 4) * cell_h
            pen.rectangle((left, top, left + cell_w, top + cell_h), fill=(ground[1], ground[2], ground[0]))
    pen.text((4, 4), name, fill="black")
    out = io.BytesIO()
    picture.save(out, FORMATS[suffix], quality=75)
    return out.getvalue()


async def _broken(_request: web.Request, _stopping: asyncio.Event) -> web.StreamResponse:
    whole = draw("broken", 320, 240)
    return web.Response(body=whole[: len(whole) // 2], content_type="image/jpeg")


async def _html(_request: web.Request, _stopping: asyncio.Event) -> web.StreamResponse:
    return web.Response(text="<html>Please log in</html>", content_type="text/html")


async def _missing(_request: web.Request, _stopping: asyncio.Event) -> web.StreamResponse:
    return web.Response(status=404)


async def _failing(_request: web.Request, _stopping: asyncio.Event) -> web.StreamResponse:
    return web.Response(status=503)


async def _slow(request: web.Request, stopping: asyncio.Event) -> web.StreamResponse:
    """Send the head and one byte, and then nothing more."""
    response = web.StreamResponse(headers={"Content-Type": "image/jpeg"})
    await response.prepare(request)
    await response.write(b"\xff")
    await stopping.wait()
    return response


async def _redirect(_request: web.Request, _stopping: asyncio.Event) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": "/pictures/good.jpg"})


async def _loop(_request: web.Request, _stopping: asyncio.Event) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": "/pictures/loop.jpg"})


async def _huge(request: web.Request, stopping: asyncio.Event) -> web.StreamResponse:
    """Pour bytes without end and without saying how many, until the client has had enough."""
    response = web.StreamResponse(headers={"Content-Type": "image/jpeg"})
    try:
        await response.prepare(request)
        await response.write(draw("huge", 64, 48))
        while not stopping.is_set():
            await response.write(b"\0" * 65536)
    except ConnectionError:
        pass  # the client hung up, as it should
    return response


HOSTILE: dict[str, Callable[[web.Request, asyncio.Event], Awaitable[web.StreamResponse]]] = {
    "broken.jpg": _broken,
    "html.jpg": _html,
    "missing.jpg": _missing,
    "failing.jpg": _failing,
    "slow.jpg": _slow,
    "redirect.jpg": _redirect,
    "loop.jpg": _loop,
    "huge.jpg": _huge,
}


HANG = 0
"""A status for `answer_with`: take the event and never answer."""
CUT = -1
"""A status for `answer_with`: take the event and close the connection."""
_TOLERANCE_S = 300  # what the usual Standard Webhooks libraries allow


@dataclass(frozen=True, slots=True)
class Received:
    """One webhook request as it came: to which name, headers in lower case, raw body, when (ms UTC).

    `rheo_ok` and `standard_ok` say whether `X-Rheo-Signature` and `webhook-signature` verified;
    `status` is what was answered (0 = nothing).
    """

    name: str
    headers: Mapping[str, str]
    body: bytes
    at_ms: int
    rheo_ok: bool
    standard_ok: bool
    status: int

    @property
    def event(self) -> dict[str, Any]:
        """The body as JSON; ValueError when it is none."""
        value: dict[str, Any] = json.loads(self.body)
        return value


class Shop:
    """The shop on a loopback port; `url` is known after `start`, `secret` may be set at any time."""

    def __init__(self, *, now: Callable[[], int], secret: str = "whsec_dGVzdC1zZWNyZXQ=") -> None:  # noqa: S107 - a test's
        self._now = now
        self.secret = secret
        self.secrets: dict[str, str] = {}  # by webhook name, where it differs
        self.received: list[Received] = []
        self.fetches: Counter[str] = Counter()  # picture requests by path and query
        self._answers: dict[str, deque[int]] = {}
        self._arrival = asyncio.Condition()
        self._stopping = asyncio.Event()
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_get("/pictures/{file}", self._picture)
        app.router.add_post("/webhooks/{name}", self._webhook)
        self._server = HttpServer(app)

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen; port 0 takes a free one. Raises OSError when the port is taken."""
        await self._server.start(host, port)

    async def stop(self) -> None:
        """Let go of hanging requests and close."""
        self._stopping.set()
        await self._server.stop()

    @property
    def url(self) -> str:
        """The shop's address."""
        return self._server.url

    def picture_url(self, name: str, *, width: int = 640, height: int = 480, suffix: str = "jpg") -> str:
        """The address of a good picture; the same name and size always give the same bytes."""
        return f"{self.url}/pictures/{name}.{suffix}?w={width}&h={height}"

    def webhook_url(self, name: str = "erp") -> str:
        """The address of a webhook receiver; every name works."""
        return f"{self.url}/webhooks/{name}"

    # Webhooks

    def answer_with(self, statuses: Iterable[int], name: str = "erp") -> None:
        """Answer the next requests to `name` with these statuses (HANG and CUT among them), then 200 again."""
        self._answers[name] = deque(statuses)

    async def wait_for(self, predicate: Callable[[Received], bool], timeout_s: float = 10.0) -> Received:
        """Give the first request received, past or future, that the predicate takes; TimeoutError otherwise."""
        found: list[Received] = []

        def seen() -> bool:
            found[:] = [one for one in self.received if predicate(one)][:1]
            return bool(found)

        await self.wait_until(seen, timeout_s)
        return found[0]

    async def wait_until(self, condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
        """Wait until the condition holds; it is asked again after each request. TimeoutError otherwise."""
        async with asyncio.timeout(timeout_s), self._arrival:
            await self._arrival.wait_for(condition)

    async def _webhook(self, request: web.Request) -> web.Response:
        name, body = request.match_info["name"], await request.read()
        headers = {key.lower(): value for key, value in request.headers.items()}
        secret = self.secrets.get(name, self.secret)
        planned = self._answers.get(name)
        status = planned.popleft() if planned else 200
        now_ms = self._now()
        self.received.append(
            Received(
                name=name,
                headers=headers,
                body=body,
                at_ms=now_ms,
                rheo_ok=rheo_signature_ok(headers, body, secret),
                standard_ok=standard_signature_ok(headers, body, secret, now_s=now_ms / 1000),
                status=max(status, 0),
            )
        )
        async with self._arrival:
            self._arrival.notify_all()
        if status == HANG:
            await self._stopping.wait()
        if status in {HANG, CUT} and request.transport is not None:
            request.transport.abort()
        return web.Response(status=status if status > 0 else 500)

    # Pictures

    async def _picture(self, request: web.Request) -> web.StreamResponse:
        self.fetches[request.path_qs] += 1
        file = request.match_info["file"]
        hostile = HOSTILE.get(file)
        if hostile is not None:
            return await hostile(request, self._stopping)
        name, _, suffix = file.rpartition(".")
        if not name or suffix not in FORMATS:
            raise web.HTTPNotFound(text="There is no such picture")
        query = request.query
        data = draw(name, side(query.get("w"), 640), side(query.get("h"), 480), suffix)
        return web.Response(body=data, content_type=f"image/{FORMATS[suffix].lower()}")


def rheo_signature_ok(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Verify `X-Rheo-Signature`: sha256= and the hex HMAC of the raw body, the secret's text being the key."""
    wanted = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(wanted.encode(), headers.get("x-rheo-signature", "").encode())


def standard_signature_ok(headers: Mapping[str, str], body: bytes, secret: str, *, now_s: float) -> bool:
    """Verify `webhook-signature` as Standard Webhooks says: id, timestamp within 5 min, any `v1,` entry."""
    stamp = headers.get("webhook-timestamp", "")
    if not (stamp.isdecimal() and stamp.isascii()) or abs(int(stamp) - now_s) > _TOLERANCE_S:
        return False
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        return False
    signed = f"{headers.get('webhook-id', '')}.{stamp}.".encode() + body
    wanted = b"v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
    entries = headers.get("webhook-signature", "").split()
    return any(hmac.compare_digest(wanted, entry.encode()) for entry in entries)
