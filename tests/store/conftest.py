"""A migrated database file and small makers of rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from rheod.store.engine.encryption import SecretBox
from rheod.store.migrations import migrate


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A connection as the writer's is, with the accounts `a` and `b`."""
    file = tmp_path / "rheod.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA foreign_keys=ON")
        migrate(connection, file=file)
        SecretBox("test-key").attach(connection)
        connection.executemany("INSERT INTO accounts VALUES (?, ?, 0)", [("a", ""), ("b", "member")])
        yield connection
