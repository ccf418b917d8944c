"""The tables of the settings file about how things are sold: returns of what is unsold, and when auctions end."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from rheod.config.checked_values import Section
from rheod.domain.relist import BelowReserve, RelistRule, Then, step_of


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
