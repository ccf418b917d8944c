"""What the pictures queue reports: a picture is ready, or has failed for good; and which go when there is no room."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial

from rheod.domain.errors import Text
from rheod.domain.event_payloads import ImagesFailed
from rheod.domain.inputs import PicturesSettled
from rheod.domain.model import Event, EventType, Job, JobKind, JobOrder, Picture, PictureState, QueueName
from rheod.store import items, picture_files
from rheod.store.picture_files import Closing, Upload
from rheod.usecases.transaction import Transaction


def ready(tx: Transaction, job: Job, *, file: str, size_bytes: int, note: Text | None = None) -> None:
    """The picture is stored under the image folder as `file`; the last one settles the item."""
    stored = partial(
        replace, state=PictureState.READY, file=file, size_bytes=size_bytes, error=None, note=note
    )
    _settle(tx, job, stored)


def tried_in_vain(tx: Transaction, job: Job, *, error: str) -> None:
    """The picture is tried again; its item says meanwhile what the last try met."""
    every = {picture.id: picture for picture in items.pictures_around(tx.db, job.subject)}
    picture = every.get(job.subject)
    if picture is not None and picture.state is PictureState.PENDING:
        every[picture.id] = replace(picture, error=error)
        items.save_picture(tx.db, every[picture.id])
        _tell_failures(tx, tuple(every.values()))


def failed(tx: Transaction, job: Job, *, error: str) -> None:
    """The picture cannot be had; history names it and the item goes on with the others."""
    _settle(tx, job, lambda picture: replace(picture, state=PictureState.FAILED, error=error))


def keep_upload(tx: Transaction, *, file: str, size_bytes: int, note: Text | None) -> None:
    """The owner has sent a picture, and it is stored as `file`: it stays for a day, and with each item that takes it."""
    picture_files.keep_upload(tx.db, Upload(file, size_bytes, note), now=tx.now)


NO_ROOM = Text("removed to make room for others; it is fetched again when the item is published again")


def make_room(tx: Transaction, after: Closing, *, limit: int) -> Closing | None:
    """Give up the pictures of items that are over and have no ad, the next `limit` after one; the last, None at the end.

    They count as failed, so that a new order fetches them again; no event says so, since nothing has gone wrong.
    """
    some = picture_files.over(tx.db, after=after, limit=limit)
    for picture in picture_files.of_closed(tx.db, [item_id for _, item_id in some]):
        gone = replace(
            picture, state=PictureState.FAILED, file=None, size_bytes=None, error=NO_ROOM, told=True
        )
        items.save_picture(tx.db, gone)
    return some[-1] if some else None


def lost(tx: Transaction, item_id: str, files: Collection[str]) -> None:
    """These files of the item's pictures are not on the disk, as after a restore without pictures: fetch them again."""
    item = items.by_id(tx.db, item_id)
    for picture in items.pictures(tx.db, item_id):
        if picture.state is PictureState.READY and picture.file in files:
            items.save_picture(
                tx.db, replace(picture, state=PictureState.PENDING, file=None, size_bytes=None)
            )
            tx.order(JobOrder(queue=QueueName.PICTURES, kind=JobKind.FETCH_PICTURE, subject=picture.id), item)


def _tell_failures(tx: Transaction, every: Collection[Picture]) -> None:
    """Tell the ERP which of an item's pictures cannot be had, once all were tried: those tried again may take an hour."""
    untried = any(each.state is PictureState.PENDING and each.error is None for each in every)
    failed = [each for each in every if each.state is PictureState.FAILED and not each.told]
    if untried or not failed or items.is_removed(tx.db, failed[0].item_id):
        return
    for each in failed:
        items.save_picture(tx.db, replace(each, told=True))
    told = ImagesFailed(pictures=tuple({"url": each.url, "error": each.error} for each in failed))
    tx.tell(items.by_id(tx.db, failed[0].item_id), told.event())


def _settle(tx: Transaction, job: Job, change: Callable[[Picture], Picture]) -> None:
    every = {picture.id: picture for picture in items.pictures_around(tx.db, job.subject)}
    before = every.get(job.subject)
    if before is None or before.state is not PictureState.PENDING:
        return  # a later PUT has replaced it, or this was reported before
    after = every[job.subject] = change(before)
    items.save_picture(tx.db, after)
    is_last = all(each.state is not PictureState.PENDING for each in every.values())
    if after.state is PictureState.FAILED:
        data = {"url": after.url, "position": after.position, "error": after.error}
        tx.tell(items.by_id(tx.db, after.item_id), Event(type=EventType.IMAGE_FAILED, data=data))
    _tell_failures(tx, tuple(every.values()))
    if not is_last or items.is_removed(tx.db, after.item_id):
        return
    item = items.by_id(tx.db, after.item_id)
    failures = tuple(each.error or "" for each in every.values() if each.state is PictureState.FAILED)
    count = sum(each.state is PictureState.READY for each in every.values())
    tx.apply(item, items.latest_listing(tx.db, item.id), PicturesSettled(ready=count, failures=failures))
