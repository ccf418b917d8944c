"""Whether the database's file is sound: a small one is checked before it is opened, a large one while the daemon runs.

A large one would take minutes on a poor disk, and partners would go unanswered for as long. Damage found while the daemon runs
ends it, and a note beside the file has the next start check the whole file first, so that nobody goes on with a damaged one.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from rheod.store.engine.connection import prepare

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
            if self._given_up or not _is_damage(error):
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


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether the file is to blame: it is not for a lock, or for too many open files."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
    return not isinstance(error, sqlite3.OperationalError) or code == sqlite3.SQLITE_IOERR
