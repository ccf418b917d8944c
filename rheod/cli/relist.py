"""`rheod relist`: what comes back unsold, at what price and why, and how to stop it."""

from __future__ import annotations

from urllib.parse import quote

import click

from rheod.cli import OK
from rheod.cli.daemon_client import ask
from rheod.cli.main import Group, Options, pass_options, with_account, with_json
from rheod.cli.printing import note, say, say_json, say_pairs, say_table

_ONE_OR_ALL = "Name one item, or say --all"


@click.group(cls=Group)
def relist() -> None:
    """See and stop what comes back unsold."""


@relist.command()
@click.option("--days", type=click.IntRange(1, 400), default=7, help="So many days ahead (1-400, default 7).")
@with_json
@with_account
@pass_options
def plan(options: Options, *, days: int, as_json: bool) -> int:
    """List what comes back, the next first."""
    answer = ask(options, "GET", f"/rheod/relist?days={days}")
    if as_json:
        say_json(answer)
        return OK
    rows = [
        [
            each["nextAt"],
            each["externalId"],
            each["previousPrice"],
            each["nextPrice"],
            "held" if each["held"] else each["reason"],
            each["title"],
        ]
        for each in answer["returns"]
    ]
    say_table(("TIME", "EXTERNAL ID", "SEK BEFORE", "SEK", "WHY", "TITLE"), rows)
    if answer["days"]:
        say_table(
            ("DAY", "ADS", "CALLS", "DO NOT FIT"),
            [[each["day"], each["ads"], each["calls"], each["tooMany"] or ""] for each in answer["days"]],
        )
    if answer["paused"]:
        note("All of it is paused: `rheod relist resume --all` lets it go on")
    return OK


@relist.command()
@click.argument("external_id", metavar="ID", required=False, help="The external id of one item.")
@click.option("--all", "every", is_flag=True, help="Everything, also what ends from now on.")
@with_account
@pass_options
def pause(options: Options, *, external_id: str | None, every: bool) -> int:
    """Hold one item's return back, or with --all every one."""
    return _hold(options, external_id, every=every, held=True)


@relist.command()
@click.argument("external_id", metavar="ID", required=False, help="The external id of one item.")
@click.option("--all", "every", is_flag=True, help="Everything that was paused with --all.")
@with_account
@pass_options
def resume(options: Options, *, external_id: str | None, every: bool) -> int:
    """Let a return that is held go on."""
    return _hold(options, external_id, every=every, held=False)


def _hold(options: Options, external_id: str | None, *, every: bool, held: bool) -> int:
    if every == (external_id is not None):
        raise click.UsageError(_ONE_OR_ALL)
    if external_id is None:
        answer = ask(options, "POST", f"/rheod/relist/{'pause' if held else 'resume'}")
    else:
        place = quote(external_id, safe="", errors="surrogateescape")
        answer = ask(options, "POST", f"/rheod/relist/{place}/{'pause' if held else 'resume'}")
    say(answer["message"])
    return OK


@relist.command()
@click.argument("external_id", metavar="ID", help="The external id.")
@with_json
@with_account
@pass_options
def explain(options: Options, *, external_id: str, as_json: bool) -> int:
    """Say whether one item comes back, when, at what price, and why; and what was decided before."""
    place = quote(external_id, safe="", errors="surrogateescape")
    item = ask(options, "GET", f"/items/{place}")
    history = ask(options, "GET", f"/integration/v1/items/{place}/history?limit=100")
    decided = [
        each
        for each in history["events"]
        if each["eventType"] in {"relist.planned", "relist.stopped", "listing.relisted"}
    ]
    if as_json:
        say_json({"relist": item["relist"], "decisions": decided})
        return OK
    back = item["relist"]
    if back is None:
        say("It does not come back: no rule says so, or nothing of it is up or planned.")
    else:
        lines = [
            ("comes back", "held" if back["held"] else back["nextAt"]),
            ("at", None if back["nextPrice"] is None else f"{back['nextPrice']} SEK"),
            ("return", f"{back['attempt']} of {back['of']}"),
            ("why", back["reason"]),
        ]
        say_pairs(lines)
    if decided:
        say_table(
            ("TIME", "DECIDED"), [[each["createdAt"], each["data"].get("reason", "")] for each in decided]
        )
    return OK
