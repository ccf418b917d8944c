"""Kills while a newer rheod brings an older database up to date: the copy of safety and the steps themselves.

The older database is one of today's with rows; what the newer release would change stands here.
"""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from rheod.store.engine.database import Database
from rheod.store.migrations import scripts
from tests.stores import opened

RESTORE = ("restore.staged", "restore.committed", "restore.put_aside", "restore.placed", "takeover.settled")
"""Passed by a restore and the start after it alone: tests/test_restore.py kills there."""

POINTS = ("migration.copying", "migration.copied", "migration.before_commit", "migration.committed")
ONLY_HERE = frozenset({"migration.copying", "migration.copied", *RESTORE})
"""Points that no story passes: today's first schema has nothing before it to copy, and nothing is restored in one."""

ROWS = 1000
_ROW = "x" * 1500
OLD = scripts()[-1][0]
NEWER = [
    (
        OLD + 1,
        "CREATE TABLE shelves (name TEXT PRIMARY KEY) STRICT; INSERT INTO shelves SELECT name FROM marks;",
    ),
    (OLD + 2, "ALTER TABLE shelves ADD COLUMN room TEXT; UPDATE shelves SET room = 'attic';"),
]
_UPGRADE = """
import asyncio, sys
from pathlib import Path
from rheod.domain.crash import arm
from tests.crash.upgrade import upgrade
arm(sys.argv[2])
asyncio.run(upgrade(Path(sys.argv[1])))
"""


async def make_old(folder: Path) -> None:
    """A database of today's schema with rows, larger than what is copied at a time."""
    async with opened(folder) as database:
        rows = [(f"m{number}", _ROW) for number in range(ROWS)]
        await database.write(lambda db: db.executemany("INSERT INTO marks VALUES (?, ?)", rows))


async def upgrade(folder: Path) -> None:
    """What a newer rheod does at its start, and no more."""
    database = await Database.open(folder, steps=[*scripts(), *NEWER])
    await database.close()


def died_at(folder: Path, at: str) -> bool:
    """Whether a process that upgrades with this point armed was killed there; AssertionError when it failed."""
    child = subprocess.run(
        [sys.executable, "-c", _UPGRADE, str(folder), at],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert child.returncode in {0, -signal.SIGKILL}, child.stderr
    return child.returncode != 0


def leaks(folder: Path) -> list[str]:
    """What is wrong with a database that was killed on its way; a schema between two is."""
    with closing(sqlite3.connect(folder / "rheod.db")) as db:
        version = _version(db)
        found = _wrong(db, "rheod.db", version)
    for step, _ in NEWER:
        copy = folder / f"rheod.db.before-{step:04d}"
        if copy.exists():
            with closing(sqlite3.connect(copy)) as db:
                found += _wrong(db, copy.name, step - 1)
                if _version(db) != step - 1:
                    found.append(f"{copy.name} has schema {_version(db)}")
        elif step <= version:
            found.append(f"step {step} was made without a copy")
    return found


def is_done(folder: Path) -> bool:
    """Whether the schema is the newest and no half copy is left."""
    with closing(sqlite3.connect(folder / "rheod.db")) as db:
        return _version(db) == NEWER[-1][0] and not list(folder.glob("*.part"))


def _version(db: sqlite3.Connection) -> int:
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    return version


def _wrong(db: sqlite3.Connection, name: str, version: int) -> list[str]:
    """Rows and columns must be those of the version."""
    found: list[str] = []
    verdict = db.execute("PRAGMA integrity_check").fetchone()[0]
    if verdict != "ok":
        found.append(f"{name}: integrity_check says {verdict}")
    columns = [row[1] for row in db.execute("PRAGMA table_info(shelves)")]
    if columns != _columns(version):
        found.append(f"{name}: schema {version} has shelves with {columns}")
    for table in ("marks", "shelves") if columns else ("marks",):
        count = db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - a word from above
        if count != ROWS:
            found.append(f"{name}: {count} rows in {table}")
    return found


def _columns(version: int) -> Sequence[str]:
    return [[], ["name"], ["name", "room"]][version - OLD]
