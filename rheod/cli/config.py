"""`rheod config`: whether the settings are right, what they are and where from, and what there is to set."""

from __future__ import annotations

import click

from rheod.cli import OK, WRONG_USAGE, CommandFailed
from rheod.cli.daemon_client import load
from rheod.cli.main import Group, Options, pass_options, with_json
from rheod.cli.printing import say, say_json, say_table
from rheod.config import loading
from rheod.config.sections import Storage
from rheod.config.settings import Settings


@click.group(cls=Group)
def config() -> None:
    """Check and show the settings."""


@config.command()
@with_json
@pass_options
def check(options: Options, *, as_json: bool) -> int:
    """Name everything that is wrong.

    Every wrong setting is named at once, with its fix; the exit status is then 2. Warnings do not change it.
    """
    try:
        settings = load(options)
        _require_folder(settings)
    except CommandFailed as error:
        if as_json:
            say_json({"ok": False, "problems": str(error).splitlines()})
        raise
    warnings, missing = loading.warnings(settings), loading.missing_at_start(settings)
    if as_json:
        say_json({"ok": True, "warnings": warnings, "publishingWaitsFor": missing})
        return OK
    say("The settings are right.")
    for sentence in warnings:
        say(f"warning: {sentence}")
    if missing:
        say(f"Publishing will wait until these are set: {', '.join(missing)}")
    return OK


def _require_folder(settings: Settings) -> None:
    """CommandFailed when `storage.path` names what is no folder; the default's is made by setup or by systemd."""
    folder, origin = settings.storage.path, settings.origin(("storage", "path"))
    if not folder.exists():
        if folder == Storage.model_fields["path"].default:
            return
        wrong = f"there is no folder {folder}; mend the path, or make it: `install -d -m 700 -o rheod -g rheod {folder}`"
    elif not folder.is_dir():
        wrong = f"{folder} is not a folder; name another one"
    else:
        return
    raise CommandFailed(f"storage.path ({origin}): {wrong}", status=WRONG_USAGE)


@config.command()
@with_json
@pass_options
def show(options: Options, *, as_json: bool) -> int:
    """Show the settings in force and where they come from.

    Secrets are shown as stars.
    """
    values = loading.masked(load(options))
    if as_json:
        say_json(values)
        return OK
    say_table(("SETTING", "VALUE", "FROM"), ([key, one["value"], one["from"]] for key, one in values.items()))
    return OK


@config.command(uses_settings=False)
@click.option("--json", is_flag=True, hidden=True, expose_value=False)
def schema() -> int:
    """Print the settings file's JSON Schema, for editors."""
    say_json(loading.Settings.model_json_schema())
    return OK
