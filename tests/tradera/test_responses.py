"""Tradera's JSON in our words: bodies of new ads, results, states of items, orders."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rheod.domain.answers import AdState
from rheod.domain.freight import FreightOption
from rheod.domain.orders import OrderFreight, Payment
from rheod.tradera.ad_builder import FIXED_PRICE, Ad, create_body
from rheod.tradera.json_fields import WrongShapeError, refusal
from rheod.tradera.responses import (
    ResultState,
    marked,
    read_clock,
    read_created,
    read_listed,
    read_listed_all,
    read_member,
    read_orders,
    read_results,
    read_transactions,
    read_updated,
)

AD = Ad(
    title="Kopp",
    description="Hel",
    category_id=302571,
    own_reference="rheod:42:1",
    start_price_kr=50,
    shipping=(FreightOption(cost_kr=66, provider_id=6), FreightOption(cost_kr=0, option_id=8)),
)
END = "2026-11-01T12:00:00"
END_MS = 1_793_534_400_000
ORDER = {
    "orderId": 55501,
    "createdDate": "2026-11-01T12:00:00.9352466Z",
    "lastUpdatedDate": "2026-11-01T13:00:00",
    "subTotal": 250,
    "shipTo": None,
    "buyer": {"userId": 7, "firstName": "A\u0000nna", "zipCode": "111 11", "phone": None, "odd": {"x": 1}},
    "items": [
        {"itemId": 22, "quantity": 1, "unitPrice": 250, "ownReferences": ["rheod:42:1"], "title": "Kopp"}
    ],
    "sellerOrderPayments": None,
}


def test_an_auction_has_the_smallest_body() -> None:
    """Uncommitted, with the bidders, the condition and our reference; what is not wanted is left out."""
    assert create_body(AD) == {
        "title": "Kopp",
        "description": "Hel",
        "categoryId": 302571,
        "itemType": 1,
        "startPrice": 50,
        "duration": 7,
        "restarts": 0,
        "acceptedBidderId": 1,
        "shippingOptions": [{"cost": 66, "shippingProviderId": 6}, {"cost": 0, "shippingOptionId": 8}],
        "itemAttributes": [2],
        "ownReferences": ["rheod:42:1"],
        "autoCommit": False,
    }


def test_a_fixed_price_sends_its_price_as_buy_now_for_thirty_days() -> None:
    """Type 3 has no start price and no reserve, and Tradera's own duration."""
    ad = Ad(
        title="Kopp",
        description="Hel",
        category_id=1,
        own_reference="r",
        item_type=FIXED_PRICE,
        start_price_kr=120,
        reserve_kr=5,
        vat=25,
        payment_option_ids=(4096,),
        condition_id=1,
        accepted_bidder_id=4,
    )
    sent = create_body(ad)
    assert (sent["itemType"], sent["buyItNowPrice"], sent["duration"]) == (3, 120, 30)
    assert "startPrice" not in sent
    assert "reservePrice" not in sent
    assert (sent["vat"], sent["paymentOptionIds"], sent["itemAttributes"]) == (25, [4096], [1])
    assert sent["acceptedBidderId"] == 4


def test_an_auction_may_have_buy_now_and_reserve() -> None:
    """Prices that are wanted go along."""
    ad = Ad(
        title="K",
        description="H",
        category_id=1,
        own_reference="r",
        start_price_kr=50,
        buy_now_kr=99,
        reserve_kr=60,
    )
    sent = create_body(ad)
    assert [sent[name] for name in ("startPrice", "buyItNowPrice", "reservePrice")] == [50, 99, 60]


def test_results_tell_what_to_do() -> None:
    """Absent, unasked and half-filled entries are "not yet"."""
    answer = [
        {"requestId": 1, "resultCode": 1, "message": None},
        {"requestId": 2, "resultCode": 20, "message": "try\u0000 again"},
        {"requestId": 3, "resultCode": 256},
        {"requestId": 4, "resultCode": 128.0, "extra": {}},
        {"requestId": 5, "resultCode": None},
        {"requestId": 6, "resultCode": 2},
        {"requestId": 99, "resultCode": 1},
    ]
    results = read_results(answer, {1, 2, 3, 4, 5, 6, 7})
    assert {number: result.outcome for number, result in results.items()} == {
        1: ResultState.DONE,
        2: ResultState.AGAIN,
        3: ResultState.UNCOMMITTED,
        4: ResultState.WAITING,
        6: ResultState.FAILED,
    }
    assert results[2].message == "try again"


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"status": {"ended": False}, "totalBids": 0}, AdState.RUNNING),
        ({"status": {"ended": False}, "totalBids": 2}, AdState.BIDS),
        ({"status": {"ended": True, "gotWinner": True}}, AdState.SOLD),
        ({"status": {"ended": True, "gotWinner": False}, "totalBids": 2}, AdState.ENDED),
        ({"status": None, "endDate": END + "Z"}, AdState.ENDED),
        ({"endDate": END + "Z", "totalBids": 1, "reservePriceReached": None}, AdState.SOLD),
        ({"endDate": END + "Z", "totalBids": 1, "reservePriceReached": False}, AdState.ENDED),
        ({"endDate": END + "Z", "remainingQuantity": 0}, AdState.SOLD),
        ({"endDate": "2027-01-01T00:00:00Z"}, AdState.RUNNING),
        ({"endDate": "0001-01-01T00:00:00"}, AdState.RUNNING),
    ],
)
def test_the_state_of_an_item_follows_from_its_fields(fields: dict[str, Any], state: AdState) -> None:
    """Ended, sold, with bids or running, with and without `status`."""
    assert read_listed({"id": 22, **fields}).state_at(END_MS + 1) is state


def test_an_item_is_read_with_nulls_extras_and_unspecified_values() -> None:
    """What has no meaning is None, what is unknown is passed over."""
    answer = {
        "id": 22,
        "itemType": 1,
        "ownReferences": ["rheod:42:1", None],
        "totalBids": 2,
        "maxBid": 110,
        "maxBidSpecified": True,
        "buyItNowPrice": 0,
        "buyItNowPriceSpecified": False,
        "itemLink": "https://www.tradera.com/item/22",
        "endDate": END + ".1234567+01:00",
        "seller": {"email": "x"},
        "future": [[]],
    }
    item = read_listed(answer)
    assert item.own_references == ("rheod:42:1",)
    assert (item.reached_kr, item.buy_now_kr, item.reserve_reached) == (110, None, None)
    assert item.ends_at == END_MS - 3_600_000 + 123
    assert item.link == "https://www.tradera.com/item/22"


def test_orders_are_read_in_ore_with_their_lines() -> None:
    """Unpaid orders say so; seven fraction digits are fine."""
    (order,) = read_orders([ORDER])
    assert (order.order_id, order.subtotal_ore, order.paid_at) == (55501, 25_000, None)
    assert order.created_at == END_MS + 935
    assert order.updated_at == END_MS + 3_600_000
    assert (order.lines[0].tradera_item_id, order.lines[0].unit_price_ore) == (22, 25_000)
    assert order.lines[0].own_references == ("rheod:42:1",)
    assert order.buyer == {"userId": 7, "firstName": "Anna", "zipCode": "111 11"}


def test_everything_of_an_order_is_read() -> None:
    """What an ERP ships and keeps books by: freight, weight, until when it grows, the purchase, each payment, each rate."""
    payments = [
        {"amount": 100, "paidDate": END, "paymentType": "Swish", "reference": "070-1", "paymentCost": 0},
        {"amount": 219.5, "paidDate": END, "paymentType": "Kort", "reference": "", "paymentCost": 2.5},
    ]
    line = {**ORDER["items"][0], "vatRate": 25, "merchantPartNumber": "8624"}  # type: ignore[index]
    entry = {
        **ORDER,
        "items": [line],
        "purchaseOrderId": "po-1",
        "expiresDate": END,
        "shippingCost": 69.5,
        "shippingType": "PostNord",
        "shippingWeight": 1.5,
        "shipTo": {"name": "Kiosken", "city": "Umeå"},
        "sellerOrderPayments": payments,
    }
    (order,) = read_orders([entry])
    assert (order.purchase_id, order.expires_at) == ("po-1", END_MS)
    assert order.freight == OrderFreight(cost_ore=6_950, type="PostNord", weight_kg=1.5)
    assert order.payments == (
        Payment(type="Swish", reference="070-1", amount_ore=10_000, paid_at=END_MS, cost_ore=0),
        Payment(type="Kort", reference=None, amount_ore=21_950, paid_at=END_MS, cost_ore=250),
    )
    assert (order.lines[0].vat_rate, order.lines[0].part_number) == (25, "8624")
    assert order.buyer["shipTo"] == {"name": "Kiosken", "city": "Umeå"}


@pytest.mark.parametrize(
    ("rate", "read"), [(25, 25), (0, 0), (None, None), ("25 %", None), (-1, None), (101, None), (True, None)]
)
def test_a_rate_of_vat_that_is_not_told_is_unknown(rate: Any, read: int | None) -> None:
    """It is never 0 by guess."""
    line = {**ORDER["items"][0], "vatRate": rate}  # type: ignore[index]
    (order,) = read_orders([{**ORDER, "items": [line]}])
    assert (order.doubt, order.lines[0].vat_rate) == (None, read)


@pytest.mark.parametrize(("cost", "read"), [(0, 0), (69, 6_900), (None, None), ("?", None)])
def test_freight_that_is_not_told_is_unknown(cost: Any, read: int | None) -> None:
    """Free is told as 0; the rest may come with a later reading. A weight of 0 is none."""
    (order,) = read_orders([{**ORDER, "shippingCost": cost, "shippingWeight": 0}])
    assert (order.freight.cost_ore, order.freight.weight_kg) == (read, None)


def test_payments_nobody_speaks_of_are_not_payments_of_nothing() -> None:
    """An answer without the field says nothing; null and an empty list say that nothing is paid."""
    silent = {name: value for name, value in ORDER.items() if name != "sellerOrderPayments"}
    found = read_orders([silent, ORDER, {**ORDER, "sellerOrderPayments": []}])
    assert [order.payments for order in found] == [None, (), ()]


def test_a_bare_order_is_read() -> None:
    """Without dates and its own price a line takes what the order comes to, in all."""
    line = {"itemId": 22, "quantity": 2}
    bare = {"orderId": 1, "subTotal": 99, "items": [line], "sellerOrderPayments": [{"amount": 99}]}
    (order,) = read_orders([bare])
    assert (order.lines[0].quantity, order.lines[0].unit_price_ore, order.doubt) == (2, 4_950, None)
    assert order.paid_at == 0


@pytest.mark.parametrize(
    ("written", "ore"),
    [(950, 95_000), (950.5, 95_050), ("950", 95_000), ("950,50", 95_050), (" 950.5 ", 95_050), (0, 0)],
)
def test_a_price_is_read_however_it_is_written(written: Any, ore: int) -> None:
    """Kronor with decimals and in digits."""
    (order,) = read_orders([{**ORDER, "items": [{"itemId": 22, "unitPrice": written}]}])
    assert (order.doubt, order.lines[0].unit_price_ore) == (None, ore)


@pytest.mark.parametrize("written", ["950 kr", "", True, -1, [950], {"amount": 950}, 1e300, "1e3"])
def test_a_price_that_cannot_be_read_is_not_nothing(written: Any) -> None:
    """The line is in doubt and its ad is named; it never has the price 0."""
    (order,) = read_orders([{**ORDER, "items": [{"itemId": 22, "unitPrice": written}]}])
    assert (order.lines, order.doubtful_ads) == ((), (22,))
    assert "unitPrice" in (order.doubt or "")


@pytest.mark.parametrize(
    "entry",
    [
        5,
        None,
        {"orderId": None, "items": ORDER["items"]},
        {"items": ORDER["items"]},
        {"orderId": 1, "items": None},
        {"orderId": 1, "items": []},
        {"orderId": 1, "items": 5},
        {"orderId": 1, "items": ["?"]},
        {"orderId": 1, "items": [{"unitPrice": 950, "title": "Kopp"}]},
        {"orderId": 1, "items": [{"itemId": 22, "unitPrice": None}]},
        {"orderId": 1, "subTotal": 0, "items": [{"itemId": 22, "unitPrice": None}]},
    ],
)
def test_what_one_order_lacks_costs_that_order_alone(entry: Any) -> None:
    """The others of the list are read as ever, and it is kept as it came."""
    doubtful, order = read_orders([entry, ORDER])
    assert (order.order_id, order.doubt) == (55501, None)
    assert doubtful.doubt is not None
    assert json.loads(doubtful.raw) == entry


def test_a_line_that_cannot_be_read_leaves_the_others() -> None:
    """Of two ads one is sold at its price, the other in doubt."""
    (order,) = read_orders([{**ORDER, "items": [*ORDER["items"], {"itemId": 23}]}])  # type: ignore[misc]
    assert [line.tradera_item_id for line in order.lines] == [22]
    assert order.doubtful_ads == (23,)


def test_a_line_without_an_ad_is_known_by_our_reference() -> None:
    """It says as clearly as a number which listing was sold."""
    (order,) = read_orders(
        [{**ORDER, "items": [{"unitPrice": 250, "ownReferences": ["yard 7", "rheod:42:1"]}]}]
    )
    assert (order.doubt, order.lines[0].tradera_item_id) == (None, 0)


def test_a_paid_order_says_when() -> None:
    """The payment's own date counts."""
    (order,) = read_orders([{**ORDER, "sellerOrderPayments": [{"paidDate": END + "Z"}]}])
    assert order.paid_at == END_MS


def test_an_ad_is_shipped_when_each_of_its_sales_is() -> None:
    """Nulls, strangers and half-told transactions are no proof."""
    told = [(22, True), (23, True), (23, False), (24, None), (None, True)]
    answer: list[dict[str, Any]] = [
        {"item": {"id": ad}, "isMarkedAsShipped": shipped, "buyer": None} for ad, shipped in told
    ]
    sold = read_transactions([*answer, {"item": None}, {"isMarkedAsShipped": True}])
    assert marked(sold, lambda each: each.is_shipped) == {22}
    assert read_transactions(None) == []


def test_the_smaller_answers_are_read() -> None:
    """Row versions have 64 bits, the clock comes bare or wrapped, and of a member only number and alias are kept."""
    updates = read_updated([{"id": 22, "itemType": 1, "rowVersion": 2**60}])
    assert (updates.ads, updates.version, updates.incomplete) == (frozenset({22}), 2**60, False)
    assert read_clock(END) == read_clock({"time": END + "Z"}) == END_MS
    assert read_clock(["?"]) is None
    member = read_member({"id": 7, "alias": "shop", "email": "x"})
    assert (member.user_id, member.alias) == (7, "shop")


def test_what_one_ad_of_a_list_lacks_costs_that_ad_alone() -> None:
    """Of the seller's ads and of the changed ones; a change without an ad says that the list is not whole."""
    assert [ad.tradera_item_id for ad in read_listed_all([{"id": None}, 5, {"id": 22}])] == [22]
    updates = read_updated(
        [{"rowVersion": 9}, 5, {"id": 22, "rowVersion": 7}, {"id": 23, "rowVersion": None}]
    )
    assert (updates.ads, updates.version, updates.incomplete) == (frozenset({22, 23}), 9, True)


@pytest.mark.parametrize("answer", ["text", 5, {"55501": 1}])
def test_what_is_no_list_of_orders_is_refused_without_quoting_it(answer: Any) -> None:
    """A wrong shape names the field and never its value."""
    with pytest.raises(WrongShapeError) as caught:
        read_orders(answer)
    assert "55501" not in str(caught.value)


@pytest.mark.parametrize(
    "answer", [None, [], {"requestId": 11}, {"requestId": True, "itemId": 2}, {"requestId": 1, "itemId": 0}]
)
def test_a_create_needs_both_numbers(answer: Any) -> None:
    """Without them nothing could be asked about the request later."""
    with pytest.raises(WrongShapeError):
        read_created(answer)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (None, None),
        (True, None),
        ({"requestId": 1}, None),
        ({"isSuccessful": True, "validationErrors": []}, None),
        (False, "no reason given"),
        ({"isSuccessful": False}, "no reason given"),
        ({"isSuccessful": False, "message": "m"}, "m"),
        ({"validationErrors": ["a", {"errorMessage": "b"}, {"message": "c"}, 5]}, "a; b; c"),
    ],
)
def test_a_refusal_inside_a_success_is_found(answer: Any, sentence: str | None) -> None:
    """The three forms of a no in a 200, with whatever reason there is."""
    assert refusal(answer) == sentence
