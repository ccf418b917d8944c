"""The pages about items in a real browser, every action pressed, on a phone and on a desk."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.web.browser import DESK, PHONE, judged, opened
from tests.web.stocked import Stocked, stocked

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

SIZES = pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stock(tmp_path_factory: Any) -> AsyncIterator[Stocked]:
    """A stock that is only looked at."""
    folder: Path = tmp_path_factory.mktemp("stock")
    async with stocked(folder) as one:
        yield one


@pytest.mark.parametrize(("size", "dark"), [(PHONE, True), (DESK, False)], ids=["phone", "desk"])
async def test_the_pages_about_items(
    browser: Browser, stock: Stocked, size: dict[str, int], *, dark: bool
) -> None:
    """The list, an item of each kind, the dry run; in the other looks some of them are in `test_every_page.py`."""
    shade = "dark" if dark else "light"
    async with opened(browser, size, dark=dark, language="en-GB" if dark else "sv-SE") as page:
        await stock.enter(page, "/dashboard/items")
        await judged(page, f"items-{shade}")
        for external_id in ("D-1", "W%2F1", "L-1", "F-1", "X-1", "S-1"):
            await page.goto(f"{stock.pages.base}/dashboard/items/{external_id}")
            await judged(page, f"item-{external_id[0]}-{shade}")
        await page.goto(f"{stock.pages.base}/dashboard/items/W%2F1/edit")
        await judged(page, f"item-changed-{shade}")
        for external_id in ("W%2F1", "F-1"):
            await page.goto(f"{stock.pages.base}/dashboard/items/{external_id}/dry-run")
            await judged(page, f"dry-run-{external_id[0]}-{shade}")


@SIZES
async def test_searching_as_an_owner_does(browser: Browser, stock: Stocked, size: dict[str, int]) -> None:
    """Words are filled in and a chip is chosen, one item is left, a click leads to it."""
    async with opened(browser, size) as page:
        await stock.enter(page, "/dashboard/items")
        await page.get_by_label("Titel, artikelnummer, hylla").fill("dorr")
        await page.get_by_role("button", name="Sök").click()
        await page.get_by_role("link", name="Väntar 1").click()
        assert await page.locator(".found > li").count() == 1
        await page.get_by_role("link", name="bilder").click()
        await judged(page, "items-tiles")
        await page.get_by_role("link", name="Dörr vänster fram").click()
        await page.wait_for_url("**/dashboard/items/W%2F1")


@SIZES
async def test_every_action_on_an_item(browser: Browser, tmp_path: Path, size: dict[str, int]) -> None:
    """Publish, try again, take down, mark as sold, settle: each is pressed and tells what came of it."""
    async with stocked(tmp_path) as one, opened(browser, size) as page:
        await one.enter(page, "/dashboard/items/D-1")

        async def press(external_id: str, button: str, said: str, *, behind: str = "") -> None:
            await page.goto(f"{one.pages.base}/dashboard/items/{external_id}")
            if behind:
                await page.locator("summary", has_text=behind).click()
            await page.get_by_role("button", name=button, exact=True).click()
            await page.locator(".outcome", has_text=said).wait_for()

        await page.get_by_role("link", name="Kontrollera").click()
        await page.get_by_text("Den skulle publiceras.").wait_for()
        await page.get_by_role("link", name="Tillbaka till artikeln").click()
        await press("D-1", "Publicera", "Köad för publicering")
        await press("F-1", "Försök igen", "Köad för publicering")
        await press("W%2F1", "Ta ner den", "Artikeln är nedtagen", behind="Ta ner den …")
        await press("L-1", "Märk som såld", "annonsen avslutas", behind="Såld på annat håll …")
        await judged(page, "item-told")
        await press(
            "X-1",
            "Det finns ingen sådan annons",
            "Noterat: det finns ingen annons",
            behind="Det finns ingen sådan",
        )


@SIZES
async def test_several_are_done_with_at_once(browser: Browser, tmp_path: Path, size: dict[str, int]) -> None:
    """Ticked, shown with their new prices, sent twice by a double tap, lowered once; each is told."""
    async with stocked(tmp_path) as one, opened(browser, size) as page:
        before = (await one.shop.item("L-1")).spec.price_ore or 0
        await one.enter(page, "/dashboard/items")
        for title in ("Kopp Rörstrand", "Dörr vänster fram"):
            await page.get_by_label(title, exact=True).check()
        await page.get_by_role("button", name="Ändra pris …").click()
        await page.get_by_role("button", name="-10 %").click()
        await judged(page, "many-price")
        await page.get_by_role("button", name="Ändra pris", exact=True).dblclick()
        await page.locator(".outcome", has_text="2 artiklar är klara").wait_for()
        await judged(page, "many-done")
        assert (await one.shop.item("L-1")).spec.price_ore == before * 9 // 10


async def test_the_ad_in_doubt_that_is_up(browser: Browser, tmp_path: Path) -> None:
    """Its number is known and not typed; the item is live then."""
    async with stocked(tmp_path) as one, opened(browser, PHONE) as page:
        await one.enter(page, "/dashboard/items/X-1")
        await page.get_by_role("button", name="Annonsen ligger ute").click()
        await page.locator(".badge", has_text="ligger ute").first.wait_for()
