"""What is found in orders: amounts that do not add up, and what Tradera does not take."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypedDict

from rheod.domain.errors import Text, counted
from rheod.domain.orders import OrderFlag
from rheod.health.findings import Finding, Mood, Wait

DAY_MS = 24 * 3600 * 1000

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


OLD_MS = 60 * DAY_MS
"""Nobody is reminded of an order that is older than this."""
_MOST_UNPAID = 10


@dataclass(frozen=True, slots=True)
class ToldOrder:
    """An order to look at: since when it is so (ms), and its account's reference."""

    order_id: int
    since: int
    owner: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFacts:
    """What there is to look at: orders by flag; those not paid, with when they were made (ms).

    Those that Tradera does not take for paid, or for sent, have the time at which it was told so. `reminder_days` are the ages at which the owner is reminded of those, each once.
    """

    flagged: Mapping[OrderFlag, tuple[ToldOrder, ...]] = field(default_factory=dict)
    unconfirmed: tuple[ToldOrder, ...] = ()
    unshipped: tuple[ToldOrder, ...] = ()
    to_send: tuple[Wait, ...] = ()
    unpaid: tuple[ToldOrder, ...] = ()
    reminder_days: tuple[int, ...] = ()
    site_url: str = ""


def of_orders(facts: OrderFacts, now: int) -> Iterator[Finding]:
    """What is to be sent, what does not add up in orders that are not sent, and what is not paid."""
    for wait in facts.to_send:
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
            owner=wait.owner or wait.account,
            count=wait.count,
        )
    yield from _unpaid(facts, now)
    for flag, found in facts.flagged.items():
        late = flag is OrderFlag.PAID_AFTER_REVERSAL
        yield Finding(
            code=f"order.{flag.value}",
            mood=Mood.BAD if late else Mood.BUSY,
            text=_ORDERS[flag](len(found), _numbers(found)),
            fix=Text(
                "Pay it back in My Tradera, then `rheod orders reverse ITEM --refunded` with the reason of before. A newer ad"
                " of it is ended, unless it has bids"
            )
            if late
            else Text("Look at it in My Tradera and on the page Orders, or with `rheod orders show ORDER`"),
            alerts=late,
            **_whose(found),
        )
    yield from _not_taken(facts)


def _not_taken(facts: OrderFacts) -> Iterator[Finding]:
    """What Tradera refuses to take for paid, or for sent, with when it was told so last."""
    if facts.unconfirmed:
        yield Finding(
            code="order.unconfirmed",
            mood=Mood.BUSY,
            text=counted(
                "Tradera does not take order {orders} for paid",
                "Tradera does not take orders {orders} for paid",
                len(facts.unconfirmed),
                orders=_numbers(facts.unconfirmed),
            ),
            fix=Text("Mark it as paid in My Tradera; `rheod orders pay ORDER` tries again"),
            alerts=False,
            since=min(each.since for each in facts.unconfirmed),
            **_whose(facts.unconfirmed),
        )
    if facts.unshipped:
        yield Finding(
            code="order.unshipped",
            mood=Mood.BUSY,
            text=counted(
                "Tradera does not take order {orders} for sent",
                "Tradera does not take orders {orders} for sent",
                len(facts.unshipped),
                orders=_numbers(facts.unshipped),
            ),
            fix=Text(
                "Mark it as sent in My Tradera, which rheod notices; `rheod orders done ORDER` tries again"
            ),
            alerts=False,
            since=min(each.since for each in facts.unshipped),
            **_whose(facts.unshipped),
        )


def _numbers(orders: Sequence[ToldOrder]) -> str:
    return ", ".join(str(each.order_id) for each in orders[:5])


class _Whose(TypedDict):
    owner: str
    count: int
    orders: tuple[int, ...]


def _whose(found: Sequence[ToldOrder]) -> _Whose:
    """Whose orders these are: a finding leads to those of the first one's account, and when they are seen to, to the next."""
    owner = found[0].owner
    mine = tuple(each.order_id for each in found if each.owner == owner)
    return {"owner": owner, "count": len(found), "orders": mine}


def _unpaid(facts: OrderFacts, now: int) -> Iterator[Finding]:
    """Each order once at each of the owner's ages, the newest orders alone where there are many."""
    first = min(facts.reminder_days, default=0) * DAY_MS
    late = [each for each in facts.unpaid if first and now - each.since >= first]
    for each in late[:_MOST_UNPAID]:
        order_id, made_at = each.order_id, each.since
        reached = [day for day in facts.reminder_days if now - made_at >= day * DAY_MS]
        yield Finding(
            code="order.unpaid",
            subject=f"{order_id}:{max(reached)}",
            mood=Mood.BUSY,
            text=counted(
                "Order {order} has not been paid for {n} day",
                "Order {order} has not been paid for {n} days",
                (now - made_at) // DAY_MS,
                order=str(order_id),
            ),
            fix=Text(
                "Remind the buyer in My Tradera ({site}). To get the fee back, report there that the sale is off (with the"
                " button, not by mail: that counts as sold to the tax authority), then take it back here, on the page Orders or"
                " with `rheod orders reverse ITEM --reason unpaid`",
                site=facts.site_url,
            ),
            since=made_at,
            owner=each.owner,
            orders=(order_id,),
        )
