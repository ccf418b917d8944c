"""`rheod orders`: what was sold, to be packed and sent, and sales of what rheod does not know.

The table leaves the buyer out: it is for a screen that others may see. `--json` has everything.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import click

from rheod.cli import OK
from rheod.cli.command import Group, Options, pass_options, with_json
from rheod.cli.daemon_client import ask
from rheod.cli.printing import note, say_json, say_table


@click.group(cls=Group)
def orders() -> None:
    """See what was sold."""


@orders.command("list")
@click.option("--unmatched", is_flag=True, help="Only sales of what rheod does not know.")
@click.option("--limit", type=int, default=100, help="At most so many (1-1000, default 100).")
@click.option("--cursor", metavar="POSITION", help="Go on where an earlier list ended.")
@with_json
@pass_options
def list_orders(options: Options, *, unmatched: bool, limit: int, cursor: str | None, as_json: bool) -> int:
    """List orders, the newest first."""
    query: dict[str, Any] = {"limit": limit}
    if cursor is not None:
        query["cursor"] = cursor
    if unmatched:
        query["unmatched"] = "true"
    answer = ask(options, "GET", f"/orders?{urlencode(query)}")
    if as_json:
        say_json(answer)
        return OK
    head = ("ORDER", "CREATED", "SEK", "PAID", "SHIPPED", "PARCEL", "ITEMS", "TROUBLE")
    say_table(head, [_row(order) for order in answer["orders"]])
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
