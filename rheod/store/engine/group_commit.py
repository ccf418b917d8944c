"""What happens in a connection's own thread: a group of transactions or of queries, each with an outcome of its own.

Also says which failures of SQLite belong to one transaction, which to all of its group, and which end the process.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from rheod.domain.crash import crashpoint
from rheod.store.engine.lock import Files

T = TypeVar("T")
WriteFunction = Callable[[sqlite3.Connection], T]

READ_S = 0.005
"""Seconds after which those who were answered are told so before the next query of a group is run."""

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
"""Primary result codes after which the connection, or what is in the file, is not to be trusted (F28)."""


def code_of(error: Exception, mask: int = 0xFF) -> int | None:
    """SQLite's result code behind an error, the primary one unless the mask says otherwise; None when there is none."""
    code: int | None = getattr(error, "sqlite_errorcode", None)  # absent when the driver itself objected
    return None if code is None else code & mask


def is_fatal(error: Exception) -> bool:
    """Whether a failure of SQLite is a reason to end the process instead of trying again.

    A write that the disk has no room for is none, whichever way it says so (ENOSPC, a quota or a limit of size): it
    was rolled back. A sync that failed is one: nobody knows what the disk holds then.
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


def run_group(works: list[WriteFunction[Any]], files: Files, db: sqlite3.Connection) -> list[Any]:
    """Run all in one transaction, each in its own savepoint; an exception is that one's outcome."""
    outcomes: list[Any] = []
    try:
        db.execute("BEGIN IMMEDIATE")
        outcomes.extend(attempt(work, db) for work in works)
        files.check()
        crashpoint("store.before_commit")
        db.execute("COMMIT")
        crashpoint("store.committed")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    return outcomes


def attempt(work: WriteFunction[Any], db: sqlite3.Connection) -> Any:
    """Run `work` in a savepoint, also within another: its value, or the exception that undid it and nothing else.

    What says that the store cannot write is raised: the whole transaction is then lost.
    """
    db.execute("SAVEPOINT one")
    try:
        outcome = work(db)
    except Exception as error:
        if not db.in_transaction or _is_of_the_store(error):
            raise  # the disk is full or broken: nobody's work in this group may be acknowledged
        db.execute("ROLLBACK TO one")
        outcome = error
    db.execute("RELEASE one")
    return outcome


def _is_of_the_store(error: Exception) -> bool:
    code = code_of(error)
    return isinstance(error, sqlite3.Error) and code is not None and code not in _ITS_OWN
