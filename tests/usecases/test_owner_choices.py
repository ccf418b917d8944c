"""The owner's rules and defaults: kept in order, checked against the tree, beaten by the settings file, and at once in force."""

from __future__ import annotations

import pytest

from rheod.domain.attribute_match import CONDITION_WORDS
from rheod.domain.categories import AttributeDefinition, Category, CategoryTree, LeafAttributes
from rheod.domain.errors import Refused
from rheod.domain.placement import CategoryRule
from rheod.store import reference_data
from rheod.usecases.owner_choices import CategoryChoices, ChosenCondition
from rheod.usecases.placer import FixedChoices, Placer
from rheod.usecases.transaction import Transaction
from tests.usecases.selling import Shop

TREE = (Category(1, "Hem"), Category(10, "Koppar", 1), Category(11, "Fat", 1), Category(2, "Möbler"))


@pytest.fixture
async def choices(shop: Shop) -> CategoryChoices:
    """With a tree; cups must say their condition."""
    skick = AttributeDefinition(id=5, name="Skick", min_values=1, terms=("Oanvänt", "Gott skick"))

    def write(tx: Transaction) -> None:
        reference_data.save_tree(tx.db, CategoryTree(TREE, read_at=tx.now))
        reference_data.save_definitions(tx.db, LeafAttributes(10, (skick,), tx.now))
        reference_data.save_definitions(tx.db, LeafAttributes(11, (), tx.now))

    await shop.store.write(write)
    return CategoryChoices(store=shop.store)


def rule(category_id: int, **parts: object) -> CategoryRule:
    return CategoryRule(id=0, category_id=category_id, **parts)  # type: ignore[arg-type]


async def order(choices: CategoryChoices) -> list[tuple[int, int]]:
    return [(each.rule.id, each.rule.category_id) for each in (await choices.shown()).rules]


async def test_rules_keep_the_owners_order(choices: CategoryChoices) -> None:
    """Numbers name them for good; places are from 1, and beyond the end is the end."""
    await choices.add_rule(rule(10, words="kopp"))
    await choices.add_rule(rule(11, domain="home_garden", account="", metadata=("shelf", "A 1")))
    assert (await choices.add_rule(rule(2), place=1)).id == 3
    assert await order(choices) == [(3, 2), (1, 10), (2, 11)]
    await choices.move_rule(3, 99)
    await choices.remove_rule(1)
    assert await order(choices) == [(2, 11), (3, 2)]
    (kept, _) = (await choices.shown()).rules
    assert kept.rule == CategoryRule(
        id=2, category_id=11, domain="home_garden", account="", metadata=("shelf", "A 1")
    )
    assert kept.path.endswith("Fat")
    with pytest.raises(Refused, match="no rule 1"):
        await choices.remove_rule(1)


async def test_a_rule_lets_go_what_it_settles_at_once(shop: Shop, choices: CategoryChoices) -> None:
    """So does a default, and the word that rheod may guess; another rule does not."""
    await choices.set_guess(False)
    for external_id, domain in (("x", "toys"), ("y", "art"), ("z", "home_garden")):
        await shop.put(external_id, title="Fat", domain=domain, auto_publish=True)
        assert (await shop.listing(external_id)).is_held
    await choices.add_rule(rule(11, domain="books"))
    assert (await shop.listing("x")).is_held
    await choices.add_rule(rule(11, domain="toys", words="fat"))
    assert not (await shop.listing("x")).is_held
    assert await shop.jobs() == [("publish", (await shop.listing("x")).id)]
    assert await choices.set_default("konst", 11) == "art"
    assert not (await shop.listing("y")).is_held
    await choices.set_guess(True)
    assert not (await shop.listing("z")).is_held


async def test_a_grade_becomes_what_the_owner_says(shop: Shop, choices: CategoryChoices) -> None:
    """The first term that the leaf knows; what it settles is let go, and what was taken back is rheod's again."""
    await choices.set_default("auto_parts", 10)
    await shop.put("a", domain="auto_parts", attributes={"conditionGrade": "Klass 1"}, auto_publish=True)
    assert (await shop.listing("a")).is_held
    stands = await choices.set_condition("KLASS  1", ["Utmärkt", "Oanvänt"])
    assert stands == ChosenCondition("klass 1", ("Utmärkt", "Oanvänt"), own=True)
    assert not (await shop.listing("a")).is_held
    assert await choices.set_condition("klass 1", []) is None
    shipped = ChosenCondition("b", CONDITION_WORDS["b"], own=False)
    assert await choices.set_condition("B", ["Okej skick"]) == ChosenCondition("b", ("Okej skick",), own=True)
    assert await choices.set_condition("B", []) == shipped
    assert shipped in (await choices.shown()).conditions
    with pytest.raises(Refused):
        await choices.set_condition("-", ["Nytt"])
    shop.store.placer = Placer(FixedChoices(words={"b": ("Defekt",)}))
    assert (await choices.shown()).conditions_locked
    with pytest.raises(Refused, match="The settings file has"):
        await choices.set_condition("b", ["Nytt"])


@pytest.mark.parametrize(("category_id", "said"), [(99, "does not have"), (1, "below it")])
async def test_what_is_no_leaf_is_refused(choices: CategoryChoices, category_id: int, said: str) -> None:
    """A rule that would hold everything is not taken."""
    for refused in (choices.add_rule(rule(category_id)), choices.set_default("art", category_id)):
        with pytest.raises(Refused) as told:
            await refused
        assert said in told.value.details[0].message
    assert (await choices.shown()).rules == ()


async def test_the_settings_file_wins_and_locks(shop: Shop, choices: CategoryChoices) -> None:
    """What was decided by command stays stored, and waits until the line is gone."""
    await choices.add_rule(rule(10, words="kopp"))
    await choices.set_default("art", 10)
    fixed = FixedChoices(rules=(CategoryRule(id=1, category_id=2),), defaults={"art": 11}, guess=False)
    shop.store.placer = Placer(fixed)
    shown = await choices.shown()
    assert ([each.rule.category_id for each in shown.rules], shown.rules_locked) == ([2], True)
    assert [(each.domain, each.category_id, each.locked) for each in shown.defaults] == [("art", 11, True)]
    assert (shown.guess, shown.guess_locked) == (False, True)
    for refused in (choices.add_rule(rule(10)), choices.set_default("art", None), choices.set_guess(True)):
        with pytest.raises(Refused, match="The settings file has"):
            await refused
    await choices.set_default("toys", 11)  # another domain is free
    shop.store.placer = Placer()
    assert await order(choices) == [(1, 10)]


async def test_the_whole_stock_is_checked_with_what_each_lacks(shop: Shop, choices: CategoryChoices) -> None:
    """Items not published yet too; containers and what is sold are not asked about."""
    await choices.set_default("home_garden", 10)
    await choices.set_default("art", 11)
    await shop.put("held", domain="home_garden")
    await shop.put("fine", domain="art", auto_publish=True)
    await shop.put("guessed", domain="toys", title="Fat")
    await shop.put("sold", domain="home_garden")
    await shop.mark_sold("sold")
    found = await choices.check_stock()
    assert (found.checked, found.held, found.guessed, found.unknown) == (3, 2, 0, 0)
    assert {each.external_id: each.missing for each in found.told} == {"held": ("Skick",), "guessed": ()}
