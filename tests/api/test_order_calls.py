"""Calls about orders: parcels from a partner, the owner's list and his figures."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import pytest

from rheod.api.context import Rates
from rheod.domain.orders import Order
from rheod.usecases import sales
from rheod.usecases.listings import SellersAndSite
from rheod.usecases.transaction import Store
from tests.api.contract.stocked import an_order_in_doubt
from tests.api.running import NOW_MS, Api, OpenApi
from tests.stores import rows
from tests.usecases.selling import order

SELLERS = SellersAndSite(accounts={}, site_url="https://www.tradera.com", closed_grace_ms=0)
BODY = {"carrier": "postnord", "trackingNumber": "SE123"}
BUYER = {"alias": "åke", "email": "ake@example.com"}


def tracking(order_id: object) -> str:
    """Where a parcel of an order is told."""
    return f"/integration/v1/orders/{order_id}/tracking"


async def sell(api: Api, *found: Order, account_id: str | None = None) -> None:
    """Orders were read at Tradera."""
    store = Store(database=api.database, now=lambda: NOW_MS, rng=Random(1), wake=lambda _queue: None)
    account = account_id or api.parts.default_account
    await store.write(lambda tx: sales.record_orders(tx, account, found, SELLERS))


def an_order(order_id: int, **values: Any) -> Order:
    """An order of one unknown ad for 1,100 kr, made now."""
    given = {"subtotal_ore": 110_000, "buyer": BUYER, **values}
    made = order(order_id, order_id, **given)
    return Order(
        order_id=made.order_id,
        created_at=NOW_MS - order_id,
        updated_at=NOW_MS,
        lines=made.lines,
        subtotal_ore=made.subtotal_ore,
        paid_at=made.paid_at,
        buyer=made.buyer,
    )


# Tracking


async def test_a_parcel_is_kept_and_its_order_is_to_be_marked(api: Api) -> None:
    """The answer repeats it with an id of its own; the work is durable with it."""
    await sell(api, an_order(7))
    told = await api.call("POST", tracking(7), BODY)
    assert (told.status, told.body) == (200, {**BODY, "shipmentId": told.body["shipmentId"]})
    (job,) = await rows(api.database, "SELECT kind, subject, account_id FROM jobs")
    assert job == {"kind": "ship", "subject": "7", "account_id": api.parts.default_account}


async def test_the_same_parcel_again_changes_nothing_also_at_once(api: Api) -> None:
    """One row and one answer, whatever blanks stand around the words."""
    await sell(api, an_order(7))
    padded = {"carrier": " postnord ", "trackingNumber": "SE123\n", "note": "ignored"}
    replies = await asyncio.gather(*(api.call("POST", tracking(7), body) for body in [BODY, padded] * 10))
    assert {reply.raw for reply in replies} == {replies[0].raw}
    assert len(await rows(api.database, "SELECT id FROM shipments")) == 1


async def test_another_parcel_is_one_more_and_counts_from_then_on(api: Api) -> None:
    """A correction replaces nothing; the earlier parcel told again keeps its answer and does not come to the front."""
    await sell(api, an_order(7))
    first = await api.call("POST", tracking(7), BODY)
    second = await api.call("POST", tracking(7), {**BODY, "trackingNumber": "SE124"})
    assert first.body["shipmentId"] != second.body["shipmentId"]
    assert (await api.call("POST", tracking(7), BODY)).body == first.body
    (shown,) = (await api.own("GET", "/rheod/orders")).body["orders"]
    assert [each["trackingNumber"] for each in shown["shipments"]] == ["SE123", "SE124"]


@pytest.mark.parametrize("order_id", ["8", "0", "x", "-7", "7.0", "%D9%A7", "9" * 40, "007x"])
async def test_an_unknown_order_is_not_found(api: Api, order_id: str) -> None:
    """Whatever is no number of an order of ours."""
    await sell(api, an_order(7))
    assert (await api.call("POST", tracking(order_id), BODY)).code == "NOT_FOUND"


async def test_the_order_of_another_account_is_not_found(api: Api) -> None:
    """A member's order is reached with the member's reference, and by nobody else."""
    await sell(api, an_order(7), account_id=api.member)
    assert (await api.call("POST", tracking(7), BODY)).code == "NOT_FOUND"
    member = {"x-partner-account": "member-1"}
    assert (await api.call("POST", tracking(7), BODY, headers=member)).status == 200


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["carrier", "trackingNumber"]),
        ({**BODY, "carrier": ""}, ["carrier"]),
        ({**BODY, "carrier": "  "}, ["carrier"]),
        ({**BODY, "carrier": None}, ["carrier"]),
        ({**BODY, "trackingNumber": 7}, ["trackingNumber"]),
        ({**BODY, "trackingNumber": "x" * 101}, ["trackingNumber"]),
        ({**BODY, "trackingNumber": "a\x00"}, ["trackingNumber"]),
    ],
)
async def test_a_wrong_parcel_is_told_by_field(api: Api, body: object, fields: list[str]) -> None:
    """Both are texts of 1 to 100 characters."""
    await sell(api, an_order(7))
    reply = await api.call("POST", tracking(7), body)
    assert (reply.status, sorted(reply.fields)) == (422, fields)


async def test_parcels_have_a_rate_of_their_own(open_api: OpenApi) -> None:
    """A burst of two seconds' worth, then 429 with whole seconds."""
    api = await open_api(rates=Rates(tracking=1))
    replies = [await api.call("POST", tracking(7), BODY) for _ in range(3)]
    assert [reply.status for reply in replies] == [404, 404, 429]
    assert int(replies[2].headers["Retry-After"]) >= 1


# The owner's list


async def test_orders_are_listed_newest_first_and_page_by_page(api: Api) -> None:
    """A walk by cursor sees each once; a full last page is followed by an empty one."""
    await sell(api, *(an_order(number) for number in range(1, 5)))
    seen, path = [], "/rheod/orders?limit=2"
    while True:
        page = (await api.own("GET", path)).body
        seen += [each["orderId"] for each in page["orders"]]
        if page["nextCursor"] is None:
            break
        path = f"/rheod/orders?limit=2&cursor={page['nextCursor']}"
    assert seen == ["1", "2", "3", "4"]


async def test_an_order_is_shown_with_its_buyer_and_lines(api: Api) -> None:
    """To the owner alone; a sale of something unknown has no item."""
    await sell(api, an_order(7, paid_at=NOW_MS))
    (shown,) = (await api.own("GET", "/rheod/orders")).body["orders"]
    assert shown == {
        "orderId": "7",
        "subtotal": 1100,
        "total": 1100,
        "paid": 1100,
        "currency": "SEK",
        "status": "ready",
        "flags": ["unknown_item"],
        "createdAt": "2026-05-26T09:59:59Z",
        "paidAt": "2026-05-26T10:00:00Z",
        "shippedAt": None,
        "shipError": None,
        "payError": None,
        "erasedAt": None,
        "buyer": BUYER,
        "lines": [
            {
                "traderaAdId": "7",
                "rheoItemId": None,
                "externalId": None,
                "title": "",
                "quantity": 1,
                "unitPrice": 1100,
            }
        ],
        "shipments": [],
    }
    assert (await api.call("GET", "/rheod/orders")).status == 401


async def test_unmatched_sales_are_listed_by_themselves(api: Api) -> None:
    """An order counts as unmatched while one of its lines is."""
    await api.call("PUT", "/integration/v1/items/A", {"title": "Kopp", "price": 950})
    item = (await api.call("GET", "/integration/v1/items/A")).body["rheoItemId"]
    await sell(api, an_order(7), an_order(8))
    await api.database.write(
        lambda db: db.execute("UPDATE order_lines SET item_id = ? WHERE order_id = 7", (item,))
    )
    unmatched = (await api.own("GET", "/rheod/orders?unmatched=true")).body["orders"]
    assert [each["orderId"] for each in unmatched] == ["8"]
    assert len((await api.own("GET", "/rheod/orders?unmatched=false")).body["orders"]) == 2


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "unmatched=yes", "cursor=x", "limit=1&limit=2"])
async def test_a_wrong_parameter_is_told(api: Api, query: str) -> None:
    """400, never a 500."""
    assert (await api.own("GET", f"/rheod/orders?{query}")).code == "BAD_REQUEST"


# Figures


async def test_figures_of_nothing_are_twelve_months_of_zeros(api: Api) -> None:
    """Exactly the fields that are promised."""
    shown = (await api.own("GET", "/partner/analytics")).body
    months = shown.pop("monthlyRevenue")
    assert [one["month"] for one in months] == [f"2025-{n:02d}" for n in range(6, 13)] + [
        f"2026-{n:02d}" for n in range(1, 6)
    ]
    assert all(one == {"month": one["month"], "gross": 0, "fee": 0, "net": 0, "orders": 0} for one in months)
    assert shown == {
        "inventory": {"total": 0, "active": 0, "draft": 0, "sold": 0, "archived": 0},
        "categoryBreakdown": [],
        "revenueSummary": {"totalGross": 0, "totalFee": 0, "totalNet": 0, "totalPending": 0},
    }


async def test_figures_are_of_the_account_that_is_named(api: Api) -> None:
    """`x-partner-account` selects a member; an unknown one is 404."""
    member = {"x-partner-account": "member-1"}
    await api.call("PUT", "/integration/v1/items/A", {"title": "Kopp", "price": 950}, headers=member)
    shown = await api.own("GET", "/partner/analytics", headers=member)
    assert shown.body["inventory"]["total"] == 1
    assert (await api.own("GET", "/partner/analytics")).body["inventory"]["total"] == 0
    unknown = await api.own("GET", "/partner/analytics", headers={"x-partner-account": "nobody"})
    assert (unknown.code, unknown.body["error"]) == ("NOT_FOUND", "Unknown partner account")
    assert (await api.call("GET", "/partner/analytics")).status == 401


# A sale in doubt


async def test_the_owner_settles_a_sale_in_doubt(api: Api) -> None:
    """No sale: it leaves the list; once settled, or unknown, there is nothing to settle."""
    await an_order_in_doubt(api, 7, 22)
    listed = await api.own("GET", "/rheod/orders")
    (doubt,) = listed.body["inDoubt"]
    assert (doubt["number"], doubt["reason"], doubt["traderaAdIds"]) == ("7", "no price", ["22"])
    place = f"/rheod/orders/{doubt['number']}/settle"
    told = await api.own("POST", place, {"sold": False})
    assert (told.status, told.body["success"]) == (202, True)
    assert (await api.own("GET", "/rheod/orders")).body["inDoubt"] == []
    assert (await api.own("POST", place, {"sold": False})).status == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"sold": True}, 422),
        ({"sold": "yes"}, 422),
        ({"sold": True, "salePrice": -1}, 422),
        ({"sold": True, "salePrice": 950}, 409),
        ([], 422),
    ],
)
async def test_a_word_that_is_not_enough_settles_nothing(api: Api, body: Any, status: int) -> None:
    """A sale needs its price, and an ad of ours: the order stays in doubt."""
    await an_order_in_doubt(api, 7, 22)
    assert (await api.own("POST", "/rheod/orders/7/settle", body)).status == status
    assert len((await api.own("GET", "/rheod/orders")).body["inDoubt"]) == 1


async def test_a_partner_settles_nothing(api: Api) -> None:
    """It is the owner who has looked at Tradera."""
    await an_order_in_doubt(api, 7, 22)
    assert (await api.call("POST", "/rheod/orders/7/settle", {"sold": False})).status == 401
