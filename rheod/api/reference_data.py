"""What Tradera takes, for whoever fills in items: its categories, a leaf's attributes, its freight prices. No call waits for Tradera.

All of it is from what rheod has read; nothing is of one account.
"""

from __future__ import annotations

import math
import re
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from aiohttp import web
from pydantic import BeforeValidator, Field

from rheod.api.field_types import wrong
from rheod.api.responses import At, Count, Reply, reply
from rheod.api.routing import Operation, Query, Whole, read_query
from rheod.domain.categories import AttributeKind, Category, CategoryTree, LeafAttributes
from rheod.domain.errors import Refused, Text
from rheod.domain.freight import Freight, Parcel, choose

if TYPE_CHECKING:
    from rheod.api.context import ReferenceServices
    from rheod.usecases.placement import FreightPrices

CATEGORIES = "/integration/v1/tradera/categories"
_LARGEST_ID = 2**31 - 1
_READINGS_AN_HOUR = 60
"""So many leaves that were never read are read for those who ask here, whose calls the ads may need."""

_NUMBER = re.compile(r"\d{1,15}", re.ASCII)
_HOUR_MS = 3600 * 1000
ReadAt = Annotated[At | None, Field(description="When it was read from Tradera; null when it never was.")]


class CategoryQuery(Query):
    """Which categories: those whose names have the words, those right below one, or those at the top."""

    q: Annotated[
        str | None,
        Field(
            max_length=200,
            description="Words of the names, or beginnings of them: of the category and those above it.",
        ),
    ] = None
    parent: Annotated[Whole | None, Field(ge=1, le=_LARGEST_ID, description="Only below this category.")] = (
        None
    )
    limit: Annotated[Whole, Field(ge=1, le=1000, description="At most so many.")] = 100


class TraderaCategoryReply(Reply):
    """One of Tradera's categories. Ads go into leaves only."""

    id: Annotated[int, Field(description="Tradera's number, for `tradera.categoryId`.", examples=[302571])]
    name: Annotated[str, Field(description="Its name.")]
    path: Annotated[
        str, Field(description="The names from the top down to it.", examples=["Fordon > Bildelar > Bromsar"])
    ]
    parent_id: Annotated[int | None, Field(description="The category it is in; null at the top.")]
    leaf: Annotated[bool, Field(description="Whether ads go into it.")]


class TraderaCategoriesReply(Reply):
    """The categories found, leaves first."""

    read_at: ReadAt
    categories: Annotated[list[TraderaCategoryReply], Field(description="The categories.")]


class AttributeReply(Reply):
    """An attribute that ads of the leaf may have, or must."""

    id: Annotated[int, Field(description="Tradera's number of it in this leaf.")]
    name: Annotated[str, Field(description="What to call it in `tradera.attributes`.", examples=["Skick"])]
    key: Annotated[str, Field(description="Tradera's key for it.")]
    description: Annotated[str, Field(description="Tradera's own words.")]
    type: Annotated[AttributeKind, Field(description="Terms of a list, numbers, or something else.")]
    value_format: Annotated[str, Field(description="How Tradera shows its values, such as a unit.")]
    required: Annotated[bool, Field(description="Whether an ad must have it.")]
    min_values: Annotated[Count, Field(description="The least number of values.")]
    max_values: Annotated[Count | None, Field(description="The most; null without a limit.")]
    terms: Annotated[list[str], Field(description="The only values that Tradera takes, letter by letter.")]


class AttributesReply(Reply):
    """The attributes of a category. One that was never read is read soon: ask again."""

    category_id: Annotated[int, Field(description="Tradera's number.")]
    path: Annotated[
        str, Field(description="The names from the top down to it; empty while the tree is not known.")
    ]
    leaf: Annotated[
        bool | None, Field(description="Whether ads go into it; null while the tree is not known.")
    ]
    read_at: ReadAt
    attributes: Annotated[list[AttributeReply], Field(description="The attributes.")]


def _kilograms(value: Any) -> float:
    try:
        weight = float(value)
    except (TypeError, ValueError):
        weight = math.nan
    if not 0 <= weight <= 10_000:  # also false for what is no number
        raise wrong("kilograms", Text("Must be a number of kilograms from 0 to 10000"))
    return weight


class ShippingQuery(Query):
    """The weight of an item without its packaging."""

    weight_kg: Annotated[
        Annotated[float, BeforeValidator(_kilograms), Field(ge=0, le=10_000)] | None,
        Field(alias="weightKg", description="Kilograms without packaging; absent or 0: unknown."),
    ] = None


class ParcelReply(Reply):
    """A way to send the item: a product of Tradera's, or pickup, or at a price of your own."""

    name: Annotated[str, Field(description="Provider and product.", examples=["PostNord MyPack Collect"])]
    price: Annotated[Count, Field(description="SEK: what the buyer pays.")]
    up_to_kg: Annotated[
        float | None, Field(description="The heaviest parcel it takes, packaging included.")
    ] = None
    days: Annotated[
        int | None, Field(description="Weekdays it takes at most; null when Tradera does not say.")
    ] = None


class ShippingReply(Reply):
    """What an ad of an item of this weight offers, and what else Tradera has, the cheapest first."""

    weight_kg: Annotated[float | None, Field(description="As asked for.")]
    packaging_g: Annotated[Count, Field(description="Grams that are added: `tradera.shipping.packaging_g`.")]
    read_at: ReadAt
    offered: Annotated[
        list[ParcelReply], Field(description="What the ad offers when the item says nothing else.")
    ]
    reason: Annotated[str, Field(description="Why.")]
    warning: Annotated[str | None, Field(description="What you should know of it; null when nothing.")]
    parcels: Annotated[list[ParcelReply], Field(description="Every traceable product that takes the weight.")]


class ReferenceCalls:
    """Handlers under `/integration/v1/tradera`."""

    def __init__(self, *, parts: ReferenceServices) -> None:
        self._data = parts.reference
        self._freight = parts.freight
        self._readings: list[int] = []

    async def categories(self, request: web.Request) -> web.Response:
        """List Tradera's categories: by words, below one of them, or at the top."""
        asked = read_query(request, CategoryQuery)
        tree = await self._data.tree()
        if tree is None:
            return reply(200, TraderaCategoriesReply(read_at=None, categories=[]))
        if asked.parent is not None and asked.parent not in tree:
            raise Refused("NOT_FOUND", Text("Tradera has no category of this number"))
        if asked.q is None:
            found = list(tree.children(asked.parent))[: asked.limit]
        else:
            found = tree.search(asked.q, below=asked.parent, limit=asked.limit)
        shown = [_category(each, tree) for each in found]
        return reply(200, TraderaCategoriesReply(read_at=tree.read_at, categories=shown))

    async def attributes(self, request: web.Request) -> web.Response:
        """List the attributes of one of Tradera's categories, with the terms it takes."""
        named = request.match_info["categoryId"]
        number = int(named) if _NUMBER.fullmatch(named) else 0
        tree = await self._data.tree()
        if not 0 < number <= _LARGEST_ID or (tree is not None and number not in tree):
            raise Refused("NOT_FOUND", Text("Tradera has no category of this number"))
        leaf = await self._data.leaf(number)
        if leaf is None and tree is not None and tree.is_leaf(number) and self._may_read():
            await self._data.use(number)
        return reply(200, _attributes(number, tree, leaf))

    def _may_read(self) -> bool:
        """Whether one more leaf may be read for those who ask here; if so it is noted."""
        now = self._data.store.now()
        self._readings = [at for at in self._readings if at > now - _HOUR_MS]
        if len(self._readings) >= _READINGS_AN_HOUR:
            return False
        self._readings.append(now)
        return True

    async def shipping(self, request: web.Request) -> web.Response:
        """Show what the buyer of an item of a weight pays for freight, and what else there is."""
        weight = read_query(request, ShippingQuery).weight_kg
        prices = await self._data.freight()
        freight = choose(Parcel(weight_kg=weight), self._freight, prices.table, refused=prices.refused)
        return reply(200, self._shipping(weight, prices, freight))

    def _shipping(self, weight: float | None, prices: FreightPrices, freight: Freight) -> ShippingReply:
        kg = (weight or 0) + self._freight.packaging_g / 1000
        products = (
            [] if prices.table is None or not weight else prices.table.holding(kg, without=prices.refused)
        )
        limits = {each.key: each for each in products}
        return ShippingReply(
            weight_kg=weight,
            packaging_g=self._freight.packaging_g,
            read_at=None if prices.table is None else prices.table.read_at,
            offered=[
                ParcelReply(
                    name=each.name(self._freight),
                    price=each.cost_kr,
                    up_to_kg=None if each.product_id is None else each.weight_kg,
                    days=None
                    if each.provider_id is None or (each.provider_id, each.product_id or 0) not in limits
                    else limits[each.provider_id, each.product_id or 0].most_days,
                )
                for each in freight.options
            ],
            reason=freight.reason,
            warning=freight.warning,
            parcels=[
                ParcelReply(name=each.title, price=each.price_kr, up_to_kg=each.up_to_kg, days=each.most_days)
                for each in products
            ],
        )


def _category(category: Category, tree: CategoryTree) -> TraderaCategoryReply:
    return TraderaCategoryReply(
        id=category.id,
        name=category.name,
        path=tree.path_text(category.id),
        parent_id=category.parent_id,
        leaf=tree.is_leaf(category.id),
    )


def _attributes(number: int, tree: CategoryTree | None, leaf: LeafAttributes | None) -> AttributesReply:
    return AttributesReply(
        category_id=number,
        path="" if tree is None else tree.path_text(number),
        leaf=None if tree is None else tree.is_leaf(number),
        read_at=None if leaf is None else leaf.read_at,
        attributes=[
            AttributeReply(
                id=each.id,
                name=each.name,
                key=each.key,
                description=each.description,
                type=each.kind,
                value_format=each.value_format,
                required=each.required,
                min_values=each.min_values,
                max_values=each.max_values,
                terms=list(each.terms),
            )
            for each in (() if leaf is None else leaf.definitions)
        ],
    )


def operations(parts: ReferenceServices) -> list[Operation]:
    """What a partner's ERP asks before it fills in `tradera`, with its API key."""
    calls = ReferenceCalls(parts=parts)
    ask = partial(Operation, "GET", access="partner", tag="Categories", rate="get")
    return [
        ask(CATEGORIES, calls.categories, query=CategoryQuery, answer=TraderaCategoriesReply),
        ask(f"{CATEGORIES}/{{categoryId}}/attributes", calls.attributes, answer=AttributesReply),
        ask("/integration/v1/tradera/shipping", calls.shipping, query=ShippingQuery, answer=ShippingReply),
    ]
