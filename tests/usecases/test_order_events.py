"""Events about orders: one for an order with its items, in order with theirs, to those who ask for them."""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from rheod.domain.errors import Refused
from rheod.domain.orders import Order, OrderFreight, OrderLine, Payment
from rheod.store import order_changes
from rheod.store.engine.database import Database
from rheod.usecases import orders as use_cases
from rheod.usecases import sales
from rheod.usecases.endpoints import Endpoints, EventFeed
from rheod.usecases.transaction import OrderRules, Store
from tests.store.making import add_endpoint
from tests.stores import Clock, rows
from tests.usecases.selling import Shop

BUYER = {"alias": "annak", "email": "anna@example.com", "firstName": "Anna", "lastName": "Ek"}
PAYMENT = Payment(type="Swish", reference="ref-1", amount_ore=100_000, paid_at=9, cost_ore=0)


def an_order(*ads: int, **values: Any) -> Order:
    """Things for 500 kr each, with the freight free."""
    lines = tuple(OrderLine(tradera_item_id=ad, quantity=1, unit_price_ore=50_000) for ad in ads)
    given = {
        "created_at": 1,
        "updated_at": 2,
        "subtotal_ore": 50_000 * len(ads),
        "payments": (),
        "freight": OrderFreight(cost_ore=0),
        "buyer": BUYER,
        **values,
    }
    return Order(order_id=7, lines=lines, **given)


async def told(database: Database) -> list[dict[str, Any]]:
    """Every event that goes out about an order, oldest first."""
    found = await rows(
        database, "SELECT type, body FROM notices WHERE type LIKE 'order.%' AND body IS NOT NULL ORDER BY seq"
    )
    return [json.loads(row["body"]) for row in found]


async def types(database: Database) -> list[str]:
    """Their types."""
    return [each["eventType"] for each in await told(database)]


async def test_an_order_is_told_once_with_all_its_items(shop: Shop) -> None:
    """The envelope names the first; nothing of the buyer is in it."""
    await shop.put_live("a")
    await shop.put_live("b")
    await shop.record(an_order(1, 2), an_order(1, 2))
    (created,) = await told(shop.database)
    assert created["eventType"] == "order.created"
    data = created["data"]
    assert (data["orderId"], data["externalId"], data["total"], data["paid"]) == ("7", "a", 1000, 0)
    assert [line["externalId"] for line in data["items"]] == ["a", "b"]
    assert "buyer" not in data
    assert "shipTo" not in data
    assert "anna" not in json.dumps(created).lower()


async def test_an_order_of_unknown_things_is_told_without_an_item(shop: Shop) -> None:
    """Its envelope is empty."""
    await shop.record(an_order(99))
    (created,) = await told(shop.database)
    assert (created["data"]["externalId"], created["data"]["rheoItemId"]) == ("", "")
    assert created["data"]["items"][0]["externalId"] is None


async def test_what_becomes_of_an_order_is_told_in_order(shop: Shop) -> None:
    """Grown, paid, paid again when it has grown since, sent; a reading that brings nothing tells nothing."""
    await shop.put_live("a")
    await shop.put_live("b")
    both = an_order(1, 2, payments=(PAYMENT,))
    await shop.record(an_order(1))
    await shop.record(an_order(1, payments=(replace(PAYMENT, amount_ore=50_000),)))
    await shop.record(an_order(1, 2, payments=(replace(PAYMENT, amount_ore=50_000),)))
    await shop.record(both, both)
    await shop.store.write(lambda tx: use_cases.shipped(tx, 7))
    await shop.store.write(lambda tx: use_cases.shipped(tx, 7))
    assert await types(shop.database) == [
        "order.created",
        "order.paid",
        "order.grew",
        "order.paid",
        "order.shipped",
    ]


async def test_an_order_of_before_is_completed_in_silence(shop: Shop) -> None:
    """Unless Tradera has changed it since; it is no order anew."""
    await shop.put_live("a")
    await shop.record(an_order(1, payments=None))
    await shop.database.write(lambda db: db.execute("DELETE FROM notices WHERE type LIKE 'order.%'").rowcount)
    await shop.database.write(lambda db: order_changes.note_partial(db, 7))
    await shop.record(an_order(1, payments=(PAYMENT,)))
    assert await types(shop.database) == []
    await shop.database.write(lambda db: order_changes.note_partial(db, 7))
    await shop.record(an_order(1, payments=(), updated_at=3))
    await shop.database.write(lambda db: order_changes.note_partial(db, 7))
    await shop.record(an_order(1, payments=(PAYMENT,), updated_at=4))
    assert await types(shop.database) == ["order.paid"]


async def test_the_owner_may_have_orders_sent_while_they_can_grow(shop: Shop) -> None:
    """By a setting: those that wait are ready from the next start on, and wait again when it is taken back."""

    async def statuses() -> list[str]:
        return [row["status"] for row in await rows(shop.database, "SELECT status FROM orders")]

    orders = use_cases.Orders(store=shop.store)
    await shop.record(an_order(1, payments=(PAYMENT,), expires_at=shop.clock() + 1000))
    assert await statuses() == ["waits"]
    for at_once, status in ((True, "ready"), (False, "waits")):
        shop.store.rules = OrderRules(ship_while_waiting=at_once)
        await orders.go_by_rules()
        assert await statuses() == [status]
    shop.clock.forward(1000)
    await orders.ripen()
    assert await statuses() == ["ready"]


# Who gets them


async def test_only_who_asks_for_them_gets_them(shop: Shop) -> None:
    """An endpoint with an empty list gets the six of old."""
    for name, wanted in (("old", ()), ("all", ("*",)), ("some", ("order.paid",))):
        await shop.database.write(
            lambda db, name=name, wanted=wanted: add_endpoint(  # type: ignore[misc]
                db, name, account_id=shop.account_id, event_types=wanted
            )
        )
    await shop.put_live("a")
    await shop.record(an_order(1, payments=(PAYMENT,)))
    sent = await rows(
        shop.database,
        "SELECT endpoint_id, type FROM jobs JOIN notices ON seq = notice_seq WHERE kind = 'deliver'"
        " AND type LIKE 'order.%' ORDER BY endpoint_id, seq",
    )
    assert [(each["endpoint_id"], each["type"]) for each in sent] == [
        ("all", "order.created"),
        ("all", "order.paid"),
        ("some", "order.paid"),
    ]


async def test_what_was_sold_together_is_told_in_one_line(shop: Shop) -> None:
    """The order waits for what was told of any of its items before, and what comes after waits for the order."""
    await shop.database.write(
        lambda db: add_endpoint(db, "e", account_id=shop.account_id, event_types=("*",))
    )
    await shop.put_live("a")
    await shop.put_live("b")
    await shop.record(an_order(1, 2))
    await shop.put("a", title="Ny titel")
    order: list[int] = []
    while heads := await rows(
        shop.database, "SELECT id, notice_seq FROM jobs WHERE kind = 'deliver' AND behind = 0"
    ):
        assert len(heads) == 1
        order.append(heads[0]["notice_seq"])
        number = heads[0]["id"]
        await shop.database.write(
            lambda db, number=number: db.execute("DELETE FROM jobs WHERE id = ?", (number,)).rowcount  # type: ignore[misc]
        )
    assert order == sorted(order)
    assert len(order) > 4


# Buyers


async def named(shop: Shop, database: Database, clock: Clock) -> Store:
    """A store whose events name the buyer, with an order told."""
    store = Store(database=database, now=clock, rng=Random(3), wake=lambda _queue: None)
    store.rules = OrderRules(include_buyer=True)
    await database.write(lambda db: add_endpoint(db, "e", account_id=shop.account_id, event_types=("*",)))
    await store.write(lambda tx: sales.record_orders(tx, shop.account_id, [an_order(99)], shop.sellers))
    return store


async def test_the_buyer_is_told_where_the_owner_says_so(
    shop: Shop, database: Database, clock: Clock
) -> None:
    """`webhooks.include_buyer`."""
    await named(shop, database, clock)
    (created,) = await told(database)
    assert created["data"]["buyer"] == {"alias": "annak", "email": "anna@example.com", "phone": None}
    assert created["data"]["shipTo"]["name"] == "Anna Ek"


async def test_an_event_that_named_an_erased_buyer_is_not_replayed(
    shop: Shop, database: Database, clock: Clock
) -> None:
    """It is gone, and the feed shows it with nulls; what waits goes out so."""
    store = await named(shop, database, clock)
    feed = EventFeed(store=store, endpoints=Endpoints(store=store, new_secret=lambda: "whsec_x"))
    (created,) = await told(database)
    assert (await feed.replay(shop.account_id, created["eventId"])).waiting == 1
    await database.write(lambda db: order_changes.erase_orders(db, [7], now=clock()))
    with pytest.raises(Refused, match="erased") as refused:
        await feed.replay(shop.account_id, created["eventId"])
    assert refused.value.code == "GONE"
    (nameless,) = await told(database)
    assert nameless == {**created, "data": {**created["data"], "buyer": None, "shipTo": None}}
    (event,) = [
        each for each in await feed.events(shop.account_id, after=0, limit=9) if b"order.created" in each.body
    ]
    assert b"anna" not in event.body.lower()
    assert (await feed.replay_since(shop.account_id, 0)).ordered == 0
    assert (
        len(await rows(database, "SELECT id FROM jobs WHERE kind = 'deliver' AND notice_seq = ?", event.seq))
        == 1
    )
