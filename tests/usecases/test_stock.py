"""The owner's stock: what was done about an item, in one story."""

from __future__ import annotations

import pytest

from rheod.domain.errors import Refused
from rheod.domain.model import CallClass
from rheod.store import ledger
from rheod.store.ledger import LedgerCall
from rheod.store.search import Sought
from rheod.usecases.inventory import Inventory
from tests.usecases.selling import Shop


async def test_a_timeline_tells_milestones_and_calls_in_order(shop: Shop) -> None:
    """Newest first; every entry is of one kind."""
    listing = await shop.put_live()
    at = shop.clock.forward(1000)
    call = LedgerCall(
        call_class=CallClass.END, operation="end", account_id=shop.account_id, listing_id=listing.id
    )
    await shop.database.write(lambda db: ledger.open_call(db, call, now=at))
    shop.clock.forward(1000)
    await shop.put(title="Fat")
    told = await Inventory(store=shop.store, site_url="https://tradera.test").timeline(shop.account_id, "x")
    names = [
        entry.milestone.type if entry.milestone else entry.call and entry.call.operation
        for entry in told.entries
    ]
    assert names[:2] == ["item.updated", "end"]
    assert set(names[2:]) == {"item.created", "listing.created"}
    assert told.whole
    with pytest.raises(Refused, match="No item"):
        await Inventory(store=shop.store, site_url="https://tradera.test").timeline(shop.account_id, "y")


async def test_a_search_is_of_one_account(shop: Shop) -> None:
    """Page by page."""
    for name in "abc":
        await shop.put(name, title=f"Kopp {name}")
    stock = Inventory(store=shop.store, site_url="https://tradera.test")
    first = await stock.search(shop.account_id, Sought(text="kopp"), limit=2)
    rest = await stock.search(shop.account_id, Sought(text="kopp"), limit=2, after=first.following)
    assert [hit.external_id for hit in (*first.hits, *rest.hits)] == ["c", "b", "a"]
    assert (await stock.search("nobody", Sought(), limit=2)).hits == []
