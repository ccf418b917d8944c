"""Reads what ads that are up have of bids: of many by one call on schedule, and of one because its owner wants to know."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import structlog

from rheod.domain.budget import HOUR_MS, bids_gap_ms, left_by_bids
from rheod.domain.crash import crashpoint
from rheod.domain.errors import Permanent, Refused, Text, Unanswered
from rheod.domain.model import CallClass, Job, ListingState
from rheod.jobs.queue import Done, Outcome, Retry
from rheod.store import ads, key_value
from rheod.store.ads import Bids
from rheod.tradera.budgeted_client import BudgetedClient, NotNow
from rheod.tradera.reconciler import halves
from rheod.tradera.transport import Oversized, Rejected
from rheod.usecases.items import Items
from rheod.usecases.placement import see_category
from rheod.usecases.transaction import Store, Transaction

_log = structlog.get_logger(__name__)
_SOON_MS = 24 * HOUR_MS
"""Ads that end within this time are looked at every time, the others every sixth time."""
_EVERY = 6
_A_CALL = 1000
"""Ads of ours that are asked for together: an answer takes about 4 kB an ad, and 8 MB at most."""
_MOST_PARTS = 8
"""Into so many such a question is parted where the answer is too long: it may be so however short the period is."""
_A_WRITE = 200
"""Ads kept in one transaction, so that nobody waits for a long one."""
_NEXT = Text("next reading of bids")


class BidReader:
    """Works `bids` jobs, whose subject is the account: what its ads that are up have of bids, by one call for many.

    Ads that end within a day are read every time, the others every sixth. What is heard is kept as bids and is nothing
    else: an ad that it shows as ended or sold is left to reconciliation. `every_ms` 0 switches it off.
    """

    def __init__(self, *, store: Store, calls: BudgetedClient, every_ms: int) -> None:
        self._store = store
        self._calls = calls
        self._every_ms = every_ms

    async def read(self, _job: Job) -> Outcome:
        """One reading; then wait for the next. What the quota forbids, or Tradera does not answer, waits for the next too."""
        now, account_id = self._store.now(), self._calls.account_id
        if not self._every_ms:
            return Done()
        budget = self._calls.budget
        gap_ms = bids_gap_ms(
            self._every_ms,
            accounts=len(budget.rules.sellers),
            quota=budget.rules.quota,
            learned=budget.ledger.learned,
        )
        if gap_ms is None:
            return _later(now + HOUR_MS, Text("the quota is too small to read bids on schedule"))
        ends, last, whole = await self._store.read(
            lambda db: (
                ads.ends_ahead(db, account_id, now=now),
                _read_at(db, _mark(account_id), now),
                _read_at(db, _whole(account_id), now),
            )
        )
        is_whole = now - whole >= _EVERY * gap_ms
        wanted = ends if is_whole else [each for each in ends if each <= now + _SOON_MS]
        # periods that adjoin, to past the last end, with so many ads in each that one call can name them
        edges = [now, *wanted[_A_CALL::_A_CALL], wanted[-1] + HOUR_MS] if wanted else []
        periods = list(pairwise(edges))
        until = now + gap_ms
        if now - last < gap_ms:  # a start so soon after a reading needs none
            until, periods = last + gap_ms, []
        try:
            for begin, end in periods:
                await self._read(begin, end)
        except NotNow as error:
            return _later(max(error.until, until), error)
        except (Rejected, Unanswered) as error:
            _log.warning("bids could not be read", reason=str(error))
            return _later(until, error)
        if periods:
            marks = [_mark(account_id)] + [_whole(account_id)] * is_whole
            await self._store.write(partial(_note, marks=marks, now=now))
        return _later(until, _NEXT)

    async def _read(self, begin: int, end: int) -> None:
        """Read the ads that end in this period, in parts where the whole is too long, and keep their bids."""
        account_id, periods, parts = self._calls.account_id, [(begin, end)], 1
        budget = self._calls.budget
        while periods:
            first, last = periods.pop()
            leave = left_by_bids(budget.rules.quota, budget.ledger.learned)
            asked_at = self._store.now()
            try:
                async with self._calls.book(CallClass.RECONCILE, "seller_items", leave=leave):
                    shown = await self._calls.client.seller_items(self._calls.seller, first, last)
            except Oversized as error:
                parts += 1
                if parts > _MOST_PARTS:
                    raise
                periods += halves(first, last, error)
                continue
            crashpoint("bids.read")
            found = [(ad.tradera_item_id, Bids.of(ad, asked_at)) for ad in shown]
            for start in range(0, max(1, len(found)), _A_WRITE):
                part = found[start : start + _A_WRITE]
                await self._store.write(partial(_see, account_id=account_id, found=part))
                crashpoint("bids.seen")


class AdLooker:
    """`calls_of` gives what calls Tradera for an account; KeyError for one that does not sell."""

    def __init__(self, *, store: Store, items: Items, calls_of: Callable[[str], BudgetedClient]) -> None:
        self._store = store
        self._items = items
        self._calls_of = calls_of

    async def look(self, account_id: str, external_id: str) -> Bids:
        """Read the ad of an item and keep what its bids are. Raises Refused (NOT_FOUND, CONFLICT, UNAVAILABLE), Transient."""
        listing = (await self._items.read_item(account_id, external_id)).listing
        if listing is None or listing.state is not ListingState.LIVE or listing.tradera_item_id is None:
            raise Refused("CONFLICT", Text("It has no ad that is up"))
        try:
            calls = self._calls_of(account_id)
            async with calls.book(CallClass.RECONCILE, "read_item", listing.id):
                ad = await calls.client.read_item(calls.seller, listing.tradera_item_id)
        except KeyError as error:
            raise Refused("CONFLICT", Text("This account is not connected to Tradera")) from error
        except NotNow as error:
            raise Refused("UNAVAILABLE", Text.of(str(error))) from error
        except Permanent as error:
            raise Refused("CONFLICT", Text.of(str(error))) from error
        if ad is None:
            raise Refused("CONFLICT", Text("Tradera does not show this ad"))
        found = Bids.of(ad, self._store.now())

        def see(tx: Transaction) -> None:
            ads.see_bids(tx.db, listing.id, found)
            see_category(tx, ad)

        await self._store.write(see)
        return found


def _later(until: int, reason: object) -> Retry:
    return Retry(until=until, reason=str(reason), counted=False)


def _see(tx: Transaction, *, account_id: str, found: Sequence[tuple[int, Bids]]) -> None:
    ads.see_bids_of_ads(tx.db, account_id, found)


def _note(tx: Transaction, *, marks: Sequence[str], now: int) -> None:
    for mark in marks:
        key_value.put(tx.db, mark, str(now))


def _mark(account_id: str) -> str:
    return f"bids_read:{account_id}"


def _whole(account_id: str) -> str:
    return f"bids_read_all:{account_id}"


def _read_at(db: sqlite3.Connection, mark: str, now: int) -> int:
    """When that was read last (ms); 0 for never, and for a time of a clock that was ahead."""
    value = int(key_value.get(db, mark) or 0)
    return value if value <= now else 0
