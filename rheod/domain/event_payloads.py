"""What goes out to webhook endpoints: a class for each event, the body they are sent in, ids and times.

A body is built once, stored, and signed as stored: nothing may build it again. Each class builds the data of its event
and documents them, for the OpenAPI document is made from its fields.
"""

from __future__ import annotations

import json
from dataclasses import Field, dataclass, field, fields, replace
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from rheod.domain.model import CloseReason, Event, EventType, Item, ItemSpec, ItemType, Json, Listing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random


_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = tuple(first + second for first in _CROCKFORD for second in _CROCKFORD)
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=dict).encode


def new_ulid(now: int, rng: Random) -> str:
    """A ULID: 48 bits of `now` (ms UTC) and 80 bits of chance as 26 characters of Crockford's base 32."""
    number = (now & (1 << 48) - 1) << 80 | rng.getrandbits(80)
    return "".join([_PAIRS[number >> shift & 1023] for shift in range(120, -10, -10)])


def new_event_id(now: int, rng: Random) -> str:
    """`evt_` and a lower-case ULID; ids of later milliseconds sort later."""
    return "evt_" + new_ulid(now, rng).lower()


def rfc3339(at: int) -> str:
    """A time (ms UTC) as `2026-05-26T10:00:00Z`; parts of a second are dropped."""
    return _second(at // 1000)


@lru_cache(maxsize=4096)  # a page of a list has the same few seconds a thousand times
def _second(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def rfc3339_ms(at: int) -> str:
    """A time (ms UTC) as `2026-05-26T10:00:00.123Z`, exact: for `updatedAt`, which clients hand back."""
    return f"{rfc3339(at)[:-1]}.{at % 1000:03d}Z"


def sek(ore: int) -> int | float:
    """Öre as the JSON number of the wire: an int when whole, else two decimals at most."""
    return ore // 100 if ore % 100 == 0 else ore / 100


def _told(description: str, *, example: object = None, **schema: object) -> Mapping[str, Any]:
    """What a field of a payload means and may look like, and what JSON Schema says of it besides its type."""
    return {"description": description, **({} if example is None else {"examples": [example]}), **schema}


def told_fields(payload: type[Payload]) -> dict[str, Field[Any]]:
    """The fields of a payload that are sent, by their names on the wire, in the order in which they are sent."""
    if payload not in _TOLD_FIELDS:
        named = ((each.name.split("_"), each) for each in fields(payload) if each.metadata)
        _TOLD_FIELDS[payload] = {
            first + "".join(part.capitalize() for part in rest): each for (first, *rest), each in named
        }
    return _TOLD_FIELDS[payload]


_TOLD_FIELDS: dict[type[Payload], dict[str, Field[Any]]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """Part of a webhook's body: every field with a description is sent under its name in camelCase."""

    def data(self) -> Json:
        """The fields as they are sent."""
        return {
            name: value
            for name, each in told_fields(type(self)).items()
            if (value := getattr(self, each.name)) is not None
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope(Payload):
    """What every event looks like. The bytes are the same on every attempt."""

    event_id: str = field(
        metadata=_told(
            "The same on every attempt: forget an event you have had.",
            example="evt_01j2k3m4n5p6q7r8s9t0abcdef",
            pattern="^evt_[0-9a-hjkmnp-tv-z]{26}$",
        )
    )
    event_type: str = field(metadata=_told("What happened."))
    timestamp: str = field(
        metadata=_told("When it happened.", example="2026-05-27T14:32:00Z", format="date-time")
    )


_ACCOUNT: Json = {
    "required": ["rheoUserId"],
    "properties": {
        "rheoUserId": {"type": "string", "format": "uuid"},
        "memberExternalId": {
            "type": "string",
            "description": "The member account's reference, on endpoints with the scope `members`.",
            "examples": ["member-1"],
        },
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EventData(Payload):
    """What every event says of its item."""

    external_id: str = field(metadata=_told("The item's id in your system.", example="ERP_PART_12345"))
    rheo_item_id: str = field(metadata=_told("The item's id here.", format="uuid"))
    platform: str = field(metadata=_told("Where it happened.", enum=["tradera", "rheo"]))
    sale_price: float = field(metadata=_told("SEK; 0 unless it is a sale.", example=1100))
    currency: str = field(default="SEK", metadata=_told("Only SEK.", const="SEK"))
    account: Json = field(metadata=_told("The account the item belongs to.", **_ACCOUNT))
    metadata: Json | None = field(default=None, metadata=_told("The item's, when it has any.", example={}))
    test: bool | None = field(
        default=None,
        metadata=_told(
            "True in a test event, whose data are made up; else not there.", const=True, example=True
        ),
    )


_AD_ID = "The ad's number at Tradera."
_AN_AD = "398271634"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEvent(Payload):
    """An event that is sent to webhook endpoints. The docstring of each says when."""

    EVENT: ClassVar[EventType]

    def event(self, *, once: str | None = None) -> Event:
        """The event as it is written down; of several with the same `once` only the first is."""
        return Event(type=self.EVENT, data=self.data(), once=once)


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemCreated(WebhookEvent):
    """A new item or container was accepted."""

    EVENT = EventType.ITEM_CREATED
    type: ItemType = field(
        metadata=_told("An item, or a container that only groups items.", example=ItemType.ITEM)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagesReady(WebhookEvent):
    """The item's pictures are done."""

    EVENT = EventType.ITEM_IMAGES_READY
    images_processed: int = field(metadata=_told("How many can be shown.", example=2, minimum=1))


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingCreated(WebhookEvent):
    """The ad is live."""

    EVENT = EventType.LISTING_CREATED
    tradera_ad_id: str = field(metadata=_told(_AD_ID, example=_AN_AD))
    tradera_ad_url: str = field(
        metadata=_told("The ad's page.", example=f"https://www.tradera.com/item/{_AN_AD}")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingEnded(WebhookEvent):
    """The ad closed without a sale."""

    EVENT = EventType.LISTING_ENDED
    tradera_ad_id: str = field(metadata=_told(_AD_ID, example=_AN_AD))
    reason: CloseReason = field(metadata=_told("Why it closed.", example=CloseReason.NO_BIDS))
    will_relist_at: str | None = field(
        default=None,
        metadata=_told(
            "When it comes back by the owner's rule, if it does.",
            example="2026-06-03T14:32:00Z",
            format="date-time",
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingRelisted(WebhookEvent):
    """The ad that is live is one that has come back unsold; goes out beside `listing.created`."""

    EVENT = EventType.LISTING_RELISTED
    tradera_ad_id: str = field(metadata=_told(_AD_ID, example=_AN_AD))
    attempt: int = field(metadata=_told("Which return of the item this is.", example=1, minimum=1))
    previous_ad_id: str | None = field(
        default=None, metadata=_told("The number of the ad before.", example="398271001")
    )
    price: int = field(metadata=_told("What it asks now, in SEK.", example=720))
    previous_price: int | None = field(default=None, metadata=_told("What the ad before asked.", example=800))
    reason: str = field(
        metadata=_told("Why it came back at this price.", example="lowered to 720: return 1 of 3")
    )

    @classmethod
    def of(cls, listing: Listing) -> tuple[Event, ...]:
        """The event of a listing that is live; none for a first ad, or for one at a price the ERP has set since."""
        ladder = listing.ladder
        if ladder is None or not ladder.attempt:
            return ()
        told = cls(
            tradera_ad_id=str(listing.tradera_item_id),
            attempt=ladder.attempt,
            previous_ad_id=None if ladder.previous_ad is None else str(ladder.previous_ad),
            price=ladder.price_kr,
            previous_price=ladder.previous_kr,
            reason=ladder.why,
        )
        return (told.event(once=f"listing.relisted:{listing.id}"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingFailed(WebhookEvent):
    """The ad could not be published, repriced or ended."""

    EVENT = EventType.LISTING_FAILED
    error: str = field(metadata=_told("Why, in one sentence.", example="Tradera refused the category"))
    tradera_ad_id: str | None = field(default=None, metadata=_told(_AD_ID, example=_AN_AD))


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemSold(WebhookEvent):
    """The item is sold: at Tradera, or elsewhere (`platform` is then `rheo`, and there is neither ad nor order)."""

    EVENT = EventType.ITEM_SOLD
    sale_price_ore: int
    platform: str = "tradera"
    tradera_ad_id: str | None = field(default=None, metadata=_told(_AD_ID, example=_AN_AD))
    order_id: str | None = field(
        default=None, metadata=_told("The order, for its tracking.", example="81234567")
    )

    def event(self, *, once: str | None = None) -> Event:
        """The event as it is written down, with what every event says of a sale."""
        return Event(
            type=self.EVENT,
            data=self.data(),
            sale_price_ore=self.sale_price_ore,
            platform=self.platform,
            once=once,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SaleConflict(WebhookEvent):
    """One thing is sold twice, or it is sold while another ad of it is up that has bids: somebody must be told no."""

    EVENT = EventType.SALE_CONFLICT
    tradera_ad_id: str = field(metadata=_told("The ad that sold it again, or may.", example=_AN_AD))
    order_id: str | None = field(
        default=None, metadata=_told("The order of that ad; none while it is up.", example="81234567")
    )
    other_ad_id: str | None = field(
        default=None, metadata=_told("The ad that had sold it.", example="398271001")
    )
    other_order_id: str | None = field(
        default=None, metadata=_told("The order of that one.", example="81234001")
    )
    reason: str = field(
        metadata=_told("What has happened, in one sentence.", example="The item is sold by two ads")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SaleReversed(ItemSold):
    """A sale of the item fell through: it is yours again, and `listing.created` follows where it is put up once more.

    The price is what it had been sold for.
    """

    EVENT = EventType.ITEM_SALE_REVERSED
    reason: str = field(
        default="", metadata=_told("Why: unpaid, cancelled, returned or lost.", example="unpaid")
    )
    refunded: bool = field(
        default=False, metadata=_told("Whether you said that the money was paid back.", example=False)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagesFailed(WebhookEvent):
    """Pictures of the item cannot be had: told once every one was asked for, while others may still be tried again."""

    EVENT = EventType.ITEM_IMAGES_FAILED
    pictures: tuple[Json, ...] = field(
        metadata=_told(
            "The addresses you gave, each with what is wrong.",
            example=[{"url": "https://shop.example.se/1.jpg", "error": "shop.example.se answered 404"}],
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedsAttention(WebhookEvent):
    """The item waits for you: its category or an attribute is missing. Told once for each reason."""

    EVENT = EventType.ITEM_NEEDS_ATTENTION
    reason: str = field(metadata=_told("What to do, in one sentence.", example="Choose a category"))
    missing: tuple[str, ...] = field(
        metadata=_told("Attributes that Tradera requires and the item does not give.", example=["Skick"])
    )
    since: str = field(
        metadata=_told("Since when it waits.", example="2026-05-27T14:32:00Z", format="date-time")
    )

    @property
    def digest(self) -> str:
        """The same for the same reason, however often it comes."""
        told = "\n".join((self.reason, *self.missing)).encode(errors="backslashreplace")
        return sha256(told).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderEvent(WebhookEvent):
    """What every event about an order says: one for the order, whatever was sold by it."""

    order_id: str = field(metadata=_told("The order.", example="81234567"))
    status: str = field(metadata=_told("Where the order stands.", example="ready"))
    flags: tuple[str, ...] = field(
        metadata=_told("What to look at before it is sent.", example=["partly_paid"])
    )
    items: tuple[Json, ...] = field(
        metadata=_told(
            "What was sold; `externalId` null: something rheod does not know.",
            example=[
                {
                    "externalId": "ERP_PART_12345",
                    "rheoItemId": None,
                    "adId": _AN_AD,
                    "title": "Bromsok",
                    "quantity": 1,
                    "unitPrice": 700,
                }
            ],
        )
    )
    total: float = field(metadata=_told("SEK: what the buyer is to pay, freight and all.", example=769))
    paid: float = field(metadata=_told("SEK: what is confirmed as paid.", example=769))
    buyer: Json | None = field(
        default=None,
        metadata=_told("Only where `webhooks.include_buyer` says so.", example={"alias": "annak"}),
    )
    ship_to: Json | None = field(
        default=None, metadata=_told("Only where `webhooks.include_buyer` says so.", example={"name": "Anna"})
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCreated(OrderEvent):
    """An order was made at Tradera."""

    EVENT = EventType.ORDER_CREATED


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPaid(OrderEvent):
    """All of an order is paid; again, when it has grown meanwhile or money was paid back."""

    EVENT = EventType.ORDER_PAID


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderGrew(OrderEvent):
    """The buyer has added to an order."""

    EVENT = EventType.ORDER_GREW


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderShipped(OrderEvent):
    """An order was sent or handed over."""

    EVENT = EventType.ORDER_SHIPPED


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPaidAfterReversal(OrderEvent):
    """An order was paid whose sale had been taken back: refund it, or send the thing if you still have it."""

    EVENT = EventType.ORDER_PAID_AFTER_REVERSAL


WEBHOOK_EVENT_CLASSES: tuple[type[WebhookEvent], ...] = (
    ItemCreated,
    ImagesReady,
    ListingCreated,
    ListingEnded,
    ListingRelisted,
    ListingFailed,
    ItemSold,
    SaleConflict,
    SaleReversed,
    ImagesFailed,
    NeedsAttention,
    OrderCreated,
    OrderPaid,
    OrderGrew,
    OrderShipped,
    OrderPaidAfterReversal,
)


def example_of(event: type[WebhookEvent]) -> Event:
    """An event that says what the examples of its fields say."""
    said = {each.name: each.metadata["examples"][0] for each in told_fields(event).values()}
    if issubclass(event, ItemSold):
        said["sale_price_ore"] = 110_000
    return event(**said).event()


def webhook_body(*, event_id: str, now: int, item: Item, event: Event, member: str | None = None) -> bytes:
    """The event as compact UTF-8 JSON: what it adds, then the fields every event has.

    `now` (ms UTC) is when it happened. What an event adds never replaces a field every event has. `member` is the
    reference of the item's account, which the reseller is told.
    """
    shared = EventData(
        external_id=item.external_id,
        rheo_item_id=item.id,
        platform=event.platform,
        sale_price=sek(event.sale_price_ore),
        account={"rheoUserId": item.account_id, **({} if member is None else {"memberExternalId": member})},
        metadata=item.spec.metadata or None,
    )
    envelope = Envelope(event_id=event_id, event_type=event.type, timestamp=rfc3339(now))
    text = _encode({**envelope.data(), "data": {**event.data, **shared.data()}})
    return text.encode("utf-8", errors="backslashreplace")  # of a lone surrogate, which UTF-8 cannot hold


def made_up_body(
    *, event_id: str, now: int, account_id: str, event_type: EventType, member: str | None = None
) -> bytes:
    """A test event: one of the usual types, which any receiver knows, about an item that does not exist."""
    example = example_of(next(each for each in WEBHOOK_EVENT_CLASSES if each.EVENT is event_type))
    event = replace(example, data={**example.data, "test": True})
    nothing = Item(
        id=str(UUID(int=0)), account_id=account_id, external_id="TEST", spec=ItemSpec(title="Test")
    )
    return webhook_body(event_id=event_id, now=now, item=nothing, event=event, member=member)
