"""The tables of the settings file about how things are sold.

What every ad says, which category it is in, returns of what is unsold, when auctions end, what becomes of orders.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from rheod.config.sections import Id, Section
from rheod.domain.ad_text import template_fault
from rheod.domain.calendar import BadWindow, EndChoice, EndWindow
from rheod.domain.categories import DOMAINS, canonical
from rheod.domain.relist import BelowReserve, RelistRule, Then, step_of


class AdSettings(Section):
    """What every ad says, and the check of its words before it goes out."""

    header: str = Field(
        default="",
        description="text above every ad's own, with fields such as {externalId}; wins over `rheod templates`",
    )
    footer: str = Field(
        default="", description="text below every ad's own; for a business {withdrawalRight} is at hand"
    )
    check: Literal["off", "warn", "hold"] = Field(
        default="warn",
        description='what follows when an ad breaks Tradera\'s rules or its own fields: "warn", "hold" it, or "off"',
    )
    business: bool | None = Field(
        default=None,
        description="whether you sell as a business, whose ads may name a telephone; without it: if vat is set",
    )

    @field_validator("header", "footer")
    @classmethod
    def _fields_known(cls, text: str) -> str:
        """A field nobody knows would stand in every ad as it is written."""
        if fault := template_fault(text):
            raise ValueError(fault)
        return text


def _slug(domain: str) -> str:
    slug = canonical(domain)
    if slug is None:
        raise ValueError(f"must be one of {', '.join(DOMAINS)}")
    return slug


class RuleSettings(Section):
    """Items that are all of this go into the category."""

    category: Id = Field(description="a leaf of Tradera's tree")
    domain: Annotated[str, AfterValidator(_slug)] | None = None
    words: str = ""
    metadata: dict[str, str] = Field(default={}, max_length=1)
    account: str | None = None


class Categories(Section):
    """How a category is chosen for items that name none. What stands here wins over what commands and pages have set."""

    rules: tuple[RuleSettings, ...] | None = Field(
        default=None,
        description="the first that takes an item wins; without it those of `rheod categories rules`",
    )
    guess_category: bool | None = Field(
        default=None,
        description="whether rheod guesses when nothing else says it; without it by command, else true",
    )
    condition_words: dict[str, tuple[str, ...]] | None = Field(
        default=None,
        description="words and grades of condition, and the terms they may become; added to rheod's own",
    )


class Relist(Section):
    """What is unsold comes back by itself, cheaper step by step, never below its floor."""

    enabled: bool = Field(default=False, description="whether unsold auctions come back by themselves")
    times: int = Field(default=3, ge=0, le=50, description="how often one comes back at most (0-50)")
    steps: tuple[Annotated[float | str, AfterValidator(step_of)], ...] = Field(
        default=(0.9, 0.8, 0.7),
        min_length=1,
        max_length=50,
        description='prices of the 1st, 2nd … return: a share of the first price, or "-10%" of the one before; the last repeats',
    )
    round: Literal[1, 5, 10, "9"] = Field(
        default=1, description='prices are rounded down to this: 1, 5 or 10, or to end in "9"'
    )
    floor: float | None = Field(
        default=None,
        gt=0,
        le=10_000_000,
        description="the lowest price: kronor from 1 on, below that a share of the first price; enabled needs one",
    )
    wait_h: float = Field(
        default=24,
        ge=0,
        le=24 * 60,
        description="hours between an end and the return: a purchase request lives for 24",
    )
    stop_after_days: float = Field(
        default=60, gt=0, le=3650, description="nothing comes back so long after its first ad went up"
    )
    then: Literal["not_listed", "fixed_price", "tell"] = Field(
        default="not_listed",
        description='after the last return: "not_listed", "fixed_price" at the last price, or "tell" you',
    )
    below_reserve: Literal["keep", "drop", "lower"] = Field(
        default="keep",
        description='a reserve that bids did not reach: "keep" it, "drop" it, or "lower" it to the highest bid',
    )

    @field_validator("round", mode="before")
    @classmethod
    def _number(cls, value: object) -> object:
        """The environment has only text."""
        return int(value) if isinstance(value, str) and value in {"1", "5", "10"} else value

    @model_validator(mode="after")
    def _has_floor(self) -> Self:
        if self.enabled and self.floor is None:
            raise ValueError("needs floor: the lowest price a thing may go for, such as 200 or 0.5")
        return self

    @property
    def rule(self) -> RelistRule:
        """The rule that this table is."""
        return RelistRule(
            enabled=self.enabled,
            times=self.times,
            steps=self.steps,
            round_to=int(self.round),
            floor=self.floor,
            wait_h=self.wait_h,
            stop_after_days=self.stop_after_days,
            then=Then(self.then),
            below_reserve=BelowReserve(self.below_reserve),
        )


def _readable(text: str) -> str:
    try:
        EndWindow.read(text)
    except BadWindow as error:
        raise ValueError(str(error)) from error
    return text


class Ends(Section):
    """When auctions end: when buyers are there, and not all at once."""

    windows: tuple[Annotated[str, AfterValidator(_readable)], ...] = Field(
        default=(),
        max_length=50,
        description='when auctions may end, by Swedish clocks, such as ["Sun-Thu 19:00-21:30"]; none: whenever it comes',
    )
    spacing_min: int = Field(default=2, ge=1, le=240, description="minutes between two ends of one account")
    per_window: int | None = Field(
        default=None, ge=1, le=1000, description="at most so many end in one window of one day"
    )
    per_category: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="at most so many of one category end in one window of one day",
    )
    durations: tuple[Annotated[int, Field(ge=1, le=14)], ...] = Field(
        default=(7,),
        min_length=1,
        max_length=14,
        description="days an auction may run where its item says nothing; the one that reaches a window first is taken",
    )

    @property
    def choice(self) -> EndChoice:
        """The plan that this table is."""
        return EndChoice(
            windows=self.windows,
            spacing_min=self.spacing_min,
            per_window=self.per_window,
            per_category=self.per_category,
            durations=self.durations,
        )


class OrderSettings(Section):
    """What becomes of orders."""

    pick_sort: str | None = Field(
        default=None,
        min_length=1,
        max_length=255,
        description="the key of your items' metadata that pick lists are sorted by",
    )
    ship_while_waiting: bool = Field(
        default=False, description="send a paid order at once though the buyer may still add to it"
    )
    unpaid_reminder_days: tuple[Annotated[int, Field(ge=1, le=60)], ...] = Field(
        default=(3, 7, 10),
        max_length=10,
        description="you are reminded of an order that is not paid so many days after it was made; [] never",
    )
