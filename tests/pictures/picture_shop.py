"""Shops on loopback, good and bad ones, and a client to ask them with."""

from __future__ import annotations

import asyncio
import io
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from PIL import Image

from rheod.domain.errors import RheodError
from rheod.pictures.download import PictureDownloader, PictureLimits

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

OPEN = PictureLimits(
    max_bytes=100_000, timeout_s=5, concurrency=8, per_host=2, allow_http=True, allow_private=True
)


def picture(kind: str = "JPEG", *, size: tuple[int, int] = (64, 48)) -> bytes:
    """A small picture of one of the kinds Pillow writes."""
    out = io.BytesIO()
    Image.effect_noise(size, 60).convert("RGB").save(out, kind)
    return out.getvalue()


JPEG = picture()


@asynccontextmanager
async def shop(handler: Handler, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Serve every path with one handler; gives the shop's root URL."""
    application = web.Application()
    application.router.add_get("/{path:.*}", handler)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        port = runner.addresses[0][1]
        yield f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def wire(*answer: bytes, pause_s: float = 0) -> AsyncIterator[str]:
    """A server that sends exactly these bytes, with a pause before each piece, then closes."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            for piece in answer:
                await asyncio.sleep(pause_s)
                writer.write(piece)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(speak, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@asynccontextmanager
async def client(
    limits: PictureLimits = OPEN, connector: aiohttp.BaseConnector | None = None
) -> AsyncIterator[PictureDownloader]:
    """An image client, closed at the end."""
    opened = PictureDownloader(limits=limits, connector=connector)
    try:
        yield opened
    finally:
        await opened.close()


async def failure(url: str, folder: Path, limits: PictureLimits = OPEN) -> RheodError:
    """Fetch what must fail; nothing may be left in the folder."""
    async with client(limits) as images:
        with pytest.raises(RheodError) as caught:
            await images.fetch(url, folder / "a.part")
    assert list(folder.iterdir()) == []
    return caught.value


def answering(status: int = 200, body: bytes = JPEG, **headers: str) -> Handler:
    """A handler that always answers the same."""

    async def handle(_request: web.Request) -> web.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, body=body, headers=named)

    return handle
