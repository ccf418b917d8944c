"""The OpenAPI 3.1 document of the operations that are served, and a page of it for people.

Both are made once, when first asked for; what they look like is not decided here.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from aiohttp import ETag, hdrs, web

from rheod.api.authenticator import BURST_S
from rheod.api.openapi import examples, requests, responses
from rheod.api.openapi.responses import API_VERSION, INTRODUCTION, TAGS, TITLE
from rheod.api.openapi.schemas import of_answers, of_bodies, of_query
from rheod.api.responses import ErrorReply
from rheod.api.routing import Operation

if TYPE_CHECKING:
    from rheod.api.context import Rates, ReferencePages


Json = dict[str, Any]

_SECURITY: Json = {
    "partner": {
        "type": "apiKey",
        "in": "header",
        "name": "x-api-key",
        "description": "A partner's key: `rheo_live_` and 32 letters and digits. The owner makes it.",
    },
    "owner": {
        "type": "http",
        "scheme": "bearer",
        "description": "The owner's admin token, which `rheod admin-token` makes.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "rheod_session",
        "description": "The owner's browser, signed in at the dashboard; other sites cannot use it.",
    },
}
_ASKED: Json = {"partner": [{"partner": []}], "owner": [{"owner": []}, {"session": []}], "open": []}
"""What each kind of access asks for: one of these."""


def build(operations: Sequence[Operation], *, rates: Rates, public_url: str | None) -> Json:
    """The document; `rates` are calls a second as they are set, `public_url` where the API is reached."""
    schemas = _schemas(operations)
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": API_VERSION, "description": INTRODUCTION},
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "servers": [{"url": (public_url or "").rstrip("/") or "/"}],
        "tags": [{"name": name, "description": meaning} for name, meaning in TAGS.items()],
        "paths": _paths(operations, rates, schemas),
        "webhooks": examples.webhooks(),
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "responses": dict(
                sorted(
                    (responses.name_of(codes), responses.error_response(codes))
                    for each in operations
                    for codes in responses.codes_by_status(each).values()
                )
            ),
            "parameters": requests.HEADERS,
            "headers": responses.HEADERS,
            "securitySchemes": _SECURITY,
        },
    }


def _schemas(operations: Sequence[Operation]) -> Json:
    bodies = {each.body.__name__: each.body for each in operations if each.body}
    answers = {each.answer.__name__: each.answer for each in operations if each.answer}
    found = {
        **of_answers([*answers.values(), ErrorReply]),
        **of_bodies(bodies.values()),
        **examples.SCHEMAS,
    }
    for query in {each.query for each in operations if each.query}:
        found |= of_query(query)[1]
    return found


def _paths(operations: Sequence[Operation], rates: Rates, schemas: Json) -> Json:
    paths: Json = {}
    for operation in operations:
        described = _operation(operation, rates, schemas)
        paths.setdefault(requests.path_template(operation), {})[operation.method.lower()] = described
    return paths


def _operation(operation: Operation, rates: Rates, schemas: Json) -> Json:
    described: Json = {
        "operationId": _name(operation),
        "tags": [operation.tag],
        "summary": operation.summary,
        "parameters": requests.parameters(operation),
        "responses": responses.responses(operation, schemas),
        "security": _ASKED[operation.access],
    }
    if body := requests.body(operation):
        described["requestBody"] = body
    if operation.rate is not None:
        described |= _rate(operation, getattr(rates, operation.rate))
    elif operation.access == "owner":
        described |= {"description": "Not limited with a valid token."}
    return described


def _rate(operation: Operation, per_s: float) -> Json:
    burst = per_s * BURST_S
    whose = "address" if operation.access == "open" else "API key"
    return {
        "description": f"At most {per_s:g} calls a second for each {whose}, {burst:g} at once.",
        "x-rate-limit": {"bucket": operation.rate, "perSecond": per_s, "burst": burst},
    }


def _name(operation: Operation) -> str:
    """`itemChangePrice` for `ItemCalls.change_price`: a name that stays when a path is written otherwise."""
    owner, _, handler = operation.handler.__qualname__.rpartition(".")
    noun = owner.removesuffix("Calls")
    return noun[:1].lower() + noun[1:] + "".join(part.capitalize() for part in handler.split("_"))


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


class DocumentCalls:
    """Handlers of `/openapi.json` and `/docs`."""

    def __init__(self, *, parts: ReferencePages, operations: Callable[[], Sequence[Operation]]) -> None:
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


def operations(parts: ReferencePages, others: Sequence[Operation]) -> list[Operation]:
    """What tells of all operations: the others', and these two."""
    calls = DocumentCalls(parts=parts, operations=lambda: [*others, *own])
    tell = partial(Operation, "GET", access="open", tag="Reference", besides=UNCHANGED)
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
