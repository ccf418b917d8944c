"""Publishes one listing step by step: create, pictures in order, commit. The result poller goes on from there.

The state is stored before and after every call, so that after a crash the work goes on where it stopped and nothing is
auctioned twice.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import structlog

from rheod.domain.answers import AdState
from rheod.domain.budget import RESULT_COST, TOTAL, publish_cost
from rheod.domain.crash import crashpoint
from rheod.domain.effects import Change
from rheod.domain.errors import TRADERA_DELAYS_S, Permanent, Text, Transient, Unanswered, delay_ms
from rheod.domain.freight import Freight, ProductKey, choose, is_about_freight, parcel_of
from rheod.domain.inputs import (
    CommitAnswered,
    CommitRefused,
    CommitStarted,
    Created,
    CreateStarted,
    Input,
    PictureSent,
    PictureStarted,
    PublishFailed,
    SellerTokenRefused,
    StartedOver,
    TakenOver,
)
from rheod.domain.model import (
    CallClass,
    Item,
    Job,
    JobKind,
    JobOrder,
    Listing,
    ListingState,
    Picture,
    QueueName,
)
from rheod.domain.placement import Placement, is_about_place
from rheod.jobs.queue import Done, Hold, Outcome, Pause, Retry
from rheod.store import items
from rheod.tradera.ad_builder import Ad, AdDefaults, is_auction, make_ad
from rheod.tradera.budgeted_client import BudgetedClient, NotWanted, TokenDead
from rheod.tradera.reference_data import ReferenceReader
from rheod.tradera.transport import Rejected
from rheod.usecases import ending, listings, pictures
from rheod.usecases.contested_sales import may_be_sold, sale_in_doubt
from rheod.usecases.listings import AskSchedule, PublishPlan
from rheod.usecases.placement import WAITS_FOR_TREE, ReferenceData, look_again
from rheod.usecases.put_item import fail_unless_corrected, replaced
from rheod.usecases.transaction import Store, Transaction

_log = structlog.get_logger(__name__)
_STALE_MS = 50 * 60 * 1000
"""How long an uncommitted request is trusted: Tradera names no time, and an hour is the guess."""
_TREE_MS = 15 * 1000
"""So long an item that nobody has chosen a category for waits for Tradera's before it looks again."""
_OTHER_FREIGHT = Text("Tradera refused the way to send it: another one is offered")
_AHEAD_MS = 20 * 60 * 1000
"""So long before its commit a listing with a place among the ends is made, well within the time a request is trusted."""
_FOR_ITS_END = Text("waits for the time from which it ends when buyers are there")
_ORDER_MS = 5_000
"""So long an item waits for the look-up of an order that may be its own."""
_LOOKS = Text("Looks again at its category and attributes")
_FORGOTTEN_REQUESTS = 2
"""A Tradera that forgets each request anew is not worth the calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishOptions:
    """The owner's settings for publishing. `in_doubt` says what to do with a picture whose answer was lost.

    After `tries` without a clear answer, though Tradera answers others, the listing has failed.
    """

    defaults: AdDefaults
    images_dir: Path
    max_images: int
    image_format: int
    has_mega: bool
    in_doubt: Literal["resend", "recreate"]
    tries: int
    schedule: AskSchedule
    site_url: str = "https://www.tradera.com"


class _Early(Exception):
    """All but the commit is done, and that has its time (ms UTC)."""

    def __init__(self, until: int) -> None:
        super().__init__(until)
        self.until = until


class _Vanished(Exception):
    """Tradera knows nothing of the uncommitted request any more; nothing of it can ever be seen."""


class Publisher:
    """Works `publish` jobs; their subject is a listing id."""

    def __init__(
        self,
        *,
        store: Store,
        calls: BudgetedClient,
        options: PublishOptions,
        reference: ReferenceReader,
    ) -> None:
        self._store = store
        self._calls = calls
        self._options = options
        self._reference = reference

    async def publish(self, job: Job) -> Outcome:
        """Bring the listing as far as its commit. Raises what the calls raise when time may heal it."""
        read = await self._store.read(lambda db: listings.plan(db, job.subject))
        if read is None or read.listing.state.may_be_live or not read.listing.state.is_open:
            return Done()
        doubt, waits = await self._store.read(
            lambda db: (sale_in_doubt(db, read.item.id), may_be_sold(db, read.item.id))
        )
        if doubt is not None:
            return Hold(doubt)
        if waits is not None:
            until = self._store.now() + _ORDER_MS
            return Retry(until=until, reason=waits, counted=False, answered=False)
        plan, early = await self._in_its_place(read)
        if early is not None:
            return early
        self._calls.in_work.add(plan.listing.id)
        try:
            return await self._begin(job, plan)
        finally:
            self._calls.in_work.discard(plan.listing.id)

    async def _in_its_place(self, plan: PublishPlan) -> tuple[PublishPlan, Outcome | None]:
        """The listing with its place among the ends, and until when that lets it wait.

        Request and pictures go before, so that only the commit has to be on time.
        """
        item, listing, now = plan.item, plan.listing, self._store.now()
        start_at = item.spec.tradera.start_at if item.spec.tradera else None
        if start_at and listing.generation == 1:
            waits = Retry(until=start_at, reason=Text("starts at the time the item says"), counted=False)
            return plan, waits if start_at > now else None
        if not is_auction(item, listing, self._options.defaults):
            return plan, None
        if await self._store.read(lambda db: ending.wants_place(db, item, listing, now=now)):
            listing = await self._store.write(lambda tx: ending.settle_place(tx, listing.id))
            plan = replace(plan, listing=listing)
        begins = listing.end_place.commit_at - _AHEAD_MS if listing.end_place else 0
        if begins <= now or listing.state is not ListingState.QUEUED:
            return plan, None
        return plan, Retry(until=begins, reason=_FOR_ITS_END, counted=False, answered=False)

    async def _begin(self, job: Job, plan: PublishPlan) -> Outcome:
        lost = await asyncio.to_thread(_lost, self._options.images_dir, plan.pictures)
        if lost:
            _log.warning("pictures lost; fetched again", external_id=plan.item.external_id, count=len(lost))

            def fetch_again(tx: Transaction) -> None:
                """When all have come the listing is ordered anew; what was begun at Tradera is left."""
                if plan.listing.state is not ListingState.QUEUED:
                    listings.step(tx, plan.listing.id, StartedOver())
                pictures.lost(tx, plan.item.id, lost)

            return Done(fetch_again, answered=False)
        placement, now = await self._place(plan.item), self._store.now()
        if placement.fault is not None or plan.listing.is_held:  # what holds an item takes its job away
            return Retry(until=now, reason=_LOOKS, counted=False, write=_look_again(job), answered=False)
        if placement.waits_for_tree:
            return Retry(until=now + _TREE_MS, reason=WAITS_FOR_TREE, counted=False, answered=False)
        try:
            return await self._try(job, plan, placement)
        except _Early as early:
            return Retry(until=early.until, reason=_FOR_ITS_END, counted=False)

    async def _place(self, item: Item) -> Placement:
        """Where the item goes; what of Tradera's categories and attributes was never read is waited for a little."""
        placed = await self._store.read(lambda db: self._store.placer.place(db, item))
        if placed.waits_for_tree:
            await self._reference.tree()
            placed = await self._store.read(lambda db: self._store.placer.place(db, item))
        if placed.category_id is not None and placed.fault is None:
            await self._reference.leaf(placed.category_id)
            placed = await self._store.read(lambda db: self._store.placer.place(db, item))
        return placed

    async def _try(self, job: Job, plan: PublishPlan, placement: Placement) -> Outcome:
        """Send what is missing at Tradera, and say what becomes of the job when that goes wrong."""
        now, why = self._store.now(), None
        freight = await self._freight(plan.item)
        try:
            ad = make_ad(plan.item, plan.listing, self._options.defaults, placement, freight)
            known = () if freight.warning is None else (freight.warning,)
            await self._send(plan, ad, replace(placement, warnings=(*placement.warnings, *known)))
        except NotWanted:
            start_over = _given(job, StartedOver())
            return Retry(until=now, reason=Text("the item changed"), counted=False, write=start_over)
        except _Vanished as error:
            if job.attempts < _FORGOTTEN_REQUESTS:
                until = self._store.now() + delay_ms(TRADERA_DELAYS_S, job.attempts + 1)
                return Retry(until=until, reason=str(error), write=_given(job, StartedOver()))
            why = str(error)
        except TokenDead as error:
            refused = SellerTokenRefused(error=str(error), since=error.since)
            await self._store.write(_given(job, refused))
            raise
        except Unanswered as error:
            return await self._blamed(job, plan, error)
        except Permanent as error:
            _log.warning("publishing refused", external_id=plan.item.external_id, error=str(error))
            by_freight = isinstance(error, Rejected) and is_about_freight(str(error))
            if by_freight and freight.by_table is not None:
                write = partial(self._reference.data.refuse, product=freight.by_table.key)
                return Retry(until=now, reason=_OTHER_FREIGHT, write=write)
            return await self._refused(job, plan, placement, error)
        return Done() if why is None else Done(partial(_failed, plan=plan, why=why))

    async def _freight(self, item: Item) -> Freight:
        """What the buyer pays for freight; Tradera's table is waited for a little where it was never read."""
        parcel, settings = parcel_of(item.spec), self._options.defaults.freight
        if not parcel.needs_table(settings):
            return choose(parcel, settings, None)
        prices = await self._reference.freight()
        return choose(parcel, settings, prices.table, refused=prices.refused)

    async def _blamed(self, job: Job, plan: PublishPlan, error: Unanswered) -> Outcome:
        """What becomes of an item that gets no clear answer again and again: it fails if Tradera answers at all.

        Raises the error while there are tries left, and always once a commit may
        have taken effect.
        """
        if job.unclear + 1 < self._options.tries:
            raise error
        listing = await self._store.read(lambda db: items.listing(db, job.subject))
        if listing.state.may_be_live:
            raise error
        if not await self._calls.answers():
            return Pause(str(error))
        why = Text("Tradera gave this item no clear answer again and again: {error}", error=error)
        _log.warning("publishing given up", listing=job.subject, error=str(error))
        return Done(partial(_failed, plan=plan, why=why))

    async def _refused(self, job: Job, plan: PublishPlan, placement: Placement, error: Permanent) -> Outcome:
        """The listing has failed; or, where its category or an attribute was refused, it goes on elsewhere or is held."""
        if not isinstance(error, Rejected) or not is_about_place(str(error)):
            return Done(partial(_failed, plan=plan, why=str(error)))
        again = await self._looks_other(plan.item, placement)
        write = _look_again(job, None if again else str(error))
        return Retry(until=self._store.now(), reason=_LOOKS, counted=False, write=write)

    async def _looks_other(self, item: Item, placement: Placement) -> bool:
        """Whether the item's place is another, or none, once the categories and the leaf's attributes were read anew."""
        if placement.category_id is None:
            return False
        await self._reference.anew(placement.category_id)
        return await self._place(item) != placement

    async def refused_in_results(self, listing: Listing, error: str) -> Callable[[Transaction], object]:
        """What is stored when Tradera's queue has refused a listing.

        For its category or an attribute: a new listing, held or not. For a product of the table of freight: a new listing
        that offers the next one. For anything else it has failed, unless the item was corrected meanwhile.
        """
        item = await self._store.read(lambda db: items.by_id(db, listing.item_id))
        if is_about_freight(error):
            product = (await self._freight(item)).by_table
            if product is not None:
                return partial(_other_freight, self._reference.data, listing.id, error, product.key)
        if not is_about_place(error):
            return lambda tx: fail_unless_corrected(tx, listing.id, error)
        placement = await self._store.read(lambda db: self._store.placer.place(db, item))
        chosen_anew = listing.category_id not in {None, placement.category_id}
        again = chosen_anew or await self._looks_other(item, placement)
        return lambda tx: replaced(tx, listing.id, error, goes_on=again)

    async def _send(self, plan: PublishPlan, ad: Ad, placement: Placement) -> None:
        """Go on with the request at Tradera if it is ours to finish: known, fresh, of this version, no picture in doubt."""
        listing, shown = plan.listing, plan.pictures[: self._options.max_images]
        known = listing.state is ListingState.ADDED and listing.item_version == plan.item.version
        fresh = listing.added_at is not None and self._store.now() - listing.added_at < _STALE_MS
        doubtful = listing.picture_in_doubt and self._options.in_doubt == "recreate"
        goes_on = known and fresh and not doubtful
        left = shown[listing.pictures_sent if goes_on else 0 :]
        wanted = {"image": len(left), "commit": 1}
        put_off = await self._store.read(lambda db: items.commits_put_off(db, but=listing.id))
        leave: Mapping[str, int] = {"commit": put_off, TOTAL: put_off}
        if not goes_on:
            wanted = {"create": 1, **wanted}
            self._calls.budget.rules.quota.require_possible(CallClass.PUBLISH, wanted, spare=RESULT_COST)
            leave = Counter(leave) + Counter(await self._calls.fair_share(CallClass.PUBLISH, wanted))
        with self._calls.reserve(CallClass.PUBLISH, wanted, spare=RESULT_COST, leave=leave):
            if not goes_on and await self._was_restarted(plan):
                return
            if not goes_on:
                crashpoint("publish.start")
                intent = CreateStarted(
                    item=plan.item,
                    days=ad.duration_days,
                    category_id=ad.category_id,
                    warning=placement.warning,
                )
                async with self._calls.book(CallClass.PUBLISH, "create", listing.id, intent) as call:
                    made = await self._calls.client.create(self._calls.seller, ad)
                    created = Created(request_id=made.request_id, tradera_item_id=made.tradera_item_id)
                    listing = _wanted(await call.answered(created))
            for picture in left:
                await self._add_picture(listing, picture)
            if listing.end_place is not None and listing.end_place.commit_at > self._store.now():
                raise _Early(listing.end_place.commit_at)
            await self.commit(listing)

    async def _was_restarted(self, plan: PublishPlan) -> bool:
        """Whether Tradera has put the item up again by itself or by its seller's hand: that ad is followed instead.

        Raises Transient while such an ad is still being made, or has been sold and its order is not here yet.
        """
        earlier = plan.earlier
        if earlier is None or earlier.tradera_item_id is None:
            return False
        async with self._calls.book(CallClass.PUBLISH, "read_item"):
            number = await self._calls.client.restarted_as(self._calls.seller, earlier.tradera_item_id)
        if number is None:
            return False
        known = await self._store.read(lambda db: items.listing_of_number(db, number))
        if known is not None:
            return False
        async with self._calls.book(CallClass.PUBLISH, "read_item"):
            ad = await self._calls.client.read_item(self._calls.seller, number)
        state = ad and ad.state_at(self._store.now())
        if ad is None or state is AdState.SOLD:
            await self._store.write(lambda tx: tx.order_reconciliation(plan.item.account_id))
            raise Transient(
                Text("Tradera has put the item up again as ad {ad}, and does not show it yet", ad=number)
            )
        if state is AdState.ENDED:
            return False
        _log.warning("an ad restarted at Tradera is followed", ad=number, external_id=plan.item.external_id)
        found = TakenOver(
            listing_id=plan.listing.id,
            generation=plan.listing.generation,
            ad=ad,
            ad_url=f"{self._options.site_url}/item/{number}",
            restarted=earlier,
        )
        await self._store.write(lambda tx: listings.step(tx, plan.listing.id, found))
        return True

    async def _add_picture(self, listing: Listing, picture: Picture) -> None:
        assert picture.file is not None
        assert listing.request_id is not None
        jpeg = await asyncio.to_thread(_read, self._options.images_dir / picture.file)
        try:
            async with self._calls.book(CallClass.PUBLISH, "image", listing.id, PictureStarted()) as call:
                await self._calls.client.add_image(
                    self._calls.seller,
                    listing.request_id,
                    jpeg,
                    image_format=self._options.image_format,
                    has_mega=self._options.has_mega,
                )
                _wanted(await call.answered(PictureSent()))
        except Rejected as error:
            if error.status == 404:
                raise _Vanished(str(error)) from error
            raise

    async def commit(self, listing: Listing) -> None:
        """Commit, or commit the same request once more after Tradera said that it is not committed.

        Raises NotWanted when the owner has changed or taken back the item, or a message has told of an order for it. A
        refusal is not the end: what it means is settled by asking for the result.
        """
        assert listing.request_id is not None
        ask_in_ms = self._options.schedule.first_ask_ms
        started = CommitStarted(request_id=listing.request_id, ask_in_ms=ask_in_ms)

        def intent(tx: Transaction) -> bool:
            """Not if an order of an earlier ad has come while this one was made."""
            sold = may_be_sold(tx.db, listing.item_id)
            return sold is None and listings.step(tx, listing.id, started).refusal is None

        try:
            async with self._calls.book(CallClass.PUBLISH, "commit", listing.id, intent) as call:
                try:
                    await self._calls.client.commit(self._calls.seller, listing.request_id)
                except Rejected as error:
                    crashpoint("commit.refused")
                    await call.refused(error, CommitRefused(error=str(error)))
                else:
                    await call.answered(CommitAnswered(ask_in_ms=ask_in_ms))
        except Rejected as error:  # the seller may not commit, as a look at the account has told
            refused = CommitRefused(error=str(error))
            await self._store.write(lambda tx: listings.step(tx, listing.id, refused))


def _other_freight(
    data: ReferenceData, listing_id: str, error: str, product: ProductKey, tx: Transaction
) -> None:
    data.refuse(tx, product)
    replaced(tx, listing_id, error, goes_on=True)


def _lost(folder: Path, kept: Sequence[Picture]) -> frozenset[str]:
    """The files of these pictures that are not there."""
    files = (picture.file for picture in kept if picture.file is not None)
    return frozenset(file for file in files if not (folder / file).is_file())


def _wanted(change: Change) -> Listing:
    """The listing after an answer. Raises NotWanted when the owner has taken it back while the call was under way."""
    if change.refusal is not None or change.listing is None:
        raise NotWanted
    return change.listing


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise Permanent(
            Text("The stored picture {name} cannot be read: {why}", name=file.name, why=error.strerror)
        ) from error


def _look_again(job: Job, refused: str | None = None) -> Callable[[Transaction], None]:
    """Hold the job's listing, or let it go, as everything stands when that is written."""
    return lambda tx: look_again(tx, job.subject, refused=refused)


def _failed(tx: Transaction, plan: PublishPlan, why: str) -> None:
    """What was sent is refused; if the owner has sent the item otherwise meanwhile, that is tried instead."""
    item, listing = items.by_id(tx.db, plan.item.id), items.listing(tx.db, plan.listing.id)
    if not listing.state.is_open or listing.state.may_be_live:
        return
    if (item.version, item.spec.price_ore) == (plan.item.version, plan.item.spec.price_ore):
        listings.step(tx, listing.id, PublishFailed(error=why))
        return
    if listing.state is not ListingState.QUEUED:
        listings.step(tx, listing.id, StartedOver())
    cost = publish_cost(len(plan.pictures))
    tx.order(JobOrder(queue=QueueName.TRADERA, kind=JobKind.PUBLISH, subject=listing.id, cost=cost), item)


def _given(job: Job, given: Input) -> Callable[[Transaction], Change]:
    """The step that stores this of the job's listing."""
    return lambda tx: listings.step(tx, job.subject, given)
