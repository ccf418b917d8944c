"""Who sells: the default account and the members, with their Tradera users, as the settings and the store know them.

An account that has left the settings stays, without a token; one that gets a token by a login sells with it at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from rheod.domain.errors import Text
from rheod.store.accounts import Token
from rheod.store.ledger import Ledger
from rheod.tradera.transport import Seller
from rheod.usecases.selling_setup import AccountConnection, Source

REMOVED = Text(
    "This account is not in the settings any more: its items can be read and nothing is published."
    " Put it back under [[accounts]] and restart rheod"
)


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
