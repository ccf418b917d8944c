"""How an account sells: connecting a seller by a login at Tradera, and what the owner may see of its selling.

Nothing here calls Tradera; `tradera/accounts.py` does, and is the `Connector` that pages and commands use. What is set stands
in the settings; here are categories with what lacks one, pauses, and what Tradera's quota allows: each method's limit with
what is used of it, what fits today, and when what waits has gone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, Protocol

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
from rheod.domain.categories import DOMAINS, Domain
from rheod.domain.errors import Refused, Text, counted
from rheod.domain.model import CallClass, QueueName
from rheod.store import accounts, ads, facts, ledger
from rheod.store.accounts import Login, Token
from rheod.store.ledger import BudgetPause, Ledger
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


LOGIN_MS = 24 * 3600 * 1000
"""A login that was begun is good for so long."""

MOST_TRIES = 12
"""So often the token of one login is asked for: each time is a Tradera call."""

Source = Literal["settings", "login"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountConnection:
    """An account and the Tradera user it sells as: where its token comes from (None: it has none), when that ends (ms).

    `state` and `reason` are those of `rheod status`; `begun_at` is set while a login waits to be finished.
    """

    account_id: str
    reference: str
    user_id: int | None
    source: Source | None
    ends_at: int | None
    state: str
    reason: str | None
    begun_at: int | None


class Connector(Protocol):
    """Connects sellers. Every method raises Refused with what the owner must do, or Transient."""

    async def connections(self) -> list[AccountConnection]:
        """Every account, the default one first."""
        ...

    async def begin(self, account_id: str) -> str:
        """Begin a login; returns the address to open in the seller's browser."""
        ...

    async def address(self, account_id: str) -> str | None:
        """The same address again while a login waits to be finished."""
        ...

    async def finish(self, account_id: str, user: str = "") -> Token:
        """Fetch the token of a login that is done; `user` is the seller's number or alias, where not yet known."""
        ...

    async def accept(self, account_id: str, shown: Shown) -> Token:
        """Finish a login by what Tradera's return address was given: fetched if possible, else the token shown."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What came with Tradera's return to us; `token` only when it displays tokens there."""

    user: str
    token: str = ""
    ends_at: int | None = None


def begin(tx: Transaction, account_id: str, secret: str) -> None:
    """Keep the secret of a new login."""
    accounts.save_login(tx.db, account_id, Login(secret=secret, begun_at=tx.now))


def waiting(db: sqlite3.Connection, account_id: str, *, now: int) -> Login:
    """The login to finish. Raises Refused when there is none, or it has been tried too often."""
    login = accounts.login(db, account_id)
    if login is None or now - login.begun_at > LOGIN_MS:
        raise Refused(
            "CONFLICT", Text("No login has been begun: begin one, and sign in at Tradera's page first")
        )
    if login.tries >= MOST_TRIES:
        raise Refused("CONFLICT", Text("Tradera has given no token for this login: begin a new one"))
    return login


def connected(tx: Transaction, account_id: str, token: Token) -> Token:
    """Keep a token; its sales count as the account's from now on, and its orders are asked for."""
    accounts.save_token(tx.db, account_id, token)
    accounts.drop_login(tx.db, account_id)
    accounts.add_member(tx.db, account_id, token.user_id)
    tx.begin_reading(account_id)
    return token


@dataclass(frozen=True, slots=True)
class Mapped:
    """A domain, its Tradera category (None: none is set) and how many of its items are held."""

    domain: Domain
    category: int | None
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """A setting of how ads are sold: its name, its value, and where that came from; "" for rheod's own default."""

    name: str
    value: object
    origin: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """Everything about how an account sells. What `capacity` says of methods is for all accounts together."""

    mapped: list[Mapped]
    defaults: Sequence[InForce]
    capacity: Capacity
    pauses: list[BudgetPause]


class Setups:
    """Answers the owner. `defaults` are from the settings."""

    def __init__(
        self,
        *,
        store: Store,
        ledger: Ledger,
        capacities: Capacities,
        defaults: Sequence[InForce],
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._capacities = capacities
        self._defaults = defaults

    async def of_account(self, account_id: str) -> Setup:
        """How this account sells; calls and pauses are those of all."""
        waiting = await self._store.read(lambda db: ads.held_by_domain(db, account_id))
        owner = await self._store.read(self._store.placer.owners_word)
        now = self._store.now()
        return Setup(
            mapped=[
                Mapped(domain, owner.rules.defaults.get(slug), waiting.get(slug, 0))
                for slug, domain in DOMAINS.items()
            ],
            defaults=self._defaults,
            capacity=await self._capacities.of_account(account_id),
            pauses=[pause for pause in self._ledger.pauses() if pause.until > now],
        )
