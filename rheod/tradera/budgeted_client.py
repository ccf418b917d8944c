"""Every call to Tradera goes through here: the budget is asked, then one transaction stands before the call and one after it.

Nothing else may call a TraderaClient. The row of a call is durable before it is sent, so that a crash never makes the
budget larger than what Tradera has counted.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter
from types import MappingProxyType
from typing import TypeVar

import structlog

from rheod.domain.budget import (
    METHODS_OF,
    TOTAL,
    Claim,
    MethodState,
    Quota,
    by_method,
    job_needs,
    left_to_others,
    method_of,
    publish_cost,
    refused,
    shared_by,
    taken,
)
from rheod.domain.crash import crashpoint
from rheod.domain.effects import Change
from rheod.domain.errors import RheodError, Text, Transient, Unanswered
from rheod.domain.inputs import Input
from rheod.domain.model import CallClass
from rheod.jobs.queue import RestoreLock
from rheod.store import jobs, ledger
from rheod.store.ledger import Ledger, LedgerCall, Spent, account_part
from rheod.tradera.client import TraderaClient
from rheod.tradera.contact import ABOUT_THE_ACCOUNT, OF_THE_APPLICATION, Contact, Refusals
from rheod.tradera.transport import OverLimit, Rejected, Seller, TokenRefused, Unreachable
from rheod.usecases import listings
from rheod.usecases.transaction import Store, Transaction

T = TypeVar("T")

_log = structlog.get_logger(__name__)
CALLS_AT_ONCE = 8
"""Calls of all accounts together that may be on their way to Tradera at the same time."""
_NOTHING: Mapping[str, int] = MappingProxyType({})
_DEAREST = publish_cost(12)
"""Calls of the dearest job there is."""
_TURN_MS = 60 * 1000
"""How long to wait for what others are about to call, or for those whose turn is before."""


class NotNow(Transient):
    """The quota, a 429, a restore or a refused token forbids this before `until` (ms).

    `method` is the one that is spent or rests; without it nothing of the class may be called.
    """

    def __init__(
        self, message: Text, *, call_class: CallClass, until: int, method: str | None = None
    ) -> None:
        super().__init__(message)
        self.call_class = call_class
        self.until = until
        self.method = method

    @property
    def is_of_one_job(self) -> bool:
        """Whether only what needs this method has to wait: other work of its class can do without."""
        return self.method is not None and self.method not in METHODS_OF[self.call_class]


class NotSent(NotNow):
    """The call was not made: there was no room for it, or it was forbidden before it was asked for."""


class TokenDead(NotNow):
    """Tradera has just refused the seller's token to this call, as it does since `since` (ms)."""

    def __init__(self, message: Text, *, call_class: CallClass, until: int, since: int) -> None:
        super().__init__(message, call_class=call_class, until=until)
        self.since = since


class NotWanted(Exception):
    """The item has been changed or taken back meanwhile, or the thing is done: nothing more is sent for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetRules:
    """What the owner allows, one for all accounts: calls by method and in all, and at once.

    `sellers` are the accounts that share it, each with the fingerprint of its token.
    """

    quota: Quota
    sellers: Mapping[str, str] = field(default_factory=dict)
    concurrency: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CALLS_AT_ONCE))


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedBudget:
    """What the calls of all accounts have in common, and the one builder of an account's client.

    `locks` are the restore locks by account: whoever calls for an account obeys the same one. `contact` is told of
    every call's end.
    """

    store: Store
    ledger: Ledger
    rules: BudgetRules
    locks: Mapping[str, RestoreLock]
    contact: Contact = field(default_factory=Contact)
    resume: Callable[[], None] = lambda: None
    """Called when an account that was refused may call again: its queue waits for a later time."""

    def client_of(self, account_id: str, seller: Seller, client: TraderaClient) -> BudgetedClient:
        """The calls of this account as this seller."""
        return BudgetedClient(budget=self, client=client, seller=seller, account_id=account_id)


class BookedCall:
    """A call whose row is durable. Once, its answer is stored with what it means, by `answered` or `keep`."""

    def __init__(self, client: BudgetedClient, call: LedgerCall, *, number: int, spent: Spent) -> None:
        self.operation = call.operation
        self.call_class = call.call_class
        self.listing_id = call.listing_id
        self.heard = False
        self._client = client
        self._number = number
        self._spent = spent
        self._began = perf_counter()

    async def answered(self, given: Input) -> Change:
        """Tradera has answered: store what that means for the call's listing."""
        assert self.listing_id is not None
        return await self.keep(partial(listings.step, listing_id=self.listing_id, given=given))

    async def keep(self, use_case: Callable[[Transaction], T]) -> T:
        """Tradera has answered: run the use case and close the call in one transaction."""
        self.heard = True
        self._client.answers_heard += 1
        self._note(None)
        crashpoint(f"{self.operation}.answered")

        def store(tx: Transaction) -> T:
            self._close(tx, "ok")
            return use_case(tx)

        result = await self._client.budget.store.write(store)
        crashpoint(f"{self.operation}.stored")
        await self._client.went_through(self.operation, self.call_class, sent_at=self._spent.at)
        return result

    async def refused(self, error: Rejected, given: Input) -> None:
        """Tradera has said no: store what that means for the call's listing, and close the call, in one transaction."""
        assert self.listing_id is not None
        listing_id = self.listing_id
        self.heard = True
        self._client.answers_heard += 1
        self._note(error)

        def store(tx: Transaction) -> None:
            self._close(tx, str(error))
            listings.step(tx, listing_id, given)

        await self._client.budget.store.write(store)

    async def failed(self, error: RheodError) -> None:
        """The call was refused or brought no answer. One that certainly never reached Tradera spends no budget."""
        arrived = not isinstance(error, Unreachable)
        self._client.answers_heard += not isinstance(error, Unreachable | Unanswered)
        self._note(error)
        await self._client.budget.store.write(lambda tx: self._close(tx, str(error), counted=arrived))
        if not arrived:
            # once that is stored: what is remembered is never less than what a restart would read
            self._client.budget.ledger.refund(self._spent)
        crashpoint(f"{self.operation}.failed")

    def _note(self, error: RheodError | None) -> None:
        budget = self._client.budget
        budget.contact.ended(
            self.operation, error, now=budget.store.now(), took_s=perf_counter() - self._began
        )

    def _close(self, tx: Transaction, outcome: str, *, counted: bool = True) -> None:
        duration_ms = round((perf_counter() - self._began) * 1000)
        ledger.close_call(tx.db, self._number, outcome=outcome, counted=counted, duration_ms=duration_ms)


class BudgetedClient:
    """The calls of one seller account. The ledger is shared by all: the budget belongs to the application."""

    def __init__(
        self, *, budget: SharedBudget, client: TraderaClient, seller: Seller, account_id: str
    ) -> None:
        self.budget = budget
        self.client = client
        self.seller = seller
        self.account_id = account_id
        self.lock = budget.locks[account_id]
        """What waits after a restore."""
        self.answers_heard = 0
        """How many calls Tradera has answered, refusals included: what ends an outage."""
        self.in_work: set[str] = set()
        """Listings that are being published at this moment: their commits may be under way."""
        self._rules = budget.rules
        self._ledger = budget.ledger
        self._now = budget.store.now
        self._refusals = Refusals(self, store=budget.store, ledger=budget.ledger, resume=budget.resume)

    @asynccontextmanager
    async def book(
        self,
        call_class: CallClass,
        operation: str,
        listing_id: str | None = None,
        intent: Input | Callable[[Transaction], bool] | None = None,
        *,
        leave: Mapping[str, int] = _NOTHING,
    ) -> AsyncIterator[BookedCall]:
        """Book one call, which the block makes. `leave` so many calls by method, or in all, free for others.

        The first transaction writes the call's row and its intent: a step of the listing, or a use case. The block hands
        what it heard to `BookedCall.answered` (or `keep`), the second transaction; without that the answer changes
        nothing. What leaves the block by an exception is noted by its kind.

        Raises NotSent when the budget forbids it, NotWanted when the intent is refused or False, or what the failure
        means: NotNow after a 429, TokenDead, Rejected, else the client's own error.
        """
        call = LedgerCall(
            call_class=call_class, operation=operation, account_id=self.account_id, listing_id=listing_id
        )
        async with self._rules.concurrency:
            self._ask_for(call, leave)
            if self._refusals.unsettled(call) is not None:
                if (pause := await self._refusals.probe(call)) is not None:
                    raise NotSent(Text.of(pause.reason), call_class=call_class, until=pause.until)
                self._ask_for(call, leave)
            try:
                on_its_way = self.budget.contact.on_its_way(operation)
                async with on_its_way, self._booked(call, intent) as booked:
                    yield booked
            except TokenRefused as error:
                raise await self._judged(call, error) from error

    def _ask_for(self, call: LedgerCall, leave: Mapping[str, int]) -> None:
        """Raise NotSent unless the call may be made now; what was reserved for it is there."""
        if self._ledger.has_reserved(call):
            self._check_pauses(call.call_class, {call.operation: 1}, self._now())
        else:
            self.check(call.call_class, {call.operation: 1}, leave=leave)

    @asynccontextmanager
    async def _booked(
        self, call: LedgerCall, intent: Input | Callable[[Transaction], bool] | None
    ) -> AsyncIterator[BookedCall]:
        def book(tx: Transaction) -> int:
            wanted = True
            if callable(intent):
                wanted = intent(tx)
            elif intent is not None and call.listing_id is not None:
                wanted = listings.step(tx, call.listing_id, intent).refusal is None
            if not wanted:
                raise NotWanted
            return ledger.open_call(tx.db, call, now=tx.now)

        spent = self._ledger.spend(call, now=self._now())
        try:
            number = await self.budget.store.write(book)
        except BaseException:
            self._ledger.refund(spent)
            raise
        crashpoint(f"{call.operation}.before")
        booked = BookedCall(self, call, number=number, spent=spent)
        try:
            yield booked
        except RheodError as error:
            if booked.heard:
                raise
            await booked.failed(error)
            if not isinstance(error, OverLimit):
                raise
            now, method = self._now(), method_of(call.operation)
            state = refused(
                self._ledger.state(method),
                sent_at=spent.at,
                now=now,
                used=self._ledger.count(now=now, method=method) - 1,
                retry_after_ms=round(error.retry_after_s * 1000) if error.retry_after_s else None,
            )
            _log.error("Tradera refuses more calls", method=method, used=state.used, until=state.until)
            await self._keep_state(state)
            raise NotNow(
                state.reason, call_class=call.call_class, until=state.until, method=method
            ) from error
        if not booked.heard:
            await booked.keep(lambda _tx: None)

    @contextmanager
    def reserve(
        self,
        call_class: CallClass,
        operations: Mapping[str, int],
        *,
        spare: int = 0,
        after: Collection[str] = (),
        leave: Mapping[str, int] = _NOTHING,
    ) -> Iterator[None]:
        """Raise NotSent unless all these calls may be made; within the block their room is nobody else's.

        The accounts share one budget: without this each would begin what none can finish and spend every call in vain.
        `spare` are calls of which the operation is not known yet. `after` are accounts that have waited longer for the
        same work: their room is left to them; and so are `leave` calls, by method or in all, to those who have had fewer.
        """
        self.check(call_class, operations, spare=spare, after=after, leave=leave)
        reservation = self._ledger.reserve(self.account_id, call_class, operations, spare=spare)
        try:
            yield
        finally:
            self._ledger.free(reservation)

    def check(
        self,
        call_class: CallClass,
        operations: Mapping[str, int],
        *,
        spare: int = 0,
        after: Collection[str] = (),
        leave: Mapping[str, int] = _NOTHING,
    ) -> None:
        """Raise NotSent unless so many calls of this class and of each operation may be made at this moment."""
        now = self._now()
        self._check_pauses(call_class, operations, now)
        part = account_part(call_class)
        first = sum(not self._ledger.reserves(each) and not self._ledger.pause(each, part) for each in after)
        pressed = self._ledger.is_pressed(now)
        limits = self._ledger.limits(self._rules.quota, call_class, operations, spare=spare, pressed=pressed)
        for limit in limits:
            at = turn = limit.fits_at(now)
            beside = leave.get(limit.method, 0) + limit.cost * first
            beside += self._ledger.reserved_by_others(
                self.account_id, method=limit.method, call_class=call_class if limit.reading else None
            )
            if beside:
                turn = limit.fits_at(now, beside=beside)
            reason = limit.reason(now)
            if at <= now < turn:
                at, reason = now + _TURN_MS, Text("The Tradera calls that are left are for what comes first")
            if at > now:
                if call_class is CallClass.PUBLISH and limit.method == TOTAL:
                    self._ledger.pressed_at = now
                raise NotSent(reason, call_class=call_class, until=at, method=limit.method or None)

    def _check_pauses(self, call_class: CallClass, operations: Mapping[str, int], now: int) -> None:
        if not operations.keys() <= ABOUT_THE_ACCOUNT:
            pause = self._ledger.pause(self.account_id, account_part(call_class))
            if call_class in self.lock.closed:
                raise NotSent(Text.of(self.lock.reason or ""), call_class=call_class, until=now + _TURN_MS)
            if pause is not None and pause.holds_for(self.seller.fingerprint, now=now):
                raise NotSent(Text.of(pause.reason), call_class=call_class, until=pause.until)
        for method in by_method(operations):
            state = self._ledger.state(method)
            if state.is_resting(now):
                raise NotSent(state.reason, call_class=call_class, until=state.until, method=method)

    async def fair_share(self, call_class: CallClass, operations: Mapping[str, int]) -> Mapping[str, int]:
        """Calls, by method and in all, to leave to accounts that have had fewer and have work that is due.

        While there is room for whatever they could claim nobody's work is looked at.
        """
        now, part = self._now(), shared_by(call_class)
        wanted: dict[str, Counter[str]] = {}
        for limit in self._ledger.limits(self._rules.quota, call_class, operations):
            method = limit.method
            used = (
                self._ledger.used(part, now=now) if method == TOTAL else self._ledger.used_of(method, now=now)
            )
            mine = used[self.account_id]
            fewer = Counter(
                {
                    other: mine - used[other]
                    for other, token in self._rules.sellers.items()
                    if used[other] < mine and not self._ledger.is_refused(other, token, now=now)
                }
            )
            if fewer and limit.fits_at(now, beside=fewer.total() + _DEAREST * len(fewer)) > now:
                wanted[method] = fewer
        if not wanted:
            return _NOTHING

        def claims(db: sqlite3.Connection) -> dict[str, int]:
            others = {other for fewer in wanted.values() for other in fewer}
            most = max(max(fewer.values()) for fewer in wanted.values())
            waiting = {
                other: [
                    job_needs(kind, cost)
                    for kind, cost in jobs.waiting_costs(db, other, part, now=now, most=most)
                ]
                for other in others
            }
            return {
                method: left_to_others(
                    max(fewer.values()),
                    [
                        Claim(max(fewer.values()) - behind, costs[0], sum(costs))
                        for other, behind in fewer.items()
                        if (costs := [cost for needs in waiting[other] if (cost := needs.get(method, 0))])
                    ],
                )
                for method, fewer in wanted.items()
            }

        return await self.budget.store.read(claims)

    @property
    def is_refused(self) -> bool:
        """Whether Tradera refuses this seller's token, as far as is known."""
        return self._ledger.is_refused(self.account_id, self.seller.fingerprint, now=self._now())

    async def answers(self) -> bool:
        """Whether Tradera answers at all (one call): tells bad input that gives 500 from an outage."""
        self.check(CallClass.ORDERS, {"me": 1})
        try:
            await self.ask("me", partial(self.client.me, self.seller))
        except RheodError:
            return False
        return True

    async def ask(self, operation: str, question: Callable[[], Awaitable[object]]) -> None:
        """One more question about the account, beside the call that asks for it."""
        call = LedgerCall(call_class=CallClass.ORDERS, operation=operation, account_id=self.account_id)
        async with self._booked(call, None):
            await question()

    async def _judged(self, call: LedgerCall, error: TokenRefused) -> RheodError:
        """Tell an application or a token that is refused from a call that this seller may not make."""
        if call.operation in OF_THE_APPLICATION:
            return error
        pause, is_news = await self._refusals.judge(call, error)
        if call.operation == "me":
            return error
        if pause is not None:
            reason = Text.of(pause.reason)
            if not is_news:
                return NotNow(reason, call_class=call.call_class, until=pause.until)
            return TokenDead(reason, call_class=call.call_class, until=pause.until, since=pause.since)
        refusal = Text(
            "Tradera does not allow this account to {operation}: {error}",
            operation=call.operation,
            error=error,
        )
        return Rejected(refusal, status=403)

    async def _keep_state(self, state: MethodState) -> None:
        self._ledger.set_state(state)
        await self.budget.store.write(lambda tx: ledger.save_state(tx.db, state))

    async def went_through(self, operation: str, call_class: CallClass, *, sent_at: int) -> None:
        """A call went through: what stood against it is over."""
        await self._refusals.over(operation, call_class)
        state = self._ledger.state(method_of(operation))
        if state.refusals and (after := taken(state, sent_at=sent_at)) != state:
            _log.info("Tradera calls go on", was=state.reason)
            await self._keep_state(after)
