"""How an account sells, for the owner to see: categories with what lacks one, the calls of the last 24 hours, pauses.

Reads only; what is set stands in the settings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from rheod.domain.budget import Allowance
from rheod.domain.model import CallClass
from rheod.domain.taxonomy import DOMAINS, Domain
from rheod.store import facts
from rheod.store.ledger import BudgetPause, Ledger
from rheod.usecases.transaction import Store


@dataclass(frozen=True, slots=True)
class Mapped:
    """A domain, its Tradera category (None: none is set) and how many items wait for one."""

    domain: Domain
    category: int | None
    waiting: int


@dataclass(frozen=True, slots=True)
class Spending:
    """Calls of the last 24 hours: of a class, how many it may find used when it calls, and by account id."""

    call_class: CallClass
    used: int
    ceiling: int
    by_account: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """Everything about how an account sells. `limit` is for all accounts together."""

    mapped: list[Mapped]
    defaults: Mapping[str, object]
    spending: list[Spending]
    used: int
    limit: int
    pauses: list[BudgetPause]


class Setups:
    """Answers the owner. `categories` and `defaults` are from the settings."""

    def __init__(
        self,
        *,
        store: Store,
        ledger: Ledger,
        allowance: Allowance,
        categories: Mapping[str, int],
        defaults: Mapping[str, object],
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._allowance = allowance
        self._categories = categories
        self._defaults = defaults

    def category(self, domain: str) -> int | None:
        """The Tradera category an item of this domain gets when it names none."""
        return self._categories.get(domain)

    async def of_account(self, account_id: str) -> Setup:
        """How this account sells; calls and pauses are those of all."""
        unmapped = [slug for slug in DOMAINS if slug not in self._categories]
        waiting = await self._store.read(lambda db: facts.without_category(db, account_id, unmapped))
        now = self._store.now()
        return Setup(
            mapped=[
                Mapped(domain, self._categories.get(slug), waiting.get(slug, 0))
                for slug, domain in DOMAINS.items()
            ],
            defaults=self._defaults,
            spending=[self._spending(each, now) for each in CallClass],
            used=len(self._ledger.times(now=now)),
            limit=self._allowance.limit,
            pauses=[pause for pause in self._ledger.pauses() if pause.until > now],
        )

    def _spending(self, call_class: CallClass, now: int) -> Spending:
        by_account: Counter[str] = self._ledger.used({call_class}, now=now)
        ceiling = self._allowance.ceiling(call_class)
        if call_class is CallClass.RECONCILE:
            ceiling = self._allowance.reconcile_ceiling
        return Spending(call_class, by_account.total(), ceiling, by_account)
