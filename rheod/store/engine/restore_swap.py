"""Puts a restored database in the place of the present one: a kill at any moment leaves the old one or the new one.

All that is to be put in place lies in one folder; from the moment that folder has its last name the new one counts, and
whoever opens the store next finishes what was begun. The caller holds the folder's lock.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from rheod.domain.crash import crashpoint
from rheod.store.engine.copies import sync

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
