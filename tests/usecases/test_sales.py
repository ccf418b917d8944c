"""Sales and closings as Tradera tells them, in any order, twice, late, or about things nobody knows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rheod.domain.model import JobKind, Listing, ListingState, RheoStatus, TraderaStatus
from rheod.store import inbox, orders
from rheod.store.columns import restored
from rheod.usecases.sales import WaitForOrder
from tests.stores import rows
from tests.usecases.selling import Shop, item_closed, order, order_created


async def states(shop: Shop) -> list[tuple[str, str | None]]:
    """(state, reason) of every message, oldest first."""
    found = await rows(shop.database, "SELECT state, reason FROM inbox ORDER BY id")
    return [(row["state"], restored(row["reason"])) for row in found]


async def told(shop: Shop, listing: Listing) -> list[str]:
    """What partners heard of the item after its ad was up."""
    events = await shop.events(listing.item_id)
    return events[events.index("listing.created") + 1 :]


async def test_an_order_sells_its_item_at_the_real_price(shop: Shop) -> None:
    """item.sold with ad, order and price; the order is in progress."""
    listing = await shop.put_live()
    assert await shop.record(order(10187, 1, price_ore=110_050, quantity=2)) == 1
    item = await shop.item()
    assert (item.rheo_status, item.tradera_status) == (RheoStatus.SOLD, TraderaStatus.SOLD)
    assert (await shop.listing()).state is ListingState.SOLD
    [sale] = await shop.bodies(listing.item_id, "item.sold")
    assert (sale["salePrice"], sale["orderId"], sale["traderaAdId"]) == (2201, "10187", "1")
    assert await shop.database.read(lambda db: orders.open_for_item(db, item.id))


async def test_the_same_order_again_is_no_second_sale(shop: Shop) -> None:
    """Push and reconciliation tell the same; a payment is added in silence."""
    listing = await shop.put_live()
    await shop.record(order(1, 1))
    assert await shop.record(order(1, 1, paid_at=9)) == 0
    assert await told(shop, listing) == ["item.sold"]


async def test_one_order_sells_several_items(shop: Shop) -> None:
    """Each is told at its own price."""
    first, second = await shop.put_live("a"), await shop.put_live("b")
    both = replace(
        order(1, 1, price_ore=100),
        lines=order(1, 1, price_ore=100).lines + order(1, 2, price_ore=200).lines,
    )
    assert await shop.record(both) == 2
    prices = [(await shop.bodies(each.item_id, "item.sold"))[0]["salePrice"] for each in (first, second)]
    assert prices == [1, 2]


async def test_an_order_during_the_commit_proves_the_ad(shop: Shop) -> None:
    """The answer to the commit was lost and the ad is sold: it went live, then it was sold."""
    await shop.put(auto_publish=True)
    listing = await shop.advance(await shop.listing(), ListingState.COMMITTING)
    await shop.record(order(1, 1))
    events = await shop.events(listing.item_id)
    assert events == ["item.created", "listing.created", "item.sold"]
    assert (await shop.listing()).state is ListingState.SOLD


async def test_a_sale_of_something_unknown_is_kept(shop: Shop) -> None:
    """As an unmatched line, for the owner to see; its messages are done."""
    await shop.take_in(order_created(5, 999))
    assert await shop.record(order(5, 999), asked=(5,)) == 0
    assert await shop.database.read(orders.unmatched_count) == 1
    assert await states(shop) == [("done", None)]


async def test_a_restarted_ad_is_known_by_its_own_reference(shop: Shop) -> None:
    """Tradera gives it a new number."""
    listing = await shop.put_live()
    await shop.record(order(1, 4711, references=("yard 7", listing.own_reference)))
    assert (await shop.listing()).state is ListingState.SOLD
    assert await shop.database.read(orders.unmatched_count) == 0


@pytest.mark.parametrize(
    "reference", ["rheod:nobody:1", "rheod:x", "rheod::²", "rheod:x:" + "9" * 30, "", ":::"]
)
async def test_a_strange_reference_matches_nothing(shop: Shop, reference: str) -> None:
    """Whatever stands there, the order is kept."""
    await shop.put_live()
    await shop.record(order(1, 4711, references=(reference,)))
    assert await shop.database.read(orders.unmatched_count) == 1


async def test_a_sale_after_the_ad_had_ended_still_counts(shop: Shop) -> None:
    """Ended first, sold in truth: both are told, in that order."""
    listing = await shop.put_live()
    await shop.take_in(item_closed(1))
    await shop.close(1)
    await shop.record(order(1, 1))
    assert await told(shop, listing) == ["listing.ended", "item.sold"]
    assert (await shop.item()).tradera_status is TraderaStatus.SOLD


async def test_a_sale_of_a_removed_item_is_told(shop: Shop) -> None:
    """The owner deleted it while the order was on its way; it stays removed."""
    listing = await shop.put_live()
    await shop.delete()
    await shop.ended(listing)
    await shop.record(order(1, 1))
    assert (await told(shop, listing))[-1] == "item.sold"
    assert (await shop.by_id(listing.item_id)).rheo_status is RheoStatus.ARCHIVED
    assert await shop.is_removed(listing.item_id)


async def test_a_sale_during_deletion_archives(shop: Shop) -> None:
    """An order in progress keeps the item."""
    listing = await shop.put_live()
    await shop.delete()
    await shop.record(order(1, 1))
    item = await shop.item()
    assert (item.rheo_status, item.delete_requested) == (RheoStatus.ARCHIVED, False)
    assert not await shop.is_removed(listing.item_id)


@pytest.mark.parametrize("state", [ListingState.QUEUED, ListingState.ADDED])
async def test_a_late_sale_stops_the_publishing_of_a_second_ad(shop: Shop, state: ListingState) -> None:
    """The thing is sold: the listing that was being made of it is withdrawn."""
    first = await shop.put_live()
    await shop.take_in(item_closed(1))
    await shop.close(1)
    await shop.publish()
    await shop.advance(await shop.listing(), state)
    assert first.tradera_item_id is not None
    await shop.record(order(1, first.tradera_item_id))
    assert (await shop.listing()).state is ListingState.WITHDRAWN
    assert (await shop.item()).rheo_status is RheoStatus.SOLD


async def test_a_late_sale_ends_the_second_ad(shop: Shop) -> None:
    """It is up already: an end job, and the sale is told once, as Tradera's."""
    first = await shop.put_live()
    await shop.take_in(item_closed(1))
    await shop.close(1)
    await shop.publish()
    second = await shop.advance(await shop.listing(), ListingState.LIVE)
    await shop.record(order(1, 1))
    await shop.record(order(1, 1))
    assert await shop.jobs(JobKind.END) == [("end", second.id)]
    [sale] = await shop.bodies(first.item_id, "item.sold")
    assert sale["platform"] == "tradera"


async def test_messages_order_their_work_once(shop: Shop) -> None:
    """One look-up job for all orders of an account, one closing job each; duplicates are recognised."""
    messages = [order_created(1, 1), order_created(2, 2), item_closed(3), order_created(1, 1)]
    assert await shop.take_in(*messages) == 3
    assert await shop.take_in(*messages) == 0
    assert await shop.jobs() == [("orders", shop.account_id), ("close", "3")]
    ids = await shop.database.read(lambda db: inbox.orders_to_look_up(db, shop.account_id, limit=9, now=0))
    assert ids == [1, 2]


async def test_a_closing_waits_for_an_order_that_may_explain_it(shop: Shop) -> None:
    """Except one by Tradera itself, which no order explains."""
    await shop.take_in(item_closed(1), item_closed(2, "ItemClosedByTradera"))
    found = await rows(shop.database, "SELECT due_at FROM jobs WHERE kind = 'close' ORDER BY id")
    assert [row["due_at"] - shop.clock() for row in found] == [30_000, 0]


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        ("ItemClosedByTradera", "closed_by_tradera"),
        ("ItemClosedBySeller", "closed_by_seller"),
        ("ItemEndedWithoutBuyer", "no_bids"),
        ("ShopItemQuantityZero", "quantity_zero"),
    ],
)
async def test_a_closing_without_an_order_is_an_end(shop: Shop, reason: str, word: str) -> None:
    """listing.ended with the reason of the table, once however often it is settled."""
    listing = await shop.put_live()
    await shop.take_in(item_closed(1, reason))
    for _ in range(2):
        assert await shop.close(1) is None
    [ended] = await shop.bodies(listing.item_id, "listing.ended")
    assert (ended["reason"], ended["traderaAdId"]) == (word, "1")
    item = await shop.item()
    assert (item.rheo_status, item.tradera_status) == (RheoStatus.ACTIVE, TraderaStatus.ENDED)


async def test_a_closing_of_our_own_doing_is_no_news(shop: Shop) -> None:
    """Push tells what the owner wished; it settles the wish."""
    listing = await shop.put_live()
    await shop.unlist()
    await shop.take_in(item_closed(1, "ItemClosedBySeller"))
    await shop.close(1)
    assert await told(shop, listing) == ["item.unlisted"]
    assert (await shop.listing()).state is ListingState.ENDED


@pytest.mark.parametrize("closed_first", [True, False])
async def test_a_closing_explained_by_an_order_is_no_end(
    shop: Shop,
    closed_first: bool,  # noqa: FBT001 - a parameter
) -> None:
    """Whichever message comes first, the end is the same: sold, and nothing else is told."""
    listing = await shop.put_live()
    pair = [item_closed(1, "ItemClosedBySeller"), order_created(7, 1)]
    await shop.take_in(*(pair if closed_first else reversed(pair)))
    closing = 1 if closed_first else 2
    assert isinstance(await shop.close(closing), WaitForOrder)
    await shop.record(order(7, 1), asked=(7,))
    assert await shop.close(closing) is None
    assert await told(shop, listing) == ["item.sold"]
    assert await states(shop) == [("done", None)] * 2


async def test_a_closing_during_the_commit_proves_the_ad(shop: Shop) -> None:
    """It went live and was closed before anybody asked."""
    await shop.put(auto_publish=True)
    listing = await shop.advance(await shop.listing(), ListingState.COMMITTED)
    await shop.take_in(item_closed(1, "ItemClosedByTradera"))
    await shop.close(1)
    assert await shop.events(listing.item_id) == ["item.created", "listing.created", "listing.ended"]
    assert (await shop.listing()).state is ListingState.ENDED


async def test_a_closing_of_an_uncommitted_request_is_nothing(shop: Shop) -> None:
    """It was never visible; the publishing goes on."""
    await shop.put(auto_publish=True)
    await shop.advance(await shop.listing(), ListingState.ADDED)
    await shop.take_in(item_closed(1))
    await shop.close(1)
    assert (await shop.listing()).state is ListingState.ADDED


async def test_a_closing_of_an_unknown_ad_is_done(shop: Shop) -> None:
    """The seller has ads of its own."""
    await shop.take_in(item_closed(555))
    assert await shop.close(1) is None
    assert await shop.close(99) is None
    assert await states(shop) == [("done", None)]


async def test_another_sellers_message_is_ignored(shop: Shop) -> None:
    """Kept, and no work; its ad is not touched even if the number is ours."""
    listing = await shop.put_live()
    await shop.take_in(item_closed(1, member=1), order_created(1, 1, member=2))
    assert await states(shop) == [("ignored", "of another seller")] * 2
    assert await shop.jobs(JobKind.CLOSE) == []
    assert await shop.jobs(JobKind.ORDERS) == []
    assert await told(shop, listing) == []


BAD: dict[str, object] = {
    "empty": "",
    "no JSON": "<html>",
    "half": '{"Type":',
    "a surrogate": "\ud800",
    "NUL": "\x00",
    "deep": "[" * 100_000,
    "a huge number": '{"Type":"OrderCreated","OrderId":' + "9" * 5000 + "}",
    "a list": [],
    "null": None,
    "a number": 5,
    "nothing": {},
    "unknown type": {"Type": "ItemOpened", "ItemId": 1, "SellerMemberId": 300124},
    "type of odd kind": {"Type": ["OrderCreated"], "OrderId": 1},
    "no order id": {"Type": "OrderCreated", "SellerMemberId": 300124, "ItemIds": [1]},
    "order id text": {"Type": "OrderCreated", "OrderId": "1", "SellerMemberId": 300124},
    "order id true": {"Type": "OrderCreated", "OrderId": True, "SellerMemberId": 300124},
    "order id 0": {"Type": "OrderCreated", "OrderId": 0, "SellerMemberId": 300124},
    "order id 2**63": {"Type": "OrderCreated", "OrderId": 2**63, "SellerMemberId": 300124},
    "no seller": {"Type": "OrderCreated", "OrderId": 1, "ItemIds": [1]},
    "seller of odd kind": {"Type": "OrderCreated", "OrderId": 1, "SellerMemberId": {}},
    "no item": {"Type": "ItemClosed", "SellerMemberId": 300124, "Reason": "ItemClosedBySeller"},
    "no reason": {"Type": "ItemClosed", "ItemId": 1, "SellerMemberId": 300124},
    "reason of odd kind": {"Type": "ItemClosed", "ItemId": 1, "SellerMemberId": 300124, "Reason": []},
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD.keys())
async def test_what_cannot_be_read_is_quarantined_and_the_rest_goes_on(shop: Shop, content: object) -> None:
    """Kept raw with the reason, and the next message of the batch is taken in."""
    assert await shop.take_in(content, order_created(77, 5)) == 2
    (state, reason), good = await states(shop)
    assert (state, good) == ("quarantined", ("new", None))
    assert reason


@pytest.mark.parametrize("ads", [[], None, ["1"], [True, 0, -1, 2**70], "1"])
async def test_an_order_message_with_odd_ads_is_still_an_order(shop: Shop, ads: object) -> None:
    """The order itself says what was sold; unknown extra fields do no harm."""
    message = order_created(8) | {"ItemIds": ads, "Extra": {"a": 1}}
    assert await shop.take_in(message) == 1
    assert await states(shop) == [("new", None)]
