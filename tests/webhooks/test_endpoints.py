"""Several endpoints of one account, over real receivers: filters, scopes, the owner's switch, removal and replays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from rheod.domain.model import ItemSpec, ItemType
from rheod.sandbox.shop import Shop
from rheod.store.endpoints import Endpoint
from rheod.store.engine.database import Database
from rheod.usecases.endpoints import EndpointChange, EventFeed, NewEndpoint
from tests.stores import Clock, rows
from tests.waiting import until
from tests.webhooks.post import DELAYS_S, Partner, Post, listening


@pytest.fixture
async def post(database: Database, clock: Clock, account_id: str, shop: Shop) -> AsyncIterator[Post]:
    """The queue at work, no endpoint yet."""
    one = Post(database=database, clock=clock, account_id=account_id, shop=shop)
    async with aiohttp.ClientSession() as session:
        queue = one.queue(session)
        running = asyncio.create_task(queue.run())
        yield one
        queue.stop()
        await running


@pytest.fixture
def feed(post: Post) -> EventFeed:
    return EventFeed(store=post.store, endpoints=post.endpoints)


async def hook(post: Post, name: str, url: str | None = None, **fields: str | list[str]) -> Endpoint:
    """An endpoint at the shop under this name."""
    new = NewEndpoint(url=url or post.shop.webhook_url(name), **fields)  # type: ignore[arg-type]
    made = await post.endpoints.add(post.account_id, new)
    post.shop.secrets[name] = made.secret
    return made


async def off(post: Post, endpoint: Endpoint) -> None:
    await post.endpoints.change(post.account_id, endpoint.id, EndpointChange(active=False))


async def on(post: Post, endpoint: Endpoint) -> Endpoint:
    return await post.endpoints.change(post.account_id, endpoint.id, EndpointChange(active=True))


def told(post: Post, name: str) -> list[str]:
    """What this receiver has taken: `<item> <which of its events>`."""
    taken = [one for one in post.taken() if one.name == name]
    return [f"{one.event['data']['externalId']} {one.event['data'].get('error', 'created')}" for one in taken]


async def let_answer(url: str) -> None:
    """Be the last whom the partner waits for, so that it answers all."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, json={"data": {"externalId": "nobody"}}) as reply,
    ):
        await reply.read()


async def test_each_endpoint_gets_what_it_asked_for_signed_with_its_own_secret(post: Post) -> None:
    """The filter decides; the bytes of one event are the same at all; every signature is its receiver's."""
    await hook(post, "all")
    await hook(post, "failures", event_types=["listing.failed", "item.sold"])
    await post.happen("A", 2)
    await post.idle()
    assert told(post, "all") == ["A created", "A no 1"]
    assert told(post, "failures") == ["A no 1"]
    assert all(one.rheo_ok and one.standard_ok for one in post.shop.received)
    assert len({one.body for one in post.shop.received}) == 2


async def test_a_reseller_is_told_of_members_and_whose_it_is(post: Post) -> None:
    """`members` gets the members' events with account.memberExternalId, the same bytes at every try; `self` its own alone."""
    (member,) = await rows(post.database, "SELECT id FROM accounts WHERE reference = 'member'")
    await hook(post, "members", scope="members")
    await hook(post, "own")
    new = NewEndpoint(url=post.shop.webhook_url("theirs"))
    post.shop.secrets["theirs"] = (await post.endpoints.add(member["id"], new)).secret
    post.shop.answer_with([500], "members")
    await post.happen("mine")
    spec = ItemSpec(type=ItemType.CONTAINER, title="Volvo")
    await post.items.put_item(member["id"], "theirs", spec)
    await post.idle()
    post.forward(1)
    await until(lambda: len(told(post, "members")) == 1)
    assert (told(post, "members"), told(post, "own")) == (["theirs created"], ["mine created"])
    assert told(post, "theirs") == ["theirs created"]
    first, second = [one for one in post.shop.received if one.name == "members"]
    assert first.body == second.body
    assert second.event["data"]["account"] == {"rheoUserId": member["id"], "memberExternalId": "member"}
    (direct,) = [one for one in post.shop.received if one.name == "theirs"]
    assert "memberExternalId" not in direct.event["data"]["account"]
    assert direct.event["eventId"] == second.event["eventId"]


async def test_switched_off_by_the_owner_it_keeps_its_events(post: Post) -> None:
    """Nothing is sent while it is off, others are not disturbed; switched on they go out in order, failures forgotten."""
    one = await hook(post, "erp")
    await hook(post, "other")
    post.shop.answer_with([500, 500], "erp")
    await post.happen("A", 3)
    await post.idle()
    await off(post, one)
    post.forward(10**6)
    await post.happen("B")
    await until(lambda: len(told(post, "other")) == 4)
    await post.idle()
    assert told(post, "erp") == []
    post.shop.answer_with([], "erp")
    assert (await on(post, one)).fail_count == 0
    await until(lambda: len(told(post, "erp")) == 4)
    assert [name for name in told(post, "erp") if name[0] == "A"] == ["A created", "A no 1", "A no 2"]


async def test_a_removed_endpoint_gets_nothing_more(post: Post) -> None:
    """Not even what waited; an attempt that was under way when it was removed ends quietly."""
    partner = Partner(lambda _: 500, together=3)
    async with listening(partner.answer) as url:
        one = await hook(post, "gone", url)
        await post.happen("A", 2)
        await post.happen("B")
        await until(lambda: len(partner.asked) == 2)
        assert await post.endpoints.remove(post.account_id, one.id) == 3
        await let_answer(url)
        await post.idle()
        assert await rows(post.database, "SELECT 1 FROM jobs WHERE lane = 'hooks'") == []
        post.forward(10**6)
        await post.idle()
        assert sorted(partner.asked) == ["A", "B", "nobody"]
    logged = await rows(post.database, "SELECT endpoint_id, status FROM deliveries")
    assert logged == [{"endpoint_id": one.id, "status": "failed"}] * 2


async def test_an_endpoint_switched_off_during_a_try_stays_off_when_the_try_fails(post: Post) -> None:
    """What was read before the try says nothing of what the owner has done since; nor is the failure counted."""
    partner = Partner(lambda _: 500, together=2)
    async with listening(partner.answer) as url:
        one = await hook(post, "erp", url)
        await post.happen("A")
        await until(lambda: len(partner.asked) == 1)
        await off(post, one)
        await let_answer(url)
        await post.idle()
    after = await post.endpoints.find(post.account_id, one.id)
    assert (after.active, after.fail_count) == (False, 0)


async def test_a_failure_at_the_old_address_is_not_held_against_the_new(post: Post) -> None:
    """The owner moves the endpoint while a try is under way: the new address begins without a failure."""
    partner = Partner(lambda _: 500, together=2)
    async with listening(partner.answer) as url:
        one = await hook(post, "erp", url)
        await post.happen("A")
        await until(lambda: len(partner.asked) == 1)
        moved = EndpointChange(url=post.shop.webhook_url("erp"))
        await post.endpoints.change(post.account_id, one.id, moved)
        await post.happen("B")
        await let_answer(url)
        await post.idle()
        assert (await post.endpoints.find(post.account_id, one.id)).fail_count == 0
        post.forward(DELAYS_S[0])
        await until(lambda: sorted(told(post, "erp")) == ["A created", "B created"])


async def test_a_replay_sends_the_same_bytes_again(post: Post, feed: EventFeed) -> None:
    """The same eventId and body, in order for each item, to the endpoint that was named."""
    one = await hook(post, "erp")
    await hook(post, "other")
    await post.happen("A", 3)
    await post.happen("B", 2)
    await post.idle()
    again = await feed.replay_since(post.account_id, 0, one.id)
    assert (again.ordered, again.waiting) == (5, 0)
    await post.idle()
    bodies = [got.body for got in post.taken() if got.name == "erp"]
    assert sorted(bodies[5:]) == sorted(bodies[:5])
    assert [name for name in told(post, "erp")[5:] if name[0] == "A"] == ["A created", "A no 1", "A no 2"]
    assert len(told(post, "other")) == 5
    assert all(got.rheo_ok and got.standard_ok for got in post.shop.received)


async def test_a_replay_goes_behind_what_happens_but_keeps_each_item_s_order(
    post: Post, feed: EventFeed
) -> None:
    """Another item's new event comes before the replays; an item's own new event after its replayed ones."""
    one = await hook(post, "erp")
    for name in ("A", "B", "C"):
        await post.happen(name)
    await post.idle()
    await off(post, one)
    await feed.replay_since(post.account_id, 0)
    await post.happen("D")
    await post.happen("A", 2)
    before = len(told(post, "erp"))
    await on(post, one)
    await until(lambda: len(told(post, "erp")) == before + 5)
    last = told(post, "erp")[before:]
    assert last.index("A created") < last.index("A no 1")
    await post.idle()
    queue = await rows(post.database, "SELECT subject FROM jobs WHERE lane = 'hooks'")
    assert queue == []


async def test_a_replay_of_what_waits_is_not_sent_twice(post: Post, feed: EventFeed) -> None:
    """While the first delivery is under way, and while it waits for its next try."""
    partner = Partner(lambda _: 200, together=2)
    async with listening(partner.answer) as url:
        await hook(post, "erp", url)
        await post.happen("A")
        await until(lambda: partner.asked == ["A"])
        again = await feed.replay_since(post.account_id, 0)
        assert (again.ordered, again.waiting) == (0, 1)
        await post.happen("B")
        await until(lambda: sorted(partner.taken) == ["A", "B"])
        await post.idle()
        assert sorted(partner.asked) == ["A", "B"]
