"""`rheod schedule`: when auctions end, another end for one, and the calendar to subscribe to."""

from __future__ import annotations

from urllib.parse import quote, urlencode

import click

from rheod.cli import OK
from rheod.cli.daemon_client import ask
from rheod.cli.main import Group, Options, pass_options, with_account, with_json
from rheod.cli.printing import say, say_json, say_table


@click.group(cls=Group)
def schedule() -> None:
    """See and move when auctions end."""


@schedule.command()
@click.option("--from", "since", metavar="TIME", help="Ends from this time on (RFC 3339; default: now).")
@click.option("--to", "until", metavar="TIME", help="Ends before this time (default: two weeks on).")
@with_json
@with_account
@pass_options
def show(options: Options, *, since: str | None, until: str | None, as_json: bool) -> int:
    """List the auctions that end, planned ones too, the next first."""
    wanted = {"from": since, "to": until}
    query = urlencode({name: value for name, value in wanted.items() if value is not None})
    answer = ask(options, "GET", f"/integration/v1/schedule?{query}")
    if as_json:
        say_json(answer)
        return OK
    columns = ("endAt", "externalId", "state", "goesOutAt", "days", "title")
    rows = [[each[column] for column in columns] for each in answer["ends"]]
    say_table(("ENDS", "EXTERNAL ID", "STATE", "GOES OUT", "DAYS", "TITLE"), rows)
    return OK


@schedule.command()
@click.argument("external_id", metavar="ID", help="The external id.")
@click.argument(
    "time", metavar="TIME", help="When it shall end (RFC 3339, such as 2026-12-06T20:15:00+01:00)."
)
@with_json
@with_account
@pass_options
def move(options: Options, *, external_id: str, time: str, as_json: bool) -> int:
    """Give an auction that is not out yet another end."""
    place = quote(external_id, safe="", errors="surrogateescape")
    answer = ask(options, "POST", f"/rheod/schedule/{place}/move", {"endAt": time})
    if as_json:
        say_json(answer)
    else:
        say(f"{answer['externalId']} ends {answer['endAt']}, goes out {answer['goesOutAt']}")
    return OK


@schedule.command()
@click.option("--revoke", is_flag=True, help="The address of before shows nothing any more.")
@with_account
@pass_options
def feed(options: Options, *, revoke: bool) -> int:
    """Print the path of the calendar file for phones; whoever knows it may read it."""
    if revoke:
        say(ask(options, "DELETE", "/rheod/schedule/feed")["message"])
    else:
        say(ask(options, "POST", "/rheod/schedule/feed")["path"])
    return OK
