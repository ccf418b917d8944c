"""The tables are the only place where a state is decided, and the diagrams of `rheod/README.md` are drawn from them."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from pathlib import Path

import pytest

import rheod
from rheod.domain.errors import Refused
from rheod.domain.lifecycle import (
    LISTING_MOVES,
    LISTING_REFUSALS,
    REFUSALS,
    RHEO_MOVES,
    TRADERA_MOVES,
    Move,
    begun,
    diagrams,
    moved,
    moved_listing,
)
from rheod.domain.model import Item, ItemSpec, Listing, ListingState, RheoStatus

SOURCE = Path(rheod.__file__).parent
STATES = {"rheo_status", "tradera_status", "state"}
ROWS = {"domain/lifecycle.py", "store/items.py"}
"""Where states are decided, and where rows are read into items and listings."""
MARK = "<!-- lifecycles -->\n"

ITEM = Item(id="i", account_id="a", external_id="x", spec=ItemSpec(title="Kopp"))


def setters(source: str) -> list[str]:
    """The calls of a module that give an item or a listing its state: `replace(x, state=...)`, `Item(rheo_status=...)`.

    So does one that spreads a mapping, in a module that knows items or listings.
    """
    nodes = list(ast.walk(ast.parse(source)))
    imported = {name.name for node in nodes if isinstance(node, ast.ImportFrom) for name in node.names}
    states = {*STATES, None} if imported & {"Item", "Listing"} else STATES
    return [
        ast.unparse(node)
        for node in nodes
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).rpartition(".")[2] in {"replace", "Item", "Listing", "__setattr__"}
        and any(
            keyword.arg in states and not ast.unparse(keyword.value).startswith("PictureState.")
            for keyword in node.keywords
        )
    ]


def test_only_the_tables_decide_a_state() -> None:
    """No module replaces the state of an item or a listing by hand, and none writes it by SQL of its own."""
    of_ours = [
        path for path in SOURCE.rglob("*.py") if "sandbox" not in path.parts
    ]  # its ads have states of their own
    for path in of_ours:
        name, text = str(path.relative_to(SOURCE)), path.read_text(encoding="utf-8")
        if name not in ROWS:
            assert setters(text) == [], name
            assert not re.search(r"UPDATE (items|listings) SET[^\"]* (state|\w+_status) =", text), name
    assert setters((SOURCE / "domain/lifecycle.py").read_text(encoding="utf-8")) != []


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("replace(listing, state=ListingState.LIVE)", 1),
        ("dataclasses.replace(item, rheo_status=status)", 1),
        ("replace(listing, **facts)", 1),
        ("Item(id='i', tradera_status=None)", 1),
        ("replace(picture, state=PictureState.READY)", 0),
        ("replace(listing, error=None)", 0),
    ],
)
def test_a_state_set_by_hand_is_seen(source: str, count: int) -> None:
    """What the test above looks for."""
    assert len(setters(f"from rheod.domain.model import Listing\n{source}")) == count


def test_the_diagrams_of_the_readme_are_drawn_from_the_tables() -> None:
    """`python -m rheod.domain.lifecycle` prints what stands between the two marks."""
    readme = (SOURCE / "README.md").read_text(encoding="utf-8")
    assert readme.split(MARK)[1] == diagrams()


def test_the_diagrams_show_every_move() -> None:
    """Each by its name, with its states."""
    arrows = {tuple(line.strip().split(": ")) for line in diagrams().splitlines() if "-->" in line}
    drawn = {(pair, move) for pair, moves in arrows for move in moves.split(", ")}
    tables = (RHEO_MOVES, TRADERA_MOVES, LISTING_MOVES)
    pairs = [(move, *pair) for table in tables for move, row in table.items() for pair in row.items()]
    assert drawn == {
        (f"{before or 'none'} --> {after or 'none'}", move.value) for move, before, after in pairs
    }
    assert {move for move, _, _ in pairs} == set(Move)


@pytest.mark.parametrize(("move", "status"), REFUSALS)
def test_what_an_owner_asks_in_vain_is_refused_with_the_reason(move: Move, status: RheoStatus) -> None:
    """A conflict names the status that forbids the move."""
    with pytest.raises(Refused, match=status.value) as refusal:
        moved(replace(ITEM, rheo_status=status), move)
    assert refusal.value.code == "CONFLICT"


@pytest.mark.parametrize("state", ListingState)
def test_a_listing_takes_the_moves_of_its_row_and_no_other(state: ListingState) -> None:
    """And there is a reason for every state that does not take one."""
    listing = Listing(id="l", item_id="i", account_id="a", generation=1, state=state)
    for move, row in LISTING_MOVES.items():
        after = moved_listing(listing, move)
        assert (after and after.state) == row.get(state)
    assert LISTING_REFUSALS[state]


def test_a_listing_begins_queued_or_as_a_found_ad() -> None:
    """There is no other way to begin one."""
    first = {move: row[None] for move, row in LISTING_MOVES.items() if None in row}
    assert first == {Move.PUBLISH_ORDERED: ListingState.QUEUED, Move.TAKEN_OVER: ListingState.LIVE}
    new = Listing(id="l", item_id="i", account_id="a", generation=1)
    assert begun(new, Move.TAKEN_OVER).state is ListingState.LIVE
