"""The table of the settings file that says how many calls Tradera allows, and the older keys that it supersedes."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field, field_validator

from rheod.config.checked_values import Calls, Section
from rheod.domain.budget import DEFAULT_LIMIT, METHODS, method_of


class QuotaSettings(Section):
    """How many calls Tradera allows the application in 24 hours: it shows the figures on the application's page."""

    default: Calls = Field(default=DEFAULT_LIMIT, description="calls of each method in 24 h")
    methods: dict[str, Calls] = Field(
        default_factory=dict, description="other figures for single methods, by name"
    )
    total: Calls | None = Field(
        default=None, description="calls of all methods together, where Tradera has told you such a limit"
    )

    @field_validator("methods")
    @classmethod
    def _known(cls, given: dict[str, int]) -> dict[str, int]:
        if unknown := given.keys() - set(METHODS):
            raise ValueError(f"has unknown methods {sorted(unknown)}; known are {sorted(METHODS)}")
        return given

    def with_older(self, older: Mapping[str, int]) -> dict[str, int]:
        """The limits by method where an older setting, by operations, stands too: the smaller of both."""
        limits = dict(self.methods)
        for operation, calls in older.items():
            method = method_of(operation)
            limits[method] = min(calls, limits.get(method, calls))
        return limits


def smaller(one: int | None, other: int | None) -> int | None:
    """The smaller of two limits, of which either may be none."""
    return min((each for each in (one, other) if each is not None), default=None)
