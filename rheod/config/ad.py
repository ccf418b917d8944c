"""The settings of what every ad says, and of the check of its words."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from rheod.config.checked_values import Section
from rheod.domain.ad_templates import fault_of


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
        if fault := fault_of(text):
            raise ValueError(fault)
        return text
