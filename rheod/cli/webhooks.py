"""`rheod webhooks`: where events go, how their delivery went, and telling them again."""

from __future__ import annotations

from argparse import Namespace
from typing import Any
from urllib.parse import quote, urlencode

from rheod.cli import FAILED, OK, WRONG_USAGE, CommandFailed
from rheod.cli.daemon_client import ask, ask_daemon
from rheod.cli.printing import note, say, say_json, say_table

_ENDPOINTS = "/integration/webhooks"


def listing(arguments: Namespace) -> int:
    """`rheod webhooks list`."""
    answer = ask(arguments, "GET", _ENDPOINTS)
    if arguments.json:
        say_json(answer)
        return OK
    rows = [
        [
            one["id"],
            one["url"],
            _events(one),
            one["scope"],
            one["active"],
            one["failCount"],
            one["secretHint"],
            one["description"],
        ]
        for one in answer["endpoints"]
    ]
    say_table(("ID", "URL", "EVENTS", "SCOPE", "ACTIVE", "FAILURES", "SECRET", "DESCRIPTION"), rows)
    return OK


def add(arguments: Namespace) -> int:
    """`rheod webhooks add URL [--event E]`: the secret alone on standard output."""
    wanted = {
        "url": arguments.url,
        "eventTypes": arguments.event,
        "scope": arguments.scope,
        "description": arguments.description,
    }
    made = ask(arguments, "POST", _ENDPOINTS, {key: value for key, value in wanted.items() if value})
    return _say_secret(arguments, made, f"The webhook endpoint {made['id']} is told {_events(made)} events.")


def rotate(arguments: Namespace) -> int:
    """`rheod webhooks rotate ID`."""
    made = ask(arguments, "POST", f"{_target(arguments)}/rotate-secret")
    return _say_secret(arguments, made, "The old secret signs beside the new one for 24 hours.")


def enable(arguments: Namespace) -> int:
    """`rheod webhooks enable ID`."""
    return _switch(arguments, active=True, told="Enabled: the events it kept go out now, in order.")


def disable(arguments: Namespace) -> int:
    """`rheod webhooks disable ID`."""
    return _switch(arguments, active=False, told="Disabled: its events are kept until it is enabled again.")


def test(arguments: Namespace) -> int:
    """`rheod webhooks test ID`: fails when the endpoint does not take the test event; the daemon sends it."""
    answer = ask_daemon(arguments, "POST", f"{_target(arguments)}/test")
    if arguments.json:
        say_json(answer)
    elif answer["success"]:
        say(f"It answered {answer['httpStatus']} after {answer['durationMs']} ms.")
    else:
        note(f"rheod: not taken after {answer['durationMs']} ms: {answer['errorMessage']}")
    return OK if answer["success"] else FAILED


def deliveries(arguments: Namespace) -> int:
    """`rheod webhooks deliveries`: newest first."""
    names = ("endpoint", "event", "status", "before", "limit")
    wanted = {name: getattr(arguments, name) for name in names}
    query = urlencode({name: value for name, value in wanted.items() if value is not None})
    answer = ask(arguments, "GET", f"/integration/webhook-deliveries?{query}")
    if arguments.json:
        say_json(answer)
        return OK
    columns = ("id", "createdAt", "eventType", "externalId", "status", "httpStatus", "attempt", "durationMs")
    rows = [[one[column] for column in (*columns, "errorMessage")] for one in answer["deliveries"]]
    say_table(("ID", "TIME", "EVENT", "ITEM", "STATUS", "HTTP", "TRY", "MS", "ERROR"), rows)
    if len(rows) == arguments.limit:
        note(f"There may be more: add --before {rows[-1][0]}")
    return OK


def replay(arguments: Namespace) -> int:
    """`rheod webhooks replay EVENT`, or `--since T`."""
    if (arguments.event is None) == (arguments.since is None):
        raise CommandFailed("Give an event's id, or --since with a time", status=WRONG_USAGE)
    body = {"endpointId": arguments.endpoint} if arguments.endpoint else {}
    if arguments.since is not None:
        answer = ask(arguments, "POST", "/rheod/events/replay", {**body, "since": arguments.since})
    else:
        answer = ask(arguments, "POST", f"/rheod/events/{_quoted(arguments.event)}/replay", body)
    if arguments.json:
        say_json(answer)
    else:
        say(answer["message"])
    return OK


def _switch(arguments: Namespace, *, active: bool, told: str) -> int:
    answer = ask(arguments, "PATCH", _target(arguments), {"active": active})
    if arguments.json:
        say_json(answer)
    else:
        say(told)
    return OK


def _say_secret(arguments: Namespace, made: dict[str, Any], told: str) -> int:
    if arguments.json:
        say_json(made)
    else:
        note(f"{told} Its secret is shown this once:")
        say(made["secret"])
    return OK


def _events(endpoint: dict[str, Any]) -> str:
    return ", ".join(endpoint["eventTypes"]) or "all"


def _target(arguments: Namespace) -> str:
    return f"{_ENDPOINTS}/{_quoted(arguments.id)}"


def _quoted(text: str) -> str:
    return quote(text, safe="", errors="surrogateescape")
