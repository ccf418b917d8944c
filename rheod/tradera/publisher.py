"""Publishes one listing step by step: create, pictures in order, commit. The result poller goes on from there.

The state is stored before and after every call, so that after a crash the work goes on where it stopped and nothing is
auctioned twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import structlog

from rheod.domain.budget import RESULT_COST
from rheod.domain.crash import crashpoint
from rheod.domain.errors import Permanent
from rheod.domain.model import CallClass, Job, Listing, ListingState, Picture
from rheod.domain.retry import TRADERA_DELAYS_S, delay_ms
from rheod.domain.text import Text
from rheod.jobs.queue import Done, Outcome, Retry
from rheod.store import items
from rheod.tradera.ad_builder import AdDefaults, make_ad
from rheod.tradera.budgeted_client import BudgetedClient, NotWanted, TokenDead
from rheod.tradera.requests import Ad
from rheod.tradera.transport import Rejected, ServerFailure
from rheod.usecases import publish
from rheod.usecases.publish import AskSchedule, PublishPlan
from rheod.usecases.transaction import Store, Transaction

_log = structlog.get_logger(__name__)
_STALE_MS = 50 * 60 * 1000
"""How long an uncommitted request is trusted: Tradera names no time, and an hour is the guess."""
_TRIES_OF_500 = 5
_FORGOTTEN_REQUESTS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishOptions:
    """The owner's settings for publishing. `in_doubt` says what to do with a picture whose answer was lost."""

    defaults: AdDefaults
    images_dir: Path
    max_images: int
    image_format: int
    has_mega: bool
    in_doubt: Literal["resend", "recreate"]
    schedule: AskSchedule


class _Vanished(Exception):
    """Tradera knows nothing of the uncommitted request any more; nothing of it can ever be seen."""


class Publisher:
    """Works `publish` jobs; their subject is a listing id."""

    def __init__(self, *, store: Store, calls: BudgetedClient, options: PublishOptions) -> None:
        self._store = store
        self._calls = calls
        self._options = options

    async def publish(self, job: Job) -> Outcome:
        """Bring the listing as far as its commit. Raises what the calls raise when time may heal it."""
        plan = await self._store.read(lambda db: publish.plan(db, job.subject))
        if plan is None or plan.listing.state.may_be_live or not plan.listing.state.is_open:
            return Done()
        now = self._store.now()
        start_at = plan.item.spec.tradera and plan.item.spec.tradera.start_at
        if start_at and start_at > now:
            return Retry(until=start_at, reason=Text("starts at the time the item says"), counted=False)
        try:
            return await self._try(job, plan)
        except TokenDead as error:
            reason, since = str(error), error.since
            await self._store.write(lambda tx: publish.token_refused(tx, job.subject, reason, since))
            raise

    async def _try(self, job: Job, plan: PublishPlan) -> Outcome:
        try:
            ad = make_ad(plan.item, plan.listing, self._options.defaults)
            await self._send(plan, ad)
        except NotWanted:
            now = self._store.now()
            return Retry(
                until=now, reason=Text("the item changed"), counted=False, write=_start_over(job.subject)
            )
        except _Vanished as error:
            return self._begin_anew(job, str(error))
        except ServerFailure as error:
            if not await self._is_bad_input(job, error):
                raise
            return Done(
                _fail(
                    job.subject,
                    Text("Tradera answers this item with an error again and again: {error}", error=error),
                )
            )
        except Permanent as error:
            _log.warning("publishing refused", external_id=plan.item.external_id, error=str(error))
            return Done(_fail(job.subject, str(error)))
        return Done()

    def _begin_anew(self, job: Job, why: str) -> Outcome:
        """A new request, for no commit was sent; a Tradera that forgets each one is not worth the calls."""
        if job.attempts >= _FORGOTTEN_REQUESTS:
            return Done(_fail(job.subject, why))
        wait_ms = delay_ms(TRADERA_DELAYS_S, job.attempts + 1)
        return Retry(until=self._store.now() + wait_ms, reason=why, write=_start_over(job.subject))

    async def _is_bad_input(self, job: Job, error: ServerFailure) -> bool:
        """Whether a 500 again and again is about this item alone; never once a commit may have taken effect."""
        if error.status != 500 or job.attempts < _TRIES_OF_500:
            return False
        listing = await self._store.read(lambda db: items.listing(db, job.subject))
        return not listing.state.may_be_live and await self._calls.answers()

    async def _send(self, plan: PublishPlan, ad: Ad) -> None:
        pictures = plan.pictures[: self._options.max_images]
        goes_on = self._can_go_on(plan)
        sent = plan.listing.pictures_sent if goes_on else 0
        left = len(pictures) - sent
        wanted, leave = {"image": left, "commit": 1}, 0
        if not goes_on:
            wanted = {"create": 1, **wanted}
            self._calls.budget.rules.require_possible(CallClass.PUBLISH, wanted, spare=RESULT_COST)
            leave = await self._calls.fair_share(CallClass.PUBLISH)
        with self._calls.reserve(CallClass.PUBLISH, wanted, spare=RESULT_COST, leave=leave):
            listing = plan.listing if goes_on else await self._create(plan, ad)
            for picture in pictures[sent:]:
                await self._add_picture(listing, picture)
            await self.commit(listing)

    def _can_go_on(self, plan: PublishPlan) -> bool:
        """Whether the request at Tradera is ours to finish: known, fresh, of this version, and with no doubtful picture."""
        listing = plan.listing
        if listing.state is not ListingState.ADDED or listing.item_version != plan.item.version:
            return False
        fresh = listing.added_at is not None and self._store.now() - listing.added_at < _STALE_MS
        return fresh and not (listing.picture_in_doubt and self._options.in_doubt == "recreate")

    async def _create(self, plan: PublishPlan, ad: Ad) -> Listing:
        crashpoint("publish.start")
        async with self._calls.book(
            CallClass.PUBLISH,
            "create",
            listing_id=plan.listing.id,
            before=lambda tx: publish.start_create(tx, plan, ad.duration_days),
        ) as call:
            made = await self._calls.client.create(self._calls.seller, ad)
            kept = await call.answered(
                lambda tx: publish.created(tx, plan.listing.id, made.request_id, made.tradera_item_id)
            )
        if not kept:
            raise NotWanted
        return await self._store.read(lambda db: items.listing(db, plan.listing.id))

    async def _add_picture(self, listing: Listing, picture: Picture) -> None:
        assert picture.file is not None
        assert listing.request_id is not None
        jpeg = await asyncio.to_thread(_read, self._options.images_dir / picture.file)
        try:
            async with self._calls.book(
                CallClass.PUBLISH,
                "image",
                listing_id=listing.id,
                before=lambda tx: publish.start_picture(tx, listing.id),
            ) as call:
                await self._calls.client.add_image(
                    self._calls.seller,
                    listing.request_id,
                    jpeg,
                    image_format=self._options.image_format,
                    has_mega=self._options.has_mega,
                )
                kept = await call.answered(lambda tx: publish.picture_sent(tx, listing.id))
        except Rejected as error:
            if error.status == 404:
                raise _Vanished(str(error)) from error
            raise
        if not kept:
            raise NotWanted

    async def commit(self, listing: Listing) -> None:
        """Commit, or commit the same request once more after Tradera said that it is not committed.

        Raises NotWanted when the owner has changed or taken back the item. A refusal is not the end: what it means is
        settled by asking for the result.
        """
        assert listing.request_id is not None
        request_id, schedule = listing.request_id, self._options.schedule
        try:
            async with self._calls.book(
                CallClass.PUBLISH,
                "commit",
                listing_id=listing.id,
                before=lambda tx: publish.start_commit(tx, listing.id, request_id, schedule),
            ) as call:
                await self._calls.client.commit(self._calls.seller, request_id)
                await call.answered(lambda tx: publish.committed(tx, listing.id, schedule))
        except Rejected as error:
            refusal = str(error)
            await self._store.write(lambda tx: publish.commit_refused(tx, listing.id, refusal))


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise Permanent(
            Text("The stored picture {name} cannot be read: {why}", name=file.name, why=error.strerror)
        ) from error


def _start_over(listing_id: str) -> Callable[[Transaction], None]:
    return lambda tx: publish.start_over(tx, listing_id)


def _fail(listing_id: str, error: str) -> Callable[[Transaction], object]:
    return lambda tx: publish.failed(tx, listing_id, error)
