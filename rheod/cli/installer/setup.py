"""`rheod setup`: settings file, folders and systemd's units, the service up, a first password. Safe to run twice.

`rheod uninstall`: takes away what `rheod setup` made. Data goes only when the owner types so.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rheod.cli import FAILED, OK, WRONG_USAGE, CommandFailed
from rheod.cli.daemon_client import NotRunning, ask_socket
from rheod.cli.installer.questions import Answers, answers_of, with_answers
from rheod.cli.installer.steps import (
    CONFIG,
    SECRETS,
    SERVICE,
    InstallPaths,
    Program,
    Step,
    folder_step,
    place_program,
    remove_copy,
    remove_units,
    require_default_config,
    shipped,
    take,
    unit_names,
    with_dry_run,
    with_root,
    with_systemctl,
    write_credentials,
    write_file,
    write_units,
)
from rheod.cli.main import Command, Options, pass_options
from rheod.cli.printing import note, say

if TYPE_CHECKING:
    from rheod.config.settings import Settings


DATA = "/var/lib/rheod"
_EXAMPLE = "rheod.toml.example"
_NEW_SETTINGS = """\
# The settings of rheod. What is not set here has its default, which may become better with a new version: set only what
# you mean. Every setting stands with its meaning in
#   {example}
# `rheod config check` tells what is wrong, and secrets are better in /etc/rheod/secrets.

"""
_NOTHING_ANSWERED = """\
[tradera.quota]
# Calls that Tradera allows in 24 hours, as its Developer Center shows them on the application's page:
#default = 10000
"""
_READY_S = 60.0
_LOOK_S = 0.1


@click.command(cls=Command, uses_settings=False)
@click.option("--systemd", is_flag=True, help="Bring it up as a service of systemd.")
@with_answers
@with_dry_run
@click.option("--program", metavar="PATH", hidden=True)
@with_root
@with_systemctl
@pass_options
def setup(  # noqa: PLR0913 - the options of a command
    options: Options,
    *,
    systemd: bool,
    asks: bool | None,
    quota: int | None,
    quota_total: int | None,
    freight: int | None,
    categories: tuple[tuple[str, int], ...],
    dry_run: bool,
    program: str | None,
    root: str,
    systemctl: str | None,
) -> int:
    """Write settings file, folders and units; safe to run twice.

    The settings file is /etc/rheod/rheod.toml. What you have edited is kept; for a new one some questions are put on a
    terminal, and only what is answered is written.
    """
    require_default_config(options)
    place = InstallPaths.of(root, systemctl)
    if not dry_run:
        place.require_root()
    try:
        settings = read_settings(place)
        data = place.at(settings.storage.path)
        is_there = place.at(CONFIG).exists()
        given = Answers(quota=quota, total=quota_total, freight=freight, categories=categories)
        answers = answers_of(given, wanted=asks, dry_run=dry_run, file=CONFIG, is_there=is_there)
        steps = list(_files(place, settings, answers))
        if systemd:
            steps += _service(place, program)
        elif not data.is_dir():  # systemd makes the folder itself, with a user of its own
            steps += folder_step(data, str(settings.storage.path), 0o700)
    except PermissionError as error:
        raise CommandFailed(f"{error.filename}: only root may look there", status=WRONG_USAGE) from error
    take(steps, dry_run=dry_run)
    if systemd and place.systemctl is not None:
        _finish(place.at(settings.admin_socket), dry_run=dry_run)
    if not dry_run:
        _say_next(settings, place, systemd=systemd, unasked=answers is None and not is_there)
    return OK


def read_settings(place: InstallPaths) -> Settings:
    """The settings in force after setup: the file that is there, else the example, and the secrets."""
    from rheod.config.loading import SettingsError, load_settings  # noqa: PLC0415 - `rheod version` does without

    file, secrets = place.at(CONFIG), place.at(SECRETS)
    try:
        return load_settings(
            config_file=file if file.exists() else shipped(_EXAMPLE),
            environ={},
            credentials_dir=secrets if secrets.is_dir() else None,
        )
    except SettingsError as error:
        raise CommandFailed(f"{error}\nNothing was changed: mend it first", status=WRONG_USAGE) from error


def _files(place: InstallPaths, settings: Settings, answers: Answers | None) -> Iterator[Step]:
    """The settings file, readable by the service's own user, and the folder of secrets, which only root may read.

    What a file that is there sets otherwise than the example is listed, secrets as stars.
    """
    yield from folder_step(place.at("/etc/rheod"), "/etc/rheod", 0o755)
    file = place.at(CONFIG)
    if file.exists():
        from rheod.config.loading import load_settings, masked  # noqa: PLC0415 - as above

        yield Step(f"keep your {CONFIG}")
        example = masked(load_settings(config_file=shipped(_EXAMPLE), environ={}, credentials_dir=None))
        shown = masked(settings)
        for name in [name for name, one in shown.items() if one["from"].startswith("file")]:
            value, usual = shown[name]["value"], example[name]["value"]
            if value != usual:
                yield Step(f"  it sets {name} to {value} (the example: {usual})")
            if value == "********":
                secret = f"{SECRETS}/{name.replace('.', '__')}"
                yield Step(f"    a secret: better in {secret}, where only root reads it")
    else:
        answered = "" if answers is None else answers.toml()
        text = _NEW_SETTINGS.format(example=shipped(_EXAMPLE)) + (answered or _NOTHING_ANSWERED)
        yield Step(f"write {CONFIG}", lambda: write_file(file, text, 0o644))
    yield from folder_step(place.at(SECRETS), SECRETS, 0o700)


def _service(place: InstallPaths, program: str | None) -> Iterator[Step]:
    """Everything of systemd. A restart brings in a new version, new settings and new secrets."""
    command, steps = (program, []) if program else place_program(Program.running(), place)
    yield from steps
    yield from write_units(place, command)
    yield from write_credentials(place)
    yield place.control("daemon-reload")
    yield place.control("enable", SERVICE)
    yield place.control("restart", SERVICE)
    for name in unit_names():
        if name.endswith(".timer"):
            yield place.control("enable", "--now", name)


def _finish(socket: Path, *, dry_run: bool) -> None:
    """Wait for the daemon; then a password, if there is none yet."""
    found: list[str] = []

    def make_password() -> None:
        if not ask_socket(socket, "GET", "/password")["isSet"]:
            found.append(ask_socket(socket, "POST", "/password")["password"])

    steps = [
        Step("wait until rheod is ready", lambda: _wait(socket)),
        Step("make a dashboard password if there is none", make_password),
    ]
    take(steps, dry_run=dry_run)
    if found:
        say()
        say("The dashboard's password. It is shown this once; `rheod password` makes another:")
        say(found[0])
    elif not dry_run:
        say("keep the dashboard password that is set (`rheod password` makes a new one)")


def _wait(socket: Path) -> None:
    deadline = time.monotonic() + _READY_S
    while True:
        try:
            ask_socket(socket, "GET", "/health")
        except CommandFailed as error:
            if time.monotonic() > deadline:
                raise CommandFailed(
                    f"rheod was not ready within {_READY_S:g} s: {error}. See: journalctl -u rheod -n 20"
                ) from error
            time.sleep(_LOOK_S)
        else:
            return


def _say_next(settings: Settings, place: InstallPaths, *, systemd: bool, unasked: bool) -> None:
    from rheod.config.loading import missing_at_start  # noqa: PLC0415 - as above

    say()
    say("Next:")
    again = "rheod setup --systemd" if systemd else "rheod serve"
    if missing := missing_at_start(settings):
        say(f"  Tradera: set {', '.join(missing)}: secrets in {SECRETS}, the rest in {CONFIG}; then {again}")
    if unasked:
        say(
            f"  Tradera's quota, freight, categories: nothing was asked; set them in {CONFIG}, or by commands"
        )
    if settings.server.public_url is None:
        say(
            "  A name: put Caddy or nginx in front (README) and set server.public_url and server.trusted_proxies"
        )
    say("  The ERP: rheod keys create --name erp; rheod webhooks add URL")
    address = settings.server.public_url or f"http://{settings.server.host}:{settings.server.port}"
    say(f"  The dashboard: {address}/dashboard. Whether all is well: rheod doctor")
    if not systemd:
        say("  To run it as a service: rheod setup --systemd; in the foreground: rheod serve")
    elif place.systemctl is None:
        say("  When systemd runs: the systemctl commands above, then rheod password")
    if settings.storage.path != Path(DATA) and systemd:
        say(
            f"  storage.path is {settings.storage.path}: the unit lets rheod write to {DATA} only (ReadWritePaths=)"
        )


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
