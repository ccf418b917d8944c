"""Orders as rows: what is kept of them as they change, and the erasing of everything personal that is old enough."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from random import Random

import pytest

from rheod.domain.orders import Order, OrderLine, Payment
from rheod.store import inbox, order_changes, orders
from rheod.store.inbox import InboxEntry
from rheod.store.orders import OrderFilter, Shipment
from tests.store.making import add_item

LINE = OrderLine(tradera_item_id=22, quantity=1, unit_price_ore=25000, title="Kopp")
ORDER = Order(
    order_id=7, created_at=1, updated_at=2, lines=(LINE,), subtotal_ore=25000, buyer={"alias": "Åke"}
)


def test_an_order_is_kept_once_and_brought_up_to_date(db: sqlite3.Connection) -> None:
    """A payment arrives by a later telling and is not lost by an earlier one."""
    order_changes.save(db, "a", ORDER, now=10)
    order_changes.save(db, "a", replace(ORDER, paid_at=5, updated_at=6), now=11)
    order_changes.save(db, "a", replace(ORDER, updated_at=7), now=12)
    [row] = db.execute("SELECT * FROM orders").fetchall()
    assert (row["paid_at"], row["updated_at"], row["received_at"]) == (5, 7, 10)
    assert row["buyer"] == '{"alias": "Åke"}'
    assert orders.exists_for_ad(db, 22)
    assert not orders.exists_for_ad(db, 23)


def test_a_line_nobody_knows_is_counted_until_it_is_matched(db: sqlite3.Connection) -> None:
    """The match survives a later telling of the same order."""
    item = add_item(db)
    order_changes.save(db, "a", ORDER, now=1)
    assert orders.unmatched_count(db) == 1
    assert not orders.open_for_item(db, item.id)
    order_changes.match(db, 7, 22, item)
    order_changes.save(db, "a", ORDER, now=2)
    assert orders.unmatched_count(db) == 0
    assert orders.open_for_item(db, item.id)


def test_a_shipped_order_is_no_longer_in_progress(db: sqlite3.Connection) -> None:
    """Its item may be removed."""
    item = add_item(db)
    order_changes.save(db, "a", ORDER, now=1)
    order_changes.match(db, 7, 22, item)
    db.execute("UPDATE orders SET shipped_at = 9")
    assert not orders.open_for_item(db, item.id)


def test_the_same_ad_twice_in_one_order_is_one_line(db: sqlite3.Connection) -> None:
    """The last telling of it counts."""
    order_changes.save(db, "a", replace(ORDER, lines=(LINE, replace(LINE, quantity=2))), now=1)
    assert [row["quantity"] for row in db.execute("SELECT quantity FROM order_lines")] == [2]


@pytest.mark.parametrize("status", [None, "unpaid", "ready", "shipped", "waits"])
def test_the_counts_are_what_counting_gives(db: sqlite3.Connection, status: str | None) -> None:
    """Whatever orders come, are told again, are paid, sent or go."""
    chance = Random(5)
    for at in range(150):
        number = chance.randrange(1, 30)
        paid = Payment(amount_ore=chance.choice((100, 25_000, 25_000)))
        told = replace(ORDER, order_id=number, payments=chance.choice(((), (paid,), (paid,))))
        account = "ab"[number % 2]
        order_changes.save(db, account, replace(told, expires_at=chance.choice((None, None, 900))), now=at)
        if chance.random() < 0.05:
            order_changes.note_sent(db, number, now=at)
        order_changes.refresh(db, number, None, now=at, ship_while_waiting=False)
    wanted = OrderFilter(status=status)
    for account in "ab":
        counted = orders.count(db, account, replace(wanted, changed_since=0))
        assert orders.count(db, account, wanted) == counted > 0
    db.execute("DELETE FROM order_lines")
    db.execute("DELETE FROM orders WHERE account_id = 'a'")
    assert orders.count(db, "a", wanted) == 0


@pytest.mark.parametrize("many", [1, 40])
def test_a_page_is_read_with_a_query_for_each_table(db: sqlite3.Connection, many: int) -> None:
    """However many orders it has: orders, lines, parcels."""
    for number in range(1, many + 1):
        order_changes.save(db, "a", replace(ORDER, order_id=number), now=number)
        order_changes.refresh(db, number, None, now=number, ship_while_waiting=False)
    asked: list[str] = []
    db.set_trace_callback(asked.append)
    found = orders.changed(db, "a", OrderFilter(), limit=100, after=(0, -1))
    counted = orders.count(db, "a", OrderFilter())
    db.set_trace_callback(None)
    assert len(found) == counted == many
    assert len(asked) == 4


OF_AKE = Order(order_id=7, created_at=1, updated_at=2, lines=(LINE,), buyer={"alias": "åke"})


def test_a_buyer_goes_and_the_amounts_stay(db: sqlite3.Connection) -> None:
    """With his parcels and what Tradera said; a later telling of the order does not bring him back."""
    order_changes.save(db, "a", OF_AKE, now=10)
    parcel = Shipment(id="s", order_id=7, carrier="postnord", tracking_number="SE1", created_at=11)
    order_changes.add(db, parcel)
    order_changes.note_ship_error(db, 7, "no")
    assert order_changes.erase(db, before=10, limit=9, now=20) == 0
    assert order_changes.erase(db, before=11, limit=9, now=20) == 1
    order_changes.save(db, "a", OF_AKE, now=21)
    found = orders.find(db, 7)
    assert found is not None
    assert (found.buyer, found.shipments, found.ship_error, found.erased_at) == (None, (), None, 20)
    assert found.lines[0].unit_price_ore == 25_000
    assert db.execute("SELECT buyer FROM orders").fetchone()[0] == "{}"
    assert order_changes.erase(db, before=11, limit=9, now=22) == 0


@pytest.mark.parametrize(
    ("state", "body"), [("new", "{}"), ("done", ""), ("quarantined", ""), ("ignored", "")]
)
def test_a_message_loses_its_body_once_it_is_dealt_with(
    db: sqlite3.Connection, state: str, body: str
) -> None:
    """One that could not be read may hold anything; that it came is still known."""
    inbox.add(db, InboxEntry(message_id="m", body="{}", state=state), now=10)
    order_changes.erase(db, before=11, limit=9, now=20)
    assert [row["body"] for row in db.execute("SELECT body FROM inbox")] == [body]
    assert inbox.add(db, InboxEntry(message_id="m", body="{}", state=state), now=21) is None


def test_a_large_backlog_goes_in_rounds(db: sqlite3.Connection) -> None:
    """The oldest first, a few rows at once."""
    for number in range(1, 6):
        order_changes.save(db, "a", Order(order_id=number, created_at=1, updated_at=1, lines=()), now=number)
    assert [order_changes.erase(db, before=99, limit=2, now=100) for _ in range(4)] == [2, 2, 1, 0]
