"""A shop: the catalogue over a real store."""

from __future__ import annotations

import pytest

from rheod.catalog.endpoints import Endpoints
from rheod.catalog.feed import EventFeed
from rheod.catalog.items import Catalog, Forecast
from rheod.catalog.sales import SellersAndSite
from rheod.catalog.unit import Books
from rheod.store.database import Database
from tests.bookkeeping import Clock
from tests.catalog.selling import MEMBER, Shop


@pytest.fixture
def forecast() -> Forecast:
    """The state of the call budget; a test may fill its `calls`."""
    return Forecast(calls=[], ceiling=80)


@pytest.fixture
def shop(database: Database, books: Books, clock: Clock, account_id: str, forecast: Forecast) -> Shop:
    """One account without items."""
    secrets = iter(f"whsec_{number}" for number in range(100))
    endpoints = Endpoints(books=books, new_secret=lambda: next(secrets))
    return Shop(
        database=database,
        books=books,
        catalog=Catalog(books=books, forecast=lambda _account: forecast),
        endpoints=endpoints,
        feed=EventFeed(books=books, endpoints=endpoints),
        clock=clock,
        account_id=account_id,
        sellers=SellersAndSite(
            accounts={MEMBER: account_id}, site_url="https://t.example", closed_grace_ms=30_000
        ),
    )
