"""The page about sales in a real browser, every action pressed, on a phone and on a desk."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Browser

from tests.web.browser import DESK, PHONE, judged, opened
from tests.web.stocked import stocked

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_the_page_about_sales(
    browser: Browser, tmp_path: Path, size: dict[str, int], *, dark: bool
) -> None:
    """All kinds of orders, the months; a parcel is told, a strange message put away."""
    shade = "dark" if dark else "light"
    async with stocked(tmp_path) as one, opened(browser, size, dark=dark) as page:
        await one.enter(page, "/dashboard/sales")
        await judged(page, f"sales-{shade}")
        await page.locator("#carrier-7001").fill("PostNord")
        await page.locator("#number-7001").fill("SE123456789SE")
        await page.locator("#order-7001").get_by_role("button", name="Den är skickad").click()
        await page.locator(".outcome", has_text="Paketet till order 7001").wait_for()
        assert "SE123456789SE" in await page.locator("#order-7001").inner_text()
        await page.locator("summary", has_text="Jag har tittat").click()
        await page.get_by_role("button", name="Jag har tittat: lägg undan").click()
        await page.locator(".outcome", has_text="undanlagt").wait_for()
        assert await page.locator("#strange").count() == 0
        await page.goto(f"{one.pages.base}/dashboard/sales?unmatched=1")
        await judged(page, f"sales-unmatched-{shade}")
