"""Tradera's categories, attributes and freight: read with the application's keys, kept, and not believed when they are odd."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from rheod.domain.model import CallClass, QueueName
from rheod.jobs.queue import JobQueue
from rheod.sandbox.tradera import TraderaSimulator
from rheod.sandbox.tradera_access import TimeForm
from rheod.store import reference_data
from rheod.store.reference_data import Kept, Subject
from rheod.tradera.reference_data import ReferenceReader
from rheod.tradera.transport import TokenRefused
from tests.desk import HOUR_MS, Desk
from tests.stores import rows
from tests.waiting import until

DAY_S = 24 * 3600
BRAKES = 302410


class Library:
    """The queue that reads for all accounts, running."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.reader: ReferenceReader = desk.rheod.loops.reference
        self.data = desk.rheod.core.reference

    @property
    def queue(self) -> JobQueue:
        return next(each for each in self.desk.rheod.loops.queues if each.name == "tradera:reference")

    def asked(self, operation: str) -> int:
        """How often Tradera was asked for it."""
        return self.desk.simulator.calls_by_operation()[operation]

    async def kept(self, subject: Subject, leaf: int = 0) -> Kept:
        return await self.desk.database.read(lambda db: reference_data.kept(db, subject, leaf))

    async def faults(self) -> list[str | None]:
        return [each.fault for each in await self.desk.database.read(reference_data.faults)]

    async def later(self, seconds: float, operation: str) -> None:
        """Let time pass until Tradera has been asked once more, and what it said is stored."""
        before = self.asked(operation)
        self.desk.forward(seconds)
        await self.data.read_what_is_old()
        await until(lambda: self.asked(operation) > before)
        await until(lambda: not self.queue.running)


@pytest.fixture
async def library(desk: Desk) -> AsyncIterator[Library]:
    """Running, with what it reads at the start."""
    found = Library(desk)
    running = asyncio.create_task(found.queue.run())
    found.reader.runs = True
    await found.data.read_what_is_old()
    await until(lambda: found.asked("categories") == found.asked("shipping") == 1)
    await until(lambda: not found.queue.running)
    yield found
    found.queue.stop()
    await running


async def test_tree_and_freight_are_read_at_the_start_without_a_seller(library: Library) -> None:
    """By nobody's token; leaves are not asked for before an ad goes there."""
    tree, prices = await library.data.tree(), await library.data.freight()
    assert tree is not None
    assert tree.path_text(BRAKES).endswith("Bildelar > Bromsar")
    assert prices.table is not None
    assert library.asked("definitions") == 0
    ledger = await rows(library.desk.database, "SELECT class, operation FROM calls ORDER BY operation")
    assert [each["class"] for each in ledger] == ["reference", "reference"]
    assert [each["operation"] for each in ledger] == ["categories", "shipping"]


async def test_both_are_read_again_when_they_are_old(library: Library) -> None:
    """The table of freight after 12 hours, the tree after a week."""
    await library.later(12 * 3600, "shipping")
    assert library.asked("categories") == 1
    await library.later(7 * DAY_S, "categories")


async def test_a_restart_reads_nothing_that_is_fresh(library: Library) -> None:
    """What is kept is kept."""
    await library.data.read_what_is_old()
    library.desk.rheod.core.wakeups.wake(QueueName.TRADERA)
    await until(lambda: not library.queue.running)
    assert (library.asked("categories"), library.asked("shipping")) == (1, 1)


async def test_an_ad_waits_for_the_first_reading_of_its_leaf(library: Library) -> None:
    """And no later one asks again; a leaf without attributes is known to have none."""
    leaf = await library.reader.leaf(BRAKES)
    assert leaf is not None
    skick = leaf.definitions[0]
    assert (skick.name, skick.required) == ("Skick", True)
    await library.reader.leaf(BRAKES)
    assert library.asked("definitions") == 1
    empty = await library.reader.leaf(344482)
    assert empty is not None
    assert empty.definitions == ()


async def test_a_leaf_in_use_is_read_weekly_and_one_nobody_uses_no_more(library: Library) -> None:
    """Four weeks after the last ad that was asked for it."""
    await library.reader.leaf(BRAKES)
    for _ in range(3):
        await library.later(7 * DAY_S, "definitions")
        await library.reader.leaf(BRAKES)
    for _ in range(3):
        await library.later(7 * DAY_S, "definitions")
    for _ in range(2):
        await library.later(7 * DAY_S, "categories")
    assert library.asked("definitions") == 7


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("<html>maintenance</html>", "It begins: <html>maintenance</html>"),
        ("[]", "is empty"),
        ('{"categories": 5}', "not a list"),
        ('[{"ID": 5}]', "no category with a number"),
        ("", "not a list"),
        (
            json.dumps([{"id": 1, "name": "Bara en", "childCategories": []}]),
            "has 1 categories, where there were",
        ),
    ],
)
async def test_an_odd_tree_is_not_believed(library: Library, answer: str, said: str) -> None:
    """The last good one stays, the fault has the first characters, and a good answer ends it."""
    tree = await library.data.tree()
    simulator: TraderaSimulator = library.desk.simulator
    simulator.fault("categories", "says", code=200, message=answer)
    await library.later(7 * DAY_S, "categories")
    (fault,) = await library.faults()
    assert fault is not None
    assert said in fault
    assert answer[:200] in fault
    assert list(await library.data.tree() or ()) == list(tree or ())
    await library.later(120, "categories")
    assert await library.faults() == []


async def test_a_definition_that_cannot_be_read_holds_up_nobody(library: Library) -> None:
    """An ad goes without it, and is not made to wait again; the owner is told."""
    library.desk.simulator.fault("definitions", "says", code=200, message='[{"id": 5}]', times=2)
    assert await library.reader.leaf(BRAKES) is None
    (fault,) = await library.faults()
    assert fault is not None
    assert fault.endswith('no number or no name. It begins: [{"id": 5}]')
    assert await library.reader.leaf(BRAKES) is None
    await library.later(120, "definitions")
    await library.later(120, "definitions")
    assert await library.reader.leaf(BRAKES) is not None


async def test_a_refusal_of_the_applications_keys_is_told_and_not_taken_for_the_sellers(
    library: Library,
) -> None:
    """The seller goes on."""
    library.desk.simulator.fault("shipping", "401")
    await library.later(12 * 3600, "shipping")
    (fault,) = await library.faults()
    assert fault is not None
    assert "check tradera.app_id" in fault
    assert not library.desk.calls.is_refused
    assert library.asked("me") == 0


async def test_a_refused_sellers_token_stops_no_reading_and_is_not_healed_by_one(library: Library) -> None:
    """The two know nothing of each other."""
    library.desk.simulator.fault("*", "401", times=2)
    with pytest.raises(TokenRefused):
        async with library.desk.calls.book(CallClass.ORDERS, "me"):
            await library.desk.calls.client.me(library.desk.calls.seller)
    await library.desk.store.write(lambda tx: library.data.read_again(tx, Subject.SHIPPING))
    await until(lambda: library.asked("shipping") == 2 and not library.queue.running)
    assert library.desk.calls.is_refused


async def test_no_clear_answer_is_told_after_a_few_tries(library: Library) -> None:
    """And the last table stays."""
    library.desk.simulator.fault("shipping", "500", times=4)
    await library.later(12 * 3600, "shipping")
    assert await library.faults() == []
    for _ in range(2):
        await library.later(900, "shipping")
    assert len(await library.faults()) == 1
    assert (await library.data.freight()).table is not None


@pytest.mark.parametrize(("form", "hours"), [("naive_local", 2), ("naive_utc", 0), ("seven_digits", 0)])
async def test_times_without_a_zone_are_read_by_tradera_s_own(
    library: Library, desk: Desk, form: TimeForm, hours: int
) -> None:
    """One call when the first such time is met, in summer; until then it is taken as UTC."""
    listing = await desk.publish(pictures=0)
    assert listing.tradera_item_id is not None
    simulator, client = desk.simulator, desk.calls.client
    ends_at = simulator.market.listings[listing.tradera_item_id].end_ms

    async def shown() -> int:
        ad = await client.read_item(desk.calls.seller, listing.tradera_item_id or 0)
        assert ad is not None
        assert ad.ends_at is not None
        return (ad.ends_at - ends_at) // HOUR_MS

    simulator.conduct.time_form = form
    assert await shown() == hours
    chore = asyncio.create_task(library.reader.run())
    if form.startswith("naive"):
        await until(lambda: library.asked("time") == 1 and not client.times.wanted.is_set())
    assert [await shown(), await shown()] == [0, 0]
    chore.cancel()
    await asyncio.wait([chore])
    assert library.asked("time") == form.startswith("naive")
