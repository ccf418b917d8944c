"""The first page, the returns and the places: what is shown of a shop's day, and what the page does by itself."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from rheod.domain.errors import Text, counted
from rheod.domain.model import Ladder
from rheod.health.findings import PLACES, Finding, Mood
from rheod.store import ads
from rheod.store.ads import Bids, PlannedReturn
from rheod.web.assets import LIVE
from rheod.web.causes import CAUSES, cause_of
from rheod.web.charts import spark
from rheod.web.language import Language
from rheod.web.site import place_of
from tests.health.test_rules import troubles
from tests.stores import NOW_MS
from tests.web.running import pages, text_of
from tests.web.stocked import HOUR_MS, Stocked, stocked

ENGLISH = {"Accept-Language": "en"}
UNSENT = Finding(
    code="order.unsent",
    mood=Mood.BUSY,
    text=counted("{n} order is paid and waits to be sent", "{n} orders are paid and wait to be sent", 2),
    fix=Text("Pack it on the page Orders; `rheod orders pick` writes the pick list"),
    where="/dashboard/sales",
)
FULL = Finding(code="disk.low", mood=Mood.BAD, text=Text("The disk is full"), fix=Text("Make room"))


async def planned(one: Stocked, external_id: str) -> PlannedReturn:
    """A return of this item tomorrow."""
    item, listing = await one.shop.item(external_id), await one.shop.listing(external_id)
    back = PlannedReturn(
        listing_id=listing.id,
        item_id=item.id,
        account_id=item.account_id,
        at=NOW_MS + 24 * HOUR_MS,
        ladder=Ladder(first_kr=900, price_kr=810, attempt=1, previous_kr=900),
    )
    await one.shop.database.write(lambda db: ads.plan_return(db, back))
    return back


async def test_the_sentence_is_green_only_when_nobody_has_to_do_anything(tmp_path: Path) -> None:
    """Each finding is a row with one button that leads to where it is seen to; the command stands behind a fold."""
    found: list[Finding] = []

    async def findings() -> list[Finding]:
        return found

    async with pages(tmp_path, found=findings) as (one, admin):
        await one.sign_in(admin)
        assert 'class="sentence good"' in (await one.get("/dashboard"))[1]
        found[:] = [FULL, UNSENT]
        one.clock.seconds += 60
        _, html, _ = await one.get("/dashboard", **ENGLISH)
        assert "2 things need you" in text_of(html)
        assert 'class="sentence bad"' in html
        assert re.search(r'<a class="btn" href="/dashboard/sales">Pack<', html)
        needs = html.partition('data-live="needs"')[2].partition("</section>")[0]
        assert needs.count('class="btn"') == 1
        assert "The server's disk is nearly full" in text_of(html)
        assert "On the server The disk is full. Make room." in text_of(html)
        assert re.findall(r"<sup>(\d+)</sup>", html) == ["2", "2"]


async def test_what_needs_the_owner_has_its_picture_or_a_sign(tmp_path: Path) -> None:
    """The picture of the first item that it is about, in its own account; a sign where it is about no item, or about one without."""

    async def findings() -> list[Finding]:
        held = replace(FULL, code="items.held")
        return [replace(held, items=("W/1",)), replace(held, items=("W/1",), owner="m-1"), FULL]

    async with stocked(tmp_path, found=findings) as one:
        await one.pages.sign_in(one.token)
        html = (await one.pages.get("/dashboard"))[1]
        needs = (
            html.partition('data-live="needs"')[2].partition("</section>")[0].split('class="thing need')[1:]
        )
        assert [(".160.webp" in each, " sign" in each.partition(">")[0]) for each in needs] == [
            (True, False),
            (False, True),
            (False, True),
        ]


async def test_the_day_is_shown_by_its_things(tmp_path: Path) -> None:
    """What was sold counts as in the months: the order of something unknown does not; nothing is said twice."""
    async with stocked(tmp_path) as one:
        await one.shop.database.write(
            lambda db: db.execute(
                "UPDATE orders SET created_at = ? WHERE order_id IN (7001, 7002)", (NOW_MS,)
            )
        )
        await one.shop.database.write(
            lambda db: db.execute("UPDATE listings SET ends_at = ? WHERE state = 'live'", (NOW_MS + HOUR_MS,))
        )
        await planned(one, "S-1")
        await one.pages.sign_in(one.token)
        _, html, _ = await one.pages.get("/dashboard", **ENGLISH)
        text = text_of(html)
        assert "1 thing sold" in text
        assert "Såld bromsok" in text
        assert "Tavla i guldram" not in text
        assert re.search(r"Ends today.*Kopp Rörstrand.*13:00", text)
        assert re.search(r"Goes out next.*Dörr vänster fram", text)
        assert ".160.webp" in html
        assert re.search(r"Comes back next.*810\s*kr, before 900\s*kr", text)


async def test_bids_are_shown_with_when_they_were_read(tmp_path: Path) -> None:
    """How many ads have some, on the first page; how many and how high on the ad's own row; nothing of it while nobody has looked."""
    async with stocked(tmp_path) as one:
        await one.pages.sign_in(one.token)
        live = await one.shop.listing("L-1")
        await one.shop.database.write(
            lambda db: db.execute("UPDATE listings SET ends_at = ? WHERE id = ?", (NOW_MS + HOUR_MS, live.id))
        )
        for count, today, row in (
            (None, "1 live · 1 end today Kopp", "Live, ends 13:00 "),
            (0, "1 live · 1 end today · 0 with bids (read 11:40)", "Live, ends 13:00 · no bid (read 11:40)"),
            (
                5,
                "1 live · 1 end today · 1 with bids (read 11:40)",
                "Live, ends 13:00 · 5 bids, 620 kr (read 11:40)",
            ),
        ):
            if count is not None:
                seen = Bids(count, 620 if count else None, NOW_MS - HOUR_MS // 3)
                await one.shop.database.write(lambda db, seen=seen: ads.see_bids(db, live.id, seen))  # type: ignore[misc]
            text = spaced((await one.pages.get("/dashboard", **ENGLISH))[1])
            assert today in text
            assert row in spaced((await one.pages.get("/dashboard/items?show=live", **ENGLISH))[1])
        text = spaced((await one.pages.get("/dashboard", **ENGLISH))[1])
        assert "5 bids · 620 kr · 13:00 read 11:40" in text


def spaced(html: str) -> str:
    """The text with plain spaces."""
    return text_of(html).replace("\N{NO-BREAK SPACE}", " ").replace("\N{NARROW NO-BREAK SPACE}", " ")


async def test_a_new_shop_is_told_what_to_do_first(tmp_path: Path) -> None:
    """Each step with its state and button, until something has been up or all is done."""
    async with pages(tmp_path) as (one, admin):
        await one.sign_in(admin)
        text = text_of((await one.get("/dashboard", **ENGLISH))[1])
        assert "To begin with 0 of 5 done Connect Tradera Connect : Connect Tradera" in text
        await one.parts.api.keys.create(one.parts.api.default_account, "erp")
        _, html, _ = await one.get("/dashboard", **ENGLISH)
        assert "To begin with 1 of 5 done" in text_of(html)
        assert "A key for the ERP, or a first item here done" in text_of(html)
    async with stocked(tmp_path / "b") as two:
        await two.pages.sign_in(two.token)
        assert "To begin with" not in text_of((await two.pages.get("/dashboard", **ENGLISH))[1])


@pytest.mark.parametrize("code", ["sv", "en"])
def test_every_finding_has_a_cause_of_a_few_words(code: str) -> None:
    """At most 60 characters in both languages, and another one for each; with a thousand things too."""
    language = Language(code, now=lambda: NOW_MS)
    assert set(CAUSES) == set(PLACES)
    for finding_code in CAUSES:
        finding = replace(FULL, code=finding_code, count=1000)
        said = language.say(cause_of(finding))
        assert len(said) <= 60, said
        assert said != str(cause_of(finding)) or code == "en"
        assert not set(said) & set("`_<>{}")


async def test_a_return_is_held_and_let_go_and_all_are_paused(tmp_path: Path) -> None:
    """Each by one press, for each can be taken back; the log says so in words."""
    async with stocked(tmp_path) as one:
        await one.pages.sign_in(one.token)
        page, item = "/dashboard/returns", "/dashboard/returns/S-1"
        assert 'class="outcome bad"' in await one.pages.pressed(page, "/dashboard/returns/nobody/hold")
        await planned(one, "S-1")
        for action, held, paused in (
            (f"{item}/hold", True, False),
            (f"{item}/resume", False, False),
            (f"{page}/pause", False, True),
            (f"{page}/resume", False, False),
        ):
            await one.pages.send(page, action)
            (back,) = await one.shop.database.read(ads.every_return)
            assert (back.held, await one.shop.database.read(ads.returns_paused)) == (held, paused)
        _, html, _ = await one.pages.get("/dashboard/log", **ENGLISH)
        assert "Held a return" in text_of(html)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/dashboard", "/dashboard"),
        ("/dashboard/items/A-1", "/dashboard/items"),
        ("/dashboard/sales", "/dashboard/sales"),
        ("/dashboard/tradera", "/dashboard/more"),
    ],
)
def test_every_page_is_in_one_of_four_places(path: str, place: str) -> None:
    """The one that the bar marks."""
    assert place_of(path) == place


async def test_the_script_is_small_and_our_own(tmp_path: Path) -> None:
    """The policy lets no other run, and no page writes one or a style into itself."""
    assert len(LIVE.body) <= 4096
    async with stocked(tmp_path) as one:
        await one.pages.sign_in(one.token)
        for path in (
            "/dashboard",
            "/dashboard/more",
            "/dashboard/returns",
            "/dashboard/items/L-1",
            "/dashboard/sales",
        ):
            status, html, headers = await one.pages.get(path)
            assert status == 200
            assert "unsafe" not in headers["Content-Security-Policy"]
            assert re.findall(r"<script[^>]*>", html) == re.findall(
                r'<script src="/dashboard/static/live-\w+.js" defer>', html
            )
            assert " style=" not in html
        status, _, headers = await one.pages.get(LIVE.address)
        assert (status, headers["Content-Type"]) == (200, "text/javascript; charset=utf-8")


def test_a_day_without_a_sale_still_stands_in_the_small_bars() -> None:
    """As a foot of two pixels; today is the last and marked."""
    drawn = str(spark("<kr>", [("1/5", 0.0, ""), ("2/5", 10.0, "10")]))
    assert re.findall(r'height="([\d.]+)" rx', drawn) == ["2", "44.0"]
    assert drawn.count('class="now"') == 1
    assert "&lt;kr&gt;" in drawn


async def test_the_first_page_is_light(tmp_path: Path) -> None:
    """Page, style and script together are under 60 kB without their pictures, however much goes on."""

    async def found() -> list[Finding]:
        return troubles()

    async with stocked(tmp_path, found=found) as one:
        for number in range(40):
            await one.shop.put_live(f"P-{number}", title="Strålkastare höger till Volvo XC90, xenon " * 2)
        await one.shop.database.write(
            lambda db: db.execute("UPDATE listings SET ends_at = ? WHERE state = 'live'", (NOW_MS + HOUR_MS,))
        )
        await one.pages.sign_in(one.token)
        _, html, _ = await one.pages.get("/dashboard")
        assert html.count("Strålkastare") > 30
        others = re.findall(r'(?:href|src)="(/dashboard/static/[^"]+\.(?:css|js))"', html)
        sizes = [
            len(each.encode()) for each in [html, *[(await one.pages.get(other))[1] for other in others]]
        ]
        assert len(sizes) == 3
        assert sum(sizes) < 60_000, sizes
