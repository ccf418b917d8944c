"""A buyer who is erased is in no file of the data folder any more: neither database nor log nor anything beside them.

Nothing here runs VACUUM or a checkpoint: what overwrites is rheod itself.
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest

from rheod.domain.orders import Order, OrderFreight, OrderLine, Payment
from rheod.jobs.housekeeping import Housekeeping
from rheod.store import inbox, key_value
from rheod.store.engine.copies import GOOD_MARK
from rheod.store.engine.database import Database
from rheod.store.inbox import InboxEntry
from rheod.usecases import sales
from rheod.usecases.listings import SellersAndSite
from rheod.usecases.orders import Orders
from rheod.usecases.safekeeping import Erasing
from rheod.usecases.transaction import OrderRules, Store
from tests.store.making import add_endpoint
from tests.stores import Clock, rows
from tests.waiting import until

SELLERS = SellersAndSite(accounts={}, site_url="https://www.tradera.com", closed_grace_ms=0)
MARK = "Zzmarkedbuyer"


def an_order(number: int, mark: str, *, chance: Random) -> Order:
    """An order whose buyer has this mark everywhere, with more or less beside it."""
    line = OrderLine(
        tradera_item_id=number, quantity=1, unit_price_ore=10_000, title="Kopp" * chance.randrange(9)
    )
    buyer: dict[str, Any] = {
        "userId": number % 40 + 1 if mark != MARK else 99,
        "alias": mark.lower(),
        "email": f"{mark}@example.com",
        "firstName": mark,
        "addressLine1": f"{mark} " * chance.randrange(1, 40),
        "shipTo": {"name": mark, "city": mark * chance.randrange(1, 90)},
    }
    paid = Payment(type="Swish", reference=f"{mark}-07", amount_ore=10_000, paid_at=5)
    return Order(
        order_id=number,
        created_at=number,
        updated_at=number,
        lines=(line,),
        subtotal_ore=10_000,
        payments=(paid,),
        freight=OrderFreight(cost_ore=0),
        buyer=buyer,
    )


def files_with(folder: Path, mark: str) -> list[str]:
    """The files of the folder that hold the mark, in any case of letters."""
    wanted = mark.lower().encode()
    return [
        str(file)
        for file in sorted(folder.rglob("*"))
        if file.is_file() and wanted in file.read_bytes().lower()
    ]


@pytest.fixture
def store(database: Database, clock: Clock) -> Store:
    """Whose events name the buyers."""
    one = Store(database=database, now=clock, rng=Random(7), wake=lambda _queue: None)
    one.rules = OrderRules(include_buyer=True)
    return one


async def test_an_erased_buyer_is_in_no_file(
    database: Database, store: Store, account_id: str, clock: Clock, tmp_path: Path
) -> None:
    """Among 600 others, read again and again: orders, events, deliveries, parcels, messages, answers."""
    chance = Random(11)
    await database.write(lambda db: add_endpoint(db, "e", account_id=account_id, event_types=("*",)))
    numbers = chance.sample(range(1, 100_000), 600)
    marked = numbers[100:105]
    for _ in range(2):
        for start in range(0, 600, 50):
            some = [
                an_order(number, MARK if number in marked else f"Other{number}", chance=chance)
                for number in numbers[start : start + 50]
            ]
            await store.write(lambda tx, some=some: sales.record_orders(tx, account_id, some, SELLERS))  # type: ignore[misc]
    orders = Orders(store=store)
    await orders.track(account_id, marked[0], carrier="postnord", tracking_number=f"{MARK}-1")
    await database.write(
        lambda db: (
            db.execute(
                "INSERT INTO deliveries (endpoint_id, account_id, notice_seq, event_type, url, attempt, status, snippet,"
                " duration_ms, created_at) SELECT 'e', account_id, seq, type, 'u', 1, 'success', ?, 1, 1 FROM notices"
                " WHERE order_id = ?",
                (f"thanks {MARK}", marked[0]),
            ).rowcount
        )
    )
    doubtful = InboxEntry(message_id="m", body=MARK, state="quarantined")
    entry = await database.write(lambda db: inbox.add(db, doubtful, now=1))
    assert entry is not None
    await database.write(
        lambda db: inbox.note_doubt(db, entry, reason="x", answer=f"alias {MARK.lower()}", ads=(), now=1)
    )
    assert files_with(tmp_path, MARK)
    clock.forward(1000)
    erased = await Erasing(store=store).buyer(account_id, f"{MARK}@example.com")
    assert erased.orders == 5
    assert files_with(tmp_path, MARK) == []
    assert files_with(tmp_path, f"Other{numbers[0]}")


async def one_order(store: Store, account_id: str) -> None:
    """Of the marked buyer."""
    order = an_order(7, MARK, chance=Random(1))
    await store.write(lambda tx: sales.record_orders(tx, account_id, [order], SELLERS))


async def test_without_overwriting_the_buyer_would_be_found(
    database: Database, store: Store, account_id: str, tmp_path: Path
) -> None:
    """It is the writer's setting that does it: with it off the same erasing leaves the buyer in the file's free space."""
    assert await database.write(lambda db: db.execute("PRAGMA secure_delete").fetchone()[0]) == 1
    await database.write(lambda db: db.execute("PRAGMA secure_delete=OFF").fetchall())
    await one_order(store, account_id)
    await Erasing(store=store).buyer(account_id, "7")
    assert not await rows(database, "SELECT 1 FROM orders WHERE instr(lower(buyer), ?)", MARK.lower())
    assert files_with(tmp_path, MARK) == [str(database.file)]


async def test_no_buyer_is_in_the_search_index(database: Database, store: Store, account_id: str) -> None:
    """Things are found by their own words alone, so that there is nothing of a buyer to overwrite."""
    await one_order(store, account_id)
    indexes = await rows(
        database, "SELECT name FROM sqlite_master WHERE name GLOB '*_data' OR name GLOB '*_content'"
    )
    assert indexes
    for each in indexes:
        kept = await rows(database, f"SELECT * FROM {each['name']}")  # noqa: S608 - the file's own names
        assert MARK.lower() not in str(kept).lower()


async def test_who_reads_meanwhile_keeps_the_log_until_housekeeping(
    database: Database, store: Store, account_id: str, clock: Clock, tmp_path: Path
) -> None:
    """A log that somebody reads from cannot be cut; it is known to hold the buyer, and goes with the next round."""
    await one_order(store, account_id)
    with closing(sqlite3.connect(database.file, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM orders").fetchone()
        await Erasing(store=store).buyer(account_id, "7")
        assert files_with(tmp_path, MARK) == [f"{database.file}-wal"]
        reader.execute("ROLLBACK")
    chores = Housekeeping(
        database=database, now=clock, chores=(), keep_days=90, orders_days=730, every_s=0.01
    )
    round_by_round = asyncio.create_task(chores.run())
    await until(lambda: not files_with(tmp_path, MARK))
    round_by_round.cancel()
    await asyncio.wait([round_by_round])


async def test_copies_beside_it_are_told(
    database: Database, store: Store, account_id: str, tmp_path: Path
) -> None:
    """A copy made before a change of the schema is not reached: the owner is told to delete it, and every backup."""
    await one_order(store, account_id)
    copy = tmp_path / "rheod.db.before-0007"
    copy.write_bytes(MARK.encode())
    await database.write(lambda db: key_value.put(db, GOOD_MARK, "5"))
    erased = await Erasing(store=store).buyer(account_id, "7")
    assert (erased.copies, erased.backup_at) == ((str(copy),), 5)
    assert str(copy) in str(Erasing.told(erased))
    assert files_with(tmp_path, MARK) == [str(copy)]


async def test_the_log_is_known_to_be_clean(
    database: Database, store: Store, account_id: str, tmp_path: Path
) -> None:
    """So that housekeeping writes it back no more than it must."""
    await one_order(store, account_id)
    assert not database.log_holds_erased
    await Erasing(store=store).buyer(account_id, "7")
    assert not database.log_holds_erased
    assert files_with(tmp_path, MARK) == []
