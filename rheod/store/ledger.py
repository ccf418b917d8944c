"""The ledger of Tradera calls: a row for every call, written before it is made; and what may not be called for now.

The calls of the last 24 hours are also kept in memory, so that asking what is left costs no query.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections import Counter, deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from rheod.domain.budget import WINDOW_MS
from rheod.domain.model import CallClass
from rheod.store.texts import restored


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerCall:
    """A call about to be made: what for, which, for whom."""

    call_class: CallClass
    operation: str
    account_id: str
    listing_id: str | None = None


_READING = frozenset({CallClass.ORDERS, CallClass.RECONCILE})


def account_part(call_class: CallClass) -> CallClass | None:
    """Under which class a pause of an account holds for calls of this one: a refused publish keeps no sale unread."""
    return CallClass.ORDERS if call_class in _READING else None


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetPause:
    """What may not be called for before `until` (ms), and why: a class of all accounts (''), or a part of one's own."""

    account_id: str
    call_class: CallClass | None
    until: int
    since: int
    reason: str
    fingerprint: str = ""

    def holds_for(self, fingerprint: str, *, now: int) -> bool:
        """Whether it forbids calls at this time; a refused token's pause does not hold for another token."""
        return self.until > now and self.fingerprint in {"", fingerprint}


@dataclass(frozen=True, slots=True)
class Spent:
    """A call of the window."""

    at: int
    call_class: CallClass
    operation: str
    account_id: str


@dataclass(slots=True)
class _Reserved:
    """Calls an account is about to make, by operation; `spare` are those of which the operation is not known yet."""

    call_class: CallClass
    operations: Counter[str]
    spare: int

    @property
    def calls(self) -> int:
        return self.operations.total() + self.spare

    def draw(self, operation: str) -> None:
        """One of the calls is being made."""
        if self.operations[operation] > 0:
            self.operations[operation] -= 1
        elif self.spare > 0:
            self.spare -= 1


class Ledger:
    """The window of the last 24 hours in memory, mirrored from the rows. Planned calls count from the plan on."""

    def __init__(self, window: list[Spent], pauses: list[BudgetPause]) -> None:
        self._window = deque(window)
        self._pauses = {(pause.account_id, pause.call_class): pause for pause in pauses}
        self._reserved: dict[str, _Reserved] = {}

    @classmethod
    def load(cls, db: sqlite3.Connection, *, now: int) -> Ledger:
        """Read the window and the pauses from the store. A refused account is asked for at once after a start."""
        rows = db.execute(
            "SELECT at, class, operation, account_id FROM calls WHERE counted = 1 AND at > ? ORDER BY at",
            (now - WINDOW_MS,),
        ).fetchall()
        pauses = [_pause_of(row) for row in db.execute("SELECT * FROM pauses").fetchall()]
        pauses = [replace(each, until=min(each.until, now)) if each.account_id else each for each in pauses]
        window = [
            Spent(row["at"], CallClass(row["class"]), row["operation"], row["account_id"]) for row in rows
        ]
        return cls(window, pauses)

    def times(
        self,
        *,
        now: int,
        call_class: CallClass | None = None,
        operation: str | None = None,
        account_id: str | None = None,
    ) -> list[int]:
        """The times of the window's calls, oldest first, of one class, operation or account if asked."""
        while self._window and self._window[0].at <= now - WINDOW_MS:
            self._window.popleft()
        return [
            spent.at
            for spent in self._window
            if (call_class is None or spent.call_class is call_class)
            and (operation is None or spent.operation == operation)
            and (account_id is None or spent.account_id == account_id)
        ]

    def spent(self, *, now: int) -> Counter[str]:
        """How many calls each account has made in the window."""
        return Counter(spent.account_id for spent in self._window if spent.at > now - WINDOW_MS)

    def used(self, classes: Collection[CallClass], *, now: int) -> Counter[str]:
        """How many calls of these classes each account has had of the window, with those it is about to make."""
        counted = Counter(
            spent.account_id
            for spent in self._window
            if spent.call_class in classes and spent.at > now - WINDOW_MS
        )
        for account_id, reserved in self._reserved.items():
            counted[account_id] += reserved.calls if reserved.call_class in classes else 0
        return counted

    def spend(self, call: LedgerCall, *, now: int) -> Spent:
        """Count a call from this moment on; its row is written before it is sent."""
        spent = Spent(now, call.call_class, call.operation, call.account_id)
        self._window.append(spent)
        if call.account_id in self._reserved:
            self._reserved[call.account_id].draw(call.operation)
        return spent

    def refund(self, spent: Spent) -> None:
        """The call certainly never reached Tradera."""
        with contextlib.suppress(ValueError):  # the clock has jumped and the window has dropped it
            self._window.remove(spent)

    def reserve(
        self, account_id: str, call_class: CallClass, operations: Mapping[str, int], *, spare: int
    ) -> None:
        """Keep room for calls an account is about to make, one job at a time; `free` ends it. A crash forgets it."""
        self._reserved[account_id] = _Reserved(call_class, Counter(operations), spare)

    def free(self, account_id: str) -> None:
        """Keep no room for this account any more."""
        self._reserved.pop(account_id, None)

    def reserves(self, account_id: str) -> bool:
        """Whether room is kept for this account now."""
        return account_id in self._reserved

    def has_reserved(self, call: LedgerCall) -> bool:
        """Whether room is kept for this very call."""
        reserved = self._reserved.get(call.account_id)
        return (
            reserved is not None
            and reserved.call_class is call.call_class
            and reserved.operations[call.operation] > 0
        )

    def reserved_by_others(
        self, account_id: str, *, call_class: CallClass | None = None, operation: str | None = None
    ) -> int:
        """How many calls, of one class or operation if asked, the other accounts are still about to make."""
        return sum(
            reserved.calls if operation is None else reserved.operations[operation]
            for each, reserved in self._reserved.items()
            if each != account_id and (call_class is None or reserved.call_class is call_class)
        )

    def pause(self, account_id: str, call_class: CallClass | None) -> BudgetPause | None:
        """The pause in force for an account (`call_class` None) or, for all accounts (''), a class."""
        return self._pauses.get((account_id, call_class))

    def is_refused(self, account_id: str, fingerprint: str, *, now: int) -> bool:
        """Whether Tradera has refused this account's token and it is not to be tried again yet."""
        pause = self.pause(account_id, None)
        return pause is not None and pause.holds_for(fingerprint, now=now)

    def refusal(
        self, account_id: str, fingerprint: str, parts: Sequence[CallClass | None] = (None, CallClass.ORDERS)
    ) -> BudgetPause | None:
        """Why Tradera refuses (a part of) this account, as far as is known: also when it is to be asked again now."""
        known = (self.pause(account_id, each) for each in parts)
        return next((each for each in known if each and each.fingerprint in {"", fingerprint}), None)

    def pauses(self) -> list[BudgetPause]:
        """Every pause on record."""
        return list(self._pauses.values())

    def paused_classes(self, *, now: int) -> dict[CallClass, BudgetPause]:
        """What nobody may call for now."""
        return {
            each.call_class: each
            for each in self._pauses.values()
            if each.call_class is not None and not each.account_id and each.until > now
        }

    def ask_now(self, *, now: int) -> None:
        """The owner wants it now: what an account was refused may be asked for once more at once."""
        for key, pause in self._pauses.items():
            if pause.account_id:
                self._pauses[key] = replace(pause, until=min(pause.until, now))

    def set_pause(self, pause: BudgetPause) -> None:
        """Remember a pause; `save_pause` writes it."""
        self._pauses[(pause.account_id, pause.call_class)] = pause

    def moved(self, by: int) -> None:
        """The clock has jumped by so much (ms): pauses last as long as before."""
        for key, pause in self._pauses.items():
            self._pauses[key] = replace(pause, until=pause.until + by, since=pause.since + by)

    def lift(self, pause: BudgetPause) -> None:
        """Forget a pause; `drop_pause` removes its row."""
        self._pauses.pop((pause.account_id, pause.call_class), None)


def _pause_of(row: sqlite3.Row) -> BudgetPause:
    return BudgetPause(
        account_id=row["account_id"],
        call_class=CallClass(row["class"]) if row["class"] else None,
        until=row["until"],
        since=row["since"],
        reason=restored(row["reason"]) or "",
        fingerprint=row["fingerprint"],
    )


def open_call(db: sqlite3.Connection, call: LedgerCall, *, now: int) -> int:
    """Write the row of a call that is about to be made."""
    cursor = db.execute(
        "INSERT INTO calls (at, account_id, class, operation, listing_id) VALUES (?, ?, ?, ?, ?)",
        (now, call.account_id, call.call_class, call.operation, call.listing_id),
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def close_call(
    db: sqlite3.Connection, call_id: int, *, outcome: str, counted: bool, duration_ms: int
) -> None:
    """Note how the call went; `counted` False when it certainly never arrived."""
    db.execute(
        "UPDATE calls SET outcome = ?, counted = ?, duration_ms = ? WHERE id = ?",
        (outcome, counted, duration_ms, call_id),
    )


def may_have_arrived(db: sqlite3.Connection, listing_id: str, operation: str) -> int:
    """How many calls of this operation were made for the listing, less those that certainly never reached Tradera."""
    row = db.execute(
        "SELECT count(*) FROM calls WHERE listing_id = ? AND operation = ? AND counted = 1",
        (listing_id, operation),
    ).fetchone()
    count: int = row[0]
    return count


def save_pause(db: sqlite3.Connection, pause: BudgetPause) -> None:
    """Write a pause."""
    db.execute(
        "INSERT OR REPLACE INTO pauses (account_id, class, until, reason, fingerprint, since) VALUES (?, ?, ?, ?, ?, ?)",
        (pause.account_id, pause.call_class or "", pause.until, pause.reason, pause.fingerprint, pause.since),
    )


def drop_pause(db: sqlite3.Connection, pause: BudgetPause) -> None:
    """Remove a pause."""
    db.execute(
        "DELETE FROM pauses WHERE account_id = ? AND class = ?", (pause.account_id, pause.call_class or "")
    )
