"""A catalogue over a real store, and the steps a seller's day is made of, each one use case."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rheod.domain.inputs import (
    AdClosed,
    CommitAnswered,
    CommitStarted,
    Created,
    CreateStarted,
    Input,
    WentLive,
)
from rheod.domain.model import CloseReason, Item, ItemSpec, ItemType, Job, JobKind, Listing, ListingState
from rheod.domain.orders import Order, OrderLine
from rheod.push.poller import read_message
from rheod.store import items, jobs
from rheod.store.engine.database import Database
from rheod.usecases import listings, pictures, sales
from rheod.usecases.endpoints import Endpoints, EventFeed
from rheod.usecases.items import Items, ItemView
from rheod.usecases.listings import PublishPlan, SellersAndSite
from rheod.usecases.put_item import PutResult
from rheod.usecases.transaction import Store, Transaction
from tests.stores import Clock, rows

MEMBER = 300124
ASK_IN_MS = 10_000
"""How long after a commit its result is asked for."""
STEPS = (
    ListingState.QUEUED,
    ListingState.ADDING,
    ListingState.ADDED,
    ListingState.COMMITTING,
    ListingState.COMMITTED,
    ListingState.LIVE,
)


def spec(**values: Any) -> ItemSpec:
    """A cup for 950 kr without pictures, by default."""
    return ItemSpec(**{"title": "Kopp", "price_ore": 95000, **values})


def container() -> ItemSpec:
    """A donor vehicle."""
    return ItemSpec(type=ItemType.CONTAINER, title="Volvo")


@dataclass(kw_only=True)
class Shop:
    """One account of one daemon; ads are numbered from 1."""

    database: Database
    store: Store
    items: Items
    endpoints: Endpoints
    feed: EventFeed
    clock: Clock
    account_id: str
    sellers: SellersAndSite
    ads: int = field(default=0)

    async def put(self, external_id: str = "x", **values: Any) -> PutResult:
        """PUT an item."""
        return await self.items.put_item(self.account_id, external_id, spec(**values))

    async def view(self, external_id: str = "x") -> ItemView:
        """GET an item."""
        return await self.items.read_item(self.account_id, external_id)

    async def item(self, external_id: str = "x") -> Item:
        """The item as it is."""
        return (await self.view(external_id)).item

    async def listing(self, external_id: str = "x") -> Listing:
        """The item's latest listing; there is one."""
        found = (await self.view(external_id)).listing
        assert found is not None
        return found

    async def by_id(self, item_id: str) -> Item:
        """An item, removed or not."""
        return await self.database.read(lambda db: items.by_id(db, item_id))

    async def is_removed(self, item_id: str) -> bool:
        """Whether it was removed."""
        return await self.database.read(lambda db: items.is_removed(db, item_id))

    async def delete(self, external_id: str = "x") -> str:
        """DELETE an item."""
        return await self.items.delete_item(self.account_id, external_id)

    async def price(self, price_ore: int, external_id: str = "x") -> str:
        """PATCH price."""
        return await self.items.change_price(self.account_id, external_id, price_ore)

    async def unlist(self, external_id: str = "x") -> str:
        """PATCH status not_listed."""
        return await self.items.change_status(self.account_id, external_id, "not_listed")

    async def mark_sold(self, external_id: str = "x") -> str:
        """PATCH status sold."""
        return await self.items.change_status(self.account_id, external_id, "sold")

    async def publish(self, external_id: str = "x") -> str:
        """The owner's word to publish."""
        return await self.items.order_publish(self.account_id, external_id)

    async def jobs(self, kind: JobKind | None = None) -> list[tuple[str, str]]:
        """(kind, subject) of every job there is, deliveries apart, the oldest first."""
        found = await rows(
            self.database, "SELECT kind, subject FROM jobs WHERE kind <> 'deliver' ORDER BY id"
        )
        return [(row["kind"], row["subject"]) for row in found if kind in {None, row["kind"]}]

    async def job(self, kind: JobKind, subject: str) -> Job:
        """A job as a queue gets it."""
        return await self.database.read(
            lambda db: jobs.job_of(
                db.execute("SELECT * FROM jobs WHERE kind = ? AND subject = ?", (kind, subject)).fetchone()
            )
        )

    async def events(self, item_id: str) -> list[str]:
        """The item's own events, oldest first, without those of its orders."""
        found = await rows(
            self.database,
            "SELECT type FROM notices WHERE item_id = ? AND type NOT LIKE 'order.%' ORDER BY seq",
            item_id,
        )
        return [row["type"] for row in found]

    async def bodies(self, item_id: str, event: str) -> list[dict[str, Any]]:
        """The `data` of the webhooks of this event."""
        found = await rows(
            self.database,
            "SELECT body FROM notices WHERE item_id = ? AND type = ? ORDER BY seq",
            item_id,
            event,
        )
        return [json.loads(row["body"])["data"] for row in found]

    async def picture_ready(self, picture_id: str, file: str = "f.jpg") -> None:
        """The pictures queue has stored a picture."""
        job = await self.job(JobKind.FETCH_PICTURE, picture_id)
        await self._end(job, lambda tx: pictures.ready(tx, job, file=file, size_bytes=9))

    async def picture_failed(self, picture_id: str, error: str = "404") -> None:
        """The pictures queue has given a picture up."""
        job = await self.job(JobKind.FETCH_PICTURE, picture_id)
        await self._end(job, lambda tx: pictures.failed(tx, job, error=error))

    async def _end(self, job: Job, report: Callable[[Transaction], None]) -> None:
        """As the loop does: the report and the end of its job in one transaction."""

        def use_case(tx: Transaction) -> None:
            report(tx)
            jobs.finish(tx.db, job)

        await self.store.write(use_case)

    async def advance(self, listing: Listing, to: ListingState) -> Listing:
        """Take the publisher's steps one after the other until the listing is in that state."""
        for state in STEPS[STEPS.index(listing.state) + 1 : STEPS.index(to) + 1]:
            await self._step(listing.id, state)
        return await self.database.read(lambda db: items.listing(db, listing.id))

    async def _step(self, listing_id: str, to: ListingState) -> None:
        plan = await self.database.read(lambda db: listings.plan(db, listing_id))
        assert plan is not None
        change = await self.store.write(lambda tx: listings.step(tx, listing_id, self._input(plan, to)))
        assert change.refusal is None

    def _input(self, plan: PublishPlan, to: ListingState) -> Input:
        match to:
            case ListingState.ADDING:
                return CreateStarted(item=plan.item, days=7)
            case ListingState.ADDED:
                self.ads += 1
                return Created(request_id=1000 + self.ads, tradera_item_id=self.ads)
            case ListingState.COMMITTING:
                return CommitStarted(request_id=plan.listing.request_id or 0, ask_in_ms=ASK_IN_MS)
            case ListingState.COMMITTED:
                return CommitAnswered(ask_in_ms=ASK_IN_MS)
            case _:
                return WentLive(ad_url=f"https://t.example/item/{self.ads}")

    async def put_live(self, external_id: str = "x", **values: Any) -> Listing:
        """PUT an item and publish it until its ad is up."""
        await self.put(external_id, auto_publish=True, **values)
        return await self.advance(await self.listing(external_id), ListingState.LIVE)

    async def ended(self, listing: Listing) -> None:
        """Tradera has ended the ad as wished."""
        closed = AdClosed(reason=CloseReason.CLOSED_BY_SELLER)
        await self.store.write(lambda tx: listings.step(tx, listing.id, closed))

    async def take_in(self, *contents: object) -> int:
        """Messages come from the queue; what is no text is written as JSON."""
        messages = [
            read_message(
                f"m{number}-{hash(str(content))}",
                content if isinstance(content, str) else json.dumps(content),
            )
            for number, content in enumerate(contents)
        ]
        return await self.store.write(lambda tx: sales.take_in(tx, messages, self.sellers))

    async def record(self, *orders: Order, asked: tuple[int, ...] = ()) -> int:
        """Orders were read."""
        return await self.store.write(
            lambda tx: sales.record_orders(tx, self.account_id, orders, self.sellers, asked)
        )

    async def close(self, inbox_id: int) -> sales.WaitForOrder | None:
        """The push queue settles an ItemClosed."""
        return await self.store.write(lambda tx: sales.close(tx, inbox_id, self.sellers))


def order(order_id: int, ad: int, *, price_ore: int = 110_000, **values: Any) -> Order:
    """An order of one ad; `references` are the own references on its line."""
    references = values.pop("references", ())
    line = OrderLine(
        tradera_item_id=ad,
        quantity=values.pop("quantity", 1),
        unit_price_ore=price_ore,
        own_references=references,
    )
    return Order(order_id=order_id, created_at=1, updated_at=2, lines=(line,), **values)


def order_created(order_id: int, *ads: int, member: int = MEMBER) -> dict[str, object]:
    """The push message of an order."""
    return {
        "Type": "OrderCreated",
        "OrderId": order_id,
        "SellerMemberId": member,
        "CreatedDate": "2015-11-11T14:36:33.9352466Z",
        "ItemIds": list(ads),
    }


def item_closed(ad: int, reason: str = "ItemEndedWithoutBuyer", member: int = MEMBER) -> dict[str, object]:
    """The push message of a closing."""
    return {"Type": "ItemClosed", "ItemId": ad, "SellerMemberId": member, "Reason": reason}
