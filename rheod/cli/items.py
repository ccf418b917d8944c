"""`rheod items`: what rheod sells, how far each item is, publishing one (again), settling a doubt about its ad."""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import Any
from urllib.parse import quote, urlencode

from rheod.cli import NEEDS_ATTENTION, OK, CommandFailed
from rheod.cli.daemon_client import ask
from rheod.cli.printing import note, say, say_json, say_pairs, say_table, shown

_WARNING = {
    "live": "rheod will tell the ERP that this ad is up and look after it.",
    "not live": "rheod will let the item be published again: if its ad is up after all, it is sold twice.",
}


def listing(arguments: Namespace) -> int:
    """`rheod items list`: oldest change first."""
    wanted = {"limit": arguments.limit, "status": arguments.status, "after": arguments.after}
    query = urlencode({name: value for name, value in wanted.items() if value is not None})
    answer = ask(arguments, "GET", f"/items?{query}")
    if arguments.json:
        say_json(answer)
        return OK
    columns = ("externalId", "status", "traderaStatus", "price", "updatedAt", "title", "lastError")
    rows = [[item[column] for column in columns] for item in answer["items"]]
    say_table(("EXTERNAL ID", "STATUS", "TRADERA", "SEK", "UPDATED", "TITLE", "LAST ERROR"), rows)
    if answer["next"] is not None:
        note(f"There are more: add --after {answer['next']}")
    return OK


def show(arguments: Namespace) -> int:
    """`rheod items show ID`."""
    item = ask(arguments, "GET", _target(arguments))
    if arguments.json:
        say_json(item)
        return OK
    say_pairs(_lines(item))
    return OK


def _lines(item: dict[str, Any]) -> list[tuple[str, Any]]:
    queue = item["queue"]
    place = f"position {queue['position']}, expected to go out {queue['expectedAt']}" if queue else None
    lines = [
        ("external id", item["externalId"]),
        ("title", item["title"]),
        ("type", item["type"]),
        ("price", None if item["price"] is None else f"{item['price']} SEK"),
        ("status", item["rheoStatus"]),
        ("at Tradera", item["traderaStatus"]),
        ("ad", item["traderaAdUrl"] or item["traderaAdId"]),
        ("waits", item["waitsFor"] or place),
        ("last error", item["lastError"]),
        ("updated", item["updatedAt"]),
    ]
    for picture in item["images"]:
        words = [picture["state"], picture["url"], picture["error"]]
        lines.append(("picture", "  ".join(word for word in words if word)))
    return lines


def publish(arguments: Namespace) -> int:
    """`rheod items publish ID`, also `items retry ID`: order a publishing, again after a failure."""
    if getattr(arguments, "dry_run", False):
        return _rehearse(arguments)
    return _tell(arguments, ask(arguments, "POST", f"{_target(arguments)}/publish"))


def _rehearse(arguments: Namespace) -> int:
    """`--dry-run`: 3 when the item would not be published however long one waits."""
    played = ask(arguments, "GET", f"{_target(arguments)}/dry-run")
    status = NEEDS_ATTENTION if played["stops"] else OK
    if arguments.json:
        say_json(played)
        return status
    for check in played["checks"]:
        say(f"{check['verdict']:5}  {shown(check['text'])}")
    say()
    for step in played["steps"]:
        say(f"{step['method']} {step['url']}")
        if step["body"] is not None:
            say_json(step["body"])
    say()
    pairs = [("cost", f"{played['calls']} Tradera calls"), ("goes out", played["goesAt"])]
    say_pairs([*pairs, ("called", "nobody: this was a dry run")])
    return status


def settle(arguments: Namespace) -> int:
    """`rheod items settle ID --live AD_ID | --not-live`: what the owner saw in My Tradera; asks back without --yes."""
    words = "not live" if arguments.live is None else "live"
    if not arguments.yes:
        note(_WARNING[words])
        note(f"Type the words «{words}» to go on:")
        if sys.stdin.readline().strip() != words:
            raise CommandFailed("Nothing was changed; --yes answers in advance")
    found = {"live": False if arguments.live is None else arguments.live}
    return _tell(arguments, ask(arguments, "POST", f"{_target(arguments)}/settle", found))


def _tell(arguments: Namespace, answer: dict[str, Any]) -> int:
    if arguments.json:
        say_json(answer)
    else:
        say(answer["message"])
    return OK


def _target(arguments: Namespace) -> str:
    return f"/items/{quote(arguments.id, safe='', errors='surrogateescape')}"
