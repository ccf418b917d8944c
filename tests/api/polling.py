"""An ERP that reads the orders by their changes: what an integrator writes in thirty lines."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

Ask = Callable[[str], Awaitable[dict[str, Any]]]
"""The JSON that the list of orders answers to this query."""


class Erp:
    """Polls by `updated_since`, keeps what it has had and where it goes on, and may be killed between any two steps."""

    def __init__(self, ask: Ask, *, limit: int = 3) -> None:
        self.ask = ask
        self._limit = limit
        self.since: str | None = None
        self.orders: dict[str, dict[str, Any]] = {}

    async def poll(self, rng: Random) -> bool:
        """One round; False when it was killed on the way: what is kept is kept, the rest is forgotten."""
        query = f"?limit={self._limit}" + ("" if self.since is None else f"&updated_since={self.since}")
        cursor, newest = "", self.since
        while True:
            page = await self.ask(query + cursor)
            for order in page["orders"]:
                if rng.random() < 0.05:
                    return False
                self.orders[order["orderId"]] = order
                newest = order["updatedAt"]
            if page["nextCursor"] is None:
                break
            cursor = f"&cursor={page['nextCursor']}"
        self.since = newest
        return True
