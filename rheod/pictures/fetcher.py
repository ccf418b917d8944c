"""Fetches one picture: downloads it to a temporary file, decodes it in a child, keeps it under its content's name."""

from __future__ import annotations

import contextlib
from functools import partial
from pathlib import Path

import structlog

from rheod.domain.crash import crashpoint
from rheod.domain.errors import Permanent, Text, Transient
from rheod.domain.model import Job, PictureState
from rheod.domain.pictures import PROFILE_IGNORED, uploaded_file
from rheod.domain.retry import PICTURE_DELAYS_S, delay_ms
from rheod.jobs.meters import Meters
from rheod.jobs.queue import Done, Outcome, Pause, Retry
from rheod.pictures.decoder import Decoder
from rheod.pictures.download import PictureDownloader
from rheod.store import items, picture_files
from rheod.usecases import pictures
from rheod.usecases.transaction import Store, Transaction

_log = structlog.get_logger(__name__)
_FIRST_DECODERS = 8
GONE = Text("it was sent by hand and is not kept any more: take it anew")


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
            return Pause(Text("the folder of pictures is full: raise storage.images_max_bytes"))
        if uploaded_file(picture.url) is not None:  # sent by the owner: there is nowhere to fetch it from
            return self._fail(job, str(GONE))
        part = self._pictures_dir / "tmp" / f"{picture.id}.part"
        try:
            await self._decoder.wake(1)  # it begins while the picture is on its way
            await self._downloader.fetch(picture.url, part)
            crashpoint("picture.fetched")
            decoded = await self._decoder.decode(part, self._pictures_dir)
            crashpoint("picture.rendered")
        except Transient as error:
            return self._again(job, str(error), error.retry_after_s)
        except Permanent as error:
            return self._fail(job, str(error))
        finally:
            with contextlib.suppress(FileNotFoundError):
                part.unlink()
        note = PROFILE_IGNORED if decoded.profile_ignored else None
        kept = partial(pictures.ready, job=job, file=decoded.name, size_bytes=decoded.size_bytes, note=note)
        return Done(kept)

    def _again(self, job: Job, reason: str, retry_after_s: float | None) -> Outcome:
        if job.attempts >= len(PICTURE_DELAYS_S):
            return self._fail(job, reason)
        wait_ms = max(
            delay_ms(PICTURE_DELAYS_S, job.attempts + 1), min(round((retry_after_s or 0) * 1000), 3_600_000)
        )
        return Retry(
            until=self._store.now() + wait_ms,
            reason=reason,
            write=lambda tx: pictures.tried_in_vain(tx, job, error=reason),
        )

    def _fail(self, job: Job, reason: str) -> Outcome:
        _log.warning("picture failed", picture=job.subject, reason=reason)

        def write(tx: Transaction) -> None:
            pictures.failed(tx, job, error=reason)
            tx.afterwards.append(self._meters.picture_failed)

        return Done(write)
