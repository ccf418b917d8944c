"""How every connection to the store is set up, and the proof that SQLite took it: it ignores what it cannot do.

What an acknowledged write rests on (write-ahead log, a sync at each commit) is read back; nothing else is decided here.
"""

from __future__ import annotations

import sqlite3

from rheod.domain.errors import RheodError

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
"""So many pages in the log (32 MiB) are written back by the transaction that fills it, which holds the next ones up; before
that a pause does it (`Database.run`). At SQLite's own 1000, which reliability.md names too, every tenth PUT of a burst waited
for it with a million items, where each change lies in pages of its own: the slowest in a hundred took twice as long."""

LOG_BYTES = 64 * 2**20
"""After a checkpoint the log is cut to this size, unless told otherwise."""


def prepare(db: sqlite3.Connection, *, read_only: bool, log_bytes: int = LOG_BYTES) -> None:
    """Set a connection up; the writer cuts its log to `log_bytes`. Raises RheodError when an acknowledged write would not be safe on it (P1)."""
    db.row_factory = sqlite3.Row
    bounds = (
        f"journal_size_limit={log_bytes}",
        f"wal_autocheckpoint={min(_CHECKPOINT_PAGES, log_bytes // _PAGE_BYTES // 2)}",
    )
    for pragma in (*_EVERY, *(_READER if read_only else (*_WRITER, *bounds))):
        db.execute(f"PRAGMA {pragma}")
    journal, synchronous = _value(db, "journal_mode"), _value(db, "synchronous")
    if journal != "wal" or synchronous != _FULL:
        raise RheodError(
            f"SQLite does not keep the database safely here (journal_mode {journal}, synchronous {synchronous}; wanted"
            " wal and 2): put storage.path on a local disk with an ordinary file system, such as ext4"
        )


def _value(db: sqlite3.Connection, pragma: str) -> object:
    return db.execute(f"PRAGMA {pragma}").fetchone()[0]
