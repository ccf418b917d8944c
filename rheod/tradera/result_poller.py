"""Asks Tradera what became of the committed requests: one call for all that wait, with growing gaps.

Settles every doubt about a commit by asking, never by guessing: a request without a result is not there yet, and nothing
is created anew on silence.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial
from itertools import accumulate

import structlog

from rheod.domain.answers import AdState, SellerAd
from rheod.domain.errors import TRADERA_DELAYS_S, Text, delay_ms, look_gap_ms
from rheod.domain.freight import is_about_freight
from rheod.domain.inputs import CommitAnswered, PublishInDoubt, ResultWaits, WentLive
from rheod.domain.model import CallClass, Job, Listing, ListingState
from rheod.domain.placement import is_about_place
from rheod.jobs import queue
from rheod.jobs.meters import Meters
from rheod.jobs.queue import Done, Retry
from rheod.store import facts, items, ledger
from rheod.tradera.budgeted_client import BudgetedClient, NotNow, NotWanted
from rheod.tradera.publisher import Publisher
from rheod.tradera.reconciler import go_back
from rheod.tradera.responses import Result, ResultState
from rheod.tradera.transport import Rejected
from rheod.usecases import listings, put_item
from rheod.usecases.transaction import Store, Transaction

_log = structlog.get_logger(__name__)
_A_CALL = 100
_DAY_MS = 24 * 3600 * 1000
_MOST_QUESTIONS = 5000
_AHEAD_MS = 400 * _DAY_MS
"""No ad ends later than this."""
_COMMITS = 5
"""A request that Tradera calls uncommitted is committed again after each of so many questions, then with each look."""
_LOOKS_S = (160, 2720, 8720, 20_720, 44_720)
"""So long after the commit, asked in vain, the ad itself is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultPollOptions:
    """`delays_s` are the gaps between questions, the last repeats; after `doubt_ms` a human must look."""

    delays_s: Sequence[float]
    doubt_ms: int
    site_url: str

    def looks(self) -> frozenset[int]:
        """After which questions the ad itself is looked for."""
        gaps = (*self.delays_s, *[self.delays_s[-1]] * _MOST_QUESTIONS)
        asked_at_s = list(accumulate(gaps))
        return frozenset(bisect_left(asked_at_s, seconds) + 1 for seconds in _LOOKS_S)


class _Next(Enum):
    COMMIT = "commit"
    LOOK = "look"


@dataclass(frozen=True, slots=True)
class _FollowUp:
    listing: Listing
    next: _Next
    failure: str | None = None
    again: bool = False


class ResultPoller:
    """Works `results` jobs; their subject is the account."""

    def __init__(
        self,
        *,
        store: Store,
        calls: BudgetedClient,
        publisher: Publisher,
        options: ResultPollOptions,
        meters: Meters | None = None,
    ) -> None:
        self._store = store
        self._calls = calls
        self._publisher = publisher
        self._options = options
        self._meters = meters or Meters()
        self._looks = options.looks()
        self._first_gap_ms = round(options.delays_s[0] * 1000)
        self._spare = 0

    async def ask(self, job: Job) -> queue.Outcome:
        """Ask once for all that wait and settle what can be settled. A refused question is asked again later."""
        waiting, commits = await self._waiting()
        if waiting and _ask_at(waiting[0]) <= self._store.now():
            try:
                await self._ask_and_follow(waiting)
            except Rejected as error:
                _log.error("Tradera refuses to tell results", reason=str(error))
                wait_ms = delay_ms(TRADERA_DELAYS_S, job.attempts + 1)
                return Retry(until=self._store.now() + wait_ms, reason=str(error))
            waiting, commits = await self._waiting()
        moments = [_ask_at(each) for each in waiting[:1]]
        if commits:  # one whose answer is lost is asked about by nobody else
            moments.append(self._store.now() + round(self._options.delays_s[0] * 1000))
        if not moments:
            return Done()
        reason = Text("waits for Tradera's queue")
        return Retry(until=min(moments), reason=reason, counted=False)

    async def look(self, job: Job) -> queue.Outcome:
        """Look for an ad that may be up though its result is not waited for: by its number, request and reference.

        One in doubt is looked for without end, ever more rarely; one that was given up once for each change Tradera
        tells of. What has come up is ours.
        """
        listing = await self._store.read(lambda db: items.listing(db, job.subject))
        if not (listing.is_in_doubt or listing.is_given_up):
            return Done()
        try:
            ad = await self._look(listing)
            if ad is not None:
                return Done(lambda tx: self._turned_up(tx, listing.id, ad))
            if listing.is_given_up:
                return Done()
            write = await self._what_is_said(listing)
        except Rejected as error:
            _log.warning("Tradera refuses to tell of an ad in doubt", listing=listing.id, reason=str(error))
            write = None
        gap_ms = look_gap_ms(self._store.now() - (listing.waits_since or 0))
        reason = Text("looks for the ad in doubt again")
        return Retry(until=self._store.now() + gap_ms, reason=reason, counted=False, write=write)

    async def _what_is_said(self, listing: Listing) -> Callable[[Transaction], object] | None:
        """What Tradera's queue and the seller's ads say of a listing in doubt whose ad is not shown by its number."""
        assert listing.request_id is not None
        async with self._calls.book(CallClass.RESULTS, "results") as call:
            results = await self._calls.client.results(self._calls.seller, [listing.request_id])
            await call.keep(lambda _tx: None)
        result = results.get(listing.request_id)
        if result is not None and result.outcome is ResultState.DONE:
            return lambda tx: self._went_live(tx, listing)
        if result is not None and result.outcome in {ResultState.FAILED, ResultState.AGAIN}:
            why = result.message or Text("Tradera's queue refused it without a reason")
            return lambda tx: put_item.fail_unless_corrected(tx, listing.id, why)
        now = self._store.now()
        async with self._calls.book(CallClass.RESULTS, "seller_items") as call:
            ads = await self._calls.client.seller_items(self._calls.seller, now - _DAY_MS, now + _AHEAD_MS)
            await call.keep(lambda _tx: None)
        ad = next((each for each in ads if listing.own_reference in each.own_references), None)
        if ad is None:
            return None
        if ad.tradera_item_id == listing.tradera_item_id:
            return lambda tx: self._turned_up(tx, listing.id, ad)
        other = Text(
            "Tradera shows ad {other} with the reference of this item, whose own ad is {ad}: look at it in My Tradera",
            other=ad.tradera_item_id,
            ad=listing.tradera_item_id,
        )
        return lambda tx: listings.step(tx, listing.id, PublishInDoubt(error=other))

    def _turned_up(self, tx: Transaction, listing_id: str, ad: SellerAd) -> None:
        """The ad was seen: up, or down already; then reconciliation finds its sale or its end."""
        listing = items.listing(tx.db, listing_id)
        is_up = ad.state_at(tx.now) in {AdState.RUNNING, AdState.BIDS}
        if listing.is_in_doubt:
            _log.warning("an ad in doubt has turned up", ad=ad.tradera_item_id)
            self._went_live(tx, listing)
        elif listing.is_given_up and is_up:
            listings.take_back(tx, listing, ad, self.ad_url(listing))
        if not is_up:
            go_back(tx.db, listing.account_id, listing.commit_sent_at or 0)
            tx.order_reconciliation(listing.account_id)

    async def _ask_and_follow(self, batch: Sequence[Listing]) -> None:
        """Ask, and do what the answer wants.

        Once there was no room for that, the next question waits for room for both: else questions alone would eat
        every call that becomes free.
        """
        with self._calls.reserve(CallClass.RESULTS, {"results": 1}, spare=self._spare):
            self._spare = 0
            requests = [listing.request_id for listing in batch if listing.request_id is not None]
            async with self._calls.book(CallClass.RESULTS, "results") as call:
                results = await self._calls.client.results(self._calls.seller, requests)
                found = await call.keep(lambda tx: [self._settle(tx, each.id, results) for each in batch])
            for follow_up in filter(None, found):
                await self._follow(follow_up)

    async def _waiting(self) -> tuple[list[Listing], bool]:
        """Those to ask for, the first due first, and whether any may be under way that must not be asked for now.

        An ad whose commit is under way as this is read is none to ask for; one whose answer is stored is, though its
        publisher may not have put it down yet.
        """
        account_id, before = self._calls.account_id, frozenset(self._calls.in_work)
        most = _A_CALL + len(before)
        found = await self._store.read(lambda db: items.waiting_listings(db, account_id, limit=most))
        at_work = before | self._calls.in_work
        asked = [each for each in found if each.state is ListingState.COMMITTED or each.id not in at_work]
        return asked[:_A_CALL], bool(at_work)

    def _settle(self, tx: Transaction, listing_id: str, results: Mapping[int, Result]) -> _FollowUp | None:
        """Store what the answer says of one listing; returns what is left to do about it."""
        listing = items.listing(tx.db, listing_id)
        if listing.state not in {ListingState.COMMITTING, ListingState.COMMITTED}:
            return None
        result = results.get(listing.request_id or 0)
        outcome = result.outcome if result else ResultState.WAITING
        if outcome is ResultState.DONE:
            self._went_live(tx, listing)
            return None
        if outcome is ResultState.WAITING and result is not None and result.code:
            listings.step(tx, listing.id, CommitAnswered())
        lone_refusal = _with_its_refusal(tx, listing.id).error
        if outcome is ResultState.UNCOMMITTED and lone_refusal is not None:
            refused = Text("Tradera refused the commit: {error}", error=lone_refusal)
            if is_about_place(refused) or is_about_freight(refused):
                listings.step(tx, listing.id, ResultWaits(ask_in_ms=self._first_gap_ms, counted=False))
                return _FollowUp(items.listing(tx.db, listing.id), _Next.LOOK, refused)
            put_item.fail_unless_corrected(tx, listing.id, refused)
            return None
        due = _ask_at(listing) <= tx.now
        gap_ms = delay_ms(self._options.delays_s, listing.asked + 2)
        listings.step(tx, listing.id, ResultWaits(ask_in_ms=gap_ms, counted=due))
        asked = listing.asked + due
        look = due and asked in self._looks
        # a refused commit is not repeated: it proves nothing about an earlier one
        again = listing.error is None and (look or asked <= _COMMITS or listing.put_off is not None)
        return self._follow_up(_with_its_refusal(tx, listing.id), outcome, result, look=look, again=again)

    def _went_live(self, tx: Transaction, listing: Listing) -> None:
        change = listings.step(tx, listing.id, WentLive(ad_url=self.ad_url(listing)))
        if change.events:
            took_ms = tx.now - facts.ordered_at(tx.db, listing.id)
            tx.afterwards.append(partial(self._meters.published, took_ms))

    def _follow_up(
        self, listing: Listing, outcome: ResultState, result: Result | None, *, look: bool, again: bool
    ) -> _FollowUp | None:
        if outcome in {ResultState.FAILED, ResultState.AGAIN}:
            message = result.message if result else ""
            return _FollowUp(
                listing, _Next.LOOK, message or Text("Tradera's queue refused it without a reason")
            )
        if outcome is ResultState.UNCOMMITTED and again and not self._is_late(listing):
            return _FollowUp(listing, _Next.COMMIT)
        if look or self._is_late(listing):
            refused = listing.error and Text("Tradera refused the commit: {error}", error=listing.error)
            return _FollowUp(listing, _Next.LOOK, refused, again)
        return None

    async def _follow(self, follow_up: _FollowUp) -> None:
        """Do what is left to do. A pause of publishing holds up a repeated commit, not the questions of all the others."""
        listing = follow_up.listing
        try:
            found = None if follow_up.next is _Next.COMMIT else await self._look(listing)
            if found is not None:
                await self._store.write(lambda tx: self._went_live(tx, listing))
            elif follow_up.next is _Next.COMMIT:
                await self._commit(listing)
            elif follow_up.failure is not None:
                await self._store.write(await self._publisher.refused_in_results(listing, follow_up.failure))
            elif self._is_late(listing):
                _log.error("publishing in doubt", listing=listing.id, ad=listing.tradera_item_id)
                doubt = PublishInDoubt(
                    error=Text(
                        "Tradera has not said whether the ad is up: look for it in My Tradera (ad {ad}) and say what you saw with rheod items settle. rheod makes no second ad of this item by itself",
                        ad=listing.tradera_item_id,
                    )
                )
                await self._store.write(lambda tx: listings.step(tx, listing.id, doubt))
            elif listing.state is ListingState.COMMITTING and follow_up.again:
                await self._commit(listing)  # asked, looked for, nowhere: the same request once more
        except NotNow as error:
            self._spare = 1
            if error.call_class is CallClass.RESULTS and not error.is_of_one_job:
                raise
            waits = ResultWaits(
                ask_in_ms=error.until - self._store.now(),
                counted=False,
                put_off=str(error) if error.call_class is CallClass.PUBLISH else None,
                renewed=not self._is_late(listing),
            )
            await self._store.write(lambda tx: listings.step(tx, listing.id, waits))

    async def _commit(self, listing: Listing) -> None:
        with suppress(NotWanted):
            await self._publisher.commit(listing)

    async def _look(self, listing: Listing) -> SellerAd | None:
        """The ad itself, if Tradera shows it to its seller."""
        assert listing.tradera_item_id is not None
        async with self._calls.book(CallClass.RESULTS, "read_item", listing.id):
            return await self._calls.client.read_item(self._calls.seller, listing.tradera_item_id)

    def _is_late(self, listing: Listing) -> bool:
        return self._store.now() - (listing.waits_since or 0) >= self._options.doubt_ms

    def ad_url(self, listing: Listing) -> str:
        """The public address of the listing's ad."""
        return f"{self._options.site_url}/item/{listing.tradera_item_id}"


def _with_its_refusal(tx: Transaction, listing_id: str) -> Listing:
    """The listing; the refusal of its commit only where that was the only one that may have arrived.

    Tradera may refuse a second commit because it has taken the first: then absence proves nothing.
    """
    listing = items.listing(tx.db, listing_id)
    alone = ledger.may_have_arrived(tx.db, listing_id, "commit") <= 1
    return listing if alone else replace(listing, error=None)


def _ask_at(listing: Listing) -> int:
    assert listing.ask_at is not None
    return listing.ask_at
