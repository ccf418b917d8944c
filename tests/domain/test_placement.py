"""Which leaf an item goes into: its own, a rule's, a default's, a guess, or none; and what is wrong with a choice."""

from __future__ import annotations

from typing import Any

import pytest

from rheod.domain.categories import Category, CategoryTree
from rheod.domain.model import ItemSpec, TraderaWish
from rheod.domain.placement import CategoryRule, LeafChoice, LeafChooser, LeafRules, LeafSource

TREE = CategoryTree(
    [
        Category(25, "Fordon, Båtar & Delar"),
        Category(2501, "Bildelar & Biltillbehör", 25),
        Category(250101, "Bromsar", 2501),
        Category(250102, "Övriga bildelar", 2501),
        Category(250103, "Strålkastare & belysning", 2501),
        Category(250104, "Motor & motordelar", 2501),
        Category(2502, "Bilar", 25),
        Category(11, "Böcker & Tidningar"),
        Category(1101, "Skönlitteratur", 11),
        Category(31, "Klockor"),
        Category(26, "Övrigt"),
        Category(525, "Frimärken"),
    ]
)


def spec(
    title: str = "A thing", domain: str | None = None, category: int | None = None, **more: Any
) -> ItemSpec:
    wish = None if category is None else TraderaWish(category_id=category)
    return ItemSpec(title=title, domain=domain, tradera=wish, **more)


def choose(item: ItemSpec, tree: CategoryTree | None = TREE, account: str = "", **rules: Any) -> LeafChoice:
    return LeafChooser(LeafRules(**rules), tree).choose(item, account)


@pytest.mark.parametrize(
    ("title", "attributes", "leaf"),
    [
        ("Volvo XC90 fram", {"part": {"name": "Bromsok"}}, 250101),
        ("Volvo XC90 fram", {"partName": "Bromsskiva"}, 250101),
        ("Bromsok fram", {}, 250101),
        ("Vänster strålkastare", {}, 250103),
        ("Bakljus, strålkastare", {"partName": 7}, 250103),
        ("Brake caliper, front left", {"part": "no object"}, 250102),
        ("Torkararm", {}, 250102),
    ],
)
def test_a_guess_shares_a_stem_with_the_name_else_it_is_the_leaf_for_all_else(
    title: str, attributes: dict[str, Any], leaf: int
) -> None:
    """The branch is found by its words; the part's own name goes before the title."""
    found = choose(spec(title, "auto_parts", attributes=attributes))
    assert (found.category_id, found.source, found.fault) == (leaf, LeafSource.GUESS, None)
    assert found.warning is not None
    assert TREE.path_text(leaf) in found.warning


@pytest.mark.parametrize(
    ("domain", "leaf"),
    [("watches", 31), (None, 26), ("books", 1101), ("vehicles", 2502)],
)
def test_a_branch_that_is_or_has_one_leaf_alone_is_it(domain: str | None, leaf: int) -> None:
    """Without a domain it is `other`, which has a branch too."""
    assert choose(spec(domain=domain)).category_id == leaf


def test_a_number_of_the_shipped_map_is_used_only_where_it_is_a_leaf() -> None:
    """Electronics has no branch here, and computers no number either."""
    assert choose(spec(domain="electronics")).category_id == 525
    assert choose(spec(domain="computers")).fault is not None


@pytest.mark.parametrize(
    ("item", "source", "leaf"),
    [
        (spec("Bromsok", "auto_parts", 1101), LeafSource.ITEM, 1101),
        (spec("Bromsok bak", "auto_parts"), LeafSource.RULE, 250102),
        (spec("bak bromsok", "books"), LeafSource.DEFAULT, 1101),
        (spec("Bromsok fram", "auto_parts"), LeafSource.GUESS, 250101),
    ],
)
def test_the_items_own_word_goes_first_then_rules_then_defaults_then_the_guess(
    item: ItemSpec, source: LeafSource, leaf: int
) -> None:
    """Each in turn."""
    rule = CategoryRule(id=1, domain="auto_parts", words="broms bak", category_id=250102)
    found = choose(item, rules=(rule,), defaults={"books": 1101})
    assert (found.source, found.category_id) == (source, leaf)


def test_the_first_rule_that_takes_an_item_wins() -> None:
    """Order is the owner's."""
    first, second = CategoryRule(id=1, category_id=11), CategoryRule(id=2, category_id=31)
    assert choose(spec(), rules=(second, first)).category_id == 31


@pytest.mark.parametrize(
    ("rule", "takes"),
    [
        ({}, True),
        ({"account": ""}, True),
        ({"account": "member-1"}, False),
        ({"domain": "auto_parts"}, True),
        ({"domain": "books"}, False),
        ({"words": "BROMS volvo"}, True),
        ({"words": "broms saab"}, False),
        ({"words": "ok"}, False),
        ({"metadata": ("shelf", "a 7")}, True),
        ({"metadata": ("shelf", "B7")}, False),
        ({"metadata": ("count", "3")}, True),
        ({"metadata": ("none", "3")}, False),
        ({"domain": "auto_parts", "words": "broms", "metadata": ("shelf", "B7")}, False),
    ],
)
def test_a_rule_takes_what_is_all_that_it_says(rule: dict[str, Any], takes: bool) -> None:  # noqa: FBT001
    """Its parts are joined by and."""
    item = spec("Bromsok Volvo", "auto_parts", metadata={"shelf": "A 7", "count": 3})
    assert CategoryRule(id=1, category_id=1, **rule).takes(item, "") is takes


@pytest.mark.parametrize(("category", "said"), [(8290, "does not have"), (2501, "below it")])
@pytest.mark.parametrize("by", ["item", "rule", "default"])
def test_a_dead_category_and_one_that_is_no_leaf_are_faults_that_name_who_chose(
    category: int, said: str, by: str
) -> None:
    """They are never replaced by a guess."""
    item = spec(domain="auto_parts", category=category if by == "item" else None)
    rules = (CategoryRule(id=4, category_id=category),) if by == "rule" else ()
    found = choose(item, rules=rules, defaults={"auto_parts": category})
    assert found.fault is not None
    assert said in found.fault
    assert {"item": "The item", "rule": "Rule 4", "default": "auto_parts"}[by] in found.fault


def test_without_a_tree_a_choice_goes_out_as_it_stands_and_nothing_is_guessed() -> None:
    """Holding needs certainty."""
    assert choose(spec(category=8290), None) == LeafChoice(category_id=8290, source=LeafSource.ITEM)
    assert choose(spec(domain="auto_parts"), None) == LeafChoice()


def test_without_a_guess_the_item_is_held() -> None:
    """The owner has switched it off, or there is nothing to guess from."""
    assert choose(spec(domain="auto_parts"), guess=False).fault is not None
    assert choose(spec(domain="toys")).fault is not None
