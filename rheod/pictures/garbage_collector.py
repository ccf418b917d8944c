"""Keeps the folder of pictures within its bound, and clean of what nothing refers to.

What is needed for an ad, now or later, is never removed: when only such pictures are left, new downloads wait
(`fetcher.py`) and a finding says so (`health/rules.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Iterable
from functools import partial
from itertools import cycle
from pathlib import Path

import structlog

from rheod.domain.errors import StoreUnavailable
from rheod.domain.pictures import THUMBNAIL_SIDES, UPLOAD_MS, hosted_of, thumbnail_of
from rheod.store import picture_files
from rheod.usecases import pictures
from rheod.usecases.transaction import Store

_log = structlog.get_logger(__name__)
_ITEMS = 100
_FILES = 500
_STEPS = 50
"""At most so many slices of items or files in a round: what is left waits for the next."""

_FULL_AT, _ROOM_AT = 0.95, 0.90
"""Shares of the bound: from the first on pictures of items that are over go, down to the second."""


class GarbageCollector:
    """Makes a round every `every_s` seconds; `most_bytes` 0 means no bound.

    A file younger than `young_s` is left alone, even if nothing refers to it: its picture may be about to be stored.
    """

    def __init__(
        self,
        *,
        store: Store,
        pictures_dir: Path,
        most_bytes: int,
        every_s: float = 60.0,
        young_s: float = 3600.0,
    ) -> None:
        self._store = store
        self._pictures_dir = pictures_dir
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
        if self._most_bytes:
            in_use = await self._store.read(picture_files.bytes_in_use)
            if in_use > self._most_bytes * _FULL_AT:
                await self._make_room(in_use)
        await self._drop_uploads()
        await self._remove_unused()
        await self._remove_unknown(next(self._folders))

    async def _make_room(self, in_use: int) -> None:
        """Give up pictures of items that are over, those that have been so for longest first."""
        left = in_use
        for _ in range(_STEPS):
            last = await self._store.write(partial(pictures.make_room, after=self._after, limit=_ITEMS))
            self._after = last or picture_files.FIRST  # at the end: what is over by then may be found again
            left = await self._store.read(picture_files.bytes_in_use)
            if last is None or left <= self._most_bytes * _ROOM_AT:
                break
        _log.info("made room for pictures", freed_bytes=in_use - left)

    async def _drop_uploads(self) -> None:
        """Forget what was sent a day ago and is in no draft; what an item shows stays by that use."""
        before = self._store.now() - UPLOAD_MS
        if await self._store.read(partial(picture_files.any_upload, before=before)):
            await self._store.write(lambda tx: picture_files.drop_uploads(tx.db, before=before, limit=_FILES))

    async def _remove_unused(self) -> None:
        """Remove the files that no picture uses any more."""
        after = ""
        for _ in range(_STEPS):
            some = await self._store.read(partial(picture_files.unused, after=after, limit=_FILES))
            if not some:
                return
            after = some[-1]
            gone = await asyncio.to_thread(self._unlink, some)
            await self._store.write(lambda tx, gone=gone: picture_files.forget(tx.db, gone))  # type: ignore[misc]

    async def _remove_unknown(self, folder: str) -> None:
        """Remove from a subfolder what the store does not know: left by a crash, or newer than a restored store."""
        try:
            names = await asyncio.to_thread(os.listdir, self._pictures_dir / folder)
        except FileNotFoundError:
            return
        for start in range(0, len(names), _FILES):
            some = [f"{folder}/{name}" for name in names[start : start + _FILES]]
            hosted = {file: hosted_of(file) for file in some}
            known = await self._store.read(partial(picture_files.known, files=set(hosted.values())))
            unknown = [file for file in some if hosted[file] not in known]
            if removed := await asyncio.to_thread(self._unlink, unknown):
                _log.info("unknown picture files removed", files=len(removed))

    def _unlink(self, files: Iterable[str]) -> list[str]:
        """Remove those of these files that are not young; returns those that are gone."""
        born_before = time.time() - self._young_s  # by the file system's clock, not the daemon's
        gone: list[str] = []
        for file in files:
            path = self._pictures_dir / file
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime > born_before:
                    continue
                for side in THUMBNAIL_SIDES:
                    (self._pictures_dir / thumbnail_of(file, side)).unlink(missing_ok=True)
                path.unlink()
            gone.append(file)
        return gone
