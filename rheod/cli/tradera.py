"""`rheod tradera`: connecting a seller by a login in the browser, and how long that login lasts."""

from __future__ import annotations

import select
import sys
from argparse import Namespace
from datetime import datetime
from typing import Any

from rheod.cli import FAILED, NEEDS_ATTENTION, OK, CommandFailed
from rheod.cli.daemon_client import ask, ask_daemon
from rheod.cli.printing import note, say, say_json, say_table

_LOOK_S = 2.0
_SOON_DAYS = 30


def connect(arguments: Namespace) -> int:
    """`rheod tradera connect`: print the login's address; at a terminal wait until it is done, and finish it."""
    if arguments.finish:
        return _finish(arguments)
    begun = ask_daemon(arguments, "POST", "/tradera/connect")
    if arguments.json:
        say_json(begun)
        return OK
    note("Open this in the seller's browser and sign in at Tradera:")
    say(begun["address"])
    known = begun["userId"] or arguments.user
    finish = "rheod tradera connect --finish" + ("" if known else " --user NUMBER_OR_ALIAS")
    if not sys.stdin.isatty():
        note(f"Then run: {finish}")
        return OK
    note("When Tradera says that it is done, press Enter here.")
    if _wait(arguments):
        return _tell(arguments)
    if not known:
        note("The seller's number or alias at Tradera:")
        arguments.user = sys.stdin.readline().strip()
    return _finish(arguments)


def status(arguments: Namespace) -> int:
    """`rheod tradera status`: each account, its user, where its token comes from and for how long."""
    answer = ask(arguments, "GET", "/tradera/connections")
    now = datetime.now().astimezone()
    for each in answer["accounts"]:
        ends_at = each["tokenEndsAt"]
        each["daysLeft"] = None if ends_at is None else max(0, (datetime.fromisoformat(ends_at) - now).days)
    if arguments.json:
        say_json(answer)
    else:
        head = ("ACCOUNT", "USER", "TOKEN FROM", "ENDS", "DAYS LEFT", "STATE", "WHY")
        columns = ("userId", "tokenFrom", "tokenEndsAt", "daysLeft", "state", "reason")
        say_table(
            head,
            [
                [each["reference"] or "(your own)", *(each[name] for name in columns)]
                for each in answer["accounts"]
            ],
        )
    return NEEDS_ATTENTION if any(map(_needs_owner, answer["accounts"])) else OK


def _needs_owner(account: dict[str, Any]) -> bool:
    days: int | None = account["daysLeft"]
    return (days is not None and days < _SOON_DAYS) or account["state"] == "paused"


def _wait(arguments: Namespace) -> bool:
    """Until Enter is pressed (False), or the dashboard has finished the login by itself (True). Costs no Tradera call."""
    while not select.select([sys.stdin], [], [], _LOOK_S)[0]:
        own = _own(arguments)
        if own["loginBegunAt"] is None and own["tokenFrom"]:
            return True
    sys.stdin.readline()
    return False


def _own(arguments: Namespace) -> dict[str, Any]:
    answer = ask_daemon(arguments, "GET", "/tradera/connections")
    reference = getattr(arguments, "account", None)
    return next(each for each in answer["accounts"] if each["reference"] == reference)


def _finish(arguments: Namespace) -> int:
    try:
        ask_daemon(arguments, "POST", "/tradera/finish", {"user": arguments.user} if arguments.user else {})
    except CommandFailed as error:
        note(f"rheod: {error}")
        return FAILED
    return _tell(arguments)


def _tell(arguments: Namespace) -> int:
    own = _own(arguments)
    if arguments.json:
        say_json(own)
    else:
        say(
            f"Connected as Tradera user {own['userId']}; the token ends {own['tokenEndsAt'] or 'at a time unknown'}."
        )
    return OK
