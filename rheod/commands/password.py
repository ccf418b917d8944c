"""`rheod password`: a new password for the dashboard, made by rheod or typed by the owner. It is printed alone, once."""

from __future__ import annotations

import sys
from argparse import Namespace

from rheod.commands import OK, WRONG_USAGE, CommandFailed
from rheod.commands.asking import ask
from rheod.commands.printing import note, say, say_json


def new(arguments: Namespace) -> int:
    """`rheod password [--stdin]`: the earlier one is void and every session ends."""
    made = ask(arguments, "POST", "/password", _wanted() if arguments.stdin else None)
    if arguments.json:
        say_json(made)
    elif arguments.stdin:
        say("The password is set.")
    else:
        note("The new dashboard password; the earlier one is void. It is shown this once:")
        say(made["password"])
    return OK


def _wanted() -> dict[str, str]:
    password = sys.stdin.readline().strip()
    if not password:
        raise CommandFailed("No password came on standard input: write it in one line", status=WRONG_USAGE)
    return {"password": password}
