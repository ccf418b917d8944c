"""Copies of the whole database, made while it is in use, and the manifest of the backup that holds one.

A copy is marked as one: a rheod that starts from it looks at Tradera before it publishes. The living database is only read, by a
connection of its own, and never checkpointed. A restore believes nothing of a manifest before it was compared with the copy.

Puts a restored database in the place of the present one: a kill at any moment leaves the old one or the new one.

All that is to be put in place lies in one folder; from the moment that folder has its last name the new one counts, and
whoever opens the store next finishes what was begun. The caller holds the folder's lock.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from rheod.domain.crash import crashpoint
from rheod.domain.errors import RheodError
from rheod.store import accounts
from rheod.store.engine import encryption
from rheod.store.engine.encryption import SecretBox

_PAGES = 1024
"""Copied between two looks at the progress: 4 MiB."""

GOOD_MARK = "last_good_backup_at"
"""The mark that holds when the last backup was known to be good where it is kept (ms)."""

_SEQUENCE_GAP = 1_000_000
"""By this much the events of a copy are numbered on: the lost ones may have been read, and a reader asks for later ones."""

_COUNTED = ("items", "listings", "orders", "notices", "endpoints", "api_keys", "pictures")

Progress = Callable[[int, int], None]
"""Told the bytes copied and to be copied in all; what it raises ends the copying."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What is in a copy: the schema it has, how many rows of what, its size and the SHA-256 of the file."""

    schema: int
    counts: dict[str, int]
    size_bytes: int
    sha256: str

    def as_json(self) -> dict[str, object]:
        """For an answer or a manifest."""
        return {
            "schema": self.schema,
            "counts": self.counts,
            "bytes": self.size_bytes,
            "sha256": self.sha256,
        }


def make(source: Path, to: Path, *, at: int, progress: Progress) -> None:
    """Copy what is committed in `source` now to a new file (mode 0600), marked as a copy of the time `at` (ms).

    One read transaction is held all the while: who writes goes on writing and is not copied. Raises sqlite3.Error or
    OSError; the file is then worthless.
    """
    os.close(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    with closing(_opened(source, "ro")) as living, closing(_opened(to, "rw")) as copy:
        living.execute("BEGIN")
        size = living.execute("PRAGMA page_size").fetchone()[0]
        living.execute(
            "SELECT count(*) FROM sqlite_schema"
        ).fetchone()  # from here on it sees this one moment
        copy.execute("PRAGMA synchronous=OFF")
        living.backup(
            copy, pages=_PAGES, progress=lambda _, left, whole: progress((whole - left) * size, whole * size)
        )
        living.execute("ROLLBACK")
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
        copy.execute("BEGIN")
        accounts.mark_copy(copy, at=at)
        # number the next events as if many had come in between: so many may have
        known = copy.execute("SELECT seq FROM sqlite_sequence WHERE name = 'notices'").fetchone()
        copy.execute("DELETE FROM sqlite_sequence WHERE name = 'notices'")
        following = _SEQUENCE_GAP + (0 if known is None else known["seq"])
        copy.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('notices', ?)", (following,))
        copy.execute("COMMIT")
    sync(to)


def read(file: Path) -> Contents:
    """Judge a copy from its first to its last byte. Raises RheodError when it is damaged."""
    try:
        with closing(_opened(file, "ro")) as db:
            found = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if found != "ok":
                raise RheodError(f"{file} is damaged: {str(found).splitlines()[-1]}")
            if db.execute("PRAGMA foreign_key_check").fetchone() is not None:
                raise RheodError(f"{file} is damaged: rows name others that are not there")
            schema: int = db.execute("PRAGMA user_version").fetchone()[0]
            counts = {table: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in _COUNTED}
    except sqlite3.Error as error:
        raise RheodError(f"{file} is no sound database: {error}") from error
    with file.open("rb") as raw:
        digest = hashlib.file_digest(raw, "sha256").hexdigest()
    return Contents(schema=schema, counts=counts, size_bytes=file.stat().st_size, sha256=digest)


def picture_files(file: Path) -> Iterator[str]:
    """The files under the image folder that the pictures of a copy are in, each once."""
    with closing(_opened(file, "ro")) as db:
        query = "SELECT DISTINCT file FROM pictures WHERE state = 'ready' ORDER BY file"
        for row in db.execute(query):
            yield str(row["file"])


def require_key(file: Path, with_key: SecretBox) -> None:
    """Raise RheodError when the secrets in a copy cannot be opened with this key."""
    with closing(_opened(file, "ro")) as db:
        with_key.attach(db)
        encryption.check(db, folder=file.parent)


def _opened(file: Path, mode: str) -> sqlite3.Connection:
    db = sqlite3.connect(
        f"{file.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None, timeout=5.0
    )
    db.row_factory = sqlite3.Row
    db.execute("PRAGMA trusted_schema=OFF")
    return db


def sync(path: Path) -> None:
    """Let a file or a folder reach the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


NAME = "manifest.json"
DATABASE = "rheod.db"
IMAGES = "images"
_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A backup's own description. `key` is whether the key file lies in it; `pictures` None: none were wanted."""

    made_at: int
    rheod: str
    schema: int
    counts: dict[str, int]
    size_bytes: int
    sha256: str
    key: bool
    pictures: tuple[str, ...] | None

    def text(self) -> str:
        """As it lies in the backup."""
        return json.dumps({"format": _FORMAT, **asdict(self)}, indent=1) + "\n"

    def write(self, folder: Path) -> Path:
        """Put it into the backup."""
        file = folder / NAME
        file.write_text(self.text(), encoding="utf-8")
        return file

    @classmethod
    def of(cls, folder: Path) -> Manifest:
        """The manifest of a backup. Raises RheodError when there is none to be understood."""
        try:
            found = json.loads((folder / NAME).read_text(encoding="utf-8"))
            if found.pop("format") != _FORMAT:
                raise RheodError(f"{folder} was made by a newer rheod: install that one first")
            pictures = found.pop("pictures")
            return cls(**found, pictures=None if pictures is None else tuple(pictures))
        except OSError as error:
            raise RheodError(f"{folder} is no backup of rheod: its {NAME}: {error.strerror}") from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise RheodError(f"{folder} has a damaged {NAME}") from error

    def prove(self, folder: Path) -> Contents:
        """The contents of the backup's database. Raises RheodError when it is not the one described here, or damaged."""
        contents = read(folder / DATABASE)
        if (contents.sha256, contents.size_bytes) != (self.sha256, self.size_bytes):
            raise RheodError(f"{folder / DATABASE} is not what was put there: its SHA-256 differs")
        if (contents.schema, contents.counts) != (self.schema, self.counts):
            raise RheodError(f"{folder / NAME} does not describe {DATABASE} beside it")
        return contents


_DATABASE = "rheod.db"
_STAGE = "restore.part"
_READY = re.compile(r"restore\.ready-(\d{8}T\d{6}Z)", re.ASCII)


def new_stage(folder: Path) -> Path:
    """An empty folder beside the database for the files that are to take the places of those of the same names."""
    stage = folder / _STAGE
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir(mode=0o700)
    return stage


def commit(folder: Path, *, moment: str) -> None:
    """The stage is complete: from here on its files count. `moment` (`20260526T100000Z`) names what they replace."""
    stage = folder / _STAGE
    for file in stage.iterdir():
        sync(file)
    sync(stage)
    crashpoint("restore.staged")
    stage.rename(folder / f"restore.ready-{moment}")
    sync(folder)
    crashpoint("restore.committed")


def finish(folder: Path) -> None:
    """Put in place what was committed and is not in place yet; what it replaces stays beside it under another name.

    Without a committed restore nothing is done, but for removing a stage that was never finished.
    """
    shutil.rmtree(folder / _STAGE, ignore_errors=True)
    for ready in sorted(folder.glob("restore.ready-*")):
        found = _READY.fullmatch(ready.name)
        if found is None:
            continue
        for file in sorted(ready.iterdir(), key=lambda each: each.name == _DATABASE):  # the database last
            _put(file, folder / file.name, f"before-restore-{found[1]}")
        sync(folder)
        crashpoint("restore.placed")
        ready.rmdir()
        sync(folder)


def _put(file: Path, place: Path, aside: str) -> None:
    if place.name == _DATABASE:
        for log in ("-wal", "-shm"):  # the old one's log would be played into the new one
            _rename(place.with_name(place.name + log), place.with_name(f"{place.name}.{aside}{log}"))
    _rename(place, place.with_name(f"{place.name}.{aside}"))
    sync(place.parent)
    crashpoint("restore.put_aside")
    file.rename(place)


def _rename(file: Path, to: Path) -> None:
    if file.exists():
        file.rename(to)
