"""What the pictures queue reports, and what follows when the last picture is settled."""

from __future__ import annotations

import pytest

from rheod.domain.model import JobKind, ListingState, PictureState, RheoStatus, TraderaStatus
from rheod.domain.pictures import doubles, warnings
from rheod.usecases import listings, pictures
from rheod.usecases.transaction import Transaction
from tests.usecases.selling import Shop

URLS = ("https://i/1", "https://i/2")


async def test_the_last_picture_settles_the_item(shop: Shop) -> None:
    """Not before: then it is active, told with the count, and its publishing goes."""
    result = await shop.put(image_urls=URLS, auto_publish=True)
    first, second = (await shop.view()).pictures
    await shop.picture_ready(second.id)
    assert (await shop.item()).rheo_status is RheoStatus.DRAFT
    await shop.picture_ready(first.id)
    assert (await shop.item()).rheo_status is RheoStatus.ACTIVE
    [told] = await shop.bodies(result.item_id, "item.images_ready")
    assert told["imagesProcessed"] == 2
    listing = await shop.listing()
    assert await shop.jobs() == [("publish", listing.id)]
    assert (
        await shop.database.read(
            lambda db: db.execute("SELECT cost FROM jobs WHERE kind = 'publish'").fetchone()[0]
        )
    ) == 5


async def test_a_failed_picture_is_named_and_the_others_go_on(shop: Shop) -> None:
    """History names it; the item is published without it."""
    result = await shop.put(image_urls=URLS, auto_publish=True)
    first, second = (await shop.view()).pictures
    await shop.picture_failed(first.id, "404")
    await shop.picture_ready(second.id)
    told = ["item.created", "image.failed", "item.images_failed", "item.images_ready"]
    assert await shop.events(result.item_id) == told
    assert [picture.state for picture in (await shop.view()).pictures] == [
        PictureState.FAILED,
        PictureState.READY,
    ]
    assert [kind for kind, _ in await shop.jobs()] == ["publish"]


async def test_pictures_that_failed_are_told_together_once_all_were_tried(shop: Shop) -> None:
    """One event for those of the first round, though another picture is tried again; one more for what fails later."""
    result = await shop.put(image_urls=[f"https://i/{n}" for n in range(4)])
    first, second, third, fourth = (await shop.view()).pictures
    await shop.picture_failed(first.id, "gone")
    await shop.picture_failed(second.id, "a page")
    job = await shop.job(JobKind.FETCH_PICTURE, third.id)
    await shop.store.write(lambda tx: pictures.tried_in_vain(tx, job, error="away"))
    assert "item.images_failed" not in await shop.events(result.item_id)
    await shop.picture_ready(fourth.id)
    [told] = await shop.bodies(result.item_id, "item.images_failed")
    assert told["pictures"] == [
        {"url": "https://i/0", "error": "gone"},
        {"url": "https://i/1", "error": "a page"},
    ]
    await shop.picture_failed(third.id, "still away")
    [_, late] = await shop.bodies(result.item_id, "item.images_failed")
    assert late["pictures"] == [{"url": "https://i/2", "error": "still away"}]


async def test_the_same_picture_twice_is_sent_once_and_said(shop: Shop) -> None:
    """Eight links that answer with one placeholder make one picture of the ad."""
    await shop.put(image_urls=[f"https://i/{n}" for n in range(8)], auto_publish=True)
    for number, picture in enumerate((await shop.view()).pictures):
        await shop.picture_ready(picture.id, "other.jpg" if number == 3 else "placeholder.jpg")
    listing, view = await shop.listing(), await shop.view()
    planned = await shop.store.read(lambda db: listings.plan(db, listing.id))
    assert planned is not None
    assert [picture.position for picture in planned.pictures] == [0, 3]
    said = warnings(view.pictures)
    assert [number for number, text in enumerate(said) if text is None] == [0, 3]
    assert said[7] == "the same picture as number 1: it is sent once"
    assert doubles(view.pictures) == "6 of 8 pictures are the same as another: each is sent once"


async def test_no_picture_at_all_fails_the_publishing(shop: Shop) -> None:
    """listing.failed with the first reason; the item stays a draft."""
    result = await shop.put(image_urls=URLS, auto_publish=True)
    for picture in (await shop.view()).pictures:
        await shop.picture_failed(picture.id, f"no {picture.position}")
    item, listing = await shop.item(), await shop.listing()
    assert (item.rheo_status, item.tradera_status) == (RheoStatus.DRAFT, TraderaStatus.SYNC_ERROR)
    assert listing.state is ListingState.REJECTED
    [told] = await shop.bodies(result.item_id, "listing.failed")
    assert told["error"] == "No picture could be used: no 0"


async def test_a_picture_replaced_meanwhile_settles_nothing(shop: Shop) -> None:
    """Its job ends and the new one is still awaited."""
    await shop.put(image_urls=("https://i/1",))
    [old] = (await shop.view()).pictures
    job = await shop.job(JobKind.FETCH_PICTURE, old.id)
    await shop.put(image_urls=("https://i/3",))
    await shop.store.write(lambda tx: pictures.ready(tx, job, file="f.jpg", size_bytes=1))
    [new] = (await shop.view()).pictures
    assert new.state is PictureState.PENDING
    assert await shop.jobs() == [("fetch_picture", new.id)]
    assert (await shop.item()).rheo_status is RheoStatus.DRAFT


async def test_the_same_report_twice_settles_once(shop: Shop) -> None:
    """A crash after the store and before the job's end is harmless."""
    result = await shop.put(image_urls=("https://i/1",))
    [picture] = (await shop.view()).pictures
    job = await shop.job(JobKind.FETCH_PICTURE, picture.id)
    for _ in range(2):
        await shop.store.write(lambda tx: pictures.ready(tx, job, file="f.jpg", size_bytes=1))
    assert (await shop.events(result.item_id)).count("item.images_ready") == 1


async def test_a_picture_of_a_deleted_item_is_no_news(shop: Shop) -> None:
    """The fetch was under way when the item was removed."""
    result = await shop.put(image_urls=("https://i/1",), auto_publish=True)
    [picture] = (await shop.view()).pictures
    job = await shop.job(JobKind.FETCH_PICTURE, picture.id)
    await shop.delete()
    await shop.store.write(lambda tx: pictures.ready(tx, job, file="f.jpg", size_bytes=1))
    assert (await shop.events(result.item_id))[-1] == "item.deleted"
    assert await shop.jobs() == []


@pytest.mark.parametrize("state", [ListingState.ADDING, ListingState.ADDED])
async def test_a_publishing_that_had_begun_goes_on_with_new_pictures(shop: Shop, state: ListingState) -> None:
    """Its job found the pictures missing and ended; the last new picture orders it again."""
    await shop.put(auto_publish=True)
    listing = await shop.advance(await shop.listing(), state)
    await shop.put(image_urls=("https://i/1",))
    await shop.database.write(lambda db: db.execute("DELETE FROM jobs WHERE kind = 'publish'").rowcount)
    [picture] = (await shop.view()).pictures
    await shop.picture_ready(picture.id)
    assert await shop.jobs() == [("publish", listing.id)]


async def test_a_picture_that_is_not_the_last_costs_a_read_and_a_write(shop: Shop) -> None:
    """Its item is not read, and its job is left to the loop, which ends it once for all."""
    await shop.put(image_urls=URLS)
    [picture, _] = (await shop.view()).pictures
    job = await shop.job(JobKind.FETCH_PICTURE, picture.id)
    statements: list[str] = []

    def use_case(tx: Transaction) -> None:
        tx.db.set_trace_callback(statements.append)
        pictures.ready(tx, job, file="f.jpg", size_bytes=1)
        tx.db.set_trace_callback(None)

    await shop.store.write(use_case)
    of_rheod = dict.fromkeys(
        each for each in statements if not each.startswith("--")
    )  # not the triggers' own
    assert [each.split()[0] for each in of_rheod] == ["SELECT", "UPDATE"]
