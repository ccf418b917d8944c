"""Whatever happens to things that come back, none is sold twice unsaid, dearer by itself, or up though it was stopped."""

from __future__ import annotations

import asyncio
import os
import secrets
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.tradera.returns import PASSING, Round, live_through

THINGS = 30
"""Things side by side in a walk; each is an example of its own."""

EXAMPLES = int(os.environ.get("RHEOD_RETURNS", "2000"))
FIXED = "RHEOD_RETURNS" not in os.environ
"""Whether the same lives are lived each time: other ones are for who asks for a number of them."""

_ACTS = (
    ["nothing"] * 6
    + ["unsold"] * 8
    + ["bid"] * 3
    + ["sell"] * 2
    + ["late"] * 3
    + ["restart"] * 4
    + ["reverse"] * 4
    + ["pay_late"] * 2
    + ["pay", "price", "price", "put", "relist", "relist", "hold", "resume", "resume"]
    + ["publish", "publish", "not_listed", "delete"]
)
_WORLDS = ["nothing"] * 8 + ["pause", "resume", "resume", *(f"crash:{calls}" for calls in range(6))]
_ROUNDS = st.builds(
    Round,
    acts=st.tuples(*[st.tuples(st.sampled_from(_ACTS), st.integers(0, 11))] * THINGS),
    world=st.sampled_from(_WORLDS),
    passes=st.sampled_from([*PASSING, "day", "day"]),
)


def walk(examples: int, rounds: int, lives: int) -> None:
    """Live through so many examples of so many rounds at most, those of this number."""

    @seed(lives)
    @settings(
        max_examples=-(-examples // THINGS),
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(_ROUNDS, min_size=2, max_size=rounds))
    def lived(drawn: list[Round]) -> None:
        with tempfile.TemporaryDirectory(dir=_memory()) as folder:
            assert asyncio.run(live_through(Path(folder), drawn)) == []

    lived()


def _memory() -> str | None:
    """A folder in memory, where there is one."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a temporary folder within


def test_a_few_short_lives_of_things_that_come_back() -> None:
    """A few dozen, each some days long."""
    walk(60, 5, 1)


@pytest.mark.simulation
@pytest.mark.timeout(0)
@pytest.mark.parametrize("lives", [1, 2], ids=["half", "other half"])
def test_many_lives_of_things_that_come_back(lives: int) -> None:
    """`RHEOD_RETURNS` of them, weeks long; in halves, for two cores."""
    walk(EXAMPLES // 2, 12, lives if FIXED else secrets.randbits(32))
