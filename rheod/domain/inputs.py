"""What can happen to an item and to its listing: the inputs of `lifecycle.apply`, each with the facts it needs.

Prices are öre (`_ore`) or whole kronor (`_kr`), times are ms UTC, durations end in `_ms`. Nothing here decides anything.
When an input counts from is the `now` that `apply` is given; a time in an input is there because it may differ.
"""

from __future__ import annotations

from dataclasses import dataclass

from rheod.domain.answers import SellerAd
from rheod.domain.errors import Text
from rheod.domain.model import CloseReason, EndWish, Item, Ladder, Listing
from rheod.domain.relist import ComesBack, StaysDown


@dataclass(frozen=True, slots=True, kw_only=True)
class PicturesSettled:
    """Every picture is ready or has failed for good; `failures` says why, a sentence each."""

    ready: int
    failures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishOrdered:
    """The item shall go to Tradera as a new listing with this id, at once if its `pictures` are settled.

    `generations` is the number of the newest it has had, where that is not the one that stands for it. With a `ladder` it
    comes back after an ad that ended unsold. `at_once`: the owner does not want it to wait for the plan of ends.
    """

    listing_id: str
    generations: int = 0
    pictures: int
    pictures_settled: bool
    ladder: Ladder | None = None
    at_once: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Nothing is sent for this reason until the owner has acted; `missing` are the attributes that the leaf requires."""

    reason: Text
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """What held the item is settled: it goes to Tradera, at once if its `pictures` are settled."""

    pictures: int
    pictures_settled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateStarted:
    """The ad is about to be sent to Tradera as a request; it shows `item` as it was read then, for `days`.

    It goes into `category_id`; `warning` is what the owner should know of it.
    """

    item: Item
    days: int
    category_id: int | None = None
    warning: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """Tradera made the request and gave the ad its number; nothing is visible before the commit."""

    request_id: int
    tradera_item_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureStarted:
    """A picture is about to be sent: until its answer it may have arrived or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureSent:
    """Tradera took the picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitStarted:
    """The commit of this request is about to be sent (again): from now on the ad may become visible.

    The result is asked for `ask_in_ms` from now.
    """

    request_id: int
    ask_in_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitAnswered:
    """Tradera has the commit, by its answer (then the result is asked for in `ask_in_ms`) or because its queue shows it."""

    ask_in_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitRefused:
    """Tradera refused the commit. An earlier one may have arrived, so only the result says what that means."""

    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAnswer:
    """A call was sent and no trustworthy answer came: it may have taken effect, so the listing stays where it was put."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedOver:
    """The uncommitted request is of no use any more (the item changed, the request is stale or lost): begin anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultWaits:
    """Tradera has no result yet: it is asked again `ask_in_ms` from now.

    Not `counted` when the question was about another listing: patience is measured by a listing's own questions, and
    its own later time is kept. `put_off` is why nothing can be sent for it until then, where no call is left for it;
    with `renewed` patience begins anew then.
    """

    ask_in_ms: int
    counted: bool
    put_off: str | None = None
    renewed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EndSeen:
    """Tradera shows when the ad ends; until then that was reckoned."""

    ends_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CategorySeen:
    """Tradera shows the ad in another category than the one that it is known to be in; `warning` is what the owner should know."""

    category_id: int
    warning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WentLive:
    """The ad is visible, by Tradera's queue or by being seen. `since` is when its days began, if that is not now."""

    ad_url: str
    since: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenOver:
    """An ad of the item was found at Tradera that is not known here: after a restore, or restarted by its seller.

    It belongs to the listing of this generation, which is made with `listing_id` where nobody here remembers it. One that
    was `restarted` goes on with that listing's ladder. With `surplus` or an `end_wish` it is to be ended.
    """

    listing_id: str
    generation: int
    ad: SellerAd
    ad_url: str
    restarted: Listing | None = None
    surplus: bool = False
    end_wish: EndWish | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Superseded:
    """After a restore a newer ad of the item was found at Tradera: this listing had been closed before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnedUp:
    """An ad is up whose listing had been given up after its commit. `removed`: the owner has deleted the item since."""

    ad: SellerAd
    ad_url: str
    removed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubled:
    """An earlier ad of the item has turned up: this newer one, which is or may be up, has to go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remained:
    """Of two ads of the item the other has closed: this one stands for the item again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishFailed:
    """The listing will not become visible: refused by Tradera or impossible here. `goes_on`: another one follows at once."""

    error: str
    goes_on: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishInDoubt:
    """Nobody could say in time whether the ad is visible: the owner must look; no second listing is made."""

    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SellerTokenRefused:
    """Tradera refused the seller's token to this publishing; it goes on by itself once there is another.

    `since` (ms) names the time without a token, for which an item has one event.
    """

    error: str
    since: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sold:
    """A buyer's order for the item at Tradera, at the price of its order line."""

    order_id: int
    price_ore: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenBack:
    """A sale of the item fell through. No `order_id`: it was sold elsewhere.

    `still_sold`: another sale of it stands; `is_up`: another ad of it is up and nobody wants that ended. `once` names the
    sale, which is taken back once.
    """

    reason: str
    refunded: bool
    price_ore: int
    order_id: int | None = None
    still_sold: bool = False
    is_up: bool = False
    once: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AdClosed:
    """The ad is down without a sale; `back` is what the owner's rule says about its return, None without a rule."""

    reason: CloseReason
    back: ComesBack | StaysDown | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceChanged:
    """The owner wants another price; a live ad is repriced by a job."""

    price_ore: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Repriced:
    """Tradera shows this price now."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class EndRefused:
    """Tradera refused to end the ad, as it does once there are bids."""

    error: str


Step = (
    CreateStarted
    | Created
    | PictureStarted
    | PictureSent
    | CommitStarted
    | CommitAnswered
    | CommitRefused
    | NoAnswer
    | StartedOver
    | ResultWaits
    | EndSeen
    | CategorySeen
)
"""Inputs about the listing alone, between the order to publish and the ad: the item stays as it is."""

Input = (
    Step
    | PicturesSettled
    | PublishOrdered
    | Held
    | Released
    | WentLive
    | TakenOver
    | Superseded
    | TurnedUp
    | Doubled
    | Remained
    | PublishFailed
    | PublishInDoubt
    | SellerTokenRefused
    | Sold
    | TakenBack
    | AdClosed
    | PriceChanged
    | Repriced
    | SyncRefused
    | Removal
    | EndRefused
)
