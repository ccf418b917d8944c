"""The folder of pictures: they are fetched, re-encoded, tried again on their schedule, and failed with a reason.

What nothing refers to goes, what is over goes when there is no room, what is needed never.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from rheod.domain.model import ItemSpec, PictureState, QueueName, RheoStatus
from rheod.domain.pictures import THUMBNAIL_SIDES, thumbnail_of
from rheod.jobs.meters import Meters
from rheod.jobs.picks import ByDueTime
from rheod.jobs.queue import JobQueue, Wakeups
from rheod.pictures.download import PictureDownloader, PictureLimits
from rheod.pictures.folder import GONE, GarbageCollector, PictureFetcher
from rheod.sandbox.shop import Shop
from rheod.store import items, picture_files
from rheod.store.engine.database import Database
from rheod.usecases import pictures
from rheod.usecases.items import BudgetForecast, Items, ItemView
from rheod.usecases.transaction import Store, Transaction
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


SIZE = 1000
OLD_S = 7200


class Folder:
    """Items with pictures on disk, as the picture queue leaves them."""

    def __init__(self, *, database: Database, clock: Clock, account_id: str, pictures_dir: Path) -> None:
        self.database = database
        self.clock = clock
        self.account_id = account_id
        self.pictures_dir = pictures_dir
        self.store = Store(database=database, now=clock, rng=Random(7), wake=lambda _queue: None)
        self.items = Items(store=self.store, forecast=lambda _account: BudgetForecast())

    def keeper(self, *, room_for: int = 0) -> GarbageCollector:
        """A keeper with room for so many files; 0 for any number."""
        return GarbageCollector(store=self.store, pictures_dir=self.pictures_dir, most_bytes=room_for * SIZE)

    def lay(self, file: str, *, young: bool = False) -> str:
        """A file on disk."""
        path = self.pictures_dir / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * SIZE)
        at = time.time() - (0 if young else OLD_S)
        os.utime(path, (at, at))
        return file

    async def put(self, name: str, files: Sequence[str], **fields: object) -> None:
        """An item with these files as its pictures, all ready."""
        urls = tuple(f"https://shop.example/{name}-{number}" for number in range(len(files)))
        spec = ItemSpec(title="Kopp", price_ore=10_000, image_urls=urls, **fields)  # type: ignore[arg-type]
        await self.items.put_item(self.account_id, name, spec)
        await self.store.write(lambda tx: self._ready(tx, name, files))
        self.clock.forward(1000)

    def _ready(self, tx: Transaction, name: str, files: Sequence[str]) -> None:
        item = items.find(tx.db, self.account_id, name)
        assert item is not None
        for picture, file in zip(items.pictures(tx.db, item.id), files, strict=True):
            ready = replace(picture, state=PictureState.READY, file=self.lay(file), size_bytes=SIZE)
            items.save_picture(tx.db, ready)

    async def sell(self, name: str) -> None:
        """The item is sold."""
        item = await self.database.read(lambda db: items.find(db, self.account_id, name))
        assert item is not None
        change = "UPDATE items SET rheo_status = ?, updated_at = ? WHERE id = ?"
        values = (RheoStatus.SOLD, self.clock(), item.id)
        await self.database.write(lambda db: db.execute(change, values).rowcount)
        self.clock.forward(1000)

    def files(self) -> set[str]:
        """What is in the folder."""
        return {str(each.relative_to(self.pictures_dir)) for each in self.pictures_dir.rglob("*.jpg")}

    async def states(self) -> dict[str, str]:
        """The state of every picture by its address."""
        found = await rows(self.database, "SELECT url, state FROM pictures")
        return {row["url"].rpartition("/")[2]: row["state"] for row in found}


@pytest.fixture
def folder(database: Database, clock: Clock, account_id: str, tmp_path: Path) -> Folder:
    """An empty one."""
    return Folder(database=database, clock=clock, account_id=account_id, pictures_dir=tmp_path / "images")


async def test_a_file_goes_with_its_last_picture(folder: Folder) -> None:
    """Replaced by a PUT; one that another item shows too stays."""
    await folder.put("a", ["aa/own.jpg", "aa/shared.jpg"])
    await folder.put("b", ["aa/shared.jpg"])
    await folder.put("a", ["bb/new.jpg"], description="Another")
    await folder.keeper().make_round()
    assert folder.files() == {"aa/shared.jpg", "bb/new.jpg"}
    assert await folder.database.read(picture_files.bytes_in_use) == 2 * SIZE
    known = await rows(folder.database, "SELECT file, uses FROM picture_files ORDER BY file")
    assert known == [{"file": "aa/shared.jpg", "uses": 1}, {"file": "bb/new.jpg", "uses": 1}]


async def test_small_copies_go_with_their_picture_and_not_before(folder: Folder) -> None:
    """Those of a picture in use are known though no row names them; one whose picture is gone is not."""
    await folder.put("a", ["00/going.jpg", "00/kept.jpg"])
    for each in ("going", "kept", "strange"):
        for side in THUMBNAIL_SIDES:
            folder.lay(thumbnail_of(f"00/{each}.jpg", side), young=each == "going")
    await folder.put("a", ["00/kept.jpg"], description="Another")
    await folder.keeper().make_round()
    assert {each.name for each in (folder.pictures_dir / "00").iterdir()} == {
        "kept.jpg",
        "kept.160.webp",
        "kept.640.webp",
    }


async def test_a_young_file_is_left_alone(folder: Folder) -> None:
    """Its picture may be about to be stored: neither an unused one nor one that nobody knows goes."""
    await folder.put("a", ["00/old.jpg"])
    await folder.put("a", ["00/new.jpg"], description="Another")
    folder.lay("00/old.jpg", young=True)
    folder.lay("00/strange.jpg", young=True)
    await folder.keeper().make_round()
    assert folder.files() == {"00/old.jpg", "00/new.jpg", "00/strange.jpg"}


async def test_what_a_crash_has_left_is_found_in_time(folder: Folder) -> None:
    """One subfolder in each round: a file without a picture goes, those of pictures stay."""
    folder.lay("00/left.jpg")
    folder.lay("01/left.jpg")
    await folder.put("a", ["00/kept.jpg", "01/kept.jpg"])
    keeper = folder.keeper()
    await keeper.make_round()
    assert folder.files() == {"00/kept.jpg", "01/left.jpg", "01/kept.jpg"}
    await keeper.make_round()
    assert folder.files() == {"00/kept.jpg", "01/kept.jpg"}


async def test_what_is_over_makes_room_the_longest_over_first(folder: Folder) -> None:
    """Down to nine tenths of the bound and no further; what is for sale stays."""
    for number in range(20):
        await folder.put(f"i{number}", [f"aa/{number}.jpg"])
    for number in (3, 1, 2):
        await folder.sell(f"i{number}")
    await folder.keeper(room_for=20).make_round()
    gone = {name for name, state in (await folder.states()).items() if state == "failed"}
    assert gone == {"i3-0", "i1-0", "i2-0"}
    assert folder.files() == {f"aa/{number}.jpg" for number in range(20) if number not in {1, 2, 3}}

    def read(db: sqlite3.Connection) -> str | None:
        item = items.find(db, folder.account_id, "i3")
        assert item is not None
        return items.pictures(db, item.id)[0].error

    assert await folder.database.read(read) == pictures.NO_ROOM


async def test_pictures_that_are_needed_never_go(folder: Folder) -> None:
    """However little room there is: those of items for sale, and of a sold one that is to be published again."""
    await folder.put("for-sale", ["aa/1.jpg"])
    await folder.put("queued", ["aa/2.jpg"], auto_publish=True)
    await folder.sell("queued")
    await folder.keeper(room_for=1).make_round()
    assert folder.files() == {"aa/1.jpg", "aa/2.jpg"}
    assert set((await folder.states()).values()) == {"ready"}


async def test_without_a_bound_nothing_is_given_up(folder: Folder) -> None:
    """0 means as much as there is."""
    await folder.put("a", ["aa/1.jpg"])
    await folder.sell("a")
    await folder.keeper().make_round()
    assert folder.files() == {"aa/1.jpg"}


async def test_the_sum_is_that_of_the_files_in_use(folder: Folder) -> None:
    """Whatever comes, goes and is shared."""
    rng = Random(1)
    for step in range(60):
        files = [f"aa/{rng.randrange(9)}.jpg" for _ in range(rng.randrange(3))]
        await folder.put(f"i{rng.randrange(5)}", files, description=f"Step {step}")
        in_use = await rows(folder.database, "SELECT DISTINCT file FROM pictures WHERE file IS NOT NULL")
        assert await folder.database.read(picture_files.bytes_in_use) == len(in_use) * SIZE
