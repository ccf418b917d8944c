"""Reads a sent HTML form, bounded in size and time."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qsl

from aiohttp import web

from rheod.api.bodies import collect
from rheod.domain.errors import Refused

FORM_BYTES = 64 * 1024
"""More than any form of ours; a longer one is refused."""


async def read_form(request: web.Request, *, deadline_s: float) -> dict[str, str]:
    """The fields of a sent form, the first value of each. Refused with 415, 413 or 400."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise Refused("UNSUPPORTED_MEDIA_TYPE", "Send the form as application/x-www-form-urlencoded")
    body = bytearray()
    try:
        async with asyncio.timeout(deadline_s):
            await collect(request, body, FORM_BYTES)
        pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=200)
    except (TimeoutError, ConnectionError, ValueError) as error:
        raise Refused("BAD_REQUEST", "The form could not be read") from error
    return dict(reversed(pairs))
