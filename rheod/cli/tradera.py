"""`rheod tradera`: connecting a seller by a login in the browser, and how long that login lasts."""

from __future__ import annotations

import select
import sys
from datetime import datetime
from typing import Any
from urllib.parse import quote

import click

from rheod.cli import FAILED, NEEDS_ATTENTION, OK, CommandFailed
from rheod.cli.daemon_client import ask, ask_daemon
from rheod.cli.main import Group, Options, pass_options, with_account, with_json
from rheod.cli.printing import note, say, say_json, say_table

_LOOK_S = 2.0
_SOON_DAYS = 30


@click.group(cls=Group)
def tradera() -> None:
    """Connect sellers by a login at Tradera."""


@tradera.command()
@click.option("--user", metavar="U", help="The seller's number or alias at Tradera, if not in the settings.")
@click.option("--finish", is_flag=True, help="The login is done: take the token now.")
@with_json
@with_account
@pass_options
def connect(options: Options, *, user: str | None, finish: bool, as_json: bool) -> int:
    """Print the address of a login at Tradera, and take the token when it is done.

    At a terminal the command waits for the login; elsewhere run it again with --finish. It needs a running daemon.
    """
    if finish:
        return _finish(options, user, as_json=as_json)
    begun = ask_daemon(options, "POST", "/tradera/connect")
    if as_json:
        say_json(begun)
        return OK
    note("Open this in the seller's browser and sign in at Tradera:")
    say(begun["address"])
    known = begun["userId"] or user
    if not sys.stdin.isatty():
        note("Then run: rheod tradera connect --finish" + ("" if known else " --user NUMBER_OR_ALIAS"))
        return OK
    note("When Tradera says that it is done, press Enter here.")
    if _wait(options):
        return _print_connected(options, as_json=as_json)
    if not known:
        note("The seller's number or alias at Tradera:")
        user = sys.stdin.readline().strip()
    return _finish(options, user, as_json=as_json)


@tradera.command()
@with_json
@pass_options
def status(options: Options, *, as_json: bool) -> int:
    """Show who sells as whom, and for how long.

    The exit status is 3 when an account is paused or its token ends within 30 days.
    """
    answer = ask(options, "GET", "/tradera/connections")
    now = datetime.now().astimezone()
    for each in answer["accounts"]:
        ends_at = each["tokenEndsAt"]
        each["daysLeft"] = None if ends_at is None else max(0, (datetime.fromisoformat(ends_at) - now).days)
    if as_json:
        say_json(answer)
    else:
        columns = ("userId", "tokenFrom", "tokenEndsAt", "daysLeft", "state", "reason")
        say_table(
            ("ACCOUNT", "USER", "TOKEN FROM", "ENDS", "DAYS LEFT", "STATE", "WHY"),
            [
                [each["reference"] or "(your own)", *(each[name] for name in columns)]
                for each in answer["accounts"]
            ],
        )
    pressing = [
        each
        for each in answer["accounts"]
        if each["state"] == "paused" or (each["daysLeft"] is not None and each["daysLeft"] < _SOON_DAYS)
    ]
    return NEEDS_ATTENTION if pressing else OK


@tradera.group(cls=Group)
def quota() -> None:
    """How many calls Tradera allows, and what was learned of it."""


@quota.command(name="show")
@with_json
@pass_options
def show_quota(options: Options, *, as_json: bool) -> int:
    """Show each method's limit, how much of it is used, what fits today and when the last waiting ad goes out."""
    answer = ask(options, "GET", "/tradera/quota")
    if as_json:
        say_json(answer)
        return OK
    say(answer["text"])
    say_table(
        ("METHOD", "USED", "LIMIT", "KEPT FOR SALES", "COMES FREE", "RESTS UNTIL"),
        [
            [each[name] for name in ("method", "used", "limit", "kept", "freesAt", "restsUntil")]
            for each in answer["methods"]
        ],
    )
    return OK


@quota.command()
@click.argument("method", metavar="METHOD", help="The method, as `rheod tradera quota show` names it.")
@pass_options
def forget(options: Options, *, method: str) -> int:
    """Forget what Tradera's refusals have told of METHOD: its limit is again what the settings say."""
    say(ask(options, "POST", f"/tradera/quota/{quote(method, safe='')}/forget")["message"])
    return OK


def _wait(options: Options) -> bool:
    """Until Enter is pressed (False), or the dashboard has finished the login by itself (True). Costs no Tradera call."""
    while not select.select([sys.stdin], [], [], _LOOK_S)[0]:
        account = _account(options)
        if account["loginBegunAt"] is None and account["tokenFrom"]:
            return True
    sys.stdin.readline()
    return False


def _finish(options: Options, user: str | None, *, as_json: bool) -> int:
    try:
        ask_daemon(options, "POST", "/tradera/finish", {"user": user} if user else {})
    except CommandFailed as error:
        note(f"rheod: {error}")
        return FAILED
    return _print_connected(options, as_json=as_json)


def _print_connected(options: Options, *, as_json: bool) -> int:
    account = _account(options)
    if as_json:
        say_json(account)
    else:
        ends = account["tokenEndsAt"] or "at a time unknown"
        say(f"Connected as Tradera user {account['userId']}; the token ends {ends}.")
    return OK


def _account(options: Options) -> dict[str, Any]:
    """The connection of the account that `--account` names."""
    answer = ask_daemon(options, "GET", "/tradera/connections")
    return next(each for each in answer["accounts"] if each["reference"] == options.account)
