"""The kinds of goods: the domains of the Rheo API, and Tradera's categories and leaves."""

from __future__ import annotations

import pytest

from rheod.domain.categories import (
    DOMAINS,
    TRADERA_CATEGORIES,
    AttributeDefinition,
    Category,
    CategoryTree,
    canonical,
    plain,
    tradera_category,
)

LABELS = """Bildelar, Fordon, Elektronik, Datorer, Mode, Böcker & Media, Klockor, Hem & Trädgård,
Konst & Antikviteter, Sport & Fritid, Leksaker & Spel, Verktyg & Maskiner, Smycken, Musikinstrument, Samlarföremål,
Skönhet & Hälsa, Industri & Kommersiellt, Övrigt""".replace("\n", " ").split(", ")


def test_there_are_eighteen_domains_with_the_labels_of_the_contract() -> None:
    """The Swedish labels are those of the API, one each."""
    assert len(DOMAINS) == 18
    assert [domain.label_sv for domain in DOMAINS.values()] == LABELS
    assert all(slug == domain.slug and domain.label_en for slug, domain in DOMAINS.items())


def test_figures_have_their_own_names_for_three_domains() -> None:
    """Analytics says Reservdel, Elektronik and Kläder, and the Swedish label for the others."""
    assert DOMAINS["auto_parts"].analytics_label == "Reservdel"
    assert DOMAINS["electronics"].analytics_label == "Elektronik"
    assert DOMAINS["fashion"].analytics_label == "Kläder"
    assert DOMAINS["home_garden"].analytics_label == "Hem & Trädgård"


@pytest.mark.parametrize(
    ("tag", "slug"),
    [
        ("auto_parts", "auto_parts"),
        ("Auto-Parts", "auto_parts"),
        ("AUTO PARTS", "auto_parts"),
        ("car-parts", "auto_parts"),
        ("Reservdel", "auto_parts"),
        ("hem-tradgard", "home_garden"),
        ("home", "home_garden"),
        ("clothing", "fashion"),
        ("media", "books"),
        ("", "other"),
        ("generic", "other"),
        (" Electronics ", "electronics"),
    ],
)
def test_a_tag_is_read_forgivingly(tag: str, slug: str) -> None:
    """Case, dashes, spaces and aliases all lead to the slug."""
    assert canonical(tag) == slug


@pytest.mark.parametrize("tag", ["spaceships", "auto__parts", "böcker", "auto.parts"])
def test_an_unknown_tag_has_no_slug(tag: str) -> None:
    """What the contract does not list is left to the caller to refuse."""
    assert canonical(tag) is None


@pytest.mark.parametrize(
    ("category", "slug"),
    [
        (525, "electronics"),
        (534, "electronics"),
        (533, "toys"),
        (8174, "jewelry"),
        (8178, "jewelry"),
        (8290, "auto_parts"),
        (8300, "auto_parts"),
    ],
)
def test_a_category_of_tradera_has_its_slug(category: int, slug: str) -> None:
    """Single numbers and both ends of the ranges are in the map."""
    assert TRADERA_CATEGORIES[category] == slug


def test_numbers_beside_the_ranges_are_not_in_the_map() -> None:
    """The ranges end where the contract says."""
    assert not {8173, 8179, 8289, 8301, 0} & TRADERA_CATEGORIES.keys()


def test_every_slug_but_other_leads_to_a_category_and_back() -> None:
    """The way to Tradera and the way back agree; `other` has no category."""
    assert tradera_category("other") is None
    for slug in DOMAINS.keys() - {"other"}:
        category = tradera_category(slug)
        assert category is not None
        assert TRADERA_CATEGORIES[category] == slug
    assert tradera_category("toys") == 517


TREE = CategoryTree(
    [
        Category(10, "Fordon, båtar & delar"),
        Category(11, "Bildelar", 10),
        Category(12, "Bromsar", 11),
        Category(13, "Övriga bildelar", 11),
        Category(14, "Båtdelar", 10),
        Category(20, "Böcker & tidningar"),
    ]
)


def test_only_what_has_nothing_below_it_is_a_leaf() -> None:
    """An ad goes nowhere else, and never into a number that is gone."""
    assert [each for each in (10, 11, 12, 13, 14, 20, 99) if TREE.is_leaf(each)] == [12, 13, 14, 20]
    assert 99 not in TREE
    assert TREE.get(99) is None


def test_the_leaves_below_a_branch_come_in_traderas_order() -> None:
    """Of a leaf itself, of everything, and none of a number that is gone."""
    assert [each.id for each in TREE.leaves(10)] == [12, 13, 14]
    assert [each.id for each in TREE.leaves(12)] == [12]
    assert [each.id for each in TREE.leaves()] == [12, 13, 14, 20]
    assert list(TREE.leaves(99)) == []


def test_a_path_leads_from_the_top() -> None:
    """As people read it."""
    assert TREE.path_text(12) == "Fordon, båtar & delar > Bildelar > Bromsar"
    assert TREE.path_text(99) == ""


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("broms", [12]),
        ("BILDELAR", [13, 11]),
        ("bildelar övriga", [13]),
        ("batdelar", [14]),
        ("fordon broms", [12]),
        ("roms", []),
        ("  &  ", []),
        ("", []),
    ],
)
def test_words_find_leaves_first(words: str, found: list[int]) -> None:
    """Beginnings of words, without regard to case and accents; one word must be in the category's own name."""
    assert [each.id for each in TREE.search(words)] == found


def test_a_search_stays_below_a_branch_and_ends_at_its_limit() -> None:
    """`below` is a category's number."""
    assert [each.id for each in TREE.search("övriga", below=14)] == []
    assert [each.id for each in TREE.search("b", limit=2)] == [20, 14]


def test_a_doubled_number_and_a_lost_parent_make_no_circle() -> None:
    """The first of two stands, and what has no parent before it is at the top."""
    tree = CategoryTree([Category(1, "a"), Category(2, "b", 1), Category(1, "c", 2), Category(3, "d", 9)])
    assert [(each.id, each.name, each.parent_id) for each in tree] == [
        (1, "a", None),
        (2, "b", 1),
        (3, "d", None),
    ]
    assert [each.id for each in tree.path(2)] == [1, 2]


def test_names_are_compared_without_case_accents_and_signs() -> None:
    """As people write them."""
    assert plain("  Kök & Bad: Övrigt/Tillbehör ") == "kok bad ovrigt tillbehor"


def test_an_attribute_is_required_from_one_value_on() -> None:
    """Tradera says so by the least number of values."""
    assert AttributeDefinition(id=1, name="Skick", min_values=1).required
    assert not AttributeDefinition(id=1, name="Skick").required
