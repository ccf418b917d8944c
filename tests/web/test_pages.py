"""Every page in a real browser, on a phone and on a desk, against the real daemon with the simulators around it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from rheod.sandbox.servers import QueueServer
from tests.test_whole_daemon import RunningDaemon, running_daemon
from tests.web.browser import DESK, PHONE, judged, opened

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


@dataclass
class Shop:
    """A daemon with something to show, its address and admin token."""

    running_daemon: RunningDaemon
    base: str
    token: str

    async def enter(self, page: Page, path: str = "/dashboard") -> None:
        """Sign in as the owner and go to a page."""
        await page.goto(f"{self.base}{path}")
        if await page.locator("#secret").count():
            await page.fill("#secret", self.token)
            await page.press("#secret", "Enter")
            await page.wait_for_url(f"{self.base}{path}")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shop(tmp_path_factory: Any, queue_server: QueueServer) -> AsyncIterator[Shop]:
    """One sold item, one live ad, one that failed."""
    folder: Path = tmp_path_factory.mktemp("shop")
    async with running_daemon(folder, queue_server) as one:
        await one.put("A-1")
        await one.put("A-2")
        await one.put("A-3", imageUrls=[])
        await one.until_event("A-1", "listing.created")
        await one.sandbox.tradera.sell(one.ad_of("A-1"), 1100)
        await one.until_event("A-1", "item.sold")
        await one.until_event("A-2", "listing.created")
        token = (await one.daemon.ask_admin("POST", "/admin-token"))["adminToken"]
        yield Shop(one, await one.daemon.address(), token)


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_the_first_page(browser: Browser, shop: Shop, size: dict[str, int], *, dark: bool) -> None:
    """Signing in leads to it; nothing is complained about, nothing is missed by a screen reader."""
    async with opened(browser, size, dark=dark) as page:
        await page.goto(f"{shop.base}/dashboard")
        await judged(page, f"sign-in-{'dark' if dark else 'light'}")
        await shop.enter(page)
        await judged(page, f"today-{'dark' if dark else 'light'}")


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
async def test_the_reference_of_the_api(browser: Browser, shop: Shop, size: dict[str, int]) -> None:
    """`/docs` can be read by everybody, on a phone too."""
    async with opened(browser, size, dark=size is PHONE) as page:
        await page.goto(f"{shop.base}/docs")
        await judged(page, "docs")
