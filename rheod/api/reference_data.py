"""What items can be: the 18 domains with their map to Tradera's categories, and what Tradera takes, for whoever fills in items.

Tradera's categories, a leaf's attributes and its freight prices are what rheod has read: nothing waits for Tradera, and
nothing is of one account.
"""

from __future__ import annotations

import math
import re
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from aiohttp import web
from pydantic import BeforeValidator, Field, RootModel

from rheod.api.field_types import Name255, Wire, read_model, wrong
from rheod.api.json_body import BODY_BYTES, read_json
from rheod.api.routing import At, Count, Operation, Query, Reply, Whole, read_query, reply
from rheod.domain.categories import (
    CONVERTED,
    DOMAINS,
    TRADERA_CATEGORIES,
    AttributeKind,
    canonical,
    tradera_category,
)
from rheod.domain.errors import Refused, Text
from rheod.domain.freight import Parcel, ShippingProduct, choose

if TYPE_CHECKING:
    from rheod.api.context import Bodies, ReferenceServices


RHEO = "rheo"
TRADERA = "tradera"


class ConvertBody(Wire):
    """A category of one market, asked for in the other: one of them is `rheo`."""

    from_market: Annotated[
        Name255, Field(description="Whose category it is: `rheo` or `tradera`.", examples=[TRADERA])
    ]
    external_id: Annotated[
        Name255, Field(description="Tradera's category number, or the domain.", examples=["525"])
    ]
    to_market: Annotated[
        Name255, Field(description="Whose category is wanted: the other one.", examples=[RHEO])
    ]


class SearchFieldReply(Reply):
    """A field of a search form."""

    key: Annotated[str, Field(description="Its name for programs.", examples=["oem_number"])]
    label_sv: Annotated[str, Field(description="Its name in Swedish.", examples=["OEM-nummer"])]
    label_en: Annotated[str, Field(description="Its name in English.", examples=["OEM Number"])]
    field_type: Annotated[Literal["text"], Field(description="Always `text`.")] = "text"
    placeholder: Annotated[str, Field(description="What it looks like.", examples=["31338723"])]


class CategoryReply(Reply):
    """One domain: its slug, its labels, and what one would search it by."""

    slug: Annotated[str, Field(description="The domain.", examples=["books"])]
    label_en: Annotated[str, Field(description="Its name in English.")]
    label_sv: Annotated[str, Field(description="Its name in Swedish.")]
    description_en: Annotated[str, Field(description="What belongs to it, in English.")]
    search_fields: Annotated[list[SearchFieldReply], Field(description="What one would search it by.")]


class CategoriesReply(RootModel[list[CategoryReply]], Reply):
    """Every domain, in the order shown."""


class ConvertReply(Reply):
    """The category found: always by the static map, so `confidence` is 1 and nothing is guessed.

    `externalId` is the market's own number when it was asked for, `market` the market that is not `rheo`.
    """

    rheo_category: Annotated[str, Field(description="The domain.", examples=["electronics"])]
    external_id: Annotated[str | None, Field(description="Tradera's category number, when it was asked for.")]
    market: Annotated[str, Field(description="The market that is not `rheo`.", examples=[TRADERA])]
    confidence: Annotated[float, Field(description="Always 1: the map is fixed.")] = 1.0
    ai_converted: Annotated[bool, Field(description="Always false: nothing is guessed.")] = False


class CategoryCalls:
    """Handlers under `/categories`."""

    def __init__(self, *, parts: Bodies) -> None:
        self._deadline_s = parts.body_deadline_s

    async def all(self, _request: web.Request) -> web.Response:
        """List the 18 domains with their labels."""
        shown = [
            CategoryReply(
                slug=each.slug,
                label_en=each.label_en,
                label_sv=each.label_sv,
                description_en=each.description_en,
                search_fields=[
                    SearchFieldReply(
                        key=field.key,
                        label_sv=field.label_sv,
                        label_en=field.label_en,
                        placeholder=field.placeholder,
                    )
                    for field in each.search_fields
                ],
            )
            for each in DOMAINS.values()
        ]
        return reply(200, CategoriesReply(shown))

    async def convert(self, request: web.Request) -> web.Response:
        """Find the domain of a Tradera category, or the Tradera category of a domain."""
        body: Any = await read_json(request, limit_bytes=BODY_BYTES, deadline_s=self._deadline_s)
        return reply(200, converted(read_model(ConvertBody, body)))


def converted(asked: ConvertBody) -> ConvertReply:
    """What the static map says. Refused (NOT_FOUND) when it says nothing."""
    markets = (asked.from_market.lower(), asked.to_market.lower())
    if markets == (TRADERA, RHEO):
        number = asked.external_id
        slug = TRADERA_CATEGORIES.get(int(number)) if number.isascii() and number.isdecimal() else None
        if slug is not None:
            return ConvertReply(rheo_category=slug, external_id=None, market=TRADERA)
    if markets == (RHEO, TRADERA):
        slug = canonical(asked.external_id)
        category = None if slug is None else CONVERTED.get(slug) or tradera_category(slug)
        if slug is not None and category is not None:
            return ConvertReply(rheo_category=slug, external_id=str(category), market=TRADERA)
    raise Refused("NOT_FOUND", Text("No category matches"))


def category_operations(parts: Bodies) -> list[Operation]:
    """What anybody may ask, each address within a limit of its own."""
    calls = CategoryCalls(parts=parts)
    ask = partial(Operation, access="open", tag="Categories", rate="categories")
    return [
        ask("GET", "/categories", calls.all, answer=CategoriesReply, refusals=("RATE_LIMITED",)),
        ask(
            "POST",
            "/categories/convert",
            calls.convert,
            body=ConvertBody,
            answer=ConvertReply,
            refusals=("RATE_LIMITED", "NOT_FOUND"),
        ),
    ]


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
        shown = [
            TraderaCategoryReply(
                id=each.id,
                name=each.name,
                path=tree.path_text(each.id),
                parent_id=each.parent_id,
                leaf=tree.is_leaf(each.id),
            )
            for each in found
        ]
        return reply(200, TraderaCategoriesReply(read_at=tree.read_at, categories=shown))

    async def attributes(self, request: web.Request) -> web.Response:
        """List the attributes of one of Tradera's categories, with the terms it takes."""
        named = request.match_info["categoryId"]
        number = int(named) if _NUMBER.fullmatch(named) else 0
        tree = await self._data.tree()
        if not 0 < number <= _LARGEST_ID or (tree is not None and number not in tree):
            raise Refused("NOT_FOUND", Text("Tradera has no category of this number"))
        leaf = await self._data.leaf(number)
        if leaf is None and tree is not None and tree.is_leaf(number):
            now = self._data.store.now()
            self._readings = [at for at in self._readings if at > now - _HOUR_MS]
            if len(self._readings) < _READINGS_AN_HOUR:
                self._readings.append(now)
                await self._data.use(number)
        shown = [
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
        ]
        told = AttributesReply(
            category_id=number,
            path="" if tree is None else tree.path_text(number),
            leaf=None if tree is None else tree.is_leaf(number),
            read_at=None if leaf is None else leaf.read_at,
            attributes=shown,
        )
        return reply(200, told)

    async def shipping(self, request: web.Request) -> web.Response:
        """Show what the buyer of an item of a weight pays for freight, and what else there is."""
        weight = read_query(request, ShippingQuery).weight_kg
        prices, ours = await self._data.freight(), self._freight
        freight = choose(Parcel(weight_kg=weight), ours, prices.table, refused=prices.refused)
        products: list[ShippingProduct] = []
        if prices.table is not None and weight:
            products = prices.table.holding(weight + ours.packaging_g / 1000, without=prices.refused)
        most_days = {each.key: each.most_days for each in products}
        told = ShippingReply(
            weight_kg=weight,
            packaging_g=ours.packaging_g,
            read_at=None if prices.table is None else prices.table.read_at,
            offered=[
                ParcelReply(
                    name=each.name(ours),
                    price=each.cost_kr,
                    up_to_kg=None if each.product_id is None else each.weight_kg,
                    days=None
                    if each.provider_id is None
                    else most_days.get((each.provider_id, each.product_id or 0)),
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
        return reply(200, told)


def operations(parts: ReferenceServices) -> list[Operation]:
    """What a partner's ERP asks before it fills in `tradera`, with its API key."""
    calls = ReferenceCalls(parts=parts)
    ask = partial(Operation, "GET", access="partner", tag="Categories", rate="get")
    return [
        ask(CATEGORIES, calls.categories, query=CategoryQuery, answer=TraderaCategoriesReply),
        ask(f"{CATEGORIES}/{{categoryId}}/attributes", calls.attributes, answer=AttributesReply),
        ask("/integration/v1/tradera/shipping", calls.shipping, query=ShippingQuery, answer=ShippingReply),
    ]
