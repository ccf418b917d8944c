"""Request bodies and path segments that work when they are pasted, and an example made of any schema.

The bodies stand by the name of their model; a test sends every one of them to a running API.

The webhooks of the document: the envelope of each event, its signatures, and what a receiver answers.

Made from the classes that build the events, so that the document says what is sent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from rheod.domain import event_payloads
from rheod.domain.event_payloads import (
    WEBHOOK_EVENT_CLASSES,
    EventData,
    Payload,
    WebhookEvent,
    example_of,
    told_fields,
    webhook_body,
)
from rheod.domain.model import Item, ItemSpec

ITEM: Mapping[str, Any] = {
    "title": "Bromsok fram vänster Volvo XC90",
    "description": "Demonterad och provad. Skick B.",
    "price": 950,
    "imageUrls": ["https://example.com/parts/bromsok-1.jpg"],
    "domain": {
        "domain": "auto_parts",
        "vehicle": {"manufacturer": "Volvo", "model": "XC90", "year": 2018, "vehicleType": "Bil"},
        "part": {"name": "Bromsok", "oemNumber": "31400452", "catalogCodes": {"tecdoc": "343871"}},
        "conditionGrade": "B",
    },
    "metadata": {"shelf": "A-12"},
    "autoPublishTradera": True,
}

EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "ItemBody": ITEM,
    "BatchBody": {
        "items": [
            {"externalId": "VIN-1", "title": "Volvo XC90 2018", "type": "container"},
            {
                "externalId": "VIN-1-31400452",
                "title": "Bromsok bak höger",
                "price": 650,
                "parentExternalId": "VIN-1",
            },
        ]
    },
    "ConvertBody": {"fromMarket": "tradera", "externalId": "525", "toMarket": "rheo"},
    "PriceBody": {"price": 795},
    "MoveBody": {"endAt": "2026-06-07T20:15:00+02:00"},
    "RelistBody": {"enabled": True, "times": 2, "floorPrice": 400},
    "ReversalBody": {"reason": "unpaid", "relist": True},
    "StatusBody": {"status": "not_listed"},
    "KeyBody": {"name": "erp", "scopes": ["items", "orders"]},
    "EraseBody": {"buyer": "81234567"},
    "TrackingBody": {"carrier": "postnord", "trackingNumber": "SE123456789SE"},
    "SettleSaleBody": {"sold": True, "salePrice": 950},
    "NewEndpointBody": {
        "url": "https://erp.example.com/rheo-events",
        "eventTypes": ["item.sold", "listing.failed"],
        "description": "the ERP",
    },
    "EndpointBody": {"description": "the ERP, all events", "eventTypes": []},
    "TestBody": {},
    "RotationBody": {"force": True},
    "ReplayBody": {},
    "ReplaySinceBody": {"since": "2026-05-26T10:00:00Z"},
    "WebhookUrlBody": {"webhookUrl": "https://erp.example.com/rheo-events"},
}
"""A body of each model that is read."""

SEGMENTS: Mapping[str, str] = {
    "externalId": "ERP_PART_12345",
    "account": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
    "token": "test-token-of-a-calendar.ics",
    "endpointId": "5b1f0a3e-7c0d-4a55-9f0e-2d3c4b5a6978",
    "eventId": "evt_01j2k3m4n5p6q7r8s9t0abcdef",
    "orderId": "81234567",
    "categoryId": "302571",
    "key_id": "0d9f8e7c-6b5a-4c3d-9e2f-1a0b9c8d7e6f",
    "folder": "ab",
    "file": "ab" + "0123456789" * 6 + "cd.jpg",
}
"""A value of each segment of a path."""


Json = dict[str, Any]
_OF_FORMAT = {"uuid": "3fa85f64-5717-4562-b3fc-2c963f66afa6", "date-time": "2026-05-26T10:00:00Z"}
_PLAIN: Json = {"string": "…", "integer": 1, "number": 950, "boolean": True, "null": None}


def sample(schema: Json, schemas: Json) -> Any:
    """A value that fits: its own example where it has one, else the first of everything."""
    for key in ("examples", "enum"):
        if schema.get(key):
            return schema[key][0]
    for key in ("example", "const", "default"):
        if key in schema:
            return schema[key]
    if "$ref" in schema:
        return sample(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return sample(schema[key][0], schemas)
    return _of_type(schema, schemas)


def _of_type(schema: Json, schemas: Json) -> Any:
    kind = schema.get("type", "object")
    if kind == "array":
        return [sample(schema["items"], schemas)] if "items" in schema else []
    if kind == "object":
        return {name: sample(each, schemas) for name, each in schema.get("properties", {}).items()}
    if schema.get("format") in _OF_FORMAT:
        return _OF_FORMAT[schema["format"]]
    return schema.get("minimum", _PLAIN[kind]) if kind == "integer" else _PLAIN[kind]


_EXAMPLE_ID = "evt_01j2k3m4n5p6q7r8s9t0abcdef"
_EXAMPLE_MS = 1_779_892_320_000
_ITEM = Item(
    id="3fa85f64-5717-4562-b3fc-2c963f66afa6",
    account_id="7c9e6679-7425-40de-944b-e07fc1f90ae7",
    external_id="ERP_PART_12345",
    spec=ItemSpec(title="Bromsok"),
)
"""What the examples are about."""

_TYPES: Mapping[object, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}


def _schema(payload: type[Payload]) -> Json:
    """The fields of a payload with their descriptions."""
    types = get_type_hints(payload, vars(event_payloads))
    fields = told_fields(payload)
    shown = {name: _type_of(types[each.name]) | dict(each.metadata) for name, each in fields.items()}
    always = [name for name, each in fields.items() if each.default is not None]
    return {
        "type": "object",
        "properties": shown,
        "required": always,
    }


def _type_of(hint: Any) -> Json:
    kind = get_args(hint)[0] if isinstance(hint, UnionType) else hint
    if get_origin(kind) is tuple:
        return {"type": "array", "items": _type_of(get_args(kind)[0])}
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return {"type": "string", "enum": [each.value for each in kind]}
    if get_origin(kind) is tuple:
        return {"type": "array", "items": _type_of(get_args(kind)[0])}
    return {"type": _TYPES.get(kind, "object")}


def _envelope() -> Json:
    schema = {"description": event_payloads.Envelope.__doc__, **_schema(event_payloads.Envelope)}
    schema["properties"]["data"] = {"$ref": "#/components/schemas/EventData"}
    return {**schema, "required": [*schema["required"], "data"]}


SCHEMAS: Mapping[str, Json] = {
    "Event": _envelope(),
    "EventData": {"description": EventData.__doc__, **_schema(EventData)},
}
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


def webhooks() -> Json:
    """Every event that goes out, as OpenAPI 3.1 tells of requests that are sent to others."""
    return {each.EVENT.value: {"post": _event(each)} for each in WEBHOOK_EVENT_CLASSES}


def _event(event: type[WebhookEvent]) -> Json:
    name = event.EVENT.value
    data = _schema(event)
    described = {"properties": {"eventType": {"const": name}, "data": data}}
    schema = {"allOf": [{"$ref": "#/components/schemas/Event"}, described]}
    example = webhook_body(event_id=_EXAMPLE_ID, now=_EXAMPLE_MS, item=_ITEM, event=example_of(event))
    return _post(name, event.__doc__ or "", schema, example)


def _post(name: str, when: str, schema: Json, example: bytes) -> Json:
    return {
        "operationId": "event" + "".join(part.capitalize() for part in name.replace("_", ".").split(".")),
        "summary": when,
        "description": _DELIVERY,
        "tags": ["Webhooks"],
        "parameters": [_header(*header) for header in _HEADERS],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": schema, "example": json.loads(example)}},
        },
        "responses": {"2XX": {"description": "Taken; it is not sent again."}},
    }


def _header(name: str, required: bool, meaning: str) -> Json:  # noqa: FBT001 - a row of the table above
    return {
        "name": name,
        "in": "header",
        "required": required,
        "description": meaning,
        "schema": {"type": "string"},
    }
