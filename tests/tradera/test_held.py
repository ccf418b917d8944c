"""Held items: nothing is sent until the category or an attribute is settled, it is told once, and every remedy lets them go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from rheod.api.item_body import read_item
from rheod.domain.categories import (
    AttributeDefinition,
    Category,
    CategoryTree,
    LeafAttributes,
    tradera_category,
)
from rheod.domain.model import ItemSpec, ListingState, RheoStatus, TraderaStatus, TraderaWish
from rheod.sandbox.tradera_catalogue import attribute
from rheod.store import key_value, reference_data
from rheod.usecases import placement, placer
from tests.desk import ASKS_AFTER_S, CATEGORY, Desk
from tests.waiting import until

SKICK = AttributeDefinition(id=121, name="Skick", min_values=1, terms=("Oanvänt", "Gott skick"))


async def knows(desk: Desk, *definitions: AttributeDefinition, leaves: tuple[int, ...] = (CATEGORY,)) -> None:
    """Tradera's tree has been read, and of the usual category these definitions."""

    def write(tx: Any) -> None:
        categories = [Category(10, "Hem & hushåll"), *(Category(leaf, f"Leaf {leaf}", 10) for leaf in leaves)]
        reference_data.save_tree(tx.db, CategoryTree(categories, read_at=tx.now))
        reference_data.save_definitions(tx.db, LeafAttributes(CATEGORY, definitions, tx.now))

    await desk.store.write(write)
    accepts(desk, *definitions)


def accepts(desk: Desk, *definitions: AttributeDefinition) -> None:
    """What the simulated Tradera really wants of the usual category."""
    desk.simulator.market.catalogue.definitions[CATEGORY] = [
        attribute(each.id, each.name, each.terms, minNumberOfValues=each.min_values) for each in definitions
    ]


async def held(desk: Desk) -> Any:
    """The item's listing, which is held."""
    listing = await desk.listing()
    assert listing.is_held
    return listing


async def change(desk: Desk, **fields: Any) -> None:
    """PUT the item once more with these fields otherwise."""
    spec: ItemSpec = (await desk.item()).spec
    await desk.items.put_item(desk.account_id, "A", replace(spec, **fields))


async def goes_live(desk: Desk) -> None:
    """The ad comes up in its one publishing."""
    await desk.reach(ListingState.COMMITTED)
    desk.forward(ASKS_AFTER_S)
    live = await desk.reach(ListingState.LIVE)
    assert not live.is_held
    assert live.generation == 1
    assert (await desk.item()).last_error is None


def wish(**fields: Any) -> TraderaWish:
    return TraderaWish(**{"category_id": CATEGORY, **fields})


async def test_a_missing_attribute_holds_the_item_without_a_call_and_is_told_once(desk: Desk) -> None:
    """The status stays pending; the sentence, what is missing and since when stand with the item and in one event."""
    await knows(desk, SKICK)
    item = await desk.put()
    await desk.idle()
    listing = await held(desk)
    assert listing.held_missing == ("Skick",)
    assert (item.tradera_status, item.rheo_status) == (TraderaStatus.PENDING_SYNC, RheoStatus.ACTIVE)
    assert item.last_error == listing.held
    assert "Skick (Oanvänt, Gott skick)" in (listing.held or "")
    assert (desk.called(), await desk.waiting_jobs("publish")) == ({}, [])
    (told,) = await desk.told("item.needs_attention")
    assert told == {"reason": listing.held, "missing": ["Skick"], "since": "2026-05-26T10:00:00Z"}
    await change(desk, description="Still without a condition")
    assert (await held(desk)).held_since == listing.held_since
    assert len(await desk.told("item.needs_attention")) == 1


async def test_a_put_with_what_was_missing_lets_the_item_go_at_once(desk: Desk) -> None:
    """In its first publishing, with the term as the leaf writes it."""
    await knows(desk, SKICK)
    await desk.put()
    await change(desk, tradera=wish(attributes={"skick": "GOTT SKICK"}))
    await goes_live(desk)
    (ad,) = desk.simulator.live_items()
    assert ad.body["attributeValues"]["terms"] == [{"id": 121, "values": ["Gott skick"]}]


@pytest.mark.parametrize("remedy", ["rule", "default", "definitions", "publish"])
async def test_every_remedy_lets_an_item_go(desk: Desk, remedy: str) -> None:
    """A rule, a default, new definitions; an order to publish only looks again."""
    await knows(desk, SKICK) if remedy in {"definitions", "publish"} else await knows(desk)
    fields: dict[str, Any] = (
        {} if remedy in {"definitions", "publish"} else {"tradera": None, "domain": "toys"}
    )
    await desk.put(**fields)
    await held(desk)
    if remedy == "rule":
        rule = {"id": 1, "category_id": CATEGORY, "words": "rörstrand"}
        await desk.store.write(lambda tx: key_value.choose(tx.db, placer.RULES, [rule], now=tx.now))
    elif remedy == "default":
        await desk.store.write(
            lambda tx: key_value.choose(tx.db, placer.DEFAULTS, {"toys": CATEGORY}, now=tx.now)
        )
    else:
        desk.clock.forward(1000)
        await knows(desk)
    if remedy == "publish":
        assert await desk.items.order_publish(desk.account_id, "A") == "Queued for publishing"
    else:
        assert await placement.look_at_all(desk.store, also_refused=True) == 1
    await goes_live(desk)


async def test_an_item_with_pictures_still_to_come_is_held_and_goes_when_they_have(desk: Desk) -> None:
    """Held at the PUT itself; settled pictures order nothing while it is held."""
    await knows(desk, leaves=(5,))
    await desk.items.put_item(
        desk.account_id,
        "A",
        ItemSpec(
            title="Kopp",
            price_ore=100,
            auto_publish=True,
            image_urls=("https://i.example/1",),
            tradera=TraderaWish(category_id=7),
        ),
    )
    assert "which Tradera does not have" in ((await held(desk)).held or "")
    await desk.pictures_ready()
    assert await desk.waiting_jobs("publish") == []
    await change(desk, tradera=TraderaWish(category_id=5))
    assert len(await desk.waiting_jobs("publish")) + len(desk.called()) > 0


async def test_another_reason_is_told_anew(desk: Desk) -> None:
    """First the attribute, then the category: two things to do."""
    await knows(desk, SKICK)
    await desk.put()
    await change(desk, tradera=TraderaWish(category_id=10))
    assert "others below it" in ((await held(desk)).held or "")
    await change(desk, tradera=wish())
    assert (await held(desk)).held_missing == ("Skick",)
    assert len(await desk.told("item.needs_attention")) == 2


async def test_without_definitions_nothing_is_held_and_tradera_decides(desk: Desk) -> None:
    """The item goes as it stands, with the attributes that it names by number."""
    accepts(desk, SKICK)
    await desk.put(tradera=wish(attributes={"121": "Gott skick", "Skick": "Gott skick"}))
    await goes_live(desk)
    (ad,) = desk.simulator.live_items()
    assert ad.body["attributeValues"]["terms"] == [{"id": 121, "values": ["Gott skick"]}]


async def test_without_a_tree_an_item_that_nobody_has_placed_waits_without_a_call(desk: Desk) -> None:
    """Nothing is chosen for it unchecked, and it has not failed."""
    await desk.put(tradera=None, domain="books")
    await desk.idle()
    view = await desk.items.read_item(desk.account_id, "A")
    assert "Waits for Tradera's categories" in (view.waits_for or "")
    assert (desk.called(), await desk.told("listing.failed")) == ({}, [])
    assert view.next_try is not None


async def test_what_waits_for_the_tree_goes_on_when_it_comes(desk: Desk) -> None:
    """Not only at its next look: nobody waits for a clock when what was missing is there."""
    await desk.put(tradera=None, domain="home_garden", title="Tallrik Rörstrand")
    await desk.idle()
    assert desk.called() == {}
    await knows(desk)
    await desk.store.write(placement.tree_came)
    await desk.reach(ListingState.COMMITTED)
    assert (await desk.listing()).category_id == CATEGORY


async def test_what_tradera_alone_refuses_is_held_with_its_words(desk: Desk) -> None:
    """Refused at once: no failure, one call, and a correction goes on in the same publishing."""
    await desk.put(tradera=TraderaWish(category_id=999_999))
    await desk.idle()
    listing = await held(desk)
    assert listing.held is not None
    assert listing.held.startswith("Tradera refuses an ad in category 999999: ")
    assert (desk.called(), await desk.told("listing.failed")) == ({"create": 1}, [])
    await placement.look_at_all(desk.store, also_refused=False)
    await desk.idle()
    assert desk.called() == {"create": 1}
    await change(desk, tradera=wish())
    await goes_live(desk)


async def test_what_tradera_refuses_only_in_its_results_is_held_under_a_new_listing(desk: Desk) -> None:
    """The committed request is closed for good; nothing of it is told as failed, and the item is not sold twice."""
    desk.simulator.fault("commit", "result_error", code=16, message="Category 302571 is not allowed")
    await desk.put()
    await desk.reach(ListingState.COMMITTED)
    desk.forward(ASKS_AFTER_S)
    await desk.idle()
    listing = await held(desk)
    assert (listing.generation, listing.commit_sent_at) == (2, None)
    assert "Category 302571 is not allowed" in (listing.held or "")
    assert (await desk.item()).tradera_status is TraderaStatus.PENDING_SYNC
    assert await desk.told("listing.failed") == []
    await change(desk, description="Another try")
    await desk.reach(ListingState.COMMITTED)
    desk.forward(ASKS_AFTER_S)
    await desk.reach(ListingState.LIVE)
    assert len(desk.simulator.live_items()) == 1


@pytest.mark.parametrize("wanted", ["not_listed", "sold"])
async def test_a_held_item_can_be_taken_back(desk: Desk, wanted: Any) -> None:
    """Nothing of it is at Tradera."""
    await knows(desk, SKICK)
    await desk.put()
    await desk.items.change_status(desk.account_id, "A", wanted)
    assert (await desk.listing()).state is ListingState.WITHDRAWN
    assert not (await desk.listing()).is_held
    assert (await desk.item()).last_error is None
    assert desk.called() == {}


@pytest.fixture
async def fresh(desk: Desk) -> AsyncIterator[Desk]:
    """An installation that has nothing but credentials, and reads Tradera's categories as every daemon does."""
    loops = desk.rheod.loops
    loops.reference.runs = True
    (queue,) = (each for each in loops.queues if each.name == "tradera:reference")
    running = asyncio.create_task(queue.run())
    await desk.rheod.core.reference.read_what_is_old()
    yield desk
    queue.stop()
    await running


BODY = {
    "title": "Bromsok fram vänster Volvo XC90",
    "price": 950,
    "shippingCost": 149,
    "autoPublishTradera": True,
    "domain": {
        "domain": "automotive_part",
        "oemCode": "31400452",
        "partName": "Bromsok",
        "manufacturer": "Volvo",
        "compatibleModels": ["XC90"],
        "donorVehicleYear": 2018,
        "conditionGrade": "B",
    },
}


async def test_the_first_put_of_a_fresh_installation_goes_live_in_the_guessed_leaf(fresh: Desk) -> None:
    """No category, no setting, none of the old numbers in the tree: the leaf is found by words, and *Skick* is given."""
    catalogue = fresh.simulator.market.catalogue
    await fresh.items.put_item(fresh.account_id, "FIRST", read_item(BODY, check_url=lambda _url: None))
    await fresh.reach(ListingState.COMMITTED, "FIRST")
    fresh.forward(ASKS_AFTER_S)
    listing = await fresh.reach(ListingState.LIVE, "FIRST")
    (ad,) = fresh.simulator.live_items()
    leaf = ad.body["categoryId"]
    (skick,) = (each for each in catalogue.definitions[leaf] if each["name"] == "Skick")
    assert skick["minNumberOfValues"] == 1
    assert {"id": skick["id"], "values": ["Gott skick"]} in ad.body["attributeValues"]["terms"]
    assert (listing.category_id, listing.held) == (leaf, None)
    assert "The category was guessed" in (listing.warning or "")
    assert "Bromsar" in (listing.warning or "")
    assert tradera_category("auto_parts") != leaf


async def test_definitions_that_were_old_are_read_anew_when_tradera_refuses(fresh: Desk) -> None:
    """The refused ad cost one call; what Tradera wants by now is read once, and named."""
    catalogue = fresh.simulator.market.catalogue
    await fresh.publish("A")
    catalogue.definitions[CATEGORY] = [
        attribute(9, "Märke", ("Rörstrand", "Gustavsberg"), minNumberOfValues=1)
    ]
    await fresh.put("B")
    await until(lambda: _held_of(fresh, "B"))
    assert (await fresh.listing("B")).held_missing == ("Märke",)
    assert fresh.called()["create"] == 2


async def _held_of(desk: Desk, external_id: str) -> bool:
    return (await desk.listing(external_id)).is_held
