"""A dashboard over a dealer's stock: items in every state, orders of every kind, a message nobody can read."""

from __future__ import annotations

import hashlib
import io
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from PIL import Image
from playwright.async_api import Page

from rheod.domain.inputs import PublishFailed, PublishInDoubt
from rheod.domain.model import CallClass, ListingState, TraderaWish
from rheod.domain.orders import Order
from rheod.store import ledger
from rheod.store.ledger import LedgerCall
from rheod.usecases import listings
from rheod.usecases.listings import SellersAndSite
from rheod.usecases.transaction import Store
from tests.stores import NOW_MS
from tests.stores import Clock as Milliseconds
from tests.usecases.selling import MEMBER, Shop, order, order_created
from tests.web.running import Pages, pages

WISH = TraderaWish(category_id=302571)
BUYER = {
    "alias": "åke62",
    "firstName": "Åke",
    "lastName": "Öberg",
    "addressLine1": "Storgatan 7",
    "zipCode": "123 45",
    "city": "Ängelholm",
    "email": "ake@example.com",
}
HOUR_MS = 3_600_000
STRANGE = '{"Type": "OrderCreated", "OrderId": "<script>alert(1)</script>"}'


@dataclass
class Stocked:
    """The dashboard, the shop behind it, and the way in."""

    pages: Pages
    shop: Shop
    token: str

    async def enter(self, page: Page, path: str) -> None:
        """Go to a page, by the sign-in when one has to."""
        await page.goto(f"{self.pages.base}{path}")
        if await page.locator("#secret").count():
            await page.fill("#secret", self.token)
            await page.press("#secret", "Enter")
            await page.wait_for_url(f"{self.pages.base}{path}")


@asynccontextmanager
async def stocked(folder: Path, *, filled: bool = True, **changes: Any) -> AsyncIterator[Stocked]:
    """D-1 a draft, W/1 waits, L-1 is live, F-1 failed, X-1 is in doubt, S-1 sold; nothing of it unless `filled`. `changes` as for `pages`."""
    async with pages(folder, **changes) as (one, token):
        api, clock = one.parts.api, Milliseconds(NOW_MS - 50 * HOUR_MS)
        shop = Shop(
            database=one.database,
            store=Store(database=one.database, now=clock, rng=Random(3), wake=lambda _queue: None),
            items=api.items,
            endpoints=api.endpoints,
            feed=api.feed,
            clock=clock,
            account_id=api.default_account,
            sellers=SellersAndSite(
                accounts={MEMBER: api.default_account},
                site_url="https://tradera.example",
                closed_grace_ms=0,
            ),
        )
        if filled:
            await _fill_items(shop, api.image_folder)
            await _fill_orders(shop)
        yield Stocked(one, shop, token)


async def _fill_items(shop: Shop, image_folder: Path) -> None:
    await shop.put("VIN-1", title="Volvo XC90 2018", tradera=WISH)
    await shop.put(
        "D-1",
        title="Strålkastare höger till Volvo XC90, xenon, begagnad i gott skick",
        tradera=WISH,
        description="Fin lampa <b>utan</b> sprickor.\nFäste helt.",
        metadata={"shelf": "B12", "yard": "Nord"},
    )
    urls = tuple(f"https://cdn.example/w-{number}.jpg" for number in range(3))
    await shop.put("W/1", title="Dörr vänster fram", auto_publish=True, tradera=WISH, image_urls=urls)
    pictures = (await shop.view("W/1")).pictures
    for number, picture in enumerate(pictures[:2]):
        await shop.picture_ready(picture.id, drawn(image_folder, (40 + 120 * number, 90, 140)))
    await shop.picture_failed(pictures[2].id, "the server answered 404")
    live = await shop.put_live("L-1", title="Kopp Rörstrand", tradera=WISH)
    for operation, outcome in (
        ("create", "ok"),
        ("image", "Tradera answered 500 to image"),
        ("commit", None),
    ):
        await shop.database.write(partial(_call, shop, live.id, operation, outcome))
    await shop.put("F-1", title="Fat utan kategori", auto_publish=True)
    failed = await shop.listing("F-1")
    reason = "No Tradera category for domain other: set tradera.categoryId on the item"
    await shop.store.write(lambda tx: listings.step(tx, failed.id, PublishFailed(error=reason)))
    await shop.put("X-1", title="Lampa i tvivel", auto_publish=True, tradera=WISH)
    doubtful = await shop.advance(await shop.listing("X-1"), ListingState.COMMITTING)
    await shop.store.write(
        lambda tx: listings.step(tx, doubtful.id, PublishInDoubt(error="Tradera gave no answer"))
    )
    await shop.put_live("S-1", title="Såld bromsok", tradera=WISH)


def _call(shop: Shop, listing_id: str, operation: str, outcome: str | None, db: sqlite3.Connection) -> None:
    call = LedgerCall(
        call_class=CallClass.PUBLISH, operation=operation, account_id=shop.account_id, listing_id=listing_id
    )
    number = ledger.open_call(db, call, now=shop.clock())
    if outcome is not None:
        ledger.close_call(db, number, outcome=outcome, counted=True, duration_ms=312)


async def _fill_orders(shop: Shop) -> None:
    sold = (await shop.listing("S-1")).tradera_item_id or 0
    await shop.record(_order(7001, sold, days=1, paid=True))
    await shop.record(_order(7002, 990_001, days=2, paid=False, title="Tavla i guldram"))
    erased = _order(7003, 990_002, days=70, paid=True, title="Gammal stol")
    await shop.record(erased)
    await shop.database.write(
        lambda db: db.execute(
            "UPDATE orders SET buyer = '{}', erased_at = ? WHERE order_id = 7003", (NOW_MS,)
        )
    )
    await shop.take_in(STRANGE)
    await shop.take_in(order_created(7001, sold))


def _order(order_id: int, ad: int, *, days: int, paid: bool, title: str = "Såld bromsok") -> Order:
    at = NOW_MS - days * 24 * HOUR_MS
    made = order(order_id, ad)
    lines = tuple(replace(line, title=title) for line in made.lines)
    return replace(
        made,
        created_at=at,
        updated_at=at,
        lines=lines,
        subtotal_ore=110_000,
        paid_at=at + HOUR_MS if paid else None,
        buyer=BUYER,
    )


def drawn(folder: Path, colour: tuple[int, int, int]) -> str:
    """A picture in the image folder; its name there."""
    raw = io.BytesIO()
    Image.new("RGB", (320, 240), colour).save(raw, "JPEG")
    digest = hashlib.sha256(raw.getvalue()).hexdigest()
    file = folder / digest[:2] / f"{digest}.jpg"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(raw.getvalue())
    return f"{digest[:2]}/{file.name}"
