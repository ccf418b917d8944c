"""A plain HTTP client that plays the seller against the simulated Tradera, and a clock that stands still."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rheod.sandbox.tradera import TraderaSimulator


START_MS = 1_795_000_000_000


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.ms = START_MS

    def __call__(self) -> int:
        return self.ms

    def forward(self, seconds: float) -> None:
        self.ms += round(seconds * 1000)


class Seller:
    """A plain HTTP client that signs calls as the simulator's first seller."""

    def __init__(self, simulator: TraderaSimulator, session: aiohttp.ClientSession) -> None:
        self.simulator = simulator
        self.session = session
        user_id, token = next(iter(simulator.keys.sellers.items()))
        self.headers = {
            "X-App-Id": str(simulator.keys.app_id),
            "X-App-Key": simulator.keys.app_key,
            "X-User-Id": str(user_id),
            "X-User-Token": token,
        }

    async def call(self, method: str, path: str, body: Any = None, **query: Any) -> tuple[int, Any]:
        """Make a call below /v4; answers the status and the JSON (None when empty)."""
        url = self.simulator.base_url + path
        async with self.session.request(
            method, url, json=body, params=query, headers=self.headers
        ) as response:
            raw = await response.read()
            return response.status, await response.json() if raw else None

    async def create(self, **changes: Any) -> tuple[int, int]:
        """Create a request that is in order; answers its request id and item id."""
        status, answer = await self.call("POST", "/listings/items", new_body(**changes))
        assert status == 200, answer
        return answer["requestId"], answer["itemId"]

    async def publish(self, clock: Clock, **changes: Any) -> int:
        """Create and commit a listing and let its time in the queue pass; answers the item id."""
        request_id, item_id = await self.create(**changes)
        assert (await self.call("POST", f"/listings/items/{request_id}/commit"))[0] == 200
        clock.forward(self.simulator.processing_delay_s)
        return item_id


def new_body(**changes: Any) -> dict[str, Any]:
    """Give a create body that Tradera takes, with changes; a value of None takes the field away."""
    body = {
        "title": "Rörstrand kaffekopp",
        "description": "<p>Hel, utan nagg.</p>",
        "categoryId": 302571,
        "itemType": 1,
        "startPrice": 50,
        "duration": 7,
        "restarts": 0,
        "acceptedBidderId": 1,
        "shippingOptions": [{"shippingProviderId": 6, "cost": 66}],
        "itemAttributes": [2],
        "ownReferences": ["rheod:42:1"],
        "autoCommit": False,
        **changes,
    }
    return {name: value for name, value in body.items() if value is not None}


@asynccontextmanager
async def running(simulator: TraderaSimulator) -> AsyncIterator[Seller]:
    await simulator.start()
    timeout = aiohttp.ClientTimeout(total=10)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session:
            yield Seller(simulator, session)
    finally:
        await simulator.stop()
