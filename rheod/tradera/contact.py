"""What is heard of Tradera: whether it answers, how many calls ended how, and what it means that it refuses an account.

`Contact` is one for all accounts, since they share the way to Tradera; it starts at nothing with each start. `Refusals` are
those of one account: whose fault it is, in Tradera's own words, and when it is asked again. Orders have a pause of their
own, so that a refused publish keeps no sale unread. Before the first call after a pause, cheap ones tell whether it still
holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram

from rheod.domain.answers import BELIEFS
from rheod.domain.errors import RheodError, Text, Unanswered
from rheod.domain.model import CallClass
from rheod.store import ledger
from rheod.store.ledger import BudgetPause, Ledger, LedgerCall, account_part
from rheod.tradera.client import TraderaClient
from rheod.tradera.transport import OverLimit, Rejected, Seller, ServerFailure, TokenRefused, Unreachable
from rheod.usecases.transaction import Store, Transaction

_log = structlog.get_logger(__name__)
READINGS = frozenset({"categories", "definitions", "shipping"})
"""Operations that read for all accounts what has to do with none."""
OF_THE_APPLICATION = READINGS | {"alias", "time", "token"}
"""Operations that need no seller's token."""
ABOUT_THE_ACCOUNT = OF_THE_APPLICATION | {"me"}
"""Operations that touch neither an ad nor an order: they are asked while all else waits after a restore or a refusal."""
_SAYS_NOTHING = READINGS | {"alias", "time"}
"""Operations whose success says nothing about an account."""
_SOONEST_PROBE_MS = 15 * 1000
_RAREST_PROBE_MS = 3600 * 1000
"""A refused account is asked for again after as long as it has been refused, within these bounds."""
CALL_BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_OUTCOMES: tuple[tuple[type[RheodError], str], ...] = (
    (Unreachable, "unreachable"),
    (OverLimit, "limited"),
    (ServerFailure, "failed"),
    (Unanswered, "unanswered"),
    (TokenRefused, "unauthorized"),
    (Rejected, "refused"),
)


@dataclass(frozen=True, slots=True)
class Silence:
    """Every call since this time (ms) has failed without a clear answer; why the last one did."""

    since: int
    reason: str


class Contact:
    """Told of every call's end. A refusal is an answer; a status of 500 and above is none."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.answered_at: int | None = None
        self.silence: Silence | None = None
        self.next_try: Callable[[], int | None] = lambda: None
        """When a queue that rests calls again (ms)."""
        self.changing = 0
        """Calls on their way that change something at Tradera: nobody would know what became of one that was cut off."""
        self.changes = 0
        """So many such calls have begun."""
        self._calls = Counter(
            "rheod_tradera_requests",
            "Calls made to Tradera since the start of rheod, by operation and how they ended.",
            ["operation", "outcome"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "rheod_tradera_request_seconds",
            "How long Tradera took to answer a call, or rheod to give it up.",
            ["operation"],
            buckets=CALL_BUCKETS_S,
            registry=self.registry,
        )

    @asynccontextmanager
    async def on_its_way(self, operation: str) -> AsyncIterator[None]:
        """A call is made within the block, from its intent to what its answer means."""
        changes = operation in BELIEFS
        self.changing += changes
        self.changes += changes
        try:
            yield
        finally:
            self.changing -= changes

    def moved(self, by: int) -> None:
        """The clock has jumped by so much (ms): silence has lasted as long as before."""
        if self.silence is not None:
            self.silence = replace(self.silence, since=self.silence.since + by)
        if self.answered_at is not None:
            self.answered_at += by

    def ended(self, operation: str, error: RheodError | None, *, now: int, took_s: float) -> None:
        """A call has ended at `now` (ms), by an answer or by this error."""
        outcome = "ok" if error is None else "failed"
        if error is not None:
            outcome = next((word for kind, word in _OUTCOMES if isinstance(error, kind)), outcome)
        self._calls.labels(operation, outcome).inc()
        self._seconds.labels(operation).observe(took_s)
        if error is None or not isinstance(error, Unreachable | Unanswered):
            self.answered_at, self.silence = now, None
        else:
            since = now if self.silence is None else self.silence.since
            self.silence = Silence(since, str(error))


class Calls(Protocol):
    """Whose calls are refused, and what asks for more."""

    account_id: str
    seller: Seller
    client: TraderaClient

    def check(self, call_class: CallClass, operations: Mapping[str, int]) -> None:
        """Raise what forbids these calls."""
        ...

    async def ask(self, operation: str, question: Callable[[], Awaitable[object]]) -> None:
        """Make one more call, beside the one that asks for it."""
        ...


class Refusals:
    """Those of one account; `resume` is called when it may call again."""

    def __init__(self, calls: Calls, *, store: Store, ledger: Ledger, resume: Callable[[], None]) -> None:
        self._calls = calls
        self._store = store
        self._ledger = ledger
        self._resume = resume
        self._one_at_a_time = asyncio.Lock()

    def unsettled(self, call: LedgerCall) -> BudgetPause | None:
        """A pause that stands against this call, be its time over or not."""
        if call.operation in ABOUT_THE_ACCOUNT:
            return None
        part = account_part(call.call_class)
        return self._ledger.refusal(call.account_id, self._calls.seller.fingerprint, [part])

    async def probe(self, call: LedgerCall) -> BudgetPause | None:
        """Ask whether a pause whose time is over still holds; then it is longer."""
        async with self._one_at_a_time:
            pause = self.unsettled(call)
            if pause is None or pause.until > self._store.now():
                return pause  # another call has asked meanwhile
            return await self._ask_again(pause)

    async def _ask_again(self, pause: BudgetPause) -> BudgetPause | None:
        reason = await self._reason()
        return None if reason is None else await self._pause(pause.call_class, reason)

    async def judge(self, call: LedgerCall, error: TokenRefused) -> tuple[BudgetPause | None, bool]:
        """What a refused call means: a pause when the whole account is refused, None when it is this call alone.

        And whether that was learned by this call, not by one that was on its way with it.
        """
        if call.operation == "me":
            words = self._calls.seller.refused(error)
            await self._pause(CallClass.ORDERS, words)
            return await self._pause(None, words), True
        async with self._one_at_a_time:
            known = self.unsettled(call)
            if known is not None and known.until > self._store.now():
                return known, False
            reason = await self._reason()
            part = account_part(call.call_class)
            return None if reason is None else await self._pause(part, reason), True

    async def over(self, operation: str, call_class: CallClass) -> None:
        """A call went through: the pause that stood against it is over; with users/me or a new token both are."""
        if operation in _SAYS_NOTHING:
            return
        parts = (None, CallClass.ORDERS) if operation in ABOUT_THE_ACCOUNT else (account_part(call_class),)
        for part in parts:
            if await self.lift(self._ledger.pause(self._calls.account_id, part)):
                self._resume()
        rest = self._ledger.refusal(self._calls.account_id, self._calls.seller.fingerprint)
        if rest is not None and rest.until <= self._store.now() and not self._one_at_a_time.locked():
            with suppress(RheodError):  # it is asked about now, though nothing may wait for it
                await self._ask_again(rest)

    async def lift(self, pause: BudgetPause | None) -> bool:
        """Forget a pause, if there is one."""
        if pause is None:
            return False

        def drop(tx: Transaction) -> None:
            ledger.drop_pause(tx.db, pause)

        self._ledger.lift(pause)
        _log.info("Tradera calls go on", was=pause.reason)
        await self._store.write(drop)
        return True

    async def _reason(self) -> Text | None:
        """Why Tradera refuses all calls of this seller, in its own words; None when it does not. At most two calls."""
        self._calls.check(CallClass.ORDERS, {"time": 1, "me": 1})
        client, seller = self._calls.client, self._calls.seller
        try:
            await self._calls.ask("time", client.clock)
        except TokenRefused as error:
            return Text(
                "Tradera refuses the application ({words}): check tradera.app_id and tradera.app_key",
                words=error,
            )
        try:
            await self._calls.ask("me", partial(client.me, seller))
        except TokenRefused as error:
            return seller.refused(error)
        return None

    async def _pause(self, part: CallClass | None, reason: Text) -> BudgetPause:
        now, fingerprint = self._store.now(), self._calls.seller.fingerprint
        known = self._ledger.pause(self._calls.account_id, part)
        since = known.since if known is not None and known.fingerprint == fingerprint else now
        wait_ms = min(max(now - since, _SOONEST_PROBE_MS), _RAREST_PROBE_MS)
        pause = BudgetPause(
            account_id=self._calls.account_id,
            call_class=part,
            until=now + wait_ms,
            since=since,
            reason=reason,
            fingerprint=fingerprint,
        )
        await self.keep(pause)
        return pause

    async def keep(self, pause: BudgetPause) -> None:
        """Remember a pause and write it."""
        _log.error("Tradera calls paused", reason=pause.reason, until=pause.until)
        self._ledger.set_pause(pause)
        await self._store.write(lambda tx: ledger.save_pause(tx.db, pause))
