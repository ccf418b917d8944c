"""The first page and the places in a real browser: both sizes, both languages, light and dark, also at 320 px with long words."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Browser

from tests.web.browser import DESK, PHONE, judged, opened
from tests.web.stocked import stocked
from tests.web.test_today import planned

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]
NARROW = {"width": 320, "height": 640}


@pytest.mark.parametrize(
    ("size", "dark", "language"),
    [(PHONE, False, "sv-SE"), (DESK, True, "en-GB"), (NARROW, True, "sv-SE")],
    ids=["phone", "desk", "narrow"],
)
async def test_the_places(
    browser: Browser, tmp_path: Path, size: dict[str, int], language: str, *, dark: bool
) -> None:
    """Nothing is wider than the screen, whatever a title holds; what is only read is replaced while one looks."""
    async with stocked(tmp_path) as one, opened(browser, size, dark=dark, language=language) as page:
        await planned(one, "S-1")
        await one.shop.put("L-1", title="Ö" * 79)
        await one.enter(page, "/dashboard")
        for path in (
            "/dashboard",
            "/dashboard/more",
            "/dashboard/returns",
            "/dashboard/items",
            "/dashboard/sales",
        ):
            await page.goto(f"{one.pages.base}{path}")
            await judged(page, f"{path.rpartition('/')[2]}-{language[:2]}-{'dark' if dark else 'light'}")
        await page.goto(f"{one.pages.base}/dashboard")
        await one.shop.put("W/1", title="Dörr höger bak")
        await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        await page.get_by_text("Dörr höger bak").wait_for()
