"""A burst of things, small quotas by method, refused categories, definitions that are no JSON: a week in simulated time.

`RHEOD_BURST=300` pushes so many things; `RHEOD_BURSTS=10` lives through so many weeks.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest

from tests.simulation.burst import KINDS, run_burst

pytestmark = pytest.mark.simulation
THINGS = int(os.environ.get("RHEOD_BURST", "96"))
WEEKS = int(os.environ.get("RHEOD_BURSTS", "1"))
WITHOUT_FAULT = ("guessed", "attribute", "unread", "by weight", "no weight", "too heavy", "twice")


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(1, 1 + WEEKS))
def test_a_week_ends_with_everything_live_or_held_with_its_reason(seed: int) -> None:
    """No call is over a limit in 24 hours, a Swedish day or a day of UTC, and nothing goes up twice."""
    week = run_burst(seed, THINGS)
    assert week.violations == []
    each = THINGS // len(KINDS)
    stands = {kind: dict(found) for kind, found in week.stands.items()}
    assert {kind: stands[kind] for kind in WITHOUT_FAULT} == {key: {"live": each} for key in WITHOUT_FAULT}
    mended = {"live": (each + 1) // 2, "held": each // 2}
    assert [stands[kind] for kind in ("no size", "parent", "refused", "no price")] == [mended] * 4
    freight = {kind: dict(week.freight[kind]) for kind in ("by weight", "no weight", "too heavy", "no price")}
    assert freight == {
        "by weight": {"by the table": each},
        "no weight": {"pickup, told": each},
        "too heavy": {"pickup, told": each},
        "no price": {"149 kr": mended["live"]},
    }
    assert set(stands["dying"]) == {"live", "held"}
    assert sum(map(Counter.total, week.stands.values())) == THINGS
