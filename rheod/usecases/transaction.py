"""One transaction: a change is written with the jobs and events it causes.

The queues that got jobs are woken after the commit, never before.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random
from typing import TypeVar
from uuid import UUID

import structlog

from rheod.domain import effects
from rheod.domain.ad_text import whole_kronor
from rheod.domain.effects import Change
from rheod.domain.errors import Text
from rheod.domain.event_payloads import OrderEvent, new_event_id, sek, webhook_body
from rheod.domain.inputs import Input, Remained
from rheod.domain.model import (
    WEBHOOK_EVENTS,
    Event,
    EventType,
    Item,
    ItemSpec,
    JobKind,
    JobOrder,
    Ladder,
    Listing,
    QueueName,
    RheoStatus,
    TraderaStatus,
)
from rheod.domain.placement import Placement, Placing
from rheod.store import accounts, ads, items, jobs, outbox
from rheod.store.engine.database import Database
from rheod.usecases.placer import Placer

T = TypeVar("T")

_encode = json.JSONEncoder(ensure_ascii=False).encode


_LOGGED = {
    EventType.LISTING_CREATED: "item live",
    EventType.ITEM_SOLD: "item sold",
    EventType.ITEM_SALE_REVERSED: "sale taken back",
    EventType.LISTING_ENDED: "item ended",
    EventType.RELIST_PLANNED: "item comes back",
    EventType.RELIST_STOPPED: "item stays down",
    EventType.LISTING_RELISTED: "item back",
    EventType.LISTING_FAILED: "item failed",
}
"""What the log answers to `what happened to A-1`: one line each, once the change is durable."""

_TELLING = ("traderaAdId", "reason", "error", "orderId")
"""Of an event's own fields those that a line of the log shows; none of them names a buyer."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class KnownAccounts:
    """What never changes of accounts while rheod runs, read once: their references, and which have only plain ids."""

    references: dict[str, str] = field(default_factory=dict)
    without_unseen: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRules:
    """The owner's choices about orders: whether events name the buyer, and whether a paid order that may grow is sent."""

    include_buyer: bool = False
    ship_while_waiting: bool = False


class Transaction:
    """What a use case sees of the store while its transaction runs; lives in the writer's thread."""

    def __init__(
        self,
        db: sqlite3.Connection,
        *,
        now: int,
        rng: Random,
        placer: Placer | None = None,
        rules: OrderRules | None = None,
        known: KnownAccounts | None = None,
    ) -> None:
        self.db = db
        self.now = now
        self.rules = rules or OrderRules()
        self._placer = placer or Placer()
        self._placing: Placing | None = None
        self.woken: set[QueueName] = set()
        self.probed: set[QueueName] = set()
        """Queues whose remote the owner wants asked at once, even if they rest."""
        self.afterwards: list[Callable[[], None]] = []
        """Called once the transaction is durable, and not at all if it is undone."""
        self._rng = rng
        self._known = known or KnownAccounts()
        self._unseen: dict[str, tuple[str, ...]] = {}

    def ids_with_unseen(self, account_id: str) -> tuple[str, ...]:
        """The account's ids that hold what cannot be seen: an earlier rheod took them, and no more come."""
        if account_id in self._known.without_unseen:
            return ()
        if account_id not in self._unseen:
            self._unseen[account_id] = items.ids_with_unseen(self.db, account_id)
        if not self._unseen[account_id]:
            self._known.without_unseen.add(account_id)
        return self._unseen[account_id]

    def _reference(self, account_id: str) -> str:
        if account_id not in self._known.references:
            self._known.references[account_id] = accounts.reference(self.db, account_id)
        return self._known.references[account_id]

    def placing(self) -> Placing:
        """How items are placed; read once, since a transaction that changes that places none."""
        if self._placing is None:
            self._placing = self._placer.placing(self.db)
        return self._placing

    def new_id(self) -> str:
        """A new UUID of this moment as text (RFC 9562, version 7): what is new lies together in every index."""
        number = self.now << 80 | self._rng.getrandbits(76)
        return str(UUID(int=number & ~(0xF << 76 | 0x3 << 62) | 0x7 << 76 | 0x2 << 62))

    def new_event_id(self) -> str:
        """A new id for an event that happens now."""
        return new_event_id(self.now, self._rng)

    def place(self, item: Item, *, was_listed: bool = True) -> Placement:
        """Where the item goes at Tradera, and what is missing; what its ad says there is looked at only if that can hold it.

        Tradera can have moved an ad to another category only of an item that was listed before.
        """
        placing, account = self.placing(), self._reference(item.account_id)
        if self._placer.dresser.fixed.check == "hold":
            return self._placer.dressed(self.db, item, placing, account)
        moved = items.moved_category(self.db, item.id) if was_listed else None
        return placing.place(item.spec, account, moved)

    def apply(self, item: Item, listing: Listing | None, given: Input) -> Change:
        """Let the lifecycle say what the input means now, and write that down."""
        change = effects.apply(item, listing, given, now=self.now)
        self.record(item, listing, change)
        return change

    def record(
        self, before: Item | None, listing_before: Listing | None, change: Change, *, touch: bool = True
    ) -> None:
        """Write a change: the item, its listing, the jobs, the events. Nothing is written where nothing changed.

        Without `touch` a change of the listing alone leaves the item's `updatedAt` as it is.
        """
        listing_changed = change.listing is not None and change.listing != listing_before
        if change.item != before or (listing_changed and touch) or change.removed:
            item = change.item
            if item.updated_at != self.now:
                item = replace(item, updated_at=self.now)
            if before is None:
                items.add(self.db, item)
            else:
                items.save(self.db, before, item, removed_at=self.now if change.removed else None)
                if before.tradera_status is TraderaStatus.ENDED:
                    self._keep_plan_true(before, item, removed=change.removed)
        if change.listing is not None and listing_changed:
            items.save_listing(self.db, change.listing, now=self.now)
            if listing_before is not None:
                self._let_other_stand(listing_before, change)
        for wanted in change.jobs:
            self.order(wanted, change.item)
        for event in change.events:
            self.tell(change.item, event)

    def _keep_plan_true(self, before: Item, item: Item, *, removed: bool) -> None:
        """A planned return ends with whatever takes the item off the market or puts it up; a new price begins its ladder anew."""
        planned = ads.return_of_item(self.db, item.id)
        if planned is None:
            return
        off = item.rheo_status is not RheoStatus.ACTIVE or item.delete_requested or removed
        if off or item.tradera_status is not TraderaStatus.ENDED:
            ads.drop_return(self.db, item.id)
            jobs.drop(self.db, JobKind.RELIST, [planned.listing_id])
        elif item.spec.price_ore != before.spec.price_ore:
            asked = whole_kronor(item.spec.price_ore or 100)
            anew = Ladder(
                first_kr=asked,
                price_kr=asked,
                began_at=self.now,
                previous_ad=planned.ladder.previous_ad,
                previous_kr=planned.ladder.previous_kr,
                why=Text("at its new price of {price}", price=asked),
            )
            ads.plan_return(self.db, replace(planned, ladder=anew))

    def _let_other_stand(self, before: Listing, change: Change) -> None:
        """Once the ad that stood for the item has closed, another that is still up does."""
        closed = before.state.is_open and change.listing is not None and not change.listing.state.is_open
        other = items.surplus_listing(self.db, before.item_id) if closed and not before.surplus else None
        if other is not None and not change.removed:
            self.apply(items.by_id(self.db, before.item_id), other, Remained())

    def order(self, wanted: JobOrder, item: Item) -> None:
        """Order a job about an item, or about all that its account has."""
        about_all = wanted.subject == item.account_id
        owner = jobs.Owner(account_id=item.account_id, item_id=None if about_all else item.id)
        self.order_for(wanted, owner)

    def order_for(self, wanted: JobOrder, owner: jobs.Owner) -> None:
        """Order a job and wake its queue after the commit."""
        jobs.order(self.db, wanted, owner, now=self.now)
        self.woken.add(wanted.queue)

    def order_reconciliation(self, account_id: str) -> None:
        """Have the account's orders and ends looked for at Tradera at once, not at the next pass's time."""
        wanted = JobOrder(queue=QueueName.TRADERA, kind=JobKind.RECONCILE, subject=account_id)
        self.order_for(wanted, jobs.Owner(account_id=account_id))

    def begin_reading(self, account_id: str) -> None:
        """Have an account that sells read on schedule: its orders and ads, and what its ads have of bids."""
        self.order_reconciliation(account_id)
        wanted = JobOrder(queue=QueueName.TRADERA, kind=JobKind.BIDS, subject=account_id)
        self.order_for(wanted, jobs.Owner(account_id=account_id))

    def tell(self, item: Item, event: Event) -> None:
        """Write an event down; if it goes out as a webhook, build its bytes and order its deliveries."""
        event_id = self.new_event_id()
        goes_out = event.type in WEBHOOK_EVENTS
        body = partial(webhook_body, event_id=event_id, now=self.now, item=item, event=event)
        member = self._reference(item.account_id) if goes_out else ""
        kept = dict(event.data)
        if event.type in {EventType.ITEM_SOLD, EventType.ITEM_SALE_REVERSED}:
            kept |= {"salePrice": sek(event.sale_price_ore), "platform": event.platform}
        new = outbox.NewEvent(
            event_id=event_id,
            type=event.type,
            data=_encode(kept),
            body=body() if goes_out else None,
            members_body=body(member=member) if member else None,
            once=event.once,
        )
        owner = jobs.Owner(account_id=item.account_id, item_id=item.id)
        seq = outbox.add_event(self.db, new, owner, now=self.now)
        if seq is not None and event.type in _LOGGED:
            known = {name: str(event.data[name]) for name in _TELLING if event.data.get(name) is not None}
            told = partial(_log.info, _LOGGED[event.type], external_id=item.external_id, **known)
            self.afterwards.append(told)
        if seq is not None and goes_out:
            outbox.order_deliveries(self.db, seq, now=self.now)
            self.woken.add(QueueName.WEBHOOKS)

    def tell_of_order(self, order_id: int, account_id: str, sold: Sequence[Item], event: OrderEvent) -> None:
        """Write an event about an order down, once for all the items sold by it, and order its deliveries.

        It comes after what was told of any of them and before what will be. The history of each has it.
        """
        if len(sold) > 1:
            outbox.join_lines(self.db, [item.id for item in sold])
        first = sold[0] if sold else None
        history = _encode({"orderId": str(order_id)})
        event_id = self.new_event_id()
        about = first or Item(id="", account_id=account_id, external_id="", spec=ItemSpec(title=""))
        body = partial(webhook_body, event_id=event_id, now=self.now, item=about, event=event.event())
        member = self._reference(account_id)
        told = outbox.NewEvent(
            event_id=event_id,
            type=event.EVENT,
            data=history,
            body=body(),
            members_body=body(member=member) if member else None,
            order_id=order_id,
            names_buyer=event.buyer is not None,
        )
        owner = jobs.Owner(account_id=account_id, item_id=None if first is None else first.id)
        seq = outbox.add_event(self.db, told, owner, now=self.now)
        assert seq is not None
        outbox.order_deliveries(self.db, seq, now=self.now)
        self.woken.add(QueueName.WEBHOOKS)
        for other in sold[1:]:
            beside = outbox.NewEvent(
                event_id=self.new_event_id(), type=event.EVENT, data=history, body=None, order_id=order_id
            )
            owner = jobs.Owner(account_id=account_id, item_id=other.id)
            outbox.add_event(self.db, beside, owner, now=self.now)
        self.afterwards.append(partial(_log.info, event.EVENT.value.replace(".", " "), order=order_id))


class Store:
    """Runs use cases as transactions, and wakes the queues they gave work to."""

    def __init__(
        self,
        *,
        database: Database,
        now: Callable[[], int],
        rng: Random,
        wake: Callable[[QueueName], None],
        probe: Callable[[QueueName], None] | None = None,
        placer: Placer | None = None,
    ) -> None:
        self.placer = placer or Placer()
        self.rules = OrderRules()
        self._database = database
        self._now = now
        self._rng = rng
        self._wake = wake
        self._probe = probe or wake
        self._known = KnownAccounts()

    async def write(self, use_case: Callable[[Transaction], T]) -> T:
        """Run a use case as one durable transaction. Raises what it raises, or StoreUnavailable."""
        tx: list[Transaction] = []

        def work(db: sqlite3.Connection) -> T:
            tx[:] = [
                Transaction(
                    db,
                    now=self._now(),
                    rng=self._rng,
                    placer=self.placer,
                    rules=self.rules,
                    known=self._known,
                )
            ]
            return use_case(tx[0])

        def then() -> None:
            for queue in sorted(tx[0].woken):  # in one order, so that the same chance gives the same run
                self._wake(queue)
            for queue in sorted(tx[0].probed):
                self._probe(queue)
            for each in tx[0].afterwards:
                each()

        return await self._database.write(work, then=then)

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Run a query on what is committed."""
        return await self._database.read(query)

    async def overwrite(self) -> None:
        """Have what was erased go from the write-ahead log too; while somebody reads for long, housekeeping tries again."""
        self._database.log_holds_erased = True
        await self._database.shorten_log()

    def copies(self) -> tuple[str, ...]:
        """The copies of the database that stand beside it, made before a change of its schema or a restore."""
        file = self._database.file
        return tuple(sorted(str(each) for each in file.parent.glob(f"{file.name}.*") if each.is_file()))

    def now(self) -> int:
        """The time (ms UTC)."""
        return self._now()
