"""Every connection keeps what it acknowledges, or the start is refused."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from rheod.domain.errors import RheodError
from rheod.store.engine.connection import SqliteConnection, prepare
from rheod.store.engine.database import Database
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
