"""What the owner's overview asks of the store: endpoints with what waits for them, ads in doubt, the oldest account.

Reads only, each by an index.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from rheod.store import jobs
from rheod.store.jobs import STRETCH


@dataclass(frozen=True, slots=True)
class EndpointState:
    """An endpoint that has an address, and how many events wait for it."""

    id: str
    url: str
    active: bool
    fail_count: int
    waiting: int


def endpoints(db: sqlite3.Connection) -> list[EndpointState]:
    """Every endpoint of every account that has an address."""
    rows = db.execute(
        "SELECT id, url, active, fail_count, coalesce((SELECT sum(count) FROM job_counts"
        " WHERE lane = 'hooks' AND kind = 'deliver' AND endpoint_id = endpoints.id), 0) AS waiting"
        " FROM endpoints WHERE url IS NOT NULL AND removed_at IS NULL ORDER BY created_at, id"
    ).fetchall()
    return [EndpointState(**{**dict(row), "active": bool(row["active"])}) for row in rows]


def in_doubt(db: sqlite3.Connection, *, limit: int) -> list[str]:
    """External ids of items of which Tradera has not said whether their ad is up, and is not asked any more."""
    rows = db.execute(
        "SELECT items.external_id FROM listings JOIN items ON items.id = listings.item_id"
        " WHERE listings.state IN ('committing', 'committed') AND listings.ask_at IS NULL"
        " AND listings.error IS NOT NULL ORDER BY listings.created_at LIMIT ?",
        (limit,),
    )
    return [row[0] for row in rows.fetchall()]


def without_category(db: sqlite3.Connection, account_id: str, domains: Sequence[str]) -> dict[str, int]:
    """How many items of these domains are to be listed and name no Tradera category, by domain."""
    slots = ", ".join("?" * len(domains))
    rows = db.execute(
        "SELECT domain, count(*) AS items FROM items INDEXED BY items_without_category WHERE account_id = ?"
        " AND rheo_status = 'active' AND removed_at IS NULL AND tradera_status IN ('pending_sync', 'sync_error')"
        f" AND category_id IS NULL AND domain IN ({slots}) GROUP BY domain",
        (account_id, *domains),
    )
    return {row["domain"]: row["items"] for row in rows.fetchall()}


def installed_at(db: sqlite3.Connection) -> int:
    """When the first account was made (ms): the age of this rheod."""
    at: int = db.execute("SELECT min(created_at) FROM accounts").fetchone()[0]
    return at


@dataclass(frozen=True, slots=True)
class Waiting:
    """A publishing in the queue; `cost_up_to` is the calls of all before it and its own."""

    external_id: str
    title: str
    cost_up_to: int
    due_at: int
    reason: str | None


def next_publishings(db: sqlite3.Connection, account_id: str, *, limit: int) -> list[Waiting]:
    """The account's publishings that go out next, in the order of the queue that all accounts share."""
    rows = db.execute(
        "SELECT items.external_id, items.title, jobs.due_at, jobs.reason,"
        " (SELECT coalesce(sum(cost), 0) FROM publish_sums WHERE stretch < jobs.id / :stretch)"
        " + (SELECT sum(cost) FROM jobs before WHERE +before.kind = 'publish'"
        " AND before.id BETWEEN jobs.id / :stretch * :stretch AND jobs.id) AS cost_up_to FROM jobs JOIN items ON"
        " items.id = jobs.item_id WHERE jobs.kind = 'publish' AND jobs.account_id = :account ORDER BY jobs.id"
        " LIMIT :limit",
        {"account": account_id, "limit": limit, "stretch": STRETCH},
    )
    return [Waiting(**dict(row)) for row in rows.fetchall()]


def publishings_waiting(db: sqlite3.Connection, account_id: str) -> int:
    """How many publishings of the account wait."""
    return jobs.publishings(db).get(account_id, 0)


def sales_since(db: sqlite3.Connection, account_id: str, since: int) -> list[tuple[int, int]]:
    """When each order since then (ms) came into being and what it comes to (öre), oldest first."""
    rows = db.execute(
        "SELECT created_at, subtotal_ore FROM orders WHERE account_id = ? AND created_at >= ? ORDER BY created_at",
        (account_id, since),
    )
    return [(row["created_at"], row["subtotal_ore"]) for row in rows.fetchall()]


def publishing_calls_waiting(db: sqlite3.Connection) -> int:
    """What all publishings that wait will cost in calls."""
    row = db.execute("SELECT coalesce(sum(cost), 0) FROM publish_sums")
    return int(row.fetchone()[0])
