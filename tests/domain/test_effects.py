"""What each input makes of an item and its listing, with the jobs and events it causes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rheod.domain import effects
from rheod.domain.effects import Change
from rheod.domain.errors import Refused
from rheod.domain.inputs import (
    AdClosed,
    CommitStarted,
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
from rheod.domain.model import (
    CloseReason,
    EndWish,
    EventType,
    Item,
    ItemSpec,
    JobKind,
    Listing,
    ListingState,
    RheoStatus,
    TraderaStatus,
)

DAY_MS = 24 * 3600 * 1000
ITEM = Item(id="i", account_id="a", external_id="x", spec=ItemSpec(title="Kopp", price_ore=95000))
ACTIVE = replace(ITEM, rheo_status=RheoStatus.ACTIVE)
QUEUED = Listing(id="l", item_id="i", account_id="a", generation=1, tradera_item_id=77)
NEW = replace(QUEUED, tradera_item_id=None, item_version=1)
UP = replace(ACTIVE, tradera_status=TraderaStatus.ACTIVE)
LIVE = replace(QUEUED, state=ListingState.LIVE, price_kr=950)
ON_ITS_WAY = replace(ACTIVE, tradera_status=TraderaStatus.PENDING_SYNC)
COMMITTED = replace(QUEUED, state=ListingState.COMMITTED, price_kr=950)
WENT_LIVE = WentLive(ad_url="https://t/item/77")


def apply(item: Item, listing: Listing | None, given: Input) -> Change:
    """What an input makes of them at 1000 ms."""
    return effects.apply(item, listing, given, now=1000)


def told(change: Change) -> list[EventType]:
    """The milestones of a change."""
    return [event.type for event in change.events]


def ordered(change: Change) -> list[JobKind]:
    """The jobs of a change."""
    return [job.kind for job in change.jobs]


def test_pictures_make_a_draft_active_and_release_its_publishing() -> None:
    """Two pictures ready: active, told, and a publish job that costs five calls."""
    change = apply(ITEM, QUEUED, PicturesSettled(ready=2, failures=("gone",)))
    assert change.item.rheo_status is RheoStatus.ACTIVE
    assert told(change) == [EventType.ITEM_IMAGES_READY]
    assert change.events[0].data == {"imagesProcessed": 2}
    assert [(job.kind, job.cost) for job in change.jobs] == [(JobKind.PUBLISH, 5)]


def test_no_usable_picture_fails_the_publishing() -> None:
    """Every picture failed: listing.failed says why and the draft stays a draft."""
    item = replace(ITEM, tradera_status=TraderaStatus.PENDING_SYNC)
    change = apply(item, QUEUED, PicturesSettled(ready=0, failures=("404", "too big")))
    assert told(change) == [EventType.LISTING_FAILED]
    assert change.events[0].data["error"] == "No picture could be used: 404"
    assert change.item.rheo_status is RheoStatus.DRAFT
    assert change.item.tradera_status is TraderaStatus.SYNC_ERROR
    assert change.listing is not None
    assert change.listing.state is ListingState.REJECTED


@pytest.mark.parametrize("state", [ListingState.ADDING, ListingState.ADDED])
def test_pictures_that_settle_before_the_commit_order_the_publishing_again(state: ListingState) -> None:
    """A publish that found its pictures being fetched anew has ended its job: it must not wait for ever."""
    change = apply(ON_ITS_WAY, replace(QUEUED, state=state), PicturesSettled(ready=1))
    assert ordered(change) == [JobKind.PUBLISH]


def test_new_pictures_of_a_live_ad_publish_nothing() -> None:
    """The ad keeps what it shows."""
    change = apply(UP, LIVE, PicturesSettled(ready=1))
    assert (change.listing, change.jobs) == (LIVE, ())


def test_publishing_waits_for_pictures_that_are_not_settled() -> None:
    """The listing exists at once, its job only when the pictures are there."""
    waiting = apply(ITEM, None, PublishOrdered(listing_id="l", pictures=0, pictures_settled=False))
    assert (waiting.listing, waiting.jobs) == (NEW, ())
    assert waiting.item.tradera_status is TraderaStatus.PENDING_SYNC
    ready = apply(ACTIVE, None, PublishOrdered(listing_id="l", pictures=3, pictures_settled=True))
    assert [job.cost for job in ready.jobs] == [6]


@pytest.mark.parametrize("state", [state for state in ListingState if state.is_open])
def test_an_open_listing_blocks_every_other(state: ListingState) -> None:
    """No second ad while one is or may become visible."""
    listing = replace(QUEUED, state=state)
    change = apply(ACTIVE, listing, PublishOrdered(listing_id="l2", pictures=0, pictures_settled=True))
    assert change == Change(item=ACTIVE, listing=listing)


def test_only_the_first_commit_orders_the_question_for_its_result() -> None:
    """The same one is sent again by whoever asks: that job goes on by itself."""
    added = replace(QUEUED, state=ListingState.ADDED, request_id=5, item_version=1)
    step = CommitStarted(request_id=5, ask_in_ms=10)
    first = apply(ON_ITS_WAY, added, step)
    assert [(job.kind, job.subject, job.delay_ms) for job in first.jobs] == [(JobKind.RESULTS, "a", 10)]
    again = apply(first.item, first.listing, step)
    assert (again.refusal, again.jobs) == (None, ())


def test_an_ad_that_goes_live_is_told_once_with_its_address() -> None:
    """listing.created carries ad id and address and a key that lets it be told only once."""
    change = apply(ON_ITS_WAY, replace(COMMITTED, days=7), WENT_LIVE)
    assert change.item.tradera_status is TraderaStatus.ACTIVE
    assert change.listing == replace(
        LIVE, days=7, live_at=1000, ends_at=1000 + 7 * DAY_MS, ask_at=None, error=None
    )
    assert told(change) == [EventType.LISTING_CREATED]
    assert change.events[0].once == "listing.created:l"
    assert change.events[0].data == {"traderaAdId": "77", "traderaAdUrl": "https://t/item/77"}
    assert change.jobs == ()


def _priced(kr: int) -> Item:
    return replace(ON_ITS_WAY, spec=replace(ON_ITS_WAY.spec, price_ore=kr * 100))


def test_going_live_carries_out_what_was_wished_meanwhile() -> None:
    """A price changed or a removal asked for during the commit is done as soon as the ad is there."""
    assert ordered(apply(_priced(800), COMMITTED, WENT_LIVE)) == [JobKind.REPRICE]
    removed = replace(COMMITTED, end_wish=EndWish.DELETED)
    assert ordered(apply(_priced(800), removed, WENT_LIVE)) == [JobKind.END]


def test_a_refused_publishing_keeps_its_reason() -> None:
    """sync_error, lastError and a listing.failed with the sentence."""
    change = apply(ON_ITS_WAY, replace(QUEUED, state=ListingState.ADDING), PublishFailed(error="no category"))
    assert change.item.last_error == "no category"
    assert change.item.tradera_status is TraderaStatus.SYNC_ERROR
    assert told(change) == [EventType.LISTING_FAILED]


@pytest.mark.parametrize(
    "event",
    [PublishFailed(error="late"), PublishInDoubt(error="late"), SellerTokenRefused(error="late", since=1)],
)
def test_an_ad_that_is_up_cannot_fail_to_be_published(
    event: PublishFailed | PublishInDoubt | SellerTokenRefused,
) -> None:
    """A late verdict about the request changes nothing once the ad was seen."""
    assert apply(UP, LIVE, event) == Change(item=UP, listing=LIVE)


def test_doubt_keeps_the_listing_open() -> None:
    """A human must look; the listing goes on blocking a second ad and is asked for no more."""
    change = apply(ON_ITS_WAY, replace(COMMITTED, ask_at=5), PublishInDoubt(error="?"))
    assert change.listing is not None
    assert change.listing.state is ListingState.COMMITTED
    assert change.listing.ask_at is None
    assert told(change) == [EventType.LISTING_FAILED]


def test_a_sale_carries_its_order_and_price() -> None:
    """item.sold has the real price and the order as text; each order is told once."""
    change = apply(UP, LIVE, Sold(order_id=10187, price_ore=110000))
    assert (change.item.rheo_status, change.item.tradera_status) == (RheoStatus.SOLD, TraderaStatus.SOLD)
    sale = change.events[0]
    assert (sale.sale_price_ore, sale.platform, sale.once) == (110000, "tradera", "item.sold:10187:i")
    assert sale.data == {"traderaAdId": "77", "orderId": "10187"}


def test_a_sale_during_deletion_archives_the_item() -> None:
    """An order in progress keeps the item."""
    deleting = replace(UP, delete_requested=True)
    change = apply(deleting, replace(LIVE, end_wish=EndWish.DELETED), Sold(order_id=1, price_ore=1))
    assert change.item.rheo_status is RheoStatus.ARCHIVED
    assert not change.item.delete_requested
    assert not change.removed


@pytest.mark.parametrize(
    ("wish", "reason", "events"),
    [
        (None, CloseReason.NO_BIDS, [EventType.LISTING_ENDED]),
        (None, CloseReason.CLOSED_BY_SELLER, [EventType.LISTING_ENDED]),
        (EndWish.UNLISTED, CloseReason.CLOSED_BY_SELLER, [EventType.ITEM_UNLISTED]),
        (EndWish.MARKED_SOLD, CloseReason.CLOSED_BY_SELLER, []),
        (EndWish.DELETED, CloseReason.CLOSED_BY_SELLER, [EventType.ITEM_DELETED]),
        (EndWish.DELETED, CloseReason.NO_BIDS, [EventType.LISTING_ENDED, EventType.ITEM_DELETED]),
    ],
)
def test_an_ad_we_ended_ourselves_is_no_news(
    wish: EndWish | None, reason: CloseReason, events: list[EventType]
) -> None:
    """listing.ended goes out unless the closing is our own doing."""
    change = apply(UP, replace(LIVE, end_wish=wish), AdClosed(reason=reason))
    assert told(change) == events
    assert change.item.tradera_status is TraderaStatus.ENDED
    assert change.removed is (wish is EndWish.DELETED)


def test_price_changes_reach_a_live_ad_only_when_its_kronor_change() -> None:
    """Ten öre are stored here; Tradera takes whole kronor and need not be called."""
    carried = apply(UP, LIVE, PriceChanged(price_ore=79500))
    assert (carried.item.spec.price_ore, ordered(carried)) == (79500, [JobKind.REPRICE])
    kept = apply(UP, LIVE, PriceChanged(price_ore=95010))
    assert (kept.item.spec.price_ore, ordered(kept)) == (95010, [])
    assert told(kept) == [EventType.PRICE_UPDATED]


@pytest.mark.parametrize("status", [RheoStatus.SOLD, RheoStatus.ARCHIVED])
def test_a_sold_item_keeps_its_price(status: RheoStatus) -> None:
    """A conflict, with the reason."""
    with pytest.raises(Refused, match=status.value):
        apply(replace(UP, rheo_status=status), LIVE, PriceChanged(price_ore=1))


def test_a_price_taken_back_while_it_was_being_sent_is_carried_again() -> None:
    """The ad shows 800 now and the item says 950: another job brings it back."""
    change = apply(UP, LIVE, Repriced(price_kr=800))
    assert ordered(change) == [JobKind.REPRICE]
    assert ordered(apply(UP, LIVE, Repriced(price_kr=950))) == []


def test_a_refused_price_is_told_and_the_ad_goes_on() -> None:
    """listing.failed with the reason; the item keeps the new price here."""
    change = apply(UP, LIVE, SyncRefused(error="bids exist"))
    assert (change.listing, change.item.last_error) == (LIVE, "bids exist")
    assert told(change) == [EventType.LISTING_FAILED]


@pytest.mark.parametrize("state", [ListingState.QUEUED, ListingState.ADDING, ListingState.ADDED])
def test_before_the_commit_a_removal_withdraws(state: ListingState) -> None:
    """Nothing was visible, so nothing is to be ended."""
    change = apply(ON_ITS_WAY, replace(QUEUED, state=state), Removal(wish=EndWish.UNLISTED))
    assert change.listing is not None
    assert change.listing.state is ListingState.WITHDRAWN
    assert (change.item.rheo_status, change.item.tradera_status) == (RheoStatus.NOT_LISTED, None)
    assert (ordered(change), told(change)) == ([], [EventType.ITEM_UNLISTED])


@pytest.mark.parametrize("state", [ListingState.COMMITTING, ListingState.COMMITTED])
def test_after_the_commit_a_removal_waits_for_the_ad(state: ListingState) -> None:
    """The wish is kept until the ad is known to be live."""
    change = apply(ON_ITS_WAY, replace(COMMITTED, state=state), Removal(wish=EndWish.DELETED))
    assert change.listing == replace(COMMITTED, state=state, end_wish=EndWish.DELETED)
    assert change.item.delete_requested
    assert (change.jobs, change.events, change.removed) == ((), (), False)


@pytest.mark.parametrize("wish", [EndWish.MARKED_SOLD, EndWish.UNLISTED])
def test_a_deletion_under_way_is_not_forgotten_for_another_wish(wish: EndWish) -> None:
    """DELETE, then PATCH status: the ad's end still removes the item."""
    deleting = apply(UP, LIVE, Removal(wish=EndWish.DELETED))
    patched = apply(deleting.item, deleting.listing, Removal(wish=wish))
    assert patched.listing is not None
    assert patched.listing.end_wish is EndWish.DELETED
    assert apply(patched.item, patched.listing, AdClosed(reason=CloseReason.CLOSED_BY_SELLER)).removed


def test_marked_sold_is_a_sale_here() -> None:
    """item.sold on platform rheo at the item's price, and the ad is ended."""
    change = apply(UP, LIVE, Removal(wish=EndWish.MARKED_SOLD))
    sale = change.events[0]
    assert (sale.type, sale.platform, sale.sale_price_ore) == (EventType.ITEM_SOLD, "rheo", 95000)
    assert ordered(change) == [JobKind.END]


@pytest.mark.parametrize("wish", [EndWish.MARKED_SOLD, EndWish.UNLISTED])
def test_a_refused_ending_may_be_asked_for_again(wish: EndWish) -> None:
    """Tradera kept the ad up; the same PATCH later tries again, and a sale is not told twice."""
    asked = apply(UP, LIVE, Removal(wish=wish))
    refused = apply(asked.item, asked.listing, EndRefused(error="bids"))
    conflict = [EventType.SALE_CONFLICT] if wish is EndWish.MARKED_SOLD else []
    assert told(refused) == [EventType.LISTING_FAILED, *conflict]
    again = apply(refused.item, refused.listing, Removal(wish=wish))
    assert ordered(again) == [JobKind.END]
    assert EventType.ITEM_SOLD not in told(again)


def test_a_refused_ending_puts_the_item_back_on_sale() -> None:
    """The listing stays live, so the item is active again; a deletion stays wished for."""
    unlisted = apply(UP, LIVE, Removal(wish=EndWish.UNLISTED))
    back = apply(unlisted.item, unlisted.listing, EndRefused(error="bids"))
    assert (back.item.rheo_status, back.listing) == (RheoStatus.ACTIVE, LIVE)
    deleting = apply(UP, LIVE, Removal(wish=EndWish.DELETED))
    kept = apply(deleting.item, deleting.listing, EndRefused(error="bids"))
    assert kept.listing == deleting.listing
    assert kept.item.delete_requested


@pytest.mark.parametrize("state", [ListingState.SOLD, ListingState.ENDED])
def test_a_refusal_to_end_what_has_closed_meanwhile_is_no_news(state: ListingState) -> None:
    """The order or the closing came while the call was under way."""
    closed = replace(LIVE, state=state, end_wish=EndWish.UNLISTED)
    item = replace(UP, rheo_status=RheoStatus.NOT_LISTED)
    assert apply(item, closed, EndRefused(error="gone")) == Change(item=item, listing=closed)


@pytest.mark.parametrize("keep", [False, True])
def test_deleting_an_item_without_an_ad_removes_or_archives_at_once(keep: bool) -> None:  # noqa: FBT001 - a parameter
    """`keep` says that an order is in progress."""
    change = apply(ACTIVE, None, Removal(wish=EndWish.DELETED, keep=keep))
    assert change.removed is not keep
    assert (change.item.rheo_status is RheoStatus.ARCHIVED) is keep
    assert told(change) == [EventType.ITEM_DELETED]
