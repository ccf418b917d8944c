"""What the metrics count: kept as jobs come and go, and never by reading a long queue."""

from __future__ import annotations

import sqlite3

from rheod.domain.model import JobKind, QueueName
from rheod.store import facts, jobs
from rheod.store.facts import QueueFacts
from tests.store.making import add_job


def counted(db: sqlite3.Connection) -> dict[str, int]:
    """How many rows of each queue the table of jobs really has."""
    return dict(tuple(row) for row in db.execute("SELECT lane, count(*) FROM jobs GROUP BY lane"))


def test_the_counts_are_those_of_the_rows(db: sqlite3.Connection) -> None:
    """Ordered, ordered again, put off, held, finished, dropped, and removed many at once."""
    for number in range(3):
        add_job(db, JobKind.PUBLISH, f"l{number}")
    running = add_job(db, JobKind.PUBLISH, "l3")
    add_job(db, JobKind.PUBLISH, "l0")
    jobs.put_off(db, running, until=900, reason="away", counted=True)
    jobs.hold(db, running, reason="broken")
    assert jobs.depths(db) == counted(db) == {"tradera": 4}
    jobs.finish(db, running)
    jobs.drop(db, JobKind.PUBLISH, ["l1"])
    assert jobs.depths(db) == counted(db) == {"tradera": 2}
    assert jobs.publishings(db) == {"a": 2}
    db.execute("DELETE FROM jobs")
    assert (jobs.depths(db), jobs.publishings(db)) == ({}, {})


def test_a_queue_s_age_is_that_of_its_longest_due_job(db: sqlite3.Connection) -> None:
    """Held jobs wait for the owner and are not due."""
    jobs.hold(db, add_job(db, JobKind.PUBLISH, "held"), reason="broken")
    assert facts.queues(db)[QueueName.TRADERA] == QueueFacts(1, None)
    add_job(db, JobKind.PUBLISH, "later", delay_ms=500)
    add_job(db, JobKind.PUBLISH, "sooner", delay_ms=200)
    assert facts.queues(db)[QueueName.TRADERA] == QueueFacts(3, 200)


def test_no_figure_reads_a_long_table_from_end_to_end(db: sqlite3.Connection) -> None:
    """The steps of every query are searches, or pass over the few rows of counts and endpoints."""
    asked: list[str] = []
    db.set_trace_callback(asked.append)
    add_job(db, JobKind.PUBLISH, "l")
    asked.clear()
    facts.queues(db)
    facts.oldest_delivery_at(db)
    facts.newest_event(db)
    facts.sales_received(db, after=0)
    facts.undelivered_sale_received(db, 1)
    jobs.publishings(db)
    db.set_trace_callback(None)
    steps = [row[3] for query in asked for row in db.execute(f"EXPLAIN QUERY PLAN {query}").fetchall()]
    scans = {step.split()[1] for step in steps if step.startswith("SCAN")}
    assert steps
    assert scans <= {"job_counts", "endpoints", "CONSTANT"}
