"""Tradera's categories, attributes and freight over HTTP: from what was read, without a call."""

from __future__ import annotations

from typing import Any

import pytest

from rheod.domain.categories import CategoryTree, LeafAttributes
from rheod.domain.freight import sorted_table
from rheod.sandbox.tradera_catalogue import Catalogue
from rheod.store import reference_data
from rheod.tradera.responses import read_categories, read_definitions, read_shipping
from tests.api.running import NOW_MS, Api

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
