"""Reading many items: pages, counts and figures say the same, none of them reads the whole table; the words of a search."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from rheod.domain.model import Item, ItemSpec, ItemType, ListingState, RheoStatus
from rheod.domain.orders import Order, OrderLine
from rheod.store import items, order_changes, search
from rheod.store.search import START, ItemFilter
from tests.store.making import add_item, add_listing

ACTIVE, SOLD, ARCHIVED = RheoStatus.ACTIVE, RheoStatus.SOLD, RheoStatus.ARCHIVED


def part(db: sqlite3.Connection, name: str, *, parent: str | None = None, **values: Any) -> Item:
    """An item for 100 kr, in a container if told; `codes` are its catalogue codes."""
    codes = values.pop("codes", None)
    spec = ItemSpec(
        title="Dörr",
        price_ore=10_000,
        parent_external_id=parent,
        metadata={"shelf": name},
        attributes=None if codes is None else {"part": {"catalogCodes": codes}},
    )
    return add_item(db, name, spec=spec, **values)


def walked(db: sqlite3.Connection, wanted: ItemFilter, *, limit: int = 2) -> list[str]:
    """The ids of every page, in order."""
    found: list[str] = []
    after = START
    while page := search.inventory_page(db, "a", wanted, limit=limit, after=after):
        found += [line.id for line in page]
        after = page[-1].position
    return found


def test_pages_walk_every_item_once_in_order_of_change(db: sqlite3.Connection) -> None:
    """Items that changed in the same millisecond are told apart by their id."""
    for number in range(7):
        add_item(db, f"i{number}", updated_at=100 + number // 3)
    add_item(db, "other", account_id="b", updated_at=100)
    gone = add_item(db, "gone", updated_at=100)
    items.save(db, gone, gone, removed_at=7)
    assert walked(db, ItemFilter()) == [f"i{number}" for number in range(7)]


FILTERS = {
    "all": (ItemFilter(), ["p1", "p2", "p3", "p4", "p5"]),
    "status": (ItemFilter(status="sold"), ["p2", "p4"]),
    "parent": (ItemFilter(parent_external_id="VIN"), ["p1", "p2", "p5"]),
    "standing": (ItemFilter(parent_external_id="VIN", standing=True), ["p1", "p2"]),
    "since": (ItemFilter(updated_since=30), ["p3", "p4", "p5"]),
    "code": (ItemFilter(code=("Fenix", "7")), ["p2", "p3"]),
    "status and since": (ItemFilter(status="sold", updated_since=21), ["p4"]),
    "parent and status": (ItemFilter(parent_external_id="VIN", status="active"), ["p1"]),
    "parent and since": (ItemFilter(parent_external_id="VIN", updated_since=20), ["p2", "p5"]),
    "all four": (
        ItemFilter(status="sold", parent_external_id="VIN", updated_since=20, code=("Fenix", "7")),
        ["p2"],
    ),
    "code of nothing": (ItemFilter(code=("Fenix", "8")), []),
}


@pytest.mark.parametrize("name", FILTERS)
def test_every_filter_finds_its_items_and_counts_them(db: sqlite3.Connection, name: str) -> None:
    """By pages of two, with the total of all pages."""
    part(db, "p1", parent="VIN", rheo_status=ACTIVE, updated_at=10)
    part(db, "p2", parent="VIN", rheo_status=SOLD, updated_at=20, codes={"Fenix": "7", "Lux": "1"})
    part(db, "p3", rheo_status=ACTIVE, updated_at=30, codes={"Fenix": "7"})
    part(db, "p4", parent="OTHER", rheo_status=SOLD, updated_at=40, codes={"Lux": "7"})
    part(db, "p5", parent="VIN", rheo_status=ARCHIVED, updated_at=50)
    part(db, "theirs", parent="VIN", account_id="b", rheo_status=SOLD, updated_at=60, codes={"Fenix": "7"})
    gone = part(db, "gone", parent="VIN", updated_at=70, codes={"Fenix": "7"})
    items.save(db, gone, gone, removed_at=7)
    wanted, expected = FILTERS[name]
    assert walked(db, wanted) == expected
    assert search.count(db, "a", wanted) == len(expected)


def test_kept_counts_follow_every_change(db: sqlite3.Connection) -> None:
    """Made, changed, changed without a new status, removed, and changed after that."""
    draft = part(db, "p1", rheo_status=RheoStatus.DRAFT)
    part(db, "p2", rheo_status=ACTIVE)
    item = replace(draft, rheo_status=ACTIVE)
    items.save(db, draft, item)
    items.save(db, item, replace(item, version=2))
    assert items.counts(db) == {"active": 2}
    items.save(db, item, item, removed_at=5)
    assert items.counts(db) == {"active": 1}
    items.save(db, item, replace(item, rheo_status=SOLD))
    assert items.counts(db) == {"active": 1}
    assert search.count(db, "a", ItemFilter()) == 1


def test_a_line_shows_the_latest_ad(db: sqlite3.Connection) -> None:
    """Its number as soon as there is one; whether it has been visible is told apart."""
    item = part(db, "p1")
    (line,) = search.inventory_page(db, "a", ItemFilter(), limit=9)
    assert (line.ad, line.was_live, dict(line.metadata)) == (None, False, {"shelf": "p1"})
    old = add_listing(db, item, state=ListingState.ENDED, request_id=1, tradera_item_id=11, commit_sent_at=1)
    items.save_listing(db, replace(old, live_at=2), now=0)
    add_listing(db, item, id="l2", generation=2, state=ListingState.ADDED, request_id=2, tradera_item_id=12)
    (line,) = search.inventory_page(db, "a", ItemFilter(), limit=9)
    assert (line.ad, line.was_live) == (12, False)


def test_codes_follow_the_item(db: sqlite3.Connection) -> None:
    """Another body brings other codes, what is no text is none, and a removed item has none."""
    item = part(db, "p1", codes={"Fenix": "7", "Lux": "1"})
    changed = replace(
        item, spec=replace(item.spec, attributes={"part": {"catalogCodes": {"Lux": "2", "X": 3}}})
    )
    items.save(db, item, changed)
    assert [tuple(row) for row in db.execute("SELECT system, code FROM item_codes")] == [("Lux", "2")]
    items.save(db, changed, changed, removed_at=5)
    items.save(db, changed, item)
    assert db.execute("SELECT count(*) FROM item_codes").fetchone()[0] == 0


def test_the_figures_of_a_container_are_its_items(db: sqlite3.Connection) -> None:
    """By status, with what was paid for the sold ones; containers within and archived items do not count."""
    for number, status in enumerate((ACTIVE, ACTIVE, SOLD, SOLD, RheoStatus.DRAFT, ARCHIVED)):
        part(db, f"p{number}", parent="VIN", rheo_status=status)
    inner = ItemSpec(type=ItemType.CONTAINER, title="Motor", parent_external_id="VIN")
    add_item(db, "inner", spec=inner, rheo_status=ACTIVE)
    line = OrderLine(tradera_item_id=5, quantity=1, unit_price_ore=12_500, title="Dörr")
    order_changes.save(db, "a", Order(order_id=1, created_at=1, updated_at=1, lines=(line,)), now=1)
    order_changes.match(db, 1, 5, items.by_id(db, "p2"))
    found = search.figures(db, "a", "VIN")
    assert found.counts == {"active": 2, "sold": 2, "draft": 1}
    assert (found.listed_ore, found.sold_ore) == (20_000, 22_500)
    assert search.figures(db, "a", "NONE").counts == {}


def page_of(wanted: ItemFilter) -> Callable[[sqlite3.Connection], object]:
    return lambda db: search.inventory_page(db, "a", wanted, limit=9)


def count_of(wanted: ItemFilter) -> Callable[[sqlite3.Connection], object]:
    return lambda db: search.count(db, "a", wanted)


READS: dict[str, Callable[[sqlite3.Connection], object]] = {
    **{f"page by {name}": page_of(wanted) for name, (wanted, _) in FILTERS.items()},
    **{f"count by {name}": count_of(wanted) for name, (wanted, _) in FILTERS.items()},
    "figures": lambda db: search.figures(db, "a", "VIN"),
}


@pytest.mark.parametrize("name", READS)
def test_no_read_goes_through_the_whole_table(db: sqlite3.Connection, name: str) -> None:
    """Every plan searches an index; a count never touches the rows, and only a code's few items are sorted."""
    seen: list[str] = []
    db.set_trace_callback(seen.append)
    READS[name](db)
    db.set_trace_callback(None)
    plans = [row["detail"] for query in seen for row in db.execute(f"EXPLAIN QUERY PLAN {query}").fetchall()]
    assert [plan for plan in plans if plan.startswith("SCAN") and plan != "SCAN wanted"] == []
    by_code = "code" in name or "four" in name
    if not by_code:
        of_items = [plan for plan in plans if plan.startswith("SEARCH items ")]
        assert all("COVERING INDEX" in plan or "rowid=?" in plan for plan in of_items)
        first_step = plans[: plans.index("SCAN wanted")] if "SCAN wanted" in plans else []
        assert not any("TEMP B-TREE" in plan for plan in first_step)


def test_a_question_is_made_of_the_words_alone() -> None:
    """Nothing of the search's own language gets through."""
    assert search.asked('a "b OR c* ') == '"a" AND "b" AND "OR"* AND "c*"*'
    assert search.asked(" -- ") is None
