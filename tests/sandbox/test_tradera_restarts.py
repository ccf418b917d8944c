"""Restarts, times and late refusals of the simulated Tradera, over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rheod.sandbox.tradera_access import TimeForm, in_form
from tests.sandbox.playing_seller import new_body

if TYPE_CHECKING:
    from tests.sandbox.playing_seller import Clock, Seller

WEEK_S = 7 * 24 * 3600
BRAKES = 302410


async def ad(seller: Seller, item_id: int) -> dict[str, Any]:
    status, shown = await seller.call("GET", f"/listings/items/{item_id}")
    assert status == 200
    return dict(shown)


async def test_an_unsold_ad_with_restarts_left_comes_back_under_a_new_number(
    seller: Seller, clock: Clock
) -> None:
    """At its price, with its references, until no restart is left; the chain tells of all."""
    first = await seller.publish(clock, restarts=1)
    clock.forward(WEEK_S)
    await ad(seller, first)  # a call lets the market go on
    clock.forward(1)
    status, chain = await seller.call("GET", f"/items/{first}/restarts")
    again = chain["lastRestartedItemId"]
    assert (status, chain["ancestorItemId"]) == (200, first)
    assert [(each["restartedItemId"], each["restartedAsItemId"]) for each in chain["restartedItems"]] == [
        (first, again)
    ]
    shown = await ad(seller, again)
    assert (shown["ownReferences"], shown["openingBid"], shown["restarts"]) == (["rheod:42:1"], 50, 0)
    clock.forward(WEEK_S + 1)
    assert (await seller.call("GET", f"/items/{again}/restarts"))[1]["lastRestartedItemId"] == again


async def test_the_references_may_be_lost_in_a_restart_and_the_seller_may_stop_them(
    seller: Seller, clock: Clock
) -> None:
    """Both are open at Tradera: switches."""
    seller.simulator.market.restarts_keep_references = False
    first = await seller.publish(clock, restarts=2)
    clock.forward(WEEK_S)
    await ad(seller, first)
    clock.forward(1)
    again = (await seller.call("GET", f"/items/{first}/restarts"))[1]["lastRestartedItemId"]
    assert not (await ad(seller, again))["ownReferences"]
    seller.simulator.market.automatic_restarts = False
    clock.forward(WEEK_S)
    assert (await seller.call("GET", f"/items/{first}/restarts"))[1]["lastRestartedItemId"] == again


async def test_a_refused_restart_is_a_200_that_says_no(seller: Seller, clock: Clock) -> None:
    """Running, without restarts left, restarted already; an ad of nobody's is 404."""
    seller.simulator.market.automatic_restarts = False

    async def restart(item_id: int) -> dict[str, Any]:
        status, answer = await seller.call("POST", f"/listings/items/{item_id}/restart")
        assert status == 200
        return dict(answer)

    item_id = await seller.publish(clock, restarts=1)
    other = await seller.publish(clock)
    refused = {
        "isSuccessful": False,
        "oldItemId": item_id,
        "newItemId": None,
        "validationError": "Item is not ended",
    }
    assert await restart(item_id) == refused
    clock.forward(WEEK_S)
    done = await restart(item_id)
    assert (done["isSuccessful"], done["validationError"]) == (True, None)
    assert (await seller.call("GET", f"/listings/items/{done['newItemId']}"))[
        0
    ] == 404  # its queue still works
    assert (await restart(item_id))["validationError"] == "Item has already been restarted"
    assert (await restart(other))["validationError"] == "Item has no restarts left"
    assert (await seller.call("POST", "/listings/items/5/restart"))[0] == 404


async def test_what_is_wrong_with_a_leaf_is_told_at_once_or_only_in_the_results(
    seller: Seller, clock: Clock
) -> None:
    """Nobody has seen such a refusal: both must be outlived."""
    body = {"categoryId": BRAKES}
    status, answer = await seller.call("POST", "/listings/items", new_body(**body))
    assert (status, answer["error"]["message"]) == (400, "Attribute Skick is required")
    seller.simulator.market.catalogue.only_in_results = True
    request_id, _ = await seller.create(**body)
    assert (await seller.call("POST", f"/listings/items/{request_id}/commit"))[0] == 200
    clock.forward(1)
    _, results = await seller.call("GET", "/listings/request-results", requestIds=[str(request_id)])
    assert (results[0]["resultCode"], results[0]["message"]) == (4, "Attribute Skick is required")


@pytest.mark.parametrize(
    ("form", "shown"),
    [
        ("utc", "2026-07-01T10:00:00.000Z"),
        ("offset", "2026-07-01T12:00:00.000+02:00"),
        ("naive_local", "2026-07-01T12:00:00.000"),
        ("naive_utc", "2026-07-01T10:00:00.000"),
        ("seven_digits", "2026-07-01T10:00:00.0000000Z"),
    ],
)
def test_times_stand_in_any_of_the_forms_that_are_known(form: TimeForm, shown: str) -> None:
    """Wherever they stand; other text stays."""
    value = {"at": "2026-07-01T10:00:00.000Z", "list": ["2026-07-01T10:00:00.000Z", "Z", 5]}
    assert in_form(value, form) == {"at": shown, "list": [shown, "Z", 5]}


async def test_the_time_form_is_that_of_every_answer(seller: Seller) -> None:
    """The clock's too."""
    seller.simulator.conduct.time_form = "offset"
    _, now = await seller.call("GET", "/reference-data/time")
    assert now.endswith(("+01:00", "+02:00"))


@pytest.mark.parametrize("path", ["item-field-values", "accepted-bidder-types", "expo-item-types"])
async def test_reference_data_is_there(seller: Seller, path: str) -> None:
    """With its numbers."""
    status, answer = await seller.call("GET", f"/reference-data/{path}")
    assert status == 200
    assert answer
