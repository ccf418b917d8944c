"""Rows of items, pictures and listings: what is stored comes back the same, and the right one is found."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from typing import Any

import pytest

from rheod.domain.model import (
    EndWish,
    Item,
    ItemSpec,
    ItemType,
    Listing,
    ListingState,
    Picture,
    PictureState,
    RheoStatus,
    TraderaStatus,
    TraderaWish,
)
from rheod.store import items
from rheod.store.columns import spec_text
from tests.store.making import add_item, add_listing

FULL = ItemSpec(
    type=ItemType.ITEM,
    title="Dörr Å",
    description="Rad 1\nRad 2",
    price_ore=95050,
    shipping_cost_ore=0,
    shipping_strategy="fixed",
    weight_kg=2.5,
    image_urls=("https://i/1", "https://i/2"),
    domain="auto_parts",
    attributes={"part": {"catalogCodes": {"b": "2", "a": "1"}}},
    parent_external_id="VIN-1",
    metadata={"z": [1, {"å": None}], "a": True},
    external_reference="ref",
    source="erp",
    auto_publish=True,
    use_ai=True,
    tradera=TraderaWish(category_id=1, buy_it_now_ore=5, start_at=9),
)


def test_an_item_comes_back_as_it_was_stored(db: sqlite3.Connection) -> None:
    """Every field, nested JSON included."""
    item = Item(
        id="i",
        account_id="a",
        external_id="Ö/1",
        spec=FULL,
        rheo_status=RheoStatus.SOLD,
        tradera_status=TraderaStatus.SYNC_ERROR,
        version=3,
        last_error="no",
        delete_requested=True,
        created_at=1,
        updated_at=2,
    )
    items.add(db, item)
    assert items.by_id(db, "i") == item


def test_a_plain_item_comes_back_as_it_was_stored(db: sqlite3.Connection) -> None:
    """Defaults are not mistaken for values, and an empty object stays one."""
    bare = add_item(db, "i", spec=ItemSpec(title="T", metadata={}))
    assert items.by_id(db, "i") == bare


def test_the_same_spec_has_the_same_text_in_any_order_of_keys() -> None:
    """An unchanged PUT is recognised by it."""
    turned = replace(FULL, metadata={"a": True, "z": [1, {"å": None}]})
    text = spec_text(FULL, canonical=True)
    assert spec_text(turned, canonical=True) == text
    assert spec_text(replace(FULL, description="other"), canonical=True) != text


def test_metadata_is_kept_in_the_order_it_was_given(db: sqlite3.Connection) -> None:
    """Verbatim: nothing sorts it, and numbers stay what they were."""
    metadata = {"z": 1, "a": [2.0, 1e-7, "Å"], "m": {"y": None, "b": 12345678901234567890}}
    add_item(db, "i", spec=ItemSpec(title="T", metadata=metadata))
    assert json.dumps(items.by_id(db, "i").spec.metadata) == json.dumps(metadata)


def test_saving_again_replaces_what_may_change(db: sqlite3.Connection) -> None:
    """Creation and identity stay."""
    item = add_item(db, created_at=5)
    items.save(db, item, replace(item, spec=FULL, version=2, updated_at=9, created_at=77))
    assert items.by_id(db, "i") == replace(item, spec=FULL, version=2, updated_at=9)


CHANGES: dict[str, dict[str, Any]] = {
    "price": {"spec": replace(FULL, price_ore=1)},
    "title": {"spec": replace(FULL, title="Fat")},
    "parent": {"spec": replace(FULL, parent_external_id="VIN")},
    "what is in the JSON": {"spec": replace(FULL, description="other")},
    "status": {"rheo_status": RheoStatus.SOLD},
    "status at Tradera": {"tradera_status": TraderaStatus.ENDED},
    "version": {"version": 2},
    "error": {"last_error": "no"},
    "wish to delete": {"delete_requested": True},
    "moment": {"updated_at": 9},
}


@pytest.mark.parametrize("name", CHANGES)
def test_each_change_is_kept(db: sqlite3.Connection, name: str) -> None:
    """Alone, and when it is taken back."""
    item = add_item(db, spec=FULL)
    changed = replace(item, **CHANGES[name])
    assert changed != item
    for before, after in ((item, changed), (changed, item)):
        items.save(db, before, after)
        assert items.by_id(db, "i") == after


def test_what_has_not_changed_is_not_written(db: sqlite3.Connection) -> None:
    """So that no index is rewritten for nothing."""
    item = add_item(db, spec=FULL)
    seen: list[str] = []
    db.set_trace_callback(seen.append)
    items.save(db, item, item)
    items.save(db, item, replace(item, spec=replace(FULL, price_ore=1)))
    assert seen == ["UPDATE items SET price_ore = 1 WHERE id = 'i' RETURNING number, removed_at"]


def test_a_removed_item_is_found_by_id_alone(db: sqlite3.Connection) -> None:
    """A late sale needs it; nobody else sees it, and a later save does not bring it back."""
    item = add_item(db)
    items.save(db, item, item, removed_at=7)
    items.save(db, item, replace(item, rheo_status=RheoStatus.SOLD))
    assert items.find(db, "a", "x-i") is None
    assert items.standing(db, "a", "x-i") is None
    assert items.is_removed(db, "i")
    assert items.by_id(db, "i").rheo_status is RheoStatus.SOLD
    assert items.counts(db) == {}


def test_the_standing_item_is_found_before_an_archived_one(db: sqlite3.Connection) -> None:
    """An id may be used again after archiving: GET shows the new item, or the newest archived one."""
    for number in (1, 2):
        add_item(db, f"old{number}", external_id="x", rheo_status=RheoStatus.ARCHIVED, created_at=number)
    found = items.find(db, "a", "x")
    assert found is not None
    assert found.id == "old2"
    assert items.standing(db, "a", "x") is None
    add_item(db, "new", external_id="x", created_at=0)
    for find in (items.find, items.standing):
        found = find(db, "a", "x")
        assert found is not None
        assert found.id == "new"


def test_each_account_has_its_own_external_ids(db: sqlite3.Connection) -> None:
    """The same id may stand once in every account."""
    add_item(db, "mine", external_id="x")
    add_item(db, "theirs", external_id="x", account_id="b")
    found = items.find(db, "b", "x")
    assert found is not None
    assert found.id == "theirs"


def test_pictures_keep_their_order_and_are_replaced_together(db: sqlite3.Connection) -> None:
    """A replaced picture is gone: what its fetch brings finds nothing."""
    item = add_item(db)
    first = [Picture(id=f"p{n}", item_id=item.id, position=n, url="https://i/1") for n in (1, 0)]
    items.replace_pictures(db, [], first)
    assert [picture.id for picture in items.pictures(db, item.id)] == ["p0", "p1"]
    ready = replace(first[0], state=PictureState.READY, file="f.jpg", size_bytes=9)
    items.save_picture(db, ready)
    assert items.picture(db, "p1") == ready
    items.replace_pictures(db, first, [replace(ready, id="p2", position=0)])
    assert items.picture(db, "p1") is None
    assert [picture.id for picture in items.pictures(db, item.id)] == ["p2"]


def test_a_listing_comes_back_as_it_was_stored(db: sqlite3.Connection) -> None:
    """Every field; the latest is the one with the highest generation."""
    item = add_item(db)
    add_listing(db, item, state=ListingState.ENDED)
    full = Listing(
        id="l2",
        item_id=item.id,
        account_id="a",
        generation=2,
        state=ListingState.LIVE,
        item_version=4,
        price_kr=950,
        days=7,
        request_id=11,
        tradera_item_id=22,
        added_at=1,
        pictures_sent=3,
        picture_in_doubt=True,
        asked=2,
        ask_at=3,
        commit_sent_at=4,
        waits_since=4,
        live_at=5,
        ends_at=6,
        end_wish=EndWish.UNLISTED,
        error="e",
    )
    items.save_listing(db, full, now=0)
    assert items.listing(db, "l2") == full
    assert items.latest_listing(db, item.id) == full


def test_listings_are_found_by_ad_and_by_reference_within_their_account(db: sqlite3.Connection) -> None:
    """Another account's order or message never reaches them."""
    listing = add_listing(db, add_item(db), tradera_item_id=22)
    assert items.listing_of_ad(db, "a", 22) == listing
    assert items.listing_of_ad(db, "b", 22) is None
    assert items.listing_of_reference(db, "a", "i", 1) == listing
    assert items.listing_of_reference(db, "b", "i", 1) is None
    assert items.listing_of_reference(db, "a", "i", 2) is None


def test_listings_wait_and_live_by_state(db: sqlite3.Connection) -> None:
    """The longest waiting first; one in doubt is asked for no more but may still be up."""
    sent = {"commit_sent_at": 1}
    for number, (state, ask_at) in enumerate(
        [
            (ListingState.COMMITTED, 20),
            (ListingState.COMMITTING, 10),
            (ListingState.COMMITTED, None),
            (ListingState.LIVE, None),
        ]
    ):
        add_listing(db, add_item(db, f"i{number}"), state=state, ask_at=ask_at, request_id=number, **sent)
    add_listing(db, add_item(db, "queued"))
    assert [listing.id for listing in items.waiting_listings(db, "a", limit=9)] == ["l-i1", "l-i0"]
    assert [listing.id for listing in items.waiting_listings(db, "a", limit=1)] == ["l-i1"]
    assert items.waiting_listings(db, "b", limit=9) == []
    assert items.may_any_be_up(db, "a")
    assert not items.may_any_be_up(db, "b")


def test_listings_that_may_be_up_are_found_by_their_ads(db: sqlite3.Connection) -> None:
    """Those asked for and no others: of the account, and neither closed nor unknown."""
    sent = {"commit_sent_at": 1}
    up, ended, other = (
        add_listing(
            db, add_item(db, name), state=state, request_id=number, tradera_item_id=100 + number, **sent
        )
        for number, (name, state) in enumerate(
            [("up", ListingState.LIVE), ("ended", ListingState.ENDED), ("other", ListingState.COMMITTED)]
        )
    )
    assert [each.id for each in items.listings_of_ads(db, "a", {100, 101, 999})] == [up.id]
    assert {each.id for each in items.listings_of_ads(db, "a", [100, 102])} == {up.id, other.id}
    assert items.listings_of_ads(db, "b", [100]) == []
    assert ended.state is ListingState.ENDED


def test_the_longest_overdue_listings_are_found(db: sqlite3.Connection) -> None:
    """Live ones past their end but for those already seen, at most so many; one without an end is never overdue."""
    for number, ends_at in enumerate([30, 10, 20, None, 90]):
        add_listing(
            db,
            add_item(db, f"i{number}"),
            state=ListingState.LIVE,
            request_id=number,
            tradera_item_id=100 + number,
            commit_sent_at=1,
            ends_at=ends_at,
        )
    found = items.overdue_listings(db, "a", before=50, but=[], limit=2)
    assert [each.id for each in found] == ["l-i1", "l-i2"]
    found = items.overdue_listings(db, "a", before=50, but={101}, limit=9)
    assert [each.id for each in found] == ["l-i2", "l-i0"]


def test_reconciliation_is_worth_a_call_only_after_a_commit(db: sqlite3.Connection) -> None:
    """Something may be up now, or was committed since; otherwise Tradera need not be asked."""
    item = add_item(db)
    assert not items.any_committed_since(db, "a", 0)
    closed = add_listing(db, item, state=ListingState.ENDED, request_id=1, commit_sent_at=100)
    assert items.any_committed_since(db, "a", 99)
    assert not items.any_committed_since(db, "a", 100)
    add_listing(db, item, id="l2", generation=2, state=ListingState.LIVE, request_id=2, commit_sent_at=50)
    assert items.any_committed_since(db, closed.account_id, 100)
