"""What holds an item and lets it go: it stays on its way to Tradera and keeps its listing, only nothing is sent."""

from __future__ import annotations

from dataclasses import replace

from rheod.domain.budget import publish_cost
from rheod.domain.event_payloads import NeedsAttention, rfc3339
from rheod.domain.inputs import Held, Released
from rheod.domain.lifecycle import Move, moved_listing
from rheod.domain.model import Event, Item, JobKind, JobOrder, Listing, QueueName
from rheod.domain.steps import without_request

Outcome = tuple[Item, Listing | None, tuple[JobOrder, ...], tuple[Event, ...]]


def hold_or_release(item: Item, listing: Listing | None, given: Held | Released, now: int) -> Outcome:
    """The item and its listing after it, with the jobs and events it causes; of a listing under way nothing changes."""
    after = listing and moved_listing(listing, Move.HELD if isinstance(given, Held) else Move.RELEASED)
    if listing is None or after is None:
        return item, listing, (), ()
    if isinstance(given, Released):
        return _released(item, listing, after, given)
    if listing.is_held and (listing.held, listing.held_missing) == (given.reason, given.missing):
        return item, listing, (), ()
    held = replace(without_request(after), held=given.reason, held_missing=given.missing, held_since=now)
    told = NeedsAttention(reason=given.reason, missing=given.missing, since=rfc3339(now))
    event = told.event(once=f"held:{listing.id}:{told.digest}")
    return replace(item, last_error=given.reason), held, (), (event,)


def _released(item: Item, listing: Listing, after: Listing, given: Released) -> Outcome:
    if not listing.is_held:
        return item, listing, (), ()
    free = replace(after, held=None, held_missing=(), held_since=None)
    order = JobOrder(
        queue=QueueName.TRADERA, kind=JobKind.PUBLISH, subject=listing.id, cost=publish_cost(given.pictures)
    )
    return unheld(item, listing), free, (order,) if given.pictures_settled else (), ()


def unheld(item: Item, listing: Listing) -> Item:
    """The item without the sentence that held it."""
    return replace(item, last_error=None) if listing.is_held and item.last_error == listing.held else item
