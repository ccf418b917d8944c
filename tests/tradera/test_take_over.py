"""After a restore: what is read at Tradera before anything is published again."""

from __future__ import annotations

from functools import partial

from rheod.domain.model import CallClass, Item, JobKind, JobOrder, ListingState, QueueName
from rheod.store import accounts
from tests.desk import SELLER_ID, Desk
from tests.waiting import until

WAIT_MS = 3_600_000


async def begin_from_a_copy(desk: Desk) -> None:
    """End, mark the database as a copy of an hour ago, and start from it."""
    await desk.stop()
    await desk.database.write(partial(accounts.mark_copy, at=desk.clock() - WAIT_MS))
    account = desk.account_id
    await desk.database.write(lambda db: accounts.begin(db, account, until=desk.clock() + WAIT_MS) and None)
    await desk.start()
    await desk.order(JobOrder(queue=QueueName.TRADERA, kind=JobKind.TAKEOVER, subject=account))


def made_by_the_lost_one(desk: Desk, item_id: str, generation: int) -> int:
    """An ad at Tradera with the reference of an item of which this store has no such listing."""
    ad = desk.simulator.list_by_hand(seller_id=SELLER_ID, title="Kaffekopp")
    refer(desk, ad, f"rheod:{item_id}:{generation}")
    return ad


def refer(desk: Desk, ad: int, *references: str) -> None:
    """Let Tradera tell these references of an ad."""
    listing = desk.simulator.market.listings[ad]
    listing.body = {**listing.body, "ownReferences": list(references)}


async def unpublished(desk: Desk, external_id: str) -> Item:
    """An item that the backup knows as not published."""
    return await desk.put(external_id, auto_publish=False)


async def test_ads_made_since_the_backup_are_taken_over_and_others_left_alone(desk: Desk) -> None:
    """A generation nobody here remembers is live; an ad of an unknown item is told of; nothing is published before."""
    item = await unpublished(desk, "A")
    waiting = await unpublished(desk, "B")
    ad = made_by_the_lost_one(desk, item.id, 3)
    stranger = made_by_the_lost_one(desk, "11111111-1111-4111-8111-111111111111", 1)
    await begin_from_a_copy(desk)
    await until(lambda: desk.calls.lock.closed == {CallClass.PUBLISH})
    listing = await desk.reach(ListingState.LIVE, "A")
    assert (listing.generation, listing.tradera_item_id, listing.request_id) == (3, ad, None)
    await desk.items.order_publish(desk.account_id, waiting.external_id)
    await desk.items.order_publish(desk.account_id, item.external_id)
    await desk.idle()
    assert "create" not in desk.called()
    assert desk.calls.lock.closed == {CallClass.PUBLISH}
    found = await desk.database.read(lambda db: accounts.strangers(db, desk.account_id))
    assert found.ads == (stranger,)
    desk.forward(WAIT_MS / 1000)
    await desk.reach(ListingState.COMMITTED, "B")
    assert desk.called()["create"] == 1
    assert await desk.database.read(lambda db: accounts.find(db, desk.account_id)) is None


async def test_an_ad_that_tradera_still_made_after_the_first_look_is_found_by_the_last(desk: Desk) -> None:
    """What was in Tradera's queue when the machine was lost: it shows up later, and is not made again."""
    item = await unpublished(desk, "A")
    await begin_from_a_copy(desk)
    await until(lambda: desk.calls.lock.closed == {CallClass.PUBLISH})
    await desk.items.order_publish(desk.account_id, "A")
    await desk.idle()
    ad = made_by_the_lost_one(desk, item.id, 1)
    desk.forward(WAIT_MS / 1000)
    listing = await desk.reach(ListingState.LIVE, "A")
    assert listing.tradera_item_id == ad
    await desk.idle()
    assert "create" not in desk.called()


async def test_without_references_nothing_is_published(desk: Desk) -> None:
    """Tradera shows an ad of ours without the reference it had: others may be ours too, so only the owner can tell."""
    live = await desk.publish("A")
    assert live.tradera_item_id is not None
    refer(desk, live.tradera_item_id)
    await unpublished(desk, "B")
    await begin_from_a_copy(desk)
    await until(lambda: desk.calls.lock.closed == {CallClass.PUBLISH})
    desk.forward(WAIT_MS / 1000)
    await desk.items.order_publish(desk.account_id, "B")
    await desk.idle()
    state = await desk.database.read(lambda db: accounts.find(db, desk.account_id))
    assert state is not None
    assert state.blind
    assert desk.called()["create"] == 1


async def test_a_refused_token_is_found_out_while_all_else_waits_for_the_look(desk: Desk) -> None:
    """The one look at users/me does not wait for the look at the ads, which waits for a token that works."""
    await desk.restart(token="test-old-token")
    await begin_from_a_copy(desk)
    await until(lambda: desk.calls.is_refused)
    assert desk.called()["me"] == 1
    await desk.restart(token="test-user-token")
    await until(lambda: desk.calls.lock.closed == {CallClass.PUBLISH})
