"""Webhook endpoints: made, changed, switched, rotated and removed; what waits is kept until the owner says otherwise."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from rheod.domain.model import QueueName
from rheod.store import endpoints, outbox
from rheod.usecases.endpoints import EndpointChange
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
