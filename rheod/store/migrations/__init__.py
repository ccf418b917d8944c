"""Numbered SQL that makes and changes the schema; append-only: a released file is never edited.

`0001_start.sql`, `0002_….sql`: the number is the `user_version` a database has after it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from rheod.domain.crash import crashpoint
from rheod.domain.errors import RheodError

_PAGES = 256
"""Copied at a time: a megabyte."""


def scripts() -> list[tuple[int, str]]:
    """Every migration as (version, SQL), in order."""
    files = [entry for entry in resources.files(__name__).iterdir() if entry.name.endswith(".sql")]
    return sorted((int(entry.name[:4]), entry.read_text(encoding="utf-8")) for entry in files)


def migrate(db: sqlite3.Connection, *, file: Path, steps: Sequence[tuple[int, str]] | None = None) -> None:
    """Bring the schema of `file` up to date, by default by this release's steps.

    Raises RheodError when it is newer than this program.
    """
    apply_all(db, steps or scripts(), file=file)


def apply_all(db: sqlite3.Connection, steps: Sequence[tuple[int, str]], *, file: Path) -> None:
    """Run the steps that are missing, each in one transaction, after a copy of what was there before.

    Raises RheodError when the database is beyond the last step.
    """
    version = db.execute("PRAGMA user_version").fetchone()[0]
    newest = steps[-1][0]
    if version > newest:
        raise RheodError(
            f"The database {file} has schema {version}, this rheod knows {newest}: install the newer rheod again, "
            f"or restore the copy {file.name}.before-{newest + 1:04d} beside it"
        )
    kept = db.execute("PRAGMA foreign_keys").fetchone()[0]
    db.execute("PRAGMA foreign_keys=OFF")  # a table may be made anew while others refer to it
    try:
        for number, script in [each for each in steps if each[0] > version]:
            if version > 0:
                _copy(db, file.with_name(f"{file.name}.before-{number:04d}"))
            _step(db, number, script)
    finally:
        db.execute(f"PRAGMA foreign_keys={kept}")


def _step(db: sqlite3.Connection, number: int, script: str) -> None:
    try:
        db.executescript(f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};")
        crashpoint("migration.before_commit")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    crashpoint("migration.committed")


def _copy(db: sqlite3.Connection, to: Path) -> None:
    """Copy the whole database to a file that has its name only when it is complete."""
    partial = to.with_name(to.name + ".part")
    partial.unlink(missing_ok=True)
    with sqlite3.connect(partial) as copy:
        db.backup(copy, pages=_PAGES, progress=lambda *_: crashpoint("migration.copying"))
    copy.close()
    partial.chmod(0o600)
    partial.replace(to)
    crashpoint("migration.copied")
