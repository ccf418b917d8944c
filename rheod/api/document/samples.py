"""Makes an example of a schema: what an answer of this shape looks like."""

from __future__ import annotations

from typing import Any

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
