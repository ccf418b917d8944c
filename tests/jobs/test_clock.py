"""The daemon's own clock passes evenly; when the machine's jumps what is due keeps its distance, and nothing waits for a year."""

from __future__ import annotations

import asyncio
from functools import partial
from random import Random

import pytest
from structlog.testing import capture_logs

from rheod.domain.errors import Text, Unanswered
from rheod.domain.model import JobKind, JobOrder, QueueName
from rheod.jobs.housekeeping import ClockJumpMonitor, SteadyClock
from rheod.store import facts, key_value
from rheod.store.engine.database import Database
from rheod.store.jobs import Owner
from rheod.store.ledger import BudgetPause, Ledger
from rheod.tradera.contact import Contact
from rheod.usecases.transaction import Store, Transaction
from tests.stores import NOW_MS, Clock, rows
from tests.waiting import until


def test_a_jump_of_the_wall_clock_is_seen_and_not_followed_by_itself() -> None:
    """Time goes on evenly through a jump; taken over, it is the machine's again."""
    wall, monotonic = Clock(), Clock(7)
    clock = SteadyClock(wall=wall, monotonic=monotonic)
    wall.forward(1000 + 3_600_000)
    monotonic.forward(1000)
    assert (clock(), clock.ahead()) == (NOW_MS + 1000, 3_600_000)
    clock.adjust(3_600_000)
    assert (clock(), clock.ahead()) == (wall(), 0)


HOUR_MS = 3_600_000


async def order(database: Database, account_id: str, *delays_ms: int) -> None:
    """Jobs due at these distances from now."""
    store = Store(database=database, now=Clock(), rng=Random(1), wake=lambda _: None)

    def write(tx: Transaction) -> None:
        for number, delay_ms in enumerate(delays_ms):
            wanted = JobOrder(
                queue=QueueName.TRADERA, kind=JobKind.RESULTS, subject=f"s{number}", delay_ms=delay_ms
            )
            tx.order_for(wanted, Owner(account_id=account_id))

    await store.write(write)


async def due(database: Database) -> list[int]:
    """When the jobs are due, from now."""
    found = await rows(database, "SELECT due_at FROM jobs ORDER BY id")
    return [row["due_at"] - NOW_MS for row in found]


@pytest.mark.parametrize("jump_ms", [HOUR_MS, -HOUR_MS, 24 * HOUR_MS])
async def test_due_times_move_with_a_jump(database: Database, account_id: str, jump_ms: int) -> None:
    """What is due in a minute is due in a minute after it too; what was overdue stays so; it is logged once."""
    wall, monotonic = Clock(), Clock(7)
    clock = SteadyClock(wall=wall, monotonic=monotonic)
    await order(database, account_id, 60_000, 0)
    wall.forward(jump_ms)
    with capture_logs() as logs:
        keeper = asyncio.create_task(ClockJumpMonitor(clock=clock, database=database, every_s=0.01).run())
        await until(lambda: clock.ahead() == 0)
        keeper.cancel()
        await asyncio.wait([keeper])
    assert clock() == NOW_MS + jump_ms
    assert await due(database) == [60_000 + jump_ms, 0]
    assert [line["seconds"] for line in logs if "jumped" in line["event"]] == [jump_ms // 1000]


async def test_a_small_correction_is_taken_over_in_silence(database: Database, account_id: str) -> None:
    """Clocks are put right by parts of a second all the time: no line, no due time touched."""
    wall, monotonic = Clock(), Clock(7)
    clock = SteadyClock(wall=wall, monotonic=monotonic)
    await order(database, account_id, 60_000)
    wall.forward(900)
    with capture_logs() as logs:
        keeper = asyncio.create_task(ClockJumpMonitor(clock=clock, database=database, every_s=0.01).run())
        await until(lambda: clock.ahead() == 0)
        keeper.cancel()
        await asyncio.wait([keeper])
    assert await due(database) == [60_000]
    assert logs == []


async def test_what_a_wrong_clock_has_written_is_set_right_at_start(
    database: Database, account_id: str
) -> None:
    """A retry due in a year is due now, a call of the future was made now; sane times stay."""
    await order(database, account_id, 60_000, 365 * 24 * HOUR_MS, facts.FARTHEST_MS)
    insert = "INSERT INTO calls (at, account_id, class, operation) VALUES (?, ?, 'orders', 'me')"
    await database.write(
        lambda db: db.executemany(insert, [(NOW_MS - 5, account_id), (NOW_MS + HOUR_MS, account_id)])
    )
    assert await database.write(partial(facts.clamp, now=NOW_MS)) == 2
    assert await due(database) == [60_000, 0, facts.FARTHEST_MS]
    calls = await rows(database, "SELECT at FROM calls ORDER BY id")
    assert [row["at"] - NOW_MS for row in calls] == [-5, 0]
    assert await database.write(partial(facts.clamp, now=NOW_MS)) == 0


PASS = "reconciled_until:a"


async def passed(database: Database) -> int | None:
    """Until when orders count as looked through, from now."""
    kept = await database.read(lambda db: key_value.get(db, PASS))
    return None if kept is None else int(kept) - NOW_MS


async def test_what_a_clock_ahead_has_looked_through_is_looked_through_again(database: Database) -> None:
    """When the clock goes ahead the mark stays; when it goes back the next pass begins two weeks back."""
    await database.write(partial(key_value.put, name=PASS, value=str(NOW_MS)))
    await database.write(partial(facts.move, now=NOW_MS, by=24 * HOUR_MS))
    assert await passed(database) == 0
    await database.write(partial(key_value.put, name=PASS, value=str(NOW_MS + 24 * HOUR_MS)))
    await database.write(partial(key_value.put, name="row_version:a", value="7"))
    await database.write(partial(facts.move, now=NOW_MS + 24 * HOUR_MS, by=-24 * HOUR_MS))
    assert await passed(database) is None
    assert await database.read(lambda db: key_value.get(db, "row_version:a")) is None


async def test_a_mark_of_the_future_is_forgotten_at_start(database: Database) -> None:
    """Nobody knows what it has really looked through: the next pass begins two weeks back."""
    await database.write(partial(key_value.put, name=PASS, value=str(NOW_MS + 1)))
    assert await database.write(partial(facts.clamp, now=NOW_MS)) == 1
    assert await passed(database) is None


@pytest.mark.parametrize("jump_ms", [HOUR_MS, -HOUR_MS])
async def test_what_is_only_in_memory_lasts_as_long_as_before(database: Database, jump_ms: int) -> None:
    """Tradera's silence of two minutes is one of two minutes after a jump, and a pause has as long to go."""
    wall, monotonic = Clock(), Clock(7)
    clock = SteadyClock(wall=wall, monotonic=monotonic)
    contact = Contact()
    contact.ended("create", Unanswered(Text("no answer")), now=clock(), took_s=1)
    pauses = Ledger(
        [], [BudgetPause(account_id="a", call_class=None, until=NOW_MS + 9, since=NOW_MS, reason="")]
    )
    monotonic.forward(120_000)
    wall.forward(120_000 + jump_ms)

    def moved(by: int) -> None:
        contact.moved(by)
        pauses.moved(by)

    monitor = ClockJumpMonitor(clock=clock, database=database, every_s=0.01, moved=moved)
    keeper = asyncio.create_task(monitor.run())
    await until(lambda: clock.ahead() == 0)
    keeper.cancel()
    await asyncio.wait([keeper])
    assert contact.silence is not None
    assert clock() - contact.silence.since == 120_000
    (pause,) = pauses.pauses()
    assert (pause.until - clock(), pause.since - clock()) == (9 - 120_000, -120_000)
