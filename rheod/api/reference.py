"""The API's own description: the OpenAPI document for machines and a page of it for people.

Both are made once, when first asked for, from the operations that are served; what they look like is not decided here.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from aiohttp import ETag, hdrs, web

from rheod.api.document.whole import build
from rheod.api.operation import Operation

if TYPE_CHECKING:
    from rheod.api.parts import ApiParts

UNCHANGED = {304: "It is the one you have (`If-None-Match`)."}
_ALWAYS_ASK = {hdrs.CACHE_CONTROL: "no-cache", "X-Content-Type-Options": "nosniff"}
"""A copy may be kept, but is asked about each time: a new rheod may say something new."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sheet:
    """Bytes that never change while the process lives."""

    body: bytes
    media_type: str
    headers: dict[str, str]

    @property
    def tag(self) -> str:
        return hashlib.sha256(self.body).hexdigest()[:32]


class ReferenceCalls:
    """Handlers of `/openapi.json` and `/docs`."""

    def __init__(self, *, parts: ApiParts, operations: Callable[[], Sequence[Operation]]) -> None:
        self._parts = parts
        self._operations = operations
        self._making = asyncio.Lock()
        self._sheets: dict[str, _Sheet] = {}

    async def document(self, request: web.Request) -> web.Response:
        """Send the OpenAPI 3.1 document of this API."""
        return _sent(request, await self._sheet("document"))

    async def page(self, request: web.Request) -> web.Response:
        """Send the same as a page to read, with commands to paste."""
        return _sent(request, await self._sheet("page"))

    async def _sheet(self, name: str) -> _Sheet:
        async with self._making:
            if not self._sheets:
                self._sheets = await asyncio.to_thread(self._made)
        return self._sheets[name]

    def _made(self) -> dict[str, _Sheet]:
        document = build(self._operations(), rates=self._parts.rates, public_url=self._parts.public_url)
        text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
        html, headers = self._parts.reference_page(document)
        return {
            "document": _Sheet(body=text.encode(), media_type="application/json", headers={}),
            "page": _Sheet(body=html.encode(), media_type="text/html", headers=dict(headers)),
        }


def operations(parts: ApiParts, others: Sequence[Operation]) -> list[Operation]:
    """What tells of all operations: the others', and these two."""
    calls = ReferenceCalls(parts=parts, operations=lambda: [*others, *own])
    tell = partial(Operation, "GET", gate="open", tag="Reference", besides=UNCHANGED)
    own = [
        tell("/openapi.json", calls.document),
        tell("/docs", calls.page, media_type="text/html"),
    ]
    return own


def _sent(request: web.Request, sheet: _Sheet) -> web.Response:
    headers = {**_ALWAYS_ASK, **sheet.headers}
    known = {each.value for each in request.if_none_match or ()}
    if known & {sheet.tag, "*"}:
        response = web.Response(status=304, headers=headers)
    else:
        response = web.Response(
            body=sheet.body, content_type=sheet.media_type, charset="utf-8", headers=headers
        )
    response.etag = ETag(sheet.tag)
    return response
