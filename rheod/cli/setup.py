"""`rheod setup`: settings file, folders and systemd's units, the service up, a first password; `rheod uninstall` takes it away.

Setup is safe to run twice. For a new settings file it asks for Tradera's quota, the price of freight and the kinds of goods:
only what is answered is written, and the same answers may be given as options, for a machine that nobody sits at. Data goes
only when the owner types so.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from rheod.cli import FAILED, OK, WRONG_USAGE, CommandFailed
from rheod.cli.daemon_client import NotRunning, ask_socket
from rheod.cli.main import Command, Options, note, pass_options, say
from rheod.cli.setup_steps import (
    CONFIG,
    SECRETS,
    InstallPaths,
    Step,
    folder_step,
    remove_copy,
    remove_settings,
    remove_units,
    require_default_config,
    service_steps,
    shipped,
    take,
    with_dry_run,
    with_root,
    with_systemctl,
    write_file,
)
from rheod.domain.budget import DEFAULT_LIMIT
from rheod.domain.categories import DOMAINS, canonical

if TYPE_CHECKING:
    from rheod.config.settings import Settings


T = TypeVar("T")
_MOST_CALLS = 1_000_000_000
_MOST_KRONOR = 100_000
_MOST_LEAF = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """None and nothing: it was not answered, and rheod's default holds."""

    quota: int | None = None
    total: int | None = None
    freight: int | None = None
    categories: Sequence[tuple[str, int]] = field(default_factory=tuple)

    def toml(self) -> str:
        """As lines of the settings file; "" where nothing was answered."""
        tables: dict[str, dict[str, int | None]] = {
            "tradera.quota": {"default": self.quota, "total": self.total},
            "tradera.shipping": {"shipping_cost": self.freight},
            "tradera.defaults.category_id": {**dict(self.categories)},
        }
        return "\n".join(
            f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in table.items() if value is not None)
            for name, table in tables.items()
            if any(value is not None for value in table.values())
        )


def number(text: str, *, most: int) -> int:
    """A whole number from 1. Raises ValueError with a sentence."""
    digits = text.replace(" ", "").replace("_", "")
    if not (digits.isascii() and digits.isdecimal()) or not 1 <= int(digits[:12]) <= most:
        raise ValueError(f"must be a whole number from 1 to {most}")
    return int(digits)


def category(text: str) -> tuple[str, int]:
    """A kind of goods with Tradera's number of a leaf, `auto_parts=302410`. Raises ValueError with a sentence."""
    domain, equals, leaf = text.partition("=")
    slug = canonical(domain) if domain.strip() else None
    if not equals or slug is None:
        raise ValueError(f"must be KIND=NUMBER; kinds are {', '.join(DOMAINS)}")
    return slug, number(leaf.strip(), most=_MOST_LEAF)


def ask_questions(read: Callable[[str], str], tell: Callable[[str], None]) -> Answers:
    """The dialogue; `read` shows a question and returns what was typed. A wrong answer is told and asked for again."""

    def answer(question: str, parse: Callable[[str], T], nothing: T) -> T:
        while True:
            typed = read(question).strip()
            if not typed:
                return nothing
            try:
                return parse(typed)
            except ValueError as error:
                tell(f"  It {error}.")

    tell("Some questions; an empty answer leaves rheod's default. All of it can be changed later.")
    tell("How many calls Tradera allows is shown in its Developer Center, on the application's page.")
    return Answers(
        quota=answer(
            f"Calls of each method in 24 hours [{DEFAULT_LIMIT}]: ",
            lambda typed: number(typed, most=_MOST_CALLS),
            None,
        ),
        total=answer(
            "Calls of all methods together, where it shows such a limit [none]: ",
            lambda typed: number(typed, most=_MOST_CALLS),
            None,
        ),
        freight=answer(
            "Freight in kronor of what has neither a price nor a weight [none: the buyer fetches it]: ",
            lambda typed: number(typed, most=_MOST_KRONOR),
            None,
        ),
        categories=answer(
            "Tradera's category for a kind of goods, such as auto_parts=302410 [none: rheod guesses, and says so]: ",
            lambda typed: tuple(dict(category(each) for each in typed.replace(",", " ").split()).items()),
            (),
        ),
    )


def _line(question: str) -> str:
    sys.stdout.write(question)
    sys.stdout.flush()
    typed = sys.stdin.readline()
    if not typed:
        raise CommandFailed("the answers ended too early. Nothing was changed")
    return typed


def answers_of(
    given: Answers, *, wanted: bool | None, dry_run: bool, file: str, is_there: bool
) -> Answers | None:
    """What goes into a new settings file; None where nobody was asked and nothing was given, or the file is kept.

    `wanted` is the owner's word that there shall be questions, or none. Raises CommandFailed where they cannot be put, or
    answers cannot be written because a file is there.
    """
    lines = given.toml()
    if is_there and lines:
        raise CommandFailed(
            f"{file} is there and is kept: set it there:\n{lines.rstrip()}", status=WRONG_USAGE
        )
    if wanted and (is_there or not sys.stdin.isatty()):
        why = f"{file} is there and is kept" if is_there else "nobody can be asked, for this is no terminal"
        raise CommandFailed(
            f"{why}. --quota, --quota-total, --freight and --category answer in advance, before there is a file",
            status=WRONG_USAGE,
        )
    if lines:
        return given
    if is_there or wanted is False or dry_run or not sys.stdin.isatty():
        return None
    return ask_questions(_line, say)


def with_answers(command: Callable[..., T]) -> Callable[..., T]:
    """The options that answer in advance."""

    def parsed(parse: Callable[[str], object]) -> Callable[..., object]:
        def callback(_context: object, _parameter: object, given: tuple[str, ...]) -> tuple[object, ...]:
            try:
                return tuple(parse(each) for each in given)
            except ValueError as error:
                raise click.BadParameter(str(error)) from error

        return callback

    for option in (
        click.option(
            "--ask/--no-ask",
            "asks",
            default=None,
            help="Put the questions, or none (default: on a terminal, for a new settings file).",
        ),
        click.option(
            "--category",
            "categories",
            multiple=True,
            metavar="KIND=LEAF",
            callback=parsed(category),
            help="Tradera's category for a kind of goods, such as auto_parts=302410; may be repeated.",
        ),
        click.option(
            "--freight",
            type=click.IntRange(1, _MOST_KRONOR),
            metavar="KRONOR",
            help="Freight of what has neither a price nor a weight.",
        ),
        click.option(
            "--quota-total",
            type=click.IntRange(1, _MOST_CALLS),
            metavar="CALLS",
            help="Calls of all Tradera's methods together in 24 hours, where there is such a limit.",
        ),
        click.option(
            "--quota",
            type=click.IntRange(1, _MOST_CALLS),
            metavar="CALLS",
            help="Calls of each of Tradera's methods in 24 hours, as its Developer Center shows them.",
        ),
    ):
        command = option(command)
    return command


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
            steps += service_steps(place, program)
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


def _finish(socket: Path, *, dry_run: bool) -> None:
    """Wait for the daemon; then a password, if there is none yet."""
    found: list[str] = []

    def wait() -> None:
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

    def make_password() -> None:
        if not ask_socket(socket, "GET", "/password")["isSet"]:
            found.append(ask_socket(socket, "POST", "/password")["password"])

    steps = [
        Step("wait until rheod is ready", wait),
        Step("make a dashboard password if there is none", make_password),
    ]
    take(steps, dry_run=dry_run)
    if found:
        say()
        say("The dashboard's password. It is shown this once; `rheod password` makes another:")
        say(found[0])
    elif not dry_run:
        say("keep the dashboard password that is set (`rheod password` makes a new one)")


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
    steps += [*remove_settings(place, keep=keep_data and sealed), *remove_copy(place)]
    take(steps, dry_run=dry_run)
    say("The program itself goes with: pipx uninstall rheod, or uv tool uninstall rheod, or its folder")
    return OK


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
