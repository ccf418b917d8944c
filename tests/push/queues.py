"""A push queue with test keys, and an HTTP server on loopback in the place of SQS."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

from rheod.push.client import PushQueue

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable


REGION = "eu-central-1"
KEYS = {"access_key_id": "test-key", "secret_access_key": "test-secret"}
QUEUE_URL = "https://sqs.eu-central-1.amazonaws.com/123456789012/push"


def queue_at(endpoint: str, queue_url: str = QUEUE_URL, wait_s: int = 1) -> PushQueue:
    """A queue with test keys at this endpoint."""
    return PushQueue(queue_url=queue_url, region=REGION, endpoint_url=endpoint, wait_s=wait_s, **KEYS)


@asynccontextmanager
async def fake_sqs(handle: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """A server on loopback that answers every request with `handle`; gives its address."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
