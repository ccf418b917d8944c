"""Damages a database as a disk does: bytes of one page that are not what was written."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path


def damage(file: Path, table: str) -> None:
    """Flip bytes in the first page of a table of a closed database."""
    with closing(sqlite3.connect(file)) as db:
        query = "SELECT rootpage FROM sqlite_schema WHERE name = ?"
        page = db.execute(query, (table,)).fetchone()[0]
        size = db.execute("PRAGMA page_size").fetchone()[0]
    with file.open("r+b") as raw:
        raw.seek((page - 1) * size)
        flipped = bytes(byte ^ 0xFF for byte in raw.read(200))
        raw.seek((page - 1) * size)
        raw.write(flipped)
