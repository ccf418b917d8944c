"""Rules of an item's body that go across its fields, and the union of the domains, as JSON Schema.

They are the rules of `wire.read_item` and `wire_domains.read_domain` in other words; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

from rheod.api.wire import IMAGE_FIELDS, MAX_METADATA_KEYS
from rheod.api.wire_domains import RICH
from rheod.domain.taxonomy import DOMAINS, tags_of

Schema = dict[str, Any]
_REF = "#/components/schemas/"
_CAMEL = {slug: "".join(part.capitalize() for part in slug.split("_")) + "Domain" for slug in RICH}


def item_rules(schema: Schema) -> Schema:
    """The schema of an item's body with what its model cannot say."""
    fields = dict(schema["properties"])
    fields["metadata"] = {
        **_described(fields["metadata"]),
        "anyOf": [{"type": "object", "maxProperties": MAX_METADATA_KEYS}, {"type": "null"}],
    }
    fields["domain"] = {
        **_described(fields["domain"]),
        "anyOf": [{"$ref": f"{_REF}Domain"}, {"type": "null"}],
    }
    for name in IMAGE_FIELDS:
        fields[name] = _https_only(fields[name])
    return {**schema, "properties": fields, "allOf": [_price_unless_container(), _one_name_of_images()]}


def domain_union() -> Schema:
    """Which attributes `domain` may have, by its tag."""
    return {
        "description": (
            "What kind of goods it is, with the attributes of that kind. The tag `domain` is read forgivingly: in any "
            "case, with `-` or a space for `_`, by an alias, and also under the name `type` or `slug`. "
            "Without attributes and tag it is `other`. All attributes are optional, others are kept as they are."
        ),
        "anyOf": [
            *({"$ref": _REF + name} for name in (*_CAMEL.values(), "UnitDomain")),
            {"type": "object", "maxProperties": 0},
        ],
    }


def _tag(slugs: list[str]) -> Schema:
    tags = [tag for slug in slugs for tag in tags_of(slug)]
    return {"type": "string", "enum": tags, "description": "The tag, or one of its aliases."}


def _rich(slug: str) -> Schema:
    return {
        "description": DOMAINS[slug].description_en + ".",
        "allOf": [{"$ref": _REF + RICH[slug].__name__}],
        "type": "object",
        "properties": {"domain": _tag([slug])},
        "required": ["domain"],
    }


def _unit() -> Schema:
    return {
        "description": "The kinds of goods that have no attributes of their own; what else is sent is ignored.",
        "type": "object",
        "properties": {"domain": _tag([slug for slug in DOMAINS if slug not in RICH])},
        "required": ["domain"],
    }


DOMAIN_SCHEMAS: Mapping[str, Schema] = {name: _rich(slug) for slug, name in _CAMEL.items()} | {
    "UnitDomain": _unit()
}
"""The members of the union by their names."""


def _described(schema: Schema) -> Schema:
    return {key: value for key, value in schema.items() if key == "description"}


def _https_only(schema: Schema) -> Schema:
    images, null = schema["anyOf"]
    https = {**images, "items": {"type": "string", "format": "uri"}}
    return {**schema, "anyOf": [https, null]}


def _price_unless_container() -> Schema:
    return {
        "anyOf": [
            {"required": ["type"], "properties": {"type": {"const": "container"}}},
            {"required": ["price"], "properties": {"price": {"type": "number"}}},
        ]
    }


def _one_name_of_images() -> Schema:
    def both(names: tuple[str, str]) -> Schema:
        return {"required": list(names), "properties": {name: {"type": "array"} for name in names}}

    return {"not": {"anyOf": [both(pair) for pair in combinations(IMAGE_FIELDS, 2)]}}
