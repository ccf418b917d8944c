"""Sales that fell through: the reasons, and what taking one back makes of the item and of the ad that had sold it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from rheod.domain.event_payloads import SaleReversed
from rheod.domain.lifecycle import Move, moved, moved_listing

if TYPE_CHECKING:
    from rheod.domain.inputs import TakenBack
    from rheod.domain.model import Event, Item, Listing


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
