"""What each input makes of an item and its listing: one pure function, `apply`, over the tables of `lifecycle.py`.

Every change in rheod is what `apply` returns, written by `usecases` in one transaction with the jobs and events it
causes. No I/O and no clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from rheod.domain.ad_text import whole_kronor
from rheod.domain.budget import publish_cost
from rheod.domain.calendar import AT_ONCE
from rheod.domain.errors import Refused, Text, look_gap_ms
from rheod.domain.event_payloads import (
    ImagesReady,
    ItemSold,
    ListingCreated,
    ListingEnded,
    ListingFailed,
    ListingRelisted,
    SaleConflict,
    rfc3339,
)
from rheod.domain.inputs import (
    AdClosed,
    CommitAnswered,
    CommitStarted,
    Doubled,
    EndRefused,
    Held,
    Input,
    PicturesSettled,
    PriceChanged,
    PublishFailed,
    PublishInDoubt,
    PublishOrdered,
    Released,
    Remained,
    Removal,
    Repriced,
    SellerTokenRefused,
    Sold,
    Step,
    Superseded,
    SyncRefused,
    TakenBack,
    TakenOver,
    TurnedUp,
    WentLive,
)
from rheod.domain.lifecycle import (
    Move,
    asked_by,
    asked_kr,
    begun,
    hold_or_release,
    ladder_followed,
    moved,
    moved_listing,
    on_new_ladder,
    stepped,
    unheld,
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
)
from rheod.domain.orders import taken_back
from rheod.domain.relist import ComesBack, StaysDown, Then

_HOUR_MS, _DAY_MS, _LONGEST_DAYS = 3600 * 1000, 24 * 3600 * 1000, 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What an input makes of an item: its new state and what that causes, to be written together.

    `refusal` says why a step was not taken; then everything is as it was.
    """

    item: Item
    listing: Listing | None = None
    jobs: tuple[JobOrder, ...] = ()
    events: tuple[Event, ...] = ()
    removed: bool = False
    refusal: str | None = None

    def then(self, given: Input, *, now: int) -> Change:
        """One change of this and of what `given` makes of its outcome. Raises Refused as `apply` does."""
        further = apply(self.item, self.listing, given, now=now)
        return replace(further, jobs=self.jobs + further.jobs, events=self.events + further.events)


def apply(item: Item, listing: Listing | None, given: Input, *, now: int) -> Change:
    """Say what `given` makes of the item and its latest listing at `now` (ms UTC).

    An input whose effect is already there changes nothing, so that every sender may repeat itself. A step that the
    listing does not take is a Change with a `refusal`. Raises Refused (CONFLICT) for what an owner may not ask.
    """
    if isinstance(given, Step):
        if listing is None:
            return Change(item=item, refusal="It has no listing")
        after, refusal = stepped(item, listing, given, now)
        jobs: tuple[JobOrder, ...] = ()
        ask_in_ms = given.ask_in_ms if isinstance(given, CommitStarted | CommitAnswered) else None
        if ask_in_ms and after.state != listing.state:
            jobs = (replace(_job(JobKind.RESULTS, listing.account_id), delay_ms=ask_in_ms),)
        return Change(item=item, listing=after, jobs=jobs, refusal=refusal)
    if isinstance(given, Held | Released):
        item, listing, jobs, events = hold_or_release(item, listing, given, now)
        return Change(item=item, listing=listing, jobs=jobs, events=events)
    if isinstance(given, TakenBack):
        item, listing, events = taken_back(item, listing, given)
        return Change(item=item, listing=listing, events=events)
    change = _RULES[type(given)](item, listing, given, now)
    if listing is not None and listing.surplus and isinstance(given, _OF_THE_AD):
        # the item is that of its other ad, so what becomes of this one leaves it as it is
        return replace(change, item=replace(item, last_error=change.item.last_error), removed=False)
    return change


def _job(kind: JobKind, subject: str, *, cost: int = 0) -> JobOrder:
    return JobOrder(queue=QueueName.TRADERA, kind=kind, subject=subject, cost=cost)


def _failed(listing: Listing | None, error: str, *, once: str | None = None) -> tuple[Event, ...]:
    ad = str(listing.tradera_item_id) if listing and listing.tradera_item_id else None
    return (ListingFailed(error=error, tradera_ad_id=ad).event(once=once),)


def _created_event(listing: Listing, ad_url: str) -> Event:
    event = ListingCreated(tradera_ad_id=str(listing.tradera_item_id), tradera_ad_url=ad_url)
    return event.event(once=f"listing.created:{listing.id}")


def _pictures_settled(item: Item, listing: Listing | None, given: PicturesSettled, now: int) -> Change:
    settled = moved(item, Move.PICTURES_SETTLED) if given.ready or not given.failures else item
    events: tuple[Event, ...] = ()
    if given.ready:
        events = (ImagesReady(images_processed=given.ready).event(),)
    if listing is None or not listing.state.is_open or listing.state.may_be_live:
        return Change(item=settled, listing=listing, events=events)
    if given.failures and not given.ready:
        failed = PublishFailed(error=Text("No picture could be used: {why}", why=given.failures[0]))
        return _publish_failed(item, listing, failed, now)
    jobs = () if listing.is_held else (_job(JobKind.PUBLISH, listing.id, cost=publish_cost(given.ready)),)
    return Change(item=settled, listing=listing, jobs=jobs, events=events)


def _publish_ordered(item: Item, listing: Listing | None, given: PublishOrdered, _now: int) -> Change:
    if listing is not None and listing.state.is_open:
        return Change(item=item, listing=listing)
    new = Listing(
        id=given.listing_id,
        item_id=item.id,
        account_id=item.account_id,
        generation=max(given.generations, listing.generation if listing else 0) + 1,
        item_version=item.version,
        ladder=given.ladder,
        end_place=AT_ONCE if given.at_once else None,
    )
    job = _job(JobKind.PUBLISH, new.id, cost=publish_cost(given.pictures))
    return Change(
        item=replace(moved(item, Move.PUBLISH_ORDERED), last_error=None),
        listing=begun(new, Move.PUBLISH_ORDERED),
        jobs=(job,) if given.pictures_settled else (),
    )


def _went_live(item: Item, listing: Listing | None, given: WentLive, now: int) -> Change:
    after = listing and moved_listing(listing, Move.WENT_LIVE)
    if after is None:
        return Change(item=item, listing=listing)
    sent = after.commit_sent_at or now  # whoever hears of it over an hour later was away
    since = given.since or (sent if now - sent > _HOUR_MS else now)
    ends_at = since + (after.days or _LONGEST_DAYS) * _DAY_MS
    ends = after.end_wish is not None or after.surplus
    has_work = ends or asked_kr(item, after) != after.price_kr
    return Change(
        item=replace(moved(item, Move.WENT_LIVE), last_error=None),
        listing=replace(after, live_at=since, ends_at=ends_at, ask_at=None, error=None),
        jobs=(_job(JobKind.END if ends else JobKind.REPRICE, after.id),) if has_work else (),
        events=(_created_event(after, given.ad_url), *ListingRelisted.of(after)),
    )


def _taken_over(item: Item, listing: Listing | None, given: TakenOver, now: int) -> Change:
    """The ad is up, or was, at the price it has there. One that is to be ended leaves the item as it is."""
    new = Listing(
        id=given.listing_id,
        item_id=item.id,
        account_id=item.account_id,
        generation=given.generation,
        item_version=item.version,
    )
    after = moved_listing(listing, Move.TAKEN_OVER) if listing else begun(new, Move.TAKEN_OVER)
    if after is None:
        return Change(item=item, listing=listing)
    ad, price_kr = given.ad, asked_by(given.ad) or after.price_kr
    restarted = given.restarted  # its ERP may have said another price while it was down
    ladder = after.ladder if restarted is None else ladder_followed(restarted, price_kr)
    live = replace(
        after,
        tradera_item_id=ad.tradera_item_id,
        request_id=after.request_id if after.tradera_item_id == ad.tradera_item_id else None,
        price_kr=price_kr,
        commit_sent_at=after.commit_sent_at or now,
        live_at=now,
        ends_at=ad.ends_at or now + _LONGEST_DAYS * _DAY_MS,
        closed_at=None,
        error=None,
        ladder=ladder,
        surplus=given.surplus,
        end_wish=given.end_wish,
    )
    events = (_created_event(live, given.ad_url),)
    if given.surplus or given.end_wish:
        return Change(item=item, listing=live, jobs=(_job(JobKind.END, live.id),), events=events)
    up = replace(moved(moved(item, Move.PUBLISH_ORDERED), Move.WENT_LIVE), last_error=None)
    is_late = restarted is not None and restarted.price_kr == price_kr != asked_kr(up, live)
    jobs = (_job(JobKind.REPRICE, live.id),) if is_late else ()
    return Change(item=up, listing=live, jobs=jobs, events=events)


_NOT_FOR_SALE = frozenset({RheoStatus.SOLD, RheoStatus.NOT_LISTED, RheoStatus.ARCHIVED})


def _turned_up(item: Item, listing: Listing | None, given: TurnedUp, now: int) -> Change:
    """The ad was up all the time, or came late: it is the item's, and ended where that is not for sale any more."""
    after = listing and moved_listing(listing, Move.TURNED_UP)
    if after is None:
        return Change(item=item, listing=listing)
    live = replace(
        after,
        live_at=now,
        ends_at=given.ad.ends_at or now + (after.days or _LONGEST_DAYS) * _DAY_MS,
        closed_at=None,
        ask_at=None,
        error=None,
        end_wish=None,
    )
    events = (_created_event(live, given.ad_url),)
    if given.removed or item.rheo_status in _NOT_FOR_SALE:
        unlisted = item.rheo_status is RheoStatus.NOT_LISTED and not given.removed
        live = replace(live, end_wish=EndWish.UNLISTED if unlisted else EndWish.MARKED_SOLD)
        return Change(item=item, listing=live, jobs=(_job(JobKind.END, live.id),), events=events)
    jobs = (_job(JobKind.REPRICE, live.id),) if asked_kr(item, live) != live.price_kr else ()
    up = replace(moved(moved(item, Move.PUBLISH_ORDERED), Move.WENT_LIVE), last_error=None)
    return Change(item=up, listing=live, jobs=jobs, events=events)


def _doubled(item: Item, listing: Listing | None, _given: Doubled, _now: int) -> Change:
    after = listing and moved_listing(listing, Move.DOUBLED)
    if after is None:
        return Change(item=item, listing=listing)
    jobs = (_job(JobKind.END, after.id),) if after.state is ListingState.LIVE else ()
    return Change(item=item, listing=replace(after, surplus=True), jobs=jobs)


def _remained(item: Item, listing: Listing | None, _given: Remained, _now: int) -> Change:
    after = listing and moved_listing(listing, Move.REMAINED)
    if after is None:
        return Change(item=item, listing=listing)
    if after.state is ListingState.LIVE and item.rheo_status not in _NOT_FOR_SALE:
        item = moved(moved(item, Move.PUBLISH_ORDERED), Move.WENT_LIVE)
    return Change(item=item, listing=replace(after, surplus=False))


def _superseded(item: Item, listing: Listing | None, _given: Superseded, now: int) -> Change:
    after = listing and moved_listing(listing, Move.SUPERSEDED)
    return Change(item=item, listing=replace(after, closed_at=now, ask_at=None) if after else listing)


def _publish_failed(item: Item, listing: Listing | None, given: PublishFailed, _now: int) -> Change:
    after = listing and moved_listing(listing, Move.PUBLISH_FAILED)
    if after is None:
        return Change(item=item, listing=listing)
    rejected = replace(after, error=given.error, ask_at=None)
    failed = replace(moved(item, Move.PUBLISH_FAILED), last_error=given.error)
    events = () if given.goes_on else _failed(after, given.error, once=f"publish.failed:{after.id}")
    if after.end_wish is EndWish.DELETED:
        return _removed(failed, rejected, keep=False, events=events)
    return Change(item=failed, listing=rejected, events=events)


def _publish_in_doubt(item: Item, listing: Listing | None, given: PublishInDoubt, now: int) -> Change:
    """The ad is looked for without end, ever more rarely; nothing but its sight or the owner's word ends the doubt."""
    after = listing and moved_listing(listing, Move.IN_DOUBT)
    if after is None:
        return Change(item=item, listing=listing)
    look = replace(_job(JobKind.LOOK, after.id), delay_ms=look_gap_ms(now - (after.waits_since or now)))
    return Change(
        item=replace(moved(item, Move.PUBLISH_FAILED), last_error=given.error),
        listing=replace(after, error=given.error, ask_at=None),
        jobs=(look,),
        events=_failed(after, given.error, once=f"publish.doubt:{after.id}"),
    )


def _token_refused(item: Item, listing: Listing | None, given: SellerTokenRefused, _now: int) -> Change:
    """The listing stays open and pending: it goes on when the owner has connected the account again."""
    if listing is None or not listing.state.is_open or listing.state is ListingState.LIVE:
        return Change(item=item, listing=listing)
    events = _failed(listing, given.error, once=f"token.refused:{listing.id}:{given.since}")
    return Change(item=replace(item, last_error=given.error), listing=listing, events=events)


def _sold(item: Item, listing: Listing | None, given: Sold, now: int) -> Change:
    after = listing and moved_listing(listing, Move.SOLD)
    sold = after and replace(after, closed_at=after.closed_at or now, ask_at=None)
    ad = str(listing.tradera_item_id) if listing else None
    sale = ItemSold(sale_price_ore=given.price_ore, tradera_ad_id=ad, order_id=str(given.order_id))
    event = sale.event(once=f"item.sold:{given.order_id}:{item.id}")
    gone = moved(item, Move.SOLD)
    if item.delete_requested:
        gone = replace(moved(gone, Move.ARCHIVED), delete_requested=False)
    return Change(item=gone, listing=sold, events=(event,))


def _closed(item: Item, listing: Listing | None, given: AdClosed, now: int) -> Change:
    after = listing and moved_listing(listing, Move.CLOSED)
    if after is None:
        return Change(item=item, listing=listing)
    ended = replace(after, closed_at=now, ask_at=None)
    down = moved(item, Move.CLOSED)
    events: tuple[Event, ...] = ()
    if after.end_wish is None or given.reason is not CloseReason.CLOSED_BY_SELLER:
        back_at = rfc3339(given.back.at) if isinstance(given.back, ComesBack) else None
        event = ListingEnded(
            tradera_ad_id=str(after.tradera_item_id), reason=given.reason, will_relist_at=back_at
        )
        events = (event.event(once=f"listing.ended:{after.id}"),)
    if after.end_wish is EndWish.DELETED:
        keep = down.rheo_status is RheoStatus.ARCHIVED
        return _removed(down, ended, keep=keep, events=events)
    if after.end_wish is EndWish.UNLISTED:
        events += (Event(type=EventType.ITEM_UNLISTED),)
    return _back_or_not(Change(item=down, listing=ended, events=events), given.back)


def _back_or_not(change: Change, back: ComesBack | StaysDown | None) -> Change:
    """What is planned for an ad that ended unsold goes into the history, and the end of a ladder may delist the item."""
    if isinstance(back, ComesBack):
        data = {"at": rfc3339(back.at), "price": back.ladder.price_kr, "reason": back.why}
        return replace(change, events=(*change.events, Event(type=EventType.RELIST_PLANNED, data=data)))
    if back is None:
        return change
    item = change.item
    events = (*change.events, Event(type=EventType.RELIST_STOPPED, data={"reason": back.why}))
    if back.then is Then.TELL and item.rheo_status is RheoStatus.ACTIVE:
        item = replace(item, last_error=Text("Unsold: {why}. It is yours to decide", why=back.why))
    elif back.then is Then.NOT_LISTED and item.rheo_status is RheoStatus.ACTIVE:
        item, events = moved(item, Move.UNLISTED), (*events, Event(type=EventType.ITEM_UNLISTED))
    return replace(change, item=item, events=events)


def _price_changed(item: Item, listing: Listing | None, given: PriceChanged, now: int) -> Change:
    if (status := item.rheo_status) in {RheoStatus.SOLD, RheoStatus.ARCHIVED}:
        why = Text("The item is {status}; its price can no longer be changed", status=status.value)
        raise Refused("CONFLICT", why)
    if given.price_ore == item.spec.price_ore:
        return Change(item=item, listing=listing)
    repriced = replace(item, spec=replace(item.spec, price_ore=given.price_ore))
    listing = listing and on_new_ladder(listing, whole_kronor(given.price_ore), now)
    late = listing if listing and listing.ladder and listing.state is ListingState.LIVE else None
    jobs = (_job(JobKind.REPRICE, late.id),) if late else ()
    event = Event(type=EventType.PRICE_UPDATED, data={"price": given.price_ore / 100})
    return Change(item=repriced, listing=listing, jobs=jobs, events=(event,))


def _repriced(item: Item, listing: Listing | None, given: Repriced, _now: int) -> Change:
    """What was sent may be stale by now: a price changed meanwhile is carried by another job."""
    if listing is None:
        return Change(item=item)
    stale = asked_kr(item, listing) != given.price_kr and listing.state is ListingState.LIVE
    jobs = (_job(JobKind.REPRICE, listing.id),) if stale else ()
    return Change(item=item, listing=replace(listing, price_kr=given.price_kr), jobs=jobs)


def _sync_refused(item: Item, listing: Listing | None, given: SyncRefused, _now: int) -> Change:
    told = replace(item, last_error=given.error)
    return Change(item=told, listing=listing, events=_failed(listing, given.error))


_WISHES = {
    EndWish.MARKED_SOLD: (Move.MARKED_SOLD, RheoStatus.SOLD),
    EndWish.UNLISTED: (Move.UNLISTED, RheoStatus.NOT_LISTED),
}
"""The move of each wish and the status that says it has been heard."""


def _removal(item: Item, listing: Listing | None, given: Removal, now: int) -> Change:
    if given.wish is EndWish.DELETED:
        if listing is None or not listing.state.is_open:
            return _removed(item, listing, keep=given.keep, events=())
        down = _take_down(item, listing, given, now)
        if listing.state.may_be_live:
            return replace(down, item=replace(down.item, delete_requested=True))
        return _removed(down.item, down.listing, keep=given.keep, events=())
    move, wanted = _WISHES[given.wish]
    up = listing is not None and listing.state.is_open and listing.end_wish is None
    if item.rheo_status is wanted and not up:
        return Change(item=item, listing=listing)
    events: tuple[Event, ...] = ()
    if given.wish is EndWish.MARKED_SOLD and item.rheo_status is not RheoStatus.SOLD:
        events = (ItemSold(platform="rheo", sale_price_ore=item.spec.price_ore or 0).event(),)
    after = moved(item, move)
    if listing is None or not listing.state.is_open:
        unlisted = (Event(type=EventType.ITEM_UNLISTED),) if given.wish is EndWish.UNLISTED else ()
        return Change(item=after, listing=listing, events=events + unlisted)
    down = _take_down(after, listing, given, now)
    return replace(down, events=events + down.events)


def _take_down(item: Item, listing: Listing, given: Removal, now: int) -> Change:
    """Before the commit nothing can be visible: withdraw. After it, end the ad as soon as it is known to be live.

    Once the item is to be deleted, no other wish takes the place of that one.
    """
    after = moved_listing(listing, Move.WITHDRAWN)
    if after is not None:
        withdrawn = replace(after, closed_at=now, end_wish=given.wish)
        events = (Event(type=EventType.ITEM_UNLISTED),) if given.wish is EndWish.UNLISTED else ()
        free = unheld(item, listing)
        return Change(item=moved(free, Move.WITHDRAWN), listing=withdrawn, events=events)
    ending = replace(listing, end_wish=EndWish.DELETED if item.delete_requested else given.wish)
    jobs = (_job(JobKind.END, listing.id),) if listing.state is ListingState.LIVE else ()
    return Change(item=item, listing=ending, jobs=jobs)


def _end_refused(item: Item, listing: Listing | None, given: EndRefused, _now: int) -> Change:
    unwanted = listing is not None and (listing.surplus or listing.end_wish is not None)
    if listing is None or not unwanted or listing.state is not ListingState.LIVE:
        return Change(item=item, listing=listing)
    error, ad = given.error, listing.tradera_item_id
    if listing.surplus:
        error = Text(
            "Two ads of this item are up, and rheod cannot end the newer one ({ad}): {error}",
            ad=ad,
            error=error,
        )
    events = _failed(listing, error)
    if item.rheo_status is RheoStatus.SOLD:
        why = Text("It is sold, and its ad {ad} is still up: {error}", ad=ad, error=given.error)
        events += (SaleConflict(tradera_ad_id=str(ad), reason=why).event(once=f"sale.conflict:{listing.id}"),)
    told_item = replace(item if listing.surplus else moved(item, Move.END_REFUSED), last_error=error)
    if not listing.surplus and listing.end_wish is not EndWish.DELETED:
        listing = replace(listing, end_wish=None)
    return Change(item=told_item, listing=listing, events=events)


def _removed(item: Item, listing: Listing | None, *, keep: bool, events: tuple[Event, ...]) -> Change:
    gone = (*events, Event(type=EventType.ITEM_DELETED))
    if keep:
        kept = replace(moved(item, Move.ARCHIVED), delete_requested=False)
        return Change(item=kept, listing=listing, events=gone)
    return Change(item=item, listing=listing, events=gone, removed=True)


_OF_THE_AD = (WentLive, PublishFailed, PublishInDoubt, SellerTokenRefused, AdClosed, EndRefused)

_RULES: Mapping[type, Callable[..., Change]] = {
    PicturesSettled: _pictures_settled,
    PublishOrdered: _publish_ordered,
    WentLive: _went_live,
    TakenOver: _taken_over,
    Superseded: _superseded,
    TurnedUp: _turned_up,
    Doubled: _doubled,
    Remained: _remained,
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
