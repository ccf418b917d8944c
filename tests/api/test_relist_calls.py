"""Returns over HTTP: what an ERP may say of them, what it is told, and what the owner stops."""

from __future__ import annotations

from typing import Any

import pytest

from rheod.domain.relist import RelistRule
from rheod.usecases import relisting
from tests.api.running import Api

ITEM = "/integration/v1/items/A-1"
GOOD = {"title": "Bromsok", "price": 950}


def relisted(**fields: Any) -> dict[str, Any]:
    """A good item that says this about its returns."""
    return {**GOOD, "tradera": {"relist": fields}}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"times": -1}, "tradera.relist.times"),
        ({"steps": []}, "tradera.relist.steps"),
        ({"steps": [1.1]}, "tradera.relist.steps.0"),
        ({"steps": [0]}, "tradera.relist.steps.0"),
        ({"steps": ["+10%"]}, "tradera.relist.steps.0"),
        ({"steps": ["-100%"]}, "tradera.relist.steps.0"),
        ({"steps": [0.9, True]}, "tradera.relist.steps.1"),
        ({"floorPrice": 951}, "tradera.relist.floorPrice"),
        ({"enabled": True}, "tradera.relist.floorPrice"),
        ({"waitH": -1}, "tradera.relist.waitH"),
        ({"until": "tomorrow"}, "tradera.relist.until"),
    ],
)
async def test_a_rule_that_cannot_be_is_refused_with_its_field(
    api: Api, fields: dict[str, Any], field: str
) -> None:
    """Nothing of the item is kept."""
    reply = await api.call("PUT", ITEM, relisted(**fields))
    assert reply.status == 422
    assert list(reply.fields) == [field]
    assert (await api.call("GET", ITEM)).status == 404


@pytest.mark.parametrize(
    "fields",
    [
        {"enabled": False},
        {"enabled": True, "floorPrice": 500},
        {"enabled": True, "floorPrice": 950, "times": 0, "steps": [1, "-5%"], "waitH": 0.5},
        {"until": "2026-12-24T12:00:00+01:00"},
    ],
)
async def test_a_rule_that_can_be_is_taken(api: Api, fields: dict[str, Any]) -> None:
    assert (await api.call("PUT", ITEM, relisted(**fields))).status == 202


async def test_with_the_owners_floor_an_item_needs_none(api: Api) -> None:
    rule = RelistRule(floor=0.5)
    await api.database.write(lambda db: relisting.note_settings(db, rule))
    assert (await api.call("PUT", ITEM, relisted(enabled=True))).status == 202


async def test_a_patch_changes_what_it_names_and_leaves_the_rest(api: Api) -> None:
    await api.call("PUT", ITEM, relisted(enabled=True, floorPrice=500, times=2))
    reply = await api.call("PATCH", f"{ITEM}/relist", {"times": 1})
    assert reply.status == 202
    assert reply.body["success"] is True
    too_high = await api.call("PATCH", f"{ITEM}/relist", {"floorPrice": 951})
    assert (too_high.status, list(too_high.fields)) == (422, ["floorPrice"])
    too_low = await api.call("PATCH", f"{ITEM}/price", {"price": 499})
    assert (too_low.status, list(too_low.fields)) == (422, ["price"])
    assert (await api.call("PATCH", f"{ITEM}-no/relist", {"times": 1})).status == 404
    put_again = await api.call("PUT", ITEM, relisted(enabled=True, floorPrice=500, times=1))
    assert put_again.body["message"] == "Item is unchanged; nothing to do."


async def test_an_item_that_never_was_up_has_no_return(api: Api) -> None:
    await api.call("PUT", ITEM, relisted(enabled=True, floorPrice=500))
    assert (await api.call("GET", ITEM)).body["relist"] is None


async def test_the_owner_pauses_all_and_sees_it(api: Api) -> None:
    paused = await api.own("POST", "/rheod/relist/pause")
    assert paused.status == 202
    plan = await api.own("GET", "/rheod/relist?days=30")
    assert plan.body == {"paused": True, "returns": [], "days": []}
    assert (await api.own("GET", "/rheod/relist?days=0")).status == 400
    await api.own("POST", "/rheod/relist/resume")
    assert (await api.own("GET", "/rheod/relist")).body["paused"] is False
    await api.call("PUT", ITEM, GOOD)
    assert (await api.own("POST", "/rheod/relist/A-1/pause")).status == 409
    assert (await api.own("POST", "/rheod/relist/A-2/resume")).status == 404
