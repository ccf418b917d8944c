"""Files that rheod may not use, full disks, a shop whose database is gone, networks, files exchanged in use: a sentence with the fix each.

The child makes itself another user where this runs as root; elsewhere the files are closed to their own user.
"""

from __future__ import annotations

import asyncio
import errno
import grp
import os
import pwd
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from rheod.domain.errors import RheodError, StoreUnavailable
from rheod.store import key_value
from rheod.store.engine.connection import is_fatal
from rheod.store.engine.database import PAUSE_ROWS, Database
from rheod.store.engine.encryption import KEY_FILE
from rheod.store.engine.folder import Files, explained, kind_of, refuse_network, unopened
from tests.store.engine.test_encryption import keep_secret
from tests.stores import opened

ROOT = os.geteuid() == 0
USER = pwd.getpwuid(65534 if ROOT else os.geteuid()).pw_name
GROUP = grp.getgrgid(65534 if ROOT else os.getegid()).gr_name

SERVES_AS_ANOTHER = """
import os, sys
import rheod.cli.support, rheod.cli.items, rheod.cli.serve
from rheod.cli.main import main
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A data folder that belongs to the child's user, in a place that everybody can reach."""
    place = Path(tempfile.mkdtemp(prefix="rheod-access-"))
    place.chmod(0o755)
    data = place / "data"
    data.mkdir(mode=0o700)
    try:
        yield data
    finally:
        for each in (place, data):
            each.chmod(0o700)
        shutil.rmtree(place)


async def used(folder: Path) -> None:
    """Leave a database of the child's user in the folder, with a secret in it."""
    async with opened(folder) as database:
        await keep_secret(database)
    (folder / "images").mkdir()
    if ROOT:
        for each in (folder, *folder.iterdir()):
            os.chown(each, 65534, 65534)


def run(folder: Path, *command: str) -> tuple[int, str]:
    """Exit status and last words of a command that is run by another user."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("RHEOD_")}
    environ |= {"RHEOD_STORAGE__PATH": str(folder), "RHEOD_SERVER__PORT": "0", "RHEOD_LOG__FORMAT": "text"}
    ended = subprocess.run(
        [sys.executable, "-c", SERVES_AS_ANOTHER, *(command or ("serve",))],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return ended.returncode, ended.stdout + ended.stderr


def close(file: Path) -> str:
    """Take a file from the child's user; returns the command that gives it back."""
    everything = "-R " if file.is_dir() else ""
    if ROOT:
        os.chown(file, 0, 0)
        file.chmod(0o700 if file.is_dir() else 0o600)
        return f"chown {everything}{USER}:{GROUP} {file}"
    file.chmod(0)
    return f"chmod {'700' if everything else '600'} {file}"


@pytest.mark.parametrize(
    "name", ["rheod.db-wal", "rheod.db-shm", "secret.key", "rheod.db", "lock", "images", ""]
)
async def test_a_file_of_another_user_is_named_with_its_owner_and_the_command(
    folder: Path, name: str
) -> None:
    """A file that root touched is no damaged database: nobody is sent to a backup, and nothing is a stack trace."""
    await used(folder)
    file = folder / name
    if not file.exists():
        file.touch()
    command = close(file)
    status, words = run(folder)
    assert status == 1
    assert f"run `{command}`" in words
    assert words.count("\n") == 1, words
    assert words.startswith(f"rheod: {file} ")
    assert (f"should belong to {USER}" if ROOT else f"its own user {USER}") in words


async def test_a_command_says_the_same_of_a_foreign_file(folder: Path) -> None:
    """Without a daemon a command opens the file itself, and has the same sentence."""
    await used(folder)
    command = close(folder / "rheod.db")
    status, words = run(folder, "items", "list")
    assert status == 1
    assert f"run `{command}`" in words
    assert "Traceback" not in words


async def test_a_command_in_a_closed_folder_has_no_stack_trace(folder: Path) -> None:
    """Where not even the names can be seen, the socket is named, and who may open it."""
    await used(folder)
    close(folder)
    status, words = run(folder, "items", "list")
    assert (status, words.count("\n")) == (1, 1)
    assert f"You may not open {folder}/admin.sock: run this as root (sudo)" in words


def test_a_folder_that_cannot_be_made_is_named_with_the_command(folder: Path) -> None:
    """The first start of a user that may not write above it."""
    folder.rmdir()
    folder.parent.chmod(0o555)
    status, words = run(folder)
    assert status == 1
    assert f"run `install -d -m 700 -o {USER} -g {GROUP} {folder}`" in words
    folder.parent.chmod(0o755)
    folder.mkdir()


def test_a_closed_folder_above_is_named(folder: Path) -> None:
    """The way to the folder is closed, wherever on the way that is."""
    folder.parent.chmod(0o600)
    status, words = run(folder)
    folder.parent.chmod(0o755)
    assert status == 1
    assert f"run `chmod o+x {folder.parent}`" in words


def test_a_file_in_the_place_of_the_folder_is_named(folder: Path) -> None:
    """A mistyped path must not be a stack trace."""
    folder.rmdir()
    folder.touch()
    status, words = run(folder)
    folder.unlink()
    folder.mkdir()
    assert (status, words.count("\n")) == (1, 1)
    assert f"{folder} is not a folder" in words


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "make room on it (`df -h "),
        (errno.EDQUOT, "make room on it (`df -h "),
        (errno.EROFS, "run `mount -o remount,rw "),
    ],
)
def test_a_full_or_read_only_disk_has_its_command(tmp_path: Path, code: int, words: str) -> None:
    """Neither is a reason to restore anything."""
    said = str(explained(OSError(code, os.strerror(code)), tmp_path))
    assert words in said
    assert str(tmp_path) in said
    assert "backup" not in said


async def test_a_database_without_room_is_not_one_to_restore(tmp_path: Path) -> None:
    """SQLite's own error of a full disk is told as one; that of a damaged file keeps its way out."""
    file = tmp_path / "rheod.db"
    async with opened(tmp_path):
        pass
    with closing(sqlite3.connect(file, isolation_level=None)) as db:
        db.execute(f"PRAGMA max_page_count={db.execute('PRAGMA page_count').fetchone()[0]}")
        with pytest.raises(sqlite3.OperationalError) as full:
            db.execute("CREATE TABLE more AS SELECT randomblob(100000)")
    assert "is full: make room" in str(unopened(full.value, file))
    other = tmp_path / "other"
    other.write_bytes(b"no database" * 500)
    with closing(sqlite3.connect(other)) as db, pytest.raises(sqlite3.DatabaseError) as damaged:
        db.execute("SELECT * FROM sqlite_master")
    assert "Restore the newest backup" in str(unopened(damaged.value, file))
    busy = sqlite3.OperationalError("database is locked")
    busy.sqlite_errorcode = sqlite3.SQLITE_BUSY
    assert "fuser -v" in str(unopened(busy, file))


@pytest.mark.parametrize("left", ["empty", "missing"])
@pytest.mark.parametrize("beside", ["secret.key", "images", "rheod.db.before-0002", "rheod.db-wal"])
async def test_an_emptied_database_is_no_new_shop(tmp_path: Path, left: str, beside: str) -> None:
    """A new database would know of no ad that is up: everything would be sold twice."""
    picture = tmp_path / "images" / "ab" / "cd.jpg"
    file = picture if beside == "images" else tmp_path / beside
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"kept")
    if left == "empty":
        (tmp_path / "rheod.db").touch()
    with pytest.raises(RheodError, match=rf"rheod\.db is (empty|missing).*{beside}.*rheod restore SRC"):
        await Database.open(tmp_path)
    assert file.read_bytes() == b"kept"
    assert not (tmp_path / "rheod.db").exists() or not (tmp_path / "rheod.db").stat().st_size


async def test_a_first_start_that_was_cut_off_is_still_a_new_shop(tmp_path: Path) -> None:
    """What a kill leaves before the first migration: an empty file, an empty folder of pictures, the lock."""
    for name in ("rheod.db", "rheod.db-wal", "lock"):
        (tmp_path / name).touch()
    (tmp_path / "images").mkdir()
    async with opened(tmp_path):
        assert (tmp_path / KEY_FILE).exists()


async def test_with_the_key_lost_nothing_is_written_before_the_refusal(tmp_path: Path) -> None:
    """No new key, which would look like the right one, no migration, no byte of the database."""
    async with opened(tmp_path) as database:
        await keep_secret(database)
    with sqlite3.connect(tmp_path / "rheod.db") as db:
        db.execute("PRAGMA user_version = 1")  # an older schema, to be brought up
    db.close()
    (tmp_path / KEY_FILE).unlink()
    before = {each.name: each.read_bytes() for each in tmp_path.iterdir()}
    with pytest.raises(RheodError, match=r"secret\.key is missing.*put it back"):
        await Database.open(tmp_path)
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == before
    with pytest.raises(RheodError, match="another key"):
        await Database.open(tmp_path, key="another-test-key")
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == before


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe"])
async def test_a_key_file_without_a_key_is_refused(tmp_path: Path, content: bytes) -> None:
    """An empty file, as a full disk may leave it, must not become the key of everything."""
    async with opened(tmp_path) as database:
        await keep_secret(database)
    (tmp_path / KEY_FILE).write_bytes(content)
    with pytest.raises(RheodError, match=r"secret\.key holds no key"):
        await Database.open(tmp_path)


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
