"""The 18 domains for anybody to read, and the static map between them and Tradera's categories."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from aiohttp import web
from pydantic import Field, RootModel

from rheod.api.field_types import Name255, Wire, read_model
from rheod.api.json_body import BODY_BYTES, read_json
from rheod.api.responses import Reply, reply
from rheod.api.routing import Operation
from rheod.domain.categories import CONVERTED, DOMAINS, TRADERA_CATEGORIES, canonical, tradera_category
from rheod.domain.errors import Refused, Text

if TYPE_CHECKING:
    from rheod.api.context import Bodies


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


def operations(parts: Bodies) -> list[Operation]:
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
