"""The folder of pictures: what is fetched and what the owner sends comes in, what nothing refers to goes.

A picture passes through a temporary file and a decoder's child and is kept under its content's name. What is needed for an
ad, now or later, is never removed: when only such pictures are left, new ones wait and a finding says so
(`health/rules.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import time
from collections.abc import AsyncIterator, Iterable
from functools import partial
from itertools import cycle
from pathlib import Path

import structlog

from rheod.domain.crash import crashpoint
from rheod.domain.errors import (
    PICTURE_DELAYS_S,
    FieldError,
    Permanent,
    Refused,
    StoreUnavailable,
    Text,
    Transient,
    delay_ms,
)
from rheod.domain.model import Job, PictureState
from rheod.domain.pictures import (
    PROFILE_IGNORED,
    THUMBNAIL_SIDES,
    UPLOAD_MS,
    hosted_of,
    thumbnail_of,
    upload_address,
    uploaded_file,
)
from rheod.jobs.meters import Meters
from rheod.jobs.queue import Done, Outcome, Pause, Retry
from rheod.pictures.decoder import DecodedPicture, Decoder
from rheod.pictures.download import PictureDownloader, is_picture
from rheod.store import items, picture_files
from rheod.usecases import pictures
from rheod.usecases.transaction import Store, Transaction

_log = structlog.get_logger(__name__)
_FIRST_DECODERS = 8
GONE = Text("it was sent by hand and is not kept any more: take it anew")
UPLOAD_BYTES = 20 * 2**20
TOO_LARGE = Text("The picture is larger than {mib} MiB", mib=UPLOAD_BYTES // 2**20)
NO_PICTURE = Text("It is not a picture: JPEG, PNG, WebP, AVIF or GIF")
FULL = Text("the folder of pictures is full: raise storage.images_max_bytes")
_HEAD_BYTES = 12
_ITEMS = 100
_FILES = 500
_STEPS = 50
"""At most so many slices of items or files in a round: what is left waits for the next."""

_FULL_AT, _ROOM_AT = 0.95, 0.90
"""Shares of the bound: from the first on pictures of items that are over go, down to the second."""


class PictureFetcher:
    """Works `fetch_picture` jobs; their subject is a picture id.

    When all pictures together have come to `most_bytes` (0: no bound) the queue waits.
    """

    def __init__(
        self,
        *,
        store: Store,
        downloader: PictureDownloader,
        decoder: Decoder,
        pictures_dir: Path,
        meters: Meters | None = None,
        most_bytes: int = 0,
    ) -> None:
        self._store = store
        self._downloader = downloader
        self._decoder = decoder
        self._pictures_dir = pictures_dir
        self._meters = meters or Meters()
        self._most_bytes = most_bytes

    def sweep(self) -> None:
        """Remove what a killed run left half done; it is fetched again."""
        for part in (self._pictures_dir / "tmp").glob("*"):
            part.unlink(missing_ok=True)

    async def begin(self) -> None:
        """Start the decoders, so that the first pictures after a start find them ready."""
        await self._decoder.wake(_FIRST_DECODERS)

    async def fetch(self, job: Job) -> Outcome:
        """Fetch the picture once; failures that time may heal are tried again on the schedule of pictures."""
        picture, kept_bytes = await self._store.read(
            lambda db: (items.picture(db, job.subject), picture_files.bytes_in_use(db))
        )
        if picture is None or picture.state is not PictureState.PENDING:
            return Done()
        if self._most_bytes and kept_bytes >= self._most_bytes:
            return Pause(FULL)
        if uploaded_file(picture.url) is not None:  # sent by the owner: there is nowhere to fetch it from
            return self._fail(job, str(GONE))
        part = self._pictures_dir / "tmp" / f"{picture.id}.part"
        try:
            await self._decoder.wake(1)  # it begins while the picture is on its way
            await self._downloader.fetch(picture.url, part)
            crashpoint("picture.fetched")
            decoded = await self._decoder.decode(part, self._pictures_dir)
            crashpoint("picture.rendered")
        except (Transient, Permanent) as error:
            reason = str(error)
            if isinstance(error, Permanent) or job.attempts >= len(PICTURE_DELAYS_S):
                return self._fail(job, reason)
            asked_ms = min(round((error.retry_after_s or 0) * 1000), 3_600_000)
            return Retry(
                until=self._store.now() + max(delay_ms(PICTURE_DELAYS_S, job.attempts + 1), asked_ms),
                reason=reason,
                write=lambda tx: pictures.tried_in_vain(tx, job, error=reason),
            )
        finally:
            with contextlib.suppress(FileNotFoundError):
                part.unlink()
        note = PROFILE_IGNORED if decoded.profile_ignored else None
        kept = partial(pictures.ready, job=job, file=decoded.name, size_bytes=decoded.size_bytes, note=note)
        return Done(kept)

    def _fail(self, job: Job, reason: str) -> Outcome:
        _log.warning("picture failed", picture=job.subject, reason=reason)

        def write(tx: Transaction) -> None:
            pictures.failed(tx, job, error=reason)
            tx.afterwards.append(self._meters.picture_failed)

        return Done(write)


class Uploads:
    """Takes pictures that the owner sends. They stay for a day, and with each item that names them.

    Sending the same twice gives the same picture. `most_bytes` is what all pictures together may come to (0: no bound).
    """

    def __init__(self, *, store: Store, decoder: Decoder, pictures_dir: Path, most_bytes: int = 0) -> None:
        self._store = store
        self._decoder = decoder
        self._pictures_dir = pictures_dir
        self._most_bytes = most_bytes
        self._numbers = itertools.count()

    async def take(self, chunks: AsyncIterator[bytes]) -> tuple[str, DecodedPicture]:
        """Keep one picture; gives the address that an item names it by. It is durable when this returns.

        Raises Refused: PAYLOAD_TOO_LARGE, VALIDATION_FAILED with the field `picture` for one that cannot be used,
        UNAVAILABLE when there is no room.
        """
        if self._most_bytes and await self._store.read(picture_files.bytes_in_use) >= self._most_bytes:
            raise Refused("UNAVAILABLE", FULL)
        folder = self._pictures_dir / "tmp"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = folder / f"upload-{next(self._numbers)}.part"
        try:
            await _save(chunks, part)
            decoded = await self._decoder.decode(part, self._pictures_dir)
        except Permanent as error:
            wrong = FieldError("picture", Text.of(str(error)))
            raise Refused("VALIDATION_FAILED", Text("Validation failed"), (wrong,)) from error
        except ConnectionError:
            raise  # whoever reads the request says it
        except OSError as error:
            raise Transient(Text("the picture cannot be stored now: {why}", why=error.strerror)) from error
        finally:
            part.unlink(missing_ok=True)
        note = PROFILE_IGNORED if decoded.profile_ignored else None
        kept = partial(pictures.keep_upload, file=decoded.name, size_bytes=decoded.size_bytes, note=note)
        await self._store.write(kept)
        return upload_address(decoded.name), decoded


async def _save(chunks: AsyncIterator[bytes], part: Path) -> None:
    """Write what comes to a file, and look at its size and first bytes meanwhile."""
    size, head = 0, b""
    with part.open("wb", buffering=0) as file:
        async for chunk in chunks:
            size += len(chunk)
            if size > UPLOAD_BYTES:
                raise Refused("PAYLOAD_TOO_LARGE", TOO_LARGE)
            head = (head + chunk)[:_HEAD_BYTES] if len(head) < _HEAD_BYTES else head
            rest = memoryview(chunk)
            while rest:
                rest = rest[file.write(rest) :]
    if not is_picture(head):
        raise Permanent(NO_PICTURE)


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
        in_use = await self._store.read(picture_files.bytes_in_use) if self._most_bytes else 0
        if in_use > self._most_bytes * _FULL_AT:
            left = in_use
            # pictures of items that are over go, those that have been so for longest first
            for _ in range(_STEPS):
                last = await self._store.write(partial(pictures.make_room, after=self._after, limit=_ITEMS))
                # at the end: what is over by then may be found again
                self._after = last or picture_files.FIRST
                left = await self._store.read(picture_files.bytes_in_use)
                if last is None or left <= self._most_bytes * _ROOM_AT:
                    break
            _log.info("made room for pictures", freed_bytes=in_use - left)
        before = self._store.now() - UPLOAD_MS
        if await self._store.read(partial(picture_files.any_upload, before=before)):
            # what was sent a day ago and is in no draft; what an item shows stays by that use
            await self._store.write(lambda tx: picture_files.drop_uploads(tx.db, before=before, limit=_FILES))
        after = ""
        for _ in range(_STEPS):  # the files that no picture uses any more
            some = await self._store.read(partial(picture_files.unused, after=after, limit=_FILES))
            if not some:
                break
            after = some[-1]
            gone = await asyncio.to_thread(self._unlink, some)
            await self._store.write(lambda tx, gone=gone: picture_files.forget(tx.db, gone))  # type: ignore[misc]
        await self._remove_unknown(next(self._folders))

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
