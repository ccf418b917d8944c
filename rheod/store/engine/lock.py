"""The store's files: the folder's lock, a disk of this machine, and files that are still the ones opened.

Nothing here opens the database.
"""

from __future__ import annotations

import fcntl
import os
import re
from dataclasses import dataclass
from pathlib import Path

from rheod.domain.errors import RheodError
from rheod.store.engine.access import explained, require_access

_NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "ncpfs", "fuse.sshfs", "fuse.glusterfs"}
)
"""Kinds of file system where SQLite's write-ahead log may corrupt the file: its shared memory is of one machine."""


def take_lock(folder: Path) -> int:
    """Make the folder and hold its lock until the descriptor is closed.

    Raises RheodError when another daemon holds it, or when this process may not use the folder and its files.
    """
    file = folder / "lock"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        require_access(folder)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise explained(error, folder) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise RheodError(
            f"Another rheod is using {file.parent}: stop it first (systemctl stop rheod), or set storage.path"
        ) from error
    return descriptor


def refuse_network(folder: Path, mounts: Path = Path("/proc/self/mountinfo")) -> None:
    """Raise RheodError when the folder is on a file system of another machine; `mounts` as in proc(5)."""
    try:
        kind = kind_of(folder.resolve(), mounts.read_text(encoding="utf-8", errors="surrogateescape"))
    except OSError:
        return  # without /proc nobody knows
    if kind in _NETWORK:
        raise RheodError(
            f"{folder} is on a network file system ({kind}), where the database would get damaged: set storage.path"
            " to a folder on a disk of this machine"
        )


def kind_of(folder: Path, mounts: str) -> str:
    """The kind of the file system that holds a folder: that of the last of the deepest mounts above it."""
    deepest, kind = -1, ""
    for line in mounts.splitlines():
        place, _, source = line.partition(" - ")
        point = Path(_unescaped(place.split(" ")[4]))
        if folder.is_relative_to(point) and len(point.parts) >= deepest:
            deepest, kind = len(point.parts), source.split(" ")[0]
    return kind


def _unescaped(text: str) -> str:
    """The text without the kernel's octal escapes: it writes a space as backslash 040."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


@dataclass(frozen=True, slots=True)
class Files:
    """The database and its write-ahead log as they were opened: path and (device, inode) of each."""

    opened: tuple[tuple[Path, tuple[int, int]], ...]

    @classmethod
    def of(cls, file: Path) -> Files:
        """Remember the files of an open database."""
        both = (file, file.with_name(file.name + "-wal"))
        return cls(tuple((each, _identity(each)) for each in both if each.exists()))

    def check(self) -> None:
        """Raise RheodError when a file was removed, replaced or made read-only: a commit would be lost.

        A few microseconds, so that it can be asked before every commit.
        """
        for file, identity in self.opened:
            try:
                same = _identity(file) == identity
            except OSError:
                same = False
            if not same:
                raise RheodError(
                    f"{file} was removed or replaced while rheod was using it: rheod stops, so that nothing is"
                    " acknowledged that would be lost. Put the file back, or restore the newest backup"
                )
            if not os.access(file, os.W_OK):
                raise RheodError(f"{file} has become read-only: make it writable for rheod's user again")

    @property
    def log_bytes(self) -> int:
        """The size of the write-ahead log."""
        return _size(self.opened[-1][0])

    @property
    def file_bytes(self) -> int:
        """The size of the database without its log."""
        return _size(self.opened[0][0])


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _identity(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_dev, found.st_ino
