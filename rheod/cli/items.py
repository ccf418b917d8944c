"""`rheod items`: what rheod sells, how far each item is, publishing one (again), settling a doubt about its ad.

The table leaves the buyer out: it is for a screen that others may see. `--json` has everything.
"""

from __future__ import annotations

import sys
from typing import Any
from urllib.parse import quote, urlencode

import click

from rheod.cli import FAILED, NEEDS_ATTENTION, OK, CommandFailed
from rheod.cli.daemon_client import ask
from rheod.cli.main import (
    Group,
    Options,
    confirm,
    note,
    pass_options,
    say,
    say_json,
    say_pairs,
    say_table,
    shown,
    with_account,
    with_json,
)
from rheod.cli.tradera import check_stock

_WARNING = {
    "live": "rheod will tell the ERP that this ad is up and look after it.",
    "not live": "rheod will let the item be published again: if its ad is up after all, it is sold twice.",
}
_LONGEST = 1000
_with_id = click.argument("external_id", metavar="ID", help="The external id.")


@click.group(cls=Group)
def items() -> None:
    """See and publish items."""


@items.command("list")
@click.option("--status", help="Only draft, active, sold, not_listed or archived ones.")
@click.option(
    "--failed", is_flag=True, help="Only those that Tradera refused, or whose ad could not be changed."
)
@click.option("--limit", type=int, default=100, help="At most so many (1-1000, default 100).")
@click.option("--after", metavar="POSITION", help="Go on where an earlier list ended.")
@with_json
@with_account
@pass_options
def list_items(
    options: Options, *, status: str | None, failed: bool, limit: int, after: str | None, as_json: bool
) -> int:
    """List items, the oldest change first."""
    answer = _page(options, status=status, failed=failed, limit=limit, after=after)
    if as_json:
        say_json(answer)
        return OK
    columns = ("externalId", "status", "traderaStatus", "price", "updatedAt", "title", "lastError")
    rows = [[item[column] for column in columns] for item in answer["items"]]
    say_table(("EXTERNAL ID", "STATUS", "TRADERA", "SEK", "UPDATED", "TITLE", "LAST ERROR"), rows)
    if answer["next"] is not None:
        note(f"There are more: add --after {answer['next']}")
    return OK


def _page(
    options: Options, *, status: str | None = None, failed: bool, limit: int, after: str | None
) -> dict[str, Any]:
    wanted = {
        "limit": limit,
        "status": status,
        "traderaStatus": "sync_error" if failed else None,
        "after": after,
    }
    query = urlencode({name: value for name, value in wanted.items() if value is not None})
    answer: dict[str, Any] = ask(options, "GET", f"/items?{query}")
    return answer


@items.command()
@_with_id
@click.option("--limit", type=int, default=100, help="At most so many (1-1000, default 100).")
@click.option("--cursor", metavar="POSITION", help="Go on where an earlier list ended.")
@with_json
@with_account
@pass_options
def history(options: Options, *, external_id: str, limit: int, cursor: str | None, as_json: bool) -> int:
    """Tell what happened to one item, the newest first."""
    query = urlencode({"limit": limit, **({"cursor": cursor} if cursor else {})})
    place = quote(external_id, safe="", errors="surrogateescape")
    answer = ask(options, "GET", f"/integration/v1/items/{place}/history?{query}")
    if as_json:
        say_json(answer)
        return OK
    rows = [
        [
            event["createdAt"],
            event["eventType"],
            ", ".join(f"{name} {shown(value)}" for name, value in (event["data"] or {}).items()),
        ]
        for event in answer["events"]
    ]
    say_table(("TIME", "EVENT", "WHAT"), rows)
    if answer["nextCursor"] is not None:
        note(f"There are more: add --cursor {answer['nextCursor']}")
    return OK


@items.command()
@_with_id
@with_json
@with_account
@pass_options
def show(options: Options, *, external_id: str, as_json: bool) -> int:
    """Show one item: how far it is and what it waits for."""
    item = ask(options, "GET", _target(external_id))
    if as_json:
        say_json(item)
        return OK
    queue, held = item["queue"], item["held"]
    place = f"position {queue['position']}, expected to go out {queue['expectedAt']}" if queue else None
    why = None
    if held is not None:
        missing = f" (missing: {', '.join(held['missing'])})" if held["missing"] else ""
        why = f"since {held['since']}: {held['reason']}{missing}"
    lines = [
        ("external id", item["externalId"]),
        ("title", item["title"]),
        ("type", item["type"]),
        ("price", None if item["price"] is None else f"{item['price']} SEK"),
        ("status", item["rheoStatus"]),
        ("at Tradera", item["traderaStatus"]),
        ("ad", item["traderaAdUrl"] or item["traderaAdId"]),
        ("waits", item["waitsFor"] or place),
        ("waits since", item["waitsSince"]),
        ("next try", item["nextTry"]),
        ("held", why),
        ("last error", None if held else item["lastError"]),
        ("last warning", item["lastWarning"]),
        ("updated", item["updatedAt"]),
    ]
    for picture in item["images"]:
        parts = [picture["state"], picture["url"], picture["error"] or picture["warning"]]
        lines.append(("picture", "  ".join(part for part in parts if part)))
    say_pairs(lines)
    return OK


@items.command()
@_with_id
@click.option(
    "--dry-run",
    is_flag=True,
    help="Show the exact request, the checks and the cost in calls; call nobody, change nothing.",
)
@with_json
@with_account
@pass_options
def publish(options: Options, *, external_id: str, dry_run: bool, as_json: bool) -> int:
    """Order a publishing.

    The exit status of a dry run is 3 when the item would not be published however long one waits.
    """
    if not dry_run:
        return print_message(ask(options, "POST", f"{_target(external_id)}/publish"), as_json=as_json)
    report = ask(options, "GET", f"{_target(external_id)}/dry-run")
    status = NEEDS_ATTENTION if report["stops"] else OK
    if as_json:
        say_json(report)
        return status
    for check in report["checks"]:
        say(f"{check['verdict']:5}  {shown(check['text'])}")
    say()
    for step in report["steps"]:
        say(f"{step['method']} {step['url']}")
        if step["body"] is not None:
            say_json(step["body"])
    say()
    pairs = [("cost", f"{report['calls']} Tradera calls"), ("goes out", report["goesAt"])]
    say_pairs([*pairs, ("called", "nobody: this was a dry run")])
    return status


@items.command()
@click.argument("external_id", metavar="[ID]", required=False, help="The external id.")
@click.option("--all-failed", is_flag=True, help="All that `rheod items list --failed` lists.")
@click.option("--yes", is_flag=True, help="With --all-failed: do not say how many and ask back.")
@with_json
@with_account
@pass_options
def retry(options: Options, *, external_id: str | None, all_failed: bool, yes: bool, as_json: bool) -> int:
    """Publish again after a failure.

    Of all that failed the exit status is 1 when one of them was refused; each refusal is named.
    """
    if (external_id is not None) == all_failed:
        raise click.UsageError("Give an item's id, or --all-failed")
    if external_id is not None:
        return print_message(ask(options, "POST", f"{_target(external_id)}/publish"), as_json=as_json)
    page = _page(options, failed=True, limit=_LONGEST, after=None)
    ids = [item["externalId"] for item in page["items"]]
    while page["next"] is not None:
        page = _page(options, failed=True, limit=_LONGEST, after=page["next"])
        ids += [item["externalId"] for item in page["items"]]
    confirm(f"{len(ids)} failed items are published again, each for its Tradera calls.", yes=yes or not ids)
    refused = {}
    for each in ids:
        try:
            ask(options, "POST", f"{_target(each)}/publish")
        except CommandFailed as error:
            refused[each] = str(error)
            note(f"rheod: {shown(each)}: {error}")
    ordered = [each for each in ids if each not in refused]
    if as_json:
        say_json({"ordered": ordered, "refused": refused})
    else:
        say(f"Ordered {len(ordered)} of {len(ids)} failed items once more.")
    return FAILED if refused else OK


@items.command()
@_with_id
@click.option("--live", metavar="AD_ID", type=int, help="The ad is up under this number at Tradera.")
@click.option("--not-live", is_flag=True, help="There is no such ad; it may be published again.")
@click.option("--yes", is_flag=True, help="Do not ask back.")
@with_json
@with_account
@pass_options
def settle(
    options: Options, *, external_id: str, live: int | None, not_live: bool, yes: bool, as_json: bool
) -> int:
    """Say what became of an ad that Tradera gave no answer about.

    Look for the ad in My Tradera, then give --live with its number, or --not-live.
    """
    if (live is None) != not_live:
        raise click.UsageError("Give --live with the ad's number, or --not-live")
    answer = "live" if live is not None else "not live"
    if not yes:
        note(_WARNING[answer])
        note(f"Type the words «{answer}» to go on:")
        if sys.stdin.readline().strip() != answer:
            raise CommandFailed("Nothing was changed; --yes answers in advance")
    found = {"live": False if live is None else live}
    return print_message(ask(options, "POST", f"{_target(external_id)}/settle", found), as_json=as_json)


items.add_command(check_stock)


def print_message(answer: dict[str, Any], *, as_json: bool) -> int:
    """Print what the daemon has answered to an order."""
    if as_json:
        say_json(answer)
    else:
        say(answer["message"])
    return OK


def _target(external_id: str) -> str:
    return f"/items/{quote(external_id, safe='', errors='surrogateescape')}"
