"""The owner's list of items, and the sums of the figures, read from counts and indexes alone, whatever there is."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rheod.domain.model import (
    Item,
    ItemSpec,
    ItemType,
    ListingState,
    Picture,
    PictureState,
    RheoStatus,
    TraderaStatus,
)
from rheod.domain.orders import Order, OrderLine
from rheod.store import items, order_changes, orders, stock
from rheod.store.stock import Group, Month, StockQuery
from tests.store.making import add_item, add_listing
from tests.stores import opened

ACTIVE, SOLD = RheoStatus.ACTIVE, RheoStatus.SOLD
STOCK: dict[str, tuple[str, str, RheoStatus, TraderaStatus | None, int]] = {
    "d1": ("AB-1", "Dörr vänster Volvo", RheoStatus.DRAFT, None, 100),
    "d2": ("AB-2", "Dörr höger Saab", ACTIVE, TraderaStatus.ACTIVE, 500),
    "d3": ("C/3", "dorrhandtag VOLVO", ACTIVE, TraderaStatus.PENDING_SYNC, 300),
    "k1": ("AB-10", "Kopp", SOLD, TraderaStatus.SOLD, 200),
    "k2": ("K-2", 'Kopp "blå" AB-1', ACTIVE, TraderaStatus.ACTIVE, 500),
    "f1": ("F-1", "Fat", ACTIVE, TraderaStatus.SYNC_ERROR, 50),
    "u1": ("U-1", "Uggla", ACTIVE, TraderaStatus.ENDED, 60),
    "x1": ("X-1", "Xylofon", ACTIVE, TraderaStatus.SYNC_ERROR, 70),
    "h1": ("H-1", "Hatt", ACTIVE, TraderaStatus.PENDING_SYNC, 80),
    "t1": ("T-1", "Tavla", RheoStatus.NOT_LISTED, TraderaStatus.ENDED, 90),
}
NEWEST = ["c1", "t1", "h1", "x1", "u1", "f1", "k2", "k1", "d3", "d2", "d1"]


def filled(db: sqlite3.Connection) -> None:
    """One of each group and a few more; one of another account, one that is gone."""
    made: dict[str, Item] = {}
    for name, (external_id, title, status, tradera, kr) in STOCK.items():
        spec = ItemSpec(title=title, price_ore=kr * 100)
        if name == "d1":
            part = {"oemNumber": "31297-8", "catalogCodes": {"Fenix": "7-11"}}
            spec = replace(spec, metadata={"shelf": "Hylla Ö4", "yard": 7}, attributes={"part": part})
        made[name] = add_item(
            db, name, external_id=external_id, spec=spec, rheo_status=status, tradera_status=tradera
        )
    add_item(
        db, "c1", external_id="VIN", spec=ItemSpec(title="Bil", type=ItemType.CONTAINER), rheo_status=ACTIVE
    )
    add_item(db, "other", account_id="b", external_id="AB-1", spec=ItemSpec(title="Dörr"))
    gone = add_item(db, "gone", external_id="AB-3", spec=ItemSpec(title="Dörr"))
    items.save(db, gone, gone, removed_at=5)
    live = {"state": ListingState.LIVE, "commit_sent_at": 1}
    for item_id, columns in (
        ("d2", {**live, "ends_at": 900, "tradera_item_id": 77, "request_id": 1}),
        ("k2", {**live, "ends_at": 800, "tradera_item_id": 78, "request_id": 2}),
        ("x1", {**live, "state": ListingState.COMMITTING, "error": "no answer", "request_id": 3}),
        ("h1", {"held": "choose a category"}),
    ):
        add_listing(db, made[item_id], **columns)


def shown(db: sqlite3.Connection, sought: StockQuery, *, limit: int = 3) -> list[str]:
    """The ids of every page, in order."""
    found: list[str] = []
    while True:
        page = stock.page(db, "a", sought, limit=limit, start=len(found))
        assert len(page.rows) <= limit
        if not page.rows or page.start < len(found):
            assert page.counts[sought.group] == len(found)
            return found
        found += [row.id for row in page.rows]


FOUND = {
    "all, the newest first": (StockQuery(), NEWEST),
    "live": (StockQuery(group=Group.LIVE), ["k2", "d2"]),
    "waits": (StockQuery(group=Group.WAITS), ["d3"]),
    "failed": (StockQuery(group=Group.FAILED), ["f1"]),
    "in doubt": (StockQuery(group=Group.DOUBT), ["x1"]),
    "held": (StockQuery(group=Group.HELD), ["h1"]),
    "unsold": (StockQuery(group=Group.UNSOLD), ["u1"]),
    "sold": (StockQuery(group=Group.SOLD), ["k1"]),
    "not out": (StockQuery(group=Group.UNLISTED), ["t1", "d1"]),
    "what ends first": (
        StockQuery(order=stock.Order.ENDS),
        ["k2", "d2", *(each for each in NEWEST if each not in {"k2", "d2"})],
    ),
    "what costs most": (StockQuery(order=stock.Order.PRICE, text="AB"), ["k2", "d2", "k1", "d1"]),
    "beginning of an id and a word": (StockQuery(text="AB-1"), ["k2", "k1", "d1"]),
    "an id in small letters": (StockQuery(text="ab-10"), ["k1"]),
    "whole id with a slash": (StockQuery(text="C/3"), ["d3"]),
    "words without their dots": (StockQuery(text="dorr"), ["d3", "d2", "d1"]),
    "beginnings of words": (StockQuery(text="vol DÖ"), ["d3", "d1"]),
    "words and a group": (StockQuery(text="volvo", group=Group.UNLISTED), ["d1"]),
    "a shelf": (StockQuery(text="o4"), ["d1"]),
    "a word and a shelf": (StockQuery(text="volvo o4"), ["d1"]),
    "a number of the metadata": (StockQuery(text="7"), ["d1"]),
    "part number": (StockQuery(text="31297-8"), ["d1"]),
    "catalogue number": (StockQuery(text="7-11"), ["d1"]),
    "ad": (StockQuery(text="77"), ["d2"]),
    "order": (StockQuery(text="#9001"), ["k1"]),
    "quotes and signs": (StockQuery(text='"bl* (kopp) - NOT'), []),
    "a quoted word": (StockQuery(text='"blå"'), ["k2"]),
    "no word at all": (StockQuery(text="*-("), []),
}


def sold(db: sqlite3.Connection) -> None:
    """The cup is in an order."""
    db.execute(
        "INSERT INTO orders (order_id, account_id, month, subtotal_ore, buyer, received_at, created_at, updated_at)"
        " VALUES (9001, 'a', '2026-01', 1, '{}', 5, 5, 5)"
    )
    db.execute(
        "INSERT INTO order_lines (order_id, tradera_item_id, item_id, account_id, month, quantity, unit_price_ore, title)"
        " VALUES (9001, 1, 'k1', 'a', '2026-01', 2, 300, 't')"
    )


@pytest.mark.parametrize("name", FOUND)
def test_every_search_finds_its_items(db: sqlite3.Connection, name: str) -> None:
    """By pages, and counts as many as it shows."""
    filled(db)
    sold(db)
    sought, expected = FOUND[name]
    assert shown(db, sought) == expected


def test_each_item_stands_in_one_group(db: sqlite3.Connection) -> None:
    """The groups add up to all but the containers."""
    filled(db)
    counts = stock.page(db, "a", StockQuery(), limit=1).counts
    assert counts[Group.ALL] == len(NEWEST)
    assert sum(counts.values()) - counts[Group.ALL] == len(NEWEST) - 1
    assert stock.page(db, "nobody", StockQuery(), limit=1).counts[Group.ALL] == 0


@pytest.mark.parametrize("name", FOUND)
def test_no_search_reads_the_whole_table(db: sqlite3.Connection, name: str) -> None:
    """Rows are read by their number; what is walked is an index that has all that is asked."""
    filled(db)
    seen: list[str] = []
    db.set_trace_callback(seen.append)
    stock.page(db, "a", FOUND[name][0], limit=9)
    db.set_trace_callback(None)
    plans = [
        row["detail"]
        for query in seen
        if query.startswith("SELECT") and "item_words_config" not in query  # FTS5 reads its own settings once
        for row in db.execute(f"EXPLAIN QUERY PLAN {query}").fetchall()
    ]
    tables = (
        "SCAN items",
        "SCAN listings",
        "SCAN orders",
        "SCAN order_lines",
        "SCAN pictures",
        "SCAN relists",
    )
    assert not [plan for plan in plans if plan.startswith(tables)], plans
    assert [plan for plan in plans if "COVERING INDEX items_listed (account_id=?" in plan]


def test_beyond_the_end_is_the_last_page(db: sqlite3.Connection) -> None:
    """Where items have gone since, or somebody made the number up."""
    filled(db)
    page = stock.page(db, "a", StockQuery(), limit=3, start=10_000)
    assert (page.start, [row.id for row in page.rows]) == (9, ["d2", "d1"])


def test_words_follow_the_item(db: sqlite3.Connection) -> None:
    """Another title or shelf brings other words; what is archived stays to be found, what is removed does not."""
    cup = add_item(db, "i", spec=ItemSpec(title="Kopp", metadata={"shelf": "B12"}))
    assert shown(db, StockQuery(text="B12")) == ["i"]
    item = replace(cup, spec=replace(cup.spec, metadata={"shelf": "C4"}))
    items.save(db, cup, item)
    assert shown(db, StockQuery(text="B12")) == []
    items.save(db, item, replace(item, rheo_status=RheoStatus.ARCHIVED))
    assert shown(db, StockQuery(text="kopp c4")) == ["i"]
    items.save(db, item, item, removed_at=3)
    assert db.execute("SELECT count(*) FROM item_words").fetchone()[0] == 0


def test_a_copy_with_other_rows_still_finds(db: sqlite3.Connection) -> None:
    """VACUUM gives no item the words of another."""
    filled(db)
    db.execute("PRAGMA foreign_keys=OFF")
    db.execute("DELETE FROM items WHERE id = 'd2'")
    db.execute("VACUUM")
    assert shown(db, StockQuery(text="kopp")) == ["k2", "k1"]


def test_a_row_shows_what_stands_for_the_item(db: sqlite3.Connection) -> None:
    """The first picture that is ready, its listing, what it was sold for."""
    filled(db)
    sold(db)
    made = [
        Picture(id="p0", item_id="d2", position=0, url="u", state=PictureState.FAILED),
        Picture(id="p1", item_id="d2", position=1, url="u", state=PictureState.READY, file="b.jpg"),
        Picture(id="p2", item_id="d2", position=2, url="u", state=PictureState.PENDING),
    ]
    items.replace_pictures(db, [], made)
    live, cup = (stock.page(db, "a", StockQuery(text=text), limit=9).rows[0] for text in ("77", "AB-10"))
    assert (live.picture, live.unready, live.listing and live.listing.ends_at) == ("b.jpg", 1, 900)
    assert (cup.sold_at, cup.sold_ore, cup.group) == (5, 600, Group.SOLD)
    found = stock.of_numbers(db, "a", [cup.number, 999, live.number])
    assert [row.id for row in found] == ["k1", "d2"]
    assert stock.of_numbers(db, "b", [cup.number]) == ()


async def test_words_are_kept_where_the_schema_is_not_trusted(tmp_path: Path) -> None:
    """The store's own connections write and read them."""
    async with opened(tmp_path) as database:
        await database.write(lambda db: db.execute("INSERT INTO accounts VALUES ('a', '', 0)"))
        await database.write(lambda db: add_item(db, "i"))
        assert await database.read(lambda db: shown(db, StockQuery(text="kopp"))) == ["i"]


MAY_2026 = 1_779_789_600_000


def sell(db: sqlite3.Connection, order_id: int, *, paid_at: int | None = None) -> None:
    """An order for 250 kr of an item of its own, as it is told the first time or again."""
    item = items.find(db, "a", f"x-i{order_id}")
    if item is None:
        item = add_item(db, f"i{order_id}", spec=ItemSpec(title="Kopp", price_ore=100, domain="books"))
    line = OrderLine(tradera_item_id=order_id, quantity=1, unit_price_ore=25_000)
    sale = Order(order_id=order_id, created_at=MAY_2026, updated_at=MAY_2026, lines=(line,), paid_at=paid_at)
    order_changes.save(db, "a", sale, now=MAY_2026)
    order_changes.match(db, order_id, order_id, item)


def test_sums_are_by_month_and_by_domain(db: sqlite3.Connection) -> None:
    """Of one account, from a month on."""
    sell(db, 1)
    sell(db, 2, paid_at=5)
    found = stock.sums(db, "a", since="2026-05")
    assert found.months == {"2026-05": Month(orders=2, ore=50_000, pending_ore=25_000)}
    assert found.domains == {"books": 50_000}
    assert found.inventory == {("books", "draft"): 2}
    assert stock.sums(db, "a", since="2026-06").months == {}
    assert stock.sums(db, "b", since="2026-05").inventory == {}


def test_the_sums_follow_every_change(db: sqlite3.Connection) -> None:
    """They are what adding up all orders and lines gives, whatever was told again, paid, repriced or matched late."""
    sell(db, 1)
    sell(db, 2, paid_at=5)
    sell(db, 1, paid_at=7)
    late = OrderLine(tradera_item_id=3, quantity=2, unit_price_ore=100)
    sale = Order(order_id=3, created_at=MAY_2026, updated_at=MAY_2026, lines=(late,))
    order_changes.save(db, "a", sale, now=MAY_2026)
    assert stock.sums(db, "a", since="2026-05").months["2026-05"].orders == 2
    order_changes.match(
        db, 3, 3, add_item(db, "late", spec=ItemSpec(title="Fat", price_ore=100, domain="art"))
    )
    dearer = replace(sale, lines=(replace(late, unit_price_ore=300),))
    order_changes.save(db, "a", dearer, now=MAY_2026)
    found = stock.sums(db, "a", since="2026-05")
    assert found.months == {"2026-05": Month(orders=3, ore=50_600, pending_ore=600)}
    assert found.domains == {"books": 50_000, "art": 600}


@pytest.mark.parametrize("query", [stock.INVENTORY, stock.MONTHS, stock.DOMAINS])
def test_no_sum_reads_a_whole_table(db: sqlite3.Connection, query: str) -> None:
    """Each searches the kept sums of its account."""
    values = ("a", "2026-05")[: query.count("?")]
    plan = [row["detail"] for row in db.execute(f"EXPLAIN QUERY PLAN {query}", values).fetchall()]
    assert [step for step in plan if step.startswith("SCAN")] == []
    assert any("USING PRIMARY KEY (account_id=?" in step for step in plan)


READS: dict[str, Callable[[sqlite3.Connection], object]] = {
    "all orders": lambda db: orders.page(db, "a", unmatched=False, limit=9, before=(2**60, 0)),
    "unmatched orders": lambda db: orders.page(db, "a", unmatched=True, limit=9, before=(2**60, 0)),
    "what waits to be shipped": lambda db: orders.oldest_to_ship(db, "a", since=1, before=2),
    "what is to be erased": lambda db: order_changes.erase(db, before=1, limit=9, now=2),
}


@pytest.mark.parametrize("name", READS)
def test_what_is_asked_often_walks_an_index(db: sqlite3.Connection, name: str) -> None:
    """Lists come in the order of theirs; neither pages nor passes go through all orders there ever were."""
    seen: list[str] = []
    db.set_trace_callback(seen.append)
    READS[name](db)
    db.set_trace_callback(None)
    plan = [row["detail"] for query in seen for row in db.execute(f"EXPLAIN QUERY PLAN {query}").fetchall()]
    assert plan
    assert not any(step.startswith("SCAN") or "TEMP B-TREE" in step for step in plan)
