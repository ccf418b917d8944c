"""What was read of Tradera's categories is kept whole, and read back as it was."""

from __future__ import annotations

import sqlite3

from rheod.domain.category_tree import (
    AttributeDefinition,
    AttributeKind,
    Category,
    CategoryTree,
    LeafAttributes,
)
from rheod.store import reference_data

SKICK = AttributeDefinition(
    id=2**40, name="Skick", key="condition", min_values=1, terms=("Gott skick", "Nytt")
)
WIDTH = AttributeDefinition(id=8, name="Bredd", kind=AttributeKind.NUMBER, max_values=None, value_format="cm")


def test_nothing_was_read_at_first(db: sqlite3.Connection) -> None:
    """None is not an empty tree."""
    assert reference_data.category_tree(db) is None
    assert reference_data.tree_read_at(db) is None
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
    assert kept.read_at == reference_data.tree_read_at(db) == 7


def test_definitions_come_back_as_they_were(db: sqlite3.Connection) -> None:
    """Of each leaf its own; a leaf without attributes is known to have none."""
    given = {5: LeafAttributes(5, (SKICK, WIDTH), 7), 6: LeafAttributes(6, (), 8)}
    for each in given.values():
        reference_data.save_definitions(db, each)
    assert reference_data.definitions(db, 5) == given[5]
    assert reference_data.all_definitions(db) == given
