"""The OpenAPI 3.1 document of the operations that are served, and a page of it for people.

Both are made once, when first asked for. Of each operation it says what it takes (the segments of its path, its query, its
headers and its body) and what it may answer.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from aiohttp import ETag, hdrs, web

from rheod.api.authenticator import BURST_S
from rheod.api.field_types import MAX_CHARACTERS
from rheod.api.openapi_schemas import (
    EVENT_SCHEMAS,
    EXAMPLES,
    SEGMENTS,
    of_answers,
    of_bodies,
    of_query,
    ref,
    sample,
    webhooks,
)
from rheod.api.routing import STATUS_OF, ErrorReply, Operation

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

TITLE = "rheod: the Rheo Integration API"
API_VERSION = "1.0.0"
"""Of the protocol. Which version of rheod answers is not shown to strangers."""

INTRODUCTION = """\
rheod takes a reseller's items from an ERP, publishes them as auctions on Tradera and tells the ERP, with a signed webhook, \
when one is sold. It speaks the Rheo Integration API: a client of the hosted service works by changing its base URL.

**JSON** is UTF-8 with `camelCase` names. Times are RFC 3339 in UTC, money is SEK as a JSON number. Unknown fields are \
ignored and null is read as absent; wrong types are refused. Text with control characters (but tab and line feed), lone \
surrogates, U+FFFE or U+FFFF is refused with 422. A body may be nested 32 levels deep and names no key twice.

**Every write is idempotent.** The same request repeated, also at once, changes nothing after the first, so repeat every \
429 and every 5xx after its `Retry-After` seconds, whatever the method.

**Every answer carries `x-request-id`**: yours when you sent one of 1 to 128 printable ASCII characters, else a new ULID. \
It stands on every log line of the request.

**Errors** have one shape with a `code` a program can act on: `{"error": "…", "code": "NOT_FOUND", "statusCode": 404}`. A \
path that does not exist is 404 `NOT_FOUND`, a method it does not take 405 `METHOD_NOT_ALLOWED` with `Allow`. Every GET \
also answers HEAD.

**Rate limits** are token buckets for each API key and kind of call, each holding two seconds' worth. Requests without a \
valid key or token share one bucket for each address. Checked in this order: key, bucket, body."""

TAGS: Mapping[str, str] = {
    "Items": "An ERP's items, by the ERP's own ids.",
    "Categories": "The kinds of goods, and Tradera's categories for them.",
    "Orders": "Parcels of what was sold, and the owner's list of orders.",
    "API keys": "The owner makes and revokes the keys of his partners.",
    "Webhooks": "Where events go, which of them, and the secrets that sign them.",
    "Analytics": "The owner's figures.",
    "Events": "What was sent to the endpoints: the log of deliveries, the feed of all events, and replays.",
    "Health": "For monitors: whether rheod answers and everything runs.",
    "Pictures": "The hosted copies of items' pictures.",
    "Reference": "This document, for machines and for people.",
}
"""Every tag in the order shown."""

CODES: Mapping[str, str] = {
    "BAD_REQUEST": "The body is no JSON, or a cursor, a query parameter or the request itself cannot be read.",
    "UNAUTHORIZED": "The API key or the admin token is missing or wrong.",
    "FORBIDDEN": "The API key does not open this: it was made without the scope.",
    "NOT_FOUND": "There is no such thing, or it is someone else's.",
    "METHOD_NOT_ALLOWED": "The path does not take this method.",
    "CONFLICT": "The state of the item does not allow it; the sentence says why.",
    "GONE": "The event named a buyer who has been erased: it is not told again.",
    "PAYLOAD_TOO_LARGE": "The body is larger than this call takes.",
    "UNSUPPORTED_MEDIA_TYPE": "The body is not `application/json` in UTF-8, or has a Content-Encoding.",
    "VALIDATION_FAILED": "Fields are wrong; `details` lists every one of them.",
    "INVALID_STATUS": "The status is neither `sold` nor `not_listed`.",
    "RATE_LIMITED": "Too many requests; come back after `Retry-After` seconds.",
    "INTERNAL": "A bug in rheod; it has been logged.",
    "UNAVAILABLE": "rheod is stopping or cannot write; come back after `Retry-After` seconds.",
}
"""Every code of the error table."""


WAITS = frozenset({429, 503})
"""Statuses that always say when to come back."""

HEADERS: Json = {
    "RequestId": {
        "description": "The request's id, on every log line of it too.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[!-~]{1,128}$"},
    },
    "RetryAfter": {
        "description": "Whole seconds to wait, at least 1; never a date.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    },
}
"""The headers of answers by the names of their components."""


_SEGMENT = re.compile(r"\{(\w+)(?::[^}]*)?\}")

_EXTERNAL_ID: Json = {"type": "string", "minLength": 1, "maxLength": MAX_CHARACTERS}
"""What else it must be stands in its words: classes of Unicode differ between dialects of regular expressions."""

_PATH: Mapping[str, str] = {
    "externalId": "The item's id in your system, percent-encoded: any printable text, `/` too.",
    "account": "The account's id.",
    "token": "The secret part of the address.",
    "endpointId": "The endpoint's id.",
    "eventId": "The event's id: `evt_…`.",
    "orderId": "The order, as in `item.sold`.",
    "categoryId": "Tradera's number of the category.",
    "key_id": "The id of the key, not its text.",
    "folder": "The first two digits of the picture's SHA-256.",
    "file": "The picture's SHA-256 and `.jpg`.",
}


PARAMETERS: Json = {
    "PartnerAccount": {
        "name": "x-partner-account",
        "in": "header",
        "description": (
            "The reference of the member account whose items the call is about; the default account when absent. "
            "Unknown: 404."
        ),
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    },
    "RequestId": {
        "name": "x-request-id",
        "in": "header",
        "description": "Your id of the request, given back with the answer. Anything else is replaced by a new one.",
        "schema": {"type": "string", "pattern": "^[!-~]{1,128}$"},
    },
}
"""The headers any call may have, by the names of their components."""


def build(operations: Sequence[Operation], *, rates: Rates, public_url: str | None) -> Json:
    """The document; `rates` are calls a second as they are set, `public_url` where the API is reached."""
    schemas = {
        **of_answers(
            [*{each.answer.__name__: each.answer for each in operations if each.answer}.values(), ErrorReply]
        ),
        **of_bodies({each.body.__name__: each.body for each in operations if each.body}.values()),
        **EVENT_SCHEMAS,
    }
    for query in {each.query for each in operations if each.query}:
        schemas |= of_query(query)[1]
    paths: Json = {}
    for operation in operations:
        described = _described(operation, rates, schemas)
        paths.setdefault(path_template(operation), {})[operation.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": API_VERSION, "description": INTRODUCTION},
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "servers": [{"url": (public_url or "").rstrip("/") or "/"}],
        "tags": [{"name": name, "description": meaning} for name, meaning in TAGS.items()],
        "paths": paths,
        "webhooks": webhooks(),
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "responses": dict(
                sorted(
                    (name_of(codes), error_response(codes))
                    for each in operations
                    for codes in codes_by_status(each).values()
                )
            ),
            "parameters": PARAMETERS,
            "headers": HEADERS,
            "securitySchemes": _SECURITY,
        },
    }


def _described(operation: Operation, rates: Rates, schemas: Json) -> Json:
    owner, _, handler = operation.handler.__qualname__.rpartition(".")
    noun = owner.removesuffix("Calls")
    described: Json = {
        # `itemChangePrice` for `ItemCalls.change_price`: a name that stays when a path is written otherwise
        "operationId": noun[:1].lower()
        + noun[1:]
        + "".join(part.capitalize() for part in handler.split("_")),
        "tags": [operation.tag],
        "summary": operation.summary,
        "parameters": parameters(operation),
        "responses": responses(operation, schemas),
        "security": _ASKED[operation.access],
    }
    if body := request_body(operation):
        described["requestBody"] = body
    if operation.rate is not None:
        per_s: float = getattr(rates, operation.rate)
        burst, whose = per_s * BURST_S, "address" if operation.access == "open" else "API key"
        described["description"] = f"At most {per_s:g} calls a second for each {whose}, {burst:g} at once."
        described["x-rate-limit"] = {"bucket": operation.rate, "perSecond": per_s, "burst": burst}
    elif operation.access == "owner":
        described["description"] = "Not limited with a valid token."
    return described


def path_template(operation: Operation) -> str:
    """The path as the document writes it: segments by their names alone."""
    return _SEGMENT.sub(r"{\1}", operation.path)


def parameters(operation: Operation) -> list[Json]:
    """Everything an operation reads beside its body."""
    given: list[Json] = []
    for name in _SEGMENT.findall(operation.path):
        schema = _EXTERNAL_ID if name == "externalId" else {"type": "string", "minLength": 1}
        shown: Json = {"name": name, "in": "path", "required": True, "schema": schema}
        if name in SEGMENTS:
            shown["example"] = SEGMENTS[name]
        given.append({**shown, "description": _PATH.get(name, "")})
    if operation.query is not None:
        query, _ = of_query(operation.query)
        given += [
            {
                "name": name,
                "in": "query",
                "required": name in query.get("required", []),
                "description": each.get("description", ""),
                "schema": {key: value for key, value in each.items() if key != "description"},
            }
            for name, each in query["properties"].items()
        ]
    wanted = ["RequestId"] if operation.access == "open" else ["PartnerAccount", "RequestId"]
    return given + [{"$ref": f"#/components/parameters/{name}"} for name in wanted]


def request_body(operation: Operation) -> Json | None:
    """The request body; None when the operation reads none."""
    if operation.picture:
        most = f"At most {operation.body_bytes // 2**20} MiB: JPEG, PNG, WebP, AVIF or GIF, without Content-Encoding."
        content: Json = {"application/octet-stream": {}}  # any image/… too; they all mean bytes
        return {
            "required": True,
            "description": most,
            "content": content,
            "x-max-bytes": operation.body_bytes,
        }
    if operation.body is None:
        return None
    name, kib = operation.body.__name__, operation.body_bytes // 1024
    described: Json = {"schema": ref(name)}
    if name in EXAMPLES:
        described["example"] = EXAMPLES[name]
    return {
        "required": operation.body_required,
        "description": f"At most {f'{kib // 1024} MiB' if kib >= 1024 else f'{kib} KiB'}, without Content-Encoding.",
        "content": {"application/json": described},
        "x-max-bytes": operation.body_bytes,
    }


def responses(operation: Operation, schemas: Json) -> Json:
    """Every status the operation may answer with."""
    done: Json = {"description": "Done; there is nothing to say.", "headers": _headers(operation.status)}
    if operation.answer is not None:
        name = operation.answer.__name__
        about = str(schemas[name].get("description", "")).partition("\n")[0]
        done["description"] = about or "Done."
        done["content"] = {"application/json": {"schema": ref(name), "example": sample(ref(name), schemas)}}
    elif operation.status != 204:
        done["description"] = "Done."
        done["content"] = {operation.media_type: _untold(operation.media_type)}
    found: Json = {str(operation.status): done}
    for status, meaning in operation.besides.items():
        content = {operation.media_type: _untold(operation.media_type)}
        described = {"description": meaning, "headers": _headers(status)}
        found[str(status)] = {**described, "content": content} if status < 300 else described
    for status, codes in codes_by_status(operation).items():
        found[str(status)] = {"$ref": f"#/components/responses/{name_of(codes)}"}
    return dict(sorted(found.items()))


def codes_by_status(operation: Operation) -> dict[int, list[str]]:
    """The error codes of an operation under their statuses."""
    grouped: dict[int, list[str]] = {}
    for code in operation.codes:
        grouped.setdefault(STATUS_OF[code], []).append(code)
    return grouped


def name_of(codes: list[str]) -> str:
    """The name of the answer with one of these codes: `NotFound`, `ValidationFailedOrInvalidStatus`."""
    return "Or".join("".join(part.capitalize() for part in code.split("_")) for code in codes)


def error_response(codes: list[str]) -> Json:
    """The answer with one of these codes, which share a status."""
    status = STATUS_OF[codes[0]]
    example = {"error": CODES[codes[0]], "code": codes[0], "statusCode": status}
    if codes[0] == "VALIDATION_FAILED":
        wrong = {"field": "imageUrls.0", "message": "Must be an HTTPS URL"}
        example |= {"error": "Validation failed", "details": [wrong]}
    described = {"properties": {"code": {"enum": codes}, "statusCode": {"const": status}}}
    return {
        "description": " ".join(f"`{code}`: {CODES[code]}" for code in codes),
        "headers": _headers(status),
        "content": {
            "application/json": {"schema": {"allOf": [ref("ErrorReply"), described]}, "example": example}
        },
    }


def _untold(media_type: str) -> Json:
    if media_type == "application/json":
        return {"schema": {"type": "object"}}
    return {"schema": {"type": "string"}} if media_type.startswith("text/") else {}


def _headers(status: int) -> Json:
    wanted = {"x-request-id": "RequestId"} | ({"Retry-After": "RetryAfter"} if status in WAITS else {})
    return {header: {"$ref": f"#/components/headers/{name}"} for header, name in wanted.items()}


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
