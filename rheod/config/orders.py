"""The settings of orders."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from rheod.config.checked_values import Section


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
