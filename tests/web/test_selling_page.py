"""What is shown and decided of every ad: settings in words, templates with their preview."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rheod.config.selling import AdSettings
from rheod.domain.ad_text import Part, Template
from rheod.usecases.selling_setup import InForce
from rheod.web.language import Language
from rheod.web.selling_page import LABELS, value_words
from rheod.web.words import window_words
from tests.stores import NOW_MS
from tests.web.running import text_of
from tests.web.stocked import stocked

ENGLISH = {"Accept-Language": "en"}
TEMPLATES = "/dashboard/ads/templates"
SWEDISH = Language("sv", now=lambda: 0)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("tradera.defaults.duration_days", 1, "1 dag"),
        ("tradera.defaults.vat", None, "inte satt"),
        ("tradera.defaults.vat", 25, "25 %"),
        ("tradera.defaults.accepted_bidder_id", 4, "EU"),
        ("tradera.defaults.payment_option_ids", (), "som du har valt hos Tradera"),
        ("tradera.shipping.shipping_cost", 59, "59\N{NO-BREAK SPACE}kr"),
        ("tradera.shipping.packaging_g", 1500, "1\N{NO-BREAK SPACE}500 g"),
        ("tradera.shipping.prefer", ("PostNord", "DHL"), "PostNord, DHL"),
        ("tradera.shipping.free_shipping", False, "nej"),
        ("ad.business", True, "ja"),
        ("ad.check", "hold", "håller artikeln tills det är rättat"),
    ],
)
def test_a_setting_is_told_as_a_shop_says_it(name: str, value: object, said: str) -> None:
    """No name or number of Tradera's."""
    assert value_words(InForce(name=name, value=value), SWEDISH) == said


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Sun-Thu 19:00-21:30", "sön\N{EN DASH}tors 19:00\N{EN DASH}21:30"),
        ("mon,wed 9:00-24:00", "mån, ons 09:00\N{EN DASH}24:00"),
        ("Mon-Sun 10:00-12:00", "alla dagar 10:00\N{EN DASH}12:00"),
        ("no window", "no window"),
    ],
)
def test_a_window_is_told_as_a_shop_says_it(written: str, said: str) -> None:
    """Runs of days, also over the end of the week."""
    assert window_words(written, SWEDISH) == said


async def test_what_an_ad_gets_is_told_and_where_it_is_changed(tmp_path: Path) -> None:
    """In words; names of settings stand behind the fold alone."""
    async with stocked(tmp_path) as one:
        await one.pages.sign_in(one.token)
        _, html, _ = await one.pages.get("/dashboard/ads")
        shown, behind = html.split("<summary>På servern</summary>", 1)
        assert "En auktion pågår 7 dagar" in text_of(shown)
        assert not any(name in shown for name in LABELS)
        assert "tradera.defaults.duration_days" in behind


async def test_everything_is_paused_in_two_steps(tmp_path: Path) -> None:
    """It stands on the page since when; one press lets it go on."""
    async with stocked(tmp_path) as one:
        await one.pages.sign_in(one.token)
        _, html, _ = await one.pages.get("/dashboard/ads")
        assert re.search(r'<details class="sure">\s*<summary>Pausa allt', html)
        html = await one.pages.pressed("/dashboard/ads", "/dashboard/ads/pause")
        assert "Pausat sedan 12:00" in text_of(html)
        assert await one.pages.parts.api.publishing.since() == NOW_MS
        await one.pages.pressed("/dashboard/ads", "/dashboard/ads/resume")
        assert await one.pages.parts.api.publishing.since() is None


async def test_a_template_is_shown_on_an_item_before_it_is_kept(tmp_path: Path) -> None:
    """Looking keeps nothing, however often; what was typed stands in the form again."""
    async with stocked(tmp_path) as one:
        await one.pages.sign_in(one.token)
        typed = {"part": "footer", "text": "Art <{externalId}> hylla {metadata.shelf}", "item": "D-1"}
        for _ in range(2):
            status, html, _ = await one.pages.send(TEMPLATES, f"{TEMPLATES}/look", **typed)
            assert status == 200
            assert "Art <D-1> hylla B12" in text_of(html)
            assert "Art &lt;{externalId}&gt;" in html
        assert await one.pages.parts.templates.listing() == []
        _, html, _ = await one.pages.send(TEMPLATES, f"{TEMPLATES}/look", **typed | {"category": "1"})
        assert "har andra ord" in text_of(html)
        assert "Art <D-1>" not in text_of(html)
        html = await one.pages.pressed(TEMPLATES, TEMPLATES, **typed)
        assert "Sparad" in text_of(html)
        (kept,) = await one.pages.parts.templates.listing()
        assert kept.template == Template(part=Part.FOOTER, text=typed["text"])
        _, html, _ = await one.pages.get(f"{TEMPLATES}?part=footer&item=D-1")
        assert "Art &lt;{externalId}&gt;" in html


async def test_a_template_that_cannot_be_is_shown_again(tmp_path: Path) -> None:
    """422 with what was typed; a look says the same and is no error; nobody's item is said to be."""
    async with stocked(tmp_path) as one:
        await one.pages.sign_in(one.token)
        for text, said in (("{price}", "none of its fields"), ("  ", "Write something")):
            typed = {"part": "footer", "text": text, "item": "nobody"}
            tokens = await one.pages.tokens(TEMPLATES)
            status, html, _ = await one.pages.post(TEMPLATES, {**tokens, **typed}, **ENGLISH)
            assert (status, said in html, f">{text}</textarea>" in html) == (422, True, True)
            assert "No item found" in html
        status, html, _ = await one.pages.send(TEMPLATES, f"{TEMPLATES}/look", part="footer", text="{price}")
        assert (status, 'class="error"' in html) == (200, True)
        status, _, _ = await one.pages.post(f"{TEMPLATES}/look", {"part": "footer", "form_token": "0"})
        assert status == 400
        assert await one.pages.parts.templates.listing() == []


async def test_a_template_is_taken_away_in_two_steps_and_a_locked_one_never(tmp_path: Path) -> None:
    """Those of the settings file are shown as such, and have no button."""
    async with stocked(tmp_path, settings={"ad": AdSettings(header="Ur filen")}) as one:
        await one.pages.sign_in(one.token)
        await one.pages.pressed(TEMPLATES, TEMPLATES, part="footer", text="Hej")
        _, html, _ = await one.pages.get(TEMPLATES, **ENGLISH)
        assert len(re.findall(r'<details class="sure">', html)) == 1
        assert "from the settings" in text_of(html)
        html = await one.pages.pressed(TEMPLATES, f"{TEMPLATES}/remove", part="header", for_account="*")
        assert 'class="outcome bad"' in html
        await one.pages.pressed(TEMPLATES, f"{TEMPLATES}/remove", part="footer", text="Hej")
        assert [each.template.text for each in await one.pages.parts.templates.listing()] == ["Ur filen"]
