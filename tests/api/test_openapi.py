"""The document tells of everything that is served, and of nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest
from openapi_spec_validator import validate

from rheod.api.context import Rates
from rheod.api.openapi import CODES, TAGS
from rheod.api.openapi_schemas import ATTRIBUTES, EXAMPLES
from rheod.api.routing import STATUS_OF
from rheod.api.server import build_app, operations
from tests.api.contract.judge import Judge
from tests.api.running import Api, OpenApi

Json = dict[str, Any]
RATES = Rates(put=11, price=12, status=13, get=14, delete=15, batch=16, categories=17, tracking=18)


@pytest.fixture
async def document(open_api: OpenApi) -> Json:
    """The document as it is served."""
    api = await open_api(rates=RATES)
    found: Json = (await api.call("GET", "/openapi.json", headers={"x-api-key": None})).body
    return found


def told(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def properties(document: Json) -> Iterator[tuple[str, str, Json]]:
    for name, schema in document["components"]["schemas"].items():
        for field, each in schema.get("properties", {}).items():
            yield name, field, each


async def test_the_document_is_valid_openapi_3_1(document: Json) -> None:
    """The validator of the standard finds nothing; every operation has an id of its own, of which generators can make a name."""
    validate(document)
    assert document["openapi"].startswith("3.1.")
    ids = [operation["operationId"] for _, _, operation in told(document)]
    assert len(set(ids)) == len(ids)
    assert [each for each in ids if not re.fullmatch(r"[A-Za-z]+", each)] == []


async def test_every_route_is_told_and_every_told_route_is_served(api: Api) -> None:
    """What the router knows and what the document says are the same, HEAD beside GET apart."""
    document = (await api.call("GET", "/openapi.json")).body
    routes = {
        (route.method, re.sub(r"\{(\w+):[^}]*\}", r"{\1}", route.resource.canonical))
        for route in build_app(api.parts).router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    assert {(method, path) for method, path, _ in told(document)} == routes


async def test_every_operation_tells_its_models_codes_and_tag(api: Api) -> None:
    """Bodies, answers, query parameters and errors of the document are those of the operations."""
    document = (await api.call("GET", "/openapi.json")).body
    for operation in operations(api.parts):
        path = re.sub(r"\{(\w+):[^}]*\}", r"{\1}", operation.path)
        one = document["paths"][path][operation.method.lower()]
        refs = re.findall(r"'#/components/schemas/(\w+)'", str(one))
        wanted = [model.__name__ for model in (operation.body, operation.answer) if model]
        assert set(wanted) <= set(refs)
        assert one["tags"] == [operation.tag]
        assert one["summary"] == operation.summary != ""
        assert {str(STATUS_OF[code]) for code in operation.codes} <= set(one["responses"])
        given = {each["name"] for each in one["parameters"] if each.get("in") == "query"}
        models = operation.query.model_fields.items() if operation.query else ()
        assert given == {field.alias or name for name, field in models}


async def test_every_error_has_its_codes_in_its_schema(document: Json) -> None:
    """An error answer allows exactly the codes of its status that its name has, and the examples fit."""
    for response in document["components"]["responses"].values():
        content = response["content"]["application/json"]
        _, narrowed = content["schema"]["allOf"]
        codes = narrowed["properties"]["code"]["enum"]
        assert {STATUS_OF[code] for code in codes} == {narrowed["properties"]["statusCode"]["const"]}
        assert content["example"]["code"] in codes
    assert set(CODES) == set(STATUS_OF)


async def test_the_rates_that_are_set_are_told(document: Json) -> None:
    """Each call of a partner says its rate and what may come at once; every rate of the settings appears."""
    seen = {}
    for _, _, operation in told(document):
        assert "x-rate-limit" in operation or operation["security"] != [{"partner": []}]
        if "x-rate-limit" in operation:
            limit = operation["x-rate-limit"]
            seen[limit["bucket"]] = limit["perSecond"]
            assert limit["burst"] == limit["perSecond"] * 2
            assert f"{limit['perSecond']:g} calls a second" in operation["description"]
            assert {"429", "503"} <= set(operation["responses"])
    wanted = {one.name: getattr(RATES, one.name) for one in fields(Rates) if one.name != "strangers"}
    assert seen == wanted


async def test_waiting_is_told_where_it_may_be_needed(document: Json) -> None:
    """429 and 503 have `Retry-After`, and every answer has `x-request-id`."""
    for _, _, operation in told(document):
        for status, given in operation["responses"].items():
            name = given.get("$ref", "").rpartition("/")[2]
            headers = set((document["components"]["responses"][name] if name else given)["headers"])
            assert headers == {"x-request-id"} | ({"Retry-After"} if status in {"429", "503"} else set())


async def test_every_name_has_words(document: Json) -> None:
    """Each field, parameter and tag says what it means, each tag is used, each body has an example."""
    silent = [
        f"{model}.{field}"
        for model, field, schema in properties(document)
        if "description" not in schema and model not in ATTRIBUTES and not model.startswith("Event")
    ]
    assert silent == []
    used = set()
    for method, path, operation in told(document):
        used |= set(operation["tags"])
        for each in operation["parameters"]:
            assert "$ref" in each or each["description"], f"{method} {path}: {each['name']}"
            assert each.get("in") != "path" or "example" in each, f"{method} {path}: {each['name']}"
        if "application/json" in operation.get("requestBody", {}).get("content", {}):
            assert "example" in operation["requestBody"]["content"]["application/json"], f"{method} {path}"
    assert used == set(TAGS)
    assert set(EXAMPLES) <= set(document["components"]["schemas"])


async def test_every_example_of_an_answer_fits_its_schema(document: Json) -> None:
    """What is shown as an answer could be one."""
    judge = Judge(document)
    for method, path, operation in told(document):
        for status, given in operation["responses"].items():
            for kind, content in given.get("content", {}).items():
                if "example" in content:
                    assert judge.fits(content["schema"], content["example"]) == [], (
                        f"{method} {path} {status} {kind}"
                    )


ITEM_FIELDS = {
    "title", "description", "price", "shippingCost", "shippingStrategy", "weightKg", "currency", "imageUrls", "images",
    "image_urls", "domain", "schemaVersion", "type", "parentExternalId", "metadata", "externalReference", "source",
    "autoPublishTradera", "useAiEnhancement", "tradera",
}  # fmt: skip
"""Every field that an item may have."""


async def test_an_item_has_every_field_of_the_protocol(document: Json) -> None:
    """The fields of the public contract, the three names of the pictures among them."""
    schemas = document["components"]["schemas"]
    assert set(schemas["ItemBody"]["properties"]) == ITEM_FIELDS
    members = [each.get("$ref", "").rpartition("/")[2] for each in schemas["Domain"]["anyOf"]]
    tags = {tag for name in members if name for tag in schemas[name]["properties"]["domain"]["enum"]}
    assert {"auto_parts", "bildelar", "reservdel", "other", "", "computers", "skonhet"} <= tags
    assert len(members) == 9
