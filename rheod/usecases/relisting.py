"""Returns of unsold ads: the owner's rule, what it plans when an ad ends, and the owner's word on each plan.

A plan is a row beside the job that carries it out. Whatever takes the item off the market, or puts it up by hand, ends the
plan in the same transaction (`keep_true`), so that a stopped return never goes out.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date

from rheod.domain.ad_text import whole_kronor
from rheod.domain.budget import TOTAL, publish_cost, publish_needs
from rheod.domain.calendar import day_of
from rheod.domain.effects import Change
from rheod.domain.errors import FieldError, Refused, Text
from rheod.domain.inputs import PublishOrdered
from rheod.domain.model import (
    CloseReason,
    Event,
    EventType,
    Item,
    ItemSpec,
    ItemType,
    JobKind,
    JobOrder,
    Listing,
    ListingState,
    PictureState,
    QueueName,
    RelistWish,
    RheoStatus,
    TraderaStatus,
    TraderaWish,
)
from rheod.domain.relist import (
    BelowReserve,
    ComesBack,
    RelistRule,
    StaysDown,
    Then,
    Unsold,
    decide,
    reserve_of,
)
from rheod.store import ads, items, jobs, key_value
from rheod.store.ads import PlannedReturn
from rheod.usecases.transaction import Store, Transaction

_OF_SETTINGS, _OF_OWNER = "relist.rule.settings", "relist.rule.owner"
MOST_ALIKE = 5
"""Tradera takes so many running ads of one text and price from an account."""


def rule(db: sqlite3.Connection) -> RelistRule:
    """The rule in force: that of the settings file, else what the owner has chosen, else none."""
    text = key_value.get(db, _OF_SETTINGS) or key_value.get(db, _OF_OWNER)
    if text is None:
        return RelistRule()
    held = json.loads(text)  # the file's rule wins over the owner's
    return RelistRule(
        **{
            **held,
            "steps": tuple(held["steps"]),
            "then": Then(held["then"]),
            "below_reserve": BelowReserve(held["below_reserve"]),
        }
    )


def is_locked(db: sqlite3.Connection) -> bool:
    """Whether the settings file has a rule, which nothing else changes."""
    return key_value.get(db, _OF_SETTINGS) is not None


def note_settings(db: sqlite3.Connection, given: RelistRule | None) -> None:
    """Let the rule of the settings file be the one in force; without one there the owner's choice is."""
    if given is None:
        key_value.drop(db, _OF_SETTINGS)
    else:
        key_value.put(db, _OF_SETTINGS, json.dumps(asdict(given)))


def decide_for(
    db: sqlite3.Connection,
    item: Item,
    listing: Listing,
    reason: CloseReason,
    *,
    ended_at: int,
    highest_bid_kr: int | None = None,
) -> ComesBack | StaysDown | None:
    """What the rule says of an ad of this item that ended for this reason; None where no rule is switched on."""
    wish = item.spec.tradera or TraderaWish()
    own = rule(db).laid_over(wish.relist)
    if not own.enabled or listing.surplus or listing.price_kr is None:
        return None
    gone = item.rheo_status is not RheoStatus.ACTIVE or item.delete_requested
    ad = Unsold(
        reason=reason,
        number=listing.tradera_item_id,
        price_kr=listing.price_kr,
        ladder=listing.ladder,
        began_at=listing.live_at or ended_at,
        ended_at=ended_at,
        highest_bid_kr=highest_bid_kr,
        reserve_kr=reserve_of(item, listing.ladder),
        withdrawn=gone or listing.end_wish is not None,
    )
    return decide(own, ad)


def plan(tx: Transaction, item: Item, listing: Listing, back: ComesBack) -> None:
    """Keep the return that was decided on, and order the job that makes it, unless the owner has paused them all."""
    planned = PlannedReturn(
        listing_id=listing.id,
        item_id=item.id,
        account_id=item.account_id,
        at=back.at,
        ladder=back.ladder,
    )
    ads.plan_return(tx.db, planned)
    _order(tx, planned)


def _order(tx: Transaction, planned: PlannedReturn) -> None:
    if planned.held or ads.returns_paused(tx.db):
        return
    wanted = JobOrder(
        queue=QueueName.TRADERA,
        kind=JobKind.RELIST,
        subject=planned.listing_id,
        delay_ms=max(planned.at - tx.now, 0),
    )
    tx.order_for(wanted, jobs.Owner(account_id=planned.account_id, item_id=planned.item_id))


def standing(db: sqlite3.Connection, listing_id: str) -> tuple[PlannedReturn, Item, Listing] | None:
    """The return planned after this listing, with what it is about; None when it is not to be made (any more)."""
    planned = ads.return_of_listing(db, listing_id)
    if planned is None or planned.held or ads.returns_paused(db):
        return None
    item, latest = items.by_id(db, planned.item_id), items.latest_listing(db, planned.item_id)
    if latest is None or latest.id != listing_id or not waits_for_return(item):
        return None
    return planned, item, latest


def waits_for_return(item: Item) -> bool:
    """Whether the item is one that ended unsold and nobody has taken off the market."""
    down = item.tradera_status is TraderaStatus.ENDED and item.rheo_status is RheoStatus.ACTIVE
    return down and not item.delete_requested


def go(tx: Transaction, listing_id: str, highest_bid_kr: int | None) -> bool:
    """Put the item up again as planned, as a new listing; False when the plan does not stand any more."""
    found = standing(tx.db, listing_id)
    if found is None:
        return False
    planned, item, listing = found
    ladder = planned.ladder
    if ladder.attempt and highest_bid_kr is not None:
        # what bids had reached is only seen now, and the owner's rule may want another reserve for it
        again = decide_for(
            tx.db,
            item,
            listing,
            CloseReason.NO_BIDS,
            ended_at=listing.closed_at or tx.now,
            highest_bid_kr=highest_bid_kr,
        )
        if isinstance(again, ComesBack):
            ladder = replace(ladder, reserve_kr=again.ladder.reserve_kr)
    pictures = items.pictures(tx.db, item.id)
    ready = sum(picture.state is PictureState.READY for picture in pictures)
    ordered = PublishOrdered(
        listing_id=tx.new_id(),
        generations=items.last_generation(tx.db, item.id),
        pictures=ready,
        pictures_settled=all(picture.state is not PictureState.PENDING for picture in pictures),
        ladder=ladder,
    )
    tx.apply(item, listing, ordered)
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class DayOfReturns:
    """What comes back on one day by Swedish clocks: ads, the calls they take, and how many do not fit into the quota."""

    day: date
    ads: int
    calls: int
    too_many: int


_LOOKS = 2
"""Calls before a return: the ended ad, and whether Tradera has put it up again."""


def by_day(planned: Sequence[PlannedReturn], limit: Callable[[str], int | None]) -> list[DayOfReturns]:
    """The returns that are not held by the days they come on; `limit` gives the calls of a method in 24 hours, or in all ("")."""
    days: dict[date, list[PlannedReturn]] = defaultdict(list)
    for each in planned:
        if not each.held:
            days[day_of(each.at)].append(each)
    found = []
    for day, returns in sorted(days.items()):
        cost = sum(publish_cost(each.pictures) for each in returns)
        looks = _LOOKS * len(returns)
        needs = {**publish_needs(len(returns), cost), "item": looks, TOTAL: cost + looks}
        shares = [
            (allowed or 0) / need
            for method, need in needs.items()
            if need and (allowed := limit(method)) is not None
        ]
        fits = int(len(returns) * min([1.0, *shares]))
        found.append(
            DayOfReturns(day=day, ads=len(returns), calls=cost + looks, too_many=len(returns) - fits)
        )
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class RelistView:
    """What an item's returns look like: the next one that is planned, or would be if its ad ended unsold now."""

    next_at: int | None
    next_kr: int | None
    attempt: int
    of: int
    reason: str
    held: bool = False


def view(db: sqlite3.Connection, item: Item, listing: Listing | None) -> RelistView | None:
    """The item's next return; None where no rule is switched on for it."""
    own = rule(db).laid_over((item.spec.tradera or TraderaWish()).relist)
    if not own.enabled or listing is None:
        return None
    planned = ads.return_of_item(db, item.id)
    if planned is not None:
        return RelistView(
            next_at=planned.at,
            next_kr=planned.ladder.price_kr,
            attempt=planned.ladder.attempt,
            of=own.times,
            reason=planned.ladder.why,
            held=planned.held or ads.returns_paused(db),
        )
    if listing.state is not ListingState.LIVE or listing.ends_at is None:
        return None
    back = decide_for(db, item, listing, CloseReason.NO_BIDS, ended_at=listing.ends_at)
    if isinstance(back, ComesBack):
        return RelistView(
            next_at=back.at,
            next_kr=back.ladder.price_kr,
            attempt=back.ladder.attempt,
            of=own.times,
            reason=back.why,
        )
    done = listing.ladder.attempt if listing.ladder else 0
    if back is None:
        return None
    return RelistView(next_at=None, next_kr=None, attempt=done, of=own.times, reason=back.why)


def replan(tx: Transaction, item: Item) -> None:
    """Decide anew about a return that is planned, after the rule or the item's own words have changed."""
    planned, listing = ads.return_of_item(tx.db, item.id), items.latest_listing(tx.db, item.id)
    if planned is None or listing is None:
        return
    ended_at = listing.closed_at or planned.at
    back = decide_for(tx.db, item, listing, CloseReason.NO_BIDS, ended_at=ended_at)
    if isinstance(back, ComesBack):
        ladder = (
            back.ladder if planned.ladder.attempt else planned.ladder
        )  # 0: at a price the ERP has set since
        ads.plan_return(tx.db, replace(planned, at=back.at, ladder=ladder))
        jobs.drop(tx.db, JobKind.RELIST, [listing.id])
        _order(tx, replace(planned, at=back.at))
        return
    ads.drop_return(tx.db, item.id)
    jobs.drop(tx.db, JobKind.RELIST, [listing.id])
    why = Text("not relisted: no rule says so") if back is None else back.why
    tx.tell(item, Event(type=EventType.RELIST_STOPPED, data={"reason": why}))


def refuse_without_floor(db: sqlite3.Connection, spec: ItemSpec) -> None:
    """Raise Refused (VALIDATION_FAILED) for an item that comes back, but that nothing keeps from going for a krona."""
    wish = spec.tradera.relist if spec.tradera else None
    if wish is None or not wish.enabled:
        return
    if not rule(db).laid_over(wish).has_floor:
        sentence = Text(
            "Must be given, since no rule of the owner has a floor: the lowest price it may go to"
        )
        wrong = FieldError("tradera.relist.floorPrice", sentence)
        raise Refused("VALIDATION_FAILED", Text("Validation failed"), (wrong,))


class Relisting:
    """What the owner says about returns."""

    def __init__(self, *, store: Store) -> None:
        self._store = store

    async def plan_until(self, account_ids: Sequence[str], latest: int) -> list[PlannedReturn]:
        """What comes back until `latest` (ms UTC), the next first."""
        return await self._store.read(lambda db: ads.returns_until(db, account_ids, latest))

    async def is_paused(self) -> bool:
        """Whether the owner has stopped every return."""
        return await self._store.read(ads.returns_paused)

    async def pause_all(self, *, paused: bool) -> Text:
        """Stop every return until further notice, or let them go on: those whose time has passed at once."""

        def use_case(tx: Transaction) -> Text:
            ads.pause_returns(tx.db, paused=paused)
            planned = [each for each in ads.every_return(tx.db) if not each.held]
            if paused:
                jobs.drop(tx.db, JobKind.RELIST, [each.listing_id for each in planned])
                return Text("Paused: nothing comes back until you resume")
            for each in planned:
                _order(tx, each)
            return Text("Resumed: what has waited comes back now")

        return await self._store.write(use_case)

    async def hold(self, account_id: str, external_id: str, *, held: bool) -> Text:
        """Hold the return of one item, or let it go on. Raises Refused (NOT_FOUND, CONFLICT)."""

        def use_case(tx: Transaction) -> Text:
            item = items.find(tx.db, account_id, external_id)
            if item is None:
                raise Refused("NOT_FOUND", Text("No item found with this external ID"))
            planned = ads.return_of_item(tx.db, item.id)
            if planned is None:
                raise Refused("CONFLICT", Text("No return is planned for this item"))
            planned = replace(planned, held=held)
            ads.plan_return(tx.db, planned)
            if held:
                jobs.drop(tx.db, JobKind.RELIST, [planned.listing_id])
                return Text("Held: it does not come back until you resume it")
            _order(tx, planned)
            return Text("It comes back as planned")

        return await self._store.write(use_case)

    async def change(
        self, account_id: str, external_id: str, wish: RelistWish
    ) -> tuple[Text, RelistView | None]:
        """Set what the item says of its own returns; what `wish` leaves out stays. Raises Refused."""

        def use_case(tx: Transaction) -> tuple[Text, RelistView | None]:
            item = items.find(tx.db, account_id, external_id)
            if item is None:
                raise Refused("NOT_FOUND", Text("No item found with this external ID"))
            if item.spec.type is ItemType.CONTAINER:
                raise Refused("CONFLICT", Text("A container is never listed"))
            own = item.spec.tradera or TraderaWish()
            before = own.relist or RelistWish()
            given = {name: value for name, value in asdict(wish).items() if value is not None}
            told = RelistWish(**{**asdict(before), **given})
            spec = replace(item.spec, tradera=replace(own, relist=told))
            refuse_without_floor(tx.db, spec)
            if (
                told.floor_kr is not None
                and spec.price_ore is not None
                and told.floor_kr > whole_kronor(spec.price_ore)
            ):
                wrong = FieldError("floorPrice", Text("Must not be above the item's price"))
                raise Refused("VALIDATION_FAILED", Text("Validation failed"), (wrong,))
            changed = replace(item, spec=spec)
            listing = items.latest_listing(tx.db, item.id)
            tx.record(item, listing, Change(item=changed, listing=listing))
            replan(tx, changed)
            shown = view(tx.db, changed, listing)
            if shown is None:
                return Text("Noted: it does not come back by itself"), None
            return Text("Noted: what ends unsold from now on follows this"), shown

        return await self._store.write(use_case)

    async def owners_rule(self) -> tuple[RelistRule, bool]:
        """The rule in force, and whether the settings file has it."""
        return await self._store.read(lambda db: (rule(db), is_locked(db)))

    async def change_rule(self, change: Callable[[RelistRule], RelistRule]) -> RelistRule:
        """Let the rule be what `change` makes of the one in force, from now on; returns it.

        Raises Refused: CONFLICT where the settings file has one, VALIDATION_FAILED without a floor, and what `change` raises.
        """

        def use_case(tx: Transaction) -> RelistRule:
            if is_locked(tx.db):
                raise Refused(
                    "CONFLICT", Text("The settings file has this rule under [relist]: change it there")
                )
            given = change(rule(tx.db))
            if given.enabled and not given.has_floor:
                raise Refused(
                    "VALIDATION_FAILED", Text("A rule needs a floor: the lowest price it may go to")
                )
            key_value.put(tx.db, _OF_OWNER, json.dumps(asdict(given)))
            for each in ads.every_return(tx.db):
                replan(tx, items.by_id(tx.db, each.item_id))
            return given

        return await self._store.write(use_case)
