"""The ad an item becomes: its own `tradera` object, else the owner's defaults, in Tradera's terms.

What Tradera would refuse is refused here, so that it costs no call.

One ad as we ask Tradera to make it, and the JSON body of that request.

The smallest body known to work, and what safety needs beside it: `autoCommit` is always false, so that nothing can
go live before its pictures are there and its ids are stored; the bidders allowed and the condition always go along.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import Any

from rheod.domain.ad_text import ad_description, ad_title
from rheod.domain.errors import Permanent, Text
from rheod.domain.freight import Freight, FreightOption, FreightSettings
from rheod.domain.lifecycle import asked_kr
from rheod.domain.model import Item, Listing, TraderaWish, read_reference
from rheod.domain.placement import Placement
from rheod.domain.relist import at_distance, reserve_of

ADS_PATH = "/listings/items"
RESULTS_PATH = "/listings/request-results"

AUCTION = 1
FIXED_PRICE = 3

FIXED_PRICE_DAYS = 30
"""Tradera shows a fixed price for this long whatever is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ad:
    """What one listing shall be. Prices in whole kronor, None or 0 = none; `item_type` AUCTION or FIXED_PRICE.

    A fixed price has its price in `buy_now_kr`, or in `start_price_kr` when that is the only one given.
    The own reference names the listing to rheod, the readable one the item to its seller, who sees both at Tradera.
    `condition_id` is 1 new, 2 used; `accepted_bidder_id` 1 Sweden, 3 international, 4 EU; `vat` in percent.
    """

    title: str
    description: str
    category_id: int
    own_reference: str
    readable_reference: str = ""
    item_type: int = AUCTION
    start_price_kr: int | None = None
    buy_now_kr: int | None = None
    reserve_kr: int | None = None
    duration_days: int = 7
    restarts: int = 0
    accepted_bidder_id: int = 1
    condition_id: int = 2
    shipping: tuple[FreightOption, ...] = ()
    payment_option_ids: tuple[int, ...] = ()
    vat: int | None = None
    terms: tuple[tuple[int, tuple[str, ...]], ...] = ()
    numbers: tuple[tuple[int, tuple[float, ...]], ...] = ()
    """Attributes by the numbers that they have in the category."""


def create_body(ad: Ad) -> dict[str, Any]:
    """The JSON body of `POST listings/items`; what is not wanted is left out, not sent as null or 0."""
    if ad.item_type == FIXED_PRICE:
        prices = {"buyItNowPrice": ad.buy_now_kr or ad.start_price_kr}
    else:
        asked = {
            "startPrice": ad.start_price_kr,
            "buyItNowPrice": ad.buy_now_kr,
            "reservePrice": ad.reserve_kr,
        }
        prices = {name: kronor for name, kronor in asked.items() if kronor}
    shipping = [
        {
            "cost": each.cost_kr,
            "shippingProviderId": each.provider_id,
            "shippingOptionId": each.option_id if each.provider_id is None else None,
            "shippingProductId": each.product_id,
            "shippingWeight": each.weight_kg,
        }
        for each in ad.shipping
    ]
    body: dict[str, Any] = {
        "title": ad.title,
        "description": ad.description,
        "categoryId": ad.category_id,
        "itemType": ad.item_type,
        **prices,
        "duration": FIXED_PRICE_DAYS if ad.item_type == FIXED_PRICE else ad.duration_days,
        "restarts": ad.restarts,
        "acceptedBidderId": ad.accepted_bidder_id,
        "shippingOptions": [
            {name: value for name, value in option.items() if value is not None} for option in shipping
        ],
        "itemAttributes": [ad.condition_id],
        "ownReferences": [ad.own_reference, *([ad.readable_reference] if ad.readable_reference else [])],
        "autoCommit": False,
    }
    if ad.payment_option_ids:
        body["paymentOptionIds"] = list(ad.payment_option_ids)
    if ad.vat is not None:
        body["vat"] = ad.vat
    if ad.terms or ad.numbers:
        body["attributeValues"] = {
            "terms": [{"id": number, "values": list(values)} for number, values in ad.terms],
            "numbers": [{"id": number, "values": list(values)} for number, values in ad.numbers],
        }
    return body


def image_path(request_id: int | str) -> str:
    """Where a picture of an uncommitted listing is sent."""
    return f"{ADS_PATH}/{request_id}/images"


def commit_path(request_id: int | str) -> str:
    """Where a listing is handed to Tradera's queue."""
    return f"{ADS_PATH}/{request_id}/commit"


def image_body(base64: str, *, image_format: int, has_mega: bool) -> dict[str, Any]:
    """The JSON body of a picture."""
    return {"imageData": base64, "imageFormat": image_format, "hasMega": has_mega}


def image_json(jpeg: bytes, *, image_format: int, has_mega: bool) -> bytes:
    """The same of a picture's bytes, as it is sent: base64 needs no escapes, and looking for them costs more than it."""
    rest = f'", "imageFormat": {image_format:d}, "hasMega": {"true" if has_mega else "false"}}}'
    return b"".join((b'{"imageData": "', b64encode(jpeg), rest.encode()))


_REFERENCE_CHARS = 60
_CONDITIONS = {"new": 1, "used": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class AdDefaults:
    """The owner's defaults (`tradera.defaults`)."""

    duration_days: int
    restarts: int
    accepted_bidder_id: int
    condition: str
    listing_type: str
    freight: FreightSettings
    payment_option_ids: tuple[int, ...]
    vat: int | None


def make_ad(item: Item, listing: Listing, defaults: AdDefaults, placement: Placement, freight: Freight) -> Ad:
    """The ad of this listing in its place, which has a category. Raises Permanent with what the owner must change."""
    assert placement.category_id is not None
    if freight.missing is not None:
        raise Permanent(freight.missing)
    spec = item.spec
    wish = spec.tradera or TraderaWish()
    ladder = listing.ladder
    fixed = _is_fixed(wish, listing, defaults)
    price_kr = asked_kr(item, listing)
    buy_now_kr = price_kr if fixed else at_distance(item, ladder, wish.buy_it_now_ore)
    reserve_kr = None if fixed else reserve_of(item, ladder)
    if reserve_kr is not None and reserve_kr <= price_kr:
        raise Permanent(Text("The reserve price must be above the starting price"))
    if not fixed and buy_now_kr is not None and buy_now_kr <= max(price_kr, reserve_kr or 0):
        raise Permanent(Text("The Buy Now price must be above the starting price and the reserve price"))
    planned_days = listing.end_place.days if listing.end_place else 0
    # the ERP's own id, as much of it as Tradera takes; none that could be taken for one of rheod's
    readable = "" if read_reference(item.external_id) else item.external_id[:_REFERENCE_CHARS].strip()
    return Ad(
        title=ad_title(spec.title),
        description=ad_description(spec, header=placement.header, footer=placement.footer),
        category_id=placement.category_id,
        terms=placement.terms,
        numbers=placement.numbers,
        own_reference=listing.own_reference,
        readable_reference=readable,
        item_type=FIXED_PRICE if fixed else AUCTION,
        start_price_kr=price_kr,
        buy_now_kr=buy_now_kr,
        reserve_kr=reserve_kr,
        duration_days=FIXED_PRICE_DAYS
        if fixed
        else planned_days or wish.duration_days or defaults.duration_days,
        restarts=defaults.restarts if wish.restarts is None else wish.restarts,
        accepted_bidder_id=defaults.accepted_bidder_id,
        condition_id=_CONDITIONS[wish.condition or defaults.condition],
        shipping=freight.options,
        payment_option_ids=defaults.payment_option_ids,
        vat=defaults.vat,
    )


def prices_to_set(item: Item, listing: Listing, defaults: AdDefaults) -> tuple[int, int | None, int | None]:
    """(the price, opening price, Buy Now price) in kronor for a live ad; None leaves that one alone."""
    wish = item.spec.tradera or TraderaWish()
    price_kr = asked_kr(item, listing)
    if _is_fixed(wish, listing, defaults):
        return price_kr, None, price_kr
    return price_kr, price_kr, None


def is_auction(item: Item, listing: Listing, defaults: AdDefaults) -> bool:
    """Whether its ad is an auction, which has an end that can be planned."""
    return not _is_fixed(item.spec.tradera or TraderaWish(), listing, defaults)


def _is_fixed(wish: TraderaWish, listing: Listing, defaults: AdDefaults) -> bool:
    at_the_end = listing.ladder is not None and listing.ladder.fixed
    return at_the_end or (wish.listing_type or defaults.listing_type) == "fixed_price"
