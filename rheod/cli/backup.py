"""`rheod backup`: an online copy of the database, moved out of the data folder, proven where it is kept, and noted.

The daemon makes the copy, since nobody else may open its database; whoever runs this must be able to read its folder.
A backup is put into its folder whole or not at all, and old ones of ours are removed after it.

`rheod restore`: the database, key and pictures of a backup in the place of what is there, which is kept beside it.

Everything is proven before anything is touched. No rheod may run; the next one first looks at what Tradera has.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from rheod.cli import OK, CommandFailed
from rheod.cli.daemon_client import NotRunning, ask, ask_daemon
from rheod.cli.main import (
    Command,
    Options,
    give_to_owner,
    pass_options,
    say,
    say_json,
    settings_of,
    with_json,
)
from rheod.config.settings import Settings
from rheod.domain import crash
from rheod.store.engine import copies, encryption
from rheod.store.engine.copies import DATABASE, IMAGES, Manifest, sync
from rheod.store.engine.encryption import SecretBox
from rheod.store.engine.folder import take_lock
from rheod.store.migrations import scripts

_OURS = re.compile(r"rheod-\d{8}T\d{6}Z", re.ASCII)
_PART = ".part"
PICTURE = re.compile(r"([0-9a-f]{2})/(\1[0-9a-f]{62})\.jpg", re.ASCII)
"""How pictures are named: by the SHA-256 of what is in them."""


class BackupFolder:
    """The folder `place`, which holds backups, each in a folder of its own."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def prepare(self, *, away_from: Path) -> None:
        """Make the folder and clear what a killed backup has left. CommandFailed when it cannot be used."""
        if self.place.resolve().is_relative_to(away_from.resolve()):
            raise CommandFailed(
                f"{self.place} is inside rheod's data folder {away_from}: a backup must outlive it. Name another place"
            )
        try:
            self.place.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not os.access(self.place, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            for left in self.place.glob(f".rheod-*{_PART}"):
                shutil.rmtree(left)
        except OSError as error:
            raise CommandFailed(f"{self.place} cannot be written to: {error.strerror}") from error

    @contextmanager
    def adding(self, made_at: int) -> Iterator[Path]:
        """A folder to fill; it gets its name when the block ends well, else nothing of it is left."""
        moment = datetime.fromtimestamp(made_at // 1000, UTC)
        final = self.place / f"rheod-{moment:%Y%m%dT%H%M%SZ}"
        part = self.place / f".{final.name}{_PART}"
        try:
            part.mkdir(mode=0o700)
            yield part
            for folder, _, _ in os.walk(part):
                sync(Path(folder))
            part.rename(final)
            sync(self.place)
        except BaseException as error:
            shutil.rmtree(part, ignore_errors=True)
            if isinstance(error, OSError):
                raise CommandFailed(
                    f"Nothing was put into {self.place}: {error.strerror or error}"
                ) from error
            raise

    def newest(self) -> Path | None:
        """The newest backup of ours."""
        return max(self._ours(), default=None)

    def prune(self, keep: int) -> list[Path]:
        """Remove the oldest backups of ours but `keep`; returns those removed."""
        old = sorted(self._ours(), reverse=True)[keep:]
        for folder in old:
            # a kill in between leaves nothing that looks whole
            gone = folder.with_name(f".{folder.name}{_PART}")
            folder.rename(gone)
            shutil.rmtree(gone)
        return old

    def _ours(self) -> list[Path]:
        return [
            each
            for each in self.place.iterdir()
            if _OURS.fullmatch(each.name) and each.is_dir() and not each.is_symlink()
        ]


def move(source: Path, to: Path) -> None:
    """Move a file, also to another disk, where it is on the disk when this returns; it is its mover's, mode 0600."""
    try:
        source.rename(to)
        os.chown(to, os.geteuid(), os.getegid())
        to.chmod(0o600)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        copy(source, to)
        source.unlink()
    sync(to)


def copy(source: Path, to: Path) -> str:
    """Copy a plain file to a new one of mode 0600 and sync it; returns its SHA-256. Follows no link."""
    digest = hashlib.sha256()
    reading, writing = os.O_RDONLY | os.O_NOFOLLOW, os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with (
        os.fdopen(os.open(source, reading | os.O_CLOEXEC), "rb") as raw,
        os.fdopen(os.open(to, writing | os.O_CLOEXEC, 0o600), "wb") as out,
    ):
        while block := raw.read(2**20):
            digest.update(block)
            out.write(block)
        out.flush()
        os.fsync(out.fileno())
    return digest.hexdigest()


def add_pictures(names: Iterable[str], to: Path, sources: list[Path]) -> tuple[list[str], list[str]]:
    """Put pictures into the folder `to`, as further names of the same files where the disk allows it.

    `sources` are image folders, the first that has a picture gives it. Returns the names that are there and those
    that are nowhere to be had.
    """
    there: list[str] = []
    missing: list[str] = []
    for name in names:
        given = PICTURE.fullmatch(name) and any(_add_picture(source / name, to / name) for source in sources)
        (there if given else missing).append(name)
    return there, missing


def _add_picture(source: Path, to: Path) -> bool:
    to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(OSError):
        if source.is_file() and not source.is_symlink():
            os.link(source, to, follow_symlinks=False)
            return True
    try:
        whole = copy(source, to) == to.stem
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EROFS}:
            raise
        to.unlink(missing_ok=True)  # nothing to be read there: the others go on
        return False
    if not whole:
        to.unlink()
    return whole


def require_room(place: Path, size_bytes: int) -> None:
    """CommandFailed when the disk of a folder has not this much room left."""
    free = shutil.disk_usage(place).free
    if free < size_bytes:
        raise CommandFailed(
            f"The disk of {place} has {free // 2**20} MiB left and {size_bytes // 2**20} MiB are needed: make room"
        )


_COPYING_TIMEOUT_S = 12 * 3600.0
_LOOK_S = 0.5


@click.command(cls=Command)
@click.argument(
    "dest",
    metavar="DEST",
    type=click.Path(path_type=Path),
    help="The folder that holds the backups, each in one of its own.",
)
@click.option("--pictures", is_flag=True, help="The pictures too, without taking room twice.")
@click.option(
    "--keep",
    metavar="N",
    type=click.IntRange(1),
    default=14,
    help="How many backups stay (default 14).",
)
@with_json
@pass_options
def backup(options: Options, *, dest: Path, pictures: bool, keep: int, as_json: bool) -> int:
    """Put a verified copy away, while rheod runs.

    After it, older backups of rheod under DEST but the last few are removed.
    """
    data, size_bytes = _what_to_copy(options)
    kept = BackupFolder(dest.expanduser().absolute())
    kept.prepare(away_from=data)
    require_room(kept.place, size_bytes)
    copied = _make_copy(options)
    sources = [data / IMAGES] + [earlier / IMAGES for earlier in [kept.newest()] if earlier is not None]
    try:
        with kept.adding(copied["madeAt"]) as folder:
            manifest, missing = _fill(folder, copied, sources if pictures else None)
    finally:
        with suppress(OSError):
            Path(copied["file"]).unlink(missing_ok=True)
    ask(options, "POST", f"/backup/{copied['madeAt']}/kept")
    done = kept.newest()
    assert done is not None
    _print_done(done, manifest, missing, kept.prune(keep), as_json=as_json)
    if missing:
        raise CommandFailed(
            f"{len(missing)} pictures are nowhere to be had, so they are not in the backup: {', '.join(missing[:20])}."
            " All else is in it; rheod fetches a lost picture again when its item is published"
        )
    return OK


def _what_to_copy(options: Options) -> tuple[Path, int]:
    """The daemon's folder, or that of the settings when none runs, and the bytes of the database in it.

    CommandFailed when there is nothing to copy, or it may not be seen.
    """
    try:
        data, runs = Path(ask_daemon(options, "GET", "/backup")["folder"]), True
    except NotRunning:
        data, runs = settings_of(options).storage.path, False
    try:
        return data, (data / DATABASE).stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        if runs:
            return data, 0
        raise CommandFailed(f"There is nothing to back up: {data} has no {DATABASE}") from None
    except PermissionError as error:
        raise CommandFailed(
            f"You may not read {data}: run this as root (sudo) or as rheod's own user"
        ) from error


def _make_copy(options: Options) -> dict[str, Any]:
    """Have the daemon make the copy, or make it without one; the progress is shown on a terminal."""
    done = threading.Event()
    progress = threading.Thread(target=_show_progress, args=(options, done), daemon=True)
    if sys.stderr.isatty():
        progress.start()
    try:
        answer: dict[str, Any] = ask(options, "POST", "/backup", timeout_s=_COPYING_TIMEOUT_S)
    finally:
        done.set()
        if progress.is_alive():
            progress.join()
    return answer


def _show_progress(options: Options, done: threading.Event) -> None:
    shown = False
    while not done.wait(_LOOK_S):
        with suppress(CommandFailed):
            seen = ask_daemon(options, "GET", "/backup")
            if seen["allBytes"]:
                percent = 100 * seen["doneBytes"] // seen["allBytes"]
                sys.stderr.write(f"\r{seen['phase']} {percent} %  ")
                sys.stderr.flush()
                shown = True
    if shown:
        sys.stderr.write("\r" + " " * 20 + "\r")


def _fill(folder: Path, copied: dict[str, Any], sources: list[Path] | None) -> tuple[Manifest, list[str]]:
    """Put everything into the folder and prove the database there; pictures are taken from `sources`, if given.

    Returns the pictures that are missing, too.
    """
    move(Path(copied["file"]), folder / DATABASE)
    if copied["keyFile"] is not None:
        copy(Path(copied["keyFile"]), folder / encryption.KEY_FILE)
    pictures, missing = None, list[str]()
    if sources is not None:
        names = copies.picture_files(folder / DATABASE)
        pictures, missing = add_pictures(names, folder / IMAGES, sources)
    manifest = Manifest(
        made_at=copied["madeAt"],
        rheod=copied["rheod"],
        schema=copied["schema"],
        counts=copied["counts"],
        size_bytes=copied["bytes"],
        sha256=copied["sha256"],
        key=copied["keyFile"] is not None,
        pictures=None if pictures is None else tuple(pictures),
    )
    file = manifest.write(folder)
    file.chmod(0o600)
    copies.sync(file)
    manifest.prove(folder)
    return manifest, missing


def _print_done(
    done: Path, manifest: Manifest, missing: list[str], removed: list[Path], *, as_json: bool
) -> None:
    if as_json:
        say_json(
            {
                "backup": str(done),
                "bytes": manifest.size_bytes,
                "sha256": manifest.sha256,
                "counts": manifest.counts,
                "pictures": None if manifest.pictures is None else len(manifest.pictures),
                "missingPictures": missing,
                "key": manifest.key,
                "removed": [str(each) for each in removed],
            }
        )
        return
    counts = manifest.counts
    say(f"Backed up {counts['items']} items and {counts['orders']} orders to {done}, verified.")
    if manifest.pictures is not None:
        say(f"With {len(manifest.pictures)} pictures.")
    if manifest.key:
        say(
            f"It holds {encryption.KEY_FILE}, which opens the secrets in it: keep it where nobody else can read it."
        )
    else:
        say(
            "The key that opens its secrets is not in it: it comes from your settings (storage.key). Keep it too."
        )
    if removed:
        say(f"Removed {len(removed)} older ones.")


@click.command(cls=Command)
@click.argument(
    "source",
    metavar="[SRC]",
    required=False,
    type=click.Path(path_type=Path),
    help="One backup: a folder `rheod-<time>`.",
)
@click.option(
    "--compared",
    is_flag=True,
    help="After a restore: the ads at Tradera are as rheod shows them, where Tradera did not tell.",
)
@with_json
@pass_options
def restore(options: Options, *, source: Path | None, compared: bool, as_json: bool) -> int:
    """Begin anew from a backup, with rheod stopped.

    Everything is proven before anything is touched, and what was there before is kept beside it.
    """
    if (source is not None) == compared:
        raise click.UsageError("Give the folder of a backup, or --compared")
    if source is None:
        answer = ask(options, "POST", "/restore/compared")
        if as_json:
            say_json(answer)
        else:
            say(f"Noted: {answer['accounts']} accounts publish again.")
        return OK
    settings = settings_of(options)
    crash.arm(settings.debug.crash_at)
    source, data = source.expanduser().absolute(), settings.storage.path
    try:
        lock = take_lock(data)
        try:
            manifest, count, missing = _restore(source, data, settings)
        finally:
            os.close(lock)
    except OSError as error:
        raise CommandFailed(f"Not restored: {error.strerror} ({error.filename})") from error
    moment = datetime.fromtimestamp(manifest.made_at // 1000, UTC)
    if as_json:
        say_json(
            {
                "restored": str(source),
                "madeAt": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
                "pictures": count,
                "missingPictures": missing,
            }
        )
        return OK
    say(f"Restored the state of {moment:%Y-%m-%d %H:%M} UTC with {manifest.counts['items']} items.")
    if missing:
        say(f"Pictures missing on the disk: {missing}. Each is fetched again when its item is published.")
    say("What was there before lies beside it as *.before-restore-<time>.")
    say("Start rheod now (systemctl start rheod). The machine this backup came from must not run any more.")
    say("rheod first looks at what Tradera has and publishes nothing until then: see `rheod status`.")
    return OK


def _restore(source: Path, data: Path, settings: Settings) -> tuple[Manifest, int, int]:
    """The manifest of what was restored, how many pictures came with it, and how many are not there."""
    copies.finish(data)
    manifest = Manifest.of(source)
    known = scripts()[-1][0]
    if manifest.schema > known:
        raise CommandFailed(
            f"{source} has schema {manifest.schema} (rheod {manifest.rheod}), this rheod knows {known}:"
            " install the newer rheod first"
        )
    manifest.prove(source)
    _check_key(source, manifest, settings)
    require_room(data, manifest.size_bytes + 64 * 2**20)
    stage = copies.new_stage(data)
    if copy(source / DATABASE, stage / DATABASE) != manifest.sha256:
        raise CommandFailed(f"{source / DATABASE} changed while it was read: nothing was restored")
    if manifest.key:
        copy(source / encryption.KEY_FILE, stage / encryption.KEY_FILE)
    count = _bring_pictures(source, data, manifest)
    give_to_owner(data, [stage, *stage.iterdir()])
    copies.commit(data, moment=f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    copies.finish(data)
    give_to_owner(data, [data / "lock"])
    missing = sum(not (data / IMAGES / name).is_file() for name in copies.picture_files(data / DATABASE))
    return manifest, count, missing


def _check_key(source: Path, manifest: Manifest, settings: Settings) -> None:
    """The secrets in the backup must open with the key that the next daemon will have."""
    given = settings.storage.key
    if given is not None:
        key = given.get_secret_value()
    elif manifest.key:
        key = (source / encryption.KEY_FILE).read_text(encoding="ascii").strip()
    else:
        raise CommandFailed(
            "The key of this backup is not in it, it came from the settings of its machine: set storage.key"
            " (RHEOD_STORAGE__KEY for this command) to the same key"
        )
    copies.require_key(source / DATABASE, SecretBox(key))


def _bring_pictures(source: Path, data: Path, manifest: Manifest) -> int:
    """Pictures are named by their contents: those that are there already are right, and a half one never has its name."""
    images, made = data / IMAGES, []
    for name in manifest.pictures or ():
        place = images / name
        if not PICTURE.fullmatch(name) or place.exists():
            continue
        made += [each for each in (images, place.parent) if not each.exists()]
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = place.with_suffix(".part")
        part.unlink(missing_ok=True)
        if copy(source / IMAGES / name, part) != place.stem:
            part.unlink()
            raise CommandFailed(f"The picture {name} of {source} is damaged: nothing was restored")
        part.rename(place)
        made.append(place)
    give_to_owner(data, made)
    return len(manifest.pictures or ())
