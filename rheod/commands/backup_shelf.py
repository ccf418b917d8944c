"""The folder in which backups are kept: one is put there whole or not at all, and old ones of ours are removed.

Works with files alone; it asks nobody.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from rheod.commands import CommandFailed
from rheod.store.copies import sync
from rheod.store.manifests import IMAGES

_OURS = re.compile(r"rheod-\d{8}T\d{6}Z", re.ASCII)
_PART = ".part"
PICTURE = re.compile(r"([0-9a-f]{2})/(\1[0-9a-f]{62})\.jpg", re.ASCII)
"""How pictures are named: by the SHA-256 of what is in them."""


class Shelf:
    """The folder `place`."""

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
            gone = folder.with_name(
                f".{folder.name}{_PART}"
            )  # a kill in between leaves nothing that looks whole
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
    with _reading(source) as raw, _writing(to) as out:
        while block := raw.read(2**20):
            digest.update(block)
            out.write(block)
        out.flush()
        os.fsync(out.fileno())
    return digest.hexdigest()


def _reading(file: Path) -> BinaryIO:
    return os.fdopen(os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")


def _writing(file: Path) -> BinaryIO:
    return os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")


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
    except FileNotFoundError:
        return False
    if not whole:
        to.unlink()
    return whole


def images_of(backup: Path) -> Path:
    """Where the pictures of a backup are."""
    return backup / IMAGES


def require_room(place: Path, size_bytes: int) -> None:
    """CommandFailed when the disk of a folder has not this much room left."""
    free = shutil.disk_usage(place).free
    if free < size_bytes:
        raise CommandFailed(
            f"The disk of {place} has {free // 2**20} MiB left and {size_bytes // 2**20} MiB are needed: make room"
        )
