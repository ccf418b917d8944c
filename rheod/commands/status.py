"""`rheod status`: what runs, what waits and until when; exit status 3 when the owner should look."""

from __future__ import annotations

from argparse import Namespace
from datetime import datetime, timedelta
from typing import Any

from rheod.commands import NEEDS_ATTENTION, OK
from rheod.commands.asking import ask_daemon
from rheod.commands.printing import say, say_json, say_pairs

_PUSH_SILENT = timedelta(minutes=2)
"""A long poll answers within 20 s; after this the queue does not."""


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
    """What does not mend itself, in sentences."""
    found = []
    if status["publishingWaitsFor"]:
        found.append(
            f"publishing waits for Tradera credentials: set {', '.join(status['publishingWaitsFor'])}"
        )
    for account in status["accounts"]:
        if account["state"] == "paused":
            found.append(
                f"all Tradera calls of {_name(account)} wait until {account['until']}: {account['reason']}"
            )
        elif account["state"] == "removed" and (account["publishingsWaiting"] or account["salesWaiting"]):
            found.append(
                f"{account['salesWaiting']} sales and {account['publishingsWaiting']} publishings wait"
                f" for {_name(account)}: {account['reason']}"
            )
    if doubts := status["listingsInDoubt"]:
        found.append(
            f"{doubts} ads may or may not be up: find them with `rheod items list`, look in My Tradera, then"
            " `rheod items settle`"
        )
    if kept := status["inbox"].get("quarantined"):
        found.append(f"{kept} push messages could not be understood and are kept aside")
    answered = status["push"]["lastAnswer"]
    if answered and _moment(status["now"]) - _moment(answered) > _PUSH_SILENT:
        found.append(
            f"the push queue has not answered since {answered}; sales are found by reconciliation only"
        )
    return found


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


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
