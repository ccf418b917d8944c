"""A shop: the catalogue over a real store."""

from __future__ import annotations

import pytest

from rheod.domain.budget import TOTAL, PublishLimit, Window
from rheod.store.engine.database import Database
from rheod.usecases.endpoints import Endpoints, EventFeed
from rheod.usecases.items import BudgetForecast, Items
from rheod.usecases.listings import SellersAndSite
from rheod.usecases.transaction import Store
from tests.stores import Clock
from tests.usecases.selling import MEMBER, Shop


@pytest.fixture
def forecast() -> BudgetForecast:
    """The state of the call budget; a test may fill its `calls`."""
    calls = Window()
    in_all = PublishLimit(method=TOTAL, window=calls, limit=80, ceiling=80, daily=80)
    return BudgetForecast(calls=calls, limits=(in_all,))


@pytest.fixture
def shop(database: Database, store: Store, clock: Clock, account_id: str, forecast: BudgetForecast) -> Shop:
    """One account without items."""
    secrets = iter(f"whsec_{number}" for number in range(100))
    endpoints = Endpoints(store=store, new_secret=lambda: next(secrets))
    return Shop(
        database=database,
        store=store,
        items=Items(store=store, forecast=lambda _account: forecast),
        endpoints=endpoints,
        feed=EventFeed(store=store, endpoints=endpoints),
        clock=clock,
        account_id=account_id,
        sellers=SellersAndSite(
            accounts={MEMBER: account_id}, site_url="https://t.example", closed_grace_ms=30_000
        ),
    )
