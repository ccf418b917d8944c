"""What an ad gets when its item does not say: the tables `tradera.defaults` and `tradera.shipping` of the settings file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator

from rheod.config.checked_values import Id, Section
from rheod.domain.taxonomy import DOMAINS, tradera_category


def _no_restarts(value: int) -> int:
    if value:
        raise ValueError(
            "must not be set: Tradera's own restarts make another ad under a number of its own; unsold ads come back by [relist]"
        )
    return value


class TraderaDefaults(Section):
    """What an ad gets when its item does not say."""

    category_id: dict[str, Id] = Field(
        default_factory=dict,
        description="Tradera's leaf category by domain; one that is left out: by `rheod categories`, else guessed",
    )
    duration_days: int = Field(
        default=7, ge=1, le=14, description="days an auction runs (1-14); 3, 5, 7 and 10 are safe everywhere"
    )
    restarts: Annotated[int, AfterValidator(_no_restarts)] | None = Field(
        default=None, description="does nothing any more, unsold ads come back by [relist]: take the line out"
    )
    accepted_bidder_id: Literal[1, 3, 4] = Field(
        default=1, description="who may bid: 1 Sweden, 3 all countries, 4 EU"
    )
    condition: Literal["new", "used"] = Field(default="used", description='"used" or "new"')
    listing_type: Literal["auction", "fixed_price"] = Field(
        default="auction", description='"auction" or "fixed_price"'
    )
    shipping_provider_id: Id = Field(
        default=6, description='Tradera\'s number of a shipping provider; 6 is "other, my own price"'
    )
    shipping_cost: int | None = Field(
        default=None,
        ge=0,
        le=100_000,
        description="older place of tradera.shipping.shipping_cost, which wins; 0 sets no price",
    )
    pickup_option_id: Id = Field(default=8, description="Tradera's number for pickup")
    image_format_jpeg: int = Field(
        default=0, ge=0, le=2, description="Tradera's number for JPEG: 0 works, older documents say 1"
    )
    has_mega: bool = Field(
        default=False, description="whether Tradera is told that a picture has a large version"
    )
    max_images: int = Field(
        default=10, ge=1, le=12, description="pictures per ad (1-12); each costs one call"
    )
    payment_option_ids: tuple[Id, ...] = Field(
        default=(),
        description="Tradera's numbers of ways to pay; empty: the member's own settings at Tradera apply",
    )
    vat: Literal[0, 6, 12, 25] | None = Field(
        default=None, description="per cent of VAT, for business sellers: 0, 6, 12 or 25"
    )

    @field_validator("accepted_bidder_id", "vat", mode="before")
    @classmethod
    def _number(cls, value: object) -> object:
        """A literal number does not take text by itself, but the environment has nothing else."""
        return int(value) if isinstance(value, str) and value.isdecimal() else value

    @field_validator("category_id")
    @classmethod
    def _chosen(cls, given: dict[str, int]) -> dict[str, int]:
        """The numbers that the example of earlier versions had were copied into every file, and chosen by nobody."""
        if unknown := given.keys() - DOMAINS.keys():
            raise ValueError(f"has unknown domains {sorted(unknown)}; known are {sorted(DOMAINS)}")
        return {domain: number for domain, number in given.items() if number != tradera_category(domain)}


class Shipping(Section):
    """What buyers pay for freight where the item names no price: by weight from Tradera's own table, never free by silence."""

    shipping_cost: int | None = Field(
        default=None,
        ge=1,
        le=100_000,
        description="fixed price in whole kronor: for what you send yourself, and where a weight or the table is missing",
    )
    free_shipping: bool = Field(
        default=False, description="you pay the freight of every item that names no price of its own"
    )
    prefer: (
        Literal["cheapest", "fastest"] | tuple[Annotated[str, Field(min_length=1, max_length=100)], ...]
    ) = Field(
        default="cheapest",
        description='which traceable parcel: "cheapest", "fastest", or providers in their order, as ["PostNord"]',
    )
    packaging_g: int = Field(
        default=100, ge=0, le=10_000, description="grams of packaging added to an item's weight"
    )
    second_option: bool = Field(
        default=False, description="the cheapest parcel of another provider is offered too"
    )
    offer_pickup: bool = Field(default=False, description="pickup is offered beside what is sent")
