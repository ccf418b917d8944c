"""What the figures cost with 200,000 items and 50,000 orders, and how SQLite finds them.

Run it with `python -m tests.bench.analytics [items] [orders]`. Prints figures, asserts nothing.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rheod.domain.calendar import months_until
from rheod.domain.categories import DOMAINS
from rheod.domain.model import Item, ItemSpec
from rheod.domain.orders import Order, OrderLine
from rheod.store import accounts, order_changes, stock
from rheod.store.engine.database import Database
from rheod.usecases.figures import MONTHS as SHOWN
from rheod.usecases.figures import Figures
from rheod.usecases.transaction import Store
from tests.bench.loop import percentile
from tests.stores import NOW_MS, opened

_YEAR_MS = 365 * 24 * 3600 * 1000
_A_TIME = 5000
_ASKED = 200


def fill(db: sqlite3.Connection, *, account_id: str, begin: int, sold: int, rng: random.Random) -> None:
    """One more lot of items; the first `sold` of all have been sold in the last year."""
    numbers = range(begin, begin + _A_TIME)
    kinds = list(DOMAINS)
    db.executemany(
        "INSERT INTO items (id, account_id, external_id, type, title, price_ore, domain, rheo_status, version, spec,"
        " created_at, updated_at) VALUES (?, ?, ?, 'item', 'Dörr', 95000, ?, ?, 1, '{}', 1, 1)",
        [
            (f"i{n}", account_id, f"x{n}", rng.choice(kinds), "sold" if n < sold else "active")
            for n in numbers
        ],
    )
    for number in numbers:
        if number < sold:
            spec = ItemSpec(title="Dörr", domain=rng.choice(kinds))
            item = Item(id=f"i{number}", account_id=account_id, external_id=f"x{number}", spec=spec)
            _sell(db, item, number + 1, rng)


def _sell(db: sqlite3.Connection, item: Item, order_id: int, rng: random.Random) -> None:
    at = NOW_MS - rng.randrange(_YEAR_MS)
    line = OrderLine(tradera_item_id=order_id, quantity=1, unit_price_ore=rng.randrange(10_000, 300_000))
    paid_at = at if rng.random() < 0.9 else None
    order = Order(
        order_id=order_id,
        created_at=at,
        updated_at=at,
        lines=(line,),
        subtotal_ore=line.unit_price_ore,
        paid_at=paid_at,
        buyer={"firstName": "Åsa", "email": "buyer@example.com"},
    )
    order_changes.save(db, item.account_id, order, now=at)
    order_changes.match(db, order_id, order_id, item)


async def ask(database: Database, account_id: str) -> None:
    """The figures again and again, and the plans of their queries."""
    store = Store(database=database, now=lambda: NOW_MS, rng=random.Random(1), wake=lambda _queue: None)
    reader = Figures(store=store, fee_percent=6)
    times = []
    worked = time.process_time()
    for _ in range(_ASKED):
        began = time.perf_counter()
        await reader.of_account(account_id)
        times.append((time.perf_counter() - began) * 1000)
    print(f"figures: p50 {percentile(times, 0.5):.1f} ms, p95 {percentile(times, 0.95):.1f} ms of {_ASKED}")
    print(f"processor time of one: {(time.process_time() - worked) * 1000 / _ASKED:.1f} ms")
    since = months_until(NOW_MS, SHOWN)[0]
    for query in (stock.INVENTORY, stock.MONTHS, stock.DOMAINS):
        values = (account_id, since)[: query.count("?")]
        print(query)
        for plan in await database.read(_plan(query, values)):
            print(f"    {plan}")


def _plan(query: str, values: tuple[str, ...]) -> Callable[[sqlite3.Connection], list[str]]:
    return lambda db: [row["detail"] for row in db.execute(f"EXPLAIN QUERY PLAN {query}", values).fetchall()]


async def main(item_count: int, order_count: int) -> None:
    """Fill a store, then ask."""
    rng = random.Random(3)
    with tempfile.TemporaryDirectory() as folder:
        async with opened(Path(folder)) as database:
            ids = await database.write(lambda db: accounts.ensure(db, [""], now=1))
            began = time.monotonic()
            for begin in range(0, item_count, _A_TIME):
                await database.write(
                    partial(fill, account_id=ids[""], begin=begin, sold=order_count, rng=rng)
                )
            print(f"{item_count} items, {order_count} orders in {time.monotonic() - began:.0f} s")
            await ask(database, ids[""])


if __name__ == "__main__":
    given = [int(text) for text in sys.argv[1:]]
    asyncio.run(main(*(given or [200_000, 50_000])))
