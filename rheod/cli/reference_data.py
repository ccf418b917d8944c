"""`rheod categories`: Tradera's categories and attributes. `rheod shipping`: what buyers pay for freight. Without a call."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import click

from rheod.cli import NEEDS_ATTENTION, OK
from rheod.cli.category_choices import default, guess, rules
from rheod.cli.daemon_client import ask
from rheod.cli.main import Group, Options, pass_options, with_json
from rheod.cli.printing import note, say, say_json, say_table

_UNREAD = "Tradera's categories were not read yet: rheod reads them when it runs and tradera.app_id and app_key are set"
_CATEGORIES = "/integration/v1/tradera/categories"


@click.group(cls=Group)
def categories() -> None:
    """Find Tradera's categories, as rheod has read them, and choose those that items go into."""


for _choice in (rules, default, guess):
    categories.add_command(_choice)


@categories.command()
@click.argument("words", nargs=-1, required=True, help="Words of the names, or beginnings of them.")
@click.option("--below", type=int, metavar="NUMBER", help="Only below this category.")
@click.option("--limit", type=int, default=50, help="At most so many (1-1000, default 50).")
@with_json
@pass_options
def search(options: Options, *, words: tuple[str, ...], below: int | None, limit: int, as_json: bool) -> int:
    """Find categories by words of their names, leaves first. Ads go into leaves only."""
    asked: dict[str, object] = {"q": " ".join(words), "limit": limit}
    query = urlencode(asked if below is None else {**asked, "parent": below})
    answer = ask(options, "GET", f"{_CATEGORIES}?{query}")
    if as_json:
        say_json(answer)
        return OK
    rows = [[each["id"], "yes" if each["leaf"] else "no", each["path"]] for each in answer["categories"]]
    say_table(("NUMBER", "LEAF", "CATEGORY"), rows)
    if answer["readAt"] is None:
        note(_UNREAD)
        return NEEDS_ATTENTION
    if not rows:
        note("No category has these words; a beginning is enough, such as `broms`")
    return OK


@categories.command()
@click.argument("number", type=int, help="Tradera's number of the category.")
@with_json
@pass_options
def attributes(options: Options, *, number: int, as_json: bool) -> int:
    """Show the attributes of a category, and the terms it takes."""
    answer = ask(options, "GET", f"{_CATEGORIES}/{number}/attributes")
    if as_json:
        say_json(answer)
        return OK
    rows = [
        [
            each["name"],
            "yes" if each["required"] else "no",
            each["type"],
            each["maxValues"] or "any",
            ", ".join(each["terms"]),
        ]
        for each in answer["attributes"]
    ]
    say_table(("ATTRIBUTE", "REQUIRED", "TYPE", "MOST", "TERMS"), rows)
    if answer["readAt"] is None:
        note("These attributes were not read yet; a running rheod reads them soon: ask again")
        return NEEDS_ATTENTION
    return OK


@click.group(cls=Group)
def shipping() -> None:
    """See what buyers pay for freight."""


@shipping.command("show")
@click.argument("kilograms", required=False, help="The weight without packaging.")
@with_json
@pass_options
def show_shipping(options: Options, *, kilograms: str | None, as_json: bool) -> int:
    """Show what the ad of an item of this weight offers, and what else Tradera has. Without a weight: what such an ad offers."""
    query = "" if kilograms is None else "?" + urlencode({"weightKg": kilograms.replace(",", ".")})
    answer = ask(options, "GET", f"/integration/v1/tradera/shipping{query}")
    if as_json:
        say_json(answer)
        return OK
    offered = {(each["name"], each["price"]) for each in answer["offered"]}
    others = [each for each in answer["parcels"] if (each["name"], each["price"]) not in offered]
    rows = [_row(each, "yes") for each in answer["offered"]] + [_row(each, "no") for each in others]
    say_table(("FREIGHT", "SEK", "UP TO KG", "DAYS", "OFFERED"), rows)
    if answer["warning"] is not None:
        note(answer["warning"])
    else:
        say(answer["reason"])
    return OK


def _row(parcel: dict[str, Any], offered: str) -> list[object]:
    return [parcel["name"], parcel["price"], parcel["upToKg"], parcel["days"], offered]
