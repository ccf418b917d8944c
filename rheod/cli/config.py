"""`rheod config`: whether the settings are right, what they are and where from, and what there is to set."""

from __future__ import annotations

from argparse import Namespace

from rheod.cli import OK, CommandFailed
from rheod.cli.daemon_client import load
from rheod.cli.printing import say, say_json, say_table
from rheod.config import loading as owner


def check(arguments: Namespace) -> int:
    """`rheod config check`: every wrong setting at once, exit status 2; warnings do not fail it."""
    try:
        settings = load(arguments)
    except CommandFailed as error:
        if arguments.json:
            say_json({"ok": False, "problems": str(error).splitlines()})
        raise
    warnings, missing = owner.warnings(settings), owner.missing_at_start(settings)
    if arguments.json:
        say_json({"ok": True, "warnings": warnings, "publishingWaitsFor": missing})
        return OK
    say("The settings are right.")
    for sentence in warnings:
        say(f"warning: {sentence}")
    if missing:
        say(f"Publishing will wait until these are set: {', '.join(missing)}")
    return OK


def show(arguments: Namespace) -> int:
    """`rheod config show`: each setting in force and its origin, secrets as stars."""
    values = owner.masked(load(arguments))
    if arguments.json:
        say_json(values)
        return OK
    say_table(("SETTING", "VALUE", "FROM"), ([key, one["value"], one["from"]] for key, one in values.items()))
    return OK


def schema(_arguments: Namespace) -> int:
    """`rheod config schema`: the settings file as a JSON Schema, for editors."""
    say_json(owner.Settings.model_json_schema())
    return OK
