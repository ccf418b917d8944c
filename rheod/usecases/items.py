"""What an ERP or the owner asks for: put, read, price, status, delete, publish. Each answer is a sentence."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from rheod.domain.ad_text import whole_kronor
from rheod.domain.budget import (
    METHODS_OF,
    PASS_COST,
    TOTAL,
    WINDOW_MS,
    Load,
    MethodState,
    PublishLimit,
    Quota,
    Window,
    asked_for,
    calls_of_reading,
    shared_by,
)
from rheod.domain.calendar import AT_ONCE
from rheod.domain.crash import crashpoint
from rheod.domain.effects import Change
from rheod.domain.errors import FieldError, Refused, Text
from rheod.domain.inputs import PriceChanged, Removal
from rheod.domain.model import (
    CallClass,
    EndWish,
    Item,
    ItemSpec,
    JobKind,
    Listing,
    ListingState,
    Picture,
    QueueName,
    RheoStatus,
)
from rheod.store import inbox, items, jobs, order_changes, orders
from rheod.store.ledger import Ledger, Part
from rheod.usecases import relisting
from rheod.usecases.contested_sales import Reversing, refuse_sale_in_doubt
from rheod.usecases.listings import settle, why_not_published
from rheod.usecases.placement import look_again
from rheod.usecases.put_item import PutResult, put, queue_listing, refuse_price_or_status, refuse_to_orphan
from rheod.usecases.relisting import RelistView
from rheod.usecases.transaction import Store, Transaction

NOT_FOUND = Text("No item found with this external ID")
_LONG_MS = 120_000


@dataclass(frozen=True, slots=True)
class QueuePlace:
    """Where a publish waits for the call budget: its position from 1, and when it is expected to go (ms)."""

    position: int
    expected_at: int


@dataclass(frozen=True, slots=True)
class ItemView:
    """An item as it is shown, with its latest listing, its pictures, and why it waits, since when and until when (ms).

    `trouble` is why it waits where something fails or is missing: not its own start time, nor the call budget.
    """

    item: Item
    listing: Listing | None
    pictures: tuple[Picture, ...]
    queue: QueuePlace | None
    waits_for: str | None
    ad_url: str | None = None
    waits_since: int | None = None
    next_try: int | None = None
    trouble: str | None = None
    relist: RelistView | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetForecast:
    """What lies before an account's publishing: the limits it must keep; `waits_for` says why nothing is sent at all.

    `waits_since` is since when that is so, `next_try` when it is tried again (ms), where they are known; where it
    `waits_for_owner`, nothing is tried before.

    `paused_until` (ms) is when publishing may go on after a 429. Nobody knows when it may after a refused token. `calls`
    are all that count.
    """

    calls: Window = field(default_factory=Window)
    limits: tuple[PublishLimit, ...] = ()
    waits_for: str | None = None
    waits_since: int | None = None
    next_try: int | None = None
    waits_for_owner: bool = False
    paused_until: int = 0
    rests: Mapping[CallClass, MethodState] = field(default_factory=dict)
    """What Tradera lets nobody call for now."""

    @classmethod
    def of(
        cls,
        ledger: Ledger,
        quota: Quota,
        account_id: str,
        *,
        now: int,
        sellers: Mapping[str, str],
        gap_ms: int,
    ) -> BudgetForecast:
        """What the ledger of calls tells an account at this moment; `sellers`: who shares the budget, and their tokens.

        `gap_ms` is how often each of them reads on schedule, which takes of the sum.
        """
        selling = [
            other
            for other, token in sellers.items()
            if other != account_id and not ledger.is_refused(other, token, now=now)
        ]
        reading = calls_of_reading(
            round(len(sellers) * PASS_COST * WINDOW_MS / gap_ms),
            ledger.window(TOTAL, Part.READING).used(now),
        )
        made = ledger.methods(now=now)
        asked = asked_for(made.get("commit", 0), made.get("results", 0))
        limits = []
        for limit in ledger.limits(quota, CallClass.PUBLISH, dict.fromkeys(METHODS_OF[CallClass.PUBLISH], 1)):
            in_all = limit.method == TOTAL
            used = (
                ledger.used(shared_by(CallClass.PUBLISH), now=now)
                if in_all
                else ledger.used_of(limit.method, now=now)
            )
            limits.append(
                PublishLimit(
                    method=limit.method,
                    window=limit.window,
                    limit=limit.limit,
                    ceiling=limit.ceiling,
                    daily=max(1, limit.ceiling - reading) if in_all else limit.ceiling,
                    asked=asked,
                    used=used[account_id],
                    others={other: used[other] for other in selling},
                )
            )
        refused = ledger.refusal(account_id, sellers.get(account_id, ""), [None])
        rests = {each: rest for each in CallClass if (rest := ledger.rest_of(each, now=now))}
        publishing = rests.get(CallClass.PUBLISH)
        return cls(
            calls=ledger.window(),
            limits=tuple(limits),
            waits_for=None if refused is None else refused.reason,
            waits_since=None if refused is None else refused.since,
            next_try=None if refused is None else refused.until,
            paused_until=publishing.until if publishing else 0,
            rests=rests,
        )

    def goes_at(self, queue: Load, others: Mapping[str, Load], now: int) -> int:
        """When the last of the account's queue goes out, if it goes on at `now` (ms) at the earliest."""
        return max((limit.goes_at(queue, others, now) for limit in self.limits), default=now)

    def tightest(self, now: int) -> PublishLimit:
        """The limit of which least is left."""
        return min(self.limits, key=lambda limit: (limit.ceiling - limit.window.used(now)) / limit.ceiling)


class Items:
    """The owner's use cases. `forecast` tells an account's place in the call budget, for what waits in `read_item`.

    `site_url` is the address of the site that shows the ads.
    """

    def __init__(
        self,
        *,
        store: Store,
        forecast: Callable[[str], BudgetForecast],
        site_url: str = "https://www.tradera.com",
    ) -> None:
        self._store = store
        self._forecast = forecast
        self._site_url = site_url
        self.reversing = Reversing(store=store)

    async def put_item(self, account_id: str, external_id: str, spec: ItemSpec) -> PutResult:
        """Create or update an item and order the work it causes.

        Raises Refused: VALIDATION_FAILED for a parent that is no container, CONFLICT while the item is being deleted.
        """
        result = await self._store.write(lambda tx: put(tx, account_id, external_id, spec))
        crashpoint("put.kept")
        return result

    async def read_item(self, account_id: str, external_id: str) -> ItemView:
        """The item as it is now. Raises Refused (NOT_FOUND)."""

        def query(db: sqlite3.Connection) -> _Kept:
            item = _found(db, account_id, external_id)
            listing = items.latest_listing(db, item.id)
            has_pictures = bool(item.spec.image_urls)
            kept = _Kept(
                view=ItemView(
                    item, listing, tuple(items.pictures(db, item.id)) if has_pictures else (), None, None
                ),
                of_pictures=jobs.of_pictures(db, item.id) if has_pictures else None,
            )
            if listing is None:  # it has never been on its way to Tradera: nothing waits there
                return kept
            queued = listing.state is ListingState.QUEUED
            return replace(
                kept,
                view=replace(kept.view, relist=relisting.view(db, item, listing)),
                place=jobs.place_of_publish(db, listing.id) if queued else None,
                at_tradera=jobs.at_tradera(db, item.id),
                sale=inbox.unread_sale(db, item.id),
            )

        kept = await self._store.read(query)
        listing = kept.view.listing
        if listing is not None and listing.live_at is not None:
            kept = replace(
                kept, view=replace(kept.view, ad_url=f"{self._site_url}/item/{listing.tradera_item_id}")
            )
        asked = listing is not None and listing.ask_at is not None
        if kept.sale is None and kept.at_tradera is None and kept.of_pictures is None and not asked:
            return kept.view
        return _told(kept, self._forecast(account_id), self._store.now())

    async def change_price(self, account_id: str, external_id: str, price_ore: int) -> str:
        """Set the price (öre); a live ad is repriced by a job. Raises Refused (NOT_FOUND, CONFLICT)."""
        answer = await self._store.write(lambda tx: _change_price(tx, account_id, external_id, price_ore))
        crashpoint("price_wish.kept")
        return answer

    async def change_status(
        self, account_id: str, external_id: str, status: Literal["sold", "not_listed"]
    ) -> str:
        """Mark as sold elsewhere or delist; a live ad is ended by a job. Raises Refused (NOT_FOUND, CONFLICT)."""
        wish = EndWish.MARKED_SOLD if status == "sold" else EndWish.UNLISTED
        answer = await self._store.write(lambda tx: _take_away(tx, account_id, external_id, wish))
        crashpoint("status_wish.kept")
        return answer

    async def delete_item(self, account_id: str, external_id: str) -> str:
        """End the ad, then remove the item, or archive it while an order is in progress. Raises Refused (NOT_FOUND)."""
        answer = await self._store.write(lambda tx: _take_away(tx, account_id, external_id, EndWish.DELETED))
        crashpoint("delete_wish.kept")
        return answer

    async def order_publish(self, account_id: str, external_id: str) -> str:
        """Publish the item (again). Raises Refused (NOT_FOUND, CONFLICT)."""
        return await self._store.write(lambda tx: publish_now(tx, account_id, external_id))

    async def publish_at(self, account_id: str, external_id: str, price_ore: int) -> str:
        """Publish the item again, at this price. Raises Refused (NOT_FOUND, CONFLICT, VALIDATION_FAILED)."""

        def again(tx: Transaction) -> str:
            if _found(tx.db, account_id, external_id).spec.price_ore != price_ore:
                _change_price(tx, account_id, external_id, price_ore)
            return publish_now(tx, account_id, external_id)

        return await self._store.write(again)

    async def settle_listing(self, account_id: str, external_id: str, ad_id: int | None) -> str:
        """The owner says whether an ad in doubt is up (its number) or not (None). Raises Refused (NOT_FOUND, CONFLICT)."""
        return await self._store.write(
            lambda tx: settle(
                tx, _found(tx.db, account_id, external_id), ad_id=ad_id, site_url=self._site_url
            )
        )


def publish_now(tx: Transaction, account_id: str, external_id: str) -> Text:
    """Publish the item (again), without a wait for the plan of ends. Raises Refused (NOT_FOUND, CONFLICT)."""
    item = _found(tx.db, account_id, external_id)
    previous = items.latest_listing(tx.db, item.id)
    refusal = why_not_published(item, previous)
    if refusal is not None:
        raise Refused("CONFLICT", refusal)
    refuse_sale_in_doubt(tx.db, item.id)
    if previous is not None and previous.is_held:
        look_again(tx, previous.id)
        reason = items.listing(tx.db, previous.id).held
        tx.probed.add(QueueName.TRADERA)
        return (
            Text("Queued for publishing") if reason is None else Text("It is held: {reason}", reason=reason)
        )
    if previous is not None and previous.state.is_open and not previous.state.may_be_live:
        previous = replace(previous, end_place=AT_ONCE)
        items.save_listing(tx.db, previous, now=tx.now)  # the owner's "now" waits for no place among the ends
    if previous is not None and previous.state is ListingState.QUEUED:
        order = jobs.place_of_publish(tx.db, previous.id)
        if order is None:
            return Text("Already queued: waiting for its pictures")
        jobs.hurry(tx.db, JobKind.PUBLISH, previous.id, now=tx.now)
        tx.probed.add(QueueName.TRADERA)
        return Text("Already queued: position {n}", n=order.position)
    if previous is not None and previous.state.is_open:
        if not previous.state.may_be_live and jobs.place_of_publish(tx.db, previous.id) is not None:
            jobs.hurry(tx.db, JobKind.PUBLISH, previous.id, now=tx.now)
            tx.probed.add(QueueName.TRADERA)
            return Text("Tries again now")
        return Text("Nothing to do: the listing is {state}", state=previous.state.value)
    queue_listing(tx, item, previous, at_once=True)
    tx.probed.add(QueueName.TRADERA)
    return Text("Queued for publishing")


def _change_price(tx: Transaction, account_id: str, external_id: str, price_ore: int) -> str:
    item = _found(tx.db, account_id, external_id)
    refuse_price_or_status(item)
    _refuse_overtaken(item, price_ore)
    listing = items.latest_listing(tx.db, item.id)
    change = tx.apply(item, listing, PriceChanged(price_ore=price_ore))
    if change.item == item:
        return Text("Price is unchanged; nothing to do.")
    if change.jobs:
        return Text("Price updated; the ad follows in the background.")
    return Text("Price updated.")


def _refuse_overtaken(item: Item, price_ore: int) -> None:
    """Raise Refused where bids would start at the item's reserve price or its Buy Now price, or above: Tradera takes no such ad.

    So too under the item's own floor: it would come back, if it is not sold, for less than it may go for.
    """
    wish = item.spec.tradera
    floor_kr = wish.relist.floor_kr if wish and wish.relist else None
    if floor_kr is not None and floor_kr > whole_kronor(price_ore):
        low = Text("Must not be below tradera.relist.floorPrice, which is {kr} kr", kr=floor_kr)
        raise Refused("VALIDATION_FAILED", Text("Validation failed"), (FieldError("price", low),))
    if wish is None or wish.listing_type == "fixed_price":
        return
    for name, ore in (("reservePrice", wish.reserve_ore), ("buyItNowPrice", wish.buy_it_now_ore)):
        if ore is not None and whole_kronor(ore) <= whole_kronor(price_ore):
            must = Text("Must be below tradera.{name}, which is {kr} kr", name=name, kr=whole_kronor(ore))
            raise Refused("VALIDATION_FAILED", Text("Validation failed"), (FieldError("price", must),))


def _take_away(tx: Transaction, account_id: str, external_id: str, wish: EndWish) -> str:
    item = _found(tx.db, account_id, external_id)
    if item.rheo_status is RheoStatus.ARCHIVED and wish is EndWish.DELETED:
        return Text("Item is already deleted; it is kept as archived while its order is in progress.")
    if wish is EndWish.DELETED:
        refuse_to_orphan(tx.db, item)
        refuse_sale_in_doubt(tx.db, item.id)
    else:
        refuse_price_or_status(item)
    listing = items.latest_listing(tx.db, item.id)
    keep = wish is EndWish.DELETED and orders.open_for_item(tx.db, item.id)
    change = tx.apply(item, listing, Removal(wish=wish, keep=keep))
    if wish is EndWish.MARKED_SOLD and item.rheo_status is not RheoStatus.SOLD:
        order_changes.note_sold_elsewhere(tx.db, item.id, item.spec.price_ore or 0)
    if change.removed:
        jobs.drop(tx.db, JobKind.FETCH_PICTURE, [each.id for each in items.pictures(tx.db, item.id)])
    if listing is not None and change.listing is not None and change.listing.state is ListingState.WITHDRAWN:
        jobs.drop(tx.db, JobKind.PUBLISH, [listing.id])
    return _take_away_message(change, wish)


def _take_away_message(change: Change, wish: EndWish) -> str:
    ending = change.listing is not None and change.listing.state.may_be_live
    if wish is EndWish.DELETED:
        if ending:
            return Text("The ad is being ended; the item is removed when Tradera confirms.")
        return Text("Item deleted.") if change.removed else Text("Item archived: an order is in progress.")
    if wish is EndWish.MARKED_SOLD and ending:
        return Text("Item marked as sold; its ad is being ended in the background.")
    if wish is EndWish.MARKED_SOLD:
        return Text("Item marked as sold.")
    return (
        Text("Item delisted; its ad is being ended in the background.") if ending else Text("Item delisted.")
    )


def _found(db: sqlite3.Connection, account_id: str, external_id: str) -> Item:
    found = items.find(db, account_id, external_id)
    if found is None:
        raise Refused("NOT_FOUND", NOT_FOUND)
    return found


def goes_at(place: jobs.QueuePosition, forecast: BudgetForecast, now: int) -> int:
    """When a waiting publish is expected to go: at its own time, or when the budget and a pause let it."""
    earliest = max(place.due_at, forecast.paused_until)
    if place.due_at > now and place.reason:
        return earliest
    return forecast.goes_at(Load(place.position, place.cost_up_to), place.others, max(now, earliest))


@dataclass(frozen=True, slots=True)
class _Kept:
    """What the store knows of an item and of why it waits."""

    view: ItemView
    of_pictures: jobs.WaitingJob | None
    place: jobs.QueuePosition | None = None
    at_tradera: jobs.WaitingJob | None = None
    sale: inbox.UnreadSale | None = None


def _committed(view: ItemView, listing: Listing, now: int) -> ItemView:
    """An item whose commit was sent, with what it waits for where that is long."""
    since, why = listing.commit_sent_at or now, None
    if listing.put_off is not None:
        why = Text("its commit is to be sent once more: {reason}", reason=listing.put_off)
    elif now - since > _LONG_MS:
        why = Text("Tradera has not said yet what became of its commit")
    return view if why is None else replace(view, waits_for=why, waits_since=since, next_try=listing.ask_at)


def _told(kept: _Kept, forecast: BudgetForecast, now: int) -> ItemView:
    """An item with why it waits: for its sale to be read, else for a call to Tradera, else for its pictures."""
    found, job, sale = kept.view, kept.at_tradera, kept.sale
    if sale is not None:
        reason = sale.reason or forecast.waits_for or Text("it is looked up at Tradera")
        why = Text("order {number} may be its sale: {reason}", number=sale.number, reason=reason)
        trouble = why if now - sale.since > _LONG_MS else None
        return replace(
            found, waits_for=why, waits_since=sale.since, next_try=sale.next_at or now, trouble=trouble
        )
    if forecast.waits_for is None and found.listing is not None and found.listing.ask_at is not None:
        return _committed(found, found.listing, now)
    if job is None and kept.of_pictures is not None:
        job, forecast = kept.of_pictures, replace(forecast, waits_for=None)
    if job is None:
        return found
    if forecast.waits_for is not None:
        return replace(
            found,
            waits_for=forecast.waits_for,
            waits_since=forecast.waits_since or job.created_at,
            next_try=None if forecast.waits_for_owner else max(job.due_at, forecast.next_try or 0),
            trouble=forecast.waits_for,
        )
    if job.reason is not None:
        of_pictures = job is kept.of_pictures  # whose last error stands at the picture
        found = replace(
            found,
            waits_for=job.reason,
            waits_since=job.created_at,
            next_try=job.due_at,
            trouble=job.reason if job.attempts and not of_pictures else None,
        )
    pause = forecast.rests.get(jobs.CLASS_OF[job.kind]) if job.kind in jobs.CLASS_OF else None
    if pause is not None:
        found = replace(
            found,
            waits_for=pause.reason,
            waits_since=pause.since,
            next_try=max(job.due_at, pause.until),
            trouble=pause.reason,
        )
    if kept.place is None:
        return found
    return replace(found, queue=QueuePlace(kept.place.position, goes_at(kept.place, forecast, now)))
