"""What the store stands on: only disks of this machine, and files that are still the ones opened."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from pathlib import Path

import pytest

from rheod.domain.errors import RheodError, StoreUnavailable
from rheod.store import key_value
from rheod.store.engine.connection import is_fatal
from rheod.store.engine.database import PAUSE_ROWS, Database
from rheod.store.engine.folder import Files, kind_of, refuse_network

MOUNTS = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
30 22 0:25 / /srv rw - tmpfs tmpfs rw
31 22 0:26 / /srv/with\\040space rw,relatime shared:9 master:2 - nfs4 nas:/x rw,vers=4.2
32 22 0:27 / /mnt/share rw - cifs //nas/share rw
33 22 0:28 / /mnt/share rw - xfs /dev/vdb rw
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/var/lib/rheod", "ext4"),
        ("/srv/rheod", "tmpfs"),
        ("/srv/with space/rheod", "nfs4"),
        ("/srv/with", "tmpfs"),
        ("/mnt/share", "xfs"),
    ],
)
def test_the_deepest_and_last_mount_counts(folder: str, kind: str) -> None:
    """A folder is on what is mounted right above it; a later mount on the same point hides the earlier."""
    assert kind_of(Path(folder), MOUNTS) == kind


def test_a_network_file_system_is_refused_with_the_way_out(tmp_path: Path) -> None:
    """WAL needs shared memory, which another machine's disk has not."""
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"1 1 0:1 / / rw - ext4 x rw\n2 1 0:2 / {tmp_path.resolve()} rw - nfs4 nas:/x rw\n")
    with pytest.raises(RheodError, match=r"network file system \(nfs4\).*storage\.path"):
        refuse_network(tmp_path, mounts)
    refuse_network(tmp_path)
    refuse_network(tmp_path, tmp_path / "absent")


def test_files_that_were_exchanged_are_noticed(tmp_path: Path) -> None:
    """The same name is not the same file."""
    file, other = tmp_path / "rheod.db", tmp_path / "other"
    file.write_bytes(b"1")
    other.write_bytes(b"1")
    files = Files.of(file)
    files.check()
    other.replace(file)
    with pytest.raises(RheodError, match="removed or replaced"):
        files.check()


@pytest.mark.parametrize("name", ["rheod.db", "rheod.db-wal"])
async def test_nothing_is_acknowledged_into_a_file_that_is_gone(tmp_path: Path, name: str) -> None:
    """The write under way and those that wait are refused, and the writer ends with the reason."""
    database = await Database.open(tmp_path)
    writer = asyncio.create_task(database.run())
    await database.write(lambda db: key_value.put(db, "before", "1"))
    (tmp_path / name).unlink()
    answers = await asyncio.wait_for(
        asyncio.gather(
            *(database.write(lambda db: key_value.put(db, "after", "1")) for _ in range(600)),
            return_exceptions=True,
        ),
        10,
    )
    assert {type(answer) for answer in answers} == {StoreUnavailable}
    with pytest.raises(RheodError, match=f"{name} was removed"):
        await asyncio.wait_for(writer, 10)
    with pytest.raises(StoreUnavailable):
        await database.write(lambda db: key_value.put(db, "later", "1"))
    await database.close()


@pytest.mark.parametrize("through", ["read", "write"])
async def test_damage_found_while_running_ends_the_writer(tmp_path: Path, through: str) -> None:
    """A damaged page is no passing trouble, whoever meets it: the process must end."""
    database = await Database.open(tmp_path)
    writer = asyncio.create_task(database.run())

    def damaged(_db: sqlite3.Connection) -> None:
        error = sqlite3.DatabaseError("database disk image is malformed")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error

    with pytest.raises((StoreUnavailable, sqlite3.DatabaseError)):
        await (database.read(damaged) if through == "read" else database.write(damaged))
    with pytest.raises(RheodError, match=r"not to be trusted.*Restore the newest backup"):
        await asyncio.wait_for(writer, 10)
    await database.close()


@pytest.mark.parametrize("when", ["in a pause", "to shorten it"])
async def test_a_log_that_cannot_be_written_back_ends_the_writer(tmp_path: Path, when: str) -> None:
    """A sync of the database that fails is found at once, whoever asked for it: nobody knows what the disk holds."""
    database = await Database.open(tmp_path)
    writer = asyncio.create_task(database.run())
    links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    files = [int(link.name) for link in links if link.readlink() == database.file]
    with Path(os.devnull).open("r+b") as nowhere:  # takes every write and refuses to sync
        for each in files:
            os.dup2(nowhere.fileno(), each)
    count = PAUSE_ROWS if when == "in a pause" else 1
    await asyncio.gather(*(database.write(lambda db: key_value.put(db, "m", "1")) for _ in range(count)))
    if when == "to shorten it":
        await database.shorten_log()
    with pytest.raises(RheodError, match="not to be trusted"):
        await asyncio.wait_for(writer, 10)
    await database.close()


@pytest.mark.parametrize(
    ("code", "fatal"),
    [
        (sqlite3.SQLITE_CORRUPT, True),
        (sqlite3.SQLITE_NOTADB, True),
        (sqlite3.SQLITE_IOERR_FSYNC, True),
        (sqlite3.SQLITE_IOERR_READ, True),
        (sqlite3.SQLITE_IOERR_SHORT_READ, True),
        (sqlite3.SQLITE_IOERR_WRITE, False),
        (sqlite3.SQLITE_FULL, False),
        (sqlite3.SQLITE_BUSY, False),
        (sqlite3.SQLITE_CONSTRAINT_UNIQUE, False),
    ],
)
def test_only_failures_that_leave_doubt_are_fatal(code: int, fatal: bool) -> None:  # noqa: FBT001 - a table's column
    """A write without room was rolled back and may be tried again; a sync that failed leaves nobody sure."""
    error = sqlite3.OperationalError("x")
    error.sqlite_errorcode = code
    assert is_fatal(error) == fatal
