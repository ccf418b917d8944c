"""The 18 domains and the conversion of categories, open to anybody."""

from __future__ import annotations

from typing import Any

import pytest

from rheod.api.context import Rates
from rheod.domain.categories import DOMAINS
from tests.api.running import Api, OpenApi, Reply

NO_KEY = {"headers": {"x-api-key": None}}


async def convert(api: Api, source: str, external_id: Any, target: str) -> Reply:
    body = {"fromMarket": source, "externalId": external_id, "toMarket": target}
    return await api.call("POST", "/categories/convert", body, **NO_KEY)


async def test_every_domain_is_listed(api: Api) -> None:
    """Without a key, in the order shown, each with its labels."""
    reply = await api.call("GET", "/categories", **NO_KEY)
    assert reply.status == 200
    assert [each["slug"] for each in reply.body] == list(DOMAINS)
    store = next(each for each in reply.body if each["slug"] == "books")
    assert store == {
        "slug": "books",
        "labelEn": "Books & Media",
        "labelSv": "Böcker & Media",
        "descriptionEn": "Books, films, records and games",
        "searchFields": [
            {
                "key": "isbn",
                "labelSv": "ISBN",
                "labelEn": "ISBN",
                "fieldType": "text",
                "placeholder": "9789100123456",
            }
        ],
    }
    found = {each["slug"]: each for each in reply.body}
    assert found["auto_parts"]["descriptionEn"] == "Car parts, engines, gearboxes and body panels"
    assert found["auto_parts"]["searchFields"] == [
        {
            "key": "oem_number",
            "labelSv": "OEM-nummer",
            "labelEn": "OEM Number",
            "fieldType": "text",
            "placeholder": "31338723",
        }
    ]
    keys = {slug: [field["key"] for field in each["searchFields"]] for slug, each in found.items()}
    assert {slug: fields for slug, fields in keys.items() if fields} == {
        "auto_parts": ["oem_number"],
        "vehicles": ["plate"],
        "books": ["isbn"],
    }


@pytest.mark.parametrize(
    ("number", "slug"),
    [
        ("525", "electronics"),
        ("534", "electronics"),
        ("533", "toys"),
        ("8176", "jewelry"),
        ("8300", "auto_parts"),
    ],
)
async def test_a_tradera_category_has_its_domain(api: Api, number: str, slug: str) -> None:
    """By the static map: sure, and nothing guessed."""
    assert (await convert(api, "tradera", number, "rheo")).body == {
        "rheoCategory": slug,
        "externalId": None,
        "market": "tradera",
        "confidence": 1.0,
        "aiConverted": False,
    }


@pytest.mark.parametrize(
    ("tag", "slug", "number"),
    [
        ("electronics", "electronics", "525"),
        ("Leksaker", "toys", "533"),
        ("smycken", "jewelry", "531"),
        ("auto_parts", "auto_parts", "520"),
        ("fordon", "vehicles", "520"),
    ],
)
async def test_a_domain_has_its_tradera_category(api: Api, tag: str, slug: str, number: str) -> None:
    """Also by an alias; as the hosted service answers where several would do."""
    found = (await convert(api, "rheo", tag, "tradera")).body
    assert (found["rheoCategory"], found["externalId"], found["market"]) == (slug, number, "tradera")


@pytest.mark.parametrize(
    ("source", "external_id", "target"),
    [
        ("tradera", "1", "rheo"),
        ("tradera", "-525", "rheo"),
        ("tradera", "9" * 255, "rheo"),
        ("rheo", "other", "tradera"),
        ("rheo", "spaceships", "tradera"),
        ("ebay", "525", "rheo"),
        ("tradera", "525", "tradera"),
    ],
)
async def test_what_the_map_does_not_know_is_404(
    api: Api, source: str, external_id: str, target: str
) -> None:
    """Never a guess."""
    reply = await convert(api, source, external_id, target)
    assert (reply.status, reply.code) == (404, "NOT_FOUND")


async def test_a_wrong_body_is_told_field_by_field(api: Api) -> None:
    """As everywhere."""
    assert (await convert(api, "tradera", 525, "rheo")).fields == {"externalId": "Must be a string"}
    assert set((await api.call("POST", "/categories/convert", {})).fields) == {
        "fromMarket",
        "externalId",
        "toMarket",
    }


async def test_each_address_has_its_own_bucket(open_api: OpenApi) -> None:
    """Asked too often it is told to wait; the partner's calls from the same address go on."""
    api = await open_api(rates=Rates(categories=1))
    statuses = [(await api.call("GET", "/categories", **NO_KEY)).status for _ in range(3)]
    assert statuses == [200, 200, 429]
    assert (await api.call("GET", "/integration/v1/items")).status == 200
    api.clock.seconds += 1
    assert (await convert(api, "tradera", "525", "rheo")).status == 200
