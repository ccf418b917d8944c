"""An item by hand on a phone: from the camera to the live ad, and what must not be lost or made twice on the way."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from PIL import Image
from playwright.async_api import Browser, FilePayload, Page

from rheod.store import key_value
from tests.stores import rows
from tests.web.browser import DESK, PHONE, judged, opened
from tests.web.whole import Whole, whole

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

NEW = "/dashboard/new"


def photo(colour: str, *, size: tuple[int, int] = (3000, 2000), turned: int = 1) -> FilePayload:
    """A picture as a phone takes it: large, and lying on its side by what stands in it."""
    out, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = turned
    Image.effect_noise(size, 40).convert("RGB").save(out, "JPEG", exif=exif, quality=60)
    return {"name": f"{colour}.jpg", "mimeType": "image/jpeg", "buffer": out.getvalue()}


PHOTOS = [photo("red", turned=6), photo("green"), photo("blue", size=(800, 600))]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shop(tmp_path_factory: Any) -> AsyncIterator[Whole]:
    """One that sells, for every test here."""
    folder: Path = tmp_path_factory.mktemp("whole")
    async with whole(folder) as one:
        yield one


async def sent(page: Page, count: int) -> None:
    """Wait until so many pictures have been sent."""
    await page.wait_for_function(
        "n => document.querySelector('[name=pictures]').value.split(' ').filter(Boolean).length === n",
        arg=count,
    )


async def sizes(shop: Whole, page: Page) -> list[tuple[int, int]]:
    """The sizes of the pictures that the form has sent, in their order."""
    value = await page.locator("[name=pictures]").input_value()
    found = []
    for url in value.split():
        sha256 = url.removeprefix("upload:")
        with Image.open(shop.rheod.core.images_dir / sha256[:2] / f"{sha256}.jpg") as image:
            found.append(image.size)
    return found


@asynccontextmanager
async def plain(browser: Browser, *, script: bool = True) -> AsyncIterator[Page]:
    """A phone's page whose lost requests are not counted against it."""
    size = {"width": PHONE["width"], "height": PHONE["height"]}
    context = await browser.new_context(viewport=size, locale="sv-SE", java_script_enabled=script)  # type: ignore[arg-type]
    page = await context.new_page()
    page.set_default_timeout(20_000)
    try:
        yield page
    finally:
        await context.close()


async def dragged(page: Page, name: str, onto: str) -> None:
    """Take a picture by its middle and let it go on another."""
    await page.get_by_role("button", name=name).scroll_into_view_if_needed()
    for number, each in enumerate((name, onto)):
        box = await page.get_by_role("button", name=each).bounding_box()
        assert box is not None
        await page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=4)
        await (page.mouse.up() if number else page.mouse.down())


async def live_ads(shop: Whole) -> list[dict[str, Any]]:
    """The listings that are up."""
    return await rows(shop.rheod.core.database, "SELECT * FROM listings WHERE state = 'live'")


async def test_from_three_pictures_to_a_live_ad(browser: Browser, shop: Whole) -> None:
    """On a phone: smaller before they are sent and upright, turned, another first, category with what it requires, live."""
    async with opened(browser, PHONE) as page:
        bodies: list[int] = []
        page.on(
            "request",
            lambda request: (
                bodies.append(len(request.post_data_buffer or b""))
                if request.url.endswith("/rheod/pictures")
                else None
            ),
        )
        await shop.enter(page, NEW)
        await page.locator("input[type=file]").first.set_input_files(PHOTOS)
        await page.get_by_label("Titel").fill("Backspegel höger Volvo V70 2005")
        await sent(page, 3)
        assert await sizes(shop, page) == [(1365, 2048), (2048, 1365), (800, 600)]
        assert max(bodies) < len(PHOTOS[0]["buffer"])
        await page.get_by_role("button", name="Bild 3").click()
        await page.get_by_role("button", name="Vrid").click()
        await page.get_by_role("button", name="Visa först").click()
        await page.wait_for_function(
            "() => document.querySelector('[data-pictures] li small').textContent === 'visas först'"
        )
        assert await sizes(shop, page) == [(600, 800), (1365, 2048), (2048, 1365)]
        await dragged(page, "Bild 1", "Bild 3")
        assert await sizes(shop, page) == [(1365, 2048), (2048, 1365), (600, 800)]
        await dragged(page, "Bild 3", "Bild 1")
        assert await sizes(shop, page) == [(600, 800), (1365, 2048), (2048, 1365)]
        assert await page.locator(".photo[aria-pressed=true]").count() == 1  # a drag is no tap
        await page.get_by_label("Utropspris").fill("350")
        await page.get_by_label("Vikt").fill("1,2")
        await page.locator("[data-part=freight]", has_text="frakt").wait_for()
        await page.get_by_label("Sök bland Traderas kategorier").fill("broms")
        await page.locator(".choices label", has_text="Broms").first.click()
        await judged(page, "new-filled")
        await page.get_by_label("Skick krävs").select_option("Gott skick")
        await page.get_by_role("button", name="Lägg ut nu").click()
        await page.wait_for_url("**/dashboard/items/R-*")
        await judged(page, "new-made")
        async with asyncio.timeout(20):
            while not await live_ads(shop):
                await asyncio.sleep(0.1)
        await page.reload()
        await page.get_by_role("link", name="Annonsen hos Tradera").wait_for()


async def test_the_form_on_both_sizes(browser: Browser, shop: Whole) -> None:
    """Empty, with every fold open, light and dark."""
    for size, dark in ((PHONE, False), (PHONE, True), (DESK, False), (DESK, True)):
        async with opened(browser, size, dark=dark, language="en-GB" if dark else "sv-SE") as page:
            await shop.enter(page, NEW)
            for fold in await page.locator(".item-form details > summary").all():
                await fold.click()
            await judged(page, f"new-{'dark' if dark else 'light'}")
    async with opened(browser, {"width": 320, "height": 640}) as page:
        await shop.enter(page, NEW)
        await page.get_by_label("Titel").fill("x" * 80)
        await judged(page, "new-narrow")


async def test_a_reload_and_a_lost_connection_lose_nothing(browser: Browser, shop: Whole) -> None:
    """As when the camera takes the phone's memory: what was typed without a connection is there after the reload, and kept."""
    async with plain(browser) as page:
        await shop.enter(page, NEW)
        await page.locator("input[type=file]").nth(1).set_input_files(PHOTOS[2])
        await sent(page, 1)
        await page.route("**/new/draft*", lambda route: route.abort())
        await page.get_by_label("Titel").fill("Strålkastare vänster")
        await page.get_by_label("Beskrivning").fill("Hel, utan fukt.")
        await page.get_by_text("Ingen anslutning: det du skrivit finns kvar här").wait_for()
        await page.unroute("**/new/draft*")
        await page.reload()
        assert await page.get_by_label("Titel").input_value() == "Strålkastare vänster"
        assert await page.get_by_label("Beskrivning").input_value() == "Hel, utan fukt."
        await sent(page, 1)
        number = await page.locator("[name=draft]").input_value()
        core, account = shop.rheod.core, shop.rheod.core.default_account
        async with asyncio.timeout(10):
            while True:
                draft = await core.database.read(lambda db: key_value.draft(db, account, number))
                if draft is not None and draft.fields.get("title") == "Strålkastare vänster":
                    break
                await asyncio.sleep(0.1)


async def test_a_session_that_ends_under_the_form(browser: Browser, shop: Whole) -> None:
    """It says so while one types, and the way in leads back to the form with everything in it."""
    async with plain(browser) as page:
        await shop.enter(page, NEW)
        await page.get_by_label("Titel").fill("Grill till Saab 900")
        await page.context.clear_cookies()
        await page.get_by_label("Utropspris").fill("275")
        await page.get_by_role("button", name="Spara").click()
        await page.locator("#secret").fill(shop.token)
        await page.locator("#secret").press("Enter")
        await page.wait_for_url("**/dashboard/new?draft=*")
        assert await page.get_by_label("Titel").input_value() == "Grill till Saab 900"
        assert await page.get_by_label("Utropspris").input_value() == "275"
        await page.get_by_role("button", name="Spara").click()
        await page.wait_for_url("**/dashboard/items/R-*")


async def test_two_taps_make_one_item(browser: Browser, shop: Whole) -> None:
    """With 400 ms on the way: the second tap is of the same form, and going back does not make another."""
    async with opened(browser, PHONE) as page:
        await shop.enter(page, NEW)
        await page.get_by_label("Titel").fill("Navkapsel 15 tum, en")
        await page.get_by_label("Utropspris").fill("60")

        async def late(route: Any) -> None:
            await asyncio.sleep(0.4)
            await route.continue_()

        await page.route("**/dashboard/new?*", late)
        await page.route("**/dashboard/new", late)
        await page.get_by_role("button", name="Spara").dblclick()
        await page.wait_for_url("**/dashboard/items/R-*")
        await page.go_back()
        await page.get_by_text("Det utkastet har redan blivit en artikel").wait_for()
    made = await rows(
        shop.rheod.core.database, "SELECT external_id FROM items WHERE title = 'Navkapsel 15 tum, en'"
    )
    assert len(made) == 1


async def test_without_a_script(browser: Browser, shop: Whole) -> None:
    """One plain form with its pictures: searched, first one chosen, refused once, made."""
    async with plain(browser, script=False) as page:
        await shop.enter(page, NEW)
        await page.locator("input[type=file]").nth(1).set_input_files([PHOTOS[0], PHOTOS[2]])
        await page.get_by_label("Sök bland Traderas kategorier").fill("broms")
        await page.get_by_role("button", name="Sök", exact=True).click()
        await page.wait_for_url("**/dashboard/new?draft=*")
        await page.get_by_label("visas först").nth(1).check()
        await page.get_by_label("Titel").fill("Bromsskivor fram, par")
        await page.locator(".choices label", has_text="Bromsar").first.click()
        await page.get_by_role("button", name="Spara").click()
        await page.locator("#wrong-price").wait_for()
        assert await page.get_by_label("Titel").input_value() == "Bromsskivor fram, par"
        await page.get_by_label("Utropspris").fill("300")
        await page.get_by_role("button", name="Spara").click()
        await page.wait_for_url("**/dashboard/items/R-*")
    [item] = await rows(
        shop.rheod.core.database, "SELECT id FROM items WHERE title = 'Bromsskivor fram, par'"
    )
    pictures = await rows(
        shop.rheod.core.database, "SELECT file FROM pictures WHERE item_id = ? ORDER BY position", item["id"]
    )
    with Image.open(shop.rheod.core.images_dir / pictures[0]["file"]) as image:
        assert (len(pictures), image.size) == (2, (800, 600))
