"""The listings of items: one publishing as its publisher reports it, and ads at Tradera that no publishing here knows.

Each step of a publishing is stored before and after its call. Steps go through the tables of `domain/lifecycle.py`, which
keep an item from being auctioned twice: a request may be made anew only before its commit was sent, and a listing that may
be visible blocks every other. The schema refuses the same once more.

The owner's word on a listing in doubt (Tradera took its commit, or did not, and rheod has found nothing) is the only place
where something else than Tradera's answer says whether an ad is up, so it is noted in the history.

Ads that are not known here become listings of their items: those made since a backup, which is older than Tradera's state,
and those restarted there. Ads of items that are unknown here are left alone.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from rheod.domain import effects
from rheod.domain.answers import AdState, SellerAd
from rheod.domain.effects import Change
from rheod.domain.errors import Permanent, Refused, Text
from rheod.domain.inputs import (
    Created,
    Doubled,
    Input,
    PublishFailed,
    Step,
    Superseded,
    TakenOver,
    TurnedUp,
    WentLive,
)
from rheod.domain.lifecycle import REFUSALS, Move
from rheod.domain.model import (
    EndWish,
    Event,
    EventType,
    Item,
    ItemType,
    JobKind,
    Listing,
    ListingState,
    Picture,
    PictureState,
    QueueName,
    RheoStatus,
    read_reference,
)
from rheod.domain.pictures import distinct
from rheod.store import items, jobs, key_value, outbox
from rheod.usecases.transaction import Store, Transaction

_log = structlog.get_logger(__name__)
_GONE = frozenset({RheoStatus.SOLD, RheoStatus.ARCHIVED})


@dataclass(frozen=True, slots=True)
class PublishPlan:
    """A listing with all its publishing needs: the item, its pictures in order, each content once, its ad before this one."""

    item: Item
    listing: Listing
    pictures: tuple[Picture, ...]
    earlier: Listing | None = None


@dataclass(frozen=True, slots=True)
class AskSchedule:
    """When the first answer is asked for after a commit, in ms."""

    first_ask_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SellersAndSite:
    """Whose messages are ours (Tradera member id -> account id) and how an ad's address is made."""

    accounts: Mapping[int, str]
    site_url: str
    closed_grace_ms: int

    def ad_url(self, tradera_item_id: int | None) -> str:
        """The public address of an ad."""
        return f"{self.site_url}/item/{tradera_item_id}"


_PAUSED = "publishing.paused"


def paused_since(db: sqlite3.Connection) -> int | None:
    """Since when the owner has paused all publishing (ms); None while it goes on."""
    kept = key_value.get(db, _PAUSED)
    return None if kept is None else int(kept)


class PublishingPause:
    """The owner's word that nothing goes out, or that it goes on. `told` hears since when, as soon as it is stored."""

    def __init__(self, *, store: Store, told: Callable[[int | None], None]) -> None:
        self._store = store
        self._told = told

    async def since(self) -> int | None:
        """Since when everything is paused (ms); None while it goes on."""
        return await self._store.read(paused_since)

    async def pause(self, *, paused: bool) -> Text:
        """Let no ad go out until further notice, or let them go on. What is up stays up, and what was sold is seen to."""

        def write(tx: Transaction) -> int | None:
            before = paused_since(tx.db)
            since = (before or tx.now) if paused else None
            if since is None:
                key_value.drop(tx.db, _PAUSED)
            else:
                key_value.put(tx.db, _PAUSED, str(since))
            tx.afterwards.append(lambda: self._told(since))
            tx.woken.add(QueueName.TRADERA)
            return since

        if await self._store.write(write) is None:
            return Text("Resumed: what has waited goes out as its turn comes")
        return Text("Paused: no ad goes out until you resume")


def plan(db: sqlite3.Connection, listing_id: str) -> PublishPlan | None:
    """What is to be published now, or None while pictures are missing."""
    listing = items.listing(db, listing_id)
    pictures = items.pictures(db, listing.item_id)
    if any(picture.state is PictureState.PENDING for picture in pictures):
        return None
    ready = [picture for picture in pictures if picture.state is PictureState.READY]
    earlier = items.earlier_ad(db, listing)
    return PublishPlan(items.by_id(db, listing.item_id), listing, distinct(ready), earlier)


def step(tx: Transaction, listing_id: str, given: Input) -> Change:
    """Store what has happened to a listing, or what is about to, with the jobs and events it causes.

    A call to Tradera is two steps: `CreateStarted`, `PictureStarted` or `CommitStarted` in the transaction that notes
    the call in the ledger, `Created`, `PictureSent`, `CommitAnswered`, `CommitRefused` or `NoAnswer` in the one that stores its answer::

        change = listings.step(tx, listing.id, CommitStarted(request_id=request_id, ask_in_ms=10_000))
        if change.refusal: ...

    With a `refusal` the listing has not taken the step and nothing was written: before a call it must not be made (the
    owner has changed the item or taken it back, or the listing has gone on), after a call nothing more may be built on
    its answer. Everything else that happens to a listing (`WentLive`, `PublishFailed`, `AdClosed`...) is one input.

    Raises Permanent when Tradera gave numbers that another listing has: nothing of that one is touched.
    """
    listing = items.listing(tx.db, listing_id)
    item = items.by_id(tx.db, listing.item_id)
    change = effects.apply(item, listing, given, now=tx.now)
    made = given if isinstance(given, Created) and not change.refusal else None
    if made and items.numbers_taken(tx.db, made.request_id, made.tradera_item_id):
        raise Permanent(
            Text(
                "Tradera gave this item the numbers of another ({ad}); nothing was committed",
                ad=made.tradera_item_id,
            )
        )
    tx.record(item, listing, change, touch=not isinstance(given, Step))
    return change


NOT_LIVE = Text("The owner looked: Tradera never showed this ad")


def settle(tx: Transaction, item: Item, *, ad_id: int | None, site_url: str) -> str:
    """Note that the ad `ad_id` is up, or with None that there is none; after that the item may be published again.

    Raises Refused (CONFLICT) where nothing is in doubt, rheod still asks for the result, or the ad is not the one Tradera announced.
    """
    listing = items.latest_listing(tx.db, item.id)
    if listing is None or not listing.is_in_doubt:
        asking = listing is not None and listing.ask_at is not None
        raise Refused(
            "CONFLICT",
            Text("rheod is still asking Tradera about this ad and settles it by itself")
            if asking
            else Text("Nothing is in doubt about this item's ad"),
        )
    live = ad_id is not None
    if live and ad_id != listing.tradera_item_id:
        raise Refused(
            "CONFLICT",
            Text(
                "The ad in doubt is {ad}, not {other}: look for that number",
                ad=listing.tradera_item_id,
                other=ad_id,
            ),
        )
    data = {"live": live, "traderaAdId": str(listing.tradera_item_id)}
    tx.tell(item, Event(type=EventType.LISTING_SETTLED, data=data))
    if not live:
        tx.apply(item, listing, PublishFailed(error=NOT_LIVE))
        return Text(
            "Noted: there is no ad. The item can be published again. The risk: should ad {ad} still appear, two ads of"
            " one thing may be up until rheod has ended the newer, and it cannot end one that has bids",
            ad=listing.tradera_item_id,
        )
    url = f"{site_url}/item/{ad_id}"
    since = listing.commit_sent_at  # its days at Tradera are counted from about then
    tx.apply(item, listing, WentLive(ad_url=url, since=since))
    return Text("Noted: the ad is live at {url}", url=url)


def why_not_published(item: Item, previous: Listing | None) -> Text | None:
    """What forbids a new ad of this item whose latest listing is `previous`; None when nothing does.

    An order to publish is refused with it, and a dry run stops at it. Whoever has an open ad needs no new one.
    """
    if item.spec.type is ItemType.CONTAINER:
        return Text("A container is never listed")
    if item.delete_requested:
        return Text("The item is being deleted")
    if previous is not None and previous.is_in_doubt:
        return Text("Its last ad is in doubt: look for it, then say what you saw (rheod items settle)")
    if previous is not None and previous.state.is_open:
        return None
    return REFUSALS.get((Move.PUBLISH_ORDERED, item.rheo_status))


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """What became of the ads: how many are listings now, which run and are of unknown items, which hide their reference."""

    listings: int
    strangers: tuple[SellerAd, ...]
    blind: int


def adopt(tx: Transaction, account_id: str, ads: Sequence[SellerAd], sellers: SellersAndSite) -> Adopted:
    """Make listings of the ads that name our items and are none yet. Doing it again changes nothing."""
    named: dict[str, dict[int, SellerAd]] = defaultdict(dict)
    strangers = []
    for ad in sorted(ads, key=lambda each: each.tradera_item_id):
        reference = next(filter(None, map(read_reference, ad.own_references)), None)
        if reference is None:
            continue
        item = _item(tx, account_id, reference[0])
        if item is not None:
            earlier = named[item.id].get(reference[1])
            if earlier is None or not _is_up(earlier, tx.now):
                named[item.id][reference[1]] = ad
        elif _is_up(ad, tx.now):
            strangers.append(ad)
    count = sum(
        _adopt(tx, item_id, generation, found[generation], sellers)
        for item_id, found in named.items()
        for generation in sorted(found)  # only the newest can be open
    )
    blind = sum(_is_blind(tx, account_id, ad) for ad in ads)
    return Adopted(listings=count, strangers=tuple(strangers), blind=blind)


def _is_up(ad: SellerAd, now: int) -> bool:
    return ad.state_at(now) in {AdState.RUNNING, AdState.BIDS}


def _is_blind(tx: Transaction, account_id: str, ad: SellerAd) -> bool:
    """Whether Tradera shows an ad that we know without a reference to its item: others may be ours too.

    One that was restarted at Tradera has the reference of an earlier ad of the item.
    """
    listing = items.listing_of_ad(tx.db, account_id, ad.tradera_item_id)
    named = {found[0] for found in map(read_reference, ad.own_references) if found}
    return listing is not None and listing.item_id not in named


def _item(tx: Transaction, account_id: str, item_id: str) -> Item | None:
    """The account's item of this id, if an ad of it may be its own: what is sold or removed here has no newer ad."""
    item = items.find_by_id(tx.db, account_id, item_id)
    if item is None or items.is_removed(tx.db, item_id):
        return None
    return item


def _adopt(tx: Transaction, item_id: str, generation: int, ad: SellerAd, sellers: SellersAndSite) -> bool:
    item = items.by_id(tx.db, item_id)
    listing = items.listing_of_reference(tx.db, item.account_id, item_id, generation)
    if listing is not None and listing.state.may_be_live:
        if listing.tradera_item_id == ad.tradera_item_id:
            step(tx, listing.id, WentLive(ad_url=sellers.ad_url(ad.tradera_item_id)))
        return False
    if item.rheo_status in _GONE or not _is_missed(tx, listing, ad):
        return False
    latest = items.latest_listing(tx.db, item_id)
    if listing is None and latest is not None and latest.state.is_open:
        item = tx.apply(item, latest, Superseded()).item
        jobs.drop(tx.db, JobKind.PUBLISH, [latest.id])
    elif listing is not None and listing.state is ListingState.REJECTED:
        item = _make_room(tx, item)
    found = TakenOver(
        listing_id=tx.new_id(), generation=generation, ad=ad, ad_url=sellers.ad_url(ad.tradera_item_id)
    )
    live = tx.apply(item, listing, found).listing
    assert live is not None
    jobs.drop(tx.db, JobKind.PUBLISH, [live.id])
    _log.warning("took over an ad made since the backup", ad=ad.tradera_item_id, external_id=item.external_id)
    return True


def follow(tx: Transaction, account_id: str, ad: SellerAd, sellers: SellersAndSite) -> bool:
    """Follow an ad that Tradera has made of one of ours, which its seller has started again in My Tradera.

    It is a new listing with the ladder of the ad before. Of an item that is gone it is ended, and where another ad of the
    item is or may be up, the one of the two that has no bids is. False when that cannot be said yet.
    """
    reference = next(filter(None, map(read_reference, ad.own_references)), None)
    item = reference and _item(tx, account_id, reference[0])
    if not _is_up(ad, tx.now) or reference is None or not item:
        return True
    if items.listing_of_number(tx.db, ad.tradera_item_id) is not None:
        return True
    latest = items.latest_listing(tx.db, item.id)
    if latest is not None and latest.state is ListingState.LIVE and (latest.ends_at or 0) <= tx.now:
        return False  # it may be the one that was started again: its end is about to be found
    wish, surplus = _unwanted(tx, item, ad), False
    if latest is not None and latest.state.is_open:
        has_bids = ad.state_at(tx.now) is AdState.BIDS
        surplus = latest.state.may_be_live and (wish is not None or not has_bids)
        item = item if surplus else _make_room(tx, item)
    _log.warning("an ad restarted at Tradera is found", ad=ad.tradera_item_id, external_id=item.external_id)
    found = TakenOver(
        listing_id=tx.new_id(),
        generation=items.last_generation(tx.db, item.id) + 1,
        ad=ad,
        ad_url=sellers.ad_url(ad.tradera_item_id),
        restarted=items.listing_of_reference(tx.db, account_id, *reference),
        surplus=surplus,
        end_wish=wish,
    )
    tx.apply(item, None, found)
    return True


def _unwanted(tx: Transaction, item: Item, ad: SellerAd) -> EndWish | None:
    """Why a restarted ad must not be up: the item is gone, or was delisted after the ad began, as far as one knows."""
    if item.rheo_status in _GONE or item.delete_requested:
        return EndWish.MARKED_SOLD
    if item.rheo_status is RheoStatus.NOT_LISTED:
        delisted_at = outbox.last_at(tx.db, item.id, EventType.ITEM_UNLISTED)
        if delisted_at is None or ad.started_at is None or ad.started_at <= delisted_at:
            return EndWish.UNLISTED
    return None


def _is_missed(tx: Transaction, listing: Listing | None, ad: SellerAd) -> bool:
    """Whether the ad is one that this rheod does not know to have been up."""
    taken = items.listing_of_number(tx.db, ad.tradera_item_id)
    if taken is not None and (listing is None or taken.id != listing.id):
        _log.error("an ad has the number of another", ad=ad.tradera_item_id, reference=ad.own_references[:1])
        return False
    if listing is None:
        return True
    if listing.commit_sent_at is not None and listing.tradera_item_id != ad.tradera_item_id:
        return False  # a committed listing keeps its ad; Tradera has made another of it by itself
    return listing.state.is_open or (listing.state is ListingState.REJECTED and _is_up(ad, tx.now))


def take_back(tx: Transaction, listing: Listing, ad: SellerAd, ad_url: str) -> None:
    """An ad is up that had been given up: it is the item's again, and a newer one is ended. Both stay known."""
    item = items.by_id(tx.db, listing.item_id)
    _log.error("an ad that was given up is up", ad=ad.tradera_item_id, external_id=item.external_id)
    item = _make_room(tx, item)
    turned_up = TurnedUp(ad=ad, ad_url=ad_url, removed=items.is_removed(tx.db, item.id))
    tx.apply(item, listing, turned_up)


def _make_room(tx: Transaction, item: Item) -> Item:
    """A newer listing whose commit was not sent is withdrawn; one that is or may be up is to be ended."""
    newer = items.latest_listing(tx.db, item.id)
    if newer is None or not newer.state.is_open:
        return item
    if newer.state.may_be_live:
        return tx.apply(item, newer, Doubled()).item
    jobs.drop(tx.db, JobKind.PUBLISH, [newer.id])
    return tx.apply(item, newer, Superseded()).item
