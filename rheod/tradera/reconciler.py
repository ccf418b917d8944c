"""What push has missed: passes over the orders and ads that changed at Tradera, and the look at all ads after a restore.

After a restore an account reads its ads first, and until then nothing is published: one pass at once, so that sales are
found, and a last one when Tradera's queue cannot hold anything of the lost machine any more. What it reads becomes listings
in `usecases/listings.py`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial

import structlog

from rheod.domain.answers import AdState, SellerAd
from rheod.domain.budget import METHODS_OF, PASS_COST, TOTAL
from rheod.domain.crash import crashpoint
from rheod.domain.errors import TRADERA_DELAYS_S, Text, delay_ms
from rheod.domain.inputs import EndSeen
from rheod.domain.model import CallClass, CloseReason, Job, JobKind, JobOrder, Listing, QueueName
from rheod.domain.orders import Order
from rheod.jobs.queue import Done, Outcome, Retry
from rheod.store import accounts, inbox, items, jobs, key_value, orders
from rheod.store.accounts import Takeover, UnknownAds
from rheod.store.ads import forget_other, looked_at_other, note_others, others_to_look_at
from rheod.store.jobs import Owner
from rheod.tradera.budgeted_client import BudgetedClient, NotSent
from rheod.tradera.transport import Oversized, Rejected
from rheod.usecases import ending, listings, sales
from rheod.usecases.listings import SellersAndSite
from rheod.usecases.placement import see_category
from rheod.usecases.transaction import Store, Transaction

_log = structlog.get_logger(__name__)
_HOUR_MS = 3600 * 1000
_OVERLAP_MS = _HOUR_MS
_FIRST_LOOK_BACK_MS = 14 * 24 * _HOUR_MS
_A_READ = 200
"""Ads looked up at once, so that nobody waits for a long read."""
_CLOCK_MS = 24 * _HOUR_MS
"""Ads that end so soon are read with those that have ended: this machine's clock may be behind Tradera's."""
_LEAST_SPAN_MS = 60 * 1000
_OVERDUE_A_PASS = 5
_OTHERS_A_PASS = 5
_A_PASS = METHODS_OF[CallClass.RECONCILE]
assert len(_A_PASS) == PASS_COST
_AHEAD_MS = 400 * 24 * _HOUR_MS
"""No ad ends later than this."""
_BLIND_REST_MS = 24 * _HOUR_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileOptions:
    """How often a pass is made, how soon after the last one at start, and for how long listings are looked after."""

    interval_ms: Callable[[], int]
    least_gap_ms: int = 50_000
    looked_after_ms: int = 60 * 24 * _HOUR_MS


@dataclass(frozen=True, slots=True)
class _Ended:
    """Ads that are down, and the row version up to which Tradera has told of changes (None: not asked).

    None in place of an ad means that Tradera does not know it any more though its time is over. `others` are ads that
    rheod did not make: one may be an ad of ours that was started again there. `elsewhere` are ads of ours, up or down, that
    are in another category than rheod knows them in.
    """

    ads: Sequence[tuple[Listing, SellerAd | None]]
    cursor: int | None
    others: Sequence[SellerAd] = ()
    elsewhere: Sequence[SellerAd] = ()


class Reconciler:
    """Works `reconcile` jobs; their subject is the account."""

    def __init__(
        self, *, store: Store, calls: BudgetedClient, sellers: SellersAndSite, options: ReconcileOptions
    ) -> None:
        self._store = store
        self._calls = calls
        self._sellers = sellers
        self._options = options
        self._account_id = calls.account_id
        self._begun = False
        self._refusals = 0

    async def reconcile(self, job: Job) -> Outcome:
        """One pass over what changed at Tradera since the last good one; then wait for the next."""
        now = self._store.now()
        until = await self._store.read(lambda db: key_value.get(db, _mark(self._account_id)))
        # None when there was no pass, or when its time was written by a clock that was ahead
        last = None if until is None or int(until) > now else int(until)
        again = Retry(
            until=now + self._options.interval_ms(), reason=Text("next reconciliation"), counted=False
        )
        ordered, self._begun = self._begun, True
        if last is not None and now - last < self._options.least_gap_ms:
            # a start so soon after a pass needs none; later somebody has ordered it, who waits for an order
            wait_ms = self._options.least_gap_ms if ordered else self._options.interval_ms()
            return Retry(until=last + wait_ms, reason=Text("next reconciliation"), counted=False)
        since = now - self._options.looked_after_ms
        if not await self._store.read(lambda db: items.any_committed_since(db, self._account_id, since)):
            return again  # nothing of ours can have changed: spend no call
        longer = await self._store.read(lambda db: jobs.waiting_longer(db, job))
        ours = [each for each in longer if each in self._calls.budget.rules.sellers]
        begin = (now - _FIRST_LOOK_BACK_MS if last is None else last) - _OVERLAP_MS
        try:
            with self._calls.reserve(CallClass.RECONCILE, dict.fromkeys(_A_PASS, 1), after=ours):
                ended = await self._ended_ads(begin, now)
                crashpoint("reconcile.ads_read")
                if await self._store.read(lambda db: _lacks_order(db, ended, now)):
                    begin = min(begin, now - _FIRST_LOOK_BACK_MS)  # it may be older than the last pass
                await self._orders_since(begin, now, ended)
        except Rejected as error:
            _log.error("Tradera refuses the reconciliation", reason=str(error))
            self._refusals += 1
            wait_ms = min(delay_ms(TRADERA_DELAYS_S, self._refusals), self._options.interval_ms())
            return Retry(until=now + wait_ms, reason=str(error), counted=False)
        self._refusals = 0
        return again

    async def _ended_ads(self, begin: int, now: int) -> _Ended:
        """Our listings that are down at Tradera though we think them up, as Tradera shows them."""
        account_id, since = self._account_id, now - self._options.looked_after_ms
        if not await self._store.read(lambda db: items.any_committed_since(db, account_id, since)):
            return _Ended([], None)
        changed, cursor, whole = await self._changed_ads()

        def note(tx: Transaction) -> None:
            """Have a job look at the changed ads that nobody waits for: a pass may never have the room for it."""
            note_others(tx.db, account_id, changed, now=tx.now)
            for listing in items.to_look_for(tx.db, account_id, changed):
                wanted = JobOrder(queue=QueueName.TRADERA, kind=JobKind.LOOK, subject=listing.id)
                tx.order_for(wanted, Owner(account_id=account_id, item_id=listing.item_id))

        await self._store.write(note)
        others = await self._other_ads()
        ours = await self._up(changed)
        seen: list[SellerAd] = []
        if ours or others or not whole:
            seen = await self._seller_items(begin, now + _CLOCK_MS)
        known = {ad.tradera_item_id for ad in seen}
        ours |= await self._up(known - changed)
        found: list[tuple[Listing, SellerAd | None]] = [
            (ours[ad.tradera_item_id], ad) for ad in seen if ad.tradera_item_id in ours
        ]
        found += await self._overdue_ads(known, now)
        await self._compare_end(now)
        down = {AdState.ENDED, AdState.SOLD}
        ended = [each for each in found if each[1] is None or each[1].state_at(now) in down]
        elsewhere = [ad for each, ad in found if ad and ad.category_id not in {None, each.category_id}]
        return _Ended(ended, cursor, others, elsewhere)

    async def _other_ads(self) -> list[SellerAd]:
        """The first few ads that rheod did not make and has not looked at, as Tradera shows them."""
        account_id, found = self._account_id, list[SellerAd]()
        for number in await self._store.read(
            lambda db: others_to_look_at(db, account_id, limit=_OTHERS_A_PASS)
        ):
            try:
                async with self._calls.book(CallClass.RECONCILE, "read_item", leave={TOTAL: 1}):
                    ad = await self._calls.client.read_item(self._calls.seller, number)
            except NotSent:
                break
            if ad is None:
                await self._store.write(partial(_forget_other, account_id=account_id, ad=number))
            else:
                found.append(ad)
        return found

    async def _up(self, ads: Collection[int]) -> dict[int, Listing]:
        """Our listings behind these ads that are or may be up: there may be 100,000 others."""
        wanted = list(ads)
        found: dict[int, Listing] = {}
        for start in range(0, len(wanted), _A_READ):
            query = partial(
                items.listings_of_ads, account_id=self._account_id, ads=wanted[start : start + _A_READ]
            )
            found |= {_number(listing): listing for listing in await self._store.read(query)}
        return found

    async def _overdue_ads(self, known: Collection[int], now: int) -> list[tuple[Listing, SellerAd | None]]:
        """The first few ads that should have ended by now, as Tradera shows them; None where it knows them no more."""
        account_id, before = self._account_id, now - _HOUR_MS
        overdue = await self._store.read(
            lambda db: items.overdue_listings(db, account_id, before=before, but=known, limit=_OVERDUE_A_PASS)
        )
        found: list[tuple[Listing, SellerAd | None]] = []
        for listing in overdue:
            try:
                found.append((listing, await self._read_ad(listing)))
            except NotSent:
                break
        return found

    async def _compare_end(self, now: int) -> None:
        """Read one ad with a place in the plan of ends now and then: where Tradera ends it says how long a commit takes."""
        listing = await self._store.read(lambda db: ending.to_compare(db, self._account_id, now=now))
        if listing is None:
            return
        try:
            ad = await self._read_ad(listing)
        except NotSent:
            return
        end_at = None if ad is None else ad.ends_at
        await self._store.write(lambda tx: ending.compare(tx, listing, end_at))

    async def _changed_ads(self) -> tuple[frozenset[int], int, bool]:
        """The ads that have changed since the last good pass, the cursor to keep when this one is good, and if they are all.

        Where they are not, any other may have changed too.
        """
        cursor = int(await self._store.read(lambda db: key_value.get(db, _cursor(self._account_id))) or 0)
        try:
            async with self._calls.book(CallClass.RECONCILE, "updated_items"):
                changed = await self._calls.client.updated_items(self._calls.seller, cursor)
        except Oversized as error:  # this list has no periods; that of the seller's ads tells the same
            _log.warning("list of changed ads is too long", reason=str(error))
            return frozenset(), cursor, False
        return changed.ads, max(cursor, changed.version), not changed.incomplete

    async def _seller_items(self, begin: int, end: int) -> list[SellerAd]:
        """The seller's ads that end in this period, in parts where the whole is too long. Raises Oversized."""
        found, periods = list[SellerAd](), [(begin, end)]
        while periods:
            first, last = periods.pop()
            try:
                async with self._calls.book(CallClass.RECONCILE, "seller_items"):
                    found += await self._calls.client.seller_items(self._calls.seller, first, last)
            except Oversized as error:
                periods += halves(first, last, error)
        return found

    async def _read_ad(self, listing: Listing) -> SellerAd | None:
        """The ad as Tradera shows it. Raises NotSent unless a call is left for the orders: without it a pass is in vain.

        An ad that runs on is not overdue before its own end: else every pass would spend a call on it.
        """
        async with self._calls.book(CallClass.RECONCILE, "read_item", listing.id, leave={TOTAL: 1}) as call:
            found = await self._calls.client.read_item(self._calls.seller, _number(listing))
            ends_at = found.ends_at if found is not None else None
            if ends_at is not None and ends_at > self._store.now():
                await call.answered(EndSeen(ends_at=ends_at))
        return found

    async def _orders_since(self, begin: int, now: int, ended: _Ended) -> None:
        """Orders first: an ad that is down without one has ended unsold. Both cursors move in the same transaction."""

        def record(tx: Transaction) -> int:
            sold = sales.record_orders(tx, self._account_id, found, self._sellers)
            for elsewhere in ended.elsewhere:
                see_category(tx, elsewhere)
            for listing, ad in ended.ads:
                self._close(tx, listing, ad, now)
            for ad in ended.others:
                if listings.follow(tx, self._account_id, ad, self._sellers):
                    looked_at_other(tx.db, self._account_id, ad.tradera_item_id, now=now)
            key_value.put(tx.db, _mark(self._account_id), str(now))
            if ended.cursor is not None:
                key_value.put(tx.db, _cursor(self._account_id), str(ended.cursor))
            return sold

        found, periods, sold = list[Order](), [(begin, now + _HOUR_MS)], 0
        while periods:
            first, last = periods.pop()
            try:
                async with self._calls.book(CallClass.RECONCILE, "orders") as call:
                    found += await self._calls.client.orders_between(self._calls.seller, first, last)
                    sold = 0 if periods else await call.keep(record)
            except Oversized as error:
                periods += halves(first, last, error)
        _log.info("reconciled", sold=sold, ended=len(ended.ads))

    def _close(self, tx: Transaction, listing: Listing, ad: SellerAd | None, now: int) -> None:
        number = _number(listing)
        if orders.exists_for_ad(tx.db, number) or inbox.order_waits_for(tx.db, number):
            return
        if ad is None:
            _log.warning("an ad whose time is over is unknown at Tradera; taken as ended", ad=number)
        elif ad.state_at(now) is AdState.SOLD:
            _log.warning("sold at Tradera but no order yet", ad=number)
            return
        early = listing.ends_at is not None and now < listing.ends_at
        reason = CloseReason.CLOSED_BY_SELLER if early else CloseReason.NO_BIDS
        sales.close_ad(tx, self._account_id, number, reason, self._sellers)


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

        def adopt(tx: Transaction) -> None:
            found = listings.adopt(tx, self._account_id, ads, self._sellers)
            state = accounts.find(tx.db, self._account_id)
            assert state is not None
            reached = replace(state, reached=end, blind=state.blind or found.blind > 0)
            accounts.save(tx.db, self._account_id, reached)
            known = accounts.strangers(tx.db, self._account_id)
            numbers = {*known.ads, *(ad.tradera_item_id for ad in found.strangers)}
            latest = max([known.until, *(ad.ends_at or 0 for ad in found.strangers)])
            accounts.save_strangers(
                tx.db, self._account_id, UnknownAds(ads=tuple(sorted(numbers)), until=latest)
            )
            _log.info("looked at Tradera after a restore", ads=len(ads), taken_over=found.listings)

        try:
            async with self.calls.book(CallClass.TAKEOVER, "seller_items") as call:
                ads = await self.calls.client.seller_items(self.calls.seller, begin, end)
                await call.keep(adopt)
        except Oversized:
            if self._span_ms <= _LEAST_SPAN_MS:
                raise
            self._span_ms = (end - begin) // 2
        return False

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


def halves(first: int, last: int, error: Oversized) -> list[tuple[int, int]]:
    """Both halves of a period whose list is too long. Raises the error when it is as short as can be."""
    if last - first <= _LEAST_SPAN_MS:
        raise error
    middle = (first + last) // 2
    return [(middle, last), (first, middle)]


def _number(listing: Listing) -> int:
    assert listing.tradera_item_id is not None
    return listing.tradera_item_id


def _mark(account_id: str) -> str:
    return f"reconciled_until:{account_id}"


def _cursor(account_id: str) -> str:
    return f"row_version:{account_id}"


def go_back(db: sqlite3.Connection, account_id: str, to: int) -> None:
    """Let the next pass look at everything since this time (ms), though an earlier one has been good."""
    known = key_value.get(db, _mark(account_id))
    key_value.put(db, _mark(account_id), str(to if known is None else min(int(known), to)))
    key_value.put(db, _cursor(account_id), "0")


def _forget_other(tx: Transaction, *, account_id: str, ad: int) -> None:
    forget_other(tx.db, account_id, ad)


def _lacks_order(db: sqlite3.Connection, ended: _Ended, now: int) -> bool:
    """Whether an ad was sold, or is shown no more, of which neither an order nor a message about one is known."""
    return any(
        not orders.exists_for_ad(db, _number(listing)) and not inbox.order_waits_for(db, _number(listing))
        for listing, ad in ended.ads
        if ad is None or ad.state_at(now) is AdState.SOLD
    )
