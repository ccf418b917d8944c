"""What the simulated Tradera holds: listings, its queue of committed requests, bids, row versions.

No HTTP and no JSON here. Nothing runs by itself: `settle` lets due requests through the queue, and
only the scripted market ends a listing early.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rheod.sandbox.tradera_rules import AUCTION, FIXED_PRICE, MAX_IMAGES, DeclinedError, bad_request

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable, Mapping


OK, BAD_IMAGE, ERROR, WAITING, UNCOMMITTED = 1, 2, 4, 128, 256
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Image:
    """One received picture: digest and bytes' count, its imageFormat, and why it is bad (None = good)."""

    sha256: str
    size: int
    declared: int
    problem: str | None


@dataclass(frozen=True, slots=True)
class SimulatedResult:
    """What the queue says about a request: code, message, and whether the listing really goes live."""

    code: int
    message: str | None
    published: bool


@dataclass(slots=True)
class SimulatedAd:
    """One create request and the listing it becomes; times in ms UTC, money in whole SEK."""

    request_id: int
    item_id: int
    seller_id: int
    body: Mapping[str, Any]
    created_ms: int
    opening: int
    buy_now: int
    images: list[Image] = field(default_factory=list)
    committed_ms: int | None = None
    scripted: SimulatedResult | None = None
    outcome: SimulatedResult | None = None
    start_ms: int = 0
    end_ms: int = 0
    closed: bool = False
    bids: list[int] = field(default_factory=list)
    buyer: Mapping[str, Any] | None = None
    row_version: int = 0

    @property
    def own_references(self) -> list[str]:
        """The references the seller gave, or none."""
        return list(self.body.get("ownReferences") or ())

    @property
    def visible(self) -> bool:
        """Whether the queue has published it (it may have ended since)."""
        return self.outcome is not None and self.outcome.published

    @property
    def next_bid(self) -> int:
        """The least amount the next bid must have, in SEK."""
        return self.bids[-1] + 1 if self.bids else self.opening

    def ended(self, now_ms: int) -> bool:
        """Whether it was closed or its end date has passed."""
        return self.visible and (self.closed or now_ms >= self.end_ms)


class Market:
    """All listings of all sellers; `processing_delay_ms` is how long the queue takes after a commit."""

    def __init__(self, *, now: Callable[[], int], rng: random.Random, processing_delay_ms: int) -> None:
        self._now = now
        self.processing_delay_ms = processing_delay_ms
        self.listings: dict[int, SimulatedAd] = {}
        self.requests: dict[int, SimulatedAd] = {}
        self.creates: Counter[str] = Counter()
        self.second_commits = 0
        self._waiting: deque[SimulatedAd] = deque()
        self._next_request = 980_000_000 + rng.randrange(1_000_000)
        self._next_item = 710_000_000 + rng.randrange(1_000_000)
        self._row_version = 0

    def create(self, seller_id: int, body: Mapping[str, Any]) -> SimulatedAd:
        """Make an uncommitted request; with `autoCommit` it is committed at once."""
        self._next_request += 1
        self._next_item += 1
        listing = SimulatedAd(
            request_id=self._next_request,
            item_id=self._next_item,
            seller_id=seller_id,
            body=body,
            created_ms=self._now(),
            opening=body.get("startPrice", 0) if body["itemType"] == AUCTION else 0,
            buy_now=body.get("buyItNowPrice", 0),
        )
        self.requests[listing.request_id] = self.listings[listing.item_id] = listing
        self.creates.update(listing.own_references)
        if body.get("autoCommit"):
            self.commit(listing)
        return listing

    def add_image(self, listing: SimulatedAd, image: Image) -> None:
        """Add a picture; DeclinedError once committed or when there are 12 already."""
        if listing.committed_ms is not None:
            raise bad_request("Images can only be added to an uncommitted request")
        if len(listing.images) >= MAX_IMAGES:
            raise bad_request(f"An item may have at most {MAX_IMAGES} images")
        listing.images.append(image)

    def commit(self, listing: SimulatedAd) -> None:
        """Put a request in the queue; a second commit changes nothing but is counted as a violation."""
        if listing.committed_ms is not None:
            self.second_commits += 1
            return
        listing.committed_ms = self._now()
        self._waiting.append(listing)

    def settle(self) -> None:
        """Publish or fail every request whose time in the queue is over."""
        due = self._now() - self.processing_delay_ms
        while self._waiting and (self._waiting[0].committed_ms or 0) <= due:
            self._process(self._waiting.popleft())

    def _process(self, listing: SimulatedAd) -> None:
        bad = next((image.problem for image in listing.images if image.problem is not None), None)
        natural = SimulatedResult(OK, None, published=True)
        if bad is not None:
            natural = SimulatedResult(BAD_IMAGE, f"Image processing error: {bad}", published=False)
        listing.outcome = listing.scripted or natural
        if listing.outcome.published:
            self._go_live(listing)

    def publish(self, listing: SimulatedAd) -> None:
        """Make a listing visible at once, past the queue."""
        listing.committed_ms = self._now() - self.processing_delay_ms
        self._process(listing)

    def _go_live(self, listing: SimulatedAd) -> None:
        days = 30 if listing.body["itemType"] == FIXED_PRICE else listing.body["duration"]
        listing.start_ms = (listing.committed_ms or 0) + self.processing_delay_ms
        listing.end_ms = listing.start_ms + days * _DAY_MS
        self.touch(listing)

    def result(self, listing: SimulatedAd) -> tuple[int, str | None]:
        """What request-results says: (code, message)."""
        if listing.committed_ms is None:
            return UNCOMMITTED, None
        if listing.outcome is None:
            return WAITING, None
        return listing.outcome.code, listing.outcome.message

    def touch(self, listing: SimulatedAd) -> None:
        """Give a changed listing the next row version."""
        self._row_version += 1
        listing.row_version = self._row_version

    def bid(self, listing: SimulatedAd, amount: int | None = None) -> None:
        """Place a bid of `amount` SEK, by default the least allowed; DeclinedError when it is not allowed."""
        amount = listing.next_bid if amount is None else amount
        if listing.body["itemType"] != AUCTION or not listing.visible or listing.ended(self._now()):
            raise bad_request("The item takes no bids")
        if amount < listing.next_bid:
            raise bad_request(f"The bid must be at least {listing.next_bid}")
        listing.bids.append(amount)
        self.touch(listing)

    def close(self, listing: SimulatedAd) -> None:
        """End a visible listing now; DeclinedError when it is not running."""
        if not listing.visible or listing.ended(self._now()):
            raise bad_request("The item is not active")
        listing.closed = True
        listing.end_ms = self._now()
        self.touch(listing)

    def visible(self, item_id: int, seller_id: int | None = None) -> SimulatedAd:
        """Find a published listing (of `seller_id` when given); DeclinedError 404 otherwise."""
        listing = self.listings.get(item_id)
        if listing is None or not listing.visible or seller_id not in {None, listing.seller_id}:
            raise DeclinedError(404, "NotFound", "The item was not found")
        return listing

    def request(self, request_id: int, seller_id: int) -> SimulatedAd:
        """Find a seller's request; DeclinedError 404 otherwise."""
        listing = self.requests.get(request_id)
        if listing is None or listing.seller_id != seller_id:
            raise DeclinedError(404, "NotFound", "The request was not found")
        return listing

    def live(self, own_reference: str | None = None) -> list[SimulatedAd]:
        """Every running listing, or those that carry `own_reference`."""
        self.settle()
        now_ms = self._now()
        running: Iterable[SimulatedAd] = (
            x for x in self.listings.values() if x.visible and not x.ended(now_ms)
        )
        return [x for x in running if own_reference is None or own_reference in x.own_references]
