"""One connection to SQLite: its own thread, how it is set up, and the proof that SQLite took it.

What an acknowledged write rests on (write-ahead log, a sync at each commit) is read back, since SQLite ignores a PRAGMA that
it cannot obey.

Whether the database's file is sound: a small one is checked before it is opened, a large one while the daemon runs.

A large one would take minutes on a poor disk, and partners would go unanswered for as long. Damage found while the daemon runs
ends it, and a note beside the file has the next start check the whole file first, so that nobody goes on with a damaged one.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

import aiosqlite

from rheod.domain.errors import RheodError
from rheod.store.engine.group_commit import GroupedConnection

T = TypeVar("T")

_FULL = 2
_EVERY = (
    "busy_timeout=5000",
    "foreign_keys=ON",
    "trusted_schema=OFF",
    "cache_size=-2048",
    "synchronous=FULL",
)
_READER = ("query_only=ON",)
_WRITER = ("journal_mode=WAL", "secure_delete=ON", "temp_store=MEMORY")
_PAGE_BYTES = 4096
_CHECKPOINT_PAGES = 8192
"""With so many pages in the log (32 MiB) a transaction writes them back and holds up the next ones; usually a pause has done so
before (`Database.run`). At SQLite's own 1000 every tenth PUT of a burst waited for it with a million items, where each change
lies in pages of its own: the slowest in a hundred took twice as long."""

LOG_BYTES = 64 * 2**20
"""After a checkpoint the log is cut to this size by default."""


def prepare(db: sqlite3.Connection, *, read_only: bool, log_bytes: int = LOG_BYTES) -> None:
    """Set a connection up; the writer cuts its log to `log_bytes`.

    Raises RheodError when an acknowledged write would not be safe on it.
    """
    db.row_factory = sqlite3.Row
    bounds = (
        f"journal_size_limit={log_bytes}",
        f"wal_autocheckpoint={min(_CHECKPOINT_PAGES, log_bytes // _PAGE_BYTES // 2)}",
    )
    for pragma in (*_EVERY, *(_READER if read_only else (*_WRITER, *bounds))):
        db.execute(f"PRAGMA {pragma}")
    journal, synchronous = (
        db.execute(f"PRAGMA {pragma}").fetchone()[0] for pragma in ("journal_mode", "synchronous")
    )
    if journal != "wal" or synchronous != _FULL:
        raise RheodError(
            f"SQLite does not keep the database safely here (journal_mode {journal}, synchronous {synchronous}; wanted"
            " wal and 2): put storage.path on a local disk with an ordinary file system, such as ext4"
        )


class SqliteConnection(aiosqlite.Connection):
    """aiosqlite's thread, handed whole functions of a `sqlite3.Connection` instead of single statements.

    aiosqlite has no public way to hand its thread a function, so four of its private names are used: `_tx` (the thread's
    queue of a future and a function), `_conn` (the raw connection), `_running` and `_thread`. A test of this module fails
    when one of them changes its meaning.
    """

    @classmethod
    async def open(
        cls, file: Path, ready: Callable[[sqlite3.Connection], None], *, mode: str = "rwc"
    ) -> SqliteConnection:
        """Connect, and let `ready` set the connection up. Raises what either raises; nothing is left open then."""
        uri = f"{file.as_uri()}?mode={mode}"
        connector = partial(
            sqlite3.connect, uri, uri=True, isolation_level=None, timeout=5.0, factory=GroupedConnection
        )
        connection = cls(connector, iter_chunk_size=64)
        try:
            await connection
        except BaseException:
            await asyncio.to_thread(connection._thread.join, 1.0)  # it speaks to the loop until it has ended
            raise
        try:
            await connection.submit(ready)
        except BaseException:
            await connection.close()
            raise
        return connection

    def submit(self, work: Callable[[sqlite3.Connection], T]) -> asyncio.Future[T]:
        """Run `work` in the connection's thread. ValueError when the connection is closed."""
        if not self._running:
            raise ValueError("Connection closed")  # its thread would never come to it
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._tx.put_nowait((answer, partial(work, self._conn)))
        return answer


SOUND = "ok"
AT_ONCE_BYTES = 64 * 2**20
"""A file of this size, some 20,000 items, is looked through in a quarter of a second."""


def may_wait(file: Path, *, at_once_bytes: int) -> bool:
    """Whether the look through the file may wait until the daemon runs."""
    return file.exists() and file.stat().st_size > at_once_bytes and not _note_beside(file).exists()


def check(db: sqlite3.Connection, *, file: Path) -> None:
    """Raise sqlite3.DatabaseError when the file is damaged; else no note says so any more."""
    found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != SOUND:
        raise sqlite3.DatabaseError(str(found).splitlines()[-1])
    db.execute("PRAGMA shrink_memory")  # the pages it read are not those that will be asked for
    _note_beside(file).unlink(missing_ok=True)


def note_damage(file: Path, reason: str) -> None:
    """Have the next start look through the whole file before anything else, however large it is."""
    with suppress(OSError):  # a disk that is full or broken: the daemon ends with its reason all the same
        _note_beside(file).write_text(f"{reason}\n", encoding="utf-8")


def _note_beside(file: Path) -> Path:
    return file.with_name(f"{file.name}.damaged")


class FileCheck:
    """One look through the whole file by a connection of its own, to be run in a thread while others read and write."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._db: sqlite3.Connection | None = None
        self._given_up = False

    def run(self) -> str | None:
        """`SOUND`, or what is wrong with the file, which is noted too; None when it was given up or could not begin."""
        try:
            self._look_through()
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
            is_damage = not isinstance(error, sqlite3.OperationalError) or code == sqlite3.SQLITE_IOERR
            if self._given_up or not is_damage:  # a lock, or too many open files: the file is not to blame
                return None
            note_damage(self._file, str(error))
            return str(error)
        return None if self._given_up else SOUND

    def _look_through(self) -> None:
        uri = f"{self._file.as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)) as db:
            self._db = db
            try:
                prepare(db, read_only=True)
                if not self._given_up:
                    check(db, file=self._file)
            finally:
                self._db = None

    def give_up(self) -> None:
        """End a running look soon."""
        self._given_up = True
        if self._db is not None:
            self._db.interrupt()
