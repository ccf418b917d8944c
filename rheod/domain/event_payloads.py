"""Event bodies, event ids, times and signatures as rheo-api.md section 5 promises them.

A body is built once, stored, and signed as stored: nothing may build it again. Pure but for `new_secret`, which asks
the system for randomness because a secret must not come from a seeded source.

The webhooks of the document: the envelope of each event, its signatures, and what a receiver answers.

Bodies are built by `domain/notices.py` and `domain/lifecycle.py`; a test holds real ones against these schemas.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rheod.domain.model import CloseReason, EventType, ItemType

if TYPE_CHECKING:
    from random import Random

    from rheod.domain.model import Event, Item


_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = tuple(first + second for first in _CROCKFORD for second in _CROCKFORD)
_SECRET_PREFIX = "whsec_"  # noqa: S105 - the public prefix every secret begins with
_CURRENCY = "SEK"
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=dict).encode


def new_ulid(now: int, rng: Random) -> str:
    """A ULID: 48 bits of `now` (ms UTC) and 80 bits of chance as 26 characters of Crockford's base 32."""
    number = (now & (1 << 48) - 1) << 80 | rng.getrandbits(80)
    return "".join([_PAIRS[number >> shift & 1023] for shift in range(120, -10, -10)])


def new_event_id(now: int, rng: Random) -> str:
    """`evt_` and a lower-case ULID; ids of later milliseconds sort later."""
    return "evt_" + new_ulid(now, rng).lower()


def rfc3339(at: int) -> str:
    """A time (ms UTC) as `2026-05-26T10:00:00Z`; parts of a second are dropped."""
    return datetime.fromtimestamp(at // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def rfc3339_ms(at: int) -> str:
    """A time (ms UTC) as `2026-05-26T10:00:00.123Z`, exact: for `updatedAt`, which clients hand back."""
    return f"{rfc3339(at)[:-1]}.{at % 1000:03d}Z"


def sek(ore: int) -> float:
    """Öre as the JSON number of the wire: an int when whole, else two decimals at most."""
    return ore // 100 if ore % 100 == 0 else ore / 100


def webhook_body(*, event_id: str, now: int, item: Item, event: Event, member: str | None = None) -> bytes:
    """The event as compact UTF-8 JSON: the fields every event has, what the notice adds, the item's metadata.

    `now` (ms UTC) is when it happened. What a notice adds never replaces a field every event has. `member` is the
    reference of the item's account, which the reseller is told.
    """
    data: dict[str, Any] = {
        "externalId": item.external_id,
        "rheoItemId": item.id,
        "platform": event.platform,
        "salePrice": sek(event.sale_price_ore),
        "currency": _CURRENCY,
        "account": {"rheoUserId": item.account_id},
    }
    data = {**event.data, **data}
    if member is not None:
        data["memberExternalId"] = member
    if item.spec.metadata:
        data["metadata"] = item.spec.metadata
    return _compact({"eventId": event_id, "eventType": event.type, "timestamp": rfc3339(now), "data": data})


def ping_body(*, event_id: str, now: int, account_id: str) -> bytes:
    """The test event `ping`, in the envelope of every event; it is about no item."""
    data = {
        "account": {"rheoUserId": account_id},
        "message": "A test of this endpoint; nothing has happened.",
    }
    return _compact({"eventId": event_id, "eventType": "ping", "timestamp": rfc3339(now), "data": data})


def sign(body: bytes, secret: str) -> str:
    """`sha256=` and the hex HMAC-SHA256 of the body, with the secret's text as the key."""
    return "sha256=" + hmac.digest(secret.encode(), body, "sha256").hex()


def standard_signature(event_id: str, timestamp_s: int, body: bytes, secret: str) -> str:
    """The Standard Webhooks signature `v1,<base64>` of id, time (whole seconds) and body."""
    signed = f"{event_id}.{timestamp_s}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(_key(secret), signed, "sha256")).decode()


def signature_headers(
    event_id: str, timestamp_s: int, body: bytes, secret: str, previous_secret: str | None = None
) -> dict[str, str]:
    """Every header that lets a receiver verify one delivery; during a rotation both secrets sign.

    `timestamp_s` is the time of this attempt, so a receiver may refuse what is older than its tolerance.
    """
    keys = [secret] if previous_secret is None else [secret, previous_secret]
    headers = {
        "X-Rheo-Signature": sign(body, secret),
        "webhook-id": event_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": " ".join(standard_signature(event_id, timestamp_s, body, key) for key in keys),
    }
    if previous_secret is not None:
        headers["X-Rheo-Signature-Previous"] = sign(body, previous_secret)
    return headers


def new_secret() -> str:
    """A new signing secret: `whsec_` and 24 random bytes in base64."""
    return _SECRET_PREFIX + base64.b64encode(secrets.token_bytes(24)).decode()


def _key(secret: str) -> bytes:
    """The bytes behind `whsec_`; a secret that is no base64 (a hand-made one) is its own key, as text."""
    try:
        key = base64.b64decode(secret.removeprefix(_SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return secret.encode()
    return key or secret.encode()


def _compact(value: Any) -> bytes:
    """JSON without spaces; any mapping is an object; a lone surrogate, which UTF-8 cannot hold, becomes its escape."""
    return _encode(value).encode("utf-8", errors="backslashreplace")


Json = dict[str, Any]
_TEXT: Json = {"type": "string"}
_AD_ID: Json = {"type": "string", "description": "The ad's number at Tradera.", "examples": ["398271634"]}
_EXAMPLE_ID = "evt_01j2k3m4n5p6q7r8s9t0abcdef"

# event, when it is sent, what it adds to `data`, which of that is always there
_EVENTS: tuple[tuple[EventType, str, Json, list[str]], ...] = (
    (
        EventType.ITEM_CREATED,
        "A new item or container was accepted.",
        {"type": {"type": "string", "enum": [each.value for each in ItemType]}},
        ["type"],
    ),
    (
        EventType.ITEM_IMAGES_READY,
        "The item's pictures are done.",
        {"imagesProcessed": {"type": "integer", "minimum": 1}},
        ["imagesProcessed"],
    ),
    (
        EventType.LISTING_CREATED,
        "The ad is live.",
        {
            "traderaAdId": _AD_ID,
            "traderaAdUrl": {**_TEXT, "examples": ["https://www.tradera.com/item/398271634"]},
        },
        ["traderaAdId", "traderaAdUrl"],
    ),
    (
        EventType.LISTING_ENDED,
        "The ad closed without a sale.",
        {
            "traderaAdId": _AD_ID,
            "reason": {"type": "string", "enum": [reason.value for reason in CloseReason]},
        },
        ["traderaAdId", "reason"],
    ),
    (
        EventType.LISTING_FAILED,
        "The ad could not be published, repriced or ended.",
        {"error": {**_TEXT, "description": "Why, in one sentence."}, "traderaAdId": _AD_ID},
        ["error"],
    ),
    (
        EventType.ITEM_SOLD,
        "The item is sold: at Tradera, or elsewhere (`platform` is then `rheo`, and there is neither ad nor order).",
        {"traderaAdId": _AD_ID, "orderId": {**_TEXT, "description": "The order, for its tracking."}},
        [],
    ),
)

ENVELOPE: Json = {
    "description": "What every event looks like. The bytes are the same on every attempt.",
    "type": "object",
    "required": ["eventId", "eventType", "timestamp", "data"],
    "properties": {
        "eventId": {
            "type": "string",
            "pattern": "^evt_[0-9a-hjkmnp-tv-z]{26}$",
            "description": "The same on every attempt: forget an event you have had.",
            "examples": [_EXAMPLE_ID],
        },
        "eventType": {"type": "string", "description": "What happened."},
        "timestamp": {"type": "string", "format": "date-time", "examples": ["2026-05-27T14:32:00Z"]},
        "data": {"$ref": "#/components/schemas/EventData"},
    },
}

EVENT_DATA: Json = {
    "description": "What every event says of its item.",
    "type": "object",
    "required": ["externalId", "rheoItemId", "platform", "salePrice", "currency", "account"],
    "properties": {
        "externalId": {"type": "string", "examples": ["ERP_PART_12345"]},
        "rheoItemId": {"type": "string", "format": "uuid"},
        "platform": {"type": "string", "enum": ["tradera", "rheo"]},
        "salePrice": {"type": "number", "description": "SEK; 0 unless it is a sale.", "examples": [1100]},
        "currency": {"type": "string", "const": "SEK"},
        "account": {
            "type": "object",
            "required": ["rheoUserId"],
            "properties": {"rheoUserId": {"type": "string", "format": "uuid"}},
        },
        "memberExternalId": {
            "type": "string",
            "description": "The member account's reference, on endpoints with the scope `members`.",
            "examples": ["member-1"],
        },
        "metadata": {"type": "object", "description": "The item's, when it has any.", "examples": [{}]},
    },
}

SCHEMAS: Mapping[str, Json] = {"Event": ENVELOPE, "EventData": EVENT_DATA}
"""The schemas the events share."""

_HEADERS: tuple[tuple[str, bool, str], ...] = (
    (
        "X-Rheo-Signature",
        True,
        "`sha256=` and the hex HMAC-SHA256 of the raw body; the key is the secret's text.",
    ),
    (
        "X-Rheo-Signature-Previous",
        False,
        "The same with the secret before, for 24 hours after it was rotated.",
    ),
    ("webhook-id", True, "The event's id (Standard Webhooks)."),
    ("webhook-timestamp", True, "When this attempt was made, in seconds since 1970."),
    (
        "webhook-signature",
        True,
        (
            "`v1,` and the base64 HMAC-SHA256 of `{webhook-id}.{webhook-timestamp}.{body}`, the key being the decoded bytes "
            "of the secret after `whsec_`. For 24 hours after a rotation two of them, with a space between."
        ),
    ),
)

_DELIVERY = (
    "Answer with any 2xx within 10 seconds; everything else, a redirect too, is a failure and is tried again: after 1, 2, "
    "4, 8 and 16 seconds, then ever more slowly for three days. Delivery is at least once, and in order for each item."
)


_PING_EXAMPLE: Json = {
    "eventId": _EXAMPLE_ID,
    "eventType": "ping",
    "timestamp": "2026-05-27T14:32:00Z",
    "data": {
        "account": {"rheoUserId": "7c9e6679-7425-40de-944b-e07fc1f90ae7"},
        "message": "A test of this endpoint; nothing has happened.",
    },
}


def webhooks() -> Json:
    """Every event that goes out, as OpenAPI 3.1 tells of requests that are sent to others."""
    found = {
        event.value: {"post": _event(event, when, adds, always)} for event, when, adds, always in _EVENTS
    }
    return {**found, "ping": {"post": _ping()}}


def _ping() -> Json:
    data = {
        "type": "object",
        "required": ["account", "message"],
        "properties": {"account": EVENT_DATA["properties"]["account"], "message": _TEXT},
    }
    told = {"eventType": {"const": "ping"}, "data": data}
    schema = {**ENVELOPE, "properties": {**ENVELOPE["properties"], **told}}
    return _post("ping", "The owner tests the endpoint; it is about no item.", schema, _PING_EXAMPLE)


def _event(event: EventType, when: str, adds: Json, always: list[str]) -> Json:
    told = {
        "properties": {
            "eventType": {"const": event.value},
            "data": {"type": "object", "properties": adds, "required": always},
        }
    }
    schema = {"allOf": [{"$ref": "#/components/schemas/Event"}, told]}
    return _post(event.value, when, schema, _example(event, adds))


def _post(name: str, when: str, schema: Json, example: Json) -> Json:
    return {
        "operationId": "event" + "".join(part.capitalize() for part in name.replace("_", ".").split(".")),
        "summary": when,
        "description": _DELIVERY,
        "tags": ["Webhooks"],
        "parameters": [_header(*header) for header in _HEADERS],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": schema, "example": example}},
        },
        "responses": {"2XX": {"description": "Taken; it is not sent again."}},
    }


def _header(name: str, required: bool, meaning: str) -> Json:  # noqa: FBT001 - a row of the table above
    return {"name": name, "in": "header", "required": required, "description": meaning, "schema": _TEXT}


def _example(event: EventType, adds: Json) -> Json:
    sold = event is EventType.ITEM_SOLD
    return {
        "eventId": _EXAMPLE_ID,
        "eventType": event.value,
        "timestamp": "2026-05-27T14:32:00Z",
        "data": {
            "externalId": "ERP_PART_12345",
            "rheoItemId": "3fa85f64-5717-4562-b3fc-2c963f66afa6",
            "platform": "tradera",
            "salePrice": 1100 if sold else 0,
            "currency": "SEK",
            "account": {"rheoUserId": "7c9e6679-7425-40de-944b-e07fc1f90ae7"},
            **{name: _value(name, schema) for name, schema in adds.items()},
        },
    }


def _value(name: str, schema: Json) -> Any:
    known = {"imagesProcessed": 2, "error": "Tradera refused the category", "orderId": "81234567"}
    return known.get(name) or (schema.get("examples") or schema["enum"])[0]
