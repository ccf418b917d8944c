"""The limits the document tells are the ones that hold: at a limit a value is taken, beyond it the field is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from rheod.api import item_body, management
from rheod.api.item_parts import DOMAIN_SCHEMAS, RICH
from rheod.api.openapi_schemas import of_bodies
from rheod.domain.errors import Refused
from tests.api.contract.values import Values
from tests.api.running import https_only

Json = dict[str, Any]
SCHEMAS = of_bodies(
    [
        item_body.ItemBody,
        item_body.PriceBody,
        item_body.StatusBody,
        management.WebhookUrlBody,
        management.KeyBody,
    ]
)
GOOD: Json = {"title": "Bromsok", "price": 950}


READERS: dict[str, Callable[[Any], object]] = {
    "ItemBody": lambda body: item_body.read_item(body, check_url=https_only),
    "PriceBody": item_body.read_price,
    "StatusBody": item_body.read_status,
    "WebhookUrlBody": lambda body: management.read_webhook_url(body, check_url=https_only),
    "KeyBody": management.read_key,
}


def refused(name: str, body: Any) -> set[str]:
    """The fields that the reader of this body finds wrong."""
    try:
        READERS[name](body)
    except Refused as error:
        return {one.field for one in error.details} or {error.code}
    return set()


def fits(name: str, body: Any) -> bool:
    """Whether the document says that this body may be sent."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": SCHEMAS}}
    return bool(Draft202012Validator(schema).is_valid(body))


def edges(schema: Json) -> Iterator[tuple[Any, Any]]:
    """Pairs of a value at a limit of the schema and one beyond it."""
    image = "https://a.example/1.jpg"
    pairs: dict[str, Callable[[Any], tuple[Any, Any]]] = {
        "minLength": lambda limit: ("x" * limit, "x" * (limit - 1)),
        "maxLength": lambda limit: ("x" * limit, "x" * (limit + 1)),
        "minimum": lambda limit: (limit, limit - 1),
        "maximum": lambda limit: (limit, limit + 1),
        "exclusiveMinimum": lambda limit: (limit + 0.001, limit),
        "maxItems": lambda limit: ([image] * limit, [image] * (limit + 1)),
        "maxProperties": lambda limit: (keys(limit), keys(limit + 1)),
        "enum": lambda limit: (limit[-1], "nonsense"),
        "const": lambda limit: (limit, "nonsense"),
    }
    for option in schema.get("anyOf", [schema]):
        yield from (pairs[key](limit) for key, limit in option.items() if key in pairs)


def keys(count: int) -> Json:
    """An object of so many keys."""
    return {str(each): 1 for each in range(count)}


def limited() -> Iterator[Any]:
    """Every field of an item's body that has a limit, as its path and its two values."""
    for of, path in (("ItemBody", ()), ("TraderaBody", ("tradera",)), ("Electronics", ("domain",))):
        for field, schema in SCHEMAS[of]["properties"].items():
            for at, beyond in edges(schema):
                yield pytest.param((*path, field), at, beyond, id=f"{'.'.join((*path, field))}-{at!s:.20}")


@pytest.mark.parametrize(("path", "at", "beyond"), list(limited()))
def test_a_told_limit_holds_where_it_is_told(path: tuple[str, ...], at: Any, beyond: Any) -> None:
    """The field is taken at its limit and named beyond it."""
    assert refused("ItemBody", placed(path, at)) == set()
    assert refused("ItemBody", placed(path, beyond)) == {".".join(path)}


def placed(path: tuple[str, ...], value: Any) -> Json:
    """A good item with the value at this place."""
    if len(path) == 1:
        return {**GOOD, path[0]: value}
    outer = {"domain": "electronics"} if path[0] == "domain" else {}
    if path[1] in {"reservePrice", "buyItNowPrice"}:
        outer = {"listingType": "fixed_price"}  # an auction's must be above its price as well
    dear = {"price": 10_000_000} if path[1] == "floorPrice" else {}  # which must not be above the price
    return {**GOOD, **dear, path[0]: {**outer, path[1]: value}}


BETWEEN_FIELDS = {
    *("tradera.floorPrice", "tradera.relist.floorPrice", "tradera.endAt"),
    *("tradera.reservePrice", "tradera.buyItNowPrice"),
}
"""Fields that must fit another one, or the clock, which a schema cannot say."""


def test_no_limit_is_kept_from_the_reader_of_the_document() -> None:
    """Whatever fits the schema of a body is taken by its reader, by seed and at the limits."""
    values = Values(
        rng=Random(1),
        refs=SCHEMAS,
        known=lambda name: ["https://a.example/"] if name == "webhookUrl" else None,
    )
    for name in ("ItemBody", "PriceBody", "StatusBody", "WebhookUrlBody", "KeyBody"):
        for _ in range(120):
            body = values.fitting({"$ref": f"#/components/schemas/{name}"})
            assert refused(name, body) <= BETWEEN_FIELDS, body


GOOD_BODIES: tuple[tuple[str, Any], ...] = (
    ("StatusBody", {"status": "sold"}),
    ("StatusBody", {"status": "not_listed", "more": 1}),
    ("WebhookUrlBody", {"webhookUrl": None}),
    ("WebhookUrlBody", {"webhookUrl": "https://erp.example.com/"}),
    ("ItemBody", {"title": "Volvo XC90", "type": "container"}),
    ("ItemBody", {**GOOD, "type": None, "currency": None, "autoPublishTradera": None}),
    ("ItemBody", {**GOOD, "imageUrls": None, "image_urls": ["https://a.example/1.jpg"]}),
    ("ItemBody", {**GOOD, "domain": {}}),
    ("ItemBody", {**GOOD, "domain": {"domain": "mode", "gender": "kids"}}),
    ("ItemBody", {**GOOD, "domain": {"domain": "fashion", "gender": "dogs"}}),
    ("ItemBody", {**GOOD, "domain": {"domain": "hem", "gender": 7}}),
    ("KeyBody", {}),
)
BAD_BODIES: tuple[tuple[str, Any], ...] = (
    ("StatusBody", {"status": "active"}),
    ("StatusBody", {"status": None}),
    ("StatusBody", {"status": ["sold"]}),
    ("StatusBody", {}),
    ("StatusBody", []),
    ("WebhookUrlBody", {"webhookUrl": 5}),
    ("WebhookUrlBody", {}),
    ("WebhookUrlBody", "text"),
    ("ItemBody", {"title": "Volvo XC90", "type": "item"}),
    ("ItemBody", {"title": "Volvo XC90", "price": None}),
    ("ItemBody", {**GOOD, "imageUrls": [], "images": []}),
    ("ItemBody", {**GOOD, "domain": {"size": "M"}}),
    ("ItemBody", {**GOOD, "domain": {"domain": "nonsense"}}),
    ("ItemBody", {**GOOD, "domain": {"domain": "fashion", "gender": 7}}),
    ("ItemBody", {**GOOD, "domain": {"domain": "auto_parts", "part": {"catalogCodes": {"a": 1}}}}),
    ("ItemBody", {**GOOD, "metadata": []}),
    ("ItemBody", {**GOOD, "schemaVersion": "1.0.0.0"}),
    ("ItemBody", {**GOOD, "tradera": {"categoryId": 0}}),
    ("KeyBody", {"name": ""}),
)


@pytest.mark.parametrize(("name", "body"), GOOD_BODIES)
def test_what_the_reader_takes_fits_the_document(name: str, body: Any) -> None:
    """Where a body is read by hand, or a rule goes across fields, the schema lets through what the reader does."""
    assert (fits(name, body), refused(name, body)) == (True, set())


@pytest.mark.parametrize(("name", "body"), BAD_BODIES)
def test_what_the_reader_refuses_does_not_fit_the_document(name: str, body: Any) -> None:
    """And it keeps out what the reader does."""
    assert not fits(name, body)
    assert refused(name, body)


def test_every_rich_domain_has_the_attributes_that_are_checked() -> None:
    """The union holds each rich domain once, with its model."""
    told = {
        schema["allOf"][0]["$ref"].rpartition("/")[2]
        for name, schema in DOMAIN_SCHEMAS.items()
        if name != "UnitDomain"
    }
    assert told == {model.__name__ for model in RICH.values()}
    assert len(DOMAIN_SCHEMAS) == len(RICH) + 1
