"""The orders as an ERP reads them: by key and scope, by changes, by status, each exactly once with its last state."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any
from urllib.parse import quote

import pytest

from rheod.domain.orders import Order, OrderFreight, OrderLine, Payment
from rheod.store import order_changes, orders
from rheod.usecases import sales
from rheod.usecases.orders import settle
from rheod.usecases.transaction import Store, Transaction
from tests.api.polling import Erp
from tests.api.running import NOW_MS, Api, Reply
from tests.api.test_order_calls import SELLERS
from tests.stores import rows

ORDERS = "/integration/v1/orders"
BUYER = {
    "alias": "annak",
    "email": "anna@example.com",
    "phone": "070-1",
    "firstName": "Anna",
    "lastName": "Ek",
    "addressLine1": "Storgatan 1",
    "zipCode": "582 22",
    "city": "Linköping",
    "countryName": "Sverige",
}
SWISH = Payment(type="Swish", reference="ref-1", amount_ore=76_900, paid_at=NOW_MS, cost_ore=0)


def an_order(order_id: int, **values: Any) -> Order:
    """One unknown ad for 700 kr and 69 kr of freight, not paid."""
    line = OrderLine(tradera_item_id=order_id, quantity=1, unit_price_ore=70_000, title="Bromsok")
    given = {
        "created_at": NOW_MS - 1000,
        "updated_at": NOW_MS,
        "lines": (line,),
        "subtotal_ore": 70_000,
        "payments": (),
        "freight": OrderFreight(cost_ore=6_900, type="PostNord", weight_kg=1.5),
        "purchase_id": f"po-{order_id}",
        "buyer": BUYER,
        **values,
    }
    return Order(order_id=order_id, **given)


class Shop:
    """Orders as Tradera tells them, and an ERP with a key that opens them; time goes on when told."""

    def __init__(self, api: Api, key: str) -> None:
        self.api = api
        self.now = NOW_MS
        self._key = key
        self.store = Store(
            database=api.database, now=lambda: self.now, rng=Random(1), wake=lambda _queue: None
        )

    async def sell(self, *found: Order, account_id: str | None = None) -> None:
        """These orders were read at Tradera."""
        account = account_id or self.api.parts.default_account
        await self.store.write(lambda tx: sales.record_orders(tx, account, found, SELLERS))

    async def ask(self, path: str = "", method: str = "GET", **options: Any) -> Reply:
        """Ask as the ERP."""
        headers = {"x-api-key": self._key, **options.pop("headers", {})}
        return await self.api.call(method, f"{ORDERS}{path}", headers=headers, **options)

    async def one(self, order_id: int) -> dict[str, Any]:
        """The order as the ERP gets it."""
        found: dict[str, Any] = (await self.ask(f"/{order_id}")).body
        return found


@pytest.fixture
async def shop(api: Api) -> Shop:
    """With a key for orders."""
    made = await api.own("POST", "/integration/api-keys/generate", {"name": "erp", "scopes": ["orders"]})
    return Shop(api, made.body["apiKey"])


async def test_an_order_has_everything_an_erp_ships_from(shop: Shop) -> None:
    """Exactly these fields, in our units."""
    await shop.api.call("PUT", "/integration/v1/items/A-1", {"title": "Bromsok", "price": 700})
    item = (await shop.api.call("GET", "/integration/v1/items/A-1")).body["rheoItemId"]
    line = OrderLine(
        tradera_item_id=7,
        quantity=1,
        unit_price_ore=70_000,
        title="Bromsok",
        own_references=(f"rheod:{item}:1",),
        vat_rate=25,
    )
    await shop.sell(an_order(10187, lines=(line,), payments=(SWISH,), expires_at=NOW_MS + 86_400_000))
    await shop.api.database.write(
        lambda db: db.execute("UPDATE order_lines SET item_id = ?", (item,)).rowcount
    )
    assert await shop.one(10187) == {
        "orderId": "10187",
        "status": "waits",
        "createdAt": "2026-05-26T09:59:59Z",
        "updatedAt": "2026-05-26T10:00:00Z",
        "expiresAt": "2026-05-27T10:00:00Z",
        "purchaseId": "po-10187",
        "lines": [
            {
                "externalId": "A-1",
                "rheoItemId": item,
                "adId": "7",
                "title": "Bromsok",
                "quantity": 1,
                "unitPrice": 700,
                "vatRate": 25,
            }
        ],
        "subTotal": 700,
        "freight": {"cost": 69, "type": "PostNord", "weightKg": 1.5},
        "total": 769,
        "payments": [
            {
                "type": "Swish",
                "reference": "ref-1",
                "amount": 769,
                "paidAt": "2026-05-26T10:00:00Z",
                "cost": 0,
            }
        ],
        "paid": 769,
        "flags": ["unknown_item"],
        "shipTo": {
            "name": "Anna Ek",
            "address1": "Storgatan 1",
            "address2": None,
            "zip": "582 22",
            "city": "Linköping",
            "country": "Sverige",
        },
        "buyer": {"alias": "annak", "email": "anna@example.com", "phone": "070-1"},
        "shipments": [],
        "reversedAt": None,
    }


async def test_what_tradera_does_not_say_is_null(shop: Shop) -> None:
    """Neither a rate of VAT nor freight becomes 0 by guess."""
    await shop.sell(an_order(7, freight=OrderFreight(), purchase_id="", buyer={}))
    found = await shop.one(7)
    assert found["lines"][0]["vatRate"] is None
    assert (found["freight"], found["total"], found["purchaseId"]) == (
        {"cost": None, "type": None, "weightKg": None},
        700,
        None,
    )


# Keys


async def test_a_key_opens_what_it_was_made_for(shop: Shop) -> None:
    """One without scopes opens items, as keys of before do; one for orders opens no items."""
    await shop.sell(an_order(7))
    made = await shop.api.own("POST", "/integration/api-keys/generate", {"name": "plain"})
    plain = {"x-api-key": made.body["apiKey"]}
    for path in (ORDERS, f"{ORDERS}/7", f"{ORDERS}/8"):
        refused = await shop.api.call("GET", path, headers=plain)
        assert (refused.status, refused.code) == (403, "FORBIDDEN")
    assert (await shop.api.call("POST", f"{ORDERS}/7/pay", headers=plain)).code == "FORBIDDEN"
    assert (await shop.api.call("GET", "/integration/v1/items", headers=plain)).status == 200
    assert (await shop.ask()).status == 200
    items = await shop.api.call("GET", "/integration/v1/items", headers={"x-api-key": shop._key})  # noqa: SLF001 - this file's own class
    assert items.code == "FORBIDDEN"
    parcel = {"carrier": "postnord", "trackingNumber": "SE1"}
    assert (await shop.ask("/7/tracking", "POST", body=parcel)).code == "FORBIDDEN"
    keys = (await shop.api.own("GET", "/integration/api-keys")).body["keys"]
    assert {key["name"]: key["scopes"] for key in keys} == {
        "test": ["items", "orders"],
        "erp": ["orders"],
        "plain": ["items"],
    }


@pytest.mark.parametrize("scopes", [["order"], [], ["items", "orders", "items"], "orders", [7]])
async def test_a_scope_that_does_not_exist_is_named(api: Api, scopes: object) -> None:
    """422 with the field."""
    refused = await api.own("POST", "/integration/api-keys/generate", {"name": "erp", "scopes": scopes})
    assert refused.status == 422
    assert all(field.startswith("scopes") for field in refused.fields)


async def test_nothing_says_whether_another_accounts_order_exists(shop: Shop) -> None:
    """A member's order and one that never was are answered alike, byte for byte."""
    await shop.sell(an_order(7), account_id=shop.api.member)
    for path, method in (("/{}", "GET"), ("/{}/pay", "POST"), ("/{}/done", "POST")):
        known = await shop.ask(path.format(7), method)
        unknown = await shop.ask(path.format(8), method)
        assert (known.status, known.raw) == (404, unknown.raw)
    assert (await shop.ask()).body["orders"] == []
    member = {"x-partner-account": "member-1"}
    assert [each["orderId"] for each in (await shop.ask(headers=member)).body["orders"]] == ["7"]


# The list


async def test_the_list_goes_by_changes(shop: Shop) -> None:
    """What changed last comes last, each once; a change of nothing brings nothing back."""
    for number in (3, 1, 2):
        shop.now += 10
        await shop.sell(an_order(number))
    shop.now += 10
    await shop.sell(an_order(3), an_order(1, payments=(SWISH,)))
    seen, cursor = [], ""
    while True:
        page = (await shop.ask(f"?limit=2{cursor}")).body
        assert page["total"] == 3
        seen += [each["orderId"] for each in page["orders"]]
        if page["nextCursor"] is None:
            break
        cursor = f"&cursor={page['nextCursor']}"
    assert seen == ["3", "2", "1"]


async def test_the_list_is_filtered_by_status_and_time(shop: Shop) -> None:
    """`updated_since` in both spellings, whole seconds, with the offset that people leave unescaped."""
    await shop.sell(an_order(1), an_order(2, payments=(SWISH,)))
    shop.now += 5000
    await shop.sell(an_order(3, payments=(SWISH,)))
    ready = (await shop.ask("?status=ready")).body
    assert ([each["orderId"] for each in ready["orders"]], ready["total"]) == (["2", "3"], 2)
    for name in ("updated_since", "updatedSince"):
        for since in (
            "2026-05-26T10:00:05Z",
            "2026-05-26T12:00:05+02:00",
            quote("2026-05-26T12:00:05+02:00"),
        ):
            late = (await shop.ask(f"?{name}={since}")).body
            assert ([each["orderId"] for each in late["orders"]], late["total"]) == (["3"], 1)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("status=sent", "status"),
        ("updated_since=2026-05-26T10:00:05", "updated_since"),
        ("updatedSince=yesterday", "updated_since"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
    ],
)
async def test_a_wrong_parameter_is_named(shop: Shop, query: str, field: str) -> None:
    """400 with the field and what it must be."""
    refused = await shop.ask(f"?{query}")
    assert (refused.status, list(refused.fields)) == (400, [field])


@pytest.mark.parametrize("number", ["x", "-7", "7.0", "9" * 40, "%D9%A7"])
async def test_what_is_no_number_of_an_order_is_not_found(shop: Shop, number: str) -> None:
    """As any other unknown one."""
    assert (await shop.ask(f"/{number}")).code == "NOT_FOUND"


async def test_a_cursor_of_another_account_or_list_is_refused(shop: Shop) -> None:
    """In the words for any other bad cursor."""
    await shop.sell(*(an_order(number) for number in (1, 2)))
    await shop.sell(*(an_order(number) for number in (3, 4)), account_id=shop.api.member)
    member = {"x-partner-account": "member-1"}
    cursor = (await shop.ask("?limit=1", headers=member)).body["nextCursor"]
    refused = await shop.ask(f"?limit=1&cursor={cursor}")
    assert (refused.status, refused.body["error"][:10]) == (400, "Bad cursor")
    assert (await shop.ask("?cursor=x")).body["error"] == refused.body["error"]


# The owner's words


async def test_an_order_paid_outside_is_ready_and_tradera_is_told(shop: Shop) -> None:
    """Once, whatever is asked how often; a partial payment was said."""
    await shop.sell(an_order(7, payments=(replace(SWISH, amount_ore=10_000),)))
    found = await shop.one(7)
    assert (found["status"], found["paid"], found["flags"]) == (
        "unpaid",
        100,
        ["partly_paid", "unknown_item"],
    )
    for _ in range(2):
        assert (await shop.ask("/7/pay", "POST")).status == 202
    found = await shop.one(7)
    assert (found["status"], found["paid"], found["flags"]) == ("ready", 769, ["unknown_item"])
    jobs = await rows(shop.api.database, "SELECT kind, subject FROM jobs WHERE lane = 'tradera'")
    assert jobs == [{"kind": "confirm", "subject": "7"}]
    assert (await shop.api.own("POST", "/rheod/orders/7/pay")).status == 202


@pytest.mark.parametrize(
    ("path", "body"),
    [("pay", None), ("done", None), ("tracking", {"carrier": "postnord", "trackingNumber": "SE1"})],
)
async def test_an_order_whose_sale_was_taken_back_takes_nothing(shop: Shop, path: str, body: Any) -> None:
    """409 with what to do; nothing of it changes, and Tradera is not told."""
    await shop.sell(an_order(7))
    shop.now += 10

    def fall(tx: Transaction) -> None:
        before = orders.find(tx.db, 7)
        order_changes.note_reversed(tx.db, 7, [7], "unpaid", now=tx.now)
        settle(tx, 7, before)

    await shop.store.write(fall)
    known = await shop.one(7)
    shop.now += 10
    refused = await shop.api.call("POST", f"{ORDERS}/7/{path}", body)
    assert (refused.status, refused.code) == (409, "CONFLICT")
    assert "pay back what was paid" in refused.body["error"]
    assert (await shop.one(7), known["status"]) == (known, "reversed")
    assert await rows(shop.api.database, "SELECT kind FROM jobs WHERE lane = 'tradera'") == []


async def test_an_order_that_was_handed_over_is_shipped(shop: Shop) -> None:
    """And Tradera is told; again it changes nothing."""
    await shop.sell(an_order(7, payments=(SWISH,)))
    for _ in range(2):
        assert (await shop.ask("/7/done", "POST")).status == 202
    assert (await shop.one(7))["status"] == "shipped"
    assert len(await rows(shop.api.database, "SELECT id FROM jobs WHERE kind = 'ship'")) == 1


async def test_a_parcel_ships_the_order_at_once(shop: Shop) -> None:
    """Whatever Tradera says of it later; a correction is one parcel more."""
    await shop.sell(an_order(7, payments=(SWISH,)))
    for number in ("SE1", "SE2"):
        parcel = {"carrier": "postnord", "trackingNumber": number}
        assert (await shop.api.call("POST", f"{ORDERS}/7/tracking", parcel)).status == 200
    found = await shop.one(7)
    assert found["status"] == "shipped"
    assert [each["trackingNumber"] for each in found["shipments"]] == ["SE1", "SE2"]


async def test_a_payment_that_shrinks_is_said(shop: Shop) -> None:
    """The order is not paid any more, and was."""
    await shop.sell(an_order(7, payments=(SWISH,)))
    await shop.sell(an_order(7, payments=(replace(SWISH, amount_ore=70_000),)))
    found = await shop.one(7)
    assert (found["status"], found["flags"]) == ("unpaid", ["partly_paid", "refunded", "unknown_item"])


# Picking


async def test_a_pick_list_goes_by_the_shelf_and_what_grows_after_it_is_said(shop: Shop) -> None:
    """Orders that are ready, by runs of digits as numbers; those without a place last; printed again it is well."""
    for name, shelf in (("A", "B-10"), ("B", "B-9"), ("C", None)):
        metadata = {} if shelf is None else {"shelf": shelf}
        body = {"title": f"Thing {name}", "price": 700, "metadata": metadata}
        await shop.api.call("PUT", f"/integration/v1/items/{name}", body)
    known = await rows(shop.api.database, "SELECT id, external_id FROM items ORDER BY external_id")
    for number, item in enumerate(known, 1):
        await shop.sell(an_order(number, payments=(SWISH,)))
        await shop.api.database.write(
            lambda db, number=number, item=item: (
                db.execute(  # type: ignore[misc]
                    "UPDATE order_lines SET item_id = ? WHERE order_id = ?", (item["id"], number)
                ).rowcount
            )
        )
    await shop.sell(an_order(4))
    shop.api.parts.orders.pick_sort = "shelf"
    picked = (await shop.api.own("POST", "/rheod/orders/pick")).body
    assert picked["sortedBy"] == "shelf"
    assert [(each["externalId"], each["place"]) for each in picked["lines"]] == [
        ("B", "B-9"),
        ("A", "B-10"),
        ("C", ""),
    ]
    shop.now += 1000
    more = (*an_order(1).lines, replace(an_order(1).lines[0], tradera_item_id=99))
    paid = replace(SWISH, amount_ore=146_900)
    await shop.sell(an_order(1, lines=more, subtotal_ore=140_000, payments=(paid,)))
    assert "grew_after_print" in (await shop.one(1))["flags"]
    shop.now += 1000
    again = (await shop.api.own("POST", "/rheod/orders/pick")).body["lines"]
    assert [each["orderId"] for each in again].count("1") == 2


# Erasing


async def test_an_erased_buyer_is_null_everywhere(shop: Shop) -> None:
    """Amounts stay, and the order comes again in the list of changes."""
    await shop.sell(
        an_order(7, payments=(SWISH,)), an_order(8), an_order(9, buyer={**BUYER, "alias": "b", "email": "b"})
    )
    shop.now += 60_000
    erased = await shop.api.own("POST", "/rheod/orders/erase-buyer", {"buyer": "ANNAK"})
    assert (erased.status, erased.body["orders"]) == (200, 2)
    found = await shop.one(7)
    assert (found["buyer"], found["shipTo"], found["payments"][0]["reference"]) == (None, None, None)
    assert (found["payments"][0]["amount"], found["total"]) == (769, 769)
    assert (await shop.one(9))["buyer"]["alias"] == "b"
    await shop.sell(an_order(7, payments=(SWISH,)))
    assert (await shop.one(7))["buyer"] is None
    assert (await shop.one(7))["payments"][0]["reference"] is None
    again = await shop.api.own("POST", "/rheod/orders/erase-buyer", {"buyer": "annak"})
    assert again.code == "NOT_FOUND"
    assert (await shop.api.own("POST", "/rheod/orders/erase-buyer", {})).status == 422


async def test_erased_orders_change_for_who_polls(shop: Shop) -> None:
    """By age as by the owner's word."""
    await shop.sell(an_order(7))
    await shop.api.database.write(
        lambda db: order_changes.erase(db, before=NOW_MS + 1, limit=9, now=NOW_MS + 90_000)
    )
    found = (await shop.ask("?updated_since=2026-05-26T10:01:00Z")).body
    assert [each["buyer"] for each in found["orders"]] == [None]


# A client of thirty lines


@pytest.mark.parametrize("seed", range(5))
async def test_a_client_that_polls_and_is_killed_has_every_order_with_its_last_state(
    shop: Shop, seed: int
) -> None:
    """Orders come, are paid, grow and are sent while it reads; in the end it has each once, as it is."""

    async def ask(query: str) -> dict[str, Any]:
        found: dict[str, Any] = (await shop.ask(query)).body
        return found

    rng, erp = Random(seed), Erp(ask)
    known: dict[int, Order] = {}
    for _ in range(60):
        shop.now += rng.choice((0, 1, 400, 3000))
        number = rng.randrange(1, 16)
        order = known.get(number) or an_order(number)
        if number in known:
            extra = replace(order.lines[0], tradera_item_id=100 * number + len(order.lines))
            order = rng.choice(
                (
                    replace(order, payments=(SWISH,)),
                    replace(order, lines=(*order.lines, extra), subtotal_ore=order.subtotal_ore + 70_000),
                    replace(order, payments=()),
                )
            )
        known[number] = order
        await shop.sell(order)
        if rng.random() < 0.3:
            await erp.poll(rng)
    while not await erp.poll(rng):
        pass
    assert erp.orders == {str(number): await shop.one(number) for number in known}
