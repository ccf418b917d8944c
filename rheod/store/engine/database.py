"""The one SQLite file: opened, migrated, written by one task with group commit, read by a second connection.

Every transaction is a plain function of a `sqlite3.Connection`, run in the connection's own thread; waiting ones
share one durable commit (synchronous=FULL). No other code opens the file for writing or checkpoints it: in SQLite before
3.51.3 a checkpoint beside the writer's own can lose commits.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import structlog

from rheod.domain.errors import RheodError, StoreUnavailable, Text
from rheod.store.engine import connection, copies, encryption
from rheod.store.engine.connection import (
    LOG_BYTES,
    QueuedWrite,
    SqliteConnection,
    WriteFunction,
    answer,
    code_of,
    is_fatal,
    prepare,
    run_group,
    run_queries,
    settle,
)
from rheod.store.engine.encryption import SecretBox
from rheod.store.engine.folder import (
    HINT,
    Files,
    explained,
    refuse_emptied,
    refuse_network,
    take_lock,
    unopened,
)
from rheod.store.migrations import migrate

T = TypeVar("T")

GROUP = 256
"""At most this many waiting transactions share one commit, and this many waiting queries one moment."""

PAUSE_S = 0.2
"""After so long without a transaction the log is written back into the database: nobody has to wait for that then."""

PAUSE_ROWS = 500
"""With fewer changes in the log a pause leaves it as it is: writing back costs syncs too."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _QueuedRead:
    query: Callable[[sqlite3.Connection], Any]
    answer: asyncio.Future[Any]


@dataclass(frozen=True, slots=True)
class WriteRefusal:
    """Why nothing can be written, and since when (seconds of the steady clock)."""

    reason: str
    since_s: float


class Database:
    """The store's two connections. `run` must be running for `write` to be answered.

    `unchecked` says that nobody has looked through the whole file yet; over `most_log_bytes` the log is long.
    `refusal` is set from the first transaction that could not be written, as on a full disk, until one that could.
    """

    refusal: WriteRefusal | None = None
    unchecked: bool = False
    most_log_bytes: int = LOG_BYTES

    def __init__(
        self, *, writer: SqliteConnection, reader: SqliteConnection, files: Files, lock: int
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._files = files
        self._lock = lock
        self._waiting: asyncio.Queue[QueuedWrite | None] = asyncio.Queue()
        self._asked: deque[_QueuedRead] = deque()
        self._reading = False
        self._closing = False
        self._log_is_new = False
        self._written_back = 0
        self.log_holds_erased = False
        """Whether what was erased may still stand in the log, as in one that a killed process has left."""

    @classmethod
    async def open(
        cls,
        folder: Path,
        *,
        key: str | None = None,
        steps: Sequence[tuple[int, str]] | None = None,
        at_once_bytes: int = connection.AT_ONCE_BYTES,
        log_bytes: int = LOG_BYTES,
    ) -> Database:
        """Take the lock of `folder` (absolute), open `rheod.db` in it, check it and migrate it.

        `key` seals the secrets in it; without one the folder's key file does. `steps` are the migrations, by default this
        release's. A file of more than `at_once_bytes` is left `unchecked`; its log is cut to `log_bytes` after a checkpoint.
        Raises RheodError with what to do when another daemon holds the lock, the folder lies on another machine or may not
        be used, or the file is newer than the program, damaged, emptied, or sealed with another key.
        """
        file = folder / "rheod.db"
        async with AsyncExitStack() as undo:
            lock = take_lock(folder)
            undo.callback(os.close, lock)
            try:
                refuse_network(folder)
                copies.finish(folder)
                refuse_emptied(folder)
                encryption.refuse_other_key(file, key)
                left_log = file.with_name(f"{file.name}-wal").exists()
                unchecked = connection.may_wait(file, at_once_bytes=at_once_bytes)
                writer = await SqliteConnection.open(
                    file, partial(prepare, read_only=False, log_bytes=log_bytes)
                )
                undo.push_async_callback(writer.close)
                if not unchecked:
                    await writer.submit(partial(connection.check, file=file))
                await writer.submit(partial(migrate, file=file, steps=steps))
                attach = SecretBox.of(folder, key).attach  # a key is made here: nothing is sealed yet
                await writer.submit(attach)
                await writer.submit(partial(encryption.check, folder=folder))
                reader = await SqliteConnection.open(file, partial(prepare, read_only=True), mode="ro")
                undo.push_async_callback(reader.close)
                await reader.submit(attach)
                files = Files.of(file)
            except sqlite3.Error as error:
                raise unopened(error, file) from error
            except OSError as error:
                raise explained(error, folder) from error
            undo.pop_all()
        _log.info("store opened", sqlite_version=sqlite3.sqlite_version, file=str(file))
        database = cls(writer=writer, reader=reader, files=files, lock=lock)
        database.unchecked, database.most_log_bytes = unchecked, log_bytes
        database.log_holds_erased = left_log
        return database

    async def run(self) -> None:
        """Commit the waiting transactions until `stop`.

        Raises RheodError when the files can no longer be trusted: nothing may be acknowledged then, and the process must end.
        """
        try:
            while (first := await self._next()) is not None:
                group = [first, *self._more(GROUP - 1)]
                await asyncio.shield(self._commit(group))
                if len(group) > 1:  # under load: let the requests that arrived meanwhile join the next group
                    await asyncio.sleep(0)
                    await asyncio.sleep(0)
        except RheodError:
            self._closing = True
            for waiting in self._more(self._waiting.qsize()):
                answer(waiting, StoreUnavailable(Text("rheod is stopping")))
            raise

    async def _next(self) -> QueuedWrite | None:
        """The next transaction; after a pause without one, what was committed is written back into the database."""
        if self._log_is_new and self._waiting.empty():
            try:
                async with asyncio.timeout(PAUSE_S):
                    return await self._waiting.get()
            except TimeoutError:
                self._log_is_new = False
                try:
                    self._written_back = await self._writer.submit(partial(write_back, self._written_back))
                except (
                    sqlite3.Error
                ) as error:  # on a full disk it is tried again, and the next commit fails too
                    self._end_if_fatal(error)
        return await self._waiting.get()

    def _more(self, most: int) -> Iterator[QueuedWrite]:
        """Those that wait now."""
        for _ in range(min(most, self._waiting.qsize())):
            following = self._waiting.get_nowait()
            if following is None:
                self._waiting.put_nowait(None)
                return
            yield following

    async def _commit(self, group: list[QueuedWrite]) -> None:
        works = [waiting.work for waiting in group]
        try:
            outcomes, changed = await self._writer.submit(partial(run_group, works, self._files))
        except (sqlite3.Error, RheodError) as error:
            self._refuse(group, error)
            return
        self._log_is_new = True
        if self.refusal is not None and changed:
            _log.info("store can write again")
            self.refusal = None
        for waiting, outcome in zip(group, outcomes, strict=True):
            answer(waiting, outcome)

    def _refuse(self, group: list[QueuedWrite], error: sqlite3.Error | RheodError) -> None:
        """Answer a whole group that nothing was written. Raises RheodError when trying again cannot help."""
        if code_of(error) == sqlite3.SQLITE_BUSY:
            # those behind them have waited for the lock as long: nobody waits for two
            group += self._more(self._waiting.qsize())
        for waiting in group:
            answer(waiting, StoreUnavailable(Text("The store cannot write now: {error}", error=str(error))))
        if isinstance(error, RheodError):
            raise error
        if is_fatal(error):
            connection.note_damage(self.file, str(error))
            raise RheodError(
                f"The store is not to be trusted any more ({error}), so rheod stops. If it does not start again: {HINT}"
            ) from error
        if self.refusal is None:
            _log.error("store cannot write", error=str(error), transactions=len(group))
            self.refusal = WriteRefusal(str(error), time.monotonic())

    async def write(self, work: WriteFunction[T], *, then: Callable[[], None] | None = None) -> T:
        """Run `work` as a transaction and return its value once it is durable.

        What `work` raises rolls back its own changes only and reaches the caller. Raises StoreUnavailable when
        nothing could be written. A cancelled caller does not stop the transaction: its effect is then unknown.
        `then` is called on the loop after the commit of what `work` did, even if the caller is gone by then.
        """
        if self._closing:
            raise StoreUnavailable(Text("rheod is stopping"))
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait(QueuedWrite(work, then, answer))
        return await answer

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Run a query on the read-only connection: it sees what is committed at one moment. Keep it short."""
        asked = _QueuedRead(query, asyncio.get_running_loop().create_future())
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
        """Hand the writer a failure met outside a transaction: if it is fatal, it ends the process as one of its own does."""
        if is_fatal(error) and not self._closing:
            unheard: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            unheard.add_done_callback(asyncio.Future.exception)
            self._waiting.put_nowait(QueuedWrite(partial(_raise, error), None, unheard))

    def _read_on(self) -> None:
        """Hand all waiting queries to the reader's thread at once: the way there costs more than most of them."""
        if self._reading or not self._asked:
            return
        group = [self._asked.popleft() for _ in range(min(GROUP, len(self._asked)))]
        try:
            running = self._reader.submit(partial(run_queries, [asked.query for asked in group]))
        except ValueError as error:  # closed: no read is answered any more
            for asked in (*group, *self._asked):
                settle(asked.answer, error)
            self._asked.clear()
            return
        self._reading = True
        running.add_done_callback(partial(self._read, group))

    def _read(self, group: list[_QueuedRead], done: asyncio.Future[list[Any]]) -> None:
        self._reading = False
        error = done.exception()
        outcomes = [error] * len(group) if error is not None else done.result()
        self._asked.extendleft(reversed(group[len(outcomes) :]))
        for asked, outcome in zip(group, outcomes, strict=False):
            settle(asked.answer, outcome)
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
        """Whether the log is longer than the settings allow."""
        return self.log_bytes > self.most_log_bytes

    @property
    def file_bytes(self) -> int:
        """The size of the database without its log."""
        return self._files.file_bytes

    async def shorten_log(self) -> None:
        """Empty the write-ahead log, between two transactions; it stays as it is while somebody reads for long."""
        try:
            if await self._writer.submit(_shorten_log):
                self.log_holds_erased = False
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
                answer(waiting, StoreUnavailable(Text("rheod is stopping")))
        try:
            await self._reader.close()
            await self._writer.close()
        finally:
            os.close(self._lock)


def write_back(changes: int, db: sqlite3.Connection) -> int:
    """Write the log back, but for what a reader still needs, once `PAUSE_ROWS` rows have changed since `changes`; returns the count now."""
    if db.total_changes - changes < PAUSE_ROWS:
        return changes
    db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return db.total_changes


def _shorten_log(db: sqlite3.Connection) -> bool:
    """Empty the log without waiting for a reader, for no transaction could run meanwhile; whether it is empty."""
    waits = db.execute("PRAGMA busy_timeout").fetchone()[0]
    db.execute("PRAGMA busy_timeout=0")
    try:
        return not db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    finally:
        db.execute(f"PRAGMA busy_timeout={waits}")


def _raise(error: Exception, _db: sqlite3.Connection) -> None:
    raise error
