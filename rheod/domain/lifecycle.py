"""The life of an item and its listing: two tables of allowed moves and one pure function, `apply`.

Every change of state in rheod goes through here and is written by `catalog` in one transaction with the jobs and
notices it causes. Rules: rheo-api.md section 4 and push.md. No I/O, no clock: times come in with the cause.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from rheod.domain.ad_text import whole_kronor
from rheod.domain.budget import publish_cost
from rheod.domain.errors import Refused
from rheod.domain.event_payloads import ImagesReady, ItemSold, ListingCreated, ListingEnded, ListingFailed
from rheod.domain.inputs import (
    AdClosed,
    EndRefused,
    Input,
    PicturesSettled,
    PriceChanged,
    PublishFailed,
    PublishInDoubt,
    PublishOrdered,
    Removal,
    Repriced,
    SellerTokenRefused,
    Sold,
    Superseded,
    SyncRefused,
    TakenOver,
    WentLive,
)
from rheod.domain.model import (
    CloseReason,
    EndWish,
    Event,
    EventType,
    Item,
    JobKind,
    JobOrder,
    Listing,
    ListingState,
    QueueName,
    RheoStatus,
    TraderaStatus,
)
from rheod.domain.text import Text


class Move(StrEnum):
    """The moves of the two tables; the diagram in README shows them."""

    PICTURES_SETTLED = "pictures_settled"
    PUBLISH_ORDERED = "publish_ordered"
    WENT_LIVE = "went_live"
    PUBLISH_FAILED = "publish_failed"
    WITHDRAWN = "withdrawn"
    CLOSED = "closed"
    SOLD = "sold"
    MARKED_SOLD = "marked_sold"
    UNLISTED = "unlisted"
    END_REFUSED = "end_refused"
    ARCHIVED = "archived"


R, T = RheoStatus, TraderaStatus
_DAY_MS = 24 * 3600 * 1000
_LONGEST_DAYS = 14

RHEO_MOVES: Mapping[Move, Mapping[RheoStatus, RheoStatus]] = {
    Move.PICTURES_SETTLED: {R.DRAFT: R.ACTIVE},
    Move.PUBLISH_ORDERED: {R.NOT_LISTED: R.ACTIVE},
    Move.SOLD: {R.DRAFT: R.SOLD, R.ACTIVE: R.SOLD, R.NOT_LISTED: R.SOLD},
    Move.MARKED_SOLD: {R.DRAFT: R.SOLD, R.ACTIVE: R.SOLD, R.NOT_LISTED: R.SOLD},
    Move.UNLISTED: {R.DRAFT: R.NOT_LISTED, R.ACTIVE: R.NOT_LISTED},
    Move.END_REFUSED: {R.NOT_LISTED: R.ACTIVE},
    Move.ARCHIVED: {R.DRAFT: R.ARCHIVED, R.ACTIVE: R.ARCHIVED, R.SOLD: R.ARCHIVED, R.NOT_LISTED: R.ARCHIVED},
}
"""What each move does to `rheoStatus`; a status without an entry stays as it is, unless the move is refused."""

TRADERA_MOVES: Mapping[Move, Mapping[TraderaStatus | None, TraderaStatus | None]] = {
    Move.PUBLISH_ORDERED: {None: T.PENDING_SYNC, T.SYNC_ERROR: T.PENDING_SYNC, T.ENDED: T.PENDING_SYNC},
    Move.WENT_LIVE: {T.PENDING_SYNC: T.ACTIVE, T.SYNC_ERROR: T.ACTIVE},
    Move.PUBLISH_FAILED: {T.PENDING_SYNC: T.SYNC_ERROR},
    Move.WITHDRAWN: {T.PENDING_SYNC: None, T.SYNC_ERROR: None},
    Move.CLOSED: {T.ACTIVE: T.ENDED},
    Move.SOLD: {
        None: T.SOLD,
        T.PENDING_SYNC: T.SOLD,
        T.ACTIVE: T.SOLD,
        T.ENDED: T.SOLD,
        T.SYNC_ERROR: T.SOLD,
    },
}
"""What each move does to `traderaStatus`; a status without an entry stays as it is."""

REFUSALS: Mapping[tuple[Move, RheoStatus], Text] = {
    (Move.PUBLISH_ORDERED, R.SOLD): Text("The item is sold and cannot be published again"),
    (Move.PUBLISH_ORDERED, R.ARCHIVED): Text("The item is archived and cannot be published"),
    (Move.MARKED_SOLD, R.ARCHIVED): Text("The item is archived and cannot be marked as sold"),
    (Move.UNLISTED, R.SOLD): Text("The item is sold and cannot be delisted"),
    (Move.UNLISTED, R.ARCHIVED): Text("The item is archived and cannot be delisted"),
}
"""Moves an owner may ask for in vain, with the reason of the 409."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What an cause makes of an item: its new state and what that causes, to be written together."""

    item: Item
    listing: Listing | None = None
    jobs: tuple[JobOrder, ...] = ()
    events: tuple[Event, ...] = ()
    removed: bool = False


def apply(item: Item, listing: Listing | None, cause: Input) -> Change:
    """Say what `cause` makes of the item and its latest listing; raise Refused (CONFLICT) where it may not be.

    Applying an cause whose effect is already there changes nothing, so that every sender may repeat itself.
    """
    return _RULES[type(cause)](item, listing, cause)


def moved(item: Item, move: Move) -> Item:
    """The item after `move` by the two tables, or Refused with the reason."""
    reason = REFUSALS.get((move, item.rheo_status))
    if reason:
        raise Refused("CONFLICT", reason)
    rheo = RHEO_MOVES.get(move, {}).get(item.rheo_status, item.rheo_status)
    tradera = TRADERA_MOVES.get(move, {}).get(item.tradera_status, item.tradera_status)
    return replace(item, rheo_status=rheo, tradera_status=tradera)


def _job(kind: JobKind, subject: str, *, cost: int = 0) -> JobOrder:
    return JobOrder(queue=QueueName.TRADERA, kind=kind, subject=subject, cost=cost)


def _failed(listing: Listing | None, error: str, *, once: str | None = None) -> tuple[Event, ...]:
    ad_id = str(listing.tradera_item_id) if listing and listing.tradera_item_id else None
    return (ListingFailed(error=error, tradera_ad_id=ad_id).event(once=once),)


def _pictures_settled(item: Item, listing: Listing | None, cause: PicturesSettled) -> Change:
    settled = moved(item, Move.PICTURES_SETTLED) if cause.ready or not cause.failures else item
    events: tuple[Event, ...] = ()
    if cause.ready:
        events = (ImagesReady(images_processed=cause.ready).event(),)
    if listing is None or not listing.state.is_open or listing.state.may_be_live:
        return Change(item=settled, listing=listing, events=events)
    if cause.failures and not cause.ready:
        return _publish_failed(
            item, listing, PublishFailed(error=Text("No picture could be used: {why}", why=cause.failures[0]))
        )
    job = _job(JobKind.PUBLISH, listing.id, cost=publish_cost(cause.ready))
    return Change(item=settled, listing=listing, jobs=(job,), events=events)


def _publish_ordered(item: Item, listing: Listing | None, cause: PublishOrdered) -> Change:
    if listing is not None and listing.state.is_open:
        return Change(item=item, listing=listing)
    job = _job(JobKind.PUBLISH, cause.listing.id, cost=publish_cost(cause.pictures))
    return Change(
        item=replace(moved(item, Move.PUBLISH_ORDERED), last_error=None),
        listing=cause.listing,
        jobs=(job,) if cause.pictures_settled else (),
    )


def _went_live(item: Item, listing: Listing | None, cause: WentLive) -> Change:
    if listing is None or listing.state not in {ListingState.COMMITTING, ListingState.COMMITTED}:
        return Change(item=item, listing=listing)
    ends_at = cause.at + (listing.days or _LONGEST_DAYS) * _DAY_MS
    live = replace(
        listing, state=ListingState.LIVE, live_at=cause.at, ends_at=ends_at, ask_at=None, error=None
    )
    created = ListingCreated(tradera_ad_id=str(listing.tradera_item_id), tradera_ad_url=cause.ad_url)
    event = created.event(once=f"listing.created:{listing.id}")
    jobs: tuple[JobOrder, ...] = ()
    if listing.end_wish:
        jobs = (_job(JobKind.END, listing.id),)
    elif cause.wanted_kr != listing.price_kr:
        jobs = (_job(JobKind.REPRICE, listing.id),)
    return Change(
        item=replace(moved(item, Move.WENT_LIVE), last_error=None),
        listing=live,
        jobs=jobs,
        events=(event,),
    )


def _taken_over(item: Item, _: Listing | None, cause: TakenOver) -> Change:
    """Up, or it was: its end or sale is found as for any other; its price stays, for the one known here may be older."""
    created = ListingCreated(tradera_ad_id=str(cause.listing.tradera_item_id), tradera_ad_url=cause.ad_url)
    event = created.event(once=f"listing.created:{cause.listing.id}")
    up = replace(moved(moved(item, Move.PUBLISH_ORDERED), Move.WENT_LIVE), last_error=None)
    return Change(item=up, listing=cause.listing, events=(event,))


def _superseded(item: Item, listing: Listing | None, cause: Superseded) -> Change:
    if listing is None or not listing.state.is_open:
        return Change(item=item, listing=listing)
    state = ListingState.ENDED if listing.state.may_be_live else ListingState.WITHDRAWN
    return Change(item=item, listing=replace(listing, state=state, closed_at=cause.at, ask_at=None))


def _publish_failed(item: Item, listing: Listing | None, cause: PublishFailed) -> Change:
    if listing is None or not listing.state.is_open or listing.state is ListingState.LIVE:
        return Change(item=item, listing=listing)
    rejected = replace(listing, state=ListingState.REJECTED, error=cause.error, ask_at=None)
    failed = replace(moved(item, Move.PUBLISH_FAILED), last_error=cause.error)
    events = _failed(listing, cause.error, once=f"publish.failed:{listing.id}")
    if listing.end_wish is EndWish.DELETED:
        return _removed(failed, rejected, keep=False, events=events)
    return Change(item=failed, listing=rejected, events=events)


def _publish_in_doubt(item: Item, listing: Listing | None, cause: PublishInDoubt) -> Change:
    if listing is None or listing.state not in {ListingState.COMMITTING, ListingState.COMMITTED}:
        return Change(item=item, listing=listing)
    return Change(
        item=replace(moved(item, Move.PUBLISH_FAILED), last_error=cause.error),
        listing=replace(listing, error=cause.error, ask_at=None),
        events=_failed(listing, cause.error, once=f"publish.doubt:{listing.id}"),
    )


def _token_refused(item: Item, listing: Listing | None, cause: SellerTokenRefused) -> Change:
    """The listing stays open and pending; only the owner can help, so it is told (F47)."""
    if listing is None or not listing.state.is_open or listing.state is ListingState.LIVE:
        return Change(item=item, listing=listing)
    once = f"token.refused:{listing.id}:{cause.since}"
    return Change(
        item=replace(item, last_error=cause.error),
        listing=listing,
        events=_failed(listing, cause.error, once=once),
    )


def _sold(item: Item, listing: Listing | None, cause: Sold) -> Change:
    sold = listing and replace(
        listing, state=ListingState.SOLD, closed_at=listing.closed_at or cause.at, ask_at=None
    )
    sale = ItemSold(
        tradera_ad_id=str(listing.tradera_item_id) if listing else None,
        order_id=str(cause.order_id),
        sale_price_ore=cause.price_ore,
    )
    event = sale.event(once=f"item.sold:{cause.order_id}:{item.id}")
    after = moved(item, Move.SOLD)
    if item.delete_requested:
        after = replace(moved(after, Move.ARCHIVED), delete_requested=False)
    return Change(item=after, listing=sold, events=(event,))


def _closed(item: Item, listing: Listing | None, cause: AdClosed) -> Change:
    if listing is None or listing.state is not ListingState.LIVE:
        return Change(item=item, listing=listing)
    ended = replace(listing, state=ListingState.ENDED, closed_at=cause.at, ask_at=None)
    after = moved(item, Move.CLOSED)
    events: tuple[Event, ...] = ()
    if listing.end_wish is None or cause.reason is not CloseReason.CLOSED_BY_SELLER:
        closed = ListingEnded(tradera_ad_id=str(listing.tradera_item_id), reason=cause.reason)
        events = (closed.event(once=f"listing.ended:{listing.id}"),)
    if listing.end_wish is EndWish.DELETED:
        keep = after.rheo_status is RheoStatus.ARCHIVED
        return _removed(after, ended, keep=keep, events=events)
    if listing.end_wish is EndWish.UNLISTED:
        events += (Event(type=EventType.ITEM_UNLISTED),)
    return Change(item=after, listing=ended, events=events)


def _price_changed(item: Item, listing: Listing | None, cause: PriceChanged) -> Change:
    if item.rheo_status in {RheoStatus.SOLD, RheoStatus.ARCHIVED}:
        raise Refused(
            "CONFLICT",
            Text("The item is {status}; its price can no longer be changed", status=item.rheo_status.value),
        )
    if cause.price_ore == item.spec.price_ore:
        return Change(item=item, listing=listing)
    repriced = replace(item, spec=replace(item.spec, price_ore=cause.price_ore))
    live = listing is not None and listing.state is ListingState.LIVE and listing.price_kr != cause.price_kr
    return Change(
        item=repriced,
        listing=listing,
        jobs=(_job(JobKind.REPRICE, listing.id),) if listing and live else (),
        events=(Event(type=EventType.PRICE_UPDATED, data={"price": cause.price_ore / 100}),),
    )


def _repriced(item: Item, listing: Listing | None, cause: Repriced) -> Change:
    """What was sent may be stale by now: a price changed meanwhile is carried by another job."""
    if listing is None:
        return Change(item=item)
    stale = whole_kronor(item.spec.price_ore or 100) != cause.price_kr
    jobs = (_job(JobKind.REPRICE, listing.id),) if stale and listing.state is ListingState.LIVE else ()
    return Change(item=item, listing=replace(listing, price_kr=cause.price_kr), jobs=jobs)


def _sync_refused(item: Item, listing: Listing | None, cause: SyncRefused) -> Change:
    return Change(
        item=replace(item, last_error=cause.error),
        listing=listing,
        events=_failed(listing, cause.error),
    )


_WISHES = {
    EndWish.MARKED_SOLD: (Move.MARKED_SOLD, RheoStatus.SOLD),
    EndWish.UNLISTED: (Move.UNLISTED, RheoStatus.NOT_LISTED),
}
"""The move of each wish and the status that says it has been heard."""


def _removal(item: Item, listing: Listing | None, cause: Removal) -> Change:
    if cause.wish is EndWish.DELETED:
        return _deletion(item, listing, cause)
    move, wanted = _WISHES[cause.wish]
    up = listing is not None and listing.state.is_open and listing.end_wish is None
    if item.rheo_status is wanted and not up:
        return Change(item=item, listing=listing)
    events: tuple[Event, ...] = ()
    if cause.wish is EndWish.MARKED_SOLD and item.rheo_status is not RheoStatus.SOLD:
        price = item.spec.price_ore or 0
        events = (ItemSold(platform="rheo", sale_price_ore=price).event(),)
    after = moved(item, move)
    if listing is None or not listing.state.is_open:
        unlisted = (Event(type=EventType.ITEM_UNLISTED),) if cause.wish is EndWish.UNLISTED else ()
        return Change(item=after, listing=listing, events=events + unlisted)
    taken = _take_down(after, listing, cause)
    return replace(taken, events=events + taken.events)


def _deletion(item: Item, listing: Listing | None, cause: Removal) -> Change:
    if listing is not None and listing.state.may_be_live:
        taken = _take_down(item, listing, cause)
        return replace(taken, item=replace(taken.item, delete_requested=True))
    if listing is not None and listing.state.is_open:
        taken = _take_down(item, listing, cause)
        return _removed(taken.item, taken.listing, keep=cause.keep, events=())
    return _removed(item, listing, keep=cause.keep, events=())


def _take_down(item: Item, listing: Listing, cause: Removal) -> Change:
    """Before the commit nothing can be visible: withdraw. After it, end the ad as soon as it is known to be live.

    Once the item is to be deleted, no other wish takes the place of that one.
    """
    if not listing.state.may_be_live:
        withdrawn = replace(listing, state=ListingState.WITHDRAWN, closed_at=cause.at, end_wish=cause.wish)
        event = (Event(type=EventType.ITEM_UNLISTED),) if cause.wish is EndWish.UNLISTED else ()
        return Change(item=moved(item, Move.WITHDRAWN), listing=withdrawn, events=event)
    ending = replace(listing, end_wish=EndWish.DELETED if item.delete_requested else cause.wish)
    jobs = (_job(JobKind.END, listing.id),) if listing.state is ListingState.LIVE else ()
    return Change(item=item, listing=ending, jobs=jobs)


def _end_refused(item: Item, listing: Listing | None, cause: EndRefused) -> Change:
    if listing is None or listing.end_wish is None or listing.state is not ListingState.LIVE:
        return Change(item=item, listing=listing)
    kept = listing.end_wish is EndWish.DELETED
    return Change(
        item=replace(moved(item, Move.END_REFUSED), last_error=cause.error),
        listing=listing if kept else replace(listing, end_wish=None),
        events=_failed(listing, cause.error),
    )


def _removed(item: Item, listing: Listing | None, *, keep: bool, events: tuple[Event, ...]) -> Change:
    gone = (*events, Event(type=EventType.ITEM_DELETED))
    if keep:
        kept = replace(moved(item, Move.ARCHIVED), delete_requested=False)
        return Change(item=kept, listing=listing, events=gone)
    return Change(item=item, listing=listing, events=gone, removed=True)


_RULES: Mapping[type, Callable[..., Change]] = {
    PicturesSettled: _pictures_settled,
    PublishOrdered: _publish_ordered,
    WentLive: _went_live,
    TakenOver: _taken_over,
    Superseded: _superseded,
    PublishFailed: _publish_failed,
    PublishInDoubt: _publish_in_doubt,
    SellerTokenRefused: _token_refused,
    Sold: _sold,
    AdClosed: _closed,
    PriceChanged: _price_changed,
    Repriced: _repriced,
    SyncRefused: _sync_refused,
    Removal: _removal,
    EndRefused: _end_refused,
}
