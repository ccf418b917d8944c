"""Calendar months as Swedish clocks have them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rheod.domain.calendar import day_of, month_of, months_until


def ms(text: str) -> int:
    """A UTC time as ms."""
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("utc", "month"),
    [
        ("2026-03-31T21:59:59", "2026-03"),  # summer time: two hours ahead
        ("2026-03-31T22:00:00", "2026-04"),
        ("2026-12-31T22:59:59", "2026-12"),  # winter time: one hour
        ("2026-12-31T23:00:00", "2027-01"),
        ("2026-10-31T22:59:59", "2026-10"),  # winter time has begun
    ],
)
def test_a_month_begins_at_midnight_in_sweden(utc: str, month: str) -> None:
    """In summer time as in winter time."""
    assert month_of(ms(utc)) == month
    assert day_of(ms(utc)).isoformat()[:7] == month


@pytest.mark.parametrize("at", [-(10**15), 10**18])
def test_a_time_that_cannot_be_is_some_month_all_the_same(at: int) -> None:
    """A wrong date of Tradera's breaks no order."""
    assert month_of(at) in {"1970-01", "9999-01"}
    assert day_of(at).isoformat() in {"1970-01-01", "9999-01-01"}


def test_twelve_months_end_with_this_one_and_cross_the_year() -> None:
    """Oldest first, none left out."""
    found = months_until(ms("2026-02-10T12:00:00"), 12)
    assert found == [f"2025-{month:02d}" for month in range(3, 13)] + ["2026-01", "2026-02"]
