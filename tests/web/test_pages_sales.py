"""The page about orders in a real browser: a morning's packing on a phone, and every tab in both shades."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, Route

from tests.stores import rows
from tests.web.browser import DESK, PHONE, judged, opened
from tests.web.packing import THINGS, morning
from tests.web.stocked import stocked

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

SALES = "/dashboard/sales"
NARROW = {"width": 320, "height": 700}


@pytest.mark.parametrize(
    ("size", "dark", "tabs"),
    [(NARROW, True, ("?show=all",)), (DESK, False, ("", "?show=unpaid"))],
    ids=["narrow dark", "desk light"],
)
async def test_every_tab_fits(
    browser: Browser, tmp_path: Path, size: dict[str, int], tabs: tuple[str, ...], *, dark: bool
) -> None:
    """Folds open, with a title that has no end and no space, and nothing axe finds wrong."""
    async with stocked(tmp_path) as one, opened(browser, size, dark=dark) as page:
        await morning(one)
        for tab in tabs:
            await one.enter(page, f"{SALES}{tab}")
            for fold in await page.locator("main summary").all():
                if await fold.is_visible():
                    await fold.click()
            await judged(
                page, f"orders{tab.replace('?', '-').replace('=', '-')}-{'dark' if dark else 'light'}"
            )


async def slowly(page: Page) -> None:
    """Every form is on its way for 0.4 s: time enough for a second tap."""

    async def wait(route: Route) -> None:
        if route.request.method == "POST":
            await asyncio.sleep(0.4)
        await route.continue_()

    await page.route("**/sales/**", wait)


async def test_a_morning_of_packing_on_a_phone(browser: Browser, tmp_path: Path) -> None:
    """The list for the shelves, an address copied, three parcels sent with taps that come twice, one corrected, a sale taken back."""
    async with stocked(tmp_path) as one, opened(browser, PHONE) as page:
        await morning(one)
        await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        await one.enter(page, SALES)
        await judged(page, "orders-light")
        await page.get_by_role("button", name="Skriv en plocklista").dblclick()
        await page.get_by_role("heading", name="Plocklista").wait_for()
        await judged(page, "pick-light")
        await page.goto(f"{one.pages.base}{SALES}")
        await slowly(page)

        card = page.locator("#order-8001")
        await card.get_by_role("button", name="Kopiera").click()
        await card.get_by_role("button", name="Kopierat").wait_for()
        assert (await page.evaluate("navigator.clipboard.readText()")).startswith(
            "Kund8001 Öberg\nStorgatan 7"
        )
        await card.locator("label", has_text="DHL").click()
        await card.get_by_label("Kollinummer").fill("SE1")
        await card.get_by_role("button", name="Skickad").dblclick()
        await page.locator(".outcome", has_text="8001").wait_for()
        assert await page.locator("#order-8001").count() == 0
        first = page.locator("#order-8003")
        assert await first.locator("input[name=carrier]:checked").input_value() == "DHL"
        assert not await first.get_by_label("Vem fraktar?").is_visible()
        await first.locator("label", has_text="Annat").click()
        await first.get_by_label("Vem fraktar?").fill("Budet")
        await first.get_by_label("Kollinummer").fill("SE2")
        await first.get_by_label("Kollinummer").press("Enter")
        await page.locator(".outcome", has_text="8003").wait_for()
        found = await rows(one.shop.database, "SELECT carrier, tracking_number FROM shipments ORDER BY rowid")
        assert [tuple(each.values()) for each in found] == [("DHL", "SE1"), ("Budet", "SE2")]

        await page.locator(".chips a", has_text="Skickade").click()
        card = page.locator("#order-8001")
        await card.locator("summary", has_text="Något annat").click()
        await card.locator("summary", has_text="Rätta paketet").click()
        await card.locator("#number-8001").fill("SE11")
        await card.get_by_role("button", name="Det här numret stämmer").dblclick()
        await page.locator(".outcome", has_text="8001").wait_for()
        assert "SE11" in await page.locator("#order-8001").inner_text()

        await page.locator(".chips a", has_text="Att skicka").click()
        card = page.locator("#order-8002")
        await card.locator("summary", has_text="Något annat").click()
        await card.locator("summary", has_text=THINGS[8002][1]).click()
        await card.get_by_label("Köparen har fått tillbaka pengarna").check()
        await card.get_by_role("button", name="och publicera").dblclick()
        await page.locator(".outcome", has_text="8002").wait_for()
        assert len(await rows(one.shop.database, "SELECT id FROM shipments")) == 3
        assert len(await rows(one.shop.database, "SELECT id FROM sale_reversals")) == 1
