"""The data folder: what keeps this process from its files, its lock, a disk of this machine, files that are still the ones opened.

What keeps the process from them is one sentence: the file, the owner it should have, the command. A file that may not be opened is
no damaged database: nobody should restore a backup over it. Nothing here opens the database.
"""

from __future__ import annotations

import errno
import fcntl
import grp
import os
import pwd
import re
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from rheod.domain.errors import RheodError
from rheod.store.engine.encryption import KEY_FILE

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_LEAST_BYTES = 64 * 2**10
"""With less room SQLite cannot even make the file that its connections share."""

_FILES = ("lock", "rheod.db", "rheod.db-wal", "rheod.db-shm")
HINT = "Restore the newest backup, or the copy `rheod.db.before-*` beside it"
"""What the owner of a damaged database can do."""


def require_access(folder: Path) -> None:
    """Raise RheodError when a file that is there cannot be used by this process; it opens none of them."""
    _require(folder, os.R_OK | os.W_OK | os.X_OK, folder)
    for name in _FILES:
        _require(folder / name, os.R_OK | os.W_OK, folder)
    _require(folder / KEY_FILE, os.R_OK, folder)
    _require(folder / "images", os.R_OK | os.W_OK | os.X_OK, folder)


def _require(file: Path, mode: int, folder: Path) -> None:
    try:
        found = file.stat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise explained(error, folder) from error
    if stat.S_ISDIR(found.st_mode) != bool(mode & os.X_OK):
        wanted = "a folder" if mode & os.X_OK else "a file"
        raise RheodError(f"{file} is not {wanted}: move it away; what rheod keeps there is {wanted}")
    if os.access(file, mode, effective_ids=True):
        return
    if mode & os.W_OK and os.statvfs(file).f_flag & os.ST_RDONLY:
        raise _read_only(file)
    raise _closed(file, folder)


def explained(error: OSError, folder: Path) -> RheodError:
    """The sentence for what making or opening something in the data folder failed with."""
    if error.errno in _FULL:
        return _full(folder)
    above = next(each for each in (folder, *folder.parents) if os.path.lexists(each))
    if error.errno == errno.EROFS:
        return _read_only(above)
    if not above.is_dir():
        return RheodError(f"{above} is not a folder: move it away, or set storage.path to another folder")
    if isinstance(error, PermissionError):
        return _closed(folder, folder) if above == folder else _unreachable(folder, above)
    return RheodError(f"{error.filename or folder} cannot be used: {error.strerror or error}")


def _unreachable(folder: Path, above: Path) -> RheodError:
    """The folder is not there, or cannot be seen, since `above` is closed to this process."""
    user, group = _process()
    if os.access(above, os.X_OK, effective_ids=True):
        return RheodError(
            f"There is no folder {folder}, and {user} may not make it in {above}: run"
            f" `install -d -m 700 -o {user} -g {group} {quote(str(folder))}`"
        )
    return RheodError(
        f"{user} cannot reach {folder}, since {above} lets nobody through: run `chmod o+x {quote(str(above))}`,"
        " or set storage.path to another folder"
    )


def unopened(error: sqlite3.Error, file: Path) -> RheodError:
    """The sentence for what opening the database failed with; only a damaged file is one to restore."""
    folder, code = file.parent, getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
    try:
        require_access(folder)
        room = shutil.disk_usage(folder).free >= _LEAST_BYTES
    except RheodError as closed:
        return closed
    except OSError as closed:
        return explained(closed, folder)
    if code == sqlite3.SQLITE_FULL or not room:
        return _full(folder)
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return RheodError(
            f"Another program holds the database {file}: end it (`fuser -v {quote(str(file))}` shows it)"
        )
    if code in {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_NOMEM}:
        return RheodError(
            f"The database {file} cannot be opened: {error}. The machine is at fault, not the database: see `dmesg`"
            f" and `ls -la {quote(str(folder))}`"
        )
    return RheodError(f"The database {file} cannot be opened: {error}. {HINT}")


def refuse_emptied(folder: Path) -> None:
    """Raise RheodError when the database is gone or empty, and what lies beside it belonged to one.

    A new one over it would know of no ad that is up, and everything would be published once more.
    """
    file = folder / "rheod.db"
    if file.exists() and file.stat().st_size:
        return
    if found := sorted(set(_left_of_a_shop(folder))):
        state = "is empty (0 bytes)" if file.exists() else "is missing"
        raise RheodError(
            f"{file} {state}, but {', '.join(found)} beside it belong to a database that was in use: put it back"
            f" (`rheod restore SRC`, or a copy `rheod.db.before-*`). Only for a new shop move them away first"
        )


def _left_of_a_shop(folder: Path) -> Iterator[str]:
    for name in (KEY_FILE, "rheod.db-wal"):
        with suppress(FileNotFoundError):
            if (folder / name).stat().st_size:
                yield name
    if next((folder / "images").glob("*/*.jpg"), None) is not None:
        yield "images"
    yield from (each.name for each in folder.glob("rheod.db.before-*") if each.suffix not in {"-wal", "-shm"})


def _closed(file: Path, folder: Path) -> RheodError:
    """A file of another owner, or one that its owner has closed to itself."""
    (user, group), found, place = _process(), file.stat(), quote(str(file))
    if found.st_uid == os.geteuid():
        bits = "700" if file.is_dir() else "600"
        return RheodError(f"{file} is closed to its own user {user}: run `chmod {bits} {place}`")
    owner = _user(found.st_uid)
    if file == folder and found.st_uid != 0:
        return RheodError(
            f"{file} belongs to {owner} and this rheod runs as {user}: run it as {owner} (`systemctl start rheod`); if"
            f" {user} is the right one, run `chown -R {user}:{group} {place}`"
        )
    everything = "-R " if file.is_dir() else ""
    return RheodError(
        f"{file} belongs to {owner} and should belong to {user}, as whom rheod runs: run"
        f" `chown {everything}{user}:{group} {place}`"
    )


def _full(folder: Path) -> RheodError:
    return RheodError(
        f"The disk of {folder} is full: make room on it (`df -h {quote(str(folder))}` shows it; the database is not"
        " damaged by this), then start rheod again"
    )


def _read_only(file: Path) -> RheodError:
    place = file
    while not place.is_mount() and place != place.parent:
        place = place.parent
    return RheodError(
        f"{file} is on a file system that is mounted read-only: see `dmesg`, then run `mount -o remount,rw"
        f" {quote(str(place))}`; if only the service sees it so, name the folder in its unit"
        f" (`systemctl edit rheod`, ReadWritePaths=)"
    )


def _process() -> tuple[str, str]:
    """The user and the group that this process runs as."""
    gid = os.getegid()
    try:
        group = grp.getgrgid(gid).gr_name
    except KeyError:
        group = str(gid)
    return _user(os.geteuid()), group


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


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
        # the kernel writes a space as backslash 040
        point = Path(re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), place.split(" ")[4]))
        if folder.is_relative_to(point) and len(point.parts) >= deepest:
            deepest, kind = len(point.parts), source.split(" ")[0]
    return kind


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
