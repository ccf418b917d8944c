"""One publishing of an item as its publisher reports it: what is to be sent now, and each step, before and after a call.

Steps go through the tables of `domain/lifecycle.py`, which keep an item from being auctioned twice: a request may be
made anew only before its commit was sent, and a listing that may be visible blocks every other. The schema refuses
the same once more.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from rheod.domain import effects
from rheod.domain.effects import Change
from rheod.domain.errors import Permanent
from rheod.domain.inputs import Created, Input, Step
from rheod.domain.model import Item, Listing, Picture, PictureState
from rheod.domain.text import Text
from rheod.store import items
from rheod.usecases.transaction import Transaction


@dataclass(frozen=True, slots=True)
class PublishPlan:
    """A listing with all its publishing needs: the item and its pictures in order."""

    item: Item
    listing: Listing
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class AskSchedule:
    """When the first answer is asked for after a commit, in ms."""

    first_ask_ms: int


def plan(db: sqlite3.Connection, listing_id: str) -> PublishPlan | None:
    """What is to be published now, or None while pictures are missing."""
    listing = items.listing(db, listing_id)
    pictures = items.pictures(db, listing.item_id)
    if any(picture.state is PictureState.PENDING for picture in pictures):
        return None
    ready = tuple(picture for picture in pictures if picture.state is PictureState.READY)
    return PublishPlan(items.by_id(db, listing.item_id), listing, ready)


def step(tx: Transaction, listing_id: str, given: Input) -> Change:
    """Store what has happened to a listing, or what is about to, with the jobs and events it causes.

    A call to Tradera is two steps: `CreateStarted`, `PictureStarted` or `CommitStarted` in the transaction that notes
    the call in the ledger, `Created`, `PictureSent`, `CommitAnswered`, `CommitRefused` or `NoAnswer` in the one that stores its answer::

        change = publish.step(tx, listing.id, CommitStarted(request_id=request_id, ask_in_ms=10_000))
        if change.refusal: ...

    With a `refusal` the listing has not taken the step and nothing was written: before a call it must not be made (the
    owner has changed the item or taken it back, or the listing has gone on), after a call nothing more may be built on
    its answer. Everything else that happens to a listing (`WentLive`, `PublishFailed`, `AdClosed`...) is one input.

    Raises Permanent when Tradera gave numbers that another listing has: nothing of that one is touched.
    """
    listing = items.listing(tx.db, listing_id)
    item = items.by_id(tx.db, listing.item_id)
    change = effects.apply(item, listing, given, now=tx.now)
    made = given if isinstance(given, Created) and not change.refusal else None
    if made and items.numbers_taken(tx.db, made.request_id, made.tradera_item_id):
        raise Permanent(
            Text(
                "Tradera gave this item the numbers of another ({ad}); nothing was committed",
                ad=made.tradera_item_id,
            )
        )
    tx.record(item, listing, change, touch=not isinstance(given, Step))
    return change
