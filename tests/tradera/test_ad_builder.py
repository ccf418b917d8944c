"""The ad an item becomes: its own wishes before the owner's defaults, and what is refused before it costs a call."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace
from typing import Any

import pytest

from rheod.domain.errors import Permanent
from rheod.domain.freight import FreightOption, choose, parcel_of
from rheod.domain.model import Item, ItemSpec, Listing, TraderaWish
from rheod.domain.placement import Placement
from rheod.tradera.ad_builder import (
    AUCTION,
    FIXED_PRICE,
    Ad,
    create_body,
    image_body,
    image_json,
    make_ad,
    prices_to_set,
)
from tests.tradera.advertising import DEFAULTS, FREIGHT

PLACE = Placement(category_id=521)
LISTING = Listing(id="l1", item_id="i1", account_id="a1", generation=3)


def item(**fields: Any) -> Item:
    """An item of a hundred kronor in the one domain that has a category."""
    spec = ItemSpec(**{"title": "Pippi Långstrump", "price_ore": 10_000, "domain": "books", **fields})
    return Item(id="i1", account_id="a1", external_id="A", spec=spec)


def ad(wish: TraderaWish | None = None, **fields: Any) -> Ad:
    """The ad of such an item."""
    return make_ad(item(tradera=wish, **fields), LISTING, DEFAULTS, PLACE, FREIGHT)


def test_an_item_without_wishes_becomes_what_the_defaults_say() -> None:
    """Category of its place, auction, a week, used, shipped by our provider, and the reference of its generation."""
    made = ad()
    assert (made.title, made.category_id, made.item_type) == ("Pippi Långstrump", 521, AUCTION)
    assert (made.start_price_kr, made.buy_now_kr, made.reserve_kr) == (100, None, None)
    assert (made.duration_days, made.restarts, made.condition_id, made.accepted_bidder_id) == (7, 0, 2, 1)
    assert made.shipping == (FreightOption(cost_kr=66, provider_id=6),)
    assert made.own_reference == "rheod:i1:3"


def test_the_item_s_own_wishes_win() -> None:
    """Everything in its `tradera` object goes before the defaults, a zero included."""
    defaults = replace(DEFAULTS, restarts=2)
    wish = TraderaWish(
        duration_days=10,
        buy_it_now_ore=50_000,
        reserve_ore=20_000,
        condition="new",
        restarts=0,
    )
    made = make_ad(item(tradera=wish), LISTING, defaults, PLACE, FREIGHT)
    assert (made.category_id, made.duration_days, made.condition_id, made.restarts) == (521, 10, 1, 0)
    assert (made.start_price_kr, made.reserve_kr, made.buy_now_kr) == (100, 200, 500)


def test_a_fixed_price_is_the_item_s_price_alone_for_thirty_days() -> None:
    """Of a fixed price ad reserve, Buy Now and days of the wish mean nothing."""
    wish = TraderaWish(listing_type="fixed_price", reserve_ore=1, buy_it_now_ore=1, duration_days=5)
    made = ad(wish)
    assert (made.item_type, made.buy_now_kr, made.reserve_kr) == (FIXED_PRICE, 100, None)
    assert made.duration_days == 30


@pytest.mark.parametrize(("ore", "kronor"), [(100, 1), (149, 1), (150, 2), (99_950, 1000), (9_949, 99)])
def test_prices_are_whole_kronor_rounded_half_up(ore: int, kronor: int) -> None:
    """Tradera takes no öre."""
    assert ad(price_ore=ore).start_price_kr == kronor


@pytest.mark.parametrize(
    ("fields", "shipping"),
    [
        ({"shipping_cost_ore": 0}, FreightOption(cost_kr=0, provider_id=6)),
        ({"shipping_cost_ore": 4_950}, FreightOption(cost_kr=50, provider_id=6)),
        ({"weight_kg": 1.5}, FreightOption(cost_kr=66, provider_id=6, weight_kg=1.5)),
        (
            {"shipping_strategy": "pickup_only", "shipping_cost_ore": 4_950},
            FreightOption(cost_kr=0, option_id=8),
        ),
    ],
)
def test_shipping_follows_the_item(fields: dict[str, Any], shipping: FreightOption) -> None:
    """Free, at its own cost, at the fixed price with its weight, or to be fetched: one option, one kind of number."""
    given = item(**fields)
    freight = choose(parcel_of(given.spec), DEFAULTS.freight, None)
    assert make_ad(given, LISTING, DEFAULTS, PLACE, freight).shipping == (shipping,)


def test_an_ad_without_any_freight_is_refused_before_it_costs_a_call() -> None:
    """With what to set."""
    given = item(shipping_strategy="fixed")
    freight = choose(parcel_of(given.spec), replace(DEFAULTS.freight, fixed_kr=0), None)
    with pytest.raises(Permanent, match=r"tradera\.shipping\.shipping_cost"):
        make_ad(given, LISTING, DEFAULTS, PLACE, freight)


def test_attributes_go_along_by_the_numbers_of_the_leaf() -> None:
    """Terms and numbers apart; without any the body says nothing of them."""
    place = Placement(category_id=5, terms=((121, ("Gott skick",)),), numbers=((9, (42.0,)),))
    made = create_body(make_ad(item(), LISTING, DEFAULTS, place, FREIGHT))
    assert made["attributeValues"] == {
        "terms": [{"id": 121, "values": ["Gott skick"]}],
        "numbers": [{"id": 9, "values": [42.0]}],
    }
    assert "attributeValues" not in create_body(ad())


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        (TraderaWish(reserve_ore=10_000), "reserve price must be above"),
        (TraderaWish(buy_it_now_ore=10_000), "Buy Now price must be above"),
        (TraderaWish(reserve_ore=20_000, buy_it_now_ore=20_000), "Buy Now price must be above"),
        (TraderaWish(reserve_ore=10_040), "reserve price must be above"),
    ],
)
def test_prices_tradera_would_refuse_are_refused_here(wish: TraderaWish, sentence: str) -> None:
    """Reserve above start, Buy Now above both, in whole kronor: it costs no call to know."""
    with pytest.raises(Permanent, match=sentence):
        ad(wish)


def test_a_live_auction_changes_its_opening_price() -> None:
    """Buy Now is left as it is."""
    assert prices_to_set(item(), LISTING, DEFAULTS) == (100, 100, None)


def test_a_live_fixed_price_changes_buy_now() -> None:
    """A fixed price has no opening price; the default type counts where the item says nothing."""
    assert prices_to_set(item(tradera=TraderaWish(listing_type="fixed_price")), LISTING, DEFAULTS) == (
        100,
        None,
        100,
    )
    assert prices_to_set(item(), LISTING, replace(DEFAULTS, listing_type="fixed_price")) == (100, None, 100)


@pytest.mark.parametrize("has_mega", [True, False])
def test_a_picture_is_sent_as_the_json_it_is_shown_as(*, has_mega: bool) -> None:
    """It is put together from bytes, without a look for what base64 never has."""
    jpeg = bytes(range(256)) * 3
    shown = image_body(b64encode(jpeg).decode(), image_format=1, has_mega=has_mega)
    assert json.loads(image_json(jpeg, image_format=1, has_mega=has_mega)) == shown
