"""The inbox: every message kept once, by its id and by what it tells."""

from __future__ import annotations

import sqlite3

from rheod.domain.model import CloseReason
from rheod.store import inbox
from rheod.store.inbox import ClosedAd, InboxEntry


def order_message(order_id: int, ads: tuple[int, ...] = (), *, message_id: str | None = None) -> InboxEntry:
    """An OrderCreated of account `a`."""
    return InboxEntry(
        message_id=message_id or f"m{order_id}",
        body="{}",
        state="new",
        business_key=f"OrderCreated:{order_id}",
        account_id="a",
        type="OrderCreated",
        order_id=order_id,
        tradera_item_ids=ads,
    )


def state(db: sqlite3.Connection, inbox_id: int) -> str:
    """What has become of a message."""
    return str(db.execute("SELECT state FROM inbox WHERE id = ?", (inbox_id,)).fetchone()["state"])


def test_a_message_is_kept_once(db: sqlite3.Connection) -> None:
    """The same message again, or another that tells the same, is recognised."""
    assert inbox.add(db, order_message(1, (5, 6)), now=9) == 1
    assert inbox.add(db, order_message(1, (5, 6)), now=10) is None
    assert inbox.add(db, order_message(1, (5, 6), message_id="other"), now=10) is None
    assert inbox.counts(db) == {"new": 1}
    assert inbox.last_received_at(db) == 9


def test_messages_without_a_meaning_are_each_kept(db: sqlite3.Connection) -> None:
    """Two quarantined messages have no key in common."""
    for name in ("q1", "q2"):
        assert inbox.add(db, InboxEntry(message_id=name, body="?", state="quarantined"), now=1) is not None
    assert inbox.counts(db) == {"quarantined": 2}


def test_an_ad_that_is_told_twice_in_one_order_is_kept_once(db: sqlite3.Connection) -> None:
    """ItemIds may repeat."""
    assert inbox.add(db, order_message(1, (5, 5)), now=1) == 1


def test_a_body_utf8_cannot_hold_is_kept_escaped(db: sqlite3.Connection) -> None:
    """A lone surrogate must not turn a message into one that fails for ever."""
    assert inbox.add(db, InboxEntry(message_id="m\ud800", body="\ud800{", state="quarantined"), now=1) == 1
    row = db.execute("SELECT body FROM inbox WHERE id = 1").fetchone()
    assert row["body"] == "\\ud800{"


def test_orders_are_looked_up_oldest_first_until_settled(db: sqlite3.Connection) -> None:
    """Only this account's, only new ones, no more than a call can take."""
    for order_id in (30, 10, 20):
        inbox.add(db, order_message(order_id, (order_id + 1,)), now=1)
    assert inbox.orders_to_look_up(db, "a", limit=2, now=0) == [30, 10]
    assert inbox.orders_to_look_up(db, "b", limit=2, now=0) == []
    inbox.settle_orders(db, "a", [30, 10, 999], now=2)
    assert inbox.orders_to_look_up(db, "a", limit=9, now=0) == [20]
    assert (inbox.order_waits_for(db, 31), inbox.order_waits_for(db, 21)) == (False, True)
    inbox.settle(db, 3, state="quarantined", reason="unknown", now=3)
    assert inbox.orders_to_look_up(db, "a", limit=9, now=0) == []
    assert not inbox.order_waits_for(db, 21)


def test_a_settled_message_stays_settled(db: sqlite3.Connection) -> None:
    """Its state, reason and time are kept; settling its order later does not reopen it."""
    inbox.add(db, order_message(1), now=1)
    inbox.settle(db, 1, state="quarantined", reason="unknown", now=3)
    inbox.settle_orders(db, "a", [1], now=4)
    assert state(db, 1) == "quarantined"
    inbox.settle(db, 1, now=5)
    assert state(db, 1) == "done"


def test_an_empty_inbox_has_no_newest(db: sqlite3.Connection) -> None:
    """Nothing has come yet."""
    assert inbox.last_received_at(db) is None


def test_a_closing_is_kept_as_it_was_read(db: sqlite3.Connection) -> None:
    """Its ad and reason are columns: nobody reads the body again, whatever stands in it. Once settled it is no closing."""
    closing = InboxEntry(
        message_id="m",
        body="no JSON",
        state="new",
        business_key="ItemClosed:7",
        account_id="a",
        type="ItemClosed",
        tradera_item_ids=(7,),
        close_reason=CloseReason.NO_BIDS,
    )
    assert inbox.add(db, closing, now=1) == 1
    found = ClosedAd(account_id="a", tradera_item_id=7, reason=CloseReason.NO_BIDS)
    assert inbox.closed_ad(db, 1) == found
    inbox.settle(db, 1, now=2)
    assert inbox.closed_ad(db, 1) is None
    assert inbox.add(db, order_message(5, (7,)), now=3) == 2
    assert inbox.closed_ad(db, 2) is None
