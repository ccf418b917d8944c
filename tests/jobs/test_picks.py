"""Several jobs of one account at Tradera at once: never two of one item, and what is urgent finds a place."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from rheod.domain.model import JobKind, JobOrder, ListingState, QueueName
from rheod.jobs.picks import ByUrgency
from rheod.jobs.queue import Pause, Retry, Unclear
from rheod.store import items, jobs
from rheod.store.engine.database import Database
from rheod.store.jobs import Owner
from rheod.tradera.publisher import Publisher
from rheod.tradera.result_poller import ResultPoller, ResultPollOptions
from rheod.usecases.transaction import Store, Transaction
from tests.desk import ASKS_AFTER_S, DELAYS_S, HOUR_MS, Desk
from tests.jobs.yard import Yard
from tests.store.making import add_item
from tests.stores import Clock
from tests.waiting import until

AT_ONCE = ByUrgency.most_publishings + 2


@pytest.fixture
def yard(database: Database, clock: Clock, account_id: str, store: Store) -> Yard:
    """A queue whose work is the test's."""
    return Yard(database=database, clock=clock, account_id=account_id, store=store)


async def of_item(yard: Yard, item_id: str, *kinds: JobKind) -> None:
    """Order jobs about one item; their subjects are its id and the kind."""

    def use_case(tx: Transaction) -> None:
        if items.find(tx.db, yard.account_id, f"x-{item_id}") is None:
            add_item(tx.db, item_id, account_id=yard.account_id)
        for kind in kinds:
            wanted = JobOrder(queue=QueueName.TRADERA, kind=kind, subject=f"{item_id}-{kind}")
            tx.order_for(wanted, Owner(account_id=yard.account_id, item_id=item_id))

    await yard.store.write(use_case)
    yard.wakeups.wake(QueueName.TRADERA)


async def test_two_jobs_of_one_item_never_run_at_once(yard: Yard) -> None:
    """Its ending and its price wait for each other, other items for neither."""
    yard.free.clear()
    async with yard.working(QueueName.TRADERA, ByUrgency(yard.account_id), concurrency=AT_ONCE):
        await of_item(yard, "a", JobKind.REPRICE)
        await until(lambda: yard.ran == ["a-reprice"])
        await of_item(yard, "a", JobKind.END, JobKind.LOOK)
        await of_item(yard, "b", JobKind.REPRICE, JobKind.END)
        await until(lambda: len(yard.ran) == 2)
        assert yard.ran == ["a-reprice", "b-end"]
        yard.free.set()
        await yard.idle()
    assert Counter(yard.ran) == Counter(["a-reprice", "a-end", "a-look", "b-reprice", "b-end"])


async def test_a_job_that_was_dropped_and_ordered_anew_waits_for_the_one_that_still_runs(yard: Yard) -> None:
    """New pictures take the order to publish away and bring another, while the first is on its way to Tradera."""
    yard.free.clear()
    async with yard.working(QueueName.TRADERA, ByUrgency(yard.account_id), concurrency=AT_ONCE):
        await of_item(yard, "a", JobKind.PUBLISH)
        await until(lambda: yard.ran == ["a-publish"])
        await yard.store.write(lambda tx: jobs.drop(tx.db, JobKind.PUBLISH, ["a-publish"]))
        await of_item(yard, "a", JobKind.PUBLISH)
        await of_item(yard, "b", JobKind.PUBLISH)
        await until(lambda: len(yard.ran) == 2)
        assert yard.ran == ["a-publish", "b-publish"]
        yard.free.set()
        await yard.idle()
    assert Counter(yard.ran) == Counter({"a-publish": 2, "b-publish": 1})


async def test_publishings_leave_places_to_what_is_more_urgent(yard: Yard) -> None:
    """Ten wait and some of them run; an order is looked up at once, and the rest follow."""
    yard.free.clear()
    async with yard.working(QueueName.TRADERA, ByUrgency(yard.account_id), concurrency=AT_ONCE):
        await yard.order(*(f"p{number}" for number in range(10)), kind=JobKind.PUBLISH)
        await until(lambda: len(yard.ran) == ByUrgency.most_publishings)
        await yard.order("orders", kind=JobKind.ORDERS)
        await until(lambda: "orders" in yard.ran)
        assert len(yard.ran) == ByUrgency.most_publishings + 1
        yard.free.set()
        await yard.idle()
    assert len(yard.ran) == 11


async def test_the_look_after_a_restore_runs_alone(yard: Yard) -> None:
    """It waits for what runs, and nothing begins beside it."""
    yard.free.clear()
    async with yard.working(QueueName.TRADERA, ByUrgency(yard.account_id), concurrency=AT_ONCE):
        await yard.order("p", kind=JobKind.PUBLISH)
        await until(lambda: yard.ran == ["p"])
        await yard.order("takeover", kind=JobKind.TAKEOVER)
        await yard.order("orders", kind=JobKind.ORDERS)
        looks = yard.pick.looks
        yard.wakeups.wake(QueueName.TRADERA)
        await until(lambda: yard.pick.looks > looks)
        assert yard.ran == ["p"]
        yard.free.set()
        await yard.idle()
    assert yard.ran == ["p", "takeover", "orders"]


@pytest.mark.parametrize("outcome", [Pause("no connection"), Unclear("502", "502")])
async def test_what_failed_together_lets_the_queue_rest_once(yard: Yard, outcome: Pause | Unclear) -> None:
    """Four calls were on their way when the connection broke: five seconds, not two minutes."""
    yard.free.clear()
    yard.outcomes = {f"p{number}": lambda _job: outcome for number in range(4)}
    async with yard.working(QueueName.TRADERA, ByUrgency(yard.account_id), concurrency=AT_ONCE):
        await yard.order(*yard.outcomes, kind=JobKind.PUBLISH)
        await until(lambda: len(yard.ran) == 4)
        yard.free.set()
        await until(lambda: not yard.queue.running)
        assert yard.queue.rest is not None
        assert yard.queue.rest.until - yard.clock() == 5000
        yard.outcomes.clear()
        yard.forward(5000)
        await yard.idle()
        assert yard.queue.rest is None


async def test_a_rest_is_probed_with_ever_other_jobs(yard: Yard) -> None:
    """As many as run at once are poisoned: the next one finds that the remote is back."""
    most = ByUrgency.most_publishings
    yard.outcomes = {f"p{number}": lambda _job: Pause("no connection") for number in range(most)}
    async with yard.working(QueueName.TRADERA, ByUrgency(yard.account_id), concurrency=AT_ONCE):
        await yard.order(*(f"p{number}" for number in range(most + 2)), kind=JobKind.PUBLISH)
        for gap_s in (5, 15, 45, 120, 300, 900):
            await yard.idle()
            yard.forward(gap_s * 1000)
        await yard.idle()
    assert {f"p{most}", f"p{most + 1}"} <= set(yard.ran)


async def test_a_commit_under_way_is_not_asked_about_and_not_repeated(desk: Desk) -> None:
    """Its answer takes longer than the first question is away: another ad's result is asked for, this one's is not."""
    await desk.put("OTHER", pictures=0)
    await desk.reach(ListingState.COMMITTED, "OTHER")
    desk.simulator.fault("commit", "slow", seconds=1.0)
    slow = await desk.put("SLOW", pictures=0)
    await until(lambda: desk.called()["commit"] == 2)
    desk.forward(ASKS_AFTER_S)
    await desk.reach(ListingState.LIVE, "OTHER")
    assert (await desk.listing("SLOW")).state is ListingState.COMMITTING
    asked = [call for call in desk.simulator.calls if call.operation == "results"]
    assert len(asked) == 1
    await desk.reach(ListingState.COMMITTED, "SLOW")
    desk.forward(ASKS_AFTER_S)
    await desk.reach(ListingState.LIVE, "SLOW")
    assert desk.called()["commit"] == 2
    assert slow.external_id == "SLOW"


async def test_a_question_that_begins_while_a_commit_is_under_way_outlives_it(desk: Desk) -> None:
    """The commit ends without an answer while the question reads who waits: nobody else would ask for its ad."""
    await desk.put(pictures=0)
    listing = await desk.reach(ListingState.COMMITTED)
    await desk.idle()
    options = ResultPollOptions(delays_s=DELAYS_S, doubt_ms=HOUR_MS, site_url="https://tradera.example")
    reference = desk.rheod.loops.reference
    publisher = Publisher(store=desk.store, calls=desk.calls, options=desk.options, reference=reference)
    poller = ResultPoller(store=desk.store, calls=desk.calls, publisher=publisher, options=options)
    (job,) = await desk.database.read(
        lambda db: [
            each
            for each in jobs.due(db, QueueName.TRADERA, now=desk.clock() + HOUR_MS, limit=9)
            if each.kind is JobKind.RESULTS
        ]
    )
    desk.calls.in_work.add(listing.id)
    asking = asyncio.create_task(poller.ask(job))
    await asyncio.sleep(0)
    desk.calls.in_work.discard(listing.id)
    assert isinstance(await asking, Retry)
