"""The fields of a schema as rows of a table: type, limits and meaning in words."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

Json = dict[str, Any]

_LIMITS = (
    ("minLength", "at least {} characters"),
    ("maxLength", "at most {} characters"),
    ("minimum", "at least {}"),
    ("exclusiveMinimum", "more than {}"),
    ("maximum", "at most {}"),
    ("minItems", "at least {} entries"),
    ("maxItems", "at most {} entries"),
    ("maxProperties", "at most {} keys"),
    ("pattern", "matches {}"),
)
_NULL: Json = {"type": "null"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One field; `shapes` are the schemas it leads to, `place` where a parameter stands."""

    name: str
    kind: str
    shapes: list[str]
    required: bool
    limits: str
    meaning: str
    place: str = ""

    def placed(self, place: str) -> Row:
        """The same as a parameter."""
        return replace(self, place=place)


def rows(schema: Json, schemas: Json) -> list[Row]:
    """The fields of an object in their order, those of what it is made of first."""
    found: dict[str, Row] = {}
    for part in (*_parts(schema, schemas), schema):
        required = part.get("required", ())
        for name, each in part.get("properties", {}).items():
            found[name] = _row(name, each, required=name in required)
    return list(found.values())


def resolved(given: Json, document: Json) -> Json:
    """What a reference leads to; anything else is itself."""
    if "$ref" not in given:
        return given
    found: Json = document
    for step in given["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return found


def name_in(schema: Json) -> str | None:
    """The name of the first schema a schema refers to."""
    return next(iter(_shapes(schema)), None)


def _parts(schema: Json, schemas: Json) -> list[Json]:
    references = [schema, *schema.get("allOf", ())]
    return [schemas[each["$ref"].rpartition("/")[2]] for each in references if "$ref" in each]


def _row(name: str, schema: Json, *, required: bool) -> Row:
    real = [each for each in schema.get("anyOf", [schema]) if each != _NULL]
    one = {**schema, **real[0]} if len(real) == 1 else schema
    is_null = len(real) < len(schema.get("anyOf", real))
    return Row(
        name=name,
        kind=_kind(one) + (" or null" if is_null else ""),
        shapes=_shapes(one),
        required=required,
        limits=_limits(one),
        meaning=schema.get("description", ""),
    )


def _kind(schema: Json) -> str:
    if "$ref" in schema or "allOf" in schema:
        return ""
    kind = schema.get("type", "any")
    if kind == "array":
        inner = _kind(schema.get("items", {}))
        return f"list of {inner}".rstrip() + ("s" if inner else "")
    return str(schema.get("format") or kind)


def _shapes(schema: Json) -> list[str]:
    inner = [schema, *schema.get("anyOf", ()), *schema.get("allOf", ()), schema.get("items", {})]
    return [each["$ref"].rpartition("/")[2] for each in inner if "$ref" in each]


def _limits(schema: Json) -> str:
    found = [f"`{schema['const']}`"] if "const" in schema else []
    found += [", ".join(f"`{each}`" for each in schema["enum"])] if "enum" in schema else []
    found += [
        sentence.format(f"`{schema[key]}`" if key == "pattern" else f"{schema[key]:,}")
        for key, sentence in _LIMITS
        if key in schema
    ]
    if schema.get("default") not in (None, ""):
        found.append(f"default `{schema['default']}`")
    return "; ".join(found)
