"""The page Integration in a real browser: every action pressed, on a phone and on a desk."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from rheod.sandbox.servers import QueueServer
from tests.test_whole_daemon import running_daemon
from tests.web.browser import DESK, PHONE, judged, opened
from tests.web.test_pages import Shop

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]
PAGE = "/dashboard/integration"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shop(tmp_path_factory: Any, queue_server: QueueServer) -> AsyncIterator[Shop]:
    """A daemon whose one endpoint has been told of an item that went live."""
    folder: Path = tmp_path_factory.mktemp("told")
    async with running_daemon(folder, queue_server) as one:
        await one.put("A-1")
        await one.until_event("A-1", "listing.created")
        token = (await one.daemon.ask_admin("POST", "/admin-token"))["adminToken"]
        yield Shop(one, await one.daemon.address(), token)


async def press(page: Page, name: str) -> None:
    """Press the button of this name, which leads to a page that says what came of it."""
    await page.get_by_role("button", name=name, exact=True).click()
    await expect(page.locator(".outcome")).to_be_visible()


async def secret(page: Page, name: str) -> str:
    """Press the button of this name, read the secret that the answer shows, and go on."""
    await page.get_by_role("button", name=name, exact=True).click()
    found = await page.locator(".secret").inner_text()
    await judged(page, "shown-once")
    await page.get_by_role("link", name="I have copied it").click()
    return found


async def said(page: Page) -> str:
    """What the page says came of the last action."""
    return await page.locator(".outcome").inner_text()


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
async def test_a_key_is_shown_once_and_revoked(browser: Browser, shop: Shop, size: dict[str, int]) -> None:
    """The key's text is on one page and on no later one; it opens the API, and after the revocation nothing."""
    async with opened(browser, size, language="en") as page:
        await shop.enter(page, PAGE)
        await judged(page, "integration")
        await page.fill("#name", "second erp")
        key = await secret(page, "Make key")
        assert key.startswith("rheo_live_")
        address = f"{shop.base}/integration/v1/items"
        headers = {"x-api-key": key}
        assert (await page.request.get(address, headers=headers)).status == 200
        assert key not in await page.content()
        row = page.locator("tr", has_text="second erp").first
        await row.get_by_text("Revoke …").click()
        await row.get_by_role("button", name="Revoke second erp").click()
        assert "opens nothing" in await said(page)
        assert (await page.request.get(address, headers=headers)).status == 401


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
async def test_an_endpoint_lives_its_life(browser: Browser, shop: Shop, size: dict[str, int]) -> None:
    """Added, tested with the answer shown, changed, switched off and on, its secret renewed, and removed."""
    url = shop.running_daemon.sandbox.shop.webhook_url(f"of-a-page-{size['width']}")
    async with opened(browser, size, language="en") as page:
        await shop.enter(page, PAGE)
        await page.get_by_text("Add an endpoint").click()
        await page.fill("#url", url)
        await page.get_by_label("Sold", exact=True).check()
        first = await secret(page, "Add")
        assert first.startswith("whsec_")
        await press(page, "Send a test event")
        assert "after" in await said(page)
        await judged(page, "endpoint-tested")
        await page.fill("#description", "the second receiver")
        await page.get_by_label("The ad ended without a sale").check()
        await press(page, "Save")
        await page.get_by_text("Switch off …").click()
        await press(page, "Switch off")
        await expect(page.locator("h2 .badge")).to_have_text("off by hand")
        await press(page, "Switch on")
        await expect(page.locator("h2 .badge")).to_have_text("on")
        await page.get_by_text("New secret …").click()
        assert await secret(page, "New secret") != first
        await page.get_by_text("New secret …").click()
        await expect(page.get_by_text("until then there is no third")).to_be_visible()
        await judged(page, "endpoint")
        await page.goto(f"{shop.base}{PAGE}")
        row = page.locator(".thing", has_text="/of-a-page")
        await expect(row).to_contain_text("Sold, The ad ended without a sale")
        await expect(row).to_contain_text("the second receiver")
        await row.get_by_role("link", name="Manage").click()
        await page.get_by_text("Remove this endpoint").click()
        await press(page, "Remove for good")
        assert "is removed" in await said(page)
        assert "/of-a-page" not in await page.locator("#endpoints + *").inner_text()


async def test_a_refusal_is_told_on_the_page(browser: Browser, shop: Shop) -> None:
    """An address that may not be told leads back with the reason, in the colour of what went wrong."""
    async with opened(browser, PHONE, language="en") as page:
        await shop.enter(page, PAGE)
        await page.get_by_text("Add an endpoint").click()
        await page.fill("#url", "ftp://files.example/hook")
        await press(page, "Add")
        await expect(page.locator(".outcome.bad")).to_be_visible()
        await expect(page.locator("#url")).to_have_value("ftp://files.example/hook")
        await judged(page, "integration-refused")


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
async def test_deliveries_are_found_read_and_told_again(
    browser: Browser, shop: Shop, size: dict[str, int]
) -> None:
    """Filters narrow the log; one attempt shows request and answer; a replay arrives with the same id."""
    received = shop.running_daemon.sandbox.shop.received
    async with opened(browser, size, language="en") as page:
        await shop.enter(page, f"{PAGE}/deliveries")
        await judged(page, "deliveries")
        await page.select_option("#event", "listing.created")
        await page.select_option("#status", "success")
        await page.get_by_role("button", name="Show", exact=True).click()
        assert await page.locator("tbody tr").count() >= 1
        assert "Taken in" not in await page.locator("tbody").inner_text()
        await page.locator("tbody tr").first.get_by_role("link").click()
        await expect(page.locator("pre").first).to_contain_text('"eventType": "listing.created"')
        await judged(page, "delivery")
        before = len(received)
        await press(page, "Tell it again")
        await shop.running_daemon.until(lambda: len(received) > before)
        assert received[-1].event["eventType"] == "listing.created"
        event_id = received[-1].event["eventId"]
        before = len(received)
        await page.fill("#event", event_id)
        await press(page, "Tell it again")
        await shop.running_daemon.until(lambda: len(received) > before)
        assert received[-1].event["eventId"] == event_id
        before = len(received)
        await page.fill("#since", "2020-01-01T00:00")
        await press(page, "Tell all again")
        await shop.running_daemon.until(lambda: len(received) >= before + 3)
        await page.goto(f"{shop.base}/dashboard/log")
        await expect(page.locator("#actions")).to_contain_text("Told events again")
        await judged(page, "log")


async def test_a_password_is_set_and_opens_the_pages(browser: Browser, shop: Shop) -> None:
    """It ends every session, and signs in beside the admin token."""
    async with opened(browser, PHONE, language="en") as page:
        await shop.enter(page, "/dashboard/system")
        await judged(page, "system")
        await page.fill("#password", "test-password-123")
        await page.get_by_role("button", name="Set password", exact=True).click()
        await page.wait_for_url("**/sign-in*")
        await page.fill("#secret", "test-password-123")
        await page.press("#secret", "Enter")
        await page.wait_for_url(f"{shop.base}/dashboard")
