"""Every connection keeps what it acknowledges, or the start is refused; once damage is known nobody goes on with the file."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from rheod.domain.errors import RheodError
from rheod.store.engine.connection import SOUND, FileCheck, SqliteConnection, prepare
from rheod.store.engine.database import Database
from tests.store.damaging import damage
from tests.stores import opened
from tests.waiting import until


def _safety(db: sqlite3.Connection) -> tuple[object, object, object]:
    return tuple(
        db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous", "foreign_keys")
    )


@contextmanager
def _raw(address: str) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as db:
        yield db


async def test_both_connections_sync_at_every_commit(database: Database) -> None:
    """The writer and the reader of an open store report wal, full and foreign keys."""
    assert await database.write(_safety) == ("wal", 2, 1)
    assert await database.read(_safety) == ("wal", 2, 1)


@pytest.mark.parametrize("address", [":memory:", "file:{folder}/x.db?vfs=unix-none"])
def test_a_place_that_cannot_keep_a_write_ahead_log_is_refused(tmp_path: Path, address: str) -> None:
    """SQLite answers «delete» or «memory» instead of failing: the start is refused with where to put the data."""
    with (
        _raw(address.format(folder=tmp_path)) as db,
        pytest.raises(RheodError, match=r"put storage\.path on a local disk"),
    ):
        prepare(db, read_only=False)


def test_a_reader_of_a_file_without_a_write_ahead_log_is_refused(tmp_path: Path) -> None:
    """The second connection is looked at too."""
    file = tmp_path / "x.db"
    with _raw(file.as_uri()) as db:
        db.execute("CREATE TABLE t (x)")
    with _raw(f"{file.as_uri()}?mode=ro") as db, pytest.raises(RheodError, match="journal_mode delete"):
        prepare(db, read_only=True)


@pytest.mark.parametrize(("log_bytes", "pages"), [(64 * 2**20, 8192), (2**20, 128)])
def test_the_log_is_bounded_by_what_is_told(tmp_path: Path, log_bytes: int, pages: int) -> None:
    """It is cut to that size, and written back well before it is as long."""
    with _raw((tmp_path / "x.db").as_uri()) as db:
        prepare(db, read_only=False, log_bytes=log_bytes)
        assert db.execute("PRAGMA journal_size_limit").fetchone()[0] == log_bytes
        assert db.execute("PRAGMA wal_autocheckpoint").fetchone()[0] == pages


async def test_the_private_names_of_aiosqlite_mean_what_connection_takes_them_for(tmp_path: Path) -> None:
    """Its thread takes a future and a function from `_tx`, `_conn` is the raw connection, `_running` ends with it."""
    connection = await SqliteConnection.open(tmp_path / "x.db", lambda _: None)
    raw = vars(connection)["_connection"]
    assert isinstance(raw, sqlite3.Connection)
    thread: threading.Thread = vars(connection)["_thread"]
    assert (vars(connection)["_running"], thread.is_alive()) == (True, True)
    answer: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
    vars(connection)["_tx"].put_nowait((answer, threading.get_ident))
    assert await answer == thread.ident
    assert await connection.submit(lambda db: db is raw)
    await connection.close()
    assert vars(connection)["_running"] is False
    with pytest.raises(ValueError, match="Connection closed"):
        connection.submit(lambda _: None)


def _threads() -> set[str]:
    return {each.name for each in threading.enumerate() if "_connection_worker_thread" in each.name}


async def test_a_connection_that_cannot_be_made_leaves_no_thread(tmp_path: Path) -> None:
    """Neither when there is no such file nor when it cannot be set up."""
    before = _threads()
    with pytest.raises(sqlite3.OperationalError):
        await SqliteConnection.open(tmp_path / "none.db", lambda _: None, mode="ro")

    def fails(_: sqlite3.Connection) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await SqliteConnection.open(tmp_path / "x.db", fails)
    await until(lambda: _threads() <= before)  # one of an earlier test may end meanwhile


async def _new(folder: Path) -> Path:
    async with opened(folder) as database:
        return database.file


async def _open_large(folder: Path) -> bool:
    """Open and close it as if it were too large to be looked through at once; whether nobody has."""
    database = await Database.open(folder, at_once_bytes=0)
    await database.close()
    return database.unchecked


async def test_a_large_file_is_opened_before_it_is_looked_through(tmp_path: Path) -> None:
    """The start does not wait for it, and says that it is still to be done; a new or small file is never left out."""
    await _new(tmp_path)
    assert await _open_large(tmp_path)
    async with opened(tmp_path) as database:
        assert not database.unchecked


async def test_the_look_finds_damage_and_the_next_start_refuses(tmp_path: Path) -> None:
    """The file is never built upon again, however large it is."""
    file = await _new(tmp_path)
    damage(file, "shipments")
    assert await _open_large(tmp_path)
    found = await asyncio.to_thread(FileCheck(file).run)
    assert found not in {None, SOUND}
    for _ in range(2):
        with pytest.raises(RheodError, match="Restore the newest backup"):
            await _open_large(tmp_path)


async def test_a_restored_file_is_believed_once_it_was_looked_through(tmp_path: Path) -> None:
    """The note beside the file costs one thorough start, then it is gone."""
    file = await _new(tmp_path)
    sound = file.read_bytes()
    damage(file, "shipments")
    await asyncio.to_thread(FileCheck(file).run)
    file.write_bytes(sound)
    assert not await _open_large(tmp_path)
    assert await _open_large(tmp_path)


async def test_a_sound_file_in_use_is_told_sound(tmp_path: Path) -> None:
    """While its daemon writes."""
    async with opened(tmp_path) as database:
        assert await asyncio.to_thread(FileCheck(database.file).run) == SOUND


async def test_a_look_that_is_given_up_tells_nothing(tmp_path: Path) -> None:
    """Neither that the file is sound nor that it is not, and no note is left."""
    file = await _new(tmp_path)
    damage(file, "shipments")
    look = FileCheck(file)
    look.give_up()
    assert await asyncio.to_thread(look.run) is None
    assert await _open_large(tmp_path)
