"""One transaction: all or nothing, and queues are woken for what was committed."""

from __future__ import annotations

import asyncio
import json
from uuid import RFC_4122, UUID

import pytest
from structlog.testing import capture_logs

from rheod.domain.errors import Refused, Text
from rheod.domain.model import Event, EventType, JobKind, JobOrder, QueueName
from rheod.store import jobs
from rheod.store.jobs import Owner
from rheod.usecases.transaction import Transaction
from tests.stores import rows
from tests.usecases.selling import Shop, order

WORK = JobOrder(queue=QueueName.PUSH, kind=JobKind.CLOSE, subject="1")


async def test_a_lane_is_rung_after_the_commit(shop: Shop, woken: list[QueueName]) -> None:
    """Not while the transaction runs."""

    def use_case(tx: Transaction) -> list[QueueName]:
        tx.order_for(WORK, Owner(account_id=shop.account_id))
        return list(woken)

    assert await shop.store.write(use_case) == []
    assert woken == [QueueName.PUSH]


async def test_a_refused_use_case_leaves_nothing_and_rings_nobody(shop: Shop, woken: list[QueueName]) -> None:
    """Its job is rolled back with it."""

    def use_case(tx: Transaction) -> None:
        tx.order_for(WORK, Owner(account_id=shop.account_id))
        raise Refused("CONFLICT", Text("no"))

    with pytest.raises(Refused):
        await shop.store.write(use_case)
    assert woken == []
    assert await shop.jobs() == []


async def test_the_work_of_a_caller_that_has_left_is_rung_for_too(shop: Shop, woken: list[QueueName]) -> None:
    """A client that hangs up must not leave its item waiting for the queue's next look."""
    call = asyncio.create_task(shop.put(auto_publish=True))
    await asyncio.sleep(0)  # the transaction waits in the queue now
    call.cancel()
    await shop.put("other")
    assert call.cancelled()
    assert QueueName.TRADERA in woken
    assert len(await shop.jobs(JobKind.PUBLISH)) == 1


async def test_a_webhook_event_is_built_and_ordered_with_its_cause(shop: Shop) -> None:
    """One delivery for the account's endpoint; the envelope carries the stored event id and the metadata."""
    await shop.endpoints.set_url(shop.account_id, "https://erp.example")
    result = await shop.put(metadata={"shelf": 4})
    [event] = await rows(shop.database, "SELECT * FROM notices")
    envelope = json.loads(event["body"])
    assert envelope["eventId"] == event["event_id"]
    assert envelope["data"]["metadata"] == {"shelf": 4}
    assert envelope["data"]["rheoItemId"] == result.item_id
    endpoint = await shop.endpoints.settings(shop.account_id)
    assert await rows(shop.database, "SELECT subject FROM jobs") == [
        {"subject": f"{event['seq']}:{endpoint.id}"}
    ]


async def test_history_alone_is_delivered_to_nobody(shop: Shop) -> None:
    """item.updated has no bytes and no delivery."""
    await shop.put()
    await shop.endpoints.set_url(shop.account_id, "https://erp.example")
    result = await shop.put(title="Fat")
    assert (await shop.events(result.item_id))[-1] == "item.updated"
    assert await rows(shop.database, "SELECT body FROM notices WHERE type = 'item.updated'") == [
        {"body": None}
    ]
    assert await rows(shop.database, "SELECT * FROM jobs") == []


async def test_what_may_be_told_once_is_ordered_once(shop: Shop) -> None:
    """The second telling writes no event and no delivery."""
    await shop.endpoints.set_url(shop.account_id, "https://erp.example")
    await shop.put()
    item = await shop.item()
    event = Event(type=EventType.LISTING_CREATED, once="listing.created:l")
    for _ in range(2):
        await shop.store.write(lambda tx: tx.tell(item, event))
    assert (await shop.events(item.id)).count("listing.created") == 1
    assert len(await rows(shop.database, "SELECT * FROM jobs")) == 2


async def test_ids_are_of_their_moment_and_never_the_same(shop: Shop) -> None:
    """A thousand ids of one moment differ, all are UUIDs of version 7, and those of a later moment sort after them."""

    def make(tx: Transaction) -> list[str]:
        return [tx.new_id() for _ in range(1000)]

    first = await shop.store.write(make)
    shop.clock.forward(1)
    later = await shop.store.write(make)
    assert len({*first, *later}) == 2000
    assert {UUID(each).version for each in first} == {7}
    assert {UUID(each).variant for each in first} == {RFC_4122}
    assert max(first) < min(later)


async def test_the_log_answers_what_happened_to_an_item(shop: Shop) -> None:
    """One line each for live, sold, ended and failed, by the ERP's own name; none for what was undone."""
    with capture_logs() as logs:
        ended = await shop.put_live("A-1")
        await shop.ended(ended)
        sold = await shop.put_live("A-2")
        assert sold.tradera_item_id is not None
        await shop.record(order(7, sold.tradera_item_id))

        def undone(tx: Transaction) -> None:
            tx.tell(item, Event(type=EventType.LISTING_FAILED, data={"error": "Tradera refused it"}))
            raise Refused("CONFLICT", Text("no"))

        item = await shop.item("A-1")
        with pytest.raises(Refused):
            await shop.store.write(undone)
        failed = Event(type=EventType.LISTING_FAILED, data={"error": "Tradera refused it"})
        await shop.store.write(lambda tx: tx.tell(item, failed))
    told = [(line["event"], line["external_id"]) for line in logs if line["event"].startswith("item ")]
    assert told == [
        ("item live", "A-1"),
        ("item ended", "A-1"),
        ("item live", "A-2"),
        ("item sold", "A-2"),
        ("item failed", "A-1"),
    ]
    assert {line["log_level"] for line in logs if line["event"].startswith("item ")} == {"info"}
    assert [line["reason"] for line in logs if line["event"] == "item ended"] == ["closed_by_seller"]
    assert [line["error"] for line in logs if line["event"] == "item failed"] == ["Tradera refused it"]


async def test_a_job_knows_how_the_erp_calls_its_item(shop: Shop) -> None:
    """So that every line of its work has the name that the owner knows, deliveries too."""
    await shop.endpoints.set_url(shop.account_id, "https://erp.example")
    await shop.put("A-1", auto_publish=True)
    now = shop.store.now()
    due = await shop.database.read(lambda db: jobs.due(db, QueueName.TRADERA, now=now, limit=9))
    assert [job.external_id for job in due] == ["A-1"]
