"""Read, price, status, delete and publish, and the account's webhook settings."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from rheod.domain.budget import WINDOW_MS
from rheod.domain.errors import Refused
from rheod.domain.inputs import EndRefused, Repriced, SyncRefused
from rheod.domain.model import JobKind, ListingState, QueueName, RheoStatus, TraderaStatus, TraderaWish
from rheod.store import jobs
from rheod.usecases import listings
from rheod.usecases.items import BudgetForecast, Items, QueuePlace
from tests.usecases.selling import Shop, order


async def unknown(shop: Shop) -> list[Callable[[], Awaitable[object]]]:
    """Every call about one item."""
    return [shop.view, lambda: shop.price(100), shop.unlist, shop.mark_sold, shop.delete, shop.publish]


async def test_an_unknown_item_is_not_found_by_any_call(shop: Shop) -> None:
    """Also after it was deleted."""
    await shop.put()
    await shop.delete()
    for call in await unknown(shop):
        with pytest.raises(Refused, match="No item found") as refusal:
            await call()
        assert refusal.value.code == "NOT_FOUND"


async def test_a_waiting_publish_shows_its_place(shop: Shop, forecast: BudgetForecast) -> None:
    """With a spent budget the second in the queue is expected when enough calls have left the window."""
    now = shop.clock()
    for number in range(1, 81):
        forecast.calls.add(now - WINDOW_MS + number)
    await shop.put("first", auto_publish=True)
    await shop.put("second", auto_publish=True)
    view = await shop.view("second")
    assert view.queue == QueuePlace(2, now + 6)


async def test_a_publish_that_waits_for_its_own_time_says_so(shop: Shop) -> None:
    """The time it was put off to, and why."""
    await shop.put(auto_publish=True)
    listing = await shop.listing()
    job = await shop.job(JobKind.PUBLISH, listing.id)
    later = shop.clock() + 5000
    await shop.database.write(
        lambda db: jobs.put_off(db, job, until=later, reason="starts later", counted=False)
    )
    view = await shop.view()
    assert (view.queue, view.waits_for) == (QueuePlace(1, later), "starts later")


async def test_without_credentials_nothing_is_promised(shop: Shop) -> None:
    """No place and no time: the reason instead."""
    waiting = BudgetForecast(waits_for="set tradera.user_token", waits_for_owner=True)
    catalog = Items(store=shop.store, forecast=lambda _account: waiting)
    await shop.put(auto_publish=True)
    view = await catalog.read_item(shop.account_id, "x")
    assert (view.queue, view.waits_for, view.next_try) == (None, "set tradera.user_token", None)


async def test_what_does_not_wait_has_no_place(shop: Shop) -> None:
    """Neither before publishing nor with the ad up."""
    await shop.put()
    assert (await shop.view()).queue is None
    await shop.put_live("y")
    assert (await shop.view("y")).queue is None


async def test_the_price_of_an_item_without_an_ad_is_only_stored(shop: Shop) -> None:
    """No job; the same price again is no change."""
    await shop.put()
    assert await shop.price(79500) == "Price updated."
    assert (await shop.item()).spec.price_ore == 79500
    assert await shop.price(79500) == "Price is unchanged; nothing to do."
    assert await shop.jobs() == []


async def test_the_price_of_a_live_ad_is_carried_by_a_job(shop: Shop, woken: list[QueueName]) -> None:
    """A change back while the first is on its way is carried too."""
    listing = await shop.put_live()
    woken.clear()
    assert "follows in the background" in await shop.price(79500)
    assert woken == [QueueName.TRADERA]
    running = await shop.job(JobKind.REPRICE, listing.id)
    await shop.price(95000)
    await shop.store.write(lambda tx: listings.step(tx, listing.id, Repriced(price_kr=795)))
    await shop.database.write(lambda db: jobs.finish(db, running))
    assert await shop.jobs(JobKind.REPRICE) == [("reprice", listing.id)]


async def test_a_refused_price_is_told_and_kept_here(shop: Shop) -> None:
    """listing.failed with the reason, lastError on the item."""
    listing = await shop.put_live()
    await shop.price(79500)
    await shop.store.write(lambda tx: listings.step(tx, listing.id, SyncRefused(error="bids exist")))
    item = await shop.item()
    assert (item.spec.price_ore, item.last_error) == (79500, "bids exist")
    assert (await shop.bodies(item.id, "listing.failed"))[0]["error"] == "bids exist"


async def test_the_price_of_a_sold_item_is_a_conflict(shop: Shop) -> None:
    """With the reason."""
    await shop.put()
    await shop.mark_sold()
    with pytest.raises(Refused, match="sold") as refusal:
        await shop.price(1)
    assert refusal.value.code == "CONFLICT"


async def test_delisting_a_queued_item_withdraws_it(shop: Shop) -> None:
    """No job is left; publishing again makes a second generation."""
    result = await shop.put(auto_publish=True)
    assert await shop.unlist() == "Item delisted."
    assert (await shop.listing()).state is ListingState.WITHDRAWN
    assert await shop.jobs() == []
    assert (await shop.events(result.item_id))[-1] == "item.unlisted"
    assert await shop.publish() == "Queued for publishing"
    item, listing = await shop.item(), await shop.listing()
    assert (item.rheo_status, listing.generation) == (RheoStatus.ACTIVE, 2)


async def test_delisting_a_live_item_ends_its_ad(shop: Shop) -> None:
    """Told when it is down; asked again meanwhile nothing more happens."""
    listing = await shop.put_live()
    assert "being ended" in await shop.unlist()
    await shop.unlist()
    assert await shop.jobs(JobKind.END) == [("end", listing.id)]
    item = await shop.item()
    assert item.rheo_status is RheoStatus.NOT_LISTED
    assert "item.unlisted" not in await shop.events(item.id)
    await shop.ended(listing)
    assert (await shop.item()).tradera_status is TraderaStatus.ENDED
    assert (await shop.events(item.id))[-1] == "item.unlisted"


async def test_delisting_again_is_one_event(shop: Shop) -> None:
    """However often it is said, before, while and after the ad comes down."""
    listing = await shop.put_live()
    await shop.unlist()
    await shop.unlist()
    await shop.ended(listing)
    await shop.unlist()
    assert (await shop.events(listing.item_id)).count("item.unlisted") == 1


async def test_marking_as_sold_sells_here_once(shop: Shop) -> None:
    """item.sold on platform rheo at the item's price; the same PATCH again says nothing new."""
    await shop.put_live()
    assert (await shop.mark_sold()).startswith("Item marked as sold; its ad")
    await shop.mark_sold()
    item = await shop.item()
    assert item.rheo_status is RheoStatus.SOLD
    [sale] = await shop.bodies(item.id, "item.sold")
    assert (sale["platform"], sale["salePrice"]) == ("rheo", 950)
    with pytest.raises(Refused, match="cannot be delisted"):
        await shop.unlist()
    await shop.ended(await shop.listing())
    with pytest.raises(Refused, match="cannot be published again"):
        await shop.publish()


async def test_an_ad_tradera_keeps_up_stays_live(shop: Shop) -> None:
    """Bids exist: listing.failed, the item is on sale again and may be delisted once more."""
    listing = await shop.put_live()
    await shop.unlist()
    await shop.store.write(lambda tx: listings.step(tx, listing.id, EndRefused(error="it has bids")))
    item = await shop.item()
    assert (item.rheo_status, (await shop.listing()).end_wish) == (RheoStatus.ACTIVE, None)
    assert (await shop.events(item.id))[-1] == "listing.failed"
    before = await shop.job(JobKind.END, listing.id)
    await shop.unlist()
    assert (await shop.job(JobKind.END, listing.id)).revision == before.revision + 1


async def test_deleting_an_item_without_an_ad_removes_it_with_its_jobs(shop: Shop) -> None:
    """Pictures are fetched no more, the queued listing is withdrawn."""
    result = await shop.put(image_urls=("https://i/1",), auto_publish=True)
    assert await shop.delete() == "Item deleted."
    assert await shop.jobs() == []
    assert await shop.is_removed(result.item_id)
    assert (await shop.events(result.item_id))[-1] == "item.deleted"


async def test_deleting_an_item_with_a_live_ad_ends_the_ad_first(shop: Shop) -> None:
    """The item is there until Tradera confirms."""
    listing = await shop.put_live()
    assert "removed when Tradera confirms" in await shop.delete()
    assert (await shop.item()).delete_requested
    await shop.delete()
    assert await shop.jobs(JobKind.END) == [("end", listing.id)]
    await shop.ended(listing)
    assert await shop.is_removed(listing.item_id)
    assert "listing.ended" not in await shop.events(listing.item_id)


@pytest.mark.parametrize("state", [ListingState.COMMITTING, ListingState.COMMITTED])
async def test_deleting_during_the_commit_waits_for_the_ad(shop: Shop, state: ListingState) -> None:
    """It goes live, is ended at once, and then the item is removed."""
    await shop.put(auto_publish=True)
    listing = await shop.advance(await shop.listing(), state)
    await shop.delete()
    assert await shop.jobs(JobKind.END) == []
    listing = await shop.advance(await shop.listing(), ListingState.LIVE)
    assert await shop.jobs(JobKind.END) == [("end", listing.id)]
    await shop.ended(listing)
    assert await shop.is_removed(listing.item_id)


async def test_a_deletion_is_not_undone_by_another_word(shop: Shop) -> None:
    """DELETE, then PATCH status, then the ad's end: the item is gone and its id free again."""
    listing = await shop.put_live()
    await shop.delete()
    await shop.unlist()
    await shop.ended(listing)
    assert await shop.is_removed(listing.item_id)
    assert (await shop.put()).outcome == "created"


async def test_deleting_an_item_with_an_order_archives_it(shop: Shop) -> None:
    """It is shown as archived, deleting it again says so, and its id may be put again."""
    listing = await shop.put_live()
    assert listing.tradera_item_id is not None
    await shop.record(order(1, listing.tradera_item_id))
    assert await shop.delete() == "Item archived: an order is in progress."
    assert (await shop.item()).rheo_status is RheoStatus.ARCHIVED
    assert "already deleted" in await shop.delete()
    assert (await shop.events(listing.item_id)).count("item.deleted") == 1
    with pytest.raises(Refused, match="archived"):
        await shop.unlist()
    assert (await shop.put()).outcome == "created"
    assert (await shop.item()).rheo_status is RheoStatus.ACTIVE


async def test_publishing_says_where_the_item_stands(shop: Shop) -> None:
    """Waiting for pictures, its place, or why there is nothing to do; never a second listing."""
    await shop.put(image_urls=("https://i/1",))
    assert await shop.publish() == "Queued for publishing"
    assert await shop.publish() == "Already queued: waiting for its pictures"
    await shop.picture_ready((await shop.view()).pictures[0].id)
    assert await shop.publish() == "Already queued: position 1"
    listing = await shop.advance(await shop.listing(), ListingState.LIVE)
    assert await shop.publish() == "Nothing to do: the listing is live"
    assert (await shop.listing()).id == listing.id


async def test_an_ended_ad_is_published_again_with_its_pictures(shop: Shop) -> None:
    """A new generation; pictures that are ready are not fetched again."""
    await shop.put(image_urls=("https://i/1",), auto_publish=True)
    await shop.picture_ready((await shop.view()).pictures[0].id)
    listing = await shop.advance(await shop.listing(), ListingState.LIVE)
    await shop.ended(listing)
    await shop.publish()
    again = await shop.listing()
    assert (again.generation, again.state) == (2, ListingState.QUEUED)
    assert await shop.jobs(JobKind.FETCH_PICTURE) == []
    assert ("publish", again.id) in await shop.jobs()


async def test_an_item_being_deleted_is_not_published(shop: Shop) -> None:
    """A conflict, with the reason."""
    await shop.put_live()
    await shop.delete()
    with pytest.raises(Refused, match="being deleted"):
        await shop.publish()


async def test_a_price_that_overtakes_the_reserve_is_refused(shop: Shop) -> None:
    """At the door, with what it must be below: such an ad is taken by nobody. The price stays."""
    await shop.put("A", tradera=TraderaWish(reserve_ore=120_000, buy_it_now_ore=150_000))
    before = (await shop.item("A")).spec.price_ore
    with pytest.raises(Refused) as refused:
        await shop.price(120_050, "A")
    (field,) = refused.value.details
    assert (field.field, field.message) == ("price", "Must be below tradera.reservePrice, which is 1200 kr")
    assert (await shop.item("A")).spec.price_ore == before
    await shop.price(119_900, "A")
