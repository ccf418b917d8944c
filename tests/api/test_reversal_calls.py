"""Sales that fell through, over HTTP: what an ERP is answered, and which field is wrong."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest

from rheod.domain.orders import OrderLine
from rheod.usecases import sales
from rheod.usecases.transaction import Store
from tests.api.running import NOW_MS, Api
from tests.api.test_order_calls import SELLERS, an_order, sell

ITEM = "/integration/v1/items/A-1"
REVERSE = f"{ITEM}/reverse-sale"


async def sold(api: Api, order_id: int, external_id: str = "A-1", **values: Any) -> None:
    """An item that is on its way to Tradera, sold by an order that names it."""
    path = f"/integration/v1/items/{external_id}"
    await api.call("PUT", path, {"title": "Bromsok", "price": 950, "autoPublishTradera": True})
    item_id = (await api.call("GET", path)).body["rheoItemId"]
    line = OrderLine(
        tradera_item_id=order_id,
        quantity=1,
        unit_price_ore=70_000,
        own_references=(f"rheod:{item_id}:1",),
    )
    await sell(api, replace(an_order(order_id, **values), lines=(line,)))


async def test_a_sale_is_taken_back_and_told_the_same_again(api: Api) -> None:
    """The item is there under its id, the order is reversed, and the answer is the same."""
    await sold(api, 7)
    body = {"reason": "unpaid", "orderId": "7"}
    first = await api.call("POST", REVERSE, body)
    assert first.status == 202
    told = {"success": True, "externalId": "A-1", "orderId": "7", "reason": "unpaid", "relist": False}
    assert {name: first.body[name] for name in told} == told
    assert (await api.call("POST", REVERSE, body)).body == first.body
    item = (await api.call("GET", ITEM)).body
    assert (item["rheoStatus"], item["traderaStatus"]) == ("not_listed", "ended")
    order = (await api.call("GET", "/integration/v1/orders/7")).body
    assert (order["status"], order["reversedAt"]) == ("reversed", first.body["reversedAt"][:19] + "Z")


async def test_a_sale_elsewhere_is_taken_back_and_published(api: Api) -> None:
    """It never had an order."""
    await api.call("PUT", ITEM, {"title": "Bromsok", "price": 950})
    await api.call("PATCH", f"{ITEM}/status", {"status": "sold"})
    answer = await api.call("POST", REVERSE, {"reason": "returned", "relist": True})
    assert (answer.status, answer.body["orderId"]) == (202, None)
    assert (await api.call("GET", ITEM)).body["traderaStatus"] == "pending_sync"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "reason"),
        ({"reason": "bored"}, "reason"),
        ({"reason": 1}, "reason"),
        ({"reason": "unpaid", "orderId": 7}, "orderId"),
        ({"reason": "unpaid", "orderId": "seven"}, "orderId"),
        ({"reason": "unpaid", "orderId": "9" * 19}, "orderId"),
        ({"reason": "unpaid", "refunded": "yes"}, "refunded"),
        ({"reason": "unpaid", "relist": 1}, "relist"),
        ({"reason": "unpaid", "orderId": "8"}, "orderId"),
    ],
)
async def test_what_is_wrong_is_told_by_its_field(api: Api, body: dict[str, Any], field: str) -> None:
    """And nothing is taken back."""
    await sold(api, 7)
    reply = await api.call("POST", REVERSE, body)
    assert (reply.status, list(reply.fields)) == (422, [field])
    assert (await api.call("GET", ITEM)).body["rheoStatus"] == "sold"


async def test_another_accounts_order_looks_like_none(api: Api) -> None:
    """Word for word."""
    await sold(api, 7)
    store = Store(database=api.database, now=lambda: NOW_MS, rng=Random(2), wake=lambda _queue: None)
    await store.write(lambda tx: sales.record_orders(tx, api.member, [an_order(8)], SELLERS))
    answers = [
        await api.call("POST", REVERSE, {"reason": "unpaid", "orderId": str(number)}) for number in (8, 9)
    ]
    for name in ("status", "code", "fields"):
        assert getattr(answers[0], name) == getattr(answers[1], name)


async def test_what_is_not_sold_has_no_sale_to_take_back(api: Api) -> None:
    """409; 404 for what does not exist."""
    await api.call("PUT", ITEM, {"title": "Bromsok", "price": 950})
    assert (await api.call("POST", REVERSE, {"reason": "lost"})).status == 409
    missing = await api.call("POST", "/integration/v1/items/nobody/reverse-sale", {"reason": "lost"})
    assert missing.status == 404
