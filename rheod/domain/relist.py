"""Whether an ad that ended without a buyer comes back, when, and at what price: the ladder with its floor. No I/O.

An unsold auction comes back as a new listing, cheaper step by step, never below its floor, until a rule stops it.
Prices are whole kronor and a rule never raises one. Money the ERP gives stays the item's; what the ladder asks is
kept on the listing (`Ladder`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction

from rheod.domain.ad_text import whole_kronor
from rheod.domain.errors import Text
from rheod.domain.model import CloseReason, Item, Ladder, RelistWish, TraderaWish

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS


def step_of(value: float | str) -> float | str:
    """A step as a rule has it: a share above 0 and at most 1, or `-10%`. Raises ValueError for one that raises the price."""
    if isinstance(value, str):
        cut = value.strip().removesuffix("%")
        if (
            value.strip().endswith("%")
            and cut.startswith("-")
            and cut[1:].isdecimal()
            and 0 < int(cut[1:]) < 100
        ):
            return f"{cut}%"
        raise ValueError('must be a share such as 0.9, or a cut such as "-10%"')
    if isinstance(value, bool) or not 0 < value <= 1:
        raise ValueError("must be above 0 and at most 1: no return is dearer than the ad before")
    return float(value)


class Then(StrEnum):
    """What becomes of an item whose ladder is at its end."""

    NOT_LISTED = "not_listed"
    FIXED_PRICE = "fixed_price"
    TELL = "tell"


class BelowReserve(StrEnum):
    """What becomes of the reserve where bids did not reach it."""

    KEEP = "keep"
    DROP = "drop"
    LOWER = "lower"


@dataclass(frozen=True, slots=True, kw_only=True)
class RelistRule:
    """The owner's rule, or what is left of it once an item's own words are laid over it (`laid_over`).

    `times` is how often an ad comes back at most. `steps` are the prices of the first, second … return: a share of the
    first price (0.9) or a cut of the price before it ("-10%"); the last repeats. `round_to` is 1, 5, 10, or 9 for prices
    that end in 9. `floor` is kronor from 1 on, below that a share of the first price; `floor_kr` is the item's own.
    """

    enabled: bool = False
    times: int = 3
    steps: tuple[float | str, ...] = (0.9, 0.8, 0.7)
    round_to: int = 1
    floor: float | None = None
    floor_kr: int | None = None
    wait_h: float = 24
    stop_after_days: float = 60
    then: Then = Then.NOT_LISTED
    below_reserve: BelowReserve = BelowReserve.KEEP
    until: int | None = None

    @property
    def has_floor(self) -> bool:
        """Without a floor no rule is followed: nothing would keep a thing from going for a krona."""
        return self.floor is not None or self.floor_kr is not None

    def laid_over(self, wish: RelistWish | None) -> RelistRule:
        """The rule for an item that says this about its returns; what it leaves out is the owner's."""
        if wish is None:
            return self
        return replace(
            self,
            enabled=self.enabled if wish.enabled is None else wish.enabled,
            times=self.times if wish.times is None else wish.times,
            steps=wish.steps or self.steps,
            floor_kr=self.floor_kr if wish.floor_kr is None else wish.floor_kr,
            wait_h=self.wait_h if wish.wait_h is None else wish.wait_h,
            until=self.until if wish.until is None else wish.until,
        )

    def floor_of(self, first_kr: int) -> int:
        """The lowest price in kronor for a ladder that began at `first_kr`: the highest floor anybody has set."""
        own = self.floor_kr or 1
        if self.floor is None:
            return own
        rules = self.floor if self.floor >= 1 else _exact(self.floor) * first_kr
        return max(own, -int(-rules // 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsold:
    """An ad that ended, as the decision needs it: its price, the ladder it stands on, and what it had reached.

    `number` is the ad's. `ladder` None: it is the first ad; one that is at its beginning with another price has that of the
    ERP, which the ad has never had, and comes back at it first. `reserve_kr` is the reserve it had, `began_at` when it went up.
    """

    reason: CloseReason
    number: int | None = None
    price_kr: int
    ladder: Ladder | None
    began_at: int
    ended_at: int
    highest_bid_kr: int | None = None
    reserve_kr: int | None = None
    withdrawn: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ComesBack:
    """The ad returns at `at` (ms UTC, or as soon after it as an end time is free) on this step of its ladder."""

    at: int
    ladder: Ladder
    why: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class StaysDown:
    """The ad does not return. `then` is set where its ladder is at its end, and says what the item becomes."""

    why: Text
    then: Then | None = None


def decide(rule: RelistRule, ad: Unsold) -> ComesBack | StaysDown:
    """Say whether an ad that has ended without a buyer comes back by this rule, and why."""
    ladder = ad.ladder or Ladder(first_kr=ad.price_kr, price_kr=ad.price_kr, began_at=ad.began_at)
    ladder = replace(ladder, previous_ad=ad.number, previous_kr=ad.price_kr)
    floor_kr = rule.floor_of(ladder.first_kr)
    asked_kr = ad.price_kr if ladder.attempt else ladder.price_kr
    forbidden = (
        (ad.reason is CloseReason.CLOSED_BY_TRADERA, Text("not relisted: closed by Tradera")),
        (
            ad.withdrawn or ad.reason is not CloseReason.NO_BIDS,
            Text("not relisted: taken down by its seller"),
        ),
        (not rule.enabled, Text("not relisted: no rule says so")),
        (not rule.has_floor, Text("not relisted: the rule has no floor")),
        (
            asked_kr < floor_kr,
            Text("not relisted: {price} is under the floor {floor}", price=asked_kr, floor=floor_kr),
        ),
    )
    for holds, why in forbidden:
        if holds:
            return StaysDown(why=why)
    at = ad.ended_at + round(rule.wait_h * _HOUR_MS)
    days = f"{rule.stop_after_days:g}"
    over = (
        (ladder.fixed, Text("not relisted: its time at a fixed price is over"), Then.TELL),
        (
            rule.until is not None and at > rule.until,
            Text("not relisted: its last day has passed"),
            Then.TELL if rule.then is Then.FIXED_PRICE else rule.then,
        ),
        (
            at > ladder.began_at + round(rule.stop_after_days * _DAY_MS),
            Text("not relisted: {days} days are over", days=days),
            rule.then,
        ),
        (
            ladder.attempt >= rule.times,
            Text("not relisted: times it has come back: {n}", n=ladder.attempt),
            rule.then,
        ),
    )
    for holds, why, then in over:
        if holds and then is Then.FIXED_PRICE:
            on = Text("goes on at a fixed price of {price}", price=ad.price_kr)
            last = replace(
                ladder, attempt=ladder.attempt + 1, price_kr=ad.price_kr, reserve_kr=0, fixed=True, why=on
            )
            return ComesBack(at=at, ladder=last, why=on)
        if holds:
            return StaysDown(why=why, then=then)
    if asked_kr != ad.price_kr:
        why = Text("at its new price of {price}", price=asked_kr)
        return ComesBack(at=at, ladder=replace(ladder, why=why), why=why)
    return _next_step(rule, ad, ladder, at, floor_kr)


def _next_step(rule: RelistRule, ad: Unsold, ladder: Ladder, at: int, floor_kr: int) -> ComesBack:
    attempt = ladder.attempt + 1
    price_kr = price_of(rule, attempt, first_kr=ladder.first_kr, before_kr=ad.price_kr)
    values = {"price": price_kr, "n": attempt, "of": max(rule.times, attempt)}
    if price_kr < ad.price_kr:
        why = Text("lowered to {price}: return {n} of {of}", **values)
    elif price_kr == floor_kr:
        why = Text("kept at {price}: floor", **values)
    else:
        why = Text("kept at {price}: return {n} of {of}", **values)
    reserve_kr = ladder.reserve_kr
    if ad.reserve_kr and ad.highest_bid_kr is not None and ad.highest_bid_kr < ad.reserve_kr:
        match rule.below_reserve:
            case BelowReserve.KEEP:
                reserve_kr = ad.reserve_kr
            case BelowReserve.DROP:
                reserve_kr = 0
            case BelowReserve.LOWER:
                reserve_kr = max(ad.highest_bid_kr, floor_kr)
    next_ladder = replace(ladder, attempt=attempt, price_kr=price_kr, reserve_kr=reserve_kr, why=why)
    return ComesBack(at=at, ladder=next_ladder, why=why)


def price_of(rule: RelistRule, attempt: int, *, first_kr: int, before_kr: int) -> int:
    """The price of the return number `attempt` (from 1): rounded down, raised to the floor, never above the one before."""
    step = rule.steps[min(attempt, len(rule.steps)) - 1]
    if isinstance(step, str):
        exact = before_kr * (1 - Fraction(step.removeprefix("-").removesuffix("%")) / 100)
    else:
        exact = first_kr * _exact(step)
    rounded = int(exact // 1)
    if rule.round_to == 9:
        rounded -= (rounded + 1) % 10
    else:
        rounded -= rounded % rule.round_to
    return min(max(rounded, rule.floor_of(first_kr)), before_kr)


def plan_ahead(rule: RelistRule, first_kr: int, start: Ladder | None = None) -> list[int]:
    """The prices still to come (kronor), one for each return, for an ad that never sells."""
    done, before_kr = (start.attempt, start.price_kr) if start else (0, first_kr)
    prices: list[int] = []
    for attempt in range(done + 1, rule.times + 1):
        before_kr = price_of(rule, attempt, first_kr=first_kr, before_kr=before_kr)
        prices.append(before_kr)
    return prices


def reserve_of(item: Item, ladder: Ladder | None) -> int | None:
    """The reserve of an ad of this item on this step: at its distance to the price, unless the ladder says another."""
    if ladder is not None and ladder.fixed:
        return None
    if ladder is not None and ladder.reserve_kr is not None:
        return ladder.reserve_kr if ladder.reserve_kr > ladder.price_kr else None
    return at_distance(item, ladder, (item.spec.tradera or TraderaWish()).reserve_ore)


def at_distance(item: Item, ladder: Ladder | None, ore: int | None) -> int | None:
    """A price of the item (öre), in kronor, as far above the asked price as it was above the item's; None below it."""
    if ore is None:
        return None
    own = whole_kronor(item.spec.price_ore or 100)
    return whole_kronor(ore) + (0 if ladder is None else ladder.price_kr - own)


def _exact(share: float) -> Fraction:
    """The share as it is written: 0.7 means seven tenths."""
    return Fraction(str(share))
