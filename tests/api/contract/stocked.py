"""An API with something of everything the document's examples speak of: an item, a container, a picture, an order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from rheod.api.openapi.examples import EXAMPLES, SEGMENTS
from rheod.domain.orders import Order, OrderLine
from rheod.store import order_changes
from rheod.webhooks.client import WebhookClient
from tests.api.running import NOW_MS, Api

CONTAINER = "VIN-1"


@asynccontextmanager
async def hooks_that_call_nobody() -> AsyncIterator[WebhookClient]:
    """A sender of test events that may not send any: every address is refused at the send."""
    async with aiohttp.ClientSession() as session:
        yield WebhookClient(
            session=session,
            timeout_s=1,
            check_url=lambda _url: "Must not be called by a test",
            user_agent="rheod/test",
            now=lambda: NOW_MS,
        )


async def stocked(api: Api) -> Any:
    """Stock the API; gives its document."""
    await api.call("PUT", f"/integration/v1/items/{CONTAINER}", {"title": "Volvo XC90", "type": "container"})
    await api.call("PUT", f"/integration/v1/items/{SEGMENTS['externalId']}", EXAMPLES["ItemBody"])
    folder = api.parts.image_folder / SEGMENTS["folder"]
    folder.mkdir(parents=True)
    (folder / SEGMENTS["file"]).write_bytes(b"\xff\xd8\xff\xe0 test picture")
    line = OrderLine(tradera_item_id=77, quantity=1, unit_price_ore=95050, title="Bromsok")
    order = Order(
        order_id=int(SEGMENTS["orderId"]),
        created_at=NOW_MS,
        updated_at=NOW_MS,
        lines=(line,),
        subtotal_ore=95050,
        buyer={"Alias": "test-buyer"},
    )
    await api.database.write(lambda db: order_changes.save(db, api.parts.default_account, order, now=NOW_MS))
    return (await api.call("GET", "/openapi.json")).body
