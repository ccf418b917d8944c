"""Pictures of an item: fetched, re-encoded and settled, tried again on their schedule, and failed with a reason."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from rheod.domain.model import ItemSpec, PictureState, QueueName, RheoStatus
from rheod.jobs.meters import Meters
from rheod.jobs.picks import ByDueTime
from rheod.jobs.queue import JobQueue, Wakeups
from rheod.pictures.download import PictureDownloader, PictureLimits
from rheod.pictures.fetcher import GONE, PictureFetcher
from rheod.sandbox.shop import Shop
from rheod.store.engine.database import Database
from rheod.usecases import pictures
from rheod.usecases.items import BudgetForecast, Items, ItemView
from rheod.usecases.transaction import Store
from tests.pictures.decoding import open_decoder
from tests.stores import Clock, rows
from tests.waiting import until

LIMITS = PictureLimits(
    max_bytes=200_000, timeout_s=2, concurrency=4, per_host=2, allow_http=True, allow_private=True
)


MOST_BYTES = 10_000_000


class Studio:
    """The picture queue over a shop on loopback."""

    def __init__(self, *, database: Database, clock: Clock, account_id: str, shop: Shop) -> None:
        self.database = database
        self.clock = clock
        self.account_id = account_id
        self.shop = shop
        self.wakeups = Wakeups()
        self.meters = Meters()
        self.store = Store(database=database, now=clock, rng=Random(7), wake=self.wakeups.wake)
        self.items = Items(store=self.store, forecast=lambda _account: BudgetForecast())

    async def put(self, *urls: str, **fields: Any) -> None:
        """PUT the one item with these pictures."""
        spec = ItemSpec(**{"title": "Kaffekopp", "price_ore": 10_000, "image_urls": urls, **fields})
        await self.items.put_item(self.account_id, "A", spec)

    async def view(self) -> ItemView:
        return await self.items.read_item(self.account_id, "A")

    async def states(self) -> list[PictureState]:
        return [picture.state for picture in (await self.view()).pictures]

    async def settled(self) -> ItemView:
        """Wait until no picture is pending."""

        async def none_pending() -> bool:
            return PictureState.PENDING not in await self.states()

        await until(none_pending)
        return await self.view()

    async def told(self) -> list[str]:
        return [row["type"] for row in await rows(self.database, "SELECT type FROM notices ORDER BY seq")]

    def forward(self, seconds: float) -> None:
        self.clock.forward(round(seconds * 1000))
        self.wakeups.wake(QueueName.PICTURES)


@pytest.fixture
async def studio(
    database: Database, clock: Clock, account_id: str, shop: Shop, tmp_path: Path
) -> AsyncIterator[Studio]:
    one = Studio(database=database, clock=clock, account_id=account_id, shop=shop)
    (tmp_path / "images" / "tmp").mkdir(parents=True)
    client = PictureDownloader(limits=LIMITS)
    async with open_decoder() as decoder:
        fetcher = PictureFetcher(
            store=one.store,
            downloader=client,
            decoder=decoder,
            pictures_dir=tmp_path / "images",
            meters=one.meters,
            most_bytes=MOST_BYTES,
        )
        queue = JobQueue(
            name="images",
            store=one.store,
            pick=ByDueTime(QueueName.PICTURES),
            wakeup=one.wakeups.new(QueueName.PICTURES),
            work=fetcher.fetch,
            concurrency=4,
        )
        running = asyncio.create_task(queue.run())
        yield one
        queue.stop()
        await running
        await client.close()


async def test_pictures_become_files_in_the_order_of_the_item(studio: Studio, tmp_path: Path) -> None:
    """Each address is fetched once, stored under its content's name, and the item becomes active."""
    urls = [studio.shop.picture_url(name) for name in ("front", "back", "side")]
    await studio.put(*urls)
    view = await studio.settled()
    assert [picture.url for picture in view.pictures] == urls
    files = [tmp_path / "images" / (picture.file or "") for picture in view.pictures]
    assert [file.stat().st_size for file in files] == [picture.size_bytes for picture in view.pictures]
    assert len(set(files)) == 3
    assert set(studio.shop.fetches.values()) == {1}
    assert view.item.rheo_status is RheoStatus.ACTIVE
    assert await studio.told() == ["item.created", "item.images_ready"]
    assert list((tmp_path / "images" / "tmp").iterdir()) == []


async def test_a_job_is_finished_once(studio: Studio) -> None:
    """Ready or failed, its row is deleted; a second end would find it gone and forget the tries of a newer order."""
    written: list[str] = []

    def watch(db: sqlite3.Connection) -> None:
        db.set_trace_callback(lambda statement: written.append(statement.partition(" WHERE")[0]))

    await studio.database.write(watch)
    await studio.put(studio.shop.picture_url("front"), f"{studio.shop.url}/pictures/missing.xyz")
    await studio.settled()

    async def finished() -> bool:
        return await rows(studio.database, "SELECT * FROM jobs WHERE kind = 'fetch_picture'") == []

    await until(finished)
    assert "DELETE FROM jobs" in written
    assert [each for each in written if each.startswith("UPDATE jobs")] == []


async def test_a_picture_that_is_none_fails_at_once_and_the_others_go_on(studio: Studio) -> None:
    """404 is for good: history names the picture, the item has the other one."""
    await studio.put(studio.shop.picture_url("front"), f"{studio.shop.url}/pictures/missing.xyz")
    view = await studio.settled()
    assert [picture.state for picture in view.pictures] == [PictureState.READY, PictureState.FAILED]
    assert "404" in (view.pictures[1].error or "")
    assert sorted(await studio.told()) == [
        "image.failed",
        "item.created",
        "item.images_failed",
        "item.images_ready",
    ]
    assert view.item.rheo_status is RheoStatus.ACTIVE
    assert studio.meters.registry.get_sample_value("rheod_picture_failures_total") == 1


async def test_an_item_none_of_whose_pictures_can_be_had_is_not_published(studio: Studio) -> None:
    """None ready: listing.failed instead of an ad without pictures."""
    await studio.put(f"{studio.shop.url}/pictures/missing.xyz", auto_publish=True)
    view = await studio.settled()
    assert view.item.rheo_status is RheoStatus.DRAFT
    assert "listing.failed" in await studio.told()
    assert "No picture could be used" in (view.item.last_error or "")


async def test_a_shop_that_is_away_is_tried_six_times(studio: Studio) -> None:
    """Tries at 0, 2 s, 10 s, 1 min, 5 min and 30 min after each other, then the picture has failed."""
    await studio.put("http://127.0.0.1:9/a.jpg")

    for count, gap_s in enumerate((2, 10, 60, 300, 1800), start=1):

        async def tried(count: int = count, gap_s: int = gap_s) -> bool:
            found = await rows(studio.database, "SELECT * FROM jobs WHERE kind = 'fetch_picture'")
            return [(row["attempts"], row["due_at"]) for row in found] == [
                (count, studio.clock() + gap_s * 1000)
            ]

        await until(tried)
        assert await studio.states() == [PictureState.PENDING]
        said = (await studio.view()).pictures[0].error
        assert "127.0.0.1" in (said or ""), "what the last try met is told while others follow"
        studio.forward(gap_s)
    view = await studio.settled()
    assert view.pictures[0].state is PictureState.FAILED
    assert "127.0.0.1" in (view.pictures[0].error or "")


async def test_a_picture_replaced_while_it_is_fetched_is_forgotten(studio: Studio) -> None:
    """A later PUT has other pictures: what was under way settles nothing."""
    await studio.put("http://127.0.0.1:9/old.jpg")
    view = await studio.view()
    spec = replace(view.item.spec, image_urls=(studio.shop.picture_url("new"),))
    await studio.items.put_item(studio.account_id, "A", spec)
    view = await studio.settled()
    assert [picture.state for picture in view.pictures] == [PictureState.READY]
    assert "image.failed" not in await studio.told()
    assert await rows(studio.database, "SELECT * FROM jobs WHERE kind = 'fetch_picture'") == []


async def test_a_kept_address_is_not_fetched_again(studio: Studio) -> None:
    """A PUT that adds a picture fetches that one alone."""
    first = studio.shop.picture_url("front")
    await studio.put(first)
    await studio.settled()
    await studio.put(first, studio.shop.picture_url("back"))
    await studio.settled()
    assert set(studio.shop.fetches.values()) == {1}


async def test_leftovers_of_an_earlier_run_are_swept(store: Store, tmp_path: Path) -> None:
    """Temporary files of a killed run are removed at start, finished pictures stay."""
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp" / "x.part").write_bytes(b"half")
    (tmp_path / "ab.jpg").write_bytes(b"whole")
    client = PictureDownloader(limits=LIMITS)
    async with open_decoder() as decoder:
        PictureFetcher(store=store, downloader=client, decoder=decoder, pictures_dir=tmp_path).sweep()
    await client.close()
    assert list((tmp_path / "tmp").iterdir()) == []
    assert (tmp_path / "ab.jpg").exists()


async def test_a_full_folder_makes_the_queue_wait_and_no_picture_fail(studio: Studio) -> None:
    """Nothing is fetched and no try is counted; with room again it goes on by itself."""
    full = "UPDATE picture_sums SET bytes = ?"
    await studio.database.write(lambda db: db.execute(full, (MOST_BYTES,)).rowcount)
    await studio.put(studio.shop.picture_url("front"))

    async def put_off() -> bool:
        return (await rows(studio.database, "SELECT reason FROM jobs"))[0]["reason"] is not None

    await until(put_off)
    (job,) = await rows(studio.database, "SELECT attempts, reason FROM jobs")
    assert job["attempts"] == 0
    assert "storage.images_max_bytes" in job["reason"]
    assert await studio.states() == [PictureState.PENDING]
    assert not studio.shop.fetches
    await studio.database.write(lambda db: db.execute(full, (MOST_BYTES - 1,)).rowcount)
    studio.forward(3600)
    assert (await studio.settled()).pictures[0].state is PictureState.READY


async def test_a_picture_that_the_owner_sent_is_not_asked_for_once_its_file_is_gone(studio: Studio) -> None:
    """As after a restore without pictures: there is nowhere to fetch it from, and the words say what to do."""
    sha256 = "ab" * 32
    file, url = f"ab/{sha256}.jpg", f"upload:{sha256}"
    await studio.store.write(lambda tx: pictures.keep_upload(tx, file=file, size_bytes=9, note=None))
    await studio.put(url)
    item = (await studio.view()).item
    await studio.store.write(lambda tx: pictures.lost(tx, item.id, {file}))
    [picture] = (await studio.settled()).pictures
    assert (picture.state, picture.error) == (PictureState.FAILED, str(GONE))
