"""Group commit against a commit for each request, with 64 clients that each write again as soon as theirs is durable.

The floor does the same work through the same thread, with a transaction of its own for each. How much a group saves
hangs on what else a transaction costs, so a small row and a whole PUT are measured: of a PUT, most is its own work.
"""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiosqlite

from rheod.api import item_body
from rheod.store import accounts, key_value
from rheod.store.engine.connection import WriteFunction, prepare
from rheod.store.engine.database import Database
from rheod.usecases.put_item import put
from rheod.usecases.transaction import Transaction
from tests.bench.calls import body_of
from tests.bench.table import Row

CLIENTS = 64
WRITES = 6_400
PUTS = 1_920

Write = Callable[[WriteFunction[Any]], Awaitable[Any]]
Make = Callable[[int], WriteFunction[Any]]


async def rows(rounds: int) -> list[Row]:
    """A small row, and a whole PUT."""
    small, puts = [], []
    for _ in range(rounds):
        small.append([await _rate(store, _mark, WRITES) for store in (_grouped, _one_by_one)])
        puts.append([await _rate(store, _put, PUTS) for store in (_grouped, _one_by_one)])
    return [
        _row("group commit, a small row", small, least=8),
        _row("group commit, a whole PUT", puts, least=None),
    ]


def _row(name: str, rates: list[list[float]], *, least: float | None) -> Row:
    ours, floor = zip(*rates, strict=True)
    return Row(name=name, tx="/s", ours=ours, floor=floor, least=least)


async def _rate(store: Callable[[Path], Any], make: Make, count: int) -> float:
    """Durable transactions a second through one way into a new store."""
    with tempfile.TemporaryDirectory() as folder:
        async with store(Path(folder)) as write:
            waiting = iter(range(count))
            began = time.perf_counter()
            async with asyncio.TaskGroup() as group:
                for _ in range(CLIENTS):
                    group.create_task(_client(write, make, waiting))
            return count / (time.perf_counter() - began)


async def _client(write: Write, make: Make, waiting: Any) -> None:
    for number in waiting:
        await write(make(number))


@asynccontextmanager
async def _grouped(folder: Path) -> AsyncIterator[Write]:
    """The store as the daemon has it."""
    database = await Database.open(folder)
    writer = asyncio.create_task(database.run())
    await database.write(_account)
    yield database.write
    database.stop()
    await writer
    await database.close()


@asynccontextmanager
async def _one_by_one(folder: Path) -> AsyncIterator[Write]:
    """The same file and settings, and a commit for each."""
    async with _grouped(folder):
        pass  # the schema and the account
    async with aiosqlite.connect(folder / "rheod.db", isolation_level=None) as connection:

        async def run(work: Callable[[sqlite3.Connection], Any]) -> Any:
            return await connection._execute(work, connection._conn)  # type: ignore[no-untyped-call]  # noqa: SLF001

        await run(lambda db: prepare(db, read_only=False))

        async def write(work: WriteFunction[Any]) -> Any:
            return await run(lambda db: _alone(work, db))

        yield write


def _alone(work: WriteFunction[Any], db: sqlite3.Connection) -> Any:
    db.execute("BEGIN IMMEDIATE")
    answer = work(db)
    db.execute("COMMIT")
    return answer


def _account(db: sqlite3.Connection) -> None:
    accounts.ensure(db, [""], now=1)


def _mark(number: int) -> WriteFunction[Any]:
    return lambda db: key_value.put(db, f"mark {number % 100}", str(number))


_SPEC = item_body.read_item(json.loads(body_of(1)), check_url=lambda _url: None)
_CHANCE = random.Random(1)


def _put(number: int) -> WriteFunction[Any]:
    def work(db: sqlite3.Connection) -> None:
        account = db.execute("SELECT id FROM accounts").fetchone()[0]
        put(Transaction(db, now=1_700_000_000_000 + number, rng=_CHANCE), account, f"ERP-{number}", _SPEC)

    return work
