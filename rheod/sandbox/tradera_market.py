"""What the simulated Tradera holds: listings, its queue of committed requests, bids, row versions.

No HTTP and no JSON here. Nothing runs by itself: `settle` lets due requests through the queue, and
only the scripted market ends a listing early.

What Tradera's first stage refuses beyond the contract: lengths, prices, shipping, categories. What nobody has seen taken is
refused. After each rule stands whose word it is: the contract, the documents of the older API, Tradera's help, a client in
production (2026), or a guess.

Pure functions over a body that fits the contract; what a category takes stands in the catalogue.
"""

from __future__ import annotations

import html
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from rheod.sandbox.tradera_catalogue import Catalogue

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable, Mapping


if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Body = Mapping[str, Any]

AUCTION, FIXED_PRICE = 1, 3
PICKUP, OWN_PRICE = 8, 6
MAX_IMAGES = 12
MAX_IMAGE_BYTES = 4 * 1024 * 1024
_KNOWN_SHIPPING_OPTIONS = frozenset({1, 2, 6, 7, 8, 12, 13, 20})
_KINDS = (  # first bytes, last bytes, the imageFormat numbers that fit
    (b"\xff\xd8\xff", b"\xff\xd9", {0, 1}),
    (b"GIF8", b";", {0, 1}),
    (b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82", {2}),
)


class DeclinedError(Exception):
    """The simulated Tradera refuses a call with this HTTP status, error code and sentence."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def bad_request(message: str) -> DeclinedError:
    """Make the usual refusal: 400 `BadRequest` with a sentence."""
    return DeclinedError(400, "BadRequest", message)


def check_new_listing(body: Body, *, restricted: bool) -> None:
    """Raise DeclinedError for the first rule a create body breaks.

    `restricted` sellers (new accounts) may only make plain auctions of at least 7 days.
    """
    if body.get("acceptedBidderId") not in {1, 3, 4}:
        # a client in production got this code where it was missing; the values stand in accepted-bidder-types
        raise DeclinedError(400, "AllowedBuyerRegionInvalid", "acceptedBidderId must be 1, 3 or 4")
    for rule in _RULES:
        problem = rule(body)
        if problem is not None:
            raise bad_request(problem)
    # Obsolete option ids are answered with 500, as Tradera does with 10
    for option in body.get("shippingOptions") or ():
        legacy = option.get("shippingOptionId")
        if legacy is not None and legacy not in _KNOWN_SHIPPING_OPTIONS:
            raise DeclinedError(500, "InternalServerError", "An unexpected error occurred")
    if restricted and (body["itemType"] != AUCTION or body.get("buyItNowPrice") or body["duration"] < 7):
        # Tradera's help on new sellers, and the contract's list of errors
        raise DeclinedError(400, "OnlyAuctionsAllowed", "Only auctions of at least 7 days are allowed")


def _text(body: Body) -> str | None:
    title, description = body.get("title") or "", body.get("description") or ""
    if not title.strip() or not description.strip():
        return "title and description are required"  # the contract
    if len(html.escape(title)) > 80:  # with entities, which clients have seen in the titles of the older API
        return "title may be at most 80 characters"
    # the documents of the older API
    return "description may be at most 7000 characters" if len(description) > 7000 else None


def _conditions(body: Body) -> str | None:
    for name in ("shippingCondition", "paymentCondition"):
        if len(body.get(name) or "") > 500:
            return f"{name} may be at most 500 characters"  # the documents of the older API
    if any(len(reference) > 60 for reference in body.get("ownReferences") or ()):
        return "ownReferences may be at most 60 characters each"  # the documents of the older API
    return None


def _kind(body: Body) -> str | None:
    if body.get("itemType") not in {AUCTION, FIXED_PRICE}:
        return "itemType must be 1 (auction) or 3 (fixed price)"  # shops alone have others (the contract)
    # auctions: the documents of the older API; a fixed price: a client in production sends 60, nobody more
    if not 1 <= body.get("duration", 0) <= (14 if body["itemType"] == AUCTION else 60):
        return "duration must be 1 to 14 days"
    if not 0 <= body.get("restarts", 0) <= 2:
        return "restarts must be 0 to 2"  # clients in production send up to 2
    attributes = body.get("itemAttributes") or []
    if not attributes:
        return "ItemAttributes are missing"  # a client in production, in these words; the values: item-field-values
    return None if attributes in ([1], [2]) else "itemAttributes must be [1] (new) or [2] (used)"


def _prices(body: Body) -> str | None:
    start, reserve, buy_now = (body.get(name, 0) for name in ("startPrice", "reservePrice", "buyItNowPrice"))
    if body["itemType"] == FIXED_PRICE:
        return None if buy_now >= 1 else "buyItNowPrice must be at least 1"
    return price_problem(start, reserve, buy_now)


def price_problem(start: int, reserve: int, buy_now: int) -> str | None:
    """Check an auction's prices in SEK (0 = none): start >= 1 and start < reserve < Buy Now (Tradera's help)."""
    if start < 1:
        return "startPrice must be at least 1"
    if reserve < 0 or buy_now < 0:
        return "prices may not be negative"
    if buy_now and buy_now <= start:
        return "buyItNowPrice must lie above startPrice"
    if reserve and (reserve <= start or (buy_now and reserve >= buy_now)):
        return "reservePrice must lie between startPrice and buyItNowPrice"
    return None


def _vat(body: Body) -> str | None:
    # item-field-values, in the contract's example
    return None if body.get("vat") in {None, 0, 6, 12, 25} else "vat must be 0, 6, 12 or 25"


def _shipping(body: Body) -> str | None:
    options = body.get("shippingOptions") or []
    pickup = any(option.get("shippingOptionId") == PICKUP for option in options)
    if not 1 <= len(options) <= 2 + pickup:  # the contract of shop items; whether none is accepted is open
        return "shippingOptions must hold one or two options, or three with pickup"
    for option in options:
        provider, legacy = option.get("shippingProviderId"), option.get("shippingOptionId")
        if (provider is None) == (legacy is None):
            return "a shipping option needs exactly one of shippingProviderId and shippingOptionId"  # the contract
        if option.get("cost", -1) < 0:
            return "a shipping option needs a cost of at least 0"  # guessed: every client names one
        if provider not in {None, OWN_PRICE} and option.get("shippingProductId") is None:
            # no client in production names a provider but 6 without one of its products
            return f"shippingProviderId {provider} needs a shippingProductId"
    return None


_RULES: tuple[Callable[[Body], str | None], ...] = (
    _text,
    _conditions,
    _kind,
    _prices,
    _vat,
    _shipping,
)


def image_problem(data: bytes, declared: int) -> str | None:
    """Judge a picture as the queue does later (resultCode 2); `declared` is the imageFormat number.

    JPEG and GIF may be called 0 or 1, for clients in production disagree on which is which; PNG is 2. The 4 MB stand in
    the documents of the older API.
    """
    if len(data) > MAX_IMAGE_BYTES:
        return "image is larger than 4 MB"
    for head, tail, formats in _KINDS:
        if data.startswith(head):
            if not data.endswith(tail):
                return "image is cut off"
            return None if declared in formats else "image is of another format than declared"
    return "image is not a JPEG, PNG or GIF"


OK, BAD_IMAGE, ERROR, WAITING, UNCOMMITTED = 1, 2, 4, 128, 256
_DAY_MS = 86_400_000
_SWEDEN = ZoneInfo("Europe/Stockholm")


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
    restarts_left: int = 0
    restarted_from: SimulatedAd | None = None
    restarted_as: SimulatedAd | None = None

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
        self.catalogue = Catalogue()
        self.automatic_restarts = True
        """Whether Tradera puts an unsold ad with restarts left up again by itself."""
        self.restarts_keep_references = True
        self.ends_by_clock = False
        """Whether an ad's days end at the hour by Swedish clocks at which it began, else after so many times 24 hours."""
        self.listings: dict[int, SimulatedAd] = {}
        self.requests: dict[int, SimulatedAd] = {}
        self.creates: Counter[str] = Counter()
        self.second_commits = 0
        self._waiting: deque[SimulatedAd] = deque()
        self._may_restart: list[SimulatedAd] = []
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
            restarts_left=body.get("restarts", 0),
        )
        self.requests[listing.request_id] = self.listings[listing.item_id] = listing
        self.creates.update(listing.own_references)
        if body.get("autoCommit"):
            self.commit(listing)
        return listing

    def add_image(self, listing: SimulatedAd, image: Image) -> None:
        """Add a picture; DeclinedError once committed or when there are 12 already."""
        if listing.committed_ms is not None:
            raise bad_request("Images can only be added to an uncommitted request")  # the contract
        if len(listing.images) >= MAX_IMAGES:
            # clients in production send 5, 10 and 12, nobody more
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
        if self.automatic_restarts:
            for listing in self._may_restart[:]:
                if self.restart_problem(listing) is None:
                    self._may_restart.remove(listing)
                    self.restart(listing)

    def _process(self, listing: SimulatedAd) -> None:
        bad = next((image.problem for image in listing.images if image.problem is not None), None)
        natural = SimulatedResult(OK, None, published=True)
        if bad is not None:
            natural = SimulatedResult(BAD_IMAGE, f"Image processing error: {bad}", published=False)
        listing.outcome = listing.scripted or natural
        if listing.outcome.published:
            days = 30 if listing.body["itemType"] == FIXED_PRICE else listing.body["duration"]
            listing.start_ms = (listing.committed_ms or 0) + self.processing_delay_ms
            listing.end_ms = self._ends_at(listing.start_ms, days)
            if listing.restarts_left:
                self._may_restart.append(listing)
            self.touch(listing)

    def _ends_at(self, start_ms: int, days: int) -> int:
        if not self.ends_by_clock:
            return start_ms + days * _DAY_MS
        begins = datetime.fromtimestamp(start_ms / 1000, _SWEDEN)
        ends = (begins.replace(tzinfo=None) + timedelta(days=days)).replace(tzinfo=_SWEDEN)
        return round(ends.timestamp() * 1000)

    def restart_problem(self, listing: SimulatedAd) -> str | None:
        """Why it cannot be restarted, in the words of Tradera's contract as far as it has them; None when it can."""
        if not listing.ended(self._now()):
            return "Item is not ended"
        if listing.restarted_as is not None:
            return "Item has already been restarted"
        if listing.buyer is not None:
            return "Item is sold"
        return None if listing.restarts_left > 0 else "Item has no restarts left"

    def restart(self, listing: SimulatedAd) -> SimulatedAd:
        """Put an unsold ad up again under a new number at the price it has now; it shows once the queue is done with it."""
        body = {**listing.body, "startPrice": listing.opening, "buyItNowPrice": listing.buy_now}
        if not self.restarts_keep_references:
            body.pop("ownReferences", None)
        again = self.create(listing.seller_id, {**body, "autoCommit": True})
        again.images = list(listing.images)
        again.restarts_left = max(0, listing.restarts_left - 1)
        again.restarted_from, listing.restarted_as = listing, again
        self.touch(listing)
        return again

    def publish(self, listing: SimulatedAd) -> None:
        """Make a listing visible at once, past the queue."""
        listing.committed_ms = self._now() - self.processing_delay_ms
        self._process(listing)

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
        if amount < listing.next_bid:  # Tradera's help: its ladder of bids
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
            # the contract
            raise DeclinedError(404, "NotFound", "The item was not found")
        return listing

    def request(self, request_id: int, seller_id: int) -> SimulatedAd:
        """Find a seller's request; DeclinedError 404 otherwise."""
        listing = self.requests.get(request_id)
        if listing is None or listing.seller_id != seller_id:
            # the contract
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
