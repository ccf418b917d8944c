"""What the owner's overview asks of the store: endpoints with what waits for them, ads in doubt, the oldest account.

Reads only, each by an index.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass


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
        "SELECT id, url, active, fail_count,"
        " (SELECT count(*) FROM jobs WHERE lane = 'hooks' AND endpoint_id = endpoints.id) AS waiting"
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


def installed_at(db: sqlite3.Connection) -> int:
    """When the first account was made (ms): the age of this rheod."""
    at: int = db.execute("SELECT min(created_at) FROM accounts").fetchone()[0]
    return at
