"""Reads Tradera's categories, attributes and freight prices for all accounts, with the application's keys alone.

A reading that fails costs nobody an ad: what was last believed stays, and who waits for a first reading waits for seconds.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial

import structlog

from rheod.domain.categories import CategoryTree, LeafAttributes
from rheod.domain.errors import Permanent, RheodError, StoreUnavailable, Text, Unanswered
from rheod.domain.freight import sorted_table
from rheod.domain.model import CallClass, Job
from rheod.jobs.queue import Done, Outcome, Retry
from rheod.store import reference_data
from rheod.store.reference_data import Subject
from rheod.tradera.budgeted_client import BudgetedClient
from rheod.tradera.client import Unreadable
from rheod.tradera.transport import TokenRefused
from rheod.usecases.placement import FreightPrices, ReferenceData, keep_tree, look_at_all, tree_came
from rheod.usecases.transaction import Transaction

_log = structlog.get_logger(__name__)
_WAIT_S = 5.0
"""So long an ad waits for the first reading of what it needs; then it goes as it stands."""

_LOOKS_EVERY_S = 600.0
_LEAST_GAP_MS = 60 * 1000
_LONGEST_GAP_MS = 12 * 3600 * 1000
_UNCLEAR_TRIES = 3
"""So many tries without a clear answer, and the owner is told."""


class ReferenceReader:
    """Works `reference` jobs, and lets an ad wait for what it needs that was never read.

    `runs` is set while the queue of those jobs is worked: without it nobody waits.
    """

    def __init__(self, *, data: ReferenceData, calls: BudgetedClient | None) -> None:
        self.data = data
        self.runs = False
        self._calls = calls
        self._read: dict[str, asyncio.Event] = {}

    async def run(self) -> None:
        """The chore beside the queue: order what has become old. What is old at the start is ordered before it runs.

        Where Tradera tells a time without a zone, it is asked at once for its own, by which such times are read.
        """
        assert self._calls is not None
        times = self._calls.client.times
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOKS_EVERY_S):
                    await times.wanted.wait()
            if times.wanted.is_set():
                with suppress(RheodError):
                    now = self.data.store.now()
                    await self._calls.ask("time", partial(self._calls.client.learn_times, now))
                if times.wanted.is_set():  # it brought nothing
                    await asyncio.sleep(_LOOKS_EVERY_S)
            with suppress(StoreUnavailable):
                await self.data.read_what_is_old()

    async def tree(self) -> CategoryTree | None:
        """Tradera's categories, as soon as they were read once; None when that takes too long or cannot be."""
        tree = await self.data.tree()
        if tree is None and await self._comes(Subject.CATEGORIES):
            tree = await self.data.tree()
        return tree

    async def leaf(self, category_id: int) -> LeafAttributes | None:
        """The attributes of a leaf that an ad goes to, in the same way."""
        kept = await self.data.use(category_id)
        if kept.read_at is None:
            await self._comes(Subject.DEFINITIONS, category_id)
        return await self.data.leaf(category_id)

    async def freight(self) -> FreightPrices:
        """Tradera's freight prices, in the same way."""
        prices = await self.data.freight()
        if prices.table is None and await self._comes(Subject.SHIPPING):
            prices = await self.data.freight()
        return prices

    async def anew(self, category_id: int) -> None:
        """Tradera refused an ad in this category: read the categories and its attributes once more, and wait a little."""
        wanted = ((Subject.CATEGORIES, 0), (Subject.DEFINITIONS, category_id))
        read = [self._read.setdefault(_name(*each), asyncio.Event()) for each in wanted]

        def order(tx: Transaction) -> None:
            for each in wanted:
                self.data.read_again(tx, *each)

        await self.data.store.write(order)
        with suppress(TimeoutError):
            async with asyncio.timeout(_WAIT_S if self.runs else 0):
                for each in read:
                    await each.wait()

    async def _content(self, subject: Subject, leaf: int) -> object:
        """What items are placed by."""
        if subject is Subject.CATEGORIES:
            return tuple(await self.data.tree() or ())
        found = await self.data.leaf(leaf) if subject is Subject.DEFINITIONS else None
        return found and found.definitions

    async def _comes(self, subject: Subject, leaf: int = 0) -> bool:
        """Wait for a first reading that is on its way; False when none is, or the last one could not be believed."""
        if not self.runs:
            return False
        read = self._read.setdefault(_name(subject, leaf), asyncio.Event())
        kept = await self.data.store.read(lambda db: reference_data.kept(db, subject, leaf))
        if kept.fault is not None:
            return False
        try:
            async with asyncio.timeout(_WAIT_S):
                await read.wait()
        except TimeoutError:
            return False
        return True

    async def work(self, job: Job) -> Outcome:
        """Read one thing, and again when it has become old. What is not believed is told, and read again soon."""
        named, _, number = job.subject.partition(":")
        subject, leaf = Subject(named), int(number or 0)
        before = await self._content(subject, leaf)
        try:
            fault = await self._read_once(subject, leaf)
            if subject is Subject.CATEGORIES and fault is None:
                await self.data.store.write(tree_came)
            if await self._content(subject, leaf) != before:
                await look_at_all(self.data.store, also_refused=True)
        except (Unreadable, Permanent) as error:
            fault = await self._not_believed(subject, leaf, error)
        except Unanswered as error:
            if job.unclear + 1 >= _UNCLEAR_TRIES:
                await self._not_believed(subject, leaf, error)
            raise
        finally:
            self._read.pop(_name(subject, leaf), asyncio.Event()).set()
        kept = await self.data.store.read(lambda db: reference_data.kept(db, subject, leaf))
        # What was not believed is read again soon, then ever more rarely; the rest when it is old
        now = self.data.store.now()
        if fault is not None:
            _log.warning("reference data not believed", subject=_name(kept.subject, kept.leaf), reason=fault)
            age_ms = now - (kept.fault_since or now)
            gap_ms = min(max(age_ms // 2, _LEAST_GAP_MS), _LONGEST_GAP_MS)
            return Retry(until=now + gap_ms, reason=fault, counted=False)
        return Done()

    async def _read_once(self, subject: Subject, leaf: int) -> Text | None:
        """One call, and what it says stored; the reason when it is not believed. Raises what the call raises."""
        assert self._calls is not None
        client = self._calls.client
        match subject:
            case Subject.CATEGORIES:
                async with self._calls.book(CallClass.REFERENCE, "categories") as call:
                    tree = await client.categories()
                    return await call.keep(
                        lambda tx: keep_tree(
                            tx, CategoryTree(tree.value, read_at=tx.now), beginning=tree.beginning
                        )
                    )
            case Subject.DEFINITIONS:
                async with self._calls.book(CallClass.REFERENCE, "definitions") as call:
                    attributes = (await client.definitions(leaf)).value
                    await call.keep(
                        lambda tx: reference_data.save_definitions(
                            tx.db, LeafAttributes(leaf, attributes, tx.now)
                        )
                    )
            case Subject.SHIPPING:
                async with self._calls.book(CallClass.REFERENCE, "shipping") as call:
                    products = (await client.shipping()).value
                    await call.keep(
                        lambda tx: reference_data.save_shipping(tx.db, sorted_table(products, read_at=tx.now))
                    )
        return None

    async def _not_believed(self, subject: Subject, leaf: int, error: RheodError) -> Text:
        fault = Text.of(str(error))
        if isinstance(error, TokenRefused):
            fault = Text("{error}; check tradera.app_id and tradera.app_key", error=fault)
        await self.data.store.write(
            lambda tx: reference_data.save_fault(tx.db, subject, leaf, fault, now=tx.now)
        )
        return fault


def _name(subject: Subject, leaf: int) -> str:
    return f"{subject}:{leaf}" if leaf else subject.value
