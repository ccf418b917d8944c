"""The limits of calls at the simulated Tradera: in all, of a method, of a user, of a burst; in 24 hours or a calendar day.

Whose the limit is and how its day runs is not known, so that each may be played. What is refused, and on what ground:

- above a limit of a method: 429. An account's own page of limits by method, quoted by a client in September 2026, and four
  other projects of 2026 that name 10,000 a method as the default; all of them measured the older API or its search.
- above a limit in all: 429. The older API's documentation and the official plugin's sample of April 2026 (100 in 24 h).
- above a limit of a user: 429. Nobody has seen one; it is here because it was not ruled out.
- a burst: 429. Programs that read the older API's search were throttled for some 15 minutes, without a documented limit.

The body is that of the contract's error, with the code that the error page of the documentation has for 429; its message
is the word that a production client of the older API met, `AboveCallLimit`. There is no Retry-After: none is documented.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal
from zoneinfo import ZoneInfo

from rheod.sandbox.tradera_market import DeclinedError

Day = Literal["rolling", "utc", "swedish"]
_DAY_MS = 24 * 3600 * 1000
_SWEDEN = ZoneInfo("Europe/Stockholm")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLimit:
    """At most `calls` in a window: `window_s` seconds, a day unless it is said, or with `day` a calendar day.

    `method` is an operation, "" for all together, "*" for each by itself; `per_user` gives each seller a count of his own.
    """

    calls: int
    method: str = ""
    per_user: bool = False
    day: Day = "rolling"
    window_s: float = _DAY_MS / 1000

    def begins(self, now_ms: int) -> int:
        """The first moment of the window that this moment lies in (ms)."""
        if self.day == "rolling":
            return now_ms - round(self.window_s * 1000) + 1
        zone = UTC if self.day == "utc" else _SWEDEN
        at = datetime.fromtimestamp(now_ms / 1000, zone)
        return round(datetime(at.year, at.month, at.day, tzinfo=zone).timestamp() * 1000)


@dataclass(slots=True)
class CallQuota:
    """The limits in force, and the calls that count against each; refused calls count against none."""

    limits: list[CallLimit] = field(default_factory=list)
    _made: dict[tuple[CallLimit, str, str], deque[int]] = field(default_factory=dict)

    def count(self, operation: str, user: str, now_ms: int) -> None:
        """Count a call. Raises DeclinedError (429) when it is above a limit."""
        counts = []
        for limit in self.limits:
            if limit.method not in {"", "*", operation}:
                continue
            key = (limit, operation if limit.method == "*" else limit.method, user if limit.per_user else "")
            made, begins = self._made.setdefault(key, deque()), limit.begins(now_ms)
            while made and made[0] < begins:
                made.popleft()
            if len(made) >= limit.calls:
                raise DeclinedError(429, "TooManyRequests", "AboveCallLimit")
            counts.append(made)
        for made in counts:
            made.append(now_ms)
