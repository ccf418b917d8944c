"""`rheod backup` and `rheod restore` on files: what is in a backup, what is refused, and kills in the middle of a restore."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import stat
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from rheod.store.engine.folder import take_lock
from tests.crash.upgrade import RESTORE
from tests.test_restore import rheod


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with two keys made in it; no daemon runs there."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    (folder / "rheod.toml").touch()
    for name in ("one", "two"):
        done(folder, "keys", "create", "--name", name)
    return folder


def done(folder: Path, *arguments: str) -> Any:
    """The JSON of a command that goes well."""
    ended = rheod(folder, *arguments, "--json")
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def keys_of(folder: Path) -> list[str]:
    """The names of the API keys, as the commands see them (which finish a restore that was killed)."""
    return [key["name"] for key in done(folder, "keys", "list")["keys"]]


def test_a_backup_is_whole_private_and_restored(data: Path, tmp_path: Path) -> None:
    """Modes 0700 and 0600, the key with it, no leftovers; what came after it is gone when it is back, and kept beside."""
    kept = tmp_path / "kept"
    made = done(data, "backup", str(kept))
    (folder,) = kept.iterdir()
    assert made["backup"] == str(folder)
    assert sorted(each.name for each in folder.iterdir()) == ["manifest.json", "rheod.db", "secret.key"]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(each.stat().st_mode) for each in folder.iterdir()} == {0o600}
    assert not list((data / "copies").iterdir())
    done(data, "keys", "create", "--name", "three")
    done(data, "restore", str(folder))
    assert keys_of(data) == ["one", "two"]
    (old,) = data.glob("rheod.db.before-restore-*Z")
    with closing(sqlite3.connect(old)) as db:
        assert db.execute("SELECT count(*) FROM api_keys").fetchone() == (3,)


def test_lost_pictures_are_named_and_do_not_stop_the_rest(data: Path, tmp_path: Path) -> None:
    """One is gone, one cannot be read: exit status 1 with both names, and the whole one is in the backup all the same."""
    contents = [b"whole", b"gone", b"a folder"]
    names = [f"{digest[:2]}/{digest}.jpg" for digest in (sha256(each).hexdigest() for each in contents)]
    with closing(sqlite3.connect(data / "rheod.db")) as db, db:
        db.execute(
            "INSERT INTO items (id, account_id, external_id, type, title, rheo_status, version, spec, created_at,"
            " updated_at) SELECT 'x', id, 'A', 'item', 'Kopp', 'active', 1, '{}', 1, 1 FROM accounts"
        )
        db.executemany(
            "INSERT INTO pictures (id, item_id, position, url, state, file, size_bytes)"
            " VALUES (?1, 'x', ?2, '', 'ready', ?1, 5)",
            [(name, place) for place, name in enumerate(names)],
        )
    whole, _, unreadable = (data / "images" / name for name in names)
    whole.parent.mkdir(parents=True)
    whole.write_bytes(contents[0])
    unreadable.mkdir(parents=True)
    kept = tmp_path / "kept"
    ended = rheod(data, "backup", str(kept), "--pictures")
    assert ended.returncode == 1
    assert names[0] not in ended.stderr
    assert names[1] in ended.stderr
    assert names[2] in ended.stderr
    (folder,) = kept.iterdir()
    assert [str(each.relative_to(folder / "images")) for each in folder.rglob("*.jpg")] == [names[0]]
    shutil.rmtree(data / "images")
    assert done(data, "restore", str(folder))["missingPictures"] == 2


def test_only_old_backups_of_ours_are_removed(data: Path, tmp_path: Path) -> None:
    """--keep counts our own folders and leaves everything else."""
    kept = tmp_path / "kept"
    for name in ("rheod-20200101T000000Z", "rheod-20210101T000000Z", "rheod-mine", "photos"):
        (kept / name).mkdir(parents=True)
    made = done(data, "backup", str(kept), "--keep", "2")
    assert made["removed"] == [str(kept / "rheod-20200101T000000Z")]
    assert {"rheod-20210101T000000Z", "rheod-mine", "photos"} < {each.name for each in kept.iterdir()}


def test_a_place_that_cannot_hold_a_backup_is_refused(data: Path, tmp_path: Path) -> None:
    """Inside the data folder, a file, an empty data folder: one line with what to do, and nothing is left."""
    (tmp_path / "file").touch()
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "rheod.toml").touch()
    for folder, place, says in (
        (data, data / "inside", "must outlive it"),
        (data, tmp_path / "file", "cannot be written to"),
        (empty, tmp_path / "kept", "nothing to back up"),
    ):
        ended = rheod(folder, "backup", str(place))
        assert ended.returncode == 1
        assert says in ended.stderr
    assert not (data / "inside").exists()
    assert not (empty / "rheod.db").exists()


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        ("bytes", "SHA-256 differs"),
        ("newer", "install the newer rheod first"),
        ("key", "sealed with another key"),
        ("manifest", "is no backup of rheod"),
        ("running", "Another rheod is using"),
    ],
)
def test_what_must_not_be_restored_is_refused(data: Path, tmp_path: Path, harm: str, says: str) -> None:
    """A damaged or newer backup, one of another key, or a running daemon: nothing in the data folder changes."""
    if harm == "key":
        done(data, "webhooks", "add", "https://shop.example.com/hook")
    made = done(data, "backup", str(tmp_path / "kept"))
    folder = Path(made["backup"])
    manifest = json.loads((folder / "manifest.json").read_text())
    if harm == "bytes":
        with closing(sqlite3.connect(folder / "rheod.db")) as db:
            db.execute("UPDATE api_keys SET name = 'else'")
            db.commit()
    elif harm == "newer":
        (folder / "manifest.json").write_text(json.dumps(manifest | {"schema": 9999}))
    elif harm == "key":
        (folder / "secret.key").write_text("another-test-key\n")
    elif harm == "manifest":
        (folder / "manifest.json").unlink()
    done(data, "keys", "create", "--name", "three")
    lock = take_lock(data) if harm == "running" else os.open(data, os.O_RDONLY)
    ended = rheod(data, "restore", str(folder))
    os.close(lock)
    assert ended.returncode == 1
    assert says in ended.stderr
    assert keys_of(data) == ["one", "two", "three"]


@pytest.mark.sweep
@pytest.mark.parametrize(
    "crash_at", ["restore.put_aside:2", *(f"{each}:1" for each in RESTORE if each.startswith("restore."))]
)
def test_a_kill_in_a_restore_leaves_the_old_or_the_new(data: Path, tmp_path: Path, crash_at: str) -> None:
    """Whoever opens the store next finds one of them whole, with its own key; nothing half is left."""
    done(data, "webhooks", "add", "https://shop.example.com/hook")
    made = done(data, "backup", str(tmp_path / "kept"))
    shutil.rmtree(data)
    data.mkdir(mode=0o700)
    (data / "rheod.toml").touch()
    done(data, "webhooks", "add", "https://new.example.com/hook")
    ended = rheod(data, "restore", made["backup"], environ={"RHEOD_DEBUG__CRASH_AT": crash_at})
    assert ended.returncode == -signal.SIGKILL
    assert keys_of(data) == ([] if crash_at == "restore.staged:1" else ["one", "two"])
    assert not list(data.glob("restore.*"))
