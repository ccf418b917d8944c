"""The one SQLite file: opened, migrated, written by one task with group commit, read by a second connection.

Every transaction is a plain function of a `sqlite3.Connection`, run in the connection's own thread; waiting ones
share one durable commit (synchronous=FULL). No other code opens the file for writing or checkpoints it: SQLite before
3.51.3 can lose commits when two connections do (reliability.md, finding 1).
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite
import structlog

from rheod.domain.errors import RheodError, StoreUnavailable
from rheod.domain.text import Text
from rheod.store.engine import encryption, integrity, restore_swap
from rheod.store.engine.encryption import SecretBox
from rheod.store.engine.group_commit import WriteFunction, code_of, is_fatal, run_group, run_queries
from rheod.store.engine.lock import Files, refuse_network, take_lock
from rheod.store.engine.pragmas import LOG_BYTES, prepare
from rheod.store.migrations import migrate

T = TypeVar("T")

GROUP = 256
"""At most this many waiting transactions share one commit, and this many waiting queries one moment."""

PAUSE_S = 0.2
"""After so long without a transaction the log is written back into the database: nobody has to wait for that then."""

PAUSE_ROWS = 500
"""With fewer changes in the log a pause leaves it as it is: writing back costs syncs too."""

_log = structlog.get_logger(__name__)


class _Connection(aiosqlite.Connection):
    """aiosqlite's thread and queue, with a way to run a whole function in that thread at once."""

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` with the raw connection in the connection's thread."""
        return await self.submit(work)

    def submit(self, work: Callable[[sqlite3.Connection], T]) -> asyncio.Future[T]:
        """The same without waiting. ValueError when the connection is closed."""
        if not self._running:
            raise ValueError("Connection closed")  # its thread would never come to it
        db = self._conn
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._tx.put_nowait((answer, partial(work, db)))
        return answer

    def join(self) -> None:
        """Wait for the thread of a connection that could not be made: it still speaks to the loop as it ends."""
        self._thread.join(1.0)


@dataclass(slots=True)
class _Waiting:
    work: WriteFunction[Any]
    then: Callable[[], None] | None
    answer: asyncio.Future[Any]


@dataclass(slots=True)
class _Asked:
    query: Callable[[sqlite3.Connection], Any]
    answer: asyncio.Future[Any]


class Database:
    """The store's two connections. `run` must be running for `write` to be answered.

    `unchecked` says that nobody has looked through the whole file yet; over `most_log_bytes` the log is long.
    """

    unchecked: bool = False
    most_log_bytes: int = LOG_BYTES

    def __init__(self, *, writer: _Connection, reader: _Connection, files: Files, lock: int) -> None:
        self._writer = writer
        self._reader = reader
        self._files = files
        self._lock = lock
        self._waiting: asyncio.Queue[_Waiting | None] = asyncio.Queue()
        self._asked: deque[_Asked] = deque()
        self._reading = False
        self._closing = False
        self._unwritable = False
        self._log_is_new = False
        self._written_back = 0

    @classmethod
    async def open(
        cls,
        folder: Path,
        *,
        key: str | None = None,
        steps: Sequence[tuple[int, str]] | None = None,
        at_once_bytes: int = integrity.AT_ONCE_BYTES,
        log_bytes: int = LOG_BYTES,
    ) -> Database:
        """Take the lock of `folder` (absolute), open `rheod.db` in it, check it and migrate it.

        `key` seals the secrets in it; without one the folder's key file does. `steps` are the migrations, this
        release's unless told. A file of more than `at_once_bytes` is left `unchecked`;
        its log is cut to `log_bytes` after a checkpoint. Raises RheodError with what to do when another daemon holds the lock, the folder lies on
        another machine, or the file is newer than the program, damaged, or sealed with another key.
        """
        lock = take_lock(folder)
        file = folder / "rheod.db"
        opened: list[_Connection] = []
        try:
            refuse_network(folder)
            restore_swap.finish(folder)
            attach = SecretBox.of(folder, key).attach
            unchecked = integrity.may_wait(file, at_once_bytes=at_once_bytes)
            writer = await _connect(file, partial(prepare, read_only=False, log_bytes=log_bytes), opened)
            if not unchecked:
                await writer.run(partial(integrity.check, file=file))
            await writer.run(partial(migrate, file=file, steps=steps))
            await writer.run(attach)
            await writer.run(partial(encryption.check, folder=folder))
            reader = await _connect(file, partial(prepare, read_only=True), opened, mode="ro")
            await reader.run(attach)
            files = Files.of(file)
        except BaseException as error:
            for connection in reversed(opened):
                await connection.close()
            os.close(lock)
            if isinstance(error, sqlite3.Error):
                raise RheodError(f"The database {file} cannot be opened: {error}. {HINT}") from error
            raise
        _log.info("store opened", sqlite_version=sqlite3.sqlite_version, file=str(file))
        database = cls(writer=writer, reader=reader, files=files, lock=lock)
        database.unchecked, database.most_log_bytes = unchecked, log_bytes
        return database

    async def run(self) -> None:
        """Serve the waiting transactions until `close`; the writer task of the design.

        RheodError when the files are not to be trusted any more: nothing may be acknowledged then, so that must end
        the process (F28, F29).
        """
        try:
            while (first := await self._next()) is not None:
                group = [first, *self._more(GROUP - 1)]
                await asyncio.shield(self._commit(group))
                if len(group) > 1:  # under load: let those come aboard whose requests arrived meanwhile
                    await asyncio.sleep(0)
                    await asyncio.sleep(0)
        except RheodError:
            self._closing = True
            for waiting in self._more(self._waiting.qsize()):
                _answer(waiting, StoreUnavailable(Text("rheod is stopping")))
            raise

    async def _next(self) -> _Waiting | None:
        """The next transaction; when it keeps them waiting, what was committed is written back meanwhile."""
        if self._log_is_new and self._waiting.empty():
            try:
                async with asyncio.timeout(PAUSE_S):
                    return await self._waiting.get()
            except TimeoutError:
                self._log_is_new = False
                try:
                    self._written_back = await self._writer.run(partial(write_back, self._written_back))
                except (
                    sqlite3.Error
                ) as error:  # for want of room it is tried again, and the next commit tells of it
                    self._end_if_fatal(error)
        return await self._waiting.get()

    def _more(self, most: int) -> Iterator[_Waiting]:
        """Those that wait now."""
        for _ in range(min(most, self._waiting.qsize())):
            following = self._waiting.get_nowait()
            if following is None:
                self._waiting.put_nowait(None)
                return
            yield following

    async def _commit(self, group: list[_Waiting]) -> None:
        works = [waiting.work for waiting in group]
        try:
            outcomes = await self._writer.run(partial(run_group, works, self._files))
        except (sqlite3.Error, RheodError) as error:
            self._refuse(group, error)
            return
        self._log_is_new = True
        if self._unwritable:
            _log.info("store can write again")
            self._unwritable = False
        for waiting, outcome in zip(group, outcomes, strict=True):
            _answer(waiting, outcome)

    def _refuse(self, group: list[_Waiting], error: sqlite3.Error | RheodError) -> None:
        """Tell a whole group that nothing was written; raises RheodError when that is not going to pass."""
        if code_of(error) == sqlite3.SQLITE_BUSY:
            # they have waited too: nobody waits longer than for one lock
            group += self._more(self._waiting.qsize())
        for waiting in group:
            _answer(waiting, StoreUnavailable(Text("The store cannot write now: {error}", error=str(error))))
        if isinstance(error, RheodError):
            raise error
        if is_fatal(error):
            integrity.note_damage(self.file, str(error))
            raise RheodError(
                f"The store is not to be trusted any more ({error}), so rheod stops. If it does not start again: {HINT}"
            ) from error
        if not self._unwritable:
            _log.error("store cannot write", error=str(error), transactions=len(group))
            self._unwritable = True

    async def write(self, work: WriteFunction[T], *, then: Callable[[], None] | None = None) -> T:
        """Run `work` as a transaction and return its value once it is durable.

        What `work` raises rolls back its own changes only and reaches the caller. Raises StoreUnavailable when
        nothing could be written. A cancelled caller does not stop the transaction: its effect is then unknown.
        `then` is called on the loop after the commit of what `work` did, even if the caller is gone by then.
        """
        if self._closing:
            raise StoreUnavailable(Text("rheod is stopping"))
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait(_Waiting(work, then, answer))
        return await answer

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Run a query on the read-only connection: it sees what is committed at one moment. Keep it short."""
        asked = _Asked(query, asyncio.get_running_loop().create_future())
        self._asked.append(asked)
        try:
            self._read_on()
            answer: T = await asked.answer
        except (sqlite3.Error, ValueError) as error:
            self._end_if_fatal(error)
            if self._closing or isinstance(error, sqlite3.OperationalError):
                raise StoreUnavailable(
                    Text("The store cannot be read now: {error}", error=str(error))
                ) from error
            raise
        return answer

    def _end_if_fatal(self, error: Exception) -> None:
        """Hand the writer what was met outside a transaction: it ends the process over it as over its own (F28)."""
        if is_fatal(error) and not self._closing:
            self._waiting.put_nowait(_Waiting(partial(_raise, error), None, _ignored()))

    def _read_on(self) -> None:
        """Hand the waiting queries to the reader's thread, all at once: going there costs more than most of them."""
        if self._reading or not self._asked:
            return
        group = [self._asked.popleft() for _ in range(min(GROUP, len(self._asked)))]
        try:
            running = self._reader.submit(partial(run_queries, [asked.query for asked in group]))
        except ValueError as error:  # closed: nobody is read to any more
            for asked in (*group, *self._asked):
                _settle(asked.answer, error)
            self._asked.clear()
            return
        self._reading = True
        running.add_done_callback(partial(self._read, group))

    def _read(self, group: list[_Asked], done: asyncio.Future[list[Any]]) -> None:
        self._reading = False
        error = done.exception()
        outcomes = [error] * len(group) if error is not None else done.result()
        self._asked.extendleft(reversed(group[len(outcomes) :]))
        for asked, outcome in zip(group, outcomes, strict=False):
            _settle(asked.answer, outcome)
        self._read_on()

    @property
    def file(self) -> Path:
        """The database's file."""
        return self._files.opened[0][0]

    @property
    def log_bytes(self) -> int:
        """The size of the write-ahead log: it only grows while somebody reads for long (a backup)."""
        return self._files.log_bytes

    @property
    def log_is_long(self) -> bool:
        """Whether the log is longer than it should be."""
        return self.log_bytes > self.most_log_bytes

    @property
    def file_bytes(self) -> int:
        """The size of the database without its log."""
        return self._files.file_bytes

    async def shorten_log(self) -> None:
        """Empty the write-ahead log, between two transactions; it stays as it is while somebody reads for long."""
        try:
            await self._writer.run(_shorten_log)
        except (sqlite3.Error, ValueError) as error:
            self._end_if_fatal(error)
            _log.warning("the write-ahead log could not be shortened", reason=str(error))

    def stop(self) -> None:
        """Take no more transactions; `run` returns when those that wait are done."""
        self._closing = True
        self._waiting.put_nowait(None)

    async def close(self) -> None:
        """Close both connections, the reader first so that the writer makes the last checkpoint; free the lock.

        Transactions that still wait, because `run` has ended without them, are refused.
        """
        self._closing = True
        while not self._waiting.empty():
            waiting = self._waiting.get_nowait()
            if waiting is not None:
                _answer(waiting, StoreUnavailable(Text("rheod is stopping")))
        try:
            await self._reader.close()
            await self._writer.close()
        finally:
            os.close(self._lock)


def write_back(changes: int, db: sqlite3.Connection) -> int:
    """Write back what no reader still needs, if it is worth it; how many changes had been made then (`changes`: last time)."""
    if db.total_changes - changes < PAUSE_ROWS:
        return changes
    db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return db.total_changes


def _shorten_log(db: sqlite3.Connection) -> None:
    """Without waiting for a reader: nobody else could write as long."""
    waits = db.execute("PRAGMA busy_timeout").fetchone()[0]
    db.execute("PRAGMA busy_timeout=0")
    try:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        db.execute(f"PRAGMA busy_timeout={waits}")


HINT = "Restore the newest backup, or the copy `rheod.db.before-*` beside it"
"""What the owner of a damaged database can do."""


def _raise(error: Exception, _db: sqlite3.Connection) -> None:
    raise error


def _ignored() -> asyncio.Future[Any]:
    answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    answer.add_done_callback(asyncio.Future.exception)
    return answer


def _answer(waiting: _Waiting, outcome: Any) -> None:
    failed = isinstance(outcome, BaseException)
    if waiting.then is not None and not failed:
        waiting.then()
    _settle(waiting.answer, outcome)


def _settle(answer: asyncio.Future[Any], outcome: Any) -> None:
    if answer.done():
        return  # the caller was cancelled
    if isinstance(outcome, BaseException):
        answer.set_exception(outcome)
    else:
        answer.set_result(outcome)


async def _connect(
    file: Path, ready: WriteFunction[None], opened: list[_Connection], *, mode: str = "rwc"
) -> _Connection:
    uri = f"{file.as_uri()}?mode={mode}"
    connector = partial(sqlite3.connect, uri, uri=True, isolation_level=None, timeout=5.0)
    connection = _Connection(connector, iter_chunk_size=64)
    try:
        await connection
    except BaseException:
        await asyncio.to_thread(connection.join)
        raise
    opened.append(connection)
    await connection.run(ready)
    return connection
