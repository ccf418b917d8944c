"""A whole day of a shop on a phone, without a command line: what needs me, a new item, a sale packed and sent, one taken back."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from rheod.domain.model import TraderaWish
from rheod.push.poller import read_message
from rheod.usecases import sales
from rheod.usecases.owner_choices import CategoryChoices
from tests.stores import rows
from tests.usecases.selling import order_created, spec
from tests.web.browser import PHONE, opened
from tests.web.whole import Whole, whole

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]
LIVE = (
    "SELECT tradera_item_id FROM listings JOIN items ON items.id = item_id"
    " WHERE title = ? AND listings.state = 'live'"
)


class Day:
    """The shop, its owner's phone, and what happens at Tradera meanwhile."""

    def __init__(self, shop: Whole, page: Page) -> None:
        self.shop, self.page = shop, page
        self.core = shop.rheod.core

    async def go(self, path: str) -> None:
        """Open a page of ours."""
        await self.page.goto(f"{self.shop.base}{path}")

    async def told(self, words: str) -> None:
        """What came of the last press."""
        await expect(self.page.locator(".outcome")).to_contain_text(words)

    async def ad_of(self, title: str) -> int:
        """The ad of this title, as soon as it is up."""
        async with asyncio.timeout(20):
            while not (found := await rows(self.core.database, LIVE, title)):
                await asyncio.sleep(0.05)
        number: int = found[0]["tradera_item_id"]
        return number

    async def sold(self, title: str, price: int, *, paid: bool) -> int:
        """Somebody wins the auction and pays or not, and Tradera's queue tells of the order."""
        ad = await self.ad_of(title)
        number = await self.shop.simulator.sell(ad, price)
        if paid:
            self.shop.simulator.pay(number)
        message = read_message(f"m{number}", json.dumps(order_created(number, ad, member=300124)))
        await self.core.store.write(lambda tx: sales.take_in(tx, [message], self.core.sellers))
        async with asyncio.timeout(20):
            while not await rows(self.core.database, "SELECT 1 FROM orders WHERE order_id = ?", number):
                await asyncio.sleep(0.05)
        return number

    async def morning(self) -> None:
        """What an ERP has sent: two ads that end tomorrow, and something that no category is known for."""
        await CategoryChoices(store=self.core.store).set_guess(False)
        tomorrow = TraderaWish(category_id=302571, duration_days=1, attributes={"Skick": "Gott skick"})
        for external_id, title, wish in (
            ("E-1", "Bromsok vänster Volvo V70", tomorrow),
            ("E-2", "Kylare Opel Astra", tomorrow),
            ("E-3", "Docka i porslin", None),
        ):
            item = spec(title=title, auto_publish=True, tradera=wish, metadata={"shelf": "B4"})
            await self.core.items.put_item(self.core.default_account, external_id, item)
        await self.ad_of("Kylare Opel Astra")

    async def choose_a_category(self) -> None:
        """The kind of goods gets one, from the page about everything else, and what has waited goes out."""
        await self.go("/dashboard/more")
        await self.page.get_by_role("link", name="Annonser").first.click()
        await self.page.get_by_role("link", name="Kategorier").click()
        await self.page.get_by_role("link", name="Övrigt").click()
        await self.page.get_by_label("Traderas kategori").fill("leksaker")
        await self.page.get_by_role("button", name="Sök", exact=True).click()
        await self.page.locator("fieldset label.check").first.click()
        await self.page.get_by_role("button", name="Välj den").click()
        await self.told("Valt.")
        await self.ad_of("Docka i porslin")

    async def make_an_item(self, title: str) -> None:
        """By hand, until it is up."""
        await self.page.get_by_role("link", name="Ny artikel").click()
        await self.page.get_by_label("Titel").fill(title)
        await self.page.get_by_label("Utropspris").fill("350")
        await self.page.get_by_label("Sök bland Traderas kategorier").fill("broms")
        await self.page.locator(".choices label", has_text="Broms").first.click()
        await self.page.get_by_label("Skick krävs").select_option("Gott skick")
        await self.page.get_by_role("button", name="Lägg ut nu").click()
        await self.page.wait_for_url("**/dashboard/items/R-*")
        await self.ad_of(title)

    async def pack(self, order: int, title: str) -> None:
        """From the first page to the list for the shelves, and the parcel told of."""
        await self.go("/dashboard")
        await self.page.get_by_role("link", name="Packa").click()
        await self.page.get_by_role("button", name="Skriv en plocklista").click()
        await expect(self.page.locator("table")).to_contain_text(title)
        await self.go("/dashboard/sales")
        card = self.page.locator(f"#order-{order}")
        await card.locator("label", has_text="DHL").click()
        await card.get_by_label("Kollinummer").fill("SE123")
        await card.get_by_role("button", name="Skickad").click()
        await self.told(str(order))

    async def take_back(self, order: int, title: str) -> None:
        """A sale fell through: the thing is published again."""
        await self.go("/dashboard/sales?show=unpaid")
        card = self.page.locator(f"#order-{order}")
        await card.locator("summary", has_text="Något annat").click()
        await card.locator("summary", has_text=title).click()
        await card.get_by_role("button", name="och publicera").click()
        await self.told(str(order))


async def test_a_whole_day(browser: Browser, tmp_path: Path) -> None:
    """From the morning's sentence to tomorrow's ends; each step by what stands on the page before it."""
    mirror = "Backspegel höger Volvo V70 2005"
    async with whole(tmp_path) as shop, opened(browser, PHONE) as page:
        day = Day(shop, page)
        await day.morning()
        await shop.enter(page, "/dashboard")
        await expect(page.locator("h1")).to_contain_text("behöver dig")
        await day.choose_a_category()
        await day.make_an_item(mirror)
        order = await day.sold("Bromsok vänster Volvo V70", 700, paid=True)
        await day.pack(order, "Bromsok vänster Volvo V70")
        first = await day.ad_of(mirror)
        await day.take_back(await day.sold(mirror, 400, paid=False), mirror)
        assert await day.ad_of(mirror) != first
        await day.go("/dashboard/ends")
        await expect(page.locator("details[open]")).to_contain_text("Kylare Opel Astra")
        ads = [ad.body["title"] for ad in shop.simulator.live_items()]
        assert sorted(ads) == [mirror, "Docka i porslin", "Kylare Opel Astra"]
        assert all(sale.shipped for sale in shop.simulator.orders[order].sales)
