"""Tradera's categories: which are leaves, what stands above them, and how they are found by words."""

from __future__ import annotations

import pytest

from rheod.domain.category_tree import AttributeDefinition, Category, CategoryTree, plain

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
