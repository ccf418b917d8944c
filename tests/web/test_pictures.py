"""The pictures of the pages in README: taken from a shop's data by the browser's run, which writes anew what has changed."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageChops
from playwright.async_api import Browser

from rheod.domain.calendar import EndChoice
from rheod.domain.errors import Text, counted
from rheod.domain.model import Ladder, Listing, ListingState
from rheod.health.findings import Finding, Mood
from rheod.sandbox.shop import draw
from rheod.store import ads
from rheod.store.ads import PlannedReturn
from rheod.usecases import ending
from tests.stores import NOW_MS
from tests.usecases.selling import order
from tests.web.browser import opened
from tests.web.stocked import BUYER, HOUR_MS, WISH, Stocked, stocked

FOLDER = Path(__file__).parent / "pictures"
README = Path(__file__).parents[2] / "README.md"
SHOWN = {
    "today": "/dashboard",
    "items": "/dashboard/items",
    "orders": "/dashboard/sales",
    "ends": "/dashboard/ends",
}
SIZE = {"width": 390, "height": 760}
MOST_BYTES = 40_000
COARSE, NOTICED = 10, 16
"""A picture is another when a square of so many pixels differs by so much (of 255): single pixels of letters do not count."""

LIVE = (
    ("B-1", "Strålkastare höger Saab 9-3", 620, 8),
    ("B-2", "Backspegel vänster VW Golf V", 300, 9),
    ("B-3", "Generator Volvo 240", 450, 32),
    ("B-4", "Startmotor Audi A4", 390, 33),
    ("B-5", "Kylare Opel Astra", 250, 56),
    ("B-6", "Fälg 17 tum BMW, fyra", 1900, 128),
)
"""Item number, title, price (kr), and in how many hours its ad ends."""


async def needs() -> list[Finding]:
    """One order to pack."""
    return [
        Finding(
            code="order.unsent",
            mood=Mood.BUSY,
            text=counted(
                "{n} order is paid and waits to be sent", "{n} orders are paid and wait to be sent", 1
            ),
            fix=Text("Pack it on the page Orders; `rheod orders pick` writes the pick list"),
            where="/dashboard/sales",
        )
    ]


async def live(one: Stocked, external_id: str, title: str, price: int, ends_at: int) -> Listing:
    """An ad with the demo's picture of its item, up until then."""
    raw = draw(external_id, 640, 640)
    digest = hashlib.sha256(raw).hexdigest()
    file = one.pages.parts.api.image_folder / digest[:2] / f"{digest}.jpg"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(raw)
    await one.shop.put(
        external_id,
        title=title,
        price_ore=price * 100,
        auto_publish=True,
        tradera=WISH,
        image_urls=(f"https://cdn.example/{external_id}.jpg",),
        metadata={"shelf": f"B{external_id[-1]}"},
    )
    for picture in (await one.shop.view(external_id)).pictures:
        await one.shop.picture_ready(picture.id, f"{digest[:2]}/{file.name}")
    up = await one.shop.advance(await one.shop.listing(external_id), ListingState.LIVE)
    await one.shop.database.write(
        lambda db: db.execute("UPDATE listings SET ends_at = ? WHERE id = ?", (ends_at, up.id))
    )
    return up


@asynccontextmanager
async def dealer(folder: Path) -> AsyncIterator[Stocked]:
    """A car dismantler's day: six ads up, some of which end tonight, one thing sold this morning, one that comes back."""
    async with stocked(folder, filled=False, found=needs, settings={"accounts": ()}) as one:
        *_, up = [
            await live(one, external_id, title, price, NOW_MS + hours * HOUR_MS)
            for external_id, title, price, hours in LIVE
        ]
        back = PlannedReturn(
            listing_id=up.id,
            item_id=up.item_id,
            account_id=up.account_id,
            at=NOW_MS + 24 * HOUR_MS,
            ladder=Ladder(first_kr=1900, price_kr=1710, attempt=1, previous_kr=1900),
        )
        await one.shop.database.write(lambda db: ads.plan_return(db, back))
        sold = await live(one, "B-9", "Bromsok vänster Volvo V70", 700, NOW_MS)
        made = order(8001, sold.tradera_item_id or 0, price_ore=70_000)
        at = NOW_MS - 2 * HOUR_MS
        lines = tuple(replace(line, title="Bromsok vänster Volvo V70") for line in made.lines)
        paid = replace(
            made, created_at=at, updated_at=at, paid_at=at, lines=lines, subtotal_ore=70_000, buyer=BUYER
        )
        await one.shop.record(paid)
        choice = EndChoice(windows=("Sun-Thu 19:00-21:30",))
        await one.shop.database.write(lambda db: ending.note_settings(db, choice, now=NOW_MS))
        yield one


def is_another(stored: Path, taken: Image.Image) -> bool:
    """Whether what was taken is to be stored: nothing is yet, or something else to look at."""
    if not stored.exists():
        return True
    with Image.open(stored) as before:
        if before.size != taken.size:
            return True
        small = [each.convert("L").reduce(COARSE) for each in (before, taken)]
    return any(ImageChops.difference(*small).histogram()[NOTICED + 1 :])


@pytest.mark.browser
@pytest.mark.asyncio(loop_scope="session")
async def test_the_pictures_in_readme_are_those_of_the_pages(browser: Browser, tmp_path: Path) -> None:
    """Each that the pages show otherwise by now is written anew, small enough for a page that is read on a phone."""
    async with dealer(tmp_path) as one, opened(browser, SIZE) as page:
        for name, path in SHOWN.items():
            await one.enter(page, path)
            await page.wait_for_load_state("networkidle")
            with Image.open(io.BytesIO(await page.screenshot())) as shot:
                taken = shot.convert("RGB")
            stored = FOLDER / f"{name}.webp"
            if is_another(stored, taken):
                taken.save(stored, "WEBP", quality=80, method=6)
            with Image.open(stored) as kept:
                assert kept.size == (SIZE["width"], SIZE["height"])
            assert stored.stat().st_size <= MOST_BYTES
            assert not is_another(stored, taken)


def test_readme_shows_every_picture_and_no_other() -> None:
    """Each with words for who does not see it."""
    shown = re.findall(
        r'<img src="tests/web/pictures/([a-z]+)\.webp"[^>]* alt="([^"]{10,})"', README.read_text()
    )
    assert sorted(name for name, _ in shown) == sorted(SHOWN)
    assert {file.stem for file in FOLDER.iterdir()} == set(SHOWN)


def test_a_picture_is_another_only_where_one_sees_it(tmp_path: Path) -> None:
    """A letter drawn a little otherwise is not; a part of the page is."""
    white, stored = Image.new("RGB", (100, 100), "white"), tmp_path / "a.webp"
    assert is_another(stored, white)
    white.save(stored, "WEBP")
    letter, part = white.copy(), white.copy()
    letter.paste((0, 0, 0), (12, 12, 14, 14))
    part.paste((0, 0, 0), (12, 12, 20, 20))
    assert not is_another(stored, letter)
    assert is_another(stored, part)
