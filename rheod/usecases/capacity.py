"""What Tradera's quota allows: each method's limit with what is used of it, what fits today, and when what waits has gone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from rheod.domain.budget import (
    METHODS,
    TOTAL,
    Load,
    MethodState,
    Quota,
    free_at,
    publish_cost,
)
from rheod.domain.calendar import day_of, in_sweden, start_of
from rheod.domain.errors import Refused, Text, counted
from rheod.domain.model import CallClass, QueueName
from rheod.store import facts, ledger
from rheod.store.ledger import Ledger
from rheod.usecases.items import BudgetForecast
from rheod.usecases.transaction import Store, Transaction

_PICTURES = 5
"""Pictures of an ad where none waits to reckon with."""

_MOST_ADS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodUse:
    """One limit, of a method or in all (''): calls used and allowed, how many may be used by what is not urgent.

    `frees_at` is when the first of the calls counts no more (ms), `learned` whether the limit was learned from a refusal,
    `rests_until` is set after one.
    """

    method: str
    used: int
    limit: int
    for_work: int
    frees_at: int | None
    learned: bool = False
    rests_until: int | None = None
    by_account: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """The limits that say something, that in all first, and what they mean for publishing.

    `fits` ads of `pictures` pictures can be begun before the day ends by Swedish clocks, `waiting` ads wait, and the last
    of them goes out at `last_at` (ms); None when nobody knows, and `waits_for` says why.
    """

    methods: tuple[MethodUse, ...]
    fits: int
    pictures: int
    waiting: int
    last_at: int | None
    waits_for: str | None

    @property
    def text(self) -> Text:
        """The same in a sentence."""
        if self.waits_for is not None:
            return Text("{n} ads wait: {reason}", n=self.waiting, reason=self.waits_for)
        fits = counted(
            "{n} more ad of {pictures} pictures fits today",
            "{n} more ads of {pictures} pictures fit today",
            self.fits,
            pictures=self.pictures,
        )
        if self.last_at is None:
            return fits
        return counted(
            "{fits}; {n} waits and goes out {at}",
            "{fits}; {n} wait, the last goes out {at}",
            self.waiting,
            fits=fits,
            at=in_sweden(self.last_at).strftime("%Y-%m-%d %H:%M"),
        )

    @property
    def used(self) -> int:
        """Calls that count, of all methods."""
        return sum(one.used for one in self.methods if one.method != TOTAL)

    @property
    def total(self) -> MethodUse | None:
        """The limit of all methods together, where there is one."""
        return next((one for one in self.methods if one.method == TOTAL), None)


class Capacities:
    """Answers what the quota allows. `forecast` tells an account's place in it."""

    def __init__(
        self, *, store: Store, ledger: Ledger, quota: Quota, forecast: Callable[[str], BudgetForecast]
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._quota = quota
        self._forecast = forecast

    async def of_account(self, account_id: str) -> Capacity:
        """The limits, which are those of all, and what this account's queue meets."""
        return self.now(account_id, await self._store.read(facts.publishings_by_account))

    async def forget(self, method: str) -> Text:
        """The owner's word that Tradera's refusals of a method hold no more: its limit is what the settings say.

        Raises Refused (NOT_FOUND) where there is no such method.
        """
        if method not in METHODS:
            raise Refused(
                "NOT_FOUND",
                Text(
                    "There is no method {method}; there are {known}", method=method, known=", ".join(METHODS)
                ),
            )
        if self._ledger.state(method) == (nothing := MethodState(method=method)):
            return Text("Nothing was learned of {method}.", method=method)

        def write(tx: Transaction) -> None:
            ledger.save_state(tx.db, nothing)
            tx.probed.add(QueueName.TRADERA)
            tx.afterwards.append(lambda: self._ledger.set_state(nothing))

        await self._store.write(write)
        return Text(
            "Forgotten: {method} may be called up to {limit} times in 24 hours.",
            method=method,
            limit=self._quota.limit(method) or 0,
        )

    def now(self, account_id: str, queues: Mapping[str, Load]) -> Capacity:
        """The same, of queues that are known."""
        now, forecast = self._store.now(), self._forecast(account_id)
        mine = queues.get(account_id, Load())
        others = {other: queue for other, queue in queues.items() if other != account_id}
        earliest = max(now, forecast.paused_until)
        pictures = round(mine.cost / mine.ads - publish_cost(0)) if mine.ads else _PICTURES
        known = forecast.waits_for is None
        made = self._ledger.methods(now=now)
        told = {state.method for state in self._ledger.states()}
        named = [TOTAL, *METHODS, *sorted(made.keys() - set(METHODS))]
        return Capacity(
            methods=tuple(
                [
                    self._use(method, limit, now)
                    for method in named
                    if (limit := self._ledger.limit(self._quota, method)) is not None
                    and (method in {TOTAL, *self._quota.methods, *told} or made.get(method))
                ]
            ),
            fits=_fits(forecast, pictures, earliest) if known else 0,
            pictures=pictures,
            waiting=mine.ads,
            last_at=forecast.goes_at(mine, others, earliest) if known and mine.ads else None,
            waits_for=forecast.waits_for,
        )

    def _use(self, method: str, limit: int, now: int) -> MethodUse:
        window, state = self._ledger.window(method), self._ledger.state(method)
        used = window.used(now)
        return MethodUse(
            method=method,
            used=used,
            limit=limit,
            for_work=self._quota.ceiling(method, CallClass.PUBLISH, limit),
            frees_at=free_at(window.times(now)[0]) if used else None,
            learned=state.ceiling == limit,
            rests_until=state.until if state.is_resting(now) else None,
            by_account=self._ledger.spent(now=now)
            if method == TOTAL
            else self._ledger.used_of(method, now=now),
        )


def _fits(forecast: BudgetForecast, pictures: int, now: int) -> int:
    """How many ads of so many pictures can be begun before the Swedish day ends, were there no others."""
    midnight = start_of(day_of(now) + timedelta(days=1))
    least, most = 0, _MOST_ADS
    while least < most:
        ads = (least + most + 1) // 2
        if forecast.goes_at(Load(ads, ads * publish_cost(pictures)), {}, now) < midnight:
            least = ads
        else:
            most = ads - 1
    return least
