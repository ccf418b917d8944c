"""The schema as the last line of defence, and the plans of the queries that run all the time."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace

import pytest

from rheod.domain.model import CallClass, JobKind, ListingState, QueueName
from rheod.store import ads, facts, feed, inbox, items, jobs, orders, outbox
from rheod.store.outbox import AttemptFilter
from tests.store.making import add_endpoint, add_event, add_item, add_job, add_listing

OPEN = [state for state in ListingState if state.is_open]
CLOSED = [state for state in ListingState if not state.is_open]
SENT = {"request_id": 11, "tradera_item_id": 22, "commit_sent_at": 33}


@pytest.mark.parametrize("state", OPEN)
def test_a_second_open_listing_of_an_item_is_refused(db: sqlite3.Connection, state: ListingState) -> None:
    """Never two ads of one item, whatever the code above does."""
    item = add_item(db)
    add_listing(db, item, state=state, **SENT)
    with pytest.raises(sqlite3.IntegrityError, match=r"listings\.item_id"):
        add_listing(db, item, id="l2", generation=2)


@pytest.mark.parametrize("state", CLOSED)
def test_a_closed_listing_makes_room_for_the_next(db: sqlite3.Connection, state: ListingState) -> None:
    """But never with the same generation."""
    item = add_item(db)
    add_listing(db, item, state=state, **SENT)
    add_listing(db, item, id="l2", generation=2)
    with pytest.raises(sqlite3.IntegrityError, match="generation"):
        add_listing(db, item, id="l3", generation=2, state=ListingState.ENDED)


@pytest.mark.parametrize(
    "change",
    [
        {"request_id": 12},
        {"request_id": None, "state": ListingState.ADDING},
        {"tradera_item_id": 23},
        {"tradera_item_id": None},
        {"commit_sent_at": 34},
        {"commit_sent_at": None, "state": ListingState.ADDED},
    ],
)
def test_a_committed_listing_keeps_its_request(db: sqlite3.Connection, change: dict[str, object]) -> None:
    """Once a commit may have been sent, no other request may ever take its place."""
    listing = add_listing(db, add_item(db), state=ListingState.COMMITTING, **SENT)
    with pytest.raises(sqlite3.IntegrityError, match="keeps its request"):
        items.save_listing(db, replace(listing, **change), now=0)  # type: ignore[arg-type]
    items.save_listing(db, replace(listing, state=ListingState.LIVE), now=0)


def test_before_the_commit_a_request_may_be_thrown_away(db: sqlite3.Connection) -> None:
    """Create may be repeated as long as nothing was committed."""
    listing = add_listing(db, add_item(db), state=ListingState.ADDED, request_id=11, tradera_item_id=22)
    items.save_listing(db, replace(listing, request_id=12, tradera_item_id=23), now=0)


@pytest.mark.parametrize("field", ["request_id", "tradera_item_id"])
def test_one_request_or_ad_never_belongs_to_two_listings(db: sqlite3.Connection, field: str) -> None:
    """The same id for two requests is an alarm, not an overwrite."""
    add_listing(db, add_item(db, "i1"), **{field: 5})
    with pytest.raises(sqlite3.IntegrityError, match=field):
        add_listing(db, add_item(db, "i2"), **{field: 5})


@pytest.mark.parametrize("state", [ListingState.ADDED, ListingState.COMMITTING, ListingState.LIVE])
def test_a_listing_beyond_create_has_its_request(db: sqlite3.Connection, state: ListingState) -> None:
    """And one beyond the commit knows when it was sent."""
    item = add_item(db)
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        add_listing(db, item, state=state, commit_sent_at=1)
    if state.may_be_live:
        with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
            add_listing(db, item, state=state, request_id=1)


def test_one_item_stands_for_an_external_id(db: sqlite3.Connection) -> None:
    """Fifty concurrent PUTs make one row."""
    item = add_item(db, "i1", external_id="x")
    with pytest.raises(sqlite3.IntegrityError, match="external_id"):
        add_item(db, "i2", external_id="x")
    items.save(db, item, item, removed_at=1)
    add_item(db, "i2", external_id="x")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE items SET rheo_status = 'lost'",
        "UPDATE items SET tradera_status = 'lost'",
        "UPDATE items SET type = 'box'",
        "UPDATE items SET price_ore = 0",
        "UPDATE items SET price_ore = 'ten'",
        "UPDATE items SET version = 0",
        "UPDATE listings SET state = 'lost'",
        "UPDATE listings SET end_wish = 'lost'",
        "UPDATE jobs SET state = 'running'",
        "UPDATE jobs SET lane = 'lost'",
        "UPDATE jobs SET lane = 'hooks'",
        "UPDATE jobs SET account_id = 'nobody'",
        "INSERT INTO pictures VALUES ('p', 'i', 0, 'u', 'lost', NULL, NULL, NULL, NULL, 0)",
        "INSERT INTO pictures VALUES ('p', 'i', 0, 'u', 'ready', NULL, NULL, NULL, NULL, 0)",
        "INSERT INTO inbox (message_id, body, state, received_at) VALUES ('m', '', 'lost', 0)",
        "INSERT INTO deliveries VALUES (1, 'e', 'a', 1, 'x', 'u', 1, 'lost', NULL, NULL, NULL, 0, 0)",
        "DELETE FROM items",
    ],
)
def test_unknown_words_and_orphans_are_refused(db: sqlite3.Connection, statement: str) -> None:
    """A misspelt state or a row without its owner never gets in."""
    item = add_item(db)
    add_listing(db, item)
    add_endpoint(db)
    add_job(db, JobKind.PUBLISH, "l-i", item_id=item.id)
    with pytest.raises(sqlite3.IntegrityError):
        db.execute(statement)


SHORT = {
    "SCAN endpoints",
    "SCAN e",
    "SCAN e USING INDEX endpoints_by_account",
    "SCAN CONSTANT ROW",
    "SCAN heads",
}
"""The few endpoints may be read from end to end."""

HOT: dict[str, Callable[[sqlite3.Connection], object]] = {
    "due of a seller": lambda db: jobs.due(db, QueueName.TRADERA, now=9, limit=1, account_id="a"),
    "due but for the blocked": lambda db: jobs.due(
        db, QueueName.TRADERA, now=9, limit=1, account_id="a", blocked=[CallClass.PUBLISH]
    ),
    "due pictures": lambda db: jobs.due(db, QueueName.PICTURES, now=9, limit=9),
    "next due of a seller": lambda db: jobs.next_due(db, QueueName.TRADERA, after=9, account_id="a"),
    "next due picture": lambda db: jobs.next_due(db, QueueName.PICTURES, after=9),
    "deliverable": lambda db: outbox.deliverable(db, now=9, limit=9, running=[1, 2]),
    "next delivery": lambda db: outbox.next_delivery_at(db, after=9),
    "order of a job": lambda db: add_job(db, JobKind.PUBLISH, "l-i"),
    "place in the queue": lambda db: jobs.place_of_publish(db, "l-i"),
    "find": lambda db: items.find(db, "a", "x-i"),
    "standing": lambda db: items.standing(db, "a", "x-i"),
    "pictures": lambda db: items.pictures(db, "i"),
    "latest listing": lambda db: items.latest_listing(db, "i"),
    "listing of an ad": lambda db: items.listing_of_ad(db, "a", 22),
    "waiting listings": lambda db: items.waiting_listings(db, "a", limit=9),
    "any ad": lambda db: items.any_committed_since(db, "a", 9),
    "listings of ads": lambda db: items.listings_of_ads(db, "a", [1, 2]),
    "overdue listings": lambda db: items.overdue_listings(db, "a", before=9, but=[1], limit=9),
    "held items": lambda db: ads.held(db, "a", after="x", limit=5),
    "held items by domain": lambda db: ads.held_by_domain(db, "a"),
    "endings that wait": lambda db: facts.jobs_waiting(db, "a", JobKind.END, before=9),
    "sales that wait": lambda db: facts.sales_waiting(db, "a", before=9),
    "pictures that wait": lambda db: facts.pictures_waiting(db, before=9),
    "items not published": lambda db: facts.not_published(db, "a"),
    "sold but up": lambda db: facts.sold_but_up(db, limit=9),
    "sold twice": lambda db: orders.sold_twice(db, limit=9),
    "unsold for good": lambda db: ads.unsold_for_good(db, limit=9),
    "other ads": lambda db: ads.note_others(db, "a", [22, 23], now=9),
    "other ads to look at": lambda db: ads.others_to_look_at(db, "a", limit=9),
    "another sale": lambda db: orders.other_sale(db, "i", 1),
    "last reconciliation": lambda db: facts.reconciled_at(db, "a"),
    "job at Tradera": lambda db: jobs.at_tradera(db, "i"),
    "orders to look up": lambda db: inbox.orders_to_look_up(db, "a", limit=9, now=0),
    "orders awaited": lambda db: inbox.order_waits_for(db, 22),
    "settled orders": lambda db: inbox.settle_orders(db, "a", [1], now=9),
    "orders of an ad": lambda db: orders.exists_for_ad(db, 22),
    "orders of an item": lambda db: orders.open_for_item(db, "i"),
    "history": lambda db: outbox.history(db, "i", limit=9, before=5),
    "length of a history": lambda db: outbox.history_length(db, "i"),
    "ancestors": lambda db: items.ancestors(db, "a", "x-i"),
    "old deliveries": lambda db: outbox.drop_old_deliveries(db, before=1, limit=9),
    "log": lambda db: outbox.page(db, AttemptFilter(account_id="a"), limit=9),
    "log of an endpoint": lambda db: outbox.page(
        db, AttemptFilter(account_id="a", endpoint_id="e", status="failed", before=9), limit=9
    ),
    "log of an event": lambda db: outbox.page(db, AttemptFilter(account_id="a", event_id="evt_0"), limit=9),
    "log before a moment": lambda db: outbox.last_before(db, 9),
    "failures alone": lambda db: outbox.times_alone(
        db, jobs.job_of(db.execute("SELECT * FROM jobs WHERE kind = 'deliver'").fetchone()), "e"
    ),
    "one attempt": lambda db: outbox.exchange(db, "a", 1),
    "order of deliveries": lambda db: outbox.order_deliveries(db, 1, now=9),
    "feed": lambda db: feed.events_after(db, "a", after=0, limit=9),
    "feed of a type": lambda db: feed.events_after(db, "a", after=0, limit=9, event_type="item.sold"),
    "range of a replay": lambda db: feed.range_since(db, 9),
    "chunk of a replay": lambda db: feed.end_of_chunk(db, 1, 9, size=9),
    "replay": lambda db: feed.order_again(db, "a", None, numbers=(1, 9), now=9),
    "hurry": lambda db: feed.hurry(db, 1, "a", None, now=9),
}
"""What the queues and the API ask again and again; only the few endpoints may be read from end to end."""


@pytest.mark.parametrize("query", HOT.values(), ids=HOT.keys())
def test_hot_queries_use_an_index(
    db: sqlite3.Connection, query: Callable[[sqlite3.Connection], object]
) -> None:
    """No query that runs all the time reads a whole table."""
    item = add_item(db)
    add_endpoint(db)
    add_event(db, item)
    seen: list[str] = []
    db.set_trace_callback(seen.append)
    query(db)
    db.set_trace_callback(None)
    plans = [
        row["detail"]
        for statement in seen
        if not statement.startswith("--")
        for row in db.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
    ]
    assert plans or query is HOT["order of a job"]
    scans = {plan for plan in plans if plan.startswith("SCAN") and not plan.startswith("SCAN (")}
    assert {scan for scan in scans if "json_each" not in scan} <= SHORT


@pytest.mark.parametrize("name", ["due of a seller", "due but for the blocked", "due pictures"])
def test_picking_a_job_sorts_nothing(db: sqlite3.Connection, name: str) -> None:
    """With ten thousand jobs waiting a pick still reads the first few alone."""
    seen: list[str] = []
    db.set_trace_callback(seen.append)
    HOT[name](db)
    db.set_trace_callback(None)
    plan = [row["detail"] for row in db.execute(f"EXPLAIN QUERY PLAN {seen[0]}").fetchall()]
    assert not any("TEMP B-TREE" in step for step in plan)
