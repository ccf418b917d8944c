"""Requests that two servers could cut apart in different places: refused, and their connection ends with the answer.

The parser refuses most of them already (two lengths, a length beside chunks, folded lines, bare line feeds); here are
those it takes, because a proxy in front may read them otherwise. Reads headers only.
"""

from __future__ import annotations

from aiohttp import HttpVersion11, hdrs, web

from rheod.api.answers import refusal
from rheod.api.guard import Handler
from rheod.api.parts import STRANGER

_FRAMING = frozenset({"content-length", "transfer-encoding"})


@web.middleware
async def plain_framing(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let through what has one reading; whatever follows a doubtful request on its connection is never served."""
    if is_doubtful(request):
        request[STRANGER] = True
        response: web.StreamResponse = refusal(
            "BAD_REQUEST", "The end of the request can be read in two ways"
        )
    elif hdrs.UPGRADE in request.headers or request.method == hdrs.METH_CONNECT:
        response = await handler(request)  # a proxy may take the rest for a tunnel
    else:
        return await handler(request)
    response.force_close()
    return response


def is_doubtful(request: web.Request) -> bool:
    """Whether a header that says where the body ends has a form that not every server reads alike."""
    encodings = request.headers.getall(hdrs.TRANSFER_ENCODING, ())
    if encodings and (request.version < HttpVersion11 or [each.lower() for each in encodings] != ["chunked"]):
        return True
    return any("_" in name and name.lower().replace("_", "-") in _FRAMING for name in request.headers)
