"""Erasure: everything personal that is old enough, and nothing else."""

from __future__ import annotations

import sqlite3

import pytest

from rheod.domain.orders import Order, OrderLine
from rheod.store import inbox, order_changes, orders
from rheod.store.inbox import InboxEntry
from rheod.store.orders import Shipment

LINE = OrderLine(tradera_item_id=22, quantity=1, unit_price_ore=25_000, title="Kopp")
ORDER = Order(order_id=7, created_at=1, updated_at=2, lines=(LINE,), buyer={"alias": "åke"})


def test_a_buyer_goes_and_the_amounts_stay(db: sqlite3.Connection) -> None:
    """With his parcels and what Tradera said; a later telling of the order does not bring him back."""
    order_changes.save(db, "a", ORDER, now=10)
    parcel = Shipment(id="s", order_id=7, carrier="postnord", tracking_number="SE1", created_at=11)
    order_changes.add(db, parcel)
    order_changes.note_ship_error(db, 7, "no")
    assert order_changes.erase(db, before=10, limit=9, now=20) == 0
    assert order_changes.erase(db, before=11, limit=9, now=20) == 1
    order_changes.save(db, "a", ORDER, now=21)
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
