"""The price ladder of an unsold item: what the item says of it, and where a listing stands on it."""

from __future__ import annotations

from dataclasses import dataclass


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
