"""Every Tradera call goes through here: the budget is asked, the ledger written, the state stored before and after.

Nothing else may call a TraderaClient. A call's row is durable before the call is sent (reliability.md, finding 4).

Whose turn it is: what an account must leave of the shared call budget to those who have had less of it.

The rule is `domain/budget.py`'s; here it is only told who waits for how much. It never makes a call.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter
from typing import Generic, TypeVar

import structlog

from rheod.domain.budget import PROBE_MS, WINDOW_MS, Allowance, Claim, fits_at, left_to_others, shared_by
from rheod.domain.crash import crashpoint
from rheod.domain.errors import Permanent, RheodError, Transient, Unanswered
from rheod.domain.model import CallClass
from rheod.domain.text import Text
from rheod.jobs.restore_lock import RestoreLock
from rheod.store import jobs, ledger
from rheod.store.ledger import BudgetPause, Ledger, LedgerCall, Spent
from rheod.tradera.client import TraderaClient
from rheod.tradera.transport import OverLimit, Rejected, Seller, TokenRefused, Unreachable
from rheod.usecases.transaction import Store, Transaction


class FairShare:
    """The accounts that share the budget; `sellers` are their ids, each with the fingerprint of its token."""

    def __init__(self, *, store: Store, ledger: Ledger, sellers: Mapping[str, str]) -> None:
        self._store = store
        self._ledger = ledger
        self._sellers = sellers

    async def left_to_others(self, account_id: str, call_class: CallClass) -> int:
        """Calls that accounts with fewer in the window, and work that is due, have a right to first."""
        now, part = self._store.now(), shared_by(call_class)
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

        return left_to_others(mine, await self._store.read(claims))


T = TypeVar("T")
R = TypeVar("R")

_log = structlog.get_logger(__name__)
TOKEN_PROBE_MS = 6 * 3600 * 1000
"""A refused token is tried again this often, unless another one is configured."""
CALLS_AT_ONCE = 4
"""Calls of all accounts together that may be on their way to Tradera at the same time."""
_TURN_MS = 60 * 1000
"""How long to wait for what others are about to call, or for those whose turn is before."""


_Planned = tuple[int, int]
"""Calls that others plan: in all, and of one class."""


class NotNow(Transient):
    """The budget, a 429 or a refused token forbids this call before `until` (ms)."""

    def __init__(self, message: Text, *, call_class: CallClass, until: int) -> None:
        super().__init__(message)
        self.call_class = call_class
        self.until = until


class TokenDead(NotNow):
    """Tradera has just refused the seller's token to this call, as it does since `since` (ms)."""

    def __init__(self, message: Text, *, call_class: CallClass, until: int, since: int) -> None:
        super().__init__(message, call_class=call_class, until=until)
        self.since = since


@dataclass(frozen=True, kw_only=True)
class BudgetedCall(Generic[T, R]):
    """One call: what it is for, how it is sent, and the use cases stored before and after it.

    `before` returning False means the call is not wanted any more; `after` gets the answer.
    """

    call_class: CallClass
    operation: str
    send: Callable[[], Awaitable[T]]
    after: Callable[[Transaction, T], R]
    before: Callable[[Transaction], bool] | None = None
    listing_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetRules:
    """What the owner allows, one for all accounts: calls in all, by operation where set, and at once.

    `sellers` are the accounts that share it, each with the fingerprint of its token.
    """

    allowance: Allowance
    per_operation: dict[str, int]
    sellers: Mapping[str, str] = field(default_factory=dict)
    door: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CALLS_AT_ONCE))


def require_possible(
    rules: BudgetRules, call_class: CallClass, *, cost: int, operations: Mapping[str, int]
) -> None:
    """Raise Permanent, naming the setting, when no wait would ever let all these calls be made in one day."""
    allowance = rules.allowance
    most = allowance.ceiling(call_class)
    if cost > most:
        raise Permanent(
            Text(
                "This takes {cost} Tradera calls, and of tradera.daily_calls = {limit} at most {most} may be used for it: raise tradera.daily_calls, or have fewer pictures (tradera.defaults.max_images)",
                cost=cost,
                limit=allowance.limit,
                most=most,
            )
        )
    for operation, times in operations.items():
        allowed = rules.per_operation.get(operation, times)
        if times > allowed:
            raise Permanent(
                Text(
                    "This takes {times} Tradera calls of the kind {operation}, and tradera.daily_calls_per_method.{operation} allows {allowed}: raise it, or have fewer pictures",
                    times=times,
                    operation=operation,
                    allowed=allowed,
                )
            )


class BudgetedClient:
    """The calls of one seller account. The ledger is shared by all: the budget belongs to the application."""

    def __init__(
        self,
        *,
        store: Store,
        ledger: Ledger,
        rules: BudgetRules,
        client: TraderaClient,
        seller: Seller,
        account_id: str,
    ) -> None:
        self.client = client
        self.seller = seller
        self.account_id = account_id
        self.gate = RestoreLock()
        """What waits after a restore: set once more before the first call where a takeover stands."""
        self.answers_heard = 0
        """How many calls Tradera has answered, refusals included: what ends an outage."""
        self._store = store
        self._ledger = ledger
        self._rules = rules
        self._turns = FairShare(store=store, ledger=ledger, sellers=rules.sellers)

    async def share_of_others(self, call_class: CallClass) -> int:
        """Calls to leave free for accounts that have had fewer of them: the `left` of `room` and `require`."""
        return await self._turns.left_to_others(self.account_id, call_class)

    @contextmanager
    def room(
        self,
        call_class: CallClass,
        *,
        cost: int,
        operations: Mapping[str, int] | None = None,
        after: Collection[str] = (),
        left: int = 0,
    ) -> Iterator[None]:
        """Raise NotNow unless `cost` calls may be made; while they are being made, that room is nobody else's.

        The accounts share one budget: without this each would begin what none can finish and spend every call in vain.
        `after` are accounts that have waited longer for the same work: their room is left to them; and so are `left`
        calls to those who have had fewer.
        """
        self.require(call_class, cost=cost, operations=operations, after=after, left=left)
        self._ledger.keep(self.account_id, call_class, cost)
        try:
            yield
        finally:
            self._ledger.free(self.account_id)

    def require(
        self,
        call_class: CallClass,
        *,
        cost: int = 1,
        operations: Mapping[str, int] | None = None,
        after: Collection[str] = (),
        left: int = 0,
    ) -> None:
        """Raise NotNow unless `cost` calls of this class, so many of each operation, may be made at this moment."""
        now = self._store.now()
        self._require_no_pause(call_class, now)
        at = self._fits_at(call_class, cost, now)
        for operation, times in (operations or {}).items():
            at = max(at, self._operation_fits_at(operation, times, now))
        planned = self._planned(call_class, left + cost * self._before(after))
        if at <= now and self._fits_at(call_class, cost, now, planned) > now:
            at = now + _TURN_MS
        if at > now:
            used = len(self._ledger.times(now=now))
            reason = Text(
                "{used} of {limit} Tradera calls of the last 24 h are used",
                used=used,
                limit=self._rules.allowance.limit,
            )
            raise NotNow(reason, call_class=call_class, until=at)

    def require_possible(self, call_class: CallClass, *, cost: int, operations: Mapping[str, int]) -> None:
        """Raise Permanent, naming the setting, when no wait would ever let all these calls be made in one day."""
        require_possible(self._rules, call_class, cost=cost, operations=operations)

    def _require_no_pause(self, call_class: CallClass, now: int) -> None:
        if call_class in self.gate.closed:
            raise NotNow(Text.of(self.gate.reason or ""), call_class=call_class, until=now + _TURN_MS)
        for key in ((self.account_id, None), ("", call_class)):
            pause = self._ledger.pause(*key)
            if pause is not None and pause.holds_for(self.seller.fingerprint, now=now):
                raise NotNow(Text.of(pause.reason), call_class=call_class, until=pause.until)

    def _fits_at(self, call_class: CallClass, cost: int, now: int, planned: _Planned | None = None) -> int:
        """When so many calls fit; those that others plan count as made now."""
        allowance = self._rules.allowance
        in_all, of_class = planned or (0, 0)
        times = self._ledger.times(now=now) + [now] * in_all
        at = fits_at(times, ceiling=allowance.ceiling(call_class), cost=cost, now=now)
        if call_class is CallClass.RECONCILE:
            own = self._ledger.times(now=now, call_class=call_class) + [now] * of_class
            at = max(at, fits_at(own, ceiling=allowance.reconcile_ceiling, cost=cost, now=now))
        return at

    def _planned(self, call_class: CallClass, before: int) -> _Planned:
        """The calls others are about to make, and those of accounts that come first and have not begun."""
        kept = self._ledger.kept_by_others
        return kept(self.account_id) + before, kept(self.account_id, call_class) + before

    def _before(self, accounts: Collection[str]) -> int:
        """How many of these accounts have not begun and may."""
        return sum(not self._ledger.keeps(each) and not self._ledger.pause(each, None) for each in accounts)

    def _operation_fits_at(self, operation: str, cost: int, now: int) -> int:
        ceiling = self._rules.per_operation.get(operation)
        if ceiling is None or cost == 0:
            return now
        return fits_at(self._ledger.times(now=now, operation=operation), ceiling=ceiling, cost=cost, now=now)

    @property
    def is_refused(self) -> bool:
        """Whether Tradera refuses this seller's token, as far as is known."""
        pause = self._ledger.pause(self.account_id, None)
        return pause is not None and pause.holds_for(self.seller.fingerprint, now=self._store.now())

    async def make(self, request: BudgetedCall[T, R]) -> R | None:
        """Make one call; None when `before` did not want it any more.

        Raises NotNow, or what the client raises once it is noted in the ledger.
        """
        async with self._rules.door:
            return await self._make(request)

    async def _make(self, request: BudgetedCall[T, R]) -> R | None:
        self.require(request.call_class, operations={request.operation: 1})
        call = LedgerCall(
            call_class=request.call_class,
            operation=request.operation,
            account_id=self.account_id,
            listing_id=request.listing_id,
        )
        spent = self._ledger.spend(call, now=self._store.now())
        call_id = await self._open(request, call, spent)
        if call_id is None:
            return None
        crashpoint(f"{request.operation}.before")
        began = perf_counter()
        try:
            answer = await request.send()
        except RheodError as error:
            await self._failed(call, call_id, spent, error, began)
            raise
        self.answers_heard += 1
        crashpoint(f"{request.operation}.answered")

        def store(tx: Transaction) -> R:
            _close(tx, call_id, "ok", began)
            return request.after(tx, answer)

        result = await self._store.write(store)
        crashpoint(f"{request.operation}.stored")
        await self._lift(call)
        return result

    async def _open(self, request: BudgetedCall[T, R], call: LedgerCall, spent: Spent) -> int | None:
        def use_case(tx: Transaction) -> int | None:
            if request.before is not None and not request.before(tx):
                return None
            return ledger.open_call(tx.db, call, now=tx.now)

        try:
            call_id = await self._store.write(use_case)
        except BaseException:
            self._ledger.refund(spent)
            raise
        if call_id is None:
            self._ledger.refund(spent)
        return call_id

    async def _failed(
        self, call: LedgerCall, call_id: int, spent: Spent, error: RheodError, began: float
    ) -> None:
        await self._note_failure(call_id, spent, error, began)
        crashpoint(f"{call.operation}.failed")
        if isinstance(error, OverLimit):
            raise await self._pause_class(call, error) from error
        if isinstance(error, TokenRefused):
            await self._judge_token(call, error)

    async def _note_failure(self, call_id: int, spent: Spent, error: RheodError, began: float) -> None:
        """A call that certainly never reached Tradera spends no budget (F40)."""
        arrived = not isinstance(error, Unreachable)
        self.answers_heard += not isinstance(error, Unreachable | Unanswered)
        await self._store.write(lambda tx: _close(tx, call_id, str(error), began, counted=arrived))
        if (
            not arrived
        ):  # once that is stored: what is remembered is never less than what a restart would read
            self._ledger.refund(spent)

    async def _pause_class(self, call: LedgerCall, error: OverLimit) -> NotNow:
        now = self._store.now()
        wait_ms = max(1000, round(error.retry_after_s * 1000)) if error.retry_after_s else PROBE_MS
        wait_ms = min(wait_ms, WINDOW_MS)  # every call of the window is free again after that
        known = self._ledger.pause("", call.call_class)
        pause = BudgetPause(
            account_id="",
            call_class=call.call_class,
            until=now + wait_ms,
            since=known.since if known else now,
            reason=Text(
                "Tradera says the call limit is spent (429 on {operation})", operation=call.operation
            ),
        )
        await self._pause(pause)
        return NotNow(Text.of(pause.reason), call_class=call.call_class, until=pause.until)

    async def _judge_token(self, call: LedgerCall, error: TokenRefused) -> None:
        """One check with users/me tells a dead token from a call this seller may not make."""
        try:
            self.require(CallClass.ORDERS)
            await self._check(call)
        except TokenRefused:
            reason = Text(
                "Tradera refuses the token of user {user}: {remedy}",
                user=self.seller.user_id,
                remedy=self.seller.remedy,
            )
            now = self._store.now()
            known = self._ledger.pause(self.account_id, None)
            same = known is not None and known.fingerprint == self.seller.fingerprint
            pause = BudgetPause(
                account_id=self.account_id,
                call_class=None,
                until=now + TOKEN_PROBE_MS,
                since=known.since if known and same else now,
                reason=reason,
                fingerprint=self.seller.fingerprint,
            )
            await self._pause(pause)
            raise TokenDead(
                reason, call_class=call.call_class, until=pause.until, since=pause.since
            ) from error
        raise Rejected(
            Text(
                "Tradera does not allow this account to {operation}: {error}",
                operation=call.operation,
                error=str(error),
            ),
            status=403,
        ) from error

    async def _check(self, call: LedgerCall) -> None:
        check = LedgerCall(call_class=CallClass.ORDERS, operation="me", account_id=call.account_id)
        spent = self._ledger.spend(check, now=self._store.now())
        call_id = await self._store.write(lambda tx: ledger.open_call(tx.db, check, now=tx.now))
        began = perf_counter()
        try:
            await self.client.me(self.seller)
        except RheodError as error:
            await self._note_failure(call_id, spent, error, began)
            if isinstance(error, OverLimit):
                raise await self._pause_class(check, error) from error
            raise
        self.answers_heard += 1
        await self._store.write(lambda tx: _close(tx, call_id, "ok", began))

    async def _pause(self, pause: BudgetPause) -> None:
        _log.error("Tradera calls paused", reason=pause.reason, until=pause.until)
        self._ledger.set_pause(pause)
        await self._store.write(lambda tx: ledger.save_pause(tx.db, pause))

    async def answers(self) -> bool:
        """Whether Tradera answers at all (one call): tells bad input that gives 500 from an outage."""
        self.require(CallClass.ORDERS)
        try:
            await self._check(
                LedgerCall(call_class=CallClass.ORDERS, operation="me", account_id=self.account_id)
            )
        except RheodError:
            return False
        return True

    async def _lift(self, call: LedgerCall) -> None:
        """A call that went through ends the pauses that stood against it."""
        for key in ((self.account_id, None), ("", call.call_class)):
            pause = self._ledger.pause(*key)
            if pause is not None:
                self._ledger.lift(pause)
                _log.info("Tradera calls go on", was=pause.reason)
                await self._store.write(partial(_drop, pause))


def _drop(pause: BudgetPause, tx: Transaction) -> None:
    ledger.drop_pause(tx.db, pause)


def _close(tx: Transaction, call_id: int, outcome: str, began: float, *, counted: bool = True) -> None:
    duration_ms = round((perf_counter() - began) * 1000)
    ledger.close_call(tx.db, call_id, outcome=outcome, counted=counted, duration_ms=duration_ms)
