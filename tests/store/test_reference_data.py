"""What was read of Tradera's categories is kept whole, and read back as it was."""

from __future__ import annotations

import sqlite3

from rheod.domain.categories import (
    AttributeDefinition,
    AttributeKind,
    Category,
    CategoryTree,
    LeafAttributes,
)
from rheod.domain.errors import Text
from rheod.domain.freight import ShippingProduct, ShippingTable
from rheod.store import reference_data
from rheod.store.reference_data import Subject

SKICK = AttributeDefinition(
    id=2**40, name="Skick", key="condition", min_values=1, terms=("Gott skick", "Nytt")
)
WIDTH = AttributeDefinition(id=8, name="Bredd", kind=AttributeKind.NUMBER, max_values=None, value_format="cm")


def test_nothing_was_read_at_first(db: sqlite3.Connection) -> None:
    """None is not an empty tree."""
    assert reference_data.category_tree(db) is None
    assert reference_data.shipping_table(db) is None
    assert reference_data.kept(db, Subject.CATEGORIES).read_at is None
    assert reference_data.definitions(db, 5) is None
    assert reference_data.all_definitions(db) == {}


def test_a_tree_comes_back_as_it_was(db: sqlite3.Connection) -> None:
    """The newer takes the place of the older."""
    reference_data.save_tree(db, CategoryTree([Category(1, "Gammal")], read_at=3))
    tree = CategoryTree([Category(1, "Böcker"), Category(2, "Övrigt", 1)], read_at=7)
    reference_data.save_tree(db, tree)
    kept = reference_data.category_tree(db)
    assert kept is not None
    assert list(kept) == list(tree)
    assert kept.read_at == reference_data.kept(db, Subject.CATEGORIES).read_at == 7
    assert reference_data.count_categories(db) == 2


def test_definitions_come_back_as_they_were(db: sqlite3.Connection) -> None:
    """Of each leaf its own; a leaf without attributes is known to have none."""
    given = {5: LeafAttributes(5, (SKICK, WIDTH), 7), 6: LeafAttributes(6, (), 8)}
    for each in given.values():
        reference_data.save_definitions(db, each)
    assert reference_data.definitions(db, 5) == given[5]
    assert reference_data.all_definitions(db) == given


def test_a_table_of_freight_comes_back_as_it_was(db: sqlite3.Connection) -> None:
    """With its products in order."""
    product = ShippingProduct(
        provider_id=1, product_id=12, provider="PostNord", name="a", up_to_kg=2.0, price_kr=69, traceable=True
    )
    table = ShippingTable((product,), 9)
    reference_data.save_shipping(db, table)
    assert reference_data.shipping_table(db) == table


def test_a_fault_stands_beside_what_was_believed_until_the_next_good_one(db: sqlite3.Connection) -> None:
    """Since the first of several in a row, with the last one's words."""
    reference_data.save_tree(db, CategoryTree([Category(1, "a")], read_at=3))
    for at in (5, 6):
        reference_data.save_fault(db, Subject.CATEGORIES, 0, Text("at {at}", at=at), now=at)
    reference_data.save_fault(db, Subject.DEFINITIONS, 44, Text("odd"), now=7)
    tree, leaf = reference_data.faults(db)
    assert (tree.subject, tree.read_at, tree.fault, tree.fault_since) == (Subject.CATEGORIES, 3, "at 6", 5)
    assert (leaf.subject, leaf.leaf, leaf.read_at, leaf.fault) == (Subject.DEFINITIONS, 44, None, "odd")
    assert reference_data.category_tree(db) is not None
    assert reference_data.definitions(db, 44) is None
    reference_data.save_tree(db, CategoryTree([Category(1, "a")], read_at=8))
    assert [each.subject for each in reference_data.faults(db)] == [Subject.DEFINITIONS]


def test_a_refused_product_is_remembered_for_its_time(db: sqlite3.Connection) -> None:
    """By provider and product; older refusals are forgotten."""
    reference_data.refuse_product(db, (1, 12), now=10, since=0)
    reference_data.refuse_product(db, (2, 12), now=20, since=0)
    assert reference_data.refused_products(db, since=0) == {(1, 12), (2, 12)}
    assert reference_data.refused_products(db, since=10) == {(2, 12)}
    reference_data.refuse_product(db, (3, 1), now=30, since=15)
    assert reference_data.refused_products(db, since=0) == {(2, 12), (3, 1)}
