"""The first thing an account does after a restore: it reads its ads at Tradera, and until then nothing is published.

One pass at once, so that sales are found, and a last one when Tradera's queue cannot hold anything of the lost machine any
more. What it reads becomes listings in `usecases/take_over.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import structlog

from rheod.domain.errors import Text
from rheod.domain.model import CallClass, Job, SellerAd
from rheod.domain.retry import TRADERA_DELAYS_S, delay_ms
from rheod.jobs.queue import Done, Outcome, Retry
from rheod.store import accounts
from rheod.store.accounts import Takeover, UnknownAds
from rheod.tradera.budgeted_client import BudgetedClient
from rheod.tradera.order_sync import go_back
from rheod.tradera.transport import Oversized, Rejected
from rheod.usecases import take_over
from rheod.usecases.sales import SellersAndSite
from rheod.usecases.transaction import Store, Transaction

_log = structlog.get_logger(__name__)
_HOUR_MS = 3600 * 1000
_OVERLAP_MS = _HOUR_MS
_LEAST_SPAN_MS = 60 * 1000
_AHEAD_MS = 400 * 24 * _HOUR_MS
"""No ad ends later than this."""
_BLIND_REST_MS = 24 * _HOUR_MS


class TakeOver:
    """Works `takeover` jobs; their subject is the account."""

    def __init__(self, *, store: Store, calls: BudgetedClient, sellers: SellersAndSite) -> None:
        self._store = store
        self.calls = calls
        self._sellers = sellers
        self._account_id = calls.account_id
        self._span_ms = _AHEAD_MS + _AHEAD_MS

    async def take_over(self, job: Job) -> Outcome:
        """Make the pass that is due, or wait for the last one."""
        now = self._store.now()
        state = await self._state()
        if state is None:
            return Done()
        until = state.until or now
        if state.looked and state.began is None and now < until:
            return Retry(
                until=until, reason=Text("waits for what Tradera's queue may still make"), counted=False
            )
        if state.began is None:
            await self._store.write(self._begin)
        try:
            while not await self._read_on():
                pass
        except Rejected as error:
            _log.error("Tradera refuses to tell of the ads", reason=str(error))
            wait_ms = delay_ms(TRADERA_DELAYS_S, job.attempts + 1)
            return Retry(until=now + wait_ms, reason=str(error))
        left = await self._store.write(self._finish)
        self.calls.lock.set(left)
        if left is None:
            return Done()
        rest_at = now + _BLIND_REST_MS if left.blind else until
        return Retry(until=max(rest_at, now), reason=Text("looks at Tradera once more"), counted=False)

    async def _state(self) -> Takeover | None:
        return await self._store.read(lambda db: accounts.find(db, self._account_id))

    def _begin(self, tx: Transaction) -> None:
        state = accounts.find(tx.db, self._account_id)
        assert state is not None
        begun = replace(state, began=tx.now, reached=state.since - _OVERLAP_MS, blind=False)
        accounts.save(tx.db, self._account_id, begun)
        accounts.save_strangers(tx.db, self._account_id, UnknownAds())

    async def _read_on(self) -> bool:
        """Read the ads that end in the next period and note how far that is; True when there are no more."""
        state = await self._state()
        assert state is not None
        assert state.began is not None
        assert state.reached is not None
        begin, last = state.reached, state.began + _AHEAD_MS
        if begin >= last:
            return True
        end = min(begin + self._span_ms, last)
        try:
            async with self.calls.book(CallClass.TAKEOVER, "seller_items") as call:
                ads = await self.calls.client.seller_items(self.calls.seller, begin, end)
                await call.keep(lambda tx: self._adopt(tx, ads, end))
        except Oversized:
            if self._span_ms <= _LEAST_SPAN_MS:
                raise
            self._span_ms = (end - begin) // 2
        return False

    def _adopt(self, tx: Transaction, ads: Sequence[SellerAd], end: int) -> None:
        found = take_over.adopt(tx, self._account_id, ads, self._sellers)
        state = accounts.find(tx.db, self._account_id)
        assert state is not None
        reached = replace(state, reached=end, blind=state.blind or found.blind > 0)
        accounts.save(tx.db, self._account_id, reached)
        known = accounts.strangers(tx.db, self._account_id)
        numbers = {*known.ads, *(ad.tradera_item_id for ad in found.strangers)}
        latest = max([known.until, *(ad.ends_at or 0 for ad in found.strangers)])
        accounts.save_strangers(tx.db, self._account_id, UnknownAds(ads=tuple(sorted(numbers)), until=latest))
        _log.info("looked at Tradera after a restore", ads=len(ads), taken_over=found.listings)

    def _finish(self, tx: Transaction) -> Takeover | None:
        """The pass is whole: its sales are looked for from before the backup on. None when all is done."""
        state = accounts.find(tx.db, self._account_id)
        assert state is not None
        assert state.began is not None
        go_back(tx.db, self._account_id, state.since - _OVERLAP_MS)
        tx.order_reconciliation(self._account_id)
        if state.began >= (state.until or 0) and not state.blind:
            accounts.finish(tx.db, self._account_id)
            return None
        left = replace(state, began=None, reached=None, looked=True)
        accounts.save(tx.db, self._account_id, left)
        return left
