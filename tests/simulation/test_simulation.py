"""Simulated days by seed: the real workers, store and lifecycle over simulated peers, clock and chance.

`RHEOD_SEEDS=1000` runs more seeds, `RHEOD_SEED=42` replays one; `python -m tests.simulation.run 0 1000 2` runs many.
"""

from __future__ import annotations

import os

import pytest

from tests.simulation.world import run_seed

SEEDS = (
    [int(os.environ["RHEOD_SEED"])]
    if "RHEOD_SEED" in os.environ
    else range(int(os.environ.get("RHEOD_SEEDS", "20")))
)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_simulated_day_breaks_no_promise(seed: int) -> None:
    """Whatever goes wrong during the day, in the quiet after it everything is settled and no invariant is broken."""
    report = run_seed(seed)
    assert report.violations == [], f"replay it with RHEOD_SEED={seed} pytest tests/simulation"
    assert report.calls > 0
