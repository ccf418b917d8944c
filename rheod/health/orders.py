"""What is found in orders: amounts that do not add up, and what Tradera does not take."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from rheod.domain.errors import Text, counted
from rheod.domain.orders import OrderFlag
from rheod.health.waiting import Finding, Mood, Wait

_ORDERS: Mapping[OrderFlag, Callable[[int, str], Text]] = {
    OrderFlag.PAID_AFTER_REVERSAL: lambda n, orders: counted(
        "Order {orders} was paid after its sale had been taken back",
        "Orders {orders} were paid after their sales had been taken back",
        n,
        orders=orders,
    ),
    OrderFlag.PARTLY_PAID: lambda n, orders: counted(
        "Only a part of order {orders} is paid", "Only parts of orders {orders} are paid", n, orders=orders
    ),
    OrderFlag.REFUNDED: lambda n, orders: counted(
        "Money of order {orders} has been paid back",
        "Money of orders {orders} has been paid back",
        n,
        orders=orders,
    ),
    OrderFlag.SUM_DIFFERS: lambda n, orders: counted(
        "What was paid of order {orders} is not what things and freight come to",
        "What was paid of orders {orders} is not what things and freight come to",
        n,
        orders=orders,
    ),
    OrderFlag.GREW_AFTER_PRINT: lambda n, orders: counted(
        "The buyer has added to order {orders} after its pick list was written",
        "Buyers have added to orders {orders} after their pick lists were written",
        n,
        orders=orders,
    ),
}
"""What to look at before an order is sent, of one and of several."""


TOLD_FLAGS = tuple(_ORDERS)


def of_orders(
    flagged: Mapping[OrderFlag, Sequence[int]], unconfirmed: Sequence[int], to_send: Sequence[Wait]
) -> Iterator[Finding]:
    """What is to be sent, and what does not add up in orders that are not sent, by the orders of each flag."""
    for wait in to_send:
        yield Finding(
            code="order.unsent",
            subject=wait.account,
            mood=Mood.BUSY,
            text=counted(
                "{n} order is paid and waits to be sent",
                "{n} orders are paid and wait to be sent",
                wait.count,
            ),
            fix=Text("Pack it on the page Orders; `rheod orders pick` writes the pick list"),
            alerts=False,
            since=wait.since,
        )
    for flag, found in flagged.items():
        yield Finding(
            code=f"order.{flag.value}",
            mood=Mood.BAD if flag is OrderFlag.PAID_AFTER_REVERSAL else Mood.BUSY,
            text=_ORDERS[flag](len(found), ", ".join(map(str, found[:5]))),
            fix=Text("Look at it in My Tradera and on the page Sales, or with `rheod orders show ORDER`"),
            alerts=flag is OrderFlag.PAID_AFTER_REVERSAL,
        )
    if unconfirmed:
        yield Finding(
            code="order.unconfirmed",
            mood=Mood.BUSY,
            text=counted(
                "Tradera does not take order {orders} for paid",
                "Tradera does not take orders {orders} for paid",
                len(unconfirmed),
                orders=", ".join(map(str, unconfirmed[:5])),
            ),
            fix=Text("Mark it as paid in My Tradera; `rheod orders pay ORDER` tries again"),
            alerts=False,
        )
