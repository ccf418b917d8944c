"""How long it takes to place 10,000 items by the cached categories, and how long that holds the loop.

Run it with `python -m tests.bench.stock [items]`. Prints figures beside the goals, asserts nothing. The loop's worst delay
without the check is printed too: on a machine with other work it is not 0.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import time
from pathlib import Path

from rheod.domain.categories import CategoryTree, LeafAttributes
from rheod.domain.model import Item, ItemSpec
from rheod.sandbox.tradera_catalogue import Catalogue
from rheod.store import accounts, items, reference_data
from rheod.store.engine.database import Database
from rheod.tradera.responses import read_categories, read_definitions
from rheod.usecases.owner_choices import CategoryChoices
from rheod.usecases.transaction import Store, Transaction
from tests.stores import NOW_MS, opened

THINGS: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("auto_parts", "Bromsok höger fram Volvo XC90", {"partName": "Bromsok", "conditionGrade": "B"}),
    ("auto_parts", "Strålkastare vänster", {"partName": "Strålkastare", "conditionGrade": "A"}),
    ("fashion", "Jacka Fjällräven strl M", {"size": "M", "brand": "Fjällräven", "condition": "Good"}),
    ("home_garden", "Rörstrand tallrik Blå Blom", {}),
    ("books", "Pippi Långstrump, Astrid Lindgren", {"language": "Svenska"}),
    ("toys", "Lego Technic 42100", {}),
)
_A_TIME = 500
_TICK_S = 0.001


async def fill(store: Store, account_id: str, count: int) -> None:
    """The simulated Tradera's categories and attributes, and so many items of six kinds."""
    catalogue = Catalogue()

    def know(tx: Transaction) -> None:
        reference_data.save_tree(tx.db, CategoryTree(read_categories(catalogue.tree()), read_at=tx.now))
        for leaf, definitions in catalogue.definitions.items():
            known = LeafAttributes(leaf, read_definitions(definitions), tx.now)
            reference_data.save_definitions(tx.db, known)

    await store.write(know)
    for begin in range(0, count, _A_TIME):

        def add(tx: Transaction, begin: int = begin) -> None:
            for number in range(begin, min(begin + _A_TIME, count)):
                domain, title, attributes = THINGS[number % len(THINGS)]
                spec = ItemSpec(
                    title=f"{title} {number}", price_ore=95_000, domain=domain, attributes=attributes
                )
                items.add(
                    tx.db,
                    Item(
                        id=f"i{number}",
                        account_id=account_id,
                        external_id=f"x{number}",
                        spec=spec,
                        created_at=tx.now,
                        updated_at=tx.now,
                    ),
                )

        await store.write(add)


async def worst_delay(seconds: float) -> float:
    """The longest that the loop was held in this time, in seconds."""
    worst, end = 0.0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        worst = max(worst, await _delay())
    return worst


async def _delay() -> float:
    before = time.perf_counter()
    await asyncio.sleep(_TICK_S)
    return time.perf_counter() - before - _TICK_S


async def check(database: Database, count: int) -> None:
    """Fill, look at the loop alone, then check and look at the loop."""
    store = Store(database=database, now=lambda: NOW_MS, rng=random.Random(1), wake=lambda _queue: None)
    account_id = await database.write(lambda db: accounts.ensure(db, [""], now=NOW_MS)[""])
    await fill(store, account_id, count)
    quiet = await worst_delay(2)
    began, worked, worst = time.perf_counter(), time.process_time(), 0.0
    checking = asyncio.create_task(CategoryChoices(store=store).check_stock())
    while not checking.done():
        worst = max(worst, await _delay())
    took, worked = time.perf_counter() - began, time.process_time() - worked
    found = await checking
    print(
        f"{found.checked} items checked in {took:.2f} s (goal 5), {worked:.2f} s of CPU: {found.held} held, {found.guessed} guessed"
    )
    print(
        f"the loop was held for {worst * 1000:.0f} ms at most (goal 50), without a check {quiet * 1000:.0f} ms"
    )


async def main() -> None:
    """Measure once."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as folder:
        async with opened(Path(folder)) as database:
            await check(database, count)


if __name__ == "__main__":
    asyncio.run(main())
