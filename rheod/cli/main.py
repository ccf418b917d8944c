"""The command `rheod`: what there is to type, what commands are made of and print with, and how their end is an exit status.

A command's module is imported when that command is used: `rheod version` must answer at once. Every command takes
`--config FILE`, before or behind its name; help lists it where the settings matter. A command prints one JSON document, or
plain tables for people, in which text from elsewhere cannot move the cursor.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import rheod
from rheod.cli import FAILED, OK, WRONG_USAGE, CommandFailed
from rheod.domain.errors import RheodError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from rheod.config.settings import Settings


def say(line: str = "") -> None:
    """A line on standard output."""
    sys.stdout.write(line + "\n")


def note(line: str) -> None:
    """A remark on standard error, so that standard output stays data."""
    sys.stderr.write(line + "\n")


def say_json(value: Any) -> None:
    """A value as one JSON document."""
    say(json.dumps(value, ensure_ascii=False, indent=2))


def confirm(sentence: str, *, yes: bool) -> None:
    """Ask at the terminal whether to go on; `yes` has answered. CommandFailed (2) where nobody can be asked."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise CommandFailed(f"{sentence} Nothing was done: --yes says that you want it", status=WRONG_USAGE)
    note(f"{sentence} Type yes to go on:")
    if sys.stdin.readline().strip() != "yes":
        raise CommandFailed("Nothing was done; --yes answers in advance")


def shown(value: Any) -> str:
    """A value as people read it: nothing is `-`, control characters are `?`."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "".join(letter if letter.isprintable() else "?" for letter in str(value))


def say_table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Columns as wide as their widest value; the last one ends where its text ends."""
    lines = [list(head), *([shown(value) for value in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        say("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def say_pairs(pairs: Iterable[tuple[str, Any]]) -> None:
    """Names and their values, one a line, the values below each other."""
    known = list(pairs)
    width = max((len(name) for name, _ in known), default=0)
    for name, value in known:
        say(f"{name.ljust(width)}  {shown(value)}".rstrip())


DEFAULT_FILE = Path("/etc/rheod/rheod.toml")


@dataclass(slots=True)
class Options:
    """What was given for the options that decide whom a command asks."""

    config: Path | None = None
    """The settings file; None leaves it to $RHEOD_CONFIG or the default."""
    account: str | None = None
    """The reference of a member account; None is the owner's own account, or all of them."""


pass_options = click.make_pass_decorator(Options, ensure=True)


def settings_of(options: Options) -> Settings:
    """All settings; CommandFailed with one line per wrong one, exit status 2."""
    from rheod.config.loading import SettingsError, load_settings  # noqa: PLC0415 - light commands do without pydantic

    credentials = None
    if not os.environ.get("CREDENTIALS_DIRECTORY"):
        # the secrets that setup hands to the service lie beside the settings file: whoever may read them has them too
        file = options.config or Path(os.environ.get("RHEOD_CONFIG") or DEFAULT_FILE)
        secrets = file.parent / "secrets"
        credentials = secrets if os.access(secrets, os.R_OK | os.X_OK) else None
    try:
        return load_settings(config_file=options.config, environ=os.environ, credentials_dir=credentials)
    except SettingsError as error:
        raise CommandFailed(str(error), status=WRONG_USAGE) from error


def give_to_owner(folder: Path, files: Iterable[Path]) -> None:
    """What root has put into a folder of rheod's own user must be that user's, else the daemon could not open it."""
    owner = folder.stat()
    if os.geteuid() != 0 or owner.st_uid == 0:
        return
    for file in files:
        with suppress(FileNotFoundError):
            os.chown(file, owner.st_uid, owner.st_gid, follow_symlinks=False)


def _note(context: click.Context, parameter: click.Parameter, value: Path | str | None) -> None:
    """Keep an option's value for the command, whichever of `rheod`, its group and itself it was given to."""
    if value is not None and parameter.name is not None:
        setattr(context.ensure_object(Options), parameter.name, value)


def _config_option(*, hidden: bool = False) -> click.Option:
    return click.Option(
        ["--config"],
        metavar="FILE",
        type=click.Path(path_type=Path),
        hidden=hidden,
        expose_value=False,
        callback=_note,
        help="Settings file (default: $RHEOD_CONFIG, else /etc/rheod/rheod.toml).",
    )


with_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
with_account = click.option(
    "--account",
    metavar="REF",
    expose_value=False,
    callback=_note,
    help="The member account with this reference (default: your own account).",
)


class Command(click.Command):
    """A command; without `uses_settings` it takes `--config` and its help does not list it."""

    def __init__(self, *args: Any, uses_settings: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(_config_option(hidden=not uses_settings))


class Group(click.Group):
    """A command of commands, listed in the order in which they are written."""

    command_class = Command

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("no_args_is_help", False)
        super().__init__(*args, **kwargs)
        self.params.append(_config_option())

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """In the order in which they are written, where click sorts them."""
        return list(self.commands)


class LazyGroup(Group):
    """A group whose commands are imported when they are used; help and completion do without."""

    def __init__(self, *args: Any, lazy: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        """`lazy` has for each command its place (`module:name`) and what it does, in a few words."""
        super().__init__(*args, **kwargs)
        self._lazy = lazy

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """All of them, loaded or not."""
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module, if this is its first use."""
        if cmd_name in self._lazy and cmd_name not in self.commands:
            module, _, name = self._lazy[cmd_name][0].partition(":")
            self.add_command(getattr(import_module(module), name), cmd_name)
        return super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it, but with the nearest name of all commands, loaded or not."""
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as error:
            raise click.exceptions.NoSuchCommand(
                error.command_name, possibilities=self._lazy, ctx=ctx
            ) from error

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without loading any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, does) for name, (_, does) in self._lazy.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the commands' names without loading any, and the options."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - only the shell asks for it

        found = [
            CompletionItem(name, help=does)
            for name, (_, does) in self._lazy.items()
            if name.startswith(incomplete)
        ]
        return found + click.Command.shell_complete(self, ctx, incomplete)


_INTERRUPTED = 130
_COMMANDS = {
    "serve": ("rheod.cli.serve:serve", "run the daemon in the foreground"),
    "demo": ("rheod.cli.serve:demo", "the whole loop on this machine, without accounts"),
    "sandbox": ("rheod.cli.serve:sandbox", "only the simulators, to develop against"),
    "config": ("rheod.cli.support:config", "check and show the settings"),
    "keys": ("rheod.cli.access:keys", "API keys of partners"),
    "admin-token": ("rheod.cli.access:admin_token", "make and print a new admin token"),
    "support-bundle": (
        "rheod.cli.support:support_bundle",
        "how this rheod is, in a file for somebody else: no secret, no buyer, no item's text",
    ),
    "setup": ("rheod.cli.setup:setup", "write settings file, folders and units; safe to run twice"),
    "uninstall": ("rheod.cli.setup:uninstall", "remove what setup made"),
    "password": ("rheod.cli.access:password", "make and print a new dashboard password"),
    "items": ("rheod.cli.items:items", "see and publish items"),
    "orders": ("rheod.cli.orders:orders", "see what was sold, pack it, say what became of it"),
    "templates": ("rheod.cli.selling:templates", "the words above and below every ad"),
    "relist": ("rheod.cli.selling:relist", "what comes back unsold, and how to stop it"),
    "categories": (
        "rheod.cli.tradera:categories",
        "find Tradera's categories, and choose those that items go into",
    ),
    "shipping": ("rheod.cli.tradera:shipping", "what buyers pay for freight, by weight"),
    "schedule": ("rheod.cli.selling:schedule", "when auctions end, and how to move that"),
    "webhooks": ("rheod.cli.access:webhooks", "where events go, and how that went"),
    "tradera": ("rheod.cli.tradera:tradera", "connect sellers by a login at Tradera"),
    "backup": ("rheod.cli.backup:backup", "put a verified copy away, while rheod runs"),
    "restore": ("rheod.cli.backup:restore", "begin anew from a backup, with rheod stopped"),
    "status": ("rheod.cli.health:status", "what runs, what waits and until when"),
    "doctor": ("rheod.cli.health:doctor", "look for what is wrong, each with its fix"),
    "healthcheck": ("rheod.cli.health:healthcheck", "exit status 0 when the daemon is well"),
    "version": ("rheod.cli.main:version", "the version of this program"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and answer its exit status."""
    if sys.flags.optimize:
        note(
            "rheod: does not run with python -O or PYTHONOPTIMIZE: its safety checks would be gone. Unset it"
        )
        return WRONG_USAGE
    os.umask(0o077)  # what rheod keeps is its own user's alone, also where no unit says so
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        status: int = root.main(argv, prog_name="rheod", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        message, context = error.format_message(), error.ctx if isinstance(error, click.UsageError) else None
        path = "rheod" if context is None else context.command_path
        note(f"rheod: {message}{'' if message.endswith(('.', '?')) else '.'} See: {path} --help")
        return WRONG_USAGE
    except RheodError as error:
        for line in str(error).splitlines():
            note(f"rheod: {line}")
        return error.status if isinstance(error, CommandFailed) else FAILED
    except BrokenPipeError:  # `rheod items list | head`: the reader has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (click.Abort, KeyboardInterrupt):
        return _INTERRUPTED
    return status


@click.group(
    cls=LazyGroup,
    lazy=_COMMANDS,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Exit status: 0 done, 1 failed, 2 wrong usage or settings, 3 healthy but needs attention.",
)
@click.version_option(rheod.__version__, message="rheod %(version)s")
@click.pass_context
def root(context: click.Context) -> int:
    """Sells a reseller's items on Tradera."""
    if context.invoked_subcommand is None:
        say(context.get_help())
    return OK


@click.command(cls=Command, uses_settings=False)
@with_json
def version(*, as_json: bool) -> int:
    """Print the version of this program."""
    if as_json:
        say_json({"version": rheod.__version__})
    else:
        say(f"rheod {rheod.__version__}")
    return OK
