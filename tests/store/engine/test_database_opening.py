"""Opening the store: one daemon at a time, the right schema, an undamaged file, nothing lost to a kill."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from rheod.domain.errors import RheodError
from rheod.store.migrations import scripts
from tests.store.damaging import damage
from tests.stores import opened, rows

_WRITES_AND_DIES = """
import asyncio, sys
from pathlib import Path
from rheod.domain.crash import arm
from rheod.store import key_value
from rheod.store.engine.database import Database
arm(sys.argv[2])
async def main():
    database = await Database.open(Path(sys.argv[1]))
    writer = asyncio.create_task(database.run())
    for number in range(10**6):
        await database.write(lambda db: key_value.put(db, f"m{number}", "1"))
        print(f"kept {number}", file=sys.stderr, flush=True)
asyncio.run(main())
"""


def _child(folder: Path, armed: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _WRITES_AND_DIES, str(folder), armed],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _number(line: str) -> int:
    word, _, number = line.partition(" ")
    assert word == "kept", line
    return int(number)


async def _open(folder: Path) -> None:
    """Open and close: a store opened against expectation must not keep the tests from ending."""
    async with opened(folder):
        pass


def _version(folder: Path) -> int:
    with sqlite3.connect(folder / "rheod.db") as db:
        version: int = db.execute("PRAGMA user_version").fetchone()[0]
    db.close()
    return version


def _set_version(folder: Path, version: int) -> None:
    with sqlite3.connect(folder / "rheod.db") as db:
        db.execute(f"PRAGMA user_version = {version}")
    db.close()


async def test_a_second_daemon_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    """One daemon per data folder; after the first has closed, the next may open."""
    async with opened(tmp_path) as first:
        with pytest.raises(RheodError, match="Another rheod is using"):
            await _open(tmp_path)
        assert await rows(first, "SELECT * FROM marks") == []
    async with opened(tmp_path):
        pass


async def test_a_database_newer_than_the_program_is_refused_untouched(tmp_path: Path) -> None:
    """Going back to an older rheod says what to do, leaves the file as it is and frees the lock."""
    async with opened(tmp_path):
        pass
    newest = scripts()[-1][0]
    _set_version(tmp_path, newest + 1)
    for _ in range(2):
        with pytest.raises(RheodError, match=f"before-{newest + 1:04d}"):
            await _open(tmp_path)
    assert _version(tmp_path) == newest + 1


async def test_a_new_database_has_the_newest_schema(tmp_path: Path) -> None:
    """Migrations run at open; there is nothing to copy before the first."""
    async with opened(tmp_path):
        pass
    assert _version(tmp_path) == scripts()[-1][0]
    assert list(tmp_path.glob("*before*")) == []


async def test_opening_again_migrates_nothing(tmp_path: Path) -> None:
    """A second start finds the schema as it is and copies nothing."""
    for _ in range(2):
        async with opened(tmp_path):
            pass
    assert list(tmp_path.glob("*before*")) == []


@pytest.mark.parametrize("damage", [b"", b"not a database at all" * 500])
async def test_a_file_that_is_no_database_is_refused(tmp_path: Path, damage: bytes) -> None:
    """An empty file is a new database; garbage is refused with the way out."""
    (tmp_path / "rheod.db").write_bytes(damage)
    if not damage:
        async with opened(tmp_path):
            return
    with pytest.raises(RheodError, match="Restore the newest backup"):
        await _open(tmp_path)
    assert (tmp_path / "rheod.db").read_bytes() == damage


async def test_a_damaged_page_is_found_at_start(tmp_path: Path) -> None:
    """Flipped bytes in the middle of the file refuse the start."""
    async with opened(tmp_path) as database:
        await database.write(
            lambda db: db.executemany(
                "INSERT INTO marks VALUES (?, ?)", [(f"m{number}", "x" * 500) for number in range(500)]
            )
        )
    file = tmp_path / "rheod.db"
    damage(file, "marks")
    with pytest.raises(RheodError, match="Restore the newest backup"):
        await _open(tmp_path)


async def test_what_was_answered_survives_a_kill(tmp_path: Path) -> None:
    """Killed with -9 in the midst of writing: every acknowledged row is there and the file is sound."""
    with _child(tmp_path, "never:1") as child:
        assert child.stderr is not None
        try:
            acknowledged = [_number(child.stderr.readline()) for _ in range(200)]
        finally:
            child.kill()
        acknowledged += [_number(line) for line in child.stderr.read().split("\n")[:-1]]
    async with opened(tmp_path) as database:
        found = {row["name"] for row in await rows(database, "SELECT name FROM marks")}
        assert {f"m{number}" for number in acknowledged} <= found
        assert await rows(database, "PRAGMA integrity_check") == [{"integrity_check": "ok"}]


@pytest.mark.parametrize(("point", "version"), [("migration.before_commit", 0), ("migration.committed", 1)])
async def test_a_kill_during_a_migration_leaves_the_old_or_the_new_schema(
    tmp_path: Path, point: str, version: int
) -> None:
    """Never between, and the next start succeeds."""
    child = _child(tmp_path, f"{point}:1")
    child.communicate(timeout=30)
    assert child.returncode == -signal.SIGKILL
    assert _version(tmp_path) == version
    async with opened(tmp_path) as database:
        assert await rows(database, "SELECT * FROM marks") == []
