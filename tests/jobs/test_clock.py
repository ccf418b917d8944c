"""The daemon's own clock passes evenly, whatever happens to the machine's."""

from __future__ import annotations

from rheod.jobs.housekeeping import SteadyClock
from tests.stores import NOW_MS, Clock


def test_a_jump_of_the_wall_clock_is_seen_and_not_followed_by_itself() -> None:
    """Time goes on evenly through a jump; taken over, it is the machine's again."""
    wall, monotonic = Clock(), Clock(7)
    clock = SteadyClock(wall=wall, monotonic=monotonic)
    wall.forward(1000 + 3_600_000)
    monotonic.forward(1000)
    assert (clock(), clock.ahead()) == (NOW_MS + 1000, 3_600_000)
    clock.adjust(3_600_000)
    assert (clock(), clock.ahead()) == (wall(), 0)
