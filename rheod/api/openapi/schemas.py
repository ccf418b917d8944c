"""The schemas of the document: what pydantic says of the models, and the rules it cannot see.

A body's schema says what is read (null is absent), an answer's what is sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pydantic.json_schema import models_json_schema

from rheod.api.field_types import Wire
from rheod.api.item_body import item_rules
from rheod.api.item_parts import DOMAIN_SCHEMAS, REF, RICH, Schema, domain_union
from rheod.api.openapi.examples import EXAMPLES

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
    schemas = {name: _body(name, schema) for name, schema in found.get("$defs", {}).items()}
    return schemas | {"Domain": domain_union(), **DOMAIN_SCHEMAS}


def of_query(model: type[BaseModel]) -> tuple[Schema, dict[str, Schema]]:
    """The schema of a query string, and the schemas it refers to."""
    schema = model.model_json_schema(ref_template=REF + "{model}")
    inner = {name: _tidy(each) for name, each in schema.pop("$defs", {}).items()}
    schema["properties"] = {
        name: _without_null(_clean(each)) for name, each in schema.get("properties", {}).items()
    }
    return schema, inner


def _body(name: str, schema: Schema) -> Schema:
    tidy = _tidy(schema)
    required = tidy.get("required", [])
    tidy["properties"] = {
        field: each if field in required else nullable(each)
        for field, each in tidy.get("properties", {}).items()
    } or tidy.get("properties", {})
    if name in EXAMPLES:
        tidy["examples"] = [dict(EXAMPLES[name])]
    return item_rules(tidy) if "imageUrls" in tidy["properties"] else tidy


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


def _without_null(schema: Schema) -> Schema:
    options = [each for each in schema.get("anyOf", ()) if each != NULL]
    if len(options) != 1:
        return schema
    return {**options[0], **{key: value for key, value in schema.items() if key != "anyOf"}}
