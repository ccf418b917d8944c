"""Header and footer of ads: which apply, what is put into them, and that they never push an ad over its length."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rheod.domain.ad_templates import MAX_CHARS, WITHDRAWAL, Part, Template, chosen, fault_of, filled
from rheod.domain.ad_text import MAX_DESCRIPTION, MAX_FRAME, ad_description
from rheod.domain.model import Item, ItemSpec, TraderaWish

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
    assert filled(template, ITEM, condition="used") == text


def test_the_condition_is_the_items_own_word_first() -> None:
    """Else its attribute, else the default, in Swedish where there is a word."""
    plain = replace(ITEM, spec=replace(ITEM.spec, attributes=None))
    wished = replace(ITEM, spec=replace(ITEM.spec, tradera=TraderaWish(condition="new")))
    assert [filled("{condition}", each, condition="used") for each in (plain, wished)] == ["Begagnad", "Ny"]


def test_a_template_that_cannot_be_used_is_refused() -> None:
    """With what may stand in it."""
    assert fault_of("Art {externalId} {metadata.shelf}") is None
    assert "{extrenalId} is none of its fields: {externalId}" in (fault_of("{extrenalId}") or "")
    assert "{metadata.} is none" in (fault_of("{metadata.}") or "")
    assert fault_of("x" * MAX_CHARS) is None
    assert "2000" in (fault_of("x" * (MAX_CHARS + 1)) or "")


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
    found = chosen(EVERY, Part.FOOTER, account=account, categories=categories)
    assert found is not None
    assert found.text == text
    assert chosen(EVERY, Part.HEADER, account=account, categories=categories) is None


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
