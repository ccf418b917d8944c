"""Ways in which an HTTP server can go wrong, each a whole answer for a `Front`: none knows who asks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

from aiohttp import web

from tests.fakes.front import Misbehave


async def hang(_request: web.Request) -> web.StreamResponse:
    """Never answer."""
    await asyncio.Event().wait()
    raise AssertionError("nobody sets it")


async def drip(request: web.Request) -> web.StreamResponse:
    """Send the head, then a blank every tenth of a second without end."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    while True:
        await response.write(b" ")
        await asyncio.sleep(0.1)


async def reset(request: web.Request) -> web.StreamResponse:
    """Cut the connection without a word."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


async def html(_request: web.Request) -> web.StreamResponse:
    """A page of some proxy with status 200."""
    return web.Response(text="<html><body>Please log in</body></html>", content_type="text/html")


async def truncated(_request: web.Request) -> web.StreamResponse:
    """Half a JSON object."""
    return web.Response(body=b'{"requestId": 1, "it', content_type="application/json")


async def enormous(request: web.Request) -> web.StreamResponse:
    """A hundred megabytes of blanks."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    try:
        await response.prepare(request)
        for _ in range(1600):
            await response.write(b" " * 65536)
    except ConnectionError:
        pass  # the client had enough
    return response


def status(code: int, headers: Mapping[str, str] | None = None) -> Misbehave:
    """Answer with this status and Tradera's error object."""

    async def answer(_request: web.Request) -> web.StreamResponse:
        body = json.dumps({"error": {"code": "Ill", "message": "An error occurred"}}).encode()
        return web.Response(status=code, body=body, content_type="application/json", headers=headers)

    return answer


def always(data: bytes, content_type: str = "image/jpeg") -> Misbehave:
    """Answer every call with these bytes."""

    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=data, content_type=content_type)

    return answer


def echo(code: int) -> Misbehave:
    """Answer with this status and, in the error's message, everything the caller sent in its headers."""

    async def answer(request: web.Request) -> web.StreamResponse:
        said = " ".join(f"{name}={value}" for name, value in request.headers.items() if name.startswith("X-"))
        body = json.dumps({"error": {"code": "Ill", "message": f"refused: {said}"}}).encode()
        return web.Response(status=code, body=body, content_type="application/json")

    return answer


def aws_refusal(code: str, message: str = "No") -> Misbehave:
    """Refuse as SQS does, with this error code."""

    async def answer(_request: web.Request) -> web.StreamResponse:
        body = json.dumps({"__type": f"com.amazonaws.sqs#{code}", "message": message}).encode()
        return web.Response(status=400, body=body, content_type="application/x-amz-json-1.0")

    return answer


EVERY = {
    "hang": hang,
    "drip": drip,
    "reset": reset,
    "html": html,
    "truncated": truncated,
    "enormous": enormous,
}
"""The ways that no protocol knows, by name."""
