"""Reads a request's body under a deadline and a size, refusing by its headers before a byte of it is read.

aiohttp bounds neither the time a body takes nor what an encoding may hide (reliability.md section 4); this does.
"""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import ClientError, hdrs, web
from aiohttp.http_exceptions import HttpProcessingError

from rheod.api.strict_json import parse
from rheod.domain.errors import Refused

BODY_BYTES = 256 * 1024
"""A single item's limit, and every other small body's too (rheo-api.md section 1)."""

_BROKEN_BODY = (ClientError, HttpProcessingError, web.RequestPayloadError, ConnectionError)
_UTF8 = frozenset({"utf-8", "utf8", "us-ascii"})


async def read_json(request: web.Request, *, limit_bytes: int, deadline_s: float) -> Any:
    """The parsed body. Refused with 415, 413 or 400, checked in that order, before and while it is read."""
    return parse(await read_body(request, limit_bytes=limit_bytes, deadline_s=deadline_s))


async def read_body(request: web.Request, *, limit_bytes: int, deadline_s: float) -> bytes:
    """The body as it was sent, refused as `read_json` does but for what is in it."""
    check_headers(request, limit_bytes=limit_bytes)
    return await _read(request, limit_bytes=limit_bytes, deadline_s=deadline_s)


async def read_optional_json(request: web.Request, *, limit_bytes: int, deadline_s: float) -> Any:
    """As `read_json`, but no body at all is an empty object."""
    return (
        await read_json(request, limit_bytes=limit_bytes, deadline_s=deadline_s)
        if request.can_read_body
        else {}
    )


async def expect_later(_request: web.Request) -> None:
    """Leaves `100 Continue` to the moment the body is wanted, so that a refused one is never sent."""


def check_headers(request: web.Request, *, limit_bytes: int) -> None:
    """Refused when the headers alone say that the body will not do."""
    if hdrs.CONTENT_ENCODING in request.headers:
        raise Refused("UNSUPPORTED_MEDIA_TYPE", "The body must not have a Content-Encoding")
    charset = (request.charset or "utf-8").lower()
    if request.content_type != "application/json" or charset not in _UTF8:
        raise Refused("UNSUPPORTED_MEDIA_TYPE", "The body must be application/json in UTF-8")
    if (request.content_length or 0) > limit_bytes:
        raise _too_large(limit_bytes)


async def _read(request: web.Request, *, limit_bytes: int, deadline_s: float) -> bytes:
    if request.content.is_eof():  # all of it came with the headers: there is nothing to wait for
        return _whole(request, limit_bytes)
    body = bytearray()
    try:
        async with asyncio.timeout(deadline_s):
            if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue":
                await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                request.writer.output_size = 0  # so that an error can still be answered
            await collect(request, body, limit_bytes)
    except TimeoutError as error:
        raise Refused("BAD_REQUEST", f"The body did not arrive within {deadline_s:g} seconds") from error
    except _BROKEN_BODY as error:
        raise Refused("BAD_REQUEST", "The body could not be read") from error
    return bytes(body)


def _whole(request: web.Request, limit_bytes: int) -> bytes:
    try:
        body = request.content.read_nowait()
    except _BROKEN_BODY as error:
        raise Refused("BAD_REQUEST", "The body could not be read") from error
    if len(body) > limit_bytes:
        raise _too_large(limit_bytes)
    return body


async def collect(request: web.Request, body: bytearray, limit_bytes: int) -> None:
    """Read the whole body; Refused (PAYLOAD_TOO_LARGE) as soon as it is longer than it may be."""
    while chunk := await request.content.readany():
        body += chunk
        if len(body) > limit_bytes:
            raise _too_large(limit_bytes)


def _too_large(limit_bytes: int) -> Refused:
    return Refused("PAYLOAD_TOO_LARGE", f"The body is larger than {limit_bytes // 1024} KiB")
