"""The schemas of the OpenAPI document: what pydantic says of the models, and the rules it cannot see.

A body's schema says what is read (null is absent), an answer's what is sent. Each body has an example by the name of its
model that works when it is pasted: a test sends every one of them to a running API. The webhooks are made from the
classes that build the events, so that the document says what is sent.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import UnionType
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

from pydantic.json_schema import models_json_schema

from rheod.api.field_types import Wire
from rheod.api.item_body import item_rules
from rheod.api.item_parts import DOMAIN_SCHEMAS, REF, RICH, Schema, domain_union
from rheod.domain import event_payloads
from rheod.domain.event_payloads import (
    WEBHOOK_EVENT_CLASSES,
    EventData,
    Payload,
    example_of,
    told_fields,
    webhook_body,
)
from rheod.domain.model import Item, ItemSpec

if TYPE_CHECKING:
    from pydantic import BaseModel


ATTRIBUTES = frozenset({"Vehicle", "Part", *(model.__name__ for model in RICH.values())})
"""The models whose fields are attributes of goods."""

NULL: Schema = {"type": "null"}
_BOUNDS = {"ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}


def ref(name: str) -> Schema:
    """A reference to a schema by its name."""
    return {"$ref": REF + name}


def of_answers(models: Iterable[type[BaseModel]]) -> dict[str, Schema]:
    """The schemas of answers and of all they hold, by name."""
    _, found = models_json_schema(
        [(model, "serialization") for model in models], ref_template=REF + "{model}"
    )
    return {name: _tidy(schema) for name, schema in found.get("$defs", {}).items()}


def of_bodies(models: Iterable[type[Wire]]) -> dict[str, Schema]:
    """The schemas of request bodies, of the domains and of all they hold, by name."""
    wanted = [*models, *RICH.values()]
    _, found = models_json_schema([(model, "validation") for model in wanted], ref_template=REF + "{model}")
    schemas: dict[str, Schema] = {}
    for name, schema in found.get("$defs", {}).items():
        tidy = _tidy(schema)
        required = tidy.get("required", [])
        tidy["properties"] = {
            field: each if field in required else nullable(each)
            for field, each in tidy.get("properties", {}).items()
        }
        if name in EXAMPLES:
            tidy["examples"] = [dict(EXAMPLES[name])]
        schemas[name] = item_rules(tidy) if "imageUrls" in tidy["properties"] else tidy
    return schemas | {"Domain": domain_union(), **DOMAIN_SCHEMAS}


def of_query(model: type[BaseModel]) -> tuple[Schema, dict[str, Schema]]:
    """The schema of a query string, and the schemas it refers to."""
    schema = model.model_json_schema(ref_template=REF + "{model}")
    inner = {name: _tidy(each) for name, each in schema.pop("$defs", {}).items()}
    shown: dict[str, Schema] = {}
    for name, each in schema.get("properties", {}).items():
        field = _clean(each)
        options = [option for option in field.get("anyOf", ()) if option != NULL]
        if len(options) == 1:  # null cannot be written in a query string
            field = {**options[0], **{key: value for key, value in field.items() if key != "anyOf"}}
        shown[name] = field
    return {**schema, "properties": shown}, inner


def _tidy(schema: Schema) -> Schema:
    """A schema without the names pydantic makes up."""
    tidy = {key: value for key, value in schema.items() if key != "title"}
    if "properties" in tidy:
        tidy["properties"] = {field: _clean(each) for field, each in tidy["properties"].items()}
    return tidy


def _clean(schema: Mapping[str, Any]) -> Schema:
    cleaned: Schema = _in_words_of_the_standard(schema)
    if cleaned.get("default", ...) is None:
        del cleaned["default"]
    return cleaned


def _in_words_of_the_standard(schema: Any) -> Any:
    """Without titles, and bounds by their names: pydantic keeps its own after a validator of ours."""
    if isinstance(schema, list):
        return [_in_words_of_the_standard(each) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    return {
        _BOUNDS.get(key, key): _in_words_of_the_standard(value)
        for key, value in schema.items()
        if key != "title"
    }


def nullable(schema: Schema) -> Schema:
    """The schema with null allowed: many clients write it for what they do not set, and it is read as absent."""
    if NULL in schema.get("anyOf", ()) or not schema.keys() & {"type", "$ref", "enum", "const", "anyOf"}:
        return schema
    outer = {key: value for key, value in schema.items() if key in {"description", "default"}}
    inner = {key: value for key, value in schema.items() if key not in outer}
    return {**outer, "anyOf": [*inner.pop("anyOf", ()), *([inner] if inner else []), NULL]}


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


_ENVELOPE = _schema(event_payloads.Envelope)

EVENT_SCHEMAS: Mapping[str, Json] = {
    "Event": {
        "description": event_payloads.Envelope.__doc__,
        **_ENVELOPE,
        "properties": {**_ENVELOPE["properties"], "data": ref("EventData")},
        "required": [*_ENVELOPE["required"], "data"],
    },
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
    headers = [
        {
            "name": name,
            "in": "header",
            "required": required,
            "description": meaning,
            "schema": {"type": "string"},
        }
        for name, required, meaning in _HEADERS
    ]
    told: Json = {}
    for event in WEBHOOK_EVENT_CLASSES:
        name = event.EVENT.value
        described = {"properties": {"eventType": {"const": name}, "data": _schema(event)}}
        schema = {"allOf": [ref("Event"), described]}
        body = webhook_body(event_id=_EXAMPLE_ID, now=_EXAMPLE_MS, item=_ITEM, event=example_of(event))
        words = name.replace("_", ".").split(".")
        told[name] = {
            "post": {
                "operationId": "event" + "".join(word.capitalize() for word in words),
                "summary": event.__doc__ or "",
                "description": _DELIVERY,
                "tags": ["Webhooks"],
                "parameters": headers,
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": schema, "example": json.loads(body)}},
                },
                "responses": {"2XX": {"description": "Taken; it is not sent again."}},
            }
        }
    return told
