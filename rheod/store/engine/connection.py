"""One connection to SQLite: its own thread, how it is set up, the proof that SQLite took it, and the groups that run in it.

What an acknowledged write rests on (write-ahead log, a sync at each commit) is read back, since SQLite ignores a PRAGMA that
it cannot obey.

Whether the database's file is sound: a small one is checked before it is opened, a large one while the daemon runs. A large one
would take minutes on a poor disk, and partners would go unanswered for as long. Damage found while the daemon runs ends it, and a
note beside the file has the next start check the whole file first, so that nobody goes on with a damaged one.

Many transactions, one durable commit: a group runs in the connection's thread, each in a savepoint with its own outcome. Which
failures of SQLite belong to one transaction, which to its whole group, and which end the process is said here too.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite

from rheod.domain.crash import crashpoint
from rheod.domain.errors import RheodError
from rheod.store.engine.folder import Files

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


WriteFunction = Callable[[sqlite3.Connection], T]

READ_S = 0.005
"""Seconds after which a group of queries stops, so that those already run are answered first."""

_ITS_OWN = frozenset(
    {
        sqlite3.SQLITE_ERROR,
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_MISMATCH,
        sqlite3.SQLITE_RANGE,
        sqlite3.SQLITE_TOOBIG,
    }
)
"""Primary result codes that say that a statement is wrong, not that the store cannot write."""


_FATAL = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR})
"""Primary result codes after which neither the connection nor the file can be trusted."""


class GroupedConnection(sqlite3.Connection):
    """A connection that knows what its open group still has to do before the commit; None while no group is open."""

    late: list[tuple[str, Sequence[Any]]] | None = None


def at_the_end(db: sqlite3.Connection, sql: str, values: Sequence[Any]) -> None:
    """Run a statement just before the group's commit, unless its transaction is undone; at once where no group is open.

    For the full-text index, which writes all it has gathered at every savepoint: once for a group is a tenth of the work.
    What a transaction writes so it does not see itself.
    """
    if isinstance(db, GroupedConnection) and db.late is not None:
        db.late.append((sql, values))
    else:
        db.execute(sql, values)


@dataclass(slots=True)
class QueuedWrite:
    """A transaction that waits for its group; `then` is called on the loop once its commit is durable."""

    work: WriteFunction[Any]
    then: Callable[[], None] | None
    answer: asyncio.Future[Any]


def answer(queued: QueuedWrite, outcome: Any) -> None:
    """Give a transaction's caller its outcome: a value that is durable, or an exception."""
    if queued.then is not None and not isinstance(outcome, BaseException):
        queued.then()
    settle(queued.answer, outcome)


def settle(answer: asyncio.Future[Any], outcome: Any) -> None:
    """Set a future's value or exception, unless its caller was cancelled."""
    if answer.done():
        return
    if isinstance(outcome, BaseException):
        answer.set_exception(outcome)
    else:
        answer.set_result(outcome)


def code_of(error: Exception, mask: int = 0xFF) -> int | None:
    """SQLite's result code behind an error, the primary one unless the mask says otherwise; None when there is none."""
    code: int | None = getattr(error, "sqlite_errorcode", None)  # absent when the driver itself objected
    return None if code is None else code & mask


def is_fatal(error: Exception) -> bool:
    """Whether a failure of SQLite is a reason to end the process instead of trying again.

    A full disk is none (no space, a quota or a limit of size): the write was rolled back. A failed sync is one: nobody knows
    what the disk holds then.
    """
    return code_of(error) in _FATAL and code_of(error, 0xFFFF) != sqlite3.SQLITE_IOERR_WRITE


def run_queries(queries: Sequence[Callable[[sqlite3.Connection], Any]], db: sqlite3.Connection) -> list[Any]:
    """The outcomes of as many queries as fit into `READ_S`, at least of one: all see the same moment."""
    outcomes: list[Any] = []
    enough = time.monotonic() + READ_S
    db.execute("BEGIN")
    try:
        for query in queries:
            try:
                outcomes.append(query(db))
            except Exception as error:  # noqa: BLE001 - it belongs to who asked, and to nobody else
                outcomes.append(error)
            if time.monotonic() > enough:
                break
        return outcomes
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def run_group(
    works: list[WriteFunction[Any]], files: Files, db: sqlite3.Connection
) -> tuple[list[Any], bool]:
    """Run all in one transaction, each in its own savepoint; an exception is that one's outcome.

    With the outcomes it tells whether anything was changed: a commit of nothing needs no room on the disk.
    """
    assert isinstance(db, GroupedConnection)
    before = db.total_changes
    try:
        db.execute("BEGIN IMMEDIATE")
        db.late = []
        outcomes = [attempt(work, db) for work in works]
        for sql, values in db.late:
            db.execute(sql, values)
        files.check()
        crashpoint("store.before_commit")
        db.execute("COMMIT")
        crashpoint("store.committed")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    finally:
        db.late = None
    return outcomes, db.total_changes != before


def attempt(work: WriteFunction[Any], db: sqlite3.Connection) -> Any:
    """Run `work` in a savepoint, also within another: its value, or the exception that undid it and nothing else.

    What says that the store cannot write is raised: the whole transaction is then lost.
    """
    late = db.late if isinstance(db, GroupedConnection) else None
    kept = len(late or ())
    db.execute("SAVEPOINT one")
    try:
        outcome = work(db)
    except Exception as error:
        code = code_of(error)
        of_the_store = isinstance(error, sqlite3.Error) and code is not None and code not in _ITS_OWN
        if not db.in_transaction or of_the_store:
            raise  # the disk is full or broken: nobody's work in this group may be acknowledged
        db.execute("ROLLBACK TO one")
        if late is not None:
            del late[kept:]
        outcome = error
    db.execute("RELEASE one")
    return outcome
