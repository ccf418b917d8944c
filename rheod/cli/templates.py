"""`rheod templates`: the words above and below every ad."""

from __future__ import annotations

import sys

import click

from rheod.cli import OK
from rheod.cli.daemon_client import ask
from rheod.cli.main import Group, Options, pass_options, with_json
from rheod.cli.printing import say, say_json, say_table

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
