"""An ad's title and description as Tradera takes them, and the owner's words around every ad: their fields, and which of them applies."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rheod.domain.ad_text import (
    MAX_DESCRIPTION,
    MAX_FRAME,
    MAX_TEMPLATE,
    SPECIFICATION,
    WITHDRAWAL,
    Part,
    Template,
    ad_description,
    ad_title,
    choose_template,
    fill_template,
    template_fault,
    whole_kronor,
)
from rheod.domain.model import Item, ItemSpec, TraderaWish

LONG_TITLE = "Generator Volvo XC90 2015-2018 original, provkörd och fullt fungerande med nio månaders garanti"
PART = {
    "vehicle": {"manufacturer": "Volvo", "model": "XC90", "year": 2018},
    "part": {"oemNumber": "31400452"},
}
TEXT = st.builds(
    str.__mul__,
    st.text("ab åÖ&<>\"';\n\r\t\0\x85\u2028\ud800\ufffe\u0301\u200d\U0001f697.,-", max_size=40),
    st.integers(0, 500),
)


def utf16_units(text: str) -> int:
    """How long a service that counts UTF-16 units thinks a text is."""
    return len(text.encode("utf-16-le")) // 2


def spec(**fields: Any) -> ItemSpec:
    """An auto part with these fields."""
    return ItemSpec(**{"title": "Generator Volvo", "domain": "auto_parts", **fields})


def test_a_short_title_stays_as_it_is() -> None:
    """Nothing is taken from a title that fits, but runs of space and line ends."""
    assert ad_title("  Kopp & fat\n(hel)! ") == "Kopp & fat (hel)!"


def test_a_long_title_is_cut_at_a_word_without_loose_ends() -> None:
    """The cut falls between words and leaves no comma or dash behind."""
    assert (
        ad_title(LONG_TITLE)
        == "Generator Volvo XC90 2015-2018 original, provkörd och fullt fungerande med nio"
    )
    assert ad_title("a" * 70 + " - och mer text än så") == "a" * 70 + " - och mer"
    assert ad_title("a" * 76 + " , bcdef") == "a" * 76


def test_one_very_long_word_is_cut_inside() -> None:
    """A word longer than a title cannot be kept whole."""
    assert ad_title("x" * 200) == "x" * 80
    assert ad_title('TV 27" ' * 12) == " ".join(['TV 27"'] * 6 + ["TV"])
    assert ad_title("-" * 200)


@settings(deadline=None)
@given(title=TEXT)
def test_a_title_never_exceeds_80_however_counted(title: str) -> None:
    """Characters, UTF-16 units or entities, any title fits, on one line, with no space at its ends."""
    short = ad_title(title)
    assert utf16_units(html.escape(short)) <= 80
    assert short == short.strip()
    assert "\n" not in short


def test_the_description_is_escaped_and_keeps_its_lines() -> None:
    """Tradera renders HTML, so what the owner wrote must show as written."""
    text = ad_description(spec(description="Pris < 100 & <b>bra</b>\r\nRad två\n\nNytt stycke\x00\x07"))
    assert text == "Pris &lt; 100 &amp; &lt;b&gt;bra&lt;/b&gt;<br>Rad två<br><br>Nytt stycke"


def test_the_specification_ends_the_text() -> None:
    """The block of the contract stands after the text, a line each."""
    text = ad_description(spec(description="Fin.", attributes=PART))
    assert text == f"Fin.<br><br>{SPECIFICATION}<br>OEM: 31400452<br>Passar: Volvo XC90 (2018)"


def test_a_cut_title_opens_the_text_whole() -> None:
    """What the title lost is read first; a title that fits is not repeated."""
    assert ad_description(spec(title=LONG_TITLE, description="Fin.")).startswith(LONG_TITLE + "<br><br>Fin.")
    assert "Generator" not in ad_description(spec(description="Fin."))


def test_there_is_always_a_description() -> None:
    """Tradera requires one: without text and attributes the title stands in."""
    assert ad_description(spec(description=" \n ")) == "Generator Volvo"


def test_a_long_text_is_cut_at_a_word_and_the_block_kept_whole() -> None:
    """The text gives way, marked with an ellipsis; the block does not."""
    text = ad_description(spec(description="ordet " * 2000, attributes=PART))
    assert text.endswith("OEM: 31400452<br>Passar: Volvo XC90 (2018)")
    assert f"ordet…<br><br>{SPECIFICATION}" in text
    assert 6980 <= len(text) <= 7000


def test_a_block_beyond_all_room_keeps_whole_lines() -> None:
    """Twenty huge catalogue codes cannot all be printed; those that are, are whole."""
    codes = {f"system{n}": "&" * 400 for n in range(30)}
    text = ad_description(
        spec(title=LONG_TITLE, description="x" * 500, attributes={"part": {"catalogCodes": codes}})
    )
    assert utf16_units(text) <= 7000
    assert text.startswith(LONG_TITLE)
    lines = text.split(SPECIFICATION)[1].split("<br>")[1:]
    assert lines
    assert all(re.fullmatch(r"system\d+: (&amp;)+…", line) for line in lines)


@settings(deadline=None)
@given(description=TEXT, title=st.sampled_from(["Kopp", LONG_TITLE, "&" * 255]))
def test_a_description_never_exceeds_7000_however_counted(description: str, title: str) -> None:
    """Any text with any block fits, escaped and with markup, and no entity or tag is cut in two."""
    text = ad_description(spec(title=title, description=description, attributes=PART))
    assert utf16_units(text) <= 7000
    assert text.endswith("Passar: Volvo XC90 (2018)")
    assert not re.search(r"<(?!br>)|&(?!amp;|lt;|gt;)", text)


@pytest.mark.parametrize(
    ("ore", "kronor"),
    [(95_000, 950), (95_049, 950), (95_050, 951), (100, 1), (149, 1), (150, 2), (0, 1), (49, 1)],
)
def test_prices_are_rounded_half_up_to_whole_kronor(ore: int, kronor: int) -> None:
    """Half a krona goes up, and no price is below 1."""
    assert whole_kronor(ore) == kronor


ITEM = Item(
    id="i1",
    account_id="a1",
    external_id="ERP <1>",
    spec=ItemSpec(
        title="Bromsok",
        description="Testad & hel",
        weight_kg=1.5,
        attributes={"conditionGrade": "B"},
        metadata={"shelf": "A-12", "n": 3},
    ),
)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("Art {externalId}, hylla {metadata.shelf}/{metadata.n}", "Art ERP <1>, hylla A-12/3"),
        ("{title}: skick {condition}, {weightKg} kg", "Bromsok: skick B, 1,5 kg"),
        ("{metadata.none}{externalReference}", ""),
        ("Garanti {30} dagar {unknown}", "Garanti {30} dagar {unknown}"),
        ("{withdrawalRight}", WITHDRAWAL),
    ],
)
def test_fields_are_filled(template: str, text: str) -> None:
    """By the item's values; what is no field stays as it is."""
    assert fill_template(template, ITEM, condition="used") == text


def test_the_condition_is_the_items_own_word_first() -> None:
    """Else its attribute, else the default, in Swedish where there is a word."""
    plain = replace(ITEM, spec=replace(ITEM.spec, attributes=None))
    wished = replace(ITEM, spec=replace(ITEM.spec, tradera=TraderaWish(condition="new")))
    assert [fill_template("{condition}", each, condition="used") for each in (plain, wished)] == [
        "Begagnad",
        "Ny",
    ]


def test_a_template_that_cannot_be_used_is_refused() -> None:
    """With what may stand in it."""
    assert template_fault("Art {externalId} {metadata.shelf}") is None
    assert "{extrenalId} is none of its fields: {externalId}" in (template_fault("{extrenalId}") or "")
    assert "{metadata.} is none" in (template_fault("{metadata.}") or "")
    assert template_fault("x" * MAX_TEMPLATE) is None
    assert "2000" in (template_fault("x" * (MAX_TEMPLATE + 1)) or "")


ALL = Template(part=Part.FOOTER, text="all")
WIDE = Template(part=Part.FOOTER, text="wide", category=10)
NEAR = Template(part=Part.FOOTER, text="near", category=11)
OWN = Template(part=Part.FOOTER, text="own", account="m1")
OWN_WIDE = Template(part=Part.FOOTER, text="own wide", account="m1", category=10)
EVERY = (ALL, WIDE, NEAR, OWN, OWN_WIDE)


@pytest.mark.parametrize(
    ("account", "categories", "text"),
    [
        ("", (99,), "all"),
        ("", (12, 10), "wide"),
        ("", (11, 10), "near"),
        ("m1", (11, 10), "own wide"),
        ("m1", (99,), "own"),
        ("m2", (), "all"),
    ],
)
def test_the_closest_template_applies(account: str, categories: tuple[int, ...], text: str) -> None:
    """The account's own before one for all, then the nearest category."""
    found = choose_template(EVERY, Part.FOOTER, account=account, categories=categories)
    assert found is not None
    assert found.text == text
    assert choose_template(EVERY, Part.HEADER, account=account, categories=categories) is None


def test_header_and_footer_stand_around_the_text_and_are_escaped() -> None:
    """No markup of the owner's reaches the ad, and line breaks stay."""
    found = ad_description(ITEM.spec, header="Välkommen\n<b>in</b>", footer=" Art ERP <1> ")
    assert found == ("Välkommen<br>&lt;b&gt;in&lt;/b&gt;<br><br>Testad &amp; hel<br><br>Art ERP &lt;1&gt;")


def test_an_ad_with_everything_stays_within_its_length() -> None:
    """Header and footer are whole up to their own bound; the text gives way."""
    spec = replace(ITEM.spec, description="Lång text & mer. " * 1000, domain="auto_parts")
    found = ad_description(spec, header="H" * 2000, footer="<tack> " * 600)
    assert len(found) <= MAX_DESCRIPTION
    assert found.startswith("H" * 2000 + "<br>")
    assert found.endswith("&lt;tack&gt;…")
    assert MAX_FRAME - 20 < len(found.rpartition("<br>")[2]) <= MAX_FRAME
    assert "Skick: B" in found
    assert len(found) > MAX_DESCRIPTION - 50
