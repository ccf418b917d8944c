"""The long poll on the push queue: kept first, deleted after, garbage put aside, and calm while the queue is away."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import pytest
from structlog.testing import capture_logs

from rheod.domain.model import QueueName
from rheod.push.client import PushQueue, QueueMessage
from rheod.push.poller import LAST_ANSWER_S, PushPoller
from rheod.store.columns import restored
from rheod.store.engine.database import Database
from rheod.usecases.listings import SellersAndSite
from rheod.usecases.transaction import Store
from tests.push.small_queue import URL, SmallQueue
from tests.simulation.loop import VirtualLoop, run_virtually
from tests.stores import rows
from tests.waiting import until

SELLER_ID = 300124


@pytest.fixture
async def queue() -> AsyncIterator[SmallQueue]:
    one = SmallQueue()
    await one.start()
    yield one
    await one.stop()


@asynccontextmanager
async def polling(
    store: Store, queue: SmallQueue, account_id: str, *, wait_s: int = 1
) -> AsyncIterator[PushPoller]:
    """A poller at work; stopped as the daemon stops it."""
    sellers = SellersAndSite(
        accounts={SELLER_ID: account_id}, site_url="https://www.tradera.com", closed_grace_ms=30_000
    )
    client = PushQueue(
        queue_url=URL,
        region="eu-central-1",
        endpoint_url=queue.endpoint_url,
        access_key_id="test-access-key",
        secret_access_key="test-secret",
        wait_s=wait_s,
    )
    async with client:
        poller = PushPoller(store=store, queue=client, sellers=sellers, rng=Random(1))
        running = asyncio.create_task(poller.run())
        try:
            yield poller
        finally:
            poller.stop()
            async with asyncio.timeout(10):
                await running


def order_created(order_id: int, seller: int = SELLER_ID) -> dict[str, Any]:
    return {"Type": "OrderCreated", "OrderId": order_id, "SellerMemberId": seller, "ItemIds": [7]}


async def kept(database: Database) -> list[tuple[str, str | None]]:
    """State and reason of every message in the inbox."""
    found = await rows(database, "SELECT state, reason FROM inbox ORDER BY id")
    return [(row["state"], restored(row["reason"])) for row in found]


async def test_a_message_is_kept_then_deleted_and_causes_its_work(
    store: Store, database: Database, queue: SmallQueue, account_id: str, woken: list[QueueName]
) -> None:
    """After the commit of inbox row and job the message leaves SQS, and the queue is woken."""
    async with polling(store, queue, account_id):
        sent = queue.send(order_created(1))
        await until(lambda: sent in queue.deleted)
        (row,) = await rows(database, "SELECT * FROM inbox")
        assert (row["message_id"], row["business_key"], row["state"]) == (sent, "OrderCreated:1", "new")
        (job,) = await rows(database, "SELECT * FROM jobs")
        assert (job["kind"], job["subject"]) == ("orders", account_id)
        assert woken == [QueueName.TRADERA]


async def test_a_hundred_messages_are_taken_in_tens(
    store: Store, database: Database, queue: SmallQueue, account_id: str
) -> None:
    """All are kept and deleted; the orders among them are one job."""
    for number in range(1, 101):
        queue.send(order_created(number))
    async with polling(store, queue, account_id):
        await until(lambda: len(queue.deleted) == 100)
        assert queue.calls["DeleteMessageBatch"] == 10
        assert len(await kept(database)) == 100
        assert len(await rows(database, "SELECT * FROM jobs")) == 1


async def test_a_stop_gives_up_the_long_poll_and_finishes_what_was_received(
    store: Store, database: Database, queue: SmallQueue, account_id: str
) -> None:
    """The store is slow when the stop comes: the message is kept and deleted all the same, the poll of 20 s is not waited for."""
    sent = queue.send(order_created(1))
    free = threading.Event()
    holding = asyncio.create_task(database.write(lambda _db: free.wait(10)))
    async with polling(store, queue, account_id, wait_s=20) as poller:
        await until(lambda: queue.calls["ReceiveMessage"] == 2)
        poller.stop()
        assert queue.deleted == []
        free.set()
    await holding
    assert queue.deleted == [sent]
    assert len(await kept(database)) == 1


async def test_ten_more_may_come_while_ten_are_being_kept(
    store: Store, database: Database, queue: SmallQueue, account_id: str
) -> None:
    """The store is slow: the next ten are fetched meanwhile and no more, and none is deleted before its commit."""
    for number in range(1, 41):
        queue.send(order_created(number))
    free = threading.Event()
    holding = asyncio.create_task(database.write(lambda _db: free.wait(10)))
    async with polling(store, queue, account_id):
        await until(lambda: queue.calls["ReceiveMessage"] == 2)
        for _ in range(20):
            assert await kept(database) == []
        assert (queue.calls["ReceiveMessage"], queue.deleted) == (2, [])
        free.set()
        await until(lambda: len(queue.deleted) == 40)
        assert len(await kept(database)) == 40
    await holding


async def test_what_is_not_deleted_comes_back_and_is_recognised(
    store: Store, database: Database, queue: SmallQueue, account_id: str
) -> None:
    """Deletion fails for one of two: it comes back, is known, is deleted, and causes nothing twice."""
    stays = queue.send(order_created(1))
    queue.keeps = {stays}
    goes = queue.send(order_created(2))
    async with polling(store, queue, account_id):
        await until(lambda: goes in queue.deleted)
        assert stays not in queue.deleted
        queue.keeps = set()
        queue.reappear()
        await until(lambda: stays in queue.deleted)
        assert len(await kept(database)) == 2


async def test_the_same_news_under_another_id_is_recognised(
    store: Store, database: Database, queue: SmallQueue, account_id: str
) -> None:
    """Five messages about one order are one row."""
    for _ in range(5):
        queue.send(order_created(1))
    async with polling(store, queue, account_id):
        await until(lambda: len(queue.deleted) == 5)
        assert await kept(database) == [("new", None)]


GARBAGE = {
    "not json": "is not JSON",
    "[1, 2]": "is not a JSON object",
    '"text"': "is not a JSON object",
    '{"Type": "SomethingNew", "SellerMemberId": 300124}': "has an unknown Type",
    '{"Type": ["OrderCreated"]}': "has an unknown Type",
    '{"Type": "OrderCreated", "SellerMemberId": 300124}': "has no OrderId",
    '{"Type": "OrderCreated", "OrderId": "12", "SellerMemberId": 300124}': "has no OrderId",
    '{"Type": "OrderCreated", "OrderId": true, "SellerMemberId": 300124}': "has no OrderId",
    '{"Type": "OrderCreated", "OrderId": 99999999999999999999, "SellerMemberId": 300124}': "has no OrderId",
    '{"Type": "OrderCreated", "OrderId": 1}': "has no SellerMemberId",
    '{"Type": "ItemClosed", "SellerMemberId": 300124, "Reason": "ItemClosedByTradera"}': "has no ItemId",
    '{"Type": "ItemClosed", "ItemId": 1, "SellerMemberId": 300124, "Reason": "Whim"}': "has an unknown Reason",
    '{"Type": "ItemClosed", "ItemId": 1, "SellerMemberId": 300124, "Reason": [1]}': "has an unknown Reason",
    "[" * 100_000: "is not JSON",
    '{"a": "\ud800"}': "is not valid text",
}


async def test_garbage_is_put_aside_and_the_loop_goes_on(
    store: Store, database: Database, queue: SmallQueue, account_id: str
) -> None:
    """Every kind of nonsense is quarantined with its reason and deleted; the order behind it is taken in."""
    for body in GARBAGE:
        queue.send(body)
    last = queue.send(order_created(1))
    async with polling(store, queue, account_id):
        await until(lambda: last in queue.deleted)
        assert await kept(database) == [
            *(("quarantined", reason) for reason in GARBAGE.values()),
            ("new", None),
        ]
        assert queue.left == 0


async def test_a_message_for_another_seller_is_ignored(
    store: Store, database: Database, queue: SmallQueue, account_id: str
) -> None:
    """One queue serves every seller of the application: foreign ones are counted and cause nothing."""
    sent = queue.send(order_created(1, seller=9))
    async with polling(store, queue, account_id):
        await until(lambda: sent in queue.deleted)
        assert await kept(database) == [("ignored", "of another seller")]
        assert await rows(database, "SELECT * FROM jobs") == []


async def test_a_queue_that_is_away_is_told_once_each_way(
    store: Store, database: Database, queue: SmallQueue, account_id: str
) -> None:
    """One line when it goes, one when it is back, tries with growing gaps between, and nothing is lost."""
    queue.away = True
    with capture_logs() as logs:
        async with polling(store, queue, account_id):
            await until(lambda: queue.calls["ReceiveMessage"] == 2)
            sent = queue.send(order_created(1))
            queue.away = False
            await until(lambda: sent in queue.deleted)
    told = [line["event"] for line in logs]
    assert told.count("push queue is away") == told.count("push queue is back") == 1
    assert ("new", None) in await kept(database)


async def test_wrong_keys_are_told_and_hardly_retried(
    store: Store, queue: SmallQueue, account_id: str
) -> None:
    """Only the owner can help: one call, one line with what to do, and a long rest that a stop ends at once."""
    queue.refused = True
    with capture_logs() as logs:
        async with polling(store, queue, account_id):
            await until(lambda: [line for line in logs if line["event"] == "push queue is away"])
    (line,) = [line for line in logs if line["event"] == "push queue is away"]
    assert "push.access_key_id" in line["reason"]
    assert queue.calls == {"ReceiveMessage": 1}


async def test_what_the_store_cannot_keep_is_not_deleted(
    store: Store, database: Database, queue: SmallQueue, account_id: str
) -> None:
    """The disk is full: no message is deleted; with room again they come back and are kept."""

    def fill(db: sqlite3.Connection) -> None:
        pages = db.execute("PRAGMA page_count").fetchone()[0]
        db.execute(f"PRAGMA max_page_count = {pages}")

    def empty(db: sqlite3.Connection) -> None:
        db.execute("PRAGMA max_page_count = 100000")

    await database.write(fill)
    with capture_logs() as logs:
        async with polling(store, queue, account_id):
            sent = [queue.send({**order_created(number), "Note": "x" * 3000}) for number in range(1, 11)]
            await until(lambda: [x for x in logs if x["event"] == "push messages wait for the store"])
            queue.reappear()
            await until(lambda: queue.calls["ReceiveMessage"] == 3)  # the second try has failed too
            assert queue.deleted == []
            await database.write(empty)
            queue.reappear()
            await until(lambda: set(sent) <= set(queue.deleted))
    told = [line["event"] for line in logs if line["event"].startswith("push ")]
    assert told.count("push messages wait for the store") == told.count("push queue is back") == 1
    assert "push queue is away" not in told
    assert len(await kept(database)) >= 10


class SilentQueue(PushQueue):
    """A queue without messages, whose answer takes so long; `asked` are the loop's times of the receives."""

    def __init__(self, *, answers_after_s: float) -> None:
        self.asked: list[float] = []
        self._answers_after_s = answers_after_s

    async def receive(self) -> list[QueueMessage]:
        """See PushQueue."""
        self.asked.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self._answers_after_s)
        return []


@pytest.mark.parametrize(
    ("answers_after_s", "asked"), [(0.3, [0.0, 1.0, 2.0]), (1.0, [0.0, 1.0, 2.0]), (2.0, [0.0, 2.0])]
)
def test_an_empty_answer_costs_a_second(store: Store, answers_after_s: float, asked: list[float]) -> None:
    """With `push.wait_s` 0 it comes at once: the poller rests all the same, but not after a long poll."""
    queue = SilentQueue(answers_after_s=answers_after_s)
    sellers = SellersAndSite(accounts={}, site_url="https://www.tradera.com", closed_grace_ms=0)

    async def poll() -> None:
        poller = PushPoller(store=store, queue=queue, sellers=sellers, rng=Random(1))
        asyncio.get_running_loop().call_later(2.5, poller.stop)
        await poller.run()

    run_virtually(poll(), VirtualLoop())
    assert queue.asked == pytest.approx(asked)


async def test_a_message_that_is_chosen_at_the_moment_of_the_stop_is_kept(
    store: Store, database: Database, queue: SmallQueue, account_id: str
) -> None:
    """Given up at once, the poll would leave it hidden for two minutes, and the next start would not see it."""
    async with polling(store, queue, account_id, wait_s=20) as poller:
        await until(lambda: queue.calls["ReceiveMessage"] == 1)
        poller.stop()
        sent = queue.send(order_created(1))
    assert queue.deleted == [sent]
    assert len(await kept(database)) == 1


def test_a_stop_waits_for_a_long_poll_no_longer_than_a_second(store: Store) -> None:
    """It had 18 seconds to go."""
    sellers = SellersAndSite(accounts={}, site_url="https://www.tradera.com", closed_grace_ms=0)
    loop = VirtualLoop()

    async def poll() -> float:
        poller = PushPoller(
            store=store, queue=SilentQueue(answers_after_s=20), sellers=sellers, rng=Random(1)
        )
        loop.call_later(2, poller.stop)
        await poller.run()
        return loop.time()

    assert run_virtually(poll(), loop) == pytest.approx(2 + LAST_ANSWER_S)


async def test_a_stop_takes_no_more(store: Store, queue: SmallQueue, account_id: str) -> None:
    """After `stop` the running poll may end; what it brings is still kept, and nothing is asked for again."""
    async with polling(store, queue, account_id):
        await until(lambda: queue.calls["ReceiveMessage"] == 1)
    assert queue.calls["ReceiveMessage"] == 1
    assert queue.left == 0
