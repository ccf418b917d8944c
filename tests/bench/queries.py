"""How long each query of the queues and the chores takes with a million items, 100,000 jobs and 400,000 deliveries waiting.

No floor: a goal of 20 ms for the median of each. `python -m tests.bench.queries FOLDER` measures a store that is there
(or makes it), prints every query with its plan, and leaves it. Writes are rolled back.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from rheod.domain.model import CallClass, Job, JobKind, QueueName
from rheod.store import access, accounts, ads, facts, inbox, items, jobs, order_changes, orders, outbox, stock
from rheod.store.engine.connection import prepare
from rheod.store.engine.encryption import SecretBox
from rheod.store.ledger import Ledger
from tests.bench import filled
from tests.bench.filled import Backlog, queue
from tests.bench.table import Row, figure
from tests.bench.yards import new_store

ITEMS = 1_000_000
MOST_MS = 20.0
SHOWN = 8
"""The slowest so many get a row of the table."""

LAST_PUBLISH = "l-333326"
"""The last of the publishings that wait."""

Query = Callable[[sqlite3.Connection], Any]


def of_lanes(account: str, now: int) -> dict[str, Query]:
    """What the queues ask between two jobs."""
    tradera = partial(jobs.due, queue=QueueName.TRADERA, now=now, limit=8, account_id=account)
    return {
        "images: due": partial(jobs.due, queue=QueueName.PICTURES, now=now, limit=32),
        "images: next": partial(jobs.next_due, queue=QueueName.PICTURES, after=now),
        "sales: due": partial(jobs.due, queue=QueueName.PUSH, now=now, limit=8),
        "tradera: due": tradera,
        "tradera: due, publishing waits": partial(tradera, blocked=[CallClass.PUBLISH]),
        "tradera: next": partial(jobs.next_due, queue=QueueName.TRADERA, after=now, account_id=account),
        "tradera: turns": partial(
            jobs.waiting_costs, account_id=account, classes=[CallClass.PUBLISH], now=now, most=100
        ),
        "hooks: due": partial(outbox.deliverable, now=now, limit=32, running=[]),
        "hooks: due, before any is": partial(outbox.deliverable, now=0, limit=32, running=[]),
        "hooks: next": partial(outbox.next_delivery_at, after=now),
        "hooks: next, before any is due": partial(outbox.next_delivery_at, after=0),
    }


def of_work(account: str, now: int, job: Job) -> dict[str, Query]:
    """What a job asks while it runs."""
    return {
        "results: who waits": partial(items.waiting_listings, account_id=account, limit=100),
        "reconcile: anything to look for": partial(items.any_committed_since, account_id=account, since=now),
        "reconcile: ads told to have changed": partial(
            items.listings_of_ads, account_id=account, ads=range(1, 1_000_000, 5000)
        ),
        "reconcile: overdue": partial(
            items.overdue_listings, account_id=account, before=now, but=range(1000), limit=20
        ),
        "reconcile: whose turn": partial(jobs.waiting_longer, job=job),
        "orders: to look up": partial(inbox.orders_to_look_up, account_id=account, limit=100, now=0),
        "parcels: oldest": partial(orders.oldest_to_ship, account_id=account, since=0, before=now),
        "the place of the last publish": partial(jobs.place_of_publish, listing_id=LAST_PUBLISH),
    }


def of_chores(account: str, now: int) -> dict[str, Query]:
    """What the alerts, the metrics and the owner's pages ask."""
    return {
        "findings: endpoints": facts.endpoints,
        "findings: in doubt": partial(facts.in_doubt, limit=100),
        "findings: publishings": jobs.publishings,
        "findings: quarantined": inbox.count_quarantined,
        "findings: unmatched": orders.unmatched_count,
        "findings: held items": ads.held_longest,
        "findings: takeover": partial(accounts.find, account_id=account),
        "findings: alerts": access.read_all,
        "metrics: items": items.counts,
        "metrics: queues": facts.queues,
        "metrics: oldest delivery": facts.oldest_delivery_at,
        "metrics: last message": inbox.last_received_at,
        "status: inbox": inbox.counts,
        "status: sales waiting": inbox.orders_waiting,
        "status: in doubt": items.count_in_doubt,
        "outlook: next": partial(facts.next_publishings, account_id=account, limit=8),
        "outlook: waiting": partial(facts.publishings_waiting, account_id=account),
        "outlook: sales": partial(stock.sales_since, account_id=account, since=now - 14 * 24 * 3600 * 1000),
        "rehearsal: calls waiting": facts.publishings_by_account,
        "figures": partial(stock.sums, account_id=account, since="2025-12"),
        "start: ledger": partial(Ledger.load, now=now),
    }


def of_upkeep(now: int) -> dict[str, Query]:
    """What is written on the clock, a bounded slice at a time; as if everything were old enough."""
    return {
        "upkeep: deliveries": partial(outbox.drop_old_deliveries, before=now, limit=1000),
        "upkeep: erasure": partial(order_changes.erase, before=now, limit=1000, now=now),
        "start: times of a wrong clock": partial(facts.clamp, now=now),
        "hooks: an endpoint is back": partial(outbox.let_go, endpoint_id="dead-1000", now=now),
        "hooks: an endpoint was set right": partial(outbox.release, endpoint_id="dead-1000", now=now),
    }


def of_everything(db: sqlite3.Connection) -> dict[str, Query]:
    """Every query by its name."""
    now = round(time.time() * 1000)
    account = db.execute("SELECT id FROM accounts WHERE reference = ''").fetchone()[0]
    job = replace(jobs.due(db, QueueName.PUSH, now=now, limit=1)[0], kind=JobKind.RECONCILE)
    return of_lanes(account, now) | of_work(account, now, job) | of_chores(account, now) | of_upkeep(now)


@contextmanager
def opened(folder: Path) -> Iterator[sqlite3.Connection]:
    """The store as the daemon's writer has it, save for its log."""
    with closing(sqlite3.connect(folder / "rheod.db", isolation_level=None)) as db:
        prepare(db, read_only=False)
        SecretBox.of(folder, None).attach(db)
        yield db


def measure(db: sqlite3.Connection, query: Query) -> float:
    """Milliseconds of one run, whose writes are undone."""
    db.execute("BEGIN")
    began = time.perf_counter()
    query(db)
    took = time.perf_counter() - began
    db.execute("ROLLBACK")
    return took * 1000


async def make(folder: Path) -> None:
    """A store with everything in it: deliveries over 1,000 items and over 100,000."""
    now = round(time.time() * 1000)
    await new_store(folder)
    filled.stock(folder, ITEMS, now=now)
    queue(folder, Backlog(over=1000), now=now)
    queue(folder, Backlog(jobs=0, over=100_000), now=now)


async def rows(rounds: int) -> list[Row]:
    """The slowest queries of all."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        await make(folder)
        with opened(folder) as db:
            took = {
                name: [measure(db, query) for _ in range(rounds)] for name, query in of_everything(db).items()
            }
    slowest = sorted(took, key=lambda name: -median(took[name]))[:SHOWN]
    return [figure(f"query, {name}", "ms", took[name], most=MOST_MS) for name in slowest]


def print_plans(db: sqlite3.Connection, name: str, query: Query) -> None:
    """A query's time, and the plans of all its statements."""
    took = [measure(db, query) for _ in range(5)]
    print(f"{name}: median {median(took):.2f} ms, worst {max(took):.2f} ms")
    if median(took) < 1:
        return
    seen: list[str] = []
    db.set_trace_callback(seen.append)
    measure(db, query)
    db.set_trace_callback(None)
    for text in {each[:40]: each for each in seen}.values():
        if text.startswith(("SELECT", "UPDATE", "DELETE", "INSERT")):
            print("   ", text[:160])
            print(*[f"      {row['detail']}" for row in db.execute(f"EXPLAIN QUERY PLAN {text}")], sep="\n")


def main() -> None:
    """Every query of a store that is kept."""
    folder = Path(sys.argv[1])
    if not (folder / "rheod.db").exists():
        asyncio.run(make(folder))
    with opened(folder) as db:
        for name, query in of_everything(db).items():
            print_plans(db, name, query)


if __name__ == "__main__":
    main()
