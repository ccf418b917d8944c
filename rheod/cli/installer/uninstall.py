"""`rheod uninstall`: takes away what `rheod setup` made. Data goes only when the owner has said so in words."""

from __future__ import annotations

import shutil
import sys
from argparse import Namespace
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rheod.cli import FAILED, OK, CommandFailed
from rheod.cli.daemon_client import NotRunning, ask_socket
from rheod.cli.installer.program import remove_copy
from rheod.cli.installer.setup import CONFIG, DATA, read_settings
from rheod.cli.installer.steps import InstallPaths, Step, take
from rheod.cli.installer.units import SECRETS, remove_units
from rheod.cli.printing import note, say

if TYPE_CHECKING:
    from rheod.config.settings import Settings


_WORD = "delete everything"


def uninstall(arguments: Namespace) -> int:
    """`rheod uninstall [--keep-data] [--dry-run] [--yes]`; exit status 1 and nothing done without the owner's word."""
    place = InstallPaths.of(arguments.root, arguments.systemctl)
    if not arguments.dry_run:
        place.require_root()
    settings = _settings(place)
    path = Path(DATA) if settings is None else settings.storage.path
    data = _data_folder(place, path)
    keep = arguments.keep_data
    if not keep and not (arguments.dry_run or arguments.yes) and not _confirmed(path, there=data is not None):
        note("Nothing was changed. --keep-data leaves the database and the pictures")
        return FAILED
    steps = list(remove_units(place))
    if data is not None and keep:
        steps.append(Step(f"keep the data in {path}"))
    elif data is not None:
        socket = data / "admin.sock" if settings is None else place.at(settings.admin_socket)
        steps.append(Step(f"remove the data in {path}", partial(_remove_data, data, socket)))
    sealed = settings is None or settings.storage.key is not None
    steps += [*_settings_steps(place, keep=keep and sealed), *remove_copy(place)]
    take(steps, dry_run=arguments.dry_run)
    say("The program itself goes with: pipx uninstall rheod, or uv tool uninstall rheod, or its folder")
    return OK


def _settings(place: InstallPaths) -> Settings | None:
    """None when they are wrong: that stops no uninstall."""
    try:
        return read_settings(place)
    except CommandFailed:
        return None


def _data_folder(place: InstallPaths, path: Path) -> Path | None:
    """The folder to remove, only when it is surely rheod's."""
    folder = place.at(path)
    return folder if (folder / "rheod.db").is_file() else None


def _confirmed(path: Path, *, there: bool) -> bool:
    if not there:
        return True
    note(
        f"This deletes rheod's settings, secrets and everything in {path}: items, sales, pictures, backups there."
    )
    note(f"Type `{_WORD}` to go on:")
    return sys.stdin.readline().strip() == _WORD


def _settings_steps(place: InstallPaths, *, keep: bool) -> Iterator[Step]:
    if keep:
        yield Step("keep /etc/rheod: the data is sealed with storage.key, or the settings could not be read")
        return
    folder = place.at("/etc/rheod")
    for shown in (CONFIG, SECRETS):
        target = place.at(shown)
        if target.is_dir():
            yield Step(f"remove {shown} and the secrets in it", partial(shutil.rmtree, target))
        elif target.exists():
            yield Step(f"remove {shown}", target.unlink)
    if folder.is_dir():
        yield Step("remove /etc/rheod if nothing else is in it", lambda: _remove_if_empty(folder))


def _remove_if_empty(folder: Path) -> None:
    if not any(folder.iterdir()):
        folder.rmdir()


def _remove_data(folder: Path, socket: Path) -> None:
    """The folder, also where systemd keeps it behind a link; never under a daemon that runs."""
    try:
        ask_socket(socket, "GET", "/version")
    except NotRunning:
        shutil.rmtree(folder.resolve())
        if folder.is_symlink():
            folder.unlink()
    else:
        raise CommandFailed(f"rheod still runs on {folder}: stop it, then run this again")
