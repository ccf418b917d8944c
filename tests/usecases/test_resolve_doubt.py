"""The owner's word on an ad in doubt."""

from __future__ import annotations

import pytest

from rheod.domain.errors import Refused
from rheod.domain.inputs import PublishInDoubt
from rheod.domain.model import EndWish, JobKind, ListingState, RheoStatus, TraderaStatus
from rheod.usecases import publish
from tests.usecases.selling import STEPS, Shop


async def in_doubt(shop: Shop, state: ListingState = ListingState.COMMITTING) -> int:
    """An item whose commit nobody answered for; returns its ad's number."""
    await shop.put(auto_publish=True)
    listing = await shop.advance(await shop.listing(), state)
    await shop.store.write(
        lambda tx: publish.step(tx, listing.id, PublishInDoubt(error="look in My Tradera"))
    )
    return listing.tradera_item_id or 0


async def settle(shop: Shop, ad_id: int | None) -> str:
    return await shop.items.settle_listing(shop.account_id, "x", ad_id)


@pytest.mark.parametrize("state", [ListingState.COMMITTING, ListingState.COMMITTED])
async def test_an_ad_the_owner_saw_is_live(shop: Shop, state: ListingState) -> None:
    """Told as any other ad, its end counted from the commit, and the owner's word is in the history."""
    ad = await in_doubt(shop, state)
    sent_at = shop.clock()
    shop.clock.forward(24 * 3600 * 1000)
    assert str(ad) in await settle(shop, ad)
    listing, item = await shop.listing(), await shop.item()
    assert (listing.state, item.tradera_status) == (ListingState.LIVE, TraderaStatus.ACTIVE)
    assert listing.ends_at == sent_at + 7 * 24 * 3600 * 1000
    assert item.last_error is None
    assert (await shop.events(item.id))[-2:] == ["listing.settled", "listing.created"]


async def test_an_ad_that_is_not_there_leaves_the_way_free(shop: Shop) -> None:
    """The doubt is a failure now; nothing is published by itself, and the owner may order it."""
    await in_doubt(shop)
    await settle(shop, None)
    item = await shop.item()
    assert ((await shop.listing()).state, item.tradera_status) == (
        ListingState.REJECTED,
        TraderaStatus.SYNC_ERROR,
    )
    assert (await shop.events(item.id))[-2:] == ["listing.settled", "listing.failed"]
    assert await shop.jobs(JobKind.PUBLISH) == [("publish", (await shop.listing()).id)]
    assert await shop.publish() == "Queued for publishing"
    assert (await shop.listing()).generation == 2


async def test_what_was_changed_meanwhile_is_carried_to_the_ad(shop: Shop) -> None:
    """Another price is a job, and so is the wish to end it."""
    ad = await in_doubt(shop)
    await shop.price(50_000)
    await settle(shop, ad)
    assert ("reprice", (await shop.listing()).id) in await shop.jobs()


async def test_an_item_delisted_meanwhile_is_ended(shop: Shop) -> None:
    """The ad is up against the owner's wish: it comes down."""
    ad = await in_doubt(shop)
    await shop.unlist()
    await settle(shop, ad)
    listing = await shop.listing()
    assert listing.end_wish is EndWish.UNLISTED
    assert ("end", listing.id) in await shop.jobs()
    assert (await shop.item()).rheo_status is RheoStatus.NOT_LISTED


async def test_an_item_deleted_meanwhile_is_removed(shop: Shop) -> None:
    """There is no ad to wait for."""
    await in_doubt(shop)
    item = await shop.item()
    await shop.delete()
    await settle(shop, None)
    assert await shop.is_removed(item.id)


async def test_another_ad_is_refused(shop: Shop) -> None:
    """A slip of the finger must not make a stranger's ad ours."""
    ad = await in_doubt(shop)
    with pytest.raises(Refused, match=f"The ad in doubt is {ad}"):
        await settle(shop, ad + 1)
    assert "listing.settled" not in await shop.events((await shop.item()).id)


@pytest.mark.parametrize("state", STEPS)
@pytest.mark.parametrize("found", [1, None])
async def test_only_a_doubt_is_settled(shop: Shop, state: ListingState, found: int | None) -> None:
    """What rheod knows, or is still asking about, is not the owner's to say."""
    await shop.put(auto_publish=True)
    await shop.advance(await shop.listing(), state)
    with pytest.raises(Refused) as refusal:
        await settle(shop, found)
    assert refusal.value.code == "CONFLICT"
    asking = state in {ListingState.COMMITTING, ListingState.COMMITTED}
    assert ("still asking" in str(refusal.value)) == asking
    assert (await shop.listing()).state is state


async def test_a_settled_doubt_is_settled(shop: Shop) -> None:
    """The second word comes too late."""
    ad = await in_doubt(shop)
    await settle(shop, ad)
    with pytest.raises(Refused, match="Nothing is in doubt"):
        await settle(shop, None)
