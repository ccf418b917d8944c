"""The machine that rheod runs on: room, backups to fetch and a diagnosis for its owner, and what systemd is told.

A copy that is fetched is one file with all that a restore needs but the pictures, which are fetched again from their
addresses. It is streamed as it lies there: nothing of it is held in memory, and no second copy is made.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import sqlite3
import tarfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rheod.domain.errors import Refused, Text
from rheod.health.alerts import Alarms
from rheod.store import key_value, picture_files
from rheod.store.engine import copies
from rheod.store.engine.copies import DATABASE, Manifest
from rheod.store.engine.database import Database
from rheod.usecases.safekeeping import Backups, Copied

_PIECE = 256 * 1024
_KEPT = 4
"""So many copies can be fetched at a time; older ones are forgotten, and removed with the next copy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineState:
    """Room on the disk of the data folder and what takes it, in bytes; times in ms, None: never."""

    started_at: int
    free_bytes: int
    disk_bytes: int
    database_bytes: int
    picture_bytes: int
    backup_at: int | None


class Machine:
    """What the owner may know and do. `examine` asks nobody but this machine, its queue and its receivers."""

    def __init__(
        self,
        *,
        database: Database,
        folder: Path,
        started_at: int,
        backups: Backups,
        alarms: Alarms,
        examine: Callable[[], Awaitable[Mapping[str, Any]]],
    ) -> None:
        self.backups = backups
        self.alarms = alarms
        self.examine = examine
        self._database = database
        self._folder = folder
        self._started_at = started_at
        self._copies: dict[int, Copied] = {}

    async def state(self) -> MachineState:
        """How the machine stands now."""

        def read(db: sqlite3.Connection) -> tuple[int, str | None]:
            return picture_files.bytes_in_use(db), key_value.get(db, copies.GOOD_MARK)

        picture_bytes, backup = await self._database.read(read)
        disk = await asyncio.to_thread(shutil.disk_usage, self._folder)
        return MachineState(
            started_at=self._started_at,
            free_bytes=disk.free,
            disk_bytes=disk.total,
            database_bytes=(self._folder / DATABASE).stat().st_size + self._database.log_bytes,
            picture_bytes=picture_bytes,
            backup_at=None if backup is None else int(backup),
        )

    async def copy(self) -> Copied:
        """Make a copy to be fetched. Raises Refused as `Backups.make` does."""
        copied = await self.backups.make()
        self._copies[copied.made_at] = copied
        for made_at in sorted(self._copies)[:-_KEPT]:
            del self._copies[made_at]
        return copied

    def fetchable(self) -> list[Copied]:
        """The copies that lie here to be fetched, the newest first."""
        return [each for _, each in sorted(self._copies.items(), reverse=True) if each.file.is_file()]

    def found(self, made_at: int) -> Copied:
        """The copy of this time. Raises Refused (NOT_FOUND) when it is not here any more."""
        copied = self._copies.get(made_at)
        if copied is None or not copied.file.is_file():
            raise Refused("NOT_FOUND", Text("This copy is not here any more: make a new one"))
        return copied

    async def kept(self, made_at: int) -> None:
        """The owner has a copy where it is safe: it counts as the last backup, and is removed here. Raises Refused."""
        await self.backups.kept(self.found(made_at).made_at)
        del self._copies[made_at]


def name_of(copied: Copied) -> str:
    """What a backup of this copy is called."""
    return f"rheod-{datetime.fromtimestamp(copied.made_at // 1000, UTC):%Y%m%dT%H%M%SZ}"


async def archive(copied: Copied) -> AsyncIterator[bytes]:
    """The copy as a tar archive of one folder that `rheod restore` takes: database, description and key."""
    manifest = Manifest(
        made_at=copied.made_at,
        rheod=copied.rheod,
        schema=copied.contents.schema,
        counts=copied.contents.counts,
        size_bytes=copied.contents.size_bytes,
        sha256=copied.contents.sha256,
        key=copied.key_file is not None,
        pictures=None,
    )
    folder = name_of(copied)
    small = {copies.NAME: manifest.text().encode()}
    if copied.key_file is not None:
        small[copied.key_file.name] = await asyncio.to_thread(copied.key_file.read_bytes)
    for name, content in small.items():
        yield _head(f"{folder}/{name}", len(content), copied) + content + _fill(len(content))
    size = copied.contents.size_bytes
    yield _head(f"{folder}/{DATABASE}", size, copied)
    file = await asyncio.to_thread(copied.file.open, "rb")
    with file:
        while piece := await asyncio.to_thread(file.read, _PIECE):
            yield piece
    yield _fill(size) + bytes(2 * tarfile.BLOCKSIZE)


def _head(name: str, size: int, copied: Copied) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, 0o600, copied.made_at // 1000
    return info.tobuf(tarfile.GNU_FORMAT)


def _fill(size: int) -> bytes:
    """An archive goes on at a whole block."""
    return bytes(-size % tarfile.BLOCKSIZE)


class SdNotify:
    """Sends state messages to the socket named by `NOTIFY_SOCKET`; without an address every call does nothing.

    An address that begins with `@` is an abstract socket. Only AF_UNIX is spoken.
    """

    def __init__(self, address: str | None) -> None:
        self._address = "\0" + address[1:] if address and address.startswith("@") else address
        self._ready_wanted = False
        self._ready_sent = False

    def ready(self) -> None:
        """READY=1, once however often it is called; one that the socket refused goes out with the next watchdog."""
        self._ready_wanted = True
        self._send_ready()

    def watchdog(self) -> None:
        """WATCHDOG=1: the loop is alive. Call at least twice, better three times per WatchdogSec."""
        self._send_ready()
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """STOPPING=1: an orderly stop has begun."""
        self._ready_wanted = False
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`; line breaks become spaces, since they would begin another message."""
        self._send("STATUS=" + " ".join(text.split()))

    def extend(self, timeout_s: float) -> None:
        """EXTEND_TIMEOUT_USEC: give start or stop this many more seconds, counted from now."""
        self._send(f"EXTEND_TIMEOUT_USEC={int(timeout_s * 1_000_000)}")

    def _send_ready(self) -> None:
        if self._ready_wanted and not self._ready_sent:
            self._ready_sent = self._send("READY=1")

    def _send(self, message: str) -> bool:
        """Whether the datagram was taken; a socket per message survives a restarted listener."""
        if not self._address:
            return False
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.setblocking(False)
                sender.sendto(message.encode("utf-8", "replace"), self._address)
        except (OSError, ValueError):  # no listener, a full buffer, or no usable address
            return False
        return True
