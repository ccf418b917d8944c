"""What an ad carries of a leaf's attributes: found by name, in the leaf's own terms, and what is missing is named."""

from __future__ import annotations

from typing import Any

import pytest

from rheod.domain.attribute_match import AttributeMatch, match_attributes
from rheod.domain.categories import AttributeDefinition, AttributeKind
from rheod.domain.model import ItemSpec, TraderaWish

SKICK = AttributeDefinition(
    id=121,
    key="condition_furniture",
    name="Skick",
    min_values=1,
    terms=("Oanvänt", "Mycket gott skick", "Gott skick", "Okej skick", "Defekt"),
)
MAKE = AttributeDefinition(id=7, name="Märke", terms=("Volvo", "Saab", "Citroën"))
SIZE = AttributeDefinition(id=8, name="Lagring", terms=("64 GB", "128 GB", "64 MB", "1,5 TB"))
WEIGHT = AttributeDefinition(id=9, name="Diameter", kind=AttributeKind.NUMBER, value_format="int")
COLORS = AttributeDefinition(id=10, name="Färg", max_values=2, terms=("Röd", "Blå", "Grön"))


def matched(*definitions: AttributeDefinition, condition: str = "used", **said: Any) -> AttributeMatch:
    wish = TraderaWish(attributes=said.pop("named", None), condition=said.pop("wished", None))
    spec = ItemSpec(title="A thing", domain=said.pop("domain", "electronics"), attributes=said, tradera=wish)
    return match_attributes(spec, definitions, condition=condition)


@pytest.mark.parametrize(
    ("said", "term"),
    [
        ({"conditionGrade": "A"}, "Mycket gott skick"),
        ({"conditionGrade": "B"}, "Gott skick"),
        ({"conditionGrade": "b"}, "Gott skick"),
        ({"conditionGrade": "C"}, "Okej skick"),
        ({"condition": "new"}, "Oanvänt"),
        ({"condition": "gott skick"}, "Gott skick"),
        ({"wished": "new"}, "Oanvänt"),
        ({"conditionGrade": "B", "wished": "new"}, "Gott skick"),
        ({"conditionGrade": "B", "named": {"Skick": "Defekt"}}, "Defekt"),
        ({"conditionGrade": "B", "named": {"121": "OANVANT"}}, "Oanvänt"),
        ({"named": {"condition-furniture": "Oanvänt"}}, "Oanvänt"),
    ],
)
def test_a_condition_becomes_the_first_term_that_the_leaf_knows(said: dict[str, Any], term: str) -> None:
    """By name, key or id, a word or a grade; what the item names itself wins."""
    found = matched(SKICK, **said)
    assert found.terms == ((121, (term,)),)
    assert (found.missing, found.left_out) == ((), ())


@pytest.mark.parametrize(
    "said", [{}, {"conditionGrade": "Q"}, {"named": {"Skick": "Som ny"}}, {"wished": "used"}]
)
def test_a_required_attribute_without_a_term_is_missing_and_names_the_terms(said: dict[str, Any]) -> None:
    """A word that the leaf does not know is as good as none: nothing is made up."""
    found = matched(SKICK, **said)
    assert [(each.name, each.terms) for each in found.missing] == [("Skick", SKICK.terms)]
    assert found.fault is not None
    assert "Skick (Oanvänt, Mycket gott skick, Gott skick, Okej skick, Defekt)" in found.fault
    assert found.terms == ()


def test_the_owners_default_condition_fills_in_only_where_the_item_says_nothing() -> None:
    """An owner who sells new things has said so once."""
    assert matched(SKICK, condition="new").terms == ((121, ("Oanvänt",)),)
    assert matched(SKICK, condition="new", conditionGrade="C").terms == ((121, ("Okej skick",)),)


@pytest.mark.parametrize(
    ("definition", "said", "kept"),
    [
        (MAKE, {"brand": "VOLVO"}, ("Volvo",)),
        (MAKE, {"brand": "citroen"}, ("Citroën",)),
        (SIZE, {"storageGb": 128}, ("128 GB",)),
        (SIZE, {"named": {"lagring": "64gb"}}, ("64 GB",)),
        (SIZE, {"named": {"lagring": "1,5"}}, ("1,5 TB",)),
        (COLORS, {"domain": "fashion", "color": "röd"}, ("Röd",)),
        (COLORS, {"named": {"Färg": ["blå", "Grön", "BLÅ"]}}, ("Blå", "Grön")),
    ],
)
def test_terms_are_sent_as_the_leaf_writes_them(
    definition: AttributeDefinition, said: dict[str, Any], kept: tuple[str, ...]
) -> None:
    """Case, accents, spaces and a lone unit are forgiven."""
    found = matched(definition, **said)
    assert found.terms == ((definition.id, kept),)
    assert found.left_out == ()


@pytest.mark.parametrize(
    ("definition", "said"),
    [
        (MAKE, {"brand": "Opel"}),
        (SIZE, {"storageGb": 64}),  # GB or MB: nobody can say
        (SIZE, {"named": {"Lagring": True}}),
        (MAKE, {"named": {"Storlek": "XL"}}),
        (WEIGHT, {"named": {"Diameter": "wide"}}),
        (WEIGHT, {"named": {"Diameter": 12.5}}),
    ],
)
def test_what_no_term_fits_is_left_out_and_said(
    definition: AttributeDefinition, said: dict[str, Any]
) -> None:
    """An optional attribute never stops an ad."""
    found = matched(definition, **said)
    assert (found.terms, found.numbers, found.missing) == ((), (), ())
    if said != {"named": {"Lagring": True}}:
        assert len(found.left_out) == 1


def test_more_values_than_an_attribute_takes_are_left_out_and_said() -> None:
    """Two colours of three."""
    found = matched(COLORS, named={"Färg": ["Röd", "Blå", "Grön"]})
    assert found.terms == ((10, ("Röd", "Blå")),)
    assert found.left_out == ("Färg cannot be Grön in this category: it was left out",)


def test_numbers_go_as_numbers() -> None:
    """A text with a number and a unit is one too; terms are for attributes that have words."""
    assert matched(WEIGHT, named={"Diameter": "42 mm"}).numbers == ((9, (42.0,)),)
    assert matched(WEIGHT, domain="watches", caseSizeMm=40).numbers == ((9, (40.0,)),)


def test_an_attribute_of_unknown_kind_never_holds_an_item() -> None:
    """What rheod does not understand is for Tradera to say."""
    odd = AttributeDefinition(id=1, name="Vad", kind=AttributeKind.UNKNOWN, min_values=1)
    assert matched(odd).missing == ()


def test_the_nested_form_of_a_part_wins_over_the_flat_one() -> None:
    """Both name the maker; the leaf takes one."""
    found = matched(
        MAKE, domain="auto_parts", vehicle={"manufacturer": "Saab"}, manufacturer="Volvo", part="no object"
    )
    assert found.terms == ((7, ("Saab",)),)
