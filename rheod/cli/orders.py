"""`rheod orders`: what was sold, to be packed and sent, and what became of it.

Sales of what rheod does not know are among them.
"""

from __future__ import annotations

import csv
import sys
from typing import Any
from urllib.parse import quote, urlencode

import click

from rheod.cli import OK, CommandFailed
from rheod.cli.daemon_client import ask
from rheod.cli.items import print_message
from rheod.cli.main import (
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

_ORDER = click.argument(
    "order", type=click.IntRange(1, 10**17), help="The order's number, as the list shows it."
)


@click.group(cls=Group)
def orders() -> None:
    """See what was sold, pack it, and say what became of it."""


@orders.command("list")
@click.option("--unmatched", is_flag=True, help="Only sales of what rheod does not know.")
@click.option("--limit", type=int, default=100, help="At most so many (1-1000, default 100).")
@click.option("--cursor", metavar="POSITION", help="Go on where an earlier list ended.")
@with_json
@with_account
@pass_options
def list_orders(options: Options, *, unmatched: bool, limit: int, cursor: str | None, as_json: bool) -> int:
    """List orders, the newest first."""
    query: dict[str, Any] = {"limit": limit}
    if cursor is not None:
        query["cursor"] = cursor
    if unmatched:
        query["unmatched"] = "true"
    answer = ask(options, "GET", f"/rheod/orders?{urlencode(query)}")
    if as_json:
        say_json(answer)
        return OK
    head = ("ORDER", "CREATED", "STATUS", "SEK", "PAID", "SHIPPED", "PARCEL", "ITEMS", "TROUBLE")
    rows = []
    for order in answer["orders"]:
        parcel = order["shipments"][-1] if order["shipments"] else None
        items = [line["externalId"] or f"unknown ad {line['traderaAdId']}" for line in order["lines"]]
        trouble = filter(None, (order["shipError"], order["payError"], ", ".join(order["flags"])))
        rows.append(
            [
                *(order[name] for name in ("orderId", "createdAt", "status", "total", "paidAt", "shippedAt")),
                parcel and f"{parcel['carrier']} {parcel['trackingNumber']}",
                ", ".join(items),
                "; ".join(trouble),
            ]
        )
    say_table(head, rows)
    if answer["nextCursor"] is not None:
        note(f"There are more: add --cursor {answer['nextCursor']}")
    for doubt in answer["inDoubt"]:
        named = ", ".join(doubt["externalIds"] or doubt["traderaAdIds"]) or "an unknown ad"
        note(
            f"In doubt since {doubt['since']}: order {doubt['number']} of {named}: {shown(doubt['reason'] or '')}"
        )
    if answer["inDoubt"]:
        note("Look for them at Tradera, then: rheod orders settle ORDER --sold PRICE, or --not-sold")
    return OK


_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""With which a text begins that spreadsheets take for a formula."""

_NAMED = {"ad": "traderaAdId", "number": "orderId"}


@orders.command("show")
@_ORDER
@with_json
@with_account
@pass_options
def show_order(options: Options, *, order: int, as_json: bool) -> int:
    """Show all that is known of an order."""
    found = ask(options, "GET", f"/integration/v1/orders/{order}")
    if as_json:
        say_json(found)
        return OK
    for name in ("orderId", "status", "createdAt", "expiresAt", "subTotal", "total", "paid", "reversedAt"):
        say(f"{name + ':':14}{'' if found[name] is None else shown(str(found[name]))}")
    say(f"{'flags:':14}{', '.join(found['flags'])}")
    say(
        f"{'freight:':14}{' '.join(shown(str(part)) for part in found['freight'].values() if part is not None)}"
    )
    for line in found["lines"]:
        named = line["externalId"] or f"unknown ad {line['adId']}"
        say(
            f"{'line:':14}{line['quantity']} x {shown(named)}  {shown(line['title'])}  {line['unitPrice']} kr"
        )
    for payment in found["payments"]:
        say(f"{'payment:':14}{payment['amount']} kr {shown(payment['type'] or '')} {payment['paidAt'] or ''}")
    for who in ("shipTo", "buyer"):
        parts = [shown(str(part)) for part in (found[who] or {}).values() if part]
        say(f"{who + ':':14}{', '.join(parts) or 'erased'}")
    for parcel in found["shipments"]:
        say(f"{'parcel:':14}{shown(parcel['carrier'])} {shown(parcel['trackingNumber'])}")
    return OK


@orders.command("pick")
@click.option("--csv", "as_csv", is_flag=True, help="As comma-separated values.")
@with_json
@with_account
@pass_options
def pick(options: Options, *, as_csv: bool, as_json: bool) -> int:
    """Write the pick list of the orders that are ready.

    Sorted by the key of your items' metadata that orders.pick_sort names. What a buyer adds to an order after that is
    flagged: grew_after_print.
    """
    answer = ask(options, "POST", "/rheod/orders/pick")
    if as_json:
        say_json(answer)
        return OK
    columns = ("place", "externalId", "title", "quantity", "orderId", "freight")
    rows = [[line[column] for column in columns] for line in answer["lines"]]
    if as_csv:
        table = csv.writer(sys.stdout)
        table.writerow(columns)
        for row in rows:
            formulas = [isinstance(value, str) and value.startswith(_FORMULA) for value in row]
            table.writerow(
                f"'{value}" if formula else value for value, formula in zip(row, formulas, strict=True)
            )
        return OK
    say_table(
        ((answer["sortedBy"] or "place").upper(), "ITEM", "TITLE", "QUANTITY", "ORDER", "FREIGHT"), rows
    )
    return OK


@orders.command("pay")
@_ORDER
@with_json
@with_account
@pass_options
def pay(options: Options, *, order: int, as_json: bool) -> int:
    """Say that an order was paid outside Tradera; Tradera is told so."""
    return print_message(ask(options, "POST", f"/rheod/orders/{order}/pay"), as_json=as_json)


@orders.command("done")
@_ORDER
@with_json
@with_account
@pass_options
def done(options: Options, *, order: int, as_json: bool) -> int:
    """Say that the buyer has fetched an order, or that it was sent without a number; Tradera is told so.

    One that Tradera did not take for sent is told once more.
    """
    return print_message(ask(options, "POST", f"/rheod/orders/{order}/done"), as_json=as_json)


@orders.command("reverse")
@click.argument("external_id", metavar="ID", help="The external id of the item that was sold.")
@click.option(
    "--reason",
    type=click.Choice(["unpaid", "cancelled", "returned", "lost"]),
    required=True,
    help="Why: unpaid, cancelled, returned or lost.",
)
@click.option("--order", type=click.IntRange(1, 10**17), help="The order, where several have sold it.")
@click.option("--refunded", is_flag=True, help="What the buyer had paid is paid back.")
@click.option("--relist", is_flag=True, help="Publish it again, at its first price.")
@with_json
@with_account
@pass_options
def reverse(
    options: Options, /, *, external_id: str, reason: str, order: int | None, as_json: bool, **said: bool
) -> int:
    """Say that a sale fell through: the item is yours again, and the sale leaves the figures.

    Report it at Tradera too, with the button on the sold item in My Tradera: that gives the fee back.
    """
    body: dict[str, Any] = {"reason": reason, **said}
    if order is not None:
        body["orderId"] = str(order)
    answer = ask(options, "POST", f"/integration/v1/items/{quote(external_id, safe='')}/reverse-sale", body)
    if as_json:
        say_json(answer)
        return OK
    named = "The sale elsewhere" if answer["orderId"] is None else f"The sale by order {answer['orderId']}"
    say(f"{named} is taken back; the item {'is published again' if answer['relist'] else 'is not listed'}.")
    return OK


@orders.command("erase-buyer")
@click.argument(
    "buyer", help="The buyer's name at Tradera or address of mail, or the number of one of their orders."
)
@click.option("--yes", is_flag=True, help="Do not ask back.")
@with_json
@with_account
@pass_options
def erase_buyer(options: Options, *, buyer: str, yes: bool, as_json: bool) -> int:
    """Erase a buyer everywhere: from all their orders, events and messages.

    Amounts stay. It cannot be undone, and backups of before are yours to delete.
    """
    if not yes:
        note("It cannot be undone. Type the word «erase» to go on:")
        if sys.stdin.readline().strip() != "erase":
            raise CommandFailed("Nothing was changed; --yes answers in advance")
    return print_message(ask(options, "POST", "/rheod/orders/erase-buyer", {"buyer": buyer}), as_json=as_json)


@orders.command("settle")
@click.argument("order", type=int, help="The order's number, as the list shows it.")
@click.option("--sold", metavar="PRICE", help="It is a sale of yours, for so many kronor (each item).")
@click.option("--not-sold", is_flag=True, help="It is no sale of yours: the item may be published again.")
@click.option("--ad", type=int, metavar="AD_ID", help="The ad that was sold, where the order names none.")
@click.option(
    "--order", "number", type=int, metavar="ORDER_ID", help="The order's number, where Tradera gave none."
)
@click.option("--yes", is_flag=True, help="Do not ask back.")
@with_json
@with_account
@pass_options
def settle_order(
    options: Options,
    /,
    *,
    order: int,
    sold: str | None,
    not_sold: bool,
    yes: bool,
    as_json: bool,
    **named: int | None,
) -> int:
    """Say what became of a sale that cannot be read.

    Look for the order in My Tradera, then give --sold with the price, or --not-sold. `rheod orders list` names them.
    """
    if (sold is None) != not_sold:
        raise click.UsageError("Give --sold with the price, or --not-sold")
    if sold is not None and not sold.replace(".", "", 1).isdecimal():
        raise click.UsageError("The price is a number of kronor, such as 950 or 950.50")
    answer = "sold" if sold is not None else "not sold"
    if not yes:
        if not_sold:
            note("If it was sold after all, the same thing may be sold twice.")
        note(f"Type the words «{answer}» to go on:")
        if sys.stdin.readline().strip() != answer:
            raise CommandFailed("Nothing was changed; --yes answers in advance")
    told: dict[str, Any] = {"sold": sold is not None}
    if sold is not None:
        told["salePrice"] = float(sold)
    told |= {name: named[each] for each, name in _NAMED.items() if named[each] is not None}
    return print_message(ask(options, "POST", f"/orders/{order}/settle", told), as_json=as_json)


@orders.command()
@click.option(
    "--put-away", type=int, metavar="ID", help="You have looked at this one: do not show it any more."
)
@with_json
@pass_options
def messages(options: Options, *, put_away: int | None, as_json: bool) -> int:
    """List messages of Tradera that could not be understood, the newest first: one may be a sale.

    Compare each with your sales at Tradera, then put it away.
    """
    if put_away is not None:
        ask(options, "POST", f"/messages/{put_away}/put-away")
        return print_message({"message": "Put away."}, as_json=as_json)
    answer = ask(options, "GET", "/messages")
    if as_json:
        say_json(answer)
        return OK
    rows = [[one["id"], one["receivedAt"], one["reason"], one["body"]] for one in answer["messages"]]
    say_table(("ID", "RECEIVED", "WHY", "MESSAGE"), rows)
    return OK
