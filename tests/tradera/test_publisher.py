"""Publishing step by step: what is called, what is stored around each call, and how each step may fail."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from rheod.domain.model import EndWish, Item, ListingState, TraderaStatus, TraderaWish
from rheod.sandbox.tradera_market import SimulatedAd as Ad
from tests.desk import ASKS_AFTER_S, CATEGORY, HOUR_MS, Desk
from tests.fakes.front import front
from tests.waiting import until

STEPS = ("create", "image", "commit")


def ad_of(desk: Desk, item: Item, generation: int = 1) -> Ad:
    """The one ad that is up for the item."""
    (ad,) = desk.simulator.live_items(f"rheod:{item.id}:{generation}")
    return ad


async def go_live(desk: Desk, external_id: str = "A") -> Item:
    """See a commit through Tradera's queue."""
    await desk.reach(ListingState.COMMITTED, external_id)
    desk.forward(ASKS_AFTER_S)
    await desk.reach(ListingState.LIVE, external_id)
    return await desk.item(external_id)


async def held_open(desk: Desk, step: str, **details: Any) -> None:
    """Put an item whose publishing is held at this step for a third of a second; returns while it is."""
    desk.simulator.fault(step, "slow", seconds=0.3, **details)
    await desk.put()
    await until(lambda: step in desk.called())


async def test_a_publishing_costs_n_plus_three_calls_and_shows_the_pictures_in_order(desk: Desk) -> None:
    """Create, each picture in order, commit, one question: the ad carries our reference and nothing else was called."""
    item = await desk.put(pictures=3)
    item = await go_live(desk)
    ad = ad_of(desk, item)
    assert desk.operations() == ["create", "image", "image", "image", "commit", "results"]
    pictures = (await desk.items.read_item(desk.account_id, "A")).pictures
    sizes = [(desk.folder / (picture.file or "")).stat().st_size for picture in pictures]
    assert [image.size for image in ad.images] == sizes
    assert len({image.sha256 for image in ad.images}) == 3
    (live,) = await desk.told("listing.created")
    assert live == {
        "traderaAdId": str(ad.item_id),
        "traderaAdUrl": f"https://www.tradera.com/item/{ad.item_id}",
    }
    assert item.tradera_status is TraderaStatus.ACTIVE


async def test_the_ledger_has_a_row_for_each_call_with_its_outcome(desk: Desk) -> None:
    """Every call is a row that names its listing, its class and how it went."""
    await desk.publish(pictures=1)
    rows = await desk.spent()
    assert [(row["operation"], row["class"], row["outcome"]) for row in rows] == [
        ("create", "publish", "ok"),
        ("image", "publish", "ok"),
        ("commit", "publish", "ok"),
        ("results", "results", "ok"),
    ]
    listing = await desk.listing()
    assert {row["listing_id"] for row in rows[:3]} == {listing.id}


@pytest.mark.parametrize(
    ("step", "stored"),
    [
        ("create", (ListingState.ADDING, False)),
        ("image", (ListingState.ADDED, True)),
        ("commit", (ListingState.COMMITTING, False)),
    ],
)
async def test_intent_and_ledger_row_are_stored_before_the_call(
    desk: Desk, step: str, stored: tuple[ListingState, bool]
) -> None:
    """While a call is under way the store already holds its intent and its row, without an outcome."""
    await held_open(desk, step)
    listing = await desk.listing()
    assert (listing.state, listing.picture_in_doubt) == stored
    assert (listing.request_id is None) == (step == "create")
    last = (await desk.spent())[-1]
    assert (last["operation"], last["outcome"], last["counted"]) == (step, None, 1)
    await go_live(desk)


async def test_a_lost_create_is_made_again_and_only_one_ad_goes_up(desk: Desk) -> None:
    """An uncommitted request is never visible, so create may be repeated."""
    desk.simulator.fault("create", "lost_answer")
    item = await desk.put()
    await until(lambda: desk.called().get("create") == 1)
    await desk.idle()
    assert (await desk.listing()).state is ListingState.ADDING
    desk.forward(5)
    item = await go_live(desk)
    assert desk.simulator.creates(f"rheod:{item.id}:1") == 2
    ad_of(desk, item)


@pytest.mark.parametrize("fault", ["html_200", "truncated_json", "502_html", "empty_200"])
async def test_an_answer_that_is_none_makes_create_be_repeated(desk: Desk, fault: str) -> None:
    """A proxy's page, half an answer or none is never taken for a result."""
    desk.simulator.fault("create", fault)
    await desk.put(pictures=0)
    await until(lambda: desk.called().get("create") == 1)
    await desk.idle()
    desk.forward(5)
    ad_of(desk, await go_live(desk))
    assert desk.called()["create"] == 2


@pytest.mark.parametrize("fault", ["lost_answer", "500_after", "hang_after"])
async def test_a_doubtful_picture_is_sent_again(desk: Desk, fault: str) -> None:
    """By default a picture whose answer was lost is repeated in the same request: doubled at worst, never missing."""
    await desk.restart(timeout_s=1)
    desk.simulator.fault("image", fault, skip=1)
    await desk.put(pictures=3)
    await until(lambda: desk.called().get("image") == 2)
    await desk.idle()
    listing = await desk.listing()
    assert (listing.pictures_sent, listing.picture_in_doubt) == (1, True)
    desk.forward(15)
    ad = ad_of(desk, await go_live(desk))
    assert desk.called()["create"] == 1
    shown = [image.sha256 for image in ad.images]
    assert shown[1] == shown[2]
    assert len(set(shown)) == 3


async def test_a_doubtful_picture_costs_a_new_request_when_the_owner_wants_it_exact(desk: Desk) -> None:
    """With `recreate` the doubtful request is thrown away and the ad has each picture once."""
    await desk.restart(in_doubt="recreate")
    desk.simulator.fault("image", "lost_answer", skip=1)
    await desk.put(pictures=3)
    await until(lambda: desk.called().get("image") == 2)
    await desk.idle()
    desk.forward(5)
    ad = ad_of(desk, await go_live(desk))
    assert (desk.called()["create"], desk.called()["image"]) == (2, 5)
    assert len({image.sha256 for image in ad.images}) == len(ad.images) == 3


async def test_a_restart_goes_on_where_it_stopped(desk: Desk) -> None:
    """After a restart in the middle the same request is finished: no picture twice, no second create."""
    desk.simulator.fault("image", "reset", skip=2)
    await desk.put(pictures=3)
    await until(lambda: desk.called().get("image") == 3)
    await desk.idle()
    await desk.restart()
    desk.forward(5)
    ad = ad_of(desk, await go_live(desk))
    assert desk.called()["create"] == 1
    assert len({image.sha256 for image in ad.images}) == len(ad.images) == 3


async def test_a_stale_request_is_not_trusted(desk: Desk) -> None:
    """Nobody knows how long an uncommitted request lives: after 50 minutes it is made anew."""
    desk.simulator.fault("image", "reset")
    item = await desk.put()
    await until(lambda: desk.called().get("image") == 1)
    await desk.idle()
    desk.forward(51 * 60)
    await go_live(desk)
    assert desk.simulator.creates(f"rheod:{item.id}:1") == 2
    assert len(ad_of(desk, item).images) == 2


@pytest.mark.parametrize("step", STEPS[:2])
async def test_a_withdrawal_before_the_commit_stops_the_publishing(desk: Desk, step: str) -> None:
    """Delisted while a step is under way: nothing is committed, nothing failed, no job is left."""
    await held_open(desk, step)
    await desk.items.change_status(desk.account_id, "A", "not_listed")
    await until(lambda: not desk.queue.running)
    await desk.idle()
    assert (await desk.listing()).state is ListingState.WITHDRAWN
    assert "commit" not in desk.called()
    assert await desk.told("listing.failed") == []
    assert await desk.waiting_jobs("publish") == []


@pytest.mark.parametrize("step", STEPS[:2])
async def test_a_deletion_before_the_commit_stops_the_publishing(desk: Desk, step: str) -> None:
    """Deleted while a step is under way: the item is gone and no ad goes up."""
    await held_open(desk, step)
    listing = await desk.listing()
    await desk.items.delete_item(desk.account_id, "A")
    await until(lambda: not desk.queue.running)
    await desk.idle()
    assert (await desk.listing_by_id(listing.id)).state is ListingState.WITHDRAWN
    assert "commit" not in desk.called()


@pytest.mark.parametrize("step", STEPS[:2])
async def test_a_changed_title_makes_a_new_request(desk: Desk, step: str) -> None:
    """The ad that goes up shows the later PUT, whichever step was under way."""
    await held_open(desk, step)
    item = await desk.item()
    spec = replace(item.spec, title="Rörstrand tekanna")
    await desk.items.put_item(desk.account_id, "A", spec)
    await go_live(desk)
    ad = ad_of(desk, item)
    assert ad.body["title"] == "Rörstrand tekanna"
    assert len(ad.images) == 2
    assert (desk.called()["create"], desk.called()["commit"]) == (2, 1)
    assert desk.called()["image"] == (2 if step == "create" else 3)


async def test_changed_pictures_make_a_new_request_when_they_are_ready(desk: Desk) -> None:
    """The publishing stops, waits for the new pictures and shows them."""
    await held_open(desk, "image")
    item = await desk.item()
    spec = replace(item.spec, image_urls=("https://shop.example/new.jpg",))
    await desk.items.put_item(desk.account_id, "A", spec)
    await until(lambda: not desk.queue.running)
    await desk.idle()
    assert (await desk.listing()).state is ListingState.QUEUED
    assert "commit" not in desk.called()
    await desk.pictures_ready()
    await go_live(desk)
    assert len(ad_of(desk, item).images) == 1


@pytest.mark.parametrize("step", STEPS)
async def test_a_price_changed_meanwhile_reaches_the_ad(desk: Desk, step: str) -> None:
    """A price needs no new request: the ad is repriced as soon as it is up."""
    await held_open(desk, step)
    await desk.items.change_price(desk.account_id, "A", 25_000)
    item = await go_live(desk)
    await until(lambda: ad_of(desk, item).opening == 250)
    assert (desk.called()["create"], desk.called()["price"]) == (1, 1)
    await desk.idle()
    assert (await desk.listing()).price_kr == 250


async def test_a_withdrawal_during_the_commit_ends_the_ad_once_it_is_up(desk: Desk) -> None:
    """From the commit on an ad may appear: it is waited for and then ended."""
    await held_open(desk, "commit")
    await desk.items.change_status(desk.account_id, "A", "not_listed")
    assert (await desk.listing()).end_wish is EndWish.UNLISTED
    await desk.reach(ListingState.COMMITTED)
    desk.forward(ASKS_AFTER_S)
    await desk.reach(ListingState.ENDED)
    assert desk.simulator.live_items() == []
    assert desk.called()["end"] == 1
    assert await desk.told("listing.ended") == []


async def test_an_item_that_starts_later_waits_without_a_call(desk: Desk) -> None:
    """`startAt` in the future holds the publishing until then, and the queue says so."""
    start_at = desk.clock() + HOUR_MS
    await desk.put(tradera=TraderaWish(category_id=CATEGORY, start_at=start_at))
    await desk.idle()
    view = await desk.items.read_item(desk.account_id, "A")
    assert view.queue is not None
    assert view.queue.expected_at == start_at
    assert desk.called() == {}
    desk.forward(3600)
    await go_live(desk)


async def test_no_more_pictures_than_allowed_are_sent(desk: Desk) -> None:
    """`max_images` cuts the pictures, the first ones stay."""
    await desk.restart(max_images=2)
    await desk.put(pictures=5)
    item = await go_live(desk)
    assert desk.called()["image"] == 2
    assert len(ad_of(desk, item).images) == 2


async def test_a_refused_create_fails_the_listing_with_tradera_s_words(desk: Desk) -> None:
    """400 is final: one listing.failed with the reason, no second try by itself."""
    desk.simulator.fault("create", "400", times=None)
    await desk.put()
    await desk.reach(ListingState.REJECTED)
    (failed,) = await desk.told("listing.failed")
    assert failed["error"].startswith("Tradera answered 400 to create")
    assert desk.called() == {"create": 1}
    assert await desk.waiting_jobs("publish") == []


async def test_a_corrected_item_gets_a_new_listing(desk: Desk) -> None:
    """After a refusal a new PUT is a new try under a reference of its own."""
    desk.simulator.fault("create", "400")
    item = await desk.put()
    await desk.reach(ListingState.REJECTED)
    await desk.items.put_item(desk.account_id, "A", replace(item.spec, title="Rörstrand kaffekanna"))
    ad_of(desk, await go_live(desk), generation=2)


async def test_an_item_that_is_corrected_while_its_create_is_refused_goes_out(desk: Desk) -> None:
    """The refusal is of what was sent; what the owner has sent meanwhile is tried, not failed with it."""
    asked, corrected = asyncio.Event(), asyncio.Event()

    async def refuse(_request: web.Request) -> web.StreamResponse:
        tradera.ill = None
        asked.set()
        await corrected.wait()
        return web.json_response({"error": {"code": "BadRequest", "message": "no"}}, status=400)

    async with front() as tradera:
        tradera.carry_to(desk.simulator.base_url.removesuffix("/v4"))
        await desk.restart(base_url=f"{tradera.url}/v4")
        tradera.ill = refuse
        item = await desk.put(pictures=0)
        await asked.wait()
        await desk.items.put_item(desk.account_id, "A", replace(item.spec, title="Kopp med fat"))
        corrected.set()
        live = await go_live(desk)
        assert await desk.told("listing.failed") == []
        assert ad_of(desk, live).body["title"] == "Kopp med fat"


async def test_a_refused_picture_fails_the_listing(desk: Desk) -> None:
    """A clear refusal of a picture is final; nothing is committed without it."""
    desk.simulator.fault("image", "400")
    await desk.put()
    await desk.reach(ListingState.REJECTED)
    assert "commit" not in desk.called()
    assert len(await desk.told("listing.failed")) == 1


async def test_a_picture_lost_from_the_disk_fails_the_listing(desk: Desk) -> None:
    """A stored file that cannot be read is said by name; nothing half is published."""
    desk.simulator.fault("create", "slow", seconds=0.3)
    await desk.put()
    await until(lambda: "create" in desk.called())
    for file in Path(desk.folder).glob("*.jpg"):
        file.unlink()
    await desk.reach(ListingState.REJECTED)
    (failed,) = await desk.told("listing.failed")
    assert "cannot be read" in failed["error"]
    assert "commit" not in desk.called()


async def test_a_create_that_always_gives_500_fails_when_tradera_otherwise_answers(desk: Desk) -> None:
    """500 may be bad input: after a few tries one look at users/me tells, and the item fails with the message."""
    desk.simulator.fault("create", "500", times=None)
    await desk.put(pictures=0)
    tries = 0
    while (await desk.listing()).state is not ListingState.REJECTED:
        tries += 1
        await until(lambda tries=tries: desk.called().get("create") == tries)  # type: ignore[misc]
        await desk.idle()
        desk.forward(900)
    assert desk.called() == {"create": 8, "me": 1}
    (failed,) = await desk.told("listing.failed")
    assert "500" in failed["error"]


async def test_a_create_that_gives_500_while_tradera_is_down_fails_nothing(desk: Desk) -> None:
    """When users/me fails too it is an outage: the item stays pending and goes out afterwards."""
    desk.simulator.fault("*", "500", times=16)
    await desk.put(pictures=0)
    for tries in range(1, 9):
        await until(lambda tries=tries: desk.called().get("create") == tries)  # type: ignore[misc]
        await desk.idle()
        desk.forward(900)
    assert await desk.told("listing.failed") == []
    desk.simulator.clear_faults()
    desk.forward(900)
    await go_live(desk)


async def test_a_bad_item_does_not_keep_the_others_waiting(desk: Desk) -> None:
    """While one item's create gives 500, the next in the queue goes out: the bad one waits on a schedule of its own."""
    bad = await desk.put("BAD", pictures=0)
    desk.simulator.fault("create", "500", times=None, own_reference=f"rheod:{bad.id}:1")
    await desk.put("GOOD", pictures=0)
    await until(lambda: desk.called().get("create", 0) >= 1)
    await desk.idle()
    desk.forward(5)
    await go_live(desk, "GOOD")


async def test_a_commit_in_doubt_is_never_given_up_for_a_500(desk: Desk) -> None:
    """Tries that failed before do not make a 500 at commit final: the ad may be up, so it is asked for."""
    desk.simulator.fault("create", "500", times=5)
    item = await desk.put(pictures=0)
    for tries in range(1, 6):
        await until(lambda tries=tries: desk.called().get("create") == tries)  # type: ignore[misc]
        await desk.idle()
        if tries == 5:
            desk.simulator.fault("commit", "500_after")
        desk.forward(900)
    await until(lambda: desk.called().get("commit") == 1)
    await desk.idle()
    desk.forward(900)
    await desk.reach(ListingState.LIVE)
    assert await desk.told("listing.failed") == []
    assert desk.called()["commit"] == 1
    ad_of(desk, item)
