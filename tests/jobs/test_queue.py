"""The one loop: it runs what is due up to its limit, rests without looking, and no job can end it."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from rheod.domain.errors import Refused, StoreUnavailable, Text
from rheod.domain.model import CallClass, Job, JobKind, QueueName
from rheod.jobs.picks import ByUrgency
from rheod.jobs.queue import BudgetWait, Done, Hold, Outcome, Pause, Retry, Unclear
from rheod.store.engine.database import Database
from rheod.usecases.transaction import Store, Transaction
from tests.jobs.watching import looks_at_rest
from tests.jobs.yard import FailingPick, LatePick, SlowPick, Yard
from tests.stores import Clock, rows
from tests.waiting import until


@pytest.fixture
def yard(database: Database, clock: Clock, account_id: str, store: Store) -> Yard:
    return Yard(database=database, clock=clock, account_id=account_id, store=store)


async def test_due_jobs_run_side_by_side_up_to_the_limit(yard: Yard) -> None:
    """Ten jobs, three at a time, the longest due first; each runs once and is gone."""
    yard.free.clear()
    subjects = [str(number) for number in range(10)]
    async with yard.working():
        await yard.order(*subjects)
        await until(lambda: len(yard.ran) == 3)
        assert yard.ran == ["0", "1", "2"]
        yard.free.set()
        await yard.idle()
        assert yard.ran == subjects
        assert yard.most == 3
        assert await yard.jobs() == []


async def test_a_job_that_runs_is_not_picked_again(yard: Yard) -> None:
    """Wake-ups while a job is running start it no second time."""
    yard.free.clear()
    async with yard.working():
        await yard.order("a")
        await until(lambda: yard.ran == ["a"])
        looks = yard.pick.looks
        yard.wakeups.wake(QueueName.PUSH)
        await until(lambda: yard.pick.looks > looks)
        assert yard.ran == ["a"]


async def test_a_job_that_ends_while_the_queue_looks_does_not_run_twice(yard: Yard) -> None:
    """The look saw it as due, but it was running then and has ended since."""
    pick = SlowPick()
    yard.free.clear()
    async with yard.working(pick):
        await yard.order("a")
        await until(lambda: yard.ran == ["a"])
        pick.armed = True
        yard.wakeups.wake(QueueName.PUSH)
        await until(lambda: pick.has_read)
        yard.free.set()
        await until(lambda: not yard.queue.running)
        pick.release.set()
        await yard.idle()
        assert yard.ran == ["a"]


async def test_a_job_ordered_again_while_it_runs_runs_again(yard: Yard) -> None:
    """What was ordered during a run was not seen by it: one more run."""
    yard.free.clear()
    async with yard.working():
        await yard.order("a")
        await until(lambda: yard.ran == ["a"])
        await yard.order("a")
        yard.free.set()
        await yard.idle()
        assert yard.ran == ["a", "a"]
        assert await yard.jobs() == []


async def test_what_done_writes_is_stored_with_the_end_of_the_job(yard: Yard) -> None:
    """The write and the end of the job are one transaction."""

    def write(tx: Transaction) -> None:
        tx.db.execute("INSERT INTO marks (name, value) VALUES ('m', 'done')")

    yard.outcomes["a"] = lambda _: Done(write)
    async with yard.working():
        await yard.order("a")
        await yard.idle()
    assert await rows(yard.database, "SELECT value FROM marks") == [{"value": "done"}]


async def test_a_job_put_off_runs_when_its_time_has_come(yard: Yard) -> None:
    """Counted tries add up, others do not; before its time nothing runs."""
    later = yard.clock() + 5000
    yard.outcomes["counted"] = lambda job: Retry(until=later, reason="no") if not job.attempts else Done()
    yard.outcomes["free"] = lambda job: (
        Retry(until=later, reason="no", counted=False) if job.due_at < later else Done()
    )
    async with yard.working():
        await yard.order("counted", "free")
        await yard.idle()
        assert await yard.jobs() == [("counted", "due", 1, 5000), ("free", "due", 0, 5000)]
        yard.forward(4999)
        await yard.idle()
        assert len(yard.ran) == 2
        yard.forward(1)
        await yard.idle()
        assert len(yard.ran) == 4
        assert await yard.jobs() == []


async def test_a_held_job_waits_until_it_is_ordered_again(yard: Yard) -> None:
    """Held is for good, but for another order."""
    yard.outcomes["a"] = lambda job: Hold("broken") if not job.attempts else Done()
    async with yard.working():
        await yard.order("a")
        await yard.idle()
        yard.forward(10**9)
        await yard.idle()
        assert yard.ran == ["a"]
        assert [job[:3] for job in await yard.jobs()] == [("a", "held", 1)]
        await yard.order("a")
        await yard.idle()
        assert yard.ran == ["a", "a"]


async def test_the_next_due_time_is_kept_without_a_wake_up(yard: Yard) -> None:
    """A queue at rest wakes by itself when a job becomes due, and a wake-up brings it back for one that is due sooner."""
    async with yard.working():
        await yard.order("soon", delay_ms=60)
        await yard.idle()
        assert yard.ran == []
        yard.clock.forward(60)  # nobody wakes it
        await until(lambda: yard.ran == ["soon"])
        await yard.order("far", delay_ms=50_000)
        await yard.idle()
        await yard.order("now")
        await until(lambda: yard.ran == ["soon", "now"])


async def test_what_becomes_due_while_the_queue_lies_down_is_not_slept_over(yard: Yard) -> None:
    """The time passes between the look and the rest: the job runs at once, without a wake-up."""
    await yard.order("a", delay_ms=50_000)
    async with yard.working(LatePick(yard.clock, 50_000)):
        await until(lambda: yard.ran == ["a"])


async def test_a_queue_at_rest_does_not_look(yard: Yard) -> None:
    """With nothing due, or only later, a resting queue asks the store nothing."""
    async with yard.working():
        await yard.idle()
        assert await looks_at_rest(yard.pick) <= 1
        await yard.order("later", delay_ms=50_000)
        await yard.idle()
        assert await looks_at_rest(yard.pick) <= 1


async def test_a_job_costs_one_look_at_its_start_and_one_at_its_end(yard: Yard) -> None:
    """What there was to find when it was picked is known: nothing is looked for again while it runs."""
    yard.free.clear()
    await yard.order("a")
    async with yard.working():
        await until(lambda: yard.ran == ["a"])
        assert await looks_at_rest(yard.pick) == 0
        assert (yard.pick.looks, yard.pick.rests) == (1, 1)
        yard.free.set()
        await until(lambda: yard.pick.rests == 2)
        assert await looks_at_rest(yard.pick) == 0
        assert (yard.pick.looks, yard.pick.rests) == (2, 2)


async def test_a_full_queue_does_not_look(yard: Yard) -> None:
    """While as many run as may, further due jobs wait and nothing is asked."""
    yard.free.clear()
    async with yard.working(concurrency=2):
        await yard.order(*"abcdef")
        await until(lambda: len(yard.ran) == 2)
        looks, rests = yard.pick.looks, yard.pick.rests
        yard.wakeups.wake(QueueName.PUSH)
        assert await looks_at_rest(yard.pick) == 0
        assert (yard.pick.looks, yard.pick.rests) == (looks, rests)


# Failures


async def test_an_unexpected_exception_puts_the_job_off_and_nothing_else(yard: Yard) -> None:
    """A bug in one job: it is tried again with growing gaps, is logged, and the others run."""

    def bug(_job: Job) -> Outcome:
        raise ZeroDivisionError("a bug")

    yard.outcomes["bad"] = bug
    with capture_logs() as logs:
        async with yard.working() as running:
            await yard.order("bad", "good")
            await yard.idle()
            assert sorted(yard.ran) == ["bad", "good"]
            assert await yard.jobs() == [("bad", "due", 1, 1000)]
            yard.forward(1000)
            await yard.idle()
            assert await yard.jobs() == [("bad", "due", 2, 2000)]
            assert not running.done()
    assert [line["event"] for line in logs] == ["job failed unexpectedly"] * 2


async def test_a_write_that_is_refused_puts_the_job_off_and_nothing_else(yard: Yard) -> None:
    """What a job wants stored breaks a rule: nothing of it is stored, the job is tried later, the queue lives."""

    def write(tx: Transaction) -> None:
        tx.db.execute("INSERT INTO marks (name, value) VALUES ('half', 'x')")
        raise Refused("CONFLICT", Text("not like this"))

    def broken(tx: Transaction) -> None:
        tx.db.execute("INSERT INTO listings (id) VALUES ('x')")

    yard.outcomes = {"refused": lambda _: Done(write), "broken": lambda _: Hold("no", broken)}
    with capture_logs() as logs:
        async with yard.working() as running:
            await yard.order("refused", "broken", "good")
            await yard.idle()
            assert not running.done()
            assert await yard.jobs() == [("refused", "due", 1, 1000), ("broken", "due", 1, 1000)]
    assert await rows(yard.database, "SELECT * FROM marks") == []
    assert [line["event"] for line in logs] == ["outcome failed unexpectedly"] * 2


async def test_a_store_that_cannot_be_read_or_written_by_a_job_is_no_failure_of_it(yard: Yard) -> None:
    """StoreUnavailable inside a job puts it off without counting a try."""

    def no_room(_job: Job) -> Outcome:
        raise StoreUnavailable(Text("the disk is full"))

    yard.outcomes["a"] = no_room
    async with yard.working():
        await yard.order("a")
        await yard.idle()
        assert await yard.jobs() == [("a", "due", 0, 1000)]


@pytest.mark.parametrize("moment", ["look", "rest"])
async def test_a_store_that_cannot_be_read_does_not_end_the_lane(yard: Yard, moment: str) -> None:
    """The queue says so, waits a second and looks again."""
    pick = FailingPick(at_rest=moment == "rest")
    async with yard.working(pick) as running:
        await until(lambda: pick.failed)
        await yard.order("a")
        await until(lambda: yard.ran == ["a"])
        assert not running.done()


# Waiting for the remote


async def test_a_remote_that_is_away_quiets_the_queue_with_growing_pauses(yard: Yard) -> None:
    """5, 15, 45 s: nobody in the queue tries before; each try is another job's, and is held against none."""
    yard.outcomes["a"] = yard.outcomes["b"] = lambda _: Pause("connection refused")
    async with yard.working(QueueName.TRADERA, ByUrgency(yard.account_id), concurrency=1):
        await yard.order("a", kind=JobKind.PUBLISH)
        await yard.idle()
        await yard.order("b", kind=JobKind.PUBLISH)
        for tries, gap_ms in ((1, 5000), (2, 15_000), (3, 45_000)):
            yard.forward(gap_ms - 1)
            await yard.idle()
            assert yard.ran == ["a", "b", "a"][:tries]
            assert await looks_at_rest(yard.pick, 0.02) <= 1
            yard.forward(1)
            await until(lambda tries=tries: len(yard.ran) == tries + 1)  # type: ignore[misc]
            await yard.idle()
        assert [job[2] for job in await yard.jobs()] == [0, 0]


async def unclear(yard: Yard) -> dict[str, tuple[int, int]]:
    """How often each job has got no clear answer, and for how long (ms)."""
    found = await rows(yard.database, "SELECT * FROM jobs WHERE unclear > 0")
    return {row["subject"]: (row["unclear"], yard.clock() - row["unclear_since"]) for row in found}


async def test_a_job_without_a_clear_answer_waits_alone(yard: Yard) -> None:
    """It counts, waits 5, then 15 s by itself, and the next job goes on at once."""
    yard.outcomes["bad"] = lambda _: Unclear("502", "502")
    async with yard.working(QueueName.TRADERA, ByUrgency(yard.account_id), concurrency=1):
        await yard.order("bad", "good", kind=JobKind.PUBLISH)
        await yard.idle()
        assert yard.ran == ["bad", "good"]
        assert yard.queue.rest is None
        assert await yard.jobs() == [("bad", "due", 0, 5000)]
        assert await unclear(yard) == {"bad": (1, 0)}
        await yard.order("second", "third", delay_ms=5000, kind=JobKind.PUBLISH)
        yard.forward(5000)
        await yard.idle()
        assert yard.ran == ["bad", "good", "second", "third", "bad"], "what has failed is tried last"
        assert await yard.jobs() == [("bad", "due", 0, 15_000)]
        assert await unclear(yard) == {"bad": (2, 5000)}


async def test_a_clear_answer_ends_the_count_of_a_job(yard: Yard) -> None:
    """Not yet is an answer too: what failed before it is forgotten, and the next wait is short again."""
    answers: list[Outcome] = [
        Unclear("502", "502"),
        Unclear("502", "502"),
        Retry(until=0, reason="not yet"),
        Unclear("502", "502"),
    ]
    yard.outcomes["a"] = lambda _: answers.pop(0)
    async with yard.working(QueueName.PUSH, concurrency=1):
        await yard.order("a")
        for gap_ms in (5000, 15_000):
            await yard.idle()
            yard.forward(gap_ms)
        await until(lambda: not answers)
        await yard.idle()
        assert await yard.jobs() == [("a", "due", 1, 5000)]
        assert await unclear(yard) == {"a": (1, 0)}


async def test_what_has_failed_for_long_is_tried_every_quarter_of_an_hour(yard: Yard) -> None:
    """The waits of a job grow to 15 minutes and no further."""
    yard.outcomes["bad"] = lambda _: Unclear("502", "502")
    async with yard.working(QueueName.PUSH, concurrency=1):
        await yard.order("bad")
        for gap_ms in (5000, 15_000, 45_000, 120_000, 300_000, 900_000, 900_000):
            await yard.idle()
            assert [job[3] for job in await yard.jobs()] == [gap_ms]
            yard.forward(gap_ms)


async def test_three_jobs_that_fail_alike_let_the_queue_rest_and_count_no_more(yard: Yard) -> None:
    """One probe at a time, each time another job; a clear answer ends the rest, and all go on at once."""
    subjects = list("abcdef")
    away = True
    for subject in subjects:
        yard.outcomes[subject] = lambda _: Unclear("502", "502") if away else Done()
    async with yard.working(QueueName.TRADERA, ByUrgency(yard.account_id), concurrency=1):
        await yard.order(*subjects, kind=JobKind.PUBLISH)
        await yard.idle()
        assert yard.ran == ["a", "b", "c"]
        rest = yard.queue.rest
        assert rest is not None
        assert (rest.reason, rest.until - rest.since) == ("502", 5000)
        for gap_ms, probed in ((5000, "d"), (15_000, "e"), (45_000, "f")):
            yard.forward(gap_ms)
            await yard.idle()
            assert yard.ran[-1] == probed
        assert len(yard.ran) == 6
        assert await unclear(yard) == {"a": (1, 65_000), "b": (1, 65_000)}
        away = False
        yard.forward(120_000)
        await yard.idle()
        assert yard.queue.rest is None
        assert await yard.jobs() == []


async def test_different_failures_do_not_let_the_queue_rest(yard: Yard) -> None:
    """Jobs that fail each in its own way say nothing of the remote; nor does one that fails three times."""
    for subject in "abcd":
        yard.outcomes[subject] = lambda job: Unclear("no", "502" if job.subject in "ac" else "html")
    async with yard.working(QueueName.PUSH, concurrency=1):
        await yard.order(*"abcd")
        await yard.idle()
        assert yard.ran == list("abcd")
        assert yard.queue.rest is None


async def test_the_owner_and_a_new_token_end_a_wait_for_the_remote(yard: Yard) -> None:
    """While the queue rests new work waits with it; the owner's word probes at once, with one job."""
    yard.outcomes["a"] = lambda _: Pause("connection refused")
    async with yard.working(QueueName.TRADERA, ByUrgency(yard.account_id), concurrency=1):
        await yard.order("a", kind=JobKind.PUBLISH)
        await yard.idle()
        await yard.order("b", kind=JobKind.PUBLISH)
        await yard.idle()
        assert yard.ran == ["a"]
        yard.wakeups.probe(QueueName.TRADERA)
        await until(lambda: yard.ran[:2] == ["a", "b"])


async def test_after_a_success_the_pauses_begin_anew(yard: Yard) -> None:
    """Work that was done or put off by a remote that answers ends the outage."""
    answers: list[Outcome] = [
        Pause("away"),
        Pause("away"),
        Retry(until=0, reason="asked, not yet", counted=False),
        Pause("away"),
    ]
    yard.outcomes["a"] = lambda _: answers.pop(0) if answers else Done()
    with capture_logs() as logs:
        async with yard.working(QueueName.PUSH, concurrency=1):
            await yard.order("a")
            for gap_ms in (5000, 15_000, 5000):
                await yard.idle()
                yard.forward(gap_ms)
            await yard.idle()
    assert len(yard.ran) == 5
    told = [line["event"] for line in logs]
    assert told == ["remote is away", "remote is back", "remote is away", "remote is back"]


async def test_a_class_without_budget_waits_alone(yard: Yard) -> None:
    """Publishing waits for the budget: its jobs stay where they are, other classes go on, and nobody looks in vain."""
    until_ms = yard.clock() + 3_600_000
    wait = BudgetWait(CallClass.PUBLISH, until_ms, "80 of 100 calls used")
    yard.outcomes["p1"] = lambda _: wait if yard.clock() < until_ms else Done()
    async with yard.working(QueueName.TRADERA, ByUrgency(yard.account_id), concurrency=1):
        await yard.order("p1", "p2", kind=JobKind.PUBLISH)
        await yard.idle()
        await yard.order("e1", kind=JobKind.END)
        await yard.idle()
        assert yard.ran == ["p1", "e1"]
        assert await looks_at_rest(yard.pick) <= 1
        assert [job[:3] for job in await yard.jobs()] == [("p1", "due", 0), ("p2", "due", 0)]
        yard.forward(3_600_000)
        await yard.idle()
        assert yard.ran == ["p1", "e1", "p1", "p2"]


async def test_the_urgent_goes_first_and_then_the_oldest(yard: Yard) -> None:
    """End, orders, results, price, publish, reconcile; within a class by age."""
    yard.free.clear()
    async with yard.working(QueueName.TRADERA, ByUrgency(yard.account_id), concurrency=1):
        await yard.order("first", kind=JobKind.PUBLISH)
        await until(lambda: yard.ran == ["first"])
        for kind in (
            JobKind.RECONCILE,
            JobKind.PUBLISH,
            JobKind.REPRICE,
            JobKind.RESULTS,
            JobKind.ORDERS,
            JobKind.END,
        ):
            await yard.order(f"{kind.value}-1", f"{kind.value}-2", kind=kind)
        yard.free.set()
        await yard.idle()
    kinds = ("end", "orders", "results", "reprice", "publish", "reconcile")
    assert yard.ran[1:] == [f"{kind}-{number}" for kind in kinds for number in (1, 2)]


# Stopping


async def test_a_stop_waits_for_what_runs_and_starts_nothing(yard: Yard) -> None:
    """What runs ends and is stored; what is due stays due."""
    yard.free.clear()
    async with yard.working(concurrency=1) as running:
        await yard.order("a", "b")
        await until(lambda: yard.ran == ["a"])
        yard.queue.stop()
        yard.wakeups.wake(QueueName.PUSH)
        assert not running.done()
        yard.free.set()
        await asyncio.wait([running], timeout=5)
        assert running.done()
    assert yard.ran == ["a"]
    assert [job[0] for job in await yard.jobs()] == ["b"]


async def test_work_that_is_cut_off_stays_due(yard: Yard) -> None:
    """After the grace the loop is cancelled: the job it ran is due as before."""
    yard.free.clear()
    running = asyncio.create_task(yard.build().run())
    await yard.order("a")
    await until(lambda: yard.ran == ["a"])
    running.cancel()
    await asyncio.wait([running], timeout=5)
    assert running.cancelled()
    assert [job[:3] for job in await yard.jobs()] == [("a", "due", 0)]
