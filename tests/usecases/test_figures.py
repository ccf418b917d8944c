"""The figures and the outlook: what there is and was sold, by month and kind; what goes out when, when calls come free."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from rheod.domain.budget import TOTAL, PublishLimit, Window
from rheod.domain.calendar import day_of, start_of
from rheod.domain.model import ItemType, RheoStatus
from rheod.domain.orders import Order
from rheod.store import order_changes
from rheod.usecases.figures import AccountForecasts, Analytics, CategorySales, Figures, total
from rheod.usecases.items import BudgetForecast
from rheod.usecases.transaction import Store, Transaction
from tests.stores import NOW_MS, Clock, rows
from tests.usecases.selling import Shop, order


def ms(text: str) -> int:
    """A UTC time as ms."""
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


async def figures(shop: Shop, fee_percent: float = 0) -> Analytics:
    """The account's figures."""
    return await Figures(store=shop.store, fee_percent=fee_percent).of_account(shop.account_id)


async def sell(shop: Shop, external_id: str, at: int, *, price_ore: int = 110_000, **values: Any) -> Order:
    """Publish an item and sell it at a time; `domain` is the item's."""
    domain = values.pop("domain", None)
    listing = await shop.put_live(external_id, domain=domain)
    sale = replace(order(9000 + shop.ads, listing.tradera_item_id or 0, price_ore=price_ore), **values)
    sale = replace(sale, created_at=at, updated_at=at)
    await shop.record(sale)
    return sale


async def test_a_sale_counts_in_its_swedish_month(shop: Shop) -> None:
    """An hour before midnight UTC on the last of March it is April in Sweden."""
    shop.clock.ms = ms("2026-04-15T12:00:00")
    await sell(shop, "a", ms("2026-03-31T21:59:00"), price_ore=10_000)
    await sell(shop, "b", ms("2026-03-31T23:00:00"), price_ore=20_000, paid_at=1)
    await sell(shop, "c", ms("2026-04-10T12:00:00"), price_ore=30_050)
    found = await figures(shop)
    shown = {one.month: (one.gross, one.orders, one.pending) for one in found.months if one.orders}
    assert shown == {"2026-03": (10_000, 1, 10_000), "2026-04": (50_050, 2, 30_050)}
    assert (total(found.months).gross, total(found.months).pending) == (60_050, 40_050)
    assert len(found.months) == 12


async def test_sales_before_the_twelve_months_are_left_out(shop: Shop) -> None:
    """The figures are those of the months shown, by kind too."""
    shop.clock.ms = ms("2026-04-15T12:00:00")
    await sell(shop, "a", ms("2025-04-30T12:00:00"))
    await sell(shop, "b", ms("2025-05-01T12:00:00"), domain="books")
    found = await figures(shop)
    assert total(found.months).orders == 1
    assert [(one.label, one.revenue) for one in found.categories] == [
        ("Böcker & Media", 110_000),
        ("Övrigt", 0),
    ]


@pytest.mark.parametrize(("percent", "fee"), [(0, 0), (10, 1235), (12.5, 1543), (0.1, 12), (100, 12_345)])
async def test_the_fee_is_a_share_rounded_half_up(shop: Shop, percent: float, fee: int) -> None:
    """Net is what is left of gross."""
    await sell(shop, "a", shop.clock(), price_ore=12_345)
    month = (await figures(shop, percent)).months[-1]
    assert (month.fee, month.net) == (fee, 12_345 - fee)


async def test_only_sales_of_items_rheod_knows_count(shop: Shop) -> None:
    """An order of something else is no revenue here; of a mixed order only the known line is."""
    sale = await sell(shop, "a", shop.clock(), price_ore=10_000)
    other = order(9500, 777_777, price_ore=70_000)
    await shop.record(replace(other, created_at=shop.clock()))
    await shop.record(replace(sale, lines=(*sale.lines, *other.lines)))
    month = (await figures(shop)).months[-1]
    assert (month.gross, month.orders) == (10_000, 1)


async def test_an_order_read_again_counts_as_it_is_then(shop: Shop) -> None:
    """Paid later, or at another price: counted once, as Tradera has it now."""
    sale = await sell(shop, "a", shop.clock(), price_ore=10_000)
    await shop.record(replace(sale, paid_at=5, lines=(replace(sale.lines[0], unit_price_ore=9000),)))
    month = (await figures(shop)).months[-1]
    assert (month.gross, month.orders, month.pending) == (9000, 1, 0)


async def test_an_item_marked_as_sold_is_no_order(shop: Shop) -> None:
    """It was sold elsewhere: in the inventory, not in the revenue."""
    await shop.put("a")
    await shop.mark_sold("a")
    found = await figures(shop)
    assert (found.inventory.by_status[RheoStatus.SOLD], total(found.months).orders) == (1, 0)


async def test_the_inventory_follows_every_change(shop: Shop) -> None:
    """Counts kept at each write agree with the rows; containers and deleted items are none of it."""
    await shop.put("van", type=ItemType.CONTAINER, price_ore=None)
    for number in range(6):
        await shop.put(f"i{number}", domain="auto_parts" if number % 2 else None)
    await shop.put("i0", domain="fashion")
    await shop.delete("i1")
    await shop.mark_sold("i2")
    await shop.unlist("i3")
    await sell(shop, "gone", shop.clock(), domain="books")
    await shop.delete("gone")
    found = await figures(shop)
    counted = await rows(
        shop.database,
        "SELECT rheo_status, domain, count(*) AS n FROM items WHERE type = 'item' AND removed_at IS NULL GROUP BY 1, 2",
    )
    kept = await rows(
        shop.database,
        "SELECT rheo_status, domain, count AS n FROM item_counts WHERE type = 'item' AND count > 0",
    )
    assert sorted(kept, key=str) == sorted(counted, key=str)
    assert found.inventory.total == 6
    assert found.inventory.by_status[RheoStatus.ARCHIVED] == 1


async def test_the_ten_kinds_that_brought_most_are_shown(shop: Shop) -> None:
    """By revenue, then by how many items there are; with the labels of the figures."""
    for place, domain in enumerate(
        [
            "auto_parts",
            "electronics",
            "fashion",
            "art",
            "toys",
            "tools",
            "music",
            "books",
            "sports",
            "watches",
            "beauty",
        ]
    ):
        await sell(shop, domain, shop.clock(), domain=domain, price_ore=1000 * (20 - place))
    await shop.put("more", domain="fashion")
    found = (await figures(shop)).categories
    assert len(found) == 10
    assert found[:3] == (
        CategorySales(label="Reservdel", items=1, revenue=20_000),
        CategorySales(label="Elektronik", items=1, revenue=19_000),
        CategorySales(label="Kläder", items=2, revenue=18_000),
    )


HOUR_MS = 3_600_000


@pytest.fixture
def forecast() -> BudgetForecast:
    """Three calls of the window made, room for ten in all."""
    calls = Window([NOW_MS - 20 * HOUR_MS, NOW_MS - 20 * HOUR_MS, NOW_MS])
    in_all = PublishLimit(method=TOTAL, window=calls, limit=10, ceiling=10, daily=10)
    return BudgetForecast(calls=calls, limits=(in_all,))


def _keep(tx: Transaction, account_id: str, order: Order) -> None:
    order_changes.save(tx.db, account_id, order, now=tx.now)


async def test_calls_come_back_a_day_after_they_were_made(
    store: Store, account_id: str, forecast: BudgetForecast
) -> None:
    """Two come free in four hours, the one made now in the last hour shown."""
    outlook = await AccountForecasts(store=store, forecast=lambda _account: forecast).of_account(account_id)
    assert [(at - NOW_MS) // HOUR_MS for at, calls in outlook.freeing for _ in range(calls)] == [4, 4, 24]
    assert (outlook.coming, outlook.waiting) == ((), 0)


async def test_a_day_is_a_swedish_day(
    store: Store, account_id: str, forecast: BudgetForecast, clock: Clock
) -> None:
    """An order of 23:30 UTC in May belongs to the next day in Sweden; one of something unknown here is in no sum."""
    midnight = start_of(day_of(clock()))
    for number, at in enumerate([midnight - 1, midnight, midnight + 1, midnight + 2]):
        order = Order(order_id=number + 1, created_at=at, updated_at=at, lines=(), subtotal_ore=10_000)
        await store.write(partial(_keep, account_id=account_id, order=order))
    await store.write(
        lambda tx: tx.db.execute("UPDATE orders SET known_ore = subtotal_ore WHERE order_id <> 4").rowcount
    )
    outlook = await AccountForecasts(store=store, forecast=lambda _account: forecast).of_account(account_id)
    assert [sold.ore for sold in outlook.sales[-2:]] == [10_000, 20_000]
    assert len(outlook.sales) == 14


async def test_an_order_of_a_day_that_cannot_be_breaks_no_outlook(
    store: Store, account_id: str, forecast: BudgetForecast
) -> None:
    """The last hour a date can have in UTC has none in Sweden; the sale is of no day that is shown."""
    last = 253_402_300_799_000
    order = Order(order_id=1, created_at=last, updated_at=last, lines=(), subtotal_ore=10_000)
    await store.write(partial(_keep, account_id=account_id, order=order))
    outlook = await AccountForecasts(store=store, forecast=lambda _account: forecast).of_account(account_id)
    assert sum(sold.ore for sold in outlook.sales) == 0
