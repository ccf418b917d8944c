"""What is done with the whole store at the owner's word: a checked copy of it, and that a buyer is forgotten in all of it.

The copy that `rheod backup` puts away is made and checked here, in the one folder a daemon may write. Whoever asked for it
moves it to where it is kept and then says that it is good there. Nothing is kept here for long.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog

import rheod
from rheod.domain.errors import Refused, RheodError, Text
from rheod.store import key_value, order_changes
from rheod.store.engine import copies, encryption
from rheod.store.engine.copies import GOOD_MARK, Contents
from rheod.store.engine.database import Database
from rheod.usecases.transaction import Store

_log = structlog.get_logger(__name__)
FOLDER = "copies"
_FETCHED_WITHIN_S = 6 * 3600
_SPARE_BYTES = 64 * 2**20
"""What must stay free beside the copy: the daemon goes on taking items in."""
_AT_ONCE = 200
"""So many orders are erased in one transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """A copy that was checked: where it lies, of what time (ms) it is, and what is in it.

    `key_file` is what opens its secrets; None when the key is in the settings.
    """

    file: Path
    made_at: int
    contents: Contents
    key_file: Path | None
    rheod: str = rheod.__version__


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the copy is that is being made; `phase` is `idle`, `copying` or `checking`."""

    phase: str = "idle"
    done_bytes: int = 0
    all_bytes: int = 0


class Backups:
    """Makes one copy at a time in `folder`/copies. `key_in_file` says that the folder's key file seals the secrets."""

    def __init__(
        self,
        *,
        database: Database,
        folder: Path,
        key_in_file: bool,
        now: Callable[[], int],
        stopping: Callable[[], bool],
    ) -> None:
        self._database = database
        self.folder = folder
        self._key_in_file = key_in_file
        self._now = now
        self._stopping = stopping
        self.progress = Progress()

    async def make(self) -> Copied:
        """Copy what is committed now and check the copy. What others have left for hours is removed first.

        Raises Refused: CONFLICT while another one is made, UNAVAILABLE when it cannot be made.
        """
        if self.progress.phase != "idle":
            raise Refused("CONFLICT", Text("A backup is being made already"))
        at = self._now()
        self.progress = Progress(phase="copying")
        try:
            copied = await asyncio.to_thread(self._make, at)
        except (OSError, sqlite3.Error, RheodError) as error:
            self._file(at).unlink(missing_ok=True)
            why = f"{error.strerror} ({error.filename})" if isinstance(error, OSError) else str(error)
            raise Refused("UNAVAILABLE", Text("No backup was made: {why}", why=why)) from error
        finally:
            self.progress = Progress()
            await self._database.shorten_log()
        _log.info("database copied", bytes=copied.contents.size_bytes)
        return copied

    async def kept(self, made_at: int) -> None:
        """The copy of this time is good where it is kept: note it, and remove what is left of it here."""
        await self._database.write(lambda db: key_value.put(db, copies.GOOD_MARK, str(made_at)))
        self._file(made_at).unlink(missing_ok=True)
        _log.info("backup kept")

    def _make(self, at: int) -> Copied:
        folder = self.folder / FOLDER
        for left in folder.glob("*.db*"):  # what nobody has fetched: its command was killed
            if time.time() - left.stat().st_mtime > _FETCHED_WITHIN_S:
                left.unlink(missing_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        file, source = self._file(at), self.folder / "rheod.db"
        wanted = source.stat().st_size + self._database.log_bytes + _SPARE_BYTES
        free = shutil.disk_usage(folder).free
        if free < wanted:
            raise RheodError(
                f"the copy needs {wanted // 2**20} MiB and the disk of {self.folder} has {free // 2**20} MiB left"
            )
        copies.make(source, file, at=at, progress=self._tell)
        self.progress = Progress(phase="checking", done_bytes=1, all_bytes=1)
        contents = copies.read(file)
        key_file = self.folder / encryption.KEY_FILE if self._key_in_file else None
        return Copied(file=file, made_at=at, contents=contents, key_file=key_file)

    def _tell(self, done: int, whole: int) -> None:
        self.progress = Progress(phase="copying", done_bytes=done, all_bytes=whole)
        if self._stopping():
            raise RheodError("rheod is stopping")

    def _file(self, at: int) -> Path:
        return self.folder / FOLDER / f"{at}.db"


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased, and what rheod cannot reach: copies of before, the last backup made at this time (ms)."""

    orders: int
    copies: tuple[str, ...]
    backup_at: int | None


class Erasing:
    """Erases buyers at the owner's word."""

    def __init__(self, *, store: Store) -> None:
        self._store = store

    async def buyer(self, account_id: str, named: str) -> Erased:
        """Erase the buyer with this alias or address of mail, or of the order with this number, from all their orders.

        Raises Refused (NOT_FOUND) when no order that is not erased has such a buyer.
        """
        found = await self._store.read(
            partial(order_changes.orders_of_buyer, account_id=account_id, named=named)
        )
        if not found.orders:
            raise Refused("NOT_FOUND", Text("No buyer of this name, address or order is kept"))
        for start in range(0, len(found.orders), _AT_ONCE):
            some = found.orders[start : start + _AT_ONCE]
            await self._store.write(lambda tx, some=some: order_changes.erase_orders(tx.db, some, now=tx.now))  # type: ignore[misc]
        await self._store.write(lambda tx: order_changes.erase_answers(tx.db, found.names))
        await self._store.overwrite()
        _log.info("buyer erased at the owner's word", orders=len(found.orders))
        backup = await self._store.read(lambda db: key_value.get(db, GOOD_MARK))
        return Erased(
            orders=len(found.orders),
            copies=self._store.copies(),
            backup_at=None if backup is None else int(backup),
        )

    @staticmethod
    def told(erased: Erased) -> Text:
        """What the owner is told."""
        if erased.copies:
            return Text(
                "Erased from {n} orders here. Copies of before still hold it: delete {copies}, and your backups",
                n=erased.orders,
                copies=", ".join(erased.copies),
            )
        if erased.backup_at is not None:
            return Text(
                "Erased from {n} orders here. Your backups of before still hold it: delete them when you can",
                n=erased.orders,
            )
        return Text("Erased from {n} orders here", n=erased.orders)
