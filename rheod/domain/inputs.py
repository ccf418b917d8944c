"""What can happen to an item: the events `lifecycle.apply` understands, each with the facts it needs.

Times are milliseconds UTC, prices öre (`_ore`) or whole kronor (`_kr`). Nothing here decides anything.
"""

from __future__ import annotations

from dataclasses import dataclass

from rheod.domain.model import CloseReason, EndWish, Listing


@dataclass(frozen=True, slots=True, kw_only=True)
class PicturesSettled:
    """Every picture is ready or has failed for good; `failures` says why, a sentence each."""

    ready: int
    failures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishOrdered:
    """The item shall go to Tradera as this new listing; `pictures_settled` says whether it can go at once."""

    listing: Listing
    pictures: int
    pictures_settled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WentLive:
    """Tradera's queue has accepted the committed request, or the ad was seen; the owner wants `wanted_kr` now."""

    at: int
    ad_url: str
    wanted_kr: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenOver:
    """After a restore an ad of the item was found at Tradera that this rheod had not made, or not yet: it is this listing.

    `listing` is how it stands now: live.
    """

    listing: Listing
    ad_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Superseded:
    """After a restore a newer ad of the item was found at Tradera: this listing had been closed before it."""

    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishFailed:
    """The listing will not become visible: refused by Tradera or impossible here."""

    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishInDoubt:
    """Nobody could say in time whether the ad is visible: a human must look; no second listing is made."""

    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SellerTokenRefused:
    """Tradera refused the seller's token to this publishing; it goes on by itself once there is another.

    `since` (ms) names the time without a token, in which an item is told of but once.
    """

    error: str
    since: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sold:
    """A buyer's order for the item at Tradera, at the price of its order line."""

    order_id: int
    price_ore: int
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AdClosed:
    """The ad is down without a sale."""

    reason: CloseReason
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceChanged:
    """The owner wants another price (öre); a live ad is repriced by a job."""

    price_ore: int
    price_kr: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Repriced:
    """Tradera shows this price (kronor) now."""

    price_kr: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncRefused:
    """Tradera refused to reprice; the ad goes on as it is."""

    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """The owner wants the ad gone: delisted, sold elsewhere, or deleted. `keep` archives instead of removing."""

    wish: EndWish
    keep: bool = False
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EndRefused:
    """Tradera refused to end the ad, as it does once there are bids."""

    error: str


Input = (
    PicturesSettled
    | PublishOrdered
    | WentLive
    | TakenOver
    | Superseded
    | PublishFailed
    | PublishInDoubt
    | SellerTokenRefused
    | Sold
    | AdClosed
    | PriceChanged
    | Repriced
    | SyncRefused
    | Removal
    | EndRefused
)
