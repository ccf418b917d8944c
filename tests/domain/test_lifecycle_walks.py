"""The lifecycle under any order of events: walks from a new item, with every rule checked at every step."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from rheod.domain.errors import Refused
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
    SyncRefused,
    WentLive,
)
from rheod.domain.lifecycle import RHEO_MOVES, TRADERA_MOVES, Change, apply
from rheod.domain.model import (
    CloseReason,
    EndWish,
    Item,
    ItemSpec,
    JobKind,
    Listing,
    ListingState,
    RheoStatus,
    TraderaStatus,
)

NEXT_STEP = {
    ListingState.QUEUED: ListingState.ADDING,
    ListingState.ADDING: ListingState.ADDED,
    ListingState.ADDED: ListingState.COMMITTING,
    ListingState.COMMITTING: ListingState.COMMITTED,
}
"""What the publisher does to a listing between events."""

AFTER_CLOSING = {
    ListingState.SOLD: TraderaStatus.SOLD,
    ListingState.ENDED: TraderaStatus.ENDED,
    ListingState.REJECTED: TraderaStatus.SYNC_ERROR,
    ListingState.WITHDRAWN: None,
}

REPEATABLE = (WentLive, PublishFailed, PublishInDoubt, PublishOrdered, Sold, AdClosed, PriceChanged)
"""Events that a sender may repeat without anybody hearing of it twice."""

wishes = st.sampled_from(EndWish)
steps = st.one_of(
    st.just("publisher"),
    st.just("publish"),
    st.builds(PicturesSettled, ready=st.integers(1, 3)),
    st.just(PicturesSettled(ready=0, failures=("gone",))),
    st.builds(WentLive, at=st.just(1000), ad_url=st.just("u"), wanted_kr=st.sampled_from([1, 2])),
    st.just(PublishFailed(error="no")),
    st.just(PublishInDoubt(error="who knows")),
    st.just(SellerTokenRefused(error="log in again", since=1)),
    st.builds(Sold, order_id=st.integers(1, 2), price_ore=st.just(500), at=st.just(2000)),
    st.builds(AdClosed, reason=st.sampled_from(CloseReason), at=st.just(3000)),
    st.sampled_from([PriceChanged(price_ore=100, price_kr=1), PriceChanged(price_ore=200, price_kr=2)]),
    st.builds(Repriced, price_kr=st.sampled_from([1, 2])),
    st.just(SyncRefused(error="bids")),
    st.builds(Removal, wish=wishes, at=st.just(4000), keep=st.booleans()),
    st.just(EndRefused(error="bids")),
)


def _new_item() -> Item:
    return Item(id="i", account_id="a", external_id="x", spec=ItemSpec(title="Kopp", price_ore=100))


def _new_listing(generation: int) -> Listing:
    return Listing(id=f"l{generation}", item_id="i", account_id="a", generation=generation)


def _event(step: Input | str, listing: Listing | None) -> Input | None:
    if step == "publish":
        new = _new_listing(listing.generation + 1 if listing else 1)
        return PublishOrdered(listing=new, pictures=1, pictures_settled=True)
    return None if isinstance(step, str) else step


def _work(listing: Listing | None) -> Listing | None:
    if listing is None or listing.state not in NEXT_STEP:
        return listing
    return replace(listing, state=NEXT_STEP[listing.state], price_kr=1, tradera_item_id=listing.generation)


def _check(item: Item, listing: Listing | None, event: Input, change: Change) -> None:
    _check_listing(listing, change)
    _check_statuses(item, change)
    _check_jobs(change)
    _check_agreement(change)
    if isinstance(event, Sold):
        assert change.item.rheo_status in {RheoStatus.SOLD, RheoStatus.ARCHIVED}
        assert [event.sale_price_ore for event in change.events] == [event.price_ore]


def _check_listing(before: Listing | None, change: Change) -> None:
    after = change.listing
    if before is None or after is None or after.id != before.id:
        assert after is None or before is None or not before.state.is_open, "a second open listing"
        return
    if not before.state.is_open and after.state is not before.state:
        assert after.state is ListingState.SOLD, f"{before.state} became {after.state}"
    if before.state.may_be_live:
        gone = {ListingState.WITHDRAWN, ListingState.QUEUED, ListingState.ADDING, ListingState.ADDED}
        assert after.state not in gone, "an ad that may be up was taken for one that is not"
    assert (before.generation, before.request_id) == (after.generation, after.request_id)


def _check_statuses(before: Item, change: Change) -> None:
    after = change.item
    rheo = {pair for moves in RHEO_MOVES.values() for pair in moves.items()}
    tradera = {pair for moves in TRADERA_MOVES.values() for pair in moves.items()}
    if before.rheo_status is not after.rheo_status:
        assert (before.rheo_status, after.rheo_status) in rheo
    if before.tradera_status is not after.tradera_status:
        assert (before.tradera_status, after.tradera_status) in tradera


def _check_jobs(change: Change) -> None:
    for job in change.jobs:
        listing = change.listing
        assert listing is not None
        assert job.subject == listing.id
        if job.kind is JobKind.PUBLISH:
            assert listing.state.is_open
            assert not listing.state.may_be_live
        else:
            assert listing.state is ListingState.LIVE
        assert (job.kind is not JobKind.END) or listing.end_wish


def _check_agreement(change: Change) -> None:
    """What the item says of Tradera is what its listing says."""
    item, listing = change.item, change.listing
    if listing is None:
        return
    if listing.state is ListingState.LIVE:
        assert item.tradera_status is TraderaStatus.ACTIVE
    elif listing.state.is_open:
        assert item.tradera_status in {TraderaStatus.PENDING_SYNC, TraderaStatus.SYNC_ERROR}
    else:
        assert item.tradera_status is AFTER_CLOSING[listing.state]
    if item.delete_requested:
        assert listing.end_wish is EndWish.DELETED, "a deletion was forgotten"
        assert listing.state.may_be_live
    if item.rheo_status is RheoStatus.SOLD and listing.state.is_open and not listing.state.may_be_live:
        raise AssertionError("a sold item is on its way to Tradera")


def _check_twice(event: Input, change: Change) -> None:
    """The same event again finds nothing left to do."""
    try:
        again = apply(change.item, change.listing, event)
    except Refused:
        return
    assert (again.item, again.listing) == (change.item, change.listing)
    if isinstance(event, REPEATABLE):
        assert all(event.once for event in again.events)


@settings(max_examples=400)
@given(st.lists(steps, max_size=25))
def test_every_walk_keeps_the_rules(walk: list[Input | str]) -> None:
    """Whatever comes in whatever order: no closed listing opens, no second ad, no status off the tables."""
    item, listing = _new_item(), None
    for step in walk:
        event = _event(step, listing)
        if event is None:
            listing = _work(listing)
            continue
        try:
            change = apply(item, listing, event)
        except Refused:
            continue
        _check(item, listing, event, change)
        if change.removed:
            return
        _check_twice(event, change)
        item, listing = change.item, change.listing


@given(st.sampled_from(RheoStatus), st.sampled_from([None, *TraderaStatus]), st.sampled_from(ListingState))
def test_a_sale_is_never_refused(
    rheo: RheoStatus, tradera: TraderaStatus | None, state: ListingState
) -> None:
    """However late an order comes, the item and its listing become sold and the sale is told."""
    item = replace(_new_item(), rheo_status=rheo, tradera_status=tradera)
    change = apply(item, replace(_new_listing(1), state=state), Sold(order_id=9, price_ore=700, at=1))
    assert change.listing is not None
    assert change.listing.state is ListingState.SOLD
    assert change.item.tradera_status is TraderaStatus.SOLD
    assert change.item.rheo_status in {RheoStatus.SOLD, RheoStatus.ARCHIVED}
    assert change.events[0].once == "item.sold:9:i"
