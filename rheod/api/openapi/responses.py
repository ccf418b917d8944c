"""What an operation may answer, for the document, and what the document says in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rheod.api.openapi.examples import sample
from rheod.api.openapi.schemas import ref
from rheod.api.responses import STATUS_OF

if TYPE_CHECKING:
    from rheod.api.routing import Operation


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


Json = dict[str, Any]
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


def responses(operation: Operation, schemas: Json) -> Json:
    """Every status the operation may answer with."""
    found: Json = {str(operation.status): _success(operation, schemas)}
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


def _success(operation: Operation, schemas: Json) -> Json:
    described: Json = {"description": "Done; there is nothing to say.", "headers": _headers(operation.status)}
    if operation.answer is not None:
        name = operation.answer.__name__
        content = {"schema": ref(name), "example": sample(ref(name), schemas)}
        about = str(schemas[name].get("description", "")).partition("\n")[0]
        return {**described, "description": about or "Done.", "content": {"application/json": content}}
    if operation.status != 204:
        described["description"] = "Done."
        described["content"] = {operation.media_type: _untold(operation.media_type)}
    return described


def _untold(media_type: str) -> Json:
    if media_type == "application/json":
        return {"schema": {"type": "object"}}
    return {"schema": {"type": "string"}} if media_type.startswith("text/") else {}


def _headers(status: int) -> Json:
    wanted = {"x-request-id": "RequestId"} | ({"Retry-After": "RetryAfter"} if status in WAITS else {})
    return {header: {"$ref": f"#/components/headers/{name}"} for header, name in wanted.items()}
