"""Events and what goes next to each endpoint; the log of deliveries, every attempt a row, read by any filter however long it is."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from random import Random

import pytest

from rheod.domain.model import Job
from rheod.store import endpoints, feed, jobs, outbox
from rheod.store.outbox import FIRST_TRIES, Attempt
from tests.store.making import add_endpoint, add_event, add_item

NOW = 1000


def may_go(
    db: sqlite3.Connection,
    *,
    now: int = NOW,
    limit: int = 100,
    running: tuple[Job, ...] = (),
    settling: tuple[Job, ...] = (),
) -> list[Job]:
    """The deliveries that may go now."""
    return outbox.deliverable(
        db,
        now=now,
        limit=limit,
        running=[job.id for job in (*running, *settling)],
        settling=[job.id for job in settling],
    )


def events(db: sqlite3.Connection, **options: int | tuple[Job, ...]) -> list[int]:
    """Their events."""
    return [int(job.subject.partition(":")[0]) for job in may_go(db, **options)]  # type: ignore[arg-type]


def fail(db: sqlite3.Connection, job: Job, *, until: int, times: int = 1) -> None:
    """The delivery has failed and waits."""
    for _ in range(times):
        jobs.put_off(db, job, until=until, reason="500", counted=True)


def judge(db: sqlite3.Connection, name: str = "e", **values: object) -> None:
    """Change what is known of an endpoint."""
    endpoint = endpoints.endpoint(db, name)
    assert endpoint is not None
    endpoints.save_endpoint(db, replace(endpoint, **values))  # type: ignore[arg-type]


def test_what_may_be_told_once_is_told_once(db: sqlite3.Connection) -> None:
    """The second event with the same key writes nothing and orders nothing."""
    add_endpoint(db)
    item = add_item(db)
    assert add_event(db, item, once="listing.created:l") == 1
    assert add_event(db, item, once="listing.created:l") is None
    assert add_event(db, item) is not None
    assert len(outbox.history(db, item.id, limit=9)) == 2


def test_every_endpoint_of_the_account_with_an_address_is_told(db: sqlite3.Connection) -> None:
    """A disabled one keeps its events; one without address and another account's get none."""
    add_endpoint(db, "on")
    add_endpoint(db, "off", active=False)
    add_endpoint(db, "nowhere", url=None)
    add_endpoint(db, "theirs", account_id="b")
    add_event(db, add_item(db))
    ordered = {row["endpoint_id"] for row in db.execute("SELECT endpoint_id FROM jobs").fetchall()}
    assert ordered == {"on", "off"}
    assert [job.subject for job in may_go(db)] == ["1:on"]


def test_what_is_sent_is_what_was_stored(db: sqlite3.Connection) -> None:
    """The bytes of the event, never built again."""
    add_event(db, add_item(db))
    told = outbox.told(db, 1, "a")
    assert (told.event_id, told.body) == ("evt_0", b"{}")


def test_history_is_newest_first(db: sqlite3.Connection) -> None:
    """Each event with its data and time."""
    item = add_item(db)
    add_event(db, item, now=1)
    add_event(db, item, now=2)
    told = outbox.history(db, item.id, limit=9)
    assert [(each.event_id, each.data, each.created_at) for each in told] == [
        ("evt_1", {"n": 1}, 2),
        ("evt_0", {"n": 1}, 1),
    ]


def test_events_of_one_item_go_one_after_the_other(db: sqlite3.Connection) -> None:
    """Other items' events go beside them; the second of an item only when the first is done."""
    add_endpoint(db)
    one, two = add_item(db, "i1"), add_item(db, "i2")
    for item in (one, one, two, one):
        add_event(db, item)
    first, other = may_go(db)
    assert (first.subject, other.subject) == ("1:e", "3:e")
    assert events(db, running=(first, other)) == []
    jobs.finish(db, first)
    assert events(db, running=(other,)) == [2]


def test_a_waiting_event_holds_back_the_later_ones_of_its_item(db: sqlite3.Connection) -> None:
    """Order is kept while the first tries last."""
    add_endpoint(db)
    item = add_item(db)
    add_event(db, item)
    add_event(db, item)
    fail(db, may_go(db)[0], until=NOW + 1)
    assert events(db) == []
    assert events(db, now=NOW + 1) == [1]


def test_an_event_that_fails_alone_steps_aside(db: sqlite3.Connection) -> None:
    """However often it was tried, it keeps its place until it is known that others were taken meanwhile."""
    add_endpoint(db)
    item = add_item(db)
    add_event(db, item)
    add_event(db, item)
    poison = may_go(db)[0]
    fail(db, poison, until=NOW + 60_000, times=2 * FIRST_TRIES)
    assert events(db) == []
    outbox.step_aside(db, poison, failed_alone=1)
    assert events(db) == [2]
    assert events(db, now=NOW + 60_000) == [1, 2]


def test_events_that_waited_for_an_endpoint_go_at_once_when_it_is_back(db: sqlite3.Connection) -> None:
    """The first success releases them, in order within their item; one that stepped aside keeps its own time."""
    add_endpoint(db)
    item, other = add_item(db, "i1"), add_item(db, "i2")
    for each in (item, item, other):
        add_event(db, each)
    first, alone = may_go(db)
    fail(db, first, until=NOW + 60_000, times=FIRST_TRIES)
    fail(db, alone, until=NOW + 60_000, times=FIRST_TRIES)
    outbox.step_aside(db, alone, failed_alone=1)
    assert events(db) == []
    outbox.let_go(db, "e", now=NOW)
    assert events(db) == [1]


def test_a_held_event_holds_nobody(db: sqlite3.Connection) -> None:
    """It is kept for a replay and the others go on."""
    add_endpoint(db)
    item = add_item(db)
    add_event(db, item)
    add_event(db, item)
    jobs.hold(db, may_go(db)[0], reason="410")
    assert events(db) == [2]


def test_a_failing_endpoint_is_probed_with_one_event_at_a_time(db: sqlite3.Connection) -> None:
    """Not before its probe is due, not beside another, whatever the events' own times say."""
    add_endpoint(db)
    for number in range(5):
        add_event(db, add_item(db, f"i{number}"))
    fail(db, may_go(db)[0], until=10**9)
    judge(db, fail_count=1, probe_at=NOW + 1)
    assert events(db) == []
    probe = may_go(db, now=NOW + 1)
    assert len(probe) == 1
    assert may_go(db, now=NOW + 1, running=tuple(probe)) == []
    judge(db, fail_count=0, probe_at=None)
    assert len(events(db)) == 4


def test_the_least_tried_event_is_the_probe(db: sqlite3.Connection) -> None:
    """One bad event never holds the rest: the next probe is another one, the oldest of those tried as little."""
    add_endpoint(db)
    for number in range(3):
        add_event(db, add_item(db, f"i{number}"))
    judge(db, fail_count=1, probe_at=NOW)
    for expected in (1, 2, 3, 1):
        [probe] = may_go(db)
        assert probe.subject == f"{expected}:e"
        fail(db, probe, until=10**9)


def test_a_probe_keeps_the_order_of_its_item(db: sqlite3.Connection) -> None:
    """The second event of an item is no probe while the first still has its first tries."""
    add_endpoint(db)
    item = add_item(db)
    add_event(db, item)
    add_event(db, item)
    judge(db, fail_count=1, probe_at=NOW)
    fail(db, may_go(db)[0], until=NOW)
    assert events(db) == [1]


def test_a_disabled_endpoint_keeps_its_events_and_gets_them_in_order(db: sqlite3.Connection) -> None:
    """Nothing goes while it is off; set right by the owner, all goes at once and from the start."""
    add_endpoint(db)
    for number in range(3):
        add_event(db, add_item(db, f"i{number}"))
    first, second, _ = may_go(db)
    fail(db, first, until=NOW + 10**8, times=15)
    jobs.hold(db, second, reason="poison")
    judge(db, active=False, fail_count=15, probe_at=NOW + 10**8)
    assert events(db) == []
    assert outbox.next_delivery_at(db, after=NOW) is None
    judge(db, active=True, fail_count=0, probe_at=None)
    outbox.release(db, "e", now=NOW)
    assert events(db) == [1, 2, 3]
    assert [job.attempts for job in may_go(db)] == [0, 0, 0]


def test_releasing_one_endpoint_leaves_the_others(db: sqlite3.Connection) -> None:
    """Each endpoint for itself."""
    add_endpoint(db, "e1")
    add_endpoint(db, "e2")
    add_event(db, add_item(db))
    for job in may_go(db):
        fail(db, job, until=NOW + 50)
    outbox.release(db, "e1", now=NOW)
    assert [job.subject for job in may_go(db)] == ["1:e1"]


def test_replays_go_behind_what_is_told_the_first_time(db: sqlite3.Connection) -> None:
    """A replay of thousands delays no other item's news; of one item the older event goes first all the same."""
    add_endpoint(db)
    old, other = add_item(db, "i1"), add_item(db, "i2")
    add_event(db, old)
    add_event(db, other)
    db.execute("DELETE FROM jobs")
    feed.order_again(db, "a", None, numbers=(1, 2), now=NOW)
    add_event(db, add_item(db, "i3"))
    add_event(db, old)
    assert events(db) == [3, 1, 2]
    jobs.finish(db, may_go(db)[1])
    assert events(db) == [3, 4, 2]


def test_a_replayed_event_goes_before_a_newer_one_of_its_item_that_waits(db: sqlite3.Connection) -> None:
    """The order of an item is that of its events, whichever delivery was ordered first."""
    add_endpoint(db)
    item = add_item(db)
    add_event(db, item)
    jobs.finish(db, may_go(db)[0])
    add_event(db, item)
    feed.order_again(db, "a", None, numbers=(1, 2), now=NOW)
    assert events(db) == [1]
    jobs.finish(db, may_go(db)[0])
    assert events(db) == [2]


def test_endpoints_take_turns(db: sqlite3.Connection) -> None:
    """A long queue of one endpoint leaves room for another's."""
    add_endpoint(db, "busy")
    for number in range(20):
        add_event(db, add_item(db, f"i{number}"))
    add_endpoint(db, "calm")
    add_event(db, add_item(db, "last"))
    picked = may_go(db, limit=8)
    assert [job.subject for job in picked] == ["1:busy", "21:calm", "2:busy", "3:busy", "4:busy"]


def test_a_slow_endpoint_keeps_no_more_than_its_share_of_the_room(db: sqlite3.Connection) -> None:
    """What runs counts: a tarpit holds an equal share of the queue's room and no more; alone it may have all of it."""
    add_endpoint(db, "tarpit")
    for number in range(20):
        add_event(db, add_item(db, f"i{number}"))
    assert len(may_go(db, limit=8)) == 8
    add_endpoint(db, "calm")
    stuck = tuple(may_go(db, limit=8))
    assert len(stuck) == 4
    assert may_go(db, limit=8, running=stuck) == []
    add_event(db, add_item(db, "last"))
    assert [job.subject for job in may_go(db, limit=8, running=stuck)] == ["21:calm"]
    assert len(may_go(db, limit=8, running=stuck[:1])) == 4
    assert len(may_go(db, limit=1)) == 1


def test_what_is_only_being_stored_takes_nobodys_share(db: sqlite3.Connection) -> None:
    """An endpoint that takes events faster than the disk goes on; a tarpit gets no larger share by that."""
    for name in ("quick", "tarpit"):
        add_endpoint(db, name)
    for number in range(20):
        add_event(db, add_item(db, f"i{number}"))
    first = may_go(db, limit=8)
    taken = tuple(job for job in first if job.subject.endswith("quick"))
    stuck = tuple(job for job in first if job.subject.endswith("tarpit"))
    more = may_go(db, limit=12, running=stuck, settling=taken)
    assert [job.subject for job in more] == ["5:quick", "6:quick", "7:quick", "8:quick"]


def test_the_lane_knows_when_to_look_again(db: sqlite3.Connection) -> None:
    """The next due event of a healthy endpoint or the next probe of a failing one, whichever comes first."""
    add_endpoint(db, "well")
    add_endpoint(db, "ill")
    add_event(db, add_item(db))
    assert outbox.next_delivery_at(db, after=NOW) is None
    for job in may_go(db):
        fail(db, job, until=NOW + 50)
    judge(db, "ill", fail_count=1, probe_at=NOW + 20)
    assert outbox.next_delivery_at(db, after=NOW) == NOW + 20
    assert outbox.next_delivery_at(db, after=NOW + 20) == NOW + 50


def test_what_goes_first_is_right_after_anything_that_happens(db: sqlite3.Connection) -> None:
    """However deliveries come, fail, step aside, are held, freed and replayed: heads are those without an older one due."""
    rng = Random(1)
    add_endpoint(db, "e1")
    add_endpoint(db, "e2")
    stock = [add_item(db, f"i{number}") for number in range(3)]
    for step in range(400):
        waiting = db.execute("SELECT * FROM jobs ORDER BY id").fetchall()
        if not waiting:
            add_event(db, rng.choice(stock))
            continue
        row = rng.choice(waiting)
        job = jobs.job_of(row)
        match rng.randrange(8):
            case 0 | 1:
                add_event(db, rng.choice(stock))
            case 2:
                jobs.finish(db, job)
            case 3:
                fail(db, job, until=step + 50)
            case 4:
                jobs.hold(db, job, reason="poison")
            case 5:
                outbox.step_aside(db, job, failed_alone=rng.randrange(3))
            case 6:
                outbox.release(db, row["endpoint_id"], now=step)
                assert _not_released(db, row["endpoint_id"], now=step) == []
            case 7:
                last = db.execute("SELECT max(seq) FROM notices").fetchone()[0]
                first = rng.randint(max(1, last - 5), last)
                feed.order_again(db, "a", row["endpoint_id"], numbers=(first, last), now=step)
        assert _behind(db) == _behind_by_rule(db)
    assert _behind(db)


def _not_released(db: sqlite3.Connection, endpoint_id: str, *, now: int) -> list[str]:
    rows = db.execute(
        "SELECT subject FROM jobs WHERE endpoint_id = ?"
        " AND (state = 'held' OR due_at > ? OR attempts > 0 OR aside > 0 OR reason IS NOT NULL)",
        (endpoint_id, now),
    )
    return [row[0] for row in rows.fetchall()]


def _behind(db: sqlite3.Connection) -> set[str]:
    return {row[0] for row in db.execute("SELECT subject FROM jobs WHERE behind = 1").fetchall()}


def _behind_by_rule(db: sqlite3.Connection) -> set[str]:
    rows = db.execute(
        "SELECT subject FROM jobs mine WHERE EXISTS (SELECT 1 FROM jobs older WHERE older.state = 'due'"
        " AND older.aside = 0 AND older.endpoint_id = mine.endpoint_id AND older.item_id = mine.item_id"
        " AND older.notice_seq < mine.notice_seq)"
    )
    return {row[0] for row in rows.fetchall()}


def test_a_long_queue_is_never_read_for_the_next_delivery(db: sqlite3.Connection) -> None:
    """Each step of a pick and of a look at the time ahead is a search that needs no sorting but of what it found."""
    add_endpoint(db, "well")
    add_endpoint(db, "ill", fail_count=1, probe_at=NOW)
    asked: list[str] = []
    db.set_trace_callback(asked.append)
    may_go(db)
    outbox.next_delivery_at(db, after=NOW)
    db.set_trace_callback(None)
    steps = [row["detail"] for query in asked for row in db.execute(f"EXPLAIN QUERY PLAN {query}").fetchall()]
    of_jobs = [step for step in steps if "jobs" in step]
    assert len(of_jobs) == 4
    assert all("INDEX jobs_heads" in step or "INDEX jobs_probes" in step for step in of_jobs)


@pytest.mark.parametrize("ok", [True, False])
def test_every_attempt_is_logged_and_old_ones_are_dropped_bit_by_bit(
    db: sqlite3.Connection,
    ok: bool,  # noqa: FBT001 - a parameter
) -> None:
    """One row for each try; upkeep forgets at most so many at a time."""
    add_endpoint(db)
    add_event(db, add_item(db))
    attempt = Attempt(
        endpoint_id="e",
        notice_seq=1,
        url="https://erp.example/hook",
        attempt=1,
        ok=ok,
        http_status=200 if ok else None,
        error=None,
        snippet=None,
        duration_ms=3,
    )
    for at in (1, 2, 3):
        outbox.log_attempt(db, attempt, now=at)
    statuses = {row["status"] for row in db.execute("SELECT status FROM deliveries").fetchall()}
    assert statuses == {"success" if ok else "failed"}
    assert outbox.drop_old_deliveries(db, before=3, limit=1) == 1
    assert outbox.drop_old_deliveries(db, before=3, limit=9) == 1
    assert outbox.drop_old_deliveries(db, before=3, limit=9) == 0
