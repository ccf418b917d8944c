"""The list of orders that an ERP polls: a page of 100 of 100,000 orders, at the beginning, in the middle and at the end.

`python -m tests.bench.order_pages [orders]` says what a page took (median and slowest of twenty by the clock, and the median of
the processor's time, in ms), by the store and the answer built of it; nothing of HTTP. Garbage is collected as in the daemon.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from rheod.api.partner_orders import orders_reply
from rheod.api.routing import encoded
from rheod.cli.serve import YOUNG_OBJECTS
from rheod.domain.orders import Order, OrderFreight, OrderLine, Payment
from rheod.store import accounts, order_changes
from rheod.store.orders import OrderFilter
from rheod.usecases.orders import Orders
from rheod.usecases.transaction import Store, Transaction
from tests.stores import opened

NOW_MS = 1_779_789_600_000
PAGE = 100
_ROUNDS = 20


def _order(number: int) -> Order:
    """Two things, paid at once, for a buyer with an address."""
    lines = tuple(
        OrderLine(tradera_item_id=2 * number + each, quantity=1, unit_price_ore=50_000, title="Bromsok")
        for each in (0, 1)
    )
    return Order(
        order_id=number,
        created_at=NOW_MS,
        updated_at=NOW_MS,
        lines=lines,
        subtotal_ore=100_000,
        payments=(Payment(type="Swish", reference="r", amount_ore=106_900, paid_at=NOW_MS),),
        freight=OrderFreight(cost_ore=6_900, type="PostNord", weight_kg=1.5),
        buyer={"alias": f"b{number}", "firstName": "Åsa", "addressLine1": "Storgatan 1", "city": "Umeå"},
    )


def fill(tx: Transaction, account_id: str, numbers: range) -> None:
    for number in numbers:
        order_changes.save(tx.db, account_id, _order(number), now=tx.now)
        order_changes.refresh(tx.db, number, None, now=tx.now, ship_while_waiting=False)


async def measure(count: int) -> dict[str, tuple[float, float, float]]:
    """Median, slowest and work (ms) of a page by where it lies in the list, and of the first page with its count."""
    with tempfile.TemporaryDirectory() as folder:
        async with opened(Path(folder)) as database:
            known = await database.write(lambda db: accounts.ensure(db, references=[""], now=NOW_MS))
            account_id = known[""]
            store = Store(database=database, now=lambda: NOW_MS, rng=Random(1), wake=lambda _queue: None)
            for start in range(1, count + 1, 1000):
                some = range(start, min(start + 1000, count + 1))
                await store.write(lambda tx, some=some: fill(tx, account_id, some))  # type: ignore[misc]
            orders = Orders(store=store)

            async def page(at: int, total: int | None, status: str | None = None) -> tuple[float, float]:
                began, worked = time.perf_counter(), time.process_time()
                found = await orders.changed(
                    account_id, OrderFilter(status=status), limit=PAGE, after=(at, -1), total=total
                )
                encoded(orders_reply(found.orders, None, found.total))
                assert len(found.orders) == PAGE
                return (time.perf_counter() - began) * 1000, (time.process_time() - worked) * 1000

            places = {
                "first page, counted": (0, None, None),
                "first page, counted, ready": (0, None, "ready"),
                "beginning": (0, count, None),
                "middle": (NOW_MS + count // 2, count, None),
                "end": (NOW_MS + count - PAGE - 1, count, None),
            }
            found = {}
            for name, place in places.items():
                took, worked = zip(*[await page(*place) for _ in range(_ROUNDS)], strict=True)
                found[name] = (statistics.median(took), max(took), statistics.median(worked))
            return found


def main(arguments: list[str]) -> None:
    """Print what was measured."""
    count = int(arguments[0]) if arguments else 100_000
    gc.set_threshold(YOUNG_OBJECTS)
    gc.freeze()
    for name, (median, slowest, worked) in asyncio.run(measure(count)).items():
        sys.stdout.write(f"{name:28} {median:6.1f} ms, slowest {slowest:6.1f} ms, work {worked:6.1f} ms\n")


if __name__ == "__main__":
    main(sys.argv[1:])
