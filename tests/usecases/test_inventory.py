"""Looking through what an account has: walks that miss nothing, containers, stories."""

from __future__ import annotations

from typing import Any

import pytest

from rheod.domain.errors import Refused
from rheod.domain.model import CallClass, ListingState
from rheod.store import ledger
from rheod.store.ledger import LedgerCall
from rheod.store.search import START, ItemCursor, ItemFilter
from rheod.usecases.inventory import Inventory, ItemPage
from tests.usecases.selling import Shop, container, order


@pytest.fixture
def inventory(shop: Shop) -> Inventory:
    """What the shop has."""
    return Inventory(store=shop.store, site_url="https://t.example")


async def page(inventory: Inventory, shop: Shop, after: ItemCursor = START, limit: int = 2) -> ItemPage:
    """A page of everything."""
    return await inventory.page(shop.account_id, ItemFilter(), limit=limit, after=after)


async def test_items_are_listed_in_order_of_change(shop: Shop, inventory: Inventory) -> None:
    """A change moves an item to the end."""
    for name in ("a", "b", "c"):
        shop.clock.forward(1)
        await shop.put(name)
    shop.clock.forward(1)
    await shop.price(1, "a")
    found = await page(inventory, shop, limit=9)
    assert [line.external_id for line in found.lines] == ["b", "c", "a"]
    assert (found.following, found.total) == (None, 3)


async def test_a_walk_misses_nothing_that_does_not_change_meanwhile(shop: Shop, inventory: Inventory) -> None:
    """Items change, come and go between the pages: the others are seen once each, the changed ones again."""
    for number in range(10):
        await shop.put(f"i{number}")
    seen: list[str] = []
    after: ItemCursor | None = START
    step = 0
    while after is not None:
        found = await page(inventory, shop, after)
        seen += [line.external_id for line in found.lines]
        shop.clock.forward(1)
        if step == 0:
            await shop.price(100 + step, seen[0])
            await shop.put("new")
            await shop.delete(seen[1])
        step, after = step + 1, found.following
    calm = [f"i{number}" for number in range(10) if f"i{number}" not in seen[:2]]
    assert sorted(name for name in seen if name in calm) == calm
    assert seen.count(seen[0]) == 2
    assert seen.count("new") == 1


async def test_an_ad_has_its_address_once_it_has_been_visible(shop: Shop, inventory: Inventory) -> None:
    """As in GET of the item."""
    await shop.put("x", auto_publish=True)
    await shop.advance(await shop.listing("x"), ListingState.COMMITTED)
    (line,) = (await page(inventory, shop)).lines
    assert (line.ad, inventory.ad_url(line)) == (1, None)
    await shop.advance(await shop.listing("x"), ListingState.LIVE)
    (line,) = (await page(inventory, shop)).lines
    assert inventory.ad_url(line) == "https://t.example/item/1"


async def test_a_container_shows_its_children_and_their_worth(shop: Shop, inventory: Inventory) -> None:
    """By pages; what was sold at Tradera counts with what was paid."""
    await shop.items.put_item(shop.account_id, "VIN", container())
    for number in range(3):
        await shop.put(f"p{number}", parent_external_id="VIN")
    await shop.put_live("p3", parent_external_id="VIN")
    await shop.record(order(7, 1, price_ore=110_000))
    await shop.unlist("p2")
    first = await inventory.children(shop.account_id, "VIN", limit=3)
    assert first.following is not None
    rest = await inventory.children(shop.account_id, "VIN", limit=3, after=first.following)
    assert {line.external_id for line in first.lines + rest.lines} == {"p0", "p1", "p2", "p3"}
    assert (first.total, rest.following) == (4, None)
    figures = await inventory.figures(shop.account_id, "VIN")
    assert figures.counts == {"active": 2, "sold": 1, "not_listed": 1}
    assert (figures.listed_ore, figures.sold_ore) == (2 * 95_000, 110_000)


async def test_a_story_is_told_newest_first_by_pages(shop: Shop, inventory: Inventory) -> None:
    """Every event once, those of another item with the same external id before it left out."""
    await shop.put()
    await shop.delete()
    await shop.put(title="Fat")
    for price in range(100, 600, 100):
        await shop.price(price)
    told: list[str] = []
    before: int | None = None
    while True:
        story = await inventory.story(shop.account_id, "x", limit=4, before=before)
        told += [each.type for each in story.events]
        before = story.following
        if before is None:
            break
    assert told == ["price.updated"] * 5 + ["item.created"]
    assert story.total == 6


async def test_the_story_of_a_sale_has_its_price_and_no_buyer(shop: Shop, inventory: Inventory) -> None:
    """What happened, to what, for how much; never to whom."""
    buyer = {"name": "Anna Andersson", "email": "anna@example.com"}
    await shop.put_live()
    await shop.record(order(7, 1, buyer=buyer))
    story = await inventory.story(shop.account_id, "x", limit=9)
    assert [each.type for each in story.events] == [
        *("order.created", "item.sold", "listing.created", "item.created"),
    ]
    assert story.events[0].data == {"orderId": "7"}
    assert story.events[1].data == {
        "traderaAdId": "1",
        "orderId": "7",
        "salePrice": 1100,
        "platform": "tradera",
    }
    assert "nna" not in str(story.events)


@pytest.mark.parametrize("call", ["children", "figures", "story"])
async def test_what_is_not_there_is_not_found(shop: Shop, inventory: Inventory, call: str) -> None:
    """Also an item of another account."""
    values: dict[str, Any] = {} if call == "figures" else {"limit": 9}
    with pytest.raises(Refused, match="No item found"):
        await getattr(inventory, call)(shop.account_id, "nothing", **values)


async def test_a_timeline_has_events_and_calls_in_order(shop: Shop, inventory: Inventory) -> None:
    """Newest first; every entry is of one kind."""
    listing = await shop.put_live()
    at = shop.clock.forward(1000)
    call = LedgerCall(
        call_class=CallClass.END, operation="end", account_id=shop.account_id, listing_id=listing.id
    )
    await shop.database.write(lambda db: ledger.open_call(db, call, now=at))
    shop.clock.forward(1000)
    await shop.put(title="Fat")
    story = await inventory.timeline(shop.account_id, "x")
    names = [
        entry.event.type if entry.event else entry.call and entry.call.operation for entry in story.entries
    ]
    assert names[:2] == ["item.updated", "end"]
    assert set(names[2:]) == {"item.created", "listing.created"}
    assert story.whole
    with pytest.raises(Refused, match="No item"):
        await inventory.timeline(shop.account_id, "y")
