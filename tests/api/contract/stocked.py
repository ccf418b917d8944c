"""An API with something of everything the document's examples speak of: items, pictures, orders, a sale in doubt, a return."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import aiohttp

from rheod.api.openapi_schemas import EXAMPLES, SEGMENTS
from rheod.domain.model import Ladder, Listing, ListingState
from rheod.domain.orders import Order, OrderLine
from rheod.store import ads, inbox, items, order_changes
from rheod.store.ads import PlannedReturn
from rheod.store.inbox import InboxEntry
from rheod.webhooks.client import WebhookClient
from tests.api.running import NOW_MS, Api

CONTAINER = "VIN-1"
UNSOLD, WAITING, SOLD = "UNSOLD-1", "WAITING-1", "SOLD-1"
NEEDED: Mapping[str, str] = {"/rheod/relist/": UNSOLD, "/rheod/schedule/": WAITING, "/reverse-sale": SOLD}
"""Items for the paths with this: only what has ended unsold comes back, only what is not committed gets another end."""


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
    for number in (0, 1):
        line = OrderLine(tradera_item_id=77 + number, quantity=1, unit_price_ore=95050, title="Bromsok")
        order = Order(
            order_id=int(SEGMENTS["orderId"]) + number,
            created_at=NOW_MS,
            updated_at=NOW_MS,
            lines=(line,),
            subtotal_ore=95050,
            buyer={"Alias": f"test-buyer-{number}"},
        )
        await api.database.write(partial(_ordered, account_id=api.parts.default_account, order=order))
    await _listed(api, "IN-DOUBT", state=ListingState.LIVE, tradera_item_id=22, live_at=NOW_MS)
    await an_order_in_doubt(api, int(SEGMENTS["orderId"]), 22)
    ended = await _listed(api, UNSOLD, state=ListingState.ENDED, tradera_item_id=23, closed_at=NOW_MS)
    comes_back = PlannedReturn(
        listing_id=ended.id,
        item_id=ended.item_id,
        account_id=ended.account_id,
        at=NOW_MS,
        ladder=Ladder(first_kr=950, price_kr=900, attempt=1),
    )
    await api.database.write(lambda db: ads.plan_return(db, comes_back))
    await _listed(api, WAITING)
    await api.call("PUT", f"/integration/v1/items/{SOLD}", {"title": "Kaffekopp", "price": 950})
    await api.call("PATCH", f"/integration/v1/items/{SOLD}/status", {"status": "sold"})
    return (await api.call("GET", "/openapi.json")).body


def _ordered(db: sqlite3.Connection, account_id: str, order: Order) -> None:
    order_changes.save(db, account_id, order, now=NOW_MS)


async def _listed(api: Api, external_id: str, **values: Any) -> Listing:
    """Put an item whose listing is as these values say, by default queued."""
    body = {
        "title": "Kaffekopp",
        "price": 950,
        "autoPublishTradera": True,
        "tradera": {"relist": EXAMPLES["RelistBody"]},
    }
    item_id = (await api.call("PUT", f"/integration/v1/items/{external_id}", body)).body["itemId"]

    def save(db: sqlite3.Connection) -> Listing:
        listing = items.latest_listing(db, item_id)
        assert listing is not None
        if values:
            listing = replace(listing, request_id=values["tradera_item_id"], commit_sent_at=4, **values)
        items.save_listing(db, listing, now=NOW_MS)
        return listing

    return await api.database.write(save)


async def an_order_in_doubt(api: Api, order_id: int, ad: int) -> None:
    """A message has named an order that cannot be read."""
    entry = InboxEntry(
        message_id=f"m{order_id}",
        body="{}",
        state="new",
        business_key=f"OrderCreated:{order_id}",
        account_id=api.parts.default_account,
        type="OrderCreated",
        order_id=order_id,
    )

    def doubt(db: sqlite3.Connection) -> None:
        kept = inbox.add(db, entry, now=NOW_MS)
        assert kept is not None
        db.execute("INSERT INTO inbox_items (inbox_id, tradera_item_id) VALUES (?, ?)", (kept, ad))
        db.execute("UPDATE inbox SET doubt_since = ?, reason = 'no price' WHERE id = ?", (NOW_MS, kept))

    await api.database.write(doubt)
