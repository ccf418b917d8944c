"""What Tradera may lie about orders and the lists around them: one bad entry costs no other, and no sale is lost."""

from __future__ import annotations

from typing import Any

import pytest

from rheod.domain.errors import Refused
from rheod.domain.model import ListingState
from rheod.store import inbox, order_changes, orders
from rheod.usecases.contested_sales import SalesInDoubt, SaleVerdict
from tests.desk import SELLER_ID, Desk
from tests.tradera.test_order_sync import live, order_created, push, reconcile
from tests.waiting import until


def item_closed(ad: int) -> dict[str, Any]:
    """Tradera's message that an ad ended without a buyer."""
    return {
        "Type": "ItemClosed",
        "ItemId": ad,
        "SellerMemberId": SELLER_ID,
        "Reason": "ItemEndedWithoutBuyer",
    }


@pytest.mark.parametrize("price", [950.5, "950.5", "950,50"])
async def test_a_price_with_decimals_or_in_digits_is_told_as_it_is(desk: Desk, price: Any) -> None:
    """950.50, not 0."""
    ad = await live(desk)
    order_id = await desk.simulator.sell(ad, 950, push=False)
    desk.simulator.lie_about_order(order_id, line={"unitPrice": price})
    await push(desk, order_created(order_id, ad))
    await desk.reach(ListingState.SOLD)
    (sold,) = await desk.told("item.sold")
    assert sold["salePrice"] == 950.5


@pytest.mark.parametrize("lie", [{"orderId": None}, {"items": None}, {"items": [{"title": "Kopp"}]}])
async def test_one_bad_order_of_a_pass_keeps_no_other_sale(desk: Desk, lie: dict[str, Any]) -> None:
    """The list is read entry by entry: the other order is told in the same pass."""
    bad, good = await live(desk, "A"), await live(desk, "B")
    desk.simulator.lie_about_order(await desk.simulator.sell(bad, 950, push=False), **lie)
    await desk.simulator.sell(good, 700, push=False)
    await reconcile(desk)
    await desk.reach(ListingState.SOLD, "B")
    assert (await desk.listing("A")).state is ListingState.LIVE
    assert await desk.told("listing.ended") == []


@pytest.mark.parametrize("lie", [{"orderId": None}, {"items": None}])
async def test_one_bad_order_of_a_look_up_keeps_no_other_sale(desk: Desk, lie: dict[str, Any]) -> None:
    """Push has told of two, asked for in one call."""
    ads = [await live(desk, name) for name in ("A", "B")]
    ids = [await desk.simulator.sell(ad, 950, push=False) for ad in ads]
    desk.simulator.lie_about_order(ids[0], **lie)
    await push(desk, *(order_created(order_id, ad) for order_id, ad in zip(ids, ads, strict=True)))
    await desk.reach(ListingState.SOLD, "B")


@pytest.mark.parametrize("operation", ["seller_items", "orders"])
async def test_a_list_that_is_too_long_is_read_in_parts(desk: Desk, operation: str) -> None:
    """An answer beyond the limit: the period is halved, and the pass finds what it would have found."""
    ad, closed = await live(desk, "A"), await live(desk, "B")
    await desk.simulator.sell(ad, 700, push=False)
    await desk.simulator.close(closed, push=False)
    desk.simulator.fault(operation, "huge_answer")
    await reconcile(desk)
    await until(lambda: desk.called().get(operation) == 3)
    await desk.reach(ListingState.SOLD, "A")
    await desk.reach(ListingState.ENDED, "B")


async def test_a_list_of_changes_that_is_too_long_is_done_without(desk: Desk) -> None:
    """It has no periods: the seller's ads tell the same."""
    ad = await live(desk)
    await desk.simulator.close(ad, push=False)
    desk.simulator.fault("updated_items", "huge_answer")
    await reconcile(desk)
    await desk.reach(ListingState.ENDED)


async def test_an_ad_that_ended_by_a_clock_ahead_of_ours_is_seen(desk: Desk) -> None:
    """Our clock is an hour behind: the ad is down though its end has not come here yet."""
    ad = await live(desk)
    desk.forward(3600)
    await desk.simulator.close(ad, push=False)
    desk.forward(-3600)
    await reconcile(desk)
    await desk.reach(ListingState.ENDED)


LIES: list[dict[str, Any]] = [
    {"items": None},
    {"items": []},
    {"line": {"itemId": None, "ownReferences": None}},
    {"line": {"unitPrice": "much"}},
    {"line": {"itemId": 999, "ownReferences": None}},
]
"""Orders of which the sale of our ad, which the message names, cannot be read."""


async def doubtful(desk: Desk, lie: dict[str, Any]) -> tuple[int, int]:
    """Sell an ad by an order that cannot be read, with the closing told after it; (order id, ad)."""
    ad = await live(desk)
    order_id = await desk.simulator.sell(ad, 950, push=False)
    desk.simulator.lie_about_order(order_id, **lie)
    await push(desk, order_created(order_id, ad), item_closed(ad))
    await until(lambda: desk.called().get("orders_by_id") == 1)
    await desk.idle()
    return order_id, ad


async def wait_long(desk: Desk) -> None:
    """Let hours go by, each wait at its own time."""
    for gap_s in (2, 5, 15, 60, 300, 900, 3600, 3600):
        desk.forward(gap_s)
        await desk.idle()


@pytest.mark.parametrize("lie", LIES[:2])
async def test_an_order_without_lines_is_known_by_its_transactions(desk: Desk, lie: dict[str, Any]) -> None:
    """Asked for again after 2, 5, 15 and 60 s; then the transactions tell the sale, and the rest comes in silence."""
    order_id, ad = await doubtful(desk, lie)
    for gap_s in (2, 5, 15):
        desk.forward(gap_s)
        await desk.idle()
    assert (await desk.listing()).state is ListingState.LIVE
    desk.forward(60)
    await desk.reach(ListingState.SOLD)
    assert (desk.called()["orders_by_id"], desk.called()["transactions"]) == (5, 1)
    (sold,) = await desk.told("item.sold", "listing.ended")
    assert (sold["orderId"], sold["salePrice"], sold["traderaAdId"]) == (str(order_id), 950, str(ad))
    desk.simulator.lie_about_order(order_id)
    desk.forward(900)
    await reconcile(desk)
    order = await desk.database.read(lambda db: orders.find(db, order_id))
    assert order is not None
    assert (order.whole, order.total_ore) == (True, 101_600)
    assert order.buyer
    assert len(await desk.told("item.sold", "order.created")) == 2


async def test_an_order_that_tradera_does_not_know_is_known_by_its_transactions(desk: Desk) -> None:
    """The look-up goes on to answer nothing."""
    ad = await live(desk)
    order_id = await desk.simulator.sell(ad, 950, push=False)
    desk.simulator.fault("orders_by_id", "empty_200", times=None)
    await push(desk, order_created(order_id, ad))
    await until(lambda: desk.called().get("orders_by_id") == 1)
    for gap_s in (2, 5, 15, 60):
        await desk.idle()
        desk.forward(gap_s)
    await desk.reach(ListingState.SOLD)


@pytest.mark.parametrize("lie", LIES[2:])
async def test_an_order_that_cannot_be_read_is_a_sale_in_doubt(desk: Desk, lie: dict[str, Any]) -> None:
    """Never told as ended: it is shown with Tradera's answer, asked for on and on, and told once it can be read."""
    order_id, ad = await doubtful(desk, lie)
    await wait_long(desk)
    assert (await desk.listing()).state is ListingState.LIVE
    assert await desk.told("listing.ended", "item.sold") == []
    (doubt,) = await desk.database.read(lambda db: inbox.sales_in_doubt(db, desk.account_id))
    assert (doubt.order_id, ad in doubt.ads, doubt.items) == (order_id, True, ("A",))
    assert doubt.tries == desk.called()["orders_by_id"] == 9
    assert doubt.reason
    desk.simulator.lie_about_order(order_id)
    desk.forward(3600)
    await desk.reach(ListingState.SOLD)
    desk.forward(60)
    await desk.idle()
    (sold,) = await desk.told("item.sold", "listing.ended")
    assert (sold["orderId"], sold["salePrice"]) == (str(order_id), 950)
    assert await desk.database.read(lambda db: inbox.sales_in_doubt(db, desk.account_id)) == []


async def test_the_answer_of_a_sale_in_doubt_is_kept_as_it_came(desk: Desk) -> None:
    """The owner may read in it what rheod cannot; it goes with the buyers' data."""
    await doubtful(desk, {"line": {"unitPrice": "much"}})
    (doubt,) = await desk.database.read(lambda db: inbox.sales_in_doubt(db, desk.account_id))
    assert '"unitPrice": "much"' in (doubt.answer or "")
    await desk.database.write(
        lambda db: order_changes.erase(db, before=desk.clock() + 1, limit=9, now=desk.clock())
    )
    (doubt,) = await desk.database.read(lambda db: inbox.sales_in_doubt(db, desk.account_id))
    assert doubt.answer is None


async def test_an_order_without_lines_is_read_again_within_seconds(desk: Desk) -> None:
    """It was looked up before Tradera had filled it in: 2, 5, 15, 60 seconds, not an hour."""
    order_id, _ = await doubtful(desk, {"items": []})
    for calls, gap_s in ((2, 2), (3, 5), (4, 15), (5, 60)):
        desk.forward(gap_s - 1)
        await desk.idle()
        assert desk.called()["orders_by_id"] == calls - 1
        desk.forward(1)
        await until(lambda calls=calls: desk.called()["orders_by_id"] == calls)  # type: ignore[misc]
        await desk.idle()
    desk.simulator.lie_about_order(order_id)
    desk.forward(300)
    await desk.reach(ListingState.SOLD)


async def test_an_order_of_ours_that_tradera_does_not_know_is_in_doubt_too(desk: Desk) -> None:
    """A message names our ad, 404 its order, and the ad is closed: not a word of ended."""
    ad = await live(desk)
    await desk.simulator.close(ad, push=False)
    await push(desk, order_created(999, ad), item_closed(ad))
    await wait_long(desk)
    await reconcile(desk)
    assert await desk.told("listing.ended") == []
    (doubt,) = await desk.database.read(lambda db: inbox.sales_in_doubt(db, desk.account_id))
    assert doubt.number == 999


async def test_an_order_found_by_a_pass_that_cannot_be_read_is_in_doubt(desk: Desk) -> None:
    """Push told nothing, and Tradera names no ad: no ad of the account is called unsold before it is settled."""
    sold, closed = await live(desk, "A"), await live(desk, "B")
    order_id = await desk.simulator.sell(sold, 950, push=False)
    desk.simulator.lie_about_order(order_id, items=None)
    await reconcile(desk)
    await push(desk, item_closed(sold), item_closed(closed))
    await wait_long(desk)
    assert await desk.told("listing.ended") == []
    (doubt,) = await desk.database.read(lambda db: inbox.sales_in_doubt(db, desk.account_id))
    assert (doubt.order_id, doubt.ads) == (order_id, ())
    desk.simulator.lie_about_order(order_id)
    desk.forward(3600)
    await desk.reach(ListingState.SOLD, "A")
    desk.forward(60)
    await desk.reach(ListingState.ENDED, "B")


@pytest.mark.parametrize("fault", ["500", "html_200", "502_html", "400", "truncated_json"])
async def test_one_order_that_is_never_answered_keeps_no_other(desk: Desk, fault: str) -> None:
    """Asked for alone it is what fails; the others are read, it stays in doubt, and few calls are spent on it."""
    ads = [await live(desk, f"I{number}") for number in range(5)]
    ids = [await desk.simulator.sell(ad, 200, push=False) for ad in ads]
    desk.simulator.fault("orders_by_id", fault, times=None, own_reference=str(ids[2]))
    await push(desk, *(order_created(order_id, ad) for order_id, ad in zip(ids, ads, strict=True)))
    await until(lambda: desk.called().get("orders_by_id"))
    await desk.idle()
    desk.forward(2)
    for number in (0, 1, 3, 4):
        await desk.reach(ListingState.SOLD, f"I{number}")
    await wait_long(desk)
    (doubt,) = await desk.database.read(lambda db: inbox.sales_in_doubt(db, desk.account_id))
    assert (doubt.order_id, doubt.items) == (ids[2], ("I2",))
    assert desk.called()["orders_by_id"] <= 9 + 6
    desk.simulator.clear_faults()
    desk.forward(3600)
    await desk.reach(ListingState.SOLD, "I2")


async def test_look_ups_that_all_fail_are_no_fault_of_the_orders(desk: Desk) -> None:
    """The look-up fails for every order while the rest of Tradera answers: it rests, and no order is put aside for it."""
    ads = [await live(desk, f"I{number}") for number in range(6)]
    ids = [await desk.simulator.sell(ad, 200, push=False) for ad in ads]
    desk.simulator.fault("orders_by_id", "500", times=None)
    await push(desk, *(order_created(order_id, ad) for order_id, ad in zip(ids, ads, strict=True)))
    for _ in range(10):
        await desk.idle()
        desk.forward(120)
    assert desk.called()["orders_by_id"] < 40
    desk.simulator.clear_faults()
    desk.forward(3600)
    for number in range(6):
        await desk.reach(ListingState.SOLD, f"I{number}")


async def settle(desk: Desk, number: int, price_ore: int | None, **told: Any) -> str:
    """The owner's word."""
    verdict = SaleVerdict(price_ore=price_ore, **told)
    doubts = SalesInDoubt(store=desk.store, sellers=desk.sellers)
    return await doubts.settle(desk.account_id, number, verdict)


async def test_the_owner_settles_a_sale_in_doubt_as_sold(desk: Desk) -> None:
    """It is told at the price the owner gives, once, and not asked for again."""
    order_id, _ = await doubtful(desk, {"items": None})
    await settle(desk, order_id, 95_050)
    await desk.reach(ListingState.SOLD)
    calls = desk.called()["orders_by_id"]
    await wait_long(desk)
    (sold,) = await desk.told("item.sold", "listing.ended")
    assert (sold["orderId"], sold["salePrice"]) == (str(order_id), 950.5)
    assert desk.called()["orders_by_id"] == calls
    with pytest.raises(Refused, match="No sale in doubt"):
        await settle(desk, order_id, None)


async def test_the_owner_settles_a_sale_in_doubt_as_none(desk: Desk) -> None:
    """Then the closing that waited is told, and the item may go up again."""
    order_id, _ = await doubtful(desk, {"items": None})
    await settle(desk, order_id, None)
    desk.forward(60)
    await desk.reach(ListingState.ENDED)
    assert await desk.told("item.sold") == []
    await desk.items.order_publish(desk.account_id, "A")
    await desk.reach(ListingState.COMMITTED)


async def test_an_order_without_a_number_is_settled_with_one(desk: Desk) -> None:
    """A pass reads an entry without orderId whose line cannot be read either: the owner says the number."""
    ad = await live(desk)
    order_id = await desk.simulator.sell(ad, 950, push=False)
    desk.simulator.lie_about_order(order_id, line={"unitPrice": None}, orderId=None, subTotal=None)
    await reconcile(desk)
    (doubt,) = await desk.database.read(lambda db: inbox.sales_in_doubt(db, desk.account_id))
    assert (doubt.order_id, doubt.ads) == (None, (ad,))
    with pytest.raises(Refused, match="the order's number"):
        await settle(desk, doubt.number, 95_000)
    await settle(desk, doubt.number, 95_000, order_id=order_id)
    await desk.reach(ListingState.SOLD)


async def test_an_item_whose_sale_is_in_doubt_is_neither_published_nor_deleted(desk: Desk) -> None:
    """A message about its ended ad names an order that Tradera does not know: a new ad could sell it twice."""
    ad = await live(desk)
    await desk.simulator.close(ad, push=False)
    await reconcile(desk)
    await desk.reach(ListingState.ENDED)
    await push(desk, order_created(999, ad))
    await until(lambda: desk.called().get("orders_by_id") == 1)
    await desk.idle()
    with pytest.raises(Refused, match="rheod orders settle 999"):
        await desk.items.order_publish(desk.account_id, "A")
    with pytest.raises(Refused, match="rheod orders settle 999"):
        await desk.items.delete_item(desk.account_id, "A")
    await settle(desk, 999, None)
    await desk.items.order_publish(desk.account_id, "A")
    await desk.reach(ListingState.COMMITTED)


async def test_a_listing_that_waits_is_held_by_a_sale_in_doubt(desk: Desk) -> None:
    """It was ordered before the message came; once the owner says that nothing was sold, it goes up."""
    ad = await live(desk)
    await desk.simulator.close(ad, push=False)
    await reconcile(desk)
    await desk.reach(ListingState.ENDED)
    desk.simulator.fault("create", "502_html")
    await desk.items.order_publish(desk.account_id, "A")
    await until(lambda: desk.called()["create"] == 2)
    await desk.idle()
    await push(desk, order_created(999, ad))
    desk.forward(5)
    await until(lambda: desk.called().get("orders_by_id") == 1)
    await wait_long(desk)
    assert desk.called()["create"] == 2
    await settle(desk, 999, None)
    await desk.reach(ListingState.COMMITTED)


async def test_an_order_that_is_announced_while_the_item_goes_up_again_stops_its_commit(desk: Desk) -> None:
    """The create is under way when the message comes: what was made is not committed before the order has been read."""
    ad = await live(desk)
    await desk.simulator.close(ad, push=False)
    await reconcile(desk)
    await desk.reach(ListingState.ENDED)
    desk.simulator.fault("create", "slow", seconds=0.3)
    desk.simulator.fault("orders_by_id", "502_html", times=None)
    await desk.items.order_publish(desk.account_id, "A")
    await until(lambda: desk.called()["create"] == 2)
    await push(desk, order_created(999, ad))
    await until(lambda: desk.called().get("orders_by_id") == 1)
    await desk.idle()
    assert (desk.called()["commit"], (await desk.listing()).state) == (1, ListingState.QUEUED)
    desk.simulator.clear_faults()
    await wait_long(desk)
    await settle(desk, 999, None)
    await desk.reach(ListingState.COMMITTED)
    desk.forward(11)
    await desk.reach(ListingState.LIVE)
    assert len(desk.simulator.live_items()) == 1
