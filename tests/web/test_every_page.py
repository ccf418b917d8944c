"""Every page in a real browser with its folds open: in one of four looks by turns, of the owner's account and a member's, and on the smallest screen."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser
from yarl import URL

from rheod.web.dashboard import Dashboard
from rheod.web.site import COOKIE
from tests.web.browser import DESK, PHONE, judged, opened
from tests.web.stocked import Stocked
from tests.web.walk import MEMBER, decided, everything

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

OF_BOTH = (
    "",
    "/more",
    "/items",
    "/new",
    "/sales",
    "/sales?show=all",
    "/ads",
    "/ads/categories",
    "/returns",
    "/ends",
    "/tradera",
    "/integration",
)
"""Pages that either account has something of its own on."""
OF_ITEMS = ("D-1", "W%2F1", "L-1", "F-1", "X-1", "S-1", "E-1", "E-2", "VIN-1")
OTHERS = (
    *(f"/items/{each}" for each in OF_ITEMS),
    "/items?view=grid",
    "/items/W%2F1/edit",
    "/items/F-1/dry-run",
    "/sales/pick",
    "/ads/templates?part=footer",
    "/ads/categories/of/art",
    "/ads/stock",
    "/ends/of/W%2F1",
    "/tradera/return?userId=300124&token=x&exp=2027-01-01",
    "/integration/deliveries",
    "/system",
    "/system/doctor",
    "/alarms",
    "/log",
    "/nowhere",
)
ELSEWHERE = {
    "/dashboard/sales/months.csv": "a file",
    "/dashboard/integration/deliveries/{delivery_id}": "needs one that was tried: test_pages_integration",
    "/dashboard/system/copies/{made_at}": "a file",
    "/dashboard/many": "reached by ticks: test_pages_items",
}
SMALLEST = {"width": 320, "height": 640}
LOOKS = (
    (PHONE, "sv-SE", False),
    (PHONE, "en-GB", True),
    (DESK, "en-GB", True),
    (DESK, "sv-SE", False),
)
"""Size, language, dark: the pages are looked at in these by turns."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stock(tmp_path_factory: Any) -> AsyncIterator[Stocked]:
    """Something of everything, with titles that have no end and no space."""
    folder: Path = tmp_path_factory.mktemp("stock")
    async with everything(folder) as one:
        await decided(one)
        await one.shop.database.write(lambda db: db.execute("UPDATE items SET title = ?", ("å" * 80,)))
        await one.shop.database.write(lambda db: db.execute("UPDATE order_lines SET title = ?", ("å" * 80,)))
        yield one


def pages_of(one: Stocked, endpoint: str) -> list[str]:
    """Every page once, and some of the member's; each route of the site is among them."""
    places = [*OF_BOTH, *OTHERS, f"/integration/webhooks/{endpoint}"]
    paths = [f"/dashboard{each}" for each in places]
    for method, path, _ in Dashboard(context=one.pages.parts).routes():
        plain = re.sub(r"\{\w+:((?:[^{}]|\{[^}]*\})+)\}|\{\w+\}", lambda m: f"(?:{m[1] or '[^/]+'})", path)
        shown = method == "GET" and path.startswith("/dashboard") and not path.endswith("/look")
        if shown and "/static/" not in path and re.sub(r":[^{}]+(\{[^}]*\})?", "", path) not in ELSEWHERE:
            assert any(re.fullmatch(plain, each.partition("?")[0]) for each in (*paths, SIGN_IN)), path
    return [*paths, *(f"/dashboard{each}{'&' if '?' in each else '?'}account={MEMBER}" for each in OF_BOTH)]


SIGN_IN = "/dashboard/sign-in"
OPEN = "document.querySelectorAll('main details').forEach(each => { each.open = true; })"
TOO_WIDE = "document.documentElement.scrollWidth - window.innerWidth"


@pytest.mark.timeout(600)
async def test_every_page(browser: Browser, stock: Stocked) -> None:
    """With every fold open: no wider than the screen, nothing that axe finds, not a word on the console, nothing that the policy blocks."""
    base = stock.pages.base
    [endpoint, *_] = await stock.pages.parts.api.endpoints.listing(stock.shop.account_id)
    kept = stock.pages.session.cookie_jar.filter_cookies(URL(base))[COOKIE].value
    async with AsyncExitStack() as open_pages:
        looks = [
            await open_pages.enter_async_context(opened(browser, size, language=language, dark=dark))
            for size, language, dark in LOOKS
        ]
        for page in looks[:2]:
            await page.goto(base + SIGN_IN)
            await judged(page, "sign-in")
            await page.goto(f"{base}/docs")
            await judged(page, "docs")
        for page in looks:
            await page.context.add_cookies([{"name": COOKIE, "value": kept, "url": base}])
        for number, path in enumerate(pages_of(stock, endpoint.id)):
            size, page = LOOKS[number % len(LOOKS)][0], looks[number % len(LOOKS)]
            await page.goto(base + path)
            await page.evaluate(OPEN)
            await judged(page, path.strip("/").replace("/", "-"))
            await page.set_viewport_size(SMALLEST)  # type: ignore[arg-type]
            assert await page.evaluate(TOO_WIDE) <= 0, f"{path} at 320 px"
            await page.set_viewport_size(size)  # type: ignore[arg-type]
