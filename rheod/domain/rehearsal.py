"""A publishing played through without a call: what would be sent, what would stop it, what it would cost.

The nouns only; `workers/rehearser.py` fills them. No credential ever stands in one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """What a check found: FINE, it WAITS for something that comes by itself, or somebody must act: it STOPS here."""

    FINE = "fine"
    WAITS = "waits"
    STOPS = "stops"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at. `text` is English with `{name}` places for `values`."""

    verdict: Verdict
    text: str
    values: Mapping[str, str | int] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """What was found, in English."""
        return self.text.format(**self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One call as it would be made. What only Tradera or a file can say stands in `<>`."""

    operation: str
    method: str
    url: str
    body: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """The whole play. `goes_at` is when it should go out (ms); None when nobody can say."""

    checks: tuple[Check, ...]
    steps: tuple[Step, ...]
    calls: int
    goes_at: int | None

    @property
    def stops(self) -> bool:
        """Whether it would not be published however long one waits."""
        return any(check.verdict is Verdict.STOPS for check in self.checks)
