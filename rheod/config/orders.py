"""The settings of orders."""

from __future__ import annotations

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
