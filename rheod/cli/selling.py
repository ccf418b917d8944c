"""`rheod relist`, `schedule`, `templates`: what comes back unsold, when auctions end, and the words around every ad."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import click

from rheod.cli import OK
from rheod.cli.daemon_client import ask
from rheod.cli.main import (
    Group,
    Options,
    note,
    pass_options,
    say,
    say_json,
    say_pairs,
    say_table,
    with_account,
    with_json,
)

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


@relist.command()
@click.option("--enabled/--disabled", default=None, help="Whether what ends unsold comes back by itself.")
@click.option("--floor", type=float, help="The lowest price: kronor, or below 1 a share of the first price.")
@click.option("--times", type=int, help="How often at most.")
@click.option("--step", "steps", multiple=True, help='A share such as 0.9, or "-10%"; again for each return.')
@click.option("--round", "rounded", type=click.Choice(["1", "5", "9", "10"]), help="9: prices end in 9.")
@click.option("--wait-h", type=float, help="Hours between the end and the return.")
@click.option("--stop-after-days", type=float, help="Days after the first ad when it is over.")
@click.option("--then", type=click.Choice(["not_listed", "fixed_price", "tell"]), help="After the last.")
@click.option("--below-reserve", type=click.Choice(["keep", "drop", "lower"]), help="What becomes of it.")
@with_json
@pass_options
def rule(
    options: Options, /, *, steps: tuple[str, ...], rounded: str | None, as_json: bool, **given: Any
) -> int:
    """Show the rule for returns, or change it: what is not named stays."""
    body = _named(given)
    if steps:
        try:
            body["steps"] = [each if each.endswith("%") else float(each) for each in steps]
        except ValueError as error:
            raise click.UsageError('A step is a share such as 0.9, or "-10%"') from error
    if rounded is not None:
        body["round"] = int(rounded)
    return _kept(ask(options, "PATCH" if body else "GET", "/relist/rule", body or None), as_json=as_json)


def _named(given: Mapping[str, object]) -> dict[str, object]:
    """The options that were given, as the daemon calls them."""
    return {
        re.sub(r"_(.)", lambda found: found[1].upper(), name): value
        for name, value in given.items()
        if value is not None
    }


def _kept(answer: dict[str, Any], *, as_json: bool) -> int:
    """What stands now, and that only the settings file can change it where it says so."""
    if as_json:
        say_json(answer)
        return OK
    shown = {name: value for name, value in answer.items() if name != "locked"}
    say_pairs(
        (name, ", ".join(map(str, value)) if isinstance(value, list) else value)
        for name, value in shown.items()
    )
    if answer["locked"]:
        note("It stands in the settings file: change it there")
    return OK


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


@schedule.command("plan")
@click.option("--window", "windows", multiple=True, help='Such as "Sun-Thu 19:00-21:30"; again for each.')
@click.option("--no-windows", is_flag=True, help="Auctions end whenever it comes.")
@click.option("--spacing-min", type=int, help="Minutes between two ends.")
@click.option("--per-window", type=int, help="At most so many in a window of a day; 0: as many as fit.")
@click.option("--per-category", type=int, help="Of them at most so many of one category; 0: as many as fit.")
@click.option("--days", "durations", type=int, multiple=True, help="Days an auction may run; again for each.")
@with_json
@pass_options
def plan_of_ends(
    options: Options,
    /,
    *,
    windows: tuple[str, ...],
    no_windows: bool,
    durations: tuple[int, ...],
    as_json: bool,
    **given: int | None,
) -> int:
    """Show when auctions may end, or change it: what is not named stays; the windows that are named are all there are."""
    body = _named(given)
    if windows or no_windows:
        body["windows"] = list(windows)
    if durations:
        body["durations"] = list(durations)
    return _kept(ask(options, "PATCH" if body else "GET", "/schedule/plan", body or None), as_json=as_json)


@schedule.command("pause")
@pass_options
def pause_all(options: Options) -> int:
    """Let no ad of any account go out until further notice. What is up stays up."""
    say(ask(options, "POST", "/rheod/schedule/pause")["message"])
    return OK


@schedule.command("resume")
@pass_options
def resume_all(options: Options) -> int:
    """Let ads go out again that were paused."""
    say(ask(options, "POST", "/rheod/schedule/resume")["message"])
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


_PART = click.argument("part", type=click.Choice(["header", "footer"]), help="Above or below the ad's text.")
_ACCOUNT = click.option("--member", "account", metavar="REF", help="For ads of this member account alone.")
_CATEGORY = click.option(
    "--category",
    metavar="NUMBER",
    type=int,
    help="For ads in this category of Tradera's, and in those within it.",
)


@click.group(cls=Group)
def templates() -> None:
    """Keep the words above and below every ad."""


@templates.command("list")
@with_json
@pass_options
def list_templates(options: Options, *, as_json: bool) -> int:
    """List all that apply; those of the settings file are changed there."""
    found = ask(options, "GET", "/templates")
    if as_json:
        say_json(found)
        return OK
    rows = [
        [
            each["part"],
            "all" if each["account"] is None else each["account"] or "(your own)",
            each["category"] or "all",
            "settings file" if each["locked"] else "",
            each["text"].replace("\n", " / "),
        ]
        for each in found["templates"]
    ]
    say_table(("PART", "ACCOUNT", "CATEGORY", "FROM", "TEXT"), rows)
    return OK


@templates.command("set")
@_PART
@click.argument("text", help="The words, with fields such as {externalId}; - reads them from standard input.")
@_ACCOUNT
@_CATEGORY
@with_json
@pass_options
def set_template(
    options: Options, *, part: str, text: str, account: str | None, category: int | None, as_json: bool
) -> int:
    """Keep words for every ad, for an account or for a category; the closest ones apply."""
    words = sys.stdin.read().strip("\n") if text == "-" else text
    return _put(options, {"part": part, "text": words, "account": account, "category": category}, as_json)


@templates.command()
@_PART
@_ACCOUNT
@_CATEGORY
@with_json
@pass_options
def remove(options: Options, *, part: str, account: str | None, category: int | None, as_json: bool) -> int:
    """Take words away; those that are less close apply again."""
    return _put(options, {"part": part, "text": "", "account": account, "category": category}, as_json)


def _put(options: Options, body: dict[str, object], as_json: bool) -> int:  # noqa: FBT001 - the commands' own
    ask(options, "PUT", "/templates", body)
    if as_json:
        say_json(body)
    else:
        say("Kept: it stands in every ad made from now on." if body["text"] else "Taken away.")
    return OK
