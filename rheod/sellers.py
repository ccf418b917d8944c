"""Who sells: the default account and the members, with their Tradera users, as the settings and the store know them.

Part of the composition root. An account that has left the settings stays on the roll, without a token.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from rheod.clients.tradera_wire import Seller
from rheod.settings import Settings, missing_for_publishing
from rheod.store.ledger import Ledger

REMOVED = (
    "This account is not in the settings any more: its items can be read and nothing is published."
    " Put it back under [[accounts]] and restart rheod"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account: `reference` '' is the default one; `seller` None has no Tradera user and token (yet, or any more).

    `waits_for` is the sentence on what its publishing lacks, None when it can run.
    """

    id: str
    reference: str
    seller: Seller | None
    waits_for: str | None
    removed: bool = False


@dataclass(frozen=True, slots=True)
class AccountState:
    """What an account does now: selling, waiting (for settings), paused (its token is refused) or removed; and why."""

    state: str
    reason: str | None = None
    until: int | None = None


def roll(settings: Settings, known: Mapping[str, str]) -> tuple[Account, ...]:
    """Every account there is (`known`: reference -> id), the default one first, then as the settings have them."""
    sellers = _sellers(settings)
    own = [_configured(settings, known, reference, seller) for reference, seller in sellers.items()]
    removed = [
        Account(id=known[reference], reference=reference, seller=None, waits_for=REMOVED, removed=True)
        for reference in sorted(known.keys() - sellers.keys())
    ]
    return (*own, *removed)


def members(settings: Settings) -> dict[str, int]:
    """The Tradera user of each account that has one, by reference."""
    found = {account.reference: account.user_id for account in settings.accounts}
    if settings.tradera.user_id is not None:
        found[""] = settings.tradera.user_id
    return found


def state_of(account: Account, ledger: Ledger, *, now: int) -> AccountState:
    """What the account does at this time (ms)."""
    if account.removed:
        return AccountState("removed", account.waits_for)
    if account.waits_for is not None or account.seller is None:
        return AccountState("waiting", account.waits_for)
    pause = ledger.pause(account.id, None)
    if pause is not None and ledger.is_refused(account.id, account.seller.fingerprint, now=now):
        return AccountState("paused", pause.reason, pause.until)
    return AccountState("selling")


def count_states(accounts: tuple[Account, ...], ledger: Ledger, *, now: int) -> Counter[str]:
    """How many accounts are in each state."""
    return Counter(state_of(account, ledger, now=now).state for account in accounts)


def _sellers(settings: Settings) -> dict[str, Seller | None]:
    tradera = settings.tradera
    own: Seller | None = None
    if tradera.user_id is not None and tradera.user_token is not None:
        own = Seller(tradera.user_id, tradera.user_token.get_secret_value())
    return {"": own} | {
        account.reference: Seller(
            account.user_id,
            account.user_token.get_secret_value(),
            setting=f"the user_token of [[accounts]] {account.reference}",
        )
        for account in settings.accounts
    }


def _configured(
    settings: Settings, known: Mapping[str, str], reference: str, seller: Seller | None
) -> Account:
    missing = missing_for_publishing(settings, member=bool(reference))
    waits_for = f"Publishing waits for Tradera credentials: set {', '.join(missing)}" if missing else None
    return Account(id=known[reference], reference=reference, seller=seller, waits_for=waits_for)
