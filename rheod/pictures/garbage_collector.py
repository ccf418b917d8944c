"""Keeps the folder of pictures within its bound, and clean of what nothing refers to.

What is needed for an ad, now or later, is never removed: when only such pictures are left, new downloads wait
(`image_fetcher.py`) and the owner is told (`domain/findings.py`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from functools import partial
from itertools import cycle
from pathlib import Path

import structlog

from rheod.domain.errors import StoreUnavailable
from rheod.store import picture_files
from rheod.usecases import pictures
from rheod.usecases.transaction import Store, Transaction

_log = structlog.get_logger(__name__)
_ITEMS = 100
_FILES = 500
_STEPS = 50
"""At most so many slices of items or files in a round: what is left waits for the next."""

_FULL_AT, _ROOM_AT = 0.95, 0.90
"""Shares of the bound: from the first on pictures of items that are over go, down to the second."""


class GarbageCollector:
    """Makes a round every `every_s`; `most_bytes` 0 means no bound.

    A file younger than `young_s` is left alone, even if nothing refers to it: its picture may be about to be stored.
    """

    def __init__(
        self,
        *,
        store: Store,
        images_dir: Path,
        most_bytes: int,
        every_s: float = 60.0,
        young_s: float = 3600.0,
    ) -> None:
        self._store = store
        self._images_dir = images_dir
        self._most_bytes = most_bytes
        self._every_s = every_s
        self._young_s = young_s
        self._after = picture_files.FIRST
        self._folders = cycle(f"{number:02x}" for number in range(256))

    async def run(self) -> None:
        """Make rounds until cancelled."""
        while True:
            await asyncio.sleep(self._every_s)
            try:
                await self.make_round()
            except (StoreUnavailable, OSError) as error:
                _log.warning("cleaning of pictures waits", reason=str(error))

    async def make_round(self) -> None:
        """Make room if there is too little, remove unused files, and look for strange ones in the next subfolder."""
        if self._most_bytes and await self._bytes() > self._most_bytes * _FULL_AT:
            await self._make_room()
        await self._remove_unused()
        await self._sweep(next(self._folders))

    async def _bytes(self) -> int:
        return await self._store.read(picture_files.bytes_in_use)

    async def _make_room(self) -> None:
        before = await self._bytes()
        for _ in range(_STEPS):
            last = await self._store.write(partial(pictures.make_room, after=self._after, limit=_ITEMS))
            self._after = last or picture_files.FIRST  # at the end: what is over by then may be found again
            left = await self._bytes()
            if last is None or left <= self._most_bytes * _ROOM_AT:
                break
        _log.info("made room for pictures", freed_bytes=before - await self._bytes())

    async def _remove_unused(self) -> None:
        """Remove the files that no picture uses any more."""
        after = ""
        for _ in range(_STEPS):
            some = await self._store.read(partial(picture_files.unused, after=after, limit=_FILES))
            if not some:
                return
            after = some[-1]
            gone = await asyncio.to_thread(self._unlink, some)
            await self._store.write(partial(_forget, gone))

    async def _sweep(self, name: str) -> None:
        """Remove from a subfolder what the store has never heard of: left by a crash, or newer than a restored store."""
        found = await asyncio.to_thread(_names_in, self._images_dir / name)
        for start in range(0, len(found), _FILES):
            some = [f"{name}/{each}" for each in found[start : start + _FILES]]
            known = await self._store.read(partial(picture_files.known, files=some))
            strange = [each for each in some if each not in known]
            if removed := await asyncio.to_thread(self._unlink, strange):
                _log.info("pictures that nothing refers to removed", files=len(removed))

    def _unlink(self, files: Iterable[str]) -> list[str]:
        """Remove those of these files that are not young; returns those that are gone."""
        return [file for file in files if self._is_gone(self._images_dir / file)]

    def _is_gone(self, file: Path) -> bool:
        try:
            if (
                time.time() - file.stat().st_mtime < self._young_s
            ):  # the file system's clock, not the daemon's
                return False
            file.unlink()
        except FileNotFoundError:
            pass
        return True


def _forget(files: list[str], tx: Transaction) -> None:
    picture_files.forget(tx.db, files)


def _names_in(folder: Path) -> list[str]:
    try:
        return [each.name for each in folder.iterdir()]
    except FileNotFoundError:
        return []
