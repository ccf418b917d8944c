"""Sales that fell through: the item comes back under its own id, once, and the sale leaves the figures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rheod.domain.errors import Refused
from rheod.domain.inputs import EndRefused
from rheod.domain.model import JobKind, ListingState, RheoStatus, TraderaStatus
from rheod.domain.orders import Order, OrderFlag, OrderStatus, Payment, Reversal, ReversalReason
from rheod.store import orders, stock
from rheod.store.order_changes import Reversed
from rheod.store.orders import StoredOrder
from rheod.usecases import listings
from tests.stores import rows
from tests.usecases.selling import Shop, order

UNPAID = Reversal(reason=ReversalReason.UNPAID)


async def reverse(shop: Shop, given: Reversal = UNPAID, external_id: str = "x") -> Reversed:
    """Say that a sale fell through."""
    return await shop.items.reversing.reverse(shop.account_id, external_id, given)


async def refused(shop: Shop, given: Reversal = UNPAID, external_id: str = "x") -> tuple[str, str]:
    """Say it in vain: the code, and the field or the sentence."""
    with pytest.raises(Refused) as raised:
        await reverse(shop, given, external_id)
    fields = ",".join(each.field for each in raised.value.details)
    return raised.value.code, fields or str(raised.value)


async def stored(shop: Shop, order_id: int = 1) -> StoredOrder:
    """The order as it is."""
    found = await shop.database.read(lambda db: orders.find(db, order_id))
    assert found is not None
    return found


async def of_orders(shop: Shop) -> list[str]:
    """What was told of orders."""
    found = await rows(shop.database, "SELECT type FROM notices WHERE type LIKE 'order.%' ORDER BY seq")
    return [row["type"] for row in found]


def paid(order_id: int, ad: int, amount_ore: int = 110_000, at: int = 9) -> Order:
    """The order as a later reading tells it, with a payment."""
    return order(
        order_id,
        ad,
        subtotal_ore=110_000,
        payments=(Payment(type="Swish", amount_ore=amount_ore, paid_at=at),),
    )


async def test_the_item_comes_back_under_its_own_id(shop: Shop) -> None:
    """Not listed, its ad ended, the order reversed; the event tells what it had been sold for."""
    listing = await shop.put_live()
    await shop.record(order(1, 1))
    told = await reverse(shop)
    item = await shop.item()
    assert (item.id, item.rheo_status, item.tradera_status) == (
        listing.item_id,
        RheoStatus.NOT_LISTED,
        TraderaStatus.ENDED,
    )
    assert (await shop.listing()).state is ListingState.ENDED
    assert (told.order_id, told.at) == (1, shop.clock())
    found = await stored(shop)
    assert (found.status, found.lines[0].reversed_why) == (OrderStatus.REVERSED, "unpaid")
    [body] = await shop.bodies(item.id, "item.sale_reversed")
    told_fields = ("salePrice", "orderId", "traderaAdId", "reason", "platform", "refunded")
    assert [body[name] for name in told_fields] == [1100, "1", "1", "unpaid", "tradera", False]


async def test_put_up_again_it_is_sold_at_its_first_price(shop: Shop) -> None:
    """Events in order; the old order read once more sells nothing."""
    listing = await shop.put_live()
    await shop.record(order(1, 1, price_ore=7_000))
    await reverse(shop, replace(UNPAID, relist=True))
    await shop.record(order(1, 1, price_ore=7_000))
    again = await shop.advance(await shop.listing(), ListingState.LIVE)
    assert (again.generation, again.ladder) == (2, None)
    events = await shop.events(listing.item_id)
    assert events[events.index("item.sold") :] == ["item.sold", "item.sale_reversed", "listing.created"]
    assert (await shop.item()).rheo_status is RheoStatus.ACTIVE


@pytest.mark.parametrize("relist", [False, True])
async def test_the_same_words_again_get_the_same_answer(shop: Shop, *, relist: bool) -> None:
    """With the order or without it; other words are refused."""
    listing = await shop.put_live()
    await shop.record(order(1, 1))
    given = replace(UNPAID, relist=relist)
    first = await reverse(shop, given)
    shop.clock.ms += 5000
    for again in (given, replace(given, order_id=1)):
        told = await reverse(shop, again)
        assert (told.order_id, told.at) == (first.order_id, first.at)
    assert (await shop.events(listing.item_id)).count("item.sale_reversed") == 1
    assert (await shop.listing()).generation == 1 + relist
    code, sentence = await refused(shop, replace(given, reason=ReversalReason.LOST))
    assert code == "CONFLICT"
    assert "unpaid" in sentence


async def test_a_sale_elsewhere_is_taken_back(shop: Shop) -> None:
    """It has no order; the price is what the item cost."""
    listing = await shop.put_live()
    await shop.mark_sold()
    await shop.ended(listing)
    first = await reverse(shop, replace(UNPAID, reason=ReversalReason.RETURNED))
    assert first.order_id is None
    assert (await shop.item()).rheo_status is RheoStatus.NOT_LISTED
    [body] = await shop.bodies(listing.item_id, "item.sale_reversed")
    assert (body["platform"], body["salePrice"], body.get("orderId")) == ("rheo", 950, None)
    assert await reverse(shop, replace(UNPAID, reason=ReversalReason.RETURNED)) == first


async def test_it_is_not_put_up_beside_an_ad_that_is_being_ended(shop: Shop) -> None:
    """Nothing of the word is kept until that ad is down."""
    listing = await shop.put_live()
    await shop.mark_sold()
    assert (await refused(shop, replace(UNPAID, relist=True)))[0] == "CONFLICT"
    assert (await shop.item()).rheo_status is RheoStatus.SOLD
    await shop.ended(listing)
    await reverse(shop, replace(UNPAID, relist=True))
    assert (await shop.listing()).state is ListingState.QUEUED


async def test_a_paid_order_needs_the_word_that_it_was_paid_back(shop: Shop) -> None:
    """Any part of it."""
    await shop.put_live()
    await shop.record(paid(1, 1, 500))
    assert await refused(shop) == ("VALIDATION_FAILED", "refunded")
    await reverse(shop, replace(UNPAID, refunded=True))
    assert (await stored(shop)).status is OrderStatus.REVERSED


async def test_what_is_not_sold_or_not_by_this_order_is_refused(shop: Shop) -> None:
    """Another item's order, one nobody knows, and what does not exist look alike."""
    await shop.put_live("x")
    await shop.put_live("y")
    assert (await refused(shop))[0] == "CONFLICT"
    await shop.record(order(1, 1), order(2, 2))
    for unknown in (2, 3):
        assert await refused(shop, replace(UNPAID, order_id=unknown)) == ("VALIDATION_FAILED", "orderId")
    assert (await refused(shop, external_id="nobody"))[0] == "NOT_FOUND"


async def test_of_several_sales_one_must_be_named(shop: Shop) -> None:
    """What the other order has bought stays sold, and its ad too."""
    listing = await shop.put_live()
    await shop.record(order(1, 1), order(2, 1))
    code, sentence = await refused(shop)
    assert (code, "1, 2" in sentence) == ("CONFLICT", True)
    await reverse(shop, replace(UNPAID, order_id=1))
    assert ((await shop.item()).rheo_status, (await shop.listing()).state) == (RheoStatus.SOLD, "sold")
    await reverse(shop, replace(UNPAID, order_id=2))
    assert (await shop.item()).rheo_status is RheoStatus.NOT_LISTED
    assert (await shop.events(listing.item_id)).count("item.sale_reversed") == 2


async def test_a_second_order_sells_it_again(shop: Shop) -> None:
    """After the first fell through: another sale by the same ad."""
    listing = await shop.put_live()
    await shop.record(order(1, 1))
    await reverse(shop)
    assert await shop.record(order(2, 1)) == 1
    assert (await shop.events(listing.item_id))[-3:] == ["item.sold", "item.sale_reversed", "item.sold"]
    assert (await shop.item()).rheo_status is RheoStatus.SOLD


async def test_a_sale_that_fell_through_leaves_every_figure(shop: Shop) -> None:
    """By month, by domain, by day."""
    await shop.put_live("x")
    await shop.put_live("y")
    await shop.record(order(1, 1), order(2, 2, price_ore=5_000))
    await reverse(shop)
    found = await shop.database.read(lambda db: stock.sums(db, shop.account_id, since="1970-01"))
    assert [(month.orders, month.ore) for month in found.months.values()] == [(1, 5_000)]
    assert sum(found.domains.values()) == 5_000
    days = await shop.database.read(lambda db: stock.sales_since(db, shop.account_id, 0))
    assert days == [(1, 1, 5_000)]


async def test_a_payment_after_it_stops_the_new_ad_and_is_told(shop: Shop) -> None:
    """Whenever Tradera says that it was paid; it is told as nothing else, once."""
    await shop.put_live()
    await shop.record(order(1, 1))
    await reverse(shop, replace(UNPAID, relist=True))
    second = await shop.advance(await shop.listing(), ListingState.LIVE)
    for _ in range(2):
        await shop.record(paid(1, 1))
    assert await of_orders(shop) == ["order.created", "order.paid_after_reversal"]
    assert (JobKind.END, second.id) in await shop.jobs()
    assert (await shop.item()).rheo_status is RheoStatus.NOT_LISTED
    assert (await stored(shop)).flags == (OrderFlag.PAID_AFTER_REVERSAL,)


async def test_a_late_payment_stops_what_is_on_its_way(shop: Shop) -> None:
    """The listing is withdrawn before anything of it is up."""
    await shop.put_live()
    await shop.record(order(1, 1))
    await reverse(shop, replace(UNPAID, relist=True))
    await shop.record(paid(1, 1))
    second = await shop.listing()
    assert second.state is ListingState.WITHDRAWN
    assert (JobKind.PUBLISH, second.id) not in await shop.jobs()


async def test_a_late_payment_that_is_paid_back_is_over(shop: Shop) -> None:
    """By the owner's word, or as Tradera tells it; another one after that is another alarm."""
    await shop.put_live()
    await shop.record(order(1, 1))
    await reverse(shop)
    await shop.record(paid(1, 1))
    await reverse(shop, replace(UNPAID, refunded=True))
    assert (await stored(shop)).flags == ()
    await shop.record(order(1, 1, subtotal_ore=110_000, payments=()))
    await shop.record(paid(1, 1, at=20))
    assert OrderFlag.PAID_AFTER_REVERSAL in (await stored(shop)).flags
    assert (await of_orders(shop)).count("order.paid_after_reversal") == 2


async def test_the_newer_ad_with_bids_stands_for_the_item(shop: Shop) -> None:
    """A late sale of the first ad fell through while the second, which Tradera does not end, is up."""
    first = await shop.put_live()
    await shop.ended(first)
    await shop.publish()
    second = await shop.advance(await shop.listing(), ListingState.LIVE)
    await shop.record(order(1, 1))
    refusal = EndRefused(error="it has bids")
    await shop.store.write(lambda tx: listings.step(tx, second.id, refusal))
    await reverse(shop)
    item = await shop.item()
    assert (item.rheo_status, item.tradera_status) == (RheoStatus.ACTIVE, TraderaStatus.ACTIVE)


async def test_a_sale_elsewhere_and_an_order_are_two_sales_until_one_is_taken_back(shop: Shop) -> None:
    """The ad was bought before it was down: the owner and the ERP are told, once, and one of the two gets nothing."""
    listing = await shop.put_live()
    await shop.mark_sold()
    assert await shop.bodies(listing.item_id, "sale.conflict") == []
    await shop.record(order(1, 1))
    await shop.record(order(1, 1))
    [told] = await shop.bodies(listing.item_id, "sale.conflict")
    assert (told["orderId"], told.get("otherOrderId")) == ("1", None)
    assert "elsewhere" in told["reason"]
    twice = await shop.database.read(lambda db: orders.sold_twice(db, limit=9))
    assert [each[0] for each in twice] == ["x"]
    await reverse(shop, replace(UNPAID, order_id=1))
    assert await shop.database.read(lambda db: orders.sold_twice(db, limit=9)) == []
    assert (await shop.item()).rheo_status is RheoStatus.SOLD
