"""The ad an item becomes: its own `tradera` object, else the owner's defaults, in Tradera's terms.

What Tradera would refuse is refused here, so that it costs no call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rheod.domain.ad_text import ad_description, ad_title, whole_kronor
from rheod.domain.errors import Permanent
from rheod.domain.model import Item, ItemSpec, Listing, TraderaWish
from rheod.domain.text import Text
from rheod.tradera.requests import AUCTION, FIXED_PRICE, FIXED_PRICE_DAYS, Ad, ShippingChoice

_CONDITIONS = {"new": 1, "used": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class AdDefaults:
    """The owner's defaults (`tradera.defaults`)."""

    category_id: Mapping[str, int]
    duration_days: int
    restarts: int
    accepted_bidder_id: int
    condition: str
    listing_type: str
    shipping_provider_id: int
    shipping_cost_kr: int
    pickup_option_id: int
    payment_option_ids: tuple[int, ...]
    vat: int | None


def make_ad(item: Item, listing: Listing, defaults: AdDefaults) -> Ad:
    """The ad of this listing. Raises Permanent with what the owner must set or change."""
    spec = item.spec
    wish = spec.tradera or TraderaWish()
    fixed = (wish.listing_type or defaults.listing_type) == "fixed_price"
    price_kr = whole_kronor(spec.price_ore or 100)
    buy_now_kr = price_kr if fixed else _kronor(wish.buy_it_now_ore)
    reserve_kr = None if fixed else _kronor(wish.reserve_ore)
    _check_prices(price_kr, reserve_kr, buy_now_kr, fixed=fixed)
    return Ad(
        title=ad_title(spec.title),
        description=ad_description(spec),
        category_id=wish.category_id or _category(spec, defaults),
        own_reference=listing.own_reference,
        item_type=FIXED_PRICE if fixed else AUCTION,
        start_price_kr=price_kr,
        buy_now_kr=buy_now_kr,
        reserve_kr=reserve_kr,
        duration_days=FIXED_PRICE_DAYS if fixed else wish.duration_days or defaults.duration_days,
        restarts=defaults.restarts if wish.restarts is None else wish.restarts,
        accepted_bidder_id=defaults.accepted_bidder_id,
        condition_id=_CONDITIONS[wish.condition or defaults.condition],
        shipping=(_shipping(spec, defaults),),
        payment_option_ids=defaults.payment_option_ids,
        vat=defaults.vat,
    )


def prices_to_set(item: Item, defaults: AdDefaults) -> tuple[int, int | None, int | None]:
    """(the price, opening price, Buy Now price) in kronor for a live ad; None leaves that one alone."""
    wish = item.spec.tradera or TraderaWish()
    price_kr = whole_kronor(item.spec.price_ore or 100)
    if (wish.listing_type or defaults.listing_type) == "fixed_price":
        return price_kr, None, price_kr
    return price_kr, price_kr, None


def _category(spec: ItemSpec, defaults: AdDefaults) -> int:
    domain = spec.domain or "other"
    category = defaults.category_id.get(domain)
    if category is None:
        raise Permanent(
            Text(
                "No Tradera category for domain {domain}: set tradera.categoryId on the item, or {domain} under [tradera.defaults.category_id] in the settings",
                domain=domain,
            )
        )
    return category


def _kronor(ore: int | None) -> int | None:
    return None if ore is None else whole_kronor(ore)


def _check_prices(price_kr: int, reserve_kr: int | None, buy_now_kr: int | None, *, fixed: bool) -> None:
    if reserve_kr is not None and reserve_kr <= price_kr:
        raise Permanent(Text("The reserve price must be above the starting price"))
    if not fixed and buy_now_kr is not None and buy_now_kr <= max(price_kr, reserve_kr or 0):
        raise Permanent(Text("The Buy Now price must be above the starting price and the reserve price"))


def _shipping(spec: ItemSpec, defaults: AdDefaults) -> ShippingChoice:
    if spec.shipping_strategy == "pickup_only":
        return ShippingChoice(cost_kr=0, option_id=defaults.pickup_option_id)
    cost_kr = defaults.shipping_cost_kr
    if spec.shipping_cost_ore is not None:
        cost_kr = 0 if spec.shipping_cost_ore == 0 else whole_kronor(spec.shipping_cost_ore)
    return ShippingChoice(
        cost_kr=cost_kr, provider_id=defaults.shipping_provider_id, weight_kg=spec.weight_kg
    )
