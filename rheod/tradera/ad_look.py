"""Looks at an ad that is up because its owner wants to know: its bids, by one call to Tradera."""

from __future__ import annotations

from collections.abc import Callable

from rheod.domain.errors import Permanent, Refused, Text
from rheod.domain.model import CallClass, ListingState
from rheod.store import ads
from rheod.store.ads import Bids
from rheod.tradera.budgeted_client import BudgetedClient, NotNow
from rheod.usecases.items import Items
from rheod.usecases.placement import see_category
from rheod.usecases.transaction import Store, Transaction


class AdLooker:
    """`calls_of` gives what calls Tradera for an account; KeyError for one that does not sell."""

    def __init__(self, *, store: Store, items: Items, calls_of: Callable[[str], BudgetedClient]) -> None:
        self._store = store
        self._items = items
        self._calls_of = calls_of

    async def look(self, account_id: str, external_id: str) -> Bids:
        """Read the ad of an item and keep what its bids are. Raises Refused (NOT_FOUND, CONFLICT, UNAVAILABLE), Transient."""
        listing = (await self._items.read_item(account_id, external_id)).listing
        if listing is None or listing.state is not ListingState.LIVE or listing.tradera_item_id is None:
            raise Refused("CONFLICT", Text("It has no ad that is up"))
        try:
            calls = self._calls_of(account_id)
            async with calls.book(CallClass.RECONCILE, "read_item", listing.id):
                ad = await calls.client.read_item(calls.seller, listing.tradera_item_id)
        except KeyError as error:
            raise Refused("CONFLICT", Text("This account is not connected to Tradera")) from error
        except NotNow as error:
            raise Refused("UNAVAILABLE", Text.of(str(error))) from error
        except Permanent as error:
            raise Refused("CONFLICT", Text.of(str(error))) from error
        if ad is None:
            raise Refused("CONFLICT", Text("Tradera does not show this ad"))
        found = Bids(ad.total_bids, ad.max_bid_kr if ad.total_bids else None, self._store.now())

        def see(tx: Transaction) -> None:
            ads.see_bids(tx.db, listing.id, found)
            see_category(tx, ad)

        await self._store.write(see)
        return found
