"""Many PUTs in one transaction: each taken or refused by itself, parents in any order."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from rheod.domain.model import ItemSpec, ItemType
from rheod.usecases.put_item import BatchEntry, BatchPut, parents_first
from tests.stores import everything, rows
from tests.usecases.selling import Shop, container, spec

BAD_PARENT = "parentExternalId"


def inside(parent: str | None) -> ItemSpec:
    """A container, in another one if told."""
    return ItemSpec(type=ItemType.CONTAINER, title="Volvo", parent_external_id=parent)


async def put(shop: Shop, *entries: BatchEntry) -> list[str | None]:
    """Put a batch; for each None, or the field it was refused for, or the error's code."""
    verdicts = await BatchPut(store=shop.store).put(shop.account_id, entries)
    return [None if one is None else one.details[0].field if one.details else one.code for one in verdicts]


TABLES = ("items", "item_counts", "item_codes", "pictures", "listings", "jobs", "notices")
"""What a batch may write to."""


@pytest.mark.parametrize("seed", range(5))
async def test_a_chain_of_parents_may_come_in_any_order(shop: Shop, seed: int) -> None:
    """The vehicle holds an engine that holds parts; whoever comes first, all are taken."""
    entries = [
        BatchEntry("VIN", container()),
        BatchEntry("engine", inside("VIN")),
        BatchEntry("box", inside("engine")),
    ]
    entries += [
        BatchEntry(f"p{n}", spec(parent_external_id=("VIN", "engine", "box")[n % 3])) for n in range(9)
    ]
    Random(seed).shuffle(entries)
    assert await put(shop, *entries) == [None] * 12
    assert (await shop.item("p1")).spec.parent_external_id == "engine"


def test_what_has_no_parent_in_the_batch_keeps_its_order() -> None:
    """Each once, each after its parent."""
    entries = [
        BatchEntry("a", spec(parent_external_id="c")),
        BatchEntry("b", spec()),
        BatchEntry("c", inside("gone")),
        BatchEntry("d", spec(parent_external_id="c")),
    ]
    assert list(parents_first(entries)) == [2, 0, 1, 3]


def test_a_chain_as_long_as_a_batch_needs_no_deep_stack() -> None:
    """Five hundred containers, each in the one after it."""
    entries = [BatchEntry(f"c{n}", inside(f"c{n + 1}")) for n in range(499)] + [
        BatchEntry("c499", inside(None))
    ]
    assert list(parents_first(entries)) == list(reversed(range(500)))


async def test_containers_cannot_be_inside_each_other(shop: Shop) -> None:
    """A ring of new ones is refused whole, and so is the closing of one that stands."""
    assert await put(shop, BatchEntry("a", inside("b")), BatchEntry("b", inside("a"))) == [
        BAD_PARENT,
        BAD_PARENT,
    ]
    assert await put(shop, BatchEntry("a", inside(None)), BatchEntry("b", inside("a"))) == [None, None]
    assert await put(shop, BatchEntry("a", inside("b"))) == [BAD_PARENT]
    assert await put(shop, BatchEntry("a", inside("a"))) == [BAD_PARENT]


async def test_a_container_that_becomes_an_item_in_a_batch_holds_nothing_after_that(shop: Shop) -> None:
    """Of two that are each other's parents the first is put last: what was known of it before is forgotten."""
    boxes = [BatchEntry("box", container()), BatchEntry("full", container())]
    assert await put(shop, *boxes, BatchEntry("kid", spec(parent_external_id="full"))) == [None] * 3
    verdicts = await put(
        shop,
        BatchEntry("box", spec(parent_external_id="full")),
        BatchEntry("full", spec(parent_external_id="box")),
        BatchEntry("late", spec(parent_external_id="box")),
    )
    assert verdicts == [None, "CONFLICT", BAD_PARENT]


async def test_a_refused_item_changes_nothing_for_the_others(shop: Shop) -> None:
    """No parent, a parent that is an item, an item being deleted: each alone is refused."""
    await shop.put_live("going")
    await shop.delete("going")
    verdicts = await put(
        shop,
        BatchEntry("good", spec()),
        BatchEntry("lost", spec(parent_external_id="nowhere")),
        BatchEntry("odd", spec(parent_external_id="good")),
        BatchEntry("going", spec(title="New")),
        BatchEntry("fine", spec()),
    )
    assert verdicts == [None, BAD_PARENT, BAD_PARENT, "CONFLICT", None]
    found = await rows(shop.database, "SELECT external_id FROM items ORDER BY external_id")
    assert [row["external_id"] for row in found] == ["fine", "going", "good"]


async def test_what_fails_for_a_reason_nobody_foresaw_spoils_nothing_either(shop: Shop) -> None:
    """A price no row can hold: that item leaves no trace, the others are there."""
    verdicts = await put(
        shop, BatchEntry("good", spec()), BatchEntry("bad", spec(price_ore=2**70)), BatchEntry("fine", spec())
    )
    assert verdicts == [None, "INTERNAL", None]
    assert await rows(shop.database, "SELECT count(*) AS n FROM notices") == [{"n": 2}]


async def test_a_repeated_batch_is_no_work(shop: Shop) -> None:
    """Not a row of any table differs, not even a time; also when it comes ten times at once."""
    entries = [BatchEntry("VIN", container())]
    entries += [
        BatchEntry(f"p{n}", spec(parent_external_id="VIN", image_urls=("https://i/1",), auto_publish=True))
        for n in range(20)
    ]
    await put(shop, *entries)
    before = await everything(shop.database, *TABLES)
    shop.clock.forward(5000)
    for verdicts in await asyncio.gather(*(put(shop, *entries) for _ in range(10))):
        assert verdicts == [None] * 21
    assert await everything(shop.database, *TABLES) == before


async def test_the_same_batch_and_puts_at_once_make_each_item_once(shop: Shop) -> None:
    """Ten batches and ten PUTs of the same items race; every item is created once."""
    entries = [BatchEntry(f"p{n}", spec(auto_publish=True)) for n in range(10)]
    await asyncio.gather(
        *(put(shop, *entries) for _ in range(10)),
        *(shop.put(entry.external_id, auto_publish=True) for entry in entries),
    )
    assert await rows(shop.database, "SELECT count(*) AS n FROM items") == [{"n": 10}]
    assert await rows(shop.database, "SELECT DISTINCT type, count(*) AS n FROM notices GROUP BY type") == [
        {"type": "item.created", "n": 10}
    ]
    assert await rows(shop.database, "SELECT count(*) AS n FROM listings") == [{"n": 10}]


async def test_a_batch_that_cannot_be_written_is_refused_whole(shop: Shop) -> None:
    """The store's own failure is nobody's in particular: it reaches the caller."""
    shop.database.stop()
    with pytest.raises(Exception, match="stopping"):
        await put(shop, BatchEntry("x", spec()))


async def test_the_order_of_members_is_no_change(shop: Shop) -> None:
    """Metadata in another order is the same item, and stays as it was first given."""
    await put(shop, BatchEntry("x", spec(metadata={"b": 1, "a": 2})))
    before = await everything(shop.database, *TABLES)
    await put(shop, BatchEntry("x", spec(metadata={"a": 2, "b": 1})))
    assert await everything(shop.database, *TABLES) == before
    assert list((await shop.item("x")).spec.metadata or {}) == ["b", "a"]
