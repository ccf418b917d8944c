"""Ads at Tradera that are not known here become listings of their items: those made since a backup, those restarted there.

A backup is older than Tradera's state, so what it thinks unpublished may be up. Nothing here publishes or ends an ad;
ads of items that are unknown here are left alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from rheod.domain.inputs import Doubled, Superseded, TakenOver, TurnedUp, WentLive
from rheod.domain.model import (
    AdState,
    EndWish,
    EventType,
    Item,
    JobKind,
    Listing,
    ListingState,
    RheoStatus,
    SellerAd,
    read_reference,
)
from rheod.store import items, jobs, outbox
from rheod.usecases import publish
from rheod.usecases.sales import SellersAndSite
from rheod.usecases.transaction import Transaction

_log = structlog.get_logger(__name__)
_GONE = frozenset({RheoStatus.SOLD, RheoStatus.ARCHIVED})


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
    count = sum(_adopt_all(tx, items.by_id(tx.db, each), found, sellers) for each, found in named.items())
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


def _adopt_all(tx: Transaction, item: Item, found: Mapping[int, SellerAd], sellers: SellersAndSite) -> int:
    """All ads of an item by generation; returns how many are new listings. Only the newest can be open."""
    return sum(_adopt(tx, item.id, generation, found[generation], sellers) for generation in sorted(found))


def _adopt(tx: Transaction, item_id: str, generation: int, ad: SellerAd, sellers: SellersAndSite) -> bool:
    item = items.by_id(tx.db, item_id)
    listing = items.listing_of_reference(tx.db, item.account_id, item_id, generation)
    if listing is not None and listing.state.may_be_live:
        if listing.tradera_item_id == ad.tradera_item_id:
            publish.step(tx, listing.id, WentLive(ad_url=sellers.ad_url(ad.tradera_item_id)))
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
