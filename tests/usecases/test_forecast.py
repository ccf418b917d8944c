"""The outlook: what goes out when, when calls come free, what was sold on which Swedish day."""

from __future__ import annotations

from functools import partial

import pytest

from rheod.domain.budget import TOTAL, PublishLimit, Window
from rheod.domain.calendar import day_of, start_of
from rheod.domain.orders import Order
from rheod.store import order_changes
from rheod.usecases.figures import AccountForecasts
from rheod.usecases.items import BudgetForecast
from rheod.usecases.transaction import Store, Transaction
from tests.stores import NOW_MS, Clock

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
