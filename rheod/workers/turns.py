"""Whose turn it is: what an account must leave of the shared call budget to those who have had less of it.

The rule is `domain/budget.py`'s; here it is only told who waits for how much. It never makes a call.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from rheod.catalog.unit import Books
from rheod.domain.budget import Claim, left_to_others, shared_by
from rheod.domain.model import CallClass
from rheod.store import jobs
from rheod.store.ledger import Ledger


class Turns:
    """The accounts that share the budget; `sellers` are their ids, each with the fingerprint of its token."""

    def __init__(self, *, books: Books, ledger: Ledger, sellers: Mapping[str, str]) -> None:
        self._books = books
        self._ledger = ledger
        self._sellers = sellers

    async def left_to_others(self, account_id: str, call_class: CallClass) -> int:
        """Calls that accounts with fewer in the window, and work that is due, have a right to first."""
        now, part = self._books.now(), shared_by(call_class)
        used = self._ledger.used(part, now=now)
        mine = used[account_id]
        fewer = [
            other
            for other, token in self._sellers.items()
            if used[other] < mine and not self._ledger.is_refused(other, token, now=now)
        ]
        if not fewer:
            return 0

        def claims(db: sqlite3.Connection) -> list[Claim]:
            found = []
            for other in fewer:
                costs = jobs.waiting_costs(db, other, part, now=now, most=mine - used[other])
                found += [Claim(used[other], costs[0], sum(costs))] if costs else []
            return found

        return left_to_others(mine, await self._books.read(claims))
