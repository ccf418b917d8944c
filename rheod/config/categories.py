"""The tables of the settings file about how Tradera's categories are chosen."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from rheod.config.checked_values import Id, Section
from rheod.domain.taxonomy import DOMAINS, canonical


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
