"""What the buyer of an ad pays for freight: by the item's own price, its weight and Tradera's table; never free by silence.

Weights are kilograms, prices whole kronor. Only what can be traced is chosen from the table: a seller is protected only
then. A product's number is unique only within its provider.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from rheod.domain.ad_text import whole_kronor
from rheod.domain.errors import Text
from rheod.domain.model import ItemSpec

_ABOUT = re.compile(r"shipping|frakt|freight", re.IGNORECASE)

NEAR_EDGE = 0.05
"""A parcel whose weight is within this share of the limit is warned about: scales and boxes differ."""

ProductKey = tuple[int, int]
"""Provider and product: what names a product of the table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShippingProduct:
    """A way to send up to `up_to_kg` (and from `from_kg` on) for `price_kr`.

    `over_weight_kr` is what Tradera charges when the parcel is heavier than said; `most_days` how long it takes at most,
    None when nobody says.
    """

    provider_id: int
    product_id: int
    provider: str
    name: str
    up_to_kg: float
    price_kr: int
    traceable: bool
    from_kg: float = 0.0
    most_days: int | None = None
    over_weight_kr: int = 0

    @property
    def key(self) -> ProductKey:
        """What names it."""
        return self.provider_id, self.product_id

    @property
    def title(self) -> str:
        """As people read it."""
        return f"{self.provider} {self.name}" if self.name and self.name != self.provider else self.provider

    def holds(self, kg: float) -> bool:
        """Whether a parcel of this weight may be sent with it."""
        return self.from_kg <= kg <= self.up_to_kg


@dataclass(frozen=True, slots=True)
class ShippingTable:
    """Tradera's own prices by weight, as read at `read_at` (ms UTC)."""

    products: tuple[ShippingProduct, ...]
    read_at: int

    @property
    def most_kg(self) -> float:
        """The heaviest parcel that any traceable product takes; 0 without one."""
        return max((each.up_to_kg for each in self.products if each.traceable), default=0.0)

    def holding(self, kg: float, *, without: Collection[ProductKey] = ()) -> list[ShippingProduct]:
        """The traceable products that take this weight, the cheapest first; of each kind its smallest span."""
        fits = [
            each for each in self.products if each.traceable and each.holds(kg) and each.key not in without
        ]
        fits.sort(key=lambda each: (each.price_kr, each.up_to_kg, each.provider_id, each.product_id))
        found: dict[ProductKey, ShippingProduct] = {}
        for each in fits:
            found.setdefault(each.key, each)
        return list(found.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class FreightSettings:
    """What the owner has set. `fixed_kr` 0 is no fixed price; `prefer` is "cheapest", "fastest" or names of providers.

    `second` offers another provider beside the first, `pickup` pickup too; `own_price_provider` and `pickup_option` are
    Tradera's numbers for an own price and for pickup.
    """

    fixed_kr: int = 0
    free: bool = False
    prefer: str | tuple[str, ...] = "cheapest"
    packaging_g: int = 100
    second: bool = False
    pickup: bool = False
    own_price_provider: int = 6
    pickup_option: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class FreightOption:
    """One way to send an ad's item: exactly one of provider and the older option number; the cost in kronor."""

    cost_kr: int
    provider_id: int | None = None
    option_id: int | None = None
    product_id: int | None = None
    weight_kg: float | None = None
    title: str = ""

    def name(self, settings: FreightSettings) -> Text:
        """As people read it."""
        if self.option_id == settings.pickup_option:
            return Text("Pickup")
        if self.product_id is not None:
            return Text.of(self.title)
        return Text("Sent by the seller") if self.cost_kr else Text("Sent by the seller, free of charge")


@dataclass(frozen=True, slots=True, kw_only=True)
class Freight:
    """What an ad offers, the first option first, and why. Without `options` it says in `missing` what must be set.

    `by_table` is the product that was chosen first; `table_missed`: there was no table to choose from.
    """

    options: tuple[FreightOption, ...] = ()
    reason: Text
    warning: Text | None = None
    missing: Text | None = None
    by_table: ShippingProduct | None = None
    table_missed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """What an item says of its freight: a price in whole kronor (0 is free), a strategy, a weight."""

    cost_kr: int | None = None
    strategy: str = "integrated"
    weight_kg: float | None = None

    def needs_table(self, settings: FreightSettings) -> bool:
        """Whether Tradera's table decides: nobody has named a price, and there is a weight."""
        return (
            self.strategy == "integrated"
            and self.cost_kr is None
            and not settings.free
            and bool(self.weight_kg)
        )


def parcel_of(spec: ItemSpec) -> Parcel:
    """What the item says of its freight."""
    cost_kr = None if spec.shipping_cost_ore is None else 0
    if spec.shipping_cost_ore:
        cost_kr = whole_kronor(spec.shipping_cost_ore)
    return Parcel(cost_kr=cost_kr, strategy=spec.shipping_strategy, weight_kg=spec.weight_kg)


def choose(
    parcel: Parcel,
    settings: FreightSettings,
    table: ShippingTable | None,
    *,
    refused: Collection[ProductKey] = frozenset(),
) -> Freight:
    """What the ad offers. `refused` are products that Tradera has just refused: they are passed over."""
    if parcel.strategy == "pickup_only":
        return Freight(options=(_pickup(settings),), reason=Text("Pickup only, as the item says"))
    if parcel.cost_kr is not None:
        reason = Text("The price that the item says") if parcel.cost_kr else Text("Free, as the item says")
        return _own_price(parcel.cost_kr, parcel, settings, reason)
    if settings.free:
        return _own_price(0, parcel, settings, Text("Free, by tradera.shipping.free_shipping"))
    if parcel.strategy == "integrated":
        return _integrated(parcel, settings, table, refused)
    if settings.fixed_kr > 0:
        return _own_price(settings.fixed_kr, parcel, settings, _FIXED)
    missing = Text(
        "The item is sent by its seller at a fixed price, and there is none: set shippingCost on the item, or tradera.shipping.shipping_cost"
    )
    return Freight(reason=missing, missing=missing)


def _integrated(
    parcel: Parcel,
    settings: FreightSettings,
    table: ShippingTable | None,
    refused: Collection[ProductKey],
) -> Freight:
    """By weight, from Tradera's table; as far as there are both."""
    if not parcel.weight_kg:
        return _without_table(
            parcel,
            settings,
            Text(
                "The item has neither weight nor price of freight, so that its ad offers pickup only: give it one of them, or set a price of freight for all items"
            ),
        )
    kg = parcel.weight_kg + settings.packaging_g / 1000
    if table is None or not table.products:
        lost = Text(
            "Tradera's table of freight prices could not be read, so that the ad offers pickup only: set tradera.shipping.shipping_cost to have a price even then"
        )
        return _without_table(parcel, settings, lost, table_missed=True)
    fits = table.holding(kg, without=refused)
    if not fits and refused and table.holding(kg):
        lost = Text(
            "Tradera takes none of the parcels in its own table, so that the ad offers pickup only: set tradera.shipping.shipping_cost to have a price even then"
        )
        return _without_table(parcel, settings, lost, table_missed=True)
    if not fits:
        heavy = Text(
            "With packaging it weighs {kg} kg, and none of Tradera's traceable parcels takes more than {most} kg: the ad offers pickup only. Set shippingCost on the item to send it another way",
            kg=rounded(kg),
            most=rounded(table.most_kg),
        )
        return Freight(options=(_pickup(settings),), reason=heavy, warning=heavy)
    first = _preferred(fits, settings.prefer)
    others = [each for each in fits if each.provider_id != first.provider_id]
    chosen = [first, *others[:1]] if settings.second else [first]
    options = [*map(_of_product, chosen), *([_pickup(settings)] if settings.pickup else [])]
    reason = Text(
        "{product} up to {limit} kg for {price} kr, from Tradera's table: {kg} kg with packaging",
        product=first.title,
        limit=rounded(first.up_to_kg),
        price=first.price_kr,
        kg=rounded(kg),
    )
    return Freight(options=tuple(options), reason=reason, warning=_edge(kg, first), by_table=first)


def _preferred(fits: list[ShippingProduct], prefer: str | tuple[str, ...]) -> ShippingProduct:
    """Of those that fit (the cheapest first) the one the owner prefers."""
    if prefer == "fastest":
        return min(fits, key=lambda each: (each.most_days is None, each.most_days or 0))
    names = () if isinstance(prefer, str) else prefer
    for name in names:
        for each in fits:
            if each.provider.casefold() == name.casefold():
                return each
    return fits[0]


def _edge(kg: float, product: ShippingProduct) -> Text | None:
    if kg <= product.up_to_kg * (1 - NEAR_EDGE):
        return None
    values = {"kg": rounded(kg), "limit": rounded(product.up_to_kg), "product": product.title}
    if not product.over_weight_kr:
        return Text(
            "With packaging it weighs {kg} kg, which is near the limit of {limit} kg of {product}: weigh the parcel",
            **values,
        )
    return Text(
        "With packaging it weighs {kg} kg, which is near the limit of {limit} kg of {product}: a parcel that is heavier costs you {penalty} kr",
        **values,
        penalty=product.over_weight_kr,
    )


_FIXED = Text("The fixed price of the settings")


def _without_table(
    parcel: Parcel, settings: FreightSettings, pickup: Text, *, table_missed: bool = False
) -> Freight:
    """The owner's fixed price, else pickup with its warning."""
    if settings.fixed_kr > 0:
        found = _own_price(settings.fixed_kr, parcel, settings, _FIXED)
        return Freight(options=found.options, reason=found.reason, table_missed=table_missed)
    return Freight(options=(_pickup(settings),), reason=pickup, warning=pickup, table_missed=table_missed)


def _own_price(cost_kr: int, parcel: Parcel, settings: FreightSettings, reason: Text) -> Freight:
    sent = FreightOption(
        cost_kr=cost_kr,
        provider_id=settings.own_price_provider,
        weight_kg=parcel.weight_kg or None,
    )
    return Freight(options=(sent, *([_pickup(settings)] if settings.pickup else [])), reason=reason)


def _of_product(product: ShippingProduct) -> FreightOption:
    return FreightOption(
        cost_kr=product.price_kr,
        provider_id=product.provider_id,
        product_id=product.product_id,
        weight_kg=product.up_to_kg,
        title=product.title,
    )


def _pickup(settings: FreightSettings) -> FreightOption:
    return FreightOption(cost_kr=0, option_id=settings.pickup_option)


def is_about_freight(words: str) -> bool:
    """Whether a refusal in these words of Tradera's speaks of freight."""
    return _ABOUT.search(words) is not None


def rounded(kg: float) -> str:
    """A weight as people read it: at most three decimals, none that are zero."""
    return f"{kg:.3f}".rstrip("0").rstrip(".")


def sorted_table(products: Iterable[ShippingProduct], *, read_at: int) -> ShippingTable:
    """A table with its products by weight and price."""
    order = sorted(
        products, key=lambda each: (each.up_to_kg, each.price_kr, each.provider_id, each.product_id)
    )
    return ShippingTable(tuple(order), read_at)
