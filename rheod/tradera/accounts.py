"""Who sells: the default account and the members, with their Tradera users, as the settings and the store know them.

An account that has left the settings stays, without a token; one that gets a token by a login in its seller's browser
sells with it at once. Each fetch of a token is a call of the ledger, and a login gets few of them. A secret or token never
reaches a sentence or the log.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Protocol
from urllib.parse import urlencode

from rheod.domain.errors import Permanent, Refused, Text
from rheod.domain.model import CallClass
from rheod.store import accounts
from rheod.store.accounts import Token
from rheod.store.ledger import Ledger
from rheod.tradera.budgeted_client import BookedCall, SharedBudget
from rheod.tradera.client import TraderaClient
from rheod.tradera.transport import Rejected, Seller, TokenRefused
from rheod.usecases import selling_setup
from rheod.usecases.selling_setup import AccountConnection, Shown, Source

REMOVED = Text(
    "This account is not in the settings any more: its items can be read and nothing is published."
    " Put it back under [[accounts]] and restart rheod"
)
GAPS_S = (2.0, 4.0)
"""Between the tries of one press: the token may need some seconds to be there."""

_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfiguredAccount:
    """An account as the settings have it; `missing` are the settings without which its publishing waits."""

    reference: str
    user_id: int | None
    seller: Seller | None
    missing: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SellerSettings:
    """What the settings say of who sells, the default account first.

    Missing `of_application` are the settings that every account needs, `at_start` those without which nobody sells.
    """

    accounts: Sequence[ConfiguredAccount]
    missing_of_application: Sequence[str]
    missing_at_start: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account: `reference` '' is the default one; `seller` None has no Tradera user and token (yet, or any more).

    `waits_for` is the sentence on what its publishing lacks, None when it can run. `source` says where the token comes
    from, `ends_at` when that ends (ms; None: nobody knows).
    """

    id: str
    reference: str
    seller: Seller | None
    waits_for: str | None
    removed: bool = False
    user_id: int | None = None
    source: Source | None = None
    ends_at: int | None = None


@dataclass(frozen=True, slots=True)
class AccountState:
    """What an account does now: selling, waiting (for settings), paused (its token is refused) or removed; and why."""

    state: str
    reason: str | None = None
    until: int | None = None


class AccountRegistry:
    """Every account there is, the default one first, then as the settings have them; the only one that changes them.

    `fingerprints` tells the accounts that sell and their tokens apart; `users` maps Tradera's users to accounts. Both
    live on: who holds them sees a new token at once.
    """

    def __init__(
        self,
        *,
        settings: SellerSettings,
        known: Mapping[str, str],
        tokens: Mapping[str, Token],
        users: dict[int, str],
        ledger: Ledger,
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._accounts = {each.id: each for each in _accounts(settings, known, tokens)}
        self.users = users
        self.fingerprints = {each.id: each.seller.fingerprint for each in self if each.seller}
        self.tell: Callable[[Account], None] = lambda _account: None
        """Called with an account that has got a token."""

    def __iter__(self) -> Iterator[Account]:
        return iter(self._accounts.values())

    def of(self, account_id: str) -> Account:
        """One account."""
        return self._accounts[account_id]

    def missing(self) -> list[str]:
        """The settings without which nothing is published, less what a login has given."""
        own = next(each for each in self if each.reference == "")
        if own.source == "login":
            return list(self._settings.missing_of_application)
        return list(self._settings.missing_at_start)

    def connect(self, account_id: str, token: Token) -> None:
        """The account sells with this token from now on, unless its settings have one."""
        before = self._accounts[account_id]
        self.users[token.user_id] = account_id
        if before.source == "settings" or before.removed:
            return
        after = _logged_in(before, token, self._settings.missing_of_application)
        self._accounts[account_id] = after
        assert after.seller is not None
        self.fingerprints[account_id] = after.seller.fingerprint
        self.tell(after)

    def connections(self, begun: Mapping[str, int]) -> list[AccountConnection]:
        """Every account for pages and commands."""
        found = []
        for each in self:
            state = state_of(each, self._ledger)
            found.append(
                AccountConnection(
                    account_id=each.id,
                    reference=each.reference,
                    user_id=each.user_id,
                    source=each.source,
                    ends_at=each.ends_at,
                    state=state.state,
                    reason=state.reason,
                    begun_at=begun.get(each.id),
                )
            )
        return found


def state_of(account: Account, ledger: Ledger) -> AccountState:
    """What the account does now."""
    if account.removed:
        return AccountState("removed", account.waits_for)
    if account.waits_for is not None or account.seller is None:
        return AccountState("waiting", account.waits_for)
    pause = ledger.refusal(account.id, account.seller.fingerprint)
    if pause is not None:
        return AccountState("paused", pause.reason, pause.until)
    return AccountState("selling")


def count_states(accounts: Iterable[Account], ledger: Ledger) -> Counter[str]:
    """How many accounts are in each state."""
    return Counter(state_of(account, ledger).state for account in accounts)


def _accounts(
    settings: SellerSettings, known: Mapping[str, str], tokens: Mapping[str, Token]
) -> Iterator[Account]:
    for each in settings.accounts:
        waits_for = _waits_for(each.missing)
        if each.seller is None and waits_for is None:
            waits_for = Text(
                "Publishing waits for Tradera credentials: `rheod tradera connect --account {reference}`, or the page Tradera",
                reference=each.reference,
            )
        account = Account(
            id=known[each.reference],
            reference=each.reference,
            seller=each.seller,
            waits_for=waits_for,
            user_id=each.user_id,
            source=None if each.seller is None else "settings",
        )
        token = tokens.get(account.id)
        if token is not None and each.seller is None:
            account = _logged_in(account, token, settings.missing_of_application)
        yield account
    configured = {each.reference for each in settings.accounts}
    for reference in sorted(known.keys() - configured):
        yield Account(id=known[reference], reference=reference, seller=None, waits_for=REMOVED, removed=True)


def _logged_in(account: Account, token: Token, missing: Sequence[str]) -> Account:
    return replace(
        account,
        seller=Seller(token.user_id, token.token, setting=None),
        waits_for=_waits_for(missing),
        user_id=token.user_id,
        source="login",
        ends_at=token.ends_at,
    )


def _waits_for(missing: Sequence[str]) -> Text | None:
    if not missing:
        return None
    return Text("Publishing waits for Tradera credentials: set {settings}", settings=", ".join(missing))


class AccountsToConnect(Protocol):
    """What is known of the accounts, and who is told when one has got a token."""

    def connections(self, begun: dict[str, int]) -> list[AccountConnection]:
        """Every account; `begun` are the logins that wait."""
        ...

    def connect(self, account_id: str, token: Token) -> None:
        """The account sells with this token from now on."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """Who we are at Tradera: how it is called, its login page, our number, and the public key (None: not set)."""

    client: TraderaClient
    login_url: str
    app_id: int
    public_key: str | None

    def address(self, secret: str) -> str:
        """Where a seller signs in for us; the application's secret key is never part of it."""
        asked = {"appId": self.app_id, "pkey": self.public_key, "skey": secret}
        return f"{self.login_url}?{urlencode(asked)}"


class TraderaLogin:
    """A `Connector`. `application` is None without tradera.app_id and app_key, and without a daemon."""

    gaps_s: Sequence[float] = GAPS_S

    def __init__(
        self,
        *,
        budget: SharedBudget,
        registry: AccountsToConnect,
        application: Application | None,
    ) -> None:
        self._store = budget.store
        self._budget = budget
        self._registry = registry
        self._application = application
        self._one_at_a_time = asyncio.Lock()

    async def connections(self) -> list[AccountConnection]:
        """See `Connector`."""
        begun = await self._store.read(accounts.begun)
        oldest = self._store.now() - selling_setup.LOGIN_MS
        fresh = {account_id: at for account_id, at in begun.items() if at > oldest}
        return self._registry.connections(fresh)

    async def begin(self, account_id: str) -> str:
        """See `Connector`."""
        application = self._at_tradera()
        if application.public_key is None:
            raise Refused(
                "CONFLICT",
                Text("Set tradera.public_key (from Tradera's Developer Center) and restart rheod first"),
            )
        account = await self._account(account_id)
        if account.state == "removed":
            raise Refused("CONFLICT", Text.of(account.reason or ""))
        if account.source == "settings":
            raise Refused(
                "CONFLICT",
                Text(
                    "The settings have a token for this account, which comes first: take it out and restart rheod, then"
                    " connect"
                ),
            )
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        await self._store.write(lambda tx: selling_setup.begin(tx, account_id, secret))
        return application.address(secret)

    async def address(self, account_id: str) -> str | None:
        """See `Connector`."""
        try:
            login = await self._store.read(
                lambda db: selling_setup.waiting(db, account_id, now=self._store.now())
            )
        except Refused:
            return None
        return self._at_tradera().address(login.secret)

    async def finish(self, account_id: str, user: str = "") -> Token:
        """See `Connector`."""
        async with self._one_at_a_time:
            user_id = await self._user_id(account_id, user)
            for gap_s in self.gaps_s:
                try:
                    return await self._fetch(account_id, user_id)
                except Rejected:
                    await asyncio.sleep(gap_s)
            try:
                return await self._fetch(account_id, user_id)
            except Rejected as error:
                raise Refused(
                    "CONFLICT",
                    Text(
                        "Tradera gives no token for user {user}: sign in at its page to the end, then try again. {error}",
                        user=user_id,
                        error=str(error),
                    ),
                ) from error

    async def accept(self, account_id: str, shown: Shown) -> Token:
        """See `Connector`. The fetched token is preferred: one that was shown has been seen not to work."""
        if not shown.token:
            return await self.finish(account_id, shown.user)
        async with self._one_at_a_time:
            user_id = await self._user_id(account_id, shown.user)
            with suppress(Rejected):
                return await self._fetch(account_id, user_id)
            # then that of the return address, once Tradera has taken it in a call
            now, seller = self._store.now(), Seller(user_id, shown.token)
            token = Token(user_id=user_id, token=shown.token, ends_at=shown.ends_at, obtained_at=now)
            async with self._book(account_id, seller, "me") as call:
                member = await self._at_tradera().client.me(seller)
                if member.user_id == user_id:
                    await call.keep(lambda tx: selling_setup.connected(tx, account_id, token))
            if member.user_id != user_id:
                raise Refused(
                    "CONFLICT", Text("The token that came back is another user's: begin a new login")
                )
            self._registry.connect(account_id, token)
            return token

    async def _user_id(self, account_id: str, user: str) -> int:
        """The number of the user who has logged in. Raises Refused when it is not known or another account's."""
        await self._store.read(lambda db: selling_setup.waiting(db, account_id, now=self._store.now()))
        account = await self._account(account_id)
        user = user.strip()
        if not user and account.user_id is None:
            raise Refused("CONFLICT", Text("Say whose login it is: the seller's number or alias at Tradera"))
        user_id = account.user_id
        if user.isascii() and user.isdecimal() and 0 < int(user) < 2**31:
            user_id = int(user)
        elif user:
            async with self._book(account_id, Seller(0, user), "alias"):
                found = await self._at_tradera().client.member(user)
            if found is None:
                raise Refused("NOT_FOUND", Text("Tradera knows nobody with this alias"))
            user_id = found.user_id
        assert user_id is not None
        for other in await self.connections():
            if other.user_id == user_id and other.source and other.account_id != account_id:
                raise Refused(
                    "CONFLICT",
                    Text(
                        "Tradera's user {user} sells as account {account} already",
                        user=user_id,
                        account=other.reference or "own",
                    ),
                )
        return user_id

    async def _fetch(self, account_id: str, user_id: int) -> Token:
        """One call. Raises Rejected when there is no token (yet)."""
        now = self._store.now
        login = await self._store.read(lambda db: selling_setup.waiting(db, account_id, now=now()))
        await self._store.write(lambda tx: accounts.count_try(tx.db, account_id))
        async with self._book(account_id, Seller(user_id, login.secret), "token") as call:
            text, ends_at = await self._at_tradera().client.token(user_id, login.secret)
            token = Token(user_id=user_id, token=text, ends_at=ends_at, obtained_at=now())
            await call.keep(lambda tx: selling_setup.connected(tx, account_id, token))
        self._registry.connect(account_id, token)
        return token

    @asynccontextmanager
    async def _book(self, account_id: str, seller: Seller, operation: str) -> AsyncIterator[BookedCall]:
        """One call through the ledger; a refused application is no dead token of the account."""
        calls = self._budget.client_of(account_id, seller, self._at_tradera().client)
        try:
            async with calls.book(CallClass.ORDERS, operation) as call:
                try:
                    yield call
                except TokenRefused as error:
                    check = Text("{error}; check tradera.app_id and tradera.app_key", error=error)
                    raise Permanent(check) from error
        except Rejected:
            raise
        except Permanent as error:
            raise Refused("CONFLICT", Text.of(str(error))) from error

    async def _account(self, account_id: str) -> AccountConnection:
        return next(one for one in await self.connections() if one.account_id == account_id)

    def _at_tradera(self) -> Application:
        if self._application is None:
            raise Refused("CONFLICT", Text("Set tradera.app_id and tradera.app_key and restart rheod first"))
        return self._application
