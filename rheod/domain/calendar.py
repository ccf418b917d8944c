"""The calendar rheod counts in: days and months are Sweden's. The rules of the zone come with Python or `tzdata`."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

SWEDEN = ZoneInfo("Europe/Stockholm")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_MS = 253_370_764_800_000
"""The year 9999: a time beyond it is no time and counts as that year."""


def month_of(at_ms: int) -> str:
    """The month a moment (ms UTC) lies in by Swedish clocks, such as `2026-04`."""
    return in_sweden(at_ms).strftime("%Y-%m")


def months_until(at_ms: int, count: int) -> list[str]:
    """The `count` months that end with the one this moment lies in, the oldest first."""
    year, month = map(int, month_of(at_ms).split("-"))
    last = year * 12 + month - 1
    return [f"{number // 12:04d}-{number % 12 + 1:02d}" for number in range(last - count + 1, last + 1)]


def day_of(at_ms: int) -> date:
    """The day a moment (ms UTC) lies in by Swedish clocks."""
    return in_sweden(at_ms).date()


def days_until(at_ms: int, count: int) -> list[date]:
    """The `count` days that end with the one this moment lies in, the oldest first."""
    last = day_of(at_ms)
    return [last - timedelta(days=back) for back in range(count - 1, -1, -1)]


def start_of(day: date) -> int:
    """When the day begins by Swedish clocks (ms UTC)."""
    return round(datetime(day.year, day.month, day.day, tzinfo=SWEDEN).timestamp() * 1000)


def in_sweden(at_ms: int) -> datetime:
    """The moment by Swedish clocks; one that cannot be is the nearest that can."""
    moment = _EPOCH + timedelta(milliseconds=min(max(at_ms, 0), _LATEST_MS))
    return moment.astimezone(SWEDEN)
