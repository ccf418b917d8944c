"""Webhook endpoints, where what waits is kept until the owner says otherwise, and their feed, which never skips an event.

Replays order the stored bytes again, in chunks, without doubling or overtaking.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from functools import partial

from rheod.domain.errors import Refused, Text
from rheod.domain.model import Event, EventType, QueueName
from rheod.store import endpoints, items, outbox
from rheod.usecases.endpoints import EVENTS_A_TRANSACTION, EndpointChange
from rheod.usecases.transaction import Transaction
from tests.stores import rows
from tests.usecases.selling import Shop


async def test_a_secret_is_made_on_first_read_and_stays(shop: Shop) -> None:
    """Two readers at once get the same."""
    first, second = await asyncio.gather(
        shop.endpoints.settings(shop.account_id), shop.endpoints.settings(shop.account_id)
    )
    assert first == second == await shop.endpoints.settings(shop.account_id)
    assert first.url is None


async def test_events_go_to_the_address_once_there_is_one(shop: Shop, woken: list[QueueName]) -> None:
    """What happened before it was set is history only."""
    await shop.put("before")
    await shop.endpoints.set_url(shop.account_id, "https://erp.example")
    await shop.put("after")
    assert await rows(shop.database, "SELECT lane FROM jobs") == [{"lane": "hooks"}]
    assert QueueName.WEBHOOKS in woken


async def test_setting_the_address_brings_a_disabled_endpoint_back(shop: Shop) -> None:
    """Its counters are reset and the events it kept may go at once, in order."""
    await shop.endpoints.set_url(shop.account_id, "https://erp.example")
    for name in ("a", "b"):
        await shop.put(name)
    off = replace(await shop.endpoints.settings(shop.account_id), active=False, fail_count=15, probe_at=9**15)
    await shop.database.write(lambda db: endpoints.save_endpoint(db, off))
    await shop.database.write(lambda db: db.execute("UPDATE jobs SET due_at = 9e15, attempts = 15").rowcount)
    await shop.endpoints.set_url(shop.account_id, "https://new.example")
    now = shop.clock()
    ready = await shop.database.read(lambda db: outbox.deliverable(db, now=now, limit=9, running=[]))
    assert [(job.subject[0], job.attempts) for job in ready] == [("1", 0), ("2", 0)]


async def test_without_an_address_events_wait(shop: Shop) -> None:
    """They are kept and go to the next address."""
    await shop.endpoints.set_url(shop.account_id, "https://erp.example")
    await shop.put()
    await shop.endpoints.set_url(shop.account_id, None)
    now = shop.clock()
    assert await shop.database.read(lambda db: outbox.deliverable(db, now=now, limit=9, running=[])) == []
    assert await rows(shop.database, "SELECT state FROM jobs") == [{"state": "due"}]


async def test_a_rotated_secret_keeps_the_old_one_for_a_day(shop: Shop) -> None:
    """The old one signs beside it."""
    old = await shop.endpoints.settings(shop.account_id)
    rotated = await shop.endpoints.rotate_settings(shop.account_id)
    assert rotated.secret != old.secret
    assert rotated.previous_secret == old.secret
    assert rotated.previous_until == shop.clock() + 24 * 3600 * 1000
    assert await shop.endpoints.settings(shop.account_id) == rotated


async def test_an_endpoint_switched_off_by_hand_is_not_broken(shop: Shop) -> None:
    """A few failures before it do not make it one that failures have switched off."""
    await shop.endpoints.set_url(shop.account_id, "https://erp.example")
    (first,) = await shop.endpoints.listing(shop.account_id)
    await shop.database.write(
        lambda db: endpoints.save_endpoint(db, replace(first, fail_count=3, probe_at=5))
    )
    off = await shop.endpoints.change(shop.account_id, first.id, EndpointChange(active=False))
    assert (off.active, off.fail_count, off.probe_at) == (False, 0, None)


def tell(shop: Shop, tx: Transaction, number: int, name: str = "x") -> None:
    """Something happens to an item."""
    item = items.find(tx.db, shop.account_id, name)
    assert item is not None
    tx.tell(item, Event(type=EventType.LISTING_FAILED, data={"error": str(number)}))


async def test_the_cursor_never_skips_an_event_that_commits_later(shop: Shop) -> None:
    """A reader that always goes on from its last number sees every event once and in order.

    Meanwhile hundreds of transactions, a third of which are rolled back, share their commits.
    """
    await shop.put()
    done = asyncio.Event()

    def happen(number: int, tx: Transaction) -> None:
        tell(shop, tx, number)
        if number % 3 == 0:
            raise Refused("CONFLICT", Text("rolled back with its event"))

    async def write(worker: int) -> None:
        for number in range(worker * 40 + 1, worker * 40 + 41):
            with suppress(Refused):
                await shop.store.write(partial(happen, number))

    seen: list[int] = []

    async def read() -> None:
        page = await shop.feed.events(shop.account_id, after=1, limit=7)
        while page or not done.is_set():
            seen.extend(event.seq for event in page)
            page = await shop.feed.events(shop.account_id, after=max(seen, default=1), limit=7)

    async with asyncio.TaskGroup() as group:
        group.create_task(read())
        async with asyncio.TaskGroup() as writers:
            for worker in range(10):
                writers.create_task(write(worker))
        done.set()
    seen += [event.seq for event in await shop.feed.events(shop.account_id, after=max(seen), limit=1000)]
    committed = await rows(
        shop.database, "SELECT seq FROM notices WHERE type = 'listing.failed' ORDER BY seq"
    )
    assert seen == [row["seq"] for row in committed]
    assert len(seen) == sum(1 for number in range(1, 401) if number % 3)


async def test_a_long_replay_is_many_short_transactions(shop: Shop, woken: list[QueueName]) -> None:
    """Every event is ordered once and in order across the chunks, and the queue is woken with each."""
    await shop.put()
    count = 2 * EVENTS_A_TRANSACTION + 1

    def many(tx: Transaction) -> None:
        for number in range(count):
            tell(shop, tx, number)

    await shop.store.write(many)
    await shop.endpoints.set_url(shop.account_id, "https://erp.example")
    woken.clear()
    again = await shop.feed.replay_since(shop.account_id, 0)
    assert (again.ordered, again.waiting) == (count + 1, 0)
    assert woken == [QueueName.WEBHOOKS] * 3
    order = await rows(shop.database, "SELECT notice_seq FROM jobs WHERE lane = 'hooks' ORDER BY id")
    assert [row["notice_seq"] for row in order] == list(range(1, count + 2))


async def test_a_held_event_is_released_by_a_replay_with_its_tries_forgotten(shop: Shop) -> None:
    """The same delivery goes on: it is not a second one, and it holds up nobody."""
    await shop.endpoints.set_url(shop.account_id, "https://erp.example")
    await shop.put()
    held = "UPDATE jobs SET state = 'held', attempts = 15, aside = 10, reason = '500'"
    await shop.database.write(lambda db: db.execute(held).rowcount)
    (event,) = await shop.feed.events(shop.account_id, after=0, limit=9)
    again = await shop.feed.replay(shop.account_id, event.event_id)
    assert (again.ordered, again.waiting) == (1, 0)
    (job,) = await rows(shop.database, "SELECT state, attempts, aside, due_at FROM jobs")
    assert job == {"state": "due", "attempts": 0, "aside": 1, "due_at": shop.clock()}


async def test_a_delivery_that_waits_for_its_next_try_is_tried_at_once(shop: Shop) -> None:
    """Nothing is doubled and the tries it has had still count."""
    await shop.endpoints.set_url(shop.account_id, "https://erp.example")
    await shop.put()
    later = shop.clock() + 10**6
    await shop.database.write(
        lambda db: db.execute("UPDATE jobs SET due_at = ?, attempts = 3", (later,)).rowcount
    )
    (event,) = await shop.feed.events(shop.account_id, after=0, limit=9)
    again = await shop.feed.replay(shop.account_id, event.event_id)
    assert (again.ordered, again.waiting) == (0, 1)
    (job,) = await rows(shop.database, "SELECT attempts, due_at, revision FROM jobs")
    assert job == {"attempts": 3, "due_at": shop.clock(), "revision": 0}
