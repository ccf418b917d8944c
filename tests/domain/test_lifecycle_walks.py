"""The lifecycle under any order of inputs: walks from a new item, with every rule checked at every step."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from rheod.domain import effects
from rheod.domain.answers import SellerAd
from rheod.domain.effects import Change
from rheod.domain.errors import Refused
from rheod.domain.inputs import (
    AdClosed,
    CommitAnswered,
    CommitRefused,
    CommitStarted,
    Created,
    CreateStarted,
    EndRefused,
    EndSeen,
    Input,
    NoAnswer,
    PictureSent,
    PicturesSettled,
    PictureStarted,
    PriceChanged,
    PublishFailed,
    PublishInDoubt,
    PublishOrdered,
    Removal,
    Repriced,
    ResultWaits,
    SellerTokenRefused,
    Sold,
    StartedOver,
    Step,
    Superseded,
    SyncRefused,
    TakenOver,
    WentLive,
)
from rheod.domain.lifecycle import LISTING_MOVES, RHEO_MOVES, TRADERA_MOVES
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

NOW = 1000
BEFORE_COMMIT = {ListingState.QUEUED, ListingState.ADDING, ListingState.ADDED}

AFTER_CLOSING = {
    ListingState.SOLD: TraderaStatus.SOLD,
    ListingState.ENDED: TraderaStatus.ENDED,
    ListingState.REJECTED: TraderaStatus.SYNC_ERROR,
    ListingState.WITHDRAWN: None,
}

REPEATABLE = (WentLive, PublishFailed, PublishInDoubt, PublishOrdered, Sold, AdClosed, PriceChanged)
"""Inputs that a sender may repeat without a second event."""

steps = st.one_of(
    st.sampled_from(["publisher", "publisher", "unanswered", "publish", "takeover", "newer ad"]),
    st.builds(PicturesSettled, ready=st.integers(1, 3)),
    st.just(PicturesSettled(ready=0, failures=("gone",))),
    st.just(WentLive(ad_url="u")),
    st.just(PublishFailed(error="no")),
    st.just(PublishInDoubt(error="who knows")),
    st.just(SellerTokenRefused(error="log in again", since=1)),
    st.builds(Sold, order_id=st.integers(1, 2), price_ore=st.just(500)),
    st.builds(AdClosed, reason=st.sampled_from(CloseReason)),
    st.sampled_from([PriceChanged(price_ore=100), PriceChanged(price_ore=200)]),
    st.builds(Repriced, price_kr=st.sampled_from([1, 2])),
    st.just(SyncRefused(error="bids")),
    st.builds(Removal, wish=st.sampled_from(EndWish), keep=st.booleans()),
    st.just(EndRefused(error="bids")),
    st.builds(Created, request_id=st.integers(1, 3), tradera_item_id=st.integers(1, 3)),
    st.builds(CommitStarted, request_id=st.integers(1, 3), ask_in_ms=st.just(10)),
    st.sampled_from([CommitAnswered(), CommitAnswered(ask_in_ms=10), CommitRefused(error="400")]),
    st.sampled_from([PictureStarted(), PictureSent(), NoAnswer(), StartedOver(), EndSeen(ends_at=9)]),
    st.builds(ResultWaits, ask_in_ms=st.just(10), counted=st.booleans()),
)


class Walk:
    """One item and all its listings; `versions` grow with what the ad would show."""

    def __init__(self) -> None:
        self.item = Item(id="i", account_id="a", external_id="x", spec=ItemSpec(title="Kopp", price_ore=100))
        self.listings: dict[str, Listing] = {}
        self.requests = 0
        self.removed = False

    @property
    def latest(self) -> Listing | None:
        """The listing of the highest generation."""
        return max(self.listings.values(), key=lambda each: each.generation, default=None)

    def inputs(self, step: Input | str) -> list[Input]:
        """What a drawn step stands for at this moment."""
        listing = self.latest
        following = listing.generation + 1 if listing else 1
        match step:
            case "publish":
                return [PublishOrdered(listing_id=f"l{following}", pictures=1, pictures_settled=True)]
            case "publisher":
                return [] if listing is None else self._next_call(listing)
            case "unanswered":
                return [] if listing is None else self._next_call(listing)[:1]
            case "takeover":
                return [] if listing is None else [_found(listing.id, listing.generation, listing)]
            case "newer ad":
                gone = self.item.rheo_status in {RheoStatus.SOLD, RheoStatus.ARCHIVED}
                adopted = (
                    not gone and not self.item.delete_requested
                )  # no newer ad of what is gone is taken over
                return [Superseded(), _found("new", following, None)] if adopted else []
            case str():
                raise AssertionError(step)
            case _:
                return [step]

    def _next_call(self, listing: Listing) -> list[Input]:
        """Both halves of the call that the publisher makes now, as if it were answered well."""
        match listing.state:
            case ListingState.QUEUED | ListingState.ADDING:
                self.requests += 1
                numbers = Created(request_id=self.requests, tradera_item_id=self.requests)
                return [CreateStarted(item=self.item, days=7), numbers]
            case ListingState.ADDED if listing.pictures_sent == 0:
                return [PictureStarted(), PictureSent()]
            case ListingState.ADDED | ListingState.COMMITTING:
                return [CommitStarted(request_id=listing.request_id or 0, ask_in_ms=9), CommitAnswered()]
            case _:
                return []

    def take(self, given: Input) -> None:
        """Apply one input, check what became of it, and go on from there."""
        before = self.latest
        if isinstance(given, TakenOver) and given.listing_id == "new":
            given, before = replace(given, listing_id=f"l{given.generation}"), None
        try:
            change = effects.apply(self.item, before, given, now=NOW)
        except Refused:
            return
        _check_listing(before, change, given)
        _check_statuses(self.item, change)
        _check_jobs(change)
        if change.listing is not None:
            self.listings[change.listing.id] = change.listing
        assert sum(listing.state.is_open for listing in self.listings.values()) <= 1, "two open listings"
        if not isinstance(given, Superseded):  # which a newer ad always follows
            _check_agreement(change)
        if isinstance(given, Sold):
            assert change.item.rheo_status in {RheoStatus.SOLD, RheoStatus.ARCHIVED}
            assert [event.sale_price_ore for event in change.events] == [given.price_ore]
        self.item, self.removed = change.item, change.removed
        if not isinstance(given, Step | TakenOver) and not change.removed:
            _check_twice(given, change)


def _found(listing_id: str, generation: int, listing: Listing | None) -> TakenOver:
    """An ad found at Tradera after a restore: that of the listing, if it has one."""
    number = (listing and listing.tradera_item_id) or 1000 + generation
    return TakenOver(
        listing_id=listing_id, generation=generation, ad=SellerAd(tradera_item_id=number), ad_url="u"
    )


def _check_listing(before: Listing | None, change: Change, given: Input) -> None:
    after = change.listing
    if change.refusal:
        assert isinstance(given, Step)
        assert (after, change.jobs, change.events) == (before, (), ())
    if before is None or after is None or after.id != before.id:
        assert before is None or not before.state.is_open, "a second listing beside an open one"
        return
    if not before.state.is_open and after.state is not before.state:
        late_sale = after.state is ListingState.SOLD and isinstance(given, Sold)
        seen = before.state is ListingState.REJECTED and isinstance(given, TakenOver)
        assert late_sale or seen, f"{before.state} became {after.state}"
    if before.state.may_be_live:
        assert after.state not in BEFORE_COMMIT, "an ad that may be up was taken for one that is not"
        assert after.state is not ListingState.WITHDRAWN
        if isinstance(given, CreateStarted | Created | StartedOver | PictureStarted | PictureSent):
            assert change.refusal, "a new request beside one that may be committed"
    if before.commit_sent_at is not None:
        fixed = ("request_id", "tradera_item_id", "commit_sent_at")
        assert all(getattr(before, name) == getattr(after, name) for name in fixed), (
            "a committed one keeps them"
        )
    assert before.generation == after.generation


def _check_statuses(before: Item, change: Change) -> None:
    after = change.item
    rheo = {pair for moves in RHEO_MOVES.values() for pair in moves.items()}
    tradera = {pair for moves in TRADERA_MOVES.values() for pair in moves.items()}
    ends = {after for _, after in tradera}
    if before.rheo_status is not after.rheo_status:
        assert (before.rheo_status, after.rheo_status) in rheo
    if before.tradera_status is not after.tradera_status:
        direct = (before.tradera_status, after.tradera_status) in tradera
        taken_over = after.tradera_status is TraderaStatus.ACTIVE and before.tradera_status in {
            None,
            TraderaStatus.ENDED,
        }
        assert direct or taken_over
        assert after.tradera_status in ends


def _check_jobs(change: Change) -> None:
    for job in change.jobs:
        listing = change.listing
        assert listing is not None
        if job.kind is JobKind.RESULTS:
            assert (job.subject, job.delay_ms > 0) == (listing.account_id, True)
            assert listing.ask_at is not None
            continue
        if job.kind is JobKind.LOOK:
            assert (job.subject, job.delay_ms > 0, listing.is_in_doubt) == (listing.id, True, True)
            continue
        assert job.subject == listing.id
        if job.kind is JobKind.PUBLISH:
            assert listing.state in BEFORE_COMMIT
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
    if item.delete_requested and not change.removed:
        assert listing.end_wish is EndWish.DELETED, "a deletion was forgotten"
        assert listing.state.may_be_live
    if item.rheo_status is RheoStatus.SOLD and listing.state in BEFORE_COMMIT:
        raise AssertionError("a sold item is on its way to Tradera")


def _check_twice(given: Input, change: Change) -> None:
    """The same input again finds nothing left to do."""
    try:
        again = effects.apply(change.item, change.listing, given, now=NOW)
    except Refused:
        return
    assert (again.item, again.listing) == (change.item, change.listing)
    if isinstance(given, REPEATABLE):
        assert all(event.once for event in again.events)


@settings(max_examples=400)
@given(st.integers(0, 4), st.lists(steps, max_size=25))
def test_every_walk_keeps_the_rules(calls: int, rest: list[Input | str]) -> None:
    """Whatever comes in whatever order: no closed listing opens, no second ad, no status off the tables."""
    walked = Walk()
    for step in ["publish", *["publisher"] * calls, *rest]:
        for each in walked.inputs(step):
            walked.take(each)
            if walked.removed:
                return


def test_nothing_leads_from_a_commit_back_to_a_request() -> None:
    """From where an ad may be visible, no move of the table and no row of moves reaches the states of a request."""
    reached, seen = {ListingState.COMMITTING}, set[ListingState]()
    while reached - seen:
        state = (reached - seen).pop()
        seen.add(state)
        reached |= {moves[state] for moves in LISTING_MOVES.values() if state in moves}
    assert seen.isdisjoint(BEFORE_COMMIT)
    assert {ListingState.LIVE, ListingState.ENDED, ListingState.SOLD} <= seen


def test_closed_listings_stay_closed() -> None:
    """But for a sale that comes late, and for an ad that is seen though it was thought refused."""
    leaving = {
        (before, move.value, after)
        for move, moves in LISTING_MOVES.items()
        for before, after in moves.items()
        if before is not None and not before.is_open and after is not ListingState.SOLD
    }
    assert leaving == {
        (ListingState.SOLD, "taken_back", ListingState.ENDED),
        (ListingState.ENDED, "category_seen", ListingState.ENDED),  # it stays; a return goes to that category
        (ListingState.REJECTED, "taken_over", ListingState.LIVE),
        (ListingState.REJECTED, "turned_up", ListingState.LIVE),
    }


@given(st.sampled_from(RheoStatus), st.sampled_from([None, *TraderaStatus]), st.sampled_from(ListingState))
def test_a_sale_is_never_refused(
    rheo: RheoStatus, tradera: TraderaStatus | None, state: ListingState
) -> None:
    """However late an order comes, the item and its listing become sold and the sale is an event."""
    item = replace(Walk().item, rheo_status=rheo, tradera_status=tradera)
    listing = Listing(id="l1", item_id="i", account_id="a", generation=1, state=state)
    change = effects.apply(item, listing, Sold(order_id=9, price_ore=700), now=NOW)
    assert change.listing is not None
    assert change.listing.state is ListingState.SOLD
    assert change.item.tradera_status is TraderaStatus.SOLD
    assert change.item.rheo_status in {RheoStatus.SOLD, RheoStatus.ARCHIVED}
    assert change.events[0].once == "item.sold:9:i"
