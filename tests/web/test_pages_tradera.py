"""The page Tradera in a real browser: a seller connects by the login flow, and what is shown of selling there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from rheod.sandbox.servers import QueueServer
from tests.test_whole_daemon import RunningDaemon, running_daemon
from tests.web.browser import DESK, PHONE, judged, opened
from tests.web.test_pages import Shop

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]
PAGE = "/dashboard/tradera"
NO_TOKEN = {"RHEOD_TRADERA__USER_TOKEN": "", "RHEOD_TRADERA__USER_ID": ""}
SELLER = "300124"


async def shop_of(one: RunningDaemon) -> Shop:
    """A town as its owner sees it."""
    token = (await one.daemon.ask_admin("POST", "/admin-token"))["adminToken"]
    return Shop(one, await one.daemon.address(), token)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def selling(tmp_path_factory: Any, queue_server: QueueServer) -> AsyncIterator[Shop]:
    """A daemon with its token in the settings, one ad up, and an item that no category is known for."""
    folder: Path = tmp_path_factory.mktemp("selling")
    async with running_daemon(folder, queue_server, RHEOD_CATEGORIES__GUESS_CATEGORY="false") as one:
        await one.put("A-1", description="Två rader.\nMed <b>tecken</b> & annat.")
        await one.until_event("A-1", "listing.created")
        await one.put("A-2", tradera={})

        async def held() -> bool:
            return (await one.daemon.call("GET", "/integration/v1/items/A-2"))["held"] is not None

        await one.until(held)
        yield await shop_of(one)


async def signed_in_at_tradera(page: Page) -> None:
    """Begin, and sign in at Tradera's page in another window, which says that it is done."""
    await page.get_by_role("button", name="Connect", exact=True).click()
    await judged(page, "tradera-login")
    async with page.expect_popup() as opening:
        await page.get_by_role("link", name="Sign in at Tradera").click()
    other = await opening.value
    await other.get_by_role("button", name=SELLER).click()
    await expect(other.get_by_text("You are signed in")).to_be_visible()
    await other.close()


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_the_page(browser: Browser, selling: Shop, size: dict[str, int], *, dark: bool) -> None:
    """The token of the settings is said to come first; the calls are there by method."""
    async with opened(browser, size, language="en", dark=dark) as page:
        await selling.enter(page, PAGE)
        await expect(page.get_by_text("from the settings, which come first")).to_be_visible()
        used = page.locator("tr", has_text="Publish ads").get_by_role("cell").nth(1)
        await expect(used).to_have_text("1")
        await judged(page, f"tradera-{'dark' if dark else 'light'}")


async def test_a_seller_connects_and_his_items_go_out_at_once(
    browser: Browser, tmp_path: Path, queue_server: QueueServer
) -> None:
    """Without return URL: sign in, say whose login it was, and what waited is listed without a restart."""
    async with (
        running_daemon(tmp_path, queue_server, **NO_TOKEN) as one,
        opened(browser, PHONE, language="en") as page,
    ):
        shop = await shop_of(one)
        await one.put("A-1")
        await shop.enter(page, PAGE)
        await judged(page, "tradera-unconnected")
        await signed_in_at_tradera(page)
        await page.get_by_label("The seller's number or alias").fill(f"seller{SELLER}")
        await page.get_by_role("button", name="I have signed in").click()
        await expect(page.locator(".outcome")).to_contain_text(f"Connected as Tradera user {SELLER}")
        await expect(page.get_by_text("in 539 days")).to_be_visible()
        await judged(page, "tradera-connected")
        await one.until_event("A-1", "listing.created")
        calls = one.sandbox.tradera.calls_by_operation()
        assert (calls["alias"], calls["token"]) == (1, 1)
        assert one.daemon.lives == 1


async def test_who_comes_too_early_is_told_and_may_try_again(
    browser: Browser, tmp_path: Path, queue_server: QueueServer
) -> None:
    """Three tries of one press, then a sentence; nothing is stored, and the login can still be finished."""
    async with (
        running_daemon(tmp_path, queue_server, **NO_TOKEN) as one,
        opened(browser, DESK, language="en") as page,
    ):
        shop = await shop_of(one)
        await shop.enter(page, PAGE)
        await page.get_by_role("button", name="Connect", exact=True).click()
        await page.get_by_label("The seller's number or alias").fill(SELLER)
        await page.get_by_role("button", name="I have signed in").click()
        await expect(page.locator(".outcome.bad")).to_contain_text("Tradera gives no token")
        assert one.sandbox.tradera.calls_by_operation()["token"] == 3
        await signed_in_anew(page)
        await expect(page.locator(".outcome")).to_contain_text("Connected as Tradera user")


async def signed_in_anew(page: Page) -> None:
    """The same login, now done at Tradera."""
    async with page.expect_popup() as opening:
        await page.get_by_role("link", name="Sign in at Tradera").click()
    other = await opening.value
    await other.get_by_role("button", name=SELLER).click()
    await expect(other.get_by_text("You are signed in")).to_be_visible()
    await other.close()
    await page.get_by_label("The seller's number or alias").fill(SELLER)
    await page.get_by_role("button", name="I have signed in").click()


@pytest.mark.parametrize("display_token", [False, True], ids=["fetched", "displayed"])
async def test_a_login_that_comes_back_is_finished_there(
    browser: Browser, tmp_path: Path, queue_server: QueueServer, *, display_token: bool
) -> None:
    """With return URL: Tradera sends the browser back, and one press connects; also when only the shown token works."""
    async with (
        running_daemon(tmp_path, queue_server, **NO_TOKEN) as one,
        opened(browser, PHONE, language="en") as page,
    ):
        shop = await shop_of(one)
        conduct = one.sandbox.tradera.conduct
        conduct.accept_url, conduct.display_token = f"{shop.base}{PAGE}/return", display_token
        if display_token:
            one.sandbox.tradera.fault("token", "400", times=None)
        await shop.enter(page, PAGE)
        await page.get_by_role("button", name="Connect", exact=True).click()
        async with page.expect_popup() as opening:
            await page.get_by_role("link", name="Sign in at Tradera").click()
        other = await opening.value
        await other.get_by_role("button", name=SELLER).click()
        await expect(other.get_by_text(f"Tradera says that user {SELLER} has signed in.")).to_be_visible()
        await judged(other, "tradera-return")
        await other.get_by_role("button", name="Connect", exact=True).click()
        await expect(other.locator(".outcome")).to_contain_text(f"Connected as Tradera user {SELLER}")
        await one.put("A-1")
        await one.until_event("A-1", "listing.created")
