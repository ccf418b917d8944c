"""The freight that an ad really offers: by weight from Tradera's table, at a fixed price, pickup; never free by silence."""

from __future__ import annotations

from typing import Any

import pytest

from rheod.domain.freight import ShippingTable, sorted_table
from rheod.domain.model import ListingState
from rheod.sandbox.tradera_catalogue import Catalogue
from rheod.store import reference_data
from rheod.tradera.responses import read_shipping
from tests.desk import ASKS_AFTER_S, Desk
from tests.tradera.test_dry_run import played
from tests.waiting import until


async def table_is_read(desk: Desk) -> ShippingTable:
    """The simulated Tradera's table, as a reading has stored it."""
    products = read_shipping({"productsPerWeightSpan": Catalogue().spans})
    table = sorted_table(products, read_at=desk.clock())
    await desk.store.write(lambda tx: reference_data.save_shipping(tx.db, table))
    return table


async def offered(desk: Desk, external_id: str = "A") -> list[dict[str, Any]]:
    """What the ad offered to Tradera."""
    listing = await desk.reach(ListingState.COMMITTED, external_id)
    options: list[dict[str, Any]] = desk.simulator.market.listings[listing.tradera_item_id or 0].body[
        "shippingOptions"
    ]
    return options


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        (
            {"weight_kg": 1.2},
            [{"cost": 65, "shippingProviderId": 2, "shippingProductId": 12, "shippingWeight": 2.0}],
        ),
        ({"weight_kg": 30.0}, [{"cost": 0, "shippingOptionId": 8}]),
        ({"shipping_cost_ore": 14_900}, [{"cost": 149, "shippingProviderId": 6}]),
        ({"shipping_cost_ore": 0}, [{"cost": 0, "shippingProviderId": 6}]),
        ({}, [{"cost": 0, "shippingOptionId": 8}]),
        ({"shipping_strategy": "pickup_only"}, [{"cost": 0, "shippingOptionId": 8}]),
    ],
)
async def test_an_owner_who_has_set_nothing_gives_nothing_away(
    desk: Desk, fields: dict[str, Any], options: list[dict[str, Any]]
) -> None:
    """By weight, at the item's own price, else pickup: free only where the item says 0."""
    await desk.restart(fixed_freight=None)
    await table_is_read(desk)
    await desk.put(**fields)
    assert await offered(desk) == options


async def test_a_product_that_tradera_takes_no_more_gives_way_to_the_next(desk: Desk) -> None:
    """The table is read anew, and the next cheapest is offered at once: nothing fails."""
    await table_is_read(desk)
    for span in desk.simulator.market.catalogue.spans:
        span["products"] = [each for each in span["products"] if each["shippingProviderId"] != 2]
    await desk.put(weight_kg=1.2)
    assert [each["shippingProviderId"] for each in await offered(desk)] == [1]
    assert desk.simulator.calls_by_operation()["create"] == 2
    prices = await desk.rheod.core.reference.freight()
    assert prices.refused == {(2, 12)}


async def test_a_product_refused_only_in_the_results_gives_way_to_the_next(desk: Desk) -> None:
    """The committed request is closed for good; another listing offers the next product, and nothing is told as failed."""
    desk.simulator.fault("commit", "result_error", code=16, message="Shipping product 12 is withdrawn")
    await table_is_read(desk)
    await desk.put(weight_kg=1.2)
    assert [each["shippingProviderId"] for each in await offered(desk)] == [2]
    desk.forward(ASKS_AFTER_S)
    await until(lambda: _has_generation(desk, 2))
    assert [each["shippingProviderId"] for each in await offered(desk)] == [1]
    desk.forward(ASKS_AFTER_S)
    await desk.reach(ListingState.LIVE)
    assert len(desk.simulator.live_items()) == 1
    assert await desk.told("listing.failed") == []


async def _has_generation(desk: Desk, generation: int) -> bool:
    return (await desk.listing()).generation == generation


async def test_a_table_of_which_tradera_takes_nothing_leaves_the_fixed_price(desk: Desk) -> None:
    """And the item is up all the same."""
    await table_is_read(desk)
    desk.simulator.market.catalogue.spans.clear()
    await desk.put(weight_kg=8.0)
    assert await offered(desk) == [{"cost": 66, "shippingProviderId": 6, "shippingWeight": 8.0}]


async def test_a_table_that_was_never_read_leaves_the_fixed_price(desk: Desk) -> None:
    """Without its queue nobody waits for it."""
    await desk.put(weight_kg=1.2)
    assert await offered(desk) == [{"cost": 66, "shippingProviderId": 6, "shippingWeight": 1.2}]


async def test_what_is_sent_at_a_fixed_price_that_nobody_has_set_is_not_sent_free(desk: Desk) -> None:
    """It says what to set, and costs no call."""
    await desk.restart(fixed_freight=None)
    await desk.put(shipping_strategy="seller_shipped")
    await desk.idle()
    listing = await desk.listing()
    assert listing.is_held
    assert "tradera.shipping.shipping_cost" in (listing.held or "")
    assert desk.simulator.calls_by_operation()["create"] == 0
    await desk.put(shipping_strategy="seller_shipped", shipping_cost_ore=5_000)
    assert [each["cost"] for each in await offered(desk)] == [50]


@pytest.mark.parametrize(
    ("weight", "words"), [(None, "neither weight nor price"), (30.0, "takes more than 20 kg")]
)
async def test_pickup_alone_is_told_beside_the_item(desk: Desk, weight: float | None, words: str) -> None:
    """The ad is up, and its warning says what to set."""
    await desk.restart(fixed_freight=None)
    await table_is_read(desk)
    await desk.put(weight_kg=weight)
    await offered(desk)
    assert words in ((await desk.listing()).warning or "")


async def test_the_dry_run_says_what_the_buyer_pays(desk: Desk) -> None:
    """With its reason, or with what the owner should know."""
    await desk.restart(fixed_freight=None)
    await table_is_read(desk)
    await desk.put("light", weight_kg=1.2, auto_publish=False)
    await desk.put("edge", weight_kg=1.88, auto_publish=False)
    texts = {name: [each.text for each in (await played(desk, name)).checks] for name in ("light", "edge")}
    paid = "The buyer pays 65 kr for freight: DHL Service Point up to 2 kg for 65 kr, from Tradera's table"
    assert any(each.startswith(paid) for each in texts["light"])
    assert any("near the limit of 2 kg" in each and "50 kr" in each for each in texts["edge"])
