"""The folder of pictures: what nothing refers to goes, what is over goes when there is no room, what is needed never."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from rheod.domain.model import ItemSpec, PictureState, RheoStatus
from rheod.domain.pictures import THUMBNAIL_SIDES, thumbnail_of
from rheod.pictures.garbage_collector import GarbageCollector
from rheod.store import items, picture_files
from rheod.store.engine.database import Database
from rheod.usecases import pictures
from rheod.usecases.items import BudgetForecast, Items
from rheod.usecases.transaction import Store, Transaction
from tests.stores import Clock, rows

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
