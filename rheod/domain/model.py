"""The nouns of rheod, frozen and typed: item, listing, picture, order, job, event.

Times are milliseconds since 1970 UTC, money is öre (a hundredth of a krona), ids are text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from rheod.domain.calendar import EndPlace

Json = Mapping[str, Any]


class ItemType(StrEnum):
    """An item can be listed; a container only groups items (a donor vehicle)."""

    ITEM = "item"
    CONTAINER = "container"


class RheoStatus(StrEnum):
    """Where an item stands here: the `rheoStatus` of the API."""

    DRAFT = "draft"
    ACTIVE = "active"
    SOLD = "sold"
    NOT_LISTED = "not_listed"
    ARCHIVED = "archived"


class TraderaStatus(StrEnum):
    """Where an item stands at Tradera, `traderaStatus`; without one it was never asked to go there, or taken back."""

    PENDING_SYNC = "pending_sync"
    ACTIVE = "active"
    SOLD = "sold"
    ENDED = "ended"
    SYNC_ERROR = "sync_error"


class ListingState(StrEnum):
    """How far one publishing of an item has come; stored before and after every call to Tradera."""

    QUEUED = "queued"  # wanted; nothing at Tradera
    ADDING = "adding"  # create is being sent
    ADDED = "added"  # request id and item id known; pictures go up
    COMMITTING = "committing"  # commit is being sent, or its answer was lost
    COMMITTED = "committed"  # Tradera took the commit; its queue works
    LIVE = "live"  # visible
    SOLD = "sold"
    ENDED = "ended"
    REJECTED = "rejected"  # Tradera (or we) said no; never visible
    WITHDRAWN = "withdrawn"  # taken back before it became visible

    @property
    def is_open(self) -> bool:
        """True while an ad may be or become visible: no second listing of the item may exist then."""
        return self not in CLOSED_LISTING_STATES

    @property
    def may_be_live(self) -> bool:
        """True from the moment the commit may have been sent until the ad is known to be closed."""
        return self in {ListingState.COMMITTING, ListingState.COMMITTED, ListingState.LIVE}


CLOSED_LISTING_STATES = frozenset(
    {ListingState.SOLD, ListingState.ENDED, ListingState.REJECTED, ListingState.WITHDRAWN}
)


class EndWish(StrEnum):
    """Why the owner wants a listing gone."""

    UNLISTED = "unlisted"
    MARKED_SOLD = "marked_sold"
    DELETED = "deleted"


class CloseReason(StrEnum):
    """Why a listing closed without a sale: the `reason` of `listing.ended`."""

    NO_BIDS = "no_bids"
    CLOSED_BY_TRADERA = "closed_by_tradera"
    CLOSED_BY_SELLER = "closed_by_seller"
    QUANTITY_ZERO = "quantity_zero"


class PictureState(StrEnum):
    """Whether a picture can be shown."""

    PENDING = "pending"
    READY = "ready"
    FAILED = "failed"


class QueueName(StrEnum):
    """The queues over the jobs table, one loop each (tradera: one for every seller account).

    The values are stored and are the labels of the metrics, so they stay as they were named first.
    """

    PICTURES = "images"
    TRADERA = "tradera"
    WEBHOOKS = "hooks"
    PUSH = "sales"


class JobKind(StrEnum):
    """Every kind of background work, with what its subject is."""

    FETCH_PICTURE = "fetch_picture"  # picture id
    PUBLISH = "publish"  # listing id
    REPRICE = "reprice"  # listing id
    END = "end"  # listing id
    RESULTS = "results"  # account id: asks for all waiting listings in one call
    ORDERS = "orders"  # account id: looks up all orders in the inbox in one call
    RELIST = "relist"  # id of a listing that ended unsold: puts the item up again
    LOOK = "look"  # listing id: looks for an ad that may be up though nobody waits for its result any more
    RECONCILE = "reconcile"  # account id
    BIDS = "bids"  # account id: reads what ads that are up have of bids
    TAKEOVER = "takeover"  # account id: finds the ads made since the backup that rheod began from
    SHIP = "ship"  # order id: marks it as shipped
    CONFIRM = "confirm"  # order id: tells Tradera that it was paid outside
    CLOSE = "close"  # inbox id of an ItemClosed
    DELIVER = "deliver"  # "<event seq>:<endpoint id>"
    REFERENCE = (
        "reference"  # "categories", "shipping" or "definitions:<leaf>": with the application's keys alone
    )


class CallClass(StrEnum):
    """What a Tradera call is for; declared from the most to the least urgent."""

    TAKEOVER = "takeover"
    END = "end"
    ORDERS = "orders"
    SHIP = "ship"
    RESULTS = "results"
    PRICE = "price"
    PUBLISH = "publish"
    RECONCILE = "reconcile"
    REFERENCE = "reference"


class EventType(StrEnum):
    """What happens to an item or an order. The first six go to every endpoint, the others of `WEBHOOK_EVENTS` to those that ask.

    In the order in which an endpoint's types are asked for its test event: what an ERP acts upon comes last.
    """

    ITEM_CREATED = "item.created"
    ITEM_IMAGES_READY = "item.images_ready"
    LISTING_CREATED = "listing.created"
    LISTING_ENDED = "listing.ended"
    LISTING_FAILED = "listing.failed"
    ITEM_SOLD = "item.sold"
    SALE_CONFLICT = "sale.conflict"
    ITEM_SALE_REVERSED = "item.sale_reversed"
    ITEM_NEEDS_ATTENTION = "item.needs_attention"
    ITEM_UPDATED = "item.updated"
    IMAGE_FAILED = "image.failed"
    ITEM_IMAGES_FAILED = "item.images_failed"
    PRICE_UPDATED = "price.updated"
    ITEM_UNLISTED = "item.unlisted"
    LISTING_SETTLED = "listing.settled"
    LISTING_MOVED = "listing.moved"
    LISTING_RELISTED = "listing.relisted"
    RELIST_PLANNED = "relist.planned"
    RELIST_STOPPED = "relist.stopped"
    END_MOVED = "end.moved"
    ITEM_DELETED = "item.deleted"
    ORDER_CREATED = "order.created"
    ORDER_PAID = "order.paid"
    ORDER_GREW = "order.grew"
    ORDER_SHIPPED = "order.shipped"
    ORDER_PAID_AFTER_REVERSAL = "order.paid_after_reversal"
    ORDER_SHIP_FAILED = "order.ship_failed"


RHEO_EVENTS = frozenset(
    {
        EventType.ITEM_CREATED,
        EventType.ITEM_IMAGES_READY,
        EventType.LISTING_CREATED,
        EventType.LISTING_ENDED,
        EventType.LISTING_FAILED,
        EventType.ITEM_SOLD,
    }
)
"""The events of the hosted service: those an endpoint gets that names none."""

WEBHOOK_EVENTS = RHEO_EVENTS | {
    EventType.ITEM_IMAGES_FAILED,
    EventType.ITEM_NEEDS_ATTENTION,
    EventType.LISTING_RELISTED,
    EventType.ITEM_SALE_REVERSED,
    EventType.ORDER_CREATED,
    EventType.ORDER_PAID,
    EventType.ORDER_GREW,
    EventType.ORDER_SHIPPED,
    EventType.ORDER_PAID_AFTER_REVERSAL,
    EventType.SALE_CONFLICT,
}
"""Every event that goes out."""

EVERY_EVENT = "*"
"""What an endpoint names that gets all there are and will be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelistWish:
    """What an item says itself about coming back unsold; None leaves it to the owner's rule. `until` is ms UTC."""

    enabled: bool | None = None
    times: int | None = None
    steps: tuple[float | str, ...] | None = None
    floor_kr: int | None = None
    wait_h: float | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """Where a listing stands that comes back after earlier ones ended unsold; the item's own price stays the ERP's.

    `first_kr` was asked at first, `price_kr` is asked now; `attempt` counts the returns from 1 (0: the first ad).
    `reserve_kr` None keeps the reserve's distance to the price, 0 drops it. `fixed`: for sale at that price. `began_at` is
    when its first ad went up (ms), `previous_ad` and `previous_kr` are of the ad before this one, `why` says it in words.
    """

    first_kr: int
    price_kr: int
    attempt: int = 0
    reserve_kr: int | None = None
    fixed: bool = False
    began_at: int = 0
    previous_ad: int | None = None
    previous_kr: int | None = None
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraderaWish:
    """The item's own `tradera` object; None means the settings' default. Money in öre."""

    category_id: int | None = None
    listing_type: str | None = None
    duration_days: int | None = None
    buy_it_now_ore: int | None = None
    reserve_ore: int | None = None
    condition: str | None = None
    restarts: int | None = None
    start_at: int | None = None
    end_at: int | None = None
    relist: RelistWish | None = None
    attributes: Json | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemSpec:
    """What one PUT says about an item, checked and in our words.

    None for `metadata`, `tradera`, `domain` and `image_urls` means absent from the body: the stored value stays.
    `domain` is a canonical slug, `attributes` its attributes as given (JSON). `made_here`: by the owner's hand and by no ERP.
    `mended` names what the owner has set by hand of an ERP's item; it holds until a PUT names that.
    """

    type: ItemType = ItemType.ITEM
    title: str
    description: str = ""
    price_ore: int | None = None
    shipping_cost_ore: int | None = None
    shipping_strategy: str = "integrated"
    weight_kg: float | None = None
    image_urls: tuple[str, ...] | None = ()
    domain: str | None = None
    attributes: Json | None = None
    schema_version: str = "1.0.0"
    parent_external_id: str | None = None
    metadata: Json | None = None
    external_reference: str | None = None
    source: str | None = None
    auto_publish: bool = False
    use_ai: bool = False
    tradera: TraderaWish | None = None
    made_here: bool | None = None
    mended: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing the reseller owns. `version` goes up with every change of what an ad would show."""

    id: str
    account_id: str
    external_id: str
    spec: ItemSpec
    rheo_status: RheoStatus = RheoStatus.DRAFT
    tradera_status: TraderaStatus | None = None
    version: int = 1
    last_error: str | None = None
    delete_requested: bool = False
    created_at: int = 0
    updated_at: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One publishing of an item at Tradera; `generation` counts them, so that at most one commit each takes effect.

    `commit_sent_at` never changes again; `waits_since` is since when Tradera could have settled it, by the clock as it is
    now: the same moment, less what rheod could not ask or send meanwhile.
    """

    id: str
    item_id: str
    account_id: str
    generation: int
    state: ListingState = ListingState.QUEUED
    item_version: int = 0
    price_kr: int | None = None
    days: int | None = None
    request_id: int | None = None
    tradera_item_id: int | None = None
    added_at: int | None = None
    pictures_sent: int = 0
    picture_in_doubt: bool = False
    asked: int = 0
    ask_at: int | None = None
    commit_sent_at: int | None = None
    waits_since: int | None = None
    live_at: int | None = None
    ends_at: int | None = None
    closed_at: int | None = None
    end_wish: EndWish | None = None
    error: str | None = None
    ladder: Ladder | None = None
    end_place: EndPlace | None = None
    surplus: bool = False  # an earlier ad of the item has turned up: this one is to be ended
    category_id: int | None = None
    moved_from: int | None = None  # the category that the ad was put into, where Tradera has moved it since
    warning: str | None = None  # what the owner should know of it though nothing stops it
    put_off: str | None = (
        None  # why what its result asks for cannot be sent before `ask_at`: no call is left for it
    )
    held: str | None = None  # why nothing is sent until the owner has acted
    held_missing: tuple[str, ...] = ()
    held_since: int | None = None

    @property
    def is_in_doubt(self) -> bool:
        """A commit was sent, nobody knows what became of it, and Tradera's queue is asked only on a slow schedule."""
        return self.state in {ListingState.COMMITTING, ListingState.COMMITTED} and self.ask_at is None

    @property
    def is_held(self) -> bool:
        """Nothing of it is sent: something that only the owner can say is missing."""
        return self.held is not None and self.state is ListingState.QUEUED

    @property
    def is_given_up(self) -> bool:
        """Closed as never shown though a commit was sent: an ad that appears all the same is ours."""
        return self.state is ListingState.REJECTED and self.commit_sent_at is not None

    @property
    def own_reference(self) -> str:
        """What names this publishing at Tradera: our item id and the generation (at most 60 characters)."""
        return f"rheod:{self.item_id}:{self.generation}"


def read_reference(text: str) -> tuple[str, int] | None:
    """The item id and generation that an own reference names, None when it is not one of rheod's."""
    parts = text.split(":")
    if len(parts) == 3 and parts[0] == "rheod" and parts[2].isdecimal() and len(parts[2]) < 10:
        return parts[1], int(parts[2])
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One picture of an item, in the order it is shown; `file` is its name under the image folder when ready.

    `note` is what is to be said of one that can be shown. `told`: its failure has gone out as an event.
    """

    id: str
    item_id: str
    position: int
    url: str
    state: PictureState = PictureState.PENDING
    file: str | None = None
    size_bytes: int | None = None
    error: str | None = None
    note: str | None = None
    told: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A row of the jobs table as a worker gets it. `attempts` counts the tries before this one.

    `unclear` counts those in a row that got no clear answer from the remote. `external_id` is the item's, for the log;
    None where the job is about no single item, or its reader did not ask.
    """

    id: int
    queue: QueueName
    kind: JobKind
    subject: str
    account_id: str
    item_id: str | None
    attempts: int
    due_at: int
    revision: int
    created_at: int
    unclear: int = 0
    external_id: str | None = None

    @property
    def item_named(self) -> dict[str, str]:
        """The item's name as a field of a line of the log; empty where there is none."""
        return {} if self.external_id is None else {"external_id": self.external_id}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOrder:
    """Work to be done. The same kind and subject twice is one job, run again if it is running now."""

    queue: QueueName
    kind: JobKind
    subject: str
    delay_ms: int = 0
    cost: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to an item, to be kept and, if it is a webhook event, sent: `data` is what it adds.

    Of events with the same `once` only the first is written.
    """

    type: EventType
    data: Json = field(default_factory=dict)
    sale_price_ore: int = 0
    platform: str = "tradera"
    once: str | None = None
