"""What was done about an item: every call of every ad of it and every telling, of nothing else."""

from __future__ import annotations

import sqlite3

from rheod.domain.model import CallClass, ListingState
from rheod.store import feed, ledger, outbox
from rheod.store.feed import ItemCall
from rheod.store.ledger import LedgerCall
from rheod.store.outbox import Attempt
from tests.store.making import add_endpoint, add_event, add_item, add_listing


def called(
    db: sqlite3.Connection, listing_id: str | None, operation: str, at: int, outcome: str | None
) -> None:
    """A call, answered unless the outcome is None."""
    call = LedgerCall(
        call_class=CallClass.PUBLISH, operation=operation, account_id="a", listing_id=listing_id
    )
    number = ledger.open_call(db, call, now=at)
    if outcome is not None:
        ledger.close_call(db, number, outcome=outcome, counted=True, duration_ms=7)


def test_the_calls_of_an_item_are_those_of_all_its_ads(db: sqlite3.Connection) -> None:
    """Newest first, with what came of each; one without an answer has none."""
    item = add_item(db)
    first = add_listing(db, item, state=ListingState.REJECTED)
    second = add_listing(db, item, id="l2", generation=2)
    other = add_listing(db, add_item(db, "other"))
    called(db, first.id, "create", 1, "ok")
    called(db, other.id, "create", 2, "ok")
    called(db, second.id, "create", 3, None)
    called(db, None, "orders", 4, "ok")
    assert feed.calls(db, item.id, limit=9) == [
        ItemCall(at=3, operation="create", generation=2, outcome=None, counted=True, duration_ms=None),
        ItemCall(at=1, operation="create", generation=1, outcome="ok", counted=True, duration_ms=7),
    ]
    assert len(feed.calls(db, item.id, limit=1)) == 1


def test_the_tellings_of_an_item_are_those_of_its_events(db: sqlite3.Connection) -> None:
    """Each try for itself, newest first."""
    item, other = add_item(db), add_item(db, "other")
    add_endpoint(db)
    for about in (item, other):
        seq = add_event(db, about)
        assert seq is not None
        for number, status in enumerate((500, 200)):
            attempt = Attempt(
                endpoint_id="e",
                notice_seq=seq,
                url="https://erp.example/hook",
                attempt=number + 1,
                ok=status == 200,
                http_status=status,
                error=None if status == 200 else "answered 500",
                snippet=None,
                duration_ms=5,
            )
            outbox.log_attempt(db, attempt, now=number)
    found = feed.deliveries(db, item.id, limit=9)
    assert [(each.attempt, each.ok, each.http_status, each.error) for each in found] == [
        (2, True, 200, None),
        (1, False, 500, "answered 500"),
    ]
