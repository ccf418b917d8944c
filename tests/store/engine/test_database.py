"""The one writer: opened alone, migrated and sound; durable, grouped, isolated, and answering only after the commit."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from rheod.domain.errors import Refused, RheodError, StoreUnavailable, Text
from rheod.store import key_value
from rheod.store.engine.connection import READ_S, WriteFunction, at_the_end
from rheod.store.engine.database import PAUSE_ROWS, Database, write_back
from rheod.store.migrations import scripts
from tests.store.damaging import damage
from tests.stores import opened, rows
from tests.waiting import until

_WRITES_AND_DIES = """
import asyncio, sys
from pathlib import Path
from rheod.domain.crash import arm
from rheod.store import key_value
from rheod.store.engine.database import Database
arm(sys.argv[2])
async def main():
    database = await Database.open(Path(sys.argv[1]))
    writer = asyncio.create_task(database.run())
    for number in range(10**6):
        await database.write(lambda db: key_value.put(db, f"m{number}", "1"))
        print(f"kept {number}", file=sys.stderr, flush=True)
asyncio.run(main())
"""


def _child(folder: Path, armed: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _WRITES_AND_DIES, str(folder), armed],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _number(line: str) -> int:
    word, _, number = line.partition(" ")
    assert word == "kept", line
    return int(number)


async def _open(folder: Path) -> None:
    """Open and close: a store opened against expectation must not keep the tests from ending."""
    async with opened(folder):
        pass


def _version(folder: Path) -> int:
    with sqlite3.connect(folder / "rheod.db") as db:
        version: int = db.execute("PRAGMA user_version").fetchone()[0]
    db.close()
    return version


def _set_version(folder: Path, version: int) -> None:
    with sqlite3.connect(folder / "rheod.db") as db:
        db.execute(f"PRAGMA user_version = {version}")
    db.close()


async def test_a_second_daemon_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    """One daemon per data folder; after the first has closed, the next may open."""
    async with opened(tmp_path) as first:
        with pytest.raises(RheodError, match="Another rheod is using"):
            await _open(tmp_path)
        assert await rows(first, "SELECT * FROM marks") == []
    async with opened(tmp_path):
        pass


async def test_a_database_newer_than_the_program_is_refused_untouched(tmp_path: Path) -> None:
    """Going back to an older rheod says what to do, leaves the file as it is and frees the lock."""
    async with opened(tmp_path):
        pass
    newest = scripts()[-1][0]
    _set_version(tmp_path, newest + 1)
    for _ in range(2):
        with pytest.raises(RheodError, match=f"before-{newest + 1:04d}"):
            await _open(tmp_path)
    assert _version(tmp_path) == newest + 1


async def test_a_new_database_has_the_newest_schema(tmp_path: Path) -> None:
    """Migrations run at open; there is nothing to copy before the first."""
    async with opened(tmp_path):
        pass
    assert _version(tmp_path) == scripts()[-1][0]
    assert list(tmp_path.glob("*before*")) == []


async def test_opening_again_migrates_nothing(tmp_path: Path) -> None:
    """A second start finds the schema as it is and copies nothing."""
    for _ in range(2):
        async with opened(tmp_path):
            pass
    assert list(tmp_path.glob("*before*")) == []


@pytest.mark.parametrize("damage", [b"", b"not a database at all" * 500])
async def test_a_file_that_is_no_database_is_refused(tmp_path: Path, damage: bytes) -> None:
    """An empty file is a new database; garbage is refused with the way out."""
    (tmp_path / "rheod.db").write_bytes(damage)
    if not damage:
        async with opened(tmp_path):
            return
    with pytest.raises(RheodError, match="Restore the newest backup"):
        await _open(tmp_path)
    assert (tmp_path / "rheod.db").read_bytes() == damage


async def test_a_damaged_page_is_found_at_start(tmp_path: Path) -> None:
    """Flipped bytes in the middle of the file refuse the start."""
    async with opened(tmp_path) as database:
        await database.write(
            lambda db: db.executemany(
                "INSERT INTO marks VALUES (?, ?)", [(f"m{number}", "x" * 500) for number in range(500)]
            )
        )
    file = tmp_path / "rheod.db"
    damage(file, "marks")
    with pytest.raises(RheodError, match="Restore the newest backup"):
        await _open(tmp_path)


async def test_what_was_answered_survives_a_kill(tmp_path: Path) -> None:
    """Killed with -9 in the midst of writing: every acknowledged row is there and the file is sound."""
    with _child(tmp_path, "never:1") as child:
        assert child.stderr is not None
        try:
            acknowledged = [_number(child.stderr.readline()) for _ in range(200)]
        finally:
            child.kill()
        acknowledged += [_number(line) for line in child.stderr.read().split("\n")[:-1]]
    async with opened(tmp_path) as database:
        found = {row["name"] for row in await rows(database, "SELECT name FROM marks")}
        assert {f"m{number}" for number in acknowledged} <= found
        assert await rows(database, "PRAGMA integrity_check") == [{"integrity_check": "ok"}]


@pytest.mark.parametrize(("point", "version"), [("migration.before_commit", 0), ("migration.committed", 1)])
async def test_a_kill_during_a_migration_leaves_the_old_or_the_new_schema(
    tmp_path: Path, point: str, version: int
) -> None:
    """Never between, and the next start succeeds."""
    child = _child(tmp_path, f"{point}:1")
    child.communicate(timeout=30)
    assert child.returncode == -signal.SIGKILL
    assert _version(tmp_path) == version
    async with opened(tmp_path) as database:
        assert await rows(database, "SELECT * FROM marks") == []


def put(name: str, value: str = "1") -> WriteFunction[None]:
    """A transaction that writes one small row."""
    return lambda db: key_value.put(db, name, value)


def failing(name: str) -> WriteFunction[None]:
    """A transaction that writes and then refuses."""

    def work(db: sqlite3.Connection) -> None:
        key_value.put(db, name, "1")
        raise Refused("CONFLICT", Text("no"))

    return work


async def kept(database: Database) -> set[str]:
    """The names of the rows that are committed."""
    return {row["name"] for row in await rows(database, "SELECT name FROM marks")}


async def statements_of(database: Database, *works: WriteFunction[Any]) -> list[str]:
    """What the writer executes while these transactions, handed in together, are run."""
    seen: list[str] = []
    await database.write(lambda db: db.set_trace_callback(seen.append))
    await asyncio.gather(*(database.write(work) for work in works), return_exceptions=True)
    await database.write(lambda db: db.set_trace_callback(None))
    return seen[seen.index("COMMIT") + 1 :]  # past the commit of the watching itself


async def test_waiting_transactions_share_one_commit(database: Database) -> None:
    """A hundred writes at once cost one BEGIN, one COMMIT and a savepoint each."""
    seen = await statements_of(database, *(put(f"m{number}") for number in range(100)))
    group = seen[: seen.index("COMMIT")]
    assert group[0] == "BEGIN IMMEDIATE"
    assert sum("INSERT" in statement for statement in group) == 100
    assert group.count("SAVEPOINT one") == 100
    assert len(await kept(database)) == 100


async def test_a_refused_transaction_undoes_only_itself(database: Database) -> None:
    """Its neighbours in the same group are kept, and it alone hears of its failure."""
    answers = await asyncio.gather(
        database.write(put("before")),
        database.write(failing("bad")),
        database.write(put("after")),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers] == [type(None), Refused, type(None)]
    assert await kept(database) == {"before", "after"}


async def test_what_waits_for_the_end_of_the_group_goes_or_comes_with_its_transaction(
    database: Database,
) -> None:
    """It runs after the last transaction and before the commit; what a refused one has left there is forgotten."""

    def late(name: str, *, then: WriteFunction[None] = lambda _db: None) -> WriteFunction[None]:
        def work(db: sqlite3.Connection) -> None:
            at_the_end(db, "INSERT INTO marks (name, value) VALUES (?, '1')", (name,))
            then(db)

        return work

    seen = await statements_of(database, late("first"), late("bad", then=failing("worse")), late("last"))
    end = seen[: seen.index("COMMIT")][-3:]
    assert end[0] == "RELEASE one"
    assert ["first" in end[1], "last" in end[2]] == [True, True]
    assert await kept(database) == {"first", "last"}


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("INSERT INTO items (id) VALUES (1)", sqlite3.IntegrityError),
        ("SELECT * FROM nowhere", sqlite3.OperationalError),
        ("INSERT INTO marks VALUES (?, ?)", sqlite3.ProgrammingError),
    ],
)
async def test_a_wrong_statement_undoes_only_its_own_transaction(
    database: Database, statement: str, error: type[Exception]
) -> None:
    """A mistake of ours in one use case must not cost the others of the group their writes."""

    def work(db: sqlite3.Connection) -> None:
        key_value.put(db, "bad", "1")
        db.execute(statement)

    answers = await asyncio.gather(
        database.write(put("before")),
        database.write(work),
        database.write(put("after")),
        return_exceptions=True,
    )
    assert isinstance(answers[1], error)
    assert await kept(database) == {"before", "after"}


async def test_nothing_is_answered_before_it_can_be_read(database: Database) -> None:
    """When a write returns, the other connection sees it; before, it does not."""
    seen_inside: list[int] = []

    def work(db: sqlite3.Connection) -> None:
        key_value.put(db, "new", "1")
        with sqlite3.connect(f"{_file(db).as_uri()}?mode=ro", uri=True) as other:
            seen_inside.append(other.execute("SELECT count(*) FROM marks").fetchone()[0])
        other.close()

    await database.write(work)
    assert seen_inside == [0]
    assert await kept(database) == {"new"}


def _file(db: sqlite3.Connection) -> Path:
    return Path(db.execute("PRAGMA database_list").fetchone()["file"])


async def test_a_pause_writes_the_log_back(database: Database) -> None:
    """Nobody who writes has to wait for it; the log is then used again from its beginning."""
    await asyncio.gather(*(database.write(put(f"m{number}", "written back")) for number in range(PAUSE_ROWS)))
    await until(lambda: b"written back" in database.file.read_bytes())
    long = database.log_bytes
    await database.write(put("second"))
    assert database.log_bytes == long


def test_a_few_rows_are_not_worth_writing_back(tmp_path: Path) -> None:
    """Counted from the last time: it costs syncs."""
    file = tmp_path / "x.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE t (x)")
        db.execute("INSERT INTO t VALUES ('first')")
        assert write_back(0, db) == 0
        assert b"first" not in file.read_bytes()
        db.executemany("INSERT INTO t VALUES (?)", [(number,) for number in range(PAUSE_ROWS - 1)])
        told = write_back(0, db)
        assert told == PAUSE_ROWS
        assert b"first" in file.read_bytes()
        assert write_back(told, db) == told


async def test_one_read_sees_one_moment(database: Database) -> None:
    """A query of several statements is not torn by a commit between them."""
    loop = asyncio.get_running_loop()

    def query(db: sqlite3.Connection) -> tuple[str | None, str | None]:
        first = key_value.get(db, "m")
        asyncio.run_coroutine_threadsafe(database.write(put("m", "new")), loop).result(timeout=10)
        return first, key_value.get(db, "m")

    assert await database.read(query) == (None, None)
    assert await database.read(lambda db: key_value.get(db, "m")) == "new"


async def test_queries_asked_together_are_answered_each_for_itself(database: Database) -> None:
    """One that fails fails alone; slow ones hold the others only until they are done, and none is forgotten."""
    ran: list[float] = []

    def slow(db: sqlite3.Connection) -> int:
        ran.append(time.monotonic())
        while time.monotonic() < ran[-1] + 2 * READ_S:
            db.execute("SELECT count(*) FROM marks").fetchone()
        return 7

    def wrong(db: sqlite3.Connection) -> int:
        return int(db.execute("SELECT nothing FROM marks").fetchone()[0])

    def cancelled(_db: sqlite3.Connection) -> int:
        return 8

    asked = [asyncio.create_task(database.read(query)) for query in (slow, wrong, cancelled, slow, slow)]
    await asyncio.sleep(0)  # all of them wait now
    asked[2].cancel()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert answers[0::3] == [7, 7]
    assert answers[4] == 7
    assert isinstance(answers[1], StoreUnavailable)
    assert isinstance(answers[2], asyncio.CancelledError)
    assert len(ran) == 3


async def test_queries_asked_together_share_one_journey(database: Database) -> None:
    """A hundred reads at once cost one look at the committed state, not a hundred."""
    seen: list[str] = []
    await database.read(lambda db: db.set_trace_callback(seen.append))
    await asyncio.gather(*(database.read(lambda db: db.execute("SELECT 1").fetchone()) for _ in range(100)))
    await database.read(lambda db: db.set_trace_callback(None))
    assert seen.count("SELECT 1") == 100
    assert seen.count("BEGIN") <= 4


async def test_a_closed_reader_refuses_those_who_still_wait(tmp_path: Path) -> None:
    """Queries asked while the store closes hear that it does, and none waits for ever."""
    async with opened(tmp_path) as database:
        asked = [asyncio.create_task(database.read(lambda _db: 1)) for _ in range(600)]
        await asyncio.sleep(0)
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert all(each == 1 or isinstance(each, StoreUnavailable) for each in answers)
    with pytest.raises(StoreUnavailable):
        await database.read(lambda _db: 1)


async def test_the_reader_cannot_write(database: Database) -> None:
    """Only the writer's connection may change anything."""
    with pytest.raises(StoreUnavailable, match="readonly"):
        await database.read(put("m"))


async def test_a_mistake_in_a_query_is_not_taken_for_an_outage(database: Database) -> None:
    """A bug shows as itself, so that it is answered with 500 and not retried for ever."""
    with pytest.raises(ValueError, match="invalid literal"):
        await database.read(lambda _db: int("x"))


async def test_every_connection_is_set_for_durability(database: Database) -> None:
    """synchronous=FULL (2), WAL, foreign keys and no trust in the schema, on the writer."""
    names = ("synchronous", "journal_mode", "foreign_keys", "trusted_schema", "busy_timeout")

    def pragmas(db: sqlite3.Connection) -> list[object]:
        return [db.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

    assert await database.write(pragmas) == [2, "wal", 1, 0, 5000]
    assert (await database.read(pragmas))[2:4] == [1, 0]


async def test_a_cancelled_caller_does_not_stop_its_transaction(database: Database) -> None:
    """It is committed with the others, what follows it still happens, and nobody else notices."""
    followed: list[str] = []
    gone = asyncio.create_task(database.write(put("gone"), then=lambda: followed.append("gone")))
    stays = asyncio.create_task(database.write(put("stays"), then=lambda: followed.append("stays")))
    await asyncio.sleep(0)  # both wait in the queue now
    gone.cancel()
    await stays
    assert gone.cancelled()
    assert await kept(database) == {"gone", "stays"}
    assert followed == ["gone", "stays"]


async def test_nothing_follows_a_transaction_that_failed(database: Database) -> None:
    """A queue is not woken for work that was rolled back."""
    followed: list[str] = []
    with pytest.raises(Refused):
        await database.write(failing("bad"), then=lambda: followed.append("bad"))
    assert followed == []


async def test_a_full_disk_refuses_and_recovers(database: Database) -> None:
    """Nobody in the group is told of a success; with room again the next write goes through."""
    pages = await database.write(lambda db: db.execute("PRAGMA page_count").fetchone()[0])
    await database.write(lambda db: db.execute(f"PRAGMA max_page_count = {pages}").fetchone())
    answers = await asyncio.gather(
        database.write(put("small")),
        database.write(put("big", "x" * 200_000)),
        database.write(put("other")),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers] == [StoreUnavailable] * 3
    assert await kept(database) == set()
    await database.write(lambda db: db.execute("PRAGMA max_page_count = 1000000").fetchone())
    await database.write(put("big", "x" * 200_000))
    assert await kept(database) == {"big"}


async def test_a_stopping_store_finishes_what_waits_and_takes_no_more(tmp_path: Path) -> None:
    """What was handed in before the stop is durable; what comes after is refused."""
    async with opened(tmp_path) as database:
        before = asyncio.create_task(database.write(put("before")))
        await asyncio.sleep(0)  # it waits in the queue now
        database.stop()
        with pytest.raises(StoreUnavailable, match="stopping"):
            await database.write(put("after"))
        await before
        assert await kept(database) == {"before"}


async def test_closing_without_a_writer_refuses_what_waits(tmp_path: Path) -> None:
    """A caller must not wait for ever for a task that is gone."""
    database = await Database.open(tmp_path)
    waiting = asyncio.create_task(database.write(put("m")))
    await asyncio.sleep(0)  # it waits in the queue now
    await database.close()
    with pytest.raises(StoreUnavailable, match="stopping"):
        await waiting
    with pytest.raises(StoreUnavailable):
        await database.read(lambda db: key_value.get(db, "m"))


async def test_a_cancelled_writer_still_commits_the_group_it_has_begun(tmp_path: Path) -> None:
    """The daemon's task group cancels the writer: the group under way ends, its callers are answered."""
    database = await Database.open(tmp_path)
    writer = asyncio.create_task(database.run())
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def work(db: sqlite3.Connection) -> None:
        key_value.put(db, "m", "1")
        loop.call_soon_threadsafe(begun.set)

    call = asyncio.create_task(database.write(work))
    await begun.wait()
    writer.cancel()
    await asyncio.wait([writer])
    try:
        await asyncio.wait_for(call, 10)
        assert await kept(database) == {"m"}
    finally:
        await database.close()


async def test_closing_leaves_one_clean_file(tmp_path: Path) -> None:
    """The last connection checkpoints: no log beside the file, and everything in it."""
    async with opened(tmp_path) as database:
        await database.write(put("m"))
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["lock", "rheod.db", "secret.key"]
    async with opened(tmp_path) as again:
        assert await kept(again) == {"m"}
