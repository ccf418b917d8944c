"""Who may call rheod, and who is told: `rheod keys`, `rheod admin-token`, `rheod password` and `rheod webhooks`.

Secrets are printed alone on standard output, once, for scripts to take.
"""

from __future__ import annotations

import sys
from typing import Any
from urllib.parse import quote, urlencode

import click

from rheod.cli import FAILED, OK, WRONG_USAGE, CommandFailed
from rheod.cli.daemon_client import ask, ask_daemon
from rheod.cli.main import (
    Command,
    Group,
    Options,
    confirm,
    note,
    pass_options,
    say,
    say_json,
    say_table,
    shown,
    with_account,
    with_json,
)


@click.group(cls=Group)
def keys() -> None:
    """Make, list and revoke the API keys of partners."""


@keys.command()
@click.option("--name", required=True, help="Whose key it is, for you to tell them apart.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(["items", "orders"]),
    help="What it opens, once for each; without: items.",
)
@with_json
@with_account
@pass_options
def create(options: Options, *, name: str, scopes: tuple[str, ...], as_json: bool) -> int:
    """Make a key and print it once."""
    made = ask(options, "POST", "/keys", {"name": name, "scopes": list(scopes) or ["items"]})
    if as_json:
        say_json(made)
    else:
        note(f"The API key {made['name']!r}, id {made['id']}. It is shown this once:")
        say(made["apiKey"])
    return OK


@keys.command("list")
@with_json
@with_account
@pass_options
def list_keys(options: Options, *, as_json: bool) -> int:
    """List all keys, revoked ones too."""
    answer = ask(options, "GET", "/keys")
    if as_json:
        say_json(answer)
        return OK
    columns = ("id", "name", "prefix", "createdAt", "lastUsedAt", "revokedAt")
    rows = [[*(key[column] for column in columns), ", ".join(key["scopes"])] for key in answer["keys"]]
    say_table(("ID", "NAME", "PREFIX", "CREATED", "LAST USED", "REVOKED", "OPENS"), rows)
    return OK


@keys.command()
@click.argument("key_id", metavar="ID", help="The key's id, see `rheod keys list`.")
@with_json
@pass_options
def revoke(options: Options, *, key_id: str, as_json: bool) -> int:
    """Make a key worthless."""
    ask(options, "DELETE", f"/keys/{quote(key_id, safe='', errors='surrogateescape')}")
    if as_json:
        say_json({"revoked": key_id})
    else:
        say("Revoked: it opens nothing from the next request on.")
    return OK


@click.command(cls=Command)
@with_json
@pass_options
def admin_token(options: Options, *, as_json: bool) -> int:
    """Make and print a new admin token; the earlier one is void."""
    made = ask(options, "POST", "/admin-token")
    if as_json:
        say_json(made)
    else:
        note("The new admin token; the earlier one is void. It is shown this once:")
        say(made["adminToken"])
    return OK


@click.command(cls=Command)
@click.option("--stdin", is_flag=True, help="Take it from standard input instead.")
@with_json
@pass_options
def password(options: Options, *, stdin: bool, as_json: bool) -> int:
    """Make and print a new dashboard password.

    The earlier one is void, and every session ends.
    """
    wanted = None
    if stdin:
        wanted = {"password": sys.stdin.readline().strip()}
        if not wanted["password"]:
            raise CommandFailed(
                "No password came on standard input: write it in one line", status=WRONG_USAGE
            )
    made = ask(options, "POST", "/password", wanted)
    if as_json:
        say_json(made)
    elif stdin:
        say("The password is set.")
    else:
        note("The new dashboard password; the earlier one is void. It is shown this once:")
        say(made["password"])
    return OK


_ENDPOINTS = "/integration/webhooks"
_with_yes = click.option("--yes", is_flag=True, help="Do not ask back.")
_with_id = click.argument("endpoint_id", metavar="ID", help="The endpoint's id, see `rheod webhooks list`.")


@click.group(cls=Group)
def webhooks() -> None:
    """See and change where events go, and how that went."""


@webhooks.command("list")
@with_json
@with_account
@pass_options
def list_endpoints(options: Options, *, as_json: bool) -> int:
    """List the endpoints that events are sent to."""
    answer = ask(options, "GET", _ENDPOINTS)
    if as_json:
        say_json(answer)
        return OK
    off = {True: "off after failures", False: "off by hand"}
    rows = [
        [
            one["id"],
            one["url"],
            _events(one),
            one["scope"],
            "on" if one["active"] else off[bool(one["failCount"])],
            one["failCount"],
            one["secretHint"],
            one["description"],
        ]
        for one in answer["endpoints"]
    ]
    say_table(("ID", "URL", "EVENTS", "SCOPE", "STATE", "FAILURES", "SECRET", "DESCRIPTION"), rows)
    return OK


@webhooks.command()
@click.argument("url", metavar="URL", help="Where events are sent, HTTPS.")
@click.option(
    "--event",
    "events",
    multiple=True,
    metavar="E",
    help="Such events, e.g. item.sold, or `*` for all; repeatable. Without it: Rheo's six.",
)
@click.option(
    "--scope",
    type=click.Choice(["self", "members"]),
    help="Own events, or those of the member accounts.",
)
@click.option("--description", metavar="TEXT", help="For you to tell them apart.")
@with_json
@with_account
@pass_options
def add(
    options: Options,
    *,
    url: str,
    events: tuple[str, ...],
    scope: str | None,
    description: str | None,
    as_json: bool,
) -> int:
    """Send events to another URL; print its secret once."""
    wanted = {"url": url, "eventTypes": list(events), "scope": scope, "description": description}
    made = ask(options, "POST", _ENDPOINTS, {key: value for key, value in wanted.items() if value})
    remark = f"The webhook endpoint {made['id']} is sent {_events(made)} events."
    return _print_secret(made, remark, as_json=as_json)


@webhooks.command()
@_with_id
@click.option("--force", is_flag=True, help="A secret has leaked: the old one ends at once.")
@with_json
@with_account
@pass_options
def rotate(options: Options, *, endpoint_id: str, force: bool, as_json: bool) -> int:
    """Make a new secret; the old one signs beside it for 24 hours."""
    made = ask(options, "POST", f"{_target(endpoint_id)}/rotate-secret", {"force": force})
    told = (
        "The old secret signs no more." if force else "The old secret signs beside the new one for 24 hours."
    )
    return _print_secret(made, told, as_json=as_json)


@webhooks.command()
@_with_id
@with_json
@with_account
@pass_options
def enable(options: Options, *, endpoint_id: str, as_json: bool) -> int:
    """Switch on again: the events it kept go out, in order."""
    answer = ask(options, "PATCH", _target(endpoint_id), {"active": True})
    return _print(answer, "Enabled: the events it kept go out now, in order.", as_json=as_json)


@webhooks.command()
@_with_id
@with_json
@with_account
@pass_options
def disable(options: Options, *, endpoint_id: str, as_json: bool) -> int:
    """Switch off; its events are kept."""
    answer = ask(options, "PATCH", _target(endpoint_id), {"active": False})
    return _print(answer, "Disabled: its events are kept until it is enabled again.", as_json=as_json)


@webhooks.command()
@_with_id
@_with_yes
@with_json
@with_account
@pass_options
def remove(options: Options, *, endpoint_id: str, yes: bool, as_json: bool) -> int:
    """Send nothing there any more, for good; the events it kept are dropped with it."""
    known = ask(options, "GET", _ENDPOINTS)["endpoints"]
    if (found := next((one for one in known if one["id"] == endpoint_id), None)) is None:
        raise CommandFailed("No webhook endpoint has this id: see `rheod webhooks list`")
    confirm(
        f"The endpoint {shown(found['url'])} goes, and the events that it has not taken with it.", yes=yes
    )
    ask(options, "DELETE", _target(endpoint_id))
    return _print({"removed": endpoint_id}, "Removed: nothing is sent there any more.", as_json=as_json)


@webhooks.command()
@_with_id
@click.option("--event", metavar="E", help="Of this type, e.g. item.sold; else one that the endpoint takes.")
@with_json
@with_account
@pass_options
def test(options: Options, *, endpoint_id: str, event: str | None, as_json: bool) -> int:
    """Send a signed event of made-up data now, marked as a test, and print what came of it.

    It needs a running daemon. The exit status is 1 when the endpoint does not take the event.
    """
    wanted = {} if event is None else {"eventType": event}
    answer = ask_daemon(options, "POST", f"{_target(endpoint_id)}/test", wanted)
    if as_json:
        say_json(answer)
    elif answer["success"]:
        say(f"It answered {answer['eventType']} with {answer['httpStatus']} after {answer['durationMs']} ms.")
    else:
        note(f"rheod: not taken after {answer['durationMs']} ms: {answer['errorMessage']}")
    return OK if answer["success"] else FAILED


@webhooks.command()
@click.option("--endpoint", metavar="ID", help="Only those to this endpoint.")
@click.option("--event", metavar="E", help="Only those of this type, or of the event with this id.")
@click.option("--status", type=click.Choice(["success", "failed"]), help="Only those that ended so.")
@click.option("--before", metavar="ID_OR_TIME", help="Only older ones.")
@click.option("--limit", type=int, default=100, help="At most so many (1-100, default 100).")
@with_json
@with_account
@pass_options
def deliveries(options: Options, /, *, as_json: bool, limit: int, **wanted: str | None) -> int:
    """List the latest attempts, newest first."""
    given = {name: value for name, value in wanted.items() if value is not None}
    query = urlencode({**given, "limit": limit})
    answer = ask(options, "GET", f"/integration/webhook-deliveries?{query}")
    if as_json:
        say_json(answer)
        return OK
    columns = ("id", "createdAt", "eventType", "externalId", "status", "httpStatus", "attempt", "durationMs")
    rows = [
        [one[column] for column in (*columns, "errorMessage", "endpointId")] for one in answer["deliveries"]
    ]
    say_table(("ID", "TIME", "EVENT", "ITEM", "STATUS", "HTTP", "TRY", "MS", "ERROR", "ENDPOINT"), rows)
    if len(rows) == limit:
        note(f"There may be more: add --before {rows[-1][0]}")
    return OK


@webhooks.command()
@click.argument("event", metavar="[EVENT]", required=False, help="The event's id.")
@click.option("--since", metavar="T", help="Everything since this time, e.g. 2026-05-26T10:00:00Z.")
@click.option("--endpoint", metavar="ID", help="To this endpoint only.")
@click.option("--yes", is_flag=True, help="With --since: do not say how many and ask back.")
@with_json
@with_account
@pass_options
def replay(
    options: Options, *, event: str | None, since: str | None, endpoint: str | None, yes: bool, as_json: bool
) -> int:
    """Send an event, or all since a time, once more.

    With --since it says how many deliveries that makes, and asks; without a terminal it needs --yes.
    """
    body = {"endpointId": endpoint} if endpoint else {}
    if event is not None and since is None:
        answer = ask(options, "POST", f"/rheod/events/{_quoted(event)}/replay", body)
    elif event is None and since is not None:
        if not yes:
            wanted = {"since": since, **({"endpointId": endpoint} if endpoint else {})}
            count = ask(options, "GET", f"/rheod/events/count?{urlencode(wanted)}")["deliveries"]
            confirm(f"{count} deliveries are made once more.", yes=not count)
        answer = ask(options, "POST", "/rheod/events/replay", {**body, "since": since})
    else:
        raise click.UsageError("Give an event's id, or --since with a time")
    return _print(answer, answer["message"], as_json=as_json)


def _print_secret(made: dict[str, Any], remark: str, *, as_json: bool) -> int:
    if not as_json:
        note(f"{remark} Its secret is shown this once:")
    return _print(made, made["secret"], as_json=as_json)


def _print(answer: dict[str, Any], sentence: str, *, as_json: bool) -> int:
    if as_json:
        say_json(answer)
    else:
        say(sentence)
    return OK


def _events(endpoint: dict[str, Any]) -> str:
    return ", ".join(endpoint["eventTypes"]).replace("*", "all") or "Rheo's six"


def _target(endpoint_id: str) -> str:
    return f"{_ENDPOINTS}/{_quoted(endpoint_id)}"


def _quoted(text: str) -> str:
    return quote(text, safe="", errors="surrogateescape")
