"""`rheod uninstall`: takes away what `rheod setup` made. Data goes only when the owner types so."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rheod.cli import FAILED, OK, CommandFailed
from rheod.cli.command import Command, Options, pass_options
from rheod.cli.daemon_client import NotRunning, ask_socket
from rheod.cli.installer.program import remove_copy
from rheod.cli.installer.setup import DATA, read_settings
from rheod.cli.installer.steps import (
    CONFIG,
    InstallPaths,
    Step,
    require_default_config,
    take,
    with_dry_run,
    with_root,
    with_systemctl,
)
from rheod.cli.installer.units import SECRETS, remove_units
from rheod.cli.printing import note, say

if TYPE_CHECKING:
    from rheod.config.settings import Settings


_CONFIRMATION = "delete everything"


@click.command(cls=Command, uses_settings=False)
@click.option("--keep-data", is_flag=True, help="Leave the database and the pictures.")
@click.option("--yes", is_flag=True, help="Do not ask back.")
@with_dry_run
@with_root
@with_systemctl
@pass_options
def uninstall(
    options: Options, *, keep_data: bool, yes: bool, dry_run: bool, root: str, systemctl: str | None
) -> int:
    """Remove what setup made.

    Data goes only when you type so; else nothing is done and the exit status is 1.
    """
    require_default_config(options)
    place = InstallPaths.of(root, systemctl)
    if not dry_run:
        place.require_root()
    settings: Settings | None = None
    with suppress(CommandFailed):  # wrong settings stop no uninstall
        settings = read_settings(place)
    path = Path(DATA) if settings is None else settings.storage.path
    data = place.at(path)
    there = (data / "rheod.db").is_file()  # else the folder is not surely rheod's
    if there and not (keep_data or dry_run or yes):
        note(
            f"This deletes rheod's settings, secrets and everything in {path}: items, sales, pictures, backups there."
        )
        note(f"Type `{_CONFIRMATION}` to go on:")
        if sys.stdin.readline().strip() != _CONFIRMATION:
            note("Nothing was changed. --keep-data leaves the database and the pictures")
            return FAILED
    steps = list(remove_units(place))
    if there and keep_data:
        steps.append(Step(f"keep the data in {path}"))
    elif there:
        socket = data / "admin.sock" if settings is None else place.at(settings.admin_socket)
        steps.append(Step(f"remove the data in {path}", partial(_remove_data, data, socket)))
    sealed = settings is None or settings.storage.key is not None
    steps += [*_settings_steps(place, keep=keep_data and sealed), *remove_copy(place)]
    take(steps, dry_run=dry_run)
    say("The program itself goes with: pipx uninstall rheod, or uv tool uninstall rheod, or its folder")
    return OK


def _settings_steps(place: InstallPaths, *, keep: bool) -> Iterator[Step]:
    if keep:
        yield Step("keep /etc/rheod: the data is sealed with storage.key, or the settings could not be read")
        return
    folder = place.at("/etc/rheod")

    def remove_if_empty() -> None:
        if not any(folder.iterdir()):
            folder.rmdir()

    for shown in (CONFIG, SECRETS):
        target = place.at(shown)
        if target.is_dir():
            yield Step(f"remove {shown} and the secrets in it", partial(shutil.rmtree, target))
        elif target.exists():
            yield Step(f"remove {shown}", target.unlink)
    if folder.is_dir():
        yield Step("remove /etc/rheod if nothing else is in it", remove_if_empty)


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
