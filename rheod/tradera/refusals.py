"""What it means that Tradera refuses an account: whose fault it is, in its own words, and when it is asked again.

Orders have a pause of their own, so that a refused publish keeps no sale unread. Before the first call after a pause,
cheap ones tell whether it still holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Protocol

import structlog

from rheod.domain.errors import RheodError, Text
from rheod.domain.model import CallClass
from rheod.store import ledger
from rheod.store.ledger import BudgetPause, Ledger, LedgerCall, account_part
from rheod.tradera.client import TraderaClient
from rheod.tradera.transport import Seller, TokenRefused
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
