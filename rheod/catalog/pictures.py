"""What the image lane reports: a picture is ready, or has failed for good; and which go when there is no room."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from rheod.catalog.unit import UnitOfWork
from rheod.domain.events import PicturesSettled
from rheod.domain.model import EventType, Job, Notice, Picture, PictureState
from rheod.store import gallery, items
from rheod.store.gallery import Closing


def ready(unit: UnitOfWork, job: Job, *, file: str, size_bytes: int) -> None:
    """The picture is stored under the image folder as `file`; the last one settles the item."""
    _settle(
        unit,
        job,
        lambda picture: replace(picture, state=PictureState.READY, file=file, size_bytes=size_bytes),
    )


def failed(unit: UnitOfWork, job: Job, *, error: str) -> None:
    """The picture cannot be had; history names it and the item goes on with the others."""
    _settle(unit, job, lambda picture: replace(picture, state=PictureState.FAILED, error=error))


NO_ROOM = "removed to make room for others; it is fetched again when the item is published again"


def make_room(unit: UnitOfWork, after: Closing, *, limit: int) -> Closing | None:
    """Give up the pictures of items that are over and have no ad, the next `limit` after one; the last, None at the end.

    They count as failed, so that a new order fetches them again; nobody is told, since nothing has gone wrong.
    """
    some = gallery.over(unit.db, after=after, limit=limit)
    for picture in gallery.of_closed(unit.db, [item_id for _, item_id in some]):
        gone = replace(picture, state=PictureState.FAILED, file=None, size_bytes=None, error=NO_ROOM)
        items.save_picture(unit.db, gone)
    return some[-1] if some else None


def _settle(unit: UnitOfWork, job: Job, change: Callable[[Picture], Picture]) -> None:
    unit.finish(job)
    picture = items.picture(unit.db, job.subject)
    if picture is None or picture.state is not PictureState.PENDING:
        return  # a later PUT has replaced it
    after = change(picture)
    items.save_picture(unit.db, after)
    item = items.by_id(unit.db, picture.item_id)
    if after.state is PictureState.FAILED:
        told = {"url": after.url, "position": after.position, "error": after.error}
        unit.tell(item, Notice(type=EventType.IMAGE_FAILED, data=told))
    every = items.pictures(unit.db, item.id)
    if any(each.state is PictureState.PENDING for each in every) or items.is_removed(unit.db, item.id):
        return
    failures = tuple(each.error or "" for each in every if each.state is PictureState.FAILED)
    count = sum(each.state is PictureState.READY for each in every)
    unit.apply(item, items.latest_listing(unit.db, item.id), PicturesSettled(ready=count, failures=failures))
