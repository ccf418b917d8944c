"""What a PUT costs the writer: every row is written once, and nothing is read twice in its transaction."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from rheod.domain.inputs import PublishFailed
from rheod.domain.model import ListingState, TraderaStatus
from rheod.usecases import listings
from rheod.usecases.put_item import put
from rheod.usecases.transaction import Transaction
from tests.usecases.selling import Shop, container, spec

WRITE = re.compile(r"(?:INSERT(?: OR \w+)? INTO|UPDATE|DELETE FROM) (\w+)")

AROUND = ("BEGIN", "SAVEPOINT", "RELEASE", "COMMIT")
"""What stands around every transaction."""


async def statements(shop: Shop, use_case: Callable[[Transaction], Any]) -> list[str]:
    """The SQL a use case runs, with its values; what triggers and the search index do is left out, and a statement is told once for all of them."""
    seen: list[str] = []

    def traced(tx: Transaction) -> None:
        tx.db.set_trace_callback(seen.append)
        use_case(tx)

    await shop.store.write(traced)
    await shop.store.write(lambda tx: tx.db.set_trace_callback(None))
    own = [text for text in seen if not text.startswith(("--", *AROUND)) and "'main'." not in text]
    again = [False, *(text == before for before, text in pairwise(own))]
    return [text for text, same in zip(own, again, strict=True) if not same or text.startswith("SELECT")]


def written(sql: list[str]) -> Counter[str]:
    """How many statements write to each table."""
    return Counter(found.group(1) for text in sql if (found := WRITE.match(text)))


def read_twice(sql: list[str]) -> list[str]:
    """The queries that were asked more than once."""
    return [text for text, count in Counter(sql).items() if text.startswith("SELECT") and count > 1]


async def test_a_new_item_that_publishes_itself_is_written_once(shop: Shop) -> None:
    """Item, listing, job and event are a row each, and each is written in one statement."""
    await shop.store.read(shop.store.placer.placing)
    sql = await statements(shop, lambda tx: put(tx, shop.account_id, "x", spec(auto_publish=True)))
    tables = written(sql)
    assert {tables[name] for name in ("items", "listings", "notices", "item_words")} == {1}
    assert (tables["jobs"], read_twice(sql)) == (1, [])  # the publishing; no endpoint takes the event
    assert (await shop.item()).tradera_status is TraderaStatus.PENDING_SYNC
    assert len(sql) <= 11


async def test_a_change_of_everything_is_written_once(shop: Shop) -> None:
    """Title, price and pictures of an item that waits to be published."""
    await shop.put(image_urls=("https://i/1",), auto_publish=True)
    sql = await statements(
        shop, lambda tx: put(tx, shop.account_id, "x", spec(title="Fat", price_ore=100, auto_publish=True))
    )
    tables = written(sql)
    assert (tables["items"], tables["listings"], tables["notices"]) == (1, 0, 2)
    assert read_twice(sql) == []
    assert (await shop.listing()).state is ListingState.QUEUED
    assert await shop.jobs() == [("publish", (await shop.listing()).id)]


async def test_a_correction_that_publishes_anew_is_written_once(shop: Shop) -> None:
    """The item goes from its error to a new listing in one statement."""
    await shop.put(auto_publish=True)
    refused = await shop.listing()
    await shop.store.write(lambda tx: listings.step(tx, refused.id, PublishFailed(error="bad category")))
    sql = await statements(
        shop, lambda tx: put(tx, shop.account_id, "x", spec(title="Fat", auto_publish=True))
    )
    tables = written(sql)
    assert (tables["items"], tables["listings"]) == (1, 1)
    assert read_twice(sql) == []
    item = await shop.item()
    assert (item.tradera_status, item.last_error) == (TraderaStatus.PENDING_SYNC, None)


async def test_a_batch_reads_its_account_and_a_parent_once(shop: Shop) -> None:
    """Twenty parts of one vehicle: each is written once."""
    await shop.store.write(lambda tx: put(tx, shop.account_id, "VIN", container()))
    part = spec(parent_external_id="VIN", auto_publish=True)

    def batch(tx: Transaction) -> None:
        containers: set[str] = set()
        for number in range(20):
            put(tx, shop.account_id, f"p{number}", part, containers)

    await shop.store.read(shop.store.placer.placing)
    sql = await statements(shop, batch)
    tables = written(sql)
    assert (tables["items"], tables["listings"], tables["notices"]) == (20, 20, 20)
    assert read_twice(sql) == []
    assert len(sql) <= 20 * 7 + 5
