"""Connecting a seller by a login at Tradera: what is stored of it, and what the pages and commands may ask.

Nothing here calls Tradera; `tradera/accounts.py` does, and is the `Connector` that pages and commands use.

How an account sells, for the owner to see: categories with what lacks one, the calls of the last 24 hours, pauses.

Reads only; what is set stands in the settings.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from rheod.domain.categories import DOMAINS, Domain
from rheod.domain.errors import Refused, Text
from rheod.store import accounts, ads
from rheod.store.accounts import Login, Token
from rheod.store.ledger import BudgetPause, Ledger
from rheod.usecases.capacity import Capacities, Capacity
from rheod.usecases.transaction import Store, Transaction

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
