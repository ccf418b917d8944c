"""The sums of the figures: read from counts and indexes alone, whatever there is."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace

import pytest

from rheod.domain.model import ItemSpec
from rheod.domain.orders import Order, OrderLine
from rheod.store import items, order_changes, orders, stock
from rheod.store.stock import Month
from tests.store.making import add_item

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
