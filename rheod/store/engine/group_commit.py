"""Many transactions, one durable commit: a group runs in the connection's thread, each in a savepoint with its own outcome.

It also says which failures of SQLite belong to one transaction, which to its whole group, and which end the process.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from rheod.domain.crash import crashpoint
from rheod.store.engine.folder import Files

T = TypeVar("T")
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
