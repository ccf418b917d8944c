"""The steps of a publishing, the races with the owner's word, and that word on an ad in doubt: never two ads, never a stale one."""

from __future__ import annotations

import pytest

from rheod.domain.errors import Refused
from rheod.domain.inputs import (
    AdClosed,
    CommitAnswered,
    CommitRefused,
    CommitStarted,
    Created,
    CreateStarted,
    EndRefused,
    Input,
    PictureSent,
    PictureStarted,
    PublishFailed,
    PublishInDoubt,
    StartedOver,
    WentLive,
)
from rheod.domain.model import CloseReason, EndWish, JobKind, Listing, ListingState, RheoStatus, TraderaStatus
from rheod.store import items
from rheod.usecases import listings
from rheod.usecases.listings import PublishPlan
from tests.usecases.selling import ASK_IN_MS, STEPS, Shop

DAY_MS = 24 * 3600 * 1000

BEFORE_COMMIT = [ListingState.QUEUED, ListingState.ADDING, ListingState.ADDED]


async def plan(shop: Shop, listing: Listing) -> PublishPlan:
    """What would be published now."""
    found = await shop.database.read(lambda db: listings.plan(db, listing.id))
    assert found is not None
    return found


async def step(shop: Shop, listing: Listing, given: Input) -> bool:
    """One step of the publisher; whether the listing took it."""
    change = await shop.store.write(lambda tx: listings.step(tx, listing.id, given))
    return change.refusal is None


def commit(listing: Listing) -> CommitStarted:
    """The publisher wants to commit the request it knows of."""
    return CommitStarted(request_id=listing.request_id or 0, ask_in_ms=ASK_IN_MS)


async def queued(shop: Shop, to: ListingState = ListingState.QUEUED) -> Listing:
    """A listing as far as `to`."""
    await shop.put(auto_publish=True)
    return await shop.advance(await shop.listing(), to)


async def test_a_publishing_from_the_queue_to_the_ad(shop: Shop) -> None:
    """Every step is stored; the ad is told with its address and its end is known."""
    listing = await queued(shop, ListingState.ADDED)
    assert (listing.request_id, listing.tradera_item_id, listing.price_kr) == (1001, 1, 950)
    listing = await shop.advance(listing, ListingState.COMMITTED)
    assert listing.commit_sent_at == shop.clock()
    assert listing.ask_at == shop.clock() + ASK_IN_MS
    assert ("results", shop.account_id) in await shop.jobs()
    listing = await shop.advance(listing, ListingState.LIVE)
    assert (await shop.item()).tradera_status is TraderaStatus.ACTIVE
    [told] = await shop.bodies(listing.item_id, "listing.created")
    assert (told["traderaAdId"], told["traderaAdUrl"]) == ("1", "https://t.example/item/1")
    assert listing.ends_at == shop.clock() + 7 * 24 * 3600 * 1000


async def test_the_steps_of_a_publishing_are_no_change_of_the_item(shop: Shop) -> None:
    """`updatedAt` tells an ERP that pages by it what to read again: it moves with the ad, not with every call."""
    listing = await queued(shop)
    put_at = shop.clock()
    shop.clock.forward(5000)
    listing = await shop.advance(listing, ListingState.COMMITTED)
    assert (await shop.item()).updated_at == put_at
    await shop.advance(listing, ListingState.LIVE)
    assert (await shop.item()).updated_at == shop.clock()


async def test_an_ad_seen_twice_is_told_once(shop: Shop) -> None:
    """The asker and an order may both find it."""
    listing = await queued(shop, ListingState.LIVE)
    await step(shop, listing, WentLive(ad_url="again"))
    assert (await shop.events(listing.item_id)).count("listing.created") == 1


async def test_nothing_is_planned_while_pictures_are_missing(shop: Shop) -> None:
    """Then the ready ones alone, in order."""
    await shop.put(image_urls=("https://i/1", "https://i/2", "https://i/3"), auto_publish=True)
    listing = await shop.listing()
    assert await shop.database.read(lambda db: listings.plan(db, listing.id)) is None
    first, second, third = (await shop.view()).pictures
    await shop.picture_ready(third.id, "3.jpg")
    await shop.picture_failed(second.id)
    await shop.picture_ready(first.id, "1.jpg")
    assert [picture.file for picture in (await plan(shop, listing)).pictures] == ["1.jpg", "3.jpg"]


@pytest.mark.parametrize("state", BEFORE_COMMIT)
async def test_a_withdrawn_item_is_never_committed(shop: Shop, state: ListingState) -> None:
    """Wherever the publisher stands, its next step is refused, and every later one too."""
    listing = await queued(shop, state)
    made = await plan(shop, listing)
    await shop.unlist()
    assert not await step(shop, made.listing, CreateStarted(item=made.item, days=7))
    assert not await step(shop, listing, Created(request_id=5, tradera_item_id=6))
    assert not await step(shop, listing, PictureStarted())
    assert not await step(shop, listing, PictureSent())
    assert not await step(shop, listing, commit(listing))
    await step(shop, listing, StartedOver())
    assert (await shop.listing()).state is ListingState.WITHDRAWN
    assert await shop.jobs(JobKind.PUBLISH) == []


async def test_an_item_changed_after_create_is_not_committed_as_it_was(shop: Shop) -> None:
    """The request is thrown away and made anew with the new text."""
    listing = await queued(shop, ListingState.ADDED)
    await shop.put(title="Fat")
    assert not await step(shop, listing, PictureStarted())
    assert not await step(shop, listing, commit(listing))
    await step(shop, listing, StartedOver())
    over = await shop.listing()
    assert (over.state, over.request_id, over.tradera_item_id) == (ListingState.QUEUED, None, None)
    again = await shop.advance(over, ListingState.COMMITTING)
    assert (again.item_version, again.request_id) == (2, 1002)


async def test_an_item_changed_between_plan_and_create_is_found_out(shop: Shop) -> None:
    """The version that was planned is noted, not the newest."""
    listing = await queued(shop)
    old = await plan(shop, listing)
    await shop.put(title="Fat")
    await step(shop, old.listing, CreateStarted(item=old.item, days=7))
    await step(shop, listing, Created(request_id=5, tradera_item_id=6))
    assert not await step(shop, listing, CommitStarted(request_id=5, ask_in_ms=ASK_IN_MS))


async def test_a_price_changed_before_the_commit_is_carried_when_live(shop: Shop) -> None:
    """It starts nothing over."""
    listing = await queued(shop, ListingState.ADDED)
    await shop.price(80000)
    listing = await shop.advance(listing, ListingState.LIVE)
    assert listing.price_kr == 950
    assert await shop.jobs(JobKind.REPRICE) == [("reprice", listing.id)]


async def test_a_picture_is_in_doubt_until_it_is_answered(shop: Shop) -> None:
    """A crash between the two leaves the doubt on record."""
    listing = await queued(shop, ListingState.ADDED)
    await step(shop, listing, PictureStarted())
    assert (await shop.listing()).picture_in_doubt
    assert await step(shop, listing, PictureSent())
    after = await shop.listing()
    assert (after.picture_in_doubt, after.pictures_sent) == (False, 1)


async def test_create_again_forgets_the_first_request(shop: Shop) -> None:
    """Nothing was committed: the pictures are counted from the start."""
    listing = await queued(shop, ListingState.ADDED)
    await step(shop, listing, PictureStarted())
    await step(shop, listing, PictureSent())
    made = await plan(shop, listing)
    assert await step(shop, made.listing, CreateStarted(item=made.item, days=7))
    after = await shop.listing()
    assert (after.state, after.request_id, after.pictures_sent) == (ListingState.ADDING, None, 0)


@pytest.mark.parametrize("state", [ListingState.COMMITTING, ListingState.COMMITTED, ListingState.LIVE])
async def test_after_the_commit_nothing_is_created(shop: Shop, state: ListingState) -> None:
    """Neither by create nor by starting over, whatever the owner changes."""
    listing = await queued(shop, state)
    made = await plan(shop, listing)
    await shop.put(title="Fat")
    assert not await step(shop, made.listing, CreateStarted(item=made.item, days=7))
    assert not await step(shop, listing, Created(request_id=5, tradera_item_id=6))
    await step(shop, listing, StartedOver())
    after = await shop.listing()
    assert (after.state, after.request_id) == (state, listing.request_id)


@pytest.mark.parametrize("state", [ListingState.ADDED, ListingState.COMMITTING, ListingState.COMMITTED])
async def test_a_request_the_listing_no_longer_has_is_not_committed(shop: Shop, state: ListingState) -> None:
    """Work that was begun with an earlier request commits neither that one nor the newer."""
    listing = await queued(shop, ListingState.ADDED)
    await shop.put(title="Fat")
    await step(shop, listing, StartedOver())
    newer = await shop.advance(await shop.listing(), state)
    assert not await step(shop, listing, commit(listing))
    assert await shop.listing() == newer
    assert await step(shop, listing, commit(newer))


async def test_the_same_request_may_be_committed_again(shop: Shop) -> None:
    """After asking: it is asked for again, its request and its time of commit stay."""
    listing = await queued(shop, ListingState.COMMITTING)
    shop.clock.forward(60_000)
    assert await step(shop, listing, commit(listing))
    after = await shop.listing()
    assert (after.request_id, after.commit_sent_at) == (listing.request_id, listing.commit_sent_at)
    assert after.ask_at == shop.clock() + ASK_IN_MS


async def test_a_refused_commit_waits_for_the_result(shop: Shop) -> None:
    """The refusal is noted and the listing stays open."""
    listing = await queued(shop, ListingState.COMMITTING)
    await step(shop, listing, CommitRefused(error="400"))
    after = await shop.listing()
    assert (after.state, after.error) == (ListingState.COMMITTING, "400")


async def test_a_publishing_tradera_refuses_is_told_once(shop: Shop) -> None:
    """sync_error with the reason; the same verdict again is no news."""
    listing = await queued(shop, ListingState.COMMITTED)
    for _ in range(2):
        await step(shop, listing, PublishFailed(error="bad category"))
    item = await shop.item()
    assert (item.tradera_status, item.last_error) == (TraderaStatus.SYNC_ERROR, "bad category")
    assert (await shop.events(item.id)).count("listing.failed") == 1


async def test_a_late_verdict_does_not_take_a_live_ad_down(shop: Shop) -> None:
    """The ad was seen: a failure told afterwards is wrong."""
    listing = await queued(shop, ListingState.LIVE)
    await step(shop, listing, PublishFailed(error="timeout"))
    await step(shop, listing, PublishInDoubt(error="late"))
    assert (await shop.listing()).state is ListingState.LIVE
    assert (await shop.item()).last_error is None


async def test_a_refused_item_that_was_to_be_deleted_is_removed(shop: Shop) -> None:
    """There is no ad to end."""
    listing = await queued(shop, ListingState.COMMITTED)
    await shop.delete()
    await step(shop, listing, PublishFailed(error="bad category"))
    assert await shop.is_removed(listing.item_id)
    assert (await shop.put()).outcome == "created"


async def test_a_listing_in_doubt_blocks_a_second_and_may_still_go_live(shop: Shop) -> None:
    """A human looks; nothing is published by itself; told once."""
    listing = await queued(shop, ListingState.COMMITTED)
    for _ in range(2):
        await step(shop, listing, PublishInDoubt(error="look in My Tradera"))
    assert (await shop.events(listing.item_id)).count("listing.failed") == 1
    assert await shop.database.read(lambda db: items.waiting_listings(db, shop.account_id, limit=1)) == []
    with pytest.raises(Refused, match="rheod items settle"):
        await shop.publish()
    await shop.put(title="Fat")
    assert (await shop.listing()).generation == 1
    await step(shop, listing, WentLive(ad_url="u"))
    item = await shop.item()
    assert (item.tradera_status, item.last_error) == (TraderaStatus.ACTIVE, None)


async def test_a_deletion_tradera_refuses_is_kept_in_mind(shop: Shop) -> None:
    """The ad runs out; then the item is removed after all."""
    listing = await queued(shop, ListingState.LIVE)
    await shop.delete()
    await step(shop, listing, EndRefused(error="it has bids"))
    after = await shop.listing()
    assert (after.state, after.end_wish) == (ListingState.LIVE, EndWish.DELETED)
    assert (await shop.item()).rheo_status is RheoStatus.ACTIVE
    await shop.ended(listing)
    assert await shop.is_removed(listing.item_id)


async def test_results_that_come_after_the_end_change_nothing(shop: Shop) -> None:
    """Every step is refused or ignored once the listing is closed."""
    listing = await queued(shop, ListingState.LIVE)
    await shop.unlist()
    await shop.ended(listing)
    before = (await shop.item(), await shop.listing(), await shop.events(listing.item_id))
    late: list[Input] = [
        AdClosed(reason=CloseReason.CLOSED_BY_SELLER),
        EndRefused(error="late"),
        WentLive(ad_url="u"),
        PublishFailed(error="late"),
        CommitAnswered(ask_in_ms=ASK_IN_MS),
        CommitRefused(error="late"),
    ]
    for given in late:
        await step(shop, listing, given)
    assert (await shop.item(), await shop.listing(), await shop.events(listing.item_id)) == before


async def test_an_ad_heard_of_late_has_been_up_since_its_commit(shop: Shop) -> None:
    """So that its end is looked for when it comes; within the hour it began when it was heard of."""
    for external_id, away_ms in (("soon", 60_000), ("late", DAY_MS)):
        await shop.put(external_id, auto_publish=True)
        sent = await shop.advance(await shop.listing(external_id), ListingState.COMMITTED)
        shop.clock.forward(away_ms)
        live = await shop.advance(sent, ListingState.LIVE)
        began = shop.clock() if external_id == "soon" else sent.commit_sent_at
        assert began is not None
        assert (live.live_at, live.ends_at) == (began, began + (live.days or 14) * DAY_MS)


async def in_doubt(shop: Shop, state: ListingState = ListingState.COMMITTING) -> int:
    """An item whose commit nobody answered for; returns its ad's number."""
    await shop.put(auto_publish=True)
    listing = await shop.advance(await shop.listing(), state)
    await shop.store.write(
        lambda tx: listings.step(tx, listing.id, PublishInDoubt(error="look in My Tradera"))
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
