"""An order as Tradera tells it, and what can be said of it: whether it may be sent, and what does not add up.

Also sales that fell through: the reasons, and what taking one back makes of the item and of the ad that had sold it.

Pure rules. Money is öre, times are milliseconds UTC. None stands for what Tradera has not said, which is never 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from rheod.domain.errors import Text
from rheod.domain.event_payloads import SaleReversed
from rheod.domain.lifecycle import Move, moved, moved_listing
from rheod.domain.model import Json

if TYPE_CHECKING:
    from rheod.domain.inputs import TakenBack
    from rheod.domain.model import Event, Item, Listing


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLine:
    """One sold listing of an order; the unit price is what the buyer pays for it, in öre.

    `vat_rate` is a percentage; `part_number` is the seller's own number of the thing, of shop items.
    """

    tradera_item_id: int
    quantity: int
    unit_price_ore: int
    own_references: tuple[str, ...] = ()
    title: str = ""
    vat_rate: int | None = None
    part_number: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """One payment through Tradera. `reference` is personal data: it may be a telephone number."""

    type: str = ""
    reference: str | None = None
    amount_ore: int | None = None
    paid_at: int | None = None
    cost_ore: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFreight:
    """What is known of how an order is to be sent, and what the buyer pays for it."""

    cost_ore: int | None = None
    type: str = ""
    weight_kg: float | None = None


NO_FREIGHT = OrderFreight()


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A sale as Tradera tells it. `buyer` is personal data: it never reaches a log or the history.

    `payments` None: nothing was said of them, and `paid_at` alone says that it is paid. Until `expires_at` the buyer may
    add to it. With a `doubt`, which says what cannot be read, `lines` has only what can; `raw` is then Tradera's answer,
    which holds personal data too, and `doubtful_ads` are ads named where the rest of the line cannot be read. `order_id`
    0: it has none.
    """

    order_id: int
    created_at: int
    updated_at: int
    lines: tuple[OrderLine, ...]
    subtotal_ore: int = 0
    paid_at: int | None = None
    payments: tuple[Payment, ...] | None = None
    freight: OrderFreight = NO_FREIGHT
    expires_at: int | None = None
    purchase_id: str = ""
    buyer: Json = field(default_factory=dict)
    doubt: Text | None = None
    doubtful_ads: tuple[int, ...] = ()
    raw: str = ""


class OrderStatus(StrEnum):
    """Where an order stands; of several that fit the first counts."""

    REVERSED = "reversed"  # every line of it has fallen through
    SHIPPED = "shipped"  # sent or handed over
    UNPAID = "unpaid"  # less than its total is confirmed
    WAITS = "waits"  # paid, but the buyer may still add to it
    READY = "ready"


class OrderFlag(StrEnum):
    """What the owner should look at before sending an order."""

    PARTLY_PAID = "partly_paid"
    REFUNDED = "refunded"
    SUM_DIFFERS = "sum_differs"
    PARTLY_REVERSED = "partly_reversed"
    UNKNOWN_ITEM = "unknown_item"
    GREW_AFTER_PRINT = "grew_after_print"
    PAID_AFTER_REVERSAL = "paid_after_reversal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The facts of an order that decide its status and its flags.

    `subtotal_ore` is Tradera's own sum of the lines, `lines_ore` ours. `amounts` are those of the payments, None for
    payments nobody has told of; `most_paid_ore` is the most that was ever paid. `told_paid` says that the order is paid
    where no amount does: the owner's word, or that of a rheod which did not keep amounts. `waits_until` is when it can
    grow no more (None: it cannot, or is sent all the same). `paid_late`: more is paid than when the sale was taken back.
    """

    subtotal_ore: int
    lines_ore: int
    freight_ore: int | None = None
    amounts: tuple[int | None, ...] | None = None
    most_paid_ore: int = 0
    told_paid: bool = False
    sent: bool = False
    waits_until: int | None = None
    lines: int = 1
    lines_reversed: int = 0
    lines_unknown: int = 0
    grew_at: int | None = None
    printed_at: int | None = None
    reversed_at: int | None = None
    paid_late: bool = False
    last_paid_at: int | None = None

    @property
    def total_ore(self) -> int:
        """What the buyer is to pay, as far as it is known: the freight may come with a later reading."""
        return self.subtotal_ore + (self.freight_ore or 0)

    @property
    def paid_ore(self) -> int:
        """What was paid through Tradera, as far as it can be read."""
        return sum(amount or 0 for amount in self.amounts or ())

    @property
    def is_paid(self) -> bool:
        """Whether the whole total is confirmed."""
        if self.told_paid:
            return True
        paid = bool(self.amounts) and None not in (self.amounts or ())
        return paid and self.paid_ore >= self.total_ore


def status_of(order: Standing, *, now: int) -> OrderStatus:
    """Where the order stands at this time (ms)."""
    if order.lines and order.lines_reversed == order.lines:
        return OrderStatus.REVERSED
    if order.sent:
        return OrderStatus.SHIPPED
    if not order.is_paid:
        return OrderStatus.UNPAID
    if order.waits_until is not None and order.waits_until > now:
        return OrderStatus.WAITS
    return OrderStatus.READY


def flags_of(order: Standing) -> tuple[OrderFlag, ...]:
    """What does not add up, or has changed, in the order of the enumeration."""
    paid, total = order.paid_ore, order.total_ore
    differs = order.subtotal_ore != order.lines_ore or None in (order.amounts or ()) or paid > total
    found = {
        OrderFlag.PARTLY_PAID: 0 < paid < total and not order.is_paid,
        OrderFlag.REFUNDED: paid < order.most_paid_ore,
        OrderFlag.SUM_DIFFERS: differs,
        OrderFlag.PARTLY_REVERSED: 0 < order.lines_reversed < order.lines,
        OrderFlag.UNKNOWN_ITEM: order.lines_unknown > 0,
        OrderFlag.GREW_AFTER_PRINT: order.printed_at is not None and (order.grew_at or 0) > order.printed_at,
        OrderFlag.PAID_AFTER_REVERSAL: order.reversed_at is not None and order.paid_late,
    }
    return tuple(flag for flag, is_so in found.items() if is_so)


def ship_to(buyer: Json) -> Json:
    """Where an order of this buyer is sent, by our names: Tradera's address to ship to, else the buyer's own."""
    given = buyer.get("shipTo")
    to = given if isinstance(given, dict) and given else buyer
    own_name = " ".join(str(buyer[part]) for part in ("firstName", "lastName") if buyer.get(part))
    return {
        "name": to.get("name") or own_name or None,
        "address1": to.get("addressLine1") or to.get("address"),
        "address2": to.get("addressLine2"),
        "zip": to.get("zipCode"),
        "city": to.get("city"),
        "country": to.get("countryName") or to.get("country"),
    }


def contact_of(buyer: Json) -> Json:
    """Who has bought, and how to reach them."""
    phone = buyer.get("phone") or buyer.get("phoneNumber") or buyer.get("mobilePhoneNumber")
    return {"alias": buyer.get("alias"), "email": buyer.get("email"), "phone": phone}


class ReversalReason(StrEnum):
    """Why a sale fell through."""

    UNPAID = "unpaid"
    CANCELLED = "cancelled"
    RETURNED = "returned"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reversal:
    """The owner's word that a sale fell through; `refunded`: what was paid has been paid back, `relist`: sell it again."""

    reason: ReversalReason
    order_id: int | None = None
    refunded: bool = False
    relist: bool = False


def taken_back(
    item: Item, listing: Listing | None, given: TakenBack
) -> tuple[Item, Listing | None, tuple[Event, ...]]:
    """The item under its own id again, unless another sale of it stands, and the ad that had sold it as one that ended.

    Where another ad of the item is up it is that one's. Raises Refused (CONFLICT) for what is not sold.
    """
    after = listing and moved_listing(listing, Move.TAKEN_BACK)
    back = item if given.still_sold else moved(item, Move.TAKEN_BACK)
    if given.is_up and not given.still_sold:
        back = moved(moved(back, Move.PUBLISH_ORDERED), Move.WENT_LIVE)
    told = SaleReversed(
        reason=given.reason,
        refunded=given.refunded,
        tradera_ad_id=None if listing is None else str(listing.tradera_item_id),
        order_id=None if given.order_id is None else str(given.order_id),
        platform="rheo" if given.order_id is None else "tradera",
        sale_price_ore=given.price_ore,
    )
    return back, after or listing, (told.event(once=given.once),)
