"""The arithmetic of Tradera's quota: what may be called now, and when what waits will go.

Tradera allows an application so many calls of each method in 24 hours, which all accounts share. Whether that is any
24 hours or a calendar day, and whose, is not known: the count stays within the limit in each of them. Pure functions
over the times of the calls made; the ledger that keeps them is `store/ledger.py`.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta

from rheod.domain.calendar import day_of, start_of
from rheod.domain.errors import Permanent, Text
from rheod.domain.model import CallClass, JobKind

HOUR_MS = 3600 * 1000
ON_ITS_WAY_MS = 60 * 1000
"""So long a call may be on its way: Tradera counts it when it arrives, and the one in its place may be quicker."""

WINDOW_MS = 24 * HOUR_MS + ON_ITS_WAY_MS
"""So long a call counts after it was begun."""

DEFAULT_LIMIT = 10_000
"""Calls of a method that Tradera allows in 24 hours, as far as is known."""

METHODS = (
    "create",
    "image",
    "commit",
    "results",
    "price",
    "end",
    "ship",
    "orders",
    "order",
    "seller_items",
    "updated_items",
    "item",
    "transactions",
    "transaction_status",
    "me",
    "categories",
    "definitions",
    "shipping",
    "time",
    "token",
)
"""Tradera's methods by the names that settings, status and metrics have for them."""

TOTAL = ""
"""Stands for the sum of all methods where a method is named."""

_METHOD_OF = {"orders_by_id": "order", "read_item": "item"}


def method_of(operation: str) -> str:
    """The method that an operation's calls count against."""
    return _METHOD_OF.get(operation, operation)


def by_method(operations: Mapping[str, int]) -> Counter[str]:
    """How many calls of each method these operations take."""
    needs: Counter[str] = Counter()
    for operation, times in operations.items():
        needs[method_of(operation)] += times
    return needs


METHODS_OF: Mapping[CallClass, tuple[str, ...]] = {
    CallClass.TAKEOVER: ("seller_items",),
    CallClass.END: ("end",),
    CallClass.ORDERS: ("order",),
    CallClass.SHIP: ("ship",),
    CallClass.RESULTS: ("results",),
    CallClass.PRICE: ("price",),
    CallClass.PUBLISH: ("create", "image", "commit"),
    CallClass.RECONCILE: ("orders", "updated_items", "seller_items"),
    CallClass.REFERENCE: (),
}
"""The methods without which nothing of a class can be done; any other costs only the job that needs it a wait."""

RESERVED_FOR = frozenset({CallClass.TAKEOVER, CallClass.END, CallClass.ORDERS, CallClass.SHIP})
"""Only these may use the reserved shares: a publishing burst must never block a withdrawal, a sale or its parcel.

A takeover finds sales too, and all else waits for it.
"""

RESERVED_METHODS = frozenset({"orders", "order", "end"})
"""A share of these methods is kept for what a sale or an owner needs now. They are probed however often refused."""

METHOD_RESERVE = 0.1
READING_SHARE = 1 / 3
"""Never more than this of a method is spent on reading on schedule."""

SHARED = (RESERVED_FOR, frozenset({CallClass.RESULTS, CallClass.PRICE, CallClass.PUBLISH}))
"""The parts of the quota that the accounts share fairly, each by itself: an ending never waits for a publishing."""

_LEAST_PASSES = 3
"""Passes of reading that a day of publishing leaves calls for, however many ads wait."""

PASS_COST = 3
"""Calls a reconciliation pass is reckoned with: what changed, the ads, the orders; one of each method."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What the owner says of Tradera's limits: calls in 24 h of each method, and in all where there is such a limit.

    `reserve_share` of the sum is kept for ending and orders, `reconcile_share` is the most that reading on schedule may
    have of it.
    """

    default: int = DEFAULT_LIMIT
    methods: Mapping[str, int] = field(default_factory=dict)
    total: int | None = None
    reserve_share: float = 0.2
    reconcile_share: float = READING_SHARE

    def limit(self, method: str) -> int | None:
        """Calls of the method, or in all, that may be made in 24 hours; None where there is no such limit."""
        return self.total if method == TOTAL else self.methods.get(method, self.default)

    def ceiling(self, method: str, call_class: CallClass, limit: int) -> int:
        """How many calls of this limit may be used when a call of this class is made (at least one)."""
        if call_class in RESERVED_FOR:
            return limit
        if method == TOTAL:
            return max(1, limit - int(limit * self.reserve_share))
        return max(1, limit - int(limit * METHOD_RESERVE)) if method in RESERVED_METHODS else limit

    def reading_ceiling(self, method: str, limit: int, *, pressed: bool = False) -> int:
        """How many calls of this limit may be spent on reading on schedule (at least one).

        `pressed`: ads wait for calls of the sum. Then reading keeps to few passes a day, or it would take each day a little
        more of what is too few for an ad, and nobody could say when the last one goes out.
        """
        most = max(1, int(limit * (self.reconcile_share if method == TOTAL else READING_SHARE)))
        return min(most, _LEAST_PASSES * PASS_COST) if pressed and method == TOTAL else most

    def require_possible(
        self, call_class: CallClass, operations: Mapping[str, int], *, spare: int = 0
    ) -> None:
        """Raise Permanent, naming the setting, when no wait would ever let all these calls be made in one day."""
        needs = by_method(operations)
        for method, times in ((TOTAL, needs.total() + spare), *needs.items()):
            limit = self.limit(method)
            if limit is None or times <= (most := self.ceiling(method, call_class, limit)):
                continue
            why = Text(
                "This takes {times} Tradera calls of the kind {operation}, and tradera.quota.methods.{operation} allows {allowed}: raise it, or have fewer pictures",
                times=times,
                operation=method,
                allowed=most,
            )
            if method == TOTAL:
                why = Text(
                    "This takes {cost} Tradera calls, and of tradera.quota.total = {limit} at most {most} may be used for it: raise it, or have fewer pictures (tradera.defaults.max_images)",
                    cost=times,
                    limit=limit,
                    most=most,
                )
            raise Permanent(why)


RESULT_COST = 1
"""Calls a publishing is reckoned with for asking what became of it."""

_ASKED = 0.25
"""Questions for results an ad of a long queue takes, as far as nothing was seen: one asks for all that wait."""

_MOST_ASKED = 3.0
_ENOUGH_COMMITS = 5


def asked_for(commits: int, results: int) -> float:
    """Questions for results an ad takes in a long queue, by what was seen in a day."""
    return min(_MOST_ASKED, results / commits) if commits >= _ENOUGH_COMMITS else _ASKED


def calls_of_reading(scheduled: int, seen: int) -> int:
    """Calls of a day that reading on schedule takes beside a long queue of publishings, which come first.

    It has had `seen` of them in the last day, and keeps those as far as it may: what it calls comes free again when it
    wants to call. Of the rest it gets one pass less, since it finds room only between ads.
    """
    most = _LEAST_PASSES * PASS_COST
    return min(scheduled, most, max(seen, most - PASS_COST))


def publish_cost(pictures: int) -> int:
    """Calls one publishing takes: create, each picture, commit and its share of asking for results."""
    return pictures + 2 + RESULT_COST


def publish_needs(ads: int, cost: int) -> dict[str, int]:
    """Calls by method, and in all, of publishings that cost so many calls together."""
    return {"create": ads, "image": max(0, cost - ads * publish_cost(0)), "commit": ads, TOTAL: cost}


_CALLED_BY = {
    JobKind.TAKEOVER: "seller_items",
    JobKind.END: "end",
    JobKind.ORDERS: "order",
    JobKind.SHIP: "ship",
    JobKind.RESULTS: "results",
    JobKind.LOOK: "results",
    JobKind.REPRICE: "price",
}


def job_needs(kind: JobKind, cost: int) -> Mapping[str, int]:
    """Calls by method, and in all, that a waiting job is reckoned with."""
    if kind is JobKind.PUBLISH:
        return publish_needs(1, cost)
    method = _CALLED_BY.get(kind)
    return {TOTAL: cost} if method is None else {method: 1, TOTAL: cost}


def free_at(at: int) -> int:
    """When a call begun at this time (ms) counts no more: after the window, or at the end of the Swedish day it is counted on.

    Both are the same day but for the one of 25 hours. A day of UTC lies within 24 hours.
    """
    return max(at + WINDOW_MS, start_of(day_of(at + ON_ITS_WAY_MS) + timedelta(days=1)))


class Window:
    """The times (ms) of the calls that count against one limit. Those that count no more drop out when it is asked."""

    __slots__ = ("_times",)

    def __init__(self, times: Iterable[int] = ()) -> None:
        self._times = deque(times)

    def add(self, at: int) -> None:
        """Count a call from now on; times come in order unless the clock was set back."""
        if self._times and at < self._times[-1]:
            times = list(self._times)
            insort(times, at)
            self._times = deque(times)
        else:
            self._times.append(at)

    def remove(self, at: int) -> None:
        """Count it no more; one that has dropped out already is no error."""
        self._times.reverse()  # it is among the newest
        with suppress(ValueError):
            self._times.remove(at)
        self._times.reverse()

    def used(self, now: int) -> int:
        """How many calls count at this time."""
        times = self._times
        while times and times[0] + WINDOW_MS <= now and free_at(times[0]) <= now:
            times.popleft()
        return len(times)

    def times(self, now: int) -> list[int]:
        """The calls that count, oldest first."""
        self.used(now)
        return list(self._times)

    def fits_at(self, *, ceiling: int, cost: int, now: int, beside: int = 0) -> int:
        """The earliest time (ms) at which `cost` more calls stay within the ceiling; `beside` count as made now.

        A cost above the ceiling is cut to it: such an item goes out when the whole window is free.
        """
        surplus = self.used(now) + beside - (ceiling - min(cost, ceiling))
        if surplus <= 0:
            return now
        return free_at(self._times[surplus - 1] if surplus <= len(self._times) else now)

    def expected_at(self, *, ceiling: int, cost_up_to: int, now: int, daily: int | None = None) -> int:
        """When a waiting item goes out if all before it in the queue go first.

        `cost_up_to` is the cost of the queue up to and with this item. Calls expire in the order they were made and
        each full window of `ceiling` calls repeats a day later; of those that come free `daily` are for the queue.
        """
        used, daily = self.used(now), daily or ceiling
        kept = min(used, ceiling)
        if cost_up_to <= ceiling - kept:
            return now
        days, place = divmod(cost_up_to - (ceiling - kept) - 1, daily)
        place = place * ceiling // daily
        slot = self._times[used - kept + place] if place < kept else now
        return max(now, slot + (days + 1) * WINDOW_MS)


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit that calls about to be made must keep: of a method or of all, and `cost` calls of it are wanted."""

    method: str
    window: Window
    limit: int
    ceiling: int
    cost: int
    reading: bool = False

    def fits_at(self, now: int, *, beside: int = 0) -> int:
        """See `Window`."""
        return self.window.fits_at(ceiling=self.ceiling, cost=self.cost, now=now, beside=beside)

    def reason(self, now: int) -> Text:
        """Why calls wait for it."""
        used = self.window.used(now)
        if self.method == TOTAL:
            return Text(
                "{used} of {limit} Tradera calls of the last 24 h are used", used=used, limit=self.limit
            )
        return Text(
            "{used} of {limit} Tradera calls of the kind {method} of the last 24 h are used",
            used=used,
            limit=self.limit,
            method=self.method,
        )


@dataclass(frozen=True, slots=True)
class Load:
    """Publishings that wait: how many, and the calls they take in all."""

    ads: int = 0
    cost: int = 0

    def needs(self, method: str, *, asked: float = RESULT_COST) -> int:
        """The calls of one method, or in all; `asked` questions for results an ad, the last one's reckoned as ever."""
        spared = int(max(0, self.ads - 1) * (RESULT_COST - asked)) if method == TOTAL else 0
        return publish_needs(self.ads, self.cost)[method] - spared


@dataclass(frozen=True, slots=True)
class PublishLimit:
    """A limit that publishing must keep. `used` and `others` are what the account and those who share it have had of it.

    `daily` of the calls that come free in a day are left for publishing, of which an ad takes `asked` for its result.
    """

    method: str
    window: Window
    limit: int
    ceiling: int
    daily: int
    asked: float = RESULT_COST
    used: int = 0
    others: Mapping[str, int] = field(default_factory=dict)

    def goes_at(self, queue: Load, others: Mapping[str, Load], now: int) -> int:
        """When the last of the account's queue goes out, as far as this limit is concerned."""
        claims = [
            Claim(used, 1, others.get(other, Load()).needs(self.method, asked=self.asked))
            for other, used in self.others.items()
        ]
        cost = cost_with_others(queue.needs(self.method, asked=self.asked), self.used, claims)
        return self.window.expected_at(ceiling=self.ceiling, cost_up_to=cost, now=now, daily=self.daily)


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


def _reading_ceilings(
    methods: Iterable[str], quota: Quota, learned: Mapping[str, int]
) -> Iterator[tuple[str, int]]:
    """What reading on schedule may call in 24 hours, by each of these methods that has a limit."""
    for method in methods:
        if (limit := quota.limit(method)) is not None:
            yield method, quota.reading_ceiling(method, min(limit, learned.get(method, limit)))


def reading_gap_ms(wanted_ms: int, *, accounts: int, quota: Quota, learned: Mapping[str, int]) -> int:
    """How long an account waits between its passes (ms), so that all of them together stay within the shares."""
    gap_ms = wanted_ms
    for method, ceiling in _reading_ceilings((TOTAL, *METHODS_OF[CallClass.RECONCILE]), quota, learned):
        cost = PASS_COST if method == TOTAL else 1
        gap_ms = max(gap_ms, max(accounts, 1) * cost * WINDOW_MS // ceiling)
    return gap_ms


_BIDS_SHARES = {TOTAL: 0.1, "seller_items": 1 / 3}
"""Of what reading on schedule may call, the bids get so much: ads and sales come first."""
_RAREST_BIDS_MS = 2 * HOUR_MS
_CLOSEST_BIDS_MS = 60_000


def bids_gap_ms(wanted_ms: int, *, accounts: int, quota: Quota, learned: Mapping[str, int]) -> int | None:
    """How long an account waits between its readings of bids (ms), one call each, so that all stay within their shares.

    None where that is too rarely to be of use: then none are read on schedule.
    """
    gap_ms = max(wanted_ms, _CLOSEST_BIDS_MS)
    for method, ceiling in _reading_ceilings(_BIDS_SHARES, quota, learned):
        gap_ms = max(gap_ms, round(max(accounts, 1) * WINDOW_MS / (ceiling * _BIDS_SHARES[method])))
    return gap_ms if gap_ms <= max(wanted_ms, _RAREST_BIDS_MS) else None


def left_by_bids(quota: Quota, learned: Mapping[str, int]) -> dict[str, int]:
    """Calls by method, and in all, that a reading of bids leaves free: half of what reading on schedule may call."""
    return {method: ceiling // 2 for method, ceiling in _reading_ceilings(_BIDS_SHARES, quota, learned)}


_RESTS_MS = (60_000, 5 * 60_000, 15 * 60_000, HOUR_MS)
"""How long a method rests after its first, second … 429 in a row; the last repeats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodState:
    """What 429s have told of a method: it rests until `until` (ms), and `ceiling` is what was learned of its limit.

    `refusals` in a row since `since`, the last at `refused_at`; `used` calls had been made when the first came.
    """

    method: str
    refusals: int = 0
    used: int = 0
    since: int = 0
    refused_at: int = 0
    until: int = 0
    ceiling: int | None = None

    def is_resting(self, now: int) -> bool:
        """Whether it may not be called at this time."""
        return self.until > now

    @property
    def reason(self) -> Text:
        """Why it rests."""
        return Text("Tradera says the call limit is spent (429 on {operation})", operation=self.method)


def refused(
    known: MethodState, *, sent_at: int, now: int, used: int, retry_after_ms: int | None
) -> MethodState:
    """What a 429 to a call sent at `sent_at` means, with `used` calls of the method made before it.

    The first may be a burst. Only when a probe an hour later is refused too is the limit what was used. Calls that
    were on their way together are refused as one. A time that Tradera names is kept, up to a window.
    """
    if known.refusals and sent_at <= known.refused_at:
        return known
    first = known.refusals == 0
    refusals = known.refusals + 1
    rest_ms = _RESTS_MS[min(refusals, len(_RESTS_MS)) - 1]
    if retry_after_ms is not None:
        longest_ms = HOUR_MS if known.method in RESERVED_METHODS else WINDOW_MS
        rest_ms = min(max(1000, retry_after_ms), longest_ms)
    state = replace(
        known,
        refusals=refusals,
        used=used if first else known.used,
        since=now if first else known.since,
        refused_at=now,
        until=now + rest_ms,
    )
    if refusals <= len(_RESTS_MS) or sent_at - known.refused_at < HOUR_MS:
        return state
    learned = max(1, state.used)
    return replace(state, ceiling=learned if known.ceiling is None else min(known.ceiling, learned))


def taken(known: MethodState, *, sent_at: int) -> MethodState:
    """What a call that went through means: the rest is over, unless the call was on its way when it began."""
    if sent_at <= known.refused_at:
        return known
    return MethodState(method=known.method, ceiling=known.ceiling)
