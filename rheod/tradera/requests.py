"""One ad as we ask Tradera to make it, and the JSON body of that request.

The smallest body known to work, and what safety needs beside it: `autoCommit` is always false, so that nothing can
go live before its pictures are there and its ids are stored; the bidders allowed and the condition always go along.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

ADS_PATH = "/listings/items"
RESULTS_PATH = "/listings/request-results"

AUCTION = 1
FIXED_PRICE = 3

FIXED_PRICE_DAYS = 30
"""Tradera shows a fixed price for this long whatever is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShippingChoice:
    """One way to send an ad's item: exactly one of provider and the older option number; the cost in kronor."""

    cost_kr: int
    provider_id: int | None = None
    option_id: int | None = None
    product_id: int | None = None
    weight_kg: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ad:
    """What one listing shall be. Prices in whole kronor, None or 0 = none; `item_type` AUCTION or FIXED_PRICE.

    A fixed price has its price in `buy_now_kr`, or in `start_price_kr` when that is the only one given.
    `condition_id` is 1 new, 2 used; `accepted_bidder_id` 1 Sweden, 3 international, 4 EU; `vat` in percent.
    """

    title: str
    description: str
    category_id: int
    own_reference: str
    item_type: int = AUCTION
    start_price_kr: int | None = None
    buy_now_kr: int | None = None
    reserve_kr: int | None = None
    duration_days: int = 7
    restarts: int = 0
    accepted_bidder_id: int = 1
    condition_id: int = 2
    shipping: tuple[ShippingChoice, ...] = ()
    payment_option_ids: tuple[int, ...] = ()
    vat: int | None = None


def create_body(ad: Ad) -> dict[str, Any]:
    """The JSON body of `POST listings/items`; what is not wanted is left out, not sent as null or 0."""
    body: dict[str, Any] = {
        "title": ad.title,
        "description": ad.description,
        "categoryId": ad.category_id,
        "itemType": ad.item_type,
        **_prices(ad),
        "duration": FIXED_PRICE_DAYS if ad.item_type == FIXED_PRICE else ad.duration_days,
        "restarts": ad.restarts,
        "acceptedBidderId": ad.accepted_bidder_id,
        "shippingOptions": [_shipping(option) for option in ad.shipping],
        "itemAttributes": [ad.condition_id],
        "ownReferences": [ad.own_reference],
        "autoCommit": False,
    }
    if ad.payment_option_ids:
        body["paymentOptionIds"] = list(ad.payment_option_ids)
    if ad.vat is not None:
        body["vat"] = ad.vat
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


def _prices(ad: Ad) -> dict[str, int | None]:
    if ad.item_type == FIXED_PRICE:
        return {"buyItNowPrice": ad.buy_now_kr or ad.start_price_kr}
    prices = {"startPrice": ad.start_price_kr, "buyItNowPrice": ad.buy_now_kr, "reservePrice": ad.reserve_kr}
    return {name: kronor for name, kronor in prices.items() if kronor}


def _shipping(option: ShippingChoice) -> dict[str, Any]:
    body: dict[str, Any] = {"cost": option.cost_kr}
    optional = {
        "shippingProviderId": option.provider_id,
        "shippingOptionId": option.option_id if option.provider_id is None else None,
        "shippingProductId": option.product_id,
        "shippingWeight": option.weight_kg,
    }
    body.update({name: value for name, value in optional.items() if value is not None})
    return body
