"""The pages about ads in a real browser, at a phone's width: looked at, tried before they are decided, and the smallest screen."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from rheod.domain.categories import Category, CategoryTree
from rheod.domain.relist import RelistRule
from rheod.store import reference_data
from tests.stores import NOW_MS
from tests.web.browser import PHONE, judged, opened
from tests.web.stocked import HOUR_MS, stocked

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

TREE = (Category(1, "Hem & hushåll"), Category(10, "Koppar", 1), Category(302571, "Övrigt hem", 1))
PAGES = {
    "ads": "/dashboard/ads",
    "ads-templates": "/dashboard/ads/templates?item=D-1",
    "ads-categories": "/dashboard/ads/categories",
    "ads-default": "/dashboard/ads/categories/of/art",
    "ads-stock": "/dashboard/ads/stock",
    "returns": "/dashboard/returns",
    "ends": "/dashboard/ends",
    "end": "/dashboard/ends/of/W%2F1",
    "tradera": "/dashboard/tradera",
}
SMALLEST = {"width": 320, "height": 568}


async def test_what_every_ad_gets_is_decided_on_a_phone(browser: Browser, tmp_path: Path) -> None:
    """Words shown as they are typed, a rule tried and made, a window, the rule for returns, an end moved in two steps."""
    async with stocked(tmp_path) as one:
        await one.shop.database.write(lambda db: reference_data.save_tree(db, CategoryTree(TREE, read_at=1)))
        await one.shop.database.write(
            lambda db: db.execute(
                "UPDATE listings SET ends_at = ? WHERE state = 'live'", (NOW_MS + 30 * HOUR_MS,)
            )
        )
        async with opened(browser, PHONE) as page:
            await one.enter(page, "/dashboard/ads/templates?item=D-1")
            await page.get_by_label("Text", exact=True).fill("Hylla {metadata.shelf}")
            await expect(page.locator(".ad")).to_contain_text("Hylla B12")
            await page.get_by_role("button", name="Spara").click()
            await expect(page.locator(".outcome")).to_contain_text("Sparad")
            await page.goto(f"{one.pages.base}/dashboard/ads/categories")
            await page.get_by_text("En ny regel …").click()
            await page.get_by_label("Titeln har orden").fill("strålkastare")
            await page.get_by_label("Traderas kategori").fill("kopp")
            await page.keyboard.press("Enter")
            await page.get_by_label("Hem & hushåll > Koppar").check()
            await page.get_by_role("button", name="Prova på lagret").click()
            await expect(page.get_by_text("0 artiklar skulle byta kategori.")).to_be_visible()
            await page.get_by_role("button", name="Lägg till regeln").click()
            await expect(page.locator(".outcome")).to_contain_text("Tillagd")
            await page.goto(f"{one.pages.base}/dashboard/ends")
            await page.get_by_text("Lägg till ett fönster …").click()
            await page.get_by_label("sön", exact=True).check()
            await page.get_by_role("button", name="Lägg till fönstret").click()
            await expect(page.locator(".outcome")).to_contain_text("Det gäller det som planeras")
            await page.goto(f"{one.pages.base}/dashboard/returns")
            await page.get_by_text("Ändra regeln …").click()
            await page.get_by_label("Det som slutar osålt kommer tillbaka av sig självt").select_option("yes")
            await page.get_by_label("Aldrig under").fill("400")
            await expect(page.locator("[data-shown]")).to_contain_text("450\N{NO-BREAK SPACE}kr → 400")
            await page.get_by_role("button", name="Använd regeln").click()
            await expect(page.locator(".outcome")).to_contain_text("Regeln gäller")
            await page.goto(f"{one.pages.base}/dashboard/ends/of/W%2F1")
            await page.get_by_label("Ett annat slut, svensk tid").fill("2026-06-07T20:00")
            await page.get_by_role("button", name="Visa vad det betyder").click()
            await page.get_by_role("button", name="Flytta den").click()
            await expect(page.locator(".outcome")).to_contain_text("Flyttad")
            for name in ("ads", "ads-templates", "ads-categories", "ads-stock", "returns", "ends"):
                await page.goto(f"{one.pages.base}{PAGES[name]}")
                await judged(page, name)
            assert (await one.pages.parts.api.relisting.owners_rule())[0] == RelistRule(
                enabled=True, floor=400.0
            )


async def test_every_page_about_ads_fits_the_smallest_screen(browser: Browser, tmp_path: Path) -> None:
    """Nothing is wider than the screen, in English and with every fold open, whatever a title holds."""
    async with stocked(tmp_path) as one, opened(browser, SMALLEST, language="en-GB", dark=True) as page:
        await one.shop.database.write(lambda db: db.execute("UPDATE items SET title = ?", ("å" * 80,)))
        await one.enter(page, "/dashboard/ads")
        for name, path in PAGES.items():
            await page.goto(f"{one.pages.base}{path}")
            wide = await page.evaluate(
                "document.querySelectorAll('main details').forEach(each => { each.open = true; }),"
                " document.documentElement.scrollWidth - window.innerWidth"
            )
            assert wide <= 0, name
