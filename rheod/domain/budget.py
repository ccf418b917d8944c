"""The arithmetic of Tradera's call budget: what may be called now, and when what waits will go.

Tradera allows an application a number of calls in any 24 hours, which all accounts share.
Pure functions over the times of the calls made; the ledger that keeps them is `store/ledger.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rheod.domain.model import CallClass

WINDOW_MS = 24 * 3600 * 1000
PROBE_MS = 3600 * 1000
"""After a 429 a class is tried again at most once an hour."""

RESERVED_FOR = frozenset({CallClass.TAKEOVER, CallClass.END, CallClass.ORDERS, CallClass.SHIP})
"""Only these may use the reserved share: a publishing burst must never block a withdrawal, a sale or its parcel.

A takeover finds sales too, and all else waits for it.
"""


SHARED = (RESERVED_FOR, frozenset({CallClass.RESULTS, CallClass.PRICE, CallClass.PUBLISH}))
"""The parts of the budget that the accounts share fairly, each by itself: an ending never waits for a publishing."""

PASS_COST = 3
"""Calls a reconciliation pass is reckoned with: what changed, the ads, the orders."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """The owner's settings: calls in 24 h, the share kept for ending and orders, the share of reconciliation."""

    limit: int
    reserve_share: float
    reconcile_share: float

    def ceiling(self, call_class: CallClass) -> int:
        """How many calls of the window may be used when a call of this class is made (at least one)."""
        if call_class in RESERVED_FOR:
            return self.limit
        return max(1, self.limit - int(self.limit * self.reserve_share))

    @property
    def reconcile_ceiling(self) -> int:
        """How many calls of the window may be spent on reconciliation (at least one)."""
        return max(1, int(self.limit * self.reconcile_share))


RESULT_COST = 1
"""Calls a publishing is reckoned with for asking what became of it."""


def publish_cost(pictures: int) -> int:
    """Calls one publishing takes: create, each picture, commit and its share of asking for results."""
    return pictures + 2 + RESULT_COST


def fits_at(calls: Sequence[int], *, ceiling: int, cost: int, now: int) -> int:
    """The earliest time (ms) at which `cost` more calls stay within `ceiling` calls in any 24 h.

    `calls` are the times of the calls in the window, oldest first; future times count as calls planned ahead.
    A cost above the ceiling is cut to it: such an item goes out when the whole window is free.
    """
    room = ceiling - min(cost, ceiling)
    in_window = [at for at in calls if at > now - WINDOW_MS]
    surplus = len(in_window) - room
    return now if surplus <= 0 else max(now, in_window[surplus - 1] + WINDOW_MS)


def expected_at(calls: Sequence[int], *, ceiling: int, cost_up_to: int, now: int) -> int:
    """When a waiting item goes out if all before it in the queue go first.

    `cost_up_to` is the cost of the queue up to and with this item. Calls expire in the order they were made and
    each full window of `ceiling` calls repeats a day later.
    """
    in_window = [at for at in calls if at > now - WINDOW_MS][-ceiling:]
    free = ceiling - len(in_window)
    if cost_up_to <= free:
        return now
    days, place = divmod(cost_up_to - free - 1, ceiling)
    slots = in_window + [now] * free
    return slots[place] + (days + 1) * WINDOW_MS


@dataclass(frozen=True, slots=True)
class Claim:
    """An account with work waiting: the calls of the window it has had, and what its next and all its jobs will take."""

    used: int
    next_cost: int
    waiting: int


def shared_by(call_class: CallClass) -> frozenset[CallClass]:
    """The classes among which a call of this class takes from its account's share."""
    return next(part for part in SHARED if call_class in part)


def left_to_others(used: int, others: Iterable[Claim]) -> int:
    """Calls an account that has had `used` of the window must leave free, so that those with fewer come first.

    They may catch up with it, as far as they have work, and their next job must fit. So whoever has had the fewest
    waits for nobody, all who have enough work end up with equal shares, and what one does not need the others have.
    """
    return sum(
        max(claim.next_cost, min(claim.waiting, used - claim.used)) for claim in others if claim.used < used
    )


def cost_with_others(cost_up_to: int, used: int, others: Iterable[Claim]) -> int:
    """What goes out of all queues until an account's own queue has gone up to `cost_up_to`: the others keep pace."""
    level = used + cost_up_to
    return cost_up_to + sum(min(claim.waiting, max(0, level - claim.used)) for claim in others)


def reconcile_gap_ms(wanted_ms: int, *, accounts: int, allowance: Allowance) -> int:
    """How long an account waits between its passes (ms), so that all of them together stay within their share.

    One account alone may use the share as quickly as its owner has set.
    """
    if accounts < 2:
        return wanted_ms
    return max(wanted_ms, accounts * PASS_COST * WINDOW_MS // allowance.reconcile_ceiling)
