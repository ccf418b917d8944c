"""The webhooks of the document: the envelope of each event, its signatures, and what a receiver answers.

Bodies are built by `domain/notices.py` and `domain/lifecycle.py`; a test holds real ones against these schemas.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rheod.domain.model import CloseReason, EventType, ItemType

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
