"""`rheod orders`: what was sold, to be packed and sent, and sales of what rheod does not know.

The table leaves the buyer out: it is for a screen that others may see. `--json` has everything.
"""

from __future__ import annotations

from argparse import Namespace
from typing import Any
from urllib.parse import urlencode

from rheod.cli import OK
from rheod.cli.daemon_client import ask
from rheod.cli.printing import note, say_json, say_table

_HEAD = ("ORDER", "CREATED", "SEK", "PAID", "SHIPPED", "PARCEL", "ITEMS", "TROUBLE")


def listing(arguments: Namespace) -> int:
    """`rheod orders list`: the newest first."""
    wanted = {"limit": arguments.limit, "cursor": arguments.cursor}
    query = {name: value for name, value in wanted.items() if value is not None}
    if arguments.unmatched:
        query["unmatched"] = "true"
    answer = ask(arguments, "GET", f"/orders?{urlencode(query)}")
    if arguments.json:
        say_json(answer)
        return OK
    say_table(_HEAD, [_row(order) for order in answer["orders"]])
    if answer["nextCursor"] is not None:
        note(f"There are more: add --cursor {answer['nextCursor']}")
    return OK


def _row(order: dict[str, Any]) -> list[Any]:
    parcel = order["shipments"][-1] if order["shipments"] else None
    items = [line["externalId"] or f"unknown ad {line['traderaAdId']}" for line in order["lines"]]
    return [
        order["orderId"],
        order["createdAt"],
        order["subtotal"],
        order["paidAt"],
        order["shippedAt"],
        parcel and f"{parcel['carrier']} {parcel['trackingNumber']}",
        ", ".join(items),
        order["shipError"],
    ]
