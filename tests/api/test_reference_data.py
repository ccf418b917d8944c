"""The domains with their map, and what Tradera takes: categories, attributes, freight, all without a call to Tradera."""

from __future__ import annotations

from typing import Any

import pytest

from rheod.api.context import Rates
from rheod.domain.categories import DOMAINS, CategoryTree, LeafAttributes
from rheod.domain.freight import sorted_table
from rheod.sandbox.tradera_catalogue import Catalogue
from rheod.store import reference_data
from rheod.tradera.responses import read_categories, read_definitions, read_shipping
from tests.api.running import NOW_MS, Api, OpenApi, Reply

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


BASE = "/integration/v1/tradera"
READ_AT = "2026-05-26T10:00:00Z"
BRAKES = 302410


async def get(api: Api, path: str) -> Any:
    reply = await api.call("GET", BASE + path)
    assert reply.status == 200, reply.raw
    return reply.body


async def stocked(api: Api) -> None:
    """What a daemon has read of the simulated Tradera."""
    catalogue = Catalogue()
    store = api.parts.reference.store
    tree = CategoryTree(read_categories(catalogue.tree()), read_at=NOW_MS)
    brakes = LeafAttributes(BRAKES, read_definitions(catalogue.definitions[BRAKES]), NOW_MS)
    table = sorted_table(read_shipping({"productsPerWeightSpan": catalogue.spans}), read_at=NOW_MS)
    await store.write(lambda tx: reference_data.save_tree(tx.db, tree))
    await store.write(lambda tx: reference_data.save_definitions(tx.db, brakes))
    await store.write(lambda tx: reference_data.save_shipping(tx.db, table))


async def test_before_anything_was_read_all_is_empty(api: Api) -> None:
    """Null is never read; an ERP asks again."""
    assert await get(api, "/categories") == {"readAt": None, "categories": []}
    unread = {"categoryId": 5, "path": "", "leaf": None, "readAt": None, "attributes": []}
    assert await get(api, "/categories/5/attributes") == unread
    shipping = await get(api, "/shipping?weightKg=1")
    assert (shipping["readAt"], shipping["parcels"]) == (None, [])
    assert shipping["offered"] == [{"name": "Pickup", "price": 0, "upToKg": None, "days": None}]
    assert "could not be read" in shipping["warning"]


async def test_categories_are_found_by_words_and_below_one(api: Api) -> None:
    """Leaves first; without words those right below."""
    await stocked(api)
    found = await get(api, "/categories?q=bildelar+broms")
    path = "Fordon, båtar & delar > Bildelar & biltillbehör > Bildelar > Bromsar"
    assert found == {
        "readAt": READ_AT,
        "categories": [{"id": BRAKES, "name": "Bromsar", "path": path, "parentId": 2611, "leaf": True}],
    }
    top = await get(api, "/categories")
    assert {each["parentId"] for each in top["categories"]} == {None}
    below = await get(api, "/categories?parent=261&q=&limit=5")
    assert below["categories"] == []
    below = await get(api, "/categories?parent=261")
    assert [each["id"] for each in below["categories"]] == [2611, 302430]
    assert len((await get(api, "/categories?q=b&limit=2"))["categories"]) == 2


async def test_the_attributes_of_a_leaf_come_with_their_terms(api: Api) -> None:
    """As Tradera has them."""
    await stocked(api)
    shown = await get(api, f"/categories/{BRAKES}/attributes")
    assert (shown["readAt"], shown["leaf"], len(shown["attributes"])) == (READ_AT, True, 3)
    assert shown["attributes"][0] == {
        "id": 2261,
        "name": "Skick",
        "key": "skick",
        "description": "",
        "type": "term",
        "valueFormat": "",
        "required": True,
        "minValues": 1,
        "maxValues": 1,
        "terms": ["Oanvänt", "Mycket gott skick", "Gott skick", "Okej skick", "Defekt"],
    }


async def test_a_leaf_that_was_never_read_is_read_soon_but_not_many_for_whoever_asks(api: Api) -> None:
    """A job is ordered once for each, sixty in an hour at most; for a branch none."""
    await stocked(api)
    tree = await api.parts.reference.tree()
    assert tree is not None
    for leaf in list(tree.leaves())[:70]:
        shown = await get(api, f"/categories/{leaf.id}/attributes")
        assert leaf.id == BRAKES or shown["readAt"] is None
    await get(api, "/categories/26/attributes")
    ordered = await api.parts.reference.store.read(
        lambda db: db.execute("SELECT count(*) FROM jobs WHERE kind = 'reference'").fetchone()[0]
    )
    assert ordered == 60


async def test_freight_says_what_the_buyer_pays_and_what_else_there_is(api: Api) -> None:
    """The cheapest traceable parcel for the weight with packaging."""
    await stocked(api)
    shown = await get(api, "/shipping?weightKg=1.2")
    dhl = {"name": "DHL Service Point", "price": 65, "upToKg": 2.0, "days": 3}
    assert shown["offered"] == [dhl]
    assert shown["parcels"][0] == dhl
    assert (shown["weightKg"], shown["packagingG"], shown["warning"]) == (1.2, 100, None)
    assert "1.3 kg with packaging" in shown["reason"]
    assert [each["name"] for each in (await get(api, "/shipping"))["offered"]] == ["Pickup"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/categories/999999/attributes", 404),
        ("/categories/99999999999/attributes", 404),
        ("/categories?parent=999999", 404),
        ("/categories?parent=x", 400),
        ("/categories?limit=0", 400),
        (f"/categories?q={'x' * 201}", 400),
        ("/shipping?weightKg=-1", 400),
        ("/shipping?weightKg=nan", 400),
        ("/shipping?weightKg=heavy", 400),
        ("/shipping?weightKg=1e9", 400),
    ],
)
async def test_what_is_not_there_or_wrong_is_refused(api: Api, path: str, status: int) -> None:
    """With the code of its kind."""
    await stocked(api)
    assert (await api.call("GET", BASE + path)).status == status
