"""When auctions end: the owner's windows, the place each listing gets in them, and the owner's word on it.

A place is given when a listing is about to be sent, in one transaction with all that are taken, so that no two get the same.
A commit that comes too late for its place gives it back and takes the next.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from hmac import compare_digest

from rheod.domain.calendar import AT_ONCE, BadWindow, EndChoice, EndPlace, EndRules, Plan, SeenEnds, place_at
from rheod.domain.errors import FieldError, Refused, Text
from rheod.domain.model import Event, EventType, Item, JobKind, Listing, ListingState, TraderaWish
from rheod.store import ads, items, jobs, key_value
from rheod.store.ads import ScheduledEnd
from rheod.usecases.transaction import Store, Transaction

_OF_SETTINGS, _OF_OWNER = "ends.rules.settings", "ends"
_SEEN, _COMPARED = "ends.seen", "ends.compared"
_COMPARE_MS = 6 * 3600 * 1000
"""So often one ad is read to compare its end: a call."""
LATE_MS = 50_000
"""A commit may be so late for its place: a place has a minute of its window on both sides."""
_SOON_MS = 120_000
"""What is placed now can be committed from so long after now on."""
_DAY_MS = 24 * 3600 * 1000


def choice(db: sqlite3.Connection) -> tuple[EndChoice, bool]:
    """The plan in force, and whether the settings file has it, which nothing else changes."""
    fixed = key_value.choice(db, _OF_SETTINGS)
    kept = fixed if fixed is not None else key_value.choice(db, _OF_OWNER)
    return (EndChoice() if kept is None else EndChoice.of(kept)), fixed is not None


def rules(db: sqlite3.Connection) -> EndRules:
    """The plan in force as places are given by it, with what Tradera's ends have shown."""
    return _seen(db).laid_over(choice(db)[0].rules)


def _seen(db: sqlite3.Connection) -> SeenEnds:
    kept = json.loads(key_value.get(db, _SEEN) or "{}")
    return SeenEnds(lags=tuple(kept.get("lags", ())), whole_days=kept.get("whole_days"))


def to_compare(db: sqlite3.Connection, account_id: str, *, now: int) -> Listing | None:
    """The newest ad that is up in a place of the plan, and whose end nobody has compared; None while one was lately."""
    last = int(key_value.get(db, f"{_COMPARED}:{account_id}") or 0)
    if last <= now < last + _COMPARE_MS:
        return None
    found = ads.newest_placed(db, account_id, since=min(last, now))
    return None if found is None else items.listing(db, found)


def compare(tx: Transaction, listing: Listing, end_at: int | None) -> None:
    """Learn from the end that Tradera reports of an ad how long after its commit it begins, and how days are counted."""
    key_value.put(tx.db, f"{_COMPARED}:{listing.account_id}", str(tx.now))
    if end_at is None or listing.commit_sent_at is None or not listing.days:
        return
    seen = _seen(tx.db).with_end(listing.commit_sent_at, listing.days, end_at)
    key_value.put(tx.db, _SEEN, json.dumps(asdict(seen)))


def note_settings(db: sqlite3.Connection, given: EndChoice | None, *, now: int) -> None:
    """Let the plan of the settings file be the one in force; without one there the owner's choice is."""
    key_value.choose(db, _OF_SETTINGS, None if given is None else given.kept(), now=now)


def wants_place(db: sqlite3.Connection, item: Item, listing: Listing, *, now: int) -> bool:
    """Whether this auction is to end at a time that is still to be chosen."""
    if listing.end_place == AT_ONCE:
        return False
    if listing.end_place is not None:
        return listing.end_place.commit_at + LATE_MS < now
    named = (item.spec.tradera or TraderaWish()).end_at
    return bool(choice(db)[0].windows) or (named is not None and listing.generation == 1)


def settle_place(tx: Transaction, listing_id: str) -> Listing:
    """Give the listing the place it has named, else the next that is free; without one it goes at once."""
    listing = items.listing(tx.db, listing_id)
    item = items.by_id(tx.db, listing.item_id)
    if not wants_place(tx.db, item, listing, now=tx.now):
        return listing
    before = listing.end_place
    wish = item.spec.tradera or TraderaWish()
    place = None
    if wish.end_at is not None and listing.generation == 1 and before is None:
        place = place_at(rules(tx.db), wish.end_at, earliest=tx.now, days=wish.duration_days)
    if place is None:
        taken = ads.ends(tx.db, [item.account_id], tx.now, tx.now + 400 * _DAY_MS)
        others = ((each.end_at, each.category_id) for each in taken if each.listing_id != listing.id)
        made = listing.days if listing.state is ListingState.ADDED else None  # a request has its days already
        place = Plan.of(rules(tx.db), others).place(
            earliest=tx.now + _SOON_MS, days=made or wish.duration_days, category=listing.category_id
        )
    if place is None:
        place = AT_ONCE
    elif before is not None:
        place = replace(place, moves=before.moves + 1)
    if before is not None:
        data = {
            "from": before.end_at,
            "to": place.end_at,
            "reason": Text("its commit came too late for its place"),
        }
        tx.tell(item, Event(type=EventType.END_MOVED, data=data))
    placed = replace(listing, end_place=place)
    items.save_listing(tx.db, placed, now=tx.now)
    return placed


def refuse_bad_end(wish: TraderaWish | None, *, now: int) -> None:
    """Raise Refused (VALIDATION_FAILED) for an end that no auction can reach any more."""
    if wish is None or wish.end_at is None:
        return
    if place_at(EndRules(), wish.end_at, earliest=now, days=wish.duration_days) is None:
        days = wish.duration_days or 1
        sentence = Text("Must be at least {days} days ahead: an auction cannot be shorter", days=days)
        wrong = FieldError("tradera.endAt", sentence)
        raise Refused("VALIDATION_FAILED", Text("Validation failed"), (wrong,))


class Ending:
    """What the owner sees of the ends and says about them."""

    def __init__(self, *, store: Store) -> None:
        self._store = store

    async def between(self, account_ids: Sequence[str], since: int, until: int) -> list[ScheduledEnd]:
        """What ends in this time (ms UTC), the next first."""
        return await self._store.read(lambda db: ads.ends(db, account_ids, since, until))

    async def move(self, account_id: str, external_id: str, end_at: int) -> ScheduledEnd:
        """Give a listing that is not committed another end. Raises Refused (NOT_FOUND, CONFLICT, VALIDATION_FAILED)."""

        def use_case(tx: Transaction) -> ScheduledEnd:
            item, listing, place = _moved(tx.db, account_id, external_id, end_at, now=tx.now)
            before = listing.end_place
            place = replace(place, moves=(before.moves if before else 0) + 1)
            items.save_listing(tx.db, replace(listing, end_place=place), now=tx.now)
            data = {
                "from": before.end_at if before else None,
                "to": end_at,
                "reason": Text("moved by its owner"),
            }
            tx.tell(item, Event(type=EventType.END_MOVED, data=data))
            jobs.hurry(tx.db, JobKind.PUBLISH, listing.id, now=tx.now)
            moved = ads.ends(tx.db, [account_id], 0, end_at + 1)
            return next(each for each in moved if each.listing_id == listing.id)

        return await self._store.write(use_case)

    async def foreseen(
        self, account_id: str, external_id: str, end_at: int
    ) -> tuple[EndPlace | None, EndPlace]:
        """The place the listing has now and the one that `move` would give it. Nothing is kept. Raises Refused as `move`."""

        def query(db: sqlite3.Connection) -> tuple[EndPlace | None, EndPlace]:
            _, listing, place = _moved(db, account_id, external_id, end_at, now=self._store.now())
            return listing.end_place, place

        return await self._store.read(query)

    async def owners_choice(self) -> tuple[EndChoice, bool]:
        """The plan in force, and whether the settings file has it."""
        return await self._store.read(choice)

    async def change(self, change: Callable[[EndChoice], EndChoice]) -> EndChoice:
        """Let the plan be what `change` makes of the one in force, from now on; returns it.

        Raises Refused: CONFLICT where the settings file has one, VALIDATION_FAILED for a bad window, and what `change` raises.
        """

        def use_case(tx: Transaction) -> EndChoice:
            if key_value.choice(tx.db, _OF_SETTINGS) is not None:
                raise Refused(
                    "CONFLICT", Text("The settings file has these windows under [ends]: change them there")
                )
            given = change(choice(tx.db)[0])
            try:
                _ = given.rules
            except BadWindow as error:
                raise Refused("VALIDATION_FAILED", Text.of(str(error))) from error
            key_value.choose(tx.db, _OF_OWNER, given.kept(), now=tx.now)
            return given

        return await self._store.write(use_case)

    async def feed_token(self, account_id: str, *, new: Callable[[], str]) -> str:
        """The secret in the address of the calendar, made when first asked for."""

        def use_case(tx: Transaction) -> str:
            kept = key_value.get(tx.db, _feed(account_id))
            if kept is None:
                kept = new()
                key_value.put(tx.db, _feed(account_id), kept)
            return kept

        return await self._store.write(use_case)

    async def has_feed(self, account_id: str) -> bool:
        """Whether the calendar has an address."""
        return await self._store.read(lambda db: key_value.get(db, _feed(account_id))) is not None

    async def revoke_feed(self, account_id: str) -> None:
        """The calendar's address of before is nobody's any more."""
        await self._store.write(lambda tx: key_value.drop(tx.db, _feed(account_id)))

    async def is_feed(self, account_id: str, token: str) -> bool:
        """Whether this is the secret of the account's calendar."""
        kept = await self._store.read(lambda db: key_value.get(db, _feed(account_id)))
        return kept is not None and compare_digest(kept.encode(), token.encode())


def _feed(account_id: str) -> str:
    return f"calendar:{account_id}"


def _moved(
    db: sqlite3.Connection, account_id: str, external_id: str, end_at: int, *, now: int
) -> tuple[Item, Listing, EndPlace]:
    """The item, its listing and the place that this end is. Raises Refused."""
    item = items.find(db, account_id, external_id)
    if item is None:
        raise Refused("NOT_FOUND", Text("No item found with this external ID"))
    listing = items.latest_listing(db, item.id)
    if listing is None or not listing.state.is_open or listing.state.may_be_live:
        raise Refused("CONFLICT", Text("Only what is still to be committed can get another end"))
    days = listing.days if listing.state is ListingState.ADDED else None
    place = place_at(rules(db), end_at, earliest=now, days=days)
    if place is None:
        raise Refused(
            "VALIDATION_FAILED",
            Text("No auction can end then: it is too soon"),
            (FieldError("endAt", Text("Must be at least a day ahead")),),
        )
    return item, listing, place
