"""What has to do with Tradera itself: `rheod tradera` (logins, and the quota of calls), `rheod categories`, `rheod shipping`.

Sellers are connected by a login in the browser. Of categories and freight it shows what rheod has read, and what the owner
decides of them; `rheod items check` looks at the whole stock. None of that costs a call to Tradera.
"""

from __future__ import annotations

import select
import sys
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

import click

from rheod.cli import FAILED, NEEDS_ATTENTION, OK, CommandFailed
from rheod.cli.daemon_client import ask, ask_daemon
from rheod.cli.main import (
    Command,
    Group,
    Options,
    note,
    pass_options,
    say,
    say_json,
    say_table,
    shown,
    with_account,
    with_json,
)

_LOOK_S = 2.0
_SOON_DAYS = 30


@click.group(cls=Group)
def tradera() -> None:
    """Connect sellers by a login at Tradera."""


@tradera.command()
@click.option("--user", metavar="U", help="The seller's number or alias at Tradera, if not in the settings.")
@click.option("--finish", is_flag=True, help="The login is done: take the token now.")
@with_json
@with_account
@pass_options
def connect(options: Options, *, user: str | None, finish: bool, as_json: bool) -> int:
    """Print the address of a login at Tradera, and take the token when it is done.

    At a terminal the command waits for the login; elsewhere run it again with --finish. It needs a running daemon.
    """
    if finish:
        return _finish(options, user, as_json=as_json)
    begun = ask_daemon(options, "POST", "/tradera/connect")
    if as_json:
        say_json(begun)
        return OK
    note("Open this in the seller's browser and sign in at Tradera:")
    say(begun["address"])
    known = begun["userId"] or user
    if not sys.stdin.isatty():
        note("Then run: rheod tradera connect --finish" + ("" if known else " --user NUMBER_OR_ALIAS"))
        return OK
    note("When Tradera says that it is done, press Enter here.")
    while not select.select([sys.stdin], [], [], _LOOK_S)[0]:
        account = _account(options)  # the dashboard may have finished the login; looking costs no call
        if account["loginBegunAt"] is None and account["tokenFrom"]:
            return _print_connected(options, as_json=as_json)
    sys.stdin.readline()
    if not known:
        note("The seller's number or alias at Tradera:")
        user = sys.stdin.readline().strip()
    return _finish(options, user, as_json=as_json)


@tradera.command()
@with_json
@pass_options
def status(options: Options, *, as_json: bool) -> int:
    """Show who sells as whom, and for how long.

    The exit status is 3 when an account is paused or its token ends within 30 days.
    """
    answer = ask(options, "GET", "/tradera/connections")
    now = datetime.now().astimezone()
    for each in answer["accounts"]:
        ends_at = each["tokenEndsAt"]
        each["daysLeft"] = None if ends_at is None else max(0, (datetime.fromisoformat(ends_at) - now).days)
    if as_json:
        say_json(answer)
    else:
        columns = ("userId", "tokenFrom", "tokenEndsAt", "daysLeft", "state", "reason")
        say_table(
            ("ACCOUNT", "USER", "TOKEN FROM", "ENDS", "DAYS LEFT", "STATE", "WHY"),
            [
                [each["reference"] or "(your own)", *(each[name] for name in columns)]
                for each in answer["accounts"]
            ],
        )
    pressing = [
        each
        for each in answer["accounts"]
        if each["state"] == "paused" or (each["daysLeft"] is not None and each["daysLeft"] < _SOON_DAYS)
    ]
    return NEEDS_ATTENTION if pressing else OK


@tradera.group(cls=Group)
def quota() -> None:
    """How many calls Tradera allows, and what was learned of it."""


@quota.command(name="show")
@with_json
@pass_options
def show_quota(options: Options, *, as_json: bool) -> int:
    """Show each method's limit, how much of it is used, what fits today and when the last waiting ad goes out."""
    answer = ask(options, "GET", "/tradera/quota")
    if as_json:
        say_json(answer)
        return OK
    say(answer["text"])
    say_table(
        ("METHOD", "USED", "LIMIT", "KEPT FOR SALES", "COMES FREE", "RESTS UNTIL"),
        [
            [each[name] for name in ("method", "used", "limit", "kept", "freesAt", "restsUntil")]
            for each in answer["methods"]
        ],
    )
    return OK


@quota.command()
@click.argument("method", metavar="METHOD", help="The method, as `rheod tradera quota show` names it.")
@pass_options
def forget(options: Options, *, method: str) -> int:
    """Forget what Tradera's refusals have told of METHOD: its limit is again what the settings say."""
    say(ask(options, "POST", f"/tradera/quota/{quote(method, safe='')}/forget")["message"])
    return OK


def _finish(options: Options, user: str | None, *, as_json: bool) -> int:
    try:
        ask_daemon(options, "POST", "/tradera/finish", {"user": user} if user else {})
    except CommandFailed as error:
        note(f"rheod: {error}")
        return FAILED
    return _print_connected(options, as_json=as_json)


def _print_connected(options: Options, *, as_json: bool) -> int:
    account = _account(options)
    if as_json:
        say_json(account)
    else:
        ends = account["tokenEndsAt"] or "at a time unknown"
        say(f"Connected as Tradera user {account['userId']}; the token ends {ends}.")
    return OK


def _account(options: Options) -> dict[str, Any]:
    """The connection of the account that `--account` names."""
    answer = ask_daemon(options, "GET", "/tradera/connections")
    return next(each for each in answer["accounts"] if each["reference"] == options.account)


_LOCKED = "The settings file has {name}, which wins over what these commands say"
_rule_id = click.argument("rule_id", metavar="RULE", type=click.IntRange(1), help="The rule's number.")


@click.group(cls=Group)
def rules() -> None:
    """Rules that choose a category: the first that takes an item wins."""


@rules.command("list")
@with_json
@pass_options
def list_rules(options: Options, *, as_json: bool) -> int:
    """List the rules in their order, with the defaults behind them."""
    choices = ask(options, "GET", "/categories/choices")
    if as_json:
        say_json(choices)
        return OK
    rows = []
    for each in choices["rules"]:
        wanted = [
            each["account"] is not None and f"account {each['account'] or '(your own)'}",
            each["domain"] is not None and f"domain {each['domain']}",
            each["words"] is not None and f'"{each["words"]}" in the title',
            *(f"{name} = {value}" for name, value in (each["metadata"] or {}).items()),
        ]
        takes = " and ".join(part for part in wanted if part) or "anything"
        rows.append([each["id"], takes, each["category"], each["fault"] or each["path"]])
    rows += [
        ["default", f"domain {each['domain']}", each["category"], each["path"]]
        for each in choices["defaults"]
    ]
    say_table(("RULE", "ITEMS WITH", "CATEGORY", "WHICH IS"), rows)
    say("What no rule and no default takes " + ("is guessed" if choices["guess"] else "is held") + ".")
    locked = [each["domain"] for each in choices["defaults"] if each["locked"]]
    if choices["rulesLocked"]:
        note(_LOCKED.format(name="categories.rules"))
    if locked:
        note(_LOCKED.format(name="tradera.defaults.category_id: " + ", ".join(locked)))
    return OK


@rules.command()
@click.argument("category", type=click.IntRange(1), metavar="LEAF", help="Tradera's number of a leaf.")
@click.option("--domain", help="Only items of this domain.")
@click.option("--words", help="Only items whose title has words that begin so.")
@click.option("--metadata", metavar="KEY=VALUE", help="Only items with this value in their metadata.")
@click.option("--only-account", metavar="REF", help="Only items of this member account; '' is your own.")
@click.option("--place", type=click.IntRange(1), help="Where among the rules, from 1 (default: last).")
@pass_options
def add(  # noqa: PLR0913 - the options of a command
    options: Options,
    *,
    category: int,
    domain: str | None,
    words: str | None,
    metadata: str | None,
    only_account: str | None,
    place: int | None,
) -> int:
    """Add a rule: items that are all of this go into the category, a leaf of Tradera's."""
    given = {"domain": domain, "words": words, "place": place}
    body: dict[str, Any] = {"category": category}
    body |= {name: value for name, value in given.items() if value is not None}
    if metadata is not None:
        key, equals, value = metadata.partition("=")
        if not (key and equals and value):
            raise click.BadParameter("must be KEY=VALUE", param_hint="--metadata")
        body["metadata"] = {key: value}
    if only_account is not None:
        body["account"] = only_account
    made = ask(options, "POST", "/categories/rules", body)
    say(f"Rule {made['id']} added. What it settles goes out at once.")
    return OK


@rules.command()
@_rule_id
@click.argument("place", type=click.IntRange(1), help="From 1.")
@pass_options
def move(options: Options, *, rule_id: int, place: int) -> int:
    """Put a rule at another place among the rules, from 1."""
    ask(options, "POST", f"/categories/rules/{rule_id}/move", {"place": place})
    say(f"Rule {rule_id} is at place {place}.")
    return OK


@rules.command()
@_rule_id
@pass_options
def remove(options: Options, *, rule_id: int) -> int:
    """Take a rule away."""
    ask(options, "DELETE", f"/categories/rules/{rule_id}")
    say(f"Rule {rule_id} removed.")
    return OK


@click.command(cls=Command)
@click.argument("domain", help="The kind of goods, such as auto_parts.")
@click.argument("category", metavar="LEAF", help="Tradera's number of a leaf, or none.")
@pass_options
def default(options: Options, *, domain: str, category: str) -> int:
    """Choose the category of a domain, a leaf of Tradera's; `none` takes the choice back."""
    if category != "none" and not category.isdecimal():
        raise click.BadParameter("must be Tradera's number of a leaf, or `none`", param_hint="LEAF")
    number = None if category == "none" else int(category)
    answer = ask(options, "PUT", f"/categories/defaults/{quote(domain, safe='')}", {"category": number})
    say(
        f"Items of {answer['domain']} go into {category}."
        if number
        else f"{answer['domain']} has no default now."
    )
    return OK


@click.command(cls=Command)
@click.argument("state", type=click.Choice(("on", "off")), help="on or off.")
@pass_options
def guess(options: Options, *, state: str) -> int:
    """Let rheod guess where nothing else says the category, or hold such items (`off`)."""
    ask(options, "PUT", "/categories/guess", {"guess": state == "on"})
    say("rheod guesses, and says so." if state == "on" else "Items without a category are held.")
    return OK


@click.group(cls=Group)
def conditions() -> None:
    """What words and grades of condition become at Tradera: the first of the terms that a leaf knows."""


@conditions.command("list")
@with_json
@pass_options
def list_conditions(options: Options, *, as_json: bool) -> int:
    """List the words with their terms; yours are marked."""
    choices = ask(options, "GET", "/categories/choices")
    if as_json:
        say_json(choices["conditions"])
        return OK
    rows = [
        [each["word"], ", ".join(each["terms"]), "yours" if each["own"] else "rheod's"]
        for each in choices["conditions"]
    ]
    say_table(("WORD OR GRADE", "BECOMES THE FIRST KNOWN OF", "BY"), rows)
    if choices["conditionsLocked"]:
        note(_LOCKED.format(name="categories.condition_words"))
    return OK


@conditions.command("set")
@click.argument("word", help="A grade such as B, or a word of conditionGrade or condition.")
@click.argument("terms", nargs=-1, required=True, help="Terms as Tradera has them, the wanted one first.")
@pass_options
def set_condition(options: Options, *, word: str, terms: tuple[str, ...]) -> int:
    """Say what a word or grade becomes."""
    ask(options, "PUT", f"/categories/conditions/{quote(word, safe='')}", {"terms": list(terms)})
    say(f"{shown(word)} becomes {', '.join(map(shown, terms))}: the first that the category knows.")
    return OK


@conditions.command("remove")
@click.argument("word", help="The word or grade.")
@pass_options
def remove_condition(options: Options, *, word: str) -> int:
    """Take back what you have said of a word: it becomes what rheod ships, if it ships anything."""
    answer = ask(options, "PUT", f"/categories/conditions/{quote(word, safe='')}", {"terms": []})
    becomes = ", ".join(answer["terms"])
    say(f"{shown(word)} becomes {becomes}." if becomes else f"{shown(word)} means nothing by itself now.")
    return OK


@click.command("check", cls=Command)
@with_json
@pass_options
def check_stock(options: Options, *, as_json: bool) -> int:
    """Check the category and attributes of every item that may still be put up, without a call to Tradera.

    The exit status is 3 when one is or would be held.
    """
    found = ask(options, "GET", "/stock-check")
    status = NEEDS_ATTENTION if found["held"] else OK
    if as_json:
        say_json(found)
        return status
    rows = [
        [each["externalId"], each["category"], each["fault"] or "; ".join(each["warnings"]), each["title"]]
        for each in sorted(found["items"], key=lambda each: each["fault"] is None)
    ]
    if rows:
        say_table(("EXTERNAL ID", "CATEGORY", "WHAT", "TITLE"), rows)
    say(
        f"{found['checked']} checked: {found['held']} held, {found['guessed']} with a guessed category,"
        f" {found['unknown']} of which rheod cannot say yet."
    )
    return status


_UNREAD = "Tradera's categories were not read yet: rheod reads them when it runs and tradera.app_id and app_key are set"
_CATEGORIES = "/integration/v1/tradera/categories"


@click.group(cls=Group)
def categories() -> None:
    """Find Tradera's categories, as rheod has read them, and choose those that items go into."""


for _choice in (rules, default, guess, conditions):
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
