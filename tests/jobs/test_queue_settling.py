"""Jobs whose end waits for the disk: those that are done make room for the next, those that failed do not."""

from __future__ import annotations

import threading

import pytest

from rheod.jobs.queue import Done, Retry
from rheod.store.engine.database import Database
from rheod.usecases.transaction import Store
from tests.jobs.watching import looks_at_rest
from tests.jobs.yard import Yard
from tests.stores import Clock
from tests.waiting import until


@pytest.fixture
def yard(database: Database, clock: Clock, account_id: str, store: Store) -> Yard:
    return Yard(database=database, clock=clock, account_id=account_id, store=store)


async def test_a_job_that_is_done_makes_room_before_its_end_is_stored(yard: Yard) -> None:
    """One at a time: while the store is busy with the end of the first, the second runs; no more than two ends wait."""
    stored = threading.Event()
    yard.outcomes = {subject: lambda _: Done(lambda _tx: stored.wait(10)) for subject in "abcd"}
    async with yard.working(concurrency=1, settling=2):
        await yard.order(*"abcd")
        await until(lambda: set(yard.queue.settling) == set(yard.queue.running) and len(yard.ran) == 2)
        assert await looks_at_rest(yard.pick) == 0
        assert yard.ran == ["a", "b"]
        stored.set()
        await yard.idle()
        assert yard.ran == ["a", "b", "c", "d"]
        assert await yard.jobs() == []


async def test_a_job_that_failed_keeps_its_place_until_that_is_stored(yard: Yard) -> None:
    """What failed may say something about the next: the next is only picked once that is known."""
    stored = threading.Event()
    later = yard.clock() + 5000
    yard.outcomes["a"] = lambda _: Retry(until=later, reason="no", write=lambda _tx: stored.wait(10))
    async with yard.working(concurrency=1, settling=2):
        await yard.order("a", "b")
        await until(lambda: yard.ran == ["a"])
        assert await looks_at_rest(yard.pick) == 0
        assert yard.ran == ["a"]
        stored.set()
        await yard.idle()
        assert yard.ran == ["a", "b"]
