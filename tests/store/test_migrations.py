"""Migrations: a copy before each, all or nothing, and each release's schema leads to the newest."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from rheod.store.migrations import apply_all, scripts

FIRST = "CREATE TABLE shelf (id INTEGER PRIMARY KEY, name TEXT) STRICT;"
SECOND = "ALTER TABLE shelf ADD COLUMN room TEXT;"
BROKEN = "ALTER TABLE shelf ADD COLUMN room TEXT; INSERT INTO nowhere VALUES (1);"


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """An empty database file."""
    with closing(sqlite3.connect(tmp_path / "rheod.db", isolation_level=None)) as connection:
        yield connection


def _file(tmp_path: Path) -> Path:
    return tmp_path / "rheod.db"


def _version(db: sqlite3.Connection) -> int:
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    return version


def test_the_scripts_are_numbered_without_a_gap() -> None:
    """The number is the version a database has after it."""
    assert [number for number, _ in scripts()] == list(range(1, len(scripts()) + 1))


SHIPPED = {1: "749e04d28f009ef29f2527e5e6b3fd28afa617bb7b9bb3ef4c8213e2c030f80f"}
"""The SHA-256 of each migration that has been released. A new one is added with the release that ships it."""


def test_what_is_shipped_is_never_edited() -> None:
    """A database that has been through a step would not get what is changed in it later: a change is a new step."""
    digests = {number: hashlib.sha256(script.encode()).hexdigest() for number, script in scripts()}
    assert {number: digests[number] for number in SHIPPED} == SHIPPED


def test_a_copy_is_kept_of_what_was_there_before(tmp_path: Path, db: sqlite3.Connection) -> None:
    """The copy has the old schema and the rows, is named after the step, and only its owner may read it."""
    apply_all(db, [(1, FIRST)], file=_file(tmp_path))
    db.execute("INSERT INTO shelf VALUES (1, 'attic')")
    apply_all(db, [(1, FIRST), (2, SECOND)], file=_file(tmp_path))
    assert _version(db) == 2
    copy = tmp_path / "rheod.db.before-0002"
    assert copy.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(copy)) as old:
        assert old.execute("SELECT * FROM shelf").fetchall() == [(1, "attic")]
        assert _version(old) == 1


def test_a_step_that_fails_leaves_everything_as_it_was(tmp_path: Path, db: sqlite3.Connection) -> None:
    """Half a step is no step: the good half is rolled back with the bad."""
    apply_all(db, [(1, FIRST)], file=_file(tmp_path))
    with pytest.raises(sqlite3.OperationalError, match="nowhere"):
        apply_all(db, [(1, FIRST), (2, BROKEN)], file=_file(tmp_path))
    assert _version(db) == 1
    assert not db.in_transaction
    assert [row[1] for row in db.execute("PRAGMA table_info(shelf)")] == ["id", "name"]


def test_a_copy_left_half_made_is_made_anew(tmp_path: Path, db: sqlite3.Connection) -> None:
    """A crash while copying leaves a part, which does not stand in the way."""
    apply_all(db, [(1, FIRST)], file=_file(tmp_path))
    (tmp_path / "rheod.db.before-0002.part").write_bytes(b"half")
    apply_all(db, [(1, FIRST), (2, SECOND)], file=_file(tmp_path))
    assert not (tmp_path / "rheod.db.before-0002.part").exists()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ('{"Reason": "ItemEndedWithoutBuyer"}', "no_bids"),
        ('{"Reason": "ItemClosedBySeller"}', "closed_by_seller"),
        ('{"Reason": "ShopItemQuantityZero"}', "quantity_zero"),
        ('{"Reason": "ItemClosedByTradera"}', "closed_by_tradera"),
        ('{"Reason": "ItemEndedWithoutBuyer", "Price": NaN}', "closed_by_tradera"),
    ],
)
def test_a_closing_that_waits_gets_its_reason(
    tmp_path: Path, db: sqlite3.Connection, body: str, reason: str
) -> None:
    """From the body, which Python may have read where SQLite cannot; what is done or no closing gets none."""
    steps = scripts()
    apply_all(db, steps[:1], file=_file(tmp_path))
    insert = "INSERT INTO inbox (message_id, type, body, state, received_at) VALUES (?, ?, ?, ?, 1)"
    db.execute(insert, ("waits", "ItemClosed", body, "new"))
    db.execute(insert, ("done", "ItemClosed", "", "done"))
    db.execute(insert, ("order", "OrderCreated", body, "new"))
    apply_all(db, steps[:2], file=_file(tmp_path))
    found = db.execute("SELECT message_id, close_reason FROM inbox").fetchall()
    assert dict(found) == {"waits": reason, "done": None, "order": None}
