"""Request bodies and path segments that work when they are pasted, and an example made of any schema.

The bodies stand by the name of their model; a test sends every one of them to a running API.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
    "StatusBody": {"status": "not_listed"},
    "KeyBody": {"name": "erp"},
    "TrackingBody": {"carrier": "postnord", "trackingNumber": "SE123456789SE"},
    "NewEndpointBody": {
        "url": "https://erp.example.com/rheo-events",
        "eventTypes": ["item.sold", "listing.failed"],
        "description": "the ERP",
    },
    "EndpointBody": {"description": "the ERP, all events", "eventTypes": []},
    "ReplayBody": {},
    "ReplaySinceBody": {"since": "2026-05-26T10:00:00Z"},
    "WebhookUrlBody": {"webhookUrl": "https://erp.example.com/rheo-events"},
}
"""A body of each model that is read."""

SEGMENTS: Mapping[str, str] = {
    "externalId": "ERP_PART_12345",
    "endpointId": "5b1f0a3e-7c0d-4a55-9f0e-2d3c4b5a6978",
    "eventId": "evt_01j2k3m4n5p6q7r8s9t0abcdef",
    "orderId": "81234567",
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
