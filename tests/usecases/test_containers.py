"""Containers: what they may not be asked for, and when they may go."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rheod.domain.errors import Refused
from rheod.domain.model import ItemType, ListingState
from tests.usecases.selling import STEPS, Shop, container, spec


async def put_container(shop: Shop, external_id: str = "car") -> None:
    await shop.items.put_item(shop.account_id, external_id, container())


async def refused(shop: Shop, external_id: str, **values: object) -> str:
    """PUT in vain: the sentence of the 409; nothing has changed."""
    before = await shop.item(external_id)
    with pytest.raises(Refused) as refusal:
        await shop.put(external_id, **values)
    assert refusal.value.code == "CONFLICT"
    assert await shop.item(external_id) == before
    return str(refusal.value)


@pytest.mark.parametrize("state", STEPS)
async def test_an_item_at_tradera_or_on_its_way_does_not_become_a_container(
    shop: Shop, state: ListingState
) -> None:
    """Its ad would go on selling something that is no item any more."""
    await shop.put(auto_publish=True)
    await shop.advance(await shop.listing(), state)
    sentence = await refused(shop, "x", type=ItemType.CONTAINER)
    assert "delist it first" in sentence


async def test_once_delisted_it_may(shop: Shop) -> None:
    """The way the sentence names is open."""
    await shop.put(auto_publish=True)
    await shop.unlist()
    await shop.put(type=ItemType.CONTAINER)
    assert (await shop.item()).spec.type is ItemType.CONTAINER


async def test_a_container_becomes_an_item_only_when_empty(shop: Shop) -> None:
    """An item is nobody's parent."""
    await put_container(shop)
    await shop.put(parent_external_id="car")
    assert "holds 1 item(s)" in await refused(shop, "car")
    await shop.delete()
    await shop.put("car")
    assert (await shop.item("car")).spec.type is ItemType.ITEM


async def test_a_container_has_neither_price_nor_status(shop: Shop) -> None:
    """Empty or not: it is never listed, and nothing is written down."""
    await put_container(shop)
    item = await shop.item("car")
    for call in (shop.price(100, "car"), shop.unlist("car"), shop.mark_sold("car")):
        with pytest.raises(Refused, match="never listed") as refusal:
            await call
        assert refusal.value.code == "CONFLICT"
    assert await shop.item("car") == item
    assert await shop.events(item.id) == ["item.created"]


async def test_a_container_is_deleted_only_when_empty(shop: Shop) -> None:
    """The sentence counts what is in it; deleted and moved items are not, those sold are."""
    await put_container(shop)
    await put_container(shop, "other")
    for external_id in ("a", "b", "c"):
        await shop.put(external_id, parent_external_id="car")
    await shop.mark_sold("c")
    for count, step in ((3, shop.delete("a")), (2, shop.put("b", parent_external_id="other"))):
        with pytest.raises(Refused, match=rf"holds {count} item\(s\)") as refusal:
            await shop.delete("car")
        assert refusal.value.code == "CONFLICT"
        await step
    await shop.delete("c")
    assert await shop.delete("car") == "Item deleted."


async def test_an_item_whose_deletion_is_under_way_does_not_hold_its_container(shop: Shop) -> None:
    """Who deletes a car with its parts need not wait for Tradera in between."""
    await put_container(shop)
    await shop.put_live(parent_external_id="car")
    await shop.delete()
    assert (await shop.item()).delete_requested
    assert await shop.delete("car") == "Item deleted."


async def test_another_account_s_items_hold_nothing(shop: Shop) -> None:
    """External ids belong to their account."""
    await put_container(shop)
    await shop.put(parent_external_id="car")
    await shop.database.write(
        lambda db: db.execute("INSERT INTO accounts (id, reference, created_at) VALUES ('b', 'b', 1)")
    )
    await shop.items.put_item("b", "car", container())
    await shop.items.put_item("b", "x", replace(spec(), title="Other"))
    assert await shop.items.delete_item("b", "car") == "Item deleted."
