"""What the metrics ask of the store: queues, backlogs, and since when a sale or a publishing has been waiting.

Reads only, each by an index, so that a scrape costs the same with a million items.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from rheod.domain.model import LaneName
from rheod.store import jobs

_RECEIVED = (
    "SELECT inbox.received_at FROM notices JOIN inbox"
    " ON inbox.business_key = 'OrderCreated:' || json_extract(notices.data, '$.orderId')"
    " WHERE notices.type = 'item.sold'"
)
"""When push told of the sales that these notices tell; which notices, the user adds."""


@dataclass(frozen=True, slots=True)
class Queue:
    """A lane's jobs, those held or not yet due too; `due_since` is when the longest due one became so (ms)."""

    jobs: int
    due_since: int | None


def queues(db: sqlite3.Connection) -> dict[LaneName, Queue]:
    """Every lane's queue."""
    depths = jobs.depths(db)
    return {lane: Queue(depths.get(lane, 0), _due_since(db, lane)) for lane in LaneName}


def _due_since(db: sqlite3.Connection, lane: LaneName) -> int | None:
    row = db.execute("SELECT min(due_at) FROM jobs WHERE lane = ? AND state = 'due'", (lane,)).fetchone()
    at: int | None = row[0]
    return at


def oldest_delivery_at(db: sqlite3.Connection) -> int | None:
    """When the oldest delivery that waits was ordered (ms)."""
    return min(_oldest_of_each(db), default=None)


def _oldest_of_each(db: sqlite3.Connection) -> Iterator[int]:
    """Of each endpoint the oldest event and the oldest replay, due and held."""
    endpoints = db.execute("SELECT id FROM endpoints WHERE removed_at IS NULL").fetchall()
    for endpoint, state, rank in product(endpoints, ("due", "held"), (0, 1)):
        row = db.execute(
            "SELECT created_at FROM jobs WHERE lane = 'hooks' AND endpoint_id = ? AND state = ? AND rank = ?"
            " ORDER BY id LIMIT 1",
            (endpoint["id"], state, rank),
        ).fetchone()
        if row is not None:
            yield row["created_at"]


def ordered_at(db: sqlite3.Connection, listing_id: str) -> int:
    """When the publishing was ordered (ms)."""
    at: int = db.execute("SELECT created_at FROM listings WHERE id = ?", (listing_id,)).fetchone()[0]
    return at


def newest_notice(db: sqlite3.Connection) -> int:
    """The number of the newest notice, 0 before the first."""
    seq: int = db.execute("SELECT coalesce(max(seq), 0) FROM notices").fetchone()[0]
    return seq


def sales_received(db: sqlite3.Connection, *, after: int) -> list[int]:
    """Of each sale told by a notice newer than `after`, when its push message came (ms); those without one left out."""
    rows = db.execute(f"{_RECEIVED} AND notices.seq > ?", (after,))
    return [row[0] for row in rows.fetchall()]


def undelivered_sale_received(db: sqlite3.Connection, seq: int) -> int | None:
    """When the push message of the sale came (ms) that this notice tells, if nobody has taken the notice yet."""
    row = db.execute(
        f"{_RECEIVED} AND notices.seq = ? AND NOT EXISTS"
        " (SELECT 1 FROM deliveries WHERE notice_seq = notices.seq AND status = 'success')",
        (seq,),
    ).fetchone()
    return None if row is None else int(row[0])
