"""What the document says in sentences: the introduction, the tags and the error codes."""

from __future__ import annotations

from collections.abc import Mapping

TITLE = "rheod: the Rheo Integration API"
API_VERSION = "1.0.0"
"""Of the protocol. Which version of rheod answers is not told to strangers."""

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
    "NOT_FOUND": "There is no such thing, or it is someone else's.",
    "METHOD_NOT_ALLOWED": "The path does not take this method.",
    "CONFLICT": "The state of the item does not allow it; the sentence says why.",
    "PAYLOAD_TOO_LARGE": "The body is larger than this call takes.",
    "UNSUPPORTED_MEDIA_TYPE": "The body is not `application/json` in UTF-8, or has a Content-Encoding.",
    "VALIDATION_FAILED": "Fields are wrong; `details` lists every one of them.",
    "INVALID_STATUS": "The status is neither `sold` nor `not_listed`.",
    "RATE_LIMITED": "Too many requests; come back after `Retry-After` seconds.",
    "INTERNAL": "A bug in rheod; it has been logged.",
    "UNAVAILABLE": "rheod is stopping or cannot write; come back after `Retry-After` seconds.",
}
"""Every code of the error table (rheo-api.md section 1)."""
