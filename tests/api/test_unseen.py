"""Ids and titles with what cannot be seen, over HTTP: refused when new, reachable when there, never two of one thing."""

from __future__ import annotations

from random import Random
from typing import Any
from urllib.parse import quote

import pytest

from rheod.domain.model import ItemSpec
from rheod.store import items
from rheod.usecases.put_item import put
from rheod.usecases.transaction import Store
from tests.api.running import Api

BASE = "/integration/v1/items"
PART = {"title": "Testsak", "price": 100}


def at(external_id: str) -> str:
    """The path of an item."""
    return f"{BASE}/{quote(external_id, safe='')}"


async def taken_before(api: Api, external_id: str) -> None:
    """Put an item with an id that an earlier version would have taken: before the API has looked for such."""
    earlier = Store(
        database=api.database, now=api.parts.now, rng=Random(external_id), wake=lambda _queue: None
    )
    spec = ItemSpec(title="Testsak", price_ore=10_000, image_urls=())
    await earlier.write(lambda tx: put(tx, api.parts.default_account, "OLD", spec))
    await api.database.write(
        lambda db: db.execute("UPDATE items SET external_id = ? WHERE external_id = 'OLD'", (external_id,))
    )


@pytest.mark.parametrize("title", ["\u200b\u200b", "\u00ad\u00ad", "\u3164\u3164"])
async def test_a_title_with_nothing_to_see_is_refused(api: Api, title: str) -> None:
    """Of a new item, and of one that had a title; never of one that has it already."""
    refused = await api.call("PUT", at("CASE-1"), PART | {"title": title})
    assert (refused.status, set(refused.fields)) == (422, {"title"})
    assert (await api.call("PUT", at("CASE-1"), PART)).status == 202
    assert set((await api.call("PUT", at("CASE-1"), PART | {"title": title})).fields) == {"title"}
    await api.database.write(lambda db: db.execute("UPDATE items SET title = ?", (title,)))
    assert (await api.call("PUT", at("CASE-1"), {"title": title, "price": 200})).status == 202


@pytest.mark.parametrize("external_id", ["\ufeffART-1", "ART-1 ", " ART-1", "AR\u200bT-1", "ART-1\u00a0"])
async def test_an_id_with_what_cannot_be_seen_is_never_new(api: Api, external_id: str) -> None:
    """Alone, in a batch, and beside the one it looks like; what was taken before stays reachable by its spelling."""
    refused = await api.call("PUT", at(external_id), PART)
    assert (refused.status, set(refused.fields)) == (422, {"externalId"})
    batch = (await api.call("POST", f"{BASE}/batch", {"items": [PART | {"externalId": external_id}]})).body
    assert (batch["accepted"], batch["errors"][0]["reason"].partition(":")[0]) == (0, "externalId")
    assert (await api.call("GET", at(external_id))).status == 404
    await taken_before(api, external_id)
    assert (await api.call("GET", at(external_id))).body["externalId"] == external_id
    assert (await api.call("PUT", at(external_id), PART | {"price": 200})).status == 202
    assert (await api.call("PATCH", at(external_id) + "/price", {"price": 300})).status == 202
    beside = await api.call("PUT", at("ART-1"), PART)
    assert (beside.status, set(beside.fields)) == (422, {"externalId"})
    assert (await api.call("DELETE", at(external_id))).status == 202
    assert (await api.call("PUT", at("ART-1"), PART)).status == 202


@pytest.mark.parametrize(("first", "second"), [("Byr\u00e5", "Byra\u030a"), ("Byra\u030a", "Byr\u00e5")])
async def test_ids_are_compared_as_they_look(api: Api, first: str, second: str) -> None:
    """Whoever comes second, with letters composed otherwise, is told so; the first is updated as ever."""
    assert (await api.call("PUT", at(first), PART)).status == 202
    refused = await api.call("PUT", at(second), PART)
    assert (refused.status, set(refused.fields)) == (422, {"externalId"})
    assert (await api.call("PUT", at(first), PART | {"price": 200})).status == 202


async def test_look_alikes_that_are_there_are_found(api: Api) -> None:
    """Each pair once, those that are gone not at all."""
    await api.call("PUT", at("ART-1"), PART)
    for name in ("\ufeffART-1", "ART-1 ", "Byr\u00e5", "Byra\u030a", "\u200bAlone"):
        await taken_before(api, name)
    account = api.parts.default_account
    found = await api.database.read(lambda db: items.look_alikes(db, account, limit=9))
    assert set(found) == {("ART-1", "\ufeffART-1"), ("ART-1", "ART-1 "), ("Byr\u00e5", "Byra\u030a")}
    await api.call("DELETE", at("ART-1"))
    found = await api.database.read(lambda db: items.look_alikes(db, account, limit=9))
    assert {frozenset(pair) for pair in found} == {
        frozenset({"\ufeffART-1", "ART-1 "}),
        frozenset({"Byr\u00e5", "Byra\u030a"}),
    }


async def test_pictures_that_are_not_named_stay(api: Api) -> None:
    """A PUT without the field changes the text alone; an empty list takes the pictures away."""
    pictures = {"imageUrls": ["https://cdn.example.com/a.jpg"]}
    changes: list[tuple[dict[str, Any], int]] = [
        (pictures, 1),
        ({"title": "Testsak, ny text"}, 1),
        ({"images": None}, 1),
        ({"imageUrls": []}, 0),
    ]
    for change, count in changes:
        assert (await api.call("PUT", at("CASE-1"), PART | change)).status == 202
        assert len((await api.call("GET", at("CASE-1"))).body["images"]) == count
