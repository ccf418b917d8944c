"""The jobs table: ordered once, picked in order, never lost when ordered again while it runs."""

from __future__ import annotations

import sqlite3
from random import Random

from rheod.domain.budget import Load
from rheod.domain.model import CallClass, JobKind, QueueName
from rheod.store import jobs
from rheod.store.jobs import QueuePosition
from tests.store.making import add_item, add_job, job


def due(db: sqlite3.Connection, *, now: int = 10**6, blocked: tuple[CallClass, ...] = ()) -> list[str]:
    """Subjects of the due jobs of account `a` in the tradera queue, in order."""
    found = jobs.due(db, QueueName.TRADERA, now=now, limit=100, account_id="a", blocked=blocked)
    return [each.subject for each in found]


def test_the_same_work_is_one_job(db: sqlite3.Connection) -> None:
    """Ordered again it is due no later, costs what the last order says and has a new revision."""
    first = add_job(db, JobKind.PUBLISH, "l", delay_ms=500, cost=4)
    later = add_job(db, JobKind.PUBLISH, "l", delay_ms=900, cost=6)
    assert (later.id, later.due_at, later.revision) == (first.id, 500, first.revision + 1)
    assert add_job(db, JobKind.PUBLISH, "l", delay_ms=0).due_at == 0
    assert jobs.depths(db) == {"tradera": 1}


def test_a_finished_job_is_gone(db: sqlite3.Connection) -> None:
    """Nothing is left of it."""
    jobs.finish(db, add_job(db, JobKind.PUBLISH, "l"))
    assert jobs.depths(db) == {}


def test_work_ordered_while_it_runs_is_run_again(db: sqlite3.Connection) -> None:
    """The run that ends knows nothing of what was ordered since: the job stays, with its tries forgotten."""
    running = add_job(db, JobKind.REPRICE, "l")
    jobs.put_off(db, running, until=0, reason="busy", counted=True)
    add_job(db, JobKind.REPRICE, "l", now=50)
    jobs.finish(db, running)
    assert (job(db, JobKind.REPRICE, "l").attempts, due(db)) == (0, ["l"])


def test_a_job_is_put_off_with_its_reason(db: sqlite3.Connection) -> None:
    """Only failures of the work itself count as tries."""
    running = add_job(db, JobKind.PUBLISH, "l")
    jobs.put_off(db, running, until=700, reason="away", counted=False)
    jobs.put_off(db, running, until=800, reason="broken", counted=True)
    assert (due(db, now=799), due(db, now=800)) == ([], ["l"])
    assert job(db, JobKind.PUBLISH, "l").attempts == 1


def test_putting_off_does_not_delay_what_was_ordered_since(db: sqlite3.Connection) -> None:
    """The new order's time stands."""
    running = add_job(db, JobKind.END, "l")
    add_job(db, JobKind.END, "l", now=50)
    jobs.put_off(db, running, until=10**9, reason="old", counted=True)
    assert due(db, now=50) == ["l"]


def test_a_held_job_waits_for_an_order(db: sqlite3.Connection) -> None:
    """It is not picked, until somebody orders it again; holding does not undo such an order."""
    running = add_job(db, JobKind.PUBLISH, "l")
    jobs.hold(db, running, reason="poison")
    assert due(db) == []
    add_job(db, JobKind.PUBLISH, "l")
    assert due(db) == ["l"]
    jobs.hold(db, running, reason="too late")
    assert due(db) == ["l"]


def test_dropped_jobs_are_forgotten(db: sqlite3.Connection) -> None:
    """By kind and subject; others stay."""
    add_job(db, JobKind.PUBLISH, "l")
    add_job(db, JobKind.REPRICE, "l")
    jobs.drop(db, JobKind.PUBLISH, ["l", "unknown"])
    assert [each.kind for each in jobs.due(db, QueueName.TRADERA, now=0, limit=9)] == [JobKind.REPRICE]


def test_the_tradera_lane_goes_by_urgency_then_age(db: sqlite3.Connection) -> None:
    """Endings and orders before publishing, whatever came first (budget: a withdrawal is never blocked)."""
    kinds = [
        JobKind.RECONCILE,
        JobKind.PUBLISH,
        JobKind.REPRICE,
        JobKind.RESULTS,
        JobKind.ORDERS,
        JobKind.END,
    ]
    for kind in kinds:
        add_job(db, kind, kind.value, now=-1)
    add_job(db, JobKind.PUBLISH, "second", now=-2)
    assert due(db) == ["end", "orders", "results", "reprice", "publish", "second", "reconcile"]
    waiting = (CallClass.PUBLISH, CallClass.RECONCILE)
    assert due(db, blocked=waiting) == ["end", "orders", "results", "reprice"]


def test_a_seller_sees_only_its_own_jobs(db: sqlite3.Connection) -> None:
    """One queue for each account."""
    add_job(db, JobKind.PUBLISH, "mine")
    add_job(db, JobKind.PUBLISH, "theirs", account_id="b", delay_ms=5)
    assert due(db) == ["mine"]
    assert jobs.next_due(db, QueueName.TRADERA, after=0, account_id="b") == 5
    assert jobs.next_due(db, QueueName.TRADERA, after=0, account_id="a") is None


def test_other_lanes_go_by_due_time(db: sqlite3.Connection) -> None:
    """The longest due first, no more than asked for, and the queue knows when to look again."""
    for subject, at in (("late", 30), ("early", 10), ("middle", 20)):
        add_job(db, JobKind.FETCH_PICTURE, subject, delay_ms=at)
    found = jobs.due(db, QueueName.PICTURES, now=25, limit=9)
    assert [each.subject for each in found] == ["early", "middle"]
    assert len(jobs.due(db, QueueName.PICTURES, now=25, limit=1)) == 1
    assert jobs.next_due(db, QueueName.PICTURES, after=25) == 30


def test_the_place_in_the_queue_counts_what_goes_before(db: sqlite3.Connection) -> None:
    """Position from 1 and the calls up to and with it in its account's queue, and what others wait for; no job, no place."""
    item = add_item(db)
    add_job(db, JobKind.PUBLISH, "l1", cost=4, item_id=item.id)
    add_job(db, JobKind.PUBLISH, "other", cost=100, account_id="b")
    add_job(db, JobKind.RESULTS, "a", cost=100)
    add_job(db, JobKind.PUBLISH, "l2", cost=6, delay_ms=70)
    assert jobs.place_of_publish(db, "l1") == QueuePosition(
        position=1, cost_up_to=4, due_at=0, reason=None, others={"b": Load(1, 100)}
    )
    assert jobs.place_of_publish(db, "l2") == QueuePosition(
        position=2, cost_up_to=10, due_at=70, reason=None, others={"b": Load(1, 100)}
    )
    assert jobs.place_of_publish(db, "nothing") is None


def test_the_place_in_a_long_queue_is_summed_up_by_stretches(db: sqlite3.Connection) -> None:
    """Jobs that come, change their cost and go leave the sums as the rows are."""
    rng = Random(1)
    db.execute("DELETE FROM sqlite_sequence WHERE name = 'jobs'")
    db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('jobs', ?)", (jobs.STRETCH - 150,))
    for _number in range(300):
        name = f"l{rng.randrange(100)}"
        if rng.random() < 0.3:
            jobs.drop(db, JobKind.PUBLISH, [name])
        else:
            account_id = "ab"[int(name[1:]) % 2]
            add_job(db, JobKind.PUBLISH, name, cost=rng.randrange(9), account_id=account_id)
    waiting = db.execute("SELECT subject, account_id, cost FROM jobs ORDER BY id").fetchall()
    assert db.execute("SELECT count(DISTINCT stretch) FROM publish_sums").fetchone()[0] > 1
    for name, account_id, _ in waiting:
        place = jobs.place_of_publish(db, name)
        assert place is not None
        mine = [row for row in waiting if row["account_id"] == account_id]
        before = mine[: place.position]
        assert before[-1]["subject"] == name
        assert place.cost_up_to == sum(row["cost"] for row in before)
        assert sum(each.cost for each in place.others.values()) == sum(
            row["cost"] for row in waiting if row not in mine
        )
    db.execute("DELETE FROM jobs")
    assert db.execute("SELECT * FROM publish_sums").fetchall() == []


def test_the_costs_that_wait_are_those_of_due_work(db: sqlite3.Connection) -> None:
    """Of one account, of the classes asked for, by urgency and age, at most so many; a job without a cost is a call."""
    add_job(db, JobKind.PUBLISH, "l1", cost=4)
    add_job(db, JobKind.PUBLISH, "later", cost=5, delay_ms=70)
    add_job(db, JobKind.PUBLISH, "l2", cost=6)
    add_job(db, JobKind.REPRICE, "l3")
    add_job(db, JobKind.END, "l4")
    add_job(db, JobKind.PUBLISH, "theirs", cost=9, account_id="b")
    part = {CallClass.PRICE, CallClass.PUBLISH}
    assert jobs.waiting_costs(db, "a", part, now=0, most=9) == [
        (JobKind.REPRICE, 1),
        (JobKind.PUBLISH, 4),
        (JobKind.PUBLISH, 6),
    ]
    assert jobs.waiting_costs(db, "a", part, now=0, most=2) == [(JobKind.REPRICE, 1), (JobKind.PUBLISH, 4)]
    assert jobs.waiting_costs(db, "a", {CallClass.END}, now=0, most=9) == [(JobKind.END, 1)]
    assert jobs.waiting_costs(db, "b", part, now=0, most=9) == [(JobKind.PUBLISH, 9)]
