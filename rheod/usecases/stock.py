"""The owner's list of items, with when what waits is expected to go out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rheod.store import stock
from rheod.store.stock import StockPage, StockQuery, StockRow
from rheod.usecases.items import BudgetForecast, goes_at
from rheod.usecases.transaction import Store


@dataclass(frozen=True, slots=True)
class StockView:
    """An item of the list; `goes_at` is when it should go out (ms), None where nothing waits or `waits_for` says why nobody knows."""

    row: StockRow
    goes_at: int | None
    waits_for: str | None


class Stock:
    """Reads the list. `forecast` tells what an account's publishing must keep."""

    def __init__(self, *, store: Store, forecast: Callable[[str], BudgetForecast]) -> None:
        self._store = store
        self._forecast = forecast

    async def page(
        self, account_id: str, sought: StockQuery, *, limit: int, start: int
    ) -> tuple[StockPage, list[StockView]]:
        """A page of what fits, as it is now."""
        found = await self._store.read(
            lambda db: stock.page(db, account_id, sought, limit=limit, start=start)
        )
        return found, self._seen(account_id, found.rows)

    async def of_numbers(self, account_id: str, numbers: Sequence[int]) -> list[StockView]:
        """These items of the account, in this order; what it has not is left out."""
        rows = await self._store.read(lambda db: stock.of_numbers(db, account_id, numbers))
        return self._seen(account_id, rows)

    def _seen(self, account_id: str, rows: Sequence[StockRow]) -> list[StockView]:
        forecast, now = self._forecast(account_id), self._store.now()
        return [
            StockView(
                row,
                None if row.place is None or forecast.waits_for else goes_at(row.place, forecast, now),
                None if row.place is None else forecast.waits_for or row.place.reason,
            )
            for row in rows
        ]
