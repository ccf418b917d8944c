"""`rheod status`: what runs, what waits and until when; exit status 3 when the owner should look."""

from __future__ import annotations

from typing import Any

import click

from rheod.cli import NEEDS_ATTENTION, OK
from rheod.cli.command import Command, Options, pass_options, with_json
from rheod.cli.daemon_client import ask_daemon
from rheod.cli.printing import say, say_json, say_pairs


@click.command(cls=Command)
@with_json
@pass_options
def status(options: Options, *, as_json: bool) -> int:
    """Show what runs, what waits and until when.

    It needs a running daemon. The exit status is 3 when something needs you.
    """
    answer = ask_daemon(options, "GET", "/status")
    found = attention(answer)
    if as_json:
        say_json({**answer, "attention": found})
    else:
        say_pairs(_lines(answer))
        for sentence in found:
            say(f"ATTENTION: {sentence}")
    return NEEDS_ATTENTION if found else OK


def attention(answer: dict[str, Any]) -> list[str]:
    """What needs the owner, in sentences with what to do."""
    found = [f"{one['text']}. {one['fix']}" for one in answer["findings"]]
    left = [
        account
        for account in answer["accounts"]
        if account["state"] == "removed" and (account["publishingsWaiting"] or account["salesWaiting"])
    ]
    return found + [
        f"{account['salesWaiting']} sales and {account['publishingsWaiting']} publishings wait"
        f" for {'account ' + account['reference'] if account['reference'] else 'your own account'}:"
        f" {account['reason']}"
        for account in left
    ]


def _lines(answer: dict[str, Any]) -> list[tuple[str, Any]]:
    budget, push = answer["budget"], answer["push"]
    calls = f"{budget['used']} of {budget['limit']} in {budget['windowHours']} h; {budget['left']} left, "
    calls += f"{budget['leftForPublishing']} of them for publishing"
    push_state = f"last answer {push['lastAnswer'] or 'not yet'}" if push["configured"] else "no queue set"
    return [
        ("version", answer["version"]),
        ("items", _counts(answer["items"])),
        ("jobs waiting", _counts(answer["jobs"])),
        ("jobs running", _counts(answer["running"])),
        ("Tradera calls", calls),
        *(("account", _account(one)) for one in answer["accounts"]),
        *(
            ("pause", f"{one['what']} until {one['until']}: {one['reason']}")
            for one in answer["pauses"]
            if one["what"] != "account"
        ),
        ("push", push_state),
        ("last push message", answer["lastPushMessage"]),
        ("push messages", _counts(answer["inbox"])),
        ("unmatched sales", answer["unmatchedSales"]),
    ]


def _counts(numbers: dict[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in numbers.items() if number) or "none"


def _account(account: dict[str, Any]) -> str:
    """One account in a line: what it does, and what of it waits."""
    text = f"{account['reference'] or '(your own)'} {account['state']}"
    if account["until"]:
        text += f" until {account['until']}"
    if account["userId"]:
        text += f", Tradera user {account['userId']}"
    text += f", {account['callsUsed']} calls"
    if account["publishingsWaiting"]:
        text += f", {account['publishingsWaiting']} publishings wait"
    if account["salesWaiting"]:
        text += f", {account['salesWaiting']} sales to look up"
    return text
