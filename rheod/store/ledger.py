"""The ledger of Tradera calls: a row for every call, written before it is made; and what may not be called for now.

The calls of the last 24 hours are also kept in memory, by method and by account, so that asking what is left costs no
query and no walk through them.
"""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from collections import Counter, defaultdict, deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

from rheod.domain.budget import (
    METHODS_OF,
    RESERVED_METHODS,
    TOTAL,
    WINDOW_MS,
    Limit,
    MethodState,
    Quota,
    Window,
    by_method,
    free_at,
    method_of,
)
from rheod.domain.model import CallClass
from rheod.store.columns import restored


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
    """A part of an account that may not be called for before `until` (ms), and why."""

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


class Part(StrEnum):
    """Of the calls of a method, or of all: every one, those of reading on schedule, or all others."""

    ALL = "all"
    READING = "reading"
    WORK = "work"


Reservation = tuple[str, int]
"""Room that one job keeps: its account, and a number of its own."""

_HELD: ContextVar[int] = ContextVar("reservation", default=0)
"""The number of the reservation in whose block this runs."""


@dataclass(slots=True)
class _Reserved:
    """Calls an account is about to make, by operation; `spare` are those of which the operation is not known yet."""

    call_class: CallClass
    operations: Counter[str]
    spare: int

    @property
    def calls(self) -> int:
        return self.operations.total() + self.spare

    def of(self, method: str) -> int:
        """How many of them count against this method, or in all."""
        return self.calls if method == TOTAL else by_method(self.operations)[method]

    def draw(self, operation: str) -> None:
        """One of the calls is being made."""
        if self.operations[operation] > 0:
            self.operations[operation] -= 1
        elif self.spare > 0:
            self.spare -= 1


class Ledger:
    """The calls that count against the limits, mirrored from the rows. Planned calls count from the plan on."""

    def __init__(
        self,
        calls: Collection[Spent] = (),
        pauses: Collection[BudgetPause] = (),
        methods: Collection[MethodState] = (),
    ) -> None:
        self._calls: deque[Spent] = deque()
        self._windows: defaultdict[tuple[str, Part], Window] = defaultdict(Window)
        self._by_class: defaultdict[CallClass, Counter[str]] = defaultdict(Counter)
        self._by_method: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._pauses = {(pause.account_id, pause.call_class): pause for pause in pauses}
        self._methods = {state.method: state for state in methods}
        self._reserved: dict[Reservation, _Reserved] = {}
        self._reservations = itertools.count(1)
        self.pressed_at: int | None = None
        """When an ad last waited for a call of the sum (ms)."""
        for spent in calls:
            self._count(spent)

    @classmethod
    def load(cls, db: sqlite3.Connection, *, now: int) -> Ledger:
        """Read the calls that may still count, the pauses and what 429s have told from the store.

        A refused account is asked for at once after a start.
        """
        rows = db.execute(
            "SELECT at, class, operation, account_id FROM calls WHERE counted = 1 AND at > ? ORDER BY at",
            (now - WINDOW_MS - _LONGER_DAY_MS,),
        ).fetchall()
        calls = [
            Spent(row["at"], CallClass(row["class"]), row["operation"], row["account_id"])
            for row in rows
            if free_at(row["at"]) > now
        ]
        pauses = [
            BudgetPause(
                account_id=row["account_id"],
                call_class=CallClass(row["class"]) if row["class"] else None,
                until=min(row["until"], now),
                since=row["since"],
                reason=restored(row["reason"]) or "",
                fingerprint=row["fingerprint"],
            )
            for row in db.execute("SELECT * FROM pauses").fetchall()
        ]
        methods = [MethodState(**row) for row in db.execute("SELECT * FROM method_states").fetchall()]
        return cls(calls, pauses, methods)

    def _count(self, spent: Spent) -> None:
        if self._calls and spent.at < self._calls[-1].at:  # the clock was set back
            self._calls = deque(sorted([*self._calls, spent], key=lambda each: each.at))
        else:
            self._calls.append(spent)
        for window in self._windows_of(spent):
            window.add(spent.at)
        self._by_class[spent.call_class][spent.account_id] += 1
        self._by_method[method_of(spent.operation)][spent.account_id] += 1

    def _uncount(self, spent: Spent) -> None:
        self._by_class[spent.call_class][spent.account_id] -= 1
        self._by_method[method_of(spent.operation)][spent.account_id] -= 1

    def _windows_of(self, spent: Spent) -> Iterator[Window]:
        part = Part.READING if spent.call_class is CallClass.RECONCILE else Part.WORK
        for method in (TOTAL, method_of(spent.operation)):
            yield self._windows[method, Part.ALL]
            yield self._windows[method, part]

    def _expire(self, now: int) -> None:
        calls = self._calls
        while calls and calls[0].at + WINDOW_MS <= now and free_at(calls[0].at) <= now:
            self._uncount(calls.popleft())

    def window(self, method: str = TOTAL, part: Part = Part.ALL) -> Window:
        """The calls that count against a method's limit, or in all."""
        return self._windows[method, part]

    def count(self, *, now: int, method: str = TOTAL) -> int:
        """How many calls of the method, or in all, count at this time."""
        return self._windows[method, Part.ALL].used(now)

    def times(self, *, now: int) -> list[int]:
        """The times of all calls that count, oldest first."""
        return self._windows[TOTAL, Part.ALL].times(now)

    def methods(self, *, now: int) -> dict[str, int]:
        """How many calls of each method count at this time, of those that were called."""
        self._expire(now)
        return {method: found for method, by in self._by_method.items() if (found := by.total())}

    def spent(self, *, now: int) -> Counter[str]:
        """How many calls of each account count at this time."""
        self._expire(now)
        return sum(self._by_class.values(), Counter())

    def used(self, classes: Collection[CallClass], *, now: int) -> Counter[str]:
        """How many calls of these classes each account has had, with those it is about to make."""
        self._expire(now)
        counted = sum((self._by_class[each] for each in classes), Counter[str]())
        for (account_id, _), reserved in self._reserved.items():
            counted[account_id] += reserved.calls if reserved.call_class in classes else 0
        return counted

    def used_of(self, method: str, *, now: int) -> Counter[str]:
        """How many calls of this method each account has had, with those it is about to make."""
        self._expire(now)
        counted = +self._by_method[method]
        for (account_id, _), reserved in self._reserved.items():
            counted[account_id] += reserved.of(method)
        return counted

    def limits(
        self,
        quota: Quota,
        call_class: CallClass,
        operations: Mapping[str, int],
        *,
        spare: int = 0,
        pressed: bool = False,
    ) -> list[Limit]:
        """The limits that calls of this class and these operations must keep; `spare` calls count in all alone.

        `pressed`: ads wait for calls of the sum.
        """
        needs = by_method(operations)
        needs[TOTAL] = sum(operations.values()) + spare
        found = []
        for method, cost in needs.items():
            limit = self.limit(quota, method)
            if limit is None or not cost:
                continue
            ceiling = quota.ceiling(method, call_class, limit)
            found.append(Limit(method, self.window(method), limit, ceiling, cost))
            if call_class is CallClass.RECONCILE:
                ceiling = quota.reading_ceiling(method, limit, pressed=pressed)
                reading = self.window(method, Part.READING)
                found.append(Limit(method, reading, limit, ceiling, cost, reading=True))
        return found

    def is_pressed(self, now: int) -> bool:
        """Whether ads wait, or waited a day ago, for calls of the sum."""
        return self.pressed_at is not None and 0 <= now - self.pressed_at < WINDOW_MS

    def limit(self, quota: Quota, method: str) -> int | None:
        """Calls that may be made of a method: what the owner says, or less where that was learned.

        Orders and endings are asked for all the same, and answered by Tradera.
        """
        limit, learned = quota.limit(method), self.learned.get(method)
        if limit is None or learned is None or method in RESERVED_METHODS:
            return limit
        return min(limit, learned)

    def spend(self, call: LedgerCall, *, now: int) -> Spent:
        """Count a call from this moment on; its row is written before it is sent."""
        spent = Spent(now, call.call_class, call.operation, call.account_id)
        self._expire(now)
        self._count(spent)
        if (reserved := self._reserved.get((call.account_id, _HELD.get()))) is not None:
            reserved.draw(call.operation)
        return spent

    def refund(self, spent: Spent) -> None:
        """The call certainly never reached Tradera."""
        with contextlib.suppress(ValueError):  # the clock has jumped and it counts no more
            self._calls.remove(spent)
            self._uncount(spent)
            for window in self._windows_of(spent):
                window.remove(spent.at)

    def reserve(
        self, account_id: str, call_class: CallClass, operations: Mapping[str, int], *, spare: int
    ) -> Reservation:
        """Keep room for calls that a job of an account is about to make; `free` ends it. A crash forgets it."""
        reservation = account_id, next(self._reservations)
        self._reserved[reservation] = _Reserved(call_class, Counter(operations), spare)
        _HELD.set(reservation[1])
        return reservation

    def free(self, reservation: Reservation) -> None:
        """Keep this room no more."""
        self._reserved.pop(reservation, None)
        _HELD.set(0)

    def reserves(self, account_id: str) -> bool:
        """Whether room is kept for this account now."""
        return any(each == account_id for each, _ in self._reserved)

    def has_reserved(self, call: LedgerCall) -> bool:
        """Whether room is kept for this very call."""
        reserved = self._reserved.get((call.account_id, _HELD.get()))
        return (
            reserved is not None
            and reserved.call_class is call.call_class
            and reserved.operations[call.operation] > 0
        )

    def reserved_by_others(
        self, account_id: str, *, call_class: CallClass | None = None, method: str = TOTAL
    ) -> int:
        """How many calls of this method or in all, of one class if asked, the other jobs are still about to make."""
        return sum(
            reserved.of(method)
            for each, reserved in self._reserved.items()
            if each != (account_id, _HELD.get()) and (call_class is None or reserved.call_class is call_class)
        )

    def pause(self, account_id: str, part: CallClass | None) -> BudgetPause | None:
        """The pause on record of a part of an account."""
        return self._pauses.get((account_id, part))

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

    def ask_now(self, *, now: int) -> None:
        """The owner wants it now: what an account was refused may be asked for once more at once."""
        for key, pause in self._pauses.items():
            self._pauses[key] = replace(pause, until=min(pause.until, now))

    def set_pause(self, pause: BudgetPause) -> None:
        """Remember a pause; `save_pause` writes it."""
        self._pauses[pause.account_id, pause.call_class] = pause

    def moved(self, by: int) -> None:
        """The clock has jumped by so much (ms): pauses last as long as before."""
        for key, pause in self._pauses.items():
            self._pauses[key] = replace(pause, until=pause.until + by, since=pause.since + by)

    def lift(self, pause: BudgetPause) -> None:
        """Forget a pause; `drop_pause` removes its row."""
        self._pauses.pop((pause.account_id, pause.call_class), None)

    @property
    def learned(self) -> dict[str, int]:
        """What 429s have told of methods' limits."""
        return {each.method: each.ceiling for each in self._methods.values() if each.ceiling is not None}

    def state(self, method: str) -> MethodState:
        """What 429s have told of a method."""
        return self._methods.get(method) or MethodState(method=method)

    def states(self) -> list[MethodState]:
        """Of every method of which something was told."""
        return list(self._methods.values())

    def rest_of(self, call_class: CallClass, *, now: int) -> MethodState | None:
        """The method that rests for longest of those without which nothing of this class can be done."""
        states = (self.state(method) for method in METHODS_OF[call_class])
        resting = [each for each in states if each.is_resting(now)]
        return max(resting, key=lambda each: each.until, default=None)

    def set_state(self, state: MethodState) -> None:
        """Remember what was told of a method; `save_state` writes it."""
        if state == MethodState(method=state.method):
            self._methods.pop(state.method, None)
        else:
            self._methods[state.method] = state


_LONGER_DAY_MS = 3600 * 1000
"""By so much a Swedish day may be longer than 24 hours."""


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


def save_state(db: sqlite3.Connection, state: MethodState) -> None:
    """Write what 429s have told of a method; nothing is kept of one of which they have told nothing."""
    db.execute("DELETE FROM method_states WHERE method = ?", (state.method,))
    if state != MethodState(method=state.method):
        db.execute(
            "INSERT INTO method_states (method, refusals, used, since, refused_at, until, ceiling)"
            " VALUES (:method, :refusals, :used, :since, :refused_at, :until, :ceiling)",
            asdict(state),
        )
