"""Chores on the clock and the watchdog's heartbeat, also without room; the look through a large database."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from rheod.domain.errors import RheodError, StoreUnavailable, Text
from rheod.domain.model import ItemSpec, ItemType
from rheod.domain.orders import Order, OrderLine
from rheod.jobs.housekeeping import Heartbeat, Housekeeping, IntegrityChecker, LoopWatch
from rheod.push.poller import read_message
from rheod.store import key_value, outbox
from rheod.store.engine.database import Database
from rheod.store.outbox import Attempt
from rheod.usecases import sales
from rheod.usecases.orders import Orders
from tests.desk import Desk
from tests.store.damaging import damage
from tests.stores import Clock, opened, rows
from tests.waiting import until

DAY_MS = 24 * 3600 * 1000


@asynccontextmanager
async def running(loop: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    """A loop at work, cancelled at the end as the daemon does."""
    task = asyncio.create_task(loop)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


class Pulse:
    """Counts beats, and answers for the store as a test wishes."""

    def __init__(self, *, full: bool = False, hangs: bool = False) -> None:
        self.beats = 0
        self.full = full
        self.hangs = hangs

    def beat(self) -> None:
        self.beats += 1

    async def alive(self) -> None:
        if self.full:
            raise StoreUnavailable(Text("the disk is full"))
        if self.hangs:
            await asyncio.Event().wait()

    def heart(self) -> Heartbeat:
        return Heartbeat(beat=self.beat, alive=self.alive, every_s=0.02)


async def test_the_heart_beats_while_the_store_answers() -> None:
    """Beat after beat, each after the writer has answered."""
    pulse = Pulse()
    async with running(pulse.heart().run()):
        await until(lambda: pulse.beats >= 3)


async def test_a_store_without_room_is_no_reason_to_be_killed() -> None:
    """A full disk answers, if only with a refusal: the watchdog is fed and the API goes on reading."""
    pulse = Pulse(full=True)
    async with running(pulse.heart().run()):
        await until(lambda: pulse.beats >= 3)


async def test_a_store_that_hangs_ends_the_loop_without_a_beat() -> None:
    """No answer within two beats: the loop ends with TimeoutError, which takes the process down."""
    pulse = Pulse(hangs=True)
    async with running(pulse.heart().run()) as task:
        await asyncio.wait([task], timeout=5)
        with pytest.raises(TimeoutError):
            task.result()
    assert pulse.beats == 0


async def test_who_holds_up_the_loop_is_seen() -> None:
    """A step that keeps the loop for 0.3 s shows, less the watch's own interval at most."""
    watch = LoopWatch(every_s=0.05)
    async with running(watch.run()):
        await asyncio.sleep(0)  # it has begun
        end = time.monotonic() + 0.3
        while time.monotonic() < end:
            pass
        await until(lambda: watch.longest_ms >= 249)
    assert watch.lately_ms == watch.longest_ms


class ForgetfulWatch(LoopWatch):
    """Goes back two looks."""

    LATELY = 2


async def test_a_stall_of_long_ago_is_not_lately() -> None:
    """The worst since the start stays; what is told to Prometheus passes."""
    watch = ForgetfulWatch(every_s=0.01)
    async with running(watch.run()):
        await asyncio.sleep(0)  # it has begun
        end = time.monotonic() + 0.3
        while time.monotonic() < end:
            pass
        await until(lambda: watch.longest_ms >= 249)
        await until(lambda: watch.lately_ms < watch.longest_ms)


async def attempts(desk: Desk, *days_old: int) -> None:
    """Delivery log rows of these ages."""
    await desk.endpoints.set_url(desk.account_id, "https://partner.example/hook")
    await desk.items.put_item(desk.account_id, "C", ItemSpec(type=ItemType.CONTAINER, title="Volvo"))
    endpoint = await desk.endpoints.settings(desk.account_id)
    row = Attempt(
        endpoint_id=endpoint.id,
        notice_seq=1,
        url="https://partner.example/hook",
        attempt=1,
        ok=True,
        http_status=200,
        error=None,
        snippet=None,
        duration_ms=1,
    )
    for days in days_old:
        at = desk.clock() - days * DAY_MS
        await desk.database.write(lambda db, at=at: outbox.log_attempt(db, row, now=at))  # type: ignore[misc]


async def test_old_attempts_are_dropped_and_key_uses_saved(desk: Desk) -> None:
    """Every round saves the uses of keys and forgets attempts older than the setting says, and no others."""
    await attempts(desk, 91, 89, 0)
    saved: list[int] = []

    async def save() -> None:
        saved.append(1)

    upkeep = Housekeeping(
        database=desk.database, now=desk.clock, chores=(save,), keep_days=90, orders_days=730, every_s=0.01
    )
    async with running(upkeep.run()):
        await until(lambda: len(saved) >= 2)
    left = await rows(desk.database, "SELECT created_at FROM deliveries")
    assert sorted((desk.clock() - row["created_at"]) // DAY_MS for row in left) == [0, 89]


async def test_a_buyer_is_forgotten_when_his_time_has_come(desk: Desk) -> None:
    """On the last day the order still has him; a day later nothing in the whole file tells who he was."""
    secret = "personal-7c1d"  # stands wherever somebody's data may lie
    buyer = {"firstName": secret, "email": f"{secret}@example.com"}
    line = OrderLine(tradera_item_id=5, quantity=1, unit_price_ore=25_000, title="Kopp")
    sale = Order(order_id=7, created_at=desk.clock(), updated_at=desk.clock(), lines=(line,), buyer=buyer)
    await desk.store.write(lambda tx: sales.record_orders(tx, desk.account_id, [sale], desk.sellers))
    await desk.store.write(lambda tx: sales.take_in(tx, [read_message("m1", secret)], desk.sellers))
    await Orders(store=desk.store).track(desk.account_id, 7, carrier="postnord", tracking_number=secret)
    upkeep = Housekeeping(
        database=desk.database, now=desk.clock, chores=(nothing,), keep_days=90, orders_days=730, every_s=0.01
    )
    desk.forward(730 * 24 * 3600)
    async with running(upkeep.run()):
        await until(lambda: desk.database.log_bytes)
        assert secret in await everything(desk)
        desk.forward(1)

        async def forgotten() -> bool:
            return secret not in await everything(desk)

        await until(forgotten)
    (kept,) = await rows(desk.database, "SELECT subtotal_ore, erased_at FROM orders")
    assert kept["erased_at"] == desk.clock()
    assert await rows(desk.database, "SELECT unit_price_ore FROM order_lines") == [{"unit_price_ore": 25_000}]
    assert secret.encode() not in await pages(desk)


async def nothing() -> None:
    """No key was used."""
    await asyncio.sleep(0)


async def everything(desk: Desk) -> str:
    """All rows of all tables as one text."""

    def dump(db: sqlite3.Connection) -> str:
        tables = [
            row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        ]
        queries = [f"SELECT * FROM {table}" for table in tables]  # noqa: S608 - the file's own names
        return " ".join(str(tuple(row)) for query in queries for row in db.execute(query))

    return await desk.database.read(dump)


async def pages(desk: Desk) -> bytes:
    """The database file as the reader sees it, free space and all."""

    def copy(db: sqlite3.Connection) -> bytes:
        with closing(sqlite3.connect(":memory:")) as other:
            db.backup(other)
            return other.serialize()

    return await desk.database.read(copy)


async def test_a_chore_that_cannot_write_is_tried_again(database: Database, clock: Clock) -> None:
    """A store that cannot write now ends nothing: the next round does it."""
    tries: list[int] = []

    async def save() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise StoreUnavailable(Text("the disk is full"))

    upkeep = Housekeeping(
        database=database, now=clock, chores=(save,), keep_days=90, orders_days=730, every_s=0.01
    )
    async with running(upkeep.run()) as task:
        await until(lambda: len(tries) >= 3)
        assert not task.done()


async def test_a_long_log_is_shortened_or_told_once_and_so_is_its_end(
    database: Database, clock: Clock
) -> None:
    """While somebody reads for long it cannot be: said when that begins and when it is over."""
    database.most_log_bytes = 100_000
    upkeep = Housekeeping(
        database=database, now=clock, chores=(nothing,), keep_days=90, orders_days=730, every_s=0.01
    )
    uri = f"{database.file.as_uri()}?mode=ro"
    with capture_logs() as logs, closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM marks").fetchone()
        await database.write(lambda db: key_value.put(db, "long", "x" * 300_000))
        async with running(upkeep.run()):
            await until(lambda: [line for line in logs if "log grows" in line["event"]])
            reader.execute("ROLLBACK")
            await until(lambda: [line for line in logs if "short again" in line["event"]])
            assert database.log_bytes == 0
    told = [line["event"].partition(" log ")[2] for line in logs if "write-ahead" in line["event"]]
    assert [words.partition(":")[0] for words in told] == ["grows", "is short again"]


async def test_a_log_that_is_not_long_is_left(database: Database, clock: Clock) -> None:
    """To shorten it costs a sync, and it is used again as it is."""
    await database.write(lambda db: key_value.put(db, "long", "x" * 300_000))
    saved: list[int] = []

    async def save() -> None:
        saved.append(1)

    upkeep = Housekeeping(
        database=database, now=clock, chores=(save,), keep_days=90, orders_days=730, every_s=0.01
    )
    async with running(upkeep.run()):
        await until(lambda: len(saved) >= 3)
    assert database.log_bytes > 300_000


@asynccontextmanager
async def _large(folder: Path, *, damaged: str | None = None) -> AsyncIterator[Database]:
    """A database that counts as too large to be looked through at the start."""
    async with opened(folder) as new:
        file = new.file
    if damaged is not None:
        damage(file, damaged)
    database = await Database.open(folder, at_once_bytes=0)
    try:
        yield database
    finally:
        await database.close()


async def test_damage_ends_it_with_the_way_out(tmp_path: Path) -> None:
    """The error takes the process down and says what to do."""
    async with _large(tmp_path, damaged="shipments") as database:
        with pytest.raises(RheodError, match=r"is damaged: .*Restore the newest backup"):
            await IntegrityChecker(database=database).run()


async def test_a_sound_database_is_looked_through_once(tmp_path: Path) -> None:
    """Afterwards nothing is left to do."""
    async with _large(tmp_path) as database:
        assert database.unchecked
        await IntegrityChecker(database=database).run()
        assert not database.unchecked
