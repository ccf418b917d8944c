"""`rheod status`: what runs, what waits and until when; exit status 3 when the owner should look."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from rheod.cli import NEEDS_ATTENTION, OK
from rheod.cli.daemon_client import ask_daemon
from rheod.cli.printing import say, say_json, say_pairs


def show(arguments: Namespace) -> int:
    """`rheod status`; without a daemon there is no status to tell, and it fails."""
    status = ask_daemon(arguments, "GET", "/status")
    found = attention(status)
    if arguments.json:
        say_json({**status, "attention": found})
    else:
        say_pairs(_lines(status))
        for sentence in found:
            say(f"ATTENTION: {sentence}")
    return NEEDS_ATTENTION if found else OK


def attention(status: dict[str, Any]) -> list[str]:
    """What needs the owner, in sentences with what to do."""
    found = [f"{one['text']}. {one['fix']}" for one in status["findings"]]
    left = [
        account
        for account in status["accounts"]
        if account["state"] == "removed" and (account["publishingsWaiting"] or account["salesWaiting"])
    ]
    return found + [
        f"{account['salesWaiting']} sales and {account['publishingsWaiting']} publishings wait"
        f" for {_name(account)}: {account['reason']}"
        for account in left
    ]


def _lines(status: dict[str, Any]) -> list[tuple[str, Any]]:
    budget, push = status["budget"], status["push"]
    calls = f"{budget['used']} of {budget['limit']} in {budget['windowHours']} h; {budget['left']} left, "
    calls += f"{budget['leftForPublishing']} of them for publishing"
    push_words = f"last answer {push['lastAnswer'] or 'not yet'}" if push["configured"] else "no queue set"
    return [
        ("version", status["version"]),
        ("items", _counts(status["items"])),
        ("jobs waiting", _counts(status["jobs"])),
        ("jobs running", _counts(status["running"])),
        ("Tradera calls", calls),
        *(("account", _account(one)) for one in status["accounts"]),
        *(
            ("pause", f"{one['what']} until {one['until']}: {one['reason']}")
            for one in status["pauses"]
            if one["what"] != "account"
        ),
        ("push", push_words),
        ("last push message", status["lastPushMessage"]),
        ("push messages", _counts(status["inbox"])),
        ("unmatched sales", status["unmatchedSales"]),
    ]


def _counts(numbers: dict[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in numbers.items() if number) or "none"


def _name(account: dict[str, Any]) -> str:
    return f"account {account['reference']}" if account["reference"] else "your own account"


def _account(account: dict[str, Any]) -> str:
    """One account in a line: what it does, and what of it waits."""
    words = f"{account['reference'] or '(your own)'} {account['state']}"
    if account["until"]:
        words += f" until {account['until']}"
    if account["userId"]:
        words += f", Tradera user {account['userId']}"
    words += f", {account['callsUsed']} calls"
    if account["publishingsWaiting"]:
        words += f", {account['publishingsWaiting']} publishings wait"
    if account["salesWaiting"]:
        words += f", {account['salesWaiting']} sales to look up"
    return words
