"""What all commands are made with: click's commands and groups with `--config`, and options that many commands have.

Every command takes `--config FILE`, before or behind its name; help lists it where the settings matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


@dataclass(slots=True)
class Options:
    """What was given for the options that decide whom a command asks."""

    config: Path | None = None
    """The settings file; None leaves it to $RHEOD_CONFIG or the default."""
    account: str | None = None
    """The reference of a member account; None is the owner's own account, or all of them."""


pass_options = click.make_pass_decorator(Options, ensure=True)


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
