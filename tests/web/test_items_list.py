"""The list of items: found by anything, page by page both ways, and done with several at once, each by its own use case."""

from __future__ import annotations

import hashlib
import io
import re
from pathlib import Path

import pytest
from PIL import Image

from rheod.domain.model import ListingState, RheoStatus, TraderaStatus
from rheod.pictures.decoder import Thumbnails
from rheod.web.items_list import GROUPS, NAMES, ORDERS, new_price
from rheod.web.words import ACTIONS
from tests.api.running import one_decoder
from tests.web.running import text_of
from tests.web.stocked import WISH, Stocked, stocked

ENGLISH = {"Accept-Language": "en"}


async def listed(one: Stocked, query: str = "") -> tuple[list[str], str]:
    """The external ids of a page of the list, and its text."""
    status, html, _ = await one.pages.get(f"/dashboard/items{query}", **ENGLISH)
    assert status == 200, html
    return re.findall(r'class="what"><a href="/dashboard/items/([^"?]+)"', html), text_of(html)


async def number_of(one: Stocked, external_id: str) -> int:
    """The number that a tick of this item sends."""
    rows = await one.shop.database.read(
        lambda db: db.execute("SELECT number FROM items WHERE external_id = ?", (external_id,)).fetchall()
    )
    number: int = rows[0][0]
    return number


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["S-1", "X-1", "F-1", "L-1", "W%2F1", "D-1", "VIN-1"]),
        ("?q=W%2F", ["W%2F1"]),
        ("?q=rorstrand", ["L-1"]),
        ("?q=B12", ["D-1"]),
        ("?q=7001", ["S-1"]),
        ("?show=failed", ["F-1"]),
        ("?show=doubt", ["X-1"]),
        ("?show=sold&view=grid", ["S-1"]),
        ("?q=volvo&sort=price", ["D-1", "VIN-1"]),
        ("?q=nothing", []),
    ],
)
async def test_items_are_found(tmp_path: Path, query: str, expected: list[str]) -> None:
    """By id, words, shelf and order, by groups."""
    async with stocked(tmp_path) as one:
        await one.pages.sign_in(one.token)
        assert (await listed(one, query))[0] == expected


async def test_a_row_says_where_its_item_stands(tmp_path: Path) -> None:
    """In one line with the time that matters; the chips count."""
    async with stocked(tmp_path) as one:
        await one.pages.sign_in(one.token)
        _, text = await listed(one)
        for said in (
            "D-1 · shelf B12",
            "Waits, goes out about",
            "Did not work: No Tradera category",
            "Unsure whether it is up, since",
            "Not out, came in",
            "All 7",
            "Live 1",
        ):
            assert said in text


async def test_a_walk_through_many_sees_each_once(tmp_path: Path) -> None:
    """The links lead on to the end and back to the beginning, and say where one is."""
    async with stocked(tmp_path) as one:
        for number in range(70):
            await one.shop.put(f"N-{number:02}", title="Nalle")
        await one.pages.sign_in(one.token)
        for rel, path in (
            ("next", "/dashboard/items?q=nalle"),
            ("prev", "/dashboard/items?q=nalle&start=60"),
        ):
            seen: list[str] = []
            to: str | None = path
            while to is not None:
                _, html, _ = await one.pages.get(to, **ENGLISH)
                seen += re.findall(r'href="/dashboard/items/(N-\d\d)"', html)
                link = re.search(rf'rel="{rel}" href="([^"]+)"', html)
                to = link and link.group(1).replace("&amp;", "&")
            assert sorted(seen) == [f"N-{number:02}" for number in range(70)]
        assert "31\N{EN DASH}60 of 70" in (await listed(one, "?q=nalle&start=30"))[1]


@pytest.mark.parametrize("query", ["start=x", "show=lost", "sort=1", "q=a&q=b", "q=" + "x" * 256, "q=%00"])
async def test_a_made_up_search_is_told_so(tmp_path: Path, query: str) -> None:
    """400 with a sentence, never a 500."""
    async with stocked(tmp_path) as one:
        await one.pages.sign_in(one.token)
        assert (await one.pages.get(f"/dashboard/items?{query}"))[0] == 400


@pytest.mark.parametrize(
    "query", ["do=end", "do=end&n=x", "do=burn&n=1", "do=price&n=1&percent=999", "do=end&n=" + "1&n=" * 101]
)
async def test_a_made_up_deed_is_told_so(tmp_path: Path, query: str) -> None:
    """As is one without a tick."""
    async with stocked(tmp_path) as one:
        await one.pages.sign_in(one.token)
        assert (await one.pages.get(f"/dashboard/many?{query}"))[0] == 400


async def test_what_is_ticked_is_named_before_anything_is_done(tmp_path: Path) -> None:
    """With its prices now and then; looking changes nothing."""
    async with stocked(tmp_path) as one:
        await one.pages.sign_in(one.token)
        live, failed = await number_of(one, "L-1"), await number_of(one, "F-1")
        before = await one.shop.jobs()
        _, html, _ = await one.pages.get(
            f"/dashboard/many?do=price&percent=-10&n={live}&n={failed}", **ENGLISH
        )
        text = text_of(html)
        assert "Change the prices of 2 items?" in text
        assert "Kopp Rörstrand" in text
        lowered = new_price((await one.shop.item("L-1")).spec.price_ore, -10) or 0
        assert f"{lowered // 100}kr" in "".join(text.split())
        assert await one.shop.jobs() == before


async def test_each_goes_through_its_use_case_and_is_told(tmp_path: Path) -> None:
    """What can be done is done, what is refused says why, and a second press of the same form does nothing more."""
    async with stocked(tmp_path) as one:
        await one.pages.sign_in(one.token)
        ids = {name: await number_of(one, name) for name in ("D-1", "S-1", "W/1", "L-1")}

        async def done(do: str, *names: str, **fields: str) -> str:
            query = "&".join(f"n={ids[name]}" for name in names)
            page = f"/dashboard/many?do={do}&percent={fields.get('percent', '')}&{query}"
            _, html, _ = await one.pages.get(page)
            given = re.search(r'name="items" value="([^"]+)"', html)
            assert given is not None
            tokens = await one.pages.tokens(page)
            sent = {**tokens, "items": given.group(1), **fields}
            status, _, headers = await one.pages.post(f"/dashboard/many/{do}", sent)
            assert (status, headers["Location"]) == (
                303,
                (await one.pages.post(f"/dashboard/many/{do}", sent))[2]["Location"],
            )
            return text_of((await one.pages.get(headers["Location"], **ENGLISH))[1])

        said = await done("publish", "D-1", "S-1")
        assert "1 of 2 are done." in said
        assert "Såld bromsok : " in said
        assert (await one.shop.listing("D-1")).state is ListingState.QUEUED
        price = (await one.shop.item("L-1")).spec.price_ore or 0
        assert "1 item is done." in await done("price", "L-1", percent="-10")
        assert (await one.shop.item("L-1")).spec.price_ore == new_price(price, -10)
        assert "0 of 1 are done." in await done("hold", "L-1")
        assert "2 items are done." in await done("end", "W/1", "L-1")
        assert (await one.shop.item("W/1")).rheo_status is RheoStatus.NOT_LISTED
        assert (await one.shop.item("L-1")).tradera_status is TraderaStatus.ACTIVE
        (entry, *_) = await one.pages.parts.audit.latest(limit=1)
        assert (entry.action, entry.subject) == ("take items down", "W/1, L-1")


async def test_a_price_that_has_changed_meanwhile_is_not_lowered(tmp_path: Path) -> None:
    """What was shown is what is done."""
    async with stocked(tmp_path) as one:
        await one.pages.sign_in(one.token)
        number = await number_of(one, "L-1")
        price = (await one.shop.item("L-1")).spec.price_ore
        for shown in (f"{number}:{(price or 0) + 100}", f"0{number}:{price}"):
            html = await one.pages.pressed(
                f"/dashboard/many?do=price&percent=-10&n={number}",
                "/dashboard/many/price",
                items=shown,
                percent="-10",
            )
            assert "ändrats" in html
            assert (await one.shop.item("L-1")).spec.price_ore == price


@pytest.mark.parametrize(
    ("ore", "percent", "new"),
    [
        (10_000, -10, 9_000),
        (9_900, -10, 8_900),
        (100, -90, 100),
        (101, 10, 100),
        (190, 10, 200),
        (None, 10, None),
    ],
)
def test_a_new_price_is_whole_kronor(ore: int | None, percent: int, new: int | None) -> None:
    """And never nothing."""
    assert new_price(ore, percent) == new


def test_everything_has_its_words() -> None:
    """Groups, orders, and what the log says of each deed."""
    assert set(NAMES.values()) <= set(ACTIONS)
    assert len(GROUPS) == 9
    assert len(ORDERS) == 3


async def test_a_page_of_thirty_pictures_is_light(tmp_path: Path) -> None:
    """The page and thirty small pictures of the heaviest kind, noise, are together under 400 kB."""
    decoder = one_decoder()
    raw = io.BytesIO()
    Image.effect_noise((480, 360), 60).convert("RGB").save(raw, "JPEG")
    digest = hashlib.sha256(raw.getvalue()).hexdigest()
    file = f"{digest[:2]}/{digest}.jpg"
    try:
        async with stocked(tmp_path) as one:
            folder = one.pages.parts.api.image_folder
            (folder / digest[:2]).mkdir(parents=True, exist_ok=True)
            (folder / file).write_bytes(raw.getvalue())
            for number in range(30):
                await one.shop.put(
                    f"P-{number}", title="Ö" * 80, tradera=WISH, image_urls=("https://a.example/1.jpg",)
                )
                (picture,) = (await one.shop.view(f"P-{number}")).pictures
                await one.shop.picture_ready(picture.id, file)
            await one.pages.sign_in(one.token)
            _, html, _ = await one.pages.get("/dashboard/items")
            small = re.findall(r'src="/images/([^"]+\.160\.webp)"', html)
            assert small == [file.replace(".jpg", ".160.webp")] * 30
            await Thumbnails(decoder=decoder, pictures_dir=folder).make(file, 160)
            assert 30 * (folder / small[0]).stat().st_size + len(html.encode()) < 400_000
    finally:
        await decoder.close()
