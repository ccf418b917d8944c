"""Rows of picture files: how many pictures use each, and how large all in use are (both kept by the schema's triggers).

A file is named by its content, so that several pictures may share one. Nothing here touches the folder.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass

from rheod.domain.model import Picture
from rheod.store.columns import restored
from rheod.store.items import picture_of

Closing = tuple[int, str]
"""Where an item stands among those that are over: when it last changed (ms), and its id."""

FIRST: Closing = (0, "")


@dataclass(frozen=True, slots=True)
class Upload:
    """A picture that the owner has sent, as it is kept."""

    file: str
    size_bytes: int
    note: str | None


def keep_upload(db: sqlite3.Connection, upload: Upload, *, now: int) -> None:
    """Keep a sent picture from now on; the same again is the same row."""
    db.execute(
        "INSERT INTO uploads (file, size_bytes, note, sent_at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (file) DO UPDATE SET sent_at = excluded.sent_at",
        (upload.file, upload.size_bytes, upload.note, now),
    )


def upload(db: sqlite3.Connection, file: str) -> Upload | None:
    """The sent picture of this file, unless it was never sent or has been dropped."""
    row = db.execute("SELECT file, size_bytes, note FROM uploads WHERE file = ?", (file,)).fetchone()
    return row and Upload(row["file"], row["size_bytes"], restored(row["note"]))


def hold_uploads(db: sqlite3.Connection, files: Collection[str], *, now: int) -> None:
    """Keep these sent pictures for another day: a draft names them."""
    db.executemany("UPDATE uploads SET sent_at = ? WHERE file = ?", [(now, file) for file in files])


def drop_uploads(db: sqlite3.Connection, *, before: int, limit: int) -> int:
    """Drop what was sent before then (ms), the oldest first; files that an item shows stay. How many."""
    return db.execute(
        "DELETE FROM uploads WHERE file IN (SELECT file FROM uploads WHERE sent_at < ? ORDER BY sent_at LIMIT ?)",
        (before, limit),
    ).rowcount


def any_upload(db: sqlite3.Connection, *, before: int) -> bool:
    """Whether a picture was sent before then (ms)."""
    return db.execute("SELECT 1 FROM uploads WHERE sent_at < ? LIMIT 1", (before,)).fetchone() is not None


def bytes_in_use(db: sqlite3.Connection) -> int:
    """What all files come to that some picture uses."""
    count: int = db.execute("SELECT bytes FROM picture_sums").fetchone()[0]
    return count


def unused(db: sqlite3.Connection, *, after: str, limit: int) -> list[str]:
    """Files that no picture uses any more, those after one by name."""
    rows = db.execute(
        "SELECT file FROM picture_files INDEXED BY picture_files_unused WHERE uses = 0 AND file > ?"
        " ORDER BY file LIMIT ?",
        (after, limit),
    )
    return [row["file"] for row in rows.fetchall()]


def in_use(db: sqlite3.Connection, *, after: str, limit: int) -> list[str]:
    """Files that some picture uses, those after one by name."""
    rows = db.execute(
        "SELECT file FROM picture_files WHERE file > ? AND uses > 0 ORDER BY file LIMIT ?", (after, limit)
    )
    return [row["file"] for row in rows.fetchall()]


def forget(db: sqlite3.Connection, files: Collection[str]) -> None:
    """These files are gone; one that has got a new use meanwhile is left."""
    db.executemany("DELETE FROM picture_files WHERE file = ? AND uses = 0", [(file,) for file in files])


def known(db: sqlite3.Connection, files: Collection[str]) -> set[str]:
    """Those of these files that the store knows of."""
    rows = db.execute(
        "SELECT file FROM picture_files WHERE file IN (SELECT value FROM json_each(?))",
        (json.dumps(list(files)),),
    )
    return {row["file"] for row in rows.fetchall()}


_OVER = "removed_at IS NOT NULL OR rheo_status IN ('sold', 'archived')"
"""Spelt as in the schema, so that SQLite finds the index."""


def over(db: sqlite3.Connection, *, after: Closing, limit: int) -> list[Closing]:
    """Items sold, archived or removed, those that have been so for longest first."""
    rows = db.execute(
        f"SELECT updated_at, id FROM items INDEXED BY items_over WHERE ({_OVER}) AND (updated_at, id) > (?, ?)"
        " ORDER BY updated_at, id LIMIT ?",
        (*after, limit),
    )
    return [(row["updated_at"], row["id"]) for row in rows.fetchall()]


def of_closed(db: sqlite3.Connection, item_ids: Collection[str]) -> list[Picture]:
    """The ready pictures of those of these items that have no ad which is, or may become, visible."""
    rows = db.execute(
        "SELECT pictures.* FROM pictures WHERE state = 'ready' AND item_id IN (SELECT value FROM json_each(?))"
        " AND NOT EXISTS (SELECT 1 FROM listings WHERE listings.item_id = pictures.item_id AND"
        " listings.state IN ('queued', 'adding', 'added', 'committing', 'committed', 'live'))",
        (json.dumps(list(item_ids)),),
    )
    return [picture_of(row) for row in rows.fetchall()]
